"""The null: do cells in contact share more than a smooth drive gives to cells that do not touch?

What reaches cells together, such as the bath, a wave, a released substance, glow or the lamp, makes neighbours alike
without any coupling. It is smooth in space, so cells around show it that are not in contact. It is removed first, from
each trace by interpolation between such cells (shared_drive.py). What is left of a cell holds nothing of the cells in
contact with it. Two statistics over contacts ask whether it goes with them nevertheless: k, how a cell moves after its
neighbours stood high or low, and synchrony, how the two move at the same time.

If the cells' own activities are independent, each statistic is 0 on average and its sign is a matter of chance: turning
the traces of some cells upside down changes nothing but that sign. So the statistics are compared with those of
cultures in which cells, drawn at random, are turned upside down. Whatever the cells' activity looks like, that holds.

It cannot tell coupling from what is shared by cells in contact alone. Light from next door (cross-talk) is such, for
synchrony. It has no delay, so k does not see it. A drive that changes from one cell to the next is also taken for
coupling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator
from calcigraph.models.contact_statistics import coupling, synchrony
from calcigraph.models.shared_drive import without_drive
from calcigraph.store.types import FloatArray, IntArray, Progress, silent

FEWEST_FRAMES = 8
SAME = 1e-9
"""Statistics closer than this, relative to the largest, are ties."""


@dataclass(frozen=True)
class NullTest:
    """A culture's two statistics, observed and over cultures with random cells turned upside down.

    `_mean` and `_sd` are those of the random cultures. `_z` is (observed - mean) / sd, 0 where all agree. It grows with
    the number of cells, so cultures are compared by `sync - sync_mean`. `_p` is one-sided, (1 + number at least as
    large) / (1 + `times`).
    """

    k: float
    """1/s, a rough k of what a smooth drive does not explain: for the test only; may be negative."""
    k_mean: float
    k_sd: float
    k_z: float
    k_p: float
    sync: float
    """Synchrony without a smooth drive, -1 to 1."""
    sync_mean: float
    sync_sd: float
    sync_z: float
    sync_p: float
    times: int


def null_test(
    traces: FloatArray,
    op: Operator,
    pairs: IntArray,
    places: FloatArray,
    dt: float,
    times: int = 200,
    seed: int = 0,
    progress: Progress = silent,
) -> NullTest:
    """k and synchrony over contacts, without what a smooth drive gives, against those of independent cells.

    The same arguments give the same result to the bit, whatever the number of threads.

    Parameters
    ----------
    traces
        Intensity, (n, T).
    op
        The consensus operator of these n cells; its inner cells are the coupling's equations.
    pairs
        Contacts, (m, 2), as rows of `traces`, each once.
    places
        Centroids of the cells, (n, 2), in any unit.
    dt
        Seconds between frames.
    times
        N, how many random cultures.
    seed
        Of the random cultures. The statistics themselves do not depend on it.
    progress
        Called with the stage "null".

    Returns
    -------
    NullTest
        Both statistics with mean, standard deviation, z and p.

    Raises
    ------
    FitError
        Less than once, fewer than 8 frames, no contacts, or traces that are not finite.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=60, frames=200, size_px=320, k=0.02))
    >>> graph = culture.subgraph()
    >>> places = np.stack([graph.x_px, graph.y_px], axis=1)
    >>> test = null_test(graph.intensity, culture.operator(), graph.pairs, places, dt=10.0, times=99)
    >>> test.k_p, test.k > test.k_mean
    (0.01, True)
    """
    _check(traces, pairs, times)
    rng = np.random.default_rng(seed)
    progress("null", 0, 1)
    left = without_drive(traces, pairs, places)
    signs = rng.choice([-1.0, 1.0], (1 + times, len(traces)))
    signs[0] = 1.0
    k = _compare(_sums(coupling(left, op, dt), signs), rng)
    sync = _compare(_sums(synchrony(left, pairs), signs), rng)
    progress("null", 1, 1)
    return NullTest(
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
        times=times,
    )


def _check(traces: FloatArray, pairs: IntArray, times: int) -> None:
    if times < 1:
        raise FitError(f"{times} random cultures make no null; give at least 1, better 200")
    if traces.shape[1] < FEWEST_FRAMES:
        raise FitError(f"a null needs at least {FEWEST_FRAMES} frames, not {traces.shape[1]}; leave it out (0)")
    if len(pairs) == 0:
        raise FitError("a null needs contacts, and there are none; ingest with a larger max-gap or max-distance")
    if not np.isfinite(traces).all():
        raise FitError("a null needs finite traces; leave out cells with missing intensities")


def _sums(terms: tuple[IntArray, IntArray, FloatArray], signs: FloatArray) -> FloatArray:
    """Sum of the terms of pairs of cells for each row of signs, (1 + N,)."""
    first, second, value = terms
    return np.array([(sign[first] * sign[second] * value).sum() for sign in signs])


@dataclass(frozen=True)
class _Comparison:
    """An observed statistic against those of the random cultures."""

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
    # Of the random cultures that tie with the observed one a random number counts as larger. So p stays uniform under
    # the null hypothesis where many give the same value, as in cultures of few contacts.
    larger = int((~ties & (others > observed)).sum())
    larger += int(rng.integers(0, int(ties.sum()) + 1))
    return _Comparison(
        observed=observed,
        mean=mean,
        sd=sd,
        z=(observed - mean) / sd if sd > same else 0.0,
        p=(1 + larger) / (1 + len(others)),
    )
