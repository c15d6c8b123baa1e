"""Maps of a culture seen from above: cells as filled outlines, scale bar, time stamp, colour bar.

Coordinates are those of the centroids: the centre of pixel (row r, column c) is (x, y) = (c, r), y down. In polygons
the integers are pixel corners, so polygons are moved by half a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from calcigraph.errors import InputError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.style import (
    FAINT,
    HEAD,
    INK,
    PALE,
    RASTERISE_ABOVE,
    SINGLED,
    caption,
    log_ticks,
    new_figure,
    place,
    plain,
)
from calcigraph.store.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PathCollection
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.path import Path


def outline_paths(data: PictureData) -> list[Path]:
    """One path per cell, holes included, in centroid coordinates; a disc where a cell has no polygon.

    Raises InputError for a text that is not the WKT of a polygon.
    """
    import shapely
    from matplotlib.path import Path

    graph = data.subgraph
    texts = data.polygons or (None,) * len(graph.labels)
    radius = disc_radius(data)
    try:
        shapes = shapely.from_wkt(np.array(texts, dtype=object))
    except shapely.errors.GEOSException as error:
        raise InputError(f"a polygon of culture {data.culture!r} is not WKT: {error}") from error
    paths = []
    for shape, x, y in zip(shapes, graph.x_px.tolist(), graph.y_px.tolist(), strict=True):
        rings = [] if shape is None else _rings(shape, data.culture)
        closed = [Path(ring - 0.5, closed=True) for ring in rings]
        paths.append(Path.make_compound_path(*closed) if closed else Path.circle((x, y), radius))
    return paths


def _rings(shape: Any, culture: str) -> list[FloatArray]:
    """The outer and inner boundaries of a polygon, each (points, 2)."""
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        raise InputError(f"a cell of culture {culture!r} has a {shape.geom_type} for a polygon")
    parts = [part for part in getattr(shape, "geoms", [shape]) if not part.is_empty]
    return [np.asarray(ring.coords)[:, :2] for part in parts for ring in (part.exterior, *part.interiors)]


def spacing(data: PictureData) -> float:
    """Typical distance from a cell to its nearest contact, px: the lower quartile over cells."""
    graph = data.subgraph
    n = len(graph.labels)
    nearest = np.full(n, np.inf)
    for column in (0, 1):
        np.minimum.at(nearest, graph.pairs[:, column], graph.centroid_distance_px)
    nearest = nearest[np.isfinite(nearest)]
    if len(nearest):
        return float(np.percentile(nearest, 25))
    # No contacts: as if the cells stood on a square grid over their extent; 20 px for one cell alone.
    extent = float(np.hypot(np.ptp(graph.x_px), np.ptp(graph.y_px)))
    return extent / np.sqrt(n) or 20.0


def disc_radius(data: PictureData) -> float:
    """Radius of a cell without polygon, px: most discs do not touch their neighbours."""
    return 0.45 * spacing(data)


class Bounds(NamedTuple):
    """The part of the culture that a map shows, px; y points down, so bottom > top."""

    left: float
    right: float
    bottom: float
    top: float

    @property
    def width(self) -> float:
        return abs(self.right - self.left)

    @property
    def height(self) -> float:
        return abs(self.bottom - self.top)


def view(data: PictureData, paths: Sequence[Path]) -> Bounds:
    """The bounds of the image; without an image or masks, those of the cells with a margin."""
    shape = data.image.shape if data.image is not None else (data.height_px, data.width_px)
    if shape[0] and shape[1] and not (data.from_traces and data.image is None):
        return Bounds(left=-0.5, right=shape[1] - 0.5, bottom=shape[0] - 0.5, top=-0.5)
    corners = np.array([(path.get_extents().min, path.get_extents().max) for path in paths])
    margin = 0.5 * disc_radius(data)
    (left, top), (right, bottom) = corners[:, 0].min(axis=0) - margin, corners[:, 1].max(axis=0) + margin
    # Cells in a row or in a column: widen the short side to a quarter of the long one.
    extra_y = max(0.0, 0.25 * (right - left) - (bottom - top)) / 2
    extra_x = max(0.0, 0.25 * (bottom - top) - (right - left)) / 2
    return Bounds(
        left=float(left - extra_x),
        right=float(right + extra_x),
        bottom=float(bottom + extra_y),
        top=float(top - extra_y),
    )


TALLEST, LOWEST = 8.0, 1.2
"""Inches: the largest height of a map, and the least height of a map's row, which the label of a colour bar needs."""


