"""Model `crlsm` from a task to parameters: the paper's least squares (solver.py has the method), with intervals.

Spikes and noise bias its estimates by far more than a resampling of its own rows shows. So that its intervals hold
the true value nevertheless, they reach from its estimate to both ends of the interval of model `robust` for the same
culture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import nan

import numpy as np

from calcigraph.models.crlsm.solver import Sums, solve_cells, solve_group, sums
from calcigraph.models.estimate import Estimate
from calcigraph.models.options import Bounds, CommonOptions
from calcigraph.models.robust.fit import MIN_FRAMES, fit_robust
from calcigraph.models.table import FitOptions, model_named
from calcigraph.models.task import Solved, Task
from calcigraph.option import value_of
from calcigraph.store.types import FloatArray

BATCH_CELLS = 256


@dataclass(frozen=True)
class Problem:
    """What is minimised, whatever the cells."""

    dt: float
    """Seconds between frames."""
    points: int
    """Points of the recording, interpolated ones included, that are fitted."""
    points_a_frame: int
    """N: points to which a frame is interpolated."""
    ridge: float
    """lambda of eq. 18."""
    k_bounds: Bounds
    """1/s."""
    feed_bounds: Bounds
    """Intensity per second."""


@dataclass(frozen=True)
class Parameters:
    """Least squares estimates of p inner cells."""

    k: FloatArray
    """(p,), 1/s, as the case asks."""
    feed: FloatArray
    """(p,), intensity per second; NaN without feed."""
    k_cell: FloatArray
    """(p,), 1/s, each cell's own k; NaN for a cell without contacts."""


def fit_crlsm(task: Task) -> Solved:
    """Fit model `crlsm` (arXiv:2505.20327, eqs. 5-20).

    Parameters
    ----------
    task
        A culture with p inner cells, and the options.

    Returns
    -------
    Solved
        k in 1/s and feeds in intensity per second. The intervals are NaN where model `robust` cannot be fitted:
        fewer than 12 frames, or no intensity that changes.
    """
    op, options = task.op, task.options
    problem = Problem(
        dt=task.dt,
        points=task.split.points,
        points_a_frame=options.points_a_frame,
        ridge=value_of(options, "ridge"),
        k_bounds=task.k_box,
        feed_bounds=task.feed_box,
    )
    traces, consensus = task.subgraph.intensity[op.inner], op.apply(task.subgraph.intensity)
    # Batches of fixed size, so that the number of workers cannot change a result.
    cuts = [slice(first, first + BATCH_CELLS) for first in range(0, len(op.inner), BATCH_CELLS)]
    calls = [(traces[cut], consensus[cut]) for cut in cuts]
    batches: list[_BatchFit] = task.distribute(_fit_batch, calls, problem)
    k_cell = np.where(op.coupled, np.concatenate([batch.k for batch in batches]), np.nan)
    # With one k for all cells the sums of all batches are needed at once; they are small.
    if options.common_k:
        data = _joined([batch.data for batch in batches])
        data = data.pooled() if options.case == "shared" else data
        shared, feeds = solve_group(data, problem.ridge, problem.k_bounds, problem.feed_bounds)
        k, feed = np.full_like(k_cell, shared), np.broadcast_to(feeds, k_cell.shape).copy()
    else:
        k, feed = k_cell, np.concatenate([batch.feed for batch in batches])
    if options.no_feed:
        feed = np.full_like(feed, np.nan)
    return _with_intervals(task, Parameters(k=k, feed=feed, k_cell=k_cell))


@dataclass(frozen=True)
class _BatchFit:
    """The sums of some cells, and each cell's own k and feed."""

    data: Sums
    k: FloatArray
    feed: FloatArray


def _fit_batch(batch: tuple[FloatArray, FloatArray], problem: Problem) -> _BatchFit:
    """Fit some cells alone, from their traces and consensus terms, (p, T) each."""
    data = sums(*batch, problem.dt, problem.points, problem.points_a_frame)
    k, feed = solve_cells(data, problem.ridge, problem.k_bounds, problem.feed_bounds)
    return _BatchFit(data=data, k=k, feed=feed)


def _joined(parts: Sequence[Sums]) -> Sums:
    """The sums of several batches side by side."""
    return Sums(
        h=parts[0].h,
        rows=np.concatenate([part.rows for part in parts]),
        a=np.concatenate([part.a for part in parts]),
        d=np.concatenate([part.d for part in parts]),
        aa=np.concatenate([part.aa for part in parts]),
        ad=np.concatenate([part.ad for part in parts]),
    )


def _with_intervals(task: Task, found: Parameters) -> Solved:
    culture_k = float(np.nanmedian(found.k))
    culture_feed = nan if task.options.no_feed else float(np.median(found.feed))
    varies = np.ptp(task.train[task.op.inner], axis=1).any()
    if task.train.shape[1] < MIN_FRAMES or not varies:
        unknown = np.full_like(found.k, nan)
        return Solved(
            k=Estimate(value=found.k, low=unknown, high=unknown),
            feed=Estimate(value=found.feed, low=unknown, high=unknown),
            k_cell=Estimate(value=found.k_cell, low=unknown, high=unknown),
            culture_k=Estimate(value=culture_k, low=nan, high=nan),
            culture_feed=Estimate(value=culture_feed, low=nan, high=nan),
            culture_reasons=(f"fewer than {MIN_FRAMES} frames or no variation: no interval",),
        )
    robust = fit_robust(_as_robust(task))
    return replace(
        robust,
        k=_reaching(found.k, robust.k),
        feed=_reaching(found.feed, robust.feed),
        k_cell=_reaching(found.k_cell, robust.k_cell),
        culture_k=_reaching_one(culture_k, robust.culture_k),
        culture_feed=_reaching_one(culture_feed, robust.culture_feed),
        leak=0.0,  # this model has none: a run with that of robust, which its feeds do not balance, leaves the traces
    )


def _as_robust(task: Task) -> Task:
    """The same task for model `robust`: with the common options, without those of `crlsm`."""
    common = {each.name: getattr(task.options, each.name) for each in fields(CommonOptions)}
    return replace(task, model=model_named("robust"), options=FitOptions(**common))


def _reaching(values: FloatArray, other: Estimate[FloatArray]) -> Estimate[FloatArray]:
    """Values with an interval that reaches to both ends of another estimate's."""
    return Estimate(value=values, low=np.minimum(values, other.low), high=np.maximum(values, other.high))


def _reaching_one(value: float, other: Estimate[float]) -> Estimate[float]:
    """The same for one value."""
    return Estimate(value=value, low=min(value, other.low), high=max(value, other.high))
