"""From which score on an event is accepted: chance events are counted in residuals turned upside down.

Noise goes up as often as down, events only go up. What a search finds in the negative of the residuals is therefore a
sample of what chance gives it in the traces themselves (target-decoy counting; Elias and Gygi 2007). An event is
accepted where few of those with its score are chance: by the local false discovery rate (Efron 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from calcigraph.store.types import FloatArray

EXPECTED = 1.0
"""Chance events of a cell with a score above `FROM` in 361 frames of white noise: counts for one cell beside those
seen."""
FROM = 3.5
USUAL_FRAMES = 361
MARGIN = 0.5
"""Largest share of chance among events of one score."""
HIGHEST = 12.0
FLOOR = 0.005
"""Share of the events that may have any score."""
FEW, BY_CHANCE = 0.3, 0.03
"""Events of a cell in 361 frames (or fewer) below which a culture counts as silent, and those that chance may give it
there."""
CLEAR = 5.0
"""Score of an event that is none of chance at a first guess."""
SPREAD, AS_MANY = 0.4, 3.0
"""Deviation of logarithms of scores before any are seen, and the number of events for which this counts."""
ROUNDS = 30
POINTS = 200
TINY = 1e-30


@dataclass(frozen=True)
class Share:
    """How many events are chance, (p,) each."""

    score: FloatArray
    share: FloatArray
    """Of chance among events of this score."""
    above: FloatArray
    """Chance events above it."""


def least_score(score: FloatArray, chance: FloatArray, searched: int, cells: int, frames: int, lowest: float) -> float:
    """The score from which on most events are none of chance.

    Parameters
    ----------
    score
        (e,), of the events of a culture.
    chance
        (c,), of what its residuals turned upside down show.
    searched
        Cells in which that was sought.
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
    found = chance_share(score, chance, searched, cells, frames, lowest)
    bad = np.flatnonzero(found.share > MARGIN)
    least = max(lowest, float(found.score[min(bad[-1] + 1, POINTS - 1)]) if len(bad) else lowest)
    # Where there are hardly any events, chance alone decides: too few scores tell what the others are like.
    size = silent_below(cells, frames) / FEW
    careful = float(found.score[min((found.above > BY_CHANCE * size).sum(), POINTS - 1)])
    ordered = np.sort(chance)[::-1]
    allowed = int(BY_CHANCE * size * searched / max(cells, 1))
    if allowed < len(ordered):
        careful = max(careful, float(ordered[allowed]))
    return max(least, careful) if (score >= least).sum() < FEW * size else least


def silent_below(cells: int, frames: int) -> float:
    """The number of events below which a culture counts as silent."""
    return FEW * cells * max(frames / USUAL_FRAMES, 1.0)


def chance_share(score: FloatArray, chance: FloatArray, searched: int, cells: int, frames: int, lowest: float) -> Share:
    """The share of chance among events of every score.

    Above `FROM`, chance events thin out as exp(-c (z^2 - FROM^2) / 2), with c from those seen; c = 1 is normal noise.
    The logarithms of the other scores are normally distributed, but for a few that may lie anywhere. How many there
    are of either kind follows from the scores of the events and of the chance events together (expectation
    maximisation; Dempster, Laird and Rubin 1977).
    """
    seen = chance[chance > FROM]
    # As if one more cell of white noise had been seen.
    more = EXPECTED * frames / USUAL_FRAMES
    count = (len(seen) + more) * cells / (searched + 1)
    rate = min(1.0, (len(seen) + more + 1) / (((seen**2 - FROM**2) / 2).sum() + more + 1))

    def by_chance(z: FloatArray) -> FloatArray:
        return np.asarray(count * np.exp(-rate * (z**2 - FROM**2) / 2) * rate * z**2)

    strong = score[score > FROM]
    scale, others = _told_apart(np.log(strong), by_chance(strong), count)
    z = np.exp(np.linspace(np.log(min(lowest, FROM)), np.log(HIGHEST), POINTS))
    expected = scale * by_chance(z)
    above = scale * count * np.exp(-rate * (z**2 - FROM**2) / 2)
    return Share(z, expected / (expected + others(np.log(z)) + TINY), above)


def _told_apart(logs: FloatArray, null: FloatArray, count: float) -> tuple[float, Callable[[FloatArray], FloatArray]]:
    """How many times the expected chance events there are, and the density of the others, at logarithms of scores.

    Chance events are `count` in all, and `null` is their density at the scores with these logarithms.
    """
    real = (logs > np.log(CLEAR)).astype(float)
    for _ in range(ROUNDS):
        total = float(real.sum())
        middle = float((real * logs).sum() / total) if total > 0 else np.log(CLEAR)
        spread = float(np.sqrt(((real * (logs - middle) ** 2).sum() + AS_MANY * SPREAD**2) / (total + AS_MANY)))
        others = partial(_others, total=total, middle=middle, spread=spread)
        scale = float((1 - real).sum() + count) / max(2 * count, TINY)
        real = others(logs) / (others(logs) + scale * null + TINY)
    return scale, others


def _others(at: FloatArray, total: float, middle: float, spread: float) -> FloatArray:
    normal = np.exp(-0.5 * ((at - middle) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    return np.asarray(total * ((1 - FLOOR) * normal + FLOOR / np.log(HIGHEST / FROM)))
