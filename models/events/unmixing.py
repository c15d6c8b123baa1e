"""Events in close succession, told apart by the culture's usual shape: a sum of such shapes that are never negative."""

from __future__ import annotations

import numpy as np
from scipy import fft

from calcigraph.models.events.search import CELLS, Filters, Picks, Spectra
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
    kernel = given.shapes.values[usual].astype(np.float32)
    root = float(np.sqrt((kernel**2).sum()))
    thin = (THIN * ratio[:, usual] * root).astype(np.float32)[:, None]
    height = np.empty(left.shape, dtype=np.float32)
    for first in range(0, len(left), CELLS):
        some = slice(first, first + CELLS)
        height[some] = _heights(left[some].astype(np.float32), thin[some], given.spectra[usual], given.sizes[usual])
    return _gathered(height, ratio, given, usual, root, least)


def _heights(left: Reals, thin: Reals, spectrum: Spectra, size: int) -> Reals:
    """(n, T), of the shape at every frame; `thin`, (n, 1), makes each lower."""
    frames = left.shape[1]
    toward = fft.irfft(fft.rfft(left, size, axis=1) * spectrum, size, axis=1)[:, :frames] - thin
    power = (np.abs(spectrum) ** 2).astype(np.float32)
    step = 1 / float(power.max())
    height, ahead, pace = np.zeros_like(toward), np.zeros_like(toward), 1.0
    for _ in range(STEPS):
        new = fft.irfft(fft.rfft(ahead, size, axis=1) * power, size, axis=1)[:, :frames]
        new -= toward
        new *= -step
        new += ahead
        np.maximum(new, 0, out=new)
        later = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        np.subtract(new, height, out=ahead)
        ahead *= np.float32((pace - 1) / later)
        ahead += new
        height, pace = new, later
    return height


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
