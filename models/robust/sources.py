"""Frames in which a cell has a source that no model knows of (a calcium spike), found and set aside.

Summed over a window the residual increments leave only the measurement noise of its two ends, while a source adds up;
so windows of several lengths are tested, each against its own robust deviation. What is found grows while the
residual's three-frame mean stays away from zero. Tails too weak to be found are not masked but modelled: see `tails`.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.scale import middle_and_deviation
from calcigraph.store.types import BoolArray, FloatArray

OUTLYING = 3.5
"""Robust deviations of quiet windows from which a window holds a source."""
PASSES = 3
"""Sources widen the deviation that finds them, so it is measured again without those found."""
QUIET = 0.1
"""Share of windows that must be quiet to be measured by."""
WINDOWS = (1, 2, 3, 5, 8, 12)
"""Frames."""
GROWING = 0.6
"""A source goes on while the three-frame mean is beyond this many robust deviations."""
STANDS_OUT = 2.5
"""Deviations of a single increment."""
STILL = 1e-6
"""Of the median cell's residual, below which a cell stands still."""
TAIL_FRAMES = (3.0, 6.0, 12.0, 24.0)
"""Time constants of the tails that may follow a source; sums of them come close to any decay."""


def source_frames(residual: FloatArray) -> BoolArray:
    """Where a source is, (p, F), from residual increments in units of each cell's noise, (p, F)."""
    total = np.concatenate([np.zeros((len(residual), 1)), np.cumsum(residual, axis=1)], axis=1)
    found = np.zeros(residual.shape, dtype=np.bool_)
    alive = _alive(residual)
    for _ in range(PASSES):
        found = _outlying(total, found, alive)
    return _grown(found, residual, alive)


def _alive(residual: FloatArray) -> BoolArray:
    """(p, 1), cells that vary at all: those that stand still would make the others' noise look large."""
    level = np.abs(residual).mean(axis=1)
    return np.asarray(level > STILL * np.median(level))[:, None]


def _outlying(total: FloatArray, found: BoolArray, alive: BoolArray) -> BoolArray:
    """Frames in a window whose sum departs, by the measure of windows without frames found before; total (p, F + 1)."""
    frames, whole = found.shape[1], bool(alive.all() and not found.any())
    before = np.zeros(total.shape, dtype=np.int32)
    np.cumsum(found, axis=1, dtype=np.int32, out=before[:, 1:])
    # Of every frame: the windows that hit and begin there, less those that ended before it.
    hits = np.zeros(total.shape, dtype=np.int8)
    for length in WINDOWS:
        if length >= frames:
            continue
        window = total[:, length:] - total[:, :-length]
        quiet = window if whole else window[(before[:, length:] == before[:, :-length]) & alive]
        if quiet.size < QUIET * window.size:
            quiet = window
        middle, deviation = middle_and_deviation(quiet)
        np.abs(np.subtract(window, middle, out=window), out=window)
        hit = (window > OUTLYING * deviation).view(np.int8)
        hits[:, : hit.shape[1]] += hit
        hits[:, length:] -= hit
    return np.asarray(np.cumsum(hits[:, :-1], axis=1, dtype=np.int8) > 0)


def _grown(found: BoolArray, residual: FloatArray, alive: BoolArray) -> BoolArray:
    padded = np.pad(residual, ((0, 0), (1, 1)), mode="edge")
    mean = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    goes_on = (np.abs(mean) > GROWING * middle_and_deviation(mean[~found & alive])[1]).T.copy()
    grown = found.T.copy()
    for m in range(1, len(grown)):
        grown[m] |= grown[m - 1] & goes_on[m]
    for m in range(len(grown) - 2, -1, -1):
        grown[m] |= grown[m + 1] & goes_on[m]
    return np.ascontiguousarray(grown.T)


def beside(found: BoolArray) -> BoolArray:
    """The found frames and one more on either side: an increment shares its samples with the next."""
    wide = found.copy()
    wide[:, 1:] |= found[:, :-1]
    wide[:, :-1] |= found[:, 1:]
    return wide


def core(found: BoolArray, residual: FloatArray) -> BoolArray:
    """The found frames that stand out by themselves, and what lies between such frames of one source; residual
    increments in units of their own noise. Wings that only noise has put beside a source are left out."""
    strong = (found & (np.abs(residual) > STANDS_OUT)).T
    after, before, frames = strong.copy(), strong.copy(), found.T
    for m in range(1, len(frames)):
        after[m] |= after[m - 1] & frames[m]
    for m in range(len(frames) - 2, -1, -1):
        before[m] |= before[m + 1] & frames[m]
    return np.ascontiguousarray((after & before).T)


def tails(found: BoolArray, residual: FloatArray) -> FloatArray:
    """Regressors for what may follow a source, (4, p, F): its sum over the found frames, let decay exponentially.

    A tail and the decay of the cell itself look alike in one cell; but the neighbours see the cell's true course, and
    all sources of a culture share four amplitudes, so the two can be told apart.
    """
    keep, pulse = np.exp(-1 / np.array(TAIL_FRAMES))[:, None], np.where(found, residual, 0.0).T
    result = np.empty((residual.shape[1], len(TAIL_FRAMES), len(residual)))
    state = np.zeros(result.shape[1:])
    for m, source in enumerate(pulse):
        state = keep * state + source
        result[m] = state / np.array(TAIL_FRAMES)[:, None]
    return np.ascontiguousarray(result.transpose(1, 2, 0))
