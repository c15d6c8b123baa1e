"""What a strip plot shows: the cultures' values by quantity and group, their middles, the p of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.queries.effects import ENOUGH, RATIOS
from calcigraph.store.types import FloatArray

MOST_PAIRS = 3
"""Up to so many pairs of groups have their p each; of more, the least one is told."""


@dataclass(frozen=True)
class Dots:
    """The cultures of one group that have a quantity."""

    values: FloatArray
    experiments: tuple[str, ...]
    """"" for none."""


@dataclass(frozen=True)
class Strip:
    """One quantity: its groups, and the p of pairs of them."""

    name: str
    groups: Mapping[str, Dots]
    pairs: Sequence[tuple[str, str, float | None]]
    """Groups a and b, and their p."""


def strips_of(rows: Sequence[Mapping[str, Any]]) -> list[Strip]:
    """The quantities of a comparison in the order of its rows. Group a, the reference, comes before b."""
    order = list(dict.fromkeys(row[f"group_{side}"] for side in "ab" for row in rows))
    # With all pairs, the first group is a in the first rows, and so on: the order of the comparison.
    strips = []
    for name in dict.fromkeys(row["parameter"] for row in rows):
        mine = [row for row in rows if row["parameter"] == name]
        found = {row[f"group_{side}"]: _dots(row, side) for row in mine for side in "ab"}
        groups = {group: found[group] for group in order if group in found}
        if any(len(dots.values) for dots in groups.values()):
            pairs = [(row["group_a"], row["group_b"], row["p"]) for row in mine]
            strips.append(Strip(name=name, groups=groups, pairs=pairs))
    return strips


def _dots(row: Mapping[str, Any], side: str) -> Dots:
    known = [
        (value, experiment or "")
        for value, experiment in zip(row[f"values_{side}"], row[f"experiments_{side}"], strict=True)
        if value is not None and np.isfinite(value)
    ]
    return Dots(np.array([value for value, _ in known], dtype=np.float64), tuple(each for _, each in known))


def middle(name: str, values: FloatArray) -> tuple[float, float, float]:
    """The mean of a group, or the geometric one of what is compared by its ratio, with its 95 % interval (Student).

    With fewer than three cultures it is the median, and there is no interval (NaN).

    >>> [round(value, 3) for value in middle("synchrony", np.array([1.0, 2.0, 3.0]))]
    [2.0, -0.484, 4.484]
    >>> round(middle("k", np.array([1.0, 2.0, 4.0]))[0], 3)
    2.0
    """
    from scipy.special import stdtrit

    if len(values) < ENOUGH:
        return (float(np.median(values)) if len(values) else np.nan), np.nan, np.nan
    logs = name in RATIOS and bool((values > 0).all())
    drawn = np.log(values) if logs else values
    mean, half = drawn.mean(), stdtrit(len(drawn) - 1, 0.975) * drawn.std(ddof=1) / np.sqrt(len(drawn))
    low, centre, high = (float(np.exp(each) if logs else each) for each in (mean - half, mean, mean + half))
    return centre, low, high


def said(strip: Strip) -> list[str]:
    """The p of the pairs, as the sentences of `compare` have them; of many pairs the least one.

    >>> said(Strip(name="k", groups={}, pairs=[("a", "b", 0.0123), ("a", "c", None)]))
    ['a, b: p 0.012', 'a, c: not tested']
    """
    tested = [pair for pair in strip.pairs if pair[2] is not None]
    if not tested:
        return ["not tested"]
    if len(strip.pairs) == 1:
        return [_p(strip.pairs[0][2])]
    if len(strip.pairs) > MOST_PAIRS:
        a, b, p = min(tested, key=lambda pair: pair[2] or 0.0)
        return [f"least {_p(p)}: {a}, {b}"]
    return [f"{a}, {b}: {_p(p)}" for a, b, p in strip.pairs]


def _p(p: float | None) -> str:
    return "not tested" if p is None else f"p {p:.2g}"
