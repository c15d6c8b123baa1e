"""Which row of a table was taken when: its columns of frame numbers and of times, rows that are lost, come twice or
stand in another order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.table import MISSING, Row, Table
from calcigraph.ingest.times import TOLERANCE
from calcigraph.ingest.units import seconds
from calcigraph.store.types import BoolArray, FloatArray, FrameTimes, IntArray

FITTING = (("s", 1.0), ("ms", 1e-3), ("min", 60.0), ("h", 3600.0))
"""Units that a column of times without a unit may be in, in the order in which they are tried."""
HALF_A_DAY_S = 43200.0
DAY_S = 86400.0
MOST_NAMED = 5
"""Lines that a message names."""
ADVICE_ON_EQUAL_TIMES = "number the frames in a column Frame, or give --frame-interval and --trust-interval"

_COUNTED = frozenset(
    {"frame", "frames", "slice", "slices", "timepoint", "timepoints", "timeframe", "timestep", "plane"}
)
"""Words for the number of a frame."""
_RANKS = frozenset({"number", "numbers", "num", "no", "nr", "n", "id", "index", "idx", "#"})
"""Words that may follow those."""
_TIMED = frozenset({"time", "times", "timestamp", "timestamps", "elapsed", "t", "deltat"}) | (
    frozenset({"zeit", "temps", "tiempo", "tempo"})
)
"""Words for a time."""
_BESIDE = _TIMED | frozenset(
    {"relative", "rel", "acquisition", "acq", "since", "start", "of", "from", "frame", "recording", "position", "in"}
    | {"delta", "stamp", "stamps", "experiment", "movie", "total", "real", "the", "abs", "absolute", "mean", "image"}
) - {"mean"}
"""Words that may stand beside those."""
_UNITS = frozenset({"s", "sec", "secs", "second", "seconds", "ms", "msec", "msecs", "millisecond", "milliseconds"}) | (
    frozenset({"minute", "minutes", "hour", "hours"})
)
"""Units that are a column's whole name; "min" is ImageJ's for the darkest pixel."""
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True)
class TimeColumn:
    """A column that says when a row was taken."""

    place: int
    name: str
    counts: bool
    """Whether it has numbers of frames, rather than times."""
    unit_s: float | None = None
    """Seconds in its unit; None where its name has none."""
    either: bool = False
    """Whether the name stands for both, as T does."""


@dataclass(frozen=True)
class Ordered:
    """The rows of a table in the order of their time."""

    chosen: IntArray
    """(T,), places of the rows, ascending in time."""
    times: FrameTimes
    notes: tuple[str, ...]
    """What was done to the rows, one line each, for the user."""


def time_column(place: int, name: str) -> TimeColumn | None:
    """What a column's name says of time; None where it says nothing.

    >>> time_column(0, "Time [ms]")
    TimeColumn(place=0, name='Time [ms]', counts=False, unit_s=0.001, either=False)
    >>> time_column(0, "Slice").counts, time_column(0, "elapsed_time_min").unit_s, time_column(0, "Mean_all")
    (True, 60.0, None)
    """
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", name.strip())
    words = [word.lower() for word in re.findall(r"[^\W\d_]+|#|\d+", split)]
    if not words or any(word.isdecimal() for word in words):
        return None
    if words in (["time", "point"], ["time", "points"], ["time", "frame"], ["time", "step"], ["time", "index"]):
        return TimeColumn(place, name, counts=True)
    if words[:2] in (["time", "point"], ["time", "frame"], ["time", "step"]):
        words = ["".join(words[:2]), *words[2:]]
    if words[0] in _COUNTED and set(words[1:]) <= _RANKS:
        return TimeColumn(place, name, counts=True)
    if len(words) == 1 and words[0] in _UNITS:
        return TimeColumn(place, name, counts=False, unit_s=seconds(1, words[0]))
    unit = seconds(1, words[-1]) if len(words) > 1 else None
    clock = any(words[-n:] in (["hh", "mm", "ss"][:n], ["h", "m", "s"][:n], ["hms"]) for n in (3, 2, 1))
    if len(words) > 3 and clock and unit is None:
        words = words[:-3]
    beside = words[:-1] if unit is not None else words
    if not set(beside) & _TIMED or not set(beside) <= _BESIDE:
        return None
    return TimeColumn(place, name, counts=False, unit_s=unit, either=unit is None and words == ["t"])


def ordered(
    table: Table, rows: Sequence[Row], values: FloatArray, lost: BoolArray, given_s: float | None, trusted: bool
) -> Ordered:
    """The rows in the order of their frame numbers or times, each once.

    Parameters
    ----------
    table, rows
        The table, and those of its rows that stand for a frame.
    values
        (rows, ...), all that is measured, NaN where missing: rows of one time must agree in it.
    lost
        (rows,), which of them have no value: they are left out, and their place in time is kept.
    given_s
        `--frame-interval`, s: it tells the unit of a column of times that names none.
    trusted
        `--trust-interval`: frames are evenly spaced whatever their times.

    Raises
    ------
    InputError
        Rows of one time differ; a row has no time, or the unit of the times is not known.
    """
    numbers, stamps = _clocks(table, rows, ~lost)
    told = numbers or stamps
    # Without a time of its own a lost frame keeps its place by staying in, where frames are trusted to be even.
    left = lost & (told is not None or not trusted)
    places = np.flatnonzero(~left)
    notes = _lost_note(rows, lost, left)
    if told is None:
        kept = FrameTimes(numbers=places, numbers_from="its empty rows") if left.any() else FrameTimes()
        return Ordered(places, kept, notes)
    keys = told.keys[places]
    order = np.argsort(keys, kind="stable")
    if (np.diff(keys) < 0).any():
        notes += (f"rows: they were not in the order of column {told.column.name} and were sorted by it",)
    # Times that are not believed do not say which rows are one frame; numbers of frames do.
    strict = told.column.counts or not trusted
    chosen, doubled = _once(table, rows, values, places[order], told, strict)
    if len(doubled):
        notes += (f"rows: {len(doubled)} of {len(rows)} are copies of another row of the same "
                  f"{told.column.name} and were left out ({_lines(rows, doubled)})",)  # fmt: skip
    times = FrameTimes()
    if numbers is not None:
        times, more = _numbered(numbers, chosen, trusted)
        notes += more
    if stamps is not None:
        times, more = _timed(table, stamps, chosen, times, given_s)
        notes += more
    return Ordered(chosen, times, notes)


@dataclass(frozen=True)
class _Clock:
    """A column of times that was read."""

    column: TimeColumn
    keys: FloatArray
    """(rows,), in the column's own unit; NaN for rows that have no time."""
    decimals: int
    """Digits after the point."""
    seconds: bool
    """Whether they are seconds whatever the column's unit, as 0:01:30 is."""


