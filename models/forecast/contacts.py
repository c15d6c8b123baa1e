"""What the contacts add to a forecast of traces, against cells that have exchanged their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from calcigraph.models.forecast.logit import Taught, pooled
from calcigraph.models.forecast.neighbours import AHEAD, TOLD, Rings, neighbourhoods, own_state, shown, told
from calcigraph.models.forecast.past import LAGS, Past, before
from calcigraph.models.forecast.ridge import penalised
from calcigraph.store.types import FloatArray, IntArray, Progress, silent

LEVEL = 0.05
"""p up to which contacts are said to help."""
LEAST = 0.005
"""Share of the error that they must take away, beyond chance, to be said to help: less is of no use to a forecast."""
HELP, HARDLY, NOT, UNKNOWN = "contacts help", "contacts hardly help", "contacts do not help", "cannot be told"
PARTS = 4
"""Parts of a recording, each of which is judged by what the others teach."""
FEWEST_CELLS = 8
"""With fewer cells hardly any two exchanges differ."""
RIDGE = 0.1
"""Penalty of what neighbours tell, relative to its own squares."""
STRENGTHS = (0.0, 1.0, 10.0)
"""How much the other cultures together count against the culture itself."""
TOGETHER, TOLD_NUMBERS = 8, 20_000_000
"""Exchanges whose sums are made at once, at most, and how many numbers they may hold."""
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
    past: Past,
    pairs: IntArray,
    exchanges: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    taught: Sequence[Taught] = (),
) -> ContactGain | None:
    """How much better cells are forecast with their neighbours' past than with their own alone.

    Both are regressions fitted to three quarters of the frames and judged in the other, each quarter in turn. The
    neighbours are cells in contact, and those in contact with these. In an exchange, each cell's traces are put in the
    place of another's: the neighbours are then any cells. So p holds for whatever the cells do, as long as they do it
    independently, and for whatever others teach. A drive that reaches cells near each other makes neighbours
    informative without any coupling.

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
    taught
        Of other cultures, what neighbours tell there. It counts (STRENGTHS) as serves the culture best, in each
        exchange too.

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
        gains[some] = [sums.gain(beyond, taught) for beyond in sums.told(orders[some])]
    progress("exchanging cells", len(orders), len(orders))
    return ContactGain(float(gains[0]), float(gains[1:].mean()), float((gains >= gains[0]).mean()))


def contact_lesson(past: Past, pairs: IntArray) -> Taught | None:
    """What a culture teaches others of what neighbours tell beyond the own past, a row; None without contacts.

    Parameters
    ----------
    past, pairs
        As for `contact_gain`.
    """
    if not len(pairs):
        return None
    sums = _Sums(past, neighbourhoods(pairs, len(past.values)))
    crossed, squares, products = (each.sum(axis=0) for each in sums.told(np.arange(len(past.values))[None])[0])
    own = np.column_stack([crossed, np.sum(sums.products, axis=0)])
    explained = np.linalg.solve(penalised(np.sum(sums.grams, axis=0)), own)
    gram, left = squares - crossed.T @ explained[:, :-1], products - crossed.T @ explained[:, -1]
    return Taught(gram / sums.rows, left / sums.rows)


Products = tuple[FloatArray, FloatArray, FloatArray]
"""Of what neighbours tell, (PARTS, f, TOLD) with own features, (PARTS, TOLD, TOLD) with itself, (PARTS, TOLD) with what
came."""


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
        known = [came[self._chosen, span].ravel() for span in self._spans]
        self.grams = [own.T @ own for own in rows]
        self.products = [own.T @ came for own, came in zip(rows, known, strict=True)]
        self.rows = float(sum(map(len, known)))
        self._own = [np.column_stack(each).astype(np.float32) for each in zip(rows, known, strict=True)]
        """Own features, and last what came."""
        self._inverse = [np.linalg.inv(penalised(np.sum(self.grams, axis=0) - mine)) for mine in self.grams]
        """Of each part, of the moments of the others, with the penalty; beside it their products and weights."""
        self._came = [np.sum(self.products, axis=0) - mine for mine in self.products]
        self._weights = [inverse @ came for inverse, came in zip(self._inverse, self._came, strict=True)]
        errors = zip(known, self._weights, self.grams, self.products, strict=True)
        self._alone = sum(float(c @ c - 2 * w @ product + w @ gram @ w) for c, w, gram, product in errors)
        self.together = int(np.clip(TOLD_NUMBERS // (TOLD * self._state[:, 0].size), 1, TOGETHER))
        """Exchanges whose sums are made at once."""

    def told(self, orders: IntArray) -> list[Products]:
        """Of each order of the cells, (o, n), the products of what neighbours tell."""
        numbers = np.concatenate([told(self._shown[order], self._state, self._rings) for order in orders], axis=1)
        parts = [np.moveaxis(numbers[..., span], 1, 0).reshape(numbers.shape[1], -1) for span in self._spans]
        across = [(more @ own).T.astype(np.float64) for own, more in zip(self._own, parts, strict=True)]
        squares = [(more @ more.T).astype(np.float64) for more in parts]
        places = [slice(TOLD * place, TOLD * (place + 1)) for place in range(len(orders))]
        return [
            (
                np.stack([each[:-1, at] for each in across]),
                np.stack([each[at, at] for each in squares]),
                np.stack([each[-1, at] for each in across]),
            )
            for at in places
        ]

    def gain(self, found: Products, taught: Sequence[Taught]) -> float:
        """Share of the error that neighbours take away.

        What they tell is regressed on beyond the own past (Frisch, Waugh): the moments of what own features leave of
        it are few, and those of other cultures are added to them.
        """
        crossed, squares, products = found
        rows = self.rows * (1 - 1 / PARTS)
        known = [pooled(taught, rows * strength) for strength in STRENGTHS] if taught else [None]
        changes = np.empty((len(known), PARTS))
        for part, inverse in enumerate(self._inverse):
            other = crossed.sum(axis=0) - crossed[part]
            explained = inverse @ other
            gram = squares.sum(axis=0) - squares[part] - other.T @ explained
            mine = products.sum(axis=0) - products[part] - explained.T @ self._came[part]
            # What the other parts' regressions leave of this one: own features give told - own @ explained.
            across = crossed[part] - self.grams[part] @ explained
            judged = squares[part] - explained.T @ crossed[part] - across.T @ explained
            came = products[part] - explained.T @ self.products[part] - across.T @ self._weights[part]
            for row, beforehand in enumerate(known):
                weights = _weights(gram, mine, beforehand)
                changes[row, part] = weights @ judged @ weights - 2 * weights @ came
        return -float(changes.sum(axis=1).min()) / self._alone


def _weights(gram: FloatArray, products: FloatArray, known: Taught | None) -> FloatArray:
    """(TOLD,), of a ridge regression."""
    if known is not None:
        gram, products = gram + known.gram, products + known.products
    penalty = RIDGE * np.diag(gram) + 1e-9 * np.trace(gram) + np.finfo(float).tiny
    return np.asarray(np.linalg.solve(gram + np.diag(penalty), products))


def _rows(values: FloatArray) -> FloatArray:
    return values.reshape(-1, values.shape[-1])
