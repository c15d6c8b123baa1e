"""Constrained regularised least squares (CRLSM), arXiv:2505.20327, eqs. 5-20, solved exactly.

The rows are forward Euler steps as printed in eqs. 5-16, with G = M y from the data and h = dt / N in seconds
(N points a frame, linearly interpolated):

    y_t - y_(t-1) = h (k G_(t-1) + gamma_i)

    minimise  sum over rows (k a + h gamma_i - d)^2 + lambda (k^2 + sum gamma_i^2)    with a = h G, d = y_t - y_(t-1)
    subject to the box                                                                          (eqs. 18-20)

Everything the solution needs are five sums per cell (`Sums`). With k fixed each gamma_i is the clip of a ratio, so the
objective is convex and piecewise quadratic in k, and k is the root of a monotone piecewise linear function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.options import Bounds
from calcigraph.store.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Sums:
    """What the rows of each of p cells add up to; a = h G and d are the rows' regressor and increment."""

    h: float
    """Seconds between points: dt / N."""
    rows: IntArray
    """(p,)"""
    a: FloatArray
    """(p,), mean of a."""
    d: FloatArray
    """(p,), mean of d."""
    aa: FloatArray
    """(p,), sum of (a - mean)^2."""
    ad: FloatArray
    """(p,), sum of (a - mean)(d - mean)."""

    def pooled(self) -> Sums:
        """All cells as one: the rows of case shared, where every cell has the same feed."""
        rows = self.rows.sum()
        a, d = (self.rows * self.a).sum() / rows, (self.rows * self.d).sum() / rows
        aa = (self.aa + self.rows * (self.a - a) ** 2).sum()
        ad = (self.ad + self.rows * (self.a - a) * (self.d - d)).sum()
        return Sums(self.h, *(np.atleast_1d(value) for value in (rows, a, d, aa, ad)))


def sums(traces: FloatArray, consensus: FloatArray, dt: float, points: int | None = None, interpolate: int = 1) -> Sums:
    """The sums over the rows of the first `points` points, as if the traces were interpolated to N points a frame.

    Equal to forming the (T - 1) N + 1 points explicitly: within a frame a is linear in the point's number and d
    constant, so sums over its points are polynomials.

    Parameters
    ----------
    traces, consensus
        y and M y of the fitted cells, (p, T).
    dt
        Seconds between frames.
    points
        How many points train; None for all.
    interpolate
        N, points a frame.
    """
    frames = traces.shape[1]
    rows = (frames - 1) * interpolate if points is None else points - 1
    if interpolate == 1:
        return _sums_at_frames(traces[:, : rows + 1], consensus[:, :rows], dt)
    in_frame = np.clip(rows - interpolate * np.arange(frames - 1), 0, interpolate)
    h = dt / interpolate
    step, ramp = np.diff(traces, axis=1) / interpolate, h * np.diff(consensus, axis=1) / interpolate
    once, twice = in_frame * (in_frame - 1) / 2, in_frame * (in_frame - 1) * (2 * in_frame - 1) / 6
    mean_a = (in_frame * h * consensus[:, :-1] + once * ramp).sum(axis=1) / rows
    mean_d = (in_frame * step).sum(axis=1) / rows
    a, d = h * consensus[:, :-1] - mean_a[:, None], step - mean_d[:, None]
    aa = (in_frame * a**2 + 2 * once * a * ramp + twice * ramp**2).sum(axis=1)
    ad = (d * (in_frame * a + once * ramp)).sum(axis=1)
    return Sums(h, np.full(len(traces), rows), mean_a, mean_d, aa, ad)


def _sums_at_frames(traces: FloatArray, consensus: FloatArray, dt: float) -> Sums:
    """The sums where every frame is one point, from (p, rows + 1) and (p, rows)."""
    rows = consensus.shape[1]
    mean = consensus.mean(axis=1)
    centred = consensus - mean[:, None]
    aa = dt**2 * np.vecdot(centred, centred)
    ad = dt * np.vecdot(centred, traces[:, 1:] - traces[:, :-1])  # the increments' mean has no share in it
    return Sums(dt, np.full(len(traces), rows), dt * mean, (traces[:, -1] - traces[:, 0]) / rows, aa, ad)


