"""Whether all cells of a culture share something in each frame, and the estimate and the traces without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.robust.batches import make_batches
from calcigraph.models.robust.common_mode import TELLS, beyond_chance, middle_part, residuals
from calcigraph.models.robust.rounds import Solution, estimate
from calcigraph.models.scale import noise_level
from calcigraph.models.task import Distribute
from calcigraph.store.types import FloatArray

FEWEST_CELLS, MANY_CELLS = 10, 40
"""Inner cells from which what all of them share can be told from what each has, if it is strong, and if it is weak."""
MOVED, NO_WORSE = 3.0, 1.05
"""Standard errors by which k differs without what all cells share, from which that is taken out; and the most by which
the error may grow then."""
AGAIN, SHARPER = 2, 0.5
"""Estimates from traces without the common mode, and the share of the error below which they are preferred."""


def without_common(
    solution: Solution, op: Operator, traces: FloatArray, dt: float, profile: FloatArray, distribute: Distribute
) -> tuple[Solution, FloatArray, FloatArray]:
    """The estimate, the traces and their noise profile: without what all cells share, if they share something.

    They do if the mean of their residuals exceeds chance; a weaker common mode (glow) shows in k, which differs without
    it by more than chance, and is known no less exactly. It is eliminated from both sides of the equation. In traces
    with very little noise what is left of it would pass for transients; then the estimate is made from traces of which
    it was subtracted.

    Parameters
    ----------
    solution
        The estimate that takes the traces as they are.
    op
        The consensus operator, p inner cells of n.
    traces
        Intensity, (n, T).
    dt
        Seconds between frames.
    profile
        Noise profile, (n,), of that estimate.
    distribute
        Runs batches of cells, maybe in parallel.
    """
    as_it_was = solution, traces, profile
    if len(op.inner) < FEWEST_CELLS:
        return as_it_was
    common = replace(solution.settings, common=True)
    # Whatever all cells share would count as noise of each.
    own_noise = noise_level(traces - traces.mean(axis=0))
    batches = make_batches(op, traces, dt, common, own_noise)
    if beyond_chance(*residuals(solution.batches, solution.state)) <= TELLS:
        if len(op.inner) < MANY_CELLS:
            return as_it_was
        quick = estimate(batches, common, distribute, solution.state)
        moved = abs(_k(quick) - _k(solution))
        if not (moved > MOVED * _error(quick) and 0 < _error(quick) <= NO_WORSE * _error(solution)):
            return as_it_was
    found = estimate(batches, common, distribute)
    rest = residuals(found.batches, found.state)[0]
    cleaned = traces - _course(rest)
    again = found
    for _ in range(AGAIN):
        plain = make_batches(op, traces - _course(rest), dt, solution.settings, own_noise)
        again = estimate(plain, solution.settings, distribute)
        rest = residuals(make_batches(op, traces, dt, solution.settings, own_noise), again.state)[0]
    if 0 < _error(again) < SHARPER * _error(found):
        return replace(again, common=True), traces - _course(rest), own_noise
    batches = make_batches(op, cleaned, dt, common, own_noise)
    return replace(found, batches=tuple(batches), common=True), cleaned, own_noise


def _course(rest: FloatArray) -> FloatArray:
    """What all cells share in each frame, (T,), 0 at first, from residual increments, (p, F)."""
    shared = middle_part(rest, np.zeros(len(rest), np.int64))[0]
    return np.concatenate([[0.0], np.cumsum(shared)])


def _k(solution: Solution) -> float:
    return float(solution.pooled.theta[0, 0])


def _error(solution: Solution) -> float:
    return float(solution.pooled.error[0, 0])
