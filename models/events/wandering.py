"""How a baseline wanders, once most of a culture's events are known and taken off."""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.linalg import cho_factor, cho_solve, toeplitz

from calcigraph.models.events.baseline import degree_for, joined_lines, polynomials
from calcigraph.models.scale import CONSISTENT, row_medians
from calcigraph.store.types import BoolArray, FloatArray

Smoothers = tuple[FloatArray, ...]
"""From bins to the slow part of them, in each round."""
BINS = 5
"""Bins of the fastest half wave."""
FEWEST_BINS, MOST_BINS = 8, 1000
"""Bins of a recording: more would take too long."""
ROUNDS = 8
AWAY = 2.5
"""Deviations from the level, above or below which a bin is left out."""
HIGHEST = 1000.0
"""Power of a wave in that of noise, at most: one cell is not the culture."""
STEADY = 1e-30
"""Variance of a bin, at least."""


def wandering_baseline(
    quiet: FloatArray, first: FloatArray, active: BoolArray, wave: float, smoothers: Smoothers | None = None
) -> tuple[FloatArray, Smoothers]:
    """The baseline of traces without their known events: what is slow in them.

    A Wiener filter (Wiener 1949) for curves, as bleaching makes them, and a process as slow as the culture's baselines:
    what is more than noise gives in the power of curves and cosines, over all cells, is the baseline's. Bins
    far from the level, such as those with an event that is not yet known, are filled from the level, again and again.

    Parameters
    ----------
    quiet
        (n, T), traces without known events.
    first
        (n, T), the level at which the search begins.
    active
        (n, T), where events are known: what is left of them is no baseline.
    wave
        Frames of the fastest half wave.
    smoothers
        Those of other cells of the culture; None to measure them.

    Returns
    -------
    (n, T), and the smoothers.
    """
    frames = quiet.shape[1]
    size = max(1, round(wave / BINS), -(-frames // MOST_BINS))
    bins = frames // size
    if bins < FEWEST_BINS or not len(quiet):
        return first, ()
    edges = np.linspace(0, frames, bins + 1).round().astype(int)
    middle = row_medians(first)[:, None]
    binned, level = (np.add.reduceat(values - middle, edges[:-1], axis=1) / np.diff(edges) for values in (quiet, first))
    resting = np.add.reduceat(active, edges[:-1], axis=1, dtype=np.int64) <= np.diff(edges) / 2
    slow = min(int(frames / wave) + 1, bins // 2)
    curves, _ = np.linalg.qr(polynomials(np.linspace(-1, 1, bins), degree_for(frames)))
    used = []
    for number in range(ROUNDS):
        off = np.abs(binned - level)
        spread = CONSISTENT * row_medians(off)[:, None]
        filled = np.where(resting & (off < AWAY * spread), binned, level)
        if smoothers is None:
            bent = filled @ curves
            waves = fft.dct(filled - bent @ curves.T, axis=1, norm="ortho")[:, 1:slow]
            unit = np.maximum(spread**2, STEADY)
            used.append(_smoother(waves**2 / unit, bent**2 / unit, curves))
        else:
            used.append(smoothers[number])
        level = filled @ used[-1]
    return middle + joined_lines(level, (edges[1:] + edges[:-1] - 1) / 2, frames), tuple(used)


def _smoother(waves: FloatArray, bent: FloatArray, curves: FloatArray) -> FloatArray:
    """What makes the slow part of the values of bins, (b, b).

    The best linear estimate of a stationary process and curves in white noise. `waves`, (n, k), is the power of cosines
    in that of noise, and `bent`, (n, c), that of the basis of `curves`, (b, c). Unlike a sum of cosines it need not be
    level at the ends.
    """
    bins = len(curves)
    excess = np.maximum(_falling(waves.clip(max=HIGHEST).mean(axis=0)) - 1, 0)
    number = np.arange(1, len(excess) + 1)
    together = toeplitz(np.cos(np.pi / bins * np.outer(np.arange(bins), number)) @ excess / bins)
    # The slowest wave bends as well; how high the level is nothing tells before.
    bend = np.maximum(bent.mean(axis=0) - 1 - excess[0], 0)
    together += (curves[:, 1:] * bend[1:]) @ curves[:, 1:].T
    # Any level is as likely: it is taken off as the best linear estimate has it, and put back.
    whitened = cho_solve(cho_factor(together + np.eye(bins)), np.column_stack((together, np.ones(bins))))
    passed, ones = whitened[:, :-1].T, whitened[:, -1]
    weights = ones / ones.sum()
    return np.asarray(passed + np.outer(1 - passed.sum(axis=1), weights))


def _falling(values: FloatArray) -> FloatArray:
    """The nearest series that never rises (neighbours that rise are pooled).

    >>> _falling(np.array([5.0, 1.0, 3.0])).tolist()
    [5.0, 2.0, 2.0]
    """
    means: list[float] = []
    counts: list[int] = []
    for value in values.tolist():
        count = 1
        while means and value > means[-1]:
            value = (value * count + means[-1] * counts[-1]) / (count + counts[-1])
            count += counts.pop()
            means.pop()
        means.append(value)
        counts.append(count)
    return np.repeat(means, counts) if means else values
