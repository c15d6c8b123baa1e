"""The parameters that the cells of one culture share, by robustly weighted least squares over cells.

Cells count by the precision of their equations. A cell whose own k departs from the shared one loses its weight
(Tukey's bisquare), so that a few uncoupled cells do not bias the culture's k. Standard errors come from the scatter
between cells (a sandwich estimate), and that of k is kept from falling below what the noise alone explains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.scale import bisquare, mad_scale
from calcigraph.store.types import FloatArray

CELL_OUTLYING = 6.0
"""Scales (times standard errors) at which a cell's own k has no weight in the shared one."""
SIGNIFICANT_TAILS = 20.0
"""Chi squared with 4 degrees of freedom (p = 0.0005) from which tails are kept."""
ROUNDS = 12
"""Reweightings of the cells."""
IMPRECISE = 0.05
"""Share of the median cell's precision below which a cell does not count in the median of k."""
FEW_CELLS = 10
"""Up to this many cells the error of k is at least what the noise model gives; for more, a decreasing part of it."""
LEAST_INFORMATION = 1e-300
TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class GroupEquations:
    """The normal equations of the p cells of one group, noise taken out, per s_i^2; c regressors."""

    normal: FloatArray
    """(p, c, c)."""
    right: FloatArray
    """(p, c)."""
    unit: FloatArray
    """(p,), see `noise.NoiseModel`."""
    right_variance: FloatArray
    """(p,), see `noise.NoiseModel`."""


@dataclass(frozen=True)
class SharedFit:
    """The shared parameters of one group with p cells."""

    theta: FloatArray
    """(c,): k, leak, feed, tails, as far as they are fitted."""
    error: FloatArray
    """(c,), standard errors."""
    model_error: float
    """Standard error of k from the noise model alone, 1/s."""
    has_tails: bool
    """Whether tails were fitted and are significant."""
    weight: FloatArray
    """(p,), 0 to 1, how much a cell counts."""
    scatter: float
    """Robust scale of (own k - shared k) / standard error over cells, at least 1."""


def fit_shared(cells: GroupEquations, tails: slice | None) -> SharedFit:
    """Solve for the shared parameters of one group.

    Minimises sum_i w_i (theta' N_i theta - 2 theta' r_i) / unit_i, with the bisquare weights w_i of the cells' own k.

    Parameters
    ----------
    cells
        Normal matrices N_i and right sides r_i.
    tails
        Which parameters are tails; None without them.

    Returns
    -------
    SharedFit
        With the unit of theta as the regressors have it: 1/s for k and leak.
    """
    # Least squares weighs each cell by one over the variance of its increments.
    rate = 1 / np.maximum(cells.unit, TINY)
    normal, right = cells.normal * rate[:, None, None], cells.right * rate[:, None]
    theta, weight, scatter = _reweighted(cells, normal, right)
    total = np.einsum("p,pab->ab", weight, normal)
    covariance = _sandwich(total, weight, normal, right, theta)
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    right_variance = float((weight**2 * rate**2 * cells.right_variance).sum())
    model_error = float(np.sqrt(right_variance) / max(float(total[0, 0]), LEAST_INFORMATION))
    # A few cells may by chance scatter less than the noise model says.
    least = model_error * np.sqrt(min(1.0, FEW_CELLS / len(right)))
    error[0] = max(error[0], least, 0.5 * model_error)
    return SharedFit(
        theta=theta,
        error=error,
        model_error=model_error,
        has_tails=tails is not None and _significant(theta[tails], covariance[tails, tails]),
        weight=weight,
        scatter=scatter,
    )


def _reweighted(cells: GroupEquations, normal: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Shared parameters (c,), the cells' weights (p,), and the scatter of their own k in standard errors."""
    precision = cells.normal[:, 0, 0] ** 2 / np.maximum(cells.right_variance, TINY)
    weight, scatter = np.ones(len(right)), 1.0
    theta = _solve(normal.sum(axis=0), right.sum(axis=0))
    for n in range(ROUNDS):
        information = np.where(normal[:, 0, 0] > 0, normal[:, 0, 0], np.nan)
        k = (right[:, 0] - normal[:, 0, 1:] @ theta[1:]) / information
        # The first weights are those about the median, because the first shared k holds the outliers too.
        middle = theta[0] if n else _median_k(k, precision)
        # In standard errors, so that an imprecise cell may lie further from the shared k than a precise one.
        scores = (k - middle) * np.sqrt(precision)
        scatter = max(1.0, mad_scale(scores[np.isfinite(scores)]))
        weight = np.nan_to_num(bisquare(scores, scatter, CELL_OUTLYING))
        theta = _solve(np.einsum("p,pab->ab", weight, normal), weight @ right)
    return theta, weight, scatter


def _median_k(k: FloatArray, precision: FloatArray) -> float:
    """The median over cells of their own k, (p,), each cell counting the same.

    An unweighted median: uncoupled cells have very small standard errors and would dominate a weighted one. Cells
    with less than 5 % of the median precision are left out.
    """
    good = np.isfinite(k)
    good &= precision > IMPRECISE * np.median(precision[good]) if good.any() else good
    return float(np.median(k[good])) if good.any() else 0.0


def _sandwich(
    total: FloatArray, weight: FloatArray, normal: FloatArray, right: FloatArray, theta: FloatArray
) -> FloatArray:
    """Covariance of theta from the departures of the cells' equations, (c, c)."""
    cells = len(right)
    departures = weight[:, None] * (right - np.einsum("pab,b->pa", normal, theta))
    # The cells count as independent samples, so the error includes everything that makes them differ.
    inverse = np.linalg.pinv(total)
    covariance = inverse @ (departures.T @ departures) @ inverse.T
    return np.asarray(covariance * cells / max(cells - 1, 1))


def _significant(tails: FloatArray, covariance: FloatArray) -> bool:
    """Whether the amplitudes of the tails, (4,), differ from 0 by a chi squared test."""
    return bool(tails @ np.linalg.pinv(covariance) @ tails > SIGNIFICANT_TAILS)


def _solve(normal: FloatArray, right: FloatArray) -> FloatArray:
    # Least squares, because without tails in the data their rows are all but singular.
    return np.asarray(np.linalg.lstsq(normal, right, rcond=1e-10)[0])
