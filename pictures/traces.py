"""Observed traces, the model's free run and a network's own traces (figures 13 to 16 of arXiv:2505.20327)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import NotFoundError, command
from calcigraph.models.identify import IDENTIFIED
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.groups import GROUPS, MEANINGS, members
from calcigraph.pictures.style import (
    DOUBLE,
    FAINT,
    HEAD,
    INK,
    INNER,
    MODEL,
    SINGLE,
    SMALL,
    caption,
    fit_text,
    legend_above,
    limits,
    new_figure,
    padded,
    place,
    scientific,
    symbol,
)
from calcigraph.store.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


LEFT, BELOW, HIGH, ACROSS, DOWN = 0.68, 0.42, 1.15, 0.2, 0.25
"""Inches on the page of many cells: room left of and below the panels, their height, the gaps between them."""
NOTE = 0.15
"""Inches that a line of notes takes there."""


def draw_traces(data: PictureData, frame: int, cell: int | None) -> Figure:
    """Observed and modelled traces.

    One cell is drawn with its neighbours and its residual; without a cell, the best, median and worst cell of each fit
    group are drawn. The free run shows what the fitted parameters explain. The trace of a network, where the model has
    one, is nearer to the data, since the network is trained to follow them.
    """
    return _grid(data) if cell is None else _single(data, data.row(cell))


def time_axis(data: PictureData) -> tuple[FloatArray, str]:
    """(T,) the time of each frame, and the label of its axis: minutes if the last frame is at 10 min or later."""
    seconds = data.subgraph.frame_times
    return (seconds / 60, "time (min)") if seconds[-1] >= 600 else (seconds, "time (s)")


# ---------------------------------------------------------------------------------------------------------- one cell


def _single(data: PictureData, row: int) -> Figure:
    """One cell's traces above, its residual below; a border cell, which is not modelled, has no residual."""
    label = int(data.subgraph.labels[row])
    has_model = label in data.traces
    if not has_model and not data.subgraph.border[row]:
        raise NotFoundError(f"cell {label} of culture {data.culture!r} has no {data.model} trace; fit it again")
    figure = new_figure(SINGLE, 3.2 if has_model else 2.3)
    upper = place(figure, 0.58, 1.15 if has_model else 0.4, 2.8, 1.45)
    lowest = upper
    time, axis = time_axis(data)
    _observed_and_model(upper, data, row, time)
    if has_model:
        lowest = place(figure, 0.58, 0.4, 2.8, 0.6)
        _residual(lowest, data, row, time)
        upper.tick_params(labelbottom=False)
    lowest.set_xlabel(axis)
    upper.set_ylabel(data.intensity_unit)
    figure.align_ylabels()
    title = [fit_text(data.about(), data.about_fit(), 2.85), *_about(data, row)]
    upper.set_title("\n".join(title), loc="left", size=SMALL, pad=16)
    legend_above(upper, columns=4, handle=1.0, gap=0.4)
    return figure


def _observed_and_model(axes: Axes, data: PictureData, row: int, time: FloatArray) -> None:
    """The traces of a cell, in front of those of its neighbours."""
    label, observed = int(data.subgraph.labels[row]), data.subgraph.intensity[row]
    shown = _neighbours(axes, data, row, time)
    axes.plot(time, observed, color=INK, linewidth=1.3, label="observed")
    shown.append(observed)
    if label in data.traces:
        lines = _model_lines(axes, data, label, time, 0.7)
        shown += [np.asarray(line.get_ydata()) for line in lines]
    _limit(axes, time, shown)


def _model_lines(axes: Axes, data: PictureData, label: int, time: FloatArray, width: float) -> list[Line2D]:
    """A cell's free run and, where the model has a network, the network's trace."""
    network = data.network.get(label)
    name = data.model if network is None else "free run"
    lines = axes.plot(time, data.traces[label], color=MODEL, linewidth=width, label=name)
    if network is not None:
        lines += axes.plot(time, network, color=INNER, linewidth=0.5, label="network")
    return lines


def _neighbours(axes: Axes, data: PictureData, row: int, time: FloatArray) -> list[FloatArray]:
    """Draw the traces of the cells in contact, and return them."""
    pairs = data.subgraph.pairs
    rows = np.concatenate([pairs[pairs[:, 0] == row, 1], pairs[pairs[:, 1] == row, 0]])
    name = f"{len(rows)} neighbours" if len(rows) > 1 else "1 neighbour"
    for at, other in enumerate(rows.tolist()):
        axes.plot(
            time,
            data.subgraph.intensity[other],
            color=FAINT,
            linewidth=0.5,
            alpha=0.8,
            label="_" if at else name,  # one legend entry for all
            zorder=1,
        )
    return list(data.subgraph.intensity[rows])


def _residual(axes: Axes, data: PictureData, row: int, time: FloatArray) -> None:
    """Observed minus free run, and observed minus the network's trace where the model has a network."""
    label, observed = int(data.subgraph.labels[row]), data.subgraph.intensity[row]
    residual = observed - data.traces[label]
    axes.axhline(0, color=FAINT, linewidth=0.6)
    axes.plot(time, residual, color=MODEL, linewidth=0.6)
    if label in data.network:
        axes.plot(time, observed - data.network[label], color=INNER, linewidth=0.5)
    # The free run alone sets the limits: the network's residual is smaller.
    reach = 1.1 * max(abs(edge) for edge in limits(residual))
    _span(axes, time)
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("residual")


