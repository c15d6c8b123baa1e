"""A frame, the outlines, the cells by intensity, and the contact graph (figures 2 to 7 of arXiv:2505.20327)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.pictures.canvas import (
    Map,
    colour_bar,
    fill,
    legend_beneath,
    line_width,
    map_figure,
    mark_size,
    outline_cells,
    outline_paths,
    scale_bar,
    selected,
    spacing,
    strokes,
    time_stamp,
    view,
)
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.style import (
    BORDER,
    DOUBLE,
    DOUBTFUL,
    INK,
    INNER,
    SINGLE,
    SINGLED,
    SMALL,
    limits,
    named_cells,
    page_width,
)
from calcigraph.store.doubtful import doubtful_cells

DOUBTFUL_LINE = 0.16
"""Inches of legend that the doubtful cells take."""

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


def draw_frame(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """The normalised frame (eq. 23) with colour bar, scale bar and time."""
    from matplotlib.colors import Normalize

    assert data.image is not None
    paths = outline_paths(data) if cells else []
    # One journal column shows about 1,400 pixels (3.5 inches at 400 per inch).
    width = page_width(SINGLE if data.image.shape[1] <= 1400 else DOUBLE)
    figure, chart = map_figure(view(data, paths), width, below=0.22)
    low, high = limits(data.image, 0.5, 99.5)
    shown = chart.axes.imshow(data.image, cmap="viridis", norm=Normalize(low, high))
    outline_cells(chart, data, paths, cells)
    colour_bar(chart, shown, data.image, "normalised intensity")
    _surround(chart, data, frame)
    return figure


def draw_outlines(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """The frame in grey under the outlines of inner, doubtful and border cells, with labels where they have room."""
    from matplotlib.lines import Line2D

    assert data.image is not None
    border, doubtful = data.subgraph.border, doubtful_cells(data.subgraph)
    below = 0.48 + _line(cells) + (DOUBTFUL_LINE if doubtful.any() else 0)
    paths = outline_paths(data)
    bounds = view(data, paths)
    figure, chart = map_figure(bounds, page_width(SINGLE), right=0.1, below=below)
    labels = _room_for_labels(chart, data)
    if len(labels) < 0.9 * len(paths):
        figure, chart = map_figure(bounds, page_width(DOUBLE), right=0.1, below=below)
        labels = _room_for_labels(chart, data)
    low, high = limits(data.image, 1, 99.5)
    chart.axes.imshow(data.image, cmap="gray", vmin=low, vmax=high)
    width = 2 * line_width(chart, len(paths))
    strokes(chart, selected(paths, ~border), INNER, width)
    strokes(chart, selected(paths, border), BORDER, width, zorder=2.1)
    if doubtful.any():
        strokes(chart, selected(paths, doubtful), DOUBTFUL, width, zorder=2.2)
    if len(labels) >= 0.5 * len(paths):
        _write_labels(chart.axes, data, labels)
    outline_cells(chart, data, paths, cells)
    _surround(chart, data, frame)
    counts = (
        (INNER, "inner", int((~border).sum())),
        (BORDER, "border", int(border.sum())),
        (DOUBTFUL, "doubtful", int(doubtful.sum())),
    )
    texts = [(colour, f"{name} ({count})") for colour, name, count in counts if count]
    handles = [Line2D([], [], color=colour, linewidth=1.5, label=text) for colour, text in texts]
    _legend(chart, [*handles, *_cell_entry(cells)], columns=2)
    return figure


def draw_cells(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Cells coloured by their intensity at a frame.

    The colours cover the whole recording, so that pictures of different frames can be compared.
    """
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D

    paths = outline_paths(data)
    bounds = view(data, paths)
    figure, chart = map_figure(bounds, page_width(SINGLE if len(paths) < 2500 else DOUBLE), below=0.48 + _line(cells))
    intensity = data.subgraph.intensity
    now = intensity[:, frame]
    shown = fill(chart, paths, now, "viridis", Normalize(*limits(intensity, 2, 98)))
    border = data.subgraph.border
    strokes(chart, selected(paths, border), BORDER, max(0.35, 2 * line_width(chart, len(paths))), zorder=3)
    outline_cells(chart, data, paths, cells)
    colour_bar(chart, shown, intensity, data.intensity_unit)
    _surround(chart, data, frame)
    text = f"border cells ({int(border.sum())} of {len(paths)})"
    handles = [Line2D([], [], color=BORDER, linewidth=1.5, label=text)] if border.any() else []
    _legend(chart, [*handles, *_cell_entry(cells)])
    return figure


