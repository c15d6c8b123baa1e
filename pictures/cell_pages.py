"""Pages of single cells: trace and run, what is left between them, and where the calcium came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import InputError, NotFoundError, command
from calcigraph.models.identify import IDENTIFIED
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.misfits import misfit, word
from calcigraph.pictures.style import (
    BORDER,
    DOUBLE,
    FAINT,
    HEAD,
    INK,
    INNER,
    MODEL,
    NETWORK,
    SINGLE,
    SMALL,
    Scaled,
    caption,
    limits,
    new_figure,
    padded,
    page_width,
    place,
    scaled,
    scientific,
    symbol,
    text_width,
)
from calcigraph.store.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_CELLS = 12
"""Cells of one page."""
LEFT, RIGHT, BELOW, ACROSS, DOWN = 0.7, 0.1, 0.42, 0.2, 0.14
"""Inches: beside and below the panels, and the gaps between them."""
TITLE, KEY, LINE = 0.34, 0.2, 0.16
"""Inches: the two lines above a cell, the legend above the flows, a line of the legend at the top."""
TRACE, RESIDUAL, FLOW = 1.35, 0.55, 0.8
"""Inches: heights of the panels."""
LEAST_WIDE = 1.75
"""Inches: the least width of a panel."""
OWN, NEIGHBOURS = BORDER, NETWORK
"""Colours of what a cell releases itself, and of what its neighbours give."""


def draw_cells(data: PictureData, chosen: Sequence[tuple[str, int]]) -> Figure:
    """A column of panels for each cell, given as (word, row): trace, residual and flows, on one scale each."""
    if len(chosen) > MOST_CELLS:
        raise InputError(f"{len(chosen)} cells were asked for; one page has room for {MOST_CELLS}")
    _require_runs(data, chosen)
    page = page_width(SINGLE if len(chosen) == 1 else DOUBLE)
    columns = int(np.clip((page - LEFT - RIGHT + ACROSS) / (LEAST_WIDE + ACROSS), 1, len(chosen)))
    bands = [list(chosen[first : first + columns]) for first in range(0, len(chosen), columns)]
    modelled = any(_label(data, row) in data.traces for _, row in chosen)
    heights = [TRACE, *([RESIDUAL] if modelled else []), *([FLOW] if data.sourced and modelled else [])]
    band = TITLE + sum(heights) + DOWN * (len(heights) - 1) + (KEY if len(heights) == 3 else 0) + BELOW
    wide = (page - LEFT - RIGHT - ACROSS * (columns - 1)) / columns
    lines = 1 if page >= DOUBLE else 2
    top = HEAD + LINE * lines
    figure = new_figure(page, top + band * len(bands))
    caption(figure, LEFT, page - 0.05, data.about(), data.about_fit())
    flows, residuals = _flow_scale(data, chosen), _residual_scale(data, chosen)
    handles: dict[str, Line2D] = {}
    for at, cells in enumerate(bands):
        panels = _place_band(figure, band * (len(bands) - 1 - at) + BELOW, wide, heights, len(cells))
        handles |= _band(data, panels, cells, flows, residuals, first=at == 0, alone=len(chosen) == 1)
    figure.align_ylabels()
    up = figure.get_size_inches()[1]
    figure.legend(
        handles=list(handles.values()),
        loc="upper left",
        bbox_to_anchor=(LEFT / page, 1 - HEAD / up),
        ncols=-(-len(handles) // lines),
        borderpad=0,
        borderaxespad=0,
        handlelength=1.1,
        labelspacing=0.25,
    )
    return figure


def typical_cells(data: PictureData) -> list[tuple[str, int]]:
    """The fitted cells whose run is nearest to the data, in the middle, and furthest away. Raises NotFoundError."""
    values = misfit(data)
    rows = np.flatnonzero(np.isfinite(values))
    if not len(rows):
        raise NotFoundError(
            f"culture {data.culture!r} has no cell with a {data.model} trace; "
            f"run: {command('fit', [data.culture], '--model', data.model)}"
        )
    return pick(rows, values)


def pick(rows: IntArray, error: FloatArray) -> list[tuple[str, int]]:
    """At most three cells, each once: the best, the median and the worst by their error."""
    ordered = rows[np.argsort(error[rows], kind="stable")].tolist()
    if len(ordered) == 1:
        return [("", ordered[0])]
    if len(ordered) == 2:
        return [("best", ordered[0]), ("worst", ordered[1])]
    return [("best", ordered[0]), ("median", ordered[len(ordered) // 2]), ("worst", ordered[-1])]


def time_axis(data: PictureData) -> tuple[FloatArray, str]:
    """(T,) the time of each frame, and the label of its axis: minutes if the last frame is at 10 min or later."""
    seconds = data.subgraph.frame_times
    return (seconds / 60, "time (min)") if seconds[-1] >= 600 else (seconds, "time (s)")


def _label(data: PictureData, row: int) -> int:
    return int(data.subgraph.labels[row])


def _require_runs(data: PictureData, chosen: Sequence[tuple[str, int]]) -> None:
    """Raise NotFoundError for an inner cell without a run; border cells, which drive the model, have none."""
    for _, row in chosen:
        label = _label(data, row)
        if label not in data.traces and not data.subgraph.border[row]:
            raise NotFoundError(f"cell {label} of culture {data.culture!r} has no {data.model} trace; fit it again")


def _place_band(figure: Figure, bottom: float, wide: float, heights: Sequence[float], count: int) -> list[list[Axes]]:
    """The panels of some cells side by side, from the top down in each."""
    columns: list[list[Axes]] = [[] for _ in range(count)]
    top = bottom + sum(heights) + DOWN * (len(heights) - 1) + (KEY if len(heights) == 3 else 0)
    for panel, high in enumerate(heights):
        top -= high + (KEY if panel == 2 else 0)
        for at, column in enumerate(columns):
            column.append(place(figure, LEFT + (wide + ACROSS) * at, top, wide, high))
        top -= DOWN
    return columns


def _band(
    data: PictureData,
    panels: Sequence[Sequence[Axes]],
    cells: Sequence[tuple[str, int]],
    flows: Scaled,
    residuals: Scaled,
    first: bool,
    alone: bool,
) -> dict[str, Line2D]:
    """Draw some cells side by side; returns the entries of the legend."""
    from matplotlib.ticker import MaxNLocator

    time, axis = time_axis(data)
    errors = misfit(data)
    handles: dict[str, Line2D] = {}
    shown: list[FloatArray] = []
    for column, (name, row) in zip(panels, cells, strict=True):
        label, width = _label(data, row), column[0].get_position().width * page_inches(column[0])
        lines = _traces(column[0], data, row, time, alone=alone)
        handles |= {str(line.get_label()): line for line in lines if not str(line.get_label()).startswith("_")}
        shown += [_for_limits(line) for line in lines]
        column[0].set_title("\n".join(_about(data, row, name, errors[row], width)), loc="left", size=SMALL, pad=4)
        if label not in data.traces:
            for axes in column[1:]:
                axes.set_axis_off()
        elif len(column) > 1:
            _residual(column[1], data, row, time, residuals.factor)
        if label in data.sourced and len(column) > 2:
            _flows(column[2], data, label, time, flows)
        lowest = column[-1] if label in data.traces else column[0]
        lowest.set_xlabel(axis)
        for axes in column:
            axes.tick_params(labelbottom=axes is lowest, labelleft=False)
    reach = 1.1 * max(abs(edge) for edge in limits(residuals.values))
    for column in panels:
        limit(column[0], time, shown)
        column[0].yaxis.set_major_locator(MaxNLocator(4))
        for axes in column[1:]:
            span(axes, time)
        if len(column) > 1:
            column[1].set_ylim(-reach, reach)
        if len(column) > 2:
            column[2].set_ylim(*padded(*limits(np.append(flows.values, 0.0))))
            column[2].yaxis.set_major_locator(MaxNLocator(4))
    names = (data.intensity_unit, residuals.label.replace(" (", "\n("), flows.label.replace(" (", "\n("))
    for name, beside in zip(names, zip(*panels, strict=True), strict=False):
        leftmost = next((axes for axes in beside if axes.axison), None)
        if leftmost is not None:
            leftmost.set_ylabel(name, size=SMALL)
            leftmost.tick_params(labelleft=True)
            if first and name is names[2]:
                _flow_key(leftmost)
    return handles


def page_inches(axes: Axes) -> float:
    """Width of the page that axes are on."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(figure.get_size_inches()[0])


