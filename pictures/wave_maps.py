"""When each cell of a wave rose, as a map for each of the largest waves: where they began, how they ran, how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import InputError, NotFoundError, command
from calcigraph.pictures.canvas import (
    Map,
    add_map,
    colour_bar,
    fill,
    map_size,
    mark_size,
    outline_cells,
    outline_paths,
    scale_bar,
    spacing,
    view,
)
from calcigraph.pictures.data import Firing, PictureData
from calcigraph.pictures.firing import (
    START,
    cell_count,
    largest,
    numbers,
    run_of,
    speed_text,
    time_unit,
)
from calcigraph.pictures.style import (
    DOUBLE,
    HEAD,
    INK,
    NARROW,
    SINGLE,
    SINGLED,
    SMALL,
    caption,
    limits,
    named_cells,
    new_figure,
    page_width,
    text_width,
)
from calcigraph.store.event_types import WAVE, Wave
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.path import Path

MOST = 6
"""The largest waves that one page shows."""
MOST_NARROW = 3
"""Those that a narrow page shows."""
ABOVE, BENEATH, SIDE, GAP, KEY = 0.34, 0.64, 0.1, 0.2, 0.2
"""Inches: room above a map for two lines, beneath it for bars, at the page's sides, between maps, for the legend."""
TALLEST = 5.6
"""Inches: the height of the maps of a page together; one row of them has half of it."""
BAR_ROOM = 1.9
"""Inches: the least room for a colour bar, of which it takes the right half."""
CROWDED, FIELD = 9.0, 14.0
"""Points between cells on paper below which the links of large waves have no arrow each, and the side of the squares
whose links then have one arrow together."""
FEW_LINKS = 100
"""A wave with so many links has an arrow for each, however small the cells are."""


@dataclass(frozen=True)
class Arrows:
    """Arrows from cell to cell of one wave, in px; each (a,)."""

    x: FloatArray
    y: FloatArray
    across: FloatArray
    down: FloatArray


def check_waves(data: PictureData, cells: tuple[int, ...]) -> None:
    """Refuse a culture without waves, and a number that no wave has.

    Raises NotFoundError, InputError.
    """
    run, asked = run_of(data), data.wave
    if not largest(run):
        drawn = command("picture", [data.culture], "events")
        raise NotFoundError(f"culture {data.culture!r} has no wave to draw; `{drawn} -o FILE` draws its events")
    if asked is None:
        return
    if asked not in numbers(run.waves):
        raise NotFoundError(f"culture {data.culture!r} has no wave {asked}; they are numbered 1 to {len(run.waves)}")
    if run.waves[numbers(run.waves).index(asked)].kind != WAVE:
        raise InputError(f"number {asked} of culture {data.culture!r} is a flash, of many cells at once, and no wave")


