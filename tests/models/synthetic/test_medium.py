"""Waves over contacts in simulated cultures, with coupling and without: their truth, and what is found of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calcigraph.cli.app import run
from calcigraph.models import SyntheticOptions, make_culture, truth
from calcigraph.models.event_run import find_events
from calcigraph.models.synthetic.culture import SyntheticCulture

ALONE = SyntheticOptions(
    cells=60, frames=200, size_px=384, k=0.0, leak=0.02, spikes=0, trace_noise=0.0, contact_waves=1,
    contact_wave_reach_px=1e4, wave_failure=0.0, seed=3,
)  # fmt: skip


def steps(culture: SyntheticCulture, start: int) -> dict[int, int]:
    """How many contacts away each cell is."""
    pairs = list(zip(culture.contacts.label_a.tolist(), culture.contacts.label_b.tolist(), strict=True))
    away, due = {start: 0}, [start]
    while due:
        cell = due.pop(0)
        for a, b in pairs:
            other = b if a == cell else a if b == cell else None
            if other is not None and other not in away:
                away[other] = away[cell] + 1
                due.append(other)
    return away


def test_a_wave_runs_from_its_first_cell_over_contacts_at_its_speed() -> None:
    culture = make_culture(ALONE)
    (wave,) = culture.contact_waves
    (start,) = wave.starts.tolist()
    assert wave.kind == "wave"
    assert wave.speed_px_s == 2.0
    onset = {label: time for label, time, _ in culture.fired}
    assert set(onset) == set(wave.labels.tolist()) == set(culture.cells.tolist())
    assert min(onset, key=lambda label: onset[label]) == start
    assert onset[start] == wave.start_s
    away = steps(culture, start)
    for label, time in onset.items():
        if label != start:
            around = culture.contacts.label_a, culture.contacts.label_b
            pairs = [pair for pair in zip(*(side.tolist() for side in around), strict=True) if label in pair]
            before = [a if b == label else b for a, b in pairs]
            assert min(onset[other] for other in before) < time
            assert away[label] > 0
    place = {label: (x, y) for label, x, y in zip(culture.cells.tolist(), culture.x_px, culture.y_px, strict=True)}
    far = [label for label in onset if np.hypot(*np.subtract(place[label], place[start])) > 120]
    distance = [np.hypot(*np.subtract(place[label], place[start])) for label in far]
    # Along contacts the way is longer than the straight line, by 5 to 25 %.
    speed = np.sum(distance) / np.sum([onset[label] - wave.start_s for label in far])
    assert 2.0 / 1.25 < speed < 2.0


def test_what_a_wave_sets_off_is_seen_when_the_truth_says() -> None:
    culture = make_culture(ALONE)
    inner = ~culture.border
    rise = np.diff(culture.intensity[inner], axis=1)
    first = (rise > 0.005).argmax(axis=1) * culture.options.frame_interval_s
    onset = np.array([time for label, time, _ in culture.fired if not culture.border[label - 1]])
    np.testing.assert_allclose(first, onset, atol=culture.options.frame_interval_s * 1.2)


@pytest.mark.parametrize("k", [0.0, 0.03])
def test_coupling_does_not_change_who_fires(k: float) -> None:
    alone, coupled = make_culture(ALONE), make_culture(replace(ALONE, k=k))
    assert alone.fired == coupled.fired
    if k:
        assert not np.allclose(alone.calcium, coupled.calcium)


def test_waves_leave_the_rest_as_it_was() -> None:
    plain = make_culture(replace(ALONE, contact_waves=0, spikes=1))
    waved = make_culture(replace(ALONE, spikes=1))
    assert set(waved.spikes) <= set(plain.spikes)
    np.testing.assert_array_equal(waved.feed, plain.feed)
    before = int(waved.contact_waves[0].start_s / ALONE.frame_interval_s)
    np.testing.assert_allclose(waved.calcium[:, :before], plain.calcium[:, :before], atol=1e-12)


def test_no_cell_fires_twice_within_a_minute_where_waves_run() -> None:
    waved = make_culture(replace(ALONE, spikes=5, flashes=1))
    times: dict[int, list[float]] = {}
    for label, time in [*waved.spikes, *((label, time) for label, time, _ in waved.fired)]:
        times.setdefault(label, []).append(time)
    assert min(np.diff(sorted(each)).min() for each in times.values() if len(each) > 1) >= 60


def test_collisions_and_flashes() -> None:
    culture = make_culture(replace(ALONE, contact_waves=0, wave_collisions=1, flashes=1, frames=361))
    kinds = [wave.kind for wave in culture.contact_waves]
    assert sorted(kinds) == ["flash", "wave", "wave"]
    flash = culture.contact_waves[kinds.index("flash")]
    assert len(flash.labels) > 40
    one, two = (wave for wave in culture.contact_waves if wave.kind == "wave")
    assert abs(one.start_s - two.start_s) < 384 / 2
    assert not set(one.labels.tolist()) & set(two.labels.tolist())


def test_the_truth_tells_every_event_and_its_cause() -> None:
    options = replace(ALONE, spikes=1, flashes=1, waves=1)
    culture = make_culture(options)
    known = json.loads(json.dumps(truth(culture), allow_nan=False))
    assert SyntheticOptions(**known["options"]) == options
    events = known["events"]
    assert [(each["label"], each["onset_s"]) for each in events] == sorted((e["label"], e["onset_s"]) for e in events)
    by_cause = {
        cause: [each for each in events if each["cause"] == cause] for cause in ("own", "wave", "flash", "front")
    }
    assert sum(map(len, by_cause.values())) == len(events)
    assert len(by_cause["own"]) == len(known["spikes"])
    assert {each["number"] for each in by_cause["own"]} == {None}
    assert all(len(by_cause[cause]) > 10 for cause in ("wave", "flash", "front"))
    for cause in ("wave", "flash"):
        for number in {each["number"] for each in by_cause[cause]}:
            wave = known["contact_waves"][number]
            assert wave["kind"] == cause
            assert wave["labels"] == sorted(each["label"] for each in by_cause[cause] if each["number"] == number)
    assert (known["contact_waves"][0]["speed_px_s"] is None) == (known["contact_waves"][0]["kind"] == "flash")


def test_a_picture_of_a_part_tells_what_it_shows() -> None:
    culture = make_culture(replace(ALONE, field=0.6, k=0.01))
    shown = set(culture.cells.tolist())
    assert len(shown) < 60
    assert {label for label, _, _ in culture.fired} <= shown
    (wave,) = culture.contact_waves
    assert set(wave.labels.tolist()) == shown


@pytest.mark.parametrize("k", [0.0, 0.01])
def test_the_waves_are_found(k: float) -> None:
    """With other cells among them: border cells have slow processes of their own."""
    of_planted, held = [], []
    for seed in (1, 2, 3):
        options = SyntheticOptions(k=k, leak=0.01, spikes=2, contact_waves=2, flashes=1, seed=seed)
        culture = make_culture(options)
        found = find_events(culture.subgraph())
        for planted in culture.contact_waves:
            near = [
                wave
                for wave in found.waves
                if wave.kind == planted.kind and abs(wave.onset_s - planted.start_s) < 40
            ]  # fmt: skip
            assert len(near) == 1
            labels = found.events.label[near[0].events]
            shared = len(np.intersect1d(labels, planted.labels))
            assert shared / len(np.union1d(labels, planted.labels)) > 0.65  # cells of both over cells of either
            of_planted.append(shared / len(planted.labels))
            if planted.kind == "wave":
                held.append(near[0].speed_low_px_s < 2.0 < near[0].speed_high_px_s)
                away = steps(culture, int(planted.starts[0]))
                assert min(away[label] for label in near[0].starts.tolist()) <= 1
    assert np.mean(of_planted) > 0.8
    assert sum(held) >= len(held) - 1  # intervals of 95 %


def test_simulate_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--cells", "36", "--size", "220", "--frames", "60", "--k", "0"]
    waves = ["--contact-waves", "1", "--contact-wave-speed", "3", "--contact-wave-reach", "1000", "--wave-failure", "0"]
    assert run(["simulate", str(tmp_path / "w.tif"), *small, *waves, "--flashes", "1"]) == 0
    said = capsys.readouterr().err
    assert "1 wave over contacts and 1 flash" in said
    assert "give the cells pumps, such as --leak 0.01" in said
    known = json.loads((tmp_path / "w_truth.json").read_text())
    assert {each["kind"]: each["speed_px_s"] for each in known["contact_waves"]} == {"wave": 3.0, "flash": None}
    assert (tmp_path / "w_labels.tif").exists()
    assert run(["simulate", str(tmp_path / "no.tif"), *small, "--wave-failure", "1"]) == 1
    assert "wave_failure is 1.0; a simulation takes 0 to 0.95" in capsys.readouterr().err
    assert not list(tmp_path.glob("no*"))
