"""Every trace of a culture as a row of colours, ordered along the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import InputError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.firing import time_unit
from calcigraph.pictures.raster import LEAST, MOST, NAMED, NAMED_ROW, ROW, along_tissue, rows_axis, single_out
from calcigraph.pictures.style import (
    DOUBLE,
    HEAD,
    PALE,
    SMALL,
    caption,
    limits,
    new_figure,
    page_width,
    place,
    text_width,
)
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEFT, BELOW, BAR, BAR_GAP, BAR_LABEL = 0.74, 0.42, 0.1, 0.1, 0.55
"""Inches: beside and below the image, the width of the colour bar, its distance, and the room for its numbers."""
F0 = 20.0
"""Percentile of a cell's trace that is its F0."""
GAP = 0.75
"""Frame intervals from the nearest frame beyond which time is a gap, and pale."""


def draw_raster(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Cells by time, as an image of intensity or of dF/F0."""
    from matplotlib.colors import Normalize

    values, label = (dff(data), r"$\Delta F/F_0$") if data.dff else (data.subgraph.intensity, data.intensity_unit)
    rows = along_tissue(data)
    count, page = len(rows.rank), page_width(DOUBLE)
    tall = max(NAMED_ROW * count, 1.3) if count <= NAMED else float(np.clip(ROW * count, LEAST, MOST))
    named = max((text_width(f"cell {cell}") for cell in cells), default=-0.05) + 0.05
    wide = page - LEFT - named - BAR_GAP - BAR - BAR_LABEL
    figure = new_figure(page, BELOW + tall + HEAD)
    caption(figure, LEFT, page - 0.05, data.about(), f"{count} cell{'s' if count > 1 else ''}")
    axes = place(figure, LEFT, BELOW, wide, tall)
    times = data.subgraph.frame_times
    unit, name = time_unit(float(times[-1]))
    seen, step = on_grid(values[np.argsort(rows.rank)], times)
    low, high = limits(seen, 1, 99.5)
    shown = axes.imshow(
        seen,
        cmap="viridis",
        norm=Normalize(low, high),
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        extent=(-step / 2 / unit, (seen.shape[1] - 0.5) * step / unit, -0.5, count - 0.5),
    )
    axes.set_facecolor(PALE)
    axes.set_xlabel(f"time ({name})")
    rows_axis(axes, data, rows, tall)
    single_out(axes, {cell: int(rows.rank[data.row(cell)]) for cell in cells}, zorder=3)
    high_bar = min(tall, 2.4)
    box = place(figure, LEFT + wide + named + BAR_GAP, BELOW + (tall - high_bar) / 2, BAR, high_bar)
    ends = ("neither", "max", "min", "both")[2 * bool(np.nanmin(seen) < low) + bool(np.nanmax(seen) > high)]
    bar = figure.colorbar(shown, cax=box, extend=ends, extendfrac=0.03)
    bar.outline.set_linewidth(0.4)
    bar.set_label(label, labelpad=3, size=SMALL)
    return figure


def dff(data: PictureData) -> FloatArray:
    """(n, T), (F - F0) / F0 of the light F, with F0 at the 20th percentile of each cell. Raises InputError."""
    graph = data.subgraph
    light = graph.brightness(graph.intensity)
    rest = graph.brightness(np.percentile(graph.intensity, F0, axis=1, keepdims=True))
    dark = ~(rest[:, 0] > 0)
    if dark.any():
        raise InputError(
            f"culture {data.culture!r} has no dF/F0: {int(dark.sum())} of its cells have no light above 0 at rest "
            f"(the first is cell {graph.labels[dark][0]}); draw the raster without --dff"
        )
    return np.asarray(light / rest - 1)


def on_grid(values: FloatArray, times: FloatArray) -> tuple[FloatArray, float]:
    """Columns at even times, and the seconds between them; NaN where no frame is near.

    >>> seen, step = on_grid(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0.0, 1.0, 2.0, 5.0]))
    >>> seen.tolist(), step
    ([[1.0, 2.0, 3.0, nan, nan, 4.0]], 1.0)
    """
    if len(times) < 2:
        return values, 1.0
    step = float(np.median(np.diff(times)))
    grid = np.arange(round(float(times[-1] - times[0]) / step) + 1) * step + times[0]
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    nearest = np.where(grid - times[after - 1] < times[after] - grid, after - 1, after)
    seen = values[:, nearest].astype(np.float64)
    seen[:, np.abs(times[nearest] - grid) > GAP * step] = np.nan
    return seen, step
