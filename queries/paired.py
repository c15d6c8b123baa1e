"""Comparison within experiments: what a condition changes inside each, with the experiments as replicates.

Labs repeat an experiment on other days. Cultures of one day share medium, temperature, age of the cells and the
microscope, so they are no independent replicates of a condition; the days are. For each experiment that has both
conditions, d = (median of the cultures of b) - (median of those of a), on the logarithms for quantities that are
compared by their ratio. The experiments' d are then tested against 0:

* by the paired t test, mean(d) / (s / sqrt(n)) with n - 1 degrees of freedom, from 3 experiments on;
* for synchrony and the rate of waves, which need not be normally distributed, by Wilcoxon's signed ranks, exactly, with
  the interval and the estimate of Hodges and Lehmann, from 6 experiments on: with fewer, no exact p is below 5 %.

For means and a balanced design the paired t test is that of a mixed model with random effects of the experiment and of
its interaction with the condition. In unbalanced designs such a model has intervals of the same width, and without the
interaction too many false positives (benchmarks/mixed.py), so none is fitted here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from calcigraph.errors import InputError, spelt
from calcigraph.queries import comparable
from calcigraph.queries.effects import ENOUGH, LEVEL, RATIOS, UNUSUAL, Effect
from calcigraph.queries.observed import Observed, values_of
from calcigraph.queries.quantities import ALL
from calcigraph.queries.side_by_side import SHOWN, correct, missing
from calcigraph.store.types import FloatArray

COLUMNS = (
    "parameter", "group_a", "group_b", "n", "median_a", "median_b", "difference", "difference_low", "difference_high",
    "ratio", "ratio_low", "ratio_high", "test", "p", "p_holm", "experiments", "differences", "ratios", "cells_a",
    "cells_b", "cultures_a", "cultures_b", "values_a", "values_b", "experiments_a", "experiments_b", "note",
)  # fmt: skip
LISTS = (
    "experiments", "differences", "ratios", "cells_a", "cells_b", "cultures_a", "cultures_b", "values_a", "values_b",
    "experiments_a", "experiments_b",
)  # fmt: skip
"""Columns that hold one value per experiment, or per culture of a side."""

Blocks = Mapping[str, Mapping[str, Sequence[Observed]]]
"""Experiment -> condition -> cultures."""


def blocks_of(observed: Sequence[Observed]) -> tuple[Blocks, list[str]]:
    """The cultures by experiment and condition, and notes on those that are left out.

    Raises InputError where no experiment has two conditions.
    """
    blocks: dict[str, dict[str, list[Observed]]] = {}
    for each in observed:
        if each.experiment and each.condition:
            blocks.setdefault(each.experiment, {}).setdefault(each.condition, []).append(each)
    unknown = [each.culture for each in observed if not (each.experiment and each.condition)]
    single = [name for name, conditions in blocks.items() if len(conditions) < 2]
    kept = {name: conditions for name, conditions in blocks.items() if name not in single}
    if not kept:
        raise InputError(
            "no experiment has cultures of two conditions to compare; ingest with --experiment and --condition"
        )
    notes = [f"left out, because they have one condition only: {spelt(*single)}"] if single else []
    notes += [f"left out, because they are of no experiment or condition: {spelt(*unknown)}"] if unknown else []
    return kept, notes


def rows_of(
    blocks: Blocks, pairs: Sequence[tuple[str, str]], options: comparable.Options, note: str
) -> list[dict[str, Any]]:
    """A row for each quantity and pair of conditions that an experiment has.

    Parameters
    ----------
    blocks
        The cultures by experiment and condition.
    pairs
        The names of the conditions a and b.
    options
        How events were looked for.
    note
        Stands in every row.
    """
    rows = []
    for quantity in ALL:
        for a, b in pairs:
            both = {name: (block[a], block[b]) for name, block in blocks.items() if a in block and b in block}
            if any(quantity in each.values for sides in both.values() for side in sides for each in side):
                rows.append(_row(quantity, (a, b), both, options, note))
    correct(rows)
    return rows


def _row(
    quantity: str,
    names: tuple[str, str],
    both: Mapping[str, tuple[Sequence[Observed], Sequence[Observed]]],
    options: comparable.Options,
    note: str,
) -> dict[str, Any]:
    """The table's row of one quantity and two conditions."""
    sides = [[each for pair in both.values() for each in pair[side]] for side in (0, 1)]
    values = {name: tuple(values_of(side, quantity) for side in pair) for name, pair in both.items()}
    known = {name: pair for name, pair in values.items() if all(len(side) for side in pair)}
    a, b = (np.array([float(np.median(pair[side])) for pair in known.values()]) for side in (0, 1))
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"parameter": SHOWN.get(quantity, quantity), "group_a": names[0], "group_b": names[1], "n": len(known)}
    row |= {"experiments": list(known), "differences": (b - a).tolist(), "ratios": _ratios(quantity, a, b)}
    for letter, side, medians in (("a", sides[0], a), ("b", sides[1], b)):
        row |= {f"cultures_{letter}": [each.culture for each in side], f"cells_{letter}": [each.cells for each in side]}
        row[f"values_{letter}"] = [each.values.get(quantity) for each in side]
        row[f"experiments_{letter}"] = [each.experiment for each in side]
        row[f"median_{letter}"] = float(np.median(medians)) if len(medians) else None
    allowed = comparable.allowed(quantity, sides[0], sides[1], options)
    notes = [*allowed.notes, *missing(quantity, sides)]
    if len(known) and allowed.compared:
        effect = paired_effect(quantity, a, b)
        row |= (effect if allowed.tested else effect.untested()).columns()
        notes += [effect.note] if effect.note else []
    return row | {"note": "; ".join(part for part in (*notes, note) if part)}


