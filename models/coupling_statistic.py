"""The coupling of a culture as a statistic for the permutation test (permutation.py).

It is k of eqs. 1-4 (arXiv:2505.20327) in weak form, 1/s, without bias correction and without bounds (it may be
negative). The cell's own decay is a free parameter:

    y_i' = k n_i - a_i y_i + gamma_i,    n_i = (1 / |N_i|) sum_j w_ij x_j

Each equation is multiplied by test functions phi(s) = (1 - s^2)^4 over a few frames and integrated by parts, so no
difference of noisy samples is taken. There is one k for all cells, and a_i and gamma_i for each cell. Tukey's
bisquare gives spikes little weight.

In the model a_i = k (1 / |N_i|) sum_j w_ij. Here it is free because a cell also decays after a spike that no
neighbour has part in. With a_i tied to k, that decay would count as coupling in every permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.scale import CONSISTENT, bisquare, rounding_level
from calcigraph.store.types import FloatArray, IntArray, Progress

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HALF_WIDTH, NARROWEST = 5, 2
"""Frames: a test function's half-width, and the smallest one, for short recordings."""
ALONE_STEPS, STEPS = 5, 2
"""Reweightings of a cell without its neighbours (once), and with them (in every permutation)."""
ROWS = 256
"""Cells solved at once: what the processor's cache holds."""


@dataclass(frozen=True)
class Equations:
    """The weak form of every trace without its neighbours: n traces, c test functions each."""

    level: FloatArray
    """(n, c), mean of y under each test function, less the trace's mean of those."""
    change: FloatArray
    """(n, c), y' under each test function, intensity per second."""
    weight: FloatArray
    """(n, c), bisquare weights of the residuals of change = gamma - a level."""
    least: FloatArray
    """(n,), what rounding gives `change`: no scale of residuals is smaller."""


def couplings(traces: FloatArray, op: Operator, orders: IntArray, dt: float, progress: Progress) -> FloatArray:
    """The coupling of every arrangement of the traces.

    Parameters
    ----------
    traces
        Intensity, (n, T).
    op
        The consensus operator; its inner cells are the equations.
    orders
        (1 + N, n), which trace is at each position, one row per arrangement.
    dt
        Seconds between frames.
    progress
        Called with the stage "null coupling".

    Returns
    -------
    FloatArray
        k, (1 + N,), 1/s.
    """
    equations = _equations(traces, dt)
    found = np.empty(len(orders))
    for number, order in enumerate(orders):
        progress("null coupling", number, len(orders))
        found[number] = _coupling(equations, op, order)
    progress("null coupling", len(orders), len(orders))
    return found


