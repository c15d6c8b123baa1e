"""Whether two events that overlap are one: one shape for both is weighed against the two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.models.events.refinement import Candidates, Expected, Fitted, Windows, extent, fitted, model, windows
from calcigraph.models.events.shapes import FALL, PLATEAU, RISE, START, Reals, heights, inside, reach, width
from calcigraph.store.types import BoolArray, IntArray

REPEATS = 3
DEEP, CERTAIN = 0.5, 6.0
"""Fall between two events, as a share of the lower one and in noise deviations, that needs no test."""
LEAST = 6.0
"""What two events must explain better than one, at least, however usual they are."""
RARER = 2.0
"""Twice the logarithm of how much rarer a shape is that counts as unusual beside two others."""
LITTLE = 0.1
"""Share of what is forgiven the shape of one event that is left where it is unusual."""
AT_ONCE = 0.7
"""Frames: no cell begins two events closer together, whose sum is one of an unusual shape."""
STEPS = 5
"""Steps of a fit of one event in place of two."""


def merged(rest: Reals, events: Candidates, expected: Expected, enough: float, misfit: float) -> Candidates:
    """Two events that overlap made one wherever one shape explains the trace nearly as well.

    Two stay two only if together they leave less than one by `enough` times the noise, plus a share `misfit` of the
    height: no shape of the family is exactly that of a cell. Less is enough where the two have the culture's usual
    shapes and the one has not.
    """
    cells, frames = rest.shape
    changed = np.arange(cells)
    for _ in range(REPEATS):
        before = np.bincount(events.cell, minlength=cells)
        for parity in (0, 1):
            number = np.arange(len(events)) - np.searchsorted(events.cell, events.cell)
            first = np.flatnonzero((number[:-1] % 2 == parity) & (events.cell[:-1] == events.cell[1:]))
            first = first[np.isin(events.cell[first], changed)]
            low, high = reach(events.shape)
            first = first[high[first] + 1 >= low[first + 1]]
            first = first[~_apart(events, first)]
            if len(first):
                events = _merged(rest - model(events, cells, frames), events, first, expected, enough, misfit)
        changed = np.flatnonzero(before != np.bincount(events.cell, minlength=cells))
        if not len(changed):
            break
    return events


def _apart(events: Candidates, first: IntArray) -> BoolArray:
    """Whether the sum of two fitted events falls so low between them that they need no comparison with one."""
    one, two = first, first + 1
    middle = events.shape[:, START] + np.exp(events.shape[:, PLATEAU]) / 2
    frame = middle[one, None] + (middle[two] - middle[one])[:, None] * np.linspace(0, 1, 16)
    frame = frame.astype(np.float32)
    first_part, second_part = (events.height[at, None] * heights(events.shape[at], frame) for at in (one, two))
    total = first_part + second_part
    top = np.minimum(total[:, 0], total[:, -1])
    dip = top - total.min(axis=1)
    return np.asarray((dip > DEEP * top) & (dip > CERTAIN))


def _merged(
    left: Reals, events: Candidates, first: IntArray, expected: Expected, enough: float, misfit: float
) -> Candidates:
    shape, template, height = events.shape.copy(), events.template.copy(), events.height.copy()
    bonus = events.bonus.copy()
    drop = np.zeros(len(events), dtype=bool)
    begin, end = extent(events.shape)
    low, high = np.minimum(begin[first], begin[first + 1]), np.maximum(end[first], end[first + 1])
    for window in windows(low, high, left.shape[1]):
        one, two = first[window.rows], first[window.rows] + 1
        remains = left[events.cell[one, None], window.place] * window.good
        parts = [
            events.height[at, None].astype(np.float32) * heights(events.shape[at], window.frame) for at in (one, two)
        ]
        target = (remains + (parts[0] + parts[1]) * window.good).astype(np.float32)
        best = _fitted(target, window, _starts(events, one, two, parts))
        own = best.height[:, None] * best.value
        single = ((target - own) ** 2).sum(axis=1)
        both = (remains**2).sum(axis=1)
        weaker = np.where(_larger(parts), one, two)
        needed = enough * expected.noise(events.cell[one], width(events.shape[weaker])) ** 2
        pair = np.stack([expected.usual(events.shape[at]) for at in (one, two)])
        usual = expected.usual(best.shape)
        needed = np.maximum(needed + usual - pair.sum(axis=0), LEAST)
        # Two of the culture's usual shape need little excuse by a shape that is not quite of the family.
        excused = np.where(usual >= pair.min(axis=0) - RARER, 1.0, LITTLE)
        same = single - both < needed + excused * misfit**2 * (own**2).sum(axis=1)
        same |= np.abs(events.shape[one, START] - events.shape[two, START]) < AT_ONCE
        at = one[same]
        shape[at], template[at], height[at] = best.shape[same], best.shape[same], best.height[same]
        bonus[at] = np.maximum(bonus[at], bonus[two[same]])
        drop[two[same]] = True
    return replace(events, shape=shape, template=template, height=height, bonus=bonus).chosen(~drop)


def _fitted(target: Reals, window: Windows, starts: list[Reals]) -> Fitted:
    """The best of the shapes that a first step from each start leads to, fitted further."""
    rows, template = np.arange(len(target)), starts[0].copy()
    best, *others = (fitted(target, window, start, start, 1) for start in starts)
    for start, other in zip(starts[1:], others, strict=True):
        better = best.better_of(other, rows)
        template[better] = start[better]
    return fitted(target, window, best.shape, template, STEPS, best.value)


def _larger(parts: list[Reals]) -> BoolArray:
    """Whether the second event is the larger one."""
    return np.asarray((parts[1] ** 2).sum(axis=1) > (parts[0] ** 2).sum(axis=1))


def _starts(events: Candidates, one: IntArray, two: IntArray, parts: list[Reals]) -> list[Reals]:
    """Shapes from which one event for two is sought: the stronger of them, a plateau, a hump and a tail over both."""
    strong = np.where(_larger(parts)[:, None], events.shape[two], events.shape[one])
    before, after = reach(events.shape)
    low = np.minimum(before[one], before[two])
    high = np.maximum(after[one], after[two])
    plateau = strong.copy()
    plateau[:, START] = np.minimum(events.shape[one, START], events.shape[two, START])
    plateau[:, PLATEAU] = np.log(
        np.maximum(events.shape[two, START] - plateau[:, START], 0) + np.exp(events.shape[two, PLATEAU])
    )
    plateau[:, FALL:] = events.shape[two, FALL:]
    hump = strong.copy()
    width = (high - low) / 5
    hump[:, START] = (low + high) / 2 - 1.18 * width
    hump[:, RISE:] = np.log(np.stack([0.68 * width, 1.18 * width, 1.41 * width, np.full(len(width), 2.0)], axis=1))
    tail = plateau.copy()
    both = parts[0] + parts[1]
    area = both.sum(axis=1) / np.maximum(both.max(axis=1), 1e-6) + 1e-3
    early = np.where(events.shape[one, START] <= events.shape[two, START], one, two)
    tail[:, RISE] = events.shape[early, RISE]
    tail[:, PLATEAU:] = np.log(np.stack([0.2 * area, 0.8 * area, np.ones(len(area))], axis=1))
    frames = 10**6
    return [inside(start, frames) for start in (strong, plateau, hump, tail)]
