"""What the model means, written once: contact weights, the consensus operator, setups and the exact free run.

arXiv:2505.20327, eqs. 1-4, with N_i the neighbours of cell i and K_ij = k w_ij:

    y_i'(t) = (k / |N_i|) sum_j w_ij (x_j(t) - y_i(t)) + gamma_i  =  k (M x)_i + gamma_i

The weights w are dimensionless: divided by their mean over all kept contacts of the culture, so k is a rate in 1/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Subgraph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WEIGHTS = ("distance*border", "border/distance", "border", "uniform")
SETUPS = (1, 2, 3)

DENSE_CELLS = 600
"""Up to this many inner cells the free run diagonalises the operator; above, it sums a Taylor series."""
TAYLOR_TERMS = 19
"""With substeps of norm <= 1 the remainder is below 1 / 20!, 4e-19 of the state: under rounding."""
LEAST_RATE = 1e-4
"""The modes are exact to rounding as long as no cell's k is below this share of the largest."""
CHUNK = 1 << 23
"""Elements gathered at once by `Operator.apply`: 64 MB."""


def default_weights(subgraph: Subgraph) -> str:
    """The paper's `distance*border` where shared borders are known, else `uniform`."""
    return "distance*border" if subgraph.has_borders else "uniform"


def contact_weights(subgraph: Subgraph, weights: str) -> tuple[FloatArray, float]:
    """Dimensionless weights of all contacts, (m,), and the scale they were divided by (their raw mean).

    `distance*border` is the paper's u_ij l_ij (eq. 4). Each pair counts once in the mean, contacts between two
    border cells included. The scale's unit is that of the raw weight: px^2, 1, px or 1.

    Raises FitError for an unknown name, a culture without contacts, borders that are needed and unknown, and
    weights whose mean is not a positive number.
    """
    if weights not in WEIGHTS:
        raise FitError(f"unknown weights {weights!r}; there are {', '.join(WEIGHTS)}")
    if len(subgraph.pairs) == 0:
        raise FitError(
            f"culture {subgraph.culture} has no contacts, so no coupling can be fitted; "
            "ingest it with a larger max-gap or max-distance"
        )
    if weights != "uniform" and not subgraph.has_borders:
        raise FitError(
            f"weights {weights!r} need shared borders, which culture {subgraph.culture} (traces only) does not have; "
            "use weights 'uniform'"
        )
    border, distance = subgraph.shared_border_px, subgraph.centroid_distance_px
    with np.errstate(divide="ignore", invalid="ignore"):
        raw: FloatArray = {
            "distance*border": distance * border,
            "border/distance": border / distance,
            "border": border,
            "uniform": np.ones(len(subgraph.pairs)),
        }[weights]
    scale = float(np.mean(raw))
    if not (np.isfinite(scale) and scale > 0 and raw.min() >= 0):
        raise FitError(
            f"the {weights!r} weights of culture {subgraph.culture} have mean {scale:g}; contacts need positive "
            "borders and distances, ingest it again or use weights 'uniform'"
        )
    return raw / scale, scale


def driven_cells(subgraph: Subgraph, setup: int) -> BoolArray:
    """The cells that follow the data, (n,): the border cells (setup 1), and one or two more rings (setups 2, 3).

    Raises FitError for an unknown setup and when no inner cell is left.
    """
    if setup not in SETUPS:
        raise FitError(f"unknown setup {setup!r}; there are 1 (border cells driven), 2 and 3 (one and two more rings)")
    driven = subgraph.border.astype(np.bool_)
    if driven.all():
        raise FitError(
            f"culture {subgraph.culture} has no inner cells: all {len(driven)} are border cells, "
            "which follow the data, so nothing is left to fit"
        )
    for _ in range(setup - 1):
        a, b = subgraph.pairs[:, 0], subgraph.pairs[:, 1]
        ring = driven.copy()
        ring[a[driven[b]]] = True
        ring[b[driven[a]]] = True
        driven = ring
    if driven.all():
        raise FitError(
            f"setup {setup} peels every one of the {len(driven)} cells of culture {subgraph.culture}; use a lower setup"
        )
    return driven


