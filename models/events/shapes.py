"""What an event looks like: one family of shapes, and the templates of it with which traces are searched.

An event of height A is

    A L((t - a) / s) exp(-u^q),    u = max(0, t - a - l) / d,

a rise around `a`, L(v) = 1 / (1 + exp(-1.702 v)), which is nearly the normal distribution and s nearly its deviation; a
plateau of length l; and a fall of length d. With q = 1 it falls exponentially, with q = 2 like a Gaussian, and with a
short s and d it is square. Times are in frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.store.types import IntArray

Reals = NDArray[np.floating[Any]]
"""Numbers of either precision."""
START, RISE, PLATEAU, FALL, POWER = range(5)
"""Columns of a shape: a, and the logarithms of s, l, d and q."""
SHARPEST = 0.3
"""Frames: a shorter rise cannot be told, since a frame gathers light over part of its interval."""
LOWEST = np.log([SHARPEST, 0.05, 0.3, 1.0])
HIGHEST_POWER = 6.0
GROWTH = 1.5
"""From one length of templates to the next."""
NEGLIGIBLE = 0.01
"""Share of the height below which a shape is cut."""
SLOPE = 1.702
"""Of the logistic function that is nearest to the normal distribution."""
TINY = 1e-9
FINE = 128
"""Points on which landmarks are sought."""


def heights(shape: Reals, frame: Reals) -> Reals:
    """(e, w), the shapes (e, 5) at frames (e, w), of height A = 1; in the precision of `frame`."""
    kind = frame.dtype
    start = shape[:, START, None].astype(kind)
    rise, plateau, fall, power = np.exp(shape[:, RISE:].T).astype(kind)[:, :, None]
    # In place: these are most of what detection computes.
    value = frame - start
    over = value * (kind.type(-SLOPE) / rise)
    np.minimum(over, kind.type(60), out=over)
    np.exp(over, out=over)
    over += 1
    value -= plateau
    value /= fall
    np.maximum(value, kind.type(TINY), out=value)
    np.log(value, out=value)
    value *= power
    np.minimum(value, kind.type(5), out=value)
    np.exp(value, out=value)
    np.negative(value, out=value)
    np.exp(value, out=value)
    value /= over
    return np.asarray(value)


def derivatives(shape: Reals, frame: Reals) -> Reals:
    """The shapes (e, w) and their derivatives by the five columns, together (e, 6, w)."""
    kind = frame.dtype
    start = shape[:, START, None].astype(kind)
    rise, plateau, fall, power = np.exp(shape[:, RISE:].T).astype(kind)[:, :, None]
    late = frame - start
    early = late * (kind.type(SLOPE) / rise)
    late -= plateau
    late /= fall
    np.maximum(late, kind.type(TINY), out=late)
    logs = np.log(late)
    raised = logs * power
    np.minimum(raised, kind.type(5), out=raised)
    np.exp(raised, out=raised)
    rising = np.exp(np.minimum(-early, kind.type(60)))
    rising += 1
    np.divide(1, rising, out=rising)
    result = np.empty((len(shape), 6, frame.shape[1]), dtype=kind)
    value, by_start, by_rise, by_plateau, by_fall, by_power = result.transpose(1, 0, 2)
    np.exp(-raised, out=value)
    value *= rising
    np.multiply(value, power, out=by_fall)
    by_fall *= raised
    # Time passes: down the fall, and up the rise.
    np.maximum(late, kind.type(1e-3), out=late)
    late *= fall
    np.divide(by_fall, late, out=by_start)
    np.multiply(plateau, by_start, out=by_plateau)
    np.subtract(1, rising, out=rising)
    rising *= value
    np.multiply(rising, early, out=by_rise)
    np.negative(by_rise, out=by_rise)
    rising *= kind.type(SLOPE) / rise
    by_start -= rising
    np.multiply(by_fall, logs, out=by_power)
    np.negative(by_power, out=by_power)
    return result


def reach(shape: Reals, share: float = NEGLIGIBLE) -> tuple[Reals, Reals]:
    """First and last frame at which each shape is more than a share of A."""
    rise, plateau, fall, power = np.exp(shape[:, RISE:].T)
    before = shape[:, START] - np.log(1 / share - 1) / SLOPE * rise
    after = shape[:, START] + plateau + fall * (-np.log(share)) ** (1 / power)
    return before, np.maximum(after, before + 1)


def width(shape: Reals) -> Reals:
    """(e,), about the frames over which each shape is high."""
    rise, plateau, fall, _ = np.exp(shape[:, RISE:].T)
    return np.asarray(1.5 * rise + plateau + 1.5 * fall)


def inside(shape: Reals, frames: int) -> Reals:
    """Shapes with lengths between the shortest and the longest that frames can show."""
    kept = shape.copy()
    highest = np.log([frames / 4, frames, frames / 2, HIGHEST_POWER])
    kept[:, RISE:] = np.clip(kept[:, RISE:], LOWEST, highest)
    kept[:, START] = np.clip(kept[:, START], -frames, frames - 0.5)
    return kept


@dataclass(frozen=True)
class Landmarks:
    """Times of an event in frames, and its height, each (e,); the height is a share of A."""

    onset: Reals
    half: Reals
    ninety: Reals
    peak: Reals
    end: Reals
    decay: Reals
    """From the peak to 1 / e of it."""
    height: Reals


def landmarks(shape: Reals) -> Landmarks:
    """Where shapes pass shares of their height."""
    frame, value, at, top = _curves(shape)
    # The middle of what is nearly as high: a plateau has no peak of its own.
    high = value >= 0.98 * top[:, None]
    first, last = high.argmax(axis=1), high.shape[1] - 1 - high[:, ::-1].argmax(axis=1)
    rows = np.arange(len(shape))
    peak = np.where(last > at + 1, (frame[rows, first] + frame[rows, last]) / 2, frame[rows, at])
    rising = [_crossing(frame, value, level * top, at, up=True) for level in (0.1, 0.5, 0.9)]
    falling = [_crossing(frame, value, level * top, at, up=False) for level in (0.1, np.exp(-1))]
    return Landmarks(
        onset=rising[0],
        half=rising[1],
        ninety=rising[2],
        peak=np.maximum(peak, rising[2]),
        end=falling[0],
        decay=falling[1] - np.maximum(peak, rising[2]),
        height=top,
    )


def rises(shape: Reals) -> tuple[Reals, Reals]:
    """Onset and half rise alone, as in `landmarks`."""
    frame, value, at, top = _curves(shape)
    return _crossing(frame, value, 0.1 * top, at, up=True), _crossing(frame, value, 0.5 * top, at, up=True)


def _curves(shape: Reals) -> tuple[Reals, Reals, IntArray, Reals]:
    """Frames, (e, p), and the shapes there; the column of the highest value, and that value."""
    before, after = reach(shape)
    # Points lie densely in the rise and sparsely in the fall.
    rise = np.exp(shape[:, RISE])
    turn = np.minimum(shape[:, START] + 3 * rise + 0.5, after)
    share = np.linspace(0, 1, FINE // 2)
    early = before[:, None] - rise[:, None] + (turn - before + rise)[:, None] * share
    late = turn[:, None] + (after - turn)[:, None] * share[1:]
    frame = np.concatenate([early, late], axis=1)
    value = heights(shape, frame)
    at = value.argmax(axis=1)
    return frame, value, at, value[np.arange(len(value)), at]


def _crossing(frame: Reals, value: Reals, level: Reals, top: IntArray, *, up: bool) -> Reals:
    """Where each row passes a level before (up) or after its highest point, by straight lines."""
    columns = np.arange(frame.shape[1])
    rows = np.arange(len(frame))
    if up:
        under = (value < level[:, None]) & (columns <= top[:, None])
        low = np.where(under.any(axis=1), frame.shape[1] - 1 - under[:, ::-1].argmax(axis=1), 0)
        high = np.minimum(low + 1, frame.shape[1] - 1)
    else:
        under = (value < level[:, None]) & (columns >= top[:, None])
        low = np.where(under.any(axis=1), under.argmax(axis=1), frame.shape[1] - 1)
        high = np.maximum(low - 1, 0)
    rise = value[rows, high] - value[rows, low]
    share = np.where(rise > 0, (level - value[rows, low]) / np.where(rise > 0, rise, 1.0), 0.0)
    return np.asarray(frame[rows, low] + np.clip(share, 0, 1) * (frame[rows, high] - frame[rows, low]))


@dataclass(frozen=True)
class Bank:
    """Templates, each with its weighted middle at the same place."""

    shape: Reals
    """(k, 5), with `a` counted from the middle."""
    values: Reals
    """(k, L)."""
    middle: int
    """The column of the middle."""
    width: Reals
    """(k,), frames over which a template gathers: square of its sum over the sum of its squares."""
    first: Reals
    """(k,), first and last frame of a template, from the middle."""
    last: Reals

    def __len__(self) -> int:
        return len(self.width)

    @property
    def reach(self) -> IntArray:
        """(k,), frames from the middle to the farthest end."""
        places = np.abs(np.arange(self.values.shape[1]) - self.middle)
        return np.asarray(np.where(self.values > 0, places, 0).max(axis=1))


def bank(longest: float) -> Bank:
    """Gaussian, exponential and square templates of growing length, up to so many frames."""
    rows = []
    length = 1.5
    while length <= longest:
        # Half-rise and slope of a Gaussian of deviation w, length 2.36 w at half height.
        w = length / 2.36
        rows.append((0.0, 0.68 * w, 1.18 * w, 1.41 * w, 2.0))
        # Longer tails are left to the fit: they would make all spectra longer.
        if length < longest / 1.7:
            rows.append((0.0, max(0.08 * length, SHARPEST), 0.15 * length, length, 1.0))
        if length > 4:
            rows.append((0.0, max(0.06 * length, SHARPEST), length, max(0.08 * length, SHARPEST), 2.0))
        length *= GROWTH
    shape = np.array(rows)
    shape[:, RISE:] = np.log(shape[:, RISE:])
    shape = inside(shape, 10**6)
    before, after = reach(shape)
    most = int(np.ceil(np.maximum(-before, after).max())) + 2
    frame = np.arange(-most, most + 1.0)
    fine = np.linspace(-most, most, 8 * most + 1)
    value = heights(shape, np.broadcast_to(fine, (len(shape), len(fine))))
    shape[:, START] -= (value**2 * fine).sum(axis=1) / (value**2).sum(axis=1)
    values = heights(shape, np.broadcast_to(frame, (len(shape), len(frame))))
    values[values < NEGLIGIBLE] = 0.0
    used = np.abs(frame[(values > 0).any(axis=0)]).max()
    kept = np.abs(frame) <= used
    before, after = reach(shape)
    return Bank(
        shape=shape,
        values=values[:, kept],
        middle=int(used),
        width=values.sum(axis=1) ** 2 / (values**2).sum(axis=1),
        first=before,
        last=after,
    )
