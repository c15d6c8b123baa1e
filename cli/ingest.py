"""`calcigraph ingest` and `calcigraph ingest-traces`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note, progress_bar
from calcigraph.store.types import Culture
from calcigraph.workspace import Workspace

CultureName = Annotated[str, typer.Option("--culture", help="Name of the culture in the graph.", show_default=False)]
Experiment = Annotated[str | None, typer.Option(help="Experiment the culture belongs to.")]
Condition = Annotated[str | None, typer.Option(help="Condition, such as control or 12.5 uM CBX.")]
Replace = Annotated[bool, typer.Option("--replace", help="Put this input in the place of the culture of that name.")]


def ingest(
    context: typer.Context,
    movie: Annotated[str, typer.Argument(help="TIFF, OME-TIFF, ImageJ stack, OME-Zarr, folder or glob of frames.")],
    culture: CultureName,
    experiment: Experiment = None,
    condition: Condition = None,
    frame_interval: Annotated[float | None, typer.Option(help="Seconds a frame; default: from the file.")] = None,
    pixel_size: Annotated[float | None, typer.Option(help="Micrometres a pixel; default: from the file.")] = None,
    masks: Annotated[
        str | None, typer.Option(help="Label TIFF or PNG, or Cellpose _seg.npy, instead of Cellpose.")
    ] = None,
    cellpose_model: Annotated[
        str | None, typer.Option(help="Cellpose model name or path; default: the shipped one.")
    ] = None,
    segment_on: Annotated[str, typer.Option(help="Image to segment: mean, max or a frame number.")] = "mean",
    min_area: Annotated[int, typer.Option(help="Smallest cell, px.")] = 500,
    min_border: Annotated[int, typer.Option(help="Shortest shared border of a contact, px.")] = 5,
    max_gap: Annotated[
        int | None, typer.Option(help="Widest gap between touching cells, px; default 0 with --masks, else 6.")
    ] = None,
    trace_inset: Annotated[int, typer.Option(help="Leave out pixels this close to another cell or background.")] = 1,
    detrend: Annotated[str, typer.Option(help="none, or global: divide each frame by its global mean.")] = "none",
    replace: Replace = False,
) -> None:
    """Bring a movie in: denoise, find cells and contacts, trace, and store it all as OME-Zarr and graph."""
    from calcigraph import IngestOptions

    options = IngestOptions(
        experiment=experiment,
        condition=condition,
        frame_interval_s=frame_interval,
        pixel_size_um=pixel_size,
        masks=masks,
        cellpose_model=cellpose_model,
        segment_on=segment_on,
        min_area=min_area,
        min_border=min_border,
        max_gap=max_gap,
        trace_inset=trace_inset,
        detrend=detrend,
    )
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        stored, written = workspace.ingest(movie, culture, options, replace=replace, progress=progress)
    _tell(workspace, stored, written)


def ingest_traces(
    context: typer.Context,
    traces: Annotated[str, typer.Argument(help="CSV, one row a frame, columns Mean1, XM1, YM1, Mean2, ...")],
    culture: CultureName,
    frame_interval: Annotated[float, typer.Option(help="Seconds a frame.", show_default=False)],
    experiment: Experiment = None,
    condition: Condition = None,
    max_distance: Annotated[
        float | None, typer.Option(help="Longest contact, px; default 2.5 median nearest-neighbour distances.")
    ] = None,
    max_missing: Annotated[
        float, typer.Option(help="Leave out cells with more than this share of frames missing.")
    ] = 0.1,
    replace: Replace = False,
) -> None:
    """Bring in a recording that exists only as per-cell traces with positions."""
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        stored, written = workspace.ingest_traces(
            traces,
            culture,
            frame_interval_s=frame_interval,
            experiment=experiment,
            condition=condition,
            max_distance_px=max_distance,
            max_missing=max_missing,
            replace=replace,
            progress=progress,
        )
    _tell(workspace, stored, written)


def _tell(workspace: Workspace, culture: Culture, written: bool) -> None:
    counts = next(row for row in workspace.rows("cultures")[1] if row["culture"] == culture.uid)
    for warning in culture.warnings:
        note(f"warning: {warning}")
    cells = f"{counts['cells']} cells ({counts['inner_cells']} inner), {counts['contacts']} contacts"
    outcome = "" if written else "; the same input is already there, nothing changed"
    note(f"culture {culture.uid}: {cells}, {culture.frames} frames{outcome}")
