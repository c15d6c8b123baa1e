"""What cells share with those around them that they do not touch, and what is left of them without it (for null.py).

The trace of a cell is taken to be S(place, t) + own(t), with S smooth in space. S at cell i is interpolated between
cells j that are not in contact with it (kriging with a linear trend, covariance exp(-d^2 / 2 l^2), l two cells):

    rest_i = y_i - sum_j a_ij y_j,      (C + nugget + trend) a_i = c_i

S leaves the rest, and the cells in contact with i never enter it. The nugget says how noisy S is to the interpolation:
a small one removes S well and adds much of the other cells' own activity. It follows from the data. With c the
correlation of changes that cells out of contact but close by have beyond that of cells far apart,

    nugget = 0.3 / n (1 - c) / c

for n cells. That is some 300 times smaller than the best prediction would have it in a culture of 100 cells, because
what remains of S adds up over contacts, and noise does not.

The cells are divided at random into two halves, and there are two rests of every cell: each interpolates in one half.
The rest of one cell by the first half and that of another by the second half, in contact with it, have no cell in
common. So if the cells' own activities are independent, so are these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.models.scale import CONSISTENT, row_medians
from calcigraph.store.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LENGTH = 2.0
"""l, in cells (the median distance of cells in contact)."""
NEAR, FAR = 2.2, 4.0
"""Cells: pairs that are not in contact are close by up to the first, and far apart from the second on."""
CARE = 0.3
"""By how much, times the number of cells, the nugget is smaller than the best one for prediction."""
LEAST_SHARE, LEAST_NUGGET = 0.01, 3e-4
"""Smaller c count as the first: so much shared drive may go unseen."""
DIVISION = 0
"""Seed of the division into halves."""
SOURCES = 40
"""Cells that an interpolation uses, the nearest ones."""
TREND = 1e3
"""Variance of the trend's coefficients, in those of S: nearly free, and defined for few cells too."""
LOOKED_AT = 500
"""Cells whose correlations with all others are taken."""
CLIP = 2.0
"""Deviations at which changes are cut for c: spikes should not hide what is shared between them."""


@dataclass(frozen=True)
class Rests:
    """What is left of n cells without what they share with cells that they do not touch, in two ways."""

    first: FloatArray
    """(n, T), by interpolation in one half of the cells."""
    second: FloatArray
    """(n, T), in the other half."""


def without_drive(traces: FloatArray, pairs: IntArray, places: FloatArray) -> Rests:
    """The two rests of every cell.

    Parameters
    ----------
    traces
        (n, T), intensity.
    pairs
        (m, 2), contacts.
    places
        (n, 2), centroids.
    """
    # Always the same division, so that the statistics of a culture do not depend on a seed.
    rng = np.random.default_rng(DIVISION)
    centred = traces - traces.mean(axis=1, keepdims=True)
    spacing = float(np.median(np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)))
    places = (places - places.mean(axis=0)) / (spacing or 1.0)
    order = np.argsort(np.concatenate([pairs[:, 0], pairs[:, 1]]), kind="stable")
    other = np.concatenate([pairs[:, 1], pairs[:, 0]])[order]
    ends = np.cumsum(np.bincount(pairs.ravel(), minlength=len(traces)))
    touching = [np.append(part, cell) for cell, part in enumerate(np.split(other, ends[:-1]))]
    share = shared_nearby(centred, touching, places, rng)
    share = float(np.clip(share, LEAST_SHARE, 1.0))
    nugget = max(CARE / len(traces) * (1 - share) / share, LEAST_NUGGET)
    half = np.zeros(len(traces), dtype=np.bool_)
    half[rng.permutation(len(traces))[: len(traces) // 2]] = True
    first, second = (centred - _interpolation(places, touching, part, nugget) @ centred for part in (half, ~half))
    return Rests(first=first, second=second)


def shared_nearby(traces: FloatArray, touching: list[IntArray], places: FloatArray, rng: np.random.Generator) -> float:
    """c: the correlation of changes between cells close by, beyond that of cells far apart; contacts left out.

    Parameters
    ----------
    traces
        (n, T).
    touching
        For each cell the cells in contact with it, and itself.
    places
        (n, 2), in cells.
    rng
        Chooses whose correlations are taken in a large culture.
    """
    changes = np.diff(traces, axis=1)
    changes = changes - row_medians(changes)[:, None]
    scale = CONSISTENT * row_medians(np.abs(changes))[:, None]
    unit = _unit(np.clip(changes, -CLIP * scale, CLIP * scale))
    sums, counts = np.zeros(2), np.zeros(2)
    # Row by row and without a BLAS, whose sums depend on the number of threads.
    for cell in rng.permutation(len(traces))[:LOOKED_AT]:
        distance = np.linalg.norm(places - places[cell], axis=1)
        near, far = distance < NEAR, distance > FAR
        near[touching[cell]] = False
        for number, chosen in enumerate((near, far)):
            sums[number] += np.einsum("nt,t->", unit[chosen], unit[cell])
            counts[number] += chosen.sum()
    near_by, far_off = sums / np.maximum(counts, 1)
    return float(near_by - far_off)


def _unit(values: FloatArray) -> FloatArray:
    """Rows less their mean, of length 1; 0 where all values are equal."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("nt,nt->n", centred, centred))[:, None]
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 0))


def _interpolation(
    places: FloatArray, touching: list[IntArray], allowed: BoolArray, nugget: float
) -> csr_array[Any, tuple[int, int]]:
    """a as a sparse matrix, (n, n): each cell's weights on allowed cells that it does not touch."""
    from scipy.sparse import csr_array
    from scipy.spatial import cKDTree

    sources = np.flatnonzero(allowed)
    columns, values, start = [], [], [0]
    reach = min(len(sources), SOURCES + max(len(cells) for cells in touching))
    nearest: IntArray = np.zeros((len(places), 0), dtype=np.int64)
    if reach:
        nearest = np.asarray(cKDTree(places[sources]).query(places, k=np.arange(1, reach + 1))[1], dtype=np.int64)
    for cell, found in enumerate(nearest):
        chosen = sources[found]
        chosen = chosen[~np.isin(chosen, touching[cell])][:SOURCES]
        columns.append(chosen)
        values.append(_weights(places[chosen] - places[cell], nugget))
        start.append(start[-1] + len(chosen))
    shape = (len(places), len(places))
    return csr_array((np.concatenate(values), np.concatenate(columns), np.array(start)), shape=shape)


def _weights(offset: FloatArray, nugget: float) -> FloatArray:
    """Weights, (s,), that interpolate at the origin between s cells at these offsets, (s, 2)."""
    product = offset @ offset.T / LENGTH**2
    squared = np.diag(product)
    covariance = np.exp(product - squared[:, None] / 2 - squared / 2) + TREND * (1 + product)
    covariance += nugget * np.eye(len(offset))
    return np.asarray(np.linalg.solve(covariance, np.exp(-squared / 2) + TREND))
