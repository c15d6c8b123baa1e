"""From the cells' normal equations to the culture's parameters, each cell's own, and their standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.models.robust.sources import TAIL_FRAMES
from calcigraph.models.scale import bisquare, mad_scale
from calcigraph.store.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from calcigraph.models.robust.batches import Batch, Piece, Settings

WIDEST = 10.0
"""Half-width, frames: slow drifts that no model knows of stay out of longer windows."""
NARROWEST = 0.3
CELL_OUTLYING = 6.0
"""Standard errors at which a cell's own k has no weight in the shared one."""
SIGNIFICANT_TAILS = 20.0
"""Chi squared with 4 degrees of freedom (p = 0.0005) from which tails are kept."""
LEAST_EXCESS, LEAST_UNIT = 0.5, 1e-12
MASKING = 0.1
"""Share of the residuals' variance by which the measure of noise may fall short because of masked frames."""
LEAST_INFORMATION = 1e-300
ROUNDS = 12


@dataclass(frozen=True)
class Pooled:
    """Parameters of g groups and their p cells; errors are standard errors."""

    theta: FloatArray
    """(g, c), shared: k, leak, feed, tails, as far as they are fitted."""
    error: FloatArray
    """(g, c)."""
    model_error: FloatArray
    """(g,), standard error of k from the noise model alone."""
    has_tails: BoolArray
    """(g,), whether tails were fitted and are significant."""
    k_cell: FloatArray
    """(p,), 1/s; NaN where the data leave nothing."""
    k_cell_error: FloatArray
    feed: FloatArray
    """(p,), intensity per second, with the shared k; 0 where the feed is shared or absent."""
    feed_error: FloatArray
    feed_cell: FloatArray
    """(p,), with the cell's own k."""
    feed_cell_error: FloatArray
    q: FloatArray
    """(p,)."""
    noise: FloatArray
    """(g,), measurement noise (variance) as a multiple of the profile's."""
    excess: FloatArray
    """(g,), variance of the increments beyond measurement noise, as a multiple of the profile's."""
    attenuation: FloatArray
    """(g,), share of the information on k that comes from noise in the regressors: the correction made for it."""
    attenuation_cell: FloatArray
    """(p,), the same of each cell."""
    scatter: FloatArray
    """(g,), of the cells' own k about the shared one, in standard errors: 1 where only noise tells them apart."""
    weight: FloatArray
    """(p,), 0 to 1, what a cell counts in the shared k."""
    excess_cell: FloatArray
    """(p,), variance of the residual over what the culture's noise explains; about 1."""
    autocorrelation: FloatArray
    """(p,), of the residual at lag 2, where measurement noise has next to none."""
    constancy: FloatArray
    """(p,), share of the coupling regressor's mean square that a constant explains: 1 means k and feed are one."""


def pool(batches: Sequence[Batch], pieces: Sequence[Piece], settings: Settings, tailed: bool) -> Pooled:
    """Solve for everything, from what a round made of every batch."""
    return _Pool(batches, pieces, settings, tailed).result()


