"""What the model means, written once: the consensus operator of a culture, and the exact free run of its cells.

arXiv:2505.20327, eqs. 1-4, with N_i the neighbours of cell i and K_ij = k w_ij:

    y_i'(t) = (k / |N_i|) sum_j w_ij (x_j(t) - y_i(t)) + gamma_i  =  k (M x)_i + gamma_i

The weights w are dimensionless (contacts.py), so k is a rate in 1/s. The inner cells y obey the equation. The driven
cells (border cells, and more rings in setups 2 and 3) follow the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.models.contacts import contact_weights, driven_cells
from calcigraph.models.integrate import Forcing, by_modes, by_taylor, propagate, sources_of
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Subgraph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DENSE_CELLS = 600
"""Up to this many inner cells the free run diagonalises the operator; above, it sums a Taylor series."""
LEAST_RATE = 1e-4
"""The modes are exact to rounding as long as no cell's k is below this share of the largest."""


@dataclass(frozen=True)
class Operator:
    """The consensus operator M of the p inner cells of a culture of n, as half-edges sorted by row.

    (M x)_i = (1 / |N_i|) sum_j w_ij (x_j - x_i). |N_i| counts all kept contacts of cell i, contacts with driven cells
    included. A cell without contacts has a zero row.

    Examples
    --------
    One inner cell (row 0) with one driven neighbour (row 1):

    >>> op = Operator(
    ...     cells=2, inner=np.array([0]), driven=np.array([1]), degree=np.array([1]), start=np.array([0, 1]),
    ...     neighbour=np.array([1]), weight=np.array([1.0]), scale=1.0,
    ... )
    >>> op.apply(np.array([[0.0, 0.5], [1.0, 1.0]]))
    array([[1. , 0.5]])
    """

    cells: int
    """n, all cells of the culture."""
    inner: IntArray
    """(p,), rows of the subgraph, ascending."""
    driven: IntArray
    """(n - p,), rows of the subgraph, ascending."""
    degree: IntArray
    """(p,), |N_i|."""
    start: IntArray
    """(p + 1,), half-edges of inner cell r are start[r]:start[r + 1]."""
    neighbour: IntArray
    """(e,), rows of the subgraph."""
    weight: FloatArray
    """(e,), w_ij / |N_i|, dimensionless."""
    scale: float
    """The mean raw weight that the weights were divided by; px^2, 1, px or 1 (see `contacts.contact_weights`)."""

    @property
    def coupled(self) -> BoolArray:
        """(p,), whether the cell has any contact: without one, its k is not defined."""
        return self.degree > 0

    @cached_property
    def rate(self) -> FloatArray:
        """(p,), -M_ii = sum_j w_ij / |N_i|: the relaxation rate of a cell alone, in units of k."""
        return np.asarray(self._to_inner.sum(axis=1))

    def neighbours(self, traces: FloatArray) -> FloatArray:
        """sum_j w_ij x_j / |N_i|, (p, T), from traces (n, T): what the neighbours pull a cell towards."""
        return np.asarray(self._to_inner @ np.ascontiguousarray(traces, dtype=np.float64))

    def apply(self, traces: FloatArray) -> FloatArray:
        """M x, (p, T), from traces (n, T) of all cells."""
        return self.neighbours(traces) - self.rate[:, None] * traces[self.inner]

    @cached_property
    def _to_inner(self) -> csr_array[Any, tuple[int, int]]:
        """The weights as a matrix, (p, n)."""
        from scipy.sparse import csr_array

        return csr_array((self.weight, self.neighbour, self.start), shape=(len(self.inner), self.cells))

    def inner_matrix(self) -> FloatArray:
        """M between the inner cells as a dense matrix, (p, p)."""
        # Columns of the subgraph as columns of the block; -1 where the neighbour is driven.
        position = np.full(self.cells, -1)
        position[self.inner] = np.arange(len(self.inner))
        row = np.repeat(np.arange(len(self.inner)), np.diff(self.start))
        column = position[self.neighbour]
        inside = column >= 0
        matrix = np.diag(-self.rate)
        matrix[row[inside], column[inside]] = self.weight[inside]
        return matrix

    def sparse_inner_matrix(self) -> csr_array[Any, tuple[int, int]]:
        """The same block as a SciPy CSR array."""
        from scipy.sparse import csr_array, diags_array

        return csr_array(self._to_inner[:, self.inner] - diags_array(self.rate))


