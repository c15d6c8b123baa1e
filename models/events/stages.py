"""From traces to events, stage by stage, for all cells of a culture.

Levels (baseline and noise), clear events, levels again without those, all events, and chance. Cells go through the
costly stages in groups, two groups at a time; what cells share, such as the colour of the noise, usual shapes and the
number of chance events, is pooled between stages, so that the groups do not change the result.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from calcigraph.models.events.baseline import running_baseline
from calcigraph.models.events.chance import least_score
from calcigraph.models.events.grouping import WORKERS, groups
from calcigraph.models.events.noise import (
    Noise,
    Quiet,
    Sums,
    held_down,
    measure_sums,
    pooled,
    quiet_cells,
    step_deviation,
)
from calcigraph.models.events.pursuit import by_chance, clear_events, completed
from calcigraph.models.events.refinement import Candidates, Expected, joined, model, none_found
from calcigraph.models.events.search import Filters, usual
from calcigraph.models.events.shapes import Reals, reach
from calcigraph.store.types import FloatArray, IntArray, Progress

LENGTHS = 8.0
"""Window of the baseline, in lengths of a long event."""
SHORTEST_WINDOW = 60
"""Frames."""
ROUNDING = 1e-9
"""Of the highest value of a trace: less than this is no noise."""
BUSY = 0.25
"""Share of the time with events from which baseline and noise of a cell are measured a third time."""
AGAIN, MANY = 3, 9
"""Times that those cells are looked at, after the first only with so many events."""


@dataclass(frozen=True)
class Level:
    """Traces without events."""

    baseline: FloatArray
    """(n, T)."""
    noise: Noise
    rest: Reals
    """(n, T), traces less their baseline, in deviations of a frame's noise; 0 for a cell without noise."""

    def chosen(self, rows: IntArray) -> Level:
        noise = replace(self.noise, frame=self.noise.frame[rows], ratio=self.noise.ratio[rows])
        return Level(self.baseline[rows], noise, self.rest[rows])


@dataclass(frozen=True)
class Found:
    """Events of a culture."""

    level: Level
    events: Candidates
    """In deviations of a frame's noise."""
    expected: Expected
    window: int
    """Frames of the baseline."""
    least: float
    """Smallest score that was accepted."""
    chance: int
    """Events above that score in the residuals turned upside down."""


