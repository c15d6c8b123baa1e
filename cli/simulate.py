"""`calcigraph simulate`: a movie whose truth is known."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note, progress_bar
from calcigraph.workspace import Workspace

BIOLOGY, OPTICS, MASKS = "Biology", "Optics", "Mistakes in the masks"


def simulate(
    context: typer.Context,
    out: Annotated[str, typer.Argument(metavar="OUT.tif", help="Movie to write.", show_default=False)],
    cells: Annotated[int, typer.Option(help="Cells in the culture.")] = 108,
    frames: Annotated[int, typer.Option(help="Frames.")] = 361,
    size: Annotated[int, typer.Option(help="Width and height, px.")] = 512,
    frame_interval: Annotated[float, typer.Option(help="Seconds a frame.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
    k: Annotated[float, typer.Option(help="Coupling, 1/s.", rich_help_panel=BIOLOGY)] = 0.01,
    spikes: Annotated[int, typer.Option(help="Calcium spikes a cell.", rich_help_panel=BIOLOGY)] = 3,
    spike_shape: Annotated[
        str,
        typer.Option(help="How calcium enters: square, decay, extrusion or gaussian.", rich_help_panel=BIOLOGY),
    ] = "square",
    spike_duration: Annotated[float, typer.Option(help="Width of a spike, s.", rich_help_panel=BIOLOGY)] = 30.0,
    spike_decay: Annotated[
        float,
        typer.Option(help="Time constant of what follows a decay or extrusion spike, s.", rich_help_panel=BIOLOGY),
    ] = 80.0,
    waves: Annotated[int, typer.Option(help="Waves that excite every cell in passing.", rich_help_panel=BIOLOGY)] = 0,
    wave_speed: Annotated[float, typer.Option(help="Speed of the waves, px/s.", rich_help_panel=BIOLOGY)] = 10.0,
    uncoupled: Annotated[
        int, typer.Option(help="Inner cells with a coupling of their own.", rich_help_panel=BIOLOGY)
    ] = 0,
    uncoupled_factor: Annotated[float, typer.Option(help="Their share of k.", rich_help_panel=BIOLOGY)] = 0.0,
    abnormal_feeds: Annotated[
        int,
        typer.Option(
            help="Other inner cells with an abnormal feed, by turns too high and too low.", rich_help_panel=BIOLOGY
        ),
    ] = 0,
    abnormal_feed_size: Annotated[
        float, typer.Option(help="How far off, in deviations of the feeds.", rich_help_panel=BIOLOGY)
    ] = 10.0,
    brightness: Annotated[
        float, typer.Option(help="Photons in bright tissue: fewer are noisier.", rich_help_panel=OPTICS)
    ] = 1500.0,
    drift: Annotated[float, typer.Option(help="Drift over the whole movie, px.", rich_help_panel=OPTICS)] = 0.3,
    bleaching: Annotated[
        float, typer.Option(help="Share of the light lost over the whole movie.", rich_help_panel=OPTICS)
    ] = 0.0,
    mask_erosion: Annotated[
        int,
        typer.Option(
            help="Pixels that masks are too small all round; then ingest with --max-gap of twice that.",
            rich_help_panel=MASKS,
        ),
    ] = 0,
    mask_shift: Annotated[float, typer.Option(help="Pixels that all masks lie off.", rich_help_panel=MASKS)] = 0.0,
    mask_merges: Annotated[int, typer.Option(help="Pairs of cells that share one mask.", rich_help_panel=MASKS)] = 0,
    missing: Annotated[float, typer.Option(help="Share of the cells without a mask.", rich_help_panel=MASKS)] = 0.0,
) -> None:
    """Write a synthetic movie with its truth: OUT.tif, OUT_labels.tif and OUT_truth.json. Options that spoil the masks
    add OUT_masks.tif, for `ingest --masks`; labels and truth stay true."""
    from calcigraph import SyntheticOptions

    options = SyntheticOptions(
        cells=cells,
        frames=frames,
        size_px=size,
        frame_interval_s=frame_interval,
        seed=seed,
        k=k,
        spikes=spikes,
        spike_shape=spike_shape,
        spike_s=spike_duration,
        spike_decay_s=spike_decay,
        waves=waves,
        wave_speed=wave_speed,
        uncoupled=uncoupled,
        uncoupled_factor=uncoupled_factor,
        abnormal_feeds=abnormal_feeds,
        abnormal_feed_size=abnormal_feed_size,
        brightness=brightness,
        drift_px=drift,
        bleaching=bleaching,
        mask_erosion=mask_erosion,
        mask_shift=mask_shift,
        mask_merges=mask_merges,
        missing=missing,
    )
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        truth = workspace.simulate(out, options, progress=progress)
    counts = f"{len(truth['border'])} cells and {len(truth['contacts'])} contacts"
    spoilt = f", and {len(truth['masks'])} spoilt masks" if options.spoils_masks else ""
    note(f"wrote {out} with {counts}, and its labels and truth beside it{spoilt}")
