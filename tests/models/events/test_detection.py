"""Planted events are found, with their times and heights, whatever the unit of the traces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.models.event_options import EventOptions
from calcigraph.models.events import detect_events
from calcigraph.store.event_types import Events
from calcigraph.store.types import FloatArray, Subgraph

FRAMES, INTERVAL = 361, 10.0
ONSETS = (40.3, 130.7, 250.2)
"""Frames."""
Shape = Callable[[FloatArray], FloatArray]


def exponential(t: FloatArray) -> FloatArray:
    return np.where(t > 0, (1 - np.exp(-np.maximum(t, 0))) * np.exp(-np.maximum(t, 0) / 6), 0) / 0.6178


def square(t: FloatArray) -> FloatArray:
    return ((t > 0) & (t < 7)).astype(float)


def gaussian(t: FloatArray) -> FloatArray:
    return np.exp(-0.5 * ((t - 8) / 3.5) ** 2)


HALF = {exponential: 0.38, square: 0.0, gaussian: 8 - 1.1774 * 3.5}
"""Frames from the onset to the half rise: for the first, of (1 - exp(-t)) exp(-t / 6) = 0.309."""


def culture(traces: FloatArray, interval: float = INTERVAL) -> Subgraph:
    zero = np.zeros(len(traces))
    return Subgraph(
        culture="planted",
        frame_interval_s=interval,
        labels=2 * np.arange(len(traces)) + 3,
        x_px=zero,
        y_px=zero,
        border=zero > 0,
        intensity=traces,
        pairs=np.zeros((0, 2), dtype=np.int64),
        shared_border_px=np.zeros(0),
        centroid_distance_px=np.zeros(0),
    )


def noise(cells: int, frames: int = FRAMES, colour: float = 0.0, seed: int = 0) -> FloatArray:
    """AR(1) noise of deviation 1."""
    drawn = np.random.default_rng(seed).standard_normal((cells, frames + 100))
    for frame in range(1, frames + 100):
        drawn[:, frame] = colour * drawn[:, frame - 1] + (1 - colour**2) ** 0.5 * drawn[:, frame]
    return drawn[:, 100:]


def planted(shape: Shape, snr: float, cells: int = 12, onsets: tuple[float, ...] = ONSETS) -> FloatArray:
    """The same events in every cell, a frame being the mean over its exposure."""
    moments = (np.arange(8) + 0.5) / 8 - 0.5
    frame = np.arange(FRAMES)[:, None] + moments
    light = sum(shape(frame - onset).mean(axis=1) for onset in onsets)
    return snr * np.asarray(light) + noise(cells)


def per_cell(events: Events, cells: int) -> list[Events]:
    return [events.chosen(events.label == 2 * cell + 3) for cell in range(cells)]


def found_for(events: Events, truth: FloatArray, cells: int) -> Events:
    """The nearest event of each cell to each true half rise, cell by cell."""
    rows = [
        int(np.flatnonzero(events.label == 2 * cell + 3)[np.abs(own.half_s - half).argmin()])
        for cell, own in enumerate(per_cell(events, cells))
        for half in truth
    ]
    return events.chosen(np.array(rows))


@pytest.mark.parametrize("shape", [exponential, square, gaussian])
@pytest.mark.parametrize("snr", [10.0, 20.0, 40.0])
def test_strong_events_are_found_once(shape: Shape, snr: float) -> None:
    events = detect_events(culture(planted(shape, snr))).events
    truth = (np.array(ONSETS) + HALF[shape]) * INTERVAL
    # One in 36 may be a chance bump, but no event is told as two that begin together.
    assert 36 <= len(events) <= 37
    assert (np.diff(events.half_s)[np.diff(events.label) == 0] > 2 * INTERVAL).all()
    found = found_for(events, truth, 12)
    assert found.half_s == pytest.approx(np.tile(truth, 12), abs=1.5 * INTERVAL)
    assert np.quantile(np.abs(found.amplitude / snr - 1), 0.95) < 0.35
    assert np.median(found.snr) == pytest.approx(snr, rel=0.15)
    assert (found.onset_s <= found.half_s).all()
    assert (found.half_s <= found.peak_s).all()
    assert (found.peak_s <= found.end_s).all()
    assert np.median(found.quality) > 0.85
    assert not (events.cut_start | events.cut_end).any()
    assert np.isnan(events.own_share).all()


@pytest.mark.parametrize("shape", [exponential, square, gaussian])
def test_half_rises_lie_within_their_errors(shape: Shape) -> None:
    events = detect_events(culture(planted(shape, 8.0, cells=40))).events
    truth = (np.array(ONSETS) + HALF[shape]) * INTERVAL
    nearest = truth[np.abs(events.half_s[:, None] - truth).argmin(axis=1)]
    ratio = (events.half_s - nearest) / events.half_se_s
    # 95 % lie within 1.96 if errors are honest; a fitted shape is not quite the planted one.
    assert (np.abs(ratio) < 1.96).mean() > 0.85
    assert 0.3 < np.diff(np.quantile(ratio, [0.16, 0.84]))[0] / 2 < 1.3


def test_duration_of_a_square_event() -> None:
    events = detect_events(culture(planted(square, 20.0))).events
    assert np.median(events.end_s - events.onset_s) == pytest.approx(7 * INTERVAL, abs=INTERVAL)
    assert events.area == pytest.approx(20 * 7 * INTERVAL, rel=0.15)
    assert np.median(events.rise_s) < INTERVAL


def test_decay_of_an_exponential_event() -> None:
    events = detect_events(culture(planted(exponential, 20.0))).events
    # From the peak, (1 - exp(-t)) exp(-t / 6) falls to 1 / e within 7.2 frames.
    assert np.median(events.decay_s) == pytest.approx(7.2 * INTERVAL, rel=0.15)


def test_overlapping_tails_are_two_events() -> None:
    """The second begins where the first has fallen to a third, or to a sixth."""
    onsets = np.array([60.3, 67.4, 200.1, 210.6])
    events = detect_events(culture(planted(exponential, 15.0, onsets=tuple(onsets)))).events
    assert 47 <= len(events) <= 49
    truth = np.tile((onsets + 0.38) * INTERVAL, 12)
    off = np.abs(found_for(events, (onsets + 0.38) * INTERVAL, 12).half_s - truth)
    assert np.quantile(off, 0.95) < 2 * INTERVAL


@pytest.mark.parametrize("drift", [lambda t: 6 * t, lambda t: 15 * np.exp(-2 * t), lambda t: 2 * np.sin(5 * t)])
def test_drift_changes_nothing(drift: Shape) -> None:
    traces = planted(exponential, 12.0)
    moved = traces + drift(np.linspace(0, 1, FRAMES))
    plain, drifted = detect_events(culture(traces)).events, detect_events(culture(moved)).events
    truth = (np.array(ONSETS) + HALF[exponential]) * INTERVAL
    assert abs(len(drifted) - len(plain)) <= 1
    one, other = found_for(plain, truth, 12), found_for(drifted, truth, 12)
    assert other.half_s == pytest.approx(one.half_s, abs=0.5 * INTERVAL)
    assert other.amplitude == pytest.approx(one.amplitude, rel=0.3)


@pytest.mark.parametrize(("gain", "offset"), [(1e-4, 0.3), (250.0, 1000.0)])
def test_unit_changes_nothing(gain: float, offset: float) -> None:
    traces = planted(gaussian, 8.0)
    plain, scaled = detect_events(culture(traces)), detect_events(culture(offset + gain * traces))
    assert scaled.events.half_s == pytest.approx(plain.events.half_s, abs=0.01 * INTERVAL)
    assert scaled.events.amplitude == pytest.approx(gain * plain.events.amplitude, rel=0.01)
    assert scaled.events.snr == pytest.approx(plain.events.snr, rel=0.01)
    assert scaled.noise == pytest.approx(gain * plain.noise, rel=1e-3)
    assert scaled.baseline == pytest.approx(offset + gain * plain.baseline, rel=1e-3, abs=1e-3 * gain)


def test_labels_and_frame_interval() -> None:
    traces = planted(exponential, 12.0)
    slow, fast = detect_events(culture(traces)).events, detect_events(culture(traces, interval=2.5)).events
    assert set(slow.label.tolist()) == {2 * cell + 3 for cell in range(12)}
    truth = (np.array(ONSETS) + HALF[exponential]) * INTERVAL
    assert abs(len(fast) - len(slow)) <= 1
    quick = found_for(fast, truth / 4, 12)
    assert quick.half_s == pytest.approx(found_for(slow, truth, 12).half_s / 4, abs=0.5 * 2.5)


def test_uneven_times_are_interpolated() -> None:
    traces = planted(exponential, 15.0)
    # The recording paused for ten minutes after frame 200.
    times = INTERVAL * np.arange(FRAMES) + np.where(np.arange(FRAMES) > 200, 600.0, 0.0)
    even = detect_events(culture(traces)).events
    uneven = detect_events(replace(culture(traces), time_s=times)).events
    late = even.half_s > 2000
    assert uneven.half_s == pytest.approx(even.half_s + np.where(late, 600.0, 0.0), abs=1e-6)
    assert uneven.rise_s == pytest.approx(even.rise_s, rel=1e-6)


def test_events_cut_by_the_ends_are_flagged() -> None:
    traces = planted(square, 15.0, onsets=(-3.4, 100.2, 357.3))
    for own in per_cell(detect_events(culture(traces)).events, 12):
        assert own.cut_start.tolist() == [True, False, False]
        assert own.cut_end.tolist() == [False, False, True]
        assert own.onset_s[0] == 0
        assert own.end_s[2] == (FRAMES - 1) * INTERVAL
        assert np.isnan(own.decay_s[2])


def test_dff_undoes_the_logarithm() -> None:
    """Traces that ingest made of counts: dF/F is told in counts, not in the logarithm."""
    light = 200 * (1 + 0.5 * (planted(gaussian, 1.0) - noise(12))) + noise(12, seed=1)
    gain, offset = 0.2, 4.0
    graph = replace(culture(gain * (np.log1p(light) - offset)), intensity_gain=gain, intensity_offset=offset)
    assert detect_events(graph).events.dff == pytest.approx(0.5, rel=0.05)


def test_dff_of_brightness_that_is_not_positive_is_unknown() -> None:
    events = detect_events(culture(planted(gaussian, 15.0) - 50.0)).events
    assert len(events) == 36
    assert np.isnan(events.dff).all()


@pytest.mark.parametrize("colour", [0.0, 0.5, 0.9])
def test_noise_alone_has_no_events(colour: float) -> None:
    """At most 0.1 false events a cell an hour; 200 cells for an hour."""
    assert len(detect_events(culture(noise(200, colour=colour))).events) <= 20


def test_single_cells_of_noise_have_no_events() -> None:
    traces = noise(30, seed=4)
    assert sum(len(detect_events(culture(traces[cell : cell + 1])).events) for cell in range(30)) <= 6


def test_noise_and_baseline_are_not_fooled_by_activity() -> None:
    quiet, busy = noise(20), planted(exponential, 15.0, cells=20, onsets=tuple(np.arange(10.3, 350, 24)))
    found = detect_events(culture(busy))
    # No cell rests for long: what fits leave of events counts as noise, up to a third,
    # and the baseline is up to a sixth of the events' height too high.
    assert np.median(found.noise) == pytest.approx(np.median(detect_events(culture(quiet)).noise), rel=0.35)
    assert np.median(np.abs(np.median(found.baseline, axis=1))) < 15 / 6


def test_events_of_cells_that_are_active_most_of_the_time() -> None:
    """A dozen and more events of 6 frames' decay in 361 frames, half of them within 14 frames of the one before."""
    rng = np.random.default_rng(8)
    onsets = np.cumsum(3 + rng.exponential(16, (20, 18)), axis=1)
    onsets[onsets > FRAMES - 5] = np.nan
    moments = (np.arange(8) + 0.5) / 8 - 0.5
    frame = np.arange(FRAMES)[:, None] + moments
    height = 10 * np.exp(0.25 * rng.standard_normal(onsets.shape))
    light = [
        sum(h * exponential(frame - onset).mean(axis=1) for onset, h in zip(*cell, strict=True) if onset > 0)
        for cell in zip(onsets, height, strict=True)
    ]
    events = detect_events(culture(np.stack(light) + noise(20))).events
    cell = (events.label - 3) // 2
    at = events.half_s / INTERVAL - 0.38
    near = np.nanmin(np.abs(onsets[cell] - at[:, None]), axis=1) < 2
    assert near.mean() > 0.95
    # Looked at once, noise and baseline are so much too high that a third of the events is lost.
    assert near.sum() > 0.72 * np.isfinite(onsets).sum()


