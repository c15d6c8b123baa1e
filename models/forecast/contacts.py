"""What the contacts add to a forecast, against cells that have exchanged their places."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from calcigraph.models.forecast.lighting import Rests, learnable, learnable_count, thinned
from calcigraph.models.forecast.logit import learn
from calcigraph.models.forecast.past import LAGS, Past, before, own_events
from calcigraph.models.forecast.ridge import solved
from calcigraph.store.types import FloatArray, IntArray, Progress, silent

AHEAD = 2
"""Frames: the horizon at which contacts are judged."""
LEVEL = 0.05
"""p up to which contacts are said to help."""
LEAST = 0.005
"""Share of the error that they must take away, beyond chance, to be said to help: less is of no use to a forecast."""
HELP, HARDLY, NOT, UNKNOWN = "contacts help", "contacts hardly help", "contacts do not help", "cannot be told"
PARTS = 4
"""Parts of a recording, each of which is judged by what the others teach."""
FEWEST_CELLS = 8
"""With fewer cells hardly any two exchanges differ."""
VALUES, RISES = 4, ((0, 1), (1, 1), (2, 1), (0, 2), (2, 2))
"""How many values a cell shows, and the rises: how many frames ago, and frames of the means before and after."""
KINDS = (slice(0, 3), slice(3, 5))
"""Of the rises: of single frames, and of means of two."""
TOLD = VALUES + 2 * len(RISES) + len(KINDS) + 2 + 3
"""How many numbers a cell is told: of its neighbours, of the rises of those beyond, of both together, and of these what
it means to a cell that rises itself, and to one that has long been quiet."""
TOGETHER, TOLD_NUMBERS = 8, 20_000_000
"""Exchanges whose sums are made at once, at most, and how many numbers they may hold."""
BEYOND_NOISE = 2.0
"""Deviations of its noise from which a step counts as a rise."""
WHOLE_RISE = 1.0
"""Deviations of the cell at which it counts no more: that a cell fires tells more than how brightly."""
QUIET = 0.5
"""Deviations above the level below which a cell is quiet."""
RECOVERED = 60.0
"""Frames since its last own event after which a cell counts as wholly recovered."""
Real = npt.NDArray[np.floating[Any]]
Rings = tuple[sparse.csr_array, sparse.csr_array]
"""Means over cells in contact, and over cells in contact with these."""
NATS_ROWS = 30_000
"""Frames of resting cells from which what contacts add to events is learnt, four times."""
MOST_CELLS = 1000
"""Cells that are forecast, evenly chosen: their neighbours are told whole."""


@dataclass(frozen=True)
class ContactGain:
    """What a culture's contacts add to the forecast of its cells."""

    gain: float
    """Share of the error, AHEAD frames ahead, by which the neighbours' past lessens it."""
    by_chance: float
    """The same, mean over exchanges of cells."""
    p: float
    """Share of the exchanges, this one included, that gain as much."""

    @property
    def word(self) -> str:
        """In plain words.

        >>> ContactGain(0.02, 0.0, 0.005).word
        'contacts help'
        """
        if self.p > LEVEL or self.gain <= 0:
            return NOT
        return HELP if self.gain - max(self.by_chance, 0.0) >= LEAST else HARDLY


def contact_gain(
    past: Past, pairs: IntArray, exchanges: int, rng: np.random.Generator, progress: Progress = silent
) -> ContactGain | None:
    """How much better cells are forecast with their neighbours' past than with their own alone.

    Both are regressions fitted to three quarters of the frames and judged in the other, each quarter in turn. The
    neighbours are cells in contact, and those in contact with these. In an exchange, each cell's traces are put in the
    place of another's: the neighbours are then any cells. So p holds for
    whatever the cells do, as long as they do it independently. A drive that reaches cells near each other makes
    neighbours informative without any coupling.

    Parameters
    ----------
    past
        The culture's traces.
    pairs
        (m, 2), contacts.
    exchanges
        How often cells are exchanged.
    rng
        Draws them.
    progress
        Called with the stage "exchanging cells".

    Returns
    -------
    None for a culture of too few cells or without contacts.
    """
    count = len(past.values)
    if count < FEWEST_CELLS or not len(pairs):
        return None
    sums = _Sums(past, neighbourhoods(pairs, count))
    orders = np.stack([np.arange(count), *(rng.permutation(count) for _ in range(exchanges))])
    gains = np.empty(len(orders))
    for place in range(0, len(orders), sums.together):
        progress("exchanging cells", place, len(orders))
        some = slice(place, place + sums.together)
        gains[some] = sums.gains(orders[some])
    progress("exchanging cells", len(orders), len(orders))
    return ContactGain(float(gains[0]), float(gains[1:].mean()), float((gains >= gains[0]).mean()))


