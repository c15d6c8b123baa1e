"""Model `decorrelation` from a task to parameters with intervals and reasons to doubt them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator
from calcigraph.models.decorrelation.inversion import FASTEST_FILM, SHARED, Decorrelated, estimate
from calcigraph.models.decorrelation.meeting import cuts
from calcigraph.models.decorrelation.noise import measurement_noise
from calcigraph.models.decorrelation.pairs import Contacts
from calcigraph.models.decorrelation.residuals import Sources, source_parts, sources, whitener
from calcigraph.models.decorrelation.sensitivity import LINEAR, Alternative, alternatives
from calcigraph.models.estimate import Estimate, same_for_all
from calcigraph.models.scale import NORMAL
from calcigraph.models.task import Solved, Task
from calcigraph.store.types import FloatArray
from calcigraph.store.weights import COUNTING

MIN_FRAMES = 40
MIN_PAIRS = 6
"""Fewest contacts between inner cells."""
DRIFT_ORDER, FRAMES_A_DEGREE = 6, 40
"""Degree of the polynomial in time, and the frames that each degree needs."""
PREFERRED = 3.0
"""Deviations from which another law of the weights is said to describe the cells better."""
AT_ONCE, AT_ONCE_TOLD = 2.5, 0.15
"""Deviations from which neighbours change together at once, and k + leak times the frame interval up to which that can
be told from coupling."""
TINY = 1e-300
SCALE_MATTERS = 0.05
"""Relative change of k by another scale of the brightness that is said."""


def fit_decorrelation(task: Task) -> Solved:
    """Fit model `decorrelation`: k of eqs. 1-4 (arXiv:2505.20327) at which own sources of neighbours are uncorrelated.

    It needs neither rare nor brief sources, only that cells' own sources are independent of each other.

    Parameters
    ----------
    task
        A culture with p inner cells, and the options.

    Returns
    -------
    Solved
        k and leak in 1/s and feeds in intensity per second, with 95 % intervals.

    Raises
    ------
    FitError
        Fewer than 40 frames to train on, or fewer than 6 contacts between inner cells.
    """
    parts, contacts = prepared(task)
    return solved(task, parts, contacts, estimate(parts, contacts))


def solved(task: Task, parts: Sources, contacts: Contacts, found: Decorrelated) -> Solved:
    """The parameters of a task, its interval widened by what k would be under assumptions that the data allow too."""
    others = alternatives(task, parts, contacts, found)
    k = widened(found.k, others)
    k = replace(k, low=0.0) if outweighed(found, found.k) else k
    own, feed = own_k(found), feeds(task, found)
    return Solved(
        k=same_for_all(k, task.op.coupled) if task.options.common_k else own,
        feed=feed,
        k_cell=own,
        culture_k=k if task.options.common_k else _of_median(k, own.value),
        culture_feed=_median(feed),
        leak=found.leak,
        culture_reasons=(*own_reasons(task, found), *reasons(task, found, others), *scale_reasons(found, others)),
        facts=facts(contacts, found, others),
    )


def widened(k: Estimate[float], others: Sequence[Alternative]) -> Estimate[float]:
    """The interval of k and of what it would be under the other assumptions, each as wide as that of k itself."""
    low, high = k.low, k.high
    if k.value > 0:
        moved = [each.k / k.value for each in others if each.widens]
        low = min([low, *(share * k.low for share in moved)])
        high = max([high, *(share * k.high for share in moved)])
    return Estimate(value=k.value, low=low, high=high)


def outweighed(found: Decorrelated, k: Estimate[float]) -> bool:
    """Whether neighbours share more within a frame than the coupling `k` passes on: then this may be of the same kind.

    Both are compared in deviations of their own. Coupling without more makes the former 0.
    """
    deviations = NORMAL * k.value / max(k.value - k.low, TINY)
    return found.checks.at_once > max(AT_ONCE, deviations)


def reasons(task: Task, found: Decorrelated, others: Sequence[Alternative]) -> tuple[str, ...]:
    """What the moments say against the culture's k, whichever estimator gives it."""
    said, checked = [], found.checks
    if checked.shared_drive > SHARED:
        said.append(
            f"cells that do not touch are active together too ({checked.shared_drive:.1f} deviations from chance, two "
            "contacts apart): what drives them in common cannot be told from coupling"
        )
    if found.following.shows:
        said.append(
            f"neighbours' own activity follows on each other {found.following.after_s:.3g} s later "
            f"(p {found.following.p:.1g}), as where a cell that fires sets off the next: that looks like coupling, and "
            "makes the k at which sources are independent too large"
        )
    better = [each for each in others if each.against > PREFERRED]
    if better:
        best = max(better, key=lambda each: each.against)
        said.append(
            f"the cells are described better if contacts count {COUNTING[best.name]} (--weights '{best.name}') than "
            f"{COUNTING[str(task.options.weights)]} ({best.against:.1f} deviations): k is then {best.k:.3g} 1/s"
        )
    slow = (found.k.value + found.leak) * task.dt < AT_ONCE_TOLD
    if slow and checked.at_once > AT_ONCE and checked.shared_drive <= SHARED:
        said.append(
            f"neighbours change together within a frame ({checked.at_once:.1f} deviations), as where the light of one "
            "falls into the mask of the other (cross-talk): k is then too large"
        )
    return tuple(said)


