"""Options of model `pinn`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Annotated

from calcigraph.errors import FitError
from calcigraph.models.options import Options, Seed
from calcigraph.option import Option

PANEL = "Model pinn"
PAPER = "paper"
K_START = 0.01
"""1/s, the middle of the paper's box [0.001, 0.1] in log space."""


@dataclass(frozen=True)
class PinnOptions(Options):
    """How the network trains."""

    preset: Annotated[
        str | None,
        Option(
            "default, or paper: its network and losses, shortcomings included.",
            panel=PANEL,
            choices=("default", PAPER),
            stands_for="default",
        ),
    ] = None
    epochs: Annotated[
        int | None, Option("Most epochs of training; default: the preset's.", panel=PANEL, low=1, high=100_000)
    ] = None
    """None for the preset's: 240 in preset default, each with the whole recording; 500 in preset paper, in batches."""
    ensemble: Annotated[
        int | None, Option("Networks trained side by side; default: the preset's.", panel=PANEL, low=1, high=64)
    ] = None
    """All but the first see traces with noise added. None for the preset's: 4 in preset default, 1 in preset paper."""
    k_start: Annotated[float | None, Option("k that training starts from, 1/s.", panel=PANEL)] = None
    """None for 0.01."""
    device: Annotated[
        str | None,
        Option("auto (default), cpu or cuda.", panel=PANEL, choices=("auto", "cpu", "cuda"), stands_for="auto"),
    ] = None
    """auto takes the GPU where there is one."""
    seed: Seed = 0

    def check(self) -> None:
        super().check()
        if self.k_start is not None and not (isfinite(self.k_start) and self.k_start > 0):
            raise FitError(
                f"k_start is {self.k_start}; the training starts from a rate above 0 per second, such as 0.01"
            )
        if self.preset == PAPER and self.ensemble not in (None, 1):
            raise FitError(f"ensemble is {self.ensemble}, and preset paper trains one network; leave ensemble out")
