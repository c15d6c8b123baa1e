"""What the pictures of events and of waves share: numbers and colours of waves, times, speeds in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calcigraph.pictures.data import Firing, PictureData
from calcigraph.pictures.style import INK, between
from calcigraph.store.event_types import WAVE, Wave
from calcigraph.store.types import IntArray

"""The kinds of Wave."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Of waves, in turn: those that follow each other in time differ, for colour-blind readers too."""
ALONE = "#9a9a9a"
"""The colour of events that belong to no wave."""
START = "#d55e00"
"""The colour of the cells that began a wave."""
UNITS = ((2 * 3600.0, 3600.0, "h"), (300.0, 60.0, "min"))
"""From how many seconds on times are given in a unit, the unit in seconds, and its name."""


def run_of(data: PictureData) -> Firing:
    """The culture's events. Raises ValueError for a culture without, which `draw` refuses before."""
    if data.firing is None:
        raise ValueError(f"culture {data.culture!r} has no events")
    return data.firing


def numbers(waves: Sequence[Wave]) -> list[int]:
    """The number of each wave, from 1 in the order in which they are stored, flashes included."""
    return list(range(1, len(waves) + 1))


def wave_colours(waves: Sequence[Wave]) -> list[str]:
    """A colour for each: those of waves in turn, by their onsets; flashes are dark.

    >>> wave_colours([])
    []
    """
    colours = [INK] * len(waves)
    moving = [place for place, wave in enumerate(waves) if wave.kind == WAVE]
    for turn, place in enumerate(sorted(moving, key=lambda place: waves[place].onset_s)):
        colours[place] = COLOURS[turn % len(COLOURS)]
    return colours


def wave_of_event(run: Firing) -> IntArray:
    """(e,), the place of each event's wave in `run.waves`, -1 for none."""
    found = np.full(len(run.events), -1)
    for place, wave in enumerate(run.waves):
        found[wave.events] = place
    return found


def largest(run: Firing, most: int | None = None) -> list[int]:
    """Places of the waves, flashes left out, by their number of cells, the largest first; at most `most`."""
    moving = [place for place, wave in enumerate(run.waves) if wave.kind == WAVE]
    return sorted(moving, key=lambda place: (-cell_count(run, run.waves[place]), place))[:most]


def cell_count(run: Firing, wave: Wave) -> int:
    """Cells of a wave."""
    return len(np.unique(run.events.label[wave.events]))


def time_unit(span_s: float) -> tuple[float, str]:
    """The unit in which times up to `span_s` are written: in seconds, and its name.

    >>> time_unit(3600.0), time_unit(90.0)
    ((60.0, 'min'), (1.0, 's'))
    """
    return next(((unit, name) for least, unit, name in UNITS if span_s >= least), (1.0, "s"))


def speed_text(wave: Wave, pixel_size_um: float | None) -> str:
    """The speed with its 95 % interval, in um/s where the pixel size is known.

    >>> none = np.zeros(0, int)
    >>> wave = Wave("wave", none, none, 0.0, 9.0, 4.0, 3.0, None, None, None, None, None, 0.1, 0.1)
    >>> speed_text(wave, None), speed_text(wave, 0.5)
    ('4 px/s (3 or more)', '2 µm/s (1.5 or more)')
    """
    step, unit = (pixel_size_um, "µm/s") if pixel_size_um else (1.0, "px/s")
    ends = (wave.speed_low_px_s, wave.speed_high_px_s)
    low, high = (None if end is None or not np.isfinite(end) else step * end for end in ends)
    if wave.speed_px_s is None or not np.isfinite(wave.speed_px_s):
        return "no speed"
    speed = step * wave.speed_px_s
    if low is not None and high is not None:
        value, _, interval = between(speed, (low, high)).partition(" ")
        return f"{value} {unit} {interval}".rstrip()
    one_sided = f" ({low:.3g} or more)" if low is not None else f" ({high:.3g} or less)" if high is not None else ""
    return f"{speed:.3g} {unit}{one_sided}"
