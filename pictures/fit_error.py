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
    frame_cell,
    map_size,
    outline_paths,
    scale_bar,
    spacing,
    view,
)
from calcigraph.pictures.data import GROUPS, PictureData
from calcigraph.pictures.style import (
    DOUBLE,
    GROUP_COLOURS,
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

MARKS = {"good": "D", "misses peaks": "o", "wrong magnitude": "^"}
"""On the map; the group of most cells carries none, nor do groups by other names."""


def draw_error(data: PictureData, number: int, cell: int | None) -> Figure:
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


def _error_scale(data: PictureData, values: FloatArray) -> Scaled:
    """A logarithmic axis needs no power of ten in its label."""
    name, unit = "mean squared error", "a.u.$^2$" if data.from_traces else ""
    if wants_log(values):
        return Scaled(values, f"{name} ({unit})" if unit else name, 1.0)
    return scaled(values, name, unit)


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
    edges, log = bin_edges(mse.values)
    colours = [GROUP_COLOURS.get(word, GROUP_COLOURS[""]) for word in members]
    axes.hist([mse.values[chosen] for chosen in members.values()], bins=edges.tolist(), stacked=True, color=colours)
    middle = float(np.nanmedian(mse.values))
    axes.axvline(middle, color=INK, linewidth=0.9, linestyle="--", label="median")
    finish_histogram(axes, edges, log, mse.label)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), borderaxespad=0.1, borderpad=0.1)