def draw_graph(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Cells as nodes, contacts as edges.

    A node stands at the centroid, coloured by intensity. An edge is as wide as the shared border is long, and darker
    the nearer the two centroids are.
    """
    paths = outline_paths(data)
    bounds = view(data, paths)
    width = page_width(SINGLE if len(paths) < 250 else DOUBLE)
    below = 0.92 if len(data.subgraph.pairs) and data.subgraph.has_borders else 0.68
    figure, chart = map_figure(bounds, width, below=below + _line(cells))
    if not data.from_traces:
        strokes(chart, paths, "#d9d9d9", 1.2 * line_width(chart, len(paths)), zorder=1)
    handles = [*_edges(chart, data), *_nodes(chart, data, frame), *_cell_entry(cells)]
    outline_cells(chart, data, paths, cells)
    _surround(chart, data, frame)
    _legend(chart, handles)
    return figure


def _edges(chart: Map, data: PictureData) -> list[Line2D]:
    """Draw the contacts with their colour bar; returns legend entries that explain the widths."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    pairs = data.subgraph.pairs
    if len(pairs) == 0:
        return []
    spots = np.column_stack([data.subgraph.x_px, data.subgraph.y_px])
    unit = "µm" if data.pixel_size_um else "px"
    per_px = data.pixel_size_um or 1.0
    distance = data.subgraph.centroid_distance_px * per_px
    shade = LinearSegmentedColormap.from_list("nearer is darker", ["#303030", "#c8c8c8"])
    norm = Normalize(*limits(distance, 2, 98))
    border = data.subgraph.shared_border_px * per_px
    longest = limits(border, 2, 98)[1]
    widest = mark_size(data, chart, 0.16, 0.4, 2.6)
    known = np.isfinite(border)
    # Width is proportional to the border; a short one stays visible, an unknown one has 40 % of the largest width.
    share = np.clip(np.where(known, border, 0) / longest, 0.08, 1)
    widths = np.where(known, widest * share, 0.4 * widest)
    lines = LineCollection(
        spots[pairs].tolist(), cmap=shade, norm=norm, linewidths=widths.tolist(), zorder=2, capstyle="round"
    )
    lines.set_array(distance)
    lines.set_rasterized(len(pairs) > 10_000)
    chart.axes.add_collection(lines, autolim=False)
    colour_bar(chart, ScalarMappable(norm, shade), distance, f"centroid distance ({unit})", beneath=True)
    return _width_key(longest, widest, unit) if known.all() else []


def _width_key(longest: float, widest: float, unit: str) -> list[Line2D]:
    """Sample edges: shared borders of about a third, two thirds and all of the longest, rounded to one digit."""
    from matplotlib.lines import Line2D

    samples = sorted({float(f"{longest * share:.1g}") for share in (0.33, 0.67, 1.0)})
    return [
        Line2D(
            [],
            [],
            color="#606060",
            linewidth=widest * min(1.0, length / longest),
            label=f"shared border {length:g} {unit}",
        )
        for length in samples
    ]


def _nodes(chart: Map, data: PictureData, frame: int) -> list[Line2D]:
    """Draw the cells with their colour bar; returns the legend entry of border cells, if there are any."""
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D

    graph = data.subgraph
    now = graph.intensity[:, frame]
    across = mark_size(data, chart, 0.42, 1.0, 9.0)
    norm = Normalize(*limits(graph.intensity, 2, 98))
    for chosen, edge, marker in ((~graph.border, INK, "o"), (graph.border, BORDER, "s")):
        if not chosen.any():
            continue
        shown = chart.axes.scatter(
            graph.x_px[chosen],
            graph.y_px[chosen],
            s=across**2,  # matplotlib takes the square of the diameter
            c=now[chosen],
            cmap="viridis",
            norm=norm,
            marker=marker,
            edgecolors=edge,
            linewidths=float(np.clip(0.11 * across, 0.2, 1.0)),
            zorder=3,
            clip_on=False,
        )
    colour_bar(chart, shown, graph.intensity, data.intensity_unit)
    key = Line2D([], [], linestyle="none", marker="s", markersize=4.5, markerfacecolor="white", markeredgecolor=BORDER)
    key.set_label(f"border cells ({int(graph.border.sum())} of {len(graph.border)})")
    return [key] if graph.border.any() else []


# ---------------------------------------------------------------------------------------------------- around the map


def _surround(chart: Map, data: PictureData, frame: int) -> None:
    """Scale bar, name and time."""
    scale_bar(chart, data.pixel_size_um)
    time_stamp(chart, data, frame)


def _line(cells: tuple[int, ...]) -> float:
    """Inches of legend that the cells that were singled out take."""
    return 0.16 if cells else 0.0


def _cell_entry(cells: tuple[int, ...]) -> list[Line2D]:
    """The legend entry of those cells."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=SINGLED, linewidth=1.3, label=named_cells(cells))] if cells else []


def _legend(chart: Map, handles: list[Line2D], columns: int = 1) -> None:
    if handles:
        legend_beneath(chart, columns, handles)


def _room_for_labels(chart: Map, data: PictureData) -> list[int]:
    """Rows of the cells whose label fits into the cell and does not lie on another label; large cells first."""
    graph = data.subgraph
    area = graph.area_px if graph.area_px is not None else np.full(len(graph.labels), spacing(data) ** 2)
    # A digit is about 0.64 of the font size wide and 0.8 high.
    wide = np.array([len(str(label)) for label in graph.labels.tolist()]) * 0.64 * SMALL / chart.points_per_px
    high = 0.8 * SMALL / chart.points_per_px
    fits = np.flatnonzero(0.95 * np.sqrt(area) > wide)
    chosen: list[int] = []
    for row in fits[np.argsort(-area[fits], kind="stable")].tolist():
        near = np.array(chosen, dtype=np.intp)
        apart_x = np.abs(graph.x_px[near] - graph.x_px[row]) > (wide[near] + wide[row]) / 2
        apart_y = np.abs(graph.y_px[near] - graph.y_px[row]) > high
        if (apart_x | apart_y).all():
            chosen.append(row)
    return chosen


def _write_labels(axes: Axes, data: PictureData, rows: list[int]) -> None:
    from matplotlib.patheffects import withStroke

    graph = data.subgraph
    halo = [withStroke(linewidth=1.2, foreground=INK)]
    for row in rows:
        axes.text(
            float(graph.x_px[row]),
            float(graph.y_px[row]),
            str(int(graph.labels[row])),
            color="white",
            ha="center",
            va="center_baseline",
            path_effects=halo,
            zorder=4,
        )
