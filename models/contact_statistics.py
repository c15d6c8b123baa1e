"""Two statistics over contacts for the null (null.py): k and synchrony, both 0 on average without coupling.

Both multiply the rest of one cell with that of another in contact with it, by different halves of the cells
(shared_drive.py), and both ways round.

Synchrony is the correlation of their changes from frame to frame, mean over contacts.

k regresses the change of cell i on where its neighbour stood at the frame before. What the own past of the cell
explains is taken out, so that slow activity does not count for more than it tells. With F_i the autoregression of the
changes of cell i, e_i what its autoregression and its level leave, and s_i the deviation of e_i,

    k = sum_ij m_ij sum_t v_i e_i (F_i x_j) dt / s_i^2  /  sum_ij m_ij^2 sum_t v_i (F_i x_j)^2 dt^2 / s_i^2

with m_ij = w_ij / |N_i| (eq. 4, arXiv:2505.20327) and v_i Tukey's bisquare. The neighbour's level is that of the frame
before, so light that two cells share at the same time does not count. This k is too small, as each neighbour is
regressed on alone and with noise.

Cells may all rise, as spikes bring calcium that nothing removes. Border cells need not rise with them, and then the
interpolation leaves a part of the rise in every cell beside them. Two levels that rise together are no coupling, so
each trace loses a polynomial in time first. A change from frame to frame holds next to nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.scale import CONSISTENT, bisquare, row_medians
from calcigraph.models.shared_drive import Rests
from calcigraph.store.types import FloatArray, IntArray

Terms = tuple[IntArray, IntArray, FloatArray]
"""Two cells and their part of a statistic, (e,) each: the statistic is the sum."""
FRAMES_A_LAG, MOST_LAGS = 20, 3
"""Frames for each lag of a cell's autoregression, and the most lags."""
STEPS = 6
"""Reweightings of an autoregression."""
TREND = 2
"""Degree of the polynomial in time that levels lose."""
EDGES = 1 << 12
"""Pairs of cells that are multiplied at once."""
LITTLE = 1e-12
"""Relative to what it is added to, so that traces that never change can be divided by."""


def synchrony(rests: Rests, pairs: IntArray) -> Terms:
    """Each contact's part of the mean correlation of changes.

    Parameters
    ----------
    rests
        Of n cells.
    pairs
        (m, 2), contacts.
    """
    a, b = pairs.T
    one, two = _unit_changes(rests.first), _unit_changes(rests.second)
    both = _products(one, a, two, b) + _products(two, a, one, b)
    return a, b, both / (2 * len(pairs))


def _unit_changes(values: FloatArray) -> FloatArray:
    """Changes less their mean, (n, T - 1), of length 1; nearly 0 where all are equal but for rounding."""
    changes = np.diff(values, axis=1)
    changes -= changes.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("nt,nt->n", changes, changes))
    return np.asarray(changes / (length + LITTLE * np.abs(values).max(initial=1.0))[:, None])


def coupling(rests: Rests, op: Operator, dt: float) -> Terms:
    """Each half-edge's part of k, 1/s.

    Parameters
    ----------
    rests
        Of n cells.
    op
        The consensus operator; its inner cells are the equations.
    dt
        Seconds between frames.
    """
    row = np.repeat(op.inner, np.diff(op.start))
    above, below = np.zeros(len(row)), 0.0
    for own, other in ((rests.first, rests.second), (rests.second, rests.first)):
        cells, level = _innovations(own), _without_trend(other)
        above += op.weight * dt * _products(cells.score, row, level, op.neighbour)
        below += float((op.weight**2 * dt**2 * _power(cells, row, level, op.neighbour)).sum())
    return row, op.neighbour, above / below if below > 0 else np.zeros(len(row))


def _without_trend(values: FloatArray) -> FloatArray:
    """Rows less their polynomial in time, (n, T)."""
    frames = values.shape[1]
    basis = np.linalg.qr(np.linspace(-1, 1, frames)[:, None] ** np.arange(TREND + 1))[0]
    # The mean by itself, so that a trace that never changes is exactly 0; without a BLAS, whose sums depend on threads.
    values = values - values.mean(axis=1, keepdims=True)
    return np.asarray(values - np.einsum("nq,tq->nt", np.einsum("nt,tq->nq", values, basis), basis))


