"""The contacts between the inner cells of a culture, as the moments of pairs need them."""

from __future__ import annotations

from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.store.types import ComplexArray, FloatArray, IntArray


class Contacts:
    """The contacts between the p inner cells of an operator, each in both directions, and the noise they share.

    Parameters
    ----------
    op
        The operator.
    variance
        (n,), of every cell's measurement noise.
    """

    def __init__(self, op: Operator, variance: FloatArray) -> None:
        from scipy.sparse import coo_array, csr_array, diags_array, eye_array

        cells = len(op.inner)
        row = np.repeat(np.arange(cells), np.diff(op.start))
        place = np.full(op.cells, -1)
        place[op.inner] = np.arange(cells)
        between = place[op.neighbour] >= 0
        weight = op.weight[between]
        receiver, sender = row[between], place[op.neighbour[between]]
        order = np.lexsort((sender, receiver))
        self.receiver: IntArray = receiver[order]
        """(e,), i."""
        self.sender: IntArray = sender[order]
        """(e,), j."""
        self.weight: FloatArray = weight[order]
        """(e,), w_ij / |N_i|."""
        self.back: IntArray = np.lexsort((self.receiver, self.sender))
        """(e,), where the pair (j, i) stands."""
        self.rate: FloatArray = op.rate
        """(p,), R_i."""
        self.cells = cells
        shape = (cells, cells)
        self.matrix = csr_array((self.weight, (self.receiver, self.sender)), shape=shape)
        """(p, p), the weights."""
        self.pattern = csr_array((np.ones(len(self.weight)), (self.receiver, self.sender)), shape=shape)
        """(p, p), 1 for a contact."""
        others = cells - 1 - np.asarray(self.pattern.sum(axis=1))
        self.contrast: FloatArray = np.asarray(self.matrix.sum(axis=1)) / np.maximum(others, 1) * (others > 0)
        """(p,), of each pair that is not in contact: these weights and those of the contacts sum to 0."""
        self._touching = csr_array(self.pattern + eye_array(cells))
        self._against = csr_array(self.matrix + diags_array(self.contrast) @ self._touching)
        self.second = _second_ring(self.matrix, self.pattern)
        """(p, p), what cells two contacts apart get instead of neighbours: the same sum over each cell's."""
        self.variance: FloatArray = variance[op.inner]
        """(p,), of the inner cells' noise."""
        whole = coo_array((op.weight, (row, op.neighbour)), shape=(cells, op.cells)).tocsr()
        own = coo_array((-op.rate, (np.arange(cells), op.inner)), shape=(cells, op.cells)).tocsr()
        both = (whole + own).tocsr()
        shared = (both * variance[None, :]).tocsr() @ both.T
        # The covariance of (M n)_i and (M n)_j of the pairs in contact.
        between = np.asarray(shared.tocsr()[self.receiver, self.sender]).ravel()
        there = self.weight[self.back]
        self.noise = tuple(
            csr_array((self.weight * values, (self.receiver, self.sender)), shape=shape)
            for values in (
                there * self.variance[self.receiver],
                self.weight * self.variance[self.sender],
                between,
            )
        )
        """Three (p, p): w_ij / |N_i| times M_ji s_i, M_ij s_j and (M s M')_ij of contacts, with s the variances."""

    def near_and_far(self, values: ComplexArray) -> ComplexArray:
        """What each cell gets from its neighbours, in contrast to all others, (p, ...), from values of cells (p, ...).

        Sums of each cell before any product, so that the cost does not grow with the pairs.
        """
        return np.asarray(self._against @ values - self.contrast[:, None] * values.sum(axis=0))

    def far(self, values: ComplexArray) -> ComplexArray:
        """The part of `near_and_far` that comes from all others, (p, ...)."""
        return np.asarray(self.contrast[:, None] * (self._touching @ values - values.sum(axis=0)))


def _second_ring(matrix: Any, pattern: Any) -> Any:
    """Weights of pairs that have a neighbour in common but no contact, (p, p)."""
    from scipy.sparse import csr_array, diags_array

    two = ((pattern @ pattern) > 0).astype(np.float64)
    two = csr_array(two - two.multiply(pattern) - diags_array(two.diagonal()))
    two.eliminate_zeros()
    count = np.asarray(two.sum(axis=1))
    return csr_array(diags_array(np.asarray(matrix.sum(axis=1)) / np.maximum(count, 1)) @ two)
