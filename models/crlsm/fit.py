"""Model `crlsm`: the paper's least squares from a task to parameters (crlsm.py has the method).

Its estimates are off by far more than any resampling of its own rows shows, because of spikes and noise. An interval
that is to hold has to know that: it spans the estimate and the interval of model `robust` on the same culture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calcigraph.models.crlsm.solver import Sums, solve_cells, solve_group, sums
from calcigraph.models.options import RIDGE, FitOptions
from calcigraph.models.robust.fit import MIN_FRAMES, fit_robust
from calcigraph.models.task import Interval, Solved, Task
from calcigraph.store.types import FloatArray

BATCH_CELLS = 256


def fit_crlsm(task: Task) -> Solved:
    """Fit model `crlsm` (eqs. 5-20)."""
    op, options = task.op, task.options
    traces, consensus = task.subgraph.intensity[op.inner], op.apply(task.subgraph.intensity)
    cuts = [slice(first, first + BATCH_CELLS) for first in range(0, len(op.inner), BATCH_CELLS)]
    calls = [(traces[cut], consensus[cut]) for cut in cuts]
    parts = task.spread(_fit_batch, calls, task.dt, task.split.points, options)
    k_cell = np.where(op.coupled, np.concatenate([part[1] for part in parts]), np.nan)
    if task.common_k:
        data = _joined([part[0] for part in parts])
        data = data.pooled() if options.case == "shared" else data
        shared, feeds = solve_group(data, _ridge(options), options.k_box("crlsm"), options.feed_box("crlsm"))
        k, feed = np.full_like(k_cell, shared), np.broadcast_to(feeds, k_cell.shape).copy()
    else:
        k, feed = k_cell, np.concatenate([part[2] for part in parts])
    feed = np.full_like(feed, np.nan) if options.no_feed else feed
    return _with_intervals(task, k, feed, k_cell)


def _ridge(options: FitOptions) -> float:
    return RIDGE if options.ridge is None else options.ridge


def _fit_batch(
    batch: tuple[FloatArray, FloatArray], dt: float, points: int, options: FitOptions
) -> tuple[Sums, FloatArray, FloatArray]:
    data = sums(*batch, dt, points, options.points_a_frame)
    k, feed = solve_cells(data, _ridge(options), options.k_box("crlsm"), options.feed_box("crlsm"))
    return data, k, feed


def _joined(parts: Sequence[Sums]) -> Sums:
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "a", "d", "aa", "ad"))
    return Sums(parts[0].h, *columns)


def _with_intervals(task: Task, k: FloatArray, feed: FloatArray, k_cell: FloatArray) -> Solved:
    middle = float(np.nanmedian(k))
    middle_feed = float("nan") if task.options.no_feed else float(np.median(feed))
    if task.train.shape[1] < MIN_FRAMES or not np.ptp(task.train[task.op.inner], axis=1).any():
        unknown = np.full_like(k, np.nan)
        never = Interval(unknown, unknown)
        nan = float("nan")
        why = (f"fewer than {MIN_FRAMES} frames or no variation: no interval",)
        return Solved(
            k, feed, k_cell, never, never, never, (middle, nan, nan), (middle_feed, nan, nan), culture_reasons=why
        )
    options = task.options
    plain = FitOptions(
        case=options.case, no_feed=options.no_feed, setup=options.setup, weights=options.weights,
        train_fraction=options.train_fraction, null=options.null, seed=options.seed,
    )  # fmt: skip
    robust = fit_robust(replace(task, options=plain))
    return replace(
        robust,
        k=k,
        feed=feed,
        k_cell=k_cell,
        k_interval=_spanning(k, robust.k_interval),
        feed_interval=_spanning(feed, robust.feed_interval),
        k_cell_interval=_spanning(k_cell, robust.k_cell_interval),
        culture_k=(middle, min(middle, robust.culture_k[1]), max(middle, robust.culture_k[2])),
        culture_feed=(middle_feed, min(middle_feed, robust.culture_feed[1]), max(middle_feed, robust.culture_feed[2])),
    )


def _spanning(values: FloatArray, interval: Interval) -> Interval:
    return Interval(np.minimum(values, interval.low), np.maximum(values, interval.high))