@dataclass(frozen=True)
class _Innovations:
    """What is new in each of n traces at every frame, and how it tells of a level."""

    score: FloatArray
    """(n, T): its product with a level is sum_t v e (F x) / s^2."""
    filters: FloatArray
    """(n, lags + 1), F."""
    precision: FloatArray
    """(n,), mean of v / s^2."""


def _innovations(traces: FloatArray) -> _Innovations:
    frames = traces.shape[1]
    lags = int(np.clip(frames // FRAMES_A_LAG, 0, MOST_LAGS))
    level, used = _without_trend(traces), frames - 1 - lags
    changes = np.diff(level, axis=1)
    past = [changes[:, lags - lag : frames - 1 - lag] for lag in range(1, lags + 1)]
    known = np.stack([np.ones((len(traces), used)), level[:, lags : frames - 1], *past], axis=2)
    target = changes[:, lags:]
    least = LITTLE * (np.abs(traces).max(axis=1, keepdims=True) + np.finfo(np.float64).tiny / LITTLE)
    weight = np.ones_like(target)
    for _ in range(STEPS):
        rest, coefficients = _left(known, target, weight)
        scale = np.maximum(CONSISTENT * row_medians(np.abs(rest))[:, None], least)
        weight = bisquare(rest, scale)
    total = np.maximum(weight.sum(axis=1), 1.0)
    variance = np.maximum((weight * rest**2).sum(axis=1) / total, least[:, 0] ** 2)
    filters = np.concatenate([np.ones((len(traces), 1)), -coefficients[:, 2:]], axis=1)
    # The adjoint of F, so that one product of two traces is left for each pair of cells.
    score, new = np.zeros_like(traces), weight * rest / variance[:, None]
    for lag in range(lags + 1):
        score[:, lags - lag : frames - 1 - lag] += filters[:, lag : lag + 1] * new
    return _Innovations(score=score, filters=filters, precision=weight.mean(axis=1) / variance)


def _left(known: FloatArray, target: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Residuals, (n, c), and coefficients, (n, q), of weighted least squares of every row on known (n, c, q)."""
    weighted = known * weight[:, :, None]
    normal = np.einsum("ncq,ncr->nqr", weighted, known)
    right = np.einsum("ncq,nc->nq", weighted, target)
    # In units of each regressor, so that little is little for all of them.
    size = np.sqrt(np.einsum("nqq->nq", normal)) + np.finfo(np.float64).tiny ** 0.25
    normal = normal / (size[:, :, None] * size[:, None, :]) + LITTLE * np.eye(known.shape[2])
    found = np.linalg.solve(normal, (right / size)[:, :, None])[:, :, 0] / size
    return target - np.einsum("ncq,nq->nc", known, found), found


def _power(cells: _Innovations, row: IntArray, level: FloatArray, other: IntArray) -> FloatArray:
    """sum_t v_i (F_i x_j)^2 / s_i^2 of pairs of cells, (e,), from the autocovariances of x_j."""
    frames, lags = level.shape[1], cells.filters.shape[1] - 1
    power = np.zeros(len(row))
    for lag in range(lags + 1):
        covariance = np.einsum("nt,nt->n", level[:, lag:], level[:, : frames - lag])
        filters = np.einsum("nl,nl->n", cells.filters[:, lag:], cells.filters[:, : lags + 1 - lag])
        power += (1 if lag == 0 else 2) * filters[row] * covariance[other]
    return np.asarray(np.maximum(power, 0.0) * cells.precision[row])


def _products(one: FloatArray, a: IntArray, two: FloatArray, b: IntArray) -> FloatArray:
    """sum_t one_a(t) two_b(t) of pairs of cells, (e,)."""
    parts = [
        np.einsum("et,et->e", one[a[first : first + EDGES]], two[b[first : first + EDGES]])
        for first in range(0, len(a), EDGES)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)
