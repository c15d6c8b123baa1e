"""Where events are: the places at which a template stands out of the noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from calcigraph.models.events.refinement import Expected
from calcigraph.models.events.shapes import START, Bank, Reals, heights
from calcigraph.store.types import BoolArray, IntArray

LEAST_INSIDE = 0.25
"""Share of a template's energy that must lie within the recording."""
AT_ONCE = 24
"""Steps of a search: each gives a cell an event, or a shorter template."""
CELLS = 128
"""Cells whose scores are computed together."""
SMALL = 0.1
"""Share of the recording by which short templates reach beyond it, at most: their spectra are on a smaller circle."""
SHORTER = 0.7
"""Of the width of a template that does not fit, where shorter ones are tried."""
CORE = 0.1
"""Share of its height above which a template is compared with the trace."""
ALMOST = 0.9999
"""Of a score: more than rounding."""
SURE, OFF = 4.0, 0.18
"""Deviations, and a share of the score, by which a template may lie above the trace."""


Spectra = NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True)
class Filters:
    """Templates as spectra, for traces of one length."""

    shapes: Bank
    spectra: tuple[Spectra, ...]
    """One each."""
    sizes: tuple[int, ...]
    """Frames of the circle on which each stands."""
    root_energy: Reals
    """(k, T), root of the energy that lies within the recording for a middle at each frame; infinite if too little."""
    over_root_energy: Reals
    """Its inverse."""
    bonus: Reals
    """(k,), added to the square of a template's score: twice the log of how usual it is among the culture's events."""

    def expected(self, ratio: Reals) -> Expected:
        """The templates as what is to be expected of noise, (n, k), and shapes."""
        return Expected(ratio, self.shapes.shape, self.shapes.width, self.bonus)


def filters(shapes: Bank, frames: int) -> Filters:
    """Spectra of the templates."""
    # Frames beyond the recording are 0, on either side of the circle.
    size = fft.next_fast_len(frames + shapes.middle + 1, real=True)
    inside = np.zeros(size, dtype=np.float32)
    inside[:frames] = 1
    squares = np.conj(fft.rfft(_on_circle(shapes, size) ** 2, axis=1))
    energy = fft.irfft(fft.rfft(inside) * squares, size, axis=1)[:, :frames]
    whole = (shapes.values**2).sum(axis=1)[:, None]
    root = np.where(energy >= LEAST_INSIDE * whole, np.sqrt(np.maximum(energy, 1e-9)), np.inf).astype(np.float32)
    most = int(SMALL * frames)
    sizes = np.where(shapes.reach <= most, min(fft.next_fast_len(frames + most + 1, real=True), size), size).tolist()
    circles = {size: _on_circle(shapes, size) for size in set(sizes)}
    return Filters(
        shapes=shapes,
        spectra=tuple(np.conj(fft.rfft(circles[size][k])) for k, size in enumerate(sizes)),
        sizes=tuple(sizes),
        root_energy=root,
        over_root_energy=1 / root,
        bonus=np.zeros(len(shapes)),
    )


def _on_circle(shapes: Bank, size: int) -> Reals:
    """(k, size), the templates around frame 0 of a circle of frames."""
    circle = np.zeros((len(shapes), size), dtype=np.float32)
    places = np.arange(shapes.values.shape[1]) - shapes.middle
    short = np.abs(places) < size / 2
    circle[:, places[short] % size] = shapes.values[:, short]
    return circle


@dataclass(frozen=True)
class Picks:
    """Places where a template stands out, one value each."""

    cell: IntArray
    shape: Reals
    """(e, 5)."""
    height: Reals
    score: Reals
    bonus: Reals