def test_plateaus_of_ten_minutes() -> None:
    def plateau(t: FloatArray) -> FloatArray:
        return ((t > 0) & (t < 60)).astype(float)

    events = detect_events(culture(planted(plateau, 10.0, onsets=(50.3, 220.2)))).events
    assert len(events) == 24
    assert np.median(events.end_s - events.onset_s) == pytest.approx(600, abs=3 * INTERVAL)


def test_no_cell_and_constant_traces() -> None:
    empty = detect_events(culture(np.zeros((0, 100))))
    assert (len(empty.events), empty.baseline.shape, empty.noise.shape) == (0, (0, 100), (0,))
    flat = detect_events(culture(np.full((3, 100), 7.3)))
    assert len(flat.events) == 0
    assert flat.noise.tolist() == [0, 0, 0]
    assert flat.baseline == pytest.approx(7.3)


def test_recordings_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(InputError, match="29 frames; events need at least 30"):
        detect_events(culture(noise(2, frames=29)))
    broken = noise(3)
    broken[1, 5] = np.nan
    with pytest.raises(InputError, match="traces of 1 cells"):
        detect_events(culture(broken))


def test_groups_of_cells_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = planted(exponential, 6.0)
    whole = detect_events(culture(traces)).events
    monkeypatch.setattr("calcigraph.models.events.grouping.GROUP", 2)
    monkeypatch.setattr("calcigraph.models.events.grouping.SMALLEST", 1)
    parts = detect_events(culture(traces)).events
    assert parts.half_s == pytest.approx(whole.half_s, abs=1e-3)


