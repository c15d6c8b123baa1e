"""95 % intervals of the robust estimate, from its standard errors and from the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, nan, sqrt

import numpy as np

from calcigraph.models.estimate import Estimate
from calcigraph.models.options import Bounds
from calcigraph.models.robust.bootstrap import Bootstrap
from calcigraph.models.robust.pooling import Pooled
from calcigraph.models.robust.rounds import DEPARTING, Solution
from calcigraph.models.scale import NORMAL
from calcigraph.models.task import Task
from calcigraph.store.types import FloatArray

SYSTEMATIC = 0.5
"""Half of the bootstrap bias, and half of the scatter between cells that chance does not explain, are added to the
interval as systematic errors."""
NOISE_KNOWN = 0.05
"""Relative error of the measurement noise (variance) that is taken out of the regressors."""
MOST_NOISE = 0.99
"""Upper limit of the share of noise in the information on k, in the error that follows from `NOISE_KNOWN`."""
SMALL_SAMPLE = 2.4
"""Student's t at 95 % is about 1.96 + 2.4 / degrees of freedom."""
MISFIT = 2.0
"""Up to this factor the scatter of the cells' own k widens their intervals; beyond, the cells themselves differ."""
BY_CHANCE = 1.5
"""The scatter of the cells' own k, squared, in units of their variance, that chance may give."""


def shared_k(solution: Solution, bootstrap: Bootstrap, box: Bounds) -> Estimate[float]:
    """The k of the culture, 1/s, inside its bounds.

    The half-width is t sqrt(statistical^2 + systematic^2). The statistical error is the largest of three: from the
    scatter between cells, from the noise model, and from the bootstrap. The systematic error combines the bootstrap's
    bias, the error of the noise correction, and the scatter between cells that chance does not explain.
    """
    pooled = solution.pooled
    k, cells = float(pooled.theta[0, 0]), len(pooled.k_cell)
    between_cells, of_noise = float(pooled.error[0, 0]), float(pooled.model_error[0])
    statistical = max(between_cells, of_noise, float(bootstrap.scatter[0]))
    # The correction divides by 1 - share, so an error of the noise moves k by share / (1 - share) times as much.
    share = min(float(pooled.attenuation[0]), MOST_NOISE)
    of_correction = NOISE_KNOWN * abs(k) * share / (1 - share)
    of_bias = SYSTEMATIC * float(bootstrap.bias[0])
    systematic = hypot(of_bias, of_correction, SYSTEMATIC * _unexplained_scatter(pooled))
    student = NORMAL + SMALL_SAMPLE / max(cells - 1, 1)
    half = student * hypot(statistical, systematic)
    low, middle, high = np.clip([k - half, k, k + half], *box).tolist()
    return Estimate(value=middle, low=low, high=high)


def _unexplained_scatter(pooled: Pooled) -> float:
    """Scatter of the cells' own k beyond their errors and chance, 1/s: wrong contacts, drift, or unlike cells."""
    known = np.isfinite(pooled.k_cell_error)
    if not known.any():
        return 0.0
    beyond = max(float(pooled.scatter[0]) ** 2 - BY_CHANCE, 0.0)
    return float(np.median(pooled.k_cell_error[known])) * sqrt(beyond)


def own_k(task: Task, solution: Solution, bootstrap: Bootstrap) -> Estimate[FloatArray]:
    """Each cell's own k, 1/s, (p,); NaN for a cell without contacts."""
    pooled = solution.pooled
    k = np.where(task.op.coupled, np.clip(pooled.k_cell, *task.k_box), np.nan)
    # Cells that scatter by more than their errors: the model misses something, or the cells do differ.
    widened = max(bootstrap.k_cell, 1.0) * min(float(pooled.scatter[0]), MISFIT)
    half = NORMAL * pooled.k_cell_error * widened
    low, high = np.clip(k - half, *task.k_box), np.clip(k + half, *task.k_box)
    return Estimate(value=k, low=low, high=high)


def moved_to_median(culture: Estimate[float], k_cell: FloatArray) -> Estimate[float]:
    """The interval of the shared k, moved so that its value is the median cell's k."""
    if not np.isfinite(k_cell).any():
        return culture
    middle = float(np.nanmedian(k_cell))
    return Estimate(
        value=culture.value + middle - culture.value,
        low=culture.low + middle - culture.value,
        high=culture.high + middle - culture.value,
    )


@dataclass(frozen=True)
class Feeds:
    """The feeds of p cells, intensity per second."""

    value: FloatArray
    """(p,); NaN without feed."""
    half: FloatArray
    """(p,), half of the 95 % interval; NaN without feed."""


def cell_feeds(task: Task, solution: Solution, bootstrap: Bootstrap) -> Feeds:
    """The feed of every cell inside its bounds, as the case asks."""
    cells, pooled = len(task.op.inner), solution.pooled
    if task.options.no_feed:
        nothing = np.full(cells, np.nan)
        return Feeds(value=nothing, half=nothing)
    # In case shared the feed is a parameter of the culture, after k and leak, with an error like that of k.
    if task.options.case == "shared":
        at = 1 + solution.settings.leak
        error = max(float(pooled.error[0, at]), float(bootstrap.scatter[at]))
        value, half = np.full(cells, solution.shared_feed), np.full(cells, NORMAL * error)
    else:
        value, half = _own_feeds(pooled, bootstrap, k_per_cell=not task.options.common_k)
    return Feeds(value=np.clip(value, *task.feed_box), half=half)


def _own_feeds(pooled: Pooled, bootstrap: Bootstrap, k_per_cell: bool) -> tuple[FloatArray, FloatArray]:
    """Each cell's own feed and half of its interval, (p,) each."""
    # A cell that departs from the shared k is described by its own: its feed would be wrong with the shared one.
    uses_own_k = k_per_cell | (pooled.weight < DEPARTING)
    value = np.where(uses_own_k, pooled.feed_cell, pooled.feed)
    error = np.where(uses_own_k, pooled.feed_cell_error, pooled.feed_error)
    widened = max(bootstrap.feed_cell if k_per_cell else bootstrap.feed, 1.0)
    return value, NORMAL * error * widened


def culture_feed(solution: Solution, feeds: Feeds) -> Estimate[float]:
    """The median cell's feed, intensity per second; its interval is that of a median of p independent cells."""
    known = np.isfinite(feeds.value) & np.isfinite(feeds.half)
    if not known.any():
        return Estimate(value=nan, low=nan, high=nan)
    middle = float(np.median(feeds.value[known]))
    # The standard error of a median of normal values is sqrt(pi / 2 p) times their deviation.
    of_median = 1.0 if solution.settings.feed == "shared" else float(np.sqrt(np.pi / 2 / known.sum()))
    return Estimate.around(middle, float(np.median(feeds.half[known])) * of_median)
