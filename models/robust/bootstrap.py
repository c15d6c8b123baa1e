"""Parametric bootstrap: cultures simulated from an estimate show how far the estimator errs on a culture like this.

A simulated culture has the estimated k, feeds, transients and tails, the observed border, fresh measurement noise, and
the noise of the dynamics that the residuals show. It is estimated exactly as the culture was. The scatter of these
estimates is a standard error that includes the estimator's decisions (which frames are masked, which tails are kept).
Their mean, less the parameters that were simulated, is a systematic error (bias).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calcigraph.models.consensus import Operator, simulate
from calcigraph.models.robust.batches import BATCH_CELLS, Batch, State, joined, make_batches
from calcigraph.models.robust.rounds import DEPARTING, Solution, estimate
from calcigraph.models.robust.transients import core
from calcigraph.models.task import Distribute
from calcigraph.store.types import FloatArray

BOOTSTRAP_CELLS = 1152
"""Cells that are simulated in total; a smaller culture is simulated more often."""
FEWEST, MOST = 1, 16
"""How often a culture is simulated."""


@dataclass(frozen=True)
class Bootstrap:
    """Errors over the simulated cultures; c shared parameters: k, leak, feed, tails."""

    count: int
    """How many cultures were simulated."""
    scatter: FloatArray
    """(c,), standard deviation of the shared parameters; 0 with one simulated culture only."""
    bias: FloatArray
    """(c,), mean of the shared parameters, less the values that were simulated."""
    k_cell: float
    """Root mean square error of the cells' own k over their standard error, the median cell's."""
    feed: float
    """The same of the feeds with the shared k."""
    feed_cell: float
    """The same of the feeds with the cell's own k."""


