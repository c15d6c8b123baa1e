"""How a network was trained: its losses, and the path of coupling and feed from epoch to epoch to the fitted value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import InputError, NotFoundError, command
from calcigraph.models.options import SHARED_K
from calcigraph.models.table import TABLE
from calcigraph.pictures.data import PictureData, Training
from calcigraph.pictures.kinds import ANY_VALUE
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
    legend_above,
    letters,
    log_ticks,
    new_figure,
    page_width,
    place,
    plain,
    scaled,
)
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINED = next(model.name for model in TABLE if model.trains)
"""The model that trains."""
LEAST_WIDE = 1.5
"""Inches of a panel below which panels stand above each other."""
HIGH, BELOW, ABOVE, LEFT, GAP = 1.75, 0.42, 0.34, 0.6, 0.62
"""Inches: the height of the panels, the room below, above and left of them, the gap between them."""


def check_training(data: PictureData, cells: tuple[int, ...]) -> None:
    """Refuse a model that does not train, one cell alone, and a fit that kept no training.

    Raises NotFoundError, InputError.
    """
    if data.model != TRAINED:
        raise NotFoundError(
            f"model {data.model} has no training to draw: only model {TRAINED} trains; "
            f"fit {data.culture} with --model {TRAINED} and draw that"
        )
    if cells:
        raise InputError(
            "training is that of the whole culture: leave out the cell, whose traces the kind traces draws"
        )
    if not data.training and data.fitted(ANY_VALUE).any():
        raise NotFoundError(
            f"the {TRAINED} fit of culture {data.culture!r} keeps no training; "
            f"run again: {command('fit', [data.culture], '--model', TRAINED)}"
        )


def draw_training(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Losses by epoch, the path of k in every network of the ensemble, and the path of the feed if there is a feed.

    A line and a band show the fit's value and 95 % interval.
    """
    page = page_width(DOUBLE)
    painters = [_losses, _coupling, *([_feed] if any(np.any(block.feed) for block in data.training) else [])]
    columns = len(painters)
    if (page - LEFT - 0.12 - GAP * (columns - 1)) / columns < LEAST_WIDE:
        columns = 1
    wide = (page - LEFT - 0.12 - GAP * (columns - 1)) / columns
    pitch, bands = BELOW + HIGH + ABOVE, len(painters) // columns
    figure = new_figure(page, pitch * bands + HEAD)
    caption(figure, LEFT, page - 0.05, data.about(), data.about_fit())
    panels = []
    for at in range(len(painters)):
        band, column = divmod(at, columns)
        panels.append(place(figure, LEFT + (wide + GAP) * column, BELOW + pitch * (bands - 1 - band), wide, HIGH))
    for axes, painter in zip(panels, painters, strict=True):
        painter(axes, data)
        _epochs(axes, data.training)
    letters(panels)
    return figure


def _losses(axes: Axes, data: PictureData) -> None:
    """Data loss and physics loss; one line each per network where a large culture has several."""
    shown = []
    for at, block in enumerate(data.training):
        for values, colour, name in ((block.data_loss, INK, "data"), (block.physics_loss, NETWORK, "physics")):
            shown.append(np.where(values > 0, values, np.nan))  # the axis is logarithmic
            axes.plot(block.epoch, shown[-1], color=colour, linewidth=_line_width(data), label="_" if at else name)
    _logarithmic(axes, np.concatenate(shown))
    axes.set_ylabel("loss")
    if any(block.held for block in data.training):
        last = float(np.median([block.epoch[block.held] for block in data.training]))
        axes.axvspan(axes.get_xlim()[0], last, color=PALE, linewidth=0, zorder=0, label="network held")
    _legend(axes, "")


def _coupling(axes: Axes, data: PictureData) -> None:
    """The paths of k: that of the first network in front of those of the other networks of its ensemble."""
    paths = np.concatenate([block.k.ravel() for block in data.training])
    # Where each cell has its own k, the paths and the fit's value are medians over cells.
    name = "median $k$" if data.case not in SHARED_K else "$k$"
    scale = scaled(np.append(paths, data.k_interval or ()), name, "s$^{-1}$")
    for at, block in enumerate(data.training):
        labels = ["_"] * len(block.k) if at else _labels(len(block.k))
        for row in reversed(range(len(block.k))):
            colour = FAINT if row else INK
            axes.plot(
                block.epoch, block.k[row] * scale.factor, color=colour, linewidth=_line_width(data), label=labels[row]
            )
    said = _fit_line(axes, data.k, data.k_interval, scale.factor)
    _logarithmic(axes, scale.values)
    axes.set_ylabel(scale.label)
    _legend(axes, said)


def _labels(networks: int) -> list[str]:
    """Legend entries of an ensemble: the first network, and one entry for all others ("_" makes none).

    >>> _labels(4)
    ['network 1', '2 to 4', '_', '_']
    """
    others = "2" if networks == 2 else f"2 to {networks}"
    return ["network 1", others, *["_"] * networks][:networks]


def _feed(axes: Axes, data: PictureData) -> None:
    """The path of the feed; only the first network of an ensemble is recorded."""
    from matplotlib.ticker import MaxNLocator

    paths = [block.feed for block in data.training]
    scale = scaled(np.concatenate(paths), "feed" if data.case == "shared" else "median feed", data.rate_unit)
    for at, block in enumerate(data.training):
        axes.plot(
            block.epoch,
            block.feed * scale.factor,
            color=INK,
            linewidth=_line_width(data),
            label="_" if at else "network 1",
        )
    said = _fit_line(axes, data.feed, data.feed_interval, scale.factor)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel(scale.label)
    _legend(axes, said)


def _fit_line(axes: Axes, value: float | None, interval: tuple[float, float] | None, factor: float) -> str:
    """Draw the fit's value as a line and its interval as a band; returns both as text, in the unit of the axis."""
    if value is None:
        return ""
    ends = None if interval is None else (interval[0] * factor, interval[1] * factor)
    if ends is not None:
        axes.axhspan(*ends, color=MODEL, alpha=0.3, linewidth=0, zorder=1)
    label = "fit" if ends is None else "fit, 95 %"
    axes.axhline(value * factor, color=MODEL, linewidth=0.8, zorder=1.5, label=label)
    return between(value * factor, ends)


def _legend(axes: Axes, said: str) -> None:
    """The legend in one line above the panel and, above that, the fit's value as text."""
    legend_above(axes, columns=3, handle=1.1, gap=0.5)
    axes.annotate(
        said, (0, 1), xycoords="axes fraction", xytext=(2, 15), textcoords="offset points", size=SMALL, color=MODEL
    )


def _line_width(data: PictureData) -> float:
    """Width of a line, points: thinner where many networks were trained."""
    return float(np.clip(1.1 / np.sqrt(len(data.training)), 0.3, 1.1))


def _epochs(axes: Axes, blocks: tuple[Training, ...]) -> None:
    """An x axis that covers all epochs."""
    from matplotlib.ticker import MaxNLocator

    last = max(float(block.epoch[-1]) for block in blocks)
    axes.set_xlim(0, max(last, 1.0))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch")


def _logarithmic(axes: Axes, values: FloatArray) -> None:
    """A logarithmic y axis over all positive values, with a few round ticks."""
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
    # Within less than a decade there may be too few of them: take those of a linear axis.
    if len(ticks) < 3:
        ticks = [
            float(tick) for tick in MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high
        ]
    axes.set_yticks(ticks, [plain(tick) for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
