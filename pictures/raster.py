"""Every event of a culture: a row for each cell, ordered by position, against time, and the rate above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.pictures.data import Firing, PictureData
from calcigraph.pictures.firing import (
    ALONE,
    largest,
    numbers,
    run_of,
    time_unit,
    wave_colours,
    wave_of_event,
)
from calcigraph.pictures.style import (
    DOUBLE,
    HEAD,
    INK,
    NARROW,
    SINGLED,
    SMALL,
    caption,
    legend_above,
    new_figure,
    page_width,
    place,
    text_width,
)
from calcigraph.store.event_types import FLASH
from calcigraph.store.types import FloatArray, IntArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, BELOW, STRIP, RATE, LEGEND = 0.74, 0.12, 0.42, 0.28, 0.62, 0.2
"""Inches: beside and below the raster, and the heights of the waves' numbers, the rate and the legend above it."""
ROW, LEAST, MOST = 0.028, 1.9, 5.0
"""Inches: the height of a row, and the least and largest height of the raster."""
NAMED, NAMED_ROW = 25, 0.14
"""Up to so many cells the rows carry labels, and are so high (inches)."""
THINNEST, THICKEST = 0.25, 2.2
"""Points: the thickness of an event's bar."""
LANES = (0.08, 0.2, 0.32)
"""Heights in the strip of waves: those that overlap in time lie above each other."""
BINS = 90
"""At most so many bins of the rate."""
RASTERISE_EVENTS = 50_000
"""With more events than this, PDF and SVG hold them as pixels."""


@dataclass(frozen=True)
class Rows:
    """How the cells are ordered."""

    position: FloatArray
    """(n,) of each cell, in the unit of the label."""
    rank: IntArray
    """(n,) the row of each cell, from 0 at the bottom."""
    label: str
    """What the position is, with its unit."""


