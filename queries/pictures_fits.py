"""Fit errors and fitted parameters over the culture (figure 19 of arXiv:2505.20327 and its parameter tables)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.queries.pictures_canvas import (
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
from calcigraph.queries.pictures_data import GROUPS, PictureData
from calcigraph.queries.pictures_style import (
    DOUBLE,
    FRAMED,
    GROUP_COLOURS,
    HEAD,
    INK,
    MODEL,
    PALE,
    SMALL,
    Scaled,
    caption,
    letters,
    limits,
    log_axis,
    new_figure,
    paint,
    place,
    scaled,
    symbol,
    wants_log,
)
from calcigraph.store.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

MARKS = {"good": "D", "misses peaks": "o", "wrong magnitude": "^"}
"""On the map; the group of most cells carries none, nor do groups by other names."""


def error(data: PictureData, number: int, cell: int | None) -> Figure:
    """Mean squared error of the free run per cell, fit groups marked, and its histogram by group."""
    paths = outline_paths(data)
    values = data.values("mse_train")
    scale = _error_scale(data, values)
    bounds = view(data, paths)
    size = map_size(bounds, 3.45, 6.0)
    high = max(size[1], 2.6)
    figure = new_figure(DOUBLE, high + 0.3 + HEAD)
    caption(figure, 0.2, 4.5, data.about(), data.about_fit())
    chart = add_map(figure, bounds, 0.2, 0.3 + high - (size[1] + max(size[1], LOWEST)) / 2, size)
    cmap, norm = paint(scale.values, cmap="cividis")
    shown = fill(chart, paths, scale.values, cmap, norm)
    _mark_groups(chart, data)
    frame_cell(chart, data, paths, cell)
    colour_bar(chart, shown, scale.values, scale.label)
    scale_bar(chart, data.pixel_size_um)
    lines = len(_group_handles(data))
    tall = min(high - 0.49 - 0.16 * lines, 3.0)
    panel = place(figure, 5.0, 0.42, 2.1, tall)
    _legend_groups(figure, data, 0.42 + tall + 0.3)
    _histogram_by_group(panel, data, scale)
    letters([chart.axes, panel])
    return figure


def parameters(data: PictureData, number: int, cell: int | None) -> Figure:
    """Maps of feed and coupling, their distributions with median and shared value, and one against the other."""
    paths = outline_paths(data)
    bounds = view(data, paths)
    own, name = data.coupling()
    quantities = [
        Quantity(scaled(data.values("feed"), "feed", _rate(data)), data.feed, True, data.at_bound("feed")),
        Quantity(scaled(own, symbol(name), "s$^{-1}$"), data.k, False, data.at_bound(name)),
    ]
    known = [quantity for quantity in quantities if np.isfinite(quantity.scale.values).any()]
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


@dataclass(frozen=True)
class Quantity:
    """One fitted parameter: per cell, and the culture's own value in the unscaled unit."""

    scale: Scaled
    shared: float | None
    signed: bool
    bounded: BoolArray
    """(n,) at a bound of the fit: the data want the value beyond."""


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
    below = 0.48 if quantity.bounded.any() else 0.3
    figure = new_figure(DOUBLE, high + below + HEAD)
    caption(figure, 0.2, 4.5, data.about(), data.about_fit())
    chart = add_map(figure, bounds, 0.2, below + high - (size[1] + max(size[1], LOWEST)) / 2, size)
    panel = place(figure, 4.7, 0.42, 2.4, min(high - 0.3, 2.2))
    _parameter_map(chart, data, paths, quantity, cell)
    _histogram(panel, quantity)
    scale_bar(chart, data.pixel_size_um)
    letters([chart.axes, panel])
    return figure


def _error_scale(data: PictureData, values: FloatArray) -> Scaled:
    """A logarithmic axis needs no power of ten in its label."""
    name, unit = "mean squared error", "a.u.$^2$" if data.from_traces else ""
    if wants_log(values):
        return Scaled(values, f"{name} ({unit})" if unit else name, 1.0)
    return scaled(values, name, unit)


def _rate(data: PictureData) -> str:
    return "a.u. s$^{-1}$" if data.from_traces else "s$^{-1}$"


# --------------------------------------------------------------------------------------------------------- fit groups


def _members(data: PictureData) -> dict[str, BoolArray]:
    """Each group that occurs among cells with an error, in the paper's order."""
    groups, known = np.array(data.groups()), np.isfinite(data.values("mse_train"))
    named = (*GROUPS, *sorted(set(groups.tolist()) - {*GROUPS, ""}), "")
    return {word: known & (groups == word) for word in named if (known & (groups == word)).any()}


def _marked(members: dict[str, BoolArray]) -> list[str]:
    most = max(members, key=lambda word: int(members[word].sum()))
    return [word for word in members if word in MARKS and word != most]


def _mark_groups(chart: Map, data: PictureData) -> None:
    across = float(np.clip(0.28 * spacing(data) * chart.points_per_px, 0.8, 4.5))
    members = _members(data)
    for word, chosen in members.items():
        if word in _marked(members):
            chart.axes.scatter(
                data.subgraph.x_px[chosen],
                data.subgraph.y_px[chosen],
                s=across**2,
                marker=MARKS[word],
                color=GROUP_COLOURS[word],
                edgecolors="white",
                linewidths=min(0.5, 0.15 * across),
                zorder=4,
            )


