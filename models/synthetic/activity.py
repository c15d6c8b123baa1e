"""What each cell does all the time, by itself: fluctuations, white noise, or oscillations.

The activity s_i(t) is an influx, in intensity per second, of mean 0 and independent from cell to cell. Its size a is
told by what it does to a cell without coupling whose leak is 0.01/s = q: such a cell has standard deviation a.

    fluctuation   an Ornstein-Uhlenbeck process of time constant tau, standard deviation a sqrt(q (q + 1 / tau))
    white         white noise, of density a sqrt(2 q) per root second
    oscillation   a sqrt(2) sqrt(w^2 + q^2) cos(w t + phase): a period 2 pi / w and a phase of its own for each cell

With `activity_spread` b, each cell has its own a exp(b z - b^2 / 2) with z normal: their mean is a.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.synthetic.grid import Grid
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.streams import ACTIVITY, stream
from calcigraph.store.types import FloatArray

REFERENCE_LEAK = 0.01
"""q, 1/s, with which sizes are defined, so that they do not depend on a culture's own k and leak."""


@dataclass(frozen=True)
class Influx:
    """What comes into n cells, in intensity per second."""

    linear: FloatArray
    """(n, points), linear between points."""
    constant: FloatArray
    """(n, points - 1), constant from one point to the next."""


def own_activity(options: SyntheticOptions, cells: int, grid: Grid) -> Influx | None:
    """The activity of all cells, or None without any.

    Parameters
    ----------
    options
        Its kind, size, times and spread.
    cells
        n.
    grid
        The points.

    Examples
    --------
    >>> options = SyntheticOptions(activity="fluctuation", frames=20)
    >>> own_activity(options, 3, Grid.of(options)).linear.shape[0]
    3
    """
    if options.activity == "none":
        return None
    rng = stream(options, ACTIVITY)
    size = (options.activity_size * lognormal(rng, options.activity_spread, cells))[:, None]
    shape = (cells, grid.points)
    linear, constant = np.zeros(shape), np.zeros((cells, grid.points - 1))
    if options.activity == "fluctuation":
        linear = size * influx_deviation(options.activity_s) * fluctuations(rng, shape, options.activity_s, grid)
    elif options.activity == "white":
        constant = size * np.sqrt(2 * REFERENCE_LEAK / grid.step) * rng.standard_normal(constant.shape)
    else:
        speed = 2 * np.pi / rng.uniform(options.period_low_s, options.period_high_s, (cells, 1))
        phase = rng.uniform(0, 2 * np.pi, (cells, 1))
        time = grid.step * np.arange(grid.points)
        linear = size * np.sqrt(2 * (speed**2 + REFERENCE_LEAK**2)) * np.cos(speed * time + phase)
    return Influx(linear=linear, constant=constant)


def influx_deviation(time_s: float) -> float:
    """Standard deviation of an influx of size 1 with this time constant, per second: sqrt(q (q + 1 / tau)).

    Examples
    --------
    >>> round(influx_deviation(100.0), 6)
    0.014142
    """
    return float(np.sqrt(REFERENCE_LEAK * (REFERENCE_LEAK + 1 / time_s)))


def fluctuations(rng: np.random.Generator, shape: tuple[int, int], time_s: float, grid: Grid) -> FloatArray:
    """Stationary Ornstein-Uhlenbeck processes of variance 1, (rows, points), exact at the points.

    Parameters
    ----------
    rng
        Decides them.
    shape
        Rows and points.
    time_s
        tau: the autocorrelation is exp(-lag / tau).
    grid
        The seconds between points.
    """
    keep = np.exp(-grid.step / time_s)
    # Time runs along the first axis, so that a step is one contiguous row.
    noise = rng.standard_normal(shape).T.copy()
    noise[1:] *= np.sqrt(1 - keep**2)
    for point in range(1, shape[1]):
        noise[point] += keep * noise[point - 1]
    return noise.T


def lognormal(rng: np.random.Generator, spread: float, count: int) -> FloatArray:
    """Factors with mean 1, (count,), whose logarithms have this standard deviation; all 1 if it is 0."""
    return np.asarray(np.exp(spread * rng.standard_normal(count) - spread**2 / 2))
