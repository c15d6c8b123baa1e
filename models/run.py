"""Fit a model to a culture and run fitted parameters: the one file that knows Dask.

Cells are cut into batches of fixed size; every sum over frames is taken row by row, so a result does not depend on
how many workers or threads there are, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from math import isfinite
from typing import Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator, default_weights, operator
from calcigraph.models.evaluate import fit_groups, squared_error
from calcigraph.models.identify import at_bound, cell_words, culture_word
from calcigraph.models.permutation import FEWEST_FRAMES, Null, null
from calcigraph.models.scheduler import batches_on
from calcigraph.models.table import FitOptions, Model, model_named
from calcigraph.models.task import Solved, Split, Task, free_run
from calcigraph.store.types import Fit, FloatArray, IntArray, Progress, Subgraph, silent

BATCH_CELLS = 256
RAW_DEVIATION = 10.0
"""Normalised intensities (eq. 23) vary by well under 1; traces stored as given may be camera counts."""
NULL_VALUES = ("k", "k_mean", "k_z", "k_p", "sync", "sync_mean", "sync_z", "sync_p")
"""What a FitRun keeps of the permutation test."""


def fit(
    subgraph: Subgraph,
    model: str = "robust",
    options: FitOptions | None = None,
    *,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Fit:
    """Fit a model to one culture.

    `cells` of the result holds k, feed, k_cell (always the cell's own), each with _low and _high (95 % interval),
    mse_train and mse_test; `words` the fit group, `identified` and `why`. k of a cell without contacts is NaN: nothing
    tells it. The mean squared errors are those of the exact free run from the first frame of the training and of the
    test part (models/consensus.py).

    Parameters
    ----------
    model
        `robust`, `crlsm` (the paper's least squares) or `pinn` (extra `pinn`).
    scheduler
        Address of a Dask scheduler, whose workers then fit the batches of cells; None: threads of this process.

    Raises
    ------
    FitError
        The culture cannot be fitted like that: unknown model, no inner cells, missing values, too few frames, ...
    InputError
        No scheduler with workers answers at that address.
    MissingExtraError
        Model pinn without torch.
    """
    options = options or FitOptions()
    options.check_model(model)
    _check_traces(subgraph)
    weights = options.weights or default_weights(subgraph)
    op = operator(subgraph, weights, options.setup)
    if not op.coupled.any():
        raise FitError(f"no inner cell of culture {subgraph.culture} has a contact, so no coupling can be fitted")
    with batches_on(scheduler) as distribute:
        task = Task(
            subgraph=subgraph,
            op=op,
            model=model_named(model),
            options=replace(options, weights=weights),
            split=Split.of(subgraph, options),
            distribute=distribute,
            progress=progress,
        )
        progress("fit", 0, 1)
        solved = _solver(task.model)(task)
        progress("fit", 1, 1)
        errors = _evaluate(task, solved)
    return _result(task, solved, errors, _null(task))


def _result(task: Task, solved: Solved, errors: Errors, null: Null | None) -> Fit:
    """What is stored of a fit."""
    options = task.options
    word, culture_why = culture_word(task, solved, None if null is None else null.k_p)
    words, why = cell_words(task, solved)
    feed = solved.culture_feed
    return Fit(
        culture=task.subgraph.culture,
        model=task.model.name,
        case=options.case,
        settings=task.model.settings(options),
        facts=_facts_of_the_culture(task) | dict(solved.facts),
        labels=task.subgraph.labels[task.op.inner],
        k=solved.culture_k.value,
        k_low=solved.culture_k.low,
        k_high=solved.culture_k.high,
        feed=None if options.no_feed else feed.value,
        feed_low=None if options.no_feed else feed.low,
        feed_high=None if options.no_feed else feed.high,
        cells=_columns(solved, errors),
        words={"group": errors.groups, "identified": words, "why": why},
        mse_train=float(errors.train.mean()),
        mse_test=None if task.split.test_first is None else float(errors.test.mean()),
        **({} if null is None else {f"null_{name}": getattr(null, name) for name in NULL_VALUES}),
        identified=word,
        why=culture_why,
        curves=dict(solved.curves),
        advice=_advice(task, solved, culture_why),
    )


def predict(
    subgraph: Subgraph,
    options: Mapping[str, Any],
    k: FloatArray | float,
    feed: FloatArray | float,
    leak: float = 0.0,
) -> FloatArray:
    """Free run of stored parameters over the whole recording, (p, T), from the first frame.

    Parameters
    ----------
    options
        A fit's settings: `case`, `setup` and `weights` are used.
    k, feed
        (p,) or one value, in the order of `fitted_cells`; NaN counts as 0 (no contacts, or no feed).
    leak
        1/s.

    Raises
    ------
    FitError
        As `fit`, and when k or feed does not have one value per fitted cell.
    """
    _check_traces(subgraph)
    op = operator(subgraph, options.get("weights") or default_weights(subgraph), int(options.get("setup", 1)))
    alone = options.get("case") == "cell"
    return free_run(subgraph, op, alone, _per_cell(op, "k", k), _per_cell(op, "feed", feed), leak)


def fitted_cells(subgraph: Subgraph, options: Mapping[str, Any]) -> IntArray:
    """The rows of the subgraph that a fit with these options treats as inner cells, (p,), ascending."""
    return operator(subgraph, options.get("weights") or default_weights(subgraph), int(options.get("setup", 1))).inner


def _solver(model: Model) -> Callable[[Task], Solved]:
    """The function that solves tasks, imported only now: a network brings torch."""
    module, _, function = model.solve.partition(":")
    solve: Callable[[Task], Solved] = getattr(import_module(module), function)
    return solve


def _null(task: Task) -> Null | None:
    """The permutation test; none where no permutations are wanted or the recording is too short."""
    permutations = task.options.null
    if not permutations or task.train.shape[1] < FEWEST_FRAMES:
        return None
    subgraph = task.subgraph
    # Whatever the setup, the cells that are driven change places among themselves.
    driven = np.ones(len(subgraph.labels), dtype=np.bool_)
    driven[task.op.inner] = False
    return null(task.train, task.op, subgraph.pairs, driven, task.dt, permutations, task.options.seed, task.progress)


def _columns(solved: Solved, errors: Errors) -> dict[str, FloatArray]:
    """The parameters of the cells by the names under which the graph stores them."""
    columns: dict[str, FloatArray] = {}
    for name, found in (("k", solved.k), ("feed", solved.feed), ("k_cell", solved.k_cell)):
        columns |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    if solved.leak:
        columns["leak"] = np.full(len(solved.k.value), solved.leak)
    return columns | {"mse_train": errors.train, "mse_test": errors.test}


def _cut(total: int) -> list[slice]:
    return [slice(first, min(first + BATCH_CELLS, total)) for first in range(0, total, BATCH_CELLS)]


@dataclass(frozen=True)
class Errors:
    """How far the free run of fitted parameters is from the data."""

    train: FloatArray
    """(p,), mean squared error."""
    test: FloatArray
    """(p,), NaN without a test part."""
    groups: tuple[str, ...]
    """(p,), each cell's fit group."""


def _evaluate(task: Task, solved: Solved) -> Errors:
    task.progress("evaluate", 0, 1)
    subgraph, op, split, alone = task.subgraph, task.op, task.split, task.options.case == "cell"
    data, k, feed = subgraph.intensity[op.inner], solved.k.value, solved.feed.value
    whole = free_run(subgraph, op, alone, k, feed, solved.leak)
    parts = task.distribute(_evaluate_batch, [(data[cut], whole[cut]) for cut in _cut(len(op.inner))], split.train)
    test = np.full(len(op.inner), np.nan)
    if split.test_first is not None:
        rest = free_run(subgraph, op, alone, k, feed, solved.leak, split.test_first)
        test = squared_error(data[:, split.test_first :], rest)
    task.progress("evaluate", 1, 1)
    return Errors(
        train=np.concatenate([part[0] for part in parts]),
        test=test,
        groups=tuple(group for part in parts for group in part[1]),
    )


def _evaluate_batch(batch: tuple[FloatArray, FloatArray], train: int) -> tuple[FloatArray, tuple[str, ...]]:
    data, model = batch
    return squared_error(data[:, :train], model[:, :train]), fit_groups(data, model)


def _facts_of_the_culture(task: Task) -> dict[str, Any]:
    """What followed from the culture, not from the user."""
    return {
        "frame_interval_s": task.dt,
        "dt_s": task.dt / task.options.points_a_frame,
        "weight_scale": task.op.scale,
        "intensity_gain": task.subgraph.intensity_gain,
        "inner_cells": len(task.op.inner),
        "driven_cells": len(task.op.driven),
        "frames": task.subgraph.intensity.shape[1],
        "train_frames": task.split.train,
    }


def _advice(task: Task, solved: Solved, why: Sequence[str]) -> tuple[str, ...]:
    options, op, subgraph = task.options, task.op, task.subgraph
    advice = list(solved.advice)
    lonely = subgraph.labels[op.inner][~op.coupled]
    if len(lonely):
        advice.append(
            "without contacts there is no k of one's own: inner cells "
            f"{', '.join(map(str, lonely[:10].tolist()))}{', ...' if len(lonely) > 10 else ''} ({len(lonely)} in all)"
        )
    advice += why
    if task.model.finite_k:
        advice += _at_bounds("k", "1/s", solved.k.value[op.coupled], task.k_box, options.common_k)
        if options.common_k:
            advice += _at_bounds("k_cell", "1/s", solved.k_cell.value[op.coupled], task.k_box, False)
    if not options.no_feed and np.isfinite(task.feed_box).any():
        deviation = float(np.median(subgraph.intensity[op.inner].std(axis=1)))
        if deviation > RAW_DEVIATION:
            advice.append(
                f"these traces vary by {deviation:.3g} (median deviation), so they are not normalised intensities, "
                "which the feed bounds are meant for; give --feed-bounds in the traces' own unit per second"
            )
        advice += _at_bounds("feed", "intensity/s", solved.feed.value, task.feed_box, options.case == "shared")
    return tuple(advice)


def _at_bounds(name: str, unit: str, values: FloatArray, bounds: tuple[float, float], common: bool) -> list[str]:
    lines = []
    for bound, side in zip(bounds, ("lower", "upper"), strict=True):
        count = int(at_bound(values, (bound, bound)).sum()) if isfinite(bound) else 0
        if count:
            who = f"{name} lies" if common else f"{name} of {count} of {len(values)} inner cells lies"
            option = "--feed-bounds" if name == "feed" else "--k-bounds"
            lines.append(f"{who} at the {side} bound {bound:g} {unit}: the data want it beyond; see {option}")
    return lines


def _per_cell(op: Operator, name: str, values: FloatArray | float) -> FloatArray:
    array = np.nan_to_num(np.asarray(values, dtype=np.float64))
    if array.shape not in ((), op.inner.shape):
        raise FitError(f"{name} has shape {array.shape}, but these options leave {len(op.inner)} fitted cells")
    return np.broadcast_to(array, op.inner.shape)


def _check_traces(subgraph: Subgraph) -> None:
    missing = ~np.isfinite(subgraph.intensity).all(axis=1)
    if missing.any():
        raise FitError(
            f"culture {subgraph.culture}: {int(missing.sum())} cells have missing or infinite intensities (the first "
            f"is cell {subgraph.labels[missing][0]}); leave those cells out or interpolate them at ingest"
        )
    if not (isfinite(subgraph.frame_interval_s) and subgraph.frame_interval_s > 0):
        raise FitError(
            f"culture {subgraph.culture} has a frame interval of {subgraph.frame_interval_s} s; it must be positive"
        )
