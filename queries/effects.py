"""What distinguishes two groups of cultures in one parameter: difference, ratio, their intervals, and a test.

With 3 or more cultures in each group, there is Welch's t interval (95 %) of the difference of means, and its two-sided
test. Coupling, event rates, amplitudes and speeds are positive and are compared by their ratio: where all values are
positive, the interval of the ratio and the test are Welch's on the logarithms.

Synchrony, the few waves of a culture and the skill of its forecast need not be normally distributed. So a test is
given only where an exact permutation test of the cultures could reach 5 % too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcigraph.queries.quantities import (
    AMPLITUDE,
    DFF,
    EVENT_RATE,
    FORESEEN,
    K_CELL,
    SPEEDS,
    SYNCHRONY,
    WAVE_RATE,
    K,
)
from calcigraph.store.types import FloatArray

ENOUGH = 3
"""Cultures on each side from which an interval and a test are given."""
LEVEL = 0.05
"""Level of the tests."""
RATIOS = (K, K_CELL, EVENT_RATE, AMPLITUDE, DFF, *SPEEDS.values())
"""Parameters that are compared by their ratio too."""
UNUSUAL = (SYNCHRONY, WAVE_RATE, *FORESEEN)
"""Parameters whose values need not be normally distributed."""


@dataclass(frozen=True)
class Effect:
    """What distinguishes two groups in one parameter; None for what their values do not allow."""

    difference: float
    """mean_b - mean_a."""
    ratio: float | None
    """b / a of geometric means."""
    difference_interval: tuple[float, float] | None = None
    ratio_interval: tuple[float, float] | None = None
    test: str | None = None
    """The test's name."""
    p: float | None = None
    note: str = ""
    """Why there is no interval and no test."""

    def untested(self) -> Effect:
        """The same without intervals and test."""
        return replace(self, difference_interval=None, ratio_interval=None, test=None, p=None)

    def columns(self) -> dict[str, Any]:
        """As they stand in the table."""
        difference, ratio = self.difference_interval or (None, None), self.ratio_interval or (None, None)
        return {
            "difference": self.difference,
            "difference_low": difference[0],
            "difference_high": difference[1],
            "ratio": self.ratio,
            "ratio_low": ratio[0],
            "ratio_high": ratio[1],
            "test": self.test,
            "p": self.p,
        }


def effect_of(parameter: str, a: FloatArray, b: FloatArray) -> Effect:
    """Difference and ratio of two groups, and with ENOUGH cultures on each side their intervals and a test.

    Parameters
    ----------
    parameter
        Its name decides whether there is a ratio (RATIOS) and when there is a test (UNUSUAL).
    a, b
        One value per culture of each group, at least one.
    """
    rate = parameter in RATIOS and bool((a > 0).all() and (b > 0).all())
    effect = Effect(
        difference=float(b.mean() - a.mean()),
        ratio=math.exp(float(np.log(b).mean() - np.log(a).mean())) if rate else None,
    )
    if min(len(a), len(b)) < ENOUGH:
        note = f"no interval and no test: {len(a)} and {len(b)} cultures, {ENOUGH} a side are needed"
        return replace(effect, note=note)
    # An exact permutation test forms the groups in all ways; its p is at least that of the two most extreme ones.
    ways = math.comb(len(a) + len(b), len(a))
    if parameter in UNUSUAL and 2 / ways > LEVEL:
        note = (
            f"no interval and no test of {parameter}: {len(a)} and {len(b)} cultures can be dealt in {ways} ways, "
            f"so that no exact two-sided p is below {2 / ways:.2g}"
        )
        return replace(effect, note=note)
    plain = welch(a, b)
    if plain is None:
        return replace(effect, note="no interval and no test: the cultures of each side do not differ from one another")
    effect = replace(effect, difference_interval=plain[:2], p=plain[2], test="Welch t")
    # A rate scatters in proportion to its size; on the logarithms its scatter is the same on both sides.
    logs = welch(np.log(a), np.log(b)) if rate else None
    if logs is None:
        return effect
    ratio_interval = math.exp(logs[0]), math.exp(logs[1])
    return replace(effect, ratio_interval=ratio_interval, p=logs[2], test="Welch t of logarithms")


def welch(a: FloatArray, b: FloatArray, level: float = 0.95) -> tuple[float, float, float] | None:
    """Welch's t interval of mean(b) - mean(a), and its two-sided p; the variances need not be equal.

    With va = var(a) / na, and vb likewise, the standard error is sqrt(va + vb). Degrees of freedom by Welch and
    Satterthwaite: (va + vb)^2 / (va^2 / (na - 1) + vb^2 / (nb - 1)).

    Parameters
    ----------
    a, b
        (na,) and (nb,), two or more values each.
    level
        Of the interval.

    Returns
    -------
    Lower end, upper end and p; None where the values of each side do not differ from one another.

    Examples
    --------
    >>> low, high, p = welch(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    >>> round(low, 2), round(high, 2), round(p, 3)
    (0.73, 5.27, 0.021)
    """
    from scipy.special import stdtr, stdtrit

    va = float(np.var(a, ddof=1)) / len(a)
    vb = float(np.var(b, ddof=1)) / len(b)
    difference, error = float(np.mean(b) - np.mean(a)), math.sqrt(va + vb)
    # No more than rounding: equal values would make any difference certain.
    if error <= 1e-12 * max(abs(float(np.mean(a))), abs(float(np.mean(b)))):
        return None
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = float(stdtrit(freedom, (1 + level) / 2)) * error  # the t distribution's quantile
    p = 2 * float(stdtr(freedom, -abs(difference) / error))
    return difference - half, difference + half, p


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p-values, in the order given.

    The i-th smallest of n, from 0, is multiplied by n - i; none may become smaller than the one before it, or exceed 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        corrected[index] = largest  # so that a smaller p never has a larger corrected one
    return corrected
