"""What speaks against a robust estimate, and what followed from the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from calcigraph.models.robust.rounds import Solution
from calcigraph.store.types import BoolArray

FASTEST = 0.5
"""k times the frame interval above which the frames are too far apart for a sure estimate."""
ATTENUATED = 0.5
"""Share of the information on k that is noise, above which k is not trusted."""
AUTOCORRELATED = 0.35
"""Correlation of a cell's residuals two frames apart above which they are not noise."""
CONSTANT = 0.999
"""Share of the coupling regressor that a constant explains, above which k and feed cannot be told apart."""
UNEXPLAINED = 4.0
"""Variance of a cell's residuals, in units of the culture's, above which the cell is unlike the others."""
UNLIKE, SPREAD = 1.5, 0.05
"""Scatter of the cells' own k, in standard errors, and spread beyond these, as a share of k, from which contacts or
cells differ in what the weights do not tell. The spread is at most 0.02 on synthetic cultures whose weights and masks
are right, 0.07 to 0.16 where contacts have conductances of their own or weights follow another law."""
MIN_QUIET = 0.15
"""Share of frames without a transient below which a cell is active nearly all the time."""


def cell_reasons(solution: Solution) -> tuple[tuple[str, ...], ...]:
    """The reasons to doubt each cell's parameters, (p,)."""
    pooled = solution.pooled
    assert solution.state.transients is not None
    # Share of frames without a transient: in a very active cell few are left to fit.
    quiet = np.concatenate([1 - frames.mean(axis=1) for frames in solution.state.transients])
    tests: tuple[tuple[str, BoolArray], ...] = (
        (
            "its trace is hardly unlike its neighbours', save for noise",
            pooled.attenuation_cell > ATTENUATED,
        ),
        ("coupling and feed cannot be told apart", pooled.constancy > CONSTANT),
        (
            "what the fit leaves of it is not just noise",
            np.abs(pooled.autocorrelation) > AUTOCORRELATED,
        ),
        ("the fit explains it worse than the other cells", pooled.excess_cell > UNEXPLAINED),
        ("it is active nearly all the time", quiet < MIN_QUIET),
    )
    cells = range(len(pooled.k_cell))
    return tuple(tuple(reason for reason, applies in tests if applies[cell]) for cell in cells)


def culture_reasons(solution: Solution, dt: float) -> tuple[str, ...]:
    """The reasons to doubt the culture's k; dt in seconds."""
    pooled, reasons = solution.pooled, []
    k_dt = pooled.theta[0, 0] * dt
    if k_dt > FASTEST:
        reasons.append(f"cells even out within a few frames (k times the frame interval is {k_dt:.2g}): film faster")
    if pooled.attenuation[0] > ATTENUATED:
        reasons.append("the differences between neighbours are mostly measurement noise")
    k, scatter = float(pooled.theta[0, 0]), float(pooled.scatter[0])
    known = pooled.k_cell_error[np.isfinite(pooled.k_cell_error)]
    spread = float(np.sqrt(max(scatter**2 - 1, 0.0)) * np.median(known)) if len(known) else 0.0
    if scatter > UNLIKE and spread > SPREAD * k > 0:
        reasons.append(
            f"the cells' own k differ by {100 * spread / k:.0f} % more than by chance ({scatter:.1f} times their "
            "errors): some contacts let more through than their size says, or cells are unlike"
        )
    if not solution.state.tailed and pooled.excess[0] > pooled.noise[0]:
        reasons.append(
            "what the fit leaves unexplained is mostly not noise: something drives the cells that the model lacks"
        )
    return tuple(reasons)


def facts(solution: Solution) -> dict[str, Any]:
    """What the data decided, JSON-able, by the names under which a fit stores it.

    leak and leak_error (1/s, only if it is fitted), half_width_frames, trace_noise (intensity, the median cell's),
    source_frames (share of frames with a transient), tails (whether they are modelled), noise_share (of the
    information on k), cell_scatter (of the cells' own k, in standard errors) and common_mode (whether what all cells
    share in a frame was taken out).
    """
    pooled, state = solution.pooled, solution.state
    assert state.transients is not None
    variance = np.concatenate([batch.noise_variance for batch in solution.batches])
    active = np.concatenate([frames.mean(axis=1) for frames in state.transients])
    leak = {}
    if solution.settings.leak:
        leak = {"leak": solution.leak, "leak_error": float(pooled.error[0, 1])}
    return leak | {
        "half_width_frames": float(np.median(1 / np.sqrt(pooled.q))),
        "trace_noise": float(np.sqrt(pooled.noise[0] * np.median(variance))),
        "source_frames": float(np.mean(active)),
        "tails": bool(state.tailed),
        "noise_share": float(pooled.attenuation[0]),
        "cell_scatter": float(pooled.scatter[0]),
        "common_mode": solution.common,
    }