class _Pool:
    """The cells of all batches side by side. Variances are in units of the cells' noise profile."""

    def __init__(self, batches: Sequence[Batch], pieces: Sequence[Piece], settings: Settings, tailed: bool) -> None:
        self.settings, self.tailed, self.dt = settings, tailed, batches[0].dt
        self.group = np.concatenate([batch.group for batch in batches])
        self.groups = int(self.group.max()) + 1
        self.own = np.concatenate([batch.own for batch in batches])
        self.base = len(batches[0].regressors)
        self.covariance = np.concatenate([piece.covariance for piece in pieces], axis=1) / self.own
        self.expected = np.concatenate([piece.expected for piece in pieces], axis=1) / self.own

        def of(name: str) -> FloatArray:
            return np.concatenate([getattr(piece.moments, name) for piece in pieces])

        self.normal = of("normal") / self.own[:, None, None]
        self.right = of("right") / self.own[:, None]
        self.added = of("noise") / self.own[:, None, None]
        self.means, self.mean_increment = of("mean_regressors"), of("mean_increment")
        self.information = of("weight") / self.own
        self.squares, self.feed_squares = of("coupling_square") / self.own, of("weight_square") / self.own
        self.q_used = np.concatenate([piece.q for piece in pieces])
        self.known = self.normal[:, 0, 0] > 0

    def result(self) -> Pooled:
        noise, excess = self._noise_levels()
        at = self.group
        expected = noise[at] * self.expected[0] + excess[at]
        q_seen = self._omega(-noise[at] * self.expected[1], expected)
        excess_cell = self.covariance[0] / np.maximum(expected, np.finfo(float).tiny)
        # Omega has 2 + q on its diagonal: what its unit stands for. The q in use may not be the one that is seen.
        self.unit = np.maximum(np.clip(excess_cell, LEAST_EXCESS, None) * expected / (2 + q_seen), LEAST_UNIT)
        self.variance = self.unit * np.maximum(self.normal[:, 0, 0] + (q_seen - self.q_used) * self.squares, 0.0)
        spare = (q_seen - self.q_used) * self.feed_squares
        self.feed_variance = self.unit * np.maximum(self.information + spare, 0.0)
        half_width = self.settings.half_width
        q = np.clip(q_seen, 1 / WIDEST**2, None) if half_width is None else np.full_like(q_seen, 1 / half_width**2)
        self.clean = self.normal - noise[at, None, None] * self.added * self.settings.correct
        self.model = np.zeros(self.groups)
        theta, error, tested, weight, scatter = self._shared()
        k_cell, k_cell_error = self._cells(theta[at])
        feed, feed_error = self._feeds(theta[at], error[at, 0])
        own = theta[at].copy()
        own[:, 0] = np.where(np.isfinite(k_cell), k_cell, own[:, 0])
        feed_cell, feed_cell_error = self._feeds(own, np.nan_to_num(k_cell_error))
        from_noise, information = noise[at] * self.added[:, 0, 0], self.normal[:, 0, 0]
        return Pooled(
            theta=theta,
            error=error,
            model_error=self.model,
            has_tails=tested,
            k_cell=k_cell,
            k_cell_error=k_cell_error,
            feed=feed,
            feed_error=feed_error,
            feed_cell=feed_cell,
            feed_cell_error=feed_cell_error,
            q=q,
            noise=noise,
            excess=excess,
            attenuation=self._sum(from_noise) / np.maximum(self._sum(information), LEAST_INFORMATION),
            attenuation_cell=from_noise / np.maximum(information, LEAST_INFORMATION),
            scatter=scatter,
            weight=weight,
            excess_cell=excess_cell,
            autocorrelation=self.covariance[2] / np.maximum(self.covariance[0], np.finfo(float).tiny),
            constancy=self._constancy(),
        )

    def _sum(self, values: FloatArray) -> FloatArray:
        return np.stack([values[self.group == g].sum(axis=0) for g in range(self.groups)])

    def _median(self, values: FloatArray) -> FloatArray:
        chosen = [values[(self.group == g) & self.known] for g in range(self.groups)]
        return np.array([float(np.median(part)) if len(part) else 0.0 for part in chosen])

    def _noise_levels(self) -> tuple[FloatArray, FloatArray]:
        """Measurement noise shows as the negative covariance of one increment and the next; the rest is excess."""
        here, lagged = self._median(self.covariance[0]), self._median(self.covariance[1])
        unit, unit_lagged = self._median(self.expected[0]), self._median(self.expected[1])
        all_noise = here / np.maximum(unit, np.finfo(float).tiny)
        tells = unit_lagged < -0.2 * unit  # k dt so high that noise no longer shows: count it all as noise
        noise = np.where(tells, np.maximum(lagged / np.where(tells, unit_lagged, -1.0), 0.0), all_noise)
        # Masking cuts the residuals' extremes, which takes more from the covariance than from the variance.
        excess = np.maximum(here - noise * unit - MASKING * here, 0.0)
        return (here - excess) / np.maximum(unit, np.finfo(float).tiny), excess

    def _omega(self, beside: FloatArray, here: FloatArray) -> FloatArray:
        """q that the residuals show: their variance over minus their covariance with the next, less 2."""
        q = here / np.where(beside > 0, beside, np.inf) - 2
        return np.where(beside > 0, np.clip(q, 0.0, 1 / NARROWEST**2), 1 / NARROWEST**2)

    def _cells(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Each cell's own k with the other shared parameters as they are, (p,), and its standard error."""
        clean = self.clean[:, 0, 0]
        known = clean > 0.02 * self.normal[:, 0, 0]
        below = np.where(known, clean, np.nan)
        others = np.einsum("pc,pc->p", self.clean[:, 0, 1:], theta[:, 1:])
        return (self.right[:, 0] - others) / below, np.sqrt(self.variance) / below

    def _shared(self) -> tuple[FloatArray, FloatArray, BoolArray, FloatArray, FloatArray]:
        size = self.normal.shape[1]
        theta, error = np.zeros((self.groups, size)), np.zeros((self.groups, size))
        tested, scatter = np.zeros(self.groups, dtype=np.bool_), np.ones(self.groups)
        weight = np.zeros(len(self.own))
        for g in range(self.groups):
            chosen = np.flatnonzero((self.group == g) & self.known)
            if len(chosen):
                theta[g], error[g], tested[g], weight[chosen], scatter[g] = self._group(chosen)
        return theta, error, tested, weight, scatter

    def _group(self, chosen: IntArray) -> tuple[FloatArray, FloatArray, bool, FloatArray, float]:
        """Shared parameters by precision, less those cells whose own k departs; errors from the scatter of cells."""
        rate = 1 / np.maximum(self.unit[chosen], np.finfo(float).tiny)
        clean, right = self.clean[chosen] * rate[:, None, None], self.right[chosen] * rate[:, None]
        precision = self.clean[chosen, 0, 0] ** 2 / np.maximum(self.variance[chosen], np.finfo(float).tiny)
        weight, scatter, theta = np.ones(len(chosen)), 1.0, _solved(clean.sum(axis=0), right.sum(axis=0))
        for n in range(ROUNDS):
            k = (right[:, 0] - clean[:, 0, 1:] @ theta[1:]) / np.where(clean[:, 0, 0] > 0, clean[:, 0, 0], np.nan)
            middle = theta[0] if n else _typical(k, precision)
            scores = (k - middle) * np.sqrt(precision)
            told = np.abs(scores[np.isfinite(scores)])
            scatter = max(1.0, mad_scale(told))
            weight = np.nan_to_num(bisquare(scores, scatter, CELL_OUTLYING))
            theta = _solved(np.einsum("p,pab->ab", weight, clean), weight @ right)
        total = np.einsum("p,pab->ab", weight, clean)
        departures = weight[:, None] * (right - np.einsum("pab,b->pa", clean, theta))
        inverse = np.linalg.pinv(total)
        covariance = inverse @ (departures.T @ departures) @ inverse.T * len(chosen) / max(len(chosen) - 1, 1)
        model = np.sqrt(float((weight**2 * rate**2 * self.variance[chosen]).sum())) / max(float(total[0, 0]), 1e-300)
        self.model[self.group[chosen[0]]] = model
        error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        # A few cells scatter by chance less than they could.
        error[0] = max(error[0], model * np.sqrt(min(1.0, 10 / len(chosen))), 0.5 * model)
        return theta, error, self._tails_tell(theta, covariance), weight, scatter

    def _tails_tell(self, theta: FloatArray, covariance: FloatArray) -> bool:
        if not self.tailed:
            return False
        part = slice(self.base, self.base + len(TAIL_FRAMES))
        chi = theta[part] @ np.linalg.pinv(covariance[part, part]) @ theta[part]
        return bool(chi > SIGNIFICANT_TAILS)

    def _feeds(self, theta: FloatArray, k_error: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self.settings.feed != "own":
            return np.zeros(len(self.own)), np.zeros(len(self.own))
        level = self.mean_increment - np.einsum("pc,pc->p", self.means, theta)
        information = np.where(self.information > 0, self.information, np.nan)
        error = np.sqrt(self.feed_variance / information**2 + (self.means[:, 0] * k_error) ** 2)
        return level / self.dt, error / self.dt

    def _constancy(self) -> FloatArray:
        if self.settings.feed != "own":
            return np.zeros(len(self.own))
        constant = self.means[:, 0] ** 2 * self.information
        return np.asarray(constant / np.maximum(constant + self.normal[:, 0, 0], np.finfo(float).tiny))


def _solved(normal: FloatArray, right: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(normal, right, rcond=1e-10)[0])


def _typical(k: FloatArray, precision: FloatArray) -> float:
    """The median cell's k: one vote a cell, because a cell that follows no neighbour stands out all the more precisely;
    no vote for those that are far less precise than the rest."""
    good = np.isfinite(k)
    good &= precision > 0.05 * np.median(precision[good]) if good.any() else good
    return float(np.median(k[good])) if good.any() else 0.0
