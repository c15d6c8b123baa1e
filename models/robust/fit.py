"""Model `robust`: from a task to parameters with intervals and what speaks against them (rounds.py has the method)."""

from __future__ import annotations

from math import hypot, nan, sqrt
from typing import Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.estimate import Estimate
from calcigraph.models.options import Bounds
from calcigraph.models.robust.batches import Settings, make_batches
from calcigraph.models.robust.bootstrap import Bootstrap, parametric_bootstrap
from calcigraph.models.robust.pooling import Pooled
from calcigraph.models.robust.rounds import DEPARTING, Solution, estimate
from calcigraph.models.scale import NORMAL, noise_level
from calcigraph.models.task import Solved, Task
from calcigraph.option import value_of
from calcigraph.store.types import BoolArray, FloatArray

MIN_FRAMES = 12
SYSTEMATIC = 0.5
"""Half of the bootstrap's bias, and half of the scatter between cells that chance does not explain, are added to the
interval as systematic errors."""
NOISE_KNOWN = 0.05
"""The measurement noise (variance) that is taken out of the regressors is known to within this share."""
SMALL_SAMPLE = 2.4
"""Student's t at 95 % is about 1.96 + 2.4 / degrees of freedom."""
FASTEST = 0.5
"""k times the frame interval from which the frames are too far apart to be sure."""
ATTENUATED = 0.5
"""Share of the information on k that is noise, from which k is not trusted."""
AUTOCORRELATED = 0.35
"""Of a cell's residuals two frames apart."""
CONSTANT = 0.999
"""Share of the coupling regressor that a constant explains."""
MISFIT = 2.0
"""Up to this factor the scatter of the cells' own k widens their intervals; beyond, the cells themselves differ."""
BY_CHANCE = 1.5
"""The scatter of the cells' own k, squared, in units of their variance, that chance may give."""
UNEXPLAINED = 4.0
"""Variance of a cell's residuals, in units of the culture's."""
MIN_QUIET = 0.15
"""Share of frames without a source."""


def fit_robust(task: Task) -> Solved:
    """Fit model `robust`. Raises FitError for fewer than 12 frames, and traces without variation."""
    found, again = estimated(task)
    pooled, own = found.pooled, not task.options.common_k
    k_cell = np.where(task.op.coupled, np.clip(pooled.k_cell, *task.k_box), np.nan)
    # Cells that scatter by more than their errors: a model that misses something, or cells that do differ.
    widened = max(again.k_cell, 1.0) * min(float(pooled.scatter[0]), MISFIT)
    cells = _inside(k_cell, NORMAL * pooled.k_cell_error * widened, task.k_box)
    culture = shared_k(found, again, task.k_box)
    if own:
        k = cells
        culture = _moved(culture, k_cell)
    else:
        k = _common(culture, task.op.coupled)
    feed, feed_half = _feeds(task, found, again)
    return Solved(
        k=k,
        feed=Estimate.around(feed, feed_half),
        k_cell=cells,
        culture_k=culture,
        culture_feed=_culture_feed(found, feed, feed_half),
        leak=found.leak,
        reasons=reasons(found),
        culture_reasons=culture_reasons(found, task.dt),
        facts=facts(found),
    )


def estimated(task: Task) -> tuple[Solution, Bootstrap]:
    """The solution, and what cultures simulated from it say of its errors."""
    options, traces = task.options, task.train
    if traces.shape[1] < MIN_FRAMES:
        raise FitError(
            f"culture {task.subgraph.culture} has {traces.shape[1]} frames to train on; "
            f"model robust needs at least {MIN_FRAMES}"
        )
    if not np.ptp(traces[task.op.inner], axis=1).any():
        raise FitError(
            f"no inner cell of culture {task.subgraph.culture} ever changes its intensity, so nothing can be fitted"
        )
    settings = Settings(
        half_width=options.half_width,
        feed="none" if options.no_feed else "shared" if options.case == "shared" else "own",
        leak=bool(value_of(options, "leak")),
        correct=bool(value_of(options, "correct")),
    )
    profile = noise_level(traces)
    found = estimate(make_batches(task.op, traces, task.dt, settings, profile), settings, task.distribute)
    again = parametric_bootstrap(
        found,
        task.op,
        traces,
        task.dt,
        profile,
        distribute=task.distribute,
        seed=options.seed,
        own_k=not options.common_k,
    )
    return found, again


def shared_k(found: Solution, again: Bootstrap, box: Bounds) -> Estimate[float]:
    """The k of the group, 1/s."""
    pooled, count = found.pooled, len(found.pooled.k_cell)
    k = float(pooled.theta[0, 0])
    # Three measures of the same: the scatter between cells, the noise as modelled, and the noise as simulated.
    statistical = max(float(pooled.error[0, 0]), float(pooled.model_error[0]), float(again.scatter[0]))
    share = min(float(pooled.attenuation[0]), 0.99)
    noise = NOISE_KNOWN * abs(k) * share / (1 - share)
    systematic = hypot(SYSTEMATIC * float(again.bias[0]), noise, SYSTEMATIC * _misfit(pooled))
    half = (NORMAL + SMALL_SAMPLE / max(count - 1, 1)) * hypot(statistical, systematic)
    low, middle, high = np.clip([k - half, k, k + half], *box).tolist()
    return Estimate(value=middle, low=low, high=high)


