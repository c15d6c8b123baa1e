"""Observed traces, the model's free run and a network's own traces (figures 13 to 16 of arXiv:2505.20327)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import NotFoundError
from calcigraph.pictures.data import GROUPS, PictureData
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
    limits,
    new_figure,
    place,
    scientific,
    symbol,
)
from calcigraph.store.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


MEANINGS = (
    "good: 80 % of peaks found and median within 20 %",
    "misses peaks: fewer found",
    "wrong magnitude: the rest",
)
"""What models.fit_groups says; a page of two columns has them in one line."""


def draw_traces(data: PictureData, number: int, cell: int | None) -> Figure:
    """One cell with neighbours and residual, or the best, median and worst cell of each fit group.

    A network follows the data wherever it can: its trace says what it saw, the free run what the parameters explain.
    """
    return _grid(data) if cell is None else _single(data, data.row(cell))


def time_axis(data: PictureData) -> tuple[FloatArray, str]:
    """(T,) in seconds, or minutes from ten minutes on, and the axis label."""
    seconds = np.arange(data.subgraph.intensity.shape[1]) * data.subgraph.frame_interval_s
    return (seconds / 60, "time (min)") if seconds[-1] >= 600 else (seconds, "time (s)")


# ---------------------------------------------------------------------------------------------------------- one cell


def _single(data: PictureData, row: int) -> Figure:
    label = int(data.subgraph.labels[row])
    model = data.traces.get(label)
    if model is None and not data.subgraph.border[row]:
        raise NotFoundError(f"cell {label} of culture {data.culture!r} has no {data.model} trace; fit it again")
    figure = new_figure(SINGLE, 3.2 if model is not None else 2.3)
    below = 0.4 if model is None else 1.15
    upper = place(figure, 0.58, below, 2.8, 1.45)
    time, axis = time_axis(data)
    shown: list[Line2D] = []
    beside = _neighbours(upper, data, row, time)
    upper.plot(time, data.subgraph.intensity[row], color=INK, linewidth=1.3, label="observed")
    if model is not None:
        shown = _model_lines(upper, data, label, time, 0.7)
        lower = place(figure, 0.58, 0.4, 2.8, 0.6)
        _residual(lower, time, data.subgraph.intensity[row] - model)
        if label in data.network:
            lower.plot(time, data.subgraph.intensity[row] - data.network[label], color=INNER, linewidth=0.5)
        lower.set_xlabel(axis)
        upper.tick_params(labelbottom=False)
    else:
        upper.set_xlabel(axis)
    _limit(upper, time, [*beside, data.subgraph.intensity[row], *(np.asarray(line.get_ydata()) for line in shown)])
    upper.set_ylabel(data.intensity_unit)
    figure.align_ylabels()
    upper.set_title(
        "\n".join([fit_text(data.about(), data.about_fit(), 2.85), *_about(data, row)]), loc="left", size=SMALL, pad=16
    )
    upper.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=4,
        borderaxespad=0.1,
        borderpad=0.1,
        columnspacing=0.8,
        handlelength=1.0,
        handletextpad=0.4,
    )
    return figure


def _model_lines(axes: Axes, data: PictureData, label: int, time: FloatArray, width: float) -> list[Line2D]:
    """A cell's free run and, where the model is a network, its trace."""
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
    for place_, other in enumerate(rows.tolist()):
        name = f"{len(rows)} neighbours" if len(rows) > 1 else "1 neighbour"
        axes.plot(
            time,
            data.subgraph.intensity[other],
            color=FAINT,
            linewidth=0.5,
            alpha=0.8,
            label="_" if place_ else name,
            zorder=1,
        )
    return list(data.subgraph.intensity[rows])


def _residual(axes: Axes, time: FloatArray, residual: FloatArray) -> None:
    axes.axhline(0, color=FAINT, linewidth=0.6)
    axes.plot(time, residual, color=MODEL, linewidth=0.6)
    reach = 1.1 * max(abs(edge) for edge in limits(residual))
    _span(axes, time)
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("residual")


