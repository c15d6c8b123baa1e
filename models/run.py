"""Fit a model to a culture and run fitted parameters: the one file that knows Dask.

Cells are cut into batches of fixed size; every sum over frames is taken row by row, so a result does not depend on
how many workers or threads there are, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from calcigraph.errors import FitError, InputError
from calcigraph.models.consensus import (
    Operator,
    default_weights,
    operator,
    simulate,
    simulate_alone,
)
from calcigraph.models.crlsm import Bounds, Sums, solve_cells, solve_group, sums
from calcigraph.models.evaluate import fit_groups, squared_error
from calcigraph.models.options import FitOptions, one_of
from calcigraph.store.types import Fit, FloatArray, IntArray, Progress, Subgraph, silent

MODELS = ("crlsm",)
BATCH_CELLS = 256
SCHEDULER_TIMEOUT_S = 6
MIN_TRAIN_FRAMES = 3
AT_BOUND = 1e-9
RAW_SPREAD = 10.0
"""Normalised intensities (eq. 23) vary by well under 1; traces stored as given may be camera counts."""


def fit(
    subgraph: Subgraph,
    model: str = "crlsm",
    options: FitOptions | None = None,
    *,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Fit:
    """Fit a model to one culture.

    `cells` of the result holds k, feed, k_cell (always that of case cell), mse_train and mse_test, and `words` the fit
    group. k and k_cell of a cell without contacts are NaN: nothing tells them. The mean squared errors are those of
    the exact free run from the first frame of the training and of the test part (models/consensus.py).

    Parameters
    ----------
    scheduler
        Address of a Dask scheduler, whose workers then fit the batches of cells; None: threads of this process.

    Raises
    ------
    FitError
        The culture cannot be fitted like that: unknown model, no inner cells, missing values, too few frames, ...
    InputError
        No scheduler with workers answers at that address.
    """
    options = options or FitOptions()
    one_of("model", model, MODELS)
    _check_traces(subgraph)
    weights = options.weights or default_weights(subgraph)
    op = operator(subgraph, weights, options.setup)
    if not op.coupled.any():
        raise FitError(f"no inner cell of culture {subgraph.culture} has a contact, so no coupling can be fitted")
    split = _Split.of(subgraph, options)
    with _batches_on(scheduler) as spread:
        solved = _solve(subgraph, op, split, options, spread, progress)
        errors, groups = _evaluate(subgraph, op, split, options, solved, spread, progress)
    return Fit(
        culture=subgraph.culture,
        model=model,
        case=options.case,
        options=_record(subgraph, op, split, options, weights),
        labels=subgraph.labels[op.inner],
        k=float(np.nanmedian(solved.k)),
        feed=None if options.no_feed else float(np.median(solved.feed)),
        cells={
            "k": solved.k,
            "feed": np.full_like(solved.feed, np.nan) if options.no_feed else solved.feed,
            "k_cell": solved.k_cell,
            **errors,
        },
        words={"group": groups},
        mse_train=float(errors["mse_train"].mean()),
        mse_test=None if split.test_first is None else float(errors["mse_test"].mean()),
        advice=_advice(subgraph, op, options, solved),
    )


def predict(
    subgraph: Subgraph, options: Mapping[str, Any], k: FloatArray | float, feed: FloatArray | float
) -> FloatArray:
    """Free run of stored parameters over the whole recording, (p, T), from the first frame.

    Parameters
    ----------
    options
        A fit's options: `case`, `setup` and `weights` are used.
    k, feed
        (p,) or one value, in the order of `fitted_cells`; NaN counts as 0 (no contacts, or no feed).

    Raises
    ------
    FitError
        As `fit`, and when k or feed does not have one value per fitted cell.
    """
    _check_traces(subgraph)
    op = operator(subgraph, options.get("weights") or default_weights(subgraph), int(options.get("setup", 1)))
    return _free_run(subgraph, op, options.get("case") == "cell", _per_cell(op, "k", k), _per_cell(op, "feed", feed))


def fitted_cells(subgraph: Subgraph, options: Mapping[str, Any]) -> IntArray:
    """The rows of the subgraph that a fit with these options treats as inner cells, (p,), ascending."""
    return operator(subgraph, options.get("weights") or default_weights(subgraph), int(options.get("setup", 1))).inner


@dataclass(frozen=True)
class _Split:
    """Where training ends: `points` of the interpolated points, `train` frames, test from frame `test_first` on."""

    points: int
    train: int
    test_first: int | None

    @classmethod
    def of(cls, subgraph: Subgraph, options: FitOptions) -> _Split:
        frames, n = subgraph.intensity.shape[1], options.interpolate
        whole = (frames - 1) * n + 1
        points = whole if options.train_fraction == 1 else round(options.train_fraction * whole)
        train = (points - 1) // n + 1
        if train < MIN_TRAIN_FRAMES:
            raise FitError(
                f"culture {subgraph.culture} has {max(train, 0)} frames to train on (of {frames}); "
                f"at least {MIN_TRAIN_FRAMES} are needed"
            )
        if options.train_fraction < 1 and frames - train < 2:
            raise FitError(
                f"train fraction {options.train_fraction:g} leaves {frames - train} of {frames} frames to test on; "
                "give a smaller one, or 1 for no test"
            )
        return cls(points, train, None if options.train_fraction == 1 else train)


@dataclass(frozen=True)
class _Solved:
    k: FloatArray
    """(p,), and so are the others."""
    feed: FloatArray
    k_cell: FloatArray


Spread = Callable[..., list[Any]]
"""spread(function, calls, shared...): function(*call, *shared) for every call, in order."""


@contextmanager
def _batches_on(scheduler: str | None) -> Iterator[Spread]:
    """Run batches in threads of this process, or on the cluster at an address."""
    import dask
    from dask import threaded

    if scheduler is None:

        def in_threads(function: Callable[..., Any], calls: Sequence[Any], *shared: Any) -> list[Any]:
            tasks = [dask.delayed(function)(call, *shared) for call in calls]
            return list(dask.compute(*tasks, scheduler=threaded.get))  # by name it would import distributed

        yield in_threads
        return
    client = _connect(scheduler)
    try:

        def on_cluster(function: Callable[..., Any], calls: Sequence[Any], *shared: Any) -> list[Any]:
            futures = [client.submit(function, data, *shared, pure=False) for data in client.scatter(list(calls))]
            try:
                return list(client.gather(futures))
            except ImportError as error:
                raise InputError(
                    f"the workers of the Dask scheduler at {scheduler!r} cannot run the fit ({error}); "
                    "install the same version of calcigraph there"
                ) from error

        yield on_cluster
    finally:
        client.close()


def _connect(scheduler: str) -> Any:
    from distributed import Client

    problem = ""
    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        problem = str(error) or type(error).__name__
    if problem:
        raise InputError(
            f"no Dask scheduler answers at {scheduler!r} within {SCHEDULER_TIMEOUT_S} s "
            f"({problem.splitlines()[0][:120]}); give an address such as tcp://host:8786, or leave --scheduler out"
        )
    try:
        client.wait_for_workers(1, timeout=SCHEDULER_TIMEOUT_S)
    except TimeoutError:
        client.close()
        raise InputError(f"the Dask scheduler at {scheduler!r} has no workers; start some (dask worker)") from None
    return client


def _cut(total: int) -> list[slice]:
    return [slice(first, min(first + BATCH_CELLS, total)) for first in range(0, total, BATCH_CELLS)]


def _solve(
    subgraph: Subgraph, op: Operator, split: _Split, options: FitOptions, spread: Spread, progress: Progress
) -> _Solved:
    progress("fit", 0, 1)
    traces, consensus = subgraph.intensity[op.inner], op.apply(subgraph.intensity)
    calls = [(traces[part], consensus[part]) for part in _cut(len(op.inner))]
    parts = spread(_fit_batch, calls, subgraph.frame_interval_s, split.points, options)
    k_cell = np.where(op.coupled, np.concatenate([part[1] for part in parts]), np.nan)
    if options.case == "cell":
        solved = _Solved(k_cell, np.concatenate([part[2] for part in parts]), k_cell)
    else:
        data = _joined([part[0] for part in parts])
        data = data.pooled() if options.case == "shared" else data
        k, feed = solve_group(data, options.ridge, options.k_bounds, options.box())
        solved = _Solved(np.full_like(k_cell, k), np.broadcast_to(feed, k_cell.shape).copy(), k_cell)
    progress("fit", 1, 1)
    return solved


def _fit_batch(
    batch: tuple[FloatArray, FloatArray], dt: float, points: int, options: FitOptions
) -> tuple[Sums, FloatArray, FloatArray]:
    data = sums(*batch, dt, points, options.interpolate)
    k, feed = solve_cells(data, options.ridge, options.k_bounds, options.box())
    return data, k, feed


def _joined(parts: Sequence[Sums]) -> Sums:
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "a", "d", "aa", "ad"))
    return Sums(parts[0].h, *columns)


def _evaluate(
    subgraph: Subgraph,
    op: Operator,
    split: _Split,
    options: FitOptions,
    solved: _Solved,
    spread: Spread,
    progress: Progress,
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    progress("evaluate", 0, 1)
    k, alone = np.nan_to_num(solved.k), options.case == "cell"
    data, whole = subgraph.intensity[op.inner], _free_run(subgraph, op, alone, k, solved.feed)
    calls = [(data[part], whole[part]) for part in _cut(len(op.inner))]
    parts = spread(_evaluate_batch, calls, split.train)
    test = np.full(len(op.inner), np.nan)
    if split.test_first is not None:
        rest = _free_run(subgraph, op, alone, k, solved.feed, split.test_first)
        test = squared_error(data[:, split.test_first :], rest)
    progress("evaluate", 1, 1)
    errors = {"mse_train": np.concatenate([part[0] for part in parts]), "mse_test": test}
    return errors, tuple(group for part in parts for group in part[1])


def _evaluate_batch(batch: tuple[FloatArray, FloatArray], train: int) -> tuple[FloatArray, tuple[str, ...]]:
    data, model = batch
    return squared_error(data[:, :train], model[:, :train]), fit_groups(data, model)


def _free_run(
    subgraph: Subgraph, op: Operator, alone: bool, k: FloatArray, feed: FloatArray, first: int = 0
) -> FloatArray:
    run = simulate_alone if alone else simulate
    return run(op, k, feed, subgraph.intensity[:, first:], subgraph.frame_interval_s)


def _record(subgraph: Subgraph, op: Operator, split: _Split, options: FitOptions, weights: str) -> dict[str, Any]:
    """Everything that decides the result. The second group follows from the culture, not from the user."""
    return {
        "case": options.case,
        "no_feed": options.no_feed,
        "setup": options.setup,
        "weights": weights,
        "ridge": options.ridge,
        "ridge_scaling": "unscaled",
        "k_bounds": list(options.k_bounds),
        "feed_bounds": None if options.no_feed else [b if isfinite(b) else None for b in options.feed_bounds],
        "train_fraction": options.train_fraction,
        "interpolate": options.interpolate,
        "frame_interval_s": subgraph.frame_interval_s,
        "dt_s": subgraph.frame_interval_s / options.interpolate,
        "weight_scale": op.scale,
        "intensity_gain": subgraph.intensity_gain,
        "inner_cells": len(op.inner),
        "driven_cells": len(op.driven),
        "frames": subgraph.intensity.shape[1],
        "train_frames": split.train,
    }


def _advice(subgraph: Subgraph, op: Operator, options: FitOptions, solved: _Solved) -> tuple[str, ...]:
    advice: list[str] = []
    lonely = subgraph.labels[op.inner][~op.coupled]
    if len(lonely):
        advice.append(
            "without contacts there is no k of one's own: inner cells "
            f"{', '.join(map(str, lonely[:10].tolist()))}{', ...' if len(lonely) > 10 else ''} ({len(lonely)} in all)"
        )
    advice += _at_bounds("k", "1/s", solved.k[op.coupled], options.k_bounds, options.case != "cell")
    if options.case != "cell":
        advice += _at_bounds("k_cell", "1/s", solved.k_cell[op.coupled], options.k_bounds, False)
    spread = float(np.median(subgraph.intensity[op.inner].std(axis=1)))
    if not options.no_feed and spread > RAW_SPREAD:
        advice.append(
            f"these traces vary by {spread:.3g} (median deviation), so they are not normalised intensities, which the "
            "feed bounds are meant for; give --feed-bounds in the traces' own unit per second"
        )
    if not options.no_feed:
        advice += _at_bounds("feed", "intensity/s", solved.feed, options.feed_bounds, options.case == "shared")
    return tuple(advice)


def _at_bounds(name: str, unit: str, values: FloatArray, bounds: Bounds, common: bool) -> list[str]:
    lines = []
    for bound, side in zip(bounds, ("lower", "upper"), strict=True):
        count = int((np.abs(values - bound) <= AT_BOUND * max(abs(bound), AT_BOUND)).sum()) if isfinite(bound) else 0
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
