"""Exact solutions of the linear consensus equation over a recording, by modes or by a Taylor series.

Both solve y' = K M y - r y + drive(t) + source(t) for p cells, where K is the diagonal of the cells' k, M the (p, p)
block of the consensus operator between them and r the leak. `drive` is linear between frames and `source` constant.
The result is exact to rounding for any length of a frame.

Modes diagonalise K M once and are fast for a few hundred cells. The Taylor series needs only sparse products, so it
serves larger cultures, and cells of which some have k = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, factorial
from typing import Any

import numpy as np

from calcigraph.store.types import FloatArray, IntArray

REMAINDER = 5e-19
"""Of the Taylor series, as a share of the state: under rounding. Substeps of norm 1 take 19 terms."""
SERIES_BELOW = 0.5
"""|a| below which (e^a - 1) / a is summed as a series, because the quotient cancels."""
SERIES_TERMS = 16
"""Largest factorial of that series: its remainder, 0.5^15 / 17!, is far below rounding."""


@dataclass(frozen=True)
class Forcing:
    """What the course of p inner cells depends on beside their coupling to each other."""

    first: FloatArray
    """(p,), intensity at the first frame."""
    drive: FloatArray
    """(p, T), intensity per second, linear between frames: the pull of driven neighbours, and the feed."""
    source: FloatArray
    """(p, T - 1), intensity per second, constant from one frame to the next."""
    dt: float
    """Seconds between frames."""
    leak: float = 0.0
    """r, 1/s."""


def by_modes(matrix: FloatArray, degree: IntArray, k: FloatArray, forcing: Forcing) -> FloatArray:
    """The course by diagonalisation, (p, T).

    Parameters
    ----------
    matrix
        M between the inner cells, (p, p), dense.
    degree
        |N_i|, (p,).
    k
        1/s, (p,), all above 0.
    forcing
        The cells' start, drive and leak.
    """
    # K M = E (W - S) with E = K / D diagonal, W symmetric and S diagonal. It is similar to the symmetric matrix
    # E^1/2 (W - S) E^1/2, so its modes are real and orthogonal after the change of variables by E^1/2.
    root = np.sqrt(np.maximum(degree, 1) / k)
    symmetric = k[:, None] * matrix * root[:, None] / root[None, :]
    value, mode = np.linalg.eigh((symmetric + symmetric.T) / 2)
    to_modes = mode.T * root[None, :]
    state = propagate(
        (value - forcing.leak) * forcing.dt,
        to_modes @ forcing.first,
        (to_modes @ forcing.drive).T,
        (to_modes @ forcing.source).T,
        forcing.dt,
    )
    course: FloatArray = (mode @ state.T) / root[:, None]
    return course


def propagate(a: FloatArray, first: FloatArray, drive: FloatArray, source: FloatArray, dt: float) -> FloatArray:
    """Exact steps of independent modes, z' = (a / dt) z + drive + source.

    With phi1(a) = (e^a - 1) / a and phi2(a) = (e^a - 1 - a) / a^2 a step is

        z_(m+1) = e^a z_m + dt (phi1 (drive_m + source_m) + phi2 (drive_(m+1) - drive_m))

    Parameters
    ----------
    a
        Rate times dt of each mode, (p,), dimensionless; negative where it decays.
    first
        z at the first frame, (p,).
    drive
        (T, p), per second, linear between frames.
    source
        (T - 1, p), per second, constant between frames.
    dt
        Seconds between frames.

    Returns
    -------
    FloatArray
        z, (T, p).
    """
    grow, (phi1, phi2) = np.exp(a), _phi(a)
    push = dt * (phi1 * (drive[:-1] + source) + phi2 * np.diff(drive, axis=0))
    state = np.empty_like(drive)
    state[0] = first
    for frame in range(len(push)):
        np.multiply(grow, state[frame], out=state[frame + 1])
        state[frame + 1] += push[frame]
    return state


def sources_of(a: FloatArray, course: FloatArray, drive: FloatArray, dt: float) -> FloatArray:
    """The sources with which independent modes run along a given course: `propagate` the other way round.

    Parameters
    ----------
    a, drive, dt
        As for `propagate`.
    course
        z, (T, p).

    Returns
    -------
    FloatArray
        (T - 1, p), per second.

    Examples
    --------
    >>> a, drive = np.array([-0.3]), np.array([[1.0], [2.0], [0.5]])
    >>> course = propagate(a, np.array([4.0]), drive, np.array([[0.1], [-0.2]]), 10.0)
    >>> sources_of(a, course, drive, 10.0).round(9).ravel().tolist()
    [0.1, -0.2]
    """
    grow, (phi1, phi2) = np.exp(a), _phi(a)
    gained = (course[1:] - grow * course[:-1]) / dt
    return np.asarray((gained - phi2 * np.diff(drive, axis=0)) / phi1 - drive[:-1])


def _phi(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """phi1 = (e^a - 1) / a and phi2 = (e^a - 1 - a) / a^2, by series where the quotient cancels."""
    small = np.abs(a) < SERIES_BELOW
    safe = np.where(small, 1.0, a)
    near = np.where(small, a, 0.0)
    series = np.zeros_like(a)
    for n in range(SERIES_TERMS, 1, -1):  # Horner's scheme: 1/2 (1 + a/3 (1 + a/4 (...)))
        series = (1 + near * series) / n
    phi1 = np.where(small, 1 + near * series, np.expm1(safe) / safe)
    phi2 = np.where(small, series, (np.expm1(safe) - safe) / safe**2)
    return phi1, phi2


def by_taylor(matrix: Any, rate: FloatArray, k: FloatArray, forcing: Forcing) -> FloatArray:
    """The course by a Taylor series in substeps, (p, T).

    Parameters
    ----------
    matrix
        M between the inner cells, (p, p), a SciPy sparse array.
    rate
        -M_ii, (p,).
    k
        1/s, (p,), at least 0.
    forcing
        The cells' start, drive and leak.
    """
    from scipy.sparse import diags_array

    dt, drive = forcing.dt, forcing.drive
    system = diags_array(k) @ matrix - diags_array(np.full(len(k), forcing.leak))
    # No row of the system has magnitudes that sum to more than 2 k rate + leak. Substeps in which that sum stays
    # below 1 let the series converge.
    most = (2 * float(np.max(k * rate)) + forcing.leak) * dt
    steps = max(1, ceil(most))
    h, terms = dt / steps, _terms(most / steps)
    course = np.empty_like(drive)
    course[:, 0] = state = forcing.first
    for frame in range(drive.shape[1] - 1):
        slope = (drive[:, frame + 1] - drive[:, frame]) / dt
        start = drive[:, frame] + forcing.source[:, frame]
        for step in range(steps):
            state = _taylor_step(system, state, start + slope * (step * h), slope, h, terms)
        course[:, frame + 1] = state
    return course


def _terms(norm: float) -> int:
    """Terms of a series whose remainder does not show, where h A has at most this norm.

    Examples
    --------
    >>> _terms(1.0), _terms(0.2)
    (19, 12)
    """
    terms = 2
    while norm ** (terms + 1) / factorial(terms + 1) > REMAINDER:
        terms += 1
    return terms


def _taylor_step(
    system: Any, state: FloatArray, push: FloatArray, slope: FloatArray, h: float, terms: int
) -> FloatArray:
    """y after h seconds of y' = A y + push + slope t, (p,)."""
    # The n-th derivative of y is A y^(n-1), plus the slope at n = 2.
    term: FloatArray = h * (system @ state + push)
    total = state + term
    term = (h / 2) * (system @ term + h * slope)
    total = total + term
    for n in range(3, terms + 1):
        term = (h / n) * (system @ term)
        total = total + term
    return total