def _about(data: PictureData, row: int) -> list[str]:
    """Who the cell is, and what the fit says of it."""
    label = int(data.subgraph.labels[row])
    if data.subgraph.border[row]:
        return [f"cell {label}, border: it drives the model"]
    group, mse = data.groups()[row], float(data.values("mse_train")[row])
    first = [f"cell {label}", *([group] if group else []), *([f"MSE {scientific(mse)}"] if np.isfinite(mse) else [])]
    own, name = data.coupling()
    feed = data.values("feed")[row]
    second = [f"{symbol(name)} {scientific(own[row])} s$^{{-1}}$"] if np.isfinite(own[row]) else []
    second += [f"feed {scientific(feed)} s$^{{-1}}$"] if np.isfinite(feed) else []
    word = data.identified()[row]
    second += [word] if word not in ("", "identified") else []
    return [", ".join(part) for part in (first, second) if part]


# -------------------------------------------------------------------------------------------------------- many cells


def representatives(data: PictureData) -> list[tuple[str, list[tuple[str, int]]]]:
    """Per fit group its best, median and worst cell by MSE: (group, [(word, row), ...])."""
    mse, groups = data.values("mse_train"), np.array(data.groups())
    has_trace = np.isin(data.subgraph.labels, list(data.traces))
    known = has_trace & ~data.subgraph.border & np.isfinite(mse)
    named = [word for word in (*GROUPS, *sorted(set(groups) - {*GROUPS, ""}), "") if (known & (groups == word)).any()]
    return [(word, _pick(np.flatnonzero(known & (groups == word)), mse)) for word in named]


def _pick(rows: IntArray, mse: FloatArray) -> list[tuple[str, int]]:
    ordered = rows[np.argsort(mse[rows], kind="stable")].tolist()
    if len(ordered) == 1:
        return [("", ordered[0])]
    if len(ordered) == 2:
        return [("best", ordered[0]), ("worst", ordered[1])]
    return [("best", ordered[0]), ("median", ordered[len(ordered) // 2]), ("worst", ordered[-1])]


def _grid(data: PictureData) -> Figure:
    chosen = representatives(data)
    if not chosen:
        raise NotFoundError(
            f"culture {data.culture!r} has no cell with a {data.model} trace and MSE; "
            f"run: calcigraph fit {data.culture} --model {data.model}"
        )
    groups = np.array(data.groups())[np.isfinite(data.values("mse_train"))]
    columns = max(len(picked) for _, picked in chosen)
    page = DOUBLE if columns > 1 else SINGLE
    high, gap, wide = 1.15, 0.25, (page - 0.68 - 0.1 - 0.2 * (columns - 1)) / columns
    notes = [] if not set(GROUPS) & {word for word, _ in chosen} else list(MEANINGS)
    notes = ["; ".join(notes)] if notes and page == DOUBLE else notes
    head = HEAD + 0.15 * len(notes) + 0.2
    figure = new_figure(page, 0.42 + len(chosen) * (high + gap) + head - 0.05)
    caption(figure, 0.68, page - 0.05, data.about(), data.about_fit())
    handles: list[Line2D] = []
    for line, (group, picked) in enumerate(chosen):
        bottom = 0.42 + (len(chosen) - 1 - line) * (high + gap)
        row_axes = [place(figure, 0.68 + (wide + 0.2) * at, bottom, wide, high) for at in range(len(picked))]
        handles = _row(data, row_axes, picked, last=line == len(chosen) - 1)
        count = int((groups == group).sum())
        row_axes[0].set_ylabel(f"{group or 'all'} ($n$ = {count})\n{data.intensity_unit}", size=SMALL)
    figure.align_ylabels()
    up = figure.get_size_inches()[1]
    for line, note in enumerate(notes, start=1):
        figure.text((0.68 if page == DOUBLE else 0.1) / page, 1 - (HEAD - 4 / 72 + 0.15 * line) / up, note)
    spot = (0.68 / page, 1 - (head - 0.18) / up)
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=spot, ncols=3, borderpad=0, borderaxespad=0)
    return figure


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
    axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))


def _span(axes: Axes, time: FloatArray) -> None:
    from matplotlib.ticker import MaxNLocator

    if len(time) > 1:
        axes.set_xlim(time[0], time[-1])
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