def solve_cells(data: Sums, ridge: float, k_bounds: Bounds, feed_bounds: Bounds) -> tuple[FloatArray, FloatArray]:
    """Every cell alone (eqs. 7, 10-12): its own k and feed, each (p,). Feed bounds (0, 0) leave k only (eq. 7).

    Where the rows do not determine k (no contacts, no ridge), k is the bound nearest to 0.
    """
    problem = _Profile(data, ridge, feed_bounds)
    corners = np.sort(np.clip(problem.corners(), *k_bounds), axis=0)
    column = np.arange(len(data.a))
    ends = np.broadcast_to(np.array(k_bounds)[:, None], (2, len(column)))
    stops = np.vstack([ends[:1], corners, ends[1:]])
    below = np.array([problem.slopes(stop) <= 0 for stop in stops])
    at = np.maximum(below.sum(axis=0) - 1, 0)
    left, right = stops[at, column], stops[np.minimum(at + 1, len(stops) - 1), column]
    k = np.clip(problem.root(left, right), left, right)
    k = np.where(below[0], np.where(below[-1], k_bounds[1], k), k_bounds[0])
    undetermined = (data.aa + data.rows * data.a**2 + ridge) == 0
    k = np.where(undetermined, np.clip(0.0, *k_bounds), k)
    return k, problem.feed(k)


def solve_group(data: Sums, ridge: float, k_bounds: Bounds, feed_bounds: Bounds) -> tuple[float, FloatArray]:
    """One k for the group and a feed per cell (eqs. 13-16): the exact minimiser, k and (p,).

    The slope of the objective in k is nondecreasing and linear between the 2 p values of k at which a feed meets its
    bound; bisection over them finds the piece that holds the root. `Sums.pooled()` makes it case shared (one feed).
    """
    problem = _Profile(data, ridge, feed_bounds)
    corners = problem.corners().ravel()
    low, high = k_bounds
    stops = np.concatenate([[low], np.sort(corners[(corners > low) & (corners < high)]), [high]])
    if problem.slope(low) >= 0:
        return low, problem.feed(low)
    if problem.slope(high) <= 0:
        return high, problem.feed(high)
    left, right = 0, len(stops) - 1
    while right - left > 1:
        middle = (left + right) // 2
        if problem.slope(stops[middle]) <= 0:
            left = middle
        else:
            right = middle
    k = problem.common_root(float(stops[left]), float(stops[right]))
    return k, problem.feed(k)


@dataclass(frozen=True)
class _Profile:
    """The objective with every feed at its best for a given k; half its slope in k is piecewise linear."""

    data: Sums
    ridge: float
    feed_bounds: Bounds

    def free_feed(self, k: FloatArray | float) -> FloatArray:
        data = self.data
        return data.h * data.rows * (data.d - k * data.a) / (data.rows * data.h**2 + self.ridge)

    def feed(self, k: FloatArray | float) -> FloatArray:
        return np.clip(self.free_feed(k), *self.feed_bounds)

    def corners(self) -> FloatArray:
        """(2, p), the k at which a feed reaches its lower and its upper bound; -inf where it never does."""
        data, bounds = self.data, np.array(self.feed_bounds)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            k = (data.d - bounds * (data.rows * data.h**2 + self.ridge) / (data.h * data.rows)) / data.a
        return np.where(np.isfinite(k), k, -np.inf)

    def _line(self, k: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Slope and intercept, (p,) each, of every cell's half derivative on the piece that holds k, ridge left out.

        A free feed takes up the mean of the rows but for the ridge's share: the residual mean is written so, not as
        a difference, because a cell's static brightness makes the mean much larger than the variation.
        """
        data, free = self.data, self.free_feed(k)
        feed = np.clip(free, *self.feed_bounds)
        share = self.ridge / (data.rows * data.h**2 + self.ridge)
        moves: BoolArray = free == feed
        pull = np.where(moves, share, 1.0)
        rest = np.where(moves, share * data.d, data.d - data.h * np.where(moves, 0.0, feed))
        return data.aa + data.rows * data.a**2 * pull, data.ad + data.rows * data.a * rest

    def slopes(self, k: FloatArray) -> FloatArray:
        """(p,), half the derivative at each cell's own k."""
        line, at_zero = self._line(k)
        result: FloatArray = (line + self.ridge) * k - at_zero
        return result

    def slope(self, k: float) -> float:
        """Half the derivative at the group's k."""
        line, at_zero = self._line(k)
        return float((line.sum() + self.ridge) * k - at_zero.sum())

    def root(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """(p,), where each cell's slope on the piece between left and right is zero; left where it is flat."""
        line, at_zero = self._line((left + right) / 2)
        steep = line + self.ridge
        return np.where(steep > 0, at_zero / np.where(steep > 0, steep, 1.0), left)

    def common_root(self, left: float, right: float) -> float:
        """The same for the group's k."""
        line, at_zero = self._line((left + right) / 2)
        steep = float(line.sum()) + self.ridge
        return min(max(float(at_zero.sum()) / steep, left), right) if steep > 0 else left