def parametric_bootstrap(
    solution: Solution,
    op: Operator,
    traces: FloatArray,
    dt: float,
    profile: FloatArray,
    *,
    distribute: Distribute,
    seed: int,
    k_per_cell: bool = False,
) -> Bootstrap:
    """Simulate cultures from an estimate, and estimate them.

    Parameters
    ----------
    solution
        The estimate.
    op
        The consensus operator, p inner cells of n.
    traces
        The intensities that were fitted, (n, T); the driven cells keep theirs.
    dt
        Seconds between frames.
    profile
        Noise profile, (n,), with which the estimate was made.
    distribute
        Runs batches of cells, maybe in parallel.
    seed
        Of the noise.
    k_per_cell
        Whether every cell is simulated with its own k; else only those whose own k departs from the shared one.

    Returns
    -------
    Bootstrap
        The same for the same seed, whatever the number of threads.
    """
    culture = _Simulated.of(solution, op, traces, dt, profile, k_per_cell)
    # A small culture is simulated several times. In a large one the scatter between cells is a good standard error
    # of its own, and one simulation shows the bias.
    cells = len(op.inner)
    count = int(np.clip(BOOTSTRAP_CELLS // cells, FEWEST, MOST))
    rng = np.random.default_rng([seed, cells])
    batches: list[Batch] = []
    for number in range(count):
        batches += make_batches(op, culture.draw(rng), dt, solution.settings, profile, number)
    # All simulated cultures are estimated in one call, as groups, from the parameters that were simulated.
    start = _repeated(solution.state, count)
    again = estimate(_gathered(batches), solution.settings, distribute, start).pooled
    pooled = solution.pooled
    off = again.theta - pooled.theta[0]
    return Bootstrap(
        count=count,
        scatter=off.std(axis=0, ddof=1) if count > 1 else np.zeros(off.shape[1]),
        bias=off.mean(axis=0),
        k_cell=_error_ratio(again.k_cell, culture.k, pooled.k_cell_error),
        feed=_error_ratio(again.feed, culture.cell_feed, pooled.feed_error),
        feed_cell=_error_ratio(again.feed_cell, culture.cell_feed, pooled.feed_cell_error),
    )


@dataclass(frozen=True)
class _Simulated:
    """The culture that is simulated, p inner cells of n, F frame steps."""

    op: Operator
    traces: FloatArray
    """(n, T), observed."""
    dt: float
    profile: FloatArray
    """(n,)."""
    k: FloatArray
    """(p,), 1/s."""
    cell_feed: FloatArray
    """(p,), intensity per second; 0 where the feed is shared or absent."""
    shared_feed: float | None
    """Intensity per second; None where it is not shared."""
    leak: float
    """1/s."""
    source: FloatArray
    """(p, F), intensity per second: transients and tails."""
    noise: float
    """Variance of the measurement noise, as a multiple of the profile's."""
    excess: float
    """Variance of the increments beyond measurement noise, as a multiple of the profile's."""

    @classmethod
    def of(
        cls, solution: Solution, op: Operator, traces: FloatArray, dt: float, profile: FloatArray, k_per_cell: bool
    ) -> _Simulated:
        """The culture as it was estimated."""
        # Cells that departed in the estimate must depart in the simulation, or it would look too homogeneous.
        pooled = solution.pooled
        uses_own_k = k_per_cell | (pooled.weight < DEPARTING)
        k = np.where(uses_own_k & np.isfinite(pooled.k_cell), pooled.k_cell, pooled.theta[0, 0])
        return cls(
            op=op,
            traces=traces,
            dt=dt,
            profile=profile,
            k=np.maximum(k, 0.0),  # a negative k, from noise alone, would make the simulation unstable
            cell_feed=np.nan_to_num(np.where(uses_own_k, pooled.feed_cell, pooled.feed)),
            shared_feed=solution.shared_feed if solution.settings.feed == "shared" else None,
            leak=solution.leak,
            source=_source(solution),
            noise=float(pooled.noise[0]),
            excess=float(pooled.excess[0]),
        )

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Traces with fresh noise, (n, T)."""
        inner = self.op.inner
        # Increments of this deviation come from a source that is constant within each frame.
        deviation = self.profile[inner, None] * np.sqrt(self.excess) / self.dt
        source = self.source + deviation * rng.standard_normal(self.source.shape)
        feed = self.cell_feed if self.shared_feed is None else np.full_like(self.cell_feed, self.shared_feed)
        clean = self.traces.copy()
        clean[inner] = simulate(self.op, self.k, feed, self.traces, self.dt, self.leak, source)
        # Driven cells get a second share of noise, because their measured traces stand in for the true ones.
        measurement = np.sqrt(self.noise) * self.profile[:, None] * rng.standard_normal(self.traces.shape)
        noisy: FloatArray = clean + measurement
        return noisy


def _source(solution: Solution) -> FloatArray:
    """Transients without the frames at their edges that hold only noise, and tails; intensity per second, (p, F)."""
    state, parts = solution.state, []
    noise = float(solution.pooled.noise[0])
    for batch, at in zip(solution.batches, state.of_batches(solution.batches), strict=True):
        assert at.transients is not None
        residual = batch.residual(at, state.tailed)
        rest, strong = residual.without_coupling, at.transients
        if noise > 0:
            # An increment holds the noise of two samples.
            deviation = np.sqrt(2 * noise * batch.noise_variance)[:, None]
            strong = core(at.transients, rest / deviation)
        parts.append(np.where(strong, rest, residual.tail) / batch.dt)
    return np.concatenate(parts)


def _repeated(state: State, count: int) -> State:
    """The state of so many cultures, each like this one; transients are found anew."""
    return replace(
        state,
        theta=np.repeat(state.theta, count, axis=0),
        k=np.tile(state.k, count),
        feed=np.tile(state.feed, count),
        q=np.tile(state.q, count),
        transients=None,
    )


def _gathered(batches: list[Batch]) -> list[Batch]:
    """The batches of small cultures joined, up to about the size of one batch."""
    result: list[Batch] = []
    waiting: list[Batch] = []
    for batch in batches:
        if waiting and sum(one.cells for one in waiting) + batch.cells > BATCH_CELLS:
            result.append(joined(waiting))
            waiting = []
        waiting.append(batch)
    return [*result, joined(waiting)]


def _error_ratio(values: FloatArray, simulated: FloatArray, standard: FloatArray) -> float:
    """Root mean square error over standard error of the median cell, from values (count p,) and (p,) of the others."""
    # The median cell, because a few cells without information have errors of any size.
    off = values.reshape(-1, len(simulated)) - simulated
    known = np.isfinite(off).all(axis=0) & (standard > 0)
    if not known.any():
        return 1.0
    root_mean_square = np.sqrt((off[:, known] ** 2).mean(axis=0))
    return float(np.median(root_mean_square / standard[known]))
