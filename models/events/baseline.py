"""The running baseline of a trace: the level to which it returns between events."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import eval_legendre

from calcigraph.models.scale import CONSISTENT, row_medians
from calcigraph.store.types import FloatArray, IntArray

BINS = 30
"""A window is cut into about so many bins: short enough to fall between events, few enough to be fast."""
KNOTS = 6
"""Points of the baseline in a window, joined by straight lines."""
BUSY, RESTING = 0.2, 0.5
"""Percentiles from which the search begins: below the first, cells that are active four fifths of the time still rest;
the second suits cells without events."""
NEAR, WIDE = 2.0, 3.0
"""Deviations around the last guess that count as rest, for the same two."""
ROUNDS = 5
PIECES = 12
"""Parts of a recording through whose low levels a bleaching curve is laid."""
DEGREE, FRAMES_A_DEGREE = 3, 100
"""Highest power of that curve, and the frames that each power needs: in short recordings it would follow events."""
ABOVE = 2.0
"""Deviations above the curve from which a part counts as active."""


def running_baseline(traces: FloatArray, window: int, active: FloatArray | None = None) -> FloatArray:
    """The level at which each cell rests, in windows of so many frames.

    A smooth curve over the whole recording, for bleaching, is taken off first. In every window the search then begins
    at a percentile and moves to the mean of the values near it, which ends at the level around which values gather
    (mean shift; Fukunaga and Hostetler 1975). It begins at a low percentile where cells may be active: events only
    raise a trace.

    Parameters
    ----------
    traces
        (n, T).
    window
        Frames.
    active
        (n,), share of the time in which events are known and have been taken off; None where nothing is known yet.

    Returns
    -------
    (n, T).
    """
    cells, frames = traces.shape
    busy = _busy(cells, active)
    trend = bleaching(traces, active)
    size = max(1, round(window / BINS))
    edges = np.arange(0, frames, size)
    counts = np.diff(np.append(edges, frames))
    # Single precision is enough for what is left of a trace, and twice as fast.
    binned = (np.add.reduceat(traces - trend, edges, axis=1) / counts).astype(np.float32)
    half = max(2, min(round(window / size / 2), (binned.shape[1] - 1) // 2))
    starts = _starts(binned.shape[1], 2 * half + 1, max(1, 2 * half // KNOTS))
    level = _resting(sliding_window_view(binned, 2 * half + 1, axis=1)[:, starts], busy)
    middles = edges + (counts - 1) / 2
    return trend + joined_lines(level, middles[starts + half], frames)


def _busy(cells: int, active: FloatArray | None) -> FloatArray:
    # With few known events a cell is mostly at rest, and its middle is the best guess.
    return np.ones(cells) if active is None else np.clip(active / 0.5, 0.0, 1.0)


def bleaching(traces: FloatArray, active: FloatArray | None) -> FloatArray:
    """A polynomial through the low levels of parts of the recording, without those parts in which a cell is active."""
    frames, busy = traces.shape[1], _busy(len(traces), active)
    bounds = np.linspace(0, frames, PIECES + 1).astype(int)
    share = BUSY * busy + RESTING * (1 - busy)
    middle = row_medians(traces)[:, None]
    low = np.stack([_quantile(traces[:, a:b], share) for a, b in pairwise(bounds.tolist())], axis=1) - middle
    degree = degree_for(frames)
    at = (bounds[:-1] + bounds[1:]) / 2 / frames * 2 - 1
    powers = polynomials(at, degree)
    weight = np.ones_like(low)
    products = (powers[:, :, None] * powers[:, None, :]).reshape(PIECES, -1)
    for _ in range(ROUNDS):
        normal = (weight @ products).reshape(-1, degree + 1, degree + 1) + 1e-9 * np.eye(degree + 1)
        right = (weight * low) @ powers
        factors = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
        above = low - factors @ powers.T
        spread = CONSISTENT * row_medians(np.abs(above))[:, None] + 1e-12
        # Cells at rest depart from the curve to both sides alike.
        off = np.where(above > 0, above, (1 - busy)[:, None] * above)
        weight = 1 / (1 + (off / (ABOVE * spread)) ** 4)
    every = polynomials(np.linspace(-1, 1, frames), degree)
    return np.asarray(middle + factors @ every.T)


def degree_for(frames: int) -> int:
    """Highest power of a bleaching curve."""
    return int(np.clip(frames // FRAMES_A_DEGREE, 1, DEGREE))


def polynomials(at: FloatArray, degree: int) -> FloatArray:
    """Legendre polynomials at places from -1 to 1, one column each."""
    return np.stack([eval_legendre(power, at) for power in range(degree + 1)], axis=1)


def _quantile(values: FloatArray, share: FloatArray) -> FloatArray:
    """Each row's own quantile over the last axis."""
    order = np.sort(values, axis=-1)
    place = np.rint(share * (order.shape[-1] - 1)).astype(int)
    return np.asarray(order[np.arange(len(order)), ..., place])


def _starts(bins: int, width: int, step: int) -> IntArray:
    last = bins - width
    return np.asarray(np.unique(np.append(np.arange(0, last + 1, step), last)), dtype=np.int64)


def _resting(windows: FloatArray, busy: FloatArray) -> FloatArray:
    """The level around which the values of each window gather, (n, w)."""
    within = (NEAR * busy + WIDE * (1 - busy)).astype(np.float32)
    level = _quantile(windows, BUSY * busy + RESTING * (1 - busy))
    ones = np.ones(windows.shape[2], dtype=np.float32)
    for _ in range(ROUNDS):
        below = level[:, :, None] - windows
        far = (within * _lower_deviation(below))[:, None, None]
        near = (np.abs(below, out=below) <= far).astype(np.float32)
        count = near @ ones
        near *= windows
        level = np.where(count > 0, near @ ones / np.maximum(count, 1), level)
    return np.asarray(level)


def _lower_deviation(below: FloatArray) -> FloatArray:
    """Deviation of the values under the level, one for each cell."""
    flat = below.reshape(len(below), below.shape[1] * below.shape[2])
    order = np.sort(flat, axis=1)
    count = np.count_nonzero(flat > 0, axis=1)
    place = flat.shape[1] - count + np.maximum(count - 1, 0) // 2
    median = order[np.arange(len(order)), np.minimum(place, flat.shape[1] - 1)]
    return np.asarray(np.where(count > 0, median, 0) / np.float32(0.6745), dtype=np.float32)


def joined_lines(level: FloatArray, at: FloatArray, frames: int) -> FloatArray:
    """Straight lines between the points, level beyond the first and the last."""
    if len(at) == 1:
        return np.repeat(level, frames, axis=1)
    frame = np.arange(frames)
    place = np.clip(np.searchsorted(at, frame, side="right") - 1, 0, len(at) - 2)
    share = np.clip((frame - at[place]) / (at[place + 1] - at[place]), 0.0, 1.0)
    return np.asarray(level[:, place] * (1 - share) + level[:, place + 1] * share)
