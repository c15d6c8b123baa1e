"""Model `robust` from a task to parameters with intervals and reasons to doubt them (rounds.py has the method)."""

from __future__ import annotations

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.estimate import Estimate, same_for_all
from calcigraph.models.robust.batches import Settings, make_batches
from calcigraph.models.robust.bootstrap import Bootstrap, parametric_bootstrap
from calcigraph.models.robust.diagnostics import cell_reasons, culture_reasons, facts
from calcigraph.models.robust.intervals import cell_feeds, culture_feed, moved_to_median, own_k, shared_k
from calcigraph.models.robust.protection import protected
from calcigraph.models.robust.rounds import Solution, estimate
from calcigraph.models.scale import noise_level
from calcigraph.models.task import Solved, Task
from calcigraph.option import value_of

MIN_FRAMES = 12


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
    solution, bootstrap = estimated(task)
    culture = shared_k(solution, bootstrap, task.k_box)
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
        culture_reasons=culture_reasons(solution, task.dt),
        facts=facts(solution),
    )
    return protected(task, robust) if solution.settings.correct else robust


def estimated(task: Task) -> tuple[Solution, Bootstrap]:
    """The estimate of a culture, and its errors by the bootstrap.

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
        leak=bool(value_of(options, "leak")),
        correct=bool(value_of(options, "correct")),
    )
    profile = noise_level(traces)
    batches = make_batches(task.op, traces, task.dt, settings, profile)
    solution = estimate(batches, settings, task.distribute)
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
    return solution, bootstrap


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
