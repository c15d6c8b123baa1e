"""Options of model `robust`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from calcigraph.models.options import Options
from calcigraph.option import Option

PANEL = "Model robust"


@dataclass(frozen=True)
class RobustOptions(Options):
    """The options that only model `robust` has."""

    half_width: Annotated[
        float | None,
        Option(
            "Half-width of the test functions, frames; default: from the data.",
            panel=PANEL,
            unit="frames",
            low=0.3,
            high=1000,
        ),
    ] = None
    correct: Annotated[
        bool | None,
        Option(
            "Plain weak form: no model of the decay after spikes, no noise correction.",
            panel=PANEL,
            flag="--no-correct",
            when_given=False,
            stands_for=True,
        ),
    ] = None
    """Model the decay after spikes, and take the noise out of the regressors."""
    leak: Annotated[
        bool | None,
        Option("Fit one extrusion rate r as well: y' = ... - r y; default: where it shows in the data.", panel=PANEL),
    ] = None
    """False: never."""