@dataclass(frozen=True)
class Map:
    """Axes that show the culture from above, and their place on the figure in inches."""

    axes: Axes
    left: float
    bottom: float
    width: float
    height: float
    points_per_px: float
    """Points (1/72 inch) on paper per pixel of the movie."""


def mark_size(data: PictureData, chart: Map, share: float, least: float, most: float) -> float:
    """Diameter of a mark on a cell, points: a share of the spacing of the cells, within limits."""
    return float(np.clip(share * spacing(data) * chart.points_per_px, least, most))


def map_size(bounds: Bounds, width: float, tallest: float = TALLEST) -> tuple[float, float]:
    """The largest (width, height) in inches within these limits that keeps pixels square."""
    ratio = bounds.height / bounds.width
    wide = min(width, tallest / ratio)
    return wide, wide * ratio


def add_map(figure: Figure, bounds: Bounds, left: float, bottom: float, size: tuple[float, float]) -> Map:
    """A map at a place in inches: equal aspect, y down, no ticks, since lengths are read from the scale bar."""
    axes = place(figure, left, bottom, *size)
    axes.set_xlim(bounds.left, bounds.right)
    axes.set_ylim(bounds.bottom, bounds.top)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(FAINT)
    return Map(
        axes=axes,
        left=left,
        bottom=bottom,
        width=size[0],
        height=size[1],
        points_per_px=72 * size[0] / bounds.width,
    )


def map_figure(bounds: Bounds, width: float, right: float = 0.72, below: float = 0.3) -> tuple[Figure, Map]:
    """A figure with one map; `right` and `below`, in inches, are the room for a colour bar and for the legend."""
    size = map_size(bounds, width - right - 0.1)
    tall = max(size[1], LOWEST)
    figure = new_figure(width, tall + below + HEAD)
    left = (width - right + 0.1 - size[0]) / 2
    return figure, add_map(figure, bounds, left, below + (tall - size[1]) / 2, size)


def fill(
    chart: Map,
    paths: Sequence[Path],
    values: FloatArray,
    cmap: str | Colormap,
    norm: Normalize,
    edge: str = "white",
) -> PathCollection:
    """Draw the cells coloured by value; those without a value are pale."""
    from matplotlib.collections import PathCollection

    known = np.isfinite(values)
    line, rasterised = line_width(chart, len(paths)), len(paths) > RASTERISE_ABOVE
    rest = selected(paths, ~known)
    if rest:
        pale = PathCollection(rest, facecolors=PALE, edgecolors="white", linewidths=line, rasterized=rasterised)
        chart.axes.add_collection(pale, autolim=False)
    cells = PathCollection(
        selected(paths, known), cmap=cmap, norm=norm, edgecolors=edge, linewidths=line, rasterized=rasterised
    )
    cells.set_array(values[known])
    chart.axes.add_collection(cells, autolim=False)
    return cells


def strokes(chart: Map, paths: Sequence[Path], colour: str, width: float, zorder: float = 2.0) -> None:
    """Draw outlines only."""
    from matplotlib.collections import PathCollection

    lines = PathCollection(
        list(paths),
        facecolors="none",
        edgecolors=colour,
        linewidths=width,
        zorder=zorder,
        joinstyle="round",
        rasterized=len(paths) > RASTERISE_ABOVE,
    )
    chart.axes.add_collection(lines, autolim=False)


def line_width(chart: Map, cells: int) -> float:
    """Width of the outlines, points: thinner where cells are small."""
    area = chart.width * chart.height * 72**2
    return float(np.clip(0.02 * np.sqrt(area / cells), 0.1, 0.5))


def selected(paths: Sequence[Path], chosen: BoolArray) -> list[Path]:
    """The paths of the chosen cells."""
    return [path for path, keep in zip(paths, chosen.tolist(), strict=True) if keep]


