"""The weak form of the consensus equation over frames, with the test functions that suit the noise.

Integrated over frame m, arXiv:2505.20327, eqs. 1-4 read

    y_(m+1) - y_m  =  k dt <M y>_m + dt gamma_i + noise,    <M y>_m the mean of M y over the frame.

This is exact, except that the mean is taken by the four-point cubic rule (quadrature.py).

Measurement noise of variance s^2 enters the increments as a moving average. Their covariance is therefore
proportional to the tridiagonal matrix Omega = tridiag(-1, 2 + q, -1). q is 0 for measurement noise alone, and larger
where the dynamics adds noise of its own. Generalised least squares with Omega multiplies the increments by the test
functions u = Omega^-1 <M y>. Their kernel falls off as exp(-|m| sqrt(q)), so 1 / sqrt(q) is their half-width in
frames. Summed by parts, no difference of samples is taken: this is the weak form. Masked frames (transients that the
model does not describe) leave Omega with their rows and columns.

Noise in <M y> makes k too small (attenuation). Its part in the normal matrix is known exactly:
s^2 trace(P Q Q'), with P the projected Omega^-1 and Q the four-point rule. It has no part in the right side, because
Q is even and the difference is odd.

Shapes: p cells, F frame steps, c regressors, of which the first c' carry measurement noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.quadrature import RULE
from calcigraph.store.types import BoolArray, FloatArray

RULE_COVARIANCE = np.correlate(RULE, RULE, "full")[3:]
"""Q Q' by lag, 0 to 3 frames: covariance of frame means of white noise, because they share samples."""
DIFFERENCE_COVARIANCE = np.array([2.0, -1.0, 0.0, 0.0])
"""D D' by lag, 0 to 3 frames: covariance of increments of white noise."""
EDGE_FRAMES = 1
"""Frames at either end whose mean has no four samples: not used."""


@dataclass(frozen=True)
class Rows:
    """The increments and regressors of p cells over F frames."""

    increments: FloatArray
    """(p, F), y_(m+1) - y_m."""
    regressors: FloatArray
    """(c, p, F), coupling first, then leak, then tails."""
    coefficients: FloatArray
    """(p, c'), the cell's own coefficient in each noisy regressor, in units of dt: -rate for coupling, -1 for leak."""
    neighbour_noise: FloatArray
    """(p,), variance that the neighbours' noise gives the coupling regressor: dt^2 sum_j (w_ij / |N_i|)^2 s_j^2."""
    noise_variance: FloatArray
    """(p,), variance s_i^2 of the cell's measurement noise."""
    dt: float
    """Seconds between frames."""

    def noise_in_normal(self, lagged: FloatArray) -> FloatArray:
        """Expected part of measurement noise in the normal matrix, (p, c', c'), from trace(P Q Q') per cell, (p,)."""
        share: FloatArray = self.dt**2 * np.einsum("pa,pb->pab", self.coefficients, self.coefficients)
        share *= self.noise_variance[:, None, None]
        share[:, 0, 0] += self.neighbour_noise
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
    """(p, c), means over the frames with the weights of the feed, Omega^-1 1."""
    mean_increment: FloatArray
    """(p,), the same mean of the increments."""
    feed_information: FloatArray
    """(p,), 1' Omega^-1 1: the information on the feed, in units of 1 / s_i^2; 0 where every frame is masked."""
    coupling_square: FloatArray
    """(p,), sum of squares of the coupling's test function: minus the derivative of its information by q."""
    feed_square: FloatArray
    """(p,), the same of the feed's test function."""


def moments(rows: Rows, used: BoolArray, q: FloatArray, feed: bool = True) -> Moments:
    """The normal equations of each cell: X P X' theta = X P d, with P = Omega^-1 less its projection on the feed.

    Parameters
    ----------
    rows
        Increments d and regressors X.
    used
        Frames that are not masked, (p, F).
    q
        q of Omega, (p,), dimensionless, above 0.
    feed
        Whether each cell has a feed of its own, which is eliminated; else P = Omega^-1.

    Returns
    -------
    Moments
        Before division by the cell's noise variance.
    """
    factor = _factorise(used, q)
    # One solution for all right sides; the last one, of the constant 1, is the test function of the feed.
    solved = factor.solve(np.concatenate([rows.regressors, np.ones((1, *used.shape))]))
    constant = np.where(used, solved[-1], 0.0)
    information = constant.sum(axis=1)
    safe = np.where(information > 0, information, 1.0)
    mean = np.einsum("pf,cpf->pc", constant, rows.regressors) / safe[:, None]
    mean_increment = np.einsum("pf,pf->p", constant, rows.increments) / safe
    # Eliminating the feed makes every test function orthogonal to a constant.
    if not feed:
        mean, mean_increment = np.zeros_like(mean), np.zeros_like(mean_increment)
    tests = solved[:-1] - mean.T[:, :, None] * constant
    normal = np.einsum("apf,bpf->pab", tests, rows.regressors)
    lagged = _trace(factor.inverse_band(), constant, safe, feed)
    noise, noisy = np.zeros_like(normal), rows.coefficients.shape[1]
    noise[:, :noisy, :noisy] = rows.noise_in_normal(lagged)
    return Moments(
        normal=normal,
        right=np.einsum("apf,pf->pa", tests, rows.increments),
        noise=noise,
        mean_regressors=mean,
        mean_increment=mean_increment,
        feed_information=information,
        coupling_square=(tests[0] ** 2).sum(axis=1),
        feed_square=(constant**2).sum(axis=1),
    )


