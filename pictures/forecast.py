"""What is expected of a culture's cells, how good such forecasts were, and whether events came as often as was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.pictures.data import Forecasted, PictureData
from calcigraph.pictures.firing import time_unit
from calcigraph.pictures.style import (
    DOUBLE,
    FAINT,
    HEAD,
    INK,
    MODEL,
    NARROW,
    NETWORK,
    SMALL,
    caption,
    legend_above,
    limits,
    new_figure,
    padded,
    page_width,
    place,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, BELOW, GAP, TITLE, BETWEEN = 0.7, 0.42, 0.6, 0.2, 0.14
"""Inches: beside and below a panel, between columns, and above and between the fans."""
HIGH, SHARE = 2.9, 0.52
"""Inches that the panels take, and the share of the width that the fans take."""
MOST_CELLS = 3
SEEN_PER_AHEAD = 5
"""Frames before the end that are shown, for each that is forecast; at least LEAST_SEEN."""
LEAST_SEEN = 30
TEXT = 0.14
"""Share of a fan above its values, where its cell is named."""


def draw_forecast(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Fans of the chosen cells, or of those most likely to light up; skill against horizon; probabilities of events."""
    found = data.forecast
    assert found is not None  # pictures/checks.py
    page = page_width(DOUBLE)
    narrow = page < NARROW
    below = BELOW + HIGH + TITLE if narrow else 0.0
    figure = new_figure(page, BELOW + HIGH + TITLE + HEAD + below)
    caption(figure, LEFT, page - 0.05, data.about(), found.contact_word)
    fans = (page - 0.1 if narrow else SHARE * page) - LEFT
    chosen = cells[:MOST_CELLS] or likely(found)
    tall = (HIGH - BETWEEN * (len(chosen) - 1)) / len(chosen)
    for row, cell in enumerate(chosen):
        bottom = below + BELOW + HIGH - (row + 1) * tall - row * BETWEEN
        axes = place(figure, LEFT, bottom, fans, tall)
        _fan(axes, data, found, cell, last=row == len(chosen) - 1, first=row == 0)
    left = LEFT if narrow else SHARE * page + GAP
    half = (HIGH - BELOW - TITLE) / 2
    _skill(place(figure, left, 2 * BELOW + TITLE + half, page - left - 0.1, half), data, found)
    _reliability(place(figure, left, BELOW, page - left - 0.1, half), found)
    return figure


def likely(found: Forecasted) -> tuple[int, ...]:
    """The cells that are most likely to light up; the first ones where no probability is known."""
    chance = np.nan_to_num(found.probability, nan=-1.0)
    order = np.argsort(-chance, kind="stable")[:MOST_CELLS]
    return tuple(found.labels[order].tolist())


def _fan(axes: Axes, data: PictureData, found: Forecasted, cell: int, last: bool, first: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    graph = data.subgraph
    place_of = int(np.searchsorted(found.labels, cell))
    ahead = found.expected.shape[1]
    seen = max(LEAST_SEEN, SEEN_PER_AHEAD * ahead)
    times = graph.frame_times
    coming = times[-1] + graph.frame_interval_s * np.arange(ahead + 1)
    trace = graph.intensity[data.row(cell)]
    unit, name = time_unit(float(coming[-1] - times[-min(seen, len(times))]))
    low, middle, high = (
        np.concatenate([trace[-1:], values[place_of]])
        for values in (found.expected_low, found.expected, found.expected_high)
    )
    axes.fill_between((coming - times[-1]) / unit, low, high, color=NETWORK, alpha=0.25, linewidth=0, label="95 %")
    axes.plot((coming - times[-1]) / unit, middle, color=NETWORK, linewidth=1.0, label="expected")
    axes.plot((times[-seen:] - times[-1]) / unit, trace[-seen:], color=INK, linewidth=0.7, label="observed")
    axes.axvline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.set_xlim((times[-min(seen, len(times))] - times[-1]) / unit, (coming[-1] - times[-1]) / unit)
    bottom, top = padded(*limits(np.concatenate([trace[-seen:], low, high])))
    axes.set_ylim(bottom, top + TEXT * (top - bottom))
    chance = found.probability[place_of]
    told = "lit" if np.isnan(chance) else f"lights up within {found.within_s:.3g} s: {chance:.0%}"
    axes.text(0.01, 0.97, f"cell {cell}, {told}", transform=axes.transAxes, va="top", size=SMALL)
    if first:
        legend_above(axes, 3, 1.2, 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylabel("intensity", labelpad=2)
    if last:
        axes.set_xlabel(f"time after the last frame ({name})")
    else:
        axes.tick_params(labelbottom=False)


def _skill(axes: Axes, data: PictureData, found: Forecasted) -> None:
    from matplotlib.ticker import MaxNLocator

    horizons = np.arange(1, len(found.skill) + 1)
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.plot(horizons, 100 * found.skill, color=MODEL, marker="o", markersize=3, linewidth=1.0)
    axes.set_xlabel(f"frames ahead ({data.subgraph.frame_interval_s:.3g} s each)")
    axes.set_ylabel("skill (%)")
    axes.set_title("better than without a model", size=SMALL, loc="left", pad=3)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlim(0.6, len(horizons) + 0.4)


def _reliability(axes: Axes, found: Forecasted) -> None:
    axes.set_title(f"events within {found.within_s:.3g} s", size=SMALL, loc="left", pad=3)
    axes.set_xlabel("probability told (%)")
    axes.set_ylabel("came (%)")
    if not len(found.told):
        axes.text(0.5, 0.5, "too few events", transform=axes.transAxes, ha="center", va="center", size=SMALL)
        axes.set(xticks=[], yticks=[])
        return
    top = 100 * 1.1 * max(float(found.told.max()), float(found.came.max()), 0.01)
    axes.plot([0, top], [0, top], color=FAINT, linewidth=0.6, zorder=0)
    axes.plot(100 * found.told, 100 * found.came, color=MODEL, marker="o", markersize=3, linewidth=0)
    axes.set(xlim=(0, top), ylim=(0, top))
