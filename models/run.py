"""Fit a model to a culture and run fitted parameters: the one file that knows Dask.

Cells are cut into batches of fixed size; every sum over frames is taken row by row, so a result does not depend on
how many workers or threads there are, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator, default_weights, operator
from calcigraph.models.evaluate import fit_groups, squared_error
from calcigraph.models.identify import at_bound, cell_words, culture_word
from calcigraph.models.options import FitOptions
from calcigraph.models.scheduler import batches_on
from calcigraph.models.task import Solved, Split, Task, free_run
from calcigraph.store.types import Fit, FloatArray, IntArray, Progress, Subgraph, silent

BATCH_CELLS = 256
RAW_SPREAD = 10.0
"""Normalised intensities (eq. 23) vary by well under 1; traces stored as given may be camera counts."""
FEWEST_NULL_FRAMES = 8


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
    split = Split.of(subgraph, options)
    with batches_on(scheduler) as spread:
        task = Task(subgraph, op, options, split, spread, progress)
        progress("fit", 0, 1)
        solved = _solve(task, model)
        progress("fit", 1, 1)
        errors, groups = _evaluate(task, solved)
    null = _null(task)
    word, culture_why = culture_word(task, solved, model, null.get("null_k_p"))
    words, why = cell_words(task, solved, model)
    k, k_low, k_high = solved.culture_k
    feed, feed_low, feed_high = solved.culture_feed
    return Fit(
        culture=subgraph.culture,
        model=model,
        case=options.case,
        options=_record(task, model, weights),
        labels=subgraph.labels[op.inner],
        k=k,
        feed=None if options.no_feed else feed,
        cells=_columns(solved, errors),
        words={"group": groups, "identified": words, "why": why},
        k_low=k_low,
        k_high=k_high,
        feed_low=None if options.no_feed else feed_low,
        feed_high=None if options.no_feed else feed_high,
        mse_train=float(errors["mse_train"].mean()),
        mse_test=None if split.test_first is None else float(errors["mse_test"].mean()),
        **null,
        identified=word,
        why=culture_why,
        facts=dict(solved.facts),
        curves=dict(solved.curves),
        advice=_advice(task, model, solved, culture_why),
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
        A fit's options: `case`, `setup` and `weights` are used.
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


def _solve(task: Task, model: str) -> Solved:
    if model == "crlsm":
        from calcigraph.models.crlsm.fit import fit_crlsm

        return fit_crlsm(task)
    if model == "pinn":
        from calcigraph.models.pinn.fit import fit_pinn

        return fit_pinn(task)
    from calcigraph.models.robust.fit import fit_robust

    return fit_robust(task)


def _null(task: Task) -> dict[str, Any]:
    """The FitRun's null_ values; none where no permutations are wanted or the recording is too short."""
    permutations = task.options.null
    if not permutations or task.train.shape[1] < FEWEST_NULL_FRAMES:
        return {}
    from calcigraph.models.permutation import null

    subgraph = task.subgraph
    # Whatever the setup, the cells that are driven change places among themselves.
    driven = np.ones(len(subgraph.labels), dtype=np.bool_)
    driven[task.op.inner] = False
    found = null(task.train, task.op, subgraph.pairs, driven, task.dt, permutations, task.options.seed, task.progress)
    return {
        f"null_{name}": getattr(found, name)
        for name in ("k", "k_mean", "k_z", "k_p", "sync", "sync_mean", "sync_z", "sync_p")
    }