def draw_events(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """A bar from onset to end for each event, in the colour of its wave, and the rate of all cells above."""
    run = run_of(data)
    rows = order_cells(data, run)
    count = len(rows.rank)
    tall = max(NAMED_ROW * count, 0.6) if count <= NAMED else float(np.clip(ROW * count, LEAST, MOST))
    right = RIGHT + (max(text_width(f"cell {cell}") for cell in cells) + 0.05 if cells else 0.0)
    page = page_width(DOUBLE)
    wide = page - LEFT - right
    lines = 1 if page >= NARROW else 3
    figure = new_figure(page, BELOW + tall + STRIP + RATE + LEGEND * lines + HEAD)
    caption(figure, LEFT, page - 0.05, data.about(), _summary(run))
    bars = place(figure, LEFT, BELOW, wide, tall)
    strip = place(figure, LEFT, BELOW + tall, wide, STRIP)
    rate = place(figure, LEFT, BELOW + tall + STRIP, wide, RATE)
    times = data.subgraph.frame_times
    unit, name = time_unit(float(times[-1]))
    end = max(float(times[-1]), data.subgraph.frame_interval_s) / unit
    _bars(bars, data, run, rows, unit, tall)
    _strip(strip, run, unit, wide / end)
    _rate(rate, run, len(run.labels), unit, end, data.subgraph.frame_interval_s)
    _key(rate, run, wave_of_event(run), 3 // lines)
    for axes in (bars, strip, rate):
        axes.set_xlim(0, end)
    bars.set_xlabel(f"time ({name})")
    rows_axis(bars, data, rows, tall)
    single_out(bars, {cell: int(rows.rank[data.row(cell)]) for cell in cells})
    return figure


def _summary(run: Firing) -> str:
    """Such as "312 events in 80 of 100 cells, 4 waves, 1 flash"."""
    flashes = sum(wave.kind == FLASH for wave in run.waves)
    kinds = [(len(run.waves) - flashes, "wave", "waves"), (flashes, "flash", "flashes")]
    firing = len(np.unique(run.events.label))
    parts = [f"{_counted(len(run.events), 'event', 'events')} in {firing} of {len(run.labels)} cells"]
    return ", ".join(parts + [_counted(*each) for each in kinds if each[0] or each[1] == "wave"])


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def order_cells(data: PictureData, run: Firing) -> Rows:
    """The cells along the way of the largest wave, so that it makes a line; without a wave, along the tissue.

    A wave that runs one way orders them along its direction, one that runs all ways by their distance from its origin.
    Without either they lie along the first principal axis of their positions.
    """
    graph = data.subgraph
    step, unit = (data.pixel_size_um, "µm") if data.pixel_size_um else (1.0, "px")
    found = largest(run, 1)
    wave = run.waves[found[0]] if found else None
    if wave is not None and wave.direction_deg is not None:
        angle = np.deg2rad(wave.direction_deg)
        position = np.cos(angle) * graph.x_px + np.sin(angle) * graph.y_px
        label = f"position along wave {numbers(run.waves)[found[0]]} ({unit})"
    elif wave is not None and wave.origin_x_px is not None and wave.origin_y_px is not None:
        position = np.hypot(graph.x_px - wave.origin_x_px, graph.y_px - wave.origin_y_px)
        label = f"from the start of wave {numbers(run.waves)[found[0]]} ({unit})"
    else:
        return along_tissue(data)
    if wave.origin_x_px is None or wave.direction_deg is not None:
        position = position - position.min()
    return Rows(position=position * step, rank=_ranks(graph.labels, position), label=label)


def along_tissue(data: PictureData) -> Rows:
    """The cells along the first principal axis of their positions."""
    graph = data.subgraph
    step, unit = (data.pixel_size_um, "µm") if data.pixel_size_um else (1.0, "px")
    position = _first_axis(graph.x_px, graph.y_px)
    position = (position - position.min()) * step
    return Rows(position, _ranks(graph.labels, position), f"position along the tissue ({unit})")


def _ranks(labels: IntArray, position: FloatArray) -> IntArray:
    """(n,) the row of each cell by its position, from 0 at the bottom."""
    rank = np.empty(len(position), dtype=np.int64)
    rank[np.lexsort((labels, position))] = np.arange(len(position))
    return rank


def _first_axis(x: FloatArray, y: FloatArray) -> FloatArray:
    """(n,), px, the coordinate along the first principal axis; it grows with x, or with y where that is the axis."""
    spots = np.column_stack([x - x.mean(), y - y.mean()])
    axis = np.linalg.eigh(spots.T @ spots)[1][:, -1]
    return np.asarray(np.sign(axis[np.argmax(np.abs(axis))]) * (spots @ axis))


def _bars(axes: Axes, data: PictureData, run: Firing, rows: Rows, unit: float, tall: float) -> None:
    """The events, those of no wave first, so that waves lie on top."""
    from matplotlib.collections import LineCollection

    events, wave = run.events, wave_of_event(run)
    row = rows.rank[np.searchsorted(data.subgraph.labels, events.label)]
    height = 72 * tall / len(rows.rank)
    colours = np.array([*wave_colours(run.waves), ALONE])
    order = np.argsort(wave >= 0, kind="stable")
    ends = (np.column_stack([times / unit, row]) for times in (events.onset_s, events.end_s))
    spans = np.stack(list(ends), axis=1)
    lines = LineCollection(
        list(spans[order]),
        colors=colours[wave[order]].tolist(),
        linewidths=float(np.clip(0.75 * height, THINNEST, THICKEST)),
        capstyle="butt",
    )
    lines.set_rasterized(len(events) > RASTERISE_EVENTS)
    axes.add_collection(lines, autolim=False)
    axes.set_ylim(-0.8, len(rows.rank) - 0.2)


def rows_axis(axes: Axes, data: PictureData, rows: Rows, tall: float) -> None:
    """The y axis: labels of few cells, else round positions at the rows where they are reached."""
    from matplotlib.ticker import MaxNLocator

    count = len(rows.rank)
    if count <= NAMED:
        axes.set_yticks(rows.rank.tolist(), [str(label) for label in data.subgraph.labels.tolist()])
        axes.set_ylabel("cell")
        return
    at = np.sort(rows.position)
    ticks: list[tuple[int, str]] = []
    for value in MaxNLocator(7).tick_values(float(at[0]), float(at[-1])):
        row = int(np.searchsorted(at, value - 1e-9))
        apart = not ticks or (row - ticks[-1][0]) * tall * 72 / count > 1.3 * SMALL
        if at[0] <= value + 1e-9 and row < count and apart:
            ticks.append((row, f"{value:g}"))
    axes.set_yticks([row for row, _ in ticks], [text for _, text in ticks])
    axes.set_ylabel(rows.label)


def _strip(axes: Axes, run: Firing, unit: float, inches: float) -> None:
    """When each wave ran, in its colour, with its number where there is room; the largest waves first."""
    axes.axis("off")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    colours, taken, lanes = wave_colours(run.waves), list[tuple[float, float]](), _lanes(run)
    for at in sorted(range(len(run.waves)), key=lambda at: -len(run.waves[at].events)):
        wave, name = run.waves[at], str(numbers(run.waves)[at])
        start, end = wave.onset_s / unit, (wave.onset_s + wave.duration_s) / unit
        middle, half = (start + end) / 2, (text_width(name) / 2 + 0.02) / inches
        height = LANES[lanes[at]]
        ends, levels = [start, end], [height, height]
        axes.plot(ends, levels, color=colours[at], linewidth=1.6, solid_capstyle="butt", clip_on=False)
        if wave.kind == FLASH:
            axes.plot([middle], [height], marker="v", markersize=4, color=INK, markeredgewidth=0, clip_on=False)
        if all(abs(middle - other) > half + its for other, its in taken):
            taken.append((middle, half))
            axes.text(middle, 0.42, name, color=colours[at], ha="center", va="bottom", size=SMALL, clip_on=False)


def _lanes(run: Firing) -> list[int]:
    """For each wave a lane where no earlier wave runs still; the one that is free first where none is."""
    free, lanes = [-np.inf] * len(LANES), [0] * len(run.waves)
    for at in sorted(range(len(run.waves)), key=lambda at: run.waves[at].onset_s):
        wave = run.waves[at]
        lane = next((lane for lane, end in enumerate(free) if end <= wave.onset_s), int(np.argmin(free)))
        lanes[at], free[lane] = lane, wave.onset_s + wave.duration_s
    return lanes


def _rate(axes: Axes, run: Firing, cells: int, unit: float, end: float, interval_s: float) -> None:
    """Events an hour and cell, by half rise, stacked by the colours of the raster."""
    from matplotlib.ticker import MaxNLocator

    bins = int(np.clip(end * unit / interval_s, 1, BINS))
    edges = np.linspace(0, end, bins + 1)
    wave = wave_of_event(run)
    colours = np.array([*wave_colours(run.waves), ALONE])[wave]
    per_hour = 3600 / (max(cells, 1) * (edges[1] - edges[0]) * unit)
    half, below = run.events.half_s / unit, np.zeros(bins)
    for colour in (ALONE, *sorted(set(colours.tolist()) - {ALONE})):
        count = np.histogram(half[colours == colour], edges)[0] * per_hour
        axes.stairs(below + count, edges, baseline=below, fill=True, color=colour, linewidth=0)
        below = below + count
    axes.set_ylim(0, max(float(below.max()) * 1.05, 1e-9) if below.any() else 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(labelbottom=False)
    axes.set_ylabel("events per\nh and cell", labelpad=2)


def _key(axes: Axes, run: Firing, wave: IntArray, columns: int) -> None:
    """The legend above: what the colours are, with the number of events."""
    flash = np.array([each.kind == FLASH for each in run.waves] + [False])[wave]
    parts: Sequence[tuple[int, str, str]] = (
        (int((wave < 0).sum()), "in no wave", ALONE),
        (int((wave >= 0).sum() - flash.sum()), "in a wave, a colour each", next(iter(_first(run)), INK)),
        (int(flash.sum()), "in a flash", INK),
    )
    for count, text, colour in parts:
        if count:
            axes.plot([], [], color=colour, linewidth=2, label=f"{text} ({count})")
    legend_above(axes, columns, handle=1.0, gap=0.5)


def _first(run: Firing) -> list[str]:
    """The colours that waves have."""
    return [colour for colour, wave in zip(wave_colours(run.waves), run.waves, strict=True) if wave.kind != FLASH]


def single_out(axes: Axes, rows: Mapping[int, int], zorder: float = 0.0) -> None:
    """Mark the rows of some cells, given by label; a label that would lie on another one is left out."""
    height = abs(np.subtract(*axes.transData.transform([(0, 0), (0, 1)])[:, 1])) * 72 / axes.figure.dpi
    named: list[int] = []
    for cell, row in rows.items():
        axes.axhline(row, color=SINGLED, linewidth=0.8, zorder=zorder)
        if all(abs(row - other) * height > 1.3 * SMALL for other in named):
            named.append(row)
            axes.annotate(
                f"cell {cell}",
                (1, row),
                xycoords=("axes fraction", "data"),
                xytext=(3, 0),
                textcoords="offset points",
                color=SINGLED,
                va="center",
                annotation_clip=False,
            )