def _equations(traces: FloatArray, dt: float) -> Equations:
    frames = traces.shape[1]
    half = min(HALF_WIDTH, max(NARROWEST, (frames - 2) // 8))
    # Successive windows overlap by half, so that every frame counts about twice. Short recordings use every window.
    step = half if half == HALF_WIDTH else 1
    mean, slope = _test_function(half, dt)
    # Without its static brightness a trace keeps more digits in the sums.
    centred = traces - traces.mean(axis=1, keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(centred, len(mean), axis=1)[:, ::step]
    level = np.einsum("nck,k->nc", windows, mean)
    change = np.einsum("nck,k->nc", windows, slope)
    level -= level.mean(axis=1, keepdims=True)
    # These weights need no neighbours, so they are the same in every permutation and are found only once.
    weight, least = np.ones_like(level), rounding_level(np.diff(traces, axis=1)) * np.sqrt(slope @ slope)
    for _ in range(ALONE_STEPS):
        weight = _weights(_without_decay(level, weight, change)[0], least)
    return Equations(level=level, change=change, weight=weight, least=least)


def _test_function(half: int, dt: float) -> tuple[FloatArray, FloatArray]:
    """Weights of 2 half + 1 samples that give y and y' under phi(s) = (1 - s^2)^4."""
    frame = np.arange(-half, half + 1)
    s = frame / half
    phi, minus_slope = (1 - s**2) ** 4, s * (1 - s**2) ** 3
    # Scaled so that the mean of a constant and the slope of a line are exact, however few the frames.
    return phi / phi.sum(), minus_slope / (minus_slope @ frame * dt)


def _coupling(equations: Equations, op: Operator, order: IntArray) -> float:
    """k of one arrangement: weighted least squares, first with the cells' own weights, then with those of the rest."""
    # A permutation changes only which traces are neighbours; level, change and first weights stay with the trace.
    pull, inner = _neighbour_means(op, order) @ equations.level, order[op.inner]
    blocks = []
    for first in range(0, len(inner), ROWS):
        traces = inner[first : first + ROWS]
        block = _Block(
            level=equations.level[traces],
            change=equations.change[traces],
            pull=pull[first : first + ROWS],
            weight=equations.weight[traces],
            least=equations.least[traces],
        )
        blocks.append(block)
    k = _common_k(blocks)
    for _ in range(STEPS):
        for block in blocks:
            block.weight = _weights(block.change_left - k * block.pull_left, block.least)
        k = _common_k(blocks)
    return k


@dataclass
class _Block:
    """Some inner positions of one arrangement, (rows, c) each."""

    level: FloatArray
    change: FloatArray
    pull: FloatArray
    """The neighbours' weighted mean of `level`."""
    weight: FloatArray
    least: FloatArray
    """(rows,), the smallest scale of residuals."""
    change_left: FloatArray = field(init=False)
    """The part of `change` that the cell's own decay and feed do not explain."""
    pull_left: FloatArray = field(init=False)
    """The same part of `pull`."""

    def sums(self) -> tuple[float, float]:
        """Numerator and denominator of k."""
        self.change_left, self.pull_left = _without_decay(self.level, self.weight, self.change, self.pull)
        weighted = self.weight * self.pull_left
        numerator = _row_products(weighted, self.change_left).sum()
        denominator = _row_products(weighted, self.pull_left).sum()
        return float(numerator), float(denominator)


def _common_k(blocks: Sequence[_Block]) -> float:
    """The one k of all cells; 0 where the neighbours never change, because then nothing determines it."""
    numerator, denominator = np.array([block.sums() for block in blocks]).sum(axis=0).tolist()
    return numerator / denominator if denominator > 0 else 0.0


def _neighbour_means(op: Operator, order: IntArray) -> csr_array[Any, tuple[int, int]]:
    """The neighbours' weighted mean as a matrix on traces, (p, n), for traces at the positions of this order."""
    from scipy.sparse import csr_array

    traces = order[op.neighbour]
    return csr_array((op.weight, traces, op.start), shape=(len(op.inner), op.cells))


def _without_decay(level: FloatArray, weight: FloatArray, *several: FloatArray) -> list[FloatArray]:
    """The residual of each of several quantities, (p, c), after a fit of level and a constant, row by row."""
    total = weight.sum(axis=1)
    level = level - (_row_products(weight, level) / total)[:, None]
    weighted = weight * level
    size = _row_products(weighted, level)
    left = []
    for values in several:
        # A trace that never changes has level 0 throughout; its slope is then 0.
        slope = np.divide(_row_products(weighted, values), size, out=np.zeros_like(size), where=size > 0)
        rest = values - (_row_products(weight, values) / total)[:, None]
        rest -= slope[:, None] * level
        left.append(rest)
    return left


def _row_products(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("pc,pc->p", a, b))


def _weights(rest: FloatArray, least: FloatArray) -> FloatArray:
    """Bisquare weights of residuals, (p, c), by each row's median absolute residual, a scale of at least `least`."""
    far = np.abs(rest)
    middle = far.shape[1] // 2
    scale = CONSISTENT * np.partition(far, middle, axis=1)[:, middle]
    # Where most residuals are exactly 0, the scale is 0 and the rest would be divided by it.
    least = np.maximum(least, 1e-9 * far.max(axis=1) + np.finfo(np.float64).tiny)
    return bisquare(far, np.maximum(scale, least)[:, None])
