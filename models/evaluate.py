"""How well a free run matches the data: mean squared error, peaks found, and the paper's fit groups."""

from __future__ import annotations

import numpy as np

from calcigraph.models.scale import row_medians
from calcigraph.store.types import BoolArray, FloatArray

PROMINENCE_MAD = 3.0
"""A peak stands out by at least this many median absolute deviations (MAD) of its own trace."""
PEAK_FRAMES = 2
"""A peak of the data is found when the model has one at most this many frames away."""
PEAKS_FOUND = 0.8
"""Share of a cell's peaks that the model must find."""
MAGNITUDE = 0.2
"""Relative difference of the medians up to which the magnitude is right."""

GOOD, MISSES_PEAKS, WRONG_MAGNITUDE = "good", "misses peaks", "wrong magnitude"


def squared_error(traces: FloatArray, model: FloatArray) -> FloatArray:
    """Mean squared error of a model, (1 / T) sum_t (model_t - data_t)^2; the paper's figures average it over cells.

    Parameters
    ----------
    traces, model
        Data and model, (p, T), in the same unit of intensity.

    Returns
    -------
    FloatArray
        One value per cell, (p,), intensity squared.

    Examples
    --------
    >>> squared_error(np.zeros((2, 4)), np.array([[1.0, 1, 1, 1], [0, 0, 0, 2]]))
    array([1., 1.])
    """
    return np.asarray(((model - traces) ** 2).mean(axis=1))


def peaks(traces: FloatArray) -> BoolArray:
    """Where each trace peaks: local maxima with a prominence of at least 3 MAD of that trace.

    The result is that of scipy.signal.find_peaks(trace, prominence=...), except that of equal samples the first is
    reported. All cells are searched in one pass over the frames. A maximum is a peak if the trace has risen by the
    threshold before it and falls by the threshold after it.

    Parameters
    ----------
    traces
        (p, T), in any unit.

    Returns
    -------
    BoolArray
        (p, T), true at the frame of each peak.

    Examples
    --------
    >>> trace = np.array([[0.0, 1, 0, 1, 0, 9, 0, 1, 0]])
    >>> np.flatnonzero(peaks(trace)[0])
    array([1, 3, 5, 7])
    >>> noisy = np.array([[0.0, 1, 2, 1, 0, 19, 0, 2, 4]])
    >>> np.flatnonzero(peaks(noisy)[0])
    array([5])
    """
    size, frames = traces.shape
    centre = row_medians(traces)
    needed = PROMINENCE_MAD * row_medians(np.abs(traces - centre[:, None]))
    found = np.zeros((size, frames), dtype=np.bool_)
    # Of every cell: the lowest value since the last peak, and the highest value since the rise and its frame.
    low, high = traces[:, 0].copy(), np.full(size, -np.inf)
    at = np.zeros(size, dtype=np.intp)
    rising = np.zeros(size, dtype=np.bool_)
    for frame, value in enumerate(traces.T):
        low = np.where(rising, low, np.minimum(low, value))
        starts = ~rising & (value > low) & (value - low >= needed)
        rising = rising | starts
        higher = rising & (value > high)
        high, at = np.where(higher, value, high), np.where(higher, frame, at)
        # A fall by the threshold confirms the highest value as a peak, and the search for a rise starts anew.
        ends = rising & (high > value) & (high - value >= needed)
        found[np.flatnonzero(ends), at[ends]] = True
        low, high = np.where(ends, value, low), np.where(ends, -np.inf, high)
        rising = rising & ~ends
    return found


def share_found(traces: FloatArray, model: FloatArray) -> FloatArray:
    """The share of each trace's peaks that the model has within 2 frames, (p,); 1 for a trace without peaks."""
    observed, modelled = peaks(traces), peaks(model)
    near = modelled.copy()
    for shift in range(1, PEAK_FRAMES + 1):
        near[:, shift:] |= modelled[:, :-shift]
        near[:, :-shift] |= modelled[:, shift:]
    total = observed.sum(axis=1)
    share = (observed & near).sum(axis=1) / np.maximum(total, 1)
    return np.where(total > 0, share, 1.0)


def fit_groups(traces: FloatArray, model: FloatArray) -> tuple[str, ...]:
    """Each cell's fit group, as the paper names them.

    "misses peaks": the model has less than 80 % of the cell's peaks. "good": it has them, and the ratio of the
    medians is within 20 % of 1. "wrong magnitude": it has them, and the ratio is not. The peaks of data and of model
    are each measured by the MAD of their own trace, so a model of the wrong size can still find them. A cell without
    peaks is judged by its magnitude.

    Parameters
    ----------
    traces, model
        Data and free run, (p, T), in the same unit.

    Returns
    -------
    tuple of str
        (p,).

    Examples
    --------
    >>> data = 1 + np.sin(np.arange(60.0) / 3)[None] ** 8
    >>> fit_groups(data, data), fit_groups(data, 2 * data), fit_groups(data, np.ones((1, 60)))
    (('good',), ('wrong magnitude',), ('misses peaks',))
    """
    found = share_found(traces, model) >= PEAKS_FOUND
    median = row_medians(traces)
    # The condition |ratio - 1| <= MAGNITUDE times the median, so that a median of 0 does not divide.
    close = np.abs(row_medians(model) - median) <= MAGNITUDE * np.abs(median)
    names = np.where(~found, MISSES_PEAKS, np.where(close, GOOD, WRONG_MAGNITUDE))
    return tuple(names.tolist())
