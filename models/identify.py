"""One plain word: can the parameters be told from these data, and if not, why.

For a cell: its own k, by the half-width of its 95 % interval against the larger of its own and the culture's k. For a
culture: the shared k, by its own half-width. Anything that speaks against a value makes it `weak` at best.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.task import Solved, Task
from calcigraph.store.types import BoolArray, FloatArray

IDENTIFIED, WEAK, NOT = "identified", "weak", "not identified"
CELL_LIMITS = (0.5, 1.0)
"""Half-width over k up to which a cell is identified, and weak."""
CULTURE_LIMITS = (0.1, 0.5)
AT_BOUND = 1e-9
CHANCE = 0.05
"""Null p-value of the coupling above which it is not told from chance."""


def cell_words(task: Task, solved: Solved) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Each cell's word and why, "" where it is identified; (p,) each."""
    # The paper's network gives no k of a cell's own.
    judged = solved.k if np.isnan(solved.k_cell.value).all() else solved.k_cell
    with np.errstate(invalid="ignore"):
        share = judged.half / np.maximum(np.abs(judged.value), _reference(task, solved))
    bounded = at_bound(solved.feed.value, task.feed_box)
    if not task.options.common_k:
        bounded |= at_bound(solved.k.value, task.k_box) & (solved.k.value > 0)
    words, why = [], []
    for cell, ratio in enumerate(share.tolist()):
        against = list(solved.reasons[cell]) if solved.reasons else []
        if not task.op.coupled[cell]:
            against.insert(0, "it has no contacts")
        elif not np.isfinite(ratio):
            against.insert(0, "there is no interval for its k")
        elif ratio > CELL_LIMITS[0]:
            against.insert(0, f"its k is known to within {100 * ratio:.0f} % only")
        if bounded[cell]:
            against.append("a parameter lies at its bound")
        words.append(_word(ratio, CELL_LIMITS, bool(against)))
        why.append("; ".join(against))
    return tuple(words), tuple(why)


def culture_word(task: Task, solved: Solved, null_p: float | None) -> tuple[str, tuple[str, ...]]:
    """The culture's word and why."""
    k, low = solved.culture_k.value, solved.culture_k.low
    share = solved.culture_k.half / max(abs(k), _reference(task, solved))
    against = list(solved.culture_reasons)
    if not np.isfinite(share):
        against.insert(0, "there is no interval for k")
    elif low <= 0:
        against.insert(0, f"k is not told from 0; it is at most {solved.culture_k.high:.2g} 1/s")
    elif share > CULTURE_LIMITS[0]:
        against.insert(0, f"k is known to within {100 * share:.0f} % only")
    if k > 0 and bool(at_bound(np.array([k]), task.k_box)[0]):
        against.append("k lies at its bound")
    if null_p is not None and null_p > CHANCE:
        against.append(f"shuffled cells couple as well (p = {null_p:.2g}): the contacts do not show in it")
    against += task.subgraph.doubts
    return _word(share, CULTURE_LIMITS, bool(against)), tuple(against)


def at_bound(values: FloatArray, bounds: tuple[float, float]) -> BoolArray:
    """Which values lie at a finite bound."""
    hit = np.zeros(values.shape, dtype=np.bool_)
    for bound in bounds:
        if np.isfinite(bound):
            hit |= np.abs(values - bound) <= AT_BOUND * max(abs(bound), AT_BOUND)
    return hit


def _reference(task: Task, solved: Solved) -> float:
    """1/s, what a k is measured against: the culture's, and one that would not show within the recording."""
    k = abs(solved.culture_k.value)
    return max(k if np.isfinite(k) else 0.0, 1 / (task.dt * task.train.shape[1]))


def _word(share: float, limits: tuple[float, float], doubtful: bool) -> str:
    if not share <= limits[1]:
        return NOT
    return WEAK if doubtful or share > limits[0] else IDENTIFIED
