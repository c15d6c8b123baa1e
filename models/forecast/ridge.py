"""Ridge regression of what comes on what was, pooled over cultures and shrunk to one of them.

Everything needed of a culture is its moments: the products of features with each other and with what came, in some
parts of its frames. So cultures are added and left out without reading them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from calcigraph.models.forecast.past import LAGS, Past
from calcigraph.store.types import FloatArray

PARTS = 7
"""Parts of a recording; the last one begins at `Past.split`."""
RIDGE = 1e-3
"""Penalty, relative to the features' own squares."""
RIDGES = (RIDGE, 1e-2, 0.1, 1.0, 10.0, 100.0)
"""Those that are tried: a short recording bears few weights."""
LEAST_SQUARE = 0.1
"""Mean square of a feature, at least, for its penalty; the first feature is the constant."""
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""How many frames of the other cultures count against one of the culture's own."""


@dataclass(frozen=True)
class Moments:
    """Sums over cells and frames, in parts. f features, H horizons."""

    features: FloatArray
    """(PARTS, f, f)."""
    products: FloatArray
    """(PARTS, f, H), of features and what came."""
    squares: FloatArray
    """(PARTS, H), of what came."""
    rows: FloatArray
    """(PARTS,), number of cells times frames."""

    def learnt(self) -> Moments:
        """Without the last part."""
        return Moments(self.features[:-1], self.products[:-1], self.squares[:-1], self.rows[:-1])

    @property
    def total(self) -> tuple[FloatArray, FloatArray]:
        """Sums over the parts."""
        return self.features.sum(axis=0), self.products.sum(axis=0)


def moments_of(past: Past, horizons: tuple[int, ...]) -> Moments:
    """The moments of a culture for forecasts so many frames ahead.

    Nothing of the last part of the recording goes into the others: their last frames, whose future lies there, are
    left out.
    """
    furthest, frames = max(horizons), past.values.shape[1]
    edges = np.linspace(LAGS, past.split - furthest, PARTS).astype(int)
    spans = [*pairwise(edges), (past.split - furthest, frames - furthest)]
    found: list[list[FloatArray]] = [[] for _ in spans]
    for cells, features in past.blocks():
        for place, (first, last) in enumerate(spans):
            rows = features[:, first:last].reshape(-1, features.shape[-1])
            came = coming(past, cells, slice(first, last), horizons).reshape(-1, len(horizons))
            sums = [rows.T @ rows, rows.T @ came, (came**2).sum(axis=0), np.array(float(len(rows)))]
            found[place] = [a + b for a, b in zip(found[place], sums, strict=True)] if found[place] else sums
    return Moments(*(np.stack(each) for each in zip(*found, strict=True)))


def coming(past: Past, cells: slice, frames: slice, horizons: tuple[int, ...]) -> FloatArray:
    """(cells, frames, H), the values that came, relative to the level when the forecast was made."""
    now = np.arange(frames.start, frames.stop)
    level = past.level[cells, frames]
    return np.stack([(past.values[cells][:, now + ahead] - level) / past.scale[cells] for ahead in horizons], axis=-1)


@dataclass(frozen=True)
class Weights:
    """What a forecast multiplies the features with."""

    values: FloatArray
    """(f, H)."""
    strength: float | None
    """Frames of other cultures that count as one of the culture's own; None where it was fitted to itself alone."""
    ridge: float = RIDGE
    """Penalty, relative to the features' own squares."""


def fitted(own: Moments, others: Iterable[Moments]) -> Weights:
    """The weights for one culture.

    The others count as far as that serves the culture: their strength, and the penalty, are those that forecast each
    part of what may be learnt best from the other parts. All of it follows from the moments.

    Parameters
    ----------
    own
        Of the culture that is forecast; its last part is not used.
    others
        Of the cultures that are learnt from, whole.
    """
    learnt, pooled = own.learnt(), list(others)
    if not pooled:
        nothing = np.zeros_like(learnt.features[0]), np.zeros_like(learnt.products[0])
        ridge = min(RIDGES, key=lambda ridge: _held_out(learnt, *nothing, ridge))
        return Weights(solved(*learnt.total, ridge), None, ridge)
    gram, products = (sum(each) for each in zip(*(moments.total for moments in pooled), strict=True))
    share = learnt.rows.sum() / sum(float(moments.rows.sum()) for moments in pooled)
    tried = [(strength, ridge) for strength in STRENGTHS for ridge in RIDGES]
    errors = [_held_out(learnt, gram * share * one, products * share * one, ridge) for one, ridge in tried]
    best, ridge = tried[int(np.argmin(errors))]
    mine, came = learnt.total
    return Weights(solved(mine + best * share * gram, came + best * share * products, ridge), best, ridge)


def _held_out(learnt: Moments, gram: FloatArray, products: FloatArray, ridge: float) -> float:
    """Error of forecasts of each part from the others, relative to the squares of what came, mean over horizons."""
    errors = np.zeros(learnt.squares.shape[1])
    mine, came = learnt.total
    for part in range(len(learnt.rows)):
        weights = solved(gram + mine - learnt.features[part], products + came - learnt.products[part], ridge)
        crossed = (weights * learnt.products[part]).sum(axis=0)
        errors += learnt.squares[part] - 2 * crossed + (weights * (learnt.features[part] @ weights)).sum(axis=0)
    return float((errors / np.maximum(learnt.squares.sum(axis=0), np.finfo(float).tiny)).mean())


def solved(gram: FloatArray, products: FloatArray, ridge: float = RIDGE) -> FloatArray:
    """The weights of a ridge regression, from the products of its features with each other and with what came."""
    return np.asarray(np.linalg.solve(penalised(gram, ridge), products))


def penalised(gram: FloatArray, ridge: float = RIDGE) -> FloatArray:
    """(f, f), the products of features with each other, and the penalty."""
    # What hardly moved where it was learnt may move far where it is used: it is penalised like what moved by a third.
    penalty = ridge * np.maximum(np.diag(gram), LEAST_SQUARE * gram[0, 0]) + 1e-12 * np.trace(gram)
    penalty[0] = min(penalty[0], RIDGE * gram[0, 0])  # of the constant: what is left of a large penalty is the mean
    return np.asarray(gram + np.diag(penalty))
