"""The level of the measurement noise where cells may be active all the time."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from calcigraph.models.scale import CONSISTENT, noise_level, rounding_level, row_medians
from calcigraph.store.types import FloatArray

FAST = 0.3
"""Part of the highest frequency from which spectra are fitted."""
REWEIGHTED = 4
CLIPPED = 3.0
"""Robust deviations to which steps between frames are clipped."""
TINY = 1e-30


def measurement_noise(traces: FloatArray) -> float:
    """Standard deviation of the white measurement noise of the median cell.

    White noise adds |D|^2 times its variance to the spectrum of the increments, activity that is rough or smooth adds
    a constant or 1 / |D|^2. Fitted to the fast part of each spectrum, the first tells the noise. Third differences
    tell it too, but too high where activity is fast; spectra tell it too high after many sharp spikes. The smaller
    value is taken.

    Parameters
    ----------
    traces
        (n, T).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> walk = 0.01 * rng.standard_normal((40, 400)).cumsum(axis=1)
    >>> bool(0.015 < measurement_noise(walk + 0.02 * rng.standard_normal((40, 400))) < 0.025)
    True
    """
    steps = np.diff(traces, axis=1)
    steps = steps - row_medians(steps)[:, None]
    # A spike's few large steps would hide the noise of all others. Of rounded traces most steps may be exactly 0.
    usual = CONSISTENT * row_medians(np.abs(steps))[:, None]
    largest = np.where(usual > 0, CLIPPED * usual, np.inf)
    steps = np.clip(steps, -largest, largest)
    taper = np.hanning(steps.shape[1] + 2)[1:-1]
    spectrum = np.abs(np.fft.rfft(steps * taper / np.sqrt((taper**2).sum()), axis=1)) ** 2
    angle = 2 * np.pi * np.fft.rfftfreq(steps.shape[1])
    fast = angle > FAST * np.pi
    square = 4 * np.sin(angle[fast] / 2) ** 2
    shapes = np.stack([square, np.ones_like(square), 1 / square], axis=1)
    values = np.asarray(spectrum[:, fast], dtype=np.float64)
    levels = np.zeros(len(values))
    weight = np.ones_like(values)
    for _ in range(REWEIGHTED):  # a periodogram's error is as large as the spectrum itself
        parts = _not_negative(shapes, values, weight)
        levels, weight = parts[:, 0], 1 / np.maximum(parts @ shapes.T, TINY)
    least = float(np.median(rounding_level(np.diff(traces, axis=1))))
    return max(least, float(min(np.sqrt(np.median(levels)), np.median(noise_level(traces)))))


def _not_negative(shapes: FloatArray, values: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted least squares of every row (p, f) on shapes (f, c), no coefficient below 0, (p, c).

    The best of the solutions for every choice of shapes that has none below 0: there are few shapes, and many rows.

    Examples
    --------
    >>> shapes = np.array([[1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    >>> _not_negative(shapes, np.array([[3.0, 5.0, 9.0], [4.0, 3.0, 1.0]]), np.ones((2, 3))).round(6) + 0.0
    array([[2.      , 1.      ],
           [0.      , 2.666667]])
    """
    count = shapes.shape[1]
    square = weight**2
    normal = np.einsum("pf,fab->pab", square, shapes[:, :, None] * shapes[:, None])
    right = np.einsum("pf,fa->pa", square * values, shapes)
    best, gained = np.zeros_like(right), np.zeros(len(right))
    for size in range(1, count + 1):
        for chosen in combinations(range(count), size):
            found = np.zeros_like(right)
            part = normal[:, chosen][:, :, chosen]
            found[:, chosen] = np.linalg.solve(part, right[:, chosen, None])[:, :, 0]
            gain = np.einsum("pc,pc->p", right, found)
            better = (found >= 0).all(axis=1) & (gain > gained)
            best[better], gained[better] = found[better], gain[better]
    return np.asarray(best)
