"""How much noise the residuals show, of what kind, and what of it is in the regressors, to be taken out.

There is measurement noise, which alternates, and noise of the dynamics.
Measurement noise makes the covariance of one increment and the next negative. What the variance has beyond that
covariance is excess: noise of the dynamics, or anything else that the model does not describe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.robust.equations import CellEquations
from calcigraph.store.types import FloatArray

WIDEST = 10.0
"""Largest half-width of the test functions, frames: in longer windows slow drifts would count as coupling."""
NARROWEST = 0.3
"""Smallest half-width, frames."""
LEAST_EXCESS, LEAST_UNIT = 0.5, 1e-12
"""Lower limits of a cell's residual variance (in units of the culture's) and of the unit of Omega."""
MASKING = 0.1
"""Share of the residuals' variance by which the measured noise may be too small because of masked frames."""
ALTERNATING = 0.2
"""Covariance at lag 1 over variance, for measurement noise alone, from which the two kinds can be told apart."""
TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class NoiseModel:
    """The noise of g groups with p cells. Variances are multiples of each cell's noise variance s_i^2."""

    noise: FloatArray
    """(g,), measurement noise."""
    excess: FloatArray
    """(g,), variance of the increments beyond measurement noise."""
    excess_cell: FloatArray
    """(p,), variance of the cell's residuals over the value that the group's noise gives; about 1."""
    q: FloatArray
    """(p,), of Omega, as the residuals show it."""
    unit: FloatArray
    """(p,), variance in units of which Omega is written."""
    right_variance: FloatArray
    """(p,), variance of the right side of the equation for k, per s_i^2."""
    feed_variance: FloatArray
    """(p,), variance of the right side of the equation for the feed, per s_i^2."""


def measure_noise(cells: CellEquations) -> NoiseModel:
    """The noise that the residuals of a round show."""
    noise, excess = _levels(cells)
    at = cells.group
    expected = noise[at] * cells.expected[0] + excess[at]
    q = _omega(variance=expected, covariance=noise[at] * cells.expected[1])
    # A group whose cells were all left out has no level, and says nothing.
    excess_cell = np.divide(cells.covariance[0], expected, out=np.zeros_like(expected), where=expected > 0)
    # Dividing a variance by 2 + q, the diagonal of Omega, gives the unit in which Omega is written.
    unit = np.maximum(np.clip(excess_cell, LEAST_EXCESS, None) * expected / (2 + q), LEAST_UNIT)
    # The right side is u' d, where the test function u belongs to the q with which the equations were made. The
    # increments d have the covariance unit * Omega, with this round's q on its diagonal. The difference of the two q
    # adds the sum of squares of u.
    change = q - cells.q
    right_variance = cells.normal[:, 0, 0] + change * cells.coupling_square
    feed_variance = cells.feed_information + change * cells.feed_square
    return NoiseModel(
        noise=noise,
        excess=excess,
        excess_cell=excess_cell,
        q=q,
        unit=unit,
        right_variance=unit * np.maximum(right_variance, 0.0),
        feed_variance=unit * np.maximum(feed_variance, 0.0),
    )


def noise_in_regressors(cells: CellEquations, noise: NoiseModel) -> FloatArray:
    """What measurement noise adds to each cell's normal matrix, (p, c, c): to be taken out of it.

    The regressors are made of noisy traces, so that least squares with them makes k too small (errors in variables).
    `weakform.moments` gives the share that noise of variance s_i^2 adds; the level of the noise is known here.
    """
    return np.asarray(noise.noise[cells.group, None, None] * cells.noise)


def without_noise(cells: CellEquations, from_noise: FloatArray, correct: bool) -> FloatArray:
    """Each cell's normal matrix as noise-free regressors would give it, (p, c, c); as it is unless `correct`."""
    return np.asarray(cells.normal - from_noise * correct)


def next_q(noise: NoiseModel, half_width: float | None) -> FloatArray:
    """q of Omega for the next round, (p,): from the half-width that the user gave, or from the residuals."""
    if half_width is not None:
        return np.full_like(noise.q, 1 / half_width**2)
    return np.clip(noise.q, 1 / WIDEST**2, None)


def _levels(cells: CellEquations) -> tuple[FloatArray, FloatArray]:
    """Measurement noise and excess of each group, (g,) each, from the median cell's covariances at lags 0 and 1."""
    variance = cells.group_medians(cells.covariance[0])
    lagged = cells.group_medians(cells.covariance[1])
    unit, unit_lagged = cells.group_medians(cells.expected[0]), cells.group_medians(cells.expected[1])
    if_all_is_noise = variance / np.maximum(unit, TINY)
    # Where k dt is large, the noise of regressors hides the alternation: then all variance counts as noise.
    alternates = unit_lagged < -ALTERNATING * unit
    from_lagged = np.maximum(lagged / np.where(alternates, unit_lagged, -1.0), 0.0)
    noise = np.where(alternates, from_lagged, if_all_is_noise)
    # Masking removes the largest residuals, which reduces the covariance by more than the variance.
    excess = np.maximum(variance - noise * unit - MASKING * variance, 0.0)
    return (variance - excess) / np.maximum(unit, TINY), excess


def _omega(variance: FloatArray, covariance: FloatArray) -> FloatArray:
    """q for which Omega = tridiag(-1, 2 + q, -1) has this ratio of variance to covariance, (p,)."""
    alternation = -covariance
    widest = 1 / NARROWEST**2
    q = variance / np.where(alternation > 0, alternation, np.inf) - 2
    return np.where(alternation > 0, np.clip(q, 0.0, widest), widest)
