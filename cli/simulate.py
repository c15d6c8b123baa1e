"""`calcigraph simulate`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note, progress_bar
from calcigraph.workspace import Workspace


def simulate(
    context: typer.Context,
    out: Annotated[str, typer.Argument(metavar="OUT.tif", help="Movie to write.", show_default=False)],
    cells: Annotated[int, typer.Option(help="Cells in the culture.")] = 108,
    frames: Annotated[int, typer.Option(help="Frames.")] = 361,
    size: Annotated[int, typer.Option(help="Width and height, px.")] = 512,
    frame_interval: Annotated[float, typer.Option(help="Seconds a frame.")] = 10.0,
    k: Annotated[float, typer.Option(help="Coupling, 1/s.")] = 0.01,
    spikes: Annotated[int, typer.Option(help="Calcium spikes a cell.")] = 3,
    drift: Annotated[float, typer.Option(help="Drift over the whole movie, px.")] = 0.3,
    bleaching: Annotated[float, typer.Option(help="Share of the light lost over the whole movie.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
) -> None:
    """Write a synthetic movie with its truth: OUT.tif, OUT_labels.tif and OUT_truth.json."""
    from calcigraph import SyntheticOptions

    options = SyntheticOptions(
        cells=cells,
        frames=frames,
        size_px=size,
        frame_interval_s=frame_interval,
        k=k,
        spikes=spikes,
        drift_px=drift,
        bleaching=bleaching,
        seed=seed,
    )
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        truth = workspace.simulate(out, options, progress=progress)
    counts = f"{len(truth['border'])} cells and {len(truth['contacts'])} contacts"
    note(f"wrote {out} with {counts}, and its labels and truth beside it")
