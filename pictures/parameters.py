"""Fitted coupling and feed over the culture, with 95 % intervals.

Cells whose coupling the data do not determine (models/identify.py) are marked, and so are cells at a bound of the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.models.identify import NOT, WEAK
from calcigraph.pictures.canvas import (
    LOWEST,
    Bounds,
    Map,
    add_map,
    colour_bar,
    fill,
    legend_beneath,
    map_size,
    mark_size,
    outline_cells,
    outline_paths,
    scale_bar,
    view,
)
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.style import (
    DOUBLE,
    FAINT,
    HEAD,
    INK,
    MODEL,
    RASTERISE_ABOVE,
    SINGLED,
    SMALL,
    Scaled,
    bin_edges,
    caption,
    finish_histogram,
    finish_x,
    letters,
    limits,
    new_figure,
    padded,
    page_width,
    paint,
    place,
    scaled,
    symbol,
    wants_log,
)
from calcigraph.store.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

MARKS = {WEAK: "+", NOT: "x"}
"""Marks of the cells whose coupling is not identified well."""
MOST_BARS = 150
"""Up to this many cells have an error bar each; with more cells, only the one whose interval of k is the median."""
ABREAST = 6.4
"""Inches of a page from which panels stand side by side."""
SAME_LINE = 0.01
"""Share of an axis: two lines closer than this are drawn as one."""


@dataclass(frozen=True)
class Quantity:
    """One fitted parameter: its value in each cell, and the culture's value."""

    scale: Scaled
    """(n,) values of the cells, in the unit of the axes."""
    interval: tuple[FloatArray, FloatArray]
    """(n,) each, the ends of the cells' 95 % intervals in the unit of the axes; NaN where there is none."""
    shared: float | None
    """The culture's value, in the unit of the fit."""
    shared_interval: tuple[float, float] | None
    """Its 95 % interval, in the unit of the fit."""
    signed: bool
    """Whether the parameter may be negative: a feed may, a coupling may not."""
    bounded: BoolArray
    """(n,) cells at a bound of the fit: without the bound, the fit would give a value beyond it."""
    doubtful: dict[str, BoolArray]
    """(n,) cells by word, for each word of MARKS that occurs. Empty for the feed: the words are about the coupling."""

    @property
    def shared_value(self) -> float | None:
        """The culture's value, in the unit of the axes."""
        return None if self.shared is None else self.shared * self.scale.factor

    @property
    def marked(self) -> bool:
        """Whether its map needs a legend of marks."""
        return bool(self.doubtful) or bool(self.bounded.any())


