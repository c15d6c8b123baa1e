"""What k would be if an assumption that the data do not decide were another: it widens the interval.

Two assumptions are varied. The law of the weights: along another law's weights the moments of the contacts must sum to
0 as well, if the law is right. A law is rejected where they do not. And the scale on which neighbours even out: the
logarithm of the brightness, or the brightness itself.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import operator
from calcigraph.models.contacts import WEIGHTS
from calcigraph.models.decorrelation.inversion import Decorrelated, settled
from calcigraph.models.decorrelation.noise import measurement_noise
from calcigraph.models.decorrelation.pair_moments import Contacts, contact_moments
from calcigraph.models.decorrelation.residuals import Sources, sources
from calcigraph.models.task import Task
from calcigraph.store.types import FloatArray

REJECTED = 2.0
"""Deviations from which a law is rejected."""
MOST_RANGE = 4.0
"""Range of the log brightness of the median cell above which it is not taken for a logarithm."""
QUIET = 0.1
"""Quantile of a cell's brightness that is its F0."""
LEAST_SLOPE = 1e-3
"""Of the derivative of the moment in k, as a share of that of its contacts, from which it tells k."""
LINEAR = "linear scale"


@dataclass(frozen=True)
class Alternative:
    """Another assumption that the data allow."""

    name: str
    """One of `WEIGHTS`, or `LINEAR`."""
    k: float
    """1/s, under that assumption; with another law, in the unit of that law."""
    against: float = 0.0
    """How far the data speak for it and against the assumption of the task, in deviations."""


def alternatives(task: Task, parts: Sources, contacts: Contacts, found: Decorrelated) -> tuple[Alternative, ...]:
    """The assumptions beside those of the task that the data do not reject, and k under each."""
    laws = [law for law in WEIGHTS if law != task.options.weights] if task.subgraph.has_borders else []
    with ThreadPoolExecutor(2) as pool:
        tried = [pool.submit(_law, law, task, parts, contacts, found) for law in laws]
        tried.append(pool.submit(_linear, task, parts, found))
        return tuple(each for one in tried if (each := one.result()) is not None)


def _law(law: str, task: Task, parts: Sources, contacts: Contacts, found: Decorrelated) -> Alternative | None:
    """Another law of weights, unless it is rejected."""
    try:
        op = operator(task.subgraph, law, task.options.setup)
    except FitError:  # this law needs what the culture has not
        return None
    other = Contacts(op, np.full(op.cells, float(np.median(contacts.variance))))
    of_law = sources(op, task.train, task.dt, parts.drift_order)
    k, leak = settled(of_law, other, found.k.value, found.leak)
    if abs(departure(of_law, other, k, leak, contacts.weight)) > REJECTED:
        return None
    against = departure(parts, contacts, found.k.value, found.leak, other.weight)
    return Alternative(name=law, k=k, against=abs(against))


def departure(parts: Sources, contacts: Contacts, k: float, leak: float, other: FloatArray) -> float:
    """How far the moments speak for another law's weights `other`, (e,), in deviations: 0 where the law is right.

    The weights w of the law that was fitted make their moments sum to 0. What is left of the other's along
    w' - c w, with c so that k plays no part, has mean 0 and the variance of a sum over uncorrelated pairs.
    """
    value, slope = contact_moments(parts, contacts, k, leak)
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


def _linear(task: Task, parts: Sources, found: Decorrelated) -> Alternative | None:
    """k if calcium, not its logarithm, evens out between neighbours; None where traces are not logarithms."""
    log = task.train / task.subgraph.intensity_gain
    if np.median(np.ptp(log, axis=1)) > MOST_RANGE:
        return None
    # F / F0, with the usual quiet level of each cell as its F0.
    ratio = np.exp(log - np.quantile(log, QUIET, axis=1, keepdims=True))
    linear = sources(task.op, ratio, task.dt, parts.drift_order)
    contacts = Contacts(task.op, np.full(task.op.cells, measurement_noise(ratio) ** 2))
    return Alternative(name=LINEAR, k=settled(linear, contacts, found.k.value, found.leak)[0])
