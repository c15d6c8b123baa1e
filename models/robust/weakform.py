"""The weak form of the consensus equation over frames, with the test functions that the noise asks for.

Integrated over frame m, arXiv:2505.20327, eqs. 1-4 read

    y_(m+1) - y_m  =  k dt <M y>_m + dt gamma_i + noise,    <M y>_m the mean of M y over the frame,

exact but for the mean, which is the four-point cubic rule. Measurement noise of variance s^2 enters the increments as
a moving average, so their covariance is proportional to the tridiagonal Omega = tridiag(-1, 2 + q, -1): q = 0 for
measurement noise alone, more where the dynamics adds noise of its own. Generalised least squares with it multiplies
the increments by the test functions u = Omega^-1 <M y>; their kernel falls off as exp(-|m| sqrt(q)), so 1 / sqrt(q) is
the half-width in frames. Summed by parts no difference is taken: this is the weak form. Frames that are masked
(sources that no model knows of) leave Omega with their rows and columns.

Noise in <M y> attenuates k. Its share in the normal matrix is known exactly, s^2 trace(P Q Q'), with P the projected
Omega^-1 and Q the four-point rule; it never enters the right side, because Q is even and the difference is odd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.quadrature import RULE
from calcigraph.store.types import BoolArray, FloatArray

RULE_COVARIANCE = np.correlate(RULE, RULE, "full")[3:]
"""Q Q' by lag, 0 to 3 frames: of means that share samples."""
DIFFERENCE_COVARIANCE = np.array([2.0, -1.0, 0.0, 0.0])
EDGE_FRAMES = 1
"""Frames at either end whose mean has no four samples: not used."""


@dataclass(frozen=True)
class Rows:
    """The increments and regressors of p cells over F frames; the first `noisy` regressors carry measurement noise."""

    increments: FloatArray
    """(p, F), y_(m+1) - y_m."""
    regressors: FloatArray
    """(c, p, F), coupling first, then leak, then tails."""
    coefficients: FloatArray
    """(p, c'), the cell's own coefficient in each noisy regressor, in units of dt: -rate for coupling, -1 for leak."""
    around: FloatArray
    """(p,), variance that the neighbours' noise gives the coupling regressor: dt^2 sum_j (w_ij / |N_i|)^2 s_j^2."""
    own: FloatArray
    """(p,), variance s_i^2 of a cell's own measurement noise."""
    dt: float

    def noise(self, lagged: FloatArray) -> FloatArray:
        """(p, c', c'), expected share of measurement noise in the normal matrix, from trace(P Q Q') per cell, (p,)."""
        share: FloatArray = self.dt**2 * np.einsum("pa,pb->pab", self.coefficients, self.coefficients)
        share *= self.own[:, None, None]
        share[:, 0, 0] += self.around
        return share * lagged[:, None, None]


@dataclass(frozen=True)
class Moments:
    """The normal equations of each cell, its feed eliminated: normal @ theta = right."""

    normal: FloatArray
    """(p, c, c)."""
    right: FloatArray
    """(p, c)."""
    noise: FloatArray
    """(p, c, c), the part of `normal` that measurement noise is expected to add."""
    mean_regressors: FloatArray
    """(p, c), weighted as the feed is."""
    mean_increment: FloatArray
    """(p,)."""
    weight: FloatArray
    """(p,), 1' Omega^-1 1: the information on the feed, in units of 1 / s_i^2; 0 where every frame is masked."""
    coupling_square: FloatArray
    """(p,), sum of squares of the coupling's test function: what its information loses per unit of q too many."""
    weight_square: FloatArray
    """(p,), the same of the feed's."""


