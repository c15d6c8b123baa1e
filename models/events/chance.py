"""From which score on an event is accepted: chance events are counted in residuals turned upside down.

Noise goes up as often as down, events only go up. What a search finds in the negative of the residuals is therefore a
sample of what chance gives it in the traces themselves (target-decoy counting; Elias and Gygi 2007). An event is
accepted where few of those with its score are chance: by the local false discovery rate (Efron 2004).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from calcigraph.store.types import FloatArray

EXPECTED = 1.0
"""Chance events of a cell with a score above `FROM` in 361 frames of white noise: counts for one cell beside those
seen."""
FROM = 3.5
USUAL_FRAMES = 361
MARGIN = 0.6
"""Largest share of chance among events of one score."""
SMOOTH = 0.2
"""Deviation, in logarithms of the score, over which events are counted."""
HIGHEST = 12.0
FLOOR = 0.02
"""Share of the events that may have any score."""
FEW, CAREFUL = 0.3, 4.3
"""Events of a cell in 361 frames (or fewer) below which a culture counts as silent, and the smallest score there."""
POINTS = 200
AT_ONCE = 2000
"""Events that are counted together."""


def least_score(score: FloatArray, chance: FloatArray, cells: int, frames: int, lowest: float) -> float:
    """The score from which on most events are none of chance.

    Above `FROM`, chance events thin out as exp(-c (z^2 - FROM^2) / 2), with c from those seen; c = 1 is normal noise.

    Parameters
    ----------
    score
        (e,), of the events of a culture.
    chance
        (c,), of what its residuals turned upside down show.
    cells, frames
        Size of the culture.
    lowest
        Score from which on events were sought.

    Returns
    -------
    A score of at least `lowest`.
    """
    if lowest >= HIGHEST:
        return lowest
    grid = np.linspace(np.log(lowest), np.log(HIGHEST), POINTS)
    seen = chance[chance > FROM]
    thin = (seen**2 - FROM**2) / 2
    # As if one more cell of white noise had been seen.
    more = EXPECTED * frames / USUAL_FRAMES
    count = (len(seen) + more) * cells / (cells + 1)
    rate = min(1.0, (len(seen) + more + 1) / (thin.sum() + more + 1))
    z = np.exp(grid)
    expected = count * np.exp(-rate * (z**2 - FROM**2) / 2) * rate * z**2
    spread = np.exp(-0.5 * ((grid[:, None] - grid) / SMOOTH) ** 2)
    expected = (spread / spread.sum(axis=1, keepdims=True)) @ expected
    # Scores below the lowest were not sought.
    found = _density(np.log(np.maximum(score, 1e-9)), grid) / ndtr((grid - grid[0]) / SMOOTH)
    found += FLOOR * len(score) / (grid[-1] - grid[0])
    bad = np.flatnonzero(expected > MARGIN * found)
    least = float(z[min(bad[-1] + 1, POINTS - 1)]) if len(bad) else lowest
    # Where there are hardly any events, nothing tells whether chance is well counted.
    few = (score >= least).sum() < FEW * cells * max(frames / USUAL_FRAMES, 1.0)
    return max(least, CAREFUL) if few else least


def _density(values: FloatArray, grid: FloatArray) -> FloatArray:
    """(g,), how densely values lie around each point."""
    total = np.zeros(len(grid))
    for first in range(0, len(values), AT_ONCE):
        off = (grid[:, None] - values[first : first + AT_ONCE]) / SMOOTH
        total += np.exp(-0.5 * off**2).sum(axis=1)
    return np.asarray(total / (SMOOTH * np.sqrt(2 * np.pi)))
