"""Fitted coupling and feed over the culture, with 95 % intervals and the cells whose coupling the data do not tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.pictures.canvas import (
    LOWEST,
    Map,
    add_map,
    colour_bar,
    fill,
    frame_cell,
    map_size,
    outline_paths,
    scale_bar,
    spacing,
    view,
)
from calcigraph.pictures.data import WORDS, PictureData
from calcigraph.pictures.style import (
    DOUBLE,
    FAINT,
    FRAMED,
    HEAD,
    INK,
    MODEL,
    SMALL,
    Scaled,
    bin_edges,
    caption,
    finish_histogram,
    letters,
    limits,
    new_figure,
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

MARKS = {"weak": "+", "not identified": "x"}
MOST_BARS = 150
"""Cells that get an error bar each; beyond, one shows the median interval."""


@dataclass(frozen=True)
class Quantity:
    """One fitted parameter: per cell, and the culture's own value and interval in the unscaled unit."""

    scale: Scaled
    interval: tuple[FloatArray, FloatArray]
    """(n,) each, scaled; NaN where there is none."""
    shared: float | None
    shared_interval: tuple[float, float] | None
    signed: bool
    bounded: BoolArray
    """(n,) at a bound of the fit: the data want the value beyond."""
    doubtful: dict[str, BoolArray]
    """(n,) per word of MARKS that occurs; empty for the feed, of which the words do not speak."""

    @property
    def marked(self) -> bool:
        return bool(self.doubtful) or bool(self.bounded.any())


def draw_parameters(data: PictureData, number: int, cell: int | None) -> Figure:
    """Maps of feed and coupling, their distributions with median and shared value, and one against the other."""
    paths = outline_paths(data)
    bounds = view(data, paths)
    known = _quantities(data)
    if len(known) == 1:
        return _one_parameter(data, known[0], paths, bounds, cell)
    size = map_size(bounds, 2.65, 4.0)
    tall = max(size[1], LOWEST)
    figure = new_figure(DOUBLE, 2.4 + tall + HEAD)
    caption(figure, 0.2, 3.6, data.about(), data.about_fit())
    charts = [add_map(figure, bounds, left, 2.4 + (tall - size[1]) / 2, size) for left in (0.2, 3.85)]
    panels = [place(figure, left, 0.42, 1.75, 1.45) for left in (0.45, 2.95, 5.35)]
    for quantity, chart, panel in zip(known, charts, panels[:2], strict=True):
        _parameter_map(chart, data, paths, quantity, cell)
        _histogram(panel, quantity)
    scale_bar(charts[0], data.pixel_size_um)
    _scatter(panels[2], data, known[0], known[1], cell)
    letters([*(chart.axes for chart in charts), *panels])
    return figure


def _quantities(data: PictureData) -> list[Quantity]:
    """Feed and coupling, those that were fitted."""
    own, name = data.coupling()
    found = []
    for parameter, values, label, unit in (
        ("feed", data.values("feed"), "feed", data.rate_unit),
        (name, own, symbol(name), "s$^{-1}$"),
    ):
        scale, feed = scaled(values, label, unit), parameter == "feed"
        low, high = data.interval(parameter)
        if np.isfinite(values).any():
            found.append(
                Quantity(
                    scale,
                    (low * scale.factor, high * scale.factor),
                    data.feed if feed else data.k,
                    data.feed_interval if feed else data.k_interval,
                    feed,
                    data.at_bound(parameter),
                    {} if feed else _doubtful(data),
                )
            )
    return found


def _doubtful(data: PictureData) -> dict[str, BoolArray]:
    """Cells by word, those without a coupling among them."""
    words = np.array(data.identified())
    return {word: words == word for word in WORDS if word in MARKS and (words == word).any()}


