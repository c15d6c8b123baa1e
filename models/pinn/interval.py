"""Estimates and 95 % intervals of a PINN's parameters from an ensemble of networks.

All networks but the first saw as much noise again as there is in the traces. So far as an estimate's bias comes from
noise and grows with its variance, it doubles: the mean move of the others' log k from the first is the bias itself
(simulation and extrapolation, Cook and Stefanski 1994). A share of it is taken off; a feed follows, because k times the
mean pull is known.

For one cell with residual weights w(t), noise s and regressor G = M u, the physics loss has the curvature

    I_k = sum w (G - mean G)^2 / s^2,    I_feed = sum w / s^2

in units that the loss does not tell, because network and parameters share the misfit. Their size comes from two
scatters: that of the ensemble, and that of the cells' own k about the common one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.estimate import Estimate
from calcigraph.models.scale import NORMAL, mad_scale
from calcigraph.store.types import BoolArray, FloatArray

SYSTEMATIC = 0.005
"""Of k, one standard deviation: what is left of its error on ground truth without noise."""
TAKEN = 0.6
"""Share of the move that is taken off: the robust loss makes the bias grow faster than the noise's variance."""
DOUBT = 0.4
"""Share of the move that stays uncertain, one standard deviation."""


@dataclass(frozen=True)
class Members:
    """E networks of p cells, in scaled units (intensity in S, time in frames)."""

    k: FloatArray
    """(E, p or 1)"""
    feed: FloatArray
    """(E, p or 1)"""
    k_cell: FloatArray
    """(E, p), each cell's own k with a network that was trained on."""
    feed_cell: FloatArray
    weight: FloatArray
    """(P, p), residual weights of the first network with a k per cell, in frames."""
    change: FloatArray
    """(P, p), M u of that network."""
    noise: FloatArray
    """(p,)"""


@dataclass(frozen=True)
class Estimates:
    """What an ensemble says of p cells."""

    k: Estimate[FloatArray]
    """(p,), 1/s."""
    feed: Estimate[FloatArray]
    """(p,), intensity per second."""
    k_cell: Estimate[FloatArray]
    """(p,), 1/s."""
    disagreement: float
    """Standard deviation of log k over the networks: about their relative disagreement."""


def estimates(members: Members, case: str, no_feed: bool, coupled: BoolArray, dt: float, scale: float) -> Estimates:
    """Values and half-widths from the members. `scale` is S, `coupled` (p,) where k means anything."""
    curvature, feed_curvature, lever = _information(members)
    size, feed_size = _sizes(members, curvature, feed_curvature, lever, coupled)
    factor, doubt = _extrapolation(members.k, coupled)
    common = members.k.shape[1] == 1
    variance = size / (curvature[coupled].sum() if common else curvature)
    k = np.broadcast_to(members.k[0] * factor, coupled.shape)
    k_error = np.sqrt(variance + (doubt**2 + SYSTEMATIC**2) * k**2)
    cell_factor, cell_doubt = _extrapolation(members.k_cell, coupled)
    k_cell = members.k_cell[0] * cell_factor
    cell_error = np.sqrt(size / curvature + (cell_doubt**2 + SYSTEMATIC**2) * k_cell**2)
    feed = members.feed[0] - lever * (k - members.k[0])
    feed_error = np.sqrt(feed_size / feed_curvature + (lever * k_error) ** 2)
    if members.feed.shape[1] == 1:
        share = feed_curvature / feed_curvature.sum()
        feed = np.full_like(k, members.feed[0, 0] - float(share @ (lever * (k - members.k[0]))))
        feed_error = np.full_like(k, np.sqrt(feed_size / feed_curvature.sum() + float(share @ (lever * k_error)) ** 2))
    rate, fed = scale / dt, np.nan if no_feed else 1.0
    known = np.where(coupled, 1.0, np.nan)
    return Estimates(
        k=_rate(known * k / dt, known * NORMAL * k_error / dt),
        feed=Estimate.around(fed * feed * rate, fed * NORMAL * feed_error * rate),
        k_cell=_rate(known * k_cell / dt, known * NORMAL * cell_error / dt),
        disagreement=float(np.std(np.log(np.median(members.k, axis=1)))),
    )


def _rate(values: FloatArray, half: FloatArray) -> Estimate[FloatArray]:
    """A k with its interval, which does not reach below 0."""
    return Estimate(value=values, low=np.maximum(values - half, 0.0), high=values + half)


def _information(members: Members) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Curvature for k with the feed free, for the feed, and the mean regressor that ties them, (p,) each."""
    total = np.maximum(members.weight.sum(axis=0), 1e-9)
    mean = (members.weight * members.change).sum(axis=0) / total
    squares = (members.weight * (members.change - mean) ** 2).sum(axis=0)
    noise = members.noise**2
    return np.maximum(squares / noise, 1e-12), total / noise, mean


def _extrapolation(k: FloatArray, coupled: BoolArray) -> tuple[float, float]:
    """What takes the noise's bias off every k, and the relative doubt that this leaves; 1 and 0 for one network."""
    if len(k) < 2:
        return 1.0, 0.0
    each = np.log(np.median(k[:, coupled] if k.shape[1] > 1 else k, axis=1))
    move = float(each[1:].mean() - each[0])
    scatter = float(each[1:].std(ddof=1)) if len(each) > 2 else abs(move)
    # Beyond a fifth the move is no longer linear in the noise's variance.
    taken = -TAKEN * float(np.clip(move, -0.2, 0.2))
    return float(np.exp(taken)), float(np.hypot(DOUBT * move, scatter / np.sqrt(len(each) - 1)))


def _sizes(
    members: Members, curvature: FloatArray, feed_curvature: FloatArray, lever: FloatArray, coupled: BoolArray
) -> tuple[float, float]:
    """The variance that one unit of curvature leaves, for k and for a feed."""
    from_noise = _variance(members.k_cell, curvature)
    feed_noise = _variance(_feeds(members, lever), feed_curvature)
    if coupled.sum() < 3 or members.k.shape[1] > 1:  # own k: cells differ because they do
        return from_noise, feed_noise
    deviation = (members.k_cell[0] - np.median(members.k_cell[0][coupled])) * np.sqrt(curvature)
    among_cells = mad_scale(deviation[coupled]) ** 2
    return max(from_noise, among_cells), feed_noise


def _feeds(members: Members, lever: FloatArray) -> FloatArray:
    """A feed per cell in every network, (E, p), at the k that the cells have in common where they do."""
    if members.feed.shape[1] == members.k_cell.shape[1]:
        return members.feed
    return np.asarray(members.feed_cell + lever * (members.k_cell - members.k))


def _variance(values: FloatArray, curvature: FloatArray) -> float:
    """Robust variance of the noisy networks about their mean, per unit of curvature; 1 where there are too few."""
    if len(values) < 3:
        return 1.0
    deviations = (values[1:] - values[1:].mean(axis=0)) * np.sqrt(curvature)
    return mad_scale(deviations) ** 2 * (len(values) - 1) / (len(values) - 2)
