"""A comparison as a strip plot: one panel for each quantity, each culture a dot, groups side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import InputError
from calcigraph.pictures.firing import COLOURS
from calcigraph.pictures.strip_values import Dots, Strip, middle, said, strips_of
from calcigraph.pictures.style import (
    DOUBLE,
    HEAD,
    INK,
    MARGIN,
    NETWORK,
    SMALL,
    Scaled,
    caption,
    letters,
    limits,
    log_ticks,
    new_figure,
    padded,
    page_width,
    place,
    plain,
    scaled,
    text_width,
    wants_log,
)
from calcigraph.queries import records
from calcigraph.queries.effects import ENOUGH, RATIOS
from calcigraph.queries.quantities import K_CELL, MSE_TEST, MSE_TRAIN, SYNCHRONY, K
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, BELOW, HIGH, TITLE, LINE = 0.62, 0.1, 0.3, 1.35, 0.3, 0.14
"""Inches: beside and below a panel, its height, the room above it, and what each further line above it takes."""
LEAST_WIDE = 1.05
"""Inches: the least width of a panel."""
LONGEST, TILT, TILTED = 15, 40, 0.58
"""Letters of a group's name, and where names lie askew: their angle in degrees and the room that they take, inches."""
SPREAD = 0.34
"""Share of the room of a group over which its dots are spread."""
NAMES = {
    K: ("coupling $k$", "s$^{-1}$"),
    K_CELL: ("cells' own $k$", "s$^{-1}$"),
    "feed / gain": ("feed / gain", "s$^{-1}$"),
    SYNCHRONY: ("synchrony", ""),
    MSE_TRAIN: ("squared error", ""),
    MSE_TEST: ("squared error, test", ""),
}
"""Name and unit of an axis, where the table's own name does not say them."""


def draw_comparison(
    compared: pandas.DataFrame, path: str | os.PathLike[str], dpi: int = 200, width: str | None = None
) -> Path:
    """Draw what `compare_cultures` returned, and return the path of the file.

    Parameters
    ----------
    compared
        The rows, with `values_` and `experiments_` of both groups.
    path, dpi, width
        As for `draw`.

    Raises
    ------
    InputError
        A file that cannot be written, a wrong dpi or width, or nothing to draw.
    """
    from calcigraph.pictures.render import check_dpi, check_target, inches, replace_file, saved
    from calcigraph.pictures.style import journal_style

    target = Path(path)
    form = check_target(target)
    check_dpi(dpi)
    strips = strips_of(records(compared))
    if not strips:
        raise InputError("no culture has a value to draw, so there is no plot of this comparison")
    with journal_style(inches(width)):
        content = saved(strip_figure(strips, paired="experiments" in compared), "comparison", form, dpi)
    replace_file(target, content)
    return target


