"""The operator against loops, the free run against a dense matrix exponential."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from calcigraph.errors import FitError
from calcigraph.models import WEIGHTS, consensus, operator, simulate, simulate_alone
from calcigraph.models.contacts import default_weights, driven_cells
from calcigraph.models.integrate import Forcing, by_modes, by_taylor


def by_loops(culture, weights):
    raw = {
        "distance*border": culture.centroid_distance_px * culture.shared_border_px,
        "border/distance": culture.shared_border_px / culture.centroid_distance_px,
        "border": culture.shared_border_px,
        "uniform": np.ones(len(culture.pairs)),
    }[weights]
    matrix = np.zeros((len(culture.labels),) * 2)
    count = np.zeros(len(culture.labels))
    inner = [not (culture.border[a] or culture.border[b]) for a, b in culture.pairs]
    for (a, b), weight in zip(culture.pairs, raw / raw[inner].mean(), strict=True):
        matrix[a, b] = matrix[b, a] = weight
        count[[a, b]] += 1
    matrix /= np.maximum(count, 1)[:, None]
    return matrix - np.diag(matrix.sum(axis=1))


def exact(matrix, inner, k, feed, traces, dt):
    """The free run by expm of the system with the driven cells' values and slopes as states."""
    p, driven = len(inner), np.setdiff1d(np.arange(len(matrix)), inner)
    k = np.broadcast_to(k, p)[:, None]
    size = p + 2 * p
    block = np.zeros((size, size))
    block[:p, :p] = k * matrix[np.ix_(inner, inner)]
    block[:p, p : 2 * p] = np.eye(p)
    block[p : 2 * p, 2 * p :] = np.eye(p)
    step = expm(block * dt)
    push = k * (matrix[np.ix_(inner, driven)] @ traces[driven]) + np.broadcast_to(feed, p)[:, None]
    result = [traces[inner, 0]]
    for frame in range(traces.shape[1] - 1):
        slope = (push[:, frame + 1] - push[:, frame]) / dt
        result.append((step @ np.concatenate([result[-1], push[:, frame], slope]))[:p])
    return np.array(result).T


@pytest.mark.parametrize("weights", WEIGHTS)
def test_operator_equals_loops(grid, weights):
    culture = grid()
    op = operator(culture, weights)
    expected = by_loops(culture, weights)
    np.testing.assert_allclose(op.apply(culture.intensity), (expected @ culture.intensity)[op.inner], atol=1e-14)
    np.testing.assert_allclose(op.inner_matrix(), expected[np.ix_(op.inner, op.inner)], atol=1e-15)
    np.testing.assert_allclose(op.sparse_inner_matrix().toarray(), op.inner_matrix(), atol=1e-15)


def test_the_sum_over_neighbours_is_that_over_half_edges(grid):
    culture = grid()
    op = operator(culture, "border")
    expected = np.zeros((len(op.inner), culture.intensity.shape[1]))
    row = np.repeat(np.arange(len(op.inner)), np.diff(op.start))
    np.add.at(expected, row, op.weight[:, None] * culture.intensity[op.neighbour])
    np.testing.assert_allclose(op.neighbours(culture.intensity), expected, rtol=1e-12)


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("k", [0.0, 0.003, 0.1, 5.0])
def test_free_run_equals_dense_expm(grid, monkeypatch, dense, k):
    monkeypatch.setattr(consensus, "DENSE_CELLS", 10**6 if dense else 0)
    culture = grid(dt=13.0)
    op = operator(culture, "distance*border")
    feed = np.random.default_rng(1).normal(0, 1e-3, len(op.inner))
    expected = exact(by_loops(culture, "distance*border"), op.inner, k, feed, culture.intensity, 13.0)
    np.testing.assert_allclose(simulate(op, k, feed, culture.intensity, 13.0), expected, atol=1e-11)


def test_free_run_with_a_k_per_cell(grid):
    culture = grid()
    op = operator(culture, "border")
    k = np.random.default_rng(2).uniform(0, 0.1, len(op.inner))
    k[0] = 0
    expected = exact(by_loops(culture, "border"), op.inner, k, 1e-4, culture.intensity, 10.0)
    np.testing.assert_allclose(simulate(op, k, 1e-4, culture.intensity, 10.0), expected, atol=1e-11)


@settings(max_examples=20, deadline=None)
@given(k=st.floats(1e-6, 0.2), leak=st.floats(0, 0.05), dt=st.floats(0.1, 60), seed=st.integers(0, 1000))
def test_both_propagators_agree(k, leak, dt, seed, grid):
    """Cells of unlike k, sources on top of the feed, and a leak included."""
    culture = grid(frames=8, seed=seed)
    op = operator(culture, "distance*border")
    rng = np.random.default_rng(seed)
    rate = k * rng.uniform(0.2, 1, len(op.inner))
    drive, pulse = rng.normal(0, 1e-2, (len(op.inner), 8)), rng.normal(0, 1e-2, (len(op.inner), 7))
    forcing = Forcing(first=culture.intensity[op.inner, 0], drive=drive, source=pulse, dt=dt, leak=leak)
    modes = by_modes(op.inner_matrix(), op.degree, rate, forcing)
    series = by_taylor(op.sparse_inner_matrix(), op.rate, rate, forcing)
    np.testing.assert_allclose(modes, series, atol=1e-11)


