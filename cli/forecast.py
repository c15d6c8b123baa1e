"""`calcigraph forecast`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph import ForecastOptions
from calcigraph.cli.options import takes
from calcigraph.cli.output import ExperimentOption, Format, FormatOption, chosen, note, progress_bar, raise_last, show
from calcigraph.errors import CalcigraphError
from calcigraph.workspace import Workspace


@takes(ForecastOptions)
def forecast(
    context: typer.Context,
    cultures: Annotated[list[str] | None, typer.Argument(help="Cultures to forecast.", show_default=False)] = None,
    *,
    experiment: ExperimentOption = None,
    train: Annotated[
        list[str] | None,
        typer.Option(
            help="Cultures or experiments to learn from, beside each culture's own first three quarters; repeatable.",
            metavar="NAME,...",
        ),
    ] = None,
    options: ForecastOptions,
    form: FormatOption = Format.table,
) -> None:
    """Forecast traces and events, and test what contacts add to that.

    Nothing is learnt from the last quarter of a culture: the forecasts are judged there.
    """
    workspace: Workspace = context.obj
    names = chosen(workspace, cultures, experiment)
    found: list[str] = []
    failures: list[CalcigraphError] = []
    with progress_bar() as progress:
        for culture, run in workspace.forecasts(names, train or (), options, progress=progress):
            if isinstance(run, CalcigraphError):
                failures.append(run)
                continue
            found.append(culture)
            for line in run.advice:
                note(f"{culture}: {line}")
    if found or form is not Format.table:
        _show(workspace, found, form)
    raise_last(failures)


def _show(workspace: Workspace, cultures: list[str], form: Format) -> None:
    """A sentence a culture; JSON and CSV have all."""
    from calcigraph.queries import load

    query = load("forecast_run")
    rows = [row for culture in cultures for row in workspace.rows("forecast_run", culture=culture)[1]]
    show([column.name for column in query.columns], rows, form, query.shown)
