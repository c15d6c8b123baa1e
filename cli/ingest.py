"""`calcigraph ingest` and `calcigraph ingest-traces`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from calcigraph import IngestOptions, TraceOptions
from calcigraph.cli.options import takes
from calcigraph.cli.output import note, progress_bar
from calcigraph.store.tissue import tissue_line
from calcigraph.store.types import Culture
from calcigraph.workspace import Workspace

CultureName = Annotated[str, typer.Option("--culture", help="Name of the culture in the graph.", show_default=False)]
Replace = Annotated[bool, typer.Option("--replace", help="Put this input in the place of the culture of that name.")]


@takes(IngestOptions)
def ingest(
    context: typer.Context,
    movie: Annotated[str, typer.Argument(help="TIFF, OME-TIFF, ImageJ stack, OME-Zarr, folder or glob of frames.")],
    *,
    culture: CultureName,
    options: IngestOptions,
    replace: Replace = False,
) -> None:
    """Bring a movie in: denoise, find cells and contacts, trace, and store it all as OME-Zarr and graph."""
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        stored, written = workspace.ingest(movie, culture, options, replace=replace, progress=progress)
    _tell(workspace, stored, written)


@takes(TraceOptions)
def ingest_traces(
    context: typer.Context,
    traces: Annotated[str, typer.Argument(help="CSV, one row a frame, columns Mean1, XM1, YM1, Mean2, ...")],
    *,
    culture: CultureName,
    options: TraceOptions,
    replace: Replace = False,
) -> None:
    """Bring in a recording that exists only as per-cell traces with positions."""
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        stored, written = workspace.ingest_traces(
            traces, culture, **asdict(options), replace=replace, progress=progress
        )
    _tell(workspace, stored, written)


def _tell(workspace: Workspace, culture: Culture, written: bool) -> None:
    counts = next(row for row in workspace.rows("cultures")[1] if row["culture"] == culture.uid)
    for warning in culture.warnings:
        note(f"warning: {warning}")
    if culture.tissue:
        note(f"masks: {tissue_line(culture.tissue)}")
    cells = f"{counts['cells']} cells ({counts['inner_cells']} inner), {counts['contacts']} contacts"
    outcome = "" if written else "; the same input is already there, nothing changed"
    note(f"culture {culture.uid}: {cells}, {culture.frames} frames{outcome}")
