"""The robust estimator: weak form, transients set aside, tails modelled, noise in the regressors taken out.

1. `transients.transient_frames` finds the frames in which a cell has a transient; they are not used.
2. `weakform.moments` gives each cell's normal equations over the other frames, its feed eliminated.
3. What measurement noise adds to them is subtracted (`noise.noise_in_regressors`): without that, k is too small
   (errors in variables).
4. `pooling.pool` pools the cells by their precision. A cell whose own k departs from the others' loses its weight
   (bisquare), so that a few uncoupled cells do not bias the culture's k.
5. What all cells share in a frame is taken out of both sides where there is such (`common_mode`).
6. When that has settled, tails after the transients become shared regressors, if they are significant.

Noise level and half-width follow from the residuals' covariance at lags 0 and 1. Everything is computed again until
it settles; `bootstrap.parametric_bootstrap` then measures the bias that is left. Cells come in batches, which a
scheduler can distribute. One batch may hold several simulated cultures, told apart by `group`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calcigraph.models.robust.batches import Batch, BatchResult, BatchState, Settings, State
from calcigraph.models.robust.common_mode import residual_without, rows_without
from calcigraph.models.robust.pooling import Pooled, pool
from calcigraph.models.robust.start import first_state
from calcigraph.models.robust.transients import tail_regressors, transient_frames, widened
from calcigraph.models.robust.weakform import EDGE_FRAMES, moments, residual_covariance
from calcigraph.models.task import Distribute
from calcigraph.store.types import BoolArray, FloatArray

PLAIN, WITH_TAILS = 6, 4
"""Most rounds without and with tails. Simulated cultures start from a result and need half as many."""
DEPARTING = 0.5
"""A cell with less weight than this in the shared k is described by its own k instead."""
SETTLED = 0.02
"""A change of k, in standard errors, below which the rounds without tails end."""
LAGS = 3
"""Of the residuals' covariance, frames."""


