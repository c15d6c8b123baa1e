"""The picture of benchmarks/axes.py: k_hat / k of every culture with its interval, one row a line, failures first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas
from axes import DEFAULT_MODEL, MODELS
from axes_table import FILE, Told, summaries
from page_tables import Data

from calcigraph.pictures.style import DOUBLE, FAINT, INK, PALE, SMALL, new_figure, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HOLDS, MISSES = "#0072b2", "#d55e00"
ROW, WIDE, GAP, LABELS = 0.19, 1.98, 0.2, 2.85
"""Inches: height of a row, width of a panel, between panels, and left of them."""
FARTHEST, FARTHEST_WITHOUT = 2.0, 10.0
"""Where the axes end: k_hat / k, and k in 1/1000 s without coupling. Marks beyond stand at the rim."""
CROWDED = 8
"""Cultures of a line above which intervals are drawn fainter."""
TOP, BETWEEN, BOTTOM = 0.45, 0.75, 0.45
"""Inches above, between and below the two parts."""


def axes_picture(data: Data) -> Figure | None:
    """Above the lines with coupling, k_hat / k; below those without, k. The default model left, decorrelation right."""
    table = data.table(FILE)
    if not len(table):
        return None
    found = {model: {one.line.name: one for one in summaries(table, model)} for model in MODELS}
    in_order = list(found[DEFAULT_MODEL].values())
    parts = [[one for one in in_order if one.line.coupled == coupled] for coupled in (True, False)]
    heights = [ROW * len(part) for part in parts]
    figure = new_figure(DOUBLE, TOP + heights[0] + BETWEEN + heights[1] + BOTTOM)
    bottoms = (BOTTOM + heights[1] + BETWEEN, BOTTOM)
    for part, height, bottom in zip(parts, heights, bottoms, strict=True):
        if not part:
            continue
        for panel, model in enumerate(MODELS):
            axes = place(figure, LABELS + panel * (WIDE + GAP), bottom, WIDE, height)
            told = [found[model][one.line.name] for one in part]
            draw_panel(axes, table[table["model"] == model], told)
            axes.set_title(f"{model}, the default" if model == DEFAULT_MODEL else model, loc="left", size=SMALL + 1)
            if panel == 0:
                label_rows(axes, told)
    return figure


def label_rows(axes: Axes, told: list[Told]) -> None:
    for row, one in enumerate(told):
        what = one.line.what.removeprefix("k = 0, ")
        axes.text(-0.04, row, what, transform=axes.get_yaxis_transform(), ha="right", va="center", size=SMALL)


def draw_panel(axes: Axes, table: pandas.DataFrame, told: list[Told]) -> None:
    """One row a line: the cultures one below the other, each with its interval."""
    coupled = told[0].line.coupled
    farthest = FARTHEST if coupled else FARTHEST_WITHOUT
    for row, one in enumerate(told):
        part = table[table["line"] == one.line.name].sort_values("culture")
        unit = part["k"].to_numpy() if coupled else 1e-3
        values, low, high = (part[name].to_numpy(dtype=float) / unit for name in ("k_hat", "low", "high"))
        truth = 1.0 if coupled else 0.0
        missed = (low > truth) | (high < truth)
        wide, alpha = (0.45, 0.45) if len(part) > CROWDED else (0.7, 0.6)
        height = row + (np.linspace(-0.32, 0.32, len(part)) if len(part) > 1 else np.zeros(1))
        if row % 2:
            axes.axhspan(row - 0.5, row + 0.5, color=PALE, alpha=0.5, lw=0, zorder=-2)
        for chosen, colour in ((~missed, HOLDS), (missed, MISSES)):
            # Intervals of nothing still show, as long as their mark.
            ends = np.clip(low[chosen], 0, farthest), np.clip(high[chosen], 0, farthest)
            axes.hlines(height[chosen], *ends, color=colour, lw=wide, alpha=alpha)
            inside = chosen & (values <= farthest)
            axes.plot(values[inside], height[inside], "o", color=colour, ms=1.7, mew=0, clip_on=False)
            beyond = height[chosen & (values > farthest)]
            axes.plot(np.full(len(beyond), farthest), beyond, ">", color=colour, ms=2.4, mew=0, clip_on=False)
        if np.isfinite(values).any():
            middle = min(float(np.nanmedian(values)), farthest)
            axes.vlines(middle, row - 0.42, row + 0.42, color=INK, lw=0.9, zorder=3)
    axes.axvline(1.0 if coupled else 0.0, color=FAINT, lw=0.8, zorder=-1)
    axes.set_xlim(-0.01 * farthest, farthest)
    axes.set_ylim(len(told) - 0.5, -0.5)
    axes.set_yticks([])
    bad = sum(1 for one in told if any(one.faults()))
    if 0 < bad < len(told) and told[0].model == DEFAULT_MODEL:
        axes.axhline(bad - 0.5, color=INK, lw=0.6, ls=(0, (4, 2)))
    axes.set_xlabel("fitted $k$ / true $k$" if coupled else "fitted $k$ (1/1000 s), true $k$ = 0")