def own_reasons(task: Task, found: Decorrelated) -> tuple[str, ...]:
    """What speaks against the k of this model alone."""
    said = []
    if found.unexplained:
        said.append("no coupling and leak make the activity of neighbours independent: k cannot be told")
    if found.leak * task.dt > FASTEST_FILM:
        said.append(
            f"what a cell takes in is gone within a frame or two (leak {found.leak:.2g} 1/s): light of its neighbours "
            "in its mask (cross-talk) looks like this coupling; film faster"
        )
    if found.k.value * task.dt > FASTEST_FILM:
        said.append(f"k times the frame interval is {found.k.value * task.dt:.2g}: film faster")
    return tuple(said)


def scale_reasons(found: Decorrelated, others: Sequence[Alternative]) -> tuple[str, ...]:
    """What to say where k depends on the scale of the brightness, which sources that last do not tell."""
    return tuple(
        f"k is {each.k:.3g} 1/s if calcium, not its logarithm, evens out between cells"
        for each in others
        if each.name == LINEAR and each.widens and abs(each.k - found.k.value) > SCALE_MATTERS * found.k.value
    )


def _of_median(k: Estimate[float], own: FloatArray) -> Estimate[float]:
    """The median cell's k, with an interval that holds the shared one's too: few cells know their own k well."""
    if not np.isfinite(own).any():
        return k
    middle = float(np.nanmedian(own))
    moved = middle - k.value
    return Estimate(value=middle, low=max(min(k.low, k.low + moved), 0.0), high=max(k.high, k.high + moved))


def prepared(task: Task) -> tuple[Sources, Contacts]:
    """The residual sources and contacts of a task. Raises FitError as `fit_decorrelation`."""
    return prepared_traces(task.subgraph.culture, task.op, task.train, task.dt, task.options.drift_order)