class _Best:
    """The best template at every frame, among those that are short enough there; scores below the floor may be less."""

    def __init__(self, left: Reals, ratio: Reals, floor: Reals, given: Filters) -> None:
        self._left, self._ratio, self._floor, self._given = left, ratio, floor, given
        self._least = floor.min(axis=1, initial=np.inf)
        self._longest: Reals | None = None
        self.score = np.empty(left.shape, dtype=np.float32)
        self.template = np.zeros(left.shape, dtype=np.int8)
        """Where the score passes the floor."""
        self._choose(np.arange(len(left)))

    def limit(self, rows: IntArray, reach: BoolArray, width: Reals) -> None:
        """Only templates up to so wide, (r,), where `reach`, (r, T)."""
        if self._longest is None:
            self._longest = np.full(self.score.shape, np.inf, dtype=np.float32)
        self._longest[rows] = np.where(reach, np.minimum(self._longest[rows], width[:, None]), self._longest[rows])
        self._choose(rows)

    def _choose(self, rows: IntArray) -> None:
        # Few cells at a time, and one template after another, stay in the processor's cache.
        for first in range(0, len(rows), CELLS):
            some = rows[first : first + CELLS]
            left, ratio, least = self._left[some].astype(np.float32), self._ratio[some], self._least[some]
            longest = None if self._longest is None else self._longest[some]
            best, template = np.zeros(left.shape, dtype=np.float32), np.zeros(left.shape, dtype=np.int8)
            for k, at, squares in _squares(left, ratio, least, self._given):
                if longest is not None:
                    squares[self._given.shapes.width[k] > longest[at]] = -1
                # A later template has a larger number: where it is better, it is the largest of both.
                number = (squares > best[at]).view(np.int8) * np.int8(k)
                template[at] = np.maximum(template[at], number, out=number)
                best[at] = np.maximum(best[at], squares, out=squares)
            self.score[some], self.template[some] = np.sqrt(best), template


def _squares(left: Reals, ratio: Reals, least: Reals, given: Filters) -> Iterator[tuple[int, IntArray | slice, Reals]]:
    """Of each template and the cells in which its score passes `least`, (n,), in any frame: the template, the cells,
    and the squares of its scores there, (m, T)."""
    frames = left.shape[1]
    over_noise, bonus = (1 / ratio).astype(np.float32), given.bonus.astype(np.float32)
    lowest = (ALMOST * least) ** 2
    every, spectra = slice(None), {size: fft.rfft(left, size, axis=1) for size in set(given.sizes)}
    for k, (spectrum, size) in enumerate(zip(given.spectra, given.sizes, strict=True)):
        values = fft.irfft(spectra[size] * spectrum, size, axis=1)[:, :frames]
        values *= given.over_root_energy[k]
        highest = np.maximum(values.max(axis=1) * over_noise[:, k], 0)
        at = np.flatnonzero(highest**2 + bonus[k] > lowest)
        if not len(at):
            continue
        squares = values if len(at) == len(left) else values[at]
        squares *= over_noise[at, k, None]
        np.maximum(squares, 0, out=squares)
        np.square(squares, out=squares)
        squares += bonus[k]
        yield k, every if len(at) == len(left) else at, squares


def _range(at: IntArray, k: IntArray, given: Filters) -> tuple[IntArray, IntArray]:
    """First frame of templates at these middles, and the frame after the last."""
    first, last = np.floor(given.shapes.first), np.ceil(given.shapes.last) + 1
    return at + first.astype(np.int32)[k], at + last.astype(np.int32)[k]


def _overshoots(left: Reals, at: IntArray, k: IntArray, score: Reals, ratio: Reals, given: Filters) -> BoolArray:
    """Whether templates lie so far above the trace that they cannot be its events, each (r,).

    Templates stand at whole frames and events anywhere: the trace may be half a frame earlier or later.
    """
    rows = np.arange(len(at))
    raw = np.sqrt(np.maximum(score**2 - given.bonus[k], 0))
    height = raw * ratio[rows, k] / given.root_energy[k, at]
    column = np.arange(left.shape[1], dtype=np.int32) - at[:, None].astype(np.int32) + given.shapes.middle
    inside = (column >= 0) & (column < given.shapes.values.shape[1])
    column[~inside] = 0
    value = given.shapes.values.astype(np.float32)[k[:, None], column]
    core = inside & (value > CORE)
    event = np.where(core, height[:, None].astype(np.float32) * value, np.float32(-np.inf))
    beside = np.pad((left[:, 1:] + left[:, :-1]) / 2, ((0, 0), (1, 1)), mode="edge")
    above = [np.maximum(event - moved, 0) for moved in (left, beside[:, 1:], beside[:, :-1])]
    excess = np.min([np.einsum("rt,rt->r", each, each) for each in above], axis=0) - core.sum(axis=1) / 2
    return np.asarray(excess > (SURE * ratio[rows, k]) ** 2 + (OFF * score) ** 2)


