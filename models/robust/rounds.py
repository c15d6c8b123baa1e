"""The robust estimator: weak form, sources set aside, tails modelled, noise in the regressors taken out.

1. `sources.source_frames` finds the frames in which a cell has a source of its own; they are not used.
2. `weakform.moments` gives each cell's normal equations over the other frames, its feed eliminated.
3. What measurement noise adds to them is subtracted: without that, k is too low (errors in variables).
4. Cells are pooled with their precision; a cell whose own k departs from the others' loses its weight (bisquare), so
   that a few uncoupled cells do not pull the culture's k.
5. Once that has settled, tails after the sources become shared regressors, if they are significant.

Noise level and half-width follow from the residuals' covariance at lags 0 and 1. Everything is recomputed until it
settles; `correction.py` then measures what bias is left. Cells come in batches, which a scheduler can spread; one
batch may hold several simulated cultures, told apart by `group`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calcigraph.models.robust.batches import Batch, Piece, Settings, State
from calcigraph.models.robust.pooling import Pooled, pool
from calcigraph.models.robust.sources import TAIL_FRAMES, beside, source_frames, tails
from calcigraph.models.robust.weakform import EDGE_FRAMES, moments, residual_covariance
from calcigraph.models.scale import bisquare, mad_scale
from calcigraph.models.task import Distribute
from calcigraph.store.types import BoolArray, FloatArray

PLAIN, WITH_TAILS = 6, 4
"""Rounds without and with tails, from nothing; simulated cultures start from a result and need half as many."""
COMMON, ALONE = 10, 5
"""Reweightings for the start: with one k, and with each cell's own."""
DEPARTING = 0.5
"""A cell of less weight in the shared k is taken by its own."""
SETTLED = 0.02
"""A change of k, in standard errors, from which further plain rounds are left out."""


@dataclass(frozen=True)
class Solution:
    """What came out: `pooled` holds the numbers, `state` and `batches` what simulating the culture again needs."""

    pooled: Pooled
    state: State
    batches: tuple[Batch, ...]
    settings: Settings

    @property
    def leak(self) -> float:
        """1/s, of the first group."""
        return float(self.pooled.theta[0, 1]) if self.settings.leak else 0.0

    @property
    def shared_feed(self) -> float:
        """Intensity per second, of the first group; 0 where it is not shared."""
        at = 1 + self.settings.leak
        return float(self.pooled.theta[0, at]) if self.settings.feed == "shared" else 0.0


