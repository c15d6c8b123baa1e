"""Fit a model to a culture, and run fitted parameters.

The free run is compared with the data in batches of cells of fixed size. Every sum over frames is taken row by row,
so a result does not depend on how many workers or threads there are, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.advice import advice_on
from calcigraph.models.consensus import Operator, operator
from calcigraph.models.contact_errors import with_unit_error
from calcigraph.models.contacts import default_weights
from calcigraph.models.curvature import with_scale_check
from calcigraph.models.evaluate import fit_groups, squared_error
from calcigraph.models.even import at_even_frames
from calcigraph.models.identify import cell_identifiability, culture_identifiability
from calcigraph.models.indicator import LOG, Indicator, Scale, on_scale
from calcigraph.models.light_errors import with_light_error
from calcigraph.models.memory import kept_memory
from calcigraph.models.null import FEWEST_FRAMES, NullTest, null_test
from calcigraph.models.scheduler import batches_on
from calcigraph.models.table import FitOptions, model_named
from calcigraph.models.task import Solved, Split, Task, free_run
from calcigraph.store.types import Fit, FloatArray, IntArray, Progress, Subgraph, silent

BATCH_CELLS = 256
STORED_OF_TEST = ("k", "k_mean", "k_z", "k_p", "sync", "sync_mean", "sync_z", "sync_p")
"""Which values of the null a `Fit` keeps, each with the prefix null_."""


def fit(
    subgraph: Subgraph,
    model: str = "robust",
    options: FitOptions | None = None,
    *,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Fit:
    """Fit a model of coupling to one culture (eqs. 1-4): y_i' = (k / |N_i|) sum_j w_ij (x_j - y_i) + gamma_i.

    Parameters
    ----------
    subgraph
        The culture: n cells with intensities (n, T), and their contacts.
    model
        `robust`, `crlsm` (the paper's least squares) or `pinn` (extra `pinn`).
    options
        What decides the fit; None for the defaults.
    scheduler
        Address of a Dask scheduler, whose workers then fit the batches of cells; None: threads of this process.
    progress
        Called as progress(stage, done, total).

    Returns
    -------
    Fit
        `k` (1/s) and `feed` (intensity per second) of the culture with their 95 % intervals. `cells` holds, for each
        of the p inner cells, k, feed and k_cell (the cell's own k, in all cases), each with _low and _high, and
        mse_train and mse_test. `words` holds the fit group, `identified` and `why` of each cell. k of a cell without
        contacts is NaN, because nothing determines it. The mean squared errors are those of the exact free run, from
        the first frame of the training part and from that of the test part.

    Raises
    ------
    FitError
        The culture cannot be fitted like that: unknown model, no inner cells, missing values, too few frames, ...
    InputError
        No scheduler with workers answers at that address.
    MissingExtraError
        Model pinn without torch.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=120, size_px=256, k=0.02, seed=1)).subgraph()
    >>> found = fit(culture, "robust", FitOptions(null=0))
    >>> found.k_low < 0.02 < found.k_high, found.identified
    (True, 'identified')
    """
    options = options or FitOptions()
    options.check_model(model)
    _check_traces(subgraph)
    with kept_memory():
        return _fit(subgraph, model, options, scheduler, progress)


def _fit(subgraph: Subgraph, model: str, options: FitOptions, scheduler: str | None, progress: Progress) -> Fit:
    evened = at_even_frames(subgraph)
    recorded = evened.subgraph
    scale = Scale.of(recorded, Indicator.of(options.indicator))
    subgraph = on_scale(recorded, scale)
    weights = options.weights or default_weights(subgraph)
    op = operator(subgraph, weights, options.setup)
    if not op.coupled.any():
        raise FitError(f"no inner cell of culture {subgraph.culture} has a contact, so no coupling can be fitted")
    # The null runs outside: it needs no scheduler.
    with batches_on(scheduler) as distribute:
        task = Task(
            subgraph=subgraph,
            op=op,
            model=model_named(model),
            options=replace(options, weights=weights),
            split=Split.of(subgraph, options),
            distribute=distribute,
            progress=progress,
            recorded=recorded,
        )
        progress("fit", 0, 1)
        solved = with_scale_check(task, task.solve())
        solved = with_light_error(task, with_unit_error(task, solved))
        progress("fit", 1, 1)
        errors = _evaluate(task, solved)
    filled = {"filled_frames": evened.filled} if evened.filled else {}
    solved = replace(solved, facts=dict(solved.facts) | filled, curves=_seen(scale, op, solved.curves))
    return _result(task, solved, errors, _null_test(task))


def _seen(scale: Scale, op: Operator, curves: Mapping[str, Any]) -> dict[str, Any]:
    """The curves of a training, with the network's traces as intensities of the culture."""
    traces = [
        scale.seen(np.array(trace), row).tolist()
        for trace, row in zip(curves.get("traces", ()), op.inner, strict=False)
    ]
    return dict(curves) | ({"traces": traces} if traces else {})


def _result(task: Task, solved: Solved, errors: Errors, test: NullTest | None) -> Fit:
    """What is stored of a fit."""
    options = task.options
    words, why = cell_identifiability(task, solved)
    word, doubts = culture_identifiability(task, solved, None if test is None else test.k_p, words)
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
        **({} if test is None else {f"null_{name}": getattr(test, name) for name in STORED_OF_TEST}),
        identified=word,
        why=doubts,
        curves=dict(solved.curves),
        advice=advice_on(task, solved, doubts),
    )