def all_events(
    traces: FloatArray, given: Filters, window: int, *, fixed: bool, least: float, progress: Progress
) -> Found:
    """The events of traces, (n, T); `fixed` if the user chose the window, `least` the smallest score that he wants."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return _Stages(traces, given, pool, least, progress).run(window, fixed)


class _Stages:
    def __init__(
        self, traces: FloatArray, given: Filters, pool: ThreadPoolExecutor, least: float, progress: Progress
    ) -> None:
        self._traces, self._given, self._pool, self._least, self._progress = traces, given, pool, least, progress
        self._done, self._steps = 0, 5
        self._quiet: Quiet | None = None

    def run(self, window: int, fixed: bool) -> Found:
        level = self._level(self._traces, window, None)
        self._told()
        events = self._per_cell(level, none_found(), lambda rest, _, ratio: clear_events(rest, ratio, self._given))
        self._given = usual(self._given, events.shape, events.score)
        self._told()
        if not fixed and len(events):
            window = _window(events, window)
        level, events = self._again(level, events, window)
        complete = partial(completed, given=self._given, least=self._least)
        events = self._per_cell(level, events, complete)
        self._told()
        level, events = self._busy_again(level, events, window, complete)
        self._told()
        chance = self._chance(level, events)
        cells, frames = self._traces.shape
        least = least_score(events.score, chance, cells, frames, self._least)
        events = events.chosen(events.score >= least)
        self._told()
        return Found(level, events, self._expected(level), window, least, int((chance >= least).sum()))

    def _told(self) -> None:
        self._done += 1
        self._progress("events", self._done, self._steps)

    def _level(self, traces: FloatArray, window: int, known: FloatArray | None) -> Level:
        """Baseline and noise of traces, without the light of known events, (n, T), in the units of the traces."""
        cells = len(traces)
        baseline, steps, active = np.empty(traces.shape), np.empty(cells), np.zeros(cells)

        def measured(rows: slice) -> Sums:
            quiet, there = traces[rows], None
            if known is not None:
                quiet, there = quiet - known[rows], known[rows] > 0
                active[rows] = there.mean(axis=1)
            baseline[rows] = running_baseline(quiet, window, None if known is None else active[rows])
            left = (quiet - baseline[rows]).astype(np.float32)
            steps[rows] = step_deviation(left)
            return measure_sums(left, there)

        noise = pooled(list(self._pool.map(measured, groups(cells))))
        if known is not None:
            busy = active > BUSY
            # Set where all cells are at hand, and used again for the busy ones alone.
            if self._quiet is None:
                self._quiet = quiet_cells(noise, steps, ~busy)
            noise = held_down(noise, steps, busy, self._quiet)
        # What is left of a constant trace is rounding.
        rounding = ROUNDING * np.maximum(traces.max(axis=1, initial=0.0), -traces.min(axis=1, initial=0.0))
        noise = replace(noise, frame=np.where(noise.frame > rounding, noise.frame, 0.0))
        scale = np.where(noise.frame > 0, noise.frame, np.inf)
        rest = np.empty(traces.shape, dtype=np.float32)

        def scaled(rows: slice) -> None:
            rest[rows] = (traces[rows] - baseline[rows]) / scale[rows, None]

        list(self._pool.map(scaled, groups(cells)))
        return Level(baseline, noise, rest)

    def _expected(self, level: Level) -> Expected:
        return self._given.expected(level.noise.at(self._given.shapes.width))

    def _per_cell(
        self,
        level: Level,
        events: Candidates,
        work: Callable[[Reals, Candidates, FloatArray], Candidates],
    ) -> Candidates:
        """Events after some work on each group of cells."""
        ratio = self._expected(level).ratio

        def one(rows: slice) -> Candidates:
            low, high = np.searchsorted(events.cell, [rows.start, rows.stop])
            mine = events.chosen(np.arange(low, high))
            found = work(level.rest[rows], replace(mine, cell=mine.cell - rows.start), ratio[rows])
            return replace(found, cell=found.cell + rows.start)

        return joined(none_found(), *self._pool.map(one, groups(len(level.rest))))

    def _again(self, level: Level, events: Candidates, window: int) -> tuple[Level, Candidates]:
        """Baseline and noise once more, without the events known so far; the events in the new unit."""
        known = self._known(level, events)
        new = self._level(self._traces, window, known)
        return new, _rescaled(events, level, new)

    def _known(self, level: Level, events: Candidates) -> FloatArray:
        """(n, T), the events in the units of the traces, 0 where they are lost in the noise."""
        total = model(events, *level.rest.shape)
        total[total <= 0.5] = 0
        return total * level.noise.frame[:, None]

    def _busy_again(
        self, level: Level, events: Candidates, window: int, complete: Callable[..., Candidates]
    ) -> tuple[Level, Candidates]:
        """Cells that are active much of the time once more: only now is it known when they rest.

        Those with many events again and again: the more of their events are known, the lower are baseline and noise.
        """
        known = self._known(level, events)
        busy = np.flatnonzero((known > 0).mean(axis=1) > BUSY)
        for _ in range(AGAIN):
            if not len(busy):
                break
            old = level.chosen(busy)
            new = self._level(self._traces[busy], window, known[busy])
            mine = np.isin(events.cell, busy)
            part = replace(events.chosen(mine), cell=np.searchsorted(busy, events.cell[mine]))
            part = self._per_cell(new, _rescaled(part, old, new), complete)
            events = joined(events.chosen(~mine), replace(part, cell=busy[part.cell]))
            level = _put(level, busy, new)
            busy = busy[np.bincount(part.cell, minlength=len(busy)) >= MANY]
            known = self._known(level, events)
        return level, events

    def _chance(self, level: Level, events: Candidates) -> FloatArray:
        """Scores of chance events, (c,)."""
        found = self._per_cell(level, events, lambda rest, mine, ratio: by_chance(rest, mine, ratio, self._given))
        return found.score


def _window(events: Candidates, longest: int) -> int:
    """Frames of the baseline's window: several times the length of a long event."""
    first, last = reach(events.shape, 0.1)
    return int(np.clip(LENGTHS * np.quantile(last - first, 0.9), min(SHORTEST_WINDOW, longest), longest))


def _rescaled(events: Candidates, old: Level, new: Level) -> Candidates:
    """Heights in the unit of another noise."""
    unit = np.where(new.noise.frame > 0, new.noise.frame, np.inf)
    return replace(events, height=events.height * (old.noise.frame / unit)[events.cell])


def _put(level: Level, rows: IntArray, new: Level) -> Level:
    baseline, rest = level.baseline.copy(), level.rest.copy()
    frame, ratio = level.noise.frame.copy(), level.noise.ratio.copy()
    baseline[rows], rest[rows] = new.baseline, new.rest
    frame[rows], ratio[rows] = new.noise.frame, new.noise.ratio
    return Level(baseline, replace(level.noise, frame=frame, ratio=ratio), rest)