def operator(subgraph: Subgraph, weights: str, setup: int = 1) -> Operator:
    """The consensus operator M of a culture (eqs. 1-4).

    Parameters
    ----------
    subgraph
        The culture: n cells, m contacts.
    weights
        How contacts are weighted, one of `WEIGHTS`.
    setup
        1: border cells are driven by the data; 2 and 3: one and two more rings of cells.

    Returns
    -------
    Operator
        Of the cells that are not driven.

    Raises
    ------
    FitError
        An unknown weighting or setup, no contacts, no inner cell, or borders that are needed and unknown.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=12, size_px=256)).subgraph()
    >>> op = operator(culture, "distance*border")
    >>> consensus = op.apply(culture.intensity)  # M x, intensity
    >>> consensus.shape == (len(op.inner), 12)
    True
    """
    weight, scale = contact_weights(subgraph, weights)
    driven = driven_cells(subgraph, setup)
    # Every contact is two half-edges, one for each of its cells.
    row = np.concatenate([subgraph.pairs[:, 0], subgraph.pairs[:, 1]])
    neighbour = np.concatenate([subgraph.pairs[:, 1], subgraph.pairs[:, 0]])
    order = np.lexsort((neighbour, row))
    row, neighbour, weight = row[order], neighbour[order], np.tile(weight, 2)[order]
    # Half-edges of driven cells are dropped: their equation is not solved.
    degree = np.bincount(row, minlength=len(driven))
    keep = ~driven[row]
    inner = np.flatnonzero(~driven)
    return Operator(
        cells=len(driven),
        inner=inner,
        driven=np.flatnonzero(driven),
        degree=degree[inner],
        start=np.concatenate([[0], np.cumsum(degree[inner])]),
        neighbour=neighbour[keep],
        weight=weight[keep] / degree[row[keep]],
        scale=scale,
    )


def simulate(
    op: Operator,
    k: FloatArray | float,
    feed: FloatArray | float,
    traces: FloatArray,
    dt: float,
    leak: float = 0.0,
    source: FloatArray | None = None,
) -> FloatArray:
    """Free run of a group of cells from its first frame (eqs. 1-4), solved exactly.

        y' = k (M_ii y + M_ib x) + gamma - r y + source

    The inner cells y are coupled to each other and to the driven cells x. The driven cells are taken to be linear
    between frames; for that the result is exact to rounding, whatever k dt is.

    Parameters
    ----------
    op
        The consensus operator, p inner cells of n.
    k
        1/s, at least 0: one value or (p,).
    feed
        gamma, intensity per second: one value, (p,), or (p, T) for one that changes (linear between frames).
    traces
        (n, T), of which the driven cells' rows and the inner cells' first frame are used.
    dt
        Seconds between frames.
    leak
        r, 1/s: every inner cell loses r y.
    source
        Intensity per second on top of the feed, (p, T - 1), constant from one frame to the next.

    Returns
    -------
    FloatArray
        y, (p, T).

    Examples
    --------
    A cell that starts at 0 approaches its constant neighbour as 1 - exp(-k t):

    >>> op = Operator(
    ...     cells=2, inner=np.array([0]), driven=np.array([1]), degree=np.array([1]), start=np.array([0, 1]),
    ...     neighbour=np.array([1]), weight=np.array([1.0]), scale=1.0,
    ... )
    >>> simulate(op, k=0.01, feed=0.0, traces=np.array([[0.0, 0, 0], [1.0, 1, 1]]), dt=10.0).round(6)
    array([[0.      , 0.095163, 0.181269]])
    """
    shape = (len(op.inner), traces.shape[1])
    rate = np.broadcast_to(np.asarray(k, dtype=np.float64), shape[:1])
    # The pull of driven neighbours alone; that of inner ones is in the operator's inner block.
    outside = traces.astype(np.float64)
    outside[op.inner] = 0
    drive = rate[:, None] * op.neighbours(outside) + _every_frame(feed, shape)
    forcing = Forcing(
        first=traces[op.inner, 0],
        drive=drive,
        source=np.zeros((shape[0], shape[1] - 1)) if source is None else source,
        dt=dt,
        leak=leak,
    )
    # The change of variables in by_modes divides by the cells' k, which must not differ by too much.
    if shape[0] <= DENSE_CELLS and rate.min() > LEAST_RATE * rate.max():
        return by_modes(op.inner_matrix(), op.degree, rate, forcing)
    return by_taylor(op.sparse_inner_matrix(), op.rate, rate, forcing)


