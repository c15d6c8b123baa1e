"""Constrained regularised least squares (CRLSM), arXiv:2505.20327, eqs. 5-20, solved exactly.

The rows are forward Euler steps as printed in eqs. 5-16, with G = M y from the data and h = dt / N in seconds
(N points a frame, linearly interpolated):

    y_t - y_(t-1) = h (k G_(t-1) + gamma_i)

    minimise  sum over rows (k a + h gamma_i - d)^2 + lambda (k^2 + sum gamma_i^2)    with a = h G, d = y_t - y_(t-1)
    subject to the bounds of k and gamma_i                                                      (eqs. 18-20)

The solution needs only five sums per cell (`Sums`). With k fixed, each gamma_i is a ratio clipped to its bounds. So
the objective, with every gamma_i at its best, is convex and piecewise quadratic in k, and the best k is the root of a
monotone piecewise linear function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.options import Bounds
from calcigraph.store.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Sums:
    """What the rows of each of p cells add up to; a = h G and d are the rows' regressor and increment.

    Sums of squares are taken about the mean, because the mean, a cell's static brightness, can be much larger than
    the variation.
    """

    h: float
    """Seconds between points: dt / N."""
    rows: IntArray
    """(p,), number of rows."""
    a: FloatArray
    """(p,), mean of a, intensity times seconds."""
    d: FloatArray
    """(p,), mean of d, intensity."""
    aa: FloatArray
    """(p,), sum of (a - mean)^2."""
    ad: FloatArray
    """(p,), sum of (a - mean)(d - mean)."""

    def pooled(self) -> Sums:
        """All cells as one: the rows of case shared, where every cell has the same feed."""
        rows = self.rows.sum()
        a = (self.rows * self.a).sum() / rows
        d = (self.rows * self.d).sum() / rows
        # Steiner's theorem: the squares about the common mean are those about each cell's and those between cells.
        aa = (self.aa + self.rows * (self.a - a) ** 2).sum()
        ad = (self.ad + self.rows * (self.a - a) * (self.d - d)).sum()
        return Sums(
            h=self.h,
            rows=np.atleast_1d(rows),
            a=np.atleast_1d(a),
            d=np.atleast_1d(d),
            aa=np.atleast_1d(aa),
            ad=np.atleast_1d(ad),
        )


def sums(traces: FloatArray, consensus: FloatArray, dt: float, points: int | None = None, interpolate: int = 1) -> Sums:
    """The sums over the rows of the first `points` points, as if the traces were interpolated to N points a frame.

    The result is that of forming all (T - 1) N + 1 points. They need not be formed: within a frame a is linear in the
    point's number and d is constant, so sums over its points are polynomials.

    Parameters
    ----------
    traces
        y of the fitted cells, intensity, (p, T).
    consensus
        M y of the fitted cells, intensity, (p, T).
    dt
        Seconds between frames.
    points
        How many points train, at least 2; None for all.
    interpolate
        N, points a frame.

    Returns
    -------
    Sums
        Of p cells.

    Examples
    --------
    >>> data = sums(np.array([[0.0, 1.0, 3.0]]), np.array([[1.0, 2.0, 0.0]]), dt=10.0)
    >>> data.rows, data.a, data.d  # the rows are a = 10, 20 and d = 1, 2
    (array([2]), array([15.]), array([1.5]))
    >>> data.aa, data.ad
    (array([50.]), array([5.]))
    """
    frames = traces.shape[1]
    rows = (frames - 1) * interpolate if points is None else points - 1
    if interpolate == 1:
        return _sums_at_frames(traces[:, : rows + 1], consensus[:, :rows], dt)
    # Rows that begin in each frame, n, and the sums of 0 ... n - 1 and of their squares.
    in_frame = np.clip(rows - interpolate * np.arange(frames - 1), 0, interpolate)
    once = in_frame * (in_frame - 1) / 2
    twice = in_frame * (in_frame - 1) * (2 * in_frame - 1) / 6
    h = dt / interpolate
    # In a frame row number j has a = h consensus + j ramp and d = step.
    step = np.diff(traces, axis=1) / interpolate
    ramp = h * np.diff(consensus, axis=1) / interpolate
    mean_a = (in_frame * h * consensus[:, :-1] + once * ramp).sum(axis=1) / rows
    mean_d = (in_frame * step).sum(axis=1) / rows
    a, d = h * consensus[:, :-1] - mean_a[:, None], step - mean_d[:, None]
    return Sums(
        h=h,
        rows=np.full(len(traces), rows),
        a=mean_a,
        d=mean_d,
        aa=(in_frame * a**2 + 2 * once * a * ramp + twice * ramp**2).sum(axis=1),
        ad=(d * (in_frame * a + once * ramp)).sum(axis=1),
    )


def _sums_at_frames(traces: FloatArray, consensus: FloatArray, dt: float) -> Sums:
    """The sums where every frame is one point, from traces (p, rows + 1) and consensus (p, rows)."""
    rows = consensus.shape[1]
    mean = consensus.mean(axis=1)
    centred = consensus - mean[:, None]
    increments = traces[:, 1:] - traces[:, :-1]
    return Sums(
        h=dt,
        rows=np.full(len(traces), rows),
        a=dt * mean,
        d=(traces[:, -1] - traces[:, 0]) / rows,
        aa=dt**2 * np.vecdot(centred, centred),
        # The increments' mean cancels, because `centred` sums to 0.
        ad=dt * np.vecdot(centred, increments),
    )


def solve_cells(data: Sums, ridge: float, k_bounds: Bounds, feed_bounds: Bounds) -> tuple[FloatArray, FloatArray]:
    """Every cell alone (eqs. 7, 10-12): its own k and feed, the exact minimisers of eq. 18.

    Where the rows do not determine k (no contacts, no ridge), k is the bound nearest to 0.

    Parameters
    ----------
    data
        The sums of p cells.
    ridge
        lambda of eq. 18, at least 0.
    k_bounds
        1/s.
    feed_bounds
        Intensity per second; (0, 0) leaves k only (eq. 7).

    Returns
    -------
    tuple
        k, (p,), 1/s, and the feed, (p,), intensity per second.

    Examples
    --------
    >>> consensus = np.array([[1.0, 2.0, 0.5, 0.0]])
    >>> traces = np.concatenate([[0.0], np.cumsum(10 * (0.02 * consensus[0, :3] + 1e-3))])[None]
    >>> k, feed = solve_cells(sums(traces, consensus, dt=10.0), 0.0, (0.0, 0.1), (-1.0, 1.0))
    >>> k.round(9), feed.round(9)
    (array([0.02]), array([0.001]))
    """
    problem = _Profile(data, ridge, feed_bounds)
    # Half the slope of the objective is linear between the k at which a feed meets a bound; the cells have at most
    # two of those each. The root lies behind the last of these stops at which the slope is not positive.
    corners = np.sort(np.clip(problem.corners(), *k_bounds), axis=0)
    column = np.arange(len(data.a))
    ends = np.broadcast_to(np.array(k_bounds)[:, None], (2, len(column)))
    stops = np.vstack([ends[:1], corners, ends[1:]])
    below = np.array([problem.slopes(stop) <= 0 for stop in stops])
    at = np.maximum(below.sum(axis=0) - 1, 0)
    left, right = stops[at, column], stops[np.minimum(at + 1, len(stops) - 1), column]
    k = np.clip(problem.root(left, right), left, right)
    # A slope that is positive at the lower bound, or negative at the upper one, has no root between them.
    k = np.where(below[-1], k_bounds[1], k)
    k = np.where(below[0], k, k_bounds[0])
    undetermined = (data.aa + data.rows * data.a**2 + ridge) == 0
    k = np.where(undetermined, np.clip(0.0, *k_bounds), k)
    return k, problem.feed(k)


def solve_group(data: Sums, ridge: float, k_bounds: Bounds, feed_bounds: Bounds) -> tuple[float, FloatArray]:
    """One k for the group and a feed per cell (eqs. 13-16): the exact minimisers of eq. 18.

    The slope of the objective in k is nondecreasing and linear between the 2 p values of k at which a feed meets its
    bound. Bisection over them finds the piece that holds the root. `Sums.pooled()` makes it case shared (one feed).

    Parameters
    ----------
    data, ridge, k_bounds, feed_bounds
        As for `solve_cells`.

    Returns
    -------
    tuple
        k, 1/s, and the feeds, (p,), intensity per second.

    Examples
    --------
    >>> consensus = np.array([[1.0, 2.0, 0.5, 0.0], [0.0, 1.0, -1.0, 0.0]])
    >>> steps = 10 * (0.02 * consensus[:, :3] + np.array([[1e-3], [2e-3]]))
    >>> traces = np.concatenate([np.zeros((2, 1)), np.cumsum(steps, axis=1)], axis=1)
    >>> k, feed = solve_group(sums(traces, consensus, dt=10.0), 0.0, (0.0, 0.1), (-1.0, 1.0))
    >>> round(k, 9), feed.round(9)
    (0.02, array([0.001, 0.002]))
    """
    problem = _Profile(data, ridge, feed_bounds)
    low, high = k_bounds
    if problem.slope(low) >= 0:
        return low, problem.feed(low)
    if problem.slope(high) <= 0:
        return high, problem.feed(high)
    corners = problem.corners().ravel()
    inside = corners[(corners > low) & (corners < high)]
    stops = np.concatenate([[low], np.sort(inside), [high]])
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
        """(p,), each feed at its best for this k, without bounds."""
        data = self.data
        scale = data.rows * data.h**2 + self.ridge
        return data.h * data.rows * (data.d - k * data.a) / scale

    def feed(self, k: FloatArray | float) -> FloatArray:
        """(p,), the same inside the bounds."""
        return np.clip(self.free_feed(k), *self.feed_bounds)

    def corners(self) -> FloatArray:
        """(2, p), the k at which a feed reaches its lower and its upper bound; -inf where it never does."""
        data, bounds = self.data, np.array(self.feed_bounds)[:, None]
        scale = data.rows * data.h**2 + self.ridge
        # Infinite bounds are never met, nor is any bound where a = 0: both give no finite k.
        with np.errstate(divide="ignore", invalid="ignore"):
            k = (data.d - bounds * scale / (data.h * data.rows)) / data.a
        return np.where(np.isfinite(k), k, -np.inf)

    def _line(self, k: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Slope and intercept, (p,) each, of every cell's half derivative on the piece that holds k, without ridge.

        A free feed explains the mean of the rows, up to a share that the ridge leaves. The mean that is left is
        computed as that share of the mean. As a difference it would lose its digits, because a cell's static
        brightness makes the mean much larger than the variation.
        """
        data, free = self.data, self.free_feed(k)
        feed = np.clip(free, *self.feed_bounds)
        ridge_share = self.ridge / (data.rows * data.h**2 + self.ridge)
        is_free: BoolArray = free == feed
        share = np.where(is_free, ridge_share, 1.0)
        # A feed at its bound is a constant, so its part of the mean belongs to the intercept.
        at_bound = np.where(is_free, 0.0, feed)
        mean_left = np.where(is_free, ridge_share * data.d, data.d - data.h * at_bound)
        slope = data.aa + data.rows * data.a**2 * share
        return slope, data.ad + data.rows * data.a * mean_left

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
