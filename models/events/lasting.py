"""Rises that stay: calcium that enters and is not taken away, or light that jumps. They are no events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from calcigraph.models.events.shapes import Reals
from calcigraph.models.scale import CONSISTENT, row_medians
from calcigraph.store.types import FloatArray

RISE_S, FEWEST_FRAMES = 90.0, 9
"""From before a rise to after it: so many seconds, or frames if those are longer."""
SHORTEST_STAY = 60
"""Frames."""
HIGH = 6.0
"""Height of a rise, in deviations of a frame's noise."""
UNUSUAL = 5.0
"""The same in deviations of the cell's changes over as many frames: where it drifts or wanders all the time, no rise
stands out."""
FALLEN = 0.5
"""Share of its height that a rise that stays never falls by."""
MANY, FEWEST_CELLS = 0.1, 3
"""Share of the cells, and number, from which the user is told."""


@dataclass(frozen=True)
class Lasting:
    """Rises that stay, in some cells of a culture."""

    rises: int
    cells: int
    """Cells that have one."""
    searched: int
    """Cells in which they were sought."""

    @property
    def many(self) -> bool:
        """Whether so many cells have one that the culture is not as detection takes it to be."""
        return self.cells >= max(MANY * self.searched, FEWEST_CELLS)


def lasting_rises(traces: FloatArray, noise: FloatArray, interval_s: float, stay: int) -> Lasting:
    """How many cells rise within `RISE_S` and do not lose half of that within `stay` frames.

    With m(t) the mean of a third of a rise's frames from t on, and r those frames, a rise at t is a largest
    m(t + r) - m(t) of at least `HIGH` deviations of noise and `UNUSUAL` of such changes. It stays where m never falls
    below the middle of both afterwards.

    Parameters
    ----------
    traces
        (n, T), in any unit.
    noise
        (n,), deviation of one frame's noise, in that unit; cells without noise are left out.
    interval_s
        Seconds a frame.
    stay
        Frames, at least `SHORTEST_STAY` are taken: far longer than an event. In a recording that is hardly longer
        nothing is found.

    Examples
    --------
    >>> level = np.where(np.arange(300) < 100, 0.0, [[1.0], [-1.0], [0.0]])
    >>> traces = level + np.random.default_rng(0).normal(0, 0.1, (3, 300))
    >>> lasting_rises(traces, np.full(3, 0.1), interval_s=10.0, stay=60)
    Lasting(rises=1, cells=1, searched=3)
    """
    some = noise > 0
    rise, stay = max(FEWEST_FRAMES, round(RISE_S / interval_s)), max(stay, SHORTEST_STAY)
    last = traces.shape[1] - 2 * rise - stay
    if last <= 0 or not some.any():
        return Lasting(0, 0, int(some.sum()))
    mean = _means(traces[some] / noise[some, None], max(rise // 3, 1))
    height = mean[:, rise:] - mean[:, :-rise]
    highest = maximum_filter1d(height, 2 * rise + 1, axis=1)
    # Centred windows, moved so that each begins after its rise.
    lowest = minimum_filter1d(mean, stay, axis=1)[:, rise + stay // 2 :]
    begin, up, top, low = (each[:, :last] for each in (mean, height, highest, lowest))
    usual = UNUSUAL * CONSISTENT * row_medians(np.abs(height))[:, None]
    found = ((up >= top) & (up > np.maximum(HIGH, usual)) & (low > begin + FALLEN * up)).sum(axis=1)
    return Lasting(int(found.sum()), int((found > 0).sum()), int(some.sum()))


def _means(values: FloatArray, frames: int) -> Reals:
    """(n, T - frames + 1), the mean of so many frames from each one on."""
    sums = np.cumsum(values, axis=1)
    return np.asarray((sums[:, frames - 1 :] - np.pad(sums, ((0, 0), (1, 0)))[:, :-frames]) / frames)
