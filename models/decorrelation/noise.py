"""The level of the measurement noise where cells may be active all the time."""

from __future__ import annotations

import numpy as np

from calcigraph.models.scale import CONSISTENT, noise_level, rounding_level
from calcigraph.store.types import FloatArray

FAST = 0.3
"""Part of the highest frequency from which spectra are fitted."""
REWEIGHTED = 4
CLIPPED = 3.0
"""Robust deviations to which steps between frames are clipped."""
TINY = 1e-30


def measurement_noise(traces: FloatArray) -> float:
    """Standard deviation of the white measurement noise of the median cell.

    White noise adds |D|^2 times its variance to the spectrum of the increments, activity that is rough or smooth adds
    a constant or 1 / |D|^2. Fitted to the fast part of each spectrum, the first tells the noise. Third differences
    tell it too, but too high where activity is fast; spectra tell it too high after many sharp spikes. The smaller
    value is taken.

    Parameters
    ----------
    traces
        (n, T).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> walk = 0.01 * rng.standard_normal((40, 400)).cumsum(axis=1)
    >>> bool(0.015 < measurement_noise(walk + 0.02 * rng.standard_normal((40, 400))) < 0.025)
    True
    """
    from scipy.optimize import nnls

    steps = np.diff(traces, axis=1)
    steps = steps - np.median(steps, axis=1, keepdims=True)
    # A spike's few large steps would hide the noise of all others. Of rounded traces most steps may be exactly 0.
    usual = CONSISTENT * np.median(np.abs(steps), axis=1, keepdims=True)
    largest = np.where(usual > 0, CLIPPED * usual, np.inf)
    steps = np.clip(steps, -largest, largest)
    taper = np.hanning(steps.shape[1] + 2)[1:-1]
    spectrum = np.abs(np.fft.rfft(steps * taper / np.sqrt((taper**2).sum()), axis=1)) ** 2
    angle = 2 * np.pi * np.fft.rfftfreq(steps.shape[1])
    fast = angle > FAST * np.pi
    square = 4 * np.sin(angle[fast] / 2) ** 2
    shapes = np.stack([square, np.ones_like(square), 1 / square], axis=1)
    levels = []
    for values in spectrum[:, fast]:
        weight = np.ones_like(values)
        for _ in range(REWEIGHTED):  # a periodogram's error is as large as the spectrum itself
            parts, _ = nnls(shapes * weight[:, None], values * weight)
            weight = 1 / np.maximum(shapes @ parts, TINY)
        levels.append(parts[0])
    least = float(np.median(rounding_level(np.diff(traces, axis=1))))
    return max(least, float(min(np.sqrt(np.median(levels)), np.median(noise_level(traces)))))
