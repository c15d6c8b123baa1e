"""Simulated copies of a fitted culture: how far the estimator strays on a culture like this one.

A copy has the estimated k, feeds, sources and tails, the observed border, fresh measurement noise, and the process
noise that the residuals show. It is estimated exactly as the culture was. The copies' scatter is a standard error that
knows of the decisions on the way (which frames are masked, which tails are kept); their mean, less what they were made
with, is a systematic error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calcigraph.models.consensus import Operator, simulate
from calcigraph.models.robust.batches import BATCH_CELLS, Batch, State, joined, make_batches
from calcigraph.models.robust.pooling import Pooled
from calcigraph.models.robust.rounds import DEPARTING, Solution, estimate
from calcigraph.models.robust.sources import core
from calcigraph.models.task import Distribute
from calcigraph.store.types import FloatArray

COPIED_CELLS, MOST, FEWEST = 1152, 16, 1


@dataclass(frozen=True)
class Bootstrap:
    """Errors over the copies."""

    count: int
    scatter: FloatArray
    """(c,), standard deviation of the shared parameters: k, leak, feed, tails; 0 where there is one copy only."""
    bias: FloatArray
    """(c,), mean of the shared parameters, less what the copies were made with."""
    k_cell: float
    """Root mean square error of the cells' own k over their standard error, the median cell's."""
    feed: float
    """The same of the feeds with the shared k."""
    feed_cell: float
    """The same of the feeds with the cell's own k."""


def parametric_bootstrap(
    found: Solution,
    op: Operator,
    traces: FloatArray,
    dt: float,
    profile: FloatArray,
    *,
    distribute: Distribute,
    seed: int,
    own_k: bool = False,
) -> Bootstrap:
    """Simulate and estimate copies of a culture, traces (n, T); with `own_k` every cell is given its own k."""
    pooled, settings, cells = found.pooled, found.settings, len(op.inner)
    count = int(np.clip(COPIED_CELLS // cells, FEWEST, MOST))
    k, feed = _parameters(found, own_k)
    source, rng = _sources(found), np.random.default_rng([seed, cells])
    batches: list[Batch] = []
    for copy in range(count):
        noisy = _copy(op, traces, dt, k, feed, source, found, profile, rng)
        batches += make_batches(op, noisy, dt, settings, profile, copy)
    again = estimate(_gathered(batches), settings, distribute, _start(found, count)).pooled
    off = again.theta - pooled.theta[0]
    return Bootstrap(
        count=count,
        scatter=off.std(axis=0, ddof=1) if count > 1 else np.zeros(off.shape[1]),
        bias=off.mean(axis=0),
        k_cell=_error(again.k_cell, k, pooled.k_cell_error),
        feed=_error(again.feed, feed, pooled.feed_error),
        feed_cell=_error(again.feed_cell, feed, pooled.feed_cell_error),
    )


def _error(values: FloatArray, made_with: FloatArray, standard: FloatArray) -> float:
    off = values.reshape(-1, len(made_with)) - made_with
    known = np.isfinite(off).all(axis=0) & (standard > 0)
    if not known.any():
        return 1.0
    return float(np.median(np.sqrt((off[:, known] ** 2).mean(axis=0)) / standard[known]))


def _start(found: Solution, count: int) -> State:
    state = found.state
    return replace(
        state,
        theta=np.repeat(state.theta, count, axis=0),
        k=np.tile(state.k, count),
        feed=np.tile(state.feed, count),
        q=np.tile(state.q, count),
        found=None,
    )


def _parameters(found: Solution, own_k: bool) -> tuple[FloatArray, FloatArray]:
    pooled: Pooled = found.pooled
    own = own_k | (pooled.weight < DEPARTING)
    shared = pooled.theta[0, 0]
    k = np.maximum(np.where(own & np.isfinite(pooled.k_cell), pooled.k_cell, shared), 0.0)
    return k, np.nan_to_num(np.where(own, pooled.feed_cell, pooled.feed))


def _sources(found: Solution) -> FloatArray:
    """Intensity per second, (p, F), of the sources without the frames that only noise put beside them, and tails."""
    state, parts, first = found.state, [], 0
    assert state.found is not None
    noise = float(found.pooled.noise[0])
    for batch, frames in zip(found.batches, state.found, strict=True):
        last = first + len(batch.own)
        rest, tail = batch.residual(*state.of(batch, first)[:2], frames if state.tails else None)
        strong = core(frames, rest / np.sqrt(2 * noise * batch.own)[:, None]) if noise > 0 else frames
        parts.append(np.where(strong, rest, tail) / batch.dt)
        first = last
    return np.concatenate(parts)


def _copy(
    op: Operator,
    traces: FloatArray,
    dt: float,
    k: FloatArray,
    feed: FloatArray,
    source: FloatArray,
    found: Solution,
    profile: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    noise, excess = float(found.pooled.noise[0]), float(found.pooled.excess[0])
    pushed = source + profile[op.inner, None] * np.sqrt(excess) / dt * rng.standard_normal(source.shape)
    shared = feed if found.settings.feed != "shared" else np.full_like(feed, found.shared_feed)
    copy = traces.copy()
    copy[op.inner] = simulate(op, k, shared, traces, dt, found.leak, pushed)
    noisy: FloatArray = copy + np.sqrt(noise) * profile[:, None] * rng.standard_normal(traces.shape)
    return noisy


def _gathered(batches: list[Batch]) -> list[Batch]:
    """Join small batches up to about the size of one."""
    result: list[Batch] = []
    waiting: list[Batch] = []
    for batch in batches:
        if waiting and sum(len(one.own) for one in waiting) + len(batch.own) > BATCH_CELLS:
            result.append(joined(waiting))
            waiting = []
        waiting.append(batch)
    return [*result, joined(waiting)]
