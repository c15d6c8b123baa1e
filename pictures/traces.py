"""Observed traces beside those of a model without sources, by the fit groups of the paper (figures 13 to 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import NotFoundError, command
from calcigraph.pictures.cell_pages import draw_cells, limit, model_lines, pick, time_axis, typical_cells
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.groups import GROUPS, MEANINGS, members
from calcigraph.pictures.style import (
    DOUBLE,
    HEAD,
    INK,
    NARROW,
    SINGLE,
    SMALL,
    caption,
    new_figure,
    page_width,
    place,
    scientific,
)
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


LEFT, BELOW, HIGH, ACROSS, DOWN = 0.68, 0.42, 1.15, 0.2, 0.25
"""Inches on the page of many cells: room left of and below the panels, their height, the gaps between them."""
NOTE = 0.15
"""Inches that a line of notes takes there."""


def draw_traces(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Observed and modelled traces of the chosen cells, with residuals and, where the model finds sources, flows.

    Without chosen cells: the best, median and worst one; for a model without sources, these of each of the paper's fit
    groups. The free run shows what the fitted parameters alone explain. The trace of a network, where the model has
    one, is nearer to the data, since the network is trained to follow them.
    """
    if cells:
        return draw_cells(data, [("", data.row(cell)) for cell in cells])
    if data.sourced:
        return draw_cells(data, typical_cells(data))
    return _grid(data)


# -------------------------------------------------------------------------------------------------------- many cells


def representatives(data: PictureData) -> list[tuple[str, list[tuple[str, int]]]]:
    """The best, median and worst cell by MSE of each fit group, as (group, [("best", row), ...])."""
    mse = data.values("mse_train")
    has_trace = np.isin(data.subgraph.labels, list(data.traces))
    known = has_trace & ~data.subgraph.border & np.isfinite(mse)
    return [(group, pick(np.flatnonzero(cells), mse)) for group, cells in members(data, known).items()]


def _grid(data: PictureData) -> Figure:
    """One row of panels per fit group."""
    chosen = representatives(data)
    if not chosen:
        raise NotFoundError(
            f"culture {data.culture!r} has no cell with a {data.model} trace and MSE; "
            f"run: {command('fit', [data.culture], '--model', data.model)}"
        )
    columns = max(len(picked) for _, picked in chosen)
    page = page_width(DOUBLE if columns > 1 else SINGLE)
    if page < NARROW:  # the worst cell says most
        chosen, columns = [(group, picked[-1:]) for group, picked in chosen], 1
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
        figure.text((LEFT if page >= DOUBLE else 0.1) / page, 1 - (HEAD - 4 / 72 + NOTE * line) / up, note)
    spot = (LEFT / page, 1 - (head - 0.18) / up)
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=spot, ncols=3, borderpad=0, borderaxespad=0)
    return figure


def _notes(groups: list[str], page: float) -> list[str]:
    """Lines that explain the groups, if there are any: one on a page of two columns, else one per group."""
    if not set(GROUPS) & set(groups):
        return []
    return ["; ".join(MEANINGS)] if page >= DOUBLE else list(MEANINGS)


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
        lines += model_lines(axes, data, label, time, 0.6)
        shown += [np.asarray(line.get_ydata()) for line in lines]
        mse = scientific(float(data.values("mse_train")[row]))
        axes.set_title(
            ", ".join(part for part in (f"cell {label}", word, f"MSE {mse}") if part), loc="left", size=SMALL, pad=3
        )
        if last:
            axes.set_xlabel(axis)
    for axes in row_axes:
        limit(axes, time, shown)
        axes.tick_params(labelleft=axes is row_axes[0], labelbottom=last)
        axes.yaxis.set_major_locator(MaxNLocator(4))
    return lines