def predict(
    subgraph: Subgraph,
    options: Mapping[str, Any],
    k: FloatArray | float,
    feed: FloatArray | float,
    leak: float = 0.0,
    weight_scale: float | None = None,
) -> FloatArray:
    """Free run of stored parameters over the whole recording, from the first frame.

    Parameters
    ----------
    subgraph
        The culture, T frames.
    options
        A fit's settings, of which `case`, `setup`, `weights` and `indicator` are used.
    k
        1/s, (p,) in the order of `fitted_cells`, or one value; NaN (no contacts) counts as 0.
    feed
        Intensity per second, (p,) or one value; NaN (no feed) counts as 0.
    leak
        1/s.
    weight_scale
        The fact of this name of the fit. Where it is not the culture's own scale, as in fits of version 0.2, k is
        multiplied by own scale / weight_scale, which gives the same run. None: k is in today's unit.

    Returns
    -------
    FloatArray
        Intensity, (p, T), of the culture: from the indicator's scale back to that of its traces.

    Raises
    ------
    FitError
        As `fit`, and when k or feed does not have one value per fitted cell.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=30, size_px=256)).subgraph()
    >>> run = predict(culture, {"case": "per-cell", "weights": "border"}, k=0.01, feed=0.0)
    >>> run.shape == (len(fitted_cells(culture, {"weights": "border"})), 30)
    True
    """
    _check_traces(subgraph)
    evened = at_even_frames(subgraph)
    scale = Scale.of(evened.subgraph, Indicator.of(options.get("indicator", LOG)))
    subgraph = on_scale(evened.subgraph, scale)
    op = operator_of(subgraph, options)
    alone = options.get("case") == "cell"
    # k times the weights is what acts, so k changes as the inverse of the scale.
    rates = per_cell(op, "k", k) * (1.0 if weight_scale is None else op.scale / weight_scale)
    run = free_run(subgraph, op, alone, rates, per_cell(op, "feed", feed), leak)
    return scale.seen(run, op.inner)[:, evened.place]


def fitted_cells(subgraph: Subgraph, options: Mapping[str, Any]) -> IntArray:
    """The inner cells of a fit with these settings, as rows of the subgraph, (p,), ascending.

    Parameters
    ----------
    subgraph
        The culture.
    options
        A fit's settings, of which `setup` and `weights` are used.

    Raises
    ------
    FitError
        As `operator`.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=12, size_px=256)).subgraph()
    >>> bool((fitted_cells(culture, {"setup": 1}) == np.flatnonzero(~culture.border)).all())
    True
    """
    return operator_of(subgraph, options).inner


def operator_of(subgraph: Subgraph, options: Mapping[str, Any]) -> Operator:
    """The operator that a fit with these settings used."""
    return operator(subgraph, options.get("weights") or default_weights(subgraph), int(options.get("setup", 1)))


def _null_test(task: Task) -> NullTest | None:
    """The null; None where it is not wanted or the recording is too short."""
    if not task.options.null or task.train.shape[1] < FEWEST_FRAMES:
        return None
    return null_test(
        traces=task.train,
        op=task.op,
        pairs=task.subgraph.pairs,
        places=np.stack([task.subgraph.x_px, task.subgraph.y_px], axis=1),
        dt=task.dt,
        times=task.options.null,
        seed=task.options.seed,
        progress=task.progress,
    )


def _columns(solved: Solved, errors: Errors) -> dict[str, FloatArray]:
    """The parameters of the cells by the names under which the graph stores them."""
    columns: dict[str, FloatArray] = {}
    for name, found in (("k", solved.k), ("feed", solved.feed), ("k_cell", solved.k_cell)):
        columns |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    if solved.leak:
        columns["leak"] = np.full(len(solved.k.value), solved.leak)
    return columns | {"mse_train": errors.train, "mse_test": errors.test}


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
    subgraph, op, split = task.subgraph, task.op, task.split
    alone, k, feed = task.options.case == "cell", solved.k.value, solved.feed.value
    data = subgraph.intensity[op.inner]
    whole = free_run(subgraph, op, alone, k, feed, solved.leak)
    cuts = [slice(first, first + BATCH_CELLS) for first in range(0, len(data), BATCH_CELLS)]
    parts = task.distribute(_evaluate_batch, [(data[cut], whole[cut]) for cut in cuts], split.train)
    test = np.full(len(op.inner), np.nan)
    if split.test_first is not None:
        # The test part is run anew from its first frame, so that errors of the training part do not carry over.
        rest = free_run(subgraph, op, alone, k, feed, solved.leak, split.test_first)
        test = squared_error(data[:, split.test_first :], rest)
    task.progress("evaluate", 1, 1)
    return Errors(
        train=np.concatenate([error for error, _ in parts]),
        test=test,
        groups=tuple(group for _, groups in parts for group in groups),
    )


def _evaluate_batch(batch: tuple[FloatArray, FloatArray], train: int) -> tuple[FloatArray, tuple[str, ...]]:
    """Mean squared error over the first `train` frames, and fit groups, of data and free run, (p, T) each."""
    data, model = batch
    return squared_error(data[:, :train], model[:, :train]), fit_groups(data, model)


def _facts_of_the_culture(task: Task) -> dict[str, Any]:
    """What followed from the culture, not from the user."""
    return {
        "frame_interval_s": task.dt,
        "dt_s": task.dt / task.options.points_a_frame,
        "weight_scale": task.op.scale,
        "weight_unit": task.weight_unit,
        "intensity_gain": task.subgraph.intensity_gain,
        "inner_cells": len(task.op.inner),
        "driven_cells": len(task.op.driven),
        "frames": task.subgraph.intensity.shape[1],
        "train_frames": task.split.train,
    }


def per_cell(op: Operator, name: str, values: FloatArray | float) -> FloatArray:
    """One value per inner cell, (p,), NaN replaced by 0."""
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
