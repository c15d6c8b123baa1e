"""The coupling at which neighbours' sources are uncorrelated, and all couplings that the data do not reject.

Filters and weights of the moments are made for one k and leak, so the moments are made anew until both settle. The
interval holds every k for which some leak is not rejected, with filters, weights and variance made for that k: tested
so, the moments are standard normal at the truth also where the recording is short and k is small.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy import stats

from calcigraph.models.decorrelation.lags import Following, following
from calcigraph.models.decorrelation.pair_moments import Checks, Forms, Moments, checks, forms, moments
from calcigraph.models.decorrelation.pairs import Contacts
from calcigraph.models.decorrelation.residuals import Sources
from calcigraph.models.estimate import Estimate
from calcigraph.store.types import FloatArray

ROUNDS = 12
"""Most times the moments are made anew for the estimate."""
SETTLED = 2e-3
"""Relative change of k below which the rounds end."""
LEAKS = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 160)])
"""Times 1 / frame interval, the leaks that are tried: what is gone within a frame does not show."""
LEAK_SHOWS = 1.96
"""Deviations from which a leak is told."""
FAST_LEAK = 0.3
"""Times 1 / frame interval: the leak of the second start."""
LEAK_ASKED = 2.0
"""Chi squared by which a leak must describe the data better."""
LEAK_ROUNDS, LEAK_SETTLED = 3, 0.05
"""Most times that the leak of one k is sought, and the relative change below which it is found."""
FASTEST = 0.5
"""Times 1 / frame interval: the largest k."""
LEVEL = 0.95
STEPS_OUT, WIDER, CUTS, CLOSE = 12, 1.6, 8, 0.03
"""Of the search for an end of the interval: steps out, their growth, cuts, and deviations from the limit that do."""
FASTEST_FILM = 0.4
"""k, or a leak, times the frame interval above which frames are too far apart."""
SHARED = 3.0
"""Deviations from which cells two contacts apart share a drive."""
LEAST_FREEDOM = 3.0
TINY = 1e-300


@dataclass(frozen=True)
class Decorrelated:
    """The estimate of a culture with p inner cells."""

    k: Estimate[float]
    """1/s."""
    leak: float
    """1/s."""
    leak_score: float
    """How far the data speak for the leak, in deviations; 0 where the best leak is 0."""
    unexplained: bool
    """Whether no k and leak make the sources of neighbours independent."""
    at: Moments
    """The moments at the estimate."""
    checks: Checks
    """What else the sources tell at the estimate."""
    following: Following
    """Whether neighbours' sources follow on each other."""


def estimate(parts: Sources, contacts: Contacts) -> Decorrelated:
    """Estimate k and the leak of a culture.

    Parameters
    ----------
    parts
        Its residual sources.
    contacts
        Its contacts.
    """
    # From the middle of the k that can be told.
    now = _best_start(parts, contacts, float(np.sqrt(parts.slowest * FASTEST / parts.dt / 2)))
    k, leak = now.k, now.leak
    # What the moments are without this leak, in deviations: one that does not show is not told.
    score = (
        float(np.sqrt(max(_tested(moments(parts, contacts, k, 0.0, one_k=True), np.zeros(1))[1][0], 0.0)))
        if leak > 0
        else 0.0
    )
    if 0 < score < LEAK_SHOWS:
        k, leak, score = _without_leak(parts, contacts, k), 0.0, 0.0
        now = moments(parts, contacts, k, leak)
    limit = float(stats.t.ppf(0.5 + LEVEL / 2, max(now.freedom - 1, LEAST_FREEDOM)))
    with ThreadPoolExecutor(2) as pool:
        low, high = pool.map(lambda side: _end(parts, contacts, now, limit, side), (-1, 1))
    # A drive that neighbours share makes k too large, and what is left of it may be all that there is.
    checked = checks(parts, contacts, k, leak)
    after = following(parts, contacts, k, leak)
    low = 0.0 if checked.shared_drive > SHARED or after.shows else low
    unexplained = abs(_score(parts, contacts, k, leak, now)[0]) > limit
    # Light of a cell in its neighbour's mask makes it too: what comes and goes within a frame looks the same. And where
    # no k and leak make the sources independent, nothing is told.
    if unexplained or leak * parts.dt > FASTEST_FILM:
        low, high = 0.0, FASTEST / parts.dt
    return Decorrelated(
        k=Estimate(value=k, low=min(low, k), high=max(high, k)),
        leak=leak,
        leak_score=score,
        unexplained=unexplained,
        at=now,
        checks=checked,
        following=after,
    )


def _best_start(parts: Sources, contacts: Contacts, k: float) -> Moments:
    """The moments at k and leak from two starts, without leak and with a fast one: those that both vanish."""

    def from_leak(leak: float) -> tuple[Moments, float]:
        at = moments(parts, contacts, *settled(parts, contacts, k, leak))
        return at, float(_tested(at, np.array([at.leak]))[1][0])

    with ThreadPoolExecutor(2) as pool:
        (slow, misfit), (fast, misfit_fast) = pool.map(from_leak, (0.0, FAST_LEAK / parts.dt))
    # Without a leak unless the data speak for one.
    return fast if misfit > misfit_fast + LEAK_ASKED else slow


