"""`calcigraph ingest` and `calcigraph ingest-traces`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from calcigraph import IngestOptions, TraceOptions
from calcigraph.cli.options import takes
from calcigraph.cli.output import note, note_unlike, progress_bar
from calcigraph.errors import spelt
from calcigraph.store.registered import registration_line
from calcigraph.store.tissue import tissue_line
from calcigraph.store.types import Culture
from calcigraph.workspace import Workspace

CultureName = Annotated[str, typer.Option("--culture", help="Name of the culture in the graph.", show_default=False)]
Replace = Annotated[bool, typer.Option("--replace", help="Put this input in the place of the culture of that name.")]


@takes(IngestOptions)
def ingest(
    context: typer.Context,
    movie: Annotated[
        str, typer.Argument(help="TIFF, OME-TIFF, OME-Zarr, ND2, CZI, LIF, AVI, MP4, folder or glob of frames.")
    ],
    *,
    culture: CultureName,
    options: IngestOptions,
    replace: Replace = False,
) -> None:
    """Bring a movie in: denoise, find cells and contacts, trace, and store it all as OME-Zarr and graph."""
    workspace: Workspace = context.obj
    before = workspace.known(culture)
    with progress_bar() as progress:
        stored, written = workspace.ingest(movie, culture, options, replace=replace, progress=progress)
    _tell(workspace, stored, written, before)


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
