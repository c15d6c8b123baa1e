"""Events of a culture: the entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.event_options import THRESHOLD, EventOptions
from calcigraph.models.events.lasting import Lasting, lasting_rises
from calcigraph.models.events.measures import Measured, measured
from calcigraph.models.events.search import filters
from calcigraph.models.events.shapes import bank
from calcigraph.models.events.stages import Found, Level, all_events, spread
from calcigraph.models.events.threshold import Runs, runs_above
from calcigraph.store.event_types import Events
from calcigraph.store.types import FloatArray, IntArray, Progress, Subgraph, silent

FEWEST_FRAMES = 30
LONGEST_WINDOW_S = 1200.0
"""Window of the baseline before anything is known of the events."""
FEWEST_IN_WINDOW = 60
"""Frames."""
LONGEST_S = 800.0
"""Length at half height of the longest template."""


@dataclass(frozen=True)
class Detected:
    """Events of one culture, and what its traces are without them."""

    events: Events
    """Sorted by cell and onset; own shares are NaN."""
    baseline: FloatArray
    """(n, T)."""
    noise: FloatArray
    """(n,), deviation of one frame's noise."""
    lasting: Lasting
    """Rises that stay, which are no events."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What followed from the data; JSON-able."""


def detect_events(graph: Subgraph, options: EventOptions | None = None, *, progress: Progress = silent) -> Detected:
    """Calcium events in the traces of a culture.

    A trace is y(t) = b(t) + sum_i A_i g_i(t) + noise: a slow baseline b, events of height A_i whose shape g_i is of one
    family (a rise, a plateau and a fall; `shapes.py`), and noise whose size and colour are measured from the trace.

    1. The baseline is the level around which the values of a running window gather (`baseline.py`); the noise follows
       from what lies below it (`noise.py`). Both are measured again once clear events are known, and again once most
       are; the baseline then follows what is slow in the traces without these events (`wandering.py`).
    2. Events are found by matched filters: the score of a template g at a place is z = <g, y - b> / (c |g|), its height
       over the standard error of that height, with c the noise of sums as long as the template. Templates like the
       culture's clear events count more. The best are taken off, and the rest is searched again (matching pursuit;
       Mallat and Zhang 1993).
    3. All shapes of a cell are fitted together by Gauss-Newton steps. Two events are made one where one shape explains
       the trace as well, and events that the others explain are left out. Where a long event fits badly, several of the
       culture's usual shape are tried in its place (`unmixing.py`).
    4. The same search in the traces with their residuals turned upside down counts what chance gives. Events are
       accepted down to the score at which half are chance, but not below `min_snr` (`chance.py`). Few that are far
       lower than the others are left out as what a drift leaves (`leftovers.py`).

    With `method="threshold"`, events are runs of frames above the baseline by `min_snr` deviations of a frame's noise.

    Parameters
    ----------
    graph
        The culture: its labels, its traces (n, T) in any unit, and the times of its frames. Shapes are fitted in
        frames; where frames are uneven, their times are interpolated.
    options
        `min_snr`, `method` and `baseline_s` are used; the defaults where None.
    progress
        Called as progress(stage, done, total).

    Returns
    -------
    The events sorted by cell and onset, baselines (n, T) and noise (n,) in the units of the traces. The facts have the
    baseline's window, the smallest score that was accepted, and how many events chance gives above it, and in how many
    cells the level rises and stays (`lasting.py`; of many cells a sample is looked at).

    Raises
    ------
    InputError
        If the recording has too few frames, or values that are no numbers.

    Examples
    --------
    >>> frame = np.arange(200.0)
    >>> one = np.exp(-np.maximum(frame - 60, 0) / 8) * (frame >= 60)
    >>> traces = 5 + np.random.default_rng(0).normal(0, 0.1, (2, 200)) + np.array([[1.0], [0.0]]) * one
    >>> two, none = np.zeros(2), np.zeros(0)
    >>> graph = Subgraph(
    ...     culture="A", frame_interval_s=2.0, labels=np.array([3, 7]), x_px=two, y_px=two, border=two > 0,
    ...     intensity=traces, pairs=np.zeros((0, 2), dtype=int), shared_border_px=none, centroid_distance_px=none,
    ... )
    >>> events = detect_events(graph).events
    >>> events.label.tolist(), events.half_s.round(0).tolist(), events.amplitude.round(0).tolist()
    ([3], [119.0], [1.0])
    """
    options = options or EventOptions()
    traces = _checked(graph)
    frames = traces.shape[1]
    if options.baseline_s is None:
        window = int(np.clip(LONGEST_WINDOW_S / graph.frame_interval_s, FEWEST_IN_WINDOW, frames // 2))
    else:
        window = int(np.clip(round(options.baseline_s / graph.frame_interval_s), 5, frames))
    found = all_events(
        traces,
        filters(bank(min(LONGEST_S / graph.frame_interval_s, frames / 3)), frames),
        window,
        fixed=options.baseline_s is not None,
        least=options.min_snr,
        progress=progress,
    )
    level = found.level
    some = spread(len(traces))
    lasting = lasting_rises(traces[some], level.noise.frame[some], graph.frame_interval_s, found.window)
    facts: dict[str, Any] = {"baseline_window_s": found.window * graph.frame_interval_s}
    facts |= {"lasting_rises": lasting.rises, "lasting_rise_cells": lasting.cells}
    if options.method == THRESHOLD:
        events = _of_runs(graph, level, runs_above(level.rest, options.min_snr))
    else:
        events = _of_fits(graph, found, measured(level.rest, found.events, found.expected))
        facts |= {"least_score": found.least, "by_chance": found.chance}
    events = events.chosen(np.lexsort((events.onset_s, events.label)))
    return Detected(events, level.baseline, level.noise.frame, lasting, facts)


def _checked(graph: Subgraph) -> FloatArray:
    traces = np.asarray(graph.intensity, dtype=np.float64)
    if traces.shape[1] < FEWEST_FRAMES:
        raise InputError(
            f"{graph.culture} has {traces.shape[1]} frames; events need at least {FEWEST_FRAMES}, "
            "of which most must show the cells at rest"
        )
    missing = ~np.isfinite(traces).all(axis=1)
    if missing.any():
        raise InputError(
            f"traces of {int(missing.sum())} cells of {graph.culture} have missing values; events need complete traces"
        )
    return traces


@dataclass(frozen=True)
class _Clock:
    """From places between frames to seconds."""

    times: FloatArray

    def at(self, frame: FloatArray) -> FloatArray:
        return np.asarray(np.interp(frame, np.arange(len(self.times)), self.times))

    def between(self, first: FloatArray, last: FloatArray) -> FloatArray:
        """Seconds from one place to another; beyond the recording frames are as long as its usual ones."""
        usual = float(np.median(np.diff(self.times)))
        beyond = [frame - np.clip(frame, 0, len(self.times) - 1) for frame in (first, last)]
        return np.asarray(self.at(last) - self.at(first) + usual * (beyond[1] - beyond[0]))

    def per_frame(self, frame: FloatArray) -> FloatArray:
        """Seconds of a frame around these places."""
        return np.maximum(self.between(frame - 0.5, frame + 0.5), 1e-12)


def _of_fits(graph: Subgraph, found: Found, told: Measured) -> Events:
    """Fitted events in seconds and in the units of the traces."""
    events, level, marks = found.events, found.level, told.marks
    frames = level.rest.shape[1]
    clock, last = _Clock(graph.frame_times), frames - 1.0
    unit = level.noise.frame[events.cell]
    snr = np.asarray(told.height, dtype=np.float64)
    cut_start, cut_end = marks.onset < 0, marks.end > last
    fallen = marks.peak + marks.decay
    nothing = np.full(len(events), np.nan)
    peak = np.clip(marks.peak, 0, last)
    return Events(
        label=np.asarray(graph.labels)[events.cell].astype(np.int64),
        onset_s=clock.at(marks.onset),
        onset_se_s=told.onset_se * clock.per_frame(marks.onset),
        half_s=clock.at(marks.half),
        half_se_s=told.half_se * clock.per_frame(marks.half),
        peak_s=clock.at(peak),
        end_s=clock.at(marks.end),
        amplitude=snr * unit,
        dff=_dff(graph, level, events.cell, peak, snr * unit),
        rise_s=clock.between(marks.onset, marks.ninety),
        decay_s=np.where(fallen <= last, clock.between(marks.peak, fallen), np.nan),
        area=told.area * unit * clock.per_frame(peak),
        snr=snr,
        quality=told.quality,
        cut_start=cut_start,
        cut_end=cut_end,
        own_share=nothing,
        own_share_low=nothing,
        own_share_high=nothing,
    )


def _of_runs(graph: Subgraph, level: Level, runs: Runs) -> Events:
    """Runs above a threshold in seconds and in the units of the traces.

    Their times are known to a frame: the standard errors are those of a place anywhere between two frames.
    """
    clock, last = _Clock(graph.frame_times), level.rest.shape[1] - 1
    unit = level.noise.frame[runs.cell]
    cut_end = runs.last == last
    end = np.where(cut_end, last, runs.end)
    nothing = np.full(len(runs.cell), np.nan)
    error = clock.per_frame(runs.half) * 12**-0.5
    return Events(
        label=np.asarray(graph.labels)[runs.cell].astype(np.int64),
        onset_s=clock.at(runs.onset),
        onset_se_s=error,
        half_s=clock.at(runs.half),
        half_se_s=error,
        peak_s=clock.at(runs.peak.astype(float)),
        end_s=clock.at(end),
        amplitude=runs.height * unit,
        dff=_dff(graph, level, runs.cell, runs.peak.astype(float), runs.height * unit),
        rise_s=runs.rise * clock.per_frame(runs.half),
        decay_s=runs.decay * clock.per_frame(runs.peak.astype(float)),
        area=runs.area * unit * clock.per_frame(runs.peak.astype(float)),
        snr=runs.height,
        quality=nothing,
        cut_start=runs.first == 0,
        cut_end=cut_end,
        own_share=nothing,
        own_share_low=nothing,
        own_share_high=nothing,
    )


def _dff(graph: Subgraph, level: Level, cell: IntArray, peak: FloatArray, amplitude: FloatArray) -> FloatArray:
    """(F - F0) / F0 at the peak, F0 the brightness at the baseline; NaN where that is not positive."""
    frame = np.clip(np.rint(peak).astype(np.int64), 0, level.baseline.shape[1] - 1)
    base = level.baseline[cell, frame]
    at_rest, lit = graph.brightness(base), graph.brightness(base + amplitude)
    return np.asarray(np.where(at_rest > 0, (lit - at_rest) / np.where(at_rest > 0, at_rest, 1.0), np.nan))