@dataclass(frozen=True)
class _Factor:
    """Omega = L D L' of every cell; L has 1 on its diagonal and -ratio below. Frames first: a step is one row."""

    inverse_pivot: FloatArray
    """(F, p), 1 / D."""
    ratio: FloatArray
    """(F, p)."""
    kept: FloatArray
    """(F, p), 1 in used frames, 0 in masked ones."""

    def solve(self, right: FloatArray) -> FloatArray:
        """Omega^-1 right, (c, p, F), zero in masked frames."""
        frames, p = self.kept.shape
        x = np.empty((frames, len(right), p))
        for n, values in enumerate(right):
            np.multiply(values.T, self.kept, out=x[:, n])
        # Forward with L, division by D, backward with L'. `step` avoids a new array in every one of the 2 F steps.
        step = np.empty(x.shape[1:])
        for m in range(1, frames):
            x[m] += np.multiply(self.ratio[m - 1], x[m - 1], out=step)
        x *= self.inverse_pivot[:, None]
        for m in range(frames - 2, -1, -1):
            x[m] += np.multiply(self.ratio[m], x[m + 1], out=step)
        return np.ascontiguousarray(x.transpose(1, 2, 0))

    def inverse_band(self) -> FloatArray:
        """The band of Omega^-1 by lag, (4, p, F): as many lags as the four-point rule correlates."""
        frames, p = self.kept.shape
        band = np.zeros((len(RULE_COVARIANCE), frames, p))
        band[0] = self.inverse_pivot
        # Omega^-1 = L'^-1 D^-1 L^-1, so an entry follows from the row below it (Takahashi's recursion).
        square = self.ratio**2
        for m in range(frames - 2, -1, -1):
            band[0, m] += square[m] * band[0, m + 1]
        for lag in range(1, min(len(band), frames)):
            below = band[lag - 1, 1:]
            np.multiply(self.ratio[:-1], below, out=band[lag, :-1])
        band *= self.kept
        return band.transpose(0, 2, 1)


def _factorise(used: BoolArray, q: FloatArray) -> _Factor:
    p, frames = used.shape
    kept = np.ascontiguousarray(used.T).astype(np.float64)
    # A masked frame becomes a row of the identity: 1 on the diagonal, nothing beside it.
    neighbouring = kept[1:] * kept[:-1]
    diagonal = 1 + (1 + q) * kept
    inverse_pivot, ratio = np.empty((frames, p)), np.zeros((frames, p))
    np.divide(1.0, diagonal[0], out=inverse_pivot[0])
    for m in range(1, frames):
        np.multiply(neighbouring[m - 1], inverse_pivot[m - 1], out=ratio[m - 1])
        np.divide(1.0, diagonal[m] - ratio[m - 1], out=inverse_pivot[m])
    return _Factor(inverse_pivot=inverse_pivot, ratio=ratio, kept=kept)


def _trace(band: FloatArray, constant: FloatArray, information: FloatArray, feed: bool) -> FloatArray:
    """trace(P Q Q'), (p,), from the band of Omega^-1, (4, p, F), and the test function of the feed, (p, F)."""
    # Off the diagonal every lag occurs on both sides.
    lags = np.where(np.arange(len(band)) > 0, 2.0, 1.0) * RULE_COVARIANCE
    total: FloatArray = np.einsum("l,lpf->p", lags, band)
    # The projection on the feed is the rank-one matrix constant constant' / information.
    if feed:
        frames = constant.shape[1]
        for lag, share in enumerate(lags):
            products = constant[:, lag:] * constant[:, : frames - lag]
            total -= share * products.sum(axis=1) / information
    return total


def residual_covariance(rows: Rows, theta: FloatArray) -> FloatArray:
    """What measurement noise alone makes of the residuals' covariance at lags 0 and 1.

    The residual is r = D v_i - dt theta (coefficient Q v_i + neighbours), with v_i the cell's measurement noise. The
    products of D (odd) and Q (even) cancel between lag and -lag.

    Parameters
    ----------
    rows
        The cells; their noise variances are used.
    theta
        The parameters of the noisy regressors, (p, c'), 1/s.

    Returns
    -------
    FloatArray
        (2, p), intensity squared.
    """
    coefficient = rows.dt * (theta * rows.coefficients).sum(axis=1)
    in_regressors = coefficient**2 * rows.noise_variance + theta[:, 0] ** 2 * rows.neighbour_noise
    in_increments = DIFFERENCE_COVARIANCE[:2, None] * rows.noise_variance
    total: FloatArray = in_increments + RULE_COVARIANCE[:2, None] * in_regressors
    return total
