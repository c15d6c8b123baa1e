"""Fit errors over the culture (figure 19 of arXiv:2505.20327)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.pictures.canvas import (
    LOWEST,
    Map,
    add_map,
    colour_bar,
    fill,
    map_size,
    mark_size,
    outline_cell,
    outline_paths,
    scale_bar,
    view,
)
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.groups import MARKS, colour, members
from calcigraph.pictures.style import (
    DOUBLE,
    HEAD,
    INK,
    PALE,
    Scaled,
    bin_edges,
    caption,
    finish_histogram,
    letters,
    new_figure,
    paint,
    place,
    scaled,
    wants_log,
)
from calcigraph.store.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_error(data: PictureData, frame: int, cell: int | None) -> Figure:
    """A map of each cell's mean squared error (of the free run), and its histogram by fit group.

    On the map every group but the largest has a mark.
    """
    paths = outline_paths(data)
    values = data.values("mse_train")
    scale = _error_scale(data, values)
    bounds = view(data, paths)
    # Lengths are inches. The map is at the left; at the right the legend stands above the histogram.
    size = map_size(bounds, 3.45, 6.0)
    high = max(size[1], 2.6)
    figure = new_figure(DOUBLE, high + 0.3 + HEAD)
    caption(figure, 0.2, 4.5, data.about(), data.about_fit())
    chart = add_map(figure, bounds, 0.2, 0.3 + high - (size[1] + max(size[1], LOWEST)) / 2, size)
    cmap, norm = paint(scale.values, cmap="cividis")
    shown = fill(chart, paths, scale.values, cmap, norm)
    _mark_groups(chart, data)
    outline_cell(chart, data, paths, cell)
    colour_bar(chart, shown, scale.values, scale.label)
    scale_bar(chart, data.pixel_size_um)
    lines = len(_group_handles(data))
    tall = min(high - 0.49 - 0.16 * lines, 3.0)
    panel = place(figure, 5.0, 0.42, 2.1, tall)
    _legend_groups(figure, data, 0.42 + tall + 0.3)
    _histogram_by_group(panel, data, scale)
    letters([chart.axes, panel])
    return figure


def _error_scale(data: PictureData, values: FloatArray) -> Scaled:
    """The errors in a unit for axes; a logarithmic axis needs no power of ten in its label."""
    name, unit = "mean squared error", "a.u.$^2$" if data.from_traces else ""
    if wants_log(values):
        return Scaled(values, f"{name} ({unit})" if unit else name, 1.0)
    return scaled(values, name, unit)


# --------------------------------------------------------------------------------------------------------- fit groups


def _by_group(data: PictureData) -> dict[str, BoolArray]:
    """Cells with an error, by group."""
    return members(data, np.isfinite(data.values("mse_train")))


def _marked(groups: dict[str, BoolArray]) -> list[str]:
    """The groups that have a mark on the map."""
    largest = max(groups, key=lambda name: int(groups[name].sum()))
    return [name for name in groups if name in MARKS and name != largest]


def _mark_groups(chart: Map, data: PictureData) -> None:
    across = mark_size(data, chart, 0.28, 0.8, 4.5)
    groups = _by_group(data)
    for name in _marked(groups):
        chart.axes.scatter(
            data.subgraph.x_px[groups[name]],
            data.subgraph.y_px[groups[name]],
            s=across**2,
            marker=MARKS[name],
            color=colour(name),
            edgecolors="white",
            linewidths=min(0.5, 0.15 * across),
            zorder=4,
        )


def _group_handles(data: PictureData) -> list[Artist]:
    """Legend entries: a group's mark as on the map, or a patch in its colour if it has none there."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    groups = _by_group(data)
    marked = _marked(groups)
    handles: list[Artist] = []
    for name, cells in groups.items():
        text = f"{name or 'fitted'} ({int(cells.sum())})"
        if name in marked:
            mark = Line2D([], [], linestyle="none", marker=MARKS[name], color=colour(name), markeredgecolor="white")
            mark.set_label(text)
            mark.set_markersize(6.5)
            handles.append(mark)
        else:
            handles.append(Patch(color=colour(name), label=f"{text}, not marked" if name else text))
    rest = len(data.subgraph.labels) - sum(int(cells.sum()) for cells in groups.values())
    return handles + ([Patch(color=PALE, label=f"not fitted ({rest})")] if rest else [])


def _legend_groups(figure: Figure, data: PictureData, bottom: float) -> None:
    across, up = figure.get_size_inches()
    figure.legend(
        handles=_group_handles(data), loc="lower left", bbox_to_anchor=(4.95 / across, bottom / up), borderaxespad=0
    )


def _histogram_by_group(axes: Axes, data: PictureData, mse: Scaled) -> None:
    groups = _by_group(data)
    edges, log = bin_edges(mse.values)
    axes.hist(
        [mse.values[cells] for cells in groups.values()],
        bins=edges.tolist(),
        stacked=True,
        color=[colour(name) for name in groups],
    )
    middle = float(np.nanmedian(mse.values))
    axes.axvline(middle, color=INK, linewidth=0.9, linestyle="--", label="median")
    finish_histogram(axes, edges, log, mse.label)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), borderaxespad=0.1, borderpad=0.1)
