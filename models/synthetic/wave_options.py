"""Options of a culture with planted waves, with their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from calcigraph.errors import InputError
from calcigraph.option import Declared, Option, check_limits

SHAPES = ("exponential", "gaussian", "square")


@dataclass(frozen=True)
class WaveOptions:
    """A culture with waves; the paper's size by default. Raises InputError for values that make no sense.

    Examples
    --------
    >>> WaveOptions(waves=2, snr=5).waves
    2
    """

    cells: Annotated[int, Option("Cells in the culture.", low=4, high=1_000_000)] = 108
    frames: Annotated[int, Option("Frames.", low=2, high=1_000_000)] = 361
    size_px: Annotated[int, Option("Width and height, px.", low=32, high=16384)] = 512
    frame_interval_s: Annotated[float, Option("Seconds a frame.", low=0.01, high=1e5)] = 10.0
    waves: Annotated[int, Option("Waves that run in all directions from one cell.", low=0, high=10_000)] = 4
    planes: Annotated[int, Option("Waves that enter along one side, as a plane front.", low=0, high=10_000)] = 0
    collisions: Annotated[int, Option("Pairs of waves that start together and meet.", low=0, high=10_000)] = 0
    flashes: Annotated[int, Option("Times at which many cells fire at once, in no order.", low=0, high=10_000)] = 0
    speed_low_px_s: Annotated[float, Option("Slowest wave, px/s.", low=1e-3, high=1e6)] = 1.0
    speed_high_px_s: Annotated[float, Option("Fastest wave, px/s.", low=1e-3, high=1e6)] = 4.0
    """Waves have speeds between, evenly on a logarithmic scale."""
    reach_low_px: Annotated[float, Option("Shortest reach of a wave, px.", low=1, high=1e9)] = 120.0
    reach_high_px: Annotated[float, Option("Longest reach of a wave, px.", low=1, high=1e9)] = 300.0
    """Planes and collisions cross the whole culture."""
    jitter: Annotated[float, Option("Standard deviation of the delays' logarithm.", low=0, high=2)] = 0.1
    failure: Annotated[float, Option("Share of the cells that stay silent in a wave.", low=0, high=0.95)] = 0.05
    refractory_s: Annotated[float, Option("Seconds in which a cell cannot fire again.", low=0, high=1e6)] = 60.0
    recovery_s: Annotated[float, Option("Seconds after a wave before another can pass a cell.", low=0, high=1e6)] = (
        600.0
    )
    """Stores are emptied by a wave. With short ones waves turn back round cells that did not fire."""
    own_rate: Annotated[float, Option("Own events of a cell, an hour.", low=0, high=1000)] = 3.0
    flash_share: Annotated[float, Option("Share of the cells that fire in a flash.", low=0, high=1)] = 0.8
    flash_spread_s: Annotated[float, Option("Standard deviation of their times, s.", low=0, high=1e6)] = 2.5
    flash_reach_px: Annotated[float, Option("Reach of a flash, px; large: the whole culture.", low=1, high=1e9)] = 1e9
    shape: Annotated[str, Option("Course of an event.", choices=SHAPES)] = "exponential"
    rise_s: Annotated[float, Option("Time constant of the rise, s.", low=1e-3, high=1e5)] = 10.0
    decay_s: Annotated[float, Option("Time constant of the decay, s.", low=1e-3, high=1e5)] = 60.0
    shape_spread: Annotated[float, Option("Standard deviation of the logarithm of both.", low=0, high=2)] = 0.2
    amplitude: Annotated[float, Option("Mean amplitude of an event.", low=1e-6, high=1e6)] = 0.3
    amplitude_spread: Annotated[float, Option("Standard deviation of its logarithm.", low=0, high=2)] = 0.25
    snr: Annotated[float, Option("Mean amplitude in deviations of a frame's noise.", low=0.01, high=1e6)] = 10.0
    drift: Annotated[float, Option("Deviation of the slow baseline, in those of the noise.", low=0, high=1e3)] = 0.5
    drift_s: Annotated[float, Option("Its time constant, s.", low=1, high=1e6)] = 400.0
    seed: Annotated[int, Option("Seed of all that is random.", low=0, high=2**63)] = 0

    def __post_init__(self) -> None:
        check_limits(self, _outside)
        if self.shape not in SHAPES:
            raise InputError(f"shape is {self.shape!r}; there are {', '.join(SHAPES)}")
        if self.speed_low_px_s > self.speed_high_px_s or self.reach_low_px > self.reach_high_px:
            raise InputError("a lower limit of speed or reach is above the upper one; exchange them")


def _outside(each: Declared, value: Any) -> InputError:
    return InputError(f"{each.name} is {value}; a simulation takes {each.option.low:g} to {each.option.high:g}")