def contact_nats(past: Past, where: Rests, pairs: IntArray) -> float | None:
    """What the neighbours' past adds to the forecast of events: log-likelihood per event.

    Both forecasts, with and without it, are learnt from three quarters of the frames and judged in the other, each
    quarter in turn.

    Parameters
    ----------
    past, where
        The culture, where its cells rest and light up.
    pairs
        (m, 2), contacts.

    Returns
    -------
    None without contacts, and where hardly anything lights up.
    """
    if not len(pairs):
        return None
    return nats_of(past, where, told_by(past, pairs))


def told_by(past: Past, pairs: IntArray) -> FloatArray:
    """(n, T, TOLD), what each cell is told by its neighbours."""
    rings = neighbourhoods(pairs, len(past.values))
    return np.moveaxis(_told(shown(past), own_state(past), rings), 1, 2)


def nats_of(past: Past, where: Rests, told: FloatArray) -> float | None:
    """What some further features of each cell, (n, T, q), add to the forecast of events: as `contact_nats`."""
    edges = np.linspace(LAGS, past.values.shape[1] - where.ahead, PARTS + 1).astype(int)
    parts = [learnable(past, where, slice(*span), told) for span in pairwise(edges)]
    gained = came = 0.0
    for place, (rows, lit) in enumerate(parts):
        rest = [part for at, part in enumerate(parts) if at != place]
        known, after = (np.concatenate(each) for each in zip(*rest, strict=True))
        known, after = thinned(known, after, NATS_ROWS)
        for sign, count in ((-1, learnable_count()), (1, rows.shape[1])):
            chance = learn([(known[:, :count], after)])
            if chance is None:
                return None
            p = chance(rows[:, :count])
            gained += sign * float(np.where(lit, np.log(p), np.log1p(-p)).sum())
        came += float(lit.sum())
    return gained / came if came else None


def averaging(pairs: IntArray, count: int) -> sparse.csr_array:
    """(n, n), takes the mean over each cell's neighbours; 0 for a cell that has none.

    >>> averaging(np.array([[0, 1], [1, 2]]), 3).toarray().tolist()
    [[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]
    """
    one, two = np.concatenate([pairs, pairs[:, ::-1]]).T
    neighbours = np.bincount(one, minlength=count)
    return sparse.csr_array((1 / neighbours[one], (one, two)), shape=(count, count))


