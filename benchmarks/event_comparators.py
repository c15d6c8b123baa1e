"""Other ways to find events in traces, each with the grid on which `benchmarks/events.py` tunes it.

`find_peaks` is SciPy's, after a Gaussian filter. `oasis` is the active set method of OASIS for AR(1) with a smallest
spike (Friedrich, Zhou and Paninski 2017, algorithm 2), written here for many traces at once (spikes equal to
those of the package oasis-deconv 0.3.2 to rounding). `arcos` is the
binarisation of arcos4py (`binData`: median filter, running median taken off, scaled, threshold), written here too, with
a running median that looks to both sides. Each gives the cell and the half rise, in frames, of every event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import find_peaks, peak_widths

METHODS = ("find_peaks", "OASIS", "arcos")
Found = tuple[np.ndarray, np.ndarray]
"""Cells and half rises (frames) of events."""


@dataclass(frozen=True)
class Setting:
    """One point of a method's grid."""

    method: str
    name: str
    run: Callable[[], Found]


def frame_noise(traces: np.ndarray) -> np.ndarray:
    """Deviation of one frame's noise from differences of frames, (n, 1)."""
    return 1.4826 * np.median(np.abs(np.diff(traces, axis=1)), axis=1, keepdims=True) / 2**0.5


def runs(active: np.ndarray, join: int) -> Found:
    """Starts of runs of True, (n, T); runs less than `join` frames apart are one."""
    cells, starts = [], []
    for cell, row in enumerate(active):
        edge = np.diff(np.concatenate([[0], row.astype(int), [0]]))
        begin, end = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
        if len(begin):
            kept = np.concatenate([[True], begin[1:] - end[:-1] >= join])
            cells.append(np.full(kept.sum(), cell))
            starts.append(begin[kept] - 0.5)
    if not cells:
        return np.zeros(0, dtype=int), np.zeros(0)
    return np.concatenate(cells), np.concatenate(starts)


def peaks(smooth: np.ndarray, noise: np.ndarray, prominence: float) -> Found:
    """SciPy's peaks, with the time at which the rise passes half of the prominence."""
    cells, half = [], []
    for cell, row in enumerate(smooth):
        at, found = find_peaks(row, prominence=prominence * noise[cell, 0])
        given = (found["prominences"], found["left_bases"], found["right_bases"])
        left = peak_widths(row, at, rel_height=0.5, prominence_data=given)[2]
        cells.append(np.full(len(at), cell))
        half.append(left)
    return np.concatenate(cells), np.concatenate(half)


def oasis(traces: np.ndarray, decay: float, smallest: np.ndarray) -> np.ndarray:
    """Spikes, (n, T): traces less their baseline, decay in frames, smallest spike (n,).

    Pools of frames, within which calcium only decays, are merged while a pool begins less than the smallest spike above
    where the pool before it ends.
    """
    cells, frames = traces.shape
    g = np.exp(-1 / decay)
    value, weight = np.zeros((cells, frames)), np.ones((cells, frames))
    start, length = np.zeros((cells, frames), dtype=int), np.ones((cells, frames), dtype=int)
    last = np.full(cells, -1)
    every = np.arange(cells)
    for frame in range(frames):
        last += 1
        value[every, last], weight[every, last] = traces[:, frame], 1.0
        start[every, last], length[every, last] = frame, 1
        rows = every[last > 0]
        while len(rows):
            here = last[rows]
            before = here - 1
            ends = value[rows, before] / weight[rows, before] * g ** length[rows, before]
            merge = value[rows, here] / weight[rows, here] < ends + smallest[rows]
            rows, here, before = rows[merge], here[merge], before[merge]
            power = g ** length[rows, before]
            value[rows, before] += power * value[rows, here]
            weight[rows, before] += power**2 * weight[rows, here]
            length[rows, before] += length[rows, here]
            last[rows] -= 1
            rows = rows[last[rows] > 0]
    spikes = np.zeros((cells, frames))
    for pool in range(1, int(last.max()) + 1):
        rows = every[last >= pool]
        begins = np.maximum(value[rows, pool] / weight[rows, pool], 0)
        ends = np.maximum(value[rows, pool - 1] / weight[rows, pool - 1], 0) * g ** length[rows, pool - 1]
        spikes[rows, start[rows, pool]] = begins - ends
    return spikes


def arcos(smooth: np.ndarray, bias: np.ndarray, peak: np.ndarray, share: float) -> np.ndarray:
    """Frames that arcos4py's `binData` calls active: detrended, scaled to their highest value if that is high."""
    level = np.maximum(smooth - bias, 0)
    height = level.max(axis=1, keepdims=True) - level.min(axis=1, keepdims=True)
    scaled = np.where(height > peak, level / np.maximum(level.max(axis=1, keepdims=True), 1e-12), 0.0)
    return scaled >= share


def settings(traces: np.ndarray) -> Iterator[Setting]:
    """Every method at every point of its grid, on (n, T) traces."""
    noise = frame_noise(traces)
    for width in (0, 1, 2, 4):
        smooth = gaussian_filter1d(traces, width, axis=1) if width else traces
        for height in (0.7, 1, 1.4, 1.8, 2.2, 2.7, 3.3, 4, 5, 7, 10):
            yield Setting(
                "find_peaks", f"filter {width}, prominence {height}", lambda s=smooth, h=height: peaks(s, noise, h)
            )
    level = np.quantile(traces, 0.2, axis=1, keepdims=True)
    flat = traces - median_filter(traces, (1, 121), mode="reflect") if traces.shape[1] > 121 else traces - level
    for decay, height in product((2.0, 4.0, 6.0, 10.0), (1.0, 1.4, 1.8, 2.3, 3.0, 4.0, 6.0)):
        spikes = oasis(flat, decay, height * noise[:, 0])
        for join in (1, 4, 10):
            yield Setting(
                "OASIS", f"decay {decay:g}, smallest {height}, join {join}",
                lambda s=spikes, j=join: runs(s > 0, j),
            )  # fmt: skip
    for width, long in product((1, 3, 5, 9), (61, 121)):
        smooth = median_filter(traces, (1, width), mode="reflect") if width > 1 else traces
        bias = median_filter(smooth, (1, long), mode="reflect")
        for peak, share in product((2.0, 3.0, 4.0, 6.0), (0.2, 0.3, 0.4, 0.5, 0.6)):
            yield Setting(
                "arcos", f"smooth {width}, bias {long}, peak {peak:g}, share {share}",
                lambda s=smooth, b=bias, p=peak, h=share: runs(arcos(s, b, p * noise, h), 1),
            )  # fmt: skip
