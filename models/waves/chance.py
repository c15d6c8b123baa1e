"""How unlikely waves are: by how many events follow each other closely, and by how well a front orders them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import fdtrc

from calcigraph.models.scale import CONSISTENT
from calcigraph.models.waves.basins import Basins
from calcigraph.models.waves.pairs import Train
from calcigraph.store.types import BoolArray, FloatArray, IntArray

SMALLEST = 1e-300
TRIMS = 2
"""Rounds of leaving out far events."""
COUNTED = 20
"""Exchanges that give as much order from which they are counted."""
FAR = 3.0
"""Deviations of a front's residuals from which an event is far."""


@dataclass(frozen=True)
class Scores:
    """How closely events follow each other."""

    close: FloatArray
    """(e,), of each basin of enough cells, at its root: the sum of `follows`. 0 elsewhere."""
    follows: FloatArray
    """(e,), -log(chance of an event so soon after the one it follows); 0 at roots."""


def scores(train: Train, rate: FloatArray, basins: Basins, least: float, min_cells: int) -> Scores:
    """Score every basin.

    Parameters
    ----------
    train
        The events.
    rate
        (n,), events per second of each cell.
    least
        The shortest lag that can be told, s.
    min_cells
        Fewest events of a basin that is scored.
    """
    root, time = basins.root, train.time
    events = len(root)
    size = np.bincount(root, minlength=events)
    lag = np.maximum(np.abs(time - time[basins.parent]), least)
    chance = -np.expm1(-2 * rate[train.row] * lag)
    follows = np.where(basins.parent == np.arange(events), 0.0, -np.log(chance))
    return Scores(close=np.where(size >= min_cells, np.bincount(root, follows, events), 0.0), follows=follows)


@dataclass(frozen=True)
class Asked:
    """The e events of some waves, whose order is asked for."""

    wave: IntArray
    """(e,), the number of each event's wave: sorted."""
    time: FloatArray
    x: FloatArray
    y: FloatArray
    away: FloatArray
    """Ways over contacts through the wave's cells, px: of each wave those from each of its cells to each, by rows."""

    @cached_property
    def size(self) -> IntArray:
        """(waves,), events of each."""
        return np.bincount(self.wave)

    @cached_property
    def first(self) -> IntArray:
        """(waves,), where the events of each begin."""
        return np.cumsum(self.size) - self.size

    def ways(self, root: IntArray) -> FloatArray:
        """(e,), the way to each event's cell from that of an event of the same wave."""
        begin = np.cumsum(self.size**2) - self.size**2
        here = np.arange(len(self.wave)) - self.first[self.wave]
        place = begin[self.wave] + (root - self.first[self.wave]) * self.size[self.wave] + here
        return np.asarray(self.away[place])


def order_of(asked: Asked, time: FloatArray) -> FloatArray:
    """(waves,), -log p of the F test of a front, the best of three, if the events had these times, (e,).

    The earliest event lies first by definition, so it is left out of circles around it. A paraboloid stands for
    circles around any other place. Each front is fitted without the events that lie far from it.
    """
    wave, waves = asked.wave, len(asked.size)
    best = np.zeros(waves)
    order = np.lexsort((-np.arange(len(time)), -time))
    first = np.zeros(waves, np.int64)
    first[wave[order]] = order
    root = first[wave]
    dx, dy, t = asked.x - asked.x[root], asked.y - asked.y[root], time - time[root]
    everything = np.ones(len(time), np.bool_)
    fronts = (
        (root != np.arange(len(time)), asked.ways(root)[:, None]),
        (everything, np.stack([dx, dy], axis=1)),
        (everything, np.stack([dx, dy, dx * dx + dy * dy], axis=1)),
    )
    for use, terms in fronts:
        for _ in range(TRIMS):
            _, residual = _fitted(t, terms, wave, waves, use)
            use = use & _near(residual, wave, waves, use)
        best = np.maximum(best, _fitted(t, terms, wave, waves, use)[0])
    return best


