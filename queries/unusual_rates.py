"""Cells with far fewer or far more events than their culture lets expect.

The number of events of a usual cell is taken as Poisson with a rate that differs between cells by a gamma distribution
(negative binomial): variance = m + d m^2. The mean m and the dispersion d are those of the usual cells: first of all
counts with the lowest and highest tenth moved to the tenths' ends, then of the cells that do not depart, again until
they stay the same. d is the larger of (variance - m) / m^2 and of what the median absolute deviation of the counts
says after Anscombe's transform, 2 sqrt(count + 3/8), whose variance is 1 + d m. A count departs by its tail probability
p, given as the deviate of a normal distribution that has the same tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.scale import CONSISTENT
from calcigraph.store.types import FloatArray

ROUNDS = 10
"""At most so many times the usual cells are taken anew."""
OUTER = (10, 90)
"""Percentiles that the first mean moves counts beyond them to."""
LEAST_P, NO_SPREAD = 1e-300, 1e-6


@dataclass(frozen=True)
class Counted:
    """What a culture lets expect of the number of events of a cell."""

    mean: float
    dispersion: float
    """d: 0 for Poisson counts."""
    deviate: FloatArray
    """(n,), negative for fewer events than expected."""
    p: FloatArray
    """(n,), one-sided."""


def judge_counts(count: FloatArray, threshold: float) -> Counted:
    """How far each cell's number of events lies from what the usual cells let expect.

    Parameters
    ----------
    count
        (n,) events of each cell, one or more cells, all observed for the same time.
    threshold
        Deviate from which on a cell is not usual.

    Examples
    --------
    >>> judge_counts(np.array([4, 5, 3, 6, 4, 5, 4, 40.0]), 3.5).deviate.round(1)
    array([ 0. ,  0.1, -0.4,  0.6,  0. ,  0.1,  0. , 10.2])
    """
    low, high = np.percentile(count, OUTER)
    # At least 1, or of few events the usual cells would be those without any.
    taken, spread = np.clip(count, low, max(high, 1.0)), _spread(count)
    kept = np.zeros(len(count), dtype=np.bool_)
    for _ in range(ROUNDS):
        mean = float(taken.mean())
        dispersion = max(0.0, spread - 1, (float(taken.var()) - mean) / mean) / mean if mean > 0 else 0.0
        deviate, p = _deviates(count, mean, dispersion)
        before, kept = kept, np.abs(deviate) <= threshold
        if not kept.any() or np.array_equal(kept, before):
            break
        taken = count[kept]
    return Counted(mean=mean, dispersion=dispersion, deviate=deviate, p=p)


def _spread(count: FloatArray) -> float:
    """Robust variance of the transformed counts: 1 for Poisson counts."""
    transformed = 2 * np.sqrt(count + 0.375)
    return float((CONSISTENT * np.median(np.abs(transformed - np.median(transformed)))) ** 2)


def _deviates(count: FloatArray, mean: float, dispersion: float) -> tuple[FloatArray, FloatArray]:
    """The normal deviate and the one-sided p of each count."""
    from scipy.special import ndtri

    fewer, more = _tails(count, mean, dispersion)
    p = np.clip(np.minimum(fewer, more), LEAST_P, 0.5)
    return np.asarray(np.where(more < fewer, -1.0, 1.0) * ndtri(p)), p


def _tails(count: FloatArray, mean: float, dispersion: float) -> tuple[FloatArray, FloatArray]:
    """P of so many events or fewer, and P of so many or more."""
    from scipy.special import betainc, pdtr, pdtrc

    none, above = count == 0, np.maximum(count, 1.0)
    if mean <= 0:
        return np.ones(len(count)), np.where(none, 1.0, 0.0)
    if dispersion < NO_SPREAD:
        return np.asarray(pdtr(count, mean)), np.where(none, 1.0, pdtrc(above - 1, mean))
    size, share = 1 / dispersion, 1 / (1 + dispersion * mean)
    more = np.where(none, 1.0, betainc(above, size, 1 - share))
    return np.asarray(betainc(size, count + 1, share)), more
