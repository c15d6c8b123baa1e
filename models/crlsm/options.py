"""Options of model `crlsm`, and the paper's bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from calcigraph.models.options import Bounds, Options
from calcigraph.option import Option, value_of

PANEL = "Model crlsm"
K_BOUNDS: Bounds = (1e-3, 0.1)
"""1/s, the paper's."""
FEED_BOUNDS: Bounds = (-3e-5, 0.1)
"""Normalised intensity per second, the paper's."""


@dataclass(frozen=True)
class CrlsmOptions(Options):
    """The options that only model `crlsm` has."""

    ridge: Annotated[float | None, Option("Regularisation lambda (eq. 18).", panel=PANEL, low=0, stands_for=1e-3)] = (
        None
    )
    """Added to the normal equations as it is (eq. 19), not scaled by the number of rows."""
    interpolate: Annotated[
        int | None,
        Option(
            "Points a frame, linearly interpolated (the paper: 10).",
            panel=PANEL,
            unit="points a frame",
            low=1,
            high=1000,
            stands_for=1,
        ),
    ] = None

    @property
    def points_a_frame(self) -> int:
        """Points to which a frame is interpolated."""
        return int(value_of(self, "interpolate"))
