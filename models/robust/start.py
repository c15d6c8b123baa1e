"""First values for the rounds of the robust estimator: least squares on the increments, reweighted by the bisquare.

First all cells share k. Then each gets its own k, so that a cell that departs is not taken for one that is active all
the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcigraph.models.robust.batches import Batch, Settings, State
from calcigraph.models.robust.common_mode import middle_part, shared_part
from calcigraph.models.robust.transients import TAIL_FRAMES
from calcigraph.models.scale import bisquare, mad_scale, row_medians
from calcigraph.store.types import FloatArray

COMMON, ALONE = 10, 5
"""Reweightings with one k, and with each cell's own."""
FIRST_Q = 0.1
"""q of Omega in the first round: a half-width of about 3 frames."""
LEAST_WEIGHT = 1e-9


def first_state(batches: Sequence[Batch], settings: Settings) -> State:
    """First values for all cells of one culture.

    Parameters
    ----------
    batches
        All cells of one group, p in total.
    settings
        The user's choices.

    Returns
    -------
    State
        Without tails, and without transients.
    """
    coupling = np.concatenate([batch.regressors[0] for batch in batches])
    increments = np.concatenate([batch.increments for batch in batches])
    if settings.common:
        every = np.zeros(len(increments), np.int64)
        increments = increments - middle_part(increments, every)
        coupling = coupling - shared_part(coupling, np.ones(coupling.shape, np.bool_), every)
    has_feed = settings.feed != "none"
    k, feed = np.zeros(len(increments)), row_medians(increments) * has_feed
    shared = 0.0
    # Increments of two rounded samples scatter by at least this.
    least = np.sqrt(2) * float(np.median(np.concatenate([batch.rounding for batch in batches])))
    # Each pass weighs the residuals of the pass before, so that spikes lose their weight step by step.
    for _ in range(COMMON):
        lines = _weighted_lines(increments, coupling, k, feed, has_feed, least)
        shared = lines.common_slope()
        k = np.full_like(k, shared)
        feed = lines.mean_increment - k * lines.mean_coupling
    for _ in range(ALONE):
        lines = _weighted_lines(increments, coupling, k, feed, has_feed, least)
        k = lines.slopes()
        feed = lines.mean_increment - k * lines.mean_coupling
    base = len(batches[0].regressors)
    theta = np.zeros((1, base + len(TAIL_FRAMES)))
    theta[0, 0] = shared
    # A shared feed is one more shared parameter, in intensity per second; no cell then has a feed of its own.
    if settings.feed == "shared":
        theta[0, base - 1] = float(np.median(feed)) / batches[0].dt
        feed = np.zeros_like(feed)
    return State(theta=theta, k=k, feed=feed, q=np.full(len(feed), FIRST_Q))


@dataclass(frozen=True)
class _Lines:
    """A weighted straight line per cell, increment = k coupling + feed: what its slope is made of, (p,) each."""

    numerator: FloatArray
    denominator: FloatArray
    mean_coupling: FloatArray
    """0 without feed: the line then goes through the origin."""
    mean_increment: FloatArray

    def common_slope(self) -> float:
        """One k for all cells; 0 where nothing determines it."""
        total = self.denominator.sum()
        return float(self.numerator.sum() / total) if total > 0 else 0.0

    def slopes(self) -> FloatArray:
        """Each cell's own k, (p,); 0 where nothing determines it."""
        safe = np.where(self.denominator > 0, self.denominator, 1.0)
        return np.where(self.denominator > 0, self.numerator / safe, 0.0)


def _weighted_lines(
    increments: FloatArray, coupling: FloatArray, k: FloatArray, feed: FloatArray, has_feed: bool, least: float
) -> _Lines:
    """Lines through increments and coupling, (p, F), weighted by the residuals of the line that k and feed give.

    Their scale is at least `least`.
    """
    residual = increments - k[:, None] * coupling - feed[:, None]
    # The first scale is 0 if more than half of the residuals are exactly 0, the second if all are.
    scale = max(mad_scale(residual), least) or float(residual.std()) or 1.0
    weight = bisquare(residual, scale)
    total = np.maximum(weight.sum(axis=1), LEAST_WEIGHT)
    mean_coupling = (weight * coupling).sum(axis=1) / total * has_feed
    mean_increment = (weight * increments).sum(axis=1) / total * has_feed
    # The increments need not be centred, because the weighted coupling sums to 0 (or there is no feed).
    centred = weight * (coupling - mean_coupling[:, None])
    return _Lines(
        numerator=(centred * increments).sum(axis=1),
        denominator=(centred * coupling).sum(axis=1),
        mean_coupling=mean_coupling,
        mean_increment=mean_increment,
    )
