"""How unlikely waves are: by how many events follow each other closely, and by how well a front orders them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from calcigraph.models.scale import CONSISTENT
from calcigraph.models.waves.basins import Basins
from calcigraph.models.waves.pairs import Train
from calcigraph.store.types import BoolArray, FloatArray, IntArray

SMALLEST = 1e-300
TRIMS = 2
"""Rounds of leaving out far events."""
FAR = 3.0
"""Deviations of a front's residuals from which an event is far."""


@dataclass(frozen=True)
class Scores:
    """(e,) each, at the roots of basins of enough cells; 0 elsewhere."""

    close: FloatArray
    """Sum over the events of -log(chance of an event so soon after the one it follows)."""
    size: IntArray
    """Events of the basin."""


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
    return Scores(close=np.where(size >= min_cells, np.bincount(root, follows, events), 0.0), size=size)


def order_of(wave: IntArray, waves: int, time: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """(waves,), -log p of the F test of a front, the best of three, for the (e,) events of each wave.

    The earliest event lies first by definition, so it is left out of circles around it. A paraboloid stands for
    circles around any other place. Each front is fitted without the events that lie far from it.
    """
    best = np.zeros(waves)
    if len(wave) == 0:
        return best
    order = np.lexsort((-np.arange(len(time)), -time))
    first = np.zeros(waves, np.int64)
    first[wave[order]] = order
    root = first[wave]
    dx, dy, t = x - x[root], y - y[root], time - time[root]
    everything = np.ones(len(time), np.bool_)
    fronts = (
        (root != np.arange(len(time)), np.hypot(dx, dy)[:, None]),
        (everything, np.stack([dx, dy], axis=1)),
        (everything, np.stack([dx, dy, dx * dx + dy * dy], axis=1)),
    )
    for use, terms in fronts:
        for _ in range(TRIMS):
            _, residual = _fitted(t, terms, wave, waves, use)
            use = use & _near(residual, wave, waves, use)
        best = np.maximum(best, _fitted(t, terms, wave, waves, use)[0])
    return best


def order_p(
    wave: IntArray,
    waves: int,
    time: FloatArray,
    x: FloatArray,
    y: FloatArray,
    exchanges: int,
    rng: np.random.Generator,
) -> FloatArray:
    """(waves,), how often times exchanged among the (e,) events of every wave give any of them as much order.

    One p holds for all waves of the culture together: each is compared with the largest order of each exchange.
    """
    seen = order_of(wave, waves, time, x, y)
    above = np.zeros(waves)
    by_wave = np.argsort(wave, kind="stable")
    for _ in range(exchanges if waves else 0):
        moved = np.empty_like(time)
        moved[by_wave] = time[np.lexsort((rng.random(len(wave)), wave))]
        above += order_of(wave, waves, moved, x, y).max() >= seen
    return np.asarray((1 + above) / (1 + exchanges))


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
