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
Taught = tuple[Rows, BoolArray]
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


def learn(taught: Sequence[Taught]) -> Logit | None:
    """The regression that fits best, with a ridge.

    It lessens - log-likelihood + PENALTY / 2 x sum of w^2, with features in single precision, summed in double.

    Parameters
    ----------
    taught
        Parts of what is learnt from.

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
    return replace(found, weights=_least_loss(ready, came.astype(np.float64), start))


def _least_loss(rows: Rows, came: FloatArray, start: FloatArray) -> FloatArray:
    if len(came) > MANY:
        start = _newton(np.ascontiguousarray(rows[::EVERY]), came[::EVERY], start, PENALTY / EVERY)
    return _newton(rows, came, start, PENALTY)


def _blocks(rows: Rows) -> Iterator[Rows]:
    return (rows[at : at + TOGETHER] for at in range(0, len(rows), TOGETHER))


def _newton(rows: Rows, came: FloatArray, weights: FloatArray, penalty: float) -> FloatArray:
    """Weights of the least loss. A step that does not lessen it is halved."""
    ridge = np.append(np.full(len(weights) - 1, penalty), 0.0)
    least, step, curvature = np.inf, np.full(len(weights), np.inf), np.zeros((0, 0))
    for _ in range(MOST_STEPS):
        loss, gradient, chance = _slope(rows, came, weights)
        loss += float(ridge @ weights**2) / 2
        if loss > least * (1 + ROUNDING):
            step = step / 2
            weights = weights - step
            continue
        least = min(least, loss)
        if np.abs(step).max() > NEAR:
            curvature = _curvature(rows, chance) + np.diag(ridge)
        step = -np.linalg.solve(curvature, gradient + ridge * weights)
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
