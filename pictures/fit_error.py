"""Fit errors over the culture (figure 19 of arXiv:2505.20327), in units of each cell's measurement noise.

The error is that of the run which `traces` draws: with the sources that were found, for a model that finds them.
Colours, marks and words all follow from it, so that "good" is always where the error is small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import NotFoundError, command
from calcigraph.pictures.canvas import (
    LOWEST,
    Map,
    add_map,
    colour_bar,
    fill,
    map_size,
    mark_size,
    outline_cells,
    outline_paths,
    scale_bar,
    view,
)
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.misfits import COLOURS, FAIR_FROM, MARKS, MEANINGS, POOR_FROM, misfit, word
from calcigraph.pictures.style import (
    DOUBLE,
    HEAD,
    INK,
    NARROW,
    PALE,
    caption,
    finish_histogram,
    letters,
    limits,
    new_figure,
    page_width,
    place,
)
from calcigraph.store.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

LABEL = "error / noise"
"""The root mean square of run minus trace, over the standard deviation of the trace's noise."""
LEAST = 1 / 16
"""Errors below this are drawn as this: a logarithmic scale has no place for 0."""
A_DOUBLING = 4
"""Bins of the histogram for a doubling of the error. The limits of the words are edges of bins."""


def draw_error(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """A map of each cell's error, and its histogram by the words for it; fair and poor cells have a mark on the map."""
    paths, values = outline_paths(data), _errors(data)
    bounds, page, groups = view(data, paths), page_width(DOUBLE), _by_word(values)
    # Lengths are inches. The map is at the left; at the right, or below it, stands the legend above the histogram.
    narrow = page < NARROW
    size = map_size(bounds, page - 0.95 if narrow else 3.45 * page / DOUBLE, 6.0)
    lines, below = len(_handles(values, groups)), 0.3
    high = max(size[1], LOWEST if narrow else 2.6)
    tall = 1.7 if narrow else min(high - 0.49 - 0.16 * lines, 3.0)
    foot = 0.42 + tall + 0.35 + 0.16 * lines + 0.3 if narrow else 0.0
    figure = new_figure(page, foot + high + below + HEAD)
    caption(figure, 0.2, page - 0.05 if narrow else 0.65 * page, data.about(), data.about_fit())
    chart = add_map(figure, bounds, 0.2, foot + below + high - (size[1] + max(size[1], LOWEST)) / 2, size)
    shown = fill(chart, paths, values, "cividis", _norm(values))
    _mark(chart, data, groups)
    outline_cells(chart, data, paths, cells)
    colour_bar(chart, shown, values, LABEL)
    scale_bar(chart, data.pixel_size_um)
    left = 0.55 if narrow else page - 2.2 * page / DOUBLE
    panel = place(figure, left, 0.42, page - left - 0.1, tall)
    across, up = figure.get_size_inches()
    figure.legend(
        handles=_handles(values, groups),
        loc="lower left",
        bbox_to_anchor=((left - 0.05) / across, (0.42 + tall + 0.3) / up),
        borderaxespad=0,
    )
    _histogram(panel, values, groups)
    letters([chart.axes, panel])
    return figure


def _errors(data: PictureData) -> FloatArray:
    """(n,), the errors to draw, NaN for cells that were not fitted. Raises NotFoundError where no run is finite."""
    values = misfit(data)
    if not np.isfinite(values).any():
        raise NotFoundError(
            f"culture {data.culture!r} has no cell with a {data.model} trace; "
            f"run: {command('fit', [data.culture], '--model', data.model)}"
        )
    return np.maximum(values, LEAST)


def _norm(values: FloatArray) -> LogNorm:
    """Colours from half the noise to at least where cells are poor: errors that are all small look all alike."""
    from matplotlib.colors import LogNorm

    return LogNorm(0.5, max(POOR_FROM, limits(values, 2, 98)[1]))


def _by_word(values: FloatArray) -> dict[str, BoolArray]:
    """(n,), cells by the word for their error, for each word that occurs."""
    words = np.array([word(value) for value in values.tolist()])
    return {name: words == name for name in MEANINGS if (words == name).any()}


def _mark(chart: Map, data: PictureData, groups: dict[str, BoolArray]) -> None:
    across = mark_size(data, chart, 0.28, 0.8, 4.5)
    for name, mark in MARKS.items():
        if name not in groups:
            continue
        chart.axes.scatter(
            data.subgraph.x_px[groups[name]],
            data.subgraph.y_px[groups[name]],
            s=across**2,
            marker=mark,
            color=COLOURS[name],
            edgecolors="white",
            linewidths=min(0.5, 0.15 * across),
            zorder=4,
        )


def _handles(values: FloatArray, groups: dict[str, BoolArray]) -> list[Artist]:
    """Legend entries: a word's mark as on the map, or a patch in its colour if it has none there."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    for name, cells in groups.items():
        text = f"{name} ({int(cells.sum())}): {MEANINGS[name]} × noise"
        if name in MARKS:
            mark = Line2D([], [], linestyle="none", marker=MARKS[name], color=COLOURS[name], markeredgecolor="white")
            mark.set_label(text)
            mark.set_markersize(6.5)
            handles.append(mark)
        else:
            handles.append(Patch(color=COLOURS[name], label=text))
    rest = int(np.isnan(values).sum())
    return handles + ([Patch(color=PALE, label=f"not fitted ({rest})")] if rest else [])


def _histogram(axes: Axes, values: FloatArray, groups: dict[str, BoolArray]) -> None:
    """Cells by error, in the colours of the words, whose limits are lines."""
    known = values[np.isfinite(values)]
    first = np.floor(A_DOUBLING * np.log2(min(known.min(), FAIR_FROM / 2)))
    last = np.floor(A_DOUBLING * np.log2(max(known.max(), FAIR_FROM))) + 1
    edges = 2.0 ** (np.arange(first, last + 1) / A_DOUBLING)
    axes.hist(
        [values[cells] for cells in groups.values()],
        bins=edges.tolist(),
        stacked=True,
        color=[COLOURS[name] for name in groups],
    )
    for limit in (FAIR_FROM, POOR_FROM):
        if edges[0] < limit < edges[-1]:
            axes.axvline(limit, color=INK, linewidth=0.6, linestyle=":")
    axes.axvline(float(np.median(known)), color=INK, linewidth=0.9, linestyle="--", label="median")
    finish_histogram(axes, edges, True, LABEL)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), borderaxespad=0.1, borderpad=0.1)
