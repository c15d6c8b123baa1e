"""When the frames of a recording were taken: what its file says, what the user says, and whether the two agree.

Models need frames at even distances. A recording whose frames are not keeps its own times; one whose descriptions
contradict each other is refused until the user has said which is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.store.types import FloatArray, FrameTimes, IntArray

TOLERANCE = 0.05
"""Relative difference up to which two intervals are the same, and a step between frames is a usual one."""


@dataclass(frozen=True)
class Timing:
    """The times that a recording is stored with."""

    interval_s: float
    """The distance of the frames; the median one where they are not even."""
    times_s: FloatArray | None
    """(T,), from 0 at the first frame; None where frame times the interval says it all."""
    warnings: tuple[str, ...] = ()

    def chosen(self, frames: IntArray, count: int) -> Timing:
        """Of some of the `count` frames, given by their places, ascending."""
        times = self.interval_s * np.arange(count) if self.times_s is None else self.times_s
        return _spaced(times[frames], "the frames that were kept")


def settle(said: FrameTimes, given_s: float | None, trusted: bool, source: str) -> Timing:
    """The times of a recording from what its file says and the interval that the user gave, if any.

    Parameters
    ----------
    said
        What the file says.
    given_s
        `--frame-interval`, s.
    trusted
        `--trust-interval`: the user's interval holds whatever the file says.
    source
        The file's name, for messages.

    Raises
    ------
    InputError
        Nothing says how far apart the frames are; two descriptions contradict each other; time runs backwards.

    Examples
    --------
    >>> settle(FrameTimes(interval_s=5.0, interval_from="TimeIncrement"), None, False, "a.tif").interval_s
    5.0
    >>> settle(FrameTimes(interval_s=0.5, interval_from="finterval"), 500.0, False, "a.tif")
    Traceback (most recent call last):
    ...
    calcigraph.errors.InputError: a.tif: frames are 0.5 s apart (finterval), but --frame-interval says 500 s: \
give the right one, and --trust-interval if it is yours
    """
    if given_s is not None and trusted:
        return Timing(given_s, None, _overruled(said, given_s))
    stamps = _usable(said, source)
    if stamps is None:
        if said.interval_s is not None and given_s is not None and _differ(said.interval_s, given_s):
            raise _contradiction(source, said.interval_s, said.interval_from, given_s)
        interval = given_s if given_s is not None else said.interval_s
        if interval is None:
            raise InputError(
                f"{source}: the file does not say how far apart its frames are; give --frame-interval in seconds"
            )
        if said.numbers is None or (np.diff(said.numbers) == 1).all():
            return Timing(interval, None)
        return _spaced(said.numbers * interval, said.numbers_from)
    found = _spaced(stamps, said.times_from, said.resolution_s)
    if given_s is not None and _differ(found.interval_s, given_s):
        raise _contradiction(source, found.interval_s, said.times_from, given_s)
    if given_s is None and said.interval_s is not None and _differ(found.interval_s, said.interval_s):
        raise InputError(
            f"{source}: contradicts itself: its frames are {found.interval_s:.4g} s apart ({said.times_from}), but "
            f"{said.interval_from} says {said.interval_s:.4g} s: give --frame-interval and --trust-interval"
        )
    # A stamp may be rounded; a number that the user or the file gives is not.
    exact = given_s if given_s is not None else said.interval_s
    return found if found.times_s is not None or exact is None else Timing(exact, None)


def _spaced(stamps: FloatArray, said_by: str, resolution_s: float = 0.0) -> Timing:
    """Even if no step between stamps, (T,), is unlike the usual one."""
    steps = np.diff(stamps)
    usual = float(np.median(steps))
    allowed = max(TOLERANCE * usual, resolution_s) + 1e-6 * usual  # the last, because 0.017 - 0.016 is above 0.001
    if (np.abs(steps - usual) <= allowed).all():
        return Timing(float(stamps[-1] - stamps[0]) / len(steps), None)
    return Timing(usual, stamps - stamps[0], (uneven(stamps, said_by),))


def uneven(times_s: FloatArray, said_by: str = "") -> str:
    """In one line: how uneven these times are, (T,)."""
    steps = np.diff(times_s)
    usual = float(np.median(steps))
    odd = np.abs(steps - usual) > TOLERANCE * usual
    longest = int(np.argmax(steps))
    whose = f" ({said_by})" if said_by else ""
    return (
        f"time: frames are not evenly spaced{whose}: {int(odd.sum())} of {len(steps)} steps differ from the usual "
        f"{usual:.4g} s by more than {TOLERANCE:.0%}; they run from {steps.min():.4g} to {steps.max():.4g} s, the "
        f"longest after frame {longest}"
    )


def recorded_times(timing: Timing) -> dict[str, Any]:
    """What of the times decides an ingest, JSON-able: part of the input's digest."""
    times = None if timing.times_s is None else np.round(timing.times_s, 9).tolist()
    return {"frame_interval_s": timing.interval_s} | ({} if times is None else {"time_s": times})


def _usable(said: FrameTimes, source: str) -> FloatArray | None:
    """The stamps where they tell anything: a stamp that is missing lies between its neighbours."""
    if said.times_s is None or len(said.times_s) < 2:
        return None
    known = np.isfinite(said.times_s)
    if known.sum() < max(2, len(known) // 2) or np.ptp(said.times_s[known]) == 0:
        return None
    frames = np.arange(len(known))
    times: FloatArray = np.interp(frames, frames[known], said.times_s[known])
    if not (known[0] and known[-1]):
        return None  # beyond the outermost stamps nothing tells
    back = np.flatnonzero(np.diff(times) <= 0)
    if len(back) and said.resolution_s == 0:
        frame = int(back[0])
        raise InputError(
            f"{source}: time does not go forward ({said.times_from}): frame {frame} is at {times[frame]:.6g} s, the "
            f"next one at {times[frame + 1]:.6g} s; put the frames in order, or give --frame-interval and "
            "--trust-interval"
        )
    return times


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > TOLERANCE * max(one, other)


def _contradiction(source: str, interval: float, said_by: str, given_s: float) -> InputError:
    return InputError(
        f"{source}: frames are {interval:.4g} s apart ({said_by}), but --frame-interval says {given_s:.4g} s: "
        "give the right one, and --trust-interval if it is yours"
    )


def _overruled(said: FrameTimes, given_s: float) -> tuple[str, ...]:
    """A warning where the user's interval stands against the file's."""
    if said.interval_s is not None and _differ(said.interval_s, given_s):
        return (
            f"time: {said.interval_from} says {said.interval_s:.4g} s a frame; {given_s:.4g} s was trusted instead",
        )
    if said.times_s is not None and np.isfinite(said.times_s).sum() > 1:
        usual = float(np.nanmedian(np.diff(said.times_s)))
        if usual > 0 and _differ(usual, given_s):
            return (f"time: {said.times_from} says {usual:.4g} s a frame; {given_s:.4g} s was trusted instead",)
    return ()
