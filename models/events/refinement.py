"""When exactly each event begins and how high it is: its shape fitted to the trace, together with its neighbours'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from calcigraph.models.events.shapes import (
    FALL,
    RISE,
    START,
    Reals,
    derivatives,
    heights,
    inside,
    reach,
    width,
)
from calcigraph.store.types import BoolArray, IntArray

SPREAD = np.array([0.8, 1.0, 0.7, 0.4])
"""Deviations of log rise, plateau, fall and power around the template's: weak, so that noise does not lead far away."""
STEP = np.array([2.0, 0.5, 0.7, 0.5, 0.3])
"""Longest step of each column: frames, and shares of lengths."""
SHARES = (1.0, 0.3)
"""Of a step, tried one after another."""
ROUNDING = 0.01
"""Of a sum of squares, in noise variances: a smaller gain is none."""
SETTLED = 0.1
"""Fall of the sum of squares, in noise variances, below which a shape is not fitted further."""
WEIGHT = np.concatenate([[1e-6, 1e-3], SPREAD**-2.0])
"""The prior's precision of height, start and lengths."""
SHORTEST_WINDOW = 24
FEWEST_ROWS = 40
"""Events of like length that are worth a pass of their own; fewer go with longer ones."""
MOST_NUMBERS = 25_000
"""Frames of all windows of a pass: more would leave the processor's cache."""
AROUND = 0.5
"""Share of its length by which the window of an event reaches beyond it, so that a shape can grow."""


@dataclass(frozen=True)
class Candidates:
    """Events of several cells in noise units, sorted by cell and start."""

    cell: IntArray
    shape: Reals
    """(e, 5)."""
    template: Reals
    """(e, 5), the shape that found it."""
    height: Reals
    bonus: Reals
    """For a usual shape, added to the square of the score."""
    score: Reals
    """Height over its standard error, as last measured."""

    def __len__(self) -> int:
        return len(self.cell)

    def chosen(self, rows: IntArray | BoolArray) -> Candidates:
        return Candidates(*[getattr(self, item.name)[rows] for item in fields(Candidates)])

    def ordered(self) -> Candidates:
        return self.chosen(np.lexsort((self.shape[:, START], self.cell)))


def none_found() -> Candidates:
    none = np.zeros(0)
    return Candidates(np.zeros(0, dtype=np.int64), np.zeros((0, 5)), np.zeros((0, 5)), none, none, none)


def joined(*parts: Candidates) -> Candidates:
    """All of them, in order."""
    columns = [np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Candidates)]
    return Candidates(*columns).ordered()


def chosen_cells(events: Candidates, cells: IntArray) -> Candidates:
    """The events of some cells, sorted, which are numbered anew."""
    mine = events.chosen(np.isin(events.cell, cells))
    return replace(mine, cell=np.searchsorted(cells, mine.cell))


@dataclass(frozen=True)
class Expected:
    """What noise and which shapes a culture leads to expect."""

    ratio: Reals
    """(n, k), noise of sums over the width of each template, over what white noise would give."""
    shape: Reals
    """(k, 5), templates."""
    width: Reals
    """(k,), theirs in frames."""
    bonus: Reals
    """(k,), twice the logarithm of how usual each is."""

    def noise(self, cell: IntArray, wide: Reals) -> Reals:
        """The ratio for events of so many frames, (e,), in cells (e,)."""
        order = np.argsort(self.width)
        near = np.searchsorted(self.width[order], wide)
        return np.asarray(self.ratio[cell, order[np.minimum(near, len(order) - 1)]])

    def usual(self, shape: Reals) -> Reals:
        """(e,), the bonus of the template that is nearest to each shape."""
        here, there = _features(shape), _features(self.shape)
        return np.asarray(self.bonus[((here[:, None] - there) ** 2).sum(axis=2).argmin(axis=1)])