def _clocks(table: Table, rows: Sequence[Row], needed: BoolArray) -> tuple[_Clock | None, _Clock | None]:
    """The column of frame numbers and the column of times that this table goes by, if it has any."""
    found = [time_column(place, name) for place, name in enumerate(table.header)]
    columns = sorted((each for each in found if each is not None), key=lambda each: (each.unit_s is None, each.place))
    numbers, stamps = None, None
    for column in columns:
        clock = _read(table, rows, column, needed)
        if clock is None:
            continue
        counts = column.counts
        if column.either:
            whole = (clock.keys[needed] == np.rint(clock.keys[needed])).all()
            counts = bool(whole and _common_step(clock.keys[needed]) == 1)
            clock = _Clock(TimeColumn(column.place, column.name, counts), clock.keys, clock.decimals, clock.seconds)
        # ImageJ numbers planes as "Slice" even where "Frame" is what goes by.
        if counts and (numbers is None or (column.name.lower().startswith("frame") and not _is_frame(numbers))):
            numbers = clock
        elif not counts and stamps is None:
            stamps = clock
    return numbers, stamps


def _is_frame(clock: _Clock) -> bool:
    return clock.column.name.lower().startswith("frame")


def _read(table: Table, rows: Sequence[Row], column: TimeColumn, needed: BoolArray) -> _Clock | None:
    """The values of a column of times; None for one that has the same value, or none, in every row."""
    texts = [row.fields[column.place] if row.fields else "" for row in rows]
    present = [text for text, wanted in zip(texts, needed, strict=True) if wanted and text.lower() not in MISSING]
    if len(set(present)) < 2:
        return None
    parsed = [_stamp(text) for text in texts]
    for row, text, stamp, wanted in zip(rows, texts, parsed, needed, strict=True):
        if stamp is None or (wanted and math.isnan(stamp[0])):
            what = f"{text!r} is no number or time of a frame" if text else "is empty"
            raise InputError(
                f"{table.path}: line {row.line}, column {column.name}: {what}; fill it in, or rename the column "
                "if it is no time"
            )
    known = [stamp for stamp in parsed if stamp is not None]
    keys = np.array([value for value, _ in known])
    if column.counts:
        broken = np.flatnonzero(np.isfinite(keys) & (keys != np.rint(keys)))
        if len(broken):
            row = rows[int(broken[0])]
            raise InputError(
                f"{table.path}: line {row.line}, column {column.name}: {texts[int(broken[0])]} is no whole number; "
                "rename the column if it does not number the frames, such as Time_s"
            )
    clock = any(":" in text for text in present)
    if clock:
        keys = _past_midnight(keys)
    decimals = max(len(re.sub(r"^[^.]*\.?", "", text)) for text in present) if not clock else 9
    return _Clock(column, keys, 9 if any("e" in text.lower() for text in present) else decimals, clock)