def _misfit(pooled: Pooled) -> float:
    """1/s, by how much the cells' own k differ beyond their errors and chance: wrong contacts, drift, or the cells."""
    known = np.isfinite(pooled.k_cell_error)
    if not known.any():
        return 0.0
    beyond = max(float(pooled.scatter[0]) ** 2 - BY_CHANCE, 0.0)
    return float(np.median(pooled.k_cell_error[known])) * sqrt(beyond)


def _moved(culture: Estimate[float], k_cell: FloatArray) -> Estimate[float]:
    """The shared k's interval, moved so that the median cell's k is its value."""
    if not np.isfinite(k_cell).any():
        return culture
    middle = float(np.nanmedian(k_cell))
    low, value, high = (end + middle - culture.value for end in (culture.low, culture.value, culture.high))
    return Estimate(value=value, low=low, high=high)


def _common(culture: Estimate[float], coupled: BoolArray) -> Estimate[FloatArray]:
    """The shared k of every cell that has contacts."""
    value, low, high = (np.where(coupled, end, np.nan) for end in (culture.value, culture.low, culture.high))
    return Estimate(value=value, low=low, high=high)


def _inside(values: FloatArray, half: FloatArray, box: Bounds) -> Estimate[FloatArray]:
    return Estimate(value=values, low=np.clip(values - half, *box), high=np.clip(values + half, *box))


def _feeds(task: Task, found: Solution, again: Bootstrap) -> tuple[FloatArray, FloatArray]:
    """Each cell's feed, (p,), and half of its 95 % interval."""
    options, pooled, own = task.options, found.pooled, not task.options.common_k
    if options.no_feed:
        nothing = np.full(len(task.op.inner), np.nan)
        return nothing, nothing
    if options.case == "shared":
        at = 1 + found.settings.leak
        wide = NORMAL * max(float(pooled.error[0, at]), float(again.scatter[at]))
        feed, half = np.full(len(task.op.inner), found.shared_feed), np.full(len(task.op.inner), wide)
    else:
        # A cell that departs is taken by its own k: with the shared one its feed would be off as well.
        departs = own | (pooled.weight < DEPARTING)
        feed = np.where(departs, pooled.feed_cell, pooled.feed)
        error = np.where(departs, pooled.feed_cell_error, pooled.feed_error)
        half = NORMAL * error * max(again.feed_cell if own else again.feed, 1.0)
    return np.clip(feed, *task.feed_box), half


def _culture_feed(found: Solution, feed: FloatArray, half: FloatArray) -> Estimate[float]:
    """The median cell's feed; its interval is that of a median of p cells, all sharing the error that k gives."""
    known = np.isfinite(feed) & np.isfinite(half)
    if not known.any():
        return Estimate(value=nan, low=nan, high=nan)
    middle = float(np.median(feed[known]))
    alone = 1.0 if found.settings.feed == "shared" else float(np.sqrt(np.pi / 2 / known.sum()))
    wide = float(np.median(half[known])) * alone
    return Estimate.around(middle, wide)


def reasons(found: Solution) -> tuple[tuple[str, ...], ...]:
    """What speaks against each cell's parameters, (p,)."""
    pooled = found.pooled
    assert found.state.found is not None
    quiet = np.concatenate([1 - frames.mean(axis=1) for frames in found.state.found])
    tests: tuple[tuple[str, BoolArray], ...] = (
        ("its traces and its neighbours' differ by little more than noise", pooled.attenuation_cell > ATTENUATED),
        ("coupling and feed cannot be told apart", pooled.constancy > CONSTANT),
        ("the residuals are autocorrelated", np.abs(pooled.autocorrelation) > AUTOCORRELATED),
        ("the residuals are larger than the culture's", pooled.excess_cell > UNEXPLAINED),
        ("it is active nearly all the time", quiet < MIN_QUIET),
    )
    return tuple(tuple(text for text, hit in tests if hit[cell]) for cell in range(len(pooled.k_cell)))


def culture_reasons(found: Solution, dt: float) -> tuple[str, ...]:
    """What speaks against the culture's k."""
    pooled, result = found.pooled, []
    if pooled.theta[0, 0] * dt > FASTEST:
        result.append(f"k times the frame interval is {pooled.theta[0, 0] * dt:.2g}: film faster")
    if pooled.attenuation[0] > ATTENUATED:
        result.append("most of what drives the cells is measurement noise")
    if not found.state.tails and pooled.excess[0] > pooled.noise[0]:
        result.append("the residuals are mostly not measurement noise: something drives the cells that is not modelled")
    return tuple(result)


def facts(found: Solution) -> dict[str, Any]:
    """What the data decided: noise, half-width, frames set aside; the leak in 1/s with its standard error."""
    pooled, state = found.pooled, found.state
    assert state.found is not None
    own = np.concatenate([batch.own for batch in found.batches])
    leak = {"leak": found.leak, "leak_error": float(pooled.error[0, 1])} if found.settings.leak else {}
    return leak | {
        "half_width_frames": float(np.median(1 / np.sqrt(pooled.q))),
        "trace_noise": float(np.sqrt(pooled.noise[0] * np.median(own))),
        "source_frames": float(np.mean(np.concatenate([frames.mean(axis=1) for frames in state.found]))),
        "tails": bool(state.tails),
        "noise_share": float(pooled.attenuation[0]),
        "cell_scatter": float(pooled.scatter[0]),
    }