@dataclass(frozen=True)
class Operator:
    """The consensus operator M of the p inner cells of a culture of n, as half-edges sorted by row.

    (M x)_i = (1 / |N_i|) sum_j w_ij (x_j - x_i). |N_i| counts all kept contacts of cell i; a cell without contacts
    has a zero row.
    """

    cells: int
    """n"""
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
    """(e,), w_ij / |N_i|."""
    scale: float
    """The raw weights' mean over all contacts."""

    @property
    def coupled(self) -> BoolArray:
        """(p,), whether the cell has any contact: without one, its k is not defined."""
        return self.degree > 0

    @cached_property
    def rate(self) -> FloatArray:
        """(p,), -M_ii = sum_j w_ij / |N_i|: the relaxation rate of a cell alone, in units of k."""
        return self._sum_rows(self.weight[:, None])[:, 0]

    def neighbours(self, traces: FloatArray) -> FloatArray:
        """sum_j w_ij x_j / |N_i|, (p, T), from traces (n, T): what the neighbours pull a cell towards."""
        frames = max(1, CHUNK // max(1, len(self.neighbour)))
        parts = [
            self._sum_rows(self.weight[:, None] * traces[self.neighbour, first : first + frames])
            for first in range(0, traces.shape[1], frames)
        ]
        return np.concatenate(parts, axis=1)

    def apply(self, traces: FloatArray) -> FloatArray:
        """M x, (p, T), from traces (n, T) of all cells."""
        return self.neighbours(traces) - self.rate[:, None] * traces[self.inner]

    def _sum_rows(self, values: FloatArray) -> FloatArray:
        total = np.zeros((len(self.inner), values.shape[1]))
        if self.coupled.any():
            total[self.coupled] = np.add.reduceat(values, self.start[:-1][self.coupled], axis=0)
        return total

    def inner_matrix(self) -> FloatArray:
        """The dense block M_ii between inner cells, (p, p)."""
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

        whole = csr_array((self.weight, self.neighbour, self.start), shape=(len(self.inner), self.cells))
        return csr_array(whole[:, self.inner] - diags_array(self.rate))


def operator(subgraph: Subgraph, weights: str, setup: int = 1) -> Operator:
    """The operator of a culture for one weighting and setup. Raises FitError as the parts it is made of."""
    weight, scale = contact_weights(subgraph, weights)
    driven = driven_cells(subgraph, setup)
    row = np.concatenate([subgraph.pairs[:, 0], subgraph.pairs[:, 1]])
    neighbour = np.concatenate([subgraph.pairs[:, 1], subgraph.pairs[:, 0]])
    order = np.lexsort((neighbour, row))
    row, neighbour, weight = row[order], neighbour[order], np.tile(weight, 2)[order]
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
    """Free run of the group, (p, T): y' = k (M_ii y + M_ib x) + feed - leak y from the first frame of `traces`.

    The driven cells x are linear between frames; for that the result is exact (to rounding), whatever k dt is.

    Parameters
    ----------
    k
        1/s, at least 0: one value or (p,).
    feed
        Intensity per second: one value, (p,), or (p, T) for one that changes (linear between frames).
    traces
        (n, T), of which the driven cells' rows and the inner cells' first frame are used.
    dt
        Seconds between frames.
    leak
        r, 1/s: every inner cell loses -r y.
    source
        Intensity per second on top of the feed, (p, T - 1), constant from one frame to the next.
    """
    shape = (len(op.inner), traces.shape[1])
    rate = np.broadcast_to(np.asarray(k, dtype=np.float64), shape[:1])
    outside = traces.astype(np.float64)
    outside[op.inner] = 0
    drive = rate[:, None] * op.neighbours(outside) + _every_frame(feed, shape)
    pulse = np.zeros((shape[0], shape[1] - 1)) if source is None else source
    first = traces[op.inner, 0]
    if shape[0] <= DENSE_CELLS and rate.min() > LEAST_RATE * rate.max():
        return _simulate_modes(op, rate, drive, pulse, first, dt, leak)
    return _simulate_taylor(op, rate, drive, pulse, first, dt, leak)


def simulate_alone(
    op: Operator, k: FloatArray | float, feed: FloatArray | float, traces: FloatArray, dt: float, leak: float = 0.0
) -> FloatArray:
    """Free run of every inner cell by itself (eq. 1), (p, T): all its neighbours follow the data, linear between
    frames. Parameters as for `simulate`."""
    pull = op.neighbours(traces)
    rate = np.broadcast_to(np.asarray(k, dtype=np.float64), pull.shape[:1])
    drive = rate[:, None] * pull + _every_frame(feed, pull.shape)
    still = np.zeros((drive.shape[1] - 1, len(drive)))
    return _propagate(-(rate * op.rate + leak) * dt, traces[op.inner, 0], drive.T, still, dt).T


def _every_frame(feed: FloatArray | float, shape: tuple[int, ...]) -> FloatArray:
    values = np.asarray(feed, dtype=np.float64)
    return np.broadcast_to(values[:, None] if values.ndim == 1 else values, shape)


def _simulate_modes(
    op: Operator, k: FloatArray, drive: FloatArray, pulse: FloatArray, first: FloatArray, dt: float, leak: float
) -> FloatArray:
    # k M_ii = E (W - S) with E = k / D diagonal is similar to the symmetric E^1/2 (W - S) E^1/2: its modes are real
    # and orthogonal.
    root = np.sqrt(np.maximum(op.degree, 1) / k)
    symmetric = k[:, None] * op.inner_matrix() * root[:, None] / root[None, :]
    value, mode = np.linalg.eigh((symmetric + symmetric.T) / 2)
    into = mode.T * root[None, :]
    state = _propagate((value - leak) * dt, into @ first, (into @ drive).T, (into @ pulse).T, dt)
    result: FloatArray = (mode @ state.T) / root[:, None]
    return result


def _propagate(a: FloatArray, first: FloatArray, drive: FloatArray, pulse: FloatArray, dt: float) -> FloatArray:
    """z' = (a / dt) z + drive + pulse, exact steps of independent modes, (T, p); drive (T, p) is linear between
    frames, pulse (T - 1, p) constant."""
    grow, (phi1, phi2) = np.exp(a), _phi(a)
    push = dt * (phi1 * (drive[:-1] + pulse) + phi2 * np.diff(drive, axis=0))
    state = np.empty_like(drive)
    state[0] = first
    for frame in range(len(push)):
        np.multiply(grow, state[frame], out=state[frame + 1])
        state[frame + 1] += push[frame]
    return state


def _phi(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """phi1 = (e^a - 1) / a and phi2 = (e^a - 1 - a) / a^2, by series where the quotient cancels."""
    small = np.abs(a) < 0.5
    safe = np.where(small, 1.0, a)
    near = np.where(small, a, 0.0)
    series = np.zeros_like(a)
    for n in range(16, 1, -1):  # Horner: 1/2 (1 + a/3 (1 + a/4 (...)))
        series = (1 + near * series) / n
    phi1 = np.where(small, 1 + near * series, np.expm1(safe) / safe)
    return phi1, np.where(small, series, (np.expm1(safe) - safe) / safe**2)


def _simulate_taylor(
    op: Operator, k: FloatArray, drive: FloatArray, pulse: FloatArray, first: FloatArray, dt: float, leak: float
) -> FloatArray:
    from scipy.sparse import diags_array

    matrix = diags_array(k) @ op.sparse_inner_matrix() - diags_array(np.full(len(k), leak))
    steps = max(1, ceil((2 * float(np.max(k * op.rate)) + leak) * dt))
    h = dt / steps
    result = np.empty_like(drive)
    result[:, 0] = state = first
    for frame in range(drive.shape[1] - 1):
        slope, start = (drive[:, frame + 1] - drive[:, frame]) / dt, drive[:, frame] + pulse[:, frame]
        for step in range(steps):
            state = _taylor_step(matrix, state, start + slope * (step * h), slope, h)
        result[:, frame + 1] = state
    return result


def _taylor_step(matrix: Any, state: FloatArray, source: FloatArray, slope: FloatArray, h: float) -> FloatArray:
    # The n-th derivative of y' = A y + source + slope t is A y^(n-1), plus the slope at n = 2.
    term: FloatArray = h * (matrix @ state + source)
    total = state + term
    term = (h / 2) * (matrix @ term + h * slope)
    total = total + term
    for n in range(3, TAYLOR_TERMS + 1):
        term = (h / n) * (matrix @ term)
        total = total + term
    return total


def sub_operator(op: Operator, cells: IntArray) -> tuple[IntArray, Operator]:
    """The rows of the traces that some inner cells need (m,), themselves and neighbours, and their operator on those.

    `cells` are positions among the inner cells; neighbours outside become driven.
    """
    edges = np.concatenate([np.arange(op.start[cell], op.start[cell + 1]) for cell in cells]).astype(np.int64)
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
    """M as a dense (p, n) matrix: a block is small."""
    dense = np.zeros((len(op.inner), op.cells))
    dense[np.repeat(np.arange(len(op.inner)), np.diff(op.start)), op.neighbour] = op.weight
    dense[np.arange(len(op.inner)), op.inner] -= op.rate
    return dense


RULE = np.array([-1.0, 13.0, 13.0, -1.0]) / 24
"""The mean over a frame of the cubic through the four samples around it."""


def frame_means(values: FloatArray) -> FloatArray:
    """Mean over each frame, (p, T - 1), of what is sampled at its ends, (p, T); the outermost by the trapezoid."""
    means: FloatArray = 0.5 * (values[:, 1:] + values[:, :-1])
    middle = 13 * (values[:, 1:-2] + values[:, 2:-1]) - values[:, :-3] - values[:, 3:]
    means[:, 1:-1] = middle / 24
    return means