def _ratios(quantity: str, a: FloatArray, b: FloatArray) -> list[float] | None:
    """b / a of each experiment, where the quantity is compared by its ratio."""
    return (b / a).tolist() if _positive(quantity, a, b) else None


def _positive(quantity: str, a: FloatArray, b: FloatArray) -> bool:
    return quantity in RATIOS and bool((a > 0).all() and (b > 0).all())


def paired_effect(quantity: str, a: FloatArray, b: FloatArray) -> Effect:
    """What a condition changes, over experiments.

    Parameters
    ----------
    quantity
        Its name decides whether there is a ratio (effects.RATIOS) and which test there is (effects.UNUSUAL).
    a, b
        (n,) the medians of the two conditions in each experiment, in the same order.

    Examples
    --------
    >>> effect = paired_effect("k", np.array([1.0, 2.0, 4.0]), np.array([2.0, 4.0, 8.0]) * np.array([0.9, 1.0, 1.1]))
    >>> round(effect.ratio, 3), effect.test
    (1.993, 'paired t of logarithms')
    """
    if quantity in UNUSUAL:
        return _by_ranks(quantity, b - a)
    count, logs = len(a), np.log(b) - np.log(a) if _positive(quantity, a, b) else None
    effect = Effect(difference=float((b - a).mean()), ratio=None if logs is None else math.exp(float(logs.mean())))
    if count < ENOUGH:
        return replace(effect, note=_too_few(count, ENOUGH))
    plain = one_sample_t(b - a)
    if plain is None:
        return replace(effect, note="no interval and no test: the experiments do not differ from one another")
    effect = replace(effect, difference_interval=plain[:2], p=plain[2], test="paired t")
    ratio = None if logs is None else one_sample_t(logs)
    if ratio is None:
        return effect
    interval = math.exp(ratio[0]), math.exp(ratio[1])
    return replace(effect, ratio_interval=interval, p=ratio[2], test="paired t of logarithms")


def _too_few(count: int, needed: int) -> str:
    have = "1 experiment has" if count == 1 else f"{count} experiments have"
    return f"no interval and no test: {have} both conditions, {needed} are needed"


def one_sample_t(d: FloatArray, level: float = 0.95) -> tuple[float, float, float] | None:
    """Student's interval of the mean of d, and the two-sided p of mean 0; None where the values do not differ.

    >>> [round(value, 3) for value in one_sample_t(np.array([1.0, 2.0, 3.0]))]
    [-0.484, 4.484, 0.074]
    """
    from scipy.special import stdtr, stdtrit

    mean, error = float(d.mean()), float(d.std(ddof=1)) / math.sqrt(len(d))
    if error <= 1e-12 * max(abs(mean), float(np.abs(d).max())):
        return None
    half = float(stdtrit(len(d) - 1, (1 + level) / 2)) * error
    return mean - half, mean + half, 2 * float(stdtr(len(d) - 1, -abs(mean) / error))


def _by_ranks(quantity: str, d: FloatArray) -> Effect:
    """Wilcoxon's signed ranks, with the estimate and the interval of Hodges and Lehmann."""
    i, j = np.triu_indices(len(d))
    means = np.sort((d[i] + d[j]) / 2)  # of all pairs of experiments, each with itself too
    effect = Effect(difference=float(np.median(means)), ratio=None)
    needed = math.ceil(1 + math.log2(1 / LEVEL))  # 2 / 2^n is the smallest exact p
    if len(d) < needed:
        return replace(effect, note=_too_few(len(d), needed).replace("no test", f"no test of {quantity}"))
    ranks = np.arange(1, len(d) + 1)
    below = np.cumsum(_rank_sums(ranks)) / 2.0 ** len(d)
    # The k-th smallest and the k-th largest mean, with the largest k for which each tail has at most 2.5 %.
    outside = int(np.searchsorted(below, LEVEL / 2, side="right"))
    interval = float(means[outside - 1]), float(means[-outside])
    return replace(effect, difference_interval=interval, p=signed_rank_p(d), test="Wilcoxon signed rank")


def signed_rank_p(d: FloatArray) -> float:
    """Exact two-sided p of Wilcoxon's signed-rank test; differences of 0 are left out, equal ones share their ranks.

    >>> signed_rank_p(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])), signed_rank_p(np.array([0.0, 0.0]))
    (0.03125, 1.0)
    """
    from scipy.stats import rankdata

    d = d[d != 0]
    if not len(d):
        return 1.0
    doubled = np.rint(2 * rankdata(np.abs(d))).astype(np.int64)  # shared ranks are halves
    chance = _rank_sums(doubled) / 2.0 ** len(d)
    above = int(doubled[d > 0].sum())
    return min(1.0, 2 * min(float(chance[: above + 1].sum()), float(chance[above:].sum())))


def _rank_sums(ranks: Any) -> FloatArray:
    """In how many ways of choosing signs the positive ranks have each sum, from 0 to that of all."""
    ways = np.zeros(int(ranks.sum()) + 1)
    ways[0] = 1
    for rank in ranks.tolist():
        ways[rank:] += ways[: len(ways) - rank].copy()
    return ways