def test_progress_ends_at_its_total() -> None:
    told: list[tuple[str, int, int]] = []
    detect_events(culture(noise(2)), progress=lambda *now: told.append(now))
    assert told[-1] == ("events", told[-1][2], told[-1][2])


def test_a_higher_min_snr_leaves_out_weak_events() -> None:
    traces = planted(exponential, 4.0)
    every = detect_events(culture(traces)).events
    few = detect_events(culture(traces), EventOptions(min_snr=12)).events
    assert len(few) < len(every) / 2


def test_threshold_method_tells_runs() -> None:
    found = detect_events(culture(planted(square, 12.0)), EventOptions(method="threshold", min_snr=6))
    assert len(found.events) == 36
    assert found.events.half_s == pytest.approx(np.tile(np.array(ONSETS), 12) * INTERVAL, abs=INTERVAL)
    assert found.events.end_s - found.events.onset_s == pytest.approx(7 * INTERVAL, abs=1.5 * INTERVAL)
    assert "least_score" not in found.facts


def test_threshold_method_flags_the_ends() -> None:
    traces = planted(square, 15.0, onsets=(-3.4, 100.2, 357.3))
    events = detect_events(culture(traces), EventOptions(method="threshold", min_snr=6)).events
    assert events.cut_start.reshape(12, 3).all(axis=0).tolist() == [True, False, False]
    assert events.cut_end.reshape(12, 3).all(axis=0).tolist() == [False, False, True]


