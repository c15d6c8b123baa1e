"""What all cells share in a frame: the light of the lamp, a glow, the bath. It is a nuisance, one number a frame.

A lamp that flickers adds the same number c_m to the increments of all cells in frame m (intensities are logarithms).
Differences between neighbours, and so the regressor of k, do not show it. With

    y_(m+1) - y_m  =  k dt <M y>_m + dt gamma_i + c_m + noise

the c_m are eliminated as means over cells: each side of the equation loses its mean over the cells whose frame is in
use. A mean over time stays, because a feed of all cells is no different from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calcigraph.models.robust.batches import Batch, Residual, State
from calcigraph.models.robust.transients import widened
from calcigraph.models.robust.weakform import Rows
from calcigraph.models.scale import CONSISTENT, bisquare, row_medians
from calcigraph.store.types import BoolArray, FloatArray, IntArray

TELLS = 2.5
"""Times the variance that the cells' own noise gives to their mean, from which they share something. Cultures of
benchmarks/axes.py without a common mode have 0.7 to 1.6, those whose lamp flickers by 1 % have 450 to 520."""
REWEIGHTED, LEAST_SCALE = 6, 0.1
"""Rounds of weights, and the least scale of a cell, as a share of the median cell's."""
TINY = float(np.finfo(float).tiny)


def shared_part(values: FloatArray, used: BoolArray, group: IntArray) -> FloatArray:
    """The mean over the cells of a group of what is in use in each frame, less its mean over time.

    Parameters
    ----------
    values
        (..., p, F).
    used
        (p, F), which of them count.
    group
        (p,), the number of each cell's culture, ascending.

    Returns
    -------
    (..., p, F), the same for all cells of a group; 0 in frames in which no cell is in use.

    Examples
    --------
    >>> shared_part(np.array([[0.0, 4.0], [0.0, 8.0]]), np.array([[True, True], [True, False]]), np.zeros(2, int))
    array([[-2.,  2.],
           [-2.,  2.]])
    """
    found = np.zeros_like(values)
    for number in np.unique(group):
        cells = group == number
        count = used[cells].sum(axis=0)
        total = (values[..., cells, :] * used[cells]).sum(axis=-2)
        mean = np.where(count > 0, total / np.maximum(count, 1), 0.0)
        mean -= mean.mean(axis=-1, keepdims=True)
        found[..., cells, :] = mean[..., None, :]
    return found


def middle_part(values: FloatArray, group: IntArray) -> FloatArray:
    """As `shared_part` of values in which transients are not known: a mean of bisquare weights, (p, F).

    It begins with the median over cells. The scale of a cell is that of its own departures, so that quiet cells tell
    most.
    """
    found = np.zeros_like(values)
    for number in np.unique(group):
        cells = group == number
        own = values[cells]
        middle = np.median(own, axis=0)
        for _ in range(REWEIGHTED):
            off = own - middle
            scale = CONSISTENT * row_medians(np.abs(off))[:, None]
            scale = np.maximum(scale, LEAST_SCALE * np.median(scale))
            if not scale.all():
                break
            weight = bisquare(off, scale) / scale**2
            total = weight.sum(axis=0)
            middle = np.where(total > 0, (weight * own).sum(axis=0) / np.where(total > 0, total, 1.0), middle)
        found[cells] = middle - middle.mean()
    return found


def residual_without(residual: Residual, transients: BoolArray | None, group: IntArray) -> Residual:
    """The residual of p cells without what the cells of a group share; None: their transients are not known yet."""
    shared = middle_part(residual.without_coupling - residual.tail, group)
    return replace(residual, without_coupling=residual.without_coupling - shared)


def rows_without(rows: Rows, used: BoolArray, group: IntArray) -> Rows:
    """Both sides of the equations of p cells without their mean over the cells of a group, of the frames in use."""
    return replace(
        rows,
        increments=rows.increments - shared_part(rows.increments, used, group),
        regressors=rows.regressors - shared_part(rows.regressors, used, group),
    )


def residuals(batches: Sequence[Batch], state: State) -> tuple[FloatArray, BoolArray]:
    """What an estimate of one culture leaves of the increments, and which frames hold no transient, (p, F) each."""
    rest, used = [], []
    for number, (batch, at) in enumerate(zip(batches, state.of_batches(batches), strict=True)):
        residual = batch.residual(at, state.tailed)
        rest.append(residual.without_coupling - residual.tail)
        found = np.zeros(rest[-1].shape, np.bool_) if state.transients is None else state.transients[number]
        used.append(~widened(found))
    return np.concatenate(rest), np.concatenate(used)


def beyond_chance(rest: FloatArray, used: BoolArray) -> float:
    """The variance of the cells' mean residual, as a multiple of what their own residuals give it, (p, F) each.

    Examples
    --------
    >>> own = np.random.default_rng(0).standard_normal((50, 400))
    >>> every = np.ones(own.shape, np.bool_)
    >>> bool(0.8 < beyond_chance(own, every) < 1.2), bool(beyond_chance(own + own[0], every) > 30)
    (True, True)
    """
    shared = shared_part(rest, used, np.zeros(len(rest), np.int64))
    count = used.sum(axis=0)
    known = count > 1
    if not known.any():
        return 0.0
    variance = float((np.where(used, rest - shared, 0.0) ** 2).sum()) / int(used.sum())
    return float(np.mean(shared[0][known] ** 2)) / max(float(np.mean(variance / count[known])), TINY)
