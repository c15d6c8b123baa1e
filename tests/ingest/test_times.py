"""Times of frames: even, uneven, missing, contradicting; and what models make of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.errors import FitError, InputError
from calcigraph.ingest.times import Timing, recorded_times, settle
from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture, predict
from calcigraph.models.even import at_even_frames
from calcigraph.models.event_run import find_events
from calcigraph.models.table import MODELS
from calcigraph.store.types import FrameTimes, Subgraph


def stamped(times, interval=None, resolution=0.0):
    return FrameTimes(
        interval_s=interval,
        interval_from="TimeIncrement",
        times_s=np.asarray(times, dtype=float),
        times_from="DeltaT",
        resolution_s=resolution,
    )


@pytest.mark.parametrize("start", [0.0, 17.5])
def test_even_stamps_give_their_interval(start):
    assert settle(stamped(start + 5.0 * np.arange(60)), None, False, "a") == Timing(pytest.approx(5.0), None)


def test_an_exact_number_goes_before_rounded_stamps():
    whole_seconds = np.floor(5.3 * np.arange(60))
    assert settle(stamped(whole_seconds, resolution=1.0), None, False, "a").interval_s == pytest.approx(5.3, rel=0.01)
    assert settle(stamped(whole_seconds, 5.3, 1.0), None, False, "a") == Timing(5.3, None)


def test_uneven_stamps_are_kept_and_told_in_numbers():
    times = np.r_[5.0 * np.arange(100), 500 + 20.0 * np.arange(50)]
    found = settle(stamped(times), None, False, "a")
    assert found.interval_s == 5.0
    np.testing.assert_array_equal(found.times_s, times)
    assert "49 of 149 steps" in found.warnings[0]
    assert "from 5 to 20 s" in found.warnings[0]
    assert recorded_times(found)["time_s"] == times.tolist()


def test_one_pause_is_seen():
    times = np.r_[5.0 * np.arange(100), 1100 + 5.0 * np.arange(100)]
    found = settle(stamped(times), None, False, "a")
    assert "1 of 199 steps" in found.warnings[0]
    assert "the longest after frame 99" in found.warnings[0]


def test_a_stamp_that_is_missing_lies_between_its_neighbours():
    times = 5.0 * np.arange(60)
    times[[7, 8]] = np.nan
    assert settle(stamped(times), None, False, "a").times_s is None


@pytest.mark.parametrize("times", [np.zeros(20), np.full(20, np.nan), [3.0]])
def test_stamps_that_say_nothing_are_asked_for(times):
    with pytest.raises(InputError, match="give --frame-interval in seconds"):
        settle(stamped(times), None, False, "a.tif")
    assert settle(stamped(times), 2.0, False, "a.tif") == Timing(2.0, None)


def test_time_that_runs_backwards_is_refused():
    times = 5.0 * np.arange(60)
    times[[10, 11]] = times[[11, 10]]
    with pytest.raises(InputError, match="frame 10 is at 55 s, the next one at 50 s"):
        settle(stamped(times), None, False, "a.tif")


@pytest.mark.parametrize(
    ("said", "given", "words"),
    [
        (stamped(5.0 * np.arange(60), 1.0), None, "contradicts itself: its frames are 5 s apart"),
        (stamped(5.0 * np.arange(60)), 500.0, "5 s apart .DeltaT., but --frame-interval says 500 s"),
        (FrameTimes(interval_s=0.5, interval_from="finterval"), 500.0, "0.5 s apart .finterval."),
    ],
)
def test_contradictions_are_refused_until_the_user_decides(said, given, words):
    with pytest.raises(InputError, match=words):
        settle(said, given, False, "a.tif")
    trusted = settle(said, 7.0, True, "a.tif")
    assert (trusted.interval_s, trusted.times_s) == (7.0, None)
    assert "7 s was trusted instead" in trusted.warnings[0]


def test_a_small_difference_is_no_contradiction():
    assert settle(FrameTimes(interval_s=5.0, interval_from="x"), 5.1, False, "a") == Timing(5.1, None)


def test_numbers_with_gaps_are_times():
    numbers = np.array([0, 1, 2, 4, 5, 8])
    found = settle(FrameTimes(numbers=numbers, numbers_from="names"), 2.0, False, "a")
    np.testing.assert_array_equal(found.times_s, 2.0 * numbers)
    assert "names" in found.warnings[0]
    assert settle(FrameTimes(numbers=np.arange(6)), 2.0, False, "a") == Timing(2.0, None)


def test_choosing_frames_keeps_their_times():
    even = Timing(5.0, None)
    assert even.chosen(np.arange(0, 60, 2), 60) == Timing(10.0, None)
    odd = even.chosen(np.array([0, 1, 2, 5]), 6)
    np.testing.assert_array_equal(odd.times_s, [0, 5, 10, 25])


# What models make of uneven frames


@pytest.fixture(scope="module")
def whole():
    return make_culture(SyntheticOptions(cells=40, frames=200, size_px=256, k=0.01, seed=3)).subgraph()


def without(subgraph, gone, jitter=0.0):
    kept = np.setdiff1d(np.arange(subgraph.intensity.shape[1]), gone)
    times = subgraph.frame_interval_s * (kept + jitter * np.random.default_rng(0).uniform(-1, 1, len(kept)))
    return replace(subgraph, intensity=subgraph.intensity[:, kept], time_s=times - times[0])


def test_small_gaps_are_filled_and_k_stays(whole):
    gone = np.array([20, 57, 58, 90, 91, 92, 150])
    lossy = without(whole, gone)
    evened = at_even_frames(lossy)
    assert evened.filled == len(gone)
    assert evened.subgraph.frame_interval_s == pytest.approx(10.0)
    middle = (whole.intensity[:, 19] + whole.intensity[:, 21]) / 2
    np.testing.assert_allclose(evened.subgraph.intensity[:, 20], middle)
    quick = FitOptions(null=0)
    full, found = fit(whole, options=quick), fit(lossy, options=quick)
    assert found.facts["filled_frames"] == len(gone)
    assert "filled_frames" not in full.facts
    assert found.k == pytest.approx(full.k, rel=0.02)
    run = predict(lossy, found.settings, found.cells["k"], found.cells["feed"])
    assert run.shape[1] == lossy.intensity.shape[1]


@pytest.mark.parametrize("gone", [np.arange(50, 54), np.arange(10, 190, 5)])
def test_large_or_many_gaps_are_refused(whole, gone):
    with pytest.raises(FitError, match="s apart, and a model needs even ones"):
        fit(without(whole, gone), options=FitOptions(null=0))


@pytest.mark.parametrize("model", MODELS)
def test_no_model_takes_uneven_frames(whole, model):
    with pytest.raises(FitError, match=r"frames are 8\.\d+ to 11\.\d+ s apart, .* or give --trust-interval if"):
        fit(without(whole, [], jitter=0.1), model, FitOptions(null=0))


def test_events_have_their_onsets_in_true_seconds():
    """A culture filmed at uneven times, with a pause of a minute: rises are where they were, in seconds."""
    errors = np.concatenate([onset_errors(np.random.default_rng(seed)) for seed in range(4)])
    assert np.abs(errors).max() < 2  # a frame
    assert np.median(np.abs(errors)) < 0.6


def onset_errors(rng):
    """s, of each rise in six cells that are filmed at uneven times: that of the event nearest to it."""
    times = np.cumsum(np.r_[0.0, rng.uniform(1.2, 2.8, 239)])
    times[120:] += 60
    onsets = times[30] + np.arange(6)[:, None] * 9 + np.array([0.0, 330.0])
    rise = np.maximum(times[None, None] - onsets[:, :, None], 0)
    traces = 100 + 40 * ((1 - np.exp(-rise / 3)) * np.exp(-rise / 15)).sum(axis=1) + rng.normal(0, 0.3, (6, 240))
    graph = Subgraph(
        culture="a", frame_interval_s=float(np.median(np.diff(times))), time_s=times, labels=np.arange(1, 7),
        x_px=np.arange(6.0), y_px=np.zeros(6), border=np.zeros(6, bool), intensity=traces,
        pairs=np.zeros((0, 2), np.int64), shared_border_px=np.zeros(0), centroid_distance_px=np.zeros(0),
        area_px=np.full(6, np.nan),
    )  # fmt: skip
    events = find_events(graph).events
    errors = [
        events.onset_s[events.label == label] - onset
        for label, row in zip(graph.labels, onsets, strict=True)
        for onset in row
    ]
    return np.array([each[np.abs(each).argmin()] for each in errors])


def test_jitter_is_refused(whole):
    with pytest.raises(FitError, match="needs even ones"):
        fit(without(whole, [], jitter=0.2), options=FitOptions(null=0))
    assert at_even_frames(without(whole, [], jitter=0.01)).filled == 0
