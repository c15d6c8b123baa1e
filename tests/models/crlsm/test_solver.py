"""The exact solver against trust region reflective least squares, and against known parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture, solve_cells, solve_group
from calcigraph.models.crlsm.solver import sums

OPEN = (-np.inf, np.inf)


def explicit(traces, consensus, dt, points, n):
    """The interpolated points, formed: y and G of shape (p, points), and the step."""
    frames = np.arange(traces.shape[1])
    at = np.arange((traces.shape[1] - 1) * n + 1)[:points] / n
    y, g = (np.array([np.interp(at, frames, row) for row in rows]) for rows in (traces, consensus))
    return y, g, dt / n


def trf(y, g, h, groups, ridge, k_bounds, feed_bounds):
    """Eqs. 18-20 by scipy, the matrix formed: one k, one feed per group of cells."""
    rows, right = [], []
    for number, cells in enumerate(groups):
        for cell in cells:
            block = np.zeros((y.shape[1] - 1, 1 + len(groups)))
            block[:, 0], block[:, 1 + number] = h * g[cell, :-1], h
            rows.append(block)
            right.append(np.diff(y[cell]))
    size = 1 + len(groups)
    matrix = np.vstack([*rows, np.sqrt(ridge) * np.eye(size)])
    lower = [k_bounds[0], *[feed_bounds[0]] * len(groups)]
    upper = [k_bounds[1], *[feed_bounds[1]] * len(groups)]
    data = np.concatenate([*right, np.zeros(size)])
    return lsq_linear(matrix, data, (lower, upper), "trf", tol=1e-14, lsq_solver="exact", max_iter=1000).x


def problem(seed):
    rng = np.random.default_rng(seed)
    cells, frames, n = int(rng.integers(1, 7)), int(rng.integers(4, 40)), int(rng.integers(1, 4))
    traces = rng.standard_normal((cells, frames)).cumsum(axis=1) * 10 ** rng.uniform(-2, 0) + 3 * rng.normal()
    consensus = rng.standard_normal((cells, frames)) + rng.integers(0, 2) * rng.normal(0, 2, (cells, 1))
    bounds = [tuple(np.sort(rng.normal(0, 0.05, 2)).tolist()) for _ in range(2)]
    if rng.random() < 0.3:
        bounds[1] = OPEN
    points = int(rng.integers(3, (frames - 1) * n + 2))
    return traces, consensus, rng.uniform(0.5, 15), points, n, 10 ** rng.uniform(-5, 1), *bounds


@pytest.mark.parametrize("seed", range(60))
def test_all_cases_equal_trf(seed):
    traces, consensus, dt, points, n, ridge, k_bounds, feed_bounds = problem(seed)
    data = sums(traces, consensus, dt, points, n)
    y, g, h = explicit(traces, consensus, dt, points, n)
    cells = range(len(traces))

    k, feed = solve_group(data, ridge, k_bounds, feed_bounds)
    reference = trf(y, g, h, [[cell] for cell in cells], ridge, k_bounds, feed_bounds)
    np.testing.assert_allclose([k, *feed], reference, rtol=0, atol=1e-7)

    k, feed = solve_group(data.pooled(), ridge, k_bounds, feed_bounds)
    np.testing.assert_allclose([k, *feed], trf(y, g, h, [cells], ridge, k_bounds, feed_bounds), rtol=0, atol=1e-7)

    k_cell, feed_cell = solve_cells(data, ridge, k_bounds, feed_bounds)
    for cell in cells:
        reference = trf(y, g, h, [[cell]], ridge, k_bounds, feed_bounds)
        np.testing.assert_allclose([k_cell[cell], feed_cell[cell]], reference, rtol=0, atol=1e-7)


def test_the_random_problems_meet_their_bounds_and_not():
    """Guards the test above: all combinations of active and free bounds must occur."""
    seen = set()
    for seed in range(60):
        traces, consensus, dt, points, n, ridge, k_bounds, feed_bounds = problem(seed)
        k, feed = solve_group(sums(traces, consensus, dt, points, n), ridge, k_bounds, feed_bounds)
        seen.add((k in k_bounds, bool(np.isin(feed, feed_bounds).any()), bool((~np.isin(feed, feed_bounds)).any())))
    assert {(a, True, b) for a in (False, True) for b in (False, True)} <= seen
    assert {(a, False, True) for a in (False, True)} <= seen


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12))
def test_interpolated_sums_equal_the_explicit_ones(seed, n):
    rng = np.random.default_rng(seed)
    traces, consensus = rng.standard_normal((2, 4, 9)) + 5
    points = int(rng.integers(2, 8 * n + 2))
    data = sums(traces, consensus, 7.0, points, n)
    y, g, h = explicit(traces, consensus, 7.0, points, n)
    a, d = h * g[:, :-1], np.diff(y, axis=1)
    np.testing.assert_allclose(data.a, a.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(data.d, d.mean(axis=1), atol=1e-13)
    a, d = a - a.mean(axis=1, keepdims=True), d - d.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(data.aa, (a**2).sum(axis=1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(data.ad, (a * d).sum(axis=1), rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_point_of_the_box_is_better(seed):
    traces, consensus, dt, points, n, ridge, k_bounds, feed_bounds = problem(seed)
    k, feed = solve_group(sums(traces, consensus, dt, points, n), ridge, k_bounds, feed_bounds)
    y, g, h = explicit(traces, consensus, dt, points, n)

    def loss(k, feed):
        rows = h * (k * g[:, :-1] + feed[:, None]) - np.diff(y, axis=1)
        return (rows**2).sum() + ridge * (k**2 + (feed**2).sum())

    rng = np.random.default_rng(seed)
    best = loss(k, feed)
    for size in 10.0 ** -np.arange(1, 7):
        other_k = np.clip(k + size * rng.normal(), *k_bounds)
        other = np.clip(feed + size * rng.standard_normal(len(feed)), *feed_bounds)
        assert loss(other_k, other) >= best * (1 - 1e-12)


@pytest.mark.parametrize("weights", ["distance*border", "border/distance", "border", "uniform"])
@pytest.mark.parametrize("k", [0.003, 0.02])
def test_recovers_known_parameters(grid, euler, weights, k):
    culture = grid(frames=200)
    feed = np.random.default_rng(5).normal(0, 1e-4, 12)
    made = euler(k, feed, culture, weights)
    options = {"weights": weights, "ridge": 0.0, "feed_bounds": (-1.0, 1.0), "null": 0}
    for case in ("per-cell", "cell"):
        result = fit(made, "crlsm", FitOptions(case=case, **options))
        np.testing.assert_allclose(result.cells["k"], k, rtol=1e-9)
        np.testing.assert_allclose(result.cells["feed"], feed, atol=1e-12)
        np.testing.assert_allclose(result.cells["k_cell"], k, rtol=1e-9)
    result = fit(euler(k, np.full(12, 2e-4), culture, weights), "crlsm", FitOptions(case="shared", **options))
    assert (result.k, result.feed) == pytest.approx((k, 2e-4))


@pytest.mark.parametrize("case", ["cell", "shared", "per-cell"])
def test_recovers_k_without_feed(grid, euler, case):
    made = euler(0.01, np.zeros(12), grid(frames=60), "distance*border")
    result = fit(made, "crlsm", FitOptions(case=case, no_feed=True, ridge=0.0))
    assert result.k == pytest.approx(0.01, rel=1e-9)
    assert result.feed is None
    assert np.isnan(result.cells["feed"]).all()


def test_no_feed_is_the_closed_form_of_eq_7(grid):
    culture = grid()
    result = fit(culture, "crlsm", FitOptions(case="cell", no_feed=True, k_bounds=(0.0, 10.0)))
    from calcigraph.models import operator

    op = operator(culture, "distance*border")
    a = 10.0 * op.apply(culture.intensity)[:, :-1]
    d = np.diff(culture.intensity[op.inner], axis=1)
    expected = (a * d).sum(axis=1) / ((a**2).sum(axis=1) + 1e-3)
    np.testing.assert_allclose(result.cells["k"], np.clip(expected, 0, 10), rtol=1e-12)


def test_a_leak_of_robust_is_not_run_with_the_feeds_of_crlsm():
    """Its interval is that of robust, which may have found a leak; its free run once took that leak along."""
    graph = make_culture(SyntheticOptions(cells=25, frames=200, size_px=200, leak=1 / 300, seed=1)).subgraph()
    assert "leak" in fit(graph, "robust", FitOptions(null=0)).cells
    found = fit(graph, "crlsm", FitOptions(null=0)).cells
    assert "leak" not in found
    assert np.nanmedian(found["mse_train"]) < np.median(graph.intensity.var(axis=1))


def test_rows_that_tell_nothing_give_finite_values():
    flat = np.zeros((2, 5))
    for ridge in (0.0, 1e-3):
        k, feed = solve_cells(sums(flat, flat, 1.0), ridge, (0.001, 0.1), OPEN)
        assert k.tolist() == [0.001, 0.001]
        assert feed.tolist() == [0.0, 0.0]
        assert solve_group(sums(flat, flat, 1.0), ridge, (0.001, 0.1), OPEN)[0] == 0.001