def estimate(
    batches: Sequence[Batch], settings: Settings, distribute: Distribute, start: State | None = None
) -> Solution:
    """Fit the batches of one or more cultures.

    `start` gives values to begin with, and whether there are tails; without it both are found.
    """
    state = start or _start(batches, settings)
    tails_wanted, fewer = (True, 1) if start is None else (start.tails, 2)
    state, pooled = _round(batches, settings, distribute, replace(state, tails=False, found=None))
    for _ in range(PLAIN // fewer - 1):
        before = pooled.theta[:, 0]
        state, pooled = _round(batches, settings, distribute, state)
        if (np.abs(pooled.theta[:, 0] - before) <= SETTLED * pooled.model_error).all():
            break
    if tails_wanted and settings.correct:
        plain = state, pooled
        state = replace(state, tails=True)
        for _ in range(WITH_TAILS // fewer):
            state, pooled = _round(batches, settings, distribute, state)
        if start is None and not pooled.has_tails.all():
            state, pooled = plain
    return Solution(pooled, state, tuple(batches), settings)


def _start(batches: Sequence[Batch], settings: Settings) -> State:
    """Least squares on the increments themselves, reweighted by the bisquare: a first k and first feeds, then each
    cell's own, so that a cell that departs is not taken for one that is active all the time."""
    c = len(batches[0].regressors)
    a, d = (np.concatenate(parts) for parts in zip(*((b.regressors[0], b.increments) for b in batches), strict=True))
    own = settings.feed != "none"
    k, feed = np.zeros(len(d)), np.median(d, axis=1) * own
    for n in range(COMMON + ALONE):
        residual = d - k[:, None] * a - feed[:, None]
        scale = mad_scale(residual) or float(residual.std()) or 1.0
        weight = bisquare(residual, scale)
        total = np.maximum(weight.sum(axis=1), 1e-9)
        mean_a, mean_d = (weight * a).sum(axis=1) / total * own, (weight * d).sum(axis=1) / total * own
        centred = weight * (a - mean_a[:, None])
        above, below = (centred * d).sum(axis=1), (centred * a).sum(axis=1)
        if n < COMMON:
            shared = float(above.sum() / below.sum()) if below.sum() > 0 else 0.0
        k = (
            np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)
            if n >= COMMON
            else np.full_like(k, shared)
        )
        feed = mean_d - k * mean_a
    theta = np.zeros((1, c + len(TAIL_FRAMES)))
    theta[0, 0] = shared
    if settings.feed == "shared":
        theta[0, c - 1] = float(np.median(feed)) / batches[0].dt
        feed = np.zeros_like(feed)
    return State(theta, k, feed, np.full(len(feed), 0.1))


def _round(batches: Sequence[Batch], settings: Settings, distribute: Distribute, state: State) -> tuple[State, Pooled]:
    """Residuals, sources, normal equations, batch by batch; then the culture's numbers from all of them."""
    starts = np.cumsum([0] + [len(batch.own) for batch in batches])[:-1]
    found = state.found or (None,) * len(batches)
    calls = [
        (batch, before, *state.of(batch, first)) for batch, before, first in zip(batches, found, starts, strict=True)
    ]
    pieces: list[Piece] = distribute(_piece, calls, settings.feed == "own", state.tails)
    pooled = pool(batches, pieces, settings, state.tails)
    theta = np.zeros_like(state.theta)
    theta[:, : pooled.theta.shape[1]] = pooled.theta
    shared = theta[np.concatenate([batch.group for batch in batches]), 0]
    departs = pooled.weight < DEPARTING
    lost = ~np.isfinite(pooled.k_cell)  # no frame is left: the k that it was taken by may have been wrong
    k = np.where(lost, np.where(state.k == 0, shared, 0.0), np.where(departs, pooled.k_cell, shared))
    feed = np.where(departs, pooled.feed_cell, pooled.feed) * batches[0].dt
    if lost.any():
        feed[lost] = _median_rest(batches, k)[lost]
    feed = np.nan_to_num(feed) if settings.feed == "own" else np.zeros_like(feed)
    return State(theta, k, feed, pooled.q, state.tails, tuple(piece.found for piece in pieces)), pooled


def _median_rest(batches: Sequence[Batch], k: FloatArray) -> FloatArray:
    """The median increment beyond coupling, (p,): a first feed."""
    a, d = (np.concatenate(parts) for parts in zip(*((b.regressors[0], b.increments) for b in batches), strict=True))
    return np.asarray(np.median(d - k[:, None] * a, axis=1))


def _piece(call: tuple[Batch, BoolArray | None, FloatArray, FloatArray, FloatArray], feed: bool, tailed: bool) -> Piece:
    batch, before, theta, level, q = call
    rest, tail = batch.residual(theta, level, before if tailed else None)
    residual = rest - tail
    found = source_frames(residual / np.sqrt(batch.own)[:, None])
    if tailed and before is not None:
        found |= before  # weak sources would come and go with the tails' amplitudes
    used = ~beside(found)
    used[:, :EDGE_FRAMES] = used[:, -EDGE_FRAMES:] = False
    rows = batch.rows(tails(found, rest) if tailed else np.empty((0, *used.shape)))
    normal = moments(rows, used, q, feed)
    expected = residual_covariance(rows, theta[:, : batch.coefficients.shape[1]])
    return Piece(found, q, normal, _covariance(residual, used), expected)


def _covariance(residual: FloatArray, used: BoolArray) -> FloatArray:
    """Mean products of residuals 0, 1 and 2 frames apart, both used, (3, p); 0 where there are none."""
    kept, frames = np.where(used, residual, 0.0), residual.shape[1]
    result = np.zeros((3, len(residual)))
    for lag in range(min(3, frames)):
        count = (used[:, lag:] & used[:, : frames - lag]).sum(axis=1)
        result[lag] = (kept[:, lag:] * kept[:, : frames - lag]).sum(axis=1) / np.maximum(count, 1)
    return result