def _for_limits(line: Line2D) -> FloatArray:
    """What of a line must be seen: all of it, but the middle nine tenths of a neighbour's trace."""
    values = np.asarray(line.get_ydata(), dtype=np.float64)
    return np.array(limits(values, 5, 95)) if line.get_color() == FAINT else values


def _traces(axes: Axes, data: PictureData, row: int, time: FloatArray, alone: bool) -> list[Line2D]:
    """The traces of a cell, in front of those of its neighbours."""
    label = _label(data, row)
    lines = _neighbours(axes, data, row, time, alone)
    lines += axes.plot(time, data.subgraph.intensity[row], color=INK, linewidth=1.3, label="observed")
    if label in data.traces:
        lines += model_lines(axes, data, label, time, 0.7)
    return lines


def model_lines(axes: Axes, data: PictureData, label: int, time: FloatArray, width: float) -> list[Line2D]:
    """What the model makes of a cell: the run with sources, the free run, and the network's trace, as far as known."""
    network, sourced = data.network.get(label), data.sourced.get(label)
    if sourced is not None:
        lines = axes.plot(time, data.traces[label], color=MODEL, linewidth=0.5, linestyle=(0, (4, 2)), label="free run")
        return lines + axes.plot(time, sourced.run, color=MODEL, linewidth=width, label="run with own sources")
    name = data.model if network is None else "free run"
    lines = axes.plot(time, data.traces[label], color=MODEL, linewidth=width, label=name)
    if network is not None:
        lines += axes.plot(time, network, color=INNER, linewidth=0.5, label="network")
    return lines