def order_p(asked: Asked, exchanges: int, rng: np.random.Generator) -> FloatArray:
    """(waves,), how often times exchanged among the events of a wave give it as much order.

    Below the `COUNTED` highest of the exchanges p is read from the tail that they make, which is exponential: -log p of
    a test has a tail of mean 1, and one that was fitted without far events a somewhat longer one.
    """
    if len(asked.wave) == 0:
        return np.zeros(0)
    seen = order_of(asked, asked.time)
    random = np.empty((exchanges, len(seen)))
    for row in random:
        row[:] = order_of(asked, asked.time[np.lexsort((rng.random(len(asked.wave)), asked.wave))])
    random.sort(axis=0)
    above = (random >= seen).sum(axis=0)
    level, highest = random[-COUNTED - 1], random[-COUNTED:]
    beyond = np.maximum(seen - level, 0)  # what is below the tail has been counted
    tail = COUNTED / exchanges * np.exp(-beyond / np.maximum((highest - level).mean(axis=0), 1e-9))
    return np.where(above >= COUNTED, (1 + above) / (1 + exchanges), np.minimum(tail, (1 + COUNTED) / (1 + exchanges)))


def _near(residual: FloatArray, basin: IntArray, basins: int, use: BoolArray) -> BoolArray:
    """Events not farther from their basin's front than `FAR` deviations."""
    return np.asarray(np.abs(residual) <= FAR * _level(residual, basin, basins, use)[basin])


def _level(residual: FloatArray, basin: IntArray, basins: int, use: BoolArray) -> FloatArray:
    """(basins,), deviation of the residuals of the used events, by their median."""
    far, owner = np.abs(residual[use]), basin[use]
    order = np.lexsort((far, owner))
    many = np.bincount(owner, minlength=basins)
    middle = np.cumsum(many) - many + many // 2
    level = np.zeros(basins)
    level[many > 0] = CONSISTENT * far[order][middle[many > 0]]
    return level


def _fitted(
    time: FloatArray, terms: FloatArray, of: IntArray, basins: int, use: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """-log p of F of least squares with these terms and a constant, basin by basin, and the residuals of all events."""
    basin = of[use]
    number = np.bincount(basin, minlength=basins).astype(np.float64)
    columns = [time, *terms.T]
    for place, value in enumerate(columns):
        mean = np.bincount(basin, value[use], basins) / np.maximum(number, 1)
        columns[place] = value - mean[of]
    size = terms.shape[1]
    products = np.empty((basins, size + 1, size + 1))
    for a in range(size + 1):
        for b in range(a, size + 1):
            products[:, a, b] = products[:, b, a] = np.bincount(basin, (columns[a] * columns[b])[use], basins)
    # Terms on one scale, with a trace of ridge for basins whose cells lie on a line.
    scale = np.sqrt(np.maximum(np.einsum("baa->ba", products), 1e-30))
    products /= scale[:, :, None] * scale[:, None, :]
    right = products[:, 1:, 0]
    slope = np.linalg.solve(products[:, 1:, 1:] + 1e-6 * np.eye(size), right[:, :, None])[:, :, 0]
    explained = np.einsum("ba,ba->b", right, slope)
    coefficient = slope * scale[:, :1] / scale[:, 1:]
    expected = np.einsum("ea,ea->e", coefficient[of], np.stack(columns[1:], axis=1))
    return _log_p(explained, size, number), columns[0] - expected


def _log_p(explained: FloatArray, freedom: int, number: FloatArray) -> FloatArray:
    """-log p of F, from the share of the squares that a front with so many slopes explains."""
    left = number - freedom - 1
    share = np.clip(explained, 0, 1 - 1e-12)
    ratio = share / (1 - share) * np.maximum(left, 1) / freedom
    return np.where(left >= 1, -np.log(np.maximum(fdtrc(freedom, np.maximum(left, 1), ratio), SMALLEST)), 0.0)


def both_by_chance(one: FloatArray, two: FloatArray) -> FloatArray:
    """p of two independent tests together (Fisher 1932).

    >>> both_by_chance(np.array([0.1, 1.0]), np.array([0.1, 0.01])).round(3).tolist()
    [0.056, 0.056]
    """
    product = np.maximum(one * two, SMALLEST)
    return np.asarray(product * (1 - np.log(product)))


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """q-values (Benjamini and Hochberg 1995).

    >>> benjamini_hochberg(np.array([0.01, 0.5, 0.02])).tolist()
    [0.03, 0.5, 0.03]
    """
    order = np.argsort(p)[::-1]
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1)) if len(p) else []
    return q