def prepared_traces(
    culture: str, op: Operator, traces: FloatArray, dt: float, drift_order: int | None
) -> tuple[Sources, Contacts]:
    """The same from the traces to train on, (n, T)."""
    frames = traces.shape[1]
    if frames < MIN_FRAMES:
        raise FitError(
            f"culture {culture} has {frames} frames to train on; model decorrelation needs at least {MIN_FRAMES}"
        )
    order = min(DRIFT_ORDER, frames // FRAMES_A_DEGREE) if drift_order is None else drift_order
    parts = sources(op, traces, dt, order)
    contacts = Contacts(op, np.full(op.cells, measurement_noise(traces) ** 2))
    pairs = len(contacts.weight) // 2
    if pairs < MIN_PAIRS:
        raise FitError(
            f"culture {culture} has {pairs} contacts between inner cells; model decorrelation needs at least "
            f"{MIN_PAIRS}"
        )
    if not np.ptp(parts.parts[0], axis=1).any():
        raise FitError(f"no inner cell of culture {culture} ever changes its intensity, so nothing can be fitted")
    return parts, contacts


def own_k(found: Decorrelated) -> Estimate[FloatArray]:
    """Each cell's own k, 1/s, (p,), from its correlations with its neighbours as they are with the shared k."""
    at = found.checks
    with np.errstate(divide="ignore", invalid="ignore"):
        value = -at.cell_right / at.cell_slope
        half = NORMAL * np.sqrt(at.cell_variance) / np.abs(at.cell_slope)
    unknown = ~(np.isfinite(value) & np.isfinite(half)) | (at.cell_slope >= 0)
    value, half = np.where(unknown, np.nan, value), np.where(unknown, np.nan, half)
    return Estimate(value=np.maximum(value, 0.0), low=np.maximum(value - half, 0.0), high=np.maximum(value + half, 0.0))


def feeds(task: Task, found: Decorrelated) -> Estimate[FloatArray]:
    """Each cell's mean source, intensity per second, (p,)."""
    if task.options.no_feed:
        nothing = np.full(len(task.op.inner), np.nan)
        return Estimate(value=nothing, low=nothing, high=nothing)
    k, leak = found.k.value, found.leak
    raw = source_parts(task.op, task.train, task.dt, 0)
    traces = task.train
    first_last = (traces[task.op.inner, -1] - traces[task.op.inner, 0]) / (traces.shape[1] - 1)
    mean = first_last - task.dt * (k * task.op.apply(traces) - leak * traces[task.op.inner]).mean(axis=1)
    residual = raw[0] + k * raw[1] + leak * raw[2]
    whites = [whitener(residual[cells]) for cells in cuts(*residual.shape)]
    # The variance of a mean of F values is their spectrum at frequency 0 over F.
    gain = np.abs(np.concatenate([white.coefficients.sum(axis=1) for white in whites]))
    scale = np.concatenate([white.scale for white in whites])
    innovations = np.sqrt((residual**2).mean(axis=1))
    spread = np.where(gain > 0, scale / np.maximum(gain, 1e-3), innovations)
    half = NORMAL * np.maximum(spread, innovations) / np.sqrt(residual.shape[1])
    each = Estimate.around(mean / task.dt, half / task.dt)
    if task.options.case != "shared":
        return each
    one, cells = _median(each), np.ones(len(mean))
    return Estimate(value=one.value * cells, low=one.low * cells, high=one.high * cells)


def _median(feed: Estimate[FloatArray]) -> Estimate[float]:
    known = np.isfinite(feed.value)
    if not known.any():
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"))
    half = float(np.median(feed.half[known])) * float(np.sqrt(np.pi / 2 / known.sum()))
    return Estimate.around(float(np.median(feed.value[known])), half)


def facts(contacts: Contacts, found: Decorrelated, others: Sequence[Alternative]) -> dict[str, Any]:
    """What the data decided, JSON-able.

    estimator; leak (1/s) and leak_score (deviations), if the data ask for one; trace_noise (intensity); pairs (contacts
    between inner cells); shared_drive (deviations, of cells two contacts apart); at_once
    (deviations, of neighbours within a frame); following_p (of neighbours' sources that follow on each other) and
    following_s (after how long); k_statistical (1/s, the interval
    without other assumptions); k_if (1/s, k under each assumption that the data
    allow too).
    """
    leak = {"leak": found.leak, "leak_score": found.leak_score} if found.leak > 0 else {}
    return leak | {
        "estimator": "decorrelation",
        "trace_noise": float(np.sqrt(np.median(contacts.variance))),
        "pairs": len(contacts.weight) // 2,
        "shared_drive": found.checks.shared_drive,
        "at_once": found.checks.at_once,
        "following_p": found.following.p,
        "following_s": found.following.after_s,
        "k_statistical": [found.k.low, found.k.high],
        "k_if": {each.name: each.k for each in others},
    }