def simulate_alone(
    op: Operator,
    k: FloatArray | float,
    feed: FloatArray | float,
    traces: FloatArray,
    dt: float,
    leak: float = 0.0,
    source: FloatArray | None = None,
) -> FloatArray:
    """Free run of every inner cell by itself (eq. 1): all its neighbours follow the data, linear between frames.

    Parameters
    ----------
    op, k, feed, traces, dt, leak, source
        As for `simulate`; of `traces` all rows are used.

    Returns
    -------
    FloatArray
        y, (p, T).

    Examples
    --------
    >>> op = Operator(
    ...     cells=2, inner=np.array([0]), driven=np.array([1]), degree=np.array([1]), start=np.array([0, 1]),
    ...     neighbour=np.array([1]), weight=np.array([1.0]), scale=1.0,
    ... )
    >>> simulate_alone(op, k=0.01, feed=0.0, traces=np.array([[0.0, 0, 0], [1.0, 1, 1]]), dt=10.0).round(6)
    array([[0.      , 0.095163, 0.181269]])
    """
    decay, drive = _alone(op, k, feed, traces, dt, leak)
    sources = np.zeros((drive.shape[1] - 1, len(drive))) if source is None else source.T
    return propagate(decay, traces[op.inner, 0], drive.T, sources, dt).T


def sources_alone(
    op: Operator, k: FloatArray | float, feed: FloatArray | float, traces: FloatArray, dt: float, leak: float = 0.0
) -> FloatArray:
    """What every inner cell must gain by itself, beside its feed and its neighbours, to run along the data.

    Parameters
    ----------
    op, k, feed, traces, dt, leak
        As for `simulate_alone`.

    Returns
    -------
    FloatArray
        Intensity per second, (p, T - 1): the `source` with which `simulate_alone` gives the data.

    Examples
    --------
    >>> op = Operator(
    ...     cells=2, inner=np.array([0]), driven=np.array([1]), degree=np.array([1]), start=np.array([0, 1]),
    ...     neighbour=np.array([1]), weight=np.array([1.0]), scale=1.0,
    ... )
    >>> traces = np.array([[0.0, 0.5, 0.2], [1.0, 1, 0.5]])
    >>> source = sources_alone(op, k=0.01, feed=0.0, traces=traces, dt=10.0)
    >>> simulate_alone(op, k=0.01, feed=0.0, traces=traces, dt=10.0, source=source).round(6)
    array([[0. , 0.5, 0.2]])
    """
    decay, drive = _alone(op, k, feed, traces, dt, leak)
    return sources_of(decay, traces[op.inner].T, drive.T, dt).T


def _alone(
    op: Operator, k: FloatArray | float, feed: FloatArray | float, traces: FloatArray, dt: float, leak: float
) -> tuple[FloatArray, FloatArray]:
    """Decay times dt, (p,), and drive, (p, T), of every cell by itself: with all neighbours given, each is a mode."""
    pull = op.neighbours(traces)
    rate = np.broadcast_to(np.asarray(k, dtype=np.float64), pull.shape[:1])
    return -(rate * op.rate + leak) * dt, rate[:, None] * pull + _every_frame(feed, pull.shape)


def _every_frame(feed: FloatArray | float, shape: tuple[int, ...]) -> FloatArray:
    """The feed of every cell at every frame, (p, T)."""
    values = np.asarray(feed, dtype=np.float64)
    return np.broadcast_to(values[:, None] if values.ndim == 1 else values, shape)


def sub_operator(op: Operator, cells: IntArray) -> tuple[IntArray, Operator]:
    """The operator of some inner cells and their neighbours, cut out of that of a culture.

    Parameters
    ----------
    op
        The operator of the culture.
    cells
        Positions among its inner cells, (q,). Neighbours that are not among them become driven.

    Returns
    -------
    tuple
        The rows of the traces that the part needs, (m,), and its operator on those rows.
    """
    # Half-edges of the given cells, in the order of the cells; rows are renumbered to those that are needed.
    of_cells = [np.arange(op.start[cell], op.start[cell + 1]) for cell in cells]
    edges = np.concatenate(of_cells).astype(np.int64)
    rows = np.unique(np.concatenate([op.inner[cells], op.neighbour[edges]]))
    inner = np.searchsorted(rows, op.inner[cells])
    part = Operator(
        cells=len(rows),
        inner=inner,
        driven=np.setdiff1d(np.arange(len(rows)), inner),
        degree=op.degree[cells],
        start=np.concatenate([[0], np.cumsum(np.diff(op.start)[cells])]),
        neighbour=np.searchsorted(rows, op.neighbour[edges]),
        weight=op.weight[edges],
        scale=op.scale,
    )
    return rows, part


def matrix(op: Operator) -> FloatArray:
    """M as a dense (p, n) matrix, for small cultures and blocks."""
    dense = np.zeros((len(op.inner), op.cells))
    row = np.repeat(np.arange(len(op.inner)), np.diff(op.start))
    dense[row, op.neighbour] = op.weight
    dense[np.arange(len(op.inner)), op.inner] -= op.rate
    return dense