def test_the_window_of_the_baseline_can_be_given() -> None:
    found = detect_events(culture(planted(exponential, 12.0)), EventOptions(baseline_s=900))
    assert found.facts["baseline_window_s"] == 900


def test_nothing_is_told_of_what_was_not_recorded() -> None:
    """The peak comes after the end: the height is the highest that was seen."""
    traces = planted(gaussian, 30.0, onsets=(100.0, 356.0))
    events = detect_events(culture(traces)).events
    late = events.chosen(events.half_s > 3000)
    assert len(late) >= 10
    assert late.cut_end.all()
    assert (late.amplitude < 1.3 * traces[:, -1].max()).all()
    assert (late.peak_s <= (FRAMES - 1) * INTERVAL).all()


def test_levels_that_fall_slowly_are_events_and_those_that_stay_are_none() -> None:
    # docs/events.md tells both: the baseline follows what does not fall back.
    rng = np.random.default_rng(21)
    onsets = rng.uniform(200, 3400, (20, 3))
    after = np.arange(361) * 10.0 - onsets[:, :, None]
    rise = 10 * np.clip(after / 30, 0, 1)
    noise = rng.standard_normal((20, 361))
    falling = detect_events(culture((rise * np.exp(-np.maximum(after - 30, 0) / 300)).sum(axis=1) + noise, 10.0)).events
    staying = detect_events(culture(rise.sum(axis=1) + noise, 10.0)).events
    assert len(falling) >= 0.85 * onsets.size
    assert len(staying) < 0.5 * onsets.size
