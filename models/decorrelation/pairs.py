"""The contacts between the inner cells of a culture, as the moments of pairs need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.store.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Block:
    """Some cells, one after the other, as receivers: b of p."""

    cells: slice
    edges: slice
    """Their contacts among all."""
    against: Any
    """(b, p + 1), sparse, as are the others: what these cells get from their neighbours, in contrast to all others,
    from the values of all cells and, in the last place, their sum. So the cost does not grow with the pairs."""
    far: Any
    """(b, p + 1), the part of it that comes from all others."""
    matrix: Any
    """(b, p), weights of the neighbours."""
    second: Any
    """(b, p), see `Contacts.second`."""
    noise: Any
    """(3 b, p), the three of `Contacts.noise` below one another."""
    alike: tuple[tuple[IntArray, IntArray, IntArray], ...]
    """For each number d of contacts that some have: n of these cells, (n,), their contacts among those of the block,
    and who sends, (n, d) each."""

    def pairs(self, received: FloatArray, sent: FloatArray) -> FloatArray:
        """Products of receiver and sender of every contact of these cells, (m, e).

        Parameters
        ----------
        received
            (b, m, x), m of every receiver.
        sent
            (p, x), of every cell.
        """
        result = np.empty((received.shape[1], self.edges.stop - self.edges.start))
        for rows, edges, senders in self.alike:
            result[:, edges] = (received[rows] @ sent[senders].transpose(0, 2, 1)).transpose(1, 0, 2)
        return result


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
        touching = csr_array(self.pattern + eye_array(cells))
        far = diags_array(self.contrast) @ touching
        self._far = _with_sum(far, self.contrast)
        self._against = _with_sum(self.matrix + far, self.contrast)
        self._blocks: dict[int, list[Block]] = {}
        self.second = _second_ring(self.matrix, self.pattern)
        """(p, p), what cells two contacts apart get instead of neighbours: the same sum over each cell's."""
        self.beyond: BoolArray = others > np.diff(self.second.indptr)
        """(p,), whether some cell is further away than that: without, there is nothing in contrast to it."""
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

    def blocks(self, size: int) -> list[Block]:
        """All cells, so many at a time."""
        if size not in self._blocks:
            firsts = range(0, self.cells, size)
            self._blocks[size] = [self._block(slice(first, min(first + size, self.cells))) for first in firsts]
        return self._blocks[size]

    def _block(self, cells: slice) -> Block:
        from scipy.sparse import vstack

        start = np.searchsorted(self.receiver, np.arange(cells.start, cells.stop + 1))
        count = np.diff(start)
        alike = []
        for degree in np.unique(count[count > 0]):
            rows = np.flatnonzero(count == degree)
            edges = start[rows, None] + np.arange(degree)
            alike.append((rows, edges - start[0], self.sender[edges]))
        return Block(
            cells=cells,
            edges=slice(int(start[0]), int(start[-1])),
            against=self._against[cells],
            far=self._far[cells],
            matrix=self.matrix[cells],
            second=self.second[cells],
            noise=vstack([one[cells] for one in self.noise], format="csr"),
            alike=tuple(alike),
        )


def _with_sum(matrix: Any, contrast: FloatArray) -> Any:
    """A matrix (p, p) that also takes `contrast` (p,) times the sum over cells, in its last place: (p, p + 1)."""
    from scipy.sparse import csr_array, hstack

    return hstack([matrix, csr_array(-contrast[:, None])], format="csr")


def _second_ring(matrix: Any, pattern: Any) -> Any:
    """Weights of pairs that have a neighbour in common but no contact, (p, p)."""
    from scipy.sparse import csr_array, diags_array

    two = ((pattern @ pattern) > 0).astype(np.float64)
    two = csr_array(two - two.multiply(pattern) - diags_array(two.diagonal()))
    two.eliminate_zeros()
    count = np.asarray(two.sum(axis=1))
    return csr_array(diags_array(np.asarray(matrix.sum(axis=1)) / np.maximum(count, 1)) @ two)
