"""Model `pinn`: from a task to parameters (blocks.py has the method); every block of cells is a job of its own."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.estimate import Estimate
from calcigraph.models.pinn.blocks import combine, fit_block, plan_blocks
from calcigraph.models.pinn.options import PinnOptions
from calcigraph.models.pinn.result import PinnBlock, PinnFit
from calcigraph.models.pinn.tensors import require_torch
from calcigraph.models.task import Solved, Task
from calcigraph.store.types import FloatArray

MOST_VALUES = 1_000_000
"""Values of the network's traces that are kept with a fit."""
CURVE_POINTS = 200
"""Recorded epochs that are kept, evenly spaced."""


def fit_pinn(task: Task) -> Solved:
    """Fit model `pinn` (eqs. 21-22). Raises FitError as `pinn.fit_group`, MissingExtraError without torch."""
    require_torch()
    options, case, no_feed = task.options, task.options.case, task.options.no_feed
    blocks = plan_blocks(task.op, task.train.shape[1], options)
    if len(blocks) == 1:
        fits = [fit_block(task.train, task.op, task.dt, blocks[0], options, case, no_feed, task.progress)]
    else:
        task.progress("train", 0, 1)
        fits = task.distribute(_fit, blocks, task.train, task.op, task.dt, options, case, no_feed)
        task.progress("train", 1, 1)
    return _solved(task, combine(blocks, fits, task.op, case))


def _fit(
    block: PinnBlock, traces: FloatArray, op: Operator, dt: float, options: PinnOptions, case: str, no_feed: bool
) -> PinnFit:
    return fit_block(traces, op, dt, block, options, case, no_feed)


def _solved(task: Task, fit: PinnFit) -> Solved:
    feed = replace(fit.feed, value=np.full_like(fit.feed.value, np.nan)) if task.options.no_feed else fit.feed
    return Solved(
        k=fit.k,
        feed=feed,
        k_cell=fit.k_cell,
        culture_k=_middle(fit.k),
        culture_feed=_middle(feed),
        culture_reasons=() if fit.converged else ("the training has not converged",),
        advice=(*fit.advice, *(() if _kept(fit) else ("the network's traces are too many to be kept",))),
        curves=_curves(fit),
    )


def _middle(cells: Estimate[FloatArray]) -> Estimate[float]:
    """The medians of the cells' values and of the ends of their intervals."""
    value, low, high = (
        float(np.median(known)) if len(known := column[np.isfinite(column)]) else nan
        for column in (cells.value, cells.low, cells.high)
    )
    return Estimate(value=value, low=low, high=high)


def _curves(fit: PinnFit) -> dict[str, Any]:
    """Losses, paths of k and feed by epoch, block by block, and the network's traces."""
    blocks = []
    for history in fit.history:
        kept = np.unique(np.linspace(0, len(history.epoch) - 1, CURVE_POINTS).round().astype(int))
        blocks.append(
            {
                "epoch": history.epoch[kept].tolist(),
                "data_loss": _short(history.data_loss[kept]),
                "physics_loss": _short(history.physics_loss[kept]),
                "k": [_short(path[kept]) for path in history.k],
                "feed": _short(history.feed[kept]),
            }
        )
    return {"blocks": blocks, "traces": [_short(trace) for trace in fit.traces] if _kept(fit) else []}


def _kept(fit: PinnFit) -> bool:
    return fit.traces.size <= MOST_VALUES


def _short(values: FloatArray) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]
