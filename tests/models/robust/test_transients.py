"""Frames with a transient: found where they are, hardly anywhere else; tails by explicit sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcigraph.models.robust.transients import (
    STANDS_OUT,
    TAIL_FRAMES,
    WINDOWS,
    core,
    tail_regressors,
    transient_frames,
    widened,
)
from calcigraph.models.scale import CONSISTENT, middle_and_deviation

FLAGS = st.integers(1, 4).flatmap(
    lambda p: st.integers(1, 25).flatmap(lambda f: arrays(np.bool_, (p, f), elements=st.booleans()))
)


def noise_increments(rng, cells, frames):
    """Increments of samples with measurement noise of variance 1."""
    return np.diff(rng.standard_normal((cells, frames + 1)), axis=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("frames", [2, 4, 8])
def test_square_spikes_are_found(seed, frames):
    rng = np.random.default_rng([seed, frames])
    residual, true = noise_increments(rng, 80, 300), np.zeros((80, 300), dtype=bool)
    for cell in range(80):
        for start in rng.integers(5, 290 - frames, 2):
            true[cell, start : start + frames] = True
    residual[true] += 8.0
    found = transient_frames(residual)
    assert found[true].mean() > 0.97
    near = true.copy()
    for _ in range(max(WINDOWS)):  # a long window that touches a transient departs as a whole
        near = widened(near)
    assert found[~near].mean() < 0.05


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_weak_long_transient_is_found_by_its_sum(sign):
    rng = np.random.default_rng(3)
    residual = noise_increments(rng, 60, 300)
    residual[:, 100:110] += sign * 1.5  # each increment well inside the noise, whose deviation is 1.4
    found = transient_frames(residual)
    assert found[:, 100:110].mean() > 0.9
    assert found[:, 130:].mean() < 0.03


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("smooth", [False, True])
def test_quiet_noise_leaves_few_frames_masked(seed, smooth):
    rng = np.random.default_rng(seed)
    residual = rng.standard_normal((70, 360)) if smooth else noise_increments(rng, 70, 360)
    assert transient_frames(residual).mean() < 0.04


@given(scale=st.floats(1e-9, 1e9), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_what_is_found_does_not_depend_on_the_unit_or_the_sign(scale, seed):
    rng = np.random.default_rng(seed)
    residual = noise_increments(rng, 10, 60)
    residual[3, 20:24] += 12
    found = transient_frames(residual)
    power = 2.0 ** np.round(np.log2(scale))  # exact
    assert np.array_equal(transient_frames(residual * power), found)
    assert np.array_equal(transient_frames(-residual), found)
    assert found[3, 20:24].all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 5), (2, 13)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_and_short_residuals_do_no_harm(shape, value):
    assert not transient_frames(np.full(shape, value)).any()


def test_cells_that_are_active_most_of_the_time_do_not_hide_the_others():
    rng = np.random.default_rng(4)
    residual = noise_increments(rng, 60, 300)
    residual[:15] += 6 * rng.standard_normal((15, 300))
    residual[40, 100:104] += 9
    found = transient_frames(residual)
    assert found[40, 100:104].all()
    assert found[20:].mean() < 0.05


@given(values=arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6)))
@settings(max_examples=60, deadline=None)
def test_middle_and_deviation_of_few_values(values):
    middle, deviation = middle_and_deviation(values)
    assert middle == np.median(values)
    assert deviation == CONSISTENT * np.median(np.abs(values - np.median(values)))


@pytest.mark.parametrize("count", [16384, 16385, 40_000, 99_999])
@pytest.mark.parametrize("kind", ["normal", "skew", "ties", "sorted", "periodic", "constant"])
def test_middle_and_deviation_of_many_values_are_exact(count, kind):
    rng = np.random.default_rng(count)
    values = rng.standard_normal(count)
    if kind == "skew":
        values = np.exp(5 * values)
    elif kind == "ties":
        values = np.round(values)
    elif kind == "sorted":
        values = np.sort(values)
    elif kind == "periodic":  # every n-th value is not like the others
        values[:: count // 4096] += 1e3
    elif kind == "constant":
        values[:] = 7.0
    middle, deviation = middle_and_deviation(values)
    assert middle == np.median(values)
    assert deviation == CONSISTENT * np.median(np.abs(values - np.median(values)))


def test_no_values_have_no_deviation():
    assert middle_and_deviation(np.empty(0)) == (0.0, 0.0)


@given(FLAGS)
def test_widened_adds_the_next_frame_on_either_side(found):
    expected = found.copy()
    for cell, frame in zip(*np.nonzero(found), strict=True):
        expected[cell, max(frame - 1, 0) : frame + 2] = True
    assert np.array_equal(widened(found), expected)


@given(FLAGS, st.integers(0, 2**32 - 1))
def test_core_runs_from_the_first_to_the_last_frame_that_stands_out(found, seed):
    residual = 4 * np.random.default_rng(seed).standard_normal(found.shape)
    expected = np.zeros_like(found)
    for cell, row in enumerate(found):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        for first, last in edges.reshape(-1, 2):
            strong = first + np.flatnonzero(np.abs(residual[cell, first:last]) > STANDS_OUT)
            if len(strong):
                expected[cell, strong[0] : strong[-1] + 1] = True
    assert np.array_equal(core(found, residual), expected)


@given(FLAGS, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_tails_are_sums_over_what_the_transients_brought(found, seed):
    residual = np.random.default_rng(seed).standard_normal(found.shape)
    result = tail_regressors(found, residual)
    frames = found.shape[1]
    assert result.shape == (len(TAIL_FRAMES), *found.shape)
    lag = np.arange(frames)[:, None] - np.arange(frames)[None]
    for n, constant in enumerate(TAIL_FRAMES):
        kernel = np.where(lag >= 0, np.exp(-np.maximum(lag, 0) / constant), 0.0) / constant
        expected = np.where(found, residual, 0.0) @ kernel.T
        np.testing.assert_allclose(result[n], expected, rtol=1e-9, atol=1e-12)
