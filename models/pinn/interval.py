"""Estimates and 95 % intervals of a PINN's parameters, from an ensemble of networks.

All networks but the first see twice the noise variance. A bias proportional to that variance doubles, so their mean
difference in log k from the first network equals the bias (simulation and extrapolation, Cook and Stefanski 1994). A
share of it is subtracted. The feed is moved with k, because the data determine the sum of the feed and k times the
mean of M u.

For one cell with residual weights w(t), noise s and consensus term G = M u, the physics loss has the curvatures

    I_k = sum w (G - mean G)^2 / s^2,    I_feed = sum w / s^2

The variance of an estimate is a factor over its curvature. The loss does not determine this factor, because network
and parameters share the misfit. It is taken from the scatter over the ensemble or, if larger, from the scatter of the
cells' own k about the shared one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.estimate import Estimate
from calcigraph.models.scale import NORMAL, mad_scale
from calcigraph.store.types import BoolArray, FloatArray

SYSTEMATIC = 0.005
"""Standard deviation, relative to k, of the error that is left on ground truth without noise."""
BIAS_SHARE = 0.6
"""Share of the estimated bias that is subtracted. Under the robust loss, bias grows faster than the noise variance."""
BIAS_DOUBT = 0.4
"""Standard deviation of what stays uncertain of the bias, as a share of it."""
LARGEST_BIAS = 0.2
"""Most of log k that is taken for bias: beyond, it is no longer linear in the noise variance."""
FEWEST_CELLS = 3
"""Cells with contacts from which their scatter of k is estimated."""
LEAST_WEIGHT, LEAST_CURVATURE = 1e-9, 1e-12
"""Guards against a division by 0 where all residuals of a cell are rejected."""


@dataclass(frozen=True)
class Members:
    """An ensemble of E networks, p cells, P points in time. Scaled units: intensity in S, time in frames.

    The refined networks are those with a k and a feed per cell. In cases cell and per-cell-k they are the ensemble
    itself.
    """

    k: FloatArray
    """(E, p or 1), of the ensemble."""
    feed: FloatArray
    """(E, p or 1), of the ensemble."""
    k_cell: FloatArray
    """(E, p), of the refined networks."""
    feed_cell: FloatArray
    """(E, p), of the refined networks."""
    weight: FloatArray
    """(P, p), residual weights of the first refined network; their sum over time is in frames."""
    consensus: FloatArray
    """(P, p), M u of the first refined network."""
    noise: FloatArray
    """(p,), standard deviation of the noise in each trace."""


@dataclass(frozen=True)
class Estimates:
    """Parameters of p cells with their 95 % intervals, from an ensemble."""

    k: Estimate[FloatArray]
    """(p,), 1/s."""
    feed: Estimate[FloatArray]
    """(p,), intensity per second."""
    k_cell: Estimate[FloatArray]
    """(p,), 1/s."""
    disagreement: float
    """Standard deviation of log k over the networks: about their relative disagreement."""


@dataclass(frozen=True)
class _Information:
    """What the physics loss says of k and the feed of each cell, (p,) each."""

    k: FloatArray
    """Curvature for k with the feed free."""
    feed: FloatArray
    """Curvature for the feed."""
    mean_consensus: FloatArray
    """Weighted mean of M u: if k rises by d, the feed that fits best falls by d times this."""


def estimates(members: Members, coupled: BoolArray, *, dt: float, scale: float, no_feed: bool = False) -> Estimates:
    """Values and 95 % intervals of k and the feeds.

    Parameters
    ----------
    members
        The trained networks, p cells.
    coupled
        (p,), whether the cell has contacts. Without any it has no k.
    dt
        Seconds between frames.
    scale
        S, the intensity that 1 stands for in `members`.
    no_feed
        Whether the feeds were held at 0: then there are none to estimate.

    Returns
    -------
    Estimates
        NaN for the k of a cell without contacts, and for the feeds with `no_feed`.

    Examples
    --------
    One network has no scatter, so its curvature alone makes the interval:

    >>> ones, points = np.ones((1, 4)), np.ones((50, 4))
    >>> consensus = points * np.linspace(-1, 1, 50)[:, None]
    >>> members = Members(k=0.1 * ones[:, :1], feed=0 * ones, k_cell=0.1 * ones, feed_cell=0 * ones,
    ...                   weight=points, consensus=consensus, noise=0.01 * ones[0])
    >>> found = estimates(members, np.ones(4, dtype=bool), dt=10.0, scale=0.2)
    >>> round(float(found.k.value[0]), 4), round(float(found.k.half[0]), 6)
    (0.01, 0.000255)
    """
    information = _information(members)
    k_factor, feed_factor = _variance_factors(members, information, coupled)

    # On a shared k the cells' information adds up.
    shared = members.k.shape[1] == 1
    correction, doubt = _bias_correction(members.k, coupled)
    variance = k_factor / (information.k[coupled].sum() if shared else information.k)
    k = np.broadcast_to(members.k[0] * correction, coupled.shape)
    # Scatter, doubt about the bias and systematic error are independent: their squares add up.
    k_error = np.sqrt(variance + (doubt**2 + SYSTEMATIC**2) * k**2)

    cell_correction, cell_doubt = _bias_correction(members.k_cell, coupled)
    k_cell = members.k_cell[0] * cell_correction
    cell_error = np.sqrt(k_factor / information.k + (cell_doubt**2 + SYSTEMATIC**2) * k_cell**2)

    feed, feed_error = _feeds_at(members, information, k, k_error, feed_factor)
    # From S and frames back to intensity and seconds.
    k_known = np.where(coupled, 1.0, np.nan)
    feed_known = np.nan if no_feed else 1.0
    feed_unit = scale / dt
    return Estimates(
        k=_rate(k_known * k / dt, k_known * NORMAL * k_error / dt),
        feed=Estimate.around(feed_known * feed * feed_unit, feed_known * NORMAL * feed_error * feed_unit),
        k_cell=_rate(k_known * k_cell / dt, k_known * NORMAL * cell_error / dt),
        disagreement=float(np.std(np.log(np.median(members.k, axis=1)))),
    )


def _rate(values: FloatArray, half: FloatArray) -> Estimate[FloatArray]:
    """A k with its interval, which does not reach below 0."""
    return Estimate(value=values, low=np.maximum(values - half, 0.0), high=values + half)


def _information(members: Members) -> _Information:
    frames = np.maximum(members.weight.sum(axis=0), LEAST_WEIGHT)
    mean = (members.weight * members.consensus).sum(axis=0) / frames
    squares = (members.weight * (members.consensus - mean) ** 2).sum(axis=0)
    variance = members.noise**2
    return _Information(
        k=np.maximum(squares / variance, LEAST_CURVATURE),
        feed=frames / variance,
        mean_consensus=mean,
    )


def _bias_correction(k: FloatArray, coupled: BoolArray) -> tuple[float, float]:
    """The factor that removes the noise's bias from every k, (E, p or 1), and the relative doubt that this leaves.

    1 and 0 for one network, which knows nothing of its bias.
    """
    if len(k) < 2:
        return 1.0, 0.0
    # In logs, because k is positive and its errors are relative.
    log_k = np.log(np.median(k[:, coupled] if k.shape[1] > 1 else k, axis=1))
    noisy = log_k[1:]
    bias = float(noisy.mean() - log_k[0])
    scatter = float(noisy.std(ddof=1)) if len(noisy) > 1 else abs(bias)
    correction = -BIAS_SHARE * float(np.clip(bias, -LARGEST_BIAS, LARGEST_BIAS))
    return float(np.exp(correction)), float(np.hypot(BIAS_DOUBT * bias, scatter / np.sqrt(len(noisy))))


def _variance_factors(members: Members, information: _Information, coupled: BoolArray) -> tuple[float, float]:
    """Variance times curvature, of k and of a feed."""
    over_ensemble = _variance(members.k_cell, information.k)
    feed_factor = _variance(_feeds_per_cell(members, information), information.feed)
    # Where every cell has its own k, cells differ because they do, not by chance.
    if coupled.sum() < FEWEST_CELLS or members.k.shape[1] > 1:
        return over_ensemble, feed_factor
    departure = members.k_cell[0] - np.median(members.k_cell[0][coupled])
    among_cells = mad_scale((departure * np.sqrt(information.k))[coupled]) ** 2
    return max(over_ensemble, among_cells), feed_factor


def _feeds_per_cell(members: Members, information: _Information) -> FloatArray:
    """A feed for every cell in every network, (E, p): at the shared k, where there is one."""
    if members.feed.shape[1] == members.k_cell.shape[1]:
        return members.feed
    return np.asarray(members.feed_cell + information.mean_consensus * (members.k_cell - members.k))


def _variance(values: FloatArray, curvature: FloatArray) -> float:
    """Robust variance of the noisy networks' values (E, p) about their mean, times the curvature; 1 for too few."""
    if len(values) < 3:
        return 1.0
    noisy = values[1:]
    deviations = (noisy - noisy.mean(axis=0)) * np.sqrt(curvature)
    # The mean over the networks takes one degree of freedom.
    return mad_scale(deviations) ** 2 * len(noisy) / (len(noisy) - 1)


def _feeds_at(
    members: Members, information: _Information, k: FloatArray, k_error: FloatArray, factor: float
) -> tuple[FloatArray, FloatArray]:
    """The feeds at the corrected k, (p,), and their standard errors; both are the same for all cells that share one."""
    shift = information.mean_consensus * (k - members.k[0])
    error_by_k = information.mean_consensus * k_error
    if members.feed.shape[1] > 1:
        return members.feed[0] - shift, np.sqrt(factor / information.feed + error_by_k**2)
    # The shared feed is the mean over the cells, weighted by information.
    share = information.feed / information.feed.sum()
    feed = members.feed[0, 0] - float(share @ shift)
    error = np.sqrt(factor / information.feed.sum() + float(share @ error_by_k) ** 2)
    return np.full_like(k, feed), np.full_like(k, error)
