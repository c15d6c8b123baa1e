"""95 % intervals of a PINN's parameters: the Laplace approximation's shape, the scatter's size.

For one cell with residual weights w(t), noise s and regressor G = M u, the physics loss has the curvature

    I_k = sum w (G - mean G)^2 / s^2,    I_feed = sum w / s^2,    cov(k, feed) through mean G

in units that the loss does not tell, because network and parameters share the misfit. Their size comes from two
scatters: that of the ensemble, whose members saw different noise, and that of the cells' own k about the common one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray

NORMAL = 1.96
SYSTEMATIC = 0.01
"""Of k: what was left of it on ground truth when noise was not the cause (docs/identification.md)."""
MAD = 0.6745


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
    """(P, p), the first network's residual weights, in frames."""
    change: FloatArray
    """(P, p), M u of the first network."""
    noise: FloatArray
    """(p,)"""


@dataclass(frozen=True)
class Estimates:
    """In 1/s and intensity per second, (p,) each; `spread` is the ensemble's deviation of k over k."""

    k: FloatArray
    k_half: FloatArray
    feed: FloatArray
    feed_half: FloatArray
    k_cell: FloatArray
    k_cell_half: FloatArray
    spread: float

    def intervals(self) -> dict[str, FloatArray]:
        """Values with _low and _high, by the names of PinnFit. A k is not below 0."""
        result: dict[str, FloatArray] = {}
        for name, lowest in (("k", 0.0), ("feed", -np.inf), ("k_cell", 0.0)):
            value, half = getattr(self, name), getattr(self, f"{name}_half")
            result |= {name: value, f"{name}_low": np.maximum(value - half, lowest), f"{name}_high": value + half}
        return result


def estimates(members: Members, case: str, no_feed: bool, coupled: BoolArray, dt: float, scale: float) -> Estimates:
    """Values and half-widths from the members. `scale` is S, `coupled` (p,) where k means anything."""
    p = len(coupled)
    curvature, feed_curvature, lever = _information(members)
    common = members.k.shape[1] == 1
    k, k_cell = np.broadcast_to(members.k[0], p), members.k_cell[0]
    size, feed_size = _sizes(members, curvature, feed_curvature, coupled)
    cell_error = np.sqrt(size / curvature + _shift(members.k_cell) ** 2)
    if common:
        drift = float(_shift(members.k)[0])
        k_error = np.full(p, sqrt(size / curvature[coupled].sum() + drift**2 + (SYSTEMATIC * float(k[0])) ** 2))
    else:
        k_error = np.sqrt(cell_error**2 + (SYSTEMATIC * k) ** 2)
    feed_error = np.sqrt(feed_size / feed_curvature + (lever * k_error) ** 2)
    if members.feed.shape[1] == 1:
        feed_error = np.full(p, np.sqrt(np.mean(feed_error**2) / p + np.mean(lever * k_error) ** 2))
    none = np.full(p, np.nan)
    rate = scale / dt
    return Estimates(
        k=np.where(coupled, k, np.nan) / dt,
        k_half=np.where(coupled, NORMAL * k_error, np.nan) / dt,
        feed=none if no_feed else np.broadcast_to(members.feed[0], p) * rate,
        feed_half=none if no_feed else NORMAL * feed_error * rate,
        k_cell=np.where(coupled, k_cell, np.nan) / dt,
        k_cell_half=np.where(coupled, NORMAL * np.sqrt(cell_error**2 + (SYSTEMATIC * k_cell) ** 2), np.nan) / dt,
        spread=float(np.std(np.median(members.k, axis=1)) / np.median(members.k)),
    )


def _information(members: Members) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Curvature for k with the feed free, for the feed, and the mean regressor that ties them, (p,) each."""
    total = np.maximum(members.weight.sum(axis=0), 1e-9)
    mean = (members.weight * members.change).sum(axis=0) / total
    squares = (members.weight * (members.change - mean) ** 2).sum(axis=0)
    noise = members.noise**2
    return np.maximum(squares / noise, 1e-12), total / noise, mean


def _sizes(
    members: Members, curvature: FloatArray, feed_curvature: FloatArray, coupled: BoolArray
) -> tuple[float, float]:
    """The variance that one unit of curvature leaves, for k and for a feed."""
    from_noise = _variance(members.k_cell, curvature)
    feed_noise = _variance(members.feed_cell, feed_curvature)
    if coupled.sum() < 3:
        return from_noise, feed_noise
    deviation = (members.k_cell[0] - np.median(members.k_cell[0][coupled])) * np.sqrt(curvature)
    among_cells = float(np.median(np.abs(deviation[coupled])) / MAD) ** 2
    if members.k.shape[1] > 1:
        among_cells = 0.0  # own k: cells differ because they do
    size = max(from_noise, among_cells)
    return size, feed_noise * max(1.0, size / max(from_noise, 1e-30))


def _variance(values: FloatArray, curvature: FloatArray) -> float:
    if len(values) < 2:
        return 1.0
    deviations = values[1:] - (values[1:].mean(axis=0) if len(values) > 2 else values[:1])
    freedom = max(1, len(values) - 2) / max(1, len(values) - 1)
    return float(np.median(deviations**2 * curvature) / MAD**2 / freedom)


def _shift(values: FloatArray) -> FloatArray:
    """How far doubling the noise moves the estimates on average: what the noise itself has done to them."""
    if len(values) < 2:
        return np.zeros(values.shape[1])
    return np.asarray(np.abs(values[1:].mean(axis=0) - values[0]))
