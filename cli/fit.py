"""`calcigraph fit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from calcigraph import FitOptions
from calcigraph.cli.options import takes
from calcigraph.cli.output import (
    ExperimentOption,
    Format,
    FormatOption,
    WideOption,
    chosen,
    failing_last,
    note,
    progress_bar,
    raise_last,
    show,
)
from calcigraph.errors import CalcigraphError
from calcigraph.models.table import DEFAULT_MODEL, MODEL_HELP
from calcigraph.store.progress import Progress
from calcigraph.workspace import Workspace

ALL = "all"
"""The value of --weights that fits and tests all laws of the weights."""
SHOWN = ("culture", "model", "k", "k_low", "k_high", "identified", "feed")
"""Columns of `fits` that the table has."""
RANKING = (
    "culture", "weights", "possible", "departure", "towards", "verdict", "k", "k_low", "k_high", "identified", "run",
)  # fmt: skip
"""Columns of a ranking: `culture`, then names of `Ranked`, or of its fit where `Ranked` has no such field."""


@takes(FitOptions)
def fit(
    context: typer.Context,
    cultures: Annotated[list[str] | None, typer.Argument(help="Cultures to fit.", show_default=False)] = None,
    *,
    experiment: ExperimentOption = None,
    model: Annotated[str, typer.Option(help=MODEL_HELP)] = DEFAULT_MODEL,
    options: FitOptions,
    weights: str | None,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler whose workers fit, tcp://host:port.")] = None,
    wide: WideOption = False,
    form: FormatOption = Format.table,
) -> None:
    """Tell how strongly cells in contact are coupled, and write it onto the cells: fit a model."""
    workspace: Workspace = context.obj
    names = chosen(workspace, cultures, experiment)
    if weights == ALL:
        _rank(workspace, names, model, options, scheduler, form)
    else:
        _fit(workspace, names, model, replace(options, weights=weights), scheduler, form, wide)


def _fit(
    workspace: Workspace,
    cultures: list[str],
    model: str,
    options: FitOptions,
    scheduler: str | None,
    form: Format,
    wide: bool,
) -> None:
    """Fit every culture; say what was found, and show the runs."""
    from calcigraph.said import fit_said

    runs: dict[str, str] = {}
    failures: list[CalcigraphError] = []
    with progress_bar() as progress:
        for culture, found in workspace.fits(cultures, model, options, scheduler=scheduler, progress=progress):
            if isinstance(found, CalcigraphError):
                failures.append(found)
                continue
            runs[culture] = found.run
            if form is Format.table:
                print(f"{culture}: {fit_said(found)}")
            _advise(culture, found.advice)
    _show_runs(workspace, [(culture, runs[culture]) for culture in cultures if culture in runs], form, wide)
    raise_last(failures)


def _rank(
    workspace: Workspace, cultures: list[str], model: str, options: FitOptions, scheduler: str | None, form: Format
) -> None:
    """Fit every culture with all laws of the weights, and show which of them its contacts follow."""
    rows: list[dict[str, Any]] = []

    def one(culture: str, progress: Progress) -> None:
        ranked = workspace.rank_weights(culture, model, options, scheduler=scheduler, progress=progress)
        for each in ranked:
            rows.append({"culture": culture} | {name: _column(each, name) for name in RANKING[1:]})
        _advise(culture, ranked[0].fit.advice)
        note(f"{culture}: {ranked[0].said}")

    with failing_last(cultures, one):
        if rows or form is not Format.table:
            show(RANKING, rows, form)


def _column(ranked: Any, name: str) -> Any:
    return getattr(ranked if hasattr(ranked, name) else ranked.fit, name)


def _advise(culture: str, advice: Sequence[str]) -> None:
    for line in advice:
        note(f"{culture}: {line}")


def _show_runs(workspace: Workspace, runs: list[tuple[str, str]], form: Format, wide: bool) -> None:
    from calcigraph.queries import load

    found = [row for culture, run in runs for row in workspace.rows("fits", culture=culture)[1] if row["run"] == run]
    if found or form is not Format.table:
        show([column.name for column in load("fits").columns], found, form, () if wide else SHOWN)
