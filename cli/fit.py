"""`calcigraph fit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from calcigraph.cli.output import Format, FormatOption, note, progress_bar, show
from calcigraph.errors import CalcigraphError, GraphError
from calcigraph.store.types import Progress
from calcigraph.workspace import Workspace

UNCERTAINTY, ROBUST, CRLSM, PINN = "Uncertainty", "Model robust", "Model crlsm", "Model pinn"
BOTH = "Models robust and crlsm"
ALL = "all"
RANKING = (
    "culture", "weights", "error", "spread", "behind", "behind_spread", "k", "k_low", "k_high", "identified", "run",
)  # fmt: skip
"""error: held-out, over that of a model without coupling; spread: over the folds; behind: the best one."""


def fit(
    context: typer.Context,
    cultures: Annotated[list[str], typer.Argument(help="Cultures to fit.", show_default=False)],
    model: Annotated[
        str,
        typer.Option(
            help="robust: weak form and robust regression; crlsm: the paper's constrained regularised least squares; "
            "pinn: a physics-informed network (extra pinn)."
        ),
    ] = "robust",
    case: Annotated[
        str,
        typer.Option(
            help="cell: each inner cell alone; shared: one k, one feed; per-cell: one k, a feed per cell; per-cell-k: "
            "a k and a feed per cell."
        ),
    ] = "per-cell",
    no_feed: Annotated[bool, typer.Option("--no-feed", help="Fit k only (eq. 7).")] = False,
    setup: Annotated[int, typer.Option(help="1: border cells driven by data; 2, 3: one and two more rings.")] = 1,
    weights: Annotated[
        str | None,
        typer.Option(
            help="distance*border (default), border/distance, border or uniform (default for cultures from traces); "
            "all: fit every one and rank them by held-out error."
        ),
    ] = None,
    train_fraction: Annotated[float, typer.Option(help="Fit this first part, test on the rest.")] = 1.0,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler, tcp://host:port; default: in process.")] = None,
    null: Annotated[
        int,
        typer.Option(
            help="Permutations of cells on the contact graph; 0: no null.", metavar="N", rich_help_panel=UNCERTAINTY
        ),
    ] = 200,
    seed: Annotated[
        int, typer.Option(help="Of permutations, simulated copies and networks.", rich_help_panel=UNCERTAINTY)
    ] = 0,
    half_width: Annotated[
        float | None,
        typer.Option(help="Half-width of the test functions, frames; default: from the data.", rich_help_panel=ROBUST),
    ] = None,
    no_correct: Annotated[
        bool,
        typer.Option(
            "--no-correct", help="The plain weak form: no tails, noise left in the regressors.", rich_help_panel=ROBUST
        ),
    ] = False,
    leak: Annotated[
        bool, typer.Option("--leak", help="Fit one extrusion rate r as well: y' = ... - r y.", rich_help_panel=ROBUST)
    ] = False,
    k_bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Bounds of k, 1/s; default: at least 0 (robust), 0.001 0.1 (crlsm).",
            metavar="LO HI",
            rich_help_panel=BOTH,
        ),
    ] = None,
    feed_bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Bounds of the feed, normalised intensity per second; default: none (robust), -3e-5 0.1 (crlsm).",
            metavar="LO HI",
            rich_help_panel=BOTH,
        ),
    ] = None,
    ridge: Annotated[
        float | None,
        typer.Option(help="Regularisation lambda (eq. 18); default: 0.001.", rich_help_panel=CRLSM),
    ] = None,
    interpolate: Annotated[
        int | None,
        typer.Option(help="Points a frame, linearly interpolated (the paper: 10); default: 1.", rich_help_panel=CRLSM),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="default, or paper: its network and losses, shortcomings included.", rich_help_panel=PINN),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Most epochs of training; default: the preset's.", rich_help_panel=PINN)
    ] = None,
    ensemble: Annotated[
        int | None,
        typer.Option(help="Networks trained side by side; default: the preset's.", rich_help_panel=PINN),
    ] = None,
    k_start: Annotated[
        float | None, typer.Option(help="k that training starts from, 1/s.", rich_help_panel=PINN)
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto (default), cpu or cuda.", rich_help_panel=PINN)] = None,
    form: FormatOption = Format.table,
) -> None:
    """Fit a model and write its parameters back onto the cells."""
    options: dict[str, Any] = {
        "case": case,
        "no_feed": no_feed,
        "setup": setup,
        "train_fraction": train_fraction,
        "null": null,
        "seed": seed,
        "half_width": half_width,
        "correct": False if no_correct else None,
        "leak": leak or None,
        "k_bounds": k_bounds,
        "feed_bounds": feed_bounds,
        "ridge": ridge,
        "interpolate": interpolate,
        "preset": preset,
        "epochs": epochs,
        "ensemble": ensemble,
        "k_start": k_start,
        "device": device,
    }
    workspace: Workspace = context.obj
    for culture in cultures:
        workspace.culture(culture)  # a mistyped name is said before the first fit
    names = list(dict.fromkeys(cultures))
    if weights == ALL:
        _rank(workspace, names, model, options, scheduler, form)
    else:
        _fit(workspace, names, model, options | {"weights": weights}, scheduler, form)


def _fit(
    workspace: Workspace, cultures: list[str], model: str, given: dict[str, Any], scheduler: str | None, form: Format
) -> None:
    from calcigraph import FitOptions

    options = FitOptions(**given)
    runs: list[tuple[str, str]] = []

    def one(culture: str, progress: Progress) -> None:
        fitted = workspace.fit(culture, model, options, scheduler=scheduler, progress=progress)
        runs.append((culture, fitted.run))
        _advise(culture, fitted.advice)

    with _failing_last(cultures, one):
        _show_runs(workspace, runs, form)


def _rank(
    workspace: Workspace, cultures: list[str], model: str, given: dict[str, Any], scheduler: str | None, form: Format
) -> None:
    from calcigraph import FitOptions

    options = FitOptions(**given)
    rows: list[dict[str, Any]] = []

    def one(culture: str, progress: Progress) -> None:
        ranked = workspace.rank_weights(culture, model, options, scheduler=scheduler, progress=progress)
        rows.extend({"culture": culture} | {name: _of(each, name) for name in RANKING[1:]} for each in ranked)
        _advise(culture, ranked[0].fit.advice)
        if len(ranked) == 1:
            note(f"{culture}: there are no shared borders, so uniform weights are the only ones")

    with _failing_last(cultures, one):
        if rows or form is not Format.table:
            show(RANKING, rows, form)


def _of(ranked: Any, name: str) -> Any:
    return getattr(ranked if hasattr(ranked, name) else ranked.fit, name)


def _advise(culture: str, advice: Sequence[str]) -> None:
    for line in advice:
        note(f"{culture}: {line}")


@contextmanager
def _failing_last(cultures: list[str], one: Callable[[str, Progress], None]) -> Iterator[None]:
    """Do `one` for every culture, then the body; what went wrong with single cultures is said at the end."""
    failures: list[CalcigraphError] = []
    with progress_bar() as progress:
        for culture in cultures:
            try:
                one(culture, progress)
            except GraphError:
                raise
            except CalcigraphError as error:
                failures.append(error)
    yield
    for failure in failures[:-1]:
        note(f"calcigraph: {failure}")
    if failures:
        raise failures[-1]


def _show_runs(workspace: Workspace, runs: list[tuple[str, str]], form: Format) -> None:
    from calcigraph import load

    found = [row for culture, run in runs for row in workspace.rows("fits", culture=culture)[1] if row["run"] == run]
    if found or form is not Format.table:
        show([column.name for column in load("fits").columns], found, form)