def settled(parts: Sources, contacts: Contacts, k: float, leak: float, within: float = SETTLED) -> tuple[float, float]:
    """k and leak at which the moments made for them vanish, 1/s, from values to start with.

    The rounds end where k changes by less than `within` of itself.
    """
    floor = parts.slowest
    for _ in range(ROUNDS):
        next_k, leak_now = _roots(forms(parts, contacts, k, leak), parts.dt)
        change = (abs(next_k - k) + abs(leak_now - leak)) / max(k, floor)
        k = float(np.clip(next_k, k / 4 if k > floor else 0.0, max(4 * k, 4 * floor)))
        leak = leak_now
        if change < within:
            break
    return k, leak


def _without_leak(parts: Sources, contacts: Contacts, k: float) -> float:
    """k at which its moment vanishes without a leak, 1/s, from a value to start with."""
    for _ in range(ROUNDS):
        at = forms(parts, contacts, k, 0.0)
        before, k = k, _falling(at.forms[0], 1, (1.0, 0.0, 0.0), k, FASTEST / parts.dt)
        if abs(k - before) < SETTLED * max(k, parts.slowest):
            break
    return k


def _roots(at: Forms, dt: float) -> tuple[float, float]:
    """k and leak at which the moments vanish, with their filters and weights as they are."""
    k, leak = at.k, at.leak
    for _ in range(30):
        before = k, leak
        k = _falling(at.forms[0], 1, (1.0, 0.0, leak), k, FASTEST / dt)
        leak = _falling(at.forms[1], 2, (1.0, k, 0.0), leak, float(LEAKS[-1]) / dt)
        if abs(k - before[0]) + abs(leak - before[1]) < 1e-6 * max(k, at.k, 1e-6):
            break
    return k, leak


def _falling(form: FloatArray, place: int, others: tuple[float, float, float], near: float, most: float) -> float:
    """The value of one parameter, 0 to `most`, where a moment falls through 0; `near` where it never does."""
    rest = np.array(others)
    unit = np.zeros(3)
    unit[place] = 1.0
    both = form + form.T
    square, linear, constant = form[place, place], float(rest @ both @ unit), float(rest @ form @ rest)
    roots = np.roots([square, linear, constant]) if square else np.array([-constant / linear] if linear else [])
    real = [float(x.real) for x in roots if abs(x.imag) <= 1e-9 * abs(x.real) and linear + 2 * square * x.real < 0]
    return min(max(real[0], 0.0), most) if real else near


def _tested(at: Moments, leaks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The moments (leaks, 2) and their chi squared (leaks,) at this k and several leaks, with the variance as it is."""
    values = at.at(at.k, leaks)
    return values, np.asarray(np.einsum("la,la->l", values, np.linalg.solve(at.covariance, values.T).T))


def _score(
    parts: Sources, contacts: Contacts, k: float, leak: float, known: Moments | None = None
) -> tuple[float, float]:
    """How far the data speak for a larger k (above 0) or a smaller one, in deviations, and the leak they then ask for.

    The root of the least chi squared of both moments over leaks, with the sign of the moment for k. Where the best leak
    is 0 the moment for the leak may be anything, as a leak is not negative; then the moment for k decides alone.
    `known` are the moments at this k and leak, if they were made before.
    """
    leaks = LEAKS / parts.dt
    for _ in range(LEAK_ROUNDS):
        at = known if known and known.leak == leak else moments(parts, contacts, k, leak, one_k=True)
        values, squares = _tested(at, leaks)
        best = int(np.argmin(squares))
        before, leak = leak, float(leaks[best])
        if abs(leak - before) <= LEAK_SETTLED * max(leak, leaks[1]):
            break
    value = float(values[best, 0])
    if best == 0:
        return value / float(np.sqrt(max(at.covariance[0, 0], TINY))), leak
    return float(np.sign(value) * np.sqrt(max(squares[best], 0.0))), leak


def _end(parts: Sources, contacts: Contacts, at: Moments, limit: float, side: int) -> float:
    """The end of the interval below (side -1) or above (1) the estimate, 1/s."""
    theta, unit = np.array([1.0, at.k, at.leak]), np.array([0.0, 1.0, 0.0])
    slope = abs(float(theta @ (at.forms[0] + at.forms[0].T) @ unit))
    step = limit * float(np.sqrt(at.covariance[0, 0])) / max(slope, TINY)
    step = min(step, 0.5 * max(at.k, parts.slowest))
    most = FASTEST / parts.dt
    inside, score_inside, leak = at.k, 0.0, at.leak
    for _ in range(STEPS_OUT):
        k = float(np.clip(at.k + side * step, 0.0, most))
        score, leak_here = _score(parts, contacts, k, leak)
        if -side * score >= limit:
            return _between(parts, contacts, limit, side, (inside, score_inside, leak), (k, -side * score))
        inside, score_inside, leak = k, -side * score, leak_here
        if k in (0.0, most):
            return k
        step *= WIDER
    return inside


def _between(
    parts: Sources,
    contacts: Contacts,
    limit: float,
    side: int,
    inside: tuple[float, float, float],
    outside: tuple[float, float],
) -> float:
    """Where the score passes the limit, between a k that is not rejected and one that is."""
    (near, score_near, leak), (far, score_far) = inside, outside
    for _ in range(CUTS):
        share = np.clip((limit - score_near) / (score_far - score_near), 0.1, 0.9)
        k = float(near + (far - near) * share)
        score, leak_here = _score(parts, contacts, k, leak)
        score *= -side
        if abs(score - limit) < CLOSE:
            return k
        if score >= limit:
            far, score_far = k, score
        else:
            near, score_near, leak = k, score, leak_here
    return (near + far) / 2
