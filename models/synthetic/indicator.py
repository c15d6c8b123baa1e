"""What an indicator shows of calcium: its logarithm, its saturation, and its delay.

y is the course that obeys the model. Calcium c is in units of that at rest, and the log brightness is 0.5 there:

    c = exp(y - 0.5)                    cells share the logarithm of calcium (modulation 0)
    c = 1 + modulation (y - lowest y)   cells share calcium itself
    b = c^N (1 + K^N) / (c^N + K^N)     brightness: K = `hill_kd`, N = `hill_n`; c itself without a K
    tau B' = b - B                      brightness with the delay of the indicator, tau = `indicator_s`

The log brightness is 0.5 + log B.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from calcigraph.models.integrate import propagate
from calcigraph.models.synthetic.grid import Grid
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.transients import LEVEL
from calcigraph.store.types import FloatArray

DELAY_TIMES = 10
"""Time constants of the indicator that are computed before the recording, where there are as many."""


def log_brightness(options: SyntheticOptions, calcium: FloatArray, grid: Grid) -> FloatArray:
    """The log brightness of n cells at the frames, (n, T), from y at all points, (n, points).

    Examples
    --------
    Twice the calcium at rest, with an indicator that is half saturated at rest:

    >>> options = SyntheticOptions(frames=2, hill_kd=1.0)
    >>> grid = Grid.of(options)
    >>> shown = log_brightness(options, np.full((1, grid.points), LEVEL + np.log(2)), grid)
    >>> np.exp(shown - LEVEL).round(3).tolist()  # 2 (1 + 1) / (2 + 1)
    [[1.333, 1.333]]
    """
    if options.modulation == 0 and options.hill_kd == 0 and options.indicator_s == 0:
        return calcium[:, grid.first :: grid.substeps].copy()
    early = min(grid.first, ceil(DELAY_TIMES * options.indicator_s / grid.step))
    course = calcium[:, grid.first - early :]
    c = np.exp(course - LEVEL)
    if options.modulation > 0:
        c = 1 + options.modulation * (course - course.min())
    if options.hill_kd > 0:
        bound, half = c**options.hill_n, options.hill_kd**options.hill_n
        c = bound * (1 + half) / (bound + half)
    if options.indicator_s > 0:
        c = _delayed(c, options.indicator_s, grid.step)
    return np.asarray(LEVEL + np.log(c[:, early :: grid.substeps]))


def _delayed(brightness: FloatArray, time_s: float, step: float) -> FloatArray:
    """The exact answer, (n, points), to a brightness that is linear between points, and was steady before."""
    cells, points = brightness.shape
    decay = np.full(cells, -step / time_s)
    course = propagate(decay, brightness[:, 0], brightness.T / time_s, np.zeros((points - 1, cells)), step)
    return course.T
