"""What is known of a cell when a forecast is made: features of its past, none of which knows a later frame.

Traces are forecast on the scale of movies, the logarithm of light (eq. 23). Values are told relative to the cell's own
level, a mean that forgets, and in units of its own deviation in the part that may be learnt from. So one set of
weights serves cells of any brightness, and cultures of any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from scipy.ndimage import percentile_filter
from scipy.signal import lfilter

from calcigraph.models.scale import CONSISTENT
from calcigraph.store.types import BoolArray, FloatArray, Subgraph

LAGS = 16
"""Frames of the past that are features of their own."""
LEVEL_FRAMES = 100
"""Memory of the level."""
MEAN_FRAMES = (10, 30, 300)
"""Memory of the long means."""
REST_FRAMES, REST_PERCENT = 61, 20
"""Window and percentile of the running resting level."""
HINGES = (0.5, 1.0, 2.0, 3.0)
"""Deviations above the level from which a value counts once more: a bright cell falls otherwise than a dim one."""
NOISE_HINGES = (0.5, 2.0)
"""Those that count differently where the trace is noisy."""
REST_HINGES = (0.5, 1.0, 2.0)
"""Deviations above the resting level."""
HINGED_LAGS = 5
WINDOWS = ((0, 2), (0, 4), (0, 8), (0, 16), (2, 4), (4, 8), (8, 16))
"""Lags, from and to before, whose mean has hinges too: a mean has less of the noise that blurs those of a frame."""
WINDOW_HINGES = (0.0, 0.5, 1.0, 2.0)
WINDOW_LOW = 0.5
"""Deviations below the level from which a mean counts once more."""
ONSET_FRAMES = 4
"""Frames before a step up whose mean it is measured from: that has less noise than a single one."""
BEYOND_NOISE = 2.0
"""Deviations of its noise from which a step up counts as a rise."""
WHOLE_RISE = 1.0
"""Deviations of the cell at which it counts no more: that a cell fires tells more than how brightly."""
LIT = 2.0
"""Deviations above the level at which a cell is taken as lit, for the time since and the rate of its own events."""
LONGEST_SINCE = 200
"""Frames."""
ROUNDING = 1e-9
"""Share of its largest value up to which a trace is taken as constant."""
BLOCK_NUMBERS = 20_000_000
"""Numbers of features that are held at once."""
LAST_PART = 0.25
"""Share of the frames, at the end, that nothing is learnt from."""


@dataclass(frozen=True, eq=False)
class Past:
    """The traces of a culture as they are forecast. n cells, T frames."""

    values: FloatArray
    """(n, T), the logarithm of light, or the traces as given where they have no light (values below 0)."""
    level: FloatArray
    """(n, T), mean of the past."""
    scale: FloatArray
    """(n, 1), deviation in the part that may be learnt from; infinite for a cell that does not change there, whose
    relative values are then 0."""
    noise: FloatArray
    """(n, 1), deviation of a frame's noise, in units of the scale."""
    frame_interval_s: float
    logarithm: bool
    """Whether `values` are a logarithm that was taken here."""

    @property
    def split(self) -> int:
        """The first frame that nothing is learnt from."""
        return first_held_out(self.values.shape[1])

    @property
    def still(self) -> BoolArray:
        """(n,), cells that do not change in the part that may be learnt from."""
        return np.asarray(np.isinf(self.scale[:, 0]))

    @property
    def relative(self) -> FloatArray:
        """(n, T), values relative to the level, in units of the scale."""
        return np.asarray((self.values - self.level) / self.scale)

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest relative value that was learnt from: no forecast goes beyond."""
        learnt = self.relative[:, : self.split]
        return float(learnt.min()), float(learnt.max())

    def absolute(self, relative: FloatArray, cells: slice) -> FloatArray:
        """(cells, T, H), relative values of some cells on the scale of `values`: the level for a cell that is still."""
        scale = np.where(self.still[:, None], 0.0, self.scale)[cells, :, None]
        return np.asarray(self.level[cells, :, None] + scale * relative)

    def in_units(self, values: FloatArray) -> FloatArray:
        """Values on the scale of `values`, in the units of the traces."""
        return np.asarray(np.expm1(values)) if self.logarithm else values

    def blocks(self) -> Iterator[tuple[slice, FloatArray]]:
        """Some of the cells at a time, and their features, (cells, T, f)."""
        count, frames = self.values.shape
        size = max(1, BLOCK_NUMBERS // (frames * feature_count()))
        if size >= count:
            yield slice(0, count), _whole(self)
            return
        together = self._together()
        for start in range(0, count, size):
            cells = slice(start, min(count, start + size))
            yield cells, self._features(cells, together)

    def _together(self) -> FloatArray:
        """(2, T), means over the culture."""
        return np.stack([part.mean(axis=0) for part in (self.relative, np.maximum(self.relative, HINGES[0]))])

    def _features(self, cells: slice, together: FloatArray) -> FloatArray:
        values, level, scale = self.values[cells], self.level[cells], self.scale[cells]
        noise = np.broadcast_to(self.noise[cells], values.shape)
        resting = resting_level(values)
        lags = [(before(values, lag) - level) / scale for lag in range(LAGS)]
        now, speed = lags[0], np.log(self.frame_interval_s)
        hinges = {at: [np.maximum(lag - at, 0) for lag in lags[:HINGED_LAGS]] for at in HINGES}
        since, rate = own_events(now)
        begins = onsets(now, noise)
        parts = [
            np.ones_like(now),
            *lags,
            *((forgetting_mean(values, memory) - level) / scale for memory in MEAN_FRAMES),
            (resting - level) / scale,
            *(np.maximum((values - resting) / scale - at, 0) for at in REST_HINGES),
            *chain.from_iterable(hinges.values()),
            *(hinge * noise for at in NOISE_HINGES for hinge in hinges[at]),
            *chain.from_iterable(map(_bent, (sum(lags[first:last]) / (last - first) for first, last in WINDOWS))),
            np.log1p(since),
            np.exp(-since / 10),
            rate,
            begins,
            before(begins, 1),
            *(np.broadcast_to(part, now.shape) for part in together),
            np.full_like(now, speed),
            now * speed,
            noise,
            now * noise,
        ]
        return np.stack(parts, axis=-1)


@lru_cache(maxsize=1)
def _whole(past: Past) -> FloatArray:
    """The features of all cells. Those of the last culture are kept: they are asked for several times."""
    features = past._features(slice(None), past._together())
    features.flags.writeable = False
    return features


def feature_count() -> int:
    """The number of features of a frame."""
    hinges = HINGED_LAGS * (len(HINGES) + len(NOISE_HINGES)) + len(REST_HINGES)
    bent = len(WINDOWS) * (len(WINDOW_HINGES) + 1)
    return 1 + LAGS + len(MEAN_FRAMES) + 1 + hinges + bent + 3 + 2 + 2 + 4


def _bent(mean: FloatArray) -> list[FloatArray]:
    return [*(np.maximum(mean - at, 0) for at in WINDOW_HINGES), np.maximum(-mean - WINDOW_LOW, 0)]


def first_held_out(frames: int) -> int:
    """The first frame of the last part of a recording.

    >>> first_held_out(361)
    270
    """
    return int(frames * (1 - LAST_PART))


def past_of(graph: Subgraph) -> Past:
    """The past of a culture's cells.

    Parameters
    ----------
    graph
        The culture. Traces that are brightness, none below 0, are forecast by their logarithm, log(x + 1).

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> past = past_of(make_culture(SyntheticOptions(cells=16, frames=80, size_px=160)).subgraph())
    >>> past.values.shape, past.split, next(past.blocks())[1].shape[2] == feature_count()
    ((16, 80), 60, True)
    """
    traces = np.asarray(graph.intensity, dtype=np.float64)
    logarithm = graph.intensity_offset is None and bool((traces >= 0).all())
    values = np.log1p(traces) if logarithm else traces
    known = values[:, : first_held_out(values.shape[1])]
    deviation = known.std(axis=1, keepdims=True)
    largest = np.abs(known).max(axis=1, keepdims=True)
    scale = np.where(deviation > ROUNDING * largest, deviation, np.inf)
    step = np.diff(known, axis=1)
    noise = CONSISTENT * np.median(np.abs(step - np.median(step, axis=1, keepdims=True)), axis=1, keepdims=True)
    return Past(
        values=values,
        level=forgetting_mean(values, LEVEL_FRAMES),
        scale=scale,
        noise=noise / np.sqrt(2) / scale,
        frame_interval_s=graph.frame_interval_s,
        logarithm=logarithm,
    )


def before(values: FloatArray, lag: int) -> FloatArray:
    """(n, T), the values `lag` frames earlier; the first value before the recording begins.

    >>> before(np.array([[1.0, 2.0, 3.0]]), 1).tolist()
    [[1.0, 1.0, 2.0]]
    """
    frames = values.shape[1]
    return values[:, np.maximum(np.arange(frames) - lag, 0)]


def forgetting_mean(values: FloatArray, memory: float) -> FloatArray:
    """(n, T), mean of all values up to each frame: of all alike at first, later forgetting with `memory` frames.

    >>> forgetting_mean(np.array([[1.0, 3.0, 5.0]]), 2).tolist()
    [[1.0, 2.0, 3.5]]
    """
    early = max(1, min(int(memory), values.shape[1]))
    mean = np.empty_like(values)
    mean[:, :early] = np.cumsum(values[:, :early], axis=1) / np.arange(1, early + 1)
    if early < values.shape[1]:
        keep = 1 - 1 / memory
        start = keep * mean[:, early - 1 : early]
        mean[:, early:], _ = lfilter([1 / memory], [1, -keep], values[:, early:], axis=1, zi=start)
    return mean


def resting_level(values: FloatArray) -> FloatArray:
    """(n, T), a low percentile of the last frames."""
    return np.asarray(
        percentile_filter(values, REST_PERCENT, size=(1, REST_FRAMES), origin=(0, REST_FRAMES // 2), mode="nearest")
    )


def own_events(relative: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Frames since the trace last rose above LIT, (n, T), and how often it did up to now, a LONGEST_SINCE frames.

    >>> since, rate = own_events(np.array([[0.0, 3.0, 3.0, 0.0]]))
    >>> since.tolist(), rate.tolist()
    ([[200.0, 0.0, 1.0, 2.0]], [[0.0, 100.0, 66.66666666666667, 50.0]])
    """
    lit = relative > LIT
    rises = lit.copy()
    rises[:, 1:] &= ~lit[:, :-1]
    rises[:, 0] = False
    frame = np.arange(relative.shape[1])
    last = np.maximum.accumulate(np.where(rises, frame, -LONGEST_SINCE), axis=1)
    return np.minimum(frame - last, float(LONGEST_SINCE)), LONGEST_SINCE * np.cumsum(rises, axis=1) / (frame + 1)


def step_up(relative: FloatArray) -> FloatArray:
    """(n, T), a frame less the mean of the ONSET_FRAMES before it."""
    return np.asarray(relative - np.mean([before(relative, lag) for lag in range(1, ONSET_FRAMES + 1)], axis=0))


def onsets(relative: FloatArray, noise: FloatArray) -> FloatArray:
    """(n, T), from 0 to WHOLE_RISE: how far a cell begins to rise beyond its noise; once a rise, in its first frame.

    >>> onsets(np.array([[0.0, 0.0, 0.0, 0.0, 3.0, 6.0, 6.0]]), np.array([[0.1]])).tolist()
    [[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]
    """
    beyond = BEYOND_NOISE * np.sqrt(1 + 1 / ONSET_FRAMES) * noise
    risen = np.clip(step_up(relative) - beyond, 0, WHOLE_RISE)
    return np.asarray(np.maximum(risen - np.maximum(before(risen, 1), before(risen, 2)), 0))
