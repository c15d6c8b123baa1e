"""What k would be if an assumption that the data do not decide were another: it widens the interval.

Two assumptions are varied. The law of the weights: along another law's weights the moments of the contacts must sum to
0 as well, if the law is right. A law is rejected where they do not. And the scale on which neighbours even out, which
the indicator gives: the logarithm of the brightness, the brightness itself, or calcium behind a saturating indicator.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import operator
from calcigraph.models.decorrelation.inversion import FASTEST, Decorrelated, settled
from calcigraph.models.decorrelation.noise import measurement_noise
from calcigraph.models.decorrelation.pair_moments import contact_moments
from calcigraph.models.decorrelation.pairs import Contacts
from calcigraph.models.decorrelation.residuals import Sources, of_other_law, sources
from calcigraph.models.indicator import HILL, LOG, SCALE, Indicator, Scale
from calcigraph.models.indicator import LINEAR as BRIGHTNESS
from calcigraph.models.laws import WEIGHTS
from calcigraph.models.task import Task
from calcigraph.store.types import FloatArray

REJECTED = 2.4
"""Deviations from which a law is rejected: 5 % over the tests against three other laws."""
ROUGHLY = 1e-2
"""Relative change of k below which the rounds for another assumption end: its k only widens the interval."""
LEAST_SLOPE = 1e-3
"""Of the derivative of the moment in k, as a share of that of its contacts, from which it tells k."""
LINEAR = BRIGHTNESS + SCALE
SATURATING = (3.0, 1.0)
"""KD of the saturating indicators for which k is told, whatever the one that is fitted."""
KD_KNOWN = 2.0
"""Factor by which the KD that a user gives may be wrong either way."""


@dataclass(frozen=True)
class Alternative:
    """Another assumption that the data allow."""

    name: str
    """One of `WEIGHTS`, or an indicator and `SCALE`."""
    k: float
    """1/s, under that assumption; with another law, in the unit of that law."""
    against: float = 0.0
    """How far the data speak for it and against the assumption of the task, in deviations."""
    widens: bool = True
    """Whether it widens the interval of k; if not, k is told for it all the same."""


def alternatives(task: Task, parts: Sources, contacts: Contacts, found: Decorrelated) -> tuple[Alternative, ...]:
    """The assumptions beside those of the task that the data do not reject, and k under each."""
    laws = [law for law in WEIGHTS if law != task.options.weights] if task.subgraph.has_borders else []
    with ThreadPoolExecutor(2) as pool:
        tried = [pool.submit(_law, law, task, parts, contacts, found) for law in laws]
        for indicator, widens in other_indicators(Scale.of(task.recorded, Indicator.of(task.options.indicator))):
            tried.append(pool.submit(_scale, indicator, widens, task, parts, found))
        return tuple(each for one in tried if (each := one.result()) is not None)


def other_indicators(scale: Scale) -> list[tuple[Indicator, bool]]:
    """The indicators for which k is told beside the fitted one, and whether they widen its interval.

    To the logarithm, which is an assumption, the alternative is brightness itself. An indicator that the user names is
    taken for known, but not its KD nor the level F0.

    Examples
    --------
    >>> scale = Scale(Indicator.of("hill:1"), shared=True, rest=np.zeros((3, 1)), gain=1.0)
    >>> [str(each) for each, widens in other_indicators(scale) if widens]
    ['hill:0.5', 'hill:2', 'hill:1,own']
    """
    fitted = scale.indicator
    widening = [Indicator(BRIGHTNESS) if fitted.kind == LOG else replace(fitted, shared=not scale.shared)]
    if fitted.kind == HILL:
        widening = [replace(fitted, kd=fitted.kd / KD_KNOWN), replace(fitted, kd=fitted.kd * KD_KNOWN), *widening]
    told = [Indicator(LOG), Indicator(BRIGHTNESS), *(Indicator(HILL, kd) for kd in SATURATING)]
    known = {fitted, *widening}
    return [(each, True) for each in widening] + [(each, False) for each in told if each not in known]


def _law(law: str, task: Task, parts: Sources, contacts: Contacts, found: Decorrelated) -> Alternative | None:
    """Another law of weights, unless it is rejected."""
    try:
        op = operator(task.subgraph, law, task.options.setup)
    except FitError:  # this law needs what the culture has not
        return None
    other = Contacts(op, np.full(op.cells, float(np.median(contacts.variance))))
    of_law = of_other_law(parts, op, task.train)
    k, leak = settled(of_law, other, found.k.value, found.leak, within=ROUGHLY)
    if abs(departure(other, contact_moments(of_law, other, k, leak), contacts.weight)) > REJECTED:
        return None
    against = departure(contacts, found.checks.contacts, other.weight)
    return Alternative(name=law, k=k, against=abs(against))


def departures(laws: Sequence[tuple[Sources, Contacts]]) -> FloatArray:
    """How far the contacts depart from each law towards each other one, in deviations, (l, l); 0 on the diagonal.

    Parameters
    ----------
    laws
        The sources and contacts of one culture with each of l laws.
    """
    result = np.zeros((len(laws), len(laws)))
    for row, (parts, contacts) in enumerate(laws):
        k, leak = settled(parts, contacts, float(np.sqrt(parts.slowest * FASTEST / parts.dt / 2)), 0.0)
        at = contact_moments(parts, contacts, k, leak)
        for column, (_, other) in enumerate(laws):
            if column != row:
                result[row, column] = abs(departure(contacts, at, other.weight))
    return result


def departure(contacts: Contacts, at: tuple[FloatArray, FloatArray], other: FloatArray) -> float:
    """How far the moments speak for another law's weights `other`, (e,), in deviations: 0 where the law is right.

    The weights w of the law that was fitted make their moments, `at` of `contact_moments`, sum to 0. What is left of
    the other's along w' - c w, with c so that k plays no part, has mean 0 and the variance of a sum over uncorrelated
    pairs.
    """
    value, slope = at
    return _left_over(contacts, (other * value, other * slope), (contacts.weight * value, contacts.weight * slope))


def _left_over(
    contacts: Contacts, tested: tuple[FloatArray, FloatArray], fitted: tuple[FloatArray, FloatArray]
) -> float:
    """The sum of moments of contacts, in deviations, with so much of the fitted ones taken out that k plays no part.

    Both are moments and their derivatives in k, (e,) each.
    """
    slope = float(fitted[1].sum())
    if not slope < -LEAST_SLOPE * float(np.abs(fitted[1]).sum()):
        return 0.0  # the moment does not tell k, and so nothing about its law
    terms = tested[0] - float(tested[1].sum()) / slope * fitted[0]
    terms = (terms + terms[contacts.back])[contacts.receiver < contacts.sender]
    size = float(np.linalg.norm(terms))
    return float(terms.sum()) / size if np.isfinite(size) and size > 0 else 0.0


def _scale(indicator: Indicator, widens: bool, task: Task, parts: Sources, found: Decorrelated) -> Alternative | None:
    """k if neighbours even out on another scale; None where the traces cannot be on it."""
    recorded = task.recorded
    try:
        traces = Scale.of(recorded, indicator).applied(recorded.intensity, recorded.labels)[:, : task.split.train]
    except FitError:
        return None
    other = replace(sources(task.op, traces, task.dt, parts.drift_order), spare=parts.spare)
    contacts = Contacts(task.op, np.full(task.op.cells, measurement_noise(traces) ** 2))
    k = settled(other, contacts, found.k.value, found.leak, within=ROUGHLY)[0]
    return Alternative(name=f"{indicator}{SCALE}", k=k, widens=widens)