def _one_parameter(
    data: PictureData,
    quantity: Quantity,
    paths: list[Path],
    bounds: tuple[float, float, float, float],
    cell: int | None,
) -> Figure:
    """Fits without feed: its map and its distribution."""
    size = map_size(bounds, 3.0, 4.5)
    high = max(size[1], 2.2)
    below = 0.48 if quantity.marked else 0.3
    figure = new_figure(DOUBLE, high + below + HEAD)
    caption(figure, 0.2, 4.5, data.about(), data.about_fit())
    chart = add_map(figure, bounds, 0.2, below + high - (size[1] + max(size[1], LOWEST)) / 2, size)
    panel = place(figure, 4.7, 0.42, 2.4, min(high - 0.3, 2.2))
    _parameter_map(chart, data, paths, quantity, cell)
    _histogram(panel, quantity)
    scale_bar(chart, data.pixel_size_um)
    letters([chart.axes, panel])
    return figure


def _parameter_map(chart: Map, data: PictureData, paths: list[Path], quantity: Quantity, cell: int | None) -> None:
    values = quantity.scale.values
    cmap, norm = paint(values, quantity.signed)
    shown = fill(chart, paths, values, cmap, norm, edge="#9a9a9a" if cmap == "RdBu_r" else "white")
    frame_cell(chart, data, paths, cell)
    colour_bar(chart, shown, values, quantity.scale.label)
    across = float(np.clip(0.28 * spacing(data) * chart.points_per_px, 0.8, 4.2))
    x, y = data.subgraph.x_px, data.subgraph.y_px
    if quantity.bounded.any():
        _rings(chart.axes, x, y, quantity.bounded, (0.85 * across) ** 2)
    for word, chosen in quantity.doubtful.items():
        _marks(chart.axes, x, y, chosen, word, across**2, f"{word} ({int(chosen.sum())})")
    if quantity.marked:
        chart.axes.legend(
            loc="upper left",
            bbox_to_anchor=(0, -14 / (72 * chart.height)),
            ncols=3,
            borderaxespad=0,
            borderpad=0,
            columnspacing=0.9,
            handletextpad=0.3,
        )


def _marks(axes: Axes, x: FloatArray, y: FloatArray, chosen: BoolArray, word: str, size: float, label: str) -> None:
    """A cell whose coupling the data do not tell, dark on light so that it shows on every colour."""
    spots: dict[str, Any] = {"marker": MARKS[word], "rasterized": len(x) > 3000}
    axes.scatter(x[chosen], y[chosen], s=1.3 * size, color="white", linewidths=1.8, zorder=4.1, **spots)
    axes.scatter(x[chosen], y[chosen], s=size, color=INK, linewidths=0.7, zorder=4.2, label=label, **spots)


def _rings(axes: Axes, x: FloatArray, y: FloatArray, bounded: BoolArray, size: float) -> None:
    """Hollow points for the cells at a bound, in maps and in the scatter."""
    axes.scatter(
        x[bounded],
        y[bounded],
        s=size,
        facecolors="white",
        edgecolors=INK,
        linewidths=0.7,
        zorder=4,
        label=f"at bound ({int(bounded.sum())})",
        rasterized=len(x) > 3000,
    )


def _histogram(axes: Axes, quantity: Quantity) -> None:
    """Cells by value, and the culture's own value with its interval."""
    values = quantity.scale.values
    values = values[np.isfinite(values)]
    shared = [] if quantity.shared is None else [quantity.shared * quantity.scale.factor]
    edges, log = bin_edges(np.append(values, shared))
    axes.hist(values, bins=edges.tolist(), color="#9fb6c8", edgecolor="white", linewidth=0.3)
    _lines(axes, float(np.median(values)), quantity, shared, edges, log)
    finish_histogram(axes, edges, log, quantity.scale.label)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1, borderpad=0.1)


def _lines(axes: Axes, median: float, quantity: Quantity, shared: list[float], edges: FloatArray, log: bool) -> None:
    """The median over cells and the culture's value with its interval: one line where they would lie on each other."""
    apart = [value for value in shared if not _coincide(median, value, edges, log)]
    if apart or not shared:
        axes.axvline(median, color=INK, linewidth=0.9, linestyle="--", label="median")
    name = "culture" if apart else "culture and median"
    band = ", 95 %" if shared and quantity.shared_interval else ""
    for value in shared:
        axes.axvline(value, color=MODEL, linewidth=1.1, label=name + band, zorder=1.9)
    if band:
        low, high = (end * quantity.scale.factor for end in quantity.shared_interval or ())
        axes.axvspan(low, high, color=MODEL, alpha=0.25, linewidth=0, zorder=1.8)


