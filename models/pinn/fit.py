"""Model `pinn`: from a task to parameters. blocks.py has the method; every block of cells is a job of its own."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from calcigraph.models.estimate import Estimate
from calcigraph.models.pinn.blocks import combine, fit_block, plan_blocks
from calcigraph.models.pinn.result import PinnFit
from calcigraph.models.pinn.setting import Setting
from calcigraph.models.pinn.tensors import require_torch
from calcigraph.models.task import Solved, Task
from calcigraph.store.types import FloatArray

MOST_VALUES = 1_000_000
"""Values of the network's traces that are kept with a fit."""
CURVE_POINTS = 200
"""Recorded epochs that are kept, evenly spaced."""


def fit_pinn(task: Task) -> Solved:
    """Fit model `pinn` (arXiv:2505.20327, eqs. 21-22) to a culture.

    Parameters
    ----------
    task
        The culture, its operator and the options; its blocks are trained wherever `task.distribute` runs them.

    Returns
    -------
    Solved
        k (1/s) and feeds (intensity per second) with 95 % intervals, advice, and the curves of the training.

    Raises
    ------
    FitError
        Fewer than 12 frames, traces without variation or with missing values, no contacts, or a GPU that was asked
        for and is not there.
    MissingExtraError
        torch is not installed.
    """
    require_torch()
    options = task.options
    setting = Setting(dt=task.dt, options=options, case=options.case, no_feed=options.no_feed)
    blocks = plan_blocks(task.op, task.train.shape[1], options)
    if len(blocks) == 1:
        fits = [fit_block(blocks[0], task.train, task.op, setting, task.progress)]
    else:
        # A job elsewhere cannot report its progress.
        task.progress("train", 0, 1)
        fits = task.distribute(fit_block, blocks, task.train, task.op, setting)
        task.progress("train", 1, 1)
    return _solved(task, combine(blocks, fits, task.op, options.case))


def _solved(task: Task, fit: PinnFit) -> Solved:
    feed = fit.feed
    if task.options.no_feed:
        feed = replace(feed, value=np.full_like(feed.value, np.nan))
    return Solved(
        k=fit.k,
        feed=feed,
        k_cell=fit.k_cell,
        culture_k=_middle(fit.k),
        culture_feed=_middle(feed),
        culture_reasons=() if fit.converged else ("the training has not converged",),
        advice=(*fit.advice, *(() if _few_enough(fit) else ("the network's traces are too many to be kept",))),
        curves=_curves(fit),
    )


def _middle(cells: Estimate[FloatArray]) -> Estimate[float]:
    """The medians of the cells' values and of the ends of their intervals, without cells that have none."""
    value, low, high = (
        float(np.median(known)) if len(known := column[np.isfinite(column)]) else nan
        for column in (cells.value, cells.low, cells.high)
    )
    return Estimate(value=value, low=low, high=high)


def _curves(fit: PinnFit) -> dict[str, Any]:
    """What can be drawn of a training, ready for JSON: losses and paths of k and feed by block, and the traces."""
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
    return {"blocks": blocks, "traces": [_short(trace) for trace in fit.traces] if _few_enough(fit) else []}


def _few_enough(fit: PinnFit) -> bool:
    """Whether the network's traces are kept with the fit."""
    return fit.traces.size <= MOST_VALUES


def _short(values: FloatArray) -> list[float]:
    """Six digits, which is more than a picture shows."""
    return [float(f"{value:.6g}") for value in values.tolist()]
