"""Options of model `decorrelation`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from calcigraph.models.options import Options
from calcigraph.option import Option

PANEL = "Model decorrelation"


@dataclass(frozen=True)
class DecorrelationOptions(Options):
    """The option that only model `decorrelation` has."""

    drift_order: Annotated[
        int | None,
        Option(
            "Degree of the polynomial in time that is taken out of every cell, its feed and slow drift; default: 6, or "
            "fewer below 240 frames.",
            panel=PANEL,
            low=0,
            high=20,
        ),
    ] = None
