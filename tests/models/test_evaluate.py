"""Errors, peaks and fit groups on traces drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks

from calcigraph.models import fit_groups, peaks, squared_error
from calcigraph.models.evaluate import share_found


def bumps(*frames, height=1.0, level=1.0, width=2.0, length=200):
    at = np.arange(length)
    slope = 0.05 * at / length
    return level + slope + sum(height * np.exp(-0.5 * ((at - frame) / width) ** 2) for frame in frames)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), frames=st.integers(8, 200), smooth=st.integers(1, 6), rare=st.booleans())
def test_peaks_equal_scipy(seed, frames, smooth, rare):
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((3, frames))
    traces = np.array([np.convolve(row**3 if rare else row, np.ones(smooth), "same") for row in noise])
    found = peaks(traces)
    for row, trace in enumerate(traces):
        needed = 3 * np.median(np.abs(trace - np.median(trace)))
        assert np.flatnonzero(found[row]).tolist() == find_peaks(trace, prominence=needed)[0].tolist()


def test_flat_traces_have_no_peaks():
    assert not peaks(np.ones((2, 50))).any()


def test_the_ends_are_no_peaks():
    assert not peaks(np.array([[9.0, 1, 1.1, 1, 1.1, 1, 1.1, 1, 9]])).any()


def test_squared_error_is_a_mean_over_frames():
    assert squared_error(np.zeros((2, 4)), np.array([[1.0, 1, 1, 1], [0, 0, 0, 2]])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("shift", "share"), [(0, 1.0), (2, 1.0), (-2, 1.0), (3, 0.0), (-3, 0.0)])
def test_peaks_count_within_two_frames(shift, share):
    data, model = bumps(40, 90, 150), bumps(40 + shift, 90 + shift, 150 + shift)
    assert share_found(data[None], model[None]).tolist() == [share]


@pytest.mark.parametrize(
    ("model", "group"),
    [
        (bumps(20, 50, 80, 110, 140), "good"),
        (bumps(20, 50, 80, 110), "good"),
        (bumps(20, 50, 80), "misses peaks"),
        (bumps(20, 50, 80, 110, 140, level=1.15), "good"),
        (bumps(20, 50, 80, 110, 140, level=1.25), "wrong magnitude"),
        (bumps(20, 50, 80, 110, 140, level=0.75), "wrong magnitude"),
        (bumps(20, 50, 80, level=0.5), "misses peaks"),
        (0.5 * bumps(20, 50, 80, 110, 140), "wrong magnitude"),
    ],
)
def test_fit_groups(model, group):
    assert fit_groups(bumps(20, 50, 80, 110, 140)[None], model[None]) == (group,)


def test_a_cell_without_peaks_is_judged_by_its_magnitude():
    flat = np.ones((1, 50))
    assert fit_groups(flat, flat) == ("good",)
    assert fit_groups(flat, 2 * flat) == ("wrong magnitude",)
    assert fit_groups(0 * flat, 0 * flat) == ("good",)
