"""What decides the training of a PINN."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from calcigraph.errors import FitError

PRESETS = ("default", "paper")
DEVICES = ("auto", "cpu", "cuda")
K_START = 0.01
"""1/s, the middle of the paper's box [0.001, 0.1] in log space."""


@dataclass(frozen=True)
class PinnOptions:
    """How the network trains. Raises FitError when made from values that make no sense."""

    preset: str = "default"
    k_start: float | None = None
    """1/s; None for 0.01."""
    epochs: int | None = None
    """None for the preset's: 240 (default, whole recording at once) or 500 (paper, in batches)."""
    ensemble: int | None = None
    """Networks trained side by side, all but the first on traces with noise added; None for 4. Preset paper has 1."""
    seed: int = 0
    device: str = "auto"
    """auto takes the GPU where there is one."""

    def __post_init__(self) -> None:
        for name, value, known in (("preset", self.preset, PRESETS), ("device", self.device, DEVICES)):
            if value not in known:
                raise FitError(f"unknown {name} {value!r}; there are {', '.join(known)}")
        if self.k_start is not None and not (isfinite(self.k_start) and self.k_start > 0):
            raise FitError(
                f"k_start is {self.k_start}; the training starts from a rate above 0 per second, such as 0.01"
            )
        if self.preset == "paper" and self.ensemble not in (None, 1):
            raise FitError(f"ensemble is {self.ensemble}, and preset paper trains one network; leave ensemble out")
        for name, low, high in (("epochs", 1, 100_000), ("ensemble", 1, 64), ("seed", 0, 2**31)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise FitError(f"{name} is {value}; it must be from {low} to {high}")