def _neighbours(axes: Axes, data: PictureData, row: int, time: FloatArray, alone: bool) -> list[Line2D]:
    """Draw the traces of the cells in contact."""
    pairs = data.subgraph.pairs
    rows = np.concatenate([pairs[pairs[:, 0] == row, 1], pairs[pairs[:, 1] == row, 0]]).tolist()
    name = "neighbours" if not alone else f"{len(rows)} neighbours" if len(rows) > 1 else "1 neighbour"
    lines: list[Line2D] = []
    for other in rows:
        label = "_" if lines else name  # one legend entry for all
        values = data.subgraph.intensity[other]
        lines += axes.plot(time, values, color=FAINT, linewidth=0.5, alpha=0.8, label=label, zorder=1)
    return lines


def _residual(axes: Axes, data: PictureData, row: int, time: FloatArray, factor: float) -> None:
    """Draw observed minus run, and minus the network's trace where there is one."""
    label, observed = _label(data, row), data.subgraph.intensity[row]
    run = data.best_run(label)
    assert run is not None
    axes.axhline(0, color=FAINT, linewidth=0.6)
    axes.plot(time, factor * (observed - run), color=MODEL, linewidth=0.6)
    if label in data.network:
        axes.plot(time, factor * (observed - data.network[label]), color=INNER, linewidth=0.5)


def _residual_scale(data: PictureData, chosen: Sequence[tuple[str, int]]) -> Scaled:
    """The residuals of all cells of the page in one unit. A network's are smaller, so the runs' set the limits."""
    runs = [(row, data.best_run(_label(data, row))) for _, row in chosen]
    found = [data.subgraph.intensity[row] - run for row, run in runs if run is not None]
    unit = "a.u." if data.from_traces else ""
    return scaled(np.concatenate(found) if found else np.zeros(1), "residual", unit)


def _flow_scale(data: PictureData, chosen: Sequence[tuple[str, int]]) -> Scaled:
    """The flows of all cells of the page, stacked, in one unit."""
    found = [data.sourced[label] for label in (_label(data, row) for _, row in chosen) if label in data.sourced]
    values = [part for each in found for part in (each.own, each.inflow, _base(each.own, each.inflow) + each.inflow)]
    return scaled(np.concatenate(values) if values else np.zeros(1), "gain", data.rate_unit)


def _base(own: FloatArray, inflow: FloatArray) -> FloatArray:
    """Where the area of the inflow begins: on that of the own sources, if both have one sign."""
    return np.where(own * inflow > 0, own, 0.0)


def _flows(axes: Axes, data: PictureData, label: int, time: FloatArray, flows: Scaled) -> None:
    """What the neighbours give and what the cell releases itself, as areas on each other."""
    found, middle = data.sourced[label], (time[1:] + time[:-1]) / 2
    own, inflow = found.own * flows.factor, found.inflow * flows.factor
    base = _base(own, inflow)
    axes.fill_between(middle, 0, own, color=OWN, linewidth=0)
    axes.fill_between(middle, base, base + inflow, color=NEIGHBOURS, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.4)


def _flow_key(axes: Axes) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=NEIGHBOURS, label="from neighbours"), Patch(color=OWN, label="own sources")]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.1, borderpad=0.1)


def _about(data: PictureData, row: int, name: str, error: float, room: float) -> list[str]:
    """Two lines: label, word and error of the cell; its fitted parameters, and whether k is identified."""
    label = _label(data, row)
    if data.subgraph.border[row] and label not in data.traces:
        return [f"cell {label}, border:", "it drives the model"]
    first = [f"cell {label}", *([name] if name else [])]
    if np.isfinite(error):
        first += [*([] if name else [word(error)]), f"error {error:.2g} × noise"]
    coupling, parameter = data.coupling()
    k, feed, said = coupling[row], data.values("feed")[row], data.identified()[row]
    second = [f"{symbol(parameter)} {scientific(k)} s$^{{-1}}$"] if np.isfinite(k) else []
    doubt = [said] if said not in ("", IDENTIFIED) else []
    fed = [f"feed {scientific(feed)} {data.rate_unit}"] if np.isfinite(feed) else []
    for parts in ([*second, *fed, *doubt], [*second, *doubt], second):
        text = ", ".join(parts)
        if parts and text_width(text) <= room:
            return [", ".join(first), text]
    return [", ".join(first), ", ".join(second)]


def limit(axes: Axes, time: FloatArray, shown: Sequence[FloatArray]) -> None:
    """Show all of these traces."""
    low, high = limits(np.concatenate(list(shown)))
    span(axes, time)
    axes.set_ylim(*padded(low, high))


def span(axes: Axes, time: FloatArray) -> None:
    """Let the time axis cover the recording; one frame alone spans nothing."""
    from matplotlib.ticker import MaxNLocator

    if len(time) > 1:
        axes.set_xlim(time[0], time[-1])
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
