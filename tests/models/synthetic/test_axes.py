"""What a simulated culture can be made of: spike shapes, waves, planted cells, frame intervals and spoilt masks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from calcigraph.cli.app import run
from calcigraph.errors import InputError
from calcigraph.ingest.cells import find_tissue
from calcigraph.models import SyntheticOptions, make_culture, simulate, truth
from calcigraph.models.synthetic.grid import SUBSTEPS
from calcigraph.models.synthetic.options import SPIKE_SHAPES
from calcigraph.models.synthetic.transients import spike_influx
from calcigraph.store.types import Masks

SMALL = SyntheticOptions(cells=36, frames=120, size_px=220, seed=4)
QUIET = replace(SMALL, trace_noise=0.0, feed_mean=0.0, feed_spread=0.0)
SEEDS = (1, 12, 123)


def pulse(shape, dt, decay=40.0, frames=None):
    """The influx of one spike of height 1 that starts at 0: (points,), and the seconds between points."""
    frames = frames or round(1000 / dt)
    options = SyntheticOptions(frames=frames, frame_interval_s=dt, spike_shape=shape, spike_decay_s=decay)
    return spike_influx(options, np.zeros((1, 1), dtype=int), np.ones((1, 1)), frames * SUBSTEPS)[0], dt / SUBSTEPS


@pytest.mark.parametrize(
    ("options", "row", "frame", "value", "total"),
    [
        (SyntheticOptions(), 50, 200, 0.6060453193014297, 24563.590546523144),
        (replace(SMALL, k=0.03), 20, 100, 0.6986782631190588, 2642.9556188254073),
    ],
)
def test_todays_options_give_todays_traces(options, row, frame, value, total):
    # The numbers are of version 0.1, whose k was in units of the mean weight of all contacts.
    first = make_culture(options)
    of_all = np.mean(first.contacts.shared_border_px * first.contacts.centroid_distance_px)
    culture = make_culture(replace(options, k=options.k * first.operator().scale / of_all))
    assert culture.traces[row, frame] == pytest.approx(value, rel=1e-10)
    assert culture.traces.sum() == pytest.approx(total, rel=1e-10)
    assert np.array_equal(culture.masks, culture.labels)
    assert not culture.planted
    assert not culture.waves


@pytest.mark.parametrize("dt", [1.0, 7.0, 10.0, 20.0])
@pytest.mark.parametrize(("shape", "brought"), [("square", 1.0), ("decay", 1.0), ("gaussian", 1.0), ("extrusion", 0.0)])
def test_a_spike_brings_its_height(shape, brought, dt):
    influx, step = pulse(shape, dt)
    assert influx.sum() * step == pytest.approx(brought, abs=1e-9)
    assert influx[influx > 0].sum() * step == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("dt", [1.0, 10.0, 20.0])
@pytest.mark.parametrize("decay", [30.0, 80.0])
def test_tails_last_as_many_seconds_at_every_frame_interval(dt, decay):
    for shape in ("decay", "extrusion"):
        influx, step = pulse(shape, dt, decay)
        first = round(30 / step)
        tail = np.abs(influx[first : first + round(2 * decay / step)])
        assert -1 / np.polyfit(step * np.arange(len(tail)), np.log(tail), 1)[0] == pytest.approx(decay, rel=1e-6)
        np.testing.assert_allclose(influx[:first], influx[0])
    released, _ = pulse("decay", dt, decay)
    assert released[first] == pytest.approx(released[0] * np.exp(-step / 2 / decay))


@pytest.mark.parametrize("dt", [1.0, 2.5, 10.0, 20.0])
def test_a_spike_rises_for_thirty_seconds_whatever_the_frame(dt):
    options = replace(QUIET, k=0.0, spikes=1, frame_interval_s=dt, frames=round(1200 / dt))
    culture = make_culture(options)
    inner, start = np.flatnonzero(~culture.border), dict(culture.spikes)
    for row in inner:
        risen = culture.intensity[row] - culture.intensity[row, 0]
        rising = dt * np.flatnonzero((risen > 1e-6 * risen[-1]) & (risen < (1 - 1e-6) * risen[-1]))
        begin = start[int(culture.cells[row])]
        assert begin - dt / SUBSTEPS <= rising[0] <= begin + dt
        assert begin + 30 - 1.25 * dt <= rising[-1] <= begin + 30 + dt / SUBSTEPS
        assert 0.6 * 0.15 - 1e-9 <= risen[-1] <= 1.4 * 0.15 + 1e-9


def test_extrusion_takes_back_what_a_spike_brought():
    culture = make_culture(replace(QUIET, k=0.0, spikes=1, spike_shape="extrusion", frames=300, spike_decay_s=80.0))
    for label, start in culture.spikes:
        row = int(np.searchsorted(culture.cells, label))
        if culture.border[row] or start > 1500:
            continue
        excess = culture.intensity[row] - culture.intensity[row, 0]
        peak = int(excess.argmax())
        assert excess[peak + 16] == pytest.approx(excess[peak + 8] / np.e, rel=0.03)
        assert abs(excess[-1]) < 1e-3 * excess[peak]


def test_what_comes_after_the_recording_is_not_recorded():
    influx, _ = pulse("decay", 10.0, frames=5)
    whole, _ = pulse("decay", 10.0)
    np.testing.assert_array_equal(influx, whole[: len(influx)])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wave_passes_every_cell_at_its_speed(seed):
    options = replace(QUIET, k=0.0, spikes=0, waves=1, wave_speed=2.0, frame_interval_s=1.0, frames=400, seed=seed)
    culture = make_culture(options)
    inner, wave = ~culture.border, culture.waves[0]
    risen = culture.intensity[inner] - culture.intensity[inner, :1]
    first = (risen > 1e-9).argmax(axis=1)
    assert (risen[:, -1] > 0.08).all()
    np.testing.assert_allclose(first, wave.arrival_s[inner], atol=2.0)
    place = np.stack([culture.x_px[inner], culture.y_px[inner], np.ones(inner.sum())], axis=1)
    slowness = np.linalg.lstsq(place, first, rcond=None)[0][:2]
    assert 1 / np.hypot(*slowness) == pytest.approx(2.0, rel=0.05)
    angle = np.degrees(np.arctan2(slowness[1], slowness[0])) - wave.direction_deg
    assert (angle + 180) % 360 - 180 == pytest.approx(0, abs=4)


def test_waves_leave_the_rest_as_it_was():
    plain, waved = make_culture(SMALL), make_culture(replace(SMALL, waves=2))
    assert waved.spikes == plain.spikes
    np.testing.assert_array_equal(waved.feed, plain.feed)
    assert len(waved.waves) == len(truth(waved)["waves"]) == 2
    before = int(min(wave.arrival_s.min() for wave in waved.waves) / SMALL.frame_interval_s)
    np.testing.assert_allclose(waved.intensity[:, :before], plain.intensity[:, :before], atol=1e-12)
    more = (waved.intensity - plain.intensity)[~plain.border]
    assert (more.max(axis=1) > 0.05).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_cells_are_inner_and_distinct(seed):
    options = replace(SMALL, uncoupled=3, uncoupled_factor=0.2, abnormal_feeds=5, seed=seed)
    culture, plain = make_culture(options), make_culture(replace(SMALL, seed=seed))
    planted = dict(culture.planted)
    words = list(planted.values())
    assert [words.count(word) for word in ("uncoupled", "feed above", "feed below")] == [3, 3, 2]
    known = truth(culture)
    assert known["planted"] == {str(label): what for label, what in planted.items()}
    for row, label in enumerate(culture.cells.tolist()):
        k, feed = known["k_cell"][str(label)], known["feed"][str(label)]
        if culture.border[row]:
            assert label not in planted
            assert k is None
            continue
        assert k == pytest.approx(0.002 if planted.get(label) == "uncoupled" else 0.01)
        off = {"feed above": 2.2e-4, "feed below": -1.8e-4}
        assert feed == pytest.approx(off.get(planted.get(label, ""), plain.feed[row]))
    assert make_culture(replace(options, k=0.03)).planted == culture.planted


def test_an_uncoupled_cell_keeps_to_itself():
    culture = make_culture(replace(SMALL, spikes=0, trace_noise=0.0, uncoupled=3))
    seconds = SMALL.frame_interval_s * np.arange(SMALL.frames)
    for label, _ in culture.planted:
        row = int(np.searchsorted(culture.cells, label))
        line = culture.intensity[row, 0] + culture.feed[row] * seconds
        np.testing.assert_allclose(culture.intensity[row], line, atol=1e-12)
    op = culture.operator()
    again = simulate(op, culture.k[op.inner], culture.feed[op.inner], culture.traces, SMALL.frame_interval_s)
    np.testing.assert_allclose(again, culture.traces[op.inner], atol=2e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_missing_and_merged_cells_look_as_ingest_sees_them(seed):
    options = replace(SMALL, missing=0.15, mask_merges=3, uncoupled=2, abnormal_feeds=2, seed=seed)
    culture = make_culture(options)
    seen, cells = culture.subgraph(), truth(culture)["masks"]
    tissue = find_tissue(Masks(culture.masks, "", ""), min_area=1)
    np.testing.assert_array_equal(seen.labels, tissue.labels)
    np.testing.assert_array_equal(seen.border, tissue.border)
    np.testing.assert_array_equal(
        seen.labels[seen.pairs], np.stack([tissue.contacts.label_a, tissue.contacts.label_b], 1)
    )
    np.testing.assert_array_equal(seen.shared_border_px, tissue.contacts.shared_border_px)
    np.testing.assert_allclose(seen.x_px - tissue.x_px, 0.5)  # find_tissue has pixel centres at integers
    assert len(culture.cells) - sum(map(len, cells.values())) == round(0.15 * 36)
    assert all(str(label) in cells for label, _ in culture.planted)
    contacts = set(zip(culture.contacts.label_a.tolist(), culture.contacts.label_b.tolist(), strict=True))
    merged = {label: tuple(under) for label, under in cells.items() if len(under) == 2}
    assert len(merged) == 3
    assert set(merged.values()) <= contacts
    assert not set(merged) & set(truth(culture)["feed"])
    assert list(cells) == [str(label) for label in sorted(map(int, cells))]


def test_a_merged_cell_has_the_mean_over_its_area():
    culture = make_culture(replace(SMALL, mask_merges=2, missing=0.1))
    seen, plain = culture.subgraph(), make_culture(SMALL)
    np.testing.assert_array_equal(culture.traces, plain.traces)
    np.testing.assert_array_equal(culture.operator().neighbour, plain.operator().neighbour)
    for label, trace in zip(seen.labels.tolist(), seen.intensity, strict=True):
        rows = np.searchsorted(culture.cells, truth(culture)["masks"][str(label)])
        np.testing.assert_allclose(trace, np.average(plain.traces[rows], axis=0, weights=plain.area_px[rows]))


def test_eroded_masks_keep_off_other_cells():
    culture = make_culture(replace(SMALL, mask_erosion=2, frames=3))
    labels = np.pad(culture.labels, 2, mode="edge")
    near = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if dy * dy + dx * dx <= 4]
    shape = culture.labels.shape
    moved = [labels[2 + dy : 2 + dy + shape[0], 2 + dx : 2 + dx + shape[1]] for dy, dx in near]
    clear = np.all([part == culture.labels for part in moved], axis=0)
    assert not culture.masks[~clear].any()
    lost = clear & (culture.masks == 0)
    assert lost.sum() < 0.1 * clear.sum()
    assert set(np.unique(culture.masks[culture.masks > 0])) == set(culture.cells.tolist())
    assert (culture.masks[0] > 0).mean() > 0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_shifted_masks_are_the_labels_elsewhere(seed):
    culture = make_culture(replace(SMALL, mask_shift=5.0, frames=3, seed=seed))
    inside = np.s_[8:-8, 8:-8]
    moves = [(dy, dx) for dy in range(-6, 7) for dx in range(-6, 7)]
    fits = [m for m in moves if np.array_equal(np.roll(culture.labels, m, (0, 1))[inside], culture.masks[inside])]
    assert len(fits) == 1
    assert np.hypot(*fits[0]) == pytest.approx(5, abs=0.8)
    assert (culture.masks > 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {"spike_shape": "round"},
        {"spike_decay_s": 0.0},
        {"spike_s": -1.0},
        {"waves": -1},
        {"wave_speed": 0.0},
        {"uncoupled": -1},
        {"uncoupled_factor": float("nan")},
        {"abnormal_feed_size": -3.0},
        {"mask_erosion": -1},
        {"mask_shift": 1e9},
        {"missing": 1.0},
    ],
)
def test_senseless_options_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))) as caught:
        SyntheticOptions(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"uncoupled": 20, "abnormal_feeds": 20}, "40 inner cells, but there are"),
        ({"missing": 0.9, "uncoupled": 10}, "missing takes"),
        ({"mask_merges": 30}, "mask_merges is 30, but only"),
        ({"mask_erosion": 25}, "mask_erosion 25"),
    ],
)
def test_more_than_there_is_is_refused(options, words):
    with pytest.raises(InputError, match=words) as caught:
        make_culture(replace(SMALL, frames=3, **options))
    assert "\n" not in str(caught.value)


def test_the_truth_of_every_axis_is_json():
    options = replace(SMALL, waves=1, missing=0.1, mask_merges=1, uncoupled=1, abnormal_feeds=1, spike_shape="decay")
    known = json.loads(json.dumps(truth(make_culture(options)), allow_nan=False))
    assert SyntheticOptions(**known["options"]) == options
    assert len(known["waves"][0]["arrival_s"]) == len(known["border"]) == 36


def test_simulate_writes_the_masks_beside_the_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--cells", "36", "--size", "220", "--frames", "4"]
    spoilt = ["--mask-merges", "2", "--missing", "0.1", "--mask-shift", "3", "--mask-erosion", "1"]
    biology = ["--spike-shape", "extrusion", "--waves", "1", "--uncoupled", "2", "--abnormal-feeds", "2"]
    assert run(["simulate", str(tmp_path / "bad.tif"), *small, *spoilt, *biology]) == 0
    assert "spoilt masks" in capsys.readouterr().err
    known = json.loads((tmp_path / "bad_truth.json").read_text())
    masks, labels = (tifffile.imread(tmp_path / f"bad_{name}.tif") for name in ("masks", "labels"))
    assert sorted(known["masks"], key=int) == [str(label) for label in np.unique(masks[masks > 0])]
    assert list(known["border"]) == [str(label) for label in np.unique(labels)]
    assert known["options"]["spike_shape"] == "extrusion"
    assert len(known["planted"]) == 4
    assert run(["simulate", str(tmp_path / "good.tif"), *small]) == 0
    assert not (tmp_path / "good_masks.tif").exists()
    assert run(["simulate", str(tmp_path / "no.tif"), *small, "--spike-shape", "round"]) != 0
    complaint = capsys.readouterr().err
    assert all(shape in complaint for shape in SPIKE_SHAPES)
    assert not list(tmp_path.glob("no*"))