def _about(data: PictureData, row: int) -> list[str]:
    """Two lines: label, fit group and error of the cell; its fitted parameters, and whether k is identified."""
    label = int(data.subgraph.labels[row])
    if data.subgraph.border[row]:
        return [f"cell {label}, border: it drives the model"]
    group, mse = data.groups()[row], float(data.values("mse_train")[row])
    first = [f"cell {label}", *([group] if group else []), *([f"MSE {scientific(mse)}"] if np.isfinite(mse) else [])]
    coupling, name = data.coupling()
    k, feed, word = coupling[row], data.values("feed")[row], data.identified()[row]
    second = [f"{symbol(name)} {scientific(k)} s$^{{-1}}$"] if np.isfinite(k) else []
    second += [f"feed {scientific(feed)} s$^{{-1}}$"] if np.isfinite(feed) else []
    second += [word] if word not in ("", IDENTIFIED) else []
    return [", ".join(part) for part in (first, second) if part]


# -------------------------------------------------------------------------------------------------------- many cells


def representatives(data: PictureData) -> list[tuple[str, list[tuple[str, int]]]]:
    """The best, median and worst cell by MSE of each fit group, as (group, [("best", row), ...])."""
    mse = data.values("mse_train")
    has_trace = np.isin(data.subgraph.labels, list(data.traces))
    known = has_trace & ~data.subgraph.border & np.isfinite(mse)
    return [(group, _pick(np.flatnonzero(cells), mse)) for group, cells in members(data, known).items()]


def _pick(rows: IntArray, mse: FloatArray) -> list[tuple[str, int]]:
    """At most three cells of a group, each once."""
    ordered = rows[np.argsort(mse[rows], kind="stable")].tolist()
    if len(ordered) == 1:
        return [("", ordered[0])]
    if len(ordered) == 2:
        return [("best", ordered[0]), ("worst", ordered[1])]
    return [("best", ordered[0]), ("median", ordered[len(ordered) // 2]), ("worst", ordered[-1])]


def _grid(data: PictureData) -> Figure:
    """One row of panels per fit group."""
    chosen = representatives(data)
    if not chosen:
        raise NotFoundError(
            f"culture {data.culture!r} has no cell with a {data.model} trace and MSE; "
            f"run: {command('fit', [data.culture], '--model', data.model)}"
        )
    columns = max(len(picked) for _, picked in chosen)
    page = DOUBLE if columns > 1 else SINGLE
    wide = (page - LEFT - 0.1 - ACROSS * (columns - 1)) / columns
    notes = _notes([group for group, _ in chosen], page)
    head = HEAD + NOTE * len(notes) + 0.2
    figure = new_figure(page, BELOW + len(chosen) * (HIGH + DOWN) + head - 0.05)
    caption(figure, LEFT, page - 0.05, data.about(), data.about_fit())
    handles: list[Line2D] = []
    for line, (group, picked) in enumerate(chosen, start=1):
        bottom = BELOW + (len(chosen) - line) * (HIGH + DOWN)
        row_axes = [place(figure, LEFT + (wide + ACROSS) * at, bottom, wide, HIGH) for at in range(len(picked))]
        handles = _row(data, row_axes, picked, last=line == len(chosen))
        row_axes[0].set_ylabel(f"{group or 'all'} ($n$ = {_count(data, group)})\n{data.intensity_unit}", size=SMALL)
    figure.align_ylabels()
    up = figure.get_size_inches()[1]
    for line, note in enumerate(notes, start=1):
        figure.text((LEFT if page == DOUBLE else 0.1) / page, 1 - (HEAD - 4 / 72 + NOTE * line) / up, note)
    spot = (LEFT / page, 1 - (head - 0.18) / up)
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=spot, ncols=3, borderpad=0, borderaxespad=0)
    return figure


def _notes(groups: list[str], page: float) -> list[str]:
    """Lines that explain the groups, if there are any: one on a page of two columns, else one per group."""
    if not set(GROUPS) & set(groups):
        return []
    return ["; ".join(MEANINGS)] if page == DOUBLE else list(MEANINGS)


def _count(data: PictureData, group: str) -> int:
    """How many fitted cells the group has, those without a trace too."""
    groups = np.array(data.groups())[np.isfinite(data.values("mse_train"))]
    return int((groups == group).sum())


def _row(data: PictureData, row_axes: list[Axes], picked: list[tuple[str, int]], last: bool) -> list[Line2D]:
    """The panels of one group, on one intensity scale."""
    from matplotlib.ticker import MaxNLocator

    time, axis = time_axis(data)
    shown: list[FloatArray] = []
    lines: list[Line2D] = []
    for axes, (word, row) in zip(row_axes, picked, strict=True):
        label = int(data.subgraph.labels[row])
        lines = axes.plot(time, data.subgraph.intensity[row], color=INK, linewidth=1.1, label="observed")
        lines += _model_lines(axes, data, label, time, 0.6)
        shown += [np.asarray(line.get_ydata()) for line in lines]
        mse = scientific(float(data.values("mse_train")[row]))
        axes.set_title(
            ", ".join(part for part in (f"cell {label}", word, f"MSE {mse}") if part), loc="left", size=SMALL, pad=3
        )
        if last:
            axes.set_xlabel(axis)
    for axes in row_axes:
        _limit(axes, time, shown)
        axes.tick_params(labelleft=axes is row_axes[0], labelbottom=last)
        axes.yaxis.set_major_locator(MaxNLocator(4))
    return lines


def _limit(axes: Axes, time: FloatArray, shown: list[FloatArray]) -> None:
    """Show all of these traces."""
    low, high = limits(np.concatenate(shown))
    _span(axes, time)
    axes.set_ylim(*padded(low, high))


def _span(axes: Axes, time: FloatArray) -> None:
    """Let the time axis cover the recording; one frame alone spans nothing."""
    from matplotlib.ticker import MaxNLocator

    if len(time) > 1:
        axes.set_xlim(time[0], time[-1])
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