def _stamp(text: str) -> tuple[float, str] | None:
    """A number, a clock such as 0:01:30.5 in seconds, or a date with a time in seconds; NaN for none given."""
    if text.lower() in MISSING:
        return math.nan, text
    try:
        value = math.inf if "_" in text else float(text)
        return None if math.isinf(value) else (value, text)
    except ValueError:
        pass
    clock = _CLOCK.fullmatch(text)
    if clock:
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3]), text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), text


def _past_midnight(keys: FloatArray) -> FloatArray:
    """Times of a clock that begins anew at midnight, made to go on."""
    known = np.flatnonzero(np.isfinite(keys))
    result = keys.copy()
    if len(known) and np.nanmax(keys) < DAY_S:
        falls = np.diff(keys[known]) < -HALF_A_DAY_S
        if falls.sum() == 1:
            result[known[1:]] += DAY_S * np.cumsum(falls)
    return result


def _once(
    table: Table, rows: Sequence[Row], values: FloatArray, order: IntArray, told: _Clock, strict: bool
) -> tuple[IntArray, IntArray]:
    """Of rows of one time the first, if they are equal; and those that were left out."""
    chosen, doubled = [int(order[0])], []
    for place in order[1:].tolist():
        same = [at for at in chosen[-MOST_NAMED:] if told.keys[at] == told.keys[place]]
        if not same:
            chosen.append(place)
        elif np.array_equal(values[same[0]], values[place], equal_nan=True):
            doubled.append(place)
        elif strict:
            value = rows[place].fields[told.column.place]
            advice = "give one recording a file" if told.column.counts else ADVICE_ON_EQUAL_TIMES
            raise InputError(
                f"{table.path}: lines {rows[same[0]].line} and {rows[place].line} are both of {told.column.name} "
                f"{value}, but differ: {advice}"
            )
        else:
            chosen.append(place)
    return np.array(chosen), np.array(doubled, np.int64)


