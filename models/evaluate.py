"""How well a free run matches the data: mean squared error, peaks found, and the paper's fit groups."""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray

PROMINENCE_MAD = 3.0
"""A peak stands out by at least this many median absolute deviations of its own trace."""
PEAK_FRAMES = 2
"""A peak is found when the model has one at most this many frames away."""
PEAKS_FOUND = 0.8
MAGNITUDE = 0.2

GOOD, MISSES_PEAKS, WRONG_MAGNITUDE = "good", "misses peaks", "wrong magnitude"


def squared_error(traces: FloatArray, model: FloatArray) -> FloatArray:
    """Mean over frames of (model - data)^2 per cell, (p,), from (p, T); the paper's figures average this over cells."""
    return np.asarray(((model - traces) ** 2).mean(axis=1))


def peaks(traces: FloatArray) -> BoolArray:
    """Where each trace peaks, (p, T): local maxima with a prominence of at least 3 MAD of that trace.

    The same as scipy.signal.find_peaks(trace, prominence=...) but for ties (the first of equal samples is reported),
    for all cells at once: one pass over the frames that tells a rise by the threshold from a fall by it.
    """
    size, frames = traces.shape
    centre = np.median(traces, axis=1)
    needed = PROMINENCE_MAD * np.median(np.abs(traces - centre[:, None]), axis=1)
    found = np.zeros((size, frames), dtype=np.bool_)
    low, high, at = traces[:, 0].copy(), np.full(size, -np.inf), np.zeros(size, dtype=np.intp)
    rising = np.zeros(size, dtype=np.bool_)
    for frame, value in enumerate(traces.T):
        low = np.where(rising, low, np.minimum(low, value))
        starts = ~rising & (value > low) & (value - low >= needed)
        rising = rising | starts
        new = rising & (value > high)
        high, at = np.where(new, value, high), np.where(new, frame, at)
        ends = rising & (high > value) & (high - value >= needed)
        found[np.flatnonzero(ends), at[ends]] = True
        low, high, rising = np.where(ends, value, low), np.where(ends, -np.inf, high), rising & ~ends
    return found


def share_found(traces: FloatArray, model: FloatArray) -> FloatArray:
    """The share of each trace's peaks that the model has within 2 frames, (p,); 1 for a trace without peaks."""
    observed, modelled = peaks(traces), peaks(model)
    near = modelled.copy()
    for shift in range(1, PEAK_FRAMES + 1):
        near[:, shift:] |= modelled[:, :-shift]
        near[:, :-shift] |= modelled[:, shift:]
    total = observed.sum(axis=1)
    return np.where(total > 0, (observed & near).sum(axis=1) / np.maximum(total, 1), 1.0)


def fit_groups(traces: FloatArray, model: FloatArray) -> tuple[str, ...]:
    """Each cell's fit group, (p,), from data and free run, (p, T).

    "misses peaks" when under 80 % of the peaks are found, else "good" when the medians' ratio is within 20 % of 1,
    else "wrong magnitude". Every trace's peaks are measured by its own MAD, so a model of the wrong size can still
    find them. A cell without peaks has none to miss: its magnitude decides.
    """
    found = share_found(traces, model) >= PEAKS_FOUND
    median = np.median(traces, axis=1)
    # The ratio, multiplied out: a median of 0 is no error.
    close = np.abs(np.median(model, axis=1) - median) <= MAGNITUDE * np.abs(median)
    names = np.where(~found, MISSES_PEAKS, np.where(close, GOOD, WRONG_MAGNITUDE))
    return tuple(names.tolist())