def _group_handles(data: PictureData) -> list[Artist]:
    """The marks as on the map; a patch in the histogram's colour for the group that has none."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    members = _members(data)
    handles: list[Artist] = []
    marked = _marked(members)
    for word, chosen in members.items():
        text, colour = f"{word or 'fitted'} ({int(chosen.sum())})", GROUP_COLOURS.get(word, GROUP_COLOURS[""])
        if word in marked:
            mark = Line2D(
                [], [], linestyle="none", marker=MARKS[word], color=colour, markeredgecolor="white", label=text
            )
            mark.set_markersize(6.5)
            handles.append(mark)
        else:
            handles.append(Patch(color=colour, label=f"{text}, not marked" if word else text))
    rest = len(data.subgraph.labels) - int(np.isfinite(data.values("mse_train")).sum())
    return handles + ([Patch(color=PALE, label=f"not fitted ({rest})")] if rest else [])


def _legend_groups(figure: Figure, data: PictureData, bottom: float) -> None:
    across, up = figure.get_size_inches()
    figure.legend(
        handles=_group_handles(data), loc="lower left", bbox_to_anchor=(4.95 / across, bottom / up), borderaxespad=0
    )


def _histogram_by_group(axes: Axes, data: PictureData, mse: Scaled) -> None:
    members = _members(data)
    edges, log = _edges(mse.values)
    colours = [GROUP_COLOURS.get(word, GROUP_COLOURS[""]) for word in members]
    axes.hist([mse.values[chosen] for chosen in members.values()], bins=edges.tolist(), stacked=True, color=colours)
    middle = float(np.nanmedian(mse.values))
    axes.axvline(middle, color=INK, linewidth=0.9, linestyle="--", label="median")
    _finish(axes, edges, log, mse.label)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), borderaxespad=0.1, borderpad=0.1)


# --------------------------------------------------------------------------------------------------------- parameters


def _parameter_map(chart: Map, data: PictureData, paths: list[Path], quantity: Quantity, cell: int | None) -> None:
    values = quantity.scale.values
    cmap, norm = paint(values, quantity.signed)
    shown = fill(chart, paths, values, cmap, norm, edge="#9a9a9a" if cmap == "RdBu_r" else "white")
    frame_cell(chart, data, paths, cell)
    colour_bar(chart, shown, values, quantity.scale.label)
    if quantity.bounded.any():
        across = float(np.clip(0.2 * spacing(data) * chart.points_per_px, 0.8, 3.5))
        _rings(chart.axes, data.subgraph.x_px, data.subgraph.y_px, quantity.bounded, across**2)
        chart.axes.legend(loc="upper left", bbox_to_anchor=(0, -14 / (72 * chart.height)), borderaxespad=0, borderpad=0)


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


def _edges(values: FloatArray) -> tuple[FloatArray, bool]:
    """Bin edges over all values, an odd number of bins, and whether they are logarithmic."""
    bins = int(np.clip(np.sqrt(np.isfinite(values).sum()), 6, 40)) | 1
    low, high = limits(values)
    if wants_log(values):
        return np.geomspace(low, high, bins + 1), True
    return np.linspace(low, high, bins + 1), False


def _histogram(axes: Axes, quantity: Quantity) -> None:
    values = quantity.scale.values
    values = values[np.isfinite(values)]
    shared = [] if quantity.shared is None else [quantity.shared * quantity.scale.factor]
    edges, log = _edges(np.append(values, shared))
    axes.hist(values, bins=edges.tolist(), color="#9fb6c8", edgecolor="white", linewidth=0.3)
    median = float(np.median(values))
    apart = [value for value in shared if not _coincide(median, value, edges, log)]
    if apart or not shared:
        axes.axvline(median, color=INK, linewidth=0.9, linestyle="--", label="median")
    for value in shared:
        axes.axvline(value, color=MODEL, linewidth=1.1, label="culture" if apart else "culture and median", zorder=1.9)
    _finish(axes, edges, log, quantity.scale.label)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0.1, borderpad=0.1)


def _coincide(one: float, other: float, edges: FloatArray, log: bool) -> bool:
    """Whether two lines would lie on each other: within a hundredth of the axis."""
    if log:
        return bool(abs(np.log(one / other)) < 0.01 * np.log(edges[-1] / edges[0]))
    return bool(abs(one - other) < 0.01 * (edges[-1] - edges[0]))


def _finish(axes: Axes, edges: FloatArray, log: bool, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = float(edges[0]), float(edges[-1])
    if log:
        log_axis(axes, low * (low / high) ** 0.03, high * (high / low) ** 0.03)
    else:
        margin = 0.03 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel(label)
    axes.set_ylabel("cells")


def _scatter(axes: Axes, data: PictureData, feed: Quantity, coupling: Quantity, cell: int | None) -> None:
    from matplotlib.ticker import MaxNLocator

    x, y = coupling.scale.values, feed.scale.values
    known = np.isfinite(x) & np.isfinite(y)
    size = float(np.clip(400 / max(known.sum(), 1), 1.0, 10.0))
    bounded = known & (feed.bounded | coupling.bounded)
    free = known & ~bounded
    if bounded.any():
        _rings(axes, x, y, bounded, max(size, 4.0))
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), borderaxespad=0.1, borderpad=0.1)
    axes.scatter(x[free], y[free], s=size, color="#4a6d8c", alpha=0.7, linewidths=0, rasterized=len(x) > 3000)
    if cell is not None and known[data.row(cell)]:
        row = data.row(cell)
        axes.scatter(x[row], y[row], s=24, facecolors="none", edgecolors=FRAMED, linewidths=1.2)
    low, high = limits(y)
    axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    _finish(axes, *_edges(x), coupling.scale.label)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel(feed.scale.label, size=SMALL + 1)
