"""`calcigraph fit`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import Format, FormatOption, note, progress_bar, show
from calcigraph.errors import CalcigraphError, GraphError
from calcigraph.workspace import Workspace


def fit(
    context: typer.Context,
    cultures: Annotated[list[str], typer.Argument(help="Cultures to fit.", show_default=False)],
    model: Annotated[str, typer.Option(help="crlsm: the paper's constrained regularised least squares.")] = "crlsm",
    case: Annotated[
        str,
        typer.Option(help="cell: each inner cell alone; shared: one k, one feed; per-cell: one k, a feed per cell."),
    ] = "per-cell",
    no_feed: Annotated[bool, typer.Option("--no-feed", help="Fit k only (eq. 7).")] = False,
    setup: Annotated[int, typer.Option(help="1: border cells driven by data; 2, 3: one and two more rings.")] = 1,
    weights: Annotated[
        str | None,
        typer.Option(
            help="distance*border (default), border/distance, border or uniform (default for cultures from traces)."
        ),
    ] = None,
    ridge: Annotated[float, typer.Option(help="Regularisation lambda (eq. 18).")] = 1e-3,
    k_bounds: Annotated[tuple[float, float], typer.Option(help="Bounds of k, 1/s.", metavar="LO HI")] = (0.001, 0.1),
    feed_bounds: Annotated[
        tuple[float, float], typer.Option(help="Bounds of the feed, normalised intensity per second.", metavar="LO HI")
    ] = (-3e-5, 0.1),
    train_fraction: Annotated[float, typer.Option(help="Fit this first part, test on the rest.")] = 1.0,
    interpolate: Annotated[int, typer.Option(help="Points a frame, linearly interpolated (the paper: 10).")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler, tcp://host:port; default: in process.")] = None,
    form: FormatOption = Format.table,
) -> None:
    """Fit a model and write its parameters back onto the cells."""
    from calcigraph import FitOptions

    options = FitOptions(
        case=case,
        no_feed=no_feed,
        setup=setup,
        weights=weights,
        ridge=ridge,
        k_bounds=k_bounds,
        feed_bounds=feed_bounds,
        train_fraction=train_fraction,
        interpolate=interpolate,
    )
    workspace: Workspace = context.obj
    for culture in cultures:
        workspace.culture(culture)  # a mistyped name is said before the first fit
    failures: list[CalcigraphError] = []
    runs: list[tuple[str, str]] = []
    with progress_bar() as progress:
        for culture in dict.fromkeys(cultures):
            try:
                fitted = workspace.fit(culture, model, options, scheduler=scheduler, progress=progress)
            except GraphError:
                raise
            except CalcigraphError as error:
                failures.append(error)
            else:
                runs.append((culture, fitted.run))
                for advice in fitted.advice:
                    note(f"{culture}: {advice}")
    _show_runs(workspace, runs, form)
    for failure in failures[:-1]:
        note(f"calcigraph: {failure}")
    if failures:
        raise failures[-1]


def _show_runs(workspace: Workspace, runs: list[tuple[str, str]], form: Format) -> None:
    from calcigraph import load

    found = [row for culture, run in runs for row in workspace.rows("fits", culture=culture)[1] if row["run"] == run]
    if found or form is not Format.table:
        show([column.name for column in load("fits").columns], found, form)
