"""How a network trained: its losses, and the paths of coupling and feed to where the fit ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.pictures.data import PictureData, Training
from calcigraph.pictures.style import (
    DOUBLE,
    FAINT,
    HEAD,
    INK,
    MODEL,
    NETWORK,
    PALE,
    SMALL,
    between,
    caption,
    letters,
    log_ticks,
    new_figure,
    place,
    plain,
    scaled,
)
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HIGH, BELOW, ABOVE, LEFT, GAP = 1.75, 0.42, 0.34, 0.6, 0.62
"""Inches: panels, the room around and between them."""
OWN = ("cell", "per-cell-k")
"""Cases in which each cell has its own k: paths and fit are medians over cells."""


def draw_training(data: PictureData, number: int, cell: int | None) -> Figure:
    """Losses by epoch, the path of k in every network of the ensemble, and that of the feed where there is one.

    The fit's value and 95 % interval stand beside the paths that end in them.
    """
    draw = [_losses, _coupling, *([_feed] if any(np.any(block.feed) for block in data.training) else [])]
    wide = (DOUBLE - LEFT - 0.12 - GAP * (len(draw) - 1)) / len(draw)
    figure = new_figure(DOUBLE, BELOW + HIGH + ABOVE + HEAD)
    caption(figure, LEFT, DOUBLE - 0.05, data.about(), data.about_fit())
    panels = [place(figure, LEFT + (wide + GAP) * at, BELOW, wide, HIGH) for at in range(len(draw))]
    for axes, paint in zip(panels, draw, strict=True):
        paint(axes, data)
        _epochs(axes, data.training)
    letters(panels)
    return figure


def _losses(axes: Axes, data: PictureData) -> None:
    """Data and physics loss, a line each for every network of a large culture."""
    shown = []
    for at, block in enumerate(data.training):
        for values, colour, name in ((block.data_loss, INK, "data"), (block.physics_loss, NETWORK, "physics")):
            shown.append(np.where(values > 0, values, np.nan))
            axes.plot(block.epoch, shown[-1], color=colour, linewidth=_thin(data), label="_" if at else name)
    _logarithmic(axes, np.concatenate(shown))
    axes.set_ylabel("loss")
    if any(block.held for block in data.training):
        last = float(np.median([block.epoch[block.held] for block in data.training]))
        axes.axvspan(axes.get_xlim()[0], last, color=PALE, linewidth=0, zorder=0, label="network held")
    _legend(axes, "")


def _coupling(axes: Axes, data: PictureData) -> None:
    paths = np.concatenate([block.k.ravel() for block in data.training])
    scale = scaled(np.append(paths, data.k_interval or ()), "median $k$" if data.case in OWN else "$k$", "s$^{-1}$")
    for at, block in enumerate(data.training):
        for row, path in reversed(list(enumerate(block.k * scale.factor))):
            name = "_" if at or row > 1 else _others(len(block.k)) if row else "network 1"
            axes.plot(block.epoch, path, color=FAINT if row else INK, linewidth=_thin(data), label=name)
    said = _end(axes, data.k, data.k_interval, scale.factor)
    _logarithmic(axes, scale.values)
    axes.set_ylabel(scale.label)
    _legend(axes, said)


def _others(networks: int) -> str:
    return "2" if networks == 2 else f"2 to {networks}"


def _feed(axes: Axes, data: PictureData) -> None:
    from matplotlib.ticker import MaxNLocator

    paths = [block.feed for block in data.training]
    scale = scaled(np.concatenate(paths), "feed" if data.case == "shared" else "median feed", data.rate_unit)
    for at, block in enumerate(data.training):
        axes.plot(
            block.epoch,
            block.feed * scale.factor,
            color=INK,
            linewidth=_thin(data),
            label="_" if at else "network 1",
        )
    said = _end(axes, data.feed, data.feed_interval, scale.factor)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel(scale.label)
    _legend(axes, said)


def _end(axes: Axes, value: float | None, interval: tuple[float, float] | None, factor: float) -> str:
    """A line where the fit ended and a band over its interval; returns both in words, in the axis' unit."""
    if value is None:
        return ""
    ends = None if interval is None else (interval[0] * factor, interval[1] * factor)
    if ends is not None:
        axes.axhspan(*ends, color=MODEL, alpha=0.3, linewidth=0, zorder=1)
    label = "fit" if ends is None else "fit, 95 %"
    axes.axhline(value * factor, color=MODEL, linewidth=0.8, zorder=1.5, label=label)
    return between(value * factor, ends)


def _legend(axes: Axes, said: str) -> None:
    """One line of handles above the panel and, over it, what the fit ended in."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=3,
        borderaxespad=0.1,
        borderpad=0.1,
        columnspacing=0.8,
        handlelength=1.1,
        handletextpad=0.5,
    )
    axes.annotate(
        said, (0, 1), xycoords="axes fraction", xytext=(2, 15), textcoords="offset points", size=SMALL, color=MODEL
    )


def _thin(data: PictureData) -> float:
    """Points: thinner where many networks trained."""
    return float(np.clip(1.1 / np.sqrt(len(data.training)), 0.3, 1.1))


def _epochs(axes: Axes, blocks: tuple[Training, ...]) -> None:
    from matplotlib.ticker import MaxNLocator

    last = max(float(block.epoch[-1]) for block in blocks)
    axes.set_xlim(0, max(last, 1.0))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch")


def _logarithmic(axes: Axes, values: FloatArray) -> None:
    """A logarithmic y with a few round ticks, over all positive values."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive) == 0:
        return
    low, high = float(positive.min()), float(positive.max())
    margin = max((high / low) ** 0.06, 1.02)
    low, high = low / margin, high * margin
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = log_ticks(low, high)
    if len(ticks) < 3:
        ticks = [
            float(tick) for tick in MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high
        ]
    axes.set_yticks(ticks, [plain(tick) for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
