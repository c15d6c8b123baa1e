"""Logistic regression with a ridge, by Newton's method, of rows that come in parts: a culture each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from calcigraph.store.types import BoolArray, FloatArray

Rows = npt.NDArray[np.floating[Any]]
Part = tuple[Rows, BoolArray]
"""(r, f) features and (r,) whether an event came."""
FARTHEST = 6.0
"""Deviations to which features are clipped."""
PENALTY = 1 / 0.03
"""Weight of half the sum of the squared weights, of features in units of their deviations."""
FEWEST_LIT = 50
"""Rows before an event that are needed to learn from."""
TOGETHER = 4096
"""Rows that are worked on at once: they stay in the processor's cache."""
NEAR, REACHED, MOST_STEPS = 0.1, 3e-5, 60
"""Largest change of a weight from which on curvature is not computed anew, and at which the search ends."""
MANY, EVERY = 50_000, 8
"""Rows from which the search begins where that among every so manyth row ends."""
ROUNDING = 1e-8
"""Share of the loss that single precision may get wrong."""


@dataclass(frozen=True)
class Taught:
    """What is known of the weights of q features beforehand: w gram w / 2 - products w is added to the loss."""

    gram: FloatArray
    """(q, q), of weights of features as they are, not in units of their deviations."""
    products: FloatArray
    """(q,)."""


def pooled(taught: Sequence[Taught], strength: float) -> Taught:
    """The mean of what several teach, so many times."""
    gram, products = (np.mean(each, axis=0) for each in zip(*((one.gram, one.products) for one in taught), strict=True))
    return Taught(strength * gram, strength * products)


@dataclass(frozen=True)
class Logit:
    """Gives the probability for each row of features."""

    middle: FloatArray
    """(f,), of the features, and their deviation."""
    deviation: FloatArray
    weights: FloatArray
    """(f + 1,), of the features in units of their deviation; the last is the constant."""

    def __call__(self, rows: Rows) -> FloatArray:
        """(r,)."""
        told = [expit(self._ready(rows[at : at + TOGETHER]) @ self.weights) for at in range(0, len(rows), TOGETHER)]
        return np.concatenate(told) if told else np.zeros(0)

    def _ready(self, rows: Rows) -> FloatArray:
        ready = np.ones((len(rows), len(self.weights)))
        np.clip((rows - self.middle) / self.deviation, -FARTHEST, FARTHEST, out=ready[:, :-1])
        return ready

    def _prior(self, known: Taught | None) -> Taught:
        """Of all weights, in units of the deviations: the ridge, and what is known of the last."""
        gram, products = np.diag(np.append(np.full(len(self.middle), PENALTY), 0.0)), np.zeros(len(self.weights))
        if known is not None:
            last = slice(-1 - len(known.products), -1)
            unit = self.deviation[-len(known.products) :]
            gram[last, last] += known.gram / (unit * unit[:, None])
            products[last] = known.products / unit
        return Taught(gram, products)


def learn(taught: Sequence[Part], known: Taught | None = None) -> Logit | None:
    """The regression that fits best, with a ridge.

    It lessens - log-likelihood + PENALTY / 2 x sum of w^2, with features in single precision, summed in double.

    Parameters
    ----------
    taught
        Parts of what is learnt from.
    known
        Of the weights of the last features; None: nothing.

    Returns
    -------
    None where too little came to learn from.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.standard_normal((4000, 2))
    >>> found = learn([(rows, rng.random(4000) < expit(2 * rows[:, 0] - 1))])
    >>> np.round(found.weights, 1).tolist()  # the ridge shrinks 2 and -1
    [1.7, 0.0, -0.9]
    """
    came = np.concatenate([after for _, after in taught])
    if came.sum() < FEWEST_LIT:
        return None
    middle = sum(rows.sum(axis=0, dtype=np.float64) for rows, _ in taught) / len(came)
    square = sum(((block - middle) ** 2).sum(axis=0) for rows, _ in taught for block in _blocks(rows)) / len(came)
    rate = came.mean()
    start = np.append(np.zeros(len(middle)), np.log(rate / (1 - rate)) if rate < 1 else 0.0)
    found = Logit(middle, np.where(square > 0, np.sqrt(square), 1.0), start)
    ready, place = np.empty((len(came), len(start)), np.float32), 0
    for block in (block for rows, _ in taught for block in _blocks(rows)):
        ready[place : (place := place + len(block))] = found._ready(block)
    return replace(found, weights=_least_loss(ready, came.astype(np.float64), start, found._prior(known)))


