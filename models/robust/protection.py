"""Where sparse sources do not describe the cells, the estimate of `robust` gives way to that of `decorrelation`.

`robust` is the more exact one while cells rest between brief events: it sets the events aside and fits the rest. Where
cells are active all the time, or drift, nothing tells it so from inside but its interval, which widens, and a k that
decorrelation rejects. So it answers only if its interval is the narrower one, relative to its k, if its k is not far
outside the interval of decorrelation, which needs only that cells' own sources are independent, and if no leak shows
that it does not fit. Where neighbours' own sources follow on each other, because a cell that fires sets off the next,
decorrelation has no say: `robust`, which sets events aside, then answers if it tells a k at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.decorrelation.fit import outweighed, prepared, reasons, solved, widened
from calcigraph.models.decorrelation.inversion import FASTEST_FILM, SHARED, Decorrelated, estimate
from calcigraph.models.decorrelation.sensitivity import Alternative, alternatives
from calcigraph.models.estimate import Estimate, same_for_all
from calcigraph.models.task import Solved, Task

BEYOND = 1.5
"""Half-widths of the interval of decorrelation within which the k of robust must lie: 99.7 %."""
LEAKS = 3.0
"""Deviations of a leak from which robust, fitted without one, does not hold: unless its interval is..."""
MUCH = 0.5
"""...less than this share of that of decorrelation: a leak that is not modelled widens it."""
CERTAIN = 1 / 3
"""Half-width over k up to which robust tells its k from 0."""
TOLD = 1 / 2
"""Half-width over k up to which decorrelation tells what other assumptions do to k."""
OF_LEAK = ("leak", "leak_error")
LIKE = 0.5
"""Share of the k of decorrelation from which the k of robust, if it is certain, shows that brief events do describe
most of these cells. Then its doubts count too, and its interval. Where cells are active all the time it is 0.1 or less,
where contacts have conductances of their own 0.5 to 0.75."""
TINY = 1e-9
"""1/s, below which there is no k to speak of."""


def protected(task: Task, robust: Solved) -> Solved:
    """The parameters of a task: those of `robust`, or those of `decorrelation` where the former do not hold."""
    alone = replace(robust, facts=dict(robust.facts) | {"estimator": "robust"})
    if robust.culture_k.value * task.dt > FASTEST_FILM:  # faster than what the other can tell
        return alone
    try:
        parts, contacts = prepared(task)
    except FitError:  # too short, or too few contacts, to ask the other
        return alone
    found = estimate(parts, contacts)
    leaks = found.leak_score > LEAKS and not robust.leak and not narrower(robust.culture_k, found, MUCH)
    brief = tells_alike(robust.culture_k, found.k)
    if leaks or not (holds(robust.culture_k, found) or (found.following.shows and brief)):
        return _given_way(task, robust, solved(task, parts, contacts, found), brief)
    return _kept(task, robust, found, alternatives(task, parts, contacts, found))


def _given_way(task: Task, robust: Solved, other: Solved, brief: bool) -> Solved:
    """What `decorrelation` found, with what `robust` tells of the traces and of its own k."""
    advice = (
        "brief events do not describe these cells, so k is the one at which their own activity is independent "
        "(model decorrelation)"
    )
    kept = {name: value for name, value in robust.facts.items() if name not in OF_LEAK}
    k = robust.culture_k
    facts = kept | dict(other.facts) | {"robust_k": [k.low, k.value, k.high]}
    other = replace(other, facts=facts, advice=(*robust.advice, advice))
    if not brief:
        return other
    apart = f"with the cells' events set aside k is another, {k.value:.3g} 1/s ({k.low:.3g} to {k.high:.3g})"
    found = other.culture_k
    if found.low <= k.value <= found.high:
        return replace(other, culture_reasons=(*other.culture_reasons, *robust.culture_reasons))
    both = Estimate(value=found.value, low=min(found.low, k.low), high=max(found.high, k.high))
    return replace(
        other,
        culture_k=both,
        k=same_for_all(both, task.op.coupled) if task.options.common_k else other.k,
        culture_reasons=(apart, *other.culture_reasons, *robust.culture_reasons),
    )


def _kept(task: Task, robust: Solved, found: Decorrelated, others: Sequence[Alternative]) -> Solved:
    """What `robust` found, with the interval and the doubts that `decorrelation` leaves it."""
    k = robust.culture_k
    # What another assumption does to k it does to both estimates; a k that is hardly known does not tell it.
    moved = [replace(each, k=each.k * k.value / found.k.value) for each in others] if found.k.value > TINY else []
    k = widened(k, moved) if found.k.half <= TOLD * found.k.value else k
    if not robust.culture_k.half <= CERTAIN * k.value:
        # Activity that lasts pulls k to 0, and robust cannot tell that from no coupling.
        k = Estimate(value=k.value, low=k.low, high=max(k.high, found.k.high))
    apart: tuple[str, ...] = ()
    if not found.k.low <= k.value <= found.k.high:
        k = Estimate(value=k.value, low=min(k.low, found.k.low), high=max(k.high, found.k.high))
        apart = (
            f"model decorrelation gives another k, {found.k.value:.3g} 1/s ({found.k.low:.3g} to {found.k.high:.3g})",
        )
    if found.following.shows and robust.culture_reasons:
        # Nothing checks this k then: contacts that differ make it too small, what follows makes the other too large.
        k = Estimate(value=k.value, low=k.low, high=max(k.high, found.k.high))
    if found.checks.shared_drive > SHARED or outweighed(found, robust.culture_k):
        k = Estimate(value=k.value, low=0.0, high=max(k.high, found.k.high))
    known = {
        "estimator": "robust",
        "decorrelation_k": [found.k.low, found.k.value, found.k.high],
        "shared_drive": found.checks.shared_drive,
        "at_once": found.checks.at_once,
        "following_p": found.following.p,
        "following_s": found.following.after_s,
        "k_statistical": [robust.culture_k.low, robust.culture_k.high],
        "k_if": {each.name: each.k for each in moved},
    }
    return replace(
        robust,
        culture_k=k,
        k=same_for_all(k, task.op.coupled) if task.options.common_k else robust.k,
        culture_reasons=(*robust.culture_reasons, *apart, *reasons(task, found, moved)),
        facts=dict(robust.facts) | known,
    )


def tells_alike(robust: Estimate[float], k: Estimate[float]) -> bool:
    """Whether brief events describe most of the cells: robust is certain of a k that is not far below the other."""
    return bool(robust.half <= CERTAIN * robust.value and robust.value >= LIKE * k.value)


def holds(robust: Estimate[float], found: Decorrelated) -> bool:
    """Whether the k of robust can be trusted beside that of decorrelation."""
    k = found.k
    if not np.isfinite(robust.half):
        return False
    end = k.high if robust.value >= k.value else k.low
    inside = abs(robust.value - k.value) <= BEYOND * abs(end - k.value)
    return narrower(robust, found, 1.0) and bool(inside)


def narrower(robust: Estimate[float], found: Decorrelated, share: float) -> bool:
    """Whether the relative width of robust's interval is below a share of that of decorrelation."""
    return bool(robust.half * max(found.k.value, 0.0) < share * found.k.half * robust.value)
