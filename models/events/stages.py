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
from calcigraph.models.events.chance import Share, chance_share, least_score, silent_below
from calcigraph.models.events.grouping import WORKERS, groups
from calcigraph.models.events.leftovers import drifting
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
from calcigraph.models.events.pursuit import CLEAR, by_chance, clear_events, completed
from calcigraph.models.events.reconsidering import fit_badly
from calcigraph.models.events.refinement import Candidates, Expected, chosen_cells, joined, model, none_found
from calcigraph.models.events.search import Filters, usual
from calcigraph.models.events.shapes import Reals, reach
from calcigraph.models.events.wandering import wandering_baseline
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Progress

LENGTHS = 8.0
"""Window of the baseline, in lengths of a long event."""
SHORTEST_WINDOW = 60
"""Frames."""
ROUNDING = 1e-9
"""Of the highest value of a trace: less than this is no noise."""
LONG, USUAL = 0.9, 0.75
"""Shares of the events that are shorter than a long one, and than a usual one."""
BUSY = 0.25
"""Share of the time with events from which a cell takes the colour of its noise from resting ones."""
AGAIN, MANY = 5, 9
"""Times that cells are looked at again, after the first only those with so many events."""
HALF_WAVES = 3.0
"""Half waves of the fastest wandering of the baseline in a window, where no event tells how fast that may be."""
SHORTEST_WAVE = 20.0
"""Frames of the fastest half wave, at least; else it is as long as a usual event."""
CERTAIN = 4.5
"""Score of events that are no chance, before their number is known."""
STRONG = 8.0
"""The same in a culture with few events."""
TOO_LONG = 3.0
"""Lengths of a long event: what is longer is weighed against a wandering baseline."""
FEWEST_LEARNT = 10
"""Well fitted events from which usual shapes are learnt once more."""
FEW = 250
"""Cells whose levels are measured together, so that they stay in the processor's cache."""
MOST_SEARCHED = 500
"""Cells in which chance events are counted and the wandering of baselines is measured, at most."""


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
class Known:
    """Events that are known, (n, T) each."""

    light: FloatArray
    """In the units of the traces."""
    active: BoolArray
    """Where they stand out of the noise."""

    def chosen(self, rows: IntArray) -> Known:
        return Known(self.light[rows], self.active[rows])


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
        self._share: Share | None = None
        self._wave = self._longest = 0.0

    def run(self, window: int, fixed: bool) -> Found:
        cells, frames = self._traces.shape
        self._wave, self._longest = window / HALF_WAVES, window / LENGTHS * TOO_LONG
        level = self._level(self._traces, window, None)
        self._told()
        events = self._per_cell(level, none_found(), lambda rest, _, ratio: clear_events(rest, ratio, self._given))
        self._given = usual(self._given, events.shape, events.score)
        self._told()
        if not fixed and len(events):
            length, usual_length = _length(events, LONG), _length(events, USUAL)
            window = int(np.clip(LENGTHS * length, min(SHORTEST_WINDOW, window), window))
            self._wave, self._longest = max(usual_length, SHORTEST_WAVE), TOO_LONG * length
        known = self._known(level, events)
        new = self._level(self._traces, window, known)
        level, events = new, _rescaled(events, level, new)
        first = partial(completed, given=self._given, least=self._least, last=False)
        events = self._per_cell(level, events, first)
        self._learn(level, events)
        self._told()
        self._share = chance_share(events.score, *self._chance(level, events), cells, frames, self._least)
        level, events = self._once_more(level, events, window)
        self._told()
        chance, searched = self._chance(level, events)
        least = least_score(events.score, chance, searched, cells, frames, self._least)
        events = events.chosen(events.score >= least)
        events = events.chosen(~drifting(events))
        self._told()
        by_chance = round((chance >= least).sum() * cells / max(searched, 1))
        return Found(level, events, self._expected(level), window, least, by_chance)

    def _learn(self, level: Level, events: Candidates) -> None:
        """The usual shapes once more, from clear events that are not badly fitted: those may be several."""
        left = level.rest - model(events, *level.rest.shape)
        fine = (events.score > CLEAR) & ~fit_badly(left, events)
        if fine.sum() >= FEWEST_LEARNT:
            self._given = usual(self._given, events.shape[fine], events.score[fine])

    def _told(self) -> None:
        self._done += 1
        self._progress("events", self._done, self._steps)

    def _level(self, traces: FloatArray, window: int, known: Known | None) -> Level:
        """Baseline and noise of traces, without the light of known events, (n, T), in the units of the traces."""
        cells, steps = len(traces), np.empty(len(traces))
        quiet = traces if known is None else traces - known.light
        active = None if known is None else known.active.mean(axis=1)
        baseline = self._baseline(quiet, None if known is None else known.active, window)

        def measured(rows: slice) -> Sums:
            left = (quiet[rows] - baseline[rows]).astype(np.float32)
            steps[rows] = step_deviation(left)
            return measure_sums(left, None if known is None else known.active[rows])

        noise = pooled(list(self._pool.map(measured, groups(cells, FEW))))
        if active is not None:
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

        list(self._pool.map(scaled, groups(cells, FEW)))
        return Level(baseline, noise, rest)

    def _baseline(self, quiet: FloatArray, active: BoolArray | None, window: int) -> FloatArray:
        """(n, T), of traces without known events, and where those are, both (n, T); None where none is known."""
        baseline = np.empty(quiet.shape)
        share = None if active is None else active.mean(axis=1)

        def running(rows: slice) -> None:
            baseline[rows] = running_baseline(quiet[rows], window, None if share is None else share[rows])

        list(self._pool.map(running, groups(len(quiet), FEW)))
        if active is None:
            return baseline
        known, some = active, spread(len(quiet))
        _, smoothers = wandering_baseline(quiet[some], baseline[some], known[some], self._wave)

        def followed(rows: slice) -> None:
            baseline[rows], _ = wandering_baseline(quiet[rows], baseline[rows], known[rows], self._wave, smoothers)

        list(self._pool.map(followed, groups(len(quiet), FEW)))
        return baseline

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

    def _trusted(self, events: Candidates) -> Candidates:
        """Events of which chance is likely are lower by its share. Those far longer than the others may be drift."""
        clear = events.score >= CERTAIN
        if clear.sum() < silent_below(*self._traces.shape):
            # Few events are known: a baseline without them would leave mere noise above it.
            real = (events.score >= STRONG).astype(float)
        elif self._share is None:
            real = clear.astype(float)
        else:
            real = 1 - np.interp(events.score, self._share.score, self._share.share, right=0.0)
        first, last = reach(events.shape, 0.1)
        real[last - first > self._longest] = 0
        return replace(events, height=events.height * real).chosen(real > 0)

    def _known(self, level: Level, events: Candidates) -> Known:
        """(n, T), the events in the units of the traces, 0 where they are lost in the noise."""
        total = model(self._trusted(events), *level.rest.shape)
        return Known(total * level.noise.frame[:, None], total > 0.5)

    def _once_more(self, level: Level, events: Candidates, window: int) -> tuple[Level, Candidates]:
        """All cells once more, without the events known so far; those with many events again and again.

        The more of its events are known, the lower are a cell's baseline and noise.
        """
        complete = partial(completed, given=self._given, least=self._least, last=True)
        some = np.arange(len(level.rest))
        for _ in range(AGAIN):
            if not len(some):
                break
            whole = len(some) == len(level.rest)
            old = level if whole else level.chosen(some)
            known = self._known(level, events)
            known = known if whole else known.chosen(some)
            new = self._level(self._traces if whole else self._traces[some], window, known)
            part = self._per_cell(new, _rescaled(chosen_cells(events, some), old, new), complete)
            events = joined(events.chosen(~np.isin(events.cell, some)), replace(part, cell=some[part.cell]))
            level = new if whole else _put(level, some, new)
            some = some[np.bincount(part.cell, minlength=len(some)) >= MANY]
        return level, events

    def _chance(self, level: Level, events: Candidates) -> tuple[FloatArray, int]:
        """Scores of chance events, (c,), and the number of cells in which they were sought."""
        some = spread(len(level.rest))
        part = chosen_cells(self._trusted(events), some)
        search = partial(by_chance, given=self._given, least=self._least)
        return self._per_cell(level.chosen(some), part, search).score, len(some)


def spread(cells: int) -> IntArray:
    """Cells of all groups, as many as tell what a culture is like."""
    return np.arange(0, cells, max(1, -(-cells // MOST_SEARCHED)))


def _length(events: Candidates, share: float) -> float:
    """Frames that events last: this share of them is shorter."""
    first, last = reach(events.shape, 0.1)
    return float(np.quantile(last - first, share))


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
