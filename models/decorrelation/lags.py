"""Whether the sources of cells in contact follow on each other, frames later: the model gives them no such order.

At the true k and leak the sources of neighbours are uncorrelated at all lags. The moment for k (pair_moments.py) asks
for one sum over lags, so other lags can tell that no k makes them independent: where a cell that fires sets off its
neighbours a while later (waves of release), their sources correlate at that lag, and k, which has only one number to
answer with, comes out too large. With e the whitened sources, cut at a few deviations, of all pairs in contact

    t_ij(b) = sum_t sum_(l in lags b) (e_i(t - l) e_j(t) + e_j(t - l) e_i(t))

is a vector over b that has mean 0 at the truth, whatever the colour of the sources. Hotelling's test asks for that: it
is the test of the moments that a fit leaves over (Hansen, Econometrica 50, 1029, 1982).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import stats

from calcigraph.models.decorrelation.pairs import Contacts
from calcigraph.models.decorrelation.residuals import Sources, whitener
from calcigraph.store.types import FloatArray

LAGS = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40)
"""Frames: each range of lags goes from one of these to the frame before the next."""
FRAMES_A_LAG = 8
"""Frames of the recording that a lag needs."""
PAIRS_A_LAG = 4
"""Pairs that each range of lags needs."""
CUT = 5.0
"""Deviations at which the sources are cut, so that no single event decides."""
CELLS_AT_ONCE = 64
FOLLOWS = 1e-4
"""p below which neighbours follow on each other."""


@dataclass(frozen=True)
class Following:
    """What the lags tell at one k and leak."""

    p: float
    """Chance of so much order if the sources of neighbours are independent; 1 where it cannot be asked."""
    after_s: float
    """Seconds after which neighbours have most in common."""

    @property
    def shows(self) -> bool:
        return self.p < FOLLOWS


def following(parts: Sources, contacts: Contacts, k: float, leak: float) -> Following:
    """Whether the sources of neighbours follow on each other at this k and leak, both in 1/s."""
    found = whitener(parts.residual(k, leak))
    white = np.clip(found.white / found.scale[:, None], -CUT, CUT)
    white -= white.mean(axis=0)  # what all cells share in a frame is no order of neighbours
    frames = white.shape[1]
    pairs = len(contacts.weight) // 2
    ranges = [(a, b) for a, b in pairwise(LAGS) if FRAMES_A_LAG * b <= frames]
    ranges = ranges[: pairs // PAIRS_A_LAG]
    if not ranges:
        return Following(p=1.0, after_s=0.0)
    terms = np.empty((len(ranges), len(contacts.weight)))
    for block in contacts.blocks(CELLS_AT_ONCE):
        terms[:, block.edges] = block.pairs(_earlier(white[block.cells], ranges), white)
    both = (terms + terms[:, contacts.back])[:, contacts.receiver < contacts.sender]
    scores = both.mean(axis=1) / np.maximum(both.std(axis=1), np.finfo(np.float64).tiny)
    return Following(p=_hotelling(both), after_s=ranges[int(np.argmax(scores))][0] * parts.dt)


def _earlier(values: FloatArray, ranges: list[tuple[int, int]]) -> FloatArray:
    """The sums of earlier values over ranges of lags, (b, ranges, F), of values (b, F)."""
    total = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:])
    result = np.zeros((len(values), len(ranges), values.shape[1]))
    for place, (first, end) in enumerate(ranges):
        at = np.arange(first, values.shape[1])
        result[:, place, first:] = total[:, at - first + 1] - total[:, np.maximum(at - end + 1, 0)]
    return result


def _hotelling(values: FloatArray) -> float:
    """p of the hypothesis that vectors (d, n) have mean 0."""
    size, count = values.shape
    mean = values.mean(axis=1)
    covariance = np.cov(values).reshape(size, size)
    if np.linalg.matrix_rank(covariance) < size:
        return 1.0
    square = count * float(mean @ np.linalg.solve(covariance, mean))
    return float(stats.f.sf(square * (count - size) / (size * (count - 1)), size, count - size))
