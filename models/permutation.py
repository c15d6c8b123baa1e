"""Does the contact graph matter? Two statistics of a culture against the same cells at shuffled positions.

Permutations exchange the traces of the inner cells among the inner positions and those of the border cells among the
border positions; the graph stays. If traces know nothing of contacts, the observed arrangement is one of 1 + N equally
likely ones, so the p-values are exact whatever the traces look like.

Coupling: k of eqs. 1-4 (arXiv:2505.20327) in weak form, unrefined (no bias correction) and unboxed (it may be
negative), in 1/s, with the cell's own decay left free so that it cannot pass for coupling:

    y_i' = k n_i - a_i y_i + gamma_i,    n_i = (1 / |N_i|) sum_j w_ij x_j

Each equation is multiplied by test functions phi(s) = (1 - s^2)^4 over a few frames and integrated by parts. One k for
all cells, a_i and gamma_i per cell; Tukey's bisquare keeps spikes out. In the model a_i = k (1 / |N_i|) sum_j w_ij;
left free it also takes the fall after a lone cell's transient, which every permutation would count as coupling.

Synchrony: the Pearson correlation of the intensity changes (differences of successive frames) of two cells in contact,
mean over contacts. A cell whose intensity never changes, or always by the same, has no correlation: it counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator
from calcigraph.models.scale import CONSISTENT, bisquare
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Progress, silent

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HALF_WIDTH, NARROWEST = 5, 2
"""Frames: a test function's half-width, and the least that short recordings take."""
FEWEST_FRAMES = 8
OWN_STEPS, STEPS = 5, 2
"""Re-weightings of a cell by itself, and with its neighbours in every permutation."""
EXACT = float(1 << 26)
"""Correlations are taken between unit vectors rounded to whole multiples of 2^-26: every product and partial sum is
then an exact float64, so that no order of summation (threads) can change a result; the error is below 1e-7."""
SAME = 1e-9
"""Statistics closer than this, relative to the largest, are ties."""
ROWS = 256
"""Cells solved at once: what the processor's cache holds."""
BLOCK = 1 << 22
"""Correlations held at once: 32 MB."""


@dataclass(frozen=True)
class Null:
    """A culture's two statistics, observed and over `permutations` shuffled arrangements.

    `_z` is (observed - mean) / deviation, 0 where all arrangements agree; it grows with the number of cells, so
    cultures are compared by `sync - sync_mean`. `_p` is one-sided, (1 + number at least as large) / (1 + permutations).
    """

    k: float
    """1/s; may be negative."""
    k_mean: float
    k_sd: float
    k_z: float
    k_p: float
    sync: float
    """-1 to 1."""
    sync_mean: float
    sync_sd: float
    sync_z: float
    sync_p: float
    permutations: int


def null(
    traces: FloatArray,
    op: Operator,
    pairs: IntArray,
    border: BoolArray,
    dt: float,
    permutations: int = 200,
    seed: int = 0,
    progress: Progress = silent,
) -> Null:
    """Coupling and synchrony of a culture against shuffled positions of its cells; see the module for both.

    The same arguments give the same result to the bit, whatever the number of threads.

    Parameters
    ----------
    traces
        (n, T), intensity.
    op
        The consensus operator of these n cells; its inner cells are the coupling's equations.
    pairs
        (m, 2), contacts as rows of `traces`, each once.
    border
        (n,), which positions are border: traces stay within their kind.
    dt
        Seconds between frames.

    Raises
    ------
    FitError
        Fewer than 1 permutation, fewer than 8 frames, no contacts, or traces that are not finite.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=120, size_px=256, k=0.02))
    >>> graph = culture.subgraph()
    >>> found = null(graph.intensity, culture.operator(), graph.pairs, graph.border, 10.0, permutations=99)
    >>> found.k_p, found.k > found.k_mean
    (0.01, True)
    """
    _check(traces, pairs, permutations)
    rng = np.random.default_rng(seed)
    orders = _arrangements(border, permutations, rng)
    k = _couplings(traces, op, orders, dt, progress)
    sync = _synchronies(traces, pairs, orders, progress)
    return Null(*_against(k, rng), *_against(sync, rng), permutations)


