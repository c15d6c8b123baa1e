"""Forecasts by other methods, for the table of benchmarks/forecast.py: same frames, same errors.

Each is learnt from the first three quarters of the recording and judged in the last. Errors are in units of each cell's
variance, mean over cells.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import expm

from calcigraph.models import FitOptions, fit, operator
from calcigraph.models.contacts import default_weights
from calcigraph.models.forecast.neighbours import averaging
from calcigraph.models.forecast.past import Past
from calcigraph.models.forecast.ridge import solved
from calcigraph.models.forecast_run import Lesson
from calcigraph.store.types import BoolArray, FloatArray

AHEAD = (1, 3, 5, 10)
LAGS = 8
"""Of the regressions on lags."""
SMALL = 0.02
"""Weights that SINDy sets to 0."""
MODES = (1, 2, 4, 8, 16, 32)


def rivals(own: Lesson) -> dict[str, FloatArray]:
    """Mean squared error of each method at AHEAD."""
    past = own.past
    return {
        "autoregression, each cell": np.array([autoregression(past, ahead) for ahead in AHEAD]),
        "vector autoregression over contacts": np.array([over_contacts(own, ahead) for ahead in AHEAD]),
        "dynamic mode decomposition": modes(past, np.zeros(len(past.values), bool)),
        "dynamic mode decomposition with control": modes(past, own.graph.border),
        "SINDy, discrete": sindy(own),
        "consensus run, robust": consensus(own, "robust"),
        "consensus run, crlsm": consensus(own, "crlsm"),
    }


def lagged(values: FloatArray) -> FloatArray:
    """(n, T - LAGS + 1, LAGS + 1), a constant and the last values."""
    rows = np.lib.stride_tricks.sliding_window_view(values, LAGS, axis=1)
    return np.concatenate([np.ones((*rows.shape[:2], 1)), rows], axis=2)


def judged(past: Past, missed: FloatArray, ahead: int) -> float:
    """Mean over cells of the error of the held-out values; `missed` ends with the last frame."""
    last = missed[:, -(past.values.shape[1] - past.split) :]
    return float(np.mean((last**2).mean(axis=1) / past.values.var(axis=1)))


def autoregression(past: Past, ahead: int) -> float:
    """A regression of each cell on its own last values."""
    rows, values = lagged(past.values)[:, :-ahead], past.values[:, LAGS - 1 + ahead :]
    learnt = past.split - LAGS + 1 - ahead
    missed = np.empty_like(values)
    for cell, (row, value) in enumerate(zip(rows, values, strict=True)):
        weights = solved(row[:learnt].T @ row[:learnt], row[:learnt].T @ value[:learnt])
        missed[cell] = value - row @ weights
    return judged(past, missed, ahead)


def over_contacts(own: Lesson, ahead: int) -> float:
    """One regression for all cells on their own last values and those of their neighbours, each cell standardised."""
    past = own.past
    middle = past.values[:, : past.split].mean(axis=1, keepdims=True)
    values = (past.values - middle) / past.scale
    beside = averaging(own.graph.pairs, len(values)) @ values
    rows = np.concatenate([lagged(values), lagged(beside)[..., 1:]], axis=2)[:, :-ahead]
    came = values[:, LAGS - 1 + ahead :]
    learnt = past.split - LAGS + 1 - ahead
    flat, target = rows[:, :learnt].reshape(-1, rows.shape[2]), came[:, :learnt].ravel()
    weights = solved(flat.T @ flat, flat.T @ target)
    return judged(past, (came - rows @ weights) * past.scale, ahead)


def standardised(past: Past) -> FloatArray:
    return np.asarray((past.values - past.values[:, : past.split].mean(axis=1, keepdims=True)) / past.scale)


def modes(past: Past, held: BoolArray) -> FloatArray:
    """Dynamic mode decomposition of all cells together (Schmid 2010), its rank from the learnt part's last fifth.

    `held`: cells that act on the others and stay as they are (with control, Proctor and others 2016).
    """
    values, inner = standardised(past), int(past.split * 0.8)

    def step(rank: int, last: int) -> FloatArray:
        left, size, right = np.linalg.svd(values[:, : last - 1], full_matrices=False)
        left, size, right = left[:, :rank], size[:rank], right[:rank]
        matrix = values[:, 1:last] @ right.T @ np.diag(1 / size) @ left.T
        return np.asarray(np.where(held[:, None], np.eye(len(held)), matrix))

    def errors(matrix: FloatArray, first: int, last: int) -> list[float]:
        found = []
        for ahead in AHEAD:
            guess = np.linalg.matrix_power(matrix, ahead) @ values[:, first - ahead : last - ahead]
            missed = (values[:, first:last] - guess) * past.scale
            found.append(float(np.mean((missed**2).mean(axis=1) / past.values.var(axis=1))))
        return found

    ranks = [rank for rank in MODES if rank < min(len(values), inner)]
    best = min(ranks, key=lambda rank: sum(errors(step(rank, inner), inner, past.split)))
    return np.array(errors(step(best, past.split), past.split, values.shape[1]))


def sindy(own: Lesson) -> FloatArray:
    """Sparse regression of the next frame on polynomials of a cell and its neighbours (Brunton and others 2016).

    Weights below SMALL are set to 0 and the others fitted again, ten times. The step is repeated to look further.
    """
    past = own.past
    values, near = standardised(past), averaging(own.graph.pairs, len(past.values))
    low, high = values[:, : past.split].min(), values[:, : past.split].max()

    def terms(now: FloatArray) -> FloatArray:
        beside = near @ now
        return np.stack([np.ones_like(now), now, beside, now**2, now * beside, beside**2, now**3], axis=-1)

    rows = terms(values[:, : past.split - 1]).reshape(-1, 7)
    came = values[:, 1 : past.split].ravel()
    kept = np.ones(7, bool)
    for _ in range(10):
        weights = np.zeros(7)
        weights[kept] = np.linalg.lstsq(rows[:, kept], came, rcond=None)[0]
        kept &= np.abs(weights) >= SMALL
    weights[~kept] = 0
    found, now = {}, values
    for ahead in range(1, max(AHEAD) + 1):
        now = np.clip(terms(now) @ weights, low, high)
        found[ahead] = judged(past, (values[:, ahead:] - now[:, :-ahead]) * past.scale, ahead)
    return np.array([found[ahead] for ahead in AHEAD])


def consensus(own: Lesson, model: str) -> FloatArray:
    """The consensus model, fitted to the learnt part, runs on from each frame; driven cells stay as they are.

    As with the regression, no forecast goes beyond what was seen of a cell where it was learnt.
    """
    past = own.past
    graph = replace(own.graph, intensity=past.values, intensity_offset=0.0)
    count, frames = past.values.shape
    options = FitOptions(null=0, train_fraction=past.split / frames)
    found = fit(graph, model, options)
    op = operator(graph, options.weights or default_weights(graph), options.setup)
    rates = np.zeros((count + 1, count + 1))
    k, feed = (np.nan_to_num(found.cells[name]) for name in ("k", "feed"))
    rates[op.inner, :count] = k[:, None] * op.apply(np.eye(count))
    rates[op.inner, count] = feed
    if "leak" in found.cells:  # where a fit has a leak, the feed balances it
        rates[op.inner, op.inner] -= found.cells["leak"]
    now = np.concatenate([past.values, np.ones((1, frames))])
    low, high = (bound(past.values[:, : past.split], axis=1)[:, None] for bound in (np.min, np.max))
    errors = []
    for ahead in AHEAD:
        guess = np.clip((expm(rates * ahead * past.frame_interval_s) @ now)[:count, :-ahead], low, high)
        errors.append(judged(past, past.values[:, ahead:] - guess, ahead))
    return np.array(errors)