def outline_cells(chart: Map, data: PictureData, paths: Sequence[Path], cells: Sequence[int]) -> None:
    """Mark the outlines of the cells that were singled out."""
    chosen = [paths[data.row(cell)] for cell in cells]
    if chosen:
        strokes(chart, chosen, "white", 2.6, zorder=6)
        strokes(chart, chosen, SINGLED, 1.3, zorder=6.1)


def legend_beneath(
    chart: Map,
    columns: int,
    handles: list[Line2D] | None = None,
    column_gap: float | None = None,
    handle_gap: float | None = None,
) -> None:
    """A legend at the left beneath a map, under the scale bar.

    Without handles it shows everything on the map that has a label. Gaps are in units of the font size.
    """
    chart.axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, -14 / (72 * chart.height)),
        ncols=columns,
        borderaxespad=0,
        borderpad=0,
        columnspacing=column_gap,
        handletextpad=handle_gap,
    )


def scale_bar(chart: Map, pixel_size_um: float | None) -> None:
    """A bar beneath the map's left end: 1, 2 or 5 times a power of ten long, at most 22 % of the map's width."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    axes = chart.axes
    left, right = axes.get_xlim()
    step, unit = (pixel_size_um, "µm") if pixel_size_um else (1.0, "px")
    longest = 0.22 * abs(right - left) * step
    decade = 10.0 ** np.floor(np.log10(longest))
    length = max(factor * decade for factor in (1, 2, 5) if factor * decade <= longest * (1 + 1e-9))
    figure = axes.get_figure(root=True)
    assert figure is not None
    below = axes.transAxes + ScaledTranslation(0, -8 / 72, figure.dpi_scale_trans)
    transform = blended_transform_factory(axes.transData, below)
    ends = [left, left + length / step]
    axes.plot(ends, [0, 0], color=INK, linewidth=2, solid_capstyle="butt", clip_on=False, transform=transform)
    axes.annotate(
        f"{length:g} {unit}", (ends[1], 0), xycoords=transform, xytext=(4, 0), textcoords="offset points", va="center"
    )


def time_stamp(chart: Map, data: PictureData, frame: int) -> None:
    """Write the culture's name and the frame's time above the map, where they hide nothing."""
    seconds = float(data.subgraph.frame_times[frame])
    text = f"$t$ = {seconds:.6g} s, frame {frame}"
    figure = chart.axes.get_figure(root=True)
    assert figure is not None
    caption(figure, chart.left, figure.get_size_inches()[0] - 0.05, data.about(), text)


def colour_bar(chart: Map, shown: ScalarMappable, values: FloatArray, label: str, beneath: bool = False) -> None:
    """A colour bar at the right, or beneath the right half of the map; pointed where values lie beyond its ends."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator

    figure = chart.axes.get_figure(root=True)
    assert figure is not None
    low, high = shown.get_clim()
    assert low is not None
    assert high is not None
    # A difference by rounding alone is no value beyond the end.
    slack = 1e-6 * (high - low)
    beyond = (bool(np.nanmin(values) < low - slack), bool(np.nanmax(values) > high + slack))
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]
    box = _bar_beneath(figure, chart) if beneath else _bar_beside(figure, chart)
    bar = figure.colorbar(
        shown, cax=box, extend=extend, extendfrac=0.03, orientation="horizontal" if beneath else "vertical"
    )
    bar.outline.set_linewidth(0.4)
    if isinstance(shown.norm, LogNorm):
        ticks = log_ticks(low, high)
        bar.set_ticks(ticks, labels=[plain(tick) for tick in ticks])
        bar.minorticks_off()
    elif beneath:
        bar.ax.xaxis.set_major_locator(MaxNLocator(3))
    bar.set_label(label, labelpad=3 if beneath else 5)


def _bar_beside(figure: Figure, chart: Map) -> Axes:
    height = min(chart.height, 3.2)
    return place(figure, chart.left + chart.width + 0.08, chart.bottom + (chart.height - height) / 2, 0.1, height)


def _bar_beneath(figure: Figure, chart: Map) -> Axes:
    width = min(1.15, 0.45 * chart.width)
    return place(figure, chart.left + chart.width - width, chart.bottom - 0.3, width, 0.08)