def moments(rows: Rows, used: BoolArray, q: FloatArray, feed: bool = True) -> Moments:
    """The normal equations over the used frames, (p, F), with q of Omega, (p,)."""
    solved, inverse = _solve(used, q, np.concatenate([rows.regressors, np.ones((1, *used.shape))]))
    constant = np.where(used, solved[-1], 0.0)
    weight = constant.sum(axis=1)
    safe = np.where(weight > 0, weight, 1.0)
    mean = np.einsum("pf,cpf->pc", constant, rows.regressors) / safe[:, None]
    mean_increment = np.einsum("pf,pf->p", constant, rows.increments) / safe
    if not feed:
        mean, mean_increment = np.zeros_like(mean), np.zeros_like(mean_increment)
    tests = solved[:-1] - mean.T[:, :, None] * constant
    normal = np.einsum("apf,bpf->pab", tests, rows.regressors)
    noisy = rows.coefficients.shape[1]
    noise = np.zeros_like(normal)
    noise[:, :noisy, :noisy] = rows.noise(_trace(inverse, constant, safe, feed))
    right = np.einsum("apf,pf->pa", tests, rows.increments)
    squares = (tests[0] ** 2).sum(axis=1), (constant**2).sum(axis=1)
    return Moments(normal, right, noise, mean, mean_increment, weight, *squares)


def _solve(used: BoolArray, q: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Omega^-1 right, (c, p, F), zero in masked frames, and the band of Omega^-1 by lag 0 to 3, (4, p, F)."""
    p, frames = used.shape
    kept = np.ascontiguousarray(used.T).astype(np.float64)
    pair = kept[1:] * kept[:-1]  # where Omega has its -1
    diagonal = 1 + (1 + q) * kept
    x = np.empty((frames, len(right), p))
    for n, values in enumerate(right):
        np.multiply(values.T, kept, out=x[:, n])
    inverse_pivot, ratio, step = np.empty((frames, p)), np.zeros((frames, p)), np.empty(x.shape[1:])
    np.divide(1.0, diagonal[0], out=inverse_pivot[0])
    for m in range(1, frames):
        np.multiply(pair[m - 1], inverse_pivot[m - 1], out=ratio[m - 1])
        np.divide(1.0, diagonal[m] - ratio[m - 1], out=inverse_pivot[m])
        x[m] += np.multiply(ratio[m - 1], x[m - 1], out=step)
    x *= inverse_pivot[:, None]
    band = np.zeros((len(RULE_COVARIANCE), frames, p))
    band[0] = inverse_pivot
    square = ratio**2
    for m in range(frames - 2, -1, -1):
        x[m] += np.multiply(ratio[m], x[m + 1], out=step)
        band[0, m] += square[m] * band[0, m + 1]
    # Omega^-1 = L'^-1 D^-1 L^-1: an entry follows from the row below it.
    for lag in range(1, min(len(band), frames)):
        np.multiply(ratio[:-1], band[lag - 1, 1:], out=band[lag, :-1])
    band *= kept
    return np.ascontiguousarray(x.transpose(1, 2, 0)), band.transpose(0, 2, 1)


def _trace(band: FloatArray, constant: FloatArray, weight: FloatArray, feed: bool) -> FloatArray:
    """trace(P Q Q'), (p,): P is Omega^-1, less its projection on the feed."""
    lags = np.where(np.arange(len(band)) > 0, 2.0, 1.0) * RULE_COVARIANCE
    total: FloatArray = np.einsum("l,lpf->p", lags, band)
    if feed:
        for lag, share in enumerate(lags):
            total -= share * (constant[:, lag:] * constant[:, : constant.shape[1] - lag]).sum(axis=1) / weight
    return total


def residual_covariance(rows: Rows, theta: FloatArray) -> FloatArray:
    """What measurement noise alone makes of the residuals' covariance at lags 0 and 1, (2, p), theta (p, c').

    r = D v_i - dt theta (own Q v_i + ...): the cross terms of D (odd) and Q (even) cancel between lag and -lag.
    """
    own = (rows.dt * (theta * rows.coefficients).sum(axis=1)) ** 2 * rows.own + theta[:, 0] ** 2 * rows.around
    result: FloatArray = DIFFERENCE_COVARIANCE[:2, None] * rows.own + RULE_COVARIANCE[:2, None] * own
    return result