def draw_parameters(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Feed and coupling of each cell.

    Above are the two maps; below are the two histograms, with the median over cells and the culture's value, and feed
    against coupling. A fit without feed has one map and one histogram.
    """
    paths = outline_paths(data)
    bounds = view(data, paths)
    known = _quantities(data)
    if len(known) == 1:
        return _one_parameter(data, known[0], paths, bounds, cells)
    page = page_width(DOUBLE)
    figure, charts, panels = _side_by_side(bounds, page) if page >= ABREAST else _stacked(bounds, page, 2, 3)
    caption(figure, 0.2, min(3.6, page - 0.05), data.about(), data.about_fit())
    for quantity, chart, panel in zip(known, charts, panels[:2], strict=True):
        _parameter_map(chart, data, paths, quantity, cells)
        _histogram(panel, quantity)
    scale_bar(charts[0], data.pixel_size_um)
    _scatter(panels[2], data, known[0], known[1], cells)
    letters([*(chart.axes for chart in charts), *panels])
    return figure


def _side_by_side(bounds: Bounds, page: float) -> tuple[Figure, list[Map], list[Axes]]:
    """Two maps side by side over three panels; lengths are inches of a page of two columns, pulled to the page's."""
    pull = page / DOUBLE
    size = map_size(bounds, 2.65 * pull, 4.0)
    tall = max(size[1], LOWEST)
    figure = new_figure(page, 2.4 + tall + HEAD)
    bottom = 2.4 + (tall - size[1]) / 2
    charts = [add_map(figure, bounds, left, bottom, size) for left in (0.2, 3.52 * pull + 0.2)]
    wide = 2.4 * pull - 0.65
    return figure, charts, [place(figure, 0.45 + 2.45 * pull * at, 0.42, wide, 1.45) for at in range(3)]


def _stacked(bounds: Bounds, page: float, maps: int, histograms: int) -> tuple[Figure, list[Map], list[Axes]]:
    """Maps above panels, all in one column, for a narrow page."""
    size = map_size(bounds, page - 1.0, 4.0)
    tall, below, pitch = max(size[1], LOWEST), 0.5, 0.42 + 1.45 + 0.35
    figure = new_figure(page, pitch * histograms + maps * (tall + below) + HEAD)
    charts = [
        add_map(figure, bounds, 0.2, pitch * histograms + below + (tall - size[1]) / 2 + (tall + below) * at, size)
        for at in reversed(range(maps))
    ]
    panels = [place(figure, 0.6, 0.42 + pitch * at, page - 0.75, 1.45) for at in reversed(range(histograms))]
    return figure, charts, panels


def _quantities(data: PictureData) -> list[Quantity]:
    """Feed and coupling, as far as they were fitted."""
    return [each for each in (_feed(data), _coupling(data)) if np.isfinite(each.scale.values).any()]


def _feed(data: PictureData) -> Quantity:
    scale = scaled(data.values("feed"), "feed", data.rate_unit)
    low, high = data.interval("feed")
    return Quantity(
        scale=scale,
        interval=(low * scale.factor, high * scale.factor),
        shared=data.feed,
        shared_interval=data.feed_interval,
        signed=True,
        bounded=data.at_bound("feed"),
        doubtful={},
    )


def _coupling(data: PictureData) -> Quantity:
    values, name = data.coupling()
    scale = scaled(values, symbol(name), "s$^{-1}$")
    low, high = data.interval(name)
    words = np.array(data.identified())
    return Quantity(
        scale=scale,
        interval=(low * scale.factor, high * scale.factor),
        shared=data.k,
        shared_interval=data.k_interval,
        signed=False,
        bounded=data.at_bound(name),
        doubtful={word: words == word for word in MARKS if (words == word).any()},
    )


def _one_parameter(
    data: PictureData,
    quantity: Quantity,
    paths: list[Path],
    bounds: Bounds,
    cells: tuple[int, ...],
) -> Figure:
    """The map and the histogram of a fit's only parameter."""
    page = page_width(DOUBLE)
    if page < ABREAST:
        figure, (chart,), (panel,) = _stacked(bounds, page, 1, 1)
    else:
        size = map_size(bounds, 3.0 * page / DOUBLE, 4.5)
        high = max(size[1], 2.2)
        below = 0.48 if quantity.marked else 0.3
        figure = new_figure(page, high + below + HEAD)
        chart = add_map(figure, bounds, 0.2, below + high - (size[1] + max(size[1], LOWEST)) / 2, size)
        panel = place(figure, page - 2.5 * page / DOUBLE, 0.42, 2.5 * page / DOUBLE - 0.1, min(high - 0.3, 2.2))
    caption(figure, 0.2, min(4.5, page - 0.05), data.about(), data.about_fit())
    _parameter_map(chart, data, paths, quantity, cells)
    _histogram(panel, quantity)
    scale_bar(chart, data.pixel_size_um)
    letters([chart.axes, panel])
    return figure


def _parameter_map(
    chart: Map, data: PictureData, paths: list[Path], quantity: Quantity, cells: tuple[int, ...]
) -> None:
    values = quantity.scale.values
    cmap, norm = paint(values, quantity.signed)
    shown = fill(chart, paths, values, cmap, norm, edge="#9a9a9a" if cmap == "RdBu_r" else "white")
    outline_cells(chart, data, paths, cells)
    colour_bar(chart, shown, values, quantity.scale.label)
    across = mark_size(data, chart, 0.28, 0.8, 4.2)
    x, y = data.subgraph.x_px, data.subgraph.y_px
    if quantity.bounded.any():
        _rings(chart.axes, x, y, quantity.bounded, (0.85 * across) ** 2)
    for word, chosen in quantity.doubtful.items():
        _marks(chart.axes, x, y, chosen, word, across**2, f"{word} ({int(chosen.sum())})")
    if quantity.marked:
        legend_beneath(chart, 3, column_gap=0.9, handle_gap=0.3)


def _marks(axes: Axes, x: FloatArray, y: FloatArray, chosen: BoolArray, word: str, size: float, label: str) -> None:
    """Marks of the cells with this word, dark on white so that they can be seen on every colour."""
    spots: dict[str, Any] = {"marker": MARKS[word], "rasterized": len(x) > RASTERISE_ABOVE}
    axes.scatter(x[chosen], y[chosen], s=1.3 * size, color="white", linewidths=1.8, zorder=4.1, **spots)
    axes.scatter(x[chosen], y[chosen], s=size, color=INK, linewidths=0.7, zorder=4.2, label=label, **spots)


def _rings(axes: Axes, x: FloatArray, y: FloatArray, bounded: BoolArray, size: float) -> None:
    """Hollow points for the cells at a bound."""
    axes.scatter(
        x[bounded],
        y[bounded],
        s=size,
        facecolors="white",
        edgecolors=INK,
        linewidths=0.7,
        zorder=4,
        label=f"at bound ({int(bounded.sum())})",
        rasterized=len(x) > RASTERISE_ABOVE,
    )


def _histogram(axes: Axes, quantity: Quantity) -> None:
    """Cells by value, with lines at the median over cells and at the culture's value."""
    values = quantity.scale.values
    values = values[np.isfinite(values)]
    shared = quantity.shared_value
    edges, log = bin_edges(values if shared is None else np.append(values, shared))
    axes.hist(values, bins=edges.tolist(), color="#9fb6c8", edgecolor="white", linewidth=0.3)
    _lines(axes, float(np.median(values)), quantity, edges, log)
    finish_histogram(axes, edges, log, quantity.scale.label)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1, borderpad=0.1)