def test_half_steps_compose(grid):
    """Interpolating the data to two points a frame must not change an exact free run."""
    culture = grid()
    op = operator(culture, "uniform")
    fine = np.apply_along_axis(lambda row: np.interp(np.arange(59) / 2, np.arange(30), row), 1, culture.intensity)
    whole = simulate(op, 0.05, 1e-4, culture.intensity, 10.0)
    np.testing.assert_allclose(simulate(op, 0.05, 1e-4, fine, 5.0)[:, ::2], whole, atol=1e-12)


def test_cell_alone_equals_an_ode_solver(grid):
    culture = grid(frames=12)
    op = operator(culture, "distance*border")
    k, feed = np.linspace(0.001, 0.3, len(op.inner)), np.linspace(-1e-3, 1e-3, len(op.inner))
    matrix, times = by_loops(culture, "distance*border"), 10.0 * np.arange(12)
    result = simulate_alone(op, k, feed, culture.intensity, 10.0)
    for row, cell in list(enumerate(op.inner))[::5]:
        other = np.delete(matrix[cell], cell)
        pull = np.delete(culture.intensity, cell, axis=0).T @ other
        run = [culture.intensity[cell, 0]]
        for left in range(11):
            path = solve_ivp(
                lambda t, y, c=cell, r=row, p=pull: k[r] * (np.interp(t, times, p) + matrix[c, c] * y) + feed[r],
                times[left : left + 2],
                [run[-1]],
                rtol=1e-10,
                atol=1e-12,
            )
            run.append(path.y[0, -1])
        np.testing.assert_allclose(result[row], run, atol=1e-8)


def test_setups_peel_rings(grid):
    culture = grid(rows=8, columns=9)
    for setup in (1, 2, 3):
        expected = np.zeros((8, 9), dtype=bool)
        expected[setup:-setup, setup:-setup] = True
        assert np.array_equal(~driven_cells(culture, setup), expected.ravel())


def test_a_driven_ring_acts_on_the_inner_cells(grid):
    culture = grid(rows=8, columns=9)
    op = operator(culture, "border", 2)
    moved = culture.intensity.copy()
    moved[op.driven] += 1
    assert (simulate(op, 0.01, 0.0, moved, 10.0) > simulate(op, 0.01, 0.0, culture.intensity, 10.0))[:, 1:].all()


def test_what_cannot_be_fitted_is_said(grid):
    culture = grid()
    traces_only = replace(culture, shared_border_px=np.full(len(culture.pairs), np.nan))
    assert default_weights(culture) == "distance*border"
    assert default_weights(traces_only) == "uniform"
    with pytest.raises(FitError, match="use weights 'uniform'"):
        operator(traces_only, "border")
    with pytest.raises(FitError, match=r"unknown weights 'cosine'; there are distance\*border"):
        operator(culture, "cosine")
    with pytest.raises(FitError, match="no inner cells"):
        operator(replace(culture, border=np.ones_like(culture.border)), "border")
    with pytest.raises(FitError, match="setup 3 peels every one"):
        operator(culture, "border", 3)
    with pytest.raises(FitError, match="unknown setup 4"):
        operator(culture, "border", 4)
    nothing = replace(
        culture,
        pairs=culture.pairs[:0],
        shared_border_px=culture.shared_border_px[:0],
        centroid_distance_px=culture.centroid_distance_px[:0],
    )
    with pytest.raises(FitError, match="no contacts"):
        operator(nothing, "uniform")
    with pytest.raises(FitError, match="positive borders"):
        operator(replace(culture, centroid_distance_px=np.zeros(len(culture.pairs))), "border/distance")


def test_many_cells(grid):
    """2,304 inner cells go the sparse way and agree with the modes."""
    culture = grid(rows=50, columns=50, frames=4)
    op = operator(culture, "border")
    assert len(op.inner) > consensus.DENSE_CELLS
    first = culture.intensity[op.inner, 0]
    outside = culture.intensity.copy()
    outside[op.inner] = 0
    drive = 0.03 * op.neighbours(outside) + 1e-4
    forcing = Forcing(first=first, drive=drive, source=np.zeros((len(op.inner), 3)), dt=10.0)
    modes = by_modes(op.inner_matrix(), op.degree, np.full(len(op.inner), 0.03), forcing)
    np.testing.assert_allclose(simulate(op, 0.03, 1e-4, culture.intensity, 10.0), modes, atol=1e-11)
