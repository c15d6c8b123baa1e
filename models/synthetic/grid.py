"""The times at which a culture is simulated: several points a frame, and the time before the recording.

Influx and driven cells are linear between points, and for such ones the course is exact. So points must follow each
other fast enough for what excites the cells. Before the recording the culture runs until its start is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from calcigraph.models.synthetic.options import SyntheticOptions

SUBSTEPS = 4
"""Points a frame, at least."""
POINTS_A_TIME_CONSTANT = 10
"""Points in which a fluctuation falls to 1 / e: what linear pieces lose of its variance is below 0.1 %."""
POINTS_A_PERIOD = 24
"""Points of the shortest oscillation."""
BEFORE_S = 3600.0
"""Seconds before the recording of a culture without leak."""
LEAK_TIMES, MOST_BEFORE_S = 8, 36000.0
"""Time constants of the leak before the recording, and the most seconds."""


def substeps(options: SyntheticOptions) -> int:
    """Points a frame: 4, or a multiple of 4 where the activity, the drive or the indicator is faster.

    Examples
    --------
    >>> substeps(SyntheticOptions()), substeps(SyntheticOptions(activity="fluctuation", activity_s=20.0))
    (4, 8)
    """
    longest = [options.frame_interval_s / SUBSTEPS]
    if options.activity == "fluctuation":
        longest.append(options.activity_s / POINTS_A_TIME_CONSTANT)
    if options.activity == "oscillation":
        longest.append(options.period_low_s / POINTS_A_PERIOD)
    if options.activity == "white" and options.k + options.leak > 0:
        longest.append(1 / (options.k + options.leak) / POINTS_A_TIME_CONSTANT)
    if options.drive != "none":
        longest.append(options.drive_s / POINTS_A_TIME_CONSTANT)
    if options.indicator_s > 0:
        longest.append(options.indicator_s / SUBSTEPS)
    return SUBSTEPS * ceil(options.frame_interval_s / (SUBSTEPS * min(longest)) - 1e-9)


def step_s(options: SyntheticOptions) -> float:
    """Seconds from point to point."""
    return options.frame_interval_s / substeps(options)


@dataclass(frozen=True)
class Grid:
    """The points of a simulation."""

    step: float
    """Seconds from point to point."""
    substeps: int
    """Points a frame."""
    recorded: int
    """Points of the recording."""
    recordings_before: int
    """How many recordings' time the culture runs before, so that spikes are as frequent there; 0 for none."""

    @classmethod
    def of(cls, options: SyntheticOptions) -> Grid:
        """The grid that a culture of these options needs."""
        each = substeps(options)
        recorded = (options.frames - 1) * each + 1
        step = options.frame_interval_s / each
        return cls(
            step=step,
            substeps=each,
            recorded=recorded,
            recordings_before=ceil(_before_s(options) / (recorded * step)),
        )

    @property
    def first(self) -> int:
        """The point at which the recording starts."""
        return self.recordings_before * self.recorded

    @property
    def points(self) -> int:
        """All points."""
        return self.first + self.recorded


def _before_s(options: SyntheticOptions) -> float:
    """Seconds until the start is forgotten; 0 for cultures that start anywhere, or never forget it."""
    if options.leak > 0:
        return min(LEAK_TIMES / options.leak, MOST_BEFORE_S)
    lasting = options.field is not None or options.activity != "none" or options.drive != "none"
    return BEFORE_S if lasting and options.k > 0 else 0.0
