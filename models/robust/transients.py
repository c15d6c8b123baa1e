"""Frames in which a cell has a transient (calcium spike) that the model does not describe: found, and set aside.

Summed over a window, the residual increments leave only the measurement noise of the window's two ends. A transient
adds up over its frames. So windows of several lengths are tested, each against the robust deviation of windows of
that length. A transient found this way is extended as long as the residual's three-frame mean stays away from zero.

A transient is often followed by a slow decay, its tail, that is too weak to be found. Tails are not set aside but
modelled: see `tail_regressors`.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.scale import middle_and_deviation
from calcigraph.store.types import BoolArray, FloatArray

OUTLYING = 3.5
"""Robust deviations of quiet windows from which a window holds a transient."""
PASSES = 3
"""Transients widen the deviation that finds them, so it is measured again without those found."""
QUIET = 0.1
"""Share of windows that must be free of transients; if fewer are, all windows give the deviation."""
WINDOWS = (1, 2, 3, 5, 8, 12)
"""Lengths of the windows, frames."""
GROWING = 0.6
"""A transient goes on while the three-frame mean is beyond this many robust deviations."""
STANDS_OUT = 2.5
"""Deviations of a single increment by which a frame belongs to the core of a transient."""
STILL = 1e-6
"""A cell whose mean residual is below this share of the median cell's does not vary at all."""
TAIL_FRAMES = (3.0, 6.0, 12.0, 24.0)
"""Time constants of the tails that may follow a transient; sums of them come close to any decay."""


def transient_frames(residual: FloatArray, rounding: float = 0.0) -> BoolArray:
    """The frames in which a cell has a transient.

    Parameters
    ----------
    residual
        Residual increments, (p, F), in units of each cell's noise.
    rounding
        Standard deviation of the samples' rounding error, in the same units: no deviation is taken to be smaller than
        what two rounded ends give.

    Returns
    -------
    BoolArray
        (p, F).

    Examples
    --------
    >>> noise = np.diff(np.random.default_rng(0).standard_normal((20, 200)), axis=1)
    >>> noise[3, 50:53] += 8.0
    >>> found = transient_frames(noise)
    >>> bool(found[3, 50:53].all()), bool(found.mean() < 0.04)
    (True, True)
    """
    # With the cumulated sum, the sum over any window is one difference.
    start = np.zeros((len(residual), 1))
    total = np.concatenate([start, np.cumsum(residual, axis=1)], axis=1)
    found = np.zeros(residual.shape, dtype=np.bool_)
    alive = _alive(residual)
    for _ in range(PASSES):
        found = _in_outlying_window(total, found, alive, np.sqrt(2) * rounding)
    return _extended(found, residual, alive, np.sqrt(2) / 3 * rounding)


def _alive(residual: FloatArray) -> BoolArray:
    """Cells that vary at all, (p, 1): the others would make the deviation of quiet windows too small."""
    size = np.abs(residual).mean(axis=1)
    return np.asarray(size > STILL * np.median(size))[:, None]


def _in_outlying_window(total: FloatArray, found: BoolArray, alive: BoolArray, least: float) -> BoolArray:
    """The frames of all windows whose sum of residuals is outlying, (p, F).

    `total` is the cumulated residual, (p, F + 1). The deviation is that of windows without frames in `found`, and
    at least `least`.
    """
    frames, nothing_found = found.shape[1], bool(alive.all() and not found.any())
    # found_before[:, m] counts the found frames before m: two equal values enclose a window without any.
    found_before = np.zeros(total.shape, dtype=np.int32)
    np.cumsum(found, axis=1, dtype=np.int32, out=found_before[:, 1:])
    # At every frame: the outlying windows that begin there, minus those that ended before it.
    edges = np.zeros(total.shape, dtype=np.int8)
    for length in WINDOWS:
        if length >= frames:
            continue
        window = total[:, length:] - total[:, :-length]
        quiet = window
        if not nothing_found:
            without_found = found_before[:, length:] == found_before[:, :-length]
            quiet = window[without_found & alive]
        if quiet.size < QUIET * window.size:
            quiet = window
        middle, deviation = middle_and_deviation(quiet)
        np.abs(np.subtract(window, middle, out=window), out=window)
        outlying = (window > OUTLYING * max(deviation, least)).view(np.int8)
        edges[:, : outlying.shape[1]] += outlying
        edges[:, length:] -= outlying
    # The running sum counts the outlying windows that hold a frame.
    return np.asarray(np.cumsum(edges[:, :-1], axis=1, dtype=np.int8) > 0)