@dataclass(frozen=True)
class Solution:
    """An estimate: the numbers in `pooled`; in `state` and `batches` what it takes to simulate the culture."""

    pooled: Pooled
    state: State
    batches: tuple[Batch, ...]
    settings: Settings
    common: bool = False
    """Whether what all cells share in a frame was taken out of the traces."""

    @property
    def leak(self) -> float:
        """1/s, of the first group; 0 where it is not fitted."""
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

    Parameters
    ----------
    batches
        All cells, p in total.
    settings
        The user's choices.
    distribute
        Runs the batches, maybe in parallel.
    start
        Values to begin with, and whether there are tails; None: both are found.

    Returns
    -------
    Solution
        Rates in 1/s, feeds in intensity per second.
    """
    # Rounds without tails come first: tail regressors need the transients that these rounds find.
    state = start or first_state(batches, settings)
    tails_wanted, fewer = (True, 1) if start is None else (start.tailed, 2)
    state, pooled = _round(batches, settings, distribute, replace(state, tailed=False, transients=None))
    for _ in range(PLAIN // fewer - 1):
        before = pooled.theta[:, 0]
        state, pooled = _round(batches, settings, distribute, state)
        if (np.abs(pooled.theta[:, 0] - before) <= SETTLED * pooled.model_error).all():
            break
    if tails_wanted and settings.correct:
        plain = state, pooled
        state = replace(state, tailed=True)
        for _ in range(WITH_TAILS // fewer):
            state, pooled = _round(batches, settings, distribute, state)
        # A simulated culture keeps the tails that it was made with, significant or not.
        if start is None and not pooled.has_tails.all():
            state, pooled = plain
    return Solution(pooled=pooled, state=state, batches=tuple(batches), settings=settings)


def _round(batches: Sequence[Batch], settings: Settings, distribute: Distribute, state: State) -> tuple[State, Pooled]:
    """Residuals, transients and normal equations, batch by batch; then the parameters from all of them."""
    calls = list(zip(batches, state.of_batches(batches), strict=True))
    results: list[BatchResult] = distribute(
        _work_batch, calls, settings.feed == "per-cell", state.tailed, settings.common
    )
    pooled = pool(batches, results, settings, state.tailed)
    return _next_state(batches, settings, state, pooled, results), pooled


def _work_batch(call: tuple[Batch, BatchState], feed: bool, tailed: bool, common: bool) -> BatchResult:
    """One round of one batch.

    `feed` if each cell has a feed of its own, `tailed` if tails are modelled, `common` if what all cells share in a
    frame is taken out.
    """
    batch, at = call
    # Transients are looked for without the tails, because a long tail would otherwise be part of its transient.
    residual = batch.residual(at, tailed)
    if common:
        residual = residual_without(residual, at.transients, batch.group)
    rest = residual.without_coupling - residual.tail
    noise = np.sqrt(batch.noise_variance)
    found = transient_frames(rest / noise[:, None], float(np.median(batch.rounding / noise)))
    if tailed and at.transients is not None:
        # Weak transients would otherwise come and go with the amplitudes of the tails.
        found |= at.transients
    # The frames beside a transient share a sample with it.
    used = ~widened(found)
    used[:, :EDGE_FRAMES] = used[:, -EDGE_FRAMES:] = False
    no_tails = np.empty((0, *used.shape))
    rows = batch.rows(tail_regressors(found, residual.without_coupling) if tailed else no_tails)
    if common:
        rows = rows_without(rows, used, batch.group)
    noisy = batch.coefficients.shape[1]
    return BatchResult(
        transients=found,
        q=at.q,
        moments=moments(rows, used, at.q, feed),
        covariance=_covariance(rest, used),
        expected=residual_covariance(rows, at.theta[:, :noisy]),
    )


def _covariance(residual: FloatArray, used: BoolArray) -> FloatArray:
    """Mean products of residuals 0, 1 and 2 frames apart, both used, (3, p); 0 where there are none."""
    # Products with a masked frame are 0 and are not counted.
    kept, frames = np.where(used, residual, 0.0), residual.shape[1]
    result = np.zeros((LAGS, len(residual)))
    for lag in range(min(LAGS, frames)):
        count = (used[:, lag:] & used[:, : frames - lag]).sum(axis=1)
        products = kept[:, lag:] * kept[:, : frames - lag]
        result[lag] = products.sum(axis=1) / np.maximum(count, 1)
    return result


def _next_state(
    batches: Sequence[Batch], settings: Settings, state: State, pooled: Pooled, results: Sequence[BatchResult]
) -> State:
    """What the next round starts from: every cell with the shared k, or with its own where that departs."""
    # Tails that are not fitted in this round have amplitude 0.
    theta = np.zeros_like(state.theta)
    theta[:, : pooled.theta.shape[1]] = pooled.theta
    shared = theta[np.concatenate([batch.group for batch in batches]), 0]
    departs = pooled.weight < DEPARTING
    # No frame of a lost cell is left. The k that it had may have been wrong, so it gets the other one: 0 or shared.
    lost = ~np.isfinite(pooled.k_cell)
    other = np.where(state.k == 0, shared, 0.0)
    k = np.where(lost, other, np.where(departs, pooled.k_cell, shared))
    feed = np.where(departs, pooled.feed_cell, pooled.feed) * batches[0].dt
    if lost.any():
        feed[lost] = _median_rest(batches, k)[lost]
    return State(
        theta=theta,
        k=k,
        feed=np.nan_to_num(feed) if settings.feed == "per-cell" else np.zeros_like(feed),
        q=pooled.q,
        tailed=state.tailed,
        transients=tuple(result.transients for result in results),
    )


def _median_rest(batches: Sequence[Batch], k: FloatArray) -> FloatArray:
    """The median increment that coupling does not explain, (p,): a first feed."""
    coupling = np.concatenate([batch.regressors[0] for batch in batches])
    increments = np.concatenate([batch.increments for batch in batches])
    return np.asarray(np.median(increments - k[:, None] * coupling, axis=1))