def _numbered(clock: _Clock, chosen: IntArray, trusted: bool) -> tuple[FrameTimes, tuple[str, ...]]:
    """Frame numbers as whole steps from the first."""
    numbers = np.rint(clock.keys[chosen]).astype(np.int64)
    step = _common_step(numbers)
    steps = (numbers - numbers[0]) // max(step, 1)
    name, missing = clock.column.name, int(steps[-1]) + 1 - len(steps)
    notes: tuple[str, ...] = ()
    if step > 1:
        notes += (f"time: column {name} counts in steps of {step}; the interval is taken as that of two rows",)
    if missing and trusted:
        notes += (f"time: column {name} lacks {missing} numbers; frames were taken as evenly spaced as you said",)
    elif missing:
        notes += (f"time: column {name} lacks {missing} of the {int(steps[-1]) + 1} numbers from its first to its "
                  "last; the times of the others are kept",)  # fmt: skip
    return FrameTimes(numbers=steps, numbers_from=f"column {name}"), notes


def _timed(
    table: Table, clock: _Clock, chosen: IntArray, numbered: FrameTimes, given_s: float | None
) -> tuple[FrameTimes, tuple[str, ...]]:
    """Times in seconds; they stand above frame numbers."""
    keys, name = clock.keys[chosen], clock.column.name
    said_by = f"column {name}"
    notes: tuple[str, ...] = ()
    if not np.isfinite(keys).all():
        row = int(np.flatnonzero(~np.isfinite(keys))[0])
        raise InputError(f"{table.path}: column {name} has no time for row {row + 1}; fill it in")
    usual = float(np.median(np.diff(keys)))
    unit = 1.0 if clock.seconds else clock.column.unit_s
    if unit is None:
        if given_s is None:
            raise InputError(
                f"{table.path}: column {name} has no unit; write it into its name, such as Time_s, "
                "or give --frame-interval in seconds"
            )
        fitting = [each for each in FITTING if abs(usual * each[1] - given_s) <= TOLERANCE * given_s]
        spelling, unit = fitting[0] if fitting else ("s", 1.0)
        if not fitting:
            said_by += ", taken as seconds; call it Frame if it counts frames"
        if spelling != "s":
            notes = (f"time: column {name} names no unit; {spelling} is what agrees with --frame-interval",)
    if numbered.numbers is not None and (np.diff(numbered.numbers) > 1).any():
        even = np.ptp(np.diff(keys)) <= TOLERANCE * usual
        if even:
            notes += (f"time: {numbered.numbers_from} lacks numbers, but column {name} is even and was believed",)
    times = keys * unit
    resolution = 10.0**-clock.decimals * unit
    rounded = _rounded(times, resolution)
    return FrameTimes(
        times_s=times,
        times_from=said_by,
        # A little more, as 0.04 - 0.03 is more than 0.01 to a computer.
        resolution_s=1.001 * resolution if rounded else 0.0,
    ), notes


def _rounded(times: FloatArray, resolution_s: float) -> bool:
    """Whether these are even times but for their rounding."""
    grid = np.linspace(times[0], times[-1], len(times))
    return bool(np.abs(times - grid).max() <= 1.001 * resolution_s and times[-1] > times[0])


def _common_step(values: FloatArray | IntArray) -> int:
    """The largest whole number that all differences of whole numbers are multiples of; 0 where they are all equal."""
    return int(np.gcd.reduce(np.diff(np.unique(np.rint(values).astype(np.int64))))) if len(set(values)) > 1 else 0


def _lost_note(rows: Sequence[Row], lost: BoolArray, left: BoolArray) -> tuple[str, ...]:
    if not lost.any():
        return ()
    done = "their frames are lost and their place in time is kept" if left.any() else "they were interpolated"
    return (f"rows: {int(lost.sum())} of {len(rows)} have no value ({_lines(rows, np.flatnonzero(lost))}); {done}",)


def _lines(rows: Sequence[Row], places: IntArray) -> str:
    named = ", ".join(str(rows[at].line) for at in places[:MOST_NAMED].tolist())
    return f"line{'s' if len(places) > 1 else ''} {named}{', ...' if len(places) > MOST_NAMED else ''}"
