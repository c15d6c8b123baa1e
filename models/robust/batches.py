"""What the rounds of the robust estimator work on: batches of cells, and the state that goes from round to round.

Shapes: p cells, F frame steps, g groups (a group is one culture), c regressors before the tails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.quadrature import frame_means
from calcigraph.models.robust.transients import tail_regressors
from calcigraph.models.robust.weakform import Moments, Rows
from calcigraph.models.scale import rounding_level
from calcigraph.store.types import BoolArray, FloatArray, IntArray

BATCH_CELLS = 1024
"""Most cells in a batch. The deviation that finds transients is measured in each batch, so batches are large."""


@dataclass(frozen=True)
class Settings:
    """The user's choices."""

    half_width: float | None = None
    """Of the test functions, frames; None: from the data."""
    feed: Literal["per-cell", "shared", "none"] = "per-cell"
    """Whether each cell has a feed of its own, all cells share one, or there is none."""
    leak: bool = False
    """Whether an extrusion rate is fitted."""
    correct: bool = True
    """Model tails and take noise out of the regressors; False leaves the plain weak form."""
    common: bool = False
    """Whether what all cells share in a frame is taken out (common_mode.py)."""


@dataclass(frozen=True)
class Batch:
    """The data of p cells over F frame steps."""

    increments: FloatArray
    """(p, F), y_(m+1) - y_m."""
    regressors: FloatArray
    """(c, p, F): dt <M y>; with a leak also -dt <y>; with a shared feed also dt."""
    coefficients: FloatArray
    """(p, c'), see `weakform.Rows`."""
    neighbour_noise: FloatArray
    """(p,), see `weakform.Rows`; for noise that has exactly the level of the noise profile."""
    noise_variance: FloatArray
    """(p,), square of the noise profile."""
    group: IntArray
    """(p,), which culture a cell belongs to."""
    dt: float
    """Seconds between frames."""

    @property
    def cells(self) -> int:
        """p."""
        return len(self.noise_variance)

    @cached_property
    def rounding(self) -> FloatArray:
        """(p,), standard deviation of the samples' rounding error."""
        return rounding_level(self.increments)

    def part(self, cells: slice) -> Batch:
        """Some of the cells."""
        return Batch(
            increments=self.increments[cells],
            regressors=self.regressors[:, cells],
            coefficients=self.coefficients[cells],
            neighbour_noise=self.neighbour_noise[cells],
            noise_variance=self.noise_variance[cells],
            group=self.group[cells],
            dt=self.dt,
        )

    def residual(self, at: BatchState, tailed: bool) -> Residual:
        """What the parameters leave of the increments; `tailed` if tails are modelled."""
        # The first amplitudes belong to this batch's regressors, the last four to the tails.
        base = len(self.regressors)
        explained = np.einsum("pc,cpf->pf", at.theta[:, :base], self.regressors)
        without_coupling = self.increments - explained - at.feed[:, None]
        if not tailed or at.transients is None:
            return Residual(without_coupling=without_coupling, tail=np.zeros_like(without_coupling))
        # A tail follows what the transient brought: the residual in the frames of the transient.
        tails = tail_regressors(at.transients, without_coupling)
        tail = np.einsum("pc,cpf->pf", at.theta[:, base:], tails)
        return Residual(without_coupling=without_coupling, tail=tail)

    def rows(self, tails: FloatArray) -> Rows:
        """With tail regressors, (0 or 4, p, F), after the others."""
        return Rows(
            increments=self.increments,
            regressors=np.concatenate([self.regressors, tails]) if len(tails) else self.regressors,
            coefficients=self.coefficients,
            neighbour_noise=self.neighbour_noise,
            noise_variance=self.noise_variance,
            dt=self.dt,
        )


@dataclass(frozen=True)
class Residual:
    """What coupling, leak and feed leave of the increments."""

    without_coupling: FloatArray
    """(p, F): noise, transients and their tails."""
    tail: FloatArray
    """(p, F), the modelled tails; 0 without them."""


@dataclass(frozen=True)
class BatchState:
    """The parameters with which the cells of one batch enter a round."""

    theta: FloatArray
    """(p, c + 4): k; leak; shared feed; amplitudes of the tails."""
    feed: FloatArray
    """(p,), intensity per frame."""
    q: FloatArray
    """(p,), of Omega."""
    transients: BoolArray | None
    """(p, F), frames with a transient as the round before found them; None in the first round."""