def _columns(solved: Solved, errors: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    columns: dict[str, FloatArray] = {}
    for name in ("k", "feed", "k_cell"):
        interval = getattr(solved, f"{name}_interval")
        columns |= {name: getattr(solved, name), f"{name}_low": interval.low, f"{name}_high": interval.high}
    if solved.leak:
        columns["leak"] = np.full(len(solved.k), solved.leak)
    return columns | dict(errors)


def _cut(total: int) -> list[slice]:
    return [slice(first, min(first + BATCH_CELLS, total)) for first in range(0, total, BATCH_CELLS)]


def _evaluate(task: Task, solved: Solved) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    task.progress("evaluate", 0, 1)
    subgraph, op, split, alone = task.subgraph, task.op, task.split, task.options.case == "cell"
    data = subgraph.intensity[op.inner]
    whole = free_run(subgraph, op, alone, solved.k, solved.feed, solved.leak)
    parts = task.spread(_evaluate_batch, [(data[cut], whole[cut]) for cut in _cut(len(op.inner))], split.train)
    test = np.full(len(op.inner), np.nan)
    if split.test_first is not None:
        rest = free_run(subgraph, op, alone, solved.k, solved.feed, solved.leak, split.test_first)
        test = squared_error(data[:, split.test_first :], rest)
    task.progress("evaluate", 1, 1)
    errors = {"mse_train": np.concatenate([part[0] for part in parts]), "mse_test": test}
    return errors, tuple(group for part in parts for group in part[1])


def _evaluate_batch(batch: tuple[FloatArray, FloatArray], train: int) -> tuple[FloatArray, tuple[str, ...]]:
    data, model = batch
    return squared_error(data[:, :train], model[:, :train]), fit_groups(data, model)


def _record(task: Task, model: str, weights: str) -> dict[str, Any]:
    """Everything that decides the result. The second group follows from the culture, not from the user."""
    options, subgraph = task.options, task.subgraph
    record: dict[str, Any] = {
        "case": options.case,
        "no_feed": options.no_feed,
        "setup": options.setup,
        "weights": weights,
        "train_fraction": options.train_fraction,
        "null": options.null,
        "seed": options.seed,
    }
    if model != "pinn":
        record["k_bounds"] = [_or_none(bound) for bound in options.k_box(model)]
        record["feed_bounds"] = None if options.no_feed else [_or_none(bound) for bound in options.feed_box(model)]
    record |= _model_options(options, model)
    return record | {
        "frame_interval_s": task.dt,
        "dt_s": task.dt / options.points_a_frame,
        "weight_scale": task.op.scale,
        "intensity_gain": subgraph.intensity_gain,
        "inner_cells": len(task.op.inner),
        "driven_cells": len(task.op.driven),
        "frames": subgraph.intensity.shape[1],
        "train_frames": task.split.train,
    }


def _model_options(options: FitOptions, model: str) -> dict[str, Any]:
    if model == "robust":
        correct, leak = options.correct is not False, bool(options.leak)
        return {"half_width": options.half_width, "correct": correct, "leak": leak}
    if model == "crlsm":
        from calcigraph.models.options import RIDGE

        ridge = RIDGE if options.ridge is None else options.ridge
        return {"ridge": ridge, "ridge_scaling": "unscaled", "interpolate": options.points_a_frame}
    from dataclasses import asdict

    from calcigraph.models.pinn.fit import pinn_options

    return asdict(pinn_options(options))


def _or_none(bound: float) -> float | None:
    return bound if isfinite(bound) else None


def _advice(task: Task, model: str, solved: Solved, why: Sequence[str]) -> tuple[str, ...]:
    options, op, subgraph = task.options, task.op, task.subgraph
    advice = list(solved.advice)
    lonely = subgraph.labels[op.inner][~op.coupled]
    if len(lonely):
        advice.append(
            "without contacts there is no k of one's own: inner cells "
            f"{', '.join(map(str, lonely[:10].tolist()))}{', ...' if len(lonely) > 10 else ''} ({len(lonely)} in all)"
        )
    advice += why
    box, feed_box = options.k_box(model), options.feed_box(model)
    if model == "crlsm":
        advice += _at_bounds("k", "1/s", solved.k[op.coupled], box, task.common_k)
        if task.common_k:
            advice += _at_bounds("k_cell", "1/s", solved.k_cell[op.coupled], box, False)
    spread = float(np.median(subgraph.intensity[op.inner].std(axis=1)))
    if not options.no_feed and np.isfinite(feed_box).any():
        if spread > RAW_SPREAD:
            advice.append(
                f"these traces vary by {spread:.3g} (median deviation), so they are not normalised intensities, which "
                "the feed bounds are meant for; give --feed-bounds in the traces' own unit per second"
            )
        advice += _at_bounds("feed", "intensity/s", solved.feed, feed_box, options.case == "shared")
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