def picks(left: Reals, ratio: Reals, floor: Reals, given: Filters) -> Picks:
    """The highest scores of every cell that pass the floor, (n, T), and do not overlap.

    A template that lies above the trace `left`, (n, T), in much of its range, such as a long one over two short events,
    gives way to shorter ones there: events add up, so that nothing else could have pulled the trace down.
    """
    best = _Best(left, ratio, floor, given)
    frames = left.shape[1]
    score, template = best.score, best.template
    over = np.where(score > floor, score, np.float32(-np.inf))
    rows = np.arange(len(left))
    found = []
    for _ in range(AT_ONCE):
        at = over[rows].argmax(axis=1)
        more = np.isfinite(over[rows, at])
        rows, at = rows[more], at[more]
        if not len(rows):
            break
        k = template[rows, at]
        wrong = _overshoots(left[rows], at, k, score[rows, at], ratio[rows], given)
        fine = ~wrong
        found.append((rows[fine], at[fine], k[fine], score[rows[fine], at[fine]]))
        # What overlaps is judged again once this one has been taken off.
        taken, first, last = rows[fine], *_range(at[fine], k[fine], given)
        low, high = _range(np.arange(frames, dtype=np.int32), template[taken], given)
        over[taken] = np.where((low < last[:, None]) & (high > first[:, None]), np.float32(-np.inf), over[taken])
        # Where a template is wrong, only shorter ones are left.
        again, first, last = rows[wrong], *_range(at[wrong], k[wrong], given)
        if len(again):
            reach = (np.arange(frames) >= first[:, None]) & (np.arange(frames) < last[:, None])
            best.limit(again, reach, given.shapes.width[k[wrong]] * SHORTER)
            new = best.score[again] > floor[again]
            over[again] = np.where(np.isfinite(over[again]) & new, best.score[again], np.float32(-np.inf))
    if not found:
        return Picks(np.zeros(0, dtype=np.int64), np.zeros((0, 5)), np.zeros(0), np.zeros(0), np.zeros(0))
    cell, at, k, score = (np.concatenate(column) for column in zip(*found, strict=True))
    shape = given.shapes.shape[k]
    shape[:, START] += at
    raw = np.sqrt(np.maximum(score**2 - given.bonus[k], 0))
    height = raw * ratio[cell, k] / given.root_energy[k, at]
    return Picks(cell, shape, height.astype(np.float64), score.astype(np.float64), given.bonus[k])


def usual(given: Filters, shape: Reals, score: Reals) -> Filters:
    """Filters that favour the templates which the culture's clear events, (e, 5), look like.

    An event of score z whose shape correlates with template k by c speaks for k with exp(-z^2 (1 - c^2) / 2). Templates
    that no event speaks for keep a share, so that other events are found as well.
    """
    count = np.zeros(len(given.shapes))
    frame = np.arange(given.shapes.values.shape[1]) - float(given.shapes.middle)
    unit = given.shapes.values / np.sqrt((given.shapes.values**2).sum(axis=1, keepdims=True))
    step = max(1, len(shape) // MOST_LEARNED)
    shape, score = shape[::step], score[::step]
    if len(shape):
        value = heights(shape, frame + shape[:, :1])
        middle = (value**2 * frame).sum(axis=1) / (value**2).sum(axis=1)
        value = heights(shape, frame + shape[:, :1] + middle[:, None])
        value /= np.sqrt((value**2).sum(axis=1, keepdims=True))
        loss = score[:, None] ** 2 * (1 - np.minimum(value @ unit.T, 1) ** 2) / (1 + (0.15 * score[:, None]) ** 2)
        speaks = np.exp(-0.5 * (loss - loss.min(axis=1, keepdims=True)))
        count = np.full(len(given.shapes), 1.0)
        for _ in range(LEARNING):
            each = speaks * count
            count = (each / each.sum(axis=1, keepdims=True)).sum(axis=0)
    spare = max(FEW, SPARE * len(shape))
    share = (count + spare / len(count)) / (len(shape) + spare)
    return replace(given, bonus=2 * np.log(share * len(count)))


MOST_LEARNED = 500
LEARNING = 10
FEW, SPARE = 5.0, 0.2