@dataclass(frozen=True)
class State:
    """Where the iteration is, for p cells of g groups."""

    theta: FloatArray
    """(g, c + 4), shared by the cells of a group: k; leak; shared feed; amplitudes of the tails."""
    k: FloatArray
    """(p,), the k used for each cell: the shared k, or the cell's own if it differs clearly from it. (With the wrong
    k the whole trace would be taken for a transient.)"""
    feed: FloatArray
    """(p,), intensity per frame; 0 where it is shared or absent."""
    q: FloatArray
    """(p,), of Omega."""
    tailed: bool = False
    """Whether tails are modelled."""
    transients: tuple[BoolArray, ...] | None = None
    """Of each batch, (p, F): frames with a transient."""

    def of_batches(self, batches: Sequence[Batch]) -> list[BatchState]:
        """The part of each batch; the batches hold the cells in order."""
        states, first = [], 0
        for number, batch in enumerate(batches):
            cells = slice(first, first + batch.cells)
            # A batch may hold cells of several groups; indexing copies, so each cell can have another k.
            theta = self.theta[batch.group]
            theta[:, 0] = self.k[cells]
            state = BatchState(
                theta=theta,
                feed=self.feed[cells],
                q=self.q[cells],
                transients=None if self.transients is None else self.transients[number],
            )
            states.append(state)
            first = cells.stop
        return states


@dataclass(frozen=True)
class BatchResult:
    """What a round makes of a batch."""

    transients: BoolArray
    """(p, F)."""
    q: FloatArray
    """(p,), of Omega, with which the moments were made."""
    moments: Moments
    covariance: FloatArray
    """(3, p), of the residuals in used frames at lags 0, 1, 2."""
    expected: FloatArray
    """(2, p), of measurement noise with the level of the noise profile, at lags 0 and 1."""


def make_batches(
    op: Operator, traces: FloatArray, dt: float, settings: Settings, profile: FloatArray, group: int = 0
) -> list[Batch]:
    """Cut the inner cells of a culture into batches.

    Parameters
    ----------
    op
        The consensus operator, p inner cells of n.
    traces
        Intensity, (n, T).
    dt
        Seconds between frames.
    settings
        Which parameters there are.
    profile
        Noise profile, (n,): standard deviation of each cell's measurement noise, up to a common factor.
    group
        The number of this culture, where several are estimated together.

    Returns
    -------
    list of Batch
        Of nearly equal size, in the order of the inner cells.
    """
    # All regressors are integrals over a frame, so their coefficients are per second.
    inner = traces[op.inner]
    coupling = dt * frame_means(op.apply(traces))
    regressors, coefficients = [coupling], [-op.rate]
    if settings.leak:
        regressors.append(-dt * frame_means(inner))
        coefficients.append(np.full(len(inner), -1.0))
    if settings.feed == "shared":
        regressors.append(np.full_like(coupling, dt))
    # The noise of a weighted sum of independent traces has the squares of the weights.
    squared = replace(op, weight=op.weight**2)
    whole = Batch(
        increments=np.diff(inner, axis=1),
        regressors=np.stack(regressors),
        coefficients=np.stack(coefficients, axis=1),
        neighbour_noise=dt**2 * squared.neighbours(profile[:, None] ** 2)[:, 0],
        noise_variance=profile[op.inner] ** 2,
        group=np.full(len(inner), group),
        dt=dt,
    )
    # Equal batches, because in a small last one the deviation would be poorly known.
    count = -(-whole.cells // BATCH_CELLS)
    edges = [whole.cells * n // count for n in range(count + 1)]
    return [whole.part(slice(first, last)) for first, last in pairwise(edges)]


def joined(batches: Sequence[Batch]) -> Batch:
    """Batches of several cultures as one."""

    def column(name: str, axis: int = 0) -> Any:
        return np.concatenate([getattr(batch, name) for batch in batches], axis=axis)

    return Batch(
        increments=column("increments"),
        regressors=column("regressors", axis=1),
        coefficients=column("coefficients"),
        neighbour_noise=column("neighbour_noise"),
        noise_variance=column("noise_variance"),
        group=column("group"),
        dt=batches[0].dt,
    )
