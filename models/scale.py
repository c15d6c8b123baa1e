"""Robust scales: median, median absolute deviation, Tukey's bisquare and the noise level, each in this place only."""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import FloatArray

CONSISTENT = 1.4826
"""Times the median absolute deviation (MAD) this is the standard deviation of normal values: 1 / 0.6745."""
NORMAL = 1.959964
"""Half-width of a 95 % interval of normal values, in standard errors."""
TUKEY = 4.685
"""Scales beyond which a bisquare weight is 0: 95 % efficiency on normal values (Holland and Welsch 1977)."""
NOISE_WITHIN = 4.0
"""A cell's noise is taken to lie within this factor of the median cell's: spikes and short traces mislead it."""
THIRD_DIFFERENCE = 20.0
"""Variance of the third differences of white noise of variance 1: 1 + 9 + 9 + 1."""
SAMPLE = 1 << 20
"""Values from which a deviation is estimated; of more, every n-th is taken."""
BRACKET_BY, BRACKET = 4096, 160
"""Values that bracket a median, and how many of them to either side: five deviations of their own median's rank."""


def mad_scale(values: FloatArray) -> float:
    """The standard deviation of normal values about 0 that would have this median of |values|; 0 for none.

    Of values about another centre, give the deviations from it.
    """
    return CONSISTENT * float(np.median(np.abs(values))) if np.size(values) else 0.0


def middle_and_deviation(values: FloatArray) -> tuple[float, float]:
    """The median, and the robust standard deviation about it: 1.4826 times the median absolute deviation."""
    flat = values.ravel()
    flat = flat[:: len(flat) // SAMPLE + 1]
    if not len(flat):
        return 0.0, 0.0
    middle = _median(flat)
    departures = flat - middle
    return middle, CONSISTENT * _median(np.abs(departures, out=departures))


def _median(values: FloatArray) -> float:
    """The exact median: a few sorted values bracket it, so that only those inside the bracket need be ordered."""
    count = len(values)
    few = np.sort(values[:: count // BRACKET_BY]) if count >= 4 * BRACKET_BY else values[:0]
    if len(few):
        low, high = (few[len(few) // 2 + side * BRACKET] for side in (-1, 1))
        inside = values[(values >= low) & (values <= high)]
        below = int(np.count_nonzero(values < low))
        first, second = (count - 1) // 2 - below, count // 2 - below
        if first >= 0 and second < len(inside):
            inside.partition((first, second))
            return float(0.5 * (inside[first] + inside[second]))
    return float(np.median(values))


def bisquare(residual: FloatArray, scale: FloatArray | float, cut: float = TUKEY) -> FloatArray:
    """Tukey's weights, (1 - (r / (cut s))^2)^2 and 0 beyond, in the shape of `residual`; `scale` broadcasts to it."""
    weight = np.asarray(residual / (cut * scale))
    # In place, because the permutation test weighs every residual of a culture some hundred times.
    weight *= weight
    np.subtract(1, weight, out=weight)
    np.maximum(weight, 0, out=weight)
    weight *= weight
    return weight


def noise_level(traces: FloatArray, least: float = 0.0) -> FloatArray:
    """Standard deviation of the white measurement noise of each trace, (n,), from traces (n, T).

    The median of the third differences tells it: what is smooth over four frames leaves none. A cell's level lies
    within a factor of 4 of the median cell's, and that one is at least `least`. Where no trace has noise, it is
    `least`, or 1 if that is 0.
    """
    third = np.diff(traces, 3, axis=1)
    sigma = CONSISTENT * np.median(np.abs(third), axis=1) / np.sqrt(THIRD_DIFFERENCE)
    positive = sigma[sigma > 0]
    middle = max(float(np.median(positive)), least) if len(positive) else least or 1.0
    return np.asarray(np.clip(sigma, middle / NOISE_WITHIN, middle * NOISE_WITHIN))