def draw_waves(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Each cell in the colour of the time at which it rose, with arrows to the cells that it may have set off.

    Up to MOST waves, those of most cells, are shown in the order of their numbers; `data.wave` is shown alone.
    """
    run = run_of(data)
    shown = _chosen(data, run)
    paths = outline_paths(data)
    bounds = view(data, paths)
    wide = page_width(SINGLE if len(shown) == 1 and len(paths) < 500 else DOUBLE)
    columns = 1 if wide < NARROW else {1: 1, 2: 2, 4: 2}.get(len(shown), 3)
    rows = -(-len(shown) // columns)  # rounded up
    pitch = (wide - 2 * SIDE + GAP) / columns
    size = map_size(bounds, pitch - GAP, TALLEST / max(rows, 2) if columns > 1 else TALLEST / 2)
    tall = max(size[1], 0.3)
    figure = new_figure(wide, KEY + rows * (ABOVE + tall + BENEATH) + HEAD)
    caption(figure, SIDE, wide - 0.05, data.about(), _summary(run, len(shown)))
    crowded = _crowded(data, run, shown, 72 * size[0] / bounds.width)
    for place, at in enumerate(shown):
        row, column = divmod(place, columns)
        left = SIDE + column * pitch + (pitch - GAP - size[0]) / 2
        bottom = KEY + BENEATH + (rows - 1 - row) * (ABOVE + tall + BENEATH) + (tall - size[1]) / 2
        chart = add_map(figure, bounds, left, bottom, size)
        _wave_map(chart, data, run, run.waves[at], paths, crowded)
        outline_cells(chart, data, paths, cells)
        _headline(chart, data, run, at, SIDE + column * pitch, pitch - GAP)
    _legend(figure, run, shown, crowded, cells)
    return figure


def _chosen(data: PictureData, run: Firing) -> list[int]:
    """Places in `run.waves` of the waves that are drawn."""
    if data.wave is not None:
        return [numbers(run.waves).index(data.wave)]
    return sorted(largest(run, MOST if page_width(DOUBLE) >= NARROW else MOST_NARROW))


def _summary(run: Firing, shown: int) -> str:
    """Such as "the 6 largest of 9 waves"."""
    there = sum(wave.kind == WAVE for wave in run.waves)
    if shown == there:
        return "1 wave" if there == 1 else f"{there} waves"
    return f"the {shown} largest of {there} waves" if shown > 1 else f"1 of {there} waves"


def risen(data: PictureData, run: Firing, wave: Wave) -> FloatArray:
    """(n,) s from the wave's onset to the half rise of each cell, its first one; NaN for cells outside the wave."""
    events = run.events
    rows = np.searchsorted(data.subgraph.labels, events.label[wave.events])
    since = np.full(len(data.subgraph.labels), np.nan)
    np.fmin.at(since, rows, events.half_s[wave.events] - wave.onset_s)
    return since


def _wave_map(chart: Map, data: PictureData, run: Firing, wave: Wave, paths: Sequence[Path], crowded: bool) -> None:
    from matplotlib.colors import Normalize

    since = risen(data, run, wave)
    unit, name = time_unit(wave.duration_s)
    shown = fill(chart, paths, since / unit, time_colours(), Normalize(*limits(since / unit)))
    _draw_arrows(chart, data, run, wave, crowded)
    _mark_starts(chart, data, wave)
    # A map that is narrow has a bar that is wider than itself.
    beside = max(chart.width, BAR_ROOM)
    room = replace(chart, left=chart.left + (chart.width - beside) / 2, width=beside)
    colour_bar(room, shown, since / unit, f"half rise ({name})", beneath=True)
    scale_bar(chart, data.pixel_size_um)


def time_colours() -> Colormap:
    """From yellow, early, to blue, late: the light part of viridis, on which dark arrows can be seen."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap

    light = matplotlib.colormaps["viridis"](np.linspace(1.0, 0.38, 64))
    return LinearSegmentedColormap.from_list("early to late", list(light))


def _draw_arrows(chart: Map, data: PictureData, run: Firing, wave: Wave, crowded: bool) -> None:
    """The links as arrows from centroid to centroid; where cells are small on paper, the mean of those around."""
    arrows = links_of(data, run, wave)
    width = mark_size(data, chart, 0.035, 0.5, 0.9)
    if crowded:
        arrows, width = averaged(arrows, FIELD / chart.points_per_px), 0.6
    if not len(arrows.x):
        return
    chart.axes.quiver(
        arrows.x,
        arrows.y,
        arrows.across,
        arrows.down,
        angles="xy",
        scale_units="xy",
        scale=1,
        units="inches",
        width=width / 72,
        headwidth=5,
        headlength=5.5,
        headaxislength=5,
        minlength=0,
        color=INK,
        zorder=4,
    )


def _crowded(data: PictureData, run: Firing, shown: Sequence[int], points_per_px: float) -> bool:
    """Whether there is no room for an arrow for each link."""
    if spacing(data) * points_per_px >= CROWDED:
        return False
    return any(len(links_of(data, run, run.waves[at]).x) > FEW_LINKS for at in shown)


def links_of(data: PictureData, run: Firing, wave: Wave) -> Arrows:
    """An arrow for each link of a wave, cut short at both ends; ties, whose order frames cannot show, have none."""
    graph, links = data.subgraph, run.links
    inside = np.zeros(len(run.events), dtype=np.bool_)
    inside[wave.events] = True
    taken = inside[links.before] & inside[links.after] & ~links.tie
    row = np.searchsorted(graph.labels, run.events.label)
    start, end = row[links.before[taken]], row[links.after[taken]]
    across, down = graph.x_px[end] - graph.x_px[start], graph.y_px[end] - graph.y_px[start]
    # A fifth of the way is left free at either end, so that arrows do not meet at the centroids.
    return Arrows(graph.x_px[start] + across / 5, graph.y_px[start] + down / 5, 0.6 * across, 0.6 * down)


def averaged(arrows: Arrows, side: float) -> Arrows:
    """One arrow for each square: its direction is the mean of those whose middles lie in it, its length their accord.

    Parameters
    ----------
    arrows
        Of any number.
    side
        Of the squares, px. Where all arrows of a square agree, theirs is four fifths of this long.
    """
    x, y = arrows.x + arrows.across / 2, arrows.y + arrows.down / 2
    squares = np.column_stack([x // side, y // side])
    which = np.unique(squares, axis=0, return_inverse=True)[1].ravel()
    count = np.bincount(which)
    length = np.maximum(np.hypot(arrows.across, arrows.down), 1e-9)
    x, y, across, down = (
        np.bincount(which, values) / count for values in (x, y, arrows.across / length, arrows.down / length)
    )
    across, down = 0.8 * side * across, 0.8 * side * down
    return Arrows(x - across / 2, y - down / 2, across, down)


def _mark_starts(chart: Map, data: PictureData, wave: Wave) -> None:
    """A star on each cell that may have begun the wave."""
    rows = np.flatnonzero(np.isin(data.subgraph.labels, wave.starts))
    across = mark_size(data, chart, 0.55, 7.0, 11.0)
    chart.axes.scatter(
        data.subgraph.x_px[rows],
        data.subgraph.y_px[rows],
        s=across**2,
        marker="*",
        color=START,
        edgecolors="white",
        linewidths=0.5,
        zorder=5,
        clip_on=False,
    )


def _headline(chart: Map, data: PictureData, run: Firing, at: int, left: float, room: float) -> None:
    """Above the map: number, cells and p of the wave; when it began, and its speed with the interval."""
    wave = run.waves[at]
    unit, name = time_unit(float(data.subgraph.frame_times[-1]))
    count = cell_count(run, wave)
    first = f"wave {numbers(run.waves)[at]}: {count} cells, $p$ = {wave.p:.2g}"
    speed = speed_text(wave, data.pixel_size_um)
    second = f"at {wave.onset_s / unit:.3g} {name}, {speed}"
    if text_width(second) > room:
        second = speed
    figure = chart.axes.get_figure(root=True)
    assert figure is not None
    across, up = figure.get_size_inches()
    # Over the map, or further left where the map is narrower than the text.
    left = max(left, min(chart.left, left + room - max(text_width(first), text_width(second))))
    top = chart.bottom + chart.height
    for text, above in ((first, 15), (second, 4)):
        figure.text(left / across, (top + above / 72) / up, text, size=SMALL)


def _legend(figure: Figure, run: Firing, shown: Sequence[int], crowded: bool, cells: tuple[int, ...]) -> None:
    """What the marks are, at the foot of the page."""
    from matplotlib.lines import Line2D

    precedes = "precedes (mean of the links around)" if crowded else "precedes"
    several = any(len(run.waves[at].starts) > 1 for at in shown)
    words = "start; several where they cannot be told apart" if several else "start"
    handles = [
        Line2D([], [], linestyle="none", marker="*", markersize=8, color=START, markeredgecolor="white", label=words),
        Line2D([], [], linestyle="none", marker=r"$\rightarrow$", markersize=7, color=INK, label=precedes),
    ]
    if cells:
        handles.append(Line2D([], [], color=SINGLED, linewidth=1.3, label=named_cells(cells)))
    across, up = figure.get_size_inches()
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(SIDE / across, 0.05 / up),
        ncols=len(handles),
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.3,
    )