def teaching(found: Logit, part: Part, last: int) -> Taught:
    """What a regression teaches others of the weights of its last features: its loss, near them, is a quadratic.

    Parameters
    ----------
    found
        The regression.
    part
        What it was learnt from.
    last
        How many features.
    """
    own, ready = slice(-1 - last, -1), found._ready(part[0])
    curvature = _curvature(ready, expit(ready @ found.weights)) + found._prior(None).gram
    rest = np.delete(np.arange(len(found.weights)), np.arange(len(found.weights))[own])
    crossed = curvature[rest, own]
    whole = curvature[own, own] - crossed.T @ np.linalg.solve(curvature[np.ix_(rest, rest)], crossed)
    unit = found.deviation[-last:]
    gram = (whole - PENALTY * np.eye(last)) * unit * unit[:, None]
    return Taught(gram, unit * (whole @ found.weights[own]))


def _least_loss(rows: Rows, came: FloatArray, start: FloatArray, prior: Taught) -> FloatArray:
    if len(came) > MANY:
        few = Taught(prior.gram / EVERY, prior.products / EVERY)
        start = _newton(np.ascontiguousarray(rows[::EVERY]), came[::EVERY], start, few)
    return _newton(rows, came, start, prior)


def _blocks(rows: Rows) -> Iterator[Rows]:
    return (rows[at : at + TOGETHER] for at in range(0, len(rows), TOGETHER))


def _newton(rows: Rows, came: FloatArray, weights: FloatArray, prior: Taught) -> FloatArray:
    """Weights of the least loss. A step that does not lessen it is halved."""
    least, step, curvature = np.inf, np.full(len(weights), np.inf), np.zeros((0, 0))
    for _ in range(MOST_STEPS):
        loss, gradient, chance = _slope(rows, came, weights)
        loss += float(weights @ prior.gram @ weights / 2 - prior.products @ weights)
        if loss > least + ROUNDING * abs(least):
            step = step / 2
            weights = weights - step
            continue
        least = min(least, loss)
        if np.abs(step).max() > NEAR:
            curvature = _curvature(rows, chance) + prior.gram
        step = -np.linalg.solve(curvature, gradient + prior.gram @ weights - prior.products)
        weights = weights + step
        if np.abs(step).max() < REACHED:
            break
    return weights


def _slope(rows: Rows, came: FloatArray, weights: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """- log-likelihood, its gradient (f,), and the probabilities (r,)."""
    loss, gradient, chance = 0.0, np.zeros(len(weights)), np.empty(len(rows))
    for at in range(0, len(rows), TOGETHER):
        some = slice(at, at + TOGETHER)
        odds = (rows[some] @ weights.astype(np.float32)).astype(np.float64)
        chance[some] = expit(odds)
        loss += float((np.logaddexp(0.0, odds) - came[some] * odds).sum())
        gradient += (chance[some] - came[some]).astype(np.float32) @ rows[some]
    return loss, gradient, chance


def _curvature(rows: Rows, chance: FloatArray) -> FloatArray:
    found = np.zeros((rows.shape[1], rows.shape[1]))
    slope = np.sqrt(chance * (1 - chance)).astype(np.float32)
    for at in range(0, len(rows), TOGETHER):
        bent = rows[at : at + TOGETHER] * slope[at : at + TOGETHER, None]
        found += bent.T @ bent
    return found
