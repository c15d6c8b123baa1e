"""Simulated cultures: what is said to be true is true, of the traces and of the movie."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.models import (
    FitOptions,
    SyntheticOptions,
    effective_feed,
    fit,
    make_culture,
    movie_frames,
    simulate,
    truth,
)

SMALL = SyntheticOptions(cells=36, frames=120, size_px=220, seed=4, contrast=1.0)


@pytest.fixture(scope="module")
def culture():
    return make_culture(SMALL)


@pytest.fixture(scope="module")
def movie(culture):
    return np.array(list(movie_frames(culture)))


def test_the_default_is_the_paper_s_culture():
    culture = make_culture()
    assert culture.traces.shape == (108, 361)
    assert culture.labels.shape == (512, 512)
    assert (culture.labels > 0).all()
    assert culture.area_px.min() >= 500
    assert 20 <= culture.border.sum() <= 45
    assert len(culture.spikes) == 3 * 108


def test_the_same_seed_is_the_same_culture(culture, movie):
    again = make_culture(SMALL)
    assert np.array_equal(again.labels, culture.labels)
    assert np.array_equal(again.traces, culture.traces)
    frames = movie_frames(again)
    assert all(np.array_equal(next(frames), movie[frame]) for frame in range(3))
    assert not np.array_equal(make_culture(replace(SMALL, seed=5)).labels, culture.labels)
    assert np.array_equal(make_culture(replace(SMALL, k=0.05, spikes=0)).labels, culture.labels)


def test_geometry_equals_loops(culture):
    labels, size = culture.labels, SMALL.size_px
    count: dict[tuple[int, int], int] = {}
    for y in range(size):
        for x in range(size):
            for other in ((y + 1, x), (y, x + 1)):
                if max(other) < size and labels[other] != labels[y, x]:
                    pair = tuple(sorted((int(labels[y, x]), int(labels[other]))))
                    count[pair] = count.get(pair, 0) + 1
    expected = {pair: border for pair, border in count.items() if border >= 5}
    contacts = culture.contacts
    found = zip(contacts.label_a.tolist(), contacts.label_b.tolist(), strict=True)
    assert dict(zip(found, contacts.shared_border_px.tolist(), strict=True)) == expected
    for row, label in enumerate(culture.cells.tolist()):
        y, x = np.nonzero(labels == label)
        assert culture.area_px[row] == len(y)
        assert (culture.y_px[row], culture.x_px[row]) == pytest.approx((y.mean() + 0.5, x.mean() + 0.5))
        assert culture.border[row] == bool(np.isin([y.min(), x.min()], 0).any() or max(y.max(), x.max()) == size - 1)


def test_quiet_traces_obey_the_model():
    culture = make_culture(replace(SMALL, spikes=0, trace_noise=0.0))
    op = culture.operator()
    again = simulate(op, SMALL.k, culture.feed[op.inner], culture.traces, SMALL.frame_interval_s)
    # The border is not linear between frames: that is all the difference.
    np.testing.assert_allclose(again, culture.traces[op.inner], atol=2e-3)
    assert np.isnan(culture.feed[op.driven]).all()


def test_spikes_rise_over_three_frames(culture):
    quiet = make_culture(replace(SMALL, spikes=0, trace_noise=0.0))
    one = make_culture(replace(SMALL, spikes=1, trace_noise=0.0, k=0.0))
    flat = one.intensity[~one.border]
    feed = one.feed[~one.border] * SMALL.frame_interval_s
    rise = np.diff(flat, axis=1) - feed[:, None]
    assert ((rise > 0.01).sum(axis=1) <= 4).all()
    np.testing.assert_allclose(rise.sum(axis=1), SMALL.spike_height, rtol=0.41)
    assert len(one.spikes) == len(one.cells)
    assert not quiet.spikes


@pytest.mark.parametrize(
    ("k", "low", "high"), [(0.004, 0.25, 0.6), (0.01, 0.25, 0.6), (0.03, 0.25, 0.6), (0.08, 0.2, 0.6)]
)
def test_spikes_mislead_the_paper_s_least_squares_as_found(k, low, high):
    ratios = [fit(make_culture(SyntheticOptions(k=k, seed=seed)).subgraph(), "crlsm").k / k for seed in range(3)]
    assert low < np.median(ratios) < high


def test_without_spikes_least_squares_finds_k():
    culture = make_culture(SyntheticOptions(k=0.01, spikes=0, trace_noise=0.0, seed=7))
    result = fit(culture.subgraph(), "crlsm", FitOptions(interpolate=1, feed_bounds=(-1.0, 1.0)))
    assert result.k == pytest.approx(0.01, rel=0.05)
    inner = ~culture.border
    assert np.corrcoef(result.cells["feed"], culture.feed[inner])[0, 1] > 0.95


def eq23_traces(movie, culture):
    """The whole-movie pipeline in plain NumPy: median 3 x 3, log, eq. 23, mean over each cell."""
    logs = np.log(np.array([cv2.medianBlur(frame, 3) for frame in movie]) + 1.0)
    q1, q3 = np.percentile(logs, [25, 75])
    gain = 1 / (5 * (q3 - q1))
    normal = (logs - (q1 - 2 * (q3 - q1))) * gain
    square, plain = np.ones((3, 3)), culture.labels.astype(np.float32)
    inside = cv2.erode(plain, square) == cv2.dilate(plain, square)
    flat, size = culture.labels[inside], len(culture.cells) + 1
    area = np.bincount(flat, minlength=size)[1:]
    return np.array([np.bincount(flat, frame[inside], size)[1:] / area for frame in normal]).T, gain


def test_the_movie_gives_the_traces_back(culture, movie):
    assert movie.dtype == np.uint16
    assert movie.shape == (SMALL.frames, SMALL.size_px, SMALL.size_px)
    traces, gain = eq23_traces(movie, culture)
    for row, trace in enumerate(traces):
        slope, offset = np.polyfit(culture.intensity[row], trace, 1)
        assert slope / gain == pytest.approx(1, abs=0.05)
        assert np.std(trace - slope * culture.intensity[row] - offset) < 0.01 * gain
    made = replace(culture.subgraph(), intensity=traces, intensity_gain=gain)
    quiet = fit(made, "crlsm", FitOptions(feed_bounds=(-1.0, 1.0)))
    expected = effective_feed(culture)[~culture.border]
    assert np.corrcoef(quiet.cells["feed"] / gain, expected)[0, 1] > 0.99


@pytest.mark.parametrize("k", [0.005, 0.03])
def test_the_paper_s_least_squares_on_a_movie_is_off_as_found(k):
    """About 0.4 of the truth, with the paper's box, from a noisy movie with spikes."""
    made = make_culture(SyntheticOptions(k=k, seed=2, frames=200))
    traces, gain = eq23_traces(np.array(list(movie_frames(made))), made)
    result = fit(replace(made.subgraph(), intensity=traces, intensity_gain=gain), "crlsm")
    assert 0.25 < result.k / k < 0.6