def _check(traces: FloatArray, pairs: IntArray, permutations: int) -> None:
    if permutations < 1:
        raise FitError(f"{permutations} permutations make no null; give at least 1, better 200")
    if traces.shape[1] < FEWEST_FRAMES:
        raise FitError(f"a null needs at least {FEWEST_FRAMES} frames, not {traces.shape[1]}; leave it out (0)")
    if len(pairs) == 0:
        raise FitError("a null needs contacts, and there are none; ingest with a larger max-gap or max-distance")
    if not np.isfinite(traces).all():
        raise FitError("a null needs finite traces; leave out cells with missing intensities")


def _arrangements(border: BoolArray, permutations: int, rng: np.random.Generator) -> IntArray:
    """(1 + permutations, n): which trace stands at each position; the first row is the observed one."""
    orders = np.tile(np.arange(len(border)), (1 + permutations, 1))
    for kind in (np.flatnonzero(border), np.flatnonzero(~border)):
        for order in orders[1:]:
            order[kind] = rng.permutation(kind)
    return orders


def _against(values: FloatArray, rng: np.random.Generator) -> tuple[float, float, float, float, float]:
    """Observed (the first), mean, deviation, z and p; of the permutations that tie a random number counts."""
    observed, others = float(values[0]), values[1:]
    mean, deviation = float(others.mean()), float(others.std())
    size = SAME * float(np.abs(values).max())
    ties = np.abs(others - observed) <= size
    above = int((~ties & (others > observed)).sum()) + int(rng.integers(0, int(ties.sum()) + 1))
    z = (observed - mean) / deviation if deviation > size else 0.0
    return observed, mean, deviation, z, (1 + above) / (1 + len(others))


# Coupling


@dataclass(frozen=True)
class _Equations:
    """The weak form of every trace by itself: (n, c), c test functions."""

    own: FloatArray
    """Mean of y under each test function, less its mean over them."""
    change: FloatArray
    """y' under each test function, intensity per second."""
    weight: FloatArray
    """The bisquare weights of change = gamma - a own: no neighbours yet."""


def _couplings(traces: FloatArray, op: Operator, orders: IntArray, dt: float, progress: Progress) -> FloatArray:
    """k of every arrangement, (1 + N,)."""
    equations = _equations(traces, dt)
    found = np.empty(len(orders))
    for number, order in enumerate(orders):
        progress("null coupling", number, len(orders))
        found[number] = _coupling(equations, op, order)
    progress("null coupling", len(orders), len(orders))
    return found


