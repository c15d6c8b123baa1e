"""Model `crlsm`: the paper's least squares from a task to parameters (solver.py has the method).

Its estimates are off by far more than any resampling of its own rows shows, because of spikes and noise. An interval
that is to hold has to know that: it spans the estimate and the interval of model `robust` on the same culture.
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


def fit_crlsm(task: Task) -> Solved:
    """Fit model `crlsm` (eqs. 5-20)."""
    op, options = task.op, task.options
    traces, consensus = task.subgraph.intensity[op.inner], op.apply(task.subgraph.intensity)
    cuts = [slice(first, first + BATCH_CELLS) for first in range(0, len(op.inner), BATCH_CELLS)]
    calls = [(traces[cut], consensus[cut]) for cut in cuts]
    problem = Problem(
        dt=task.dt,
        points=task.split.points,
        points_a_frame=options.points_a_frame,
        ridge=value_of(options, "ridge"),
        k_bounds=task.k_box,
        feed_bounds=task.feed_box,
    )
    parts = task.distribute(_fit_batch, calls, problem)
    k_cell = np.where(op.coupled, np.concatenate([part[1] for part in parts]), np.nan)
    if options.common_k:
        data = _joined([part[0] for part in parts])
        data = data.pooled() if options.case == "shared" else data
        shared, feeds = solve_group(data, problem.ridge, problem.k_bounds, problem.feed_bounds)
        k, feed = np.full_like(k_cell, shared), np.broadcast_to(feeds, k_cell.shape).copy()
    else:
        k, feed = k_cell, np.concatenate([part[2] for part in parts])
    feed = np.full_like(feed, np.nan) if options.no_feed else feed
    return _with_intervals(task, k, feed, k_cell)


@dataclass(frozen=True)
class Problem:
    """What is minimised, whatever the cells."""

    dt: float
    """Seconds between frames."""
    points: int
    """Points of the recording, interpolated ones included, that are fitted."""
    points_a_frame: int
    ridge: float
    """lambda of eq. 18."""
    k_bounds: Bounds
    feed_bounds: Bounds


def _fit_batch(batch: tuple[FloatArray, FloatArray], problem: Problem) -> tuple[Sums, FloatArray, FloatArray]:
    """The sums of some cells, (p, T) traces and consensus terms, and each cell's own k and feed."""
    data = sums(*batch, problem.dt, problem.points, problem.points_a_frame)
    k, feed = solve_cells(data, problem.ridge, problem.k_bounds, problem.feed_bounds)
    return data, k, feed


def _joined(parts: Sequence[Sums]) -> Sums:
    names = ("rows", "a", "d", "aa", "ad")
    return Sums(h=parts[0].h, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _with_intervals(task: Task, k: FloatArray, feed: FloatArray, k_cell: FloatArray) -> Solved:
    middle = float(np.nanmedian(k))
    middle_feed = nan if task.options.no_feed else float(np.median(feed))
    if task.train.shape[1] < MIN_FRAMES or not np.ptp(task.train[task.op.inner], axis=1).any():
        unknown = np.full_like(k, nan)
        return Solved(
            k=Estimate(value=k, low=unknown, high=unknown),
            feed=Estimate(value=feed, low=unknown, high=unknown),
            k_cell=Estimate(value=k_cell, low=unknown, high=unknown),
            culture_k=Estimate(value=middle, low=nan, high=nan),
            culture_feed=Estimate(value=middle_feed, low=nan, high=nan),
            culture_reasons=(f"fewer than {MIN_FRAMES} frames or no variation: no interval",),
        )
    robust = fit_robust(_as_robust(task))
    return replace(
        robust,
        k=_spanning(k, robust.k),
        feed=_spanning(feed, robust.feed),
        k_cell=_spanning(k_cell, robust.k_cell),
        culture_k=_reaching(middle, robust.culture_k),
        culture_feed=_reaching(middle_feed, robust.culture_feed),
    )


def _as_robust(task: Task) -> Task:
    """The same task for model `robust`: the common options stay, those of `crlsm` do not apply."""
    common = {each.name: getattr(task.options, each.name) for each in fields(CommonOptions)}
    return replace(task, model=model_named("robust"), options=FitOptions(**common))


def _spanning(values: FloatArray, other: Estimate[FloatArray]) -> Estimate[FloatArray]:
    """Values with an interval from them to both ends of another estimate's."""
    return Estimate(value=values, low=np.minimum(values, other.low), high=np.maximum(values, other.high))


def _reaching(value: float, other: Estimate[float]) -> Estimate[float]:
    """`_spanning` for one value."""
    return Estimate(value=value, low=min(value, other.low), high=max(value, other.high))
