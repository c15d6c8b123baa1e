"""How a baseline wanders, once most of a culture's events are known and taken off."""

from __future__ import annotations

import numpy as np
from scipy import fft

from calcigraph.models.events.baseline import bleaching, joined_lines
from calcigraph.models.scale import CONSISTENT
from calcigraph.store.types import FloatArray

Gains = tuple[FloatArray, ...]
"""What every slow cosine keeps, in each round."""
BINS = 5
"""Bins of the fastest half wave."""
FEWEST_BINS = 8
ROUNDS = 8
AWAY = 2.5
"""Deviations from the level, above or below which a bin is left out."""
HIGHEST = 1000.0
"""Power of a wave in that of noise, at most: one cell is not the culture."""
STEADY = 1e-30
"""Variance of a bin, at least."""


def wandering_baseline(
    quiet: FloatArray, first: FloatArray, active: FloatArray, wave: float, gains: Gains | None = None
) -> tuple[FloatArray, Gains]:
    """The baseline of traces without their known events: what is slow in them.

    After a curve for bleaching, a Wiener filter (Wiener 1949): every cosine keeps the share of its power that is more
    than noise gives, in the culture as a whole, so that the baseline wanders as fast as those of the culture do. Bins
    far from the level, such as those with an event that is not yet known, are filled from the level, again and again.

    Parameters
    ----------
    quiet
        (n, T), traces without known events.
    first
        (n, T), the level at which the search begins.
    active
        (n,), share of the time with known events.
    wave
        Frames of the fastest half wave.
    gains
        What every cosine keeps, from other cells of the culture; None to measure it.

    Returns
    -------
    (n, T), and the gains.
    """
    frames = quiet.shape[1]
    size = max(1, round(wave / BINS))
    bins = frames // size
    if bins < FEWEST_BINS or not len(quiet):
        return first, ()
    trend = bleaching(quiet, active)
    edges = np.linspace(0, frames, bins + 1).round().astype(int)
    binned, level = (np.add.reduceat(values - trend, edges[:-1], axis=1) / np.diff(edges) for values in (quiet, first))
    slow = min(int(frames / wave) + 1, bins // 2)
    used = []
    for number in range(ROUNDS):
        off = np.abs(binned - level)
        spread = CONSISTENT * np.median(off, axis=1, keepdims=True)
        waves = fft.dct(np.where(off < AWAY * spread, binned, level), axis=1, norm="ortho")
        used.append(_gain(waves[:, 1:slow] ** 2 / np.maximum(spread**2, STEADY)) if gains is None else gains[number])
        waves[:, 1:slow] *= used[-1]
        waves[:, slow:] = 0
        level = fft.idct(waves, axis=1, norm="ortho")
    return trend + joined_lines(level, (edges[1:] + edges[:-1] - 1) / 2, frames), tuple(used)


def _gain(power: FloatArray) -> FloatArray:
    """What cosines keep, (k,), given their power in that of noise, (n, k)."""
    return np.asarray(np.maximum(1 - 1 / np.maximum(_falling(power.clip(max=HIGHEST).mean(axis=0)), 1.0), 0.0))


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