def _coincide(one: float, other: float, edges: FloatArray, log: bool) -> bool:
    """Whether two lines would lie on each other: within a hundredth of the axis."""
    if log:
        return bool(abs(np.log(one / other)) < 0.01 * np.log(edges[-1] / edges[0]))
    return bool(abs(one - other) < 0.01 * (edges[-1] - edges[0]))


def _scatter(axes: Axes, data: PictureData, feed: Quantity, coupling: Quantity, cell: int | None) -> None:
    from matplotlib.ticker import MaxNLocator

    x, y = coupling.scale.values, feed.scale.values
    known = np.isfinite(x) & np.isfinite(y)
    size = float(np.clip(400 / max(known.sum(), 1), 1.0, 10.0))
    bounded = known & (feed.bounded | coupling.bounded)
    if bounded.any():
        _rings(axes, x, y, bounded, max(size, 4.0))
    low, high = limits(_with_ends(feed))
    axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    finish_histogram(axes, *bin_edges(_with_ends(coupling)), coupling.scale.label)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel(feed.scale.label, size=SMALL + 1)
    _points(axes, x, y, known & ~bounded, coupling.doubtful, size)
    _error_bars(axes, known, coupling, feed)
    if cell is not None and known[data.row(cell)]:
        row = data.row(cell)
        axes.scatter(x[row], y[row], s=24, facecolors="none", edgecolors=FRAMED, linewidths=1.2)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1, borderpad=0.1, handletextpad=0.3
        )


def _with_ends(quantity: Quantity) -> FloatArray:
    """What the axis shows: all values, and nine in ten of their intervals; none that a logarithmic axis cannot."""
    values = quantity.scale.values
    low, high = (ends[np.isfinite(ends)] for ends in quantity.interval)
    if len(low) == 0 or len(high) == 0:
        return values
    ends = np.array([np.percentile(low, 5), np.percentile(high, 95)])
    return np.append(values, ends[ends > 0] if wants_log(values) else ends)


def _points(
    axes: Axes, x: FloatArray, y: FloatArray, chosen: BoolArray, doubtful: dict[str, BoolArray], size: float
) -> None:
    """Points for identified cells, the map's marks for the others."""
    for word, cells in doubtful.items():
        _marks(axes, x, y, chosen & cells, word, max(size, 6.0), "_")
        chosen = chosen & ~cells
    axes.scatter(
        x[chosen], y[chosen], s=size, color="#4a6d8c", alpha=0.7, linewidths=0, zorder=3, rasterized=len(x) > 3000
    )


def _error_bars(axes: Axes, known: BoolArray, coupling: Quantity, feed: Quantity) -> None:
    """Each cell's 95 % intervals; those of the median cell where cells are many."""
    x, y = coupling.scale.values, feed.scale.values
    ends = np.array([*coupling.interval, *feed.interval])
    drawn = known & (np.isfinite(ends[:2]).all(axis=0) | np.isfinite(ends[2:]).all(axis=0))
    if not drawn.any():
        return
    label = "95 %"
    if drawn.sum() > MOST_BARS:
        width = ends[1, drawn] - ends[0, drawn]
        drawn, label = np.flatnonzero(drawn)[[int(np.argsort(width)[len(width) // 2])]], "95 %, median cell"
    # A logarithmic axis has no place for an end at or below 0.
    left = np.maximum(ends[0, drawn], axes.get_xlim()[0])
    axes.hlines(y[drawn], left, ends[1, drawn], color=FAINT, linewidth=0.5, zorder=1, label=label)
    axes.vlines(x[drawn], ends[2, drawn], ends[3, drawn], color=FAINT, linewidth=0.5, zorder=1)
