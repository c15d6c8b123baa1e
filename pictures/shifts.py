"""Where the tissue lay in every frame against the first, as `ingest --register` found and took it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from calcigraph.errors import InputError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.firing import time_unit
from calcigraph.pictures.style import (
    DOUBLE,
    FAINT,
    HEAD,
    INK,
    MODEL,
    NETWORK,
    caption,
    legend_above,
    letters,
    new_figure,
    padded,
    page_width,
    place,
)
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT, BELOW, HIGH, GAP, LEGEND = 0.62, 0.62, 0.42, 1.7, 0.46, 0.2
"""Inches: beside the panels, below them, their height, between them, and for the legend above the first."""
LEAST = 0.5
"""px that the axis of shifts spans at least on either side of 0, so that a still picture looks still."""
LEAST_TURN = 0.1
"""Degrees, likewise."""


def check_shifts(data: PictureData, cells: tuple[int, ...]) -> None:
    """Refuse a culture that was not registered, and cells. Raises InputError."""
    if not data.registration:
        raise InputError(
            f"culture {data.culture!r} was not registered, so it has no shifts; ingest it with --register shift"
        )
    if cells:
        raise InputError("shifts are those of the whole picture: leave out the cell")


def draw_shifts(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Shift to the right and downwards of every frame, px and um; below it the turn, where turns were looked for."""
    page, facts = page_width(DOUBLE), data.registration
    turns = np.array(facts["degrees"], dtype=float) if "degrees" in facts else None
    panels = 1 if turns is None else 2
    figure = new_figure(page, BELOW + panels * HIGH + (panels - 1) * GAP + LEGEND + HEAD)
    caption(figure, LEFT, page - 0.05, data.about(), f"shifted by up to {facts['largest_px']:.3g} px")
    wide = page - LEFT - (0.12 if data.pixel_size_um is None else RIGHT)
    times = data.subgraph.frame_times
    unit, name = time_unit(float(times[-1]))
    axes = [place(figure, LEFT, BELOW + (HIGH + GAP) * at, wide, HIGH) for at in reversed(range(panels))]
    _shifts(axes[0], data, times / unit)
    if turns is not None:
        axes[1].plot(times / unit, turns, color=INK, linewidth=0.9)
        _symmetric(axes[1], turns, LEAST_TURN)
        axes[1].set_ylabel("turn, clockwise (°)")
        letters(axes)
    for panel in axes:
        panel.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
        panel.set_xlim(0, max(times[-1], data.subgraph.frame_interval_s) / unit)
    axes[-1].set_xlabel(f"time ({name})")
    return figure


def _shifts(axes: Axes, data: PictureData, times: FloatArray) -> None:
    """Both directions, in px at the left and, where the size of a pixel is known, in um at the right."""
    shown = []
    for key, colour, name in (("x_px", NETWORK, "x, to the right"), ("y_px", MODEL, "y, downwards")):
        shown.append(np.array(data.registration[key], dtype=float))
        axes.plot(times, shown[-1], color=colour, linewidth=0.9, label=name)
    _symmetric(axes, np.concatenate(shown), LEAST)
    axes.set_ylabel("shift (px)")
    legend_above(axes, columns=2, handle=1.4, gap=0.5)
    size = data.pixel_size_um
    if size is not None:
        right = axes.secondary_yaxis("right", functions=(_times(size), _times(1 / size)))
        right.set_ylabel("shift (µm)")
        right.spines["right"].set_visible(True)


def _times(factor: float) -> Callable[[ArrayLike], FloatArray]:
    return lambda values: np.asarray(values, dtype=np.float64) * factor


def _symmetric(axes: Axes, values: FloatArray, least: float) -> None:
    """Limits that hold all values and, where they are small, `least` on either side of 0."""
    low, high = float(values.min()), float(values.max())
    axes.set_ylim(*padded(min(low, -least), high if high > least else least))