def test_hot_pixels_stay_where_they_are(movie):
    hot = movie.min(axis=0) > 4000
    assert hot.sum() == pytest.approx(SMALL.hot_pixels * hot.size, rel=0.1)
    dark = np.array(list(movie_frames(make_culture(replace(SMALL, frames=2, hot_pixels=0.0)))))
    assert dark.max() < 6000


def test_bleaching_and_background_show():
    options = replace(SMALL, frames=40, spikes=0, hot_pixels=0.0, bleaching=0.5, background=1000.0)
    culture = make_culture(options)
    frames = np.array(list(movie_frames(culture)), dtype=float)
    assert frames.min() > 900
    last = frames[-1].mean() - 1000
    steady = np.array(list(movie_frames(make_culture(replace(options, bleaching=0.0)))), dtype=float)
    assert last / (steady[-1].mean() - 1000) == pytest.approx(0.5, rel=0.02)


def test_drift_moves_the_tissue_slightly():
    options = replace(SMALL, frames=60, hot_pixels=0.0, drift_px=2.0, spikes=0)
    frames = np.array(list(movie_frames(make_culture(options))), dtype=np.float32)
    smooth = [cv2.GaussianBlur(np.log(frame) - np.log(frame).mean(), (0, 0), 2) for frame in frames]
    window = cv2.createHanningWindow(smooth[0].shape, cv2.CV_32F)
    shifts = np.array([cv2.phaseCorrelate(smooth[0], frame, window)[0] for frame in smooth])
    moved = np.hypot(*(shifts - shifts[0]).T)
    assert 1.5 < moved.max() < 2.5
    assert moved[1] < 0.5


def test_truth_is_json_and_complete(culture):
    known = json.loads(json.dumps(truth(culture), allow_nan=False))
    labels = [str(label) for label in culture.cells]
    assert known["k"] == SMALL.k
    assert list(known["feed"]) == list(known["border"]) == list(known["effective_feed"]) == labels
    assert [known["feed"][label] is None for label in labels] == culture.border.tolist()
    assert list(known["contacts"][0]) == ["label_a", "label_b", "shared_border_px", "centroid_distance_px"]
    assert len(known["contacts"]) == len(culture.contacts)
    inner = [
        not (known["border"][str(row["label_a"])] or known["border"][str(row["label_b"])]) for row in known["contacts"]
    ]
    weights = [row["shared_border_px"] * row["centroid_distance_px"] for row in known["contacts"]]
    assert known["weight_scale"] == pytest.approx(
        np.mean(np.array(weights)[inner if sum(inner) >= 10 else slice(None)])
    )


def test_without_contrast_the_effective_feed_is_the_cells_own(culture):
    even = make_culture(replace(SMALL, contrast=0.0))
    inner = ~even.border
    np.testing.assert_allclose(effective_feed(even)[inner], even.feed[inner], atol=1e-12)
    assert np.std(effective_feed(culture)[inner] - culture.feed[inner]) > 1e-4


@pytest.mark.parametrize(
    "options",
    [
        {"cells": 1},
        {"k": -1.0},
        {"k": float("nan")},
        {"frames": 1},
        {"hot_pixels": 0.5},
        {"style": "oil"},
        {"seed": -1},
    ],
)
def test_senseless_options_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        SyntheticOptions(**options)


def test_a_culture_of_border_cells_only_is_refused():
    with pytest.raises(InputError, match="touch the image edge"):
        make_culture(SyntheticOptions(cells=4, frames=5, size_px=64))