def _equations(traces: FloatArray, dt: float) -> _Equations:
    half = min(HALF_WIDTH, max(NARROWEST, (traces.shape[1] - 2) // 8))
    step = half if half == HALF_WIDTH else 1
    frame = np.arange(-half, half + 1)
    s = frame / half
    phi, minus_slope = (1 - s**2) ** 4, s * (1 - s**2) ** 3
    # Scaled to give a constant's mean and a line's slope exactly, however few the frames.
    mean, change_of = phi / phi.sum(), minus_slope / (minus_slope @ frame * dt)
    centred = traces - traces.mean(axis=1, keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(centred, len(s), axis=1)[:, ::step]
    own, change = (np.einsum("nck,k->nc", windows, by) for by in (mean, change_of))
    own -= own.mean(axis=1, keepdims=True)
    weight = np.ones_like(own)
    for _ in range(OWN_STEPS):
        weight = _weights(_without(own, weight, change)[0])
    return _Equations(own, change, weight)


def _coupling(equations: _Equations, op: Operator, order: IntArray) -> float:
    """k of one arrangement: weighted least squares, weights from the cell alone first, then from what k leaves."""
    pull, here = _placed(op, order) @ equations.own, order[op.inner]
    blocks = []
    for first in range(0, len(here), ROWS):
        rows = here[first : first + ROWS]
        own, change, weight = equations.own[rows], equations.change[rows], equations.weight[rows]
        blocks.append(_Block(own, change, pull[first : first + ROWS], weight))
    k = _solved(blocks)
    for _ in range(STEPS):
        for block in blocks:
            block.weight = _weights(block.change_left - k * block.pull_left)
        k = _solved(blocks)
    return k


@dataclass
class _Block:
    """Some inner positions of one arrangement, (rows, c) each."""

    own: FloatArray
    change: FloatArray
    pull: FloatArray
    weight: FloatArray
    change_left: FloatArray = field(init=False)
    """What own and a constant leave of change, and below of pull."""
    pull_left: FloatArray = field(init=False)

    def sums(self) -> tuple[float, float]:
        """Numerator and denominator of k."""
        self.change_left, self.pull_left = _without(self.own, self.weight, self.change, self.pull)
        weighted = self.weight * self.pull_left
        return float(_rows(weighted, self.change_left).sum()), float(_rows(weighted, self.pull_left).sum())


def _solved(blocks: Sequence[_Block]) -> float:
    """The one k of all cells; 0 where the neighbours never change and nothing tells it."""
    above, below = np.array([block.sums() for block in blocks]).sum(axis=0).tolist()
    return above / below if below > 0 else 0.0


def _placed(op: Operator, order: IntArray) -> csr_array[Any, tuple[int, int]]:
    """The neighbours' weighted mean as a matrix on traces, (p, n), with traces placed in this order."""
    from scipy.sparse import csr_array

    return csr_array((op.weight, order[op.neighbour], op.start), shape=(len(op.inner), op.cells))


def _without(own: FloatArray, weight: FloatArray, *several: FloatArray) -> list[FloatArray]:
    """What own and a constant leave of each of several, (p, c), by weighted least squares row by row."""
    total = weight.sum(axis=1)
    own = own - (_rows(weight, own) / total)[:, None]
    weighted = weight * own
    size = _rows(weighted, own)
    left = []
    for values in several:
        share = np.divide(_rows(weighted, values), size, out=np.zeros_like(size), where=size > 0)
        rest = values - (_rows(weight, values) / total)[:, None]
        rest -= share[:, None] * own
        left.append(rest)
    return left


def _rows(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("pc,pc->p", a, b))


def _weights(rest: FloatArray) -> FloatArray:
    """Bisquare weights of residuals, (p, c), by each row's median absolute residual."""
    far = np.abs(rest)
    middle = far.shape[1] // 2
    scale = CONSISTENT * np.partition(far, middle, axis=1)[:, middle]
    least = 1e-9 * far.max(axis=1) + np.finfo(np.float64).tiny  # where most residuals are exactly 0
    return bisquare(far, np.maximum(scale, least)[:, None])


# Synchrony


def _synchronies(traces: FloatArray, pairs: IntArray, orders: IntArray, progress: Progress) -> FloatArray:
    """Mean correlation over contacts of every arrangement, (1 + N,)."""
    units = _whole_units(traces)
    total, rows = np.zeros(len(orders)), max(1, BLOCK // len(units))
    for first in range(0, len(units), rows):
        progress("null synchrony", first, len(units))
        correlations = units[first : first + rows] @ units.T
        for number, order in enumerate(orders):
            a, b = order[pairs[:, 0]] - first, order[pairs[:, 1]]
            inside = (a >= 0) & (a < len(correlations))
            total[number] += correlations[a[inside], b[inside]].sum()
    progress("null synchrony", len(units), len(units))
    return total / len(pairs)


def _whole_units(traces: FloatArray) -> FloatArray:
    """Changes less their mean, (n, T - 1), scaled to length 1, in whole multiples of 2^-26; 0 where they are equal."""
    changes = np.diff(traces, axis=1)
    centred = changes - changes.mean(axis=1, keepdims=True)
    length = np.sqrt(_rows(centred, centred))
    rounding = 4 * np.finfo(np.float64).eps * np.abs(traces).max(axis=1) * np.sqrt(traces.shape[1])
    varies = (length > rounding)[:, None]
    unit = np.divide(centred, length[:, None], out=np.zeros_like(centred), where=varies)
    return np.asarray(np.rint(unit * EXACT) / EXACT)
