"""`calcigraph ingest` and `calcigraph ingest-traces`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from calcigraph import IngestOptions, TraceOptions
from calcigraph.cli.options import takes
from calcigraph.cli.output import Format, note, note_unlike, progress_bar
from calcigraph.cli.run import SchedulerOption, tell
from calcigraph.errors import InputError, spelt
from calcigraph.option import declared
from calcigraph.store.registered import registration_line
from calcigraph.store.tissue import tissue_line
from calcigraph.workspace import Workspace

if TYPE_CHECKING:
    from calcigraph.store.types import Culture

CultureName = Annotated[str, typer.Option("--culture", help="Name of the culture in the graph.", show_default=False)]
Replace = Annotated[bool, typer.Option("--replace", help="Put this input in the place of the culture of that name.")]


@takes(IngestOptions)
def ingest(
    context: typer.Context,
    movie: Annotated[
        str | None,
        typer.Argument(
            help="TIFF, OME-TIFF, OME-Zarr, ND2, CZI, LIF, AVI, MP4, folder or glob of frames.", show_default=False
        ),
    ] = None,
    *,
    culture: Annotated[str | None, typer.Option(help="Name of the culture in the graph.", show_default=False)] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="In place of MOVIE: a CSV with columns file, name and options; others are annotations.",
            metavar="TABLE.csv",
        ),
    ] = None,
    options: IngestOptions,
    replace: Replace = False,
    scheduler: SchedulerOption = None,
) -> None:
    """Bring a movie in: denoise, find cells and contacts, trace, and store it all as OME-Zarr and graph."""
    workspace: Workspace = context.obj
    if table is not None:
        _ingest_all(workspace, table, movie, culture, options, replace, scheduler)
        return
    if movie is None or culture is None or scheduler is not None:
        raise InputError(
            "give a MOVIE and its name, --culture NAME; or --from TABLE.csv for many movies, which --scheduler ADDRESS "
            "spreads over workers"
        )
    before = workspace.known(culture)
    with progress_bar() as progress:
        stored, written = workspace.ingest(movie, culture, options, replace=replace, progress=progress)
    _tell(workspace, stored, written, before)


def _ingest_all(
    workspace: Workspace,
    table: str,
    movie: str | None,
    culture: str | None,
    options: IngestOptions,
    replace: bool,
    scheduler: str | None,
) -> None:
    """All recordings of a table."""
    if movie is not None or culture is not None:
        raise InputError(f"table {table} names movies and cultures: leave MOVIE and --culture out, or --from")
    given = {
        each.name: getattr(options, each.name)
        for each in declared(IngestOptions)
        if getattr(options, each.name) != each.default
    }
    plan = workspace.plan_of_table(table, given)
    with progress_bar() as progress:
        outcomes = workspace.run(plan, replace=replace, scheduler=scheduler, progress=progress)
    tell(outcomes, Format.table)


@takes(TraceOptions)
def ingest_traces(
    context: typer.Context,
    traces: Annotated[
        str, typer.Argument(help="Table of traces, folder of suite2p, or file of CaImAn, NWB or AnnData.")
    ],
    *,
    culture: CultureName,
    options: TraceOptions,
    replace: Replace = False,
) -> None:
    """Bring in a recording that exists only as traces: a table, or what another program has found in a movie."""
    workspace: Workspace = context.obj
    before = workspace.known(culture)
    with progress_bar() as progress:
        stored, written = workspace.ingest_traces(
            traces, culture, **asdict(options), replace=replace, progress=progress
        )
    _tell(workspace, stored, written, before)


def _tell(workspace: Workspace, culture: Culture, written: bool, before: Culture | None) -> None:
    rows = workspace.rows("cultures")[1]
    counts = next(row for row in rows if row["culture"] == culture.uid)
    for name in ("condition", "experiment"):
        others = {row[name] for row in rows if row["culture"] != culture.uid}
        note_unlike(name, counts[name], {other for other in others if other})
    for warning in culture.warnings:
        note(f"warning: {warning}")
    if culture.tissue:
        note(f"masks: {tissue_line(culture.tissue)}")
    if culture.registration:
        note(f"registration: {registration_line(culture.registration)}")
    cells = f"{counts['cells']} cells ({counts['inner_cells']} inner), {counts['contacts']} contacts"
    outcome = "" if written else f"; the same input is already there, {_moved(before, culture) or 'nothing changed'}"
    note(f"culture {culture.uid}: {cells}, {culture.frames} frames{outcome}")


def _moved(before: Culture | None, after: Culture) -> str:
    """What a command said anew of a culture that it did not write: "condition is now cbx (was blocked)"."""
    if before is None:
        return ""
    said = []
    for name in ("condition", "experiment"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            said.append(f"{name} is now {spelt(str(new))} (was {spelt(str(old)) if old else 'not given'})")
    return ", ".join(said)