def strip_figure(strips: Sequence[Strip], paired: bool = False) -> Figure:
    """The figure: a panel for each quantity.

    Parameters
    ----------
    strips
        What to draw.
    paired
        Whether experiments are the replicates: the medians of each are then joined by a line.
    """
    page = page_width(DOUBLE)
    groups = max(len(strip.groups) for strip in strips)
    least = max(LEAST_WIDE, 0.45 * groups)
    columns = int(np.clip((page - RIGHT) // (LEFT + least), 1, len(strips)))
    wide = (page - RIGHT) / columns - LEFT
    title = TITLE + LINE * (max(len(said(strip)) for strip in strips) - 1)
    colours = experiment_colours(strips)
    tilted = any(text_width(name) > 0.95 * wide / groups for strip in strips for name in _labels(strip))
    below = BELOW + (TILTED if tilted else 0.0)
    key = _key_lines(colours, page)
    bands = -(-len(strips) // columns)
    figure = new_figure(page, bands * (title + HIGH + below) + HEAD + LINE * key)
    caption(figure, LEFT, page - 0.05, _caption(strips), _legend_text(strips, paired))
    panels = []
    for at, strip in enumerate(strips):
        band, column = divmod(at, columns)
        bottom = (bands - 1 - band) * (title + HIGH + below) + below
        axes = place(figure, column * (LEFT + wide) + LEFT, bottom, wide, HIGH)
        _panel(axes, strip, colours, paired, tilted)
        _title(axes, strip, wide)
        panels.append(axes)
    if key:
        _key(figure, colours, page)
    if len(panels) <= 8:
        letters(panels)
    return figure


def _caption(strips: Sequence[Strip]) -> str:
    groups = list(strips[0].groups)
    return " and ".join(groups) if len(groups) <= 2 else f"{len(groups)} groups"


def _legend_text(strips: Sequence[Strip], paired: bool) -> str:
    if paired:
        return "a dot for each culture, a line for each experiment"
    enough = any(len(dots.values) >= ENOUGH for strip in strips for dots in strip.groups.values())
    return "a dot for each culture" + (", mean with 95 %" if enough else ", lines at medians")


def _labels(strip: Strip) -> list[str]:
    short = (name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in strip.groups)
    return [_plain(name) for name in short]


def experiment_colours(strips: Sequence[Strip]) -> dict[str, str]:
    """A colour for each experiment; one for all where there is only one."""
    names = sorted({name for strip in strips for dots in strip.groups.values() for name in dots.experiments})
    if len(names) < 2:
        return dict.fromkeys(names, NETWORK)
    return {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(names)}


MARKERS = "osD^v<>ph"
"""Where there are more experiments than colours, the next round of colours has the next mark."""


def _marker(colours: Mapping[str, str], experiment: str) -> str:
    return MARKERS[list(colours).index(experiment) // len(COLOURS) % len(MARKERS)]


def _key_lines(colours: Mapping[str, str], page: float) -> int:
    """Lines of the legend of experiments."""
    return -(-len(colours) // _key_columns(colours, page)) if len(colours) > 1 else 0


def _key_columns(colours: Mapping[str, str], page: float) -> int:
    widest = max(text_width(_experiment(name)) for name in colours) + 0.35
    return max(1, int((page - LEFT) // widest))


def _experiment(name: str) -> str:
    short = name if len(name) <= 24 else f"{name[:23]}…"
    return short.replace("$", r"\$") or "no experiment"


def _key(figure: Figure, colours: Mapping[str, str], page: float) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker=_marker(colours, name), markersize=4, color=colour)
        for name, colour in colours.items()
    ]
    figure.legend(
        handles=handles,
        labels=[_experiment(name) for name in colours],
        loc="upper left",
        bbox_to_anchor=(LEFT / page, 1 - HEAD / figure.get_size_inches()[1]),
        ncols=_key_columns(colours, page),
        borderpad=0,
        borderaxespad=0,
        labelspacing=0.2,
        handletextpad=0.1,
        columnspacing=0.8,
    )


def _title(axes: Axes, strip: Strip, wide: float) -> None:
    drawn = [_cut(text, wide + 0.1) for text in said(strip)]
    axes.set_title("\n".join(drawn), loc="left", size=SMALL, pad=5)


def _cut(text: str, room: float) -> str:
    """The text, or as much of it as fits so many inches, ready to be drawn."""
    for length in range(len(text), -1, -1):
        drawn = _plain(text if length == len(text) else f"{text[:length]}…")
        if text_width(drawn) <= room:
            return drawn
    return ""


def _plain(text: str) -> str:
    return text.replace("$", r"\$")


def _panel(axes: Axes, strip: Strip, colours: Mapping[str, str], paired: bool, tilted: bool) -> None:
    """The dots of all groups, their means and intervals."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    values = np.concatenate([dots.values for dots in strip.groups.values()])
    centres = [middle(strip.name, dots.values) for dots in strip.groups.values()]
    scale, log = _scale(strip.name, values)
    if paired:  # the experiments are the replicates: an interval over cultures would be too narrow
        _join(axes, strip, colours, scale.factor)
        centres = [(value, np.nan, np.nan) for value, _, _ in centres]
    for at, (dots, centre) in enumerate(zip(strip.groups.values(), centres, strict=True)):
        _group(axes, at, dots, colours, scale.factor)
        _centre(axes, at, centre, scale.factor)
    ends = np.array([each for centre in centres for each in centre if np.isfinite(each)])
    low, high = limits(np.append(values, ends[ends > 0] if log else ends) * scale.factor)
    if log:
        margin = (high / low) ** 0.08
        axes.set_yscale("log")
        axes.set_ylim(low / margin, high * margin)
        ticks = log_ticks(low / margin, high * margin, 4)
        axes.set_yticks(ticks, [plain(tick) for tick in ticks])
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        bottom, top = padded(low, high)
        # Where nothing can be below 0, neither is the axis, whatever an interval says.
        least = -MARGIN * top if len(values) and values.min() >= 0 else bottom
        axes.set_ylim(max(bottom, least), top)
        axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlim(-0.6, len(strip.groups) - 0.4)
    axes.set_xticks(range(len(strip.groups)), _labels(strip), size=SMALL)
    if tilted:
        for label in axes.get_xticklabels():
            label.set(rotation=TILT, ha="right", rotation_mode="anchor")
    axes.set_ylabel(scale.label, size=SMALL + 0.5)


def _scale(name: str, values: FloatArray) -> tuple[Scaled, bool]:
    """Values in a unit for the axis, and whether it is logarithmic."""
    text, unit = NAMES.get(name, (name, ""))
    if name in RATIOS and wants_log(values):
        return Scaled(values, f"{text} ({unit})" if unit else text, 1.0), True
    return scaled(values, text, unit), False


def _group(axes: Axes, at: int, dots: Dots, colours: Mapping[str, str], factor: float) -> None:
    """The dots of one group, spread so that equal values do not hide each other."""
    for number, (value, experiment) in enumerate(zip(dots.values.tolist(), dots.experiments, strict=True)):
        axes.plot(
            [at + SPREAD * (spread(number) - 0.5)],
            [factor * value],
            linestyle="none",
            marker=_marker(colours, experiment),
            markersize=4,
            color=colours[experiment],
            markeredgecolor="white",
            markeredgewidth=0.4,
            zorder=3,
        )


def spread(number: int) -> float:
    """Van der Corput's sequence in base 2: 0 to 1, evenly, without a random generator.

    >>> [spread(number) for number in range(4)]
    [0.5, 0.25, 0.75, 0.125]
    """
    number, share, step = number + 1, 0.0, 0.5
    while number:
        number, digit = divmod(number, 2)
        share, step = share + digit * step, step / 2
    return share


def _centre(axes: Axes, at: int, centre: tuple[float, float, float], factor: float) -> None:
    """A line at the middle of a group, and its interval beside the dots."""
    value, low, high = (factor * each for each in centre)
    if not np.isfinite(value):
        return
    axes.plot([at - 0.26, at + 0.26], [value, value], color=INK, linewidth=1.1, zorder=4)
    if np.isfinite(low):
        axes.plot([at + 0.32, at + 0.32], [low, high], color=INK, linewidth=0.9, zorder=4)


def _join(axes: Axes, strip: Strip, colours: Mapping[str, str], factor: float) -> None:
    """Lines between the medians of each experiment in the groups."""
    for experiment in colours:
        medians = [
            (at, factor * float(np.median(mine)))
            for at, dots in enumerate(strip.groups.values())
            if len(mine := dots.values[np.array(dots.experiments) == experiment])
        ]
        axes.plot(
            [at for at, _ in medians], [y for _, y in medians], color=colours[experiment], linewidth=0.7, zorder=2
        )
