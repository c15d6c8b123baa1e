"""Permutation test: does it matter which cells are in contact?

Two statistics of a culture, coupling (coupling_statistic.py) and synchrony (synchrony_statistic.py), are compared with
those of the same traces at shuffled positions. Permutations exchange the traces of the inner cells among the inner
positions, and those of the border cells among the border positions. The graph stays. If traces do not depend on
contacts, the observed arrangement is one of 1 + N equally likely ones, so the p-values are exact whatever the traces
look like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator
from calcigraph.models.coupling_statistic import couplings
from calcigraph.models.synchrony_statistic import synchronies
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Progress, silent

FEWEST_FRAMES = 8
SAME = 1e-9
"""Statistics closer than this, relative to the largest, are ties."""


@dataclass(frozen=True)
class PermutationTest:
    """A culture's two statistics, observed and over `permutations` shuffled arrangements.

    `_mean` and `_sd` are those of the shuffled arrangements. `_z` is (observed - mean) / sd, 0 where all arrangements
    agree. It grows with the number of cells, so cultures are compared by `sync - sync_mean`. `_p` is one-sided,
    (1 + number at least as large) / (1 + permutations).
    """

    k: float
    """Coupling, 1/s; may be negative."""
    k_mean: float
    k_sd: float
    k_z: float
    k_p: float
    sync: float
    """Synchrony, -1 to 1."""
    sync_mean: float
    sync_sd: float
    sync_z: float
    sync_p: float
    permutations: int


def permutation_test(
    traces: FloatArray,
    op: Operator,
    pairs: IntArray,
    border: BoolArray,
    dt: float,
    permutations: int = 200,
    seed: int = 0,
    progress: Progress = silent,
) -> PermutationTest:
    """Coupling and synchrony of a culture against shuffled positions of its cells.

    The same arguments give the same result to the bit, whatever the number of threads.

    Parameters
    ----------
    traces
        Intensity, (n, T).
    op
        The consensus operator of these n cells; its inner cells are the coupling's equations.
    pairs
        Contacts, (m, 2), as rows of `traces`, each once.
    border
        (n,), which positions are border; traces of border cells stay at border positions.
    dt
        Seconds between frames.
    permutations
        N, how many shuffled arrangements.
    seed
        Of the permutations.
    progress
        Called with the stages "null coupling" and "null synchrony".

    Returns
    -------
    PermutationTest
        Both statistics with mean, standard deviation, z and p.

    Raises
    ------
    FitError
        Fewer than 1 permutation, fewer than 8 frames, no contacts, or traces that are not finite.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=120, size_px=256, k=0.02))
    >>> graph = culture.subgraph()
    >>> test = permutation_test(
    ...     graph.intensity, culture.operator(), graph.pairs, graph.border, dt=10.0, permutations=99
    ... )
    >>> test.k_p, test.k > test.k_mean
    (0.01, True)
    """
    _check(traces, pairs, permutations)
    rng = np.random.default_rng(seed)
    orders = _arrangements(border, permutations, rng)
    k = _compare(couplings(traces, op, orders, dt, progress), rng)
    sync = _compare(synchronies(traces, pairs, orders, progress), rng)
    return PermutationTest(
        k=k.observed,
        k_mean=k.mean,
        k_sd=k.sd,
        k_z=k.z,
        k_p=k.p,
        sync=sync.observed,
        sync_mean=sync.mean,
        sync_sd=sync.sd,
        sync_z=sync.z,
        sync_p=sync.p,
        permutations=permutations,
    )


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
    """(1 + permutations, n): which trace is at each position; the first row is the observed arrangement."""
    # Border cells, cut off by the edge of the image, may differ from inner ones: the two kinds are not exchangeable.
    orders = np.tile(np.arange(len(border)), (1 + permutations, 1))
    for kind in (np.flatnonzero(border), np.flatnonzero(~border)):
        for order in orders[1:]:
            order[kind] = rng.permutation(kind)
    return orders


@dataclass(frozen=True)
class _Comparison:
    """An observed statistic against those of the shuffled arrangements."""

    observed: float
    mean: float
    sd: float
    z: float
    p: float


def _compare(values: FloatArray, rng: np.random.Generator) -> _Comparison:
    """Compare the first value with the others, (1 + N,)."""
    observed, others = float(values[0]), values[1:]
    mean, sd = float(others.mean()), float(others.std())
    same = SAME * float(np.abs(values).max())
    ties = np.abs(others - observed) <= same
    # Of the arrangements that tie with the observed one a random number counts as larger. So p stays uniform under
    # the null hypothesis where many arrangements give the same value, as in graphs with symmetries.
    larger = int((~ties & (others > observed)).sum())
    larger += int(rng.integers(0, int(ties.sum()) + 1))
    return _Comparison(
        observed=observed,
        mean=mean,
        sd=sd,
        z=(observed - mean) / sd if sd > same else 0.0,
        p=(1 + larger) / (1 + len(others)),
    )
