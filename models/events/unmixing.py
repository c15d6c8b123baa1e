"""Events in close succession, told apart by the culture's usual shape: a sum of such shapes that are never negative."""

from __future__ import annotations

import numpy as np
from scipy import fft

from calcigraph.models.events.search import Filters, Picks
from calcigraph.models.events.shapes import START, Reals

STEPS = 150
THIN = 1.0
"""Standard errors of a height by which every shape is made lower, so that few are used (lasso; Tibshirani 1996)."""


def unmixed(left: Reals, ratio: Reals, given: Filters, least: float) -> Picks:
    """The places and heights at which the culture's usual shape, again and again, makes up traces, (n, T).

    Heights are those that leave least of a trace, none of them negative (accelerated projected gradients; Beck and
    Teboulle 2009). Neighbouring frames are one event. Those with a score of less than `least` are left out.
    """
    usual = int(given.bonus.argmax())
    frames = left.shape[1]
    kernel = given.shapes.values[usual].astype(np.float32)
    spectrum, size = given.spectra[usual], given.size
    root = float(np.sqrt((kernel**2).sum()))
    step = 1 / float((np.abs(spectrum) ** 2).max())
    error = (ratio[:, usual] * root).astype(np.float32)[:, None]
    toward = fft.irfft(fft.rfft(left.astype(np.float32), size, axis=1) * spectrum, size, axis=1)[:, :frames]
    toward = toward - THIN * error
    power = (np.abs(spectrum) ** 2).astype(np.float32)
    height, ahead, pace = np.zeros_like(toward), np.zeros_like(toward), 1.0
    for _ in range(STEPS):
        slope = fft.irfft(fft.rfft(ahead, size, axis=1) * power, size, axis=1)[:, :frames] - toward
        new = np.maximum(ahead - step * slope, 0)
        later = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead = new + (pace - 1) / later * (new - height)
        height, pace = new, later
    return _gathered(height, ratio, given, usual, root, least)


def _gathered(height: Reals, ratio: Reals, given: Filters, usual: int, root: float, least: float) -> Picks:
    """Heights at neighbouring frames as one event each."""
    padded = np.pad(height, ((0, 0), (2, 2)))
    around = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    middle, before, after = around[:, 1:-1], around[:, :-2], around[:, 2:]
    score = middle * root / ratio[:, usual, None]
    cell, frame = np.nonzero((middle >= before) & (middle > after) & (score > least))
    moved = (padded[cell, frame + 3] - padded[cell, frame + 1]) / middle[cell, frame]
    shape = np.repeat(given.shapes.shape[[usual]], len(cell), axis=0)
    shape[:, START] += frame + moved
    high = middle[cell, frame].astype(np.float64)
    return Picks(cell, shape, high, score[cell, frame].astype(np.float64), np.full(len(cell), given.bonus[usual]))