def _features(shape: Reals) -> Reals:
    """(e, 3), length, sharpness of the rise and of the fall, in units in which templates are about 1 apart."""
    wide = np.log(width(shape))
    return np.stack([wide / 0.4, (shape[:, RISE] - wide) / 0.8, (shape[:, FALL] - wide) / 0.8], axis=1)


@dataclass(frozen=True)
class Windows:
    """Events of like length, and the frames that they reach."""

    rows: IntArray
    """(e,)."""
    frame: Reals
    """(e, w), in single precision, which is exact enough for frames and fast."""
    place: IntArray
    """(e, w), the same within the recording."""
    good: BoolArray
    """(e, w), whether the frame belongs to the window and the recording."""


def windows(first: Reals, last: Reals, frames: int) -> Iterator[Windows]:
    """Windows from `first` to `last` frames, (e,), in groups of growing length."""
    low = np.floor(np.clip(first, 0, frames - 1)).astype(np.int64)
    high = np.ceil(np.clip(last, low, frames - 1)).astype(np.int64)
    size, span = SHORTEST_WINDOW, high - low
    left = np.argsort(span, kind="stable")
    while len(left):
        count = int(np.searchsorted(span[left], size))
        if count >= FEWEST_ROWS or count == len(left):
            longest = int(span[left[count - 1]]) + 1
            alike, left = np.sort(left[:count]), left[count:]
            for begin in range(0, count, max(MOST_NUMBERS // longest, 1)):
                rows = alike[begin : begin + max(MOST_NUMBERS // longest, 1)]
                place = low[rows, None] + np.arange(longest)
                good = place <= high[rows, None]
                yield Windows(rows, place.astype(np.float32), np.minimum(place, frames - 1), good)
        size = size * 3 // 2


def extent(shape: Reals) -> tuple[Reals, Reals]:
    """First and last frame at which the fit of a shape looks."""
    before, after = reach(shape)
    around = AROUND * (after - before) + 2
    return before - around, after + around


def model(events: Candidates, cells: int, frames: int) -> Reals:
    """(n, T), the sum of the events of each cell."""
    total = np.zeros(cells * frames, dtype=np.float32)
    for window in windows(*reach(events.shape), frames):
        value = events.height[window.rows, None].astype(np.float32) * heights(events.shape[window.rows], window.frame)
        flat = events.cell[window.rows, None] * frames + window.place
        np.add.at(total, flat[window.good], value[window.good])
    return total.reshape(cells, frames)


@dataclass(frozen=True)
class Fitted:
    """Shapes fitted to pieces of traces."""

    shape: Reals
    """(e, 5)."""
    height: Reals
    """(e,)."""
    misfit: Reals
    """(e,), sum of squares that is left, less that of the target, with the prior."""
    value: Reals
    """(e, w), the shapes at the frames of their windows."""
    first: Reals
    """(e,), misfit of the shapes from which the fit began."""

    @property
    def gain(self) -> Reals:
        """(e,), by how much the misfit has fallen."""
        return self.first - self.misfit

    def better_of(self, tried: Fitted, rows: IntArray) -> BoolArray:
        """Take over what fits better among `tried`, which stands for `rows`; whether it did."""
        better = tried.misfit < self.misfit[rows] - ROUNDING
        at = rows[better]
        for mine, new in zip(
            (self.shape, self.height, self.misfit, self.value),
            (tried.shape, tried.height, tried.misfit, tried.value),
            strict=True,
        ):
            mine[at] = new[better]
        return better


def fitted(
    target: Reals, window: Windows, start: Reals, template: Reals, steps: int, value: Reals | None = None
) -> Fitted:
    """Shapes and heights that leave least of `target`, (e, w), by Gauss-Newton steps from `start`, (e, 5).

    `value` are the shapes `start` at the frames of the window, where they are known.
    """
    frames = int(window.place.max()) + 1
    best = _left(target, window.frame, window.good, start.copy(), template, value)
    moving = np.arange(len(start))
    for _ in range(steps):
        step = _step(target, window, best, template, moving)
        at = np.arange(len(moving))
        for share in SHARES:
            rows = moving[at]
            shape = inside(best.shape[rows] + share * step[at], frames)
            near, frame, good, usual = _rows(rows, target, window.frame, window.good, template)
            tried = _left(near, frame, good, shape, usual)
            at = at[~best.better_of(tried, rows)]
            if not len(at):
                break
        # Where no step helps, the same step would be tried again.
        moving = np.delete(moving, at)
        if not len(moving):
            break
    return best


def _rows(rows: IntArray, *arrays: Any) -> tuple[Any, ...]:
    """These rows of arrays; the arrays themselves where that is all of them."""
    return arrays if len(rows) == len(arrays[0]) else tuple(array[rows] for array in arrays)


def _left(
    target: Reals, frame: Reals, good: BoolArray, shape: Reals, template: Reals, value: Reals | None = None
) -> Fitted:
    value = heights(shape, frame) if value is None else value
    value *= good
    energy = np.maximum(np.einsum("ew,ew->e", value, value), 1e-6)
    height = np.maximum(np.einsum("ew,ew->e", value, target), 0) / energy
    prior = (((shape[:, RISE:] - template[:, RISE:]) / SPREAD) ** 2).sum(axis=1)
    misfit = prior - height**2 * energy
    return Fitted(shape, height, misfit, value, misfit.copy())


def _step(target: Reals, window: Windows, best: Fitted, template: Reals, some: IntArray) -> Reals:
    """The Gauss-Newton step of some of the shapes, with the template as a weak prior of lengths."""
    target, frame, good, shape, height, value, template = _rows(
        some, target, window.frame, window.good, best.shape, best.height, best.value, template
    )
    rows = derivatives(shape, frame)
    height = height[:, None].astype(np.float32)
    # The value was cut to the window before.
    rows[:, 0] = value
    rows[:, 1:] *= (height * good)[:, None]
    residual = target - height * value
    normal = (rows @ rows.transpose(0, 2, 1)).astype(float)
    right = (rows @ residual[:, :, None])[:, :, 0].astype(float)
    normal[:, np.arange(6), np.arange(6)] += WEIGHT
    right[:, 2:] += (template[:, RISE:] - shape[:, RISE:]) * WEIGHT[2:]
    return np.clip(np.linalg.solve(normal, right[:, :, None])[:, 1:, 0], -STEP, STEP)


def refined(rest: Reals, events: Candidates, rounds: int) -> Candidates:
    """Heights and shapes fitted anew; even and odd events of a cell take turns, so that two do not explain the same."""
    cells, frames = rest.shape
    number = np.arange(len(events)) - np.searchsorted(events.cell, events.cell)
    left = rest.astype(np.float32) - model(events, cells, frames)
    moving = np.ones(len(events), dtype=bool)
    for _ in range(rounds):
        for parity in (0, 1):
            turn = np.flatnonzero(moving & (number % 2 == parity))
            if len(turn):
                events, gain = _refitted(left, events, turn)
                moving[turn] = gain > SETTLED
    return events


def _refitted(left: Reals, events: Candidates, turn: IntArray) -> tuple[Candidates, Reals]:
    """One step of some events, and how much better each then fits; `left`, what no event explains, is brought up to
    date."""
    shape, height = events.shape.copy(), events.height.copy()
    gain = np.zeros(len(turn))
    frames = left.shape[1]
    flat = left.reshape(-1)
    for window in windows(*extent(events.shape[turn]), frames):
        at = turn[window.rows]
        place = events.cell[at, None] * frames + window.place
        value = heights(events.shape[at], window.frame)
        own = height[at, None].astype(np.float32) * value
        target = (flat[place] + own) * window.good
        found = fitted(target, window, events.shape[at], events.template[at], 1, value)
        shape[at], height[at] = found.shape, found.height
        gain[window.rows] = found.gain
        change = own - found.height[:, None].astype(np.float32) * found.value
        np.add.at(flat, place[window.good], change[window.good])
    return replace(events, shape=shape, height=height), gain