def _lines(axes: Axes, median: float, quantity: Quantity, edges: FloatArray, log: bool) -> None:
    """The median over cells, and the culture's value with its interval; one line if the two values are the same."""
    shared, interval = quantity.shared_value, quantity.shared_interval
    same = shared is not None and _coincide(median, shared, edges, log)
    if not same:
        axes.axvline(median, color=INK, linewidth=0.9, linestyle="--", label="median")
    if shared is None:
        return
    label = ("culture and median" if same else "culture") + (", 95 %" if interval else "")
    axes.axvline(shared, color=MODEL, linewidth=1.1, label=label, zorder=1.9)
    if interval:
        low, high = (end * quantity.scale.factor for end in interval)
        axes.axvspan(low, high, color=MODEL, alpha=0.25, linewidth=0, zorder=1.8)


def _coincide(one: float, other: float, edges: FloatArray, log: bool) -> bool:
    """Whether two lines would lie on each other."""
    if log:
        return bool(abs(np.log(one / other)) < SAME_LINE * np.log(edges[-1] / edges[0]))
    return bool(abs(one - other) < SAME_LINE * (edges[-1] - edges[0]))


def _scatter(axes: Axes, data: PictureData, feed: Quantity, coupling: Quantity, cells: tuple[int, ...]) -> None:
    """Feed against coupling, one point a cell, with the cells' intervals."""
    from matplotlib.ticker import MaxNLocator

    x, y = coupling.scale.values, feed.scale.values
    known = np.isfinite(x) & np.isfinite(y)
    size = float(np.clip(400 / max(known.sum(), 1), 1.0, 10.0))
    bounded = known & (feed.bounded | coupling.bounded)
    if bounded.any():
        _rings(axes, x, y, bounded, max(size, 4.0))
    axes.set_ylim(*padded(*limits(_with_ends(feed))))
    finish_x(axes, *bin_edges(_with_ends(coupling)), coupling.scale.label)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel(feed.scale.label, size=SMALL + 1)
    _points(axes, x, y, known & ~bounded, coupling.doubtful, size)
    _error_bars(axes, known, coupling, feed)
    rows = [row for row in map(data.row, cells) if known[row]]
    if rows:
        axes.scatter(x[rows], y[rows], s=24, facecolors="none", edgecolors=SINGLED, linewidths=1.2)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1, borderpad=0.1, handletextpad=0.3
        )


def _with_ends(quantity: Quantity) -> FloatArray:
    """What the axis must show: all values, and the ends of 90 % of the intervals.

    On a logarithmic axis only the positive ends count.
    """
    values = quantity.scale.values
    low, high = (ends[np.isfinite(ends)] for ends in quantity.interval)
    if len(low) == 0 or len(high) == 0:
        return values
    ends = np.array([np.percentile(low, 5), np.percentile(high, 95)])
    return np.append(values, ends[ends > 0] if wants_log(values) else ends)


def _points(
    axes: Axes, x: FloatArray, y: FloatArray, chosen: BoolArray, doubtful: dict[str, BoolArray], size: float
) -> None:
    """Points for identified cells, and the marks of the map for the others."""
    for word, cells in doubtful.items():
        _marks(axes, x, y, chosen & cells, word, max(size, 6.0), "_")
        chosen = chosen & ~cells
    axes.scatter(
        x[chosen],
        y[chosen],
        s=size,
        color="#4a6d8c",
        alpha=0.7,
        linewidths=0,
        zorder=3,
        rasterized=len(x) > RASTERISE_ABOVE,
    )


def _error_bars(axes: Axes, known: BoolArray, coupling: Quantity, feed: Quantity) -> None:
    """The 95 % intervals of each cell, or those of one typical cell where cells are many."""
    x, y = coupling.scale.values, feed.scale.values
    (left, right), (bottom, top) = coupling.interval, feed.interval
    has_interval = np.isfinite([left, right]).all(axis=0) | np.isfinite([bottom, top]).all(axis=0)
    rows = np.flatnonzero(known & has_interval)
    if len(rows) == 0:
        return
    label = "95 %"
    if len(rows) > MOST_BARS:
        by_width = rows[np.argsort(right[rows] - left[rows])]
        rows, label = by_width[[len(rows) // 2]], "95 %, median cell"
    # A logarithmic axis has no place for an end at or below 0.
    shown_left = np.maximum(left[rows], axes.get_xlim()[0])
    axes.hlines(y[rows], shown_left, right[rows], color=FAINT, linewidth=0.5, zorder=1, label=label)
    axes.vlines(x[rows], bottom[rows], top[rows], color=FAINT, linewidth=0.5, zorder=1)
