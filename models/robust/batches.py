"""What the rounds of the robust estimator work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.quadrature import frame_means
from calcigraph.models.robust.sources import tails
from calcigraph.models.robust.weakform import Moments, Rows
from calcigraph.store.types import BoolArray, FloatArray, IntArray

BATCH_CELLS = 1024


@dataclass(frozen=True)
class Settings:
    """What the user decides."""

    half_width: float | None = None
    """Frames; None: from the data."""
    feed: str = "own"
    """`own` (one per cell), `shared` or `none`."""
    leak: bool = False
    correct: bool = True
    """Model tails and take noise out of the regressors; False leaves the plain weak form."""


@dataclass(frozen=True)
class Batch:
    """The data of p cells over F frame steps."""

    increments: FloatArray
    """(p, F)."""
    regressors: FloatArray
    """(c, p, F): dt <M y>; with a leak -dt <y>; with a shared feed dt."""
    coefficients: FloatArray
    """(p, c'), `around` and `own`, (p,): see `weakform.Rows`; for noise of the cells' profile."""
    around: FloatArray
    own: FloatArray
    group: IntArray
    """(p,), which culture a cell belongs to."""
    dt: float

    def residual(self, theta: FloatArray, level: FloatArray, found: BoolArray | None) -> tuple[FloatArray, FloatArray]:
        """Increments less what coupling, leak and feed (per frame) explain, and the tails of sources in the found
        frames, each (p, F); theta is (p, c + 4)."""
        base = len(self.regressors)
        rest = self.increments - np.einsum("pc,cpf->pf", theta[:, :base], self.regressors) - level[:, None]
        if found is None:
            return rest, np.zeros_like(rest)
        return rest, np.einsum("pc,cpf->pf", theta[:, base:], tails(found, rest))

    def rows(self, extra: FloatArray) -> Rows:
        """With more regressors, (c'', p, F)."""
        regressors = np.concatenate([self.regressors, extra]) if len(extra) else self.regressors
        return Rows(self.increments, regressors, self.coefficients, self.around, self.own, self.dt)


@dataclass(frozen=True)
class State:
    """Where the iteration is, for p cells of g groups."""

    theta: FloatArray
    """(g, c + 4), shared: k; leak; feed; amplitudes of the tails."""
    k: FloatArray
    """(p,), the shared one, or a cell's own where it departs: by a k that is not its own, all of it were a source."""
    feed: FloatArray
    """(p,), intensity per frame; 0 where it is shared or absent."""
    q: FloatArray
    """(p,), of Omega."""
    tails: bool = False
    found: tuple[BoolArray, ...] | None = None
    """Per batch, (p, F): frames with a source."""

    def of(self, batch: Batch, first: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Parameters (p, c + 4), feed and q of a batch whose cells start at `first`."""
        cut = slice(first, first + len(batch.own))
        theta = self.theta[batch.group]
        theta[:, 0] = self.k[cut]
        return theta, self.feed[cut], self.q[cut]


@dataclass(frozen=True)
class Piece:
    """What a round makes of a batch."""

    found: BoolArray
    q: FloatArray
    """(p,), of Omega, with which the moments were made."""
    moments: Moments
    covariance: FloatArray
    """(3, p), of the residuals in used frames at lags 0, 1, 2."""
    expected: FloatArray
    """(2, p), of measurement noise of the cells' profile at lags 0 and 1."""


def make_batches(
    op: Operator, traces: FloatArray, dt: float, settings: Settings, profile: FloatArray, group: int = 0
) -> list[Batch]:
    """Cut a culture's inner cells, with traces (n, T) and noise profile (n,), into batches."""
    consensus, inner = dt * frame_means(op.apply(traces)), traces[op.inner]
    regressors, coefficients = [consensus], [-op.rate]
    if settings.leak:
        regressors.append(-dt * frame_means(inner))
        coefficients.append(np.full(len(inner), -1.0))
    if settings.feed == "shared":
        regressors.append(np.full_like(consensus, dt))
    stacked, coefficient, increments = np.stack(regressors), np.stack(coefficients, axis=1), np.diff(inner, axis=1)
    around = dt**2 * replace(op, weight=op.weight**2).neighbours(profile[:, None] ** 2)[:, 0]
    own, groups = profile[op.inner] ** 2, np.full(len(inner), group)
    count = -(-len(inner) // BATCH_CELLS)
    edges = [len(inner) * n // count for n in range(count + 1)]  # even ones: a batch measures its own noise
    cuts = [slice(first, last) for first, last in pairwise(edges)]
    return [
        Batch(increments[cut], stacked[:, cut], coefficient[cut], around[cut], own[cut], groups[cut], dt)
        for cut in cuts
    ]


def joined(batches: Sequence[Batch]) -> Batch:
    """Batches of several cultures as one."""

    def column(name: str, axis: int = 0) -> Any:
        return np.concatenate([getattr(batch, name) for batch in batches], axis=axis)

    regressors = column("regressors", 1)
    coefficients, around, own, group = (column(name) for name in ("coefficients", "around", "own", "group"))
    return Batch(column("increments"), regressors, coefficients, around, own, group, batches[0].dt)
