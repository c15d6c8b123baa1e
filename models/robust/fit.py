"""Model `robust` from a task to parameters with intervals and reasons to doubt them (rounds.py has the method)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.estimate import Estimate, same_for_all
from calcigraph.models.options import Bounds
from calcigraph.models.robust.batches import Settings, make_batches
from calcigraph.models.robust.bootstrap import Bootstrap, parametric_bootstrap
from calcigraph.models.robust.diagnostics import cell_reasons, culture_reasons, facts
from calcigraph.models.robust.intervals import cell_feeds, culture_feed, moved_to_median, own_k, shared_k
from calcigraph.models.robust.protection import protected
from calcigraph.models.robust.rounds import Solution, estimate
from calcigraph.models.robust.same_frame import measure_same_frame
from calcigraph.models.robust.shared_light import without_common
from calcigraph.models.scale import noise_level
from calcigraph.models.task import Solved, Task
from calcigraph.option import value_of
from calcigraph.store.types import FloatArray

MIN_FRAMES = 12
LEAK_SHOWS, LEAK_LASTS = 5.0, 2.0
"""Standard errors from which a leak is taken for one, and how often the recording must be as long as 1 / leak: a slow
drift of brightness looks like a slower one. Cultures without a leak have up to 6 standard errors, but none faster than
1.8 in 10,000 s; a leak of 1 / 300 s has about 100."""
LEAK_SPILLS, NEIGHBOURS_LIGHT = 0.01, 0.08
"""Shares of a leak by which k may be wrong: what leaves a cell is not quite told from what goes to its neighbours (in
synthetic cultures k was off by up to 0.005 of the leak); and k may be too large, as light of the neighbours in a cell's
mask decays with the leak too (5 % of such light made k 0.05 to 0.065 of the leak where there was no coupling)."""


def fit_robust(task: Task) -> Solved:
    """Fit model `robust`: k, feeds and leak of eqs. 1-4 (arXiv:2505.20327) in weak form, with bootstrap intervals.

    Parameters
    ----------
    task
        A culture with p inner cells, and the options.

    Returns
    -------
    Solved
        k in 1/s and feeds in intensity per second, with 95 % intervals; reasons to doubt them; and what followed from
        the data (noise, half-width, ...).

    Raises
    ------
    FitError
        Fewer than 12 frames to train on, or no inner cell whose intensity ever changes.
    """
    solution, bootstrap, traces = estimated(task)
    together = measure_same_frame(solution, task.op, traces)
    culture = _beside_leak(shared_k(solution, bootstrap, task.k_box), solution.leak, task.k_box)
    cells = own_k(task, solution, bootstrap)
    if task.options.common_k:
        k = same_for_all(culture, task.op.coupled)
    else:
        k = cells
        culture = moved_to_median(culture, cells.value)
    feed = cell_feeds(task, solution, bootstrap)
    robust = Solved(
        k=k,
        feed=Estimate.around(feed.value, feed.half),
        k_cell=cells,
        culture_k=culture,
        culture_feed=culture_feed(solution, feed),
        leak=solution.leak,
        reasons=cell_reasons(solution),
        culture_reasons=(*culture_reasons(solution, task.dt), *together.reasons),
        facts=facts(solution) | {"same_frame": together.share},
    )
    return protected(task, robust) if solution.settings.correct else robust


def estimated(task: Task) -> tuple[Solution, Bootstrap, FloatArray]:
    """The estimate of a culture, its errors by the bootstrap, and the traces from which it was made, (n, T).

    Raises
    ------
    FitError
        As `fit_robust`.
    """
    _check(task)
    options, traces = task.options, task.train
    settings = Settings(
        half_width=options.half_width,
        feed="none" if options.no_feed else "shared" if options.case == "shared" else "per-cell",
        leak=bool(options.leak),
        correct=bool(value_of(options, "correct")),
    )
    profile = noise_level(traces)
    batches = make_batches(task.op, traces, task.dt, settings, profile)
    solution = estimate(batches, settings, task.distribute)
    if settings.correct:
        if options.leak is None:
            solution = _with_leak(task, solution, profile)
        solution, traces, profile = without_common(solution, task.op, traces, task.dt, profile, task.distribute)
    bootstrap = parametric_bootstrap(
        solution,
        task.op,
        traces,
        task.dt,
        profile,
        distribute=task.distribute,
        seed=options.seed,
        k_per_cell=not options.common_k,
    )
    return solution, bootstrap, traces


def _with_leak(task: Task, solution: Solution, profile: FloatArray) -> Solution:
    """The estimate with a leak, if one shows; else the one without."""
    settings = replace(solution.settings, leak=True)
    found = estimate(make_batches(task.op, task.train, task.dt, settings, profile), settings, task.distribute)
    lasts = LEAK_LASTS / (task.train.shape[1] * task.dt)
    shows = found.leak > max(LEAK_SHOWS * float(found.pooled.error[0, 1]), lasts)
    return found if shows else solution


def _beside_leak(k: Estimate[float], leak: float, box: Bounds) -> Estimate[float]:
    """The interval of k, 1/s, with what the leak beside it may add."""
    leak = max(leak, 0.0)
    return k.with_error(NEIGHBOURS_LIGHT * leak, LEAK_SPILLS * leak, box)


def _check(task: Task) -> None:
    frames = task.train.shape[1]
    if frames < MIN_FRAMES:
        raise FitError(
            f"culture {task.subgraph.culture} has {frames} frames to train on; model robust needs at least {MIN_FRAMES}"
        )
    if not np.ptp(task.train[task.op.inner], axis=1).any():
        raise FitError(
            f"no inner cell of culture {task.subgraph.culture} ever changes its intensity, so nothing can be fitted"
        )
