"""Robust scales, each defined here only: median, median absolute deviation, Tukey's bisquare and the noise level."""

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
"""A cell's noise is limited to this factor above and below the median cell's: spikes and short traces mislead it."""
STILL_STEPS = 0.1
"""Share of steps that are exactly 0 from which a trace was rounded."""
SMALL_STEPS = 0.25
"""Quantile of the other steps that is the quantum."""
UNIFORM = 12.0
"""The variance of an error that is uniform over a quantum is the quantum squared over this."""
THIRD_DIFFERENCE = 20.0
"""Variance of the third differences of white noise of variance 1: 1 + 9 + 9 + 1."""
SAMPLE = 1 << 20
"""Values from which a deviation is estimated; of more, every n-th is taken."""


def mad_scale(values: FloatArray) -> float:
    """The standard deviation of normal values about 0 that would have this median of |values|; 0 for no values.

    For values about another centre, give the deviations from it.

    Examples
    --------
    >>> mad_scale(np.array([-1.0, 1.0, 1.0, 50.0]))
    1.4826
    """
    return CONSISTENT * _median(np.abs(values).ravel()) if np.size(values) else 0.0


def middle_and_deviation(values: FloatArray) -> tuple[float, float]:
    """The median, and the robust standard deviation about it: 1.4826 times the median absolute deviation.

    Examples
    --------
    >>> middle_and_deviation(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    (3.0, 1.4826)
    """
    # Every n-th value of very many: a deviation from a million values is known to 0.1 %.
    flat = values.ravel()
    flat = flat[:: len(flat) // SAMPLE + 1]
    if not len(flat):
        return 0.0, 0.0
    middle = _median(flat.copy())
    departures = flat - middle
    return middle, CONSISTENT * _median(np.abs(departures, out=departures))


def _median(values: FloatArray) -> float:
    """The exact median of values that are put in another order.

    To find the place of one value costs far less than of the two that np.median takes of an even number.
    """
    half = len(values) // 2
    values.partition(half)
    above = float(values[half])
    return above if len(values) % 2 else 0.5 * (float(values[:half].max()) + above)


def row_medians(values: FloatArray) -> FloatArray:
    """The median of every row, (n,), of finite values (n, T), several times faster than np.median.

    Examples
    --------
    >>> row_medians(np.array([[3.0, 1.0, 2.0, 9.0], [4.0, 4.0, 0.0, 4.0]]))
    array([2.5, 4. ])
    """
    ordered, count = np.sort(values, axis=1), values.shape[1]
    return np.asarray(0.5 * (ordered[:, (count - 1) // 2] + ordered[:, count // 2]))


def bisquare(residual: FloatArray, scale: FloatArray | float, cut: float = TUKEY) -> FloatArray:
    """Tukey's weights, (1 - (r / (cut s))^2)^2 where |r| < cut s, else 0.

    Parameters
    ----------
    residual
        r, in any shape.
    scale
        s in the unit of the residual; broadcasts to its shape.
    cut
        Scales beyond which the weight is 0.

    Returns
    -------
    FloatArray
        Weights from 0 to 1, in the shape of `residual`.

    Examples
    --------
    >>> bisquare(np.array([0.0, 1.0, 3.0]), scale=1.0, cut=2.0)
    array([1.    , 0.5625, 0.    ])
    """
    weight = np.asarray(residual / (cut * scale))
    # In place, because whole cultures are weighed again and again.
    weight *= weight
    np.subtract(1, weight, out=weight)
    np.maximum(weight, 0, out=weight)
    weight *= weight
    return weight


def rounding_level(steps: FloatArray) -> FloatArray:
    """Standard deviation of the rounding error of each trace that was rounded: quantum / sqrt(12).

    Where most steps are exactly 0, a median of them is no scale of anything. Such traces were rounded (integers, two
    decimals). The quantum is then the smallest step but for a quarter of them, which interpolation may have cut.

    Parameters
    ----------
    steps
        Differences between frames, (n, T - 1).

    Returns
    -------
    FloatArray
        (n,), 0 where so few steps are exactly 0 that the trace was not rounded, or only finely.

    Examples
    --------
    >>> smooth = 3 * np.sin(np.linspace(0, 9, 200))[None]
    >>> rounding_level(np.diff(smooth)), rounding_level(np.diff(smooth.round())).round(3)
    (array([0.]), array([0.289]))
    """
    still = steps == 0
    quantum = np.zeros(len(steps))
    for row in np.flatnonzero(still.mean(axis=1) > STILL_STEPS):
        moved = np.abs(steps[row][~still[row]])
        quantum[row] = np.quantile(moved, SMALL_STEPS) if len(moved) else 0.0
    return np.asarray(quantum / np.sqrt(UNIFORM))


def noise_level(traces: FloatArray, least: float = 0.0) -> FloatArray:
    """Standard deviation of the white measurement noise of each trace.

    It is 1.4826 median(|third differences|) / sqrt(20). A curve that is smooth over four frames leaves almost nothing
    in a third difference, so what remains is noise.

    Parameters
    ----------
    traces
        (n, T), in any unit.
    least
        The median cell's level is at least this.

    Returns
    -------
    FloatArray
        (n,), in the unit of the traces. Each level lies within a factor of 4 of the median cell's. Where no trace has
        noise, it is `least`, or 1 if that is 0.

    Examples
    --------
    >>> noise = 0.01 * np.random.default_rng(0).standard_normal((3, 4000))
    >>> noise_level(noise + np.linspace(0, 1, 4000)).round(2)
    array([0.01, 0.01, 0.01])
    """
    # The median ignores the few third differences that hold a spike's onset.
    third = np.diff(traces, 3, axis=1)
    sigma = CONSISTENT * row_medians(np.abs(third)) / np.sqrt(THIRD_DIFFERENCE)
    # Of rounded traces most third differences may be exactly 0.
    sigma = np.maximum(sigma, rounding_level(np.diff(traces, axis=1)))
    positive = sigma[sigma > 0]
    middle = max(float(np.median(positive)), least) if len(positive) else least or 1.0
    return np.asarray(np.clip(sigma, middle / NOISE_WITHIN, middle * NOISE_WITHIN))