def neighbourhoods(pairs: IntArray, count: int) -> Rings:
    """(n, n) twice: the mean over each cell's neighbours, and over their neighbours that are not among them.

    >>> neighbourhoods(np.array([[0, 1], [1, 2]]), 3)[1].toarray().tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    near = averaging(pairs, count)
    one, two = near.nonzero()
    touching = sparse.csr_array((np.ones(len(one), np.int64), (one, two)), shape=near.shape)
    ways = (touching @ touching).tocoo()
    further = np.asarray(touching[ways.row, ways.col]).ravel() == 0
    further &= ways.row != ways.col
    one, two = ways.row[further], ways.col[further]
    number = np.bincount(one, minlength=count)
    return near, sparse.csr_array((1 / number[one], (one, two)), shape=near.shape)


class _Sums:
    """The regression on the own past of some cells, and what is needed to add the neighbours' to it."""

    def __init__(self, past: Past, rings: Rings) -> None:
        count, frames = past.values.shape
        # Of exchanges only sums are kept: single precision is enough for what is summed, and twice as fast.
        self._shown = shown(past).astype(np.float32)
        self._chosen = np.linspace(0, count - 1, min(count, MOST_CELLS)).astype(int)
        self._state = own_state(past)[self._chosen].astype(np.float32)
        near, beyond = (ring[self._chosen].astype(np.float32) for ring in rings)
        self._rings = near, beyond
        own = [features[np.isin(np.arange(count)[cells], self._chosen)] for cells, features in past.blocks()]
        edges = np.linspace(LAGS, frames - AHEAD, PARTS + 1).astype(int)
        self._spans = [slice(first, last) for first, last in pairwise(edges)]
        rows = [_rows(np.concatenate(own)[:, span]) for span in self._spans]
        came = (before(past.values[:, ::-1], AHEAD)[:, ::-1] - past.level) / past.scale
        self._came = [came[self._chosen, span].ravel() for span in self._spans]
        self._grams = [own.T @ own for own in rows]
        self._products = [own.T @ came for own, came in zip(rows, self._came, strict=True)]
        self._own = [np.column_stack(each).astype(np.float32) for each in zip(rows, self._came, strict=True)]
        """Own features, and last what came."""
        self._alone = self._error(self._grams, self._products)
        self.together = int(np.clip(TOLD_NUMBERS // (TOLD * self._state[:, 0].size), 1, TOGETHER))
        """Exchanges whose sums are made at once."""

    def gains(self, orders: IntArray) -> list[float]:
        """Share of the error that neighbours take away, for each order of the cells (o, n)."""
        told = np.concatenate([_told(self._shown[order], self._state, self._rings) for order in orders], axis=1)
        parts = [np.moveaxis(told[..., span], 1, 0).reshape(told.shape[1], -1) for span in self._spans]
        across = [(more @ own).T for own, more in zip(self._own, parts, strict=True)]
        squares = [more @ more.T for more in parts]
        found = []
        for place in range(len(orders)):
            at = slice(TOLD * place, TOLD * (place + 1))
            grams = [
                np.block([[gram, crossed[:-1, at]], [crossed[:-1, at].T, square[at, at]]])
                for gram, crossed, square in zip(self._grams, across, squares, strict=True)
            ]
            products = [np.append(own, crossed[-1, at]) for own, crossed in zip(self._products, across, strict=True)]
            found.append(1 - self._error(grams, products) / self._alone)
        return found

    def _error(self, grams: list[FloatArray], products: list[FloatArray]) -> float:
        """Squared error of each part, forecast by what the others teach."""
        gram, product = np.sum(grams, axis=0), np.sum(products, axis=0)
        error = sum(float(came @ came) for came in self._came)
        for mine, came in zip(grams, products, strict=True):
            weights = solved(gram - mine, product - came)
            error += float(weights @ mine @ weights - 2 * weights @ came)
        return error


def _rows(values: FloatArray) -> FloatArray:
    return values.reshape(-1, values.shape[-1])


def _told(shown: Real, own: Real, rings: Rings) -> Real:
    """(m, TOLD, T), what m cells are told by their neighbours, and by these cells' neighbours.

    A rise tells most to a cell that is quiet, and has been for long: one that is lit has had its part of the wave. It
    also tells whether a small rise of the cell itself is more than noise. Where both neighbours and cells beyond rise,
    a wave may come; a neighbour that rises alone may have an event of its own. So the geometric mean of both is told.
    """
    near, beyond = (
        (ring @ part.reshape(len(part), -1)).reshape(ring.shape[0], *part.shape[1:])
        for ring, part in zip(rings, (shown, shown[:, VALUES:]), strict=True)
    )
    values, risen = near[:, :VALUES], near[:, VALUES:]
    single = risen[:, KINDS[0]].sum(axis=1)
    both = [np.sqrt(risen[:, kind].sum(axis=1) * beyond[:, kind].sum(axis=1)) for kind in KINDS]
    together = np.stack([single, *both], axis=1)
    quiet, rises, recovered = (own[:, [at]] for at in range(3))
    told = [values, quiet * risen, quiet * beyond, quiet * together[:, 1:], rises * together[:, :2]]
    return np.asarray(np.concatenate([*told, recovered * together], axis=1))


def shown(past: Past) -> FloatArray:
    """(n, VALUES + len(RISES), T), what a cell shows to others: its value, now and before, and how it rose.

    A rise is a step, of a frame or of a mean of two, beyond 2 deviations of its noise, and up to WHOLE_RISE.
    """
    now = past.relative
    values = [now, before(now, 1), np.maximum(now - 0.5, 0), np.maximum(before(now, 3) - 0.5, 0)]
    return np.stack([*values, *(_rise(past, lag, frames) for lag, frames in RISES)], axis=1)


def _rise(past: Past, lag: int, frames: int) -> FloatArray:
    after, earlier = (
        np.mean([before(past.relative, first + at) for at in range(frames)], axis=0) for first in (lag, lag + frames)
    )
    return np.asarray(np.clip(after - earlier - BEYOND_NOISE * np.sqrt(2 / frames) * past.noise, 0, WHOLE_RISE))


def own_state(past: Past) -> FloatArray:
    """(n, 3, T), from 0 to 1: that a cell is near its level, over two frames; its own step up; how recovered it is."""
    now = past.relative
    quiet = now + before(now, 1) < 2 * QUIET
    step = np.clip(now - before(now, 1), 0, WHOLE_RISE)
    recovered = quiet * np.minimum(own_events(now)[0] / RECOVERED, 1)
    return np.stack([quiet.astype(np.float64), step, recovered], axis=1)
