"""Where the front of a large wave began, and how fast it ran: a search from coarse to fine.

The time of a far event tells the slope so sharply that a front which is a little too steep tells nothing but a part of
the wave. So the front is first allowed to be wrong by a share of each way, which becomes smaller from step to step:

    s_i = hypot(s, f b d_i),    f = 0.2, 0.07, 0.02, 0

At each step origins around the best one are tried, and slopes around the best one. First all origins are tried among
many cells of the earliest events, with ways straight ahead: of some of these, the events may be the cells' own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from calcigraph.models.waves.fitting import Clutter
from calcigraph.store.types import FloatArray, IntArray

Ways = Callable[[IntArray], FloatArray]
"""From (o,) origins, rows of cells, to (o, e), ways to the cells of the events, px."""
WRONG = (0.2, 0.07, 0.02, 0.0)
"""f: how wrong a front may be, in shares of the way."""
SLOPES, FINE = 12, 48
"""Slopes that are tried at a step, and at the last one."""
STEPS, QUICKEST = 24, 400.0
"""Slopes that are tried at first, and the steepest of them in those of the flattest one."""
ORIGINS = 120
"""Origins that are tried at first."""
FULL = 4
"""The fullest window of a front's times holds one in so many events."""
ROUNDS = 12
"""Moves of the origin at a step, at most."""
SETTLED = 3
"""Rounds in which the time at the origin is refined by the events that the front tells."""
TINY = 1e-30


@dataclass(frozen=True)
class Start:
    """Where the fit of a front starts."""

    origin: int
    constant: float
    slope: float
    gain: float


@dataclass(frozen=True)
class Search:
    """What a front is sought among."""

    ways: Ways
    time: FloatArray
    """(e,), s."""
    clutter: Clutter
    loose: float
    """Least deviation of a front, px."""

    def coarse(self, origins: IntArray, slopes: FloatArray) -> Start:
        """The best of all origins, (o,), rows of cells, with any of the slopes, s/px."""
        return self._best(origins, slopes, WRONG[0])

    def fine(self, start: Start, around: Callable[[int], IntArray]) -> Start:
        """From a coarse start to a fine one: `around` tells the cells beside an origin, itself among them."""
        best = start
        for before, wrong in zip((WRONG[0], *WRONG), WRONG, strict=False):
            # What fits with another f does not compare.
            best = replace(best, gain=-np.inf)
            factor = np.exp(np.linspace(-before, before, (SLOPES if wrong else FINE) + 1))
            for _ in range(ROUNDS):
                found = self._best(around(best.origin), best.slope * factor, wrong)
                moved = found.gain > best.gain and found.origin != best.origin
                best = max(best, found, key=lambda each: each.gain)
                if not moved:
                    break
        return best

    def _best(self, origins: IntArray, slopes: FloatArray, wrong: float) -> Start:
        """The origin and slope that tell the times best, of all."""
        away = self.ways(origins)[:, None]
        late = self.time - slopes[:, None] * away
        own = np.maximum(2 * self.clutter.least, self.loose * slopes)
        scale = np.hypot(own[:, None], wrong * slopes[:, None] * away)
        at = _fullest(late)
        for _ in range(SETTLED):
            likely = self.clutter.likely(late - at, scale)
            weight = likely / (1 + likely) / scale**2
            at = (weight * late).sum(axis=2, keepdims=True) / (weight.sum(axis=2, keepdims=True) + TINY)
        gain = self.clutter.gain(late - at, scale)
        origin, slope = np.unravel_index(int(gain.argmax()), gain.shape)
        return Start(
            origin=int(origins[origin]),
            constant=float(at[origin, slope, 0]),
            slope=float(slopes[slope]),
            gain=float(gain[origin, slope]),
        )


def _fullest(late: FloatArray) -> FloatArray:
    """(o, s, 1), the middle of the fullest window of (o, s, e) times."""
    order = np.sort(late, axis=2)
    few = max(late.shape[2] // FULL, 1)
    first = (order[:, :, few:] - order[:, :, :-few]).argmin(axis=2)
    return np.take_along_axis(order, first[:, :, None] + few // 2, axis=2)
