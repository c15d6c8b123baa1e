"""The light of the lamp in every frame, from what all traces share: its flicker, and a straight fall (bleaching).

Cells differ from each other, and the median of their changes is what they share. Of that, the slow part may be the
cells' own, so it stays. The fast part is taken for the lamp, as a random walk plus white noise separates them, and so
is a straight line in the logarithm, which a model cannot tell from the feeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.store.types import FloatArray

FEWEST_CELLS, FEWEST_FRAMES = 5, 20
"""Of which a flicker can be told."""
APART = 10
"""Frames over which the slow part shows: its variance grows with them, that of the flicker does not."""
SLOWEST = 0.01
"""Least variance of a slow step, as a share of that of the flicker."""


@dataclass(frozen=True)
class Lamp:
    """What a lamp did in the course of a movie, in logarithms of light."""

    course: FloatArray
    """(T,), 0 on average."""
    flicker: float
    """Standard deviation of its fast part."""


def lamp_of(logs: FloatArray) -> Lamp:
    """The lamp of a movie.

    Parameters
    ----------
    logs
        (n, T), the mean log brightness of each cell.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cells = (0.02 * rng.standard_normal((60, 300))).cumsum(axis=1)
    >>> flicker, line = 0.02 * rng.standard_normal(300), np.linspace(0.1, -0.1, 300)
    >>> found = lamp_of(cells + flicker + line)
    >>> bool(abs(found.flicker - 0.02) < 0.003), bool(np.std(np.diff(found.course - flicker)) < 0.01)
    (True, True)
    """
    cells, frames = logs.shape
    times = np.linspace(-1, 1, frames)
    middle = np.median(logs - np.median(logs, axis=1, keepdims=True), axis=0)
    line = times * (times @ middle) / (times @ times)
    if cells < FEWEST_CELLS or frames < FEWEST_FRAMES:
        return Lamp(course=line, flicker=0.0)
    # Medians of steps follow the lamp more closely than medians of levels, which cells cross on their way.
    steps = np.diff(logs, axis=1)
    shared = np.median(steps - np.median(steps, axis=1, keepdims=True), axis=0)
    walk = np.concatenate([[0.0], np.cumsum(shared - shared.mean())])
    # Of flicker, each step takes back what the last one gave.
    variance = max(-float(np.mean(shared[1:] * shared[:-1])), 0.0)
    if variance == 0:
        return Lamp(course=line, flicker=0.0)
    far = float(np.mean((walk[APART:] - walk[:-APART]) ** 2))
    slow = max((far - 2 * variance) / APART, SLOWEST * variance)
    fast = walk - _smoothed(walk, variance / slow)
    return Lamp(course=line + fast - fast.mean(), flicker=variance**0.5)


def _smoothed(values: FloatArray, ratio: float) -> FloatArray:
    """The random walk in values that are a walk plus white noise, (T,): `ratio` is the noise's variance over a step's.

    It minimises sum (value - walk)^2 + ratio sum (step)^2.
    """
    from scipy.linalg import solveh_banded

    band = np.zeros((2, len(values)))
    band[0, 1:] = -ratio
    band[1] = 1 + 2 * ratio
    band[1, [0, -1]] = 1 + ratio
    return np.asarray(solveh_banded(band, values))