def _extended(found: BoolArray, residual: FloatArray, alive: BoolArray, least: float) -> BoolArray:
    """The found frames and those beside them over which the residual's three-frame mean stays away from zero."""
    padded = np.pad(residual, ((0, 0), (1, 1)), mode="edge")
    mean = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    deviation = max(middle_and_deviation(mean[~found & alive])[1], least)
    # Frames first: one step along time is then one row, for all cells at once.
    goes_on = (np.abs(mean) > GROWING * deviation).T.copy()
    return np.ascontiguousarray(_backward(_forward(found.T, goes_on), goes_on).T)


def _forward(start: BoolArray, through: BoolArray) -> BoolArray:
    """The frames of `start`, and those after them that follow without a gap in `through`, (F, p)."""
    reached = start.copy()
    for m in range(1, len(reached)):
        reached[m] |= reached[m - 1] & through[m]
    return reached


def _backward(start: BoolArray, through: BoolArray) -> BoolArray:
    """The same for the frames before them."""
    reached = start.copy()
    for m in range(len(reached) - 2, -1, -1):
        reached[m] |= reached[m + 1] & through[m]
    return reached


def widened(found: BoolArray) -> BoolArray:
    """The found frames and one more on either side, (p, F): an increment shares its samples with the next.

    Examples
    --------
    >>> widened(np.array([[False, False, True, False, False]]))
    array([[False,  True,  True,  True, False]])
    """
    wide = found.copy()
    wide[:, 1:] |= found[:, :-1]
    wide[:, :-1] |= found[:, 1:]
    return wide


def core(found: BoolArray, residual: FloatArray) -> BoolArray:
    """The found frames without those at the edges of a transient that exceed the threshold only by noise.

    What is kept of a transient runs from the first to the last frame whose increment stands out by itself.

    Parameters
    ----------
    found
        Frames with a transient, (p, F).
    residual
        Residual increments, (p, F), in units of their own standard deviation.

    Returns
    -------
    BoolArray
        (p, F).

    Examples
    --------
    >>> core(np.array([[False, True, True, True, True]]), np.array([[0.0, 0.4, 5.0, 1.0, 4.0]]))
    array([[False, False,  True,  True,  True]])
    """
    strong = (found & (np.abs(residual) > STANDS_OUT)).T
    return np.ascontiguousarray((_forward(strong, found.T) & _backward(strong, found.T)).T)


def tail_regressors(found: BoolArray, residual: FloatArray) -> FloatArray:
    """Regressors for the tails of transients: what the transient brought, decaying exponentially after it.

    Regressor n at frame m is (1 / tau_n) sum over found frames l <= m of residual_l exp(-(m - l) / tau_n), with the
    time constants tau_n of `TAIL_FRAMES`. In one cell a tail and the cell's own decay (coupling) look alike. They can
    be told apart because all transients of a culture share four amplitudes, and because the cell's decay depends on
    its neighbours' traces.

    Parameters
    ----------
    found
        Frames with a transient, (p, F).
    residual
        Residual increments, (p, F).

    Returns
    -------
    FloatArray
        (4, p, F), in the unit of the residual per frame.

    Examples
    --------
    >>> tail_regressors(np.array([[True, False, False]]), np.array([[3.0, 9.0, 9.0]]))[0].round(3)
    array([[1.   , 0.717, 0.513]])
    """
    constants = np.array(TAIL_FRAMES)[:, None]
    pulses = np.where(found, residual, 0.0).T
    # The sum over all earlier frames is a recursion: keep a share of the state, and add the new frame.
    keep = np.exp(-1 / constants)
    result = np.empty((residual.shape[1], len(TAIL_FRAMES), len(residual)))
    state = np.zeros(result.shape[1:])
    for m, pulse in enumerate(pulses):
        state = keep * state + pulse
        result[m] = state / constants
    return np.ascontiguousarray(result.transpose(1, 2, 0))
