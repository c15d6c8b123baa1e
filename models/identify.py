"""Practical identifiability in one plain word: do these data determine the parameters, and if not, why?

A cell is judged by a ratio: the half-width of the 95 % interval of its own k, divided by the larger of that k and the
culture's k. A culture is judged by the half-width of the interval of its k, divided by that k. A reason to doubt a
value makes it `weak` at best, however narrow its interval.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.task import Solved, Task
from calcigraph.store.types import BoolArray, FloatArray

IDENTIFIED, WEAK, NOT = "identified", "weak", "not identified"
CELL_LIMITS = (0.5, 1.0)
"""Half-width over k up to which a cell is identified, and up to which it is weak."""
CULTURE_LIMITS = (0.1, 0.5)
"""The same for a culture."""
AT_BOUND = 1e-9
"""Relative distance from a bound that counts as on it."""
CHANCE = 0.05
"""p-value of the permutation test above which the coupling may be chance."""

COPIES = (0.01, 0.05)
"""Share of frames that are copies of the one before up to which k is what it would be, and up to which it is weak."""
ROUNDED = 0.7
"""Share of steps between frames that are exactly 0 from which the traces are too coarse to be sure."""


def cell_identifiability(task: Task, solved: Solved) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Each cell's word and the reasons for it.

    Parameters
    ----------
    task
        What was fitted, p inner cells.
    solved
        The parameters with their intervals.

    Returns
    -------
    tuple
        `identified`, `weak` or `not identified` of each cell, (p,), and the reasons, (p,), "" for an identified cell.
    """
    # The paper's network gives a cell no k of its own: then the k of the case is judged.
    judged = solved.k if np.isnan(solved.k_cell.value).all() else solved.k_cell
    with np.errstate(invalid="ignore"):
        ratios = judged.half / np.maximum(np.abs(judged.value), _reference(task, solved))
    bounded = at_bound(solved.feed.value, task.feed_box)
    # A k of 0 at the bound 0 is a result (an uncoupled cell), not a sign of too narrow bounds.
    if not task.options.common_k:
        bounded |= at_bound(solved.k.value, task.k_box) & (solved.k.value > 0)
    words, why, (copied, share) = [], [], _copies(task)
    for cell, ratio in enumerate(ratios.tolist()):
        doubts = [*(solved.reasons[cell] if solved.reasons else ()), *copied]
        if not task.op.coupled[cell]:
            doubts.insert(0, "it has no contacts")
        elif not np.isfinite(ratio):
            doubts.insert(0, "there is no interval for its k")
        elif ratio > CELL_LIMITS[0]:
            doubts.insert(0, f"its k is known to within {100 * ratio:.0f} % only")
        if bounded[cell]:
            doubts.append("a parameter lies at its bound")
        words.append(NOT if share > COPIES[1] else _word(ratio, CELL_LIMITS, bool(doubts)))
        why.append("; ".join(doubts))
    return tuple(words), tuple(why)


def culture_identifiability(task: Task, solved: Solved, null_p: float | None) -> tuple[str, tuple[str, ...]]:
    """The culture's word and the reasons for it.

    Parameters
    ----------
    task, solved
        As for `cell_identifiability`.
    null_p
        p-value of the coupling in the permutation test; None without one.
    """
    k, low = solved.culture_k.value, solved.culture_k.low
    ratio = solved.culture_k.half / max(abs(k), _reference(task, solved))
    copied, share = _copies(task)
    doubts = [*copied, *(() if copied else _rounded(task)), *solved.culture_reasons]
    if not np.isfinite(ratio):
        doubts.insert(0, "there is no interval for k")
    elif low <= 0:
        doubts.insert(0, f"k cannot be distinguished from 0; it is at most {solved.culture_k.high:.2g} 1/s")
    elif ratio > CULTURE_LIMITS[0]:
        doubts.insert(0, f"k is known to within {100 * ratio:.0f} % only")
    if k > 0 and bool(at_bound(np.array([k]), task.k_box)[0]):
        doubts.append("k lies at its bound")
    if null_p is not None and null_p > CHANCE:
        doubts.append(f"shuffled cells couple as well (p = {null_p:.2g}): the contacts do not show in it")
    doubts += task.subgraph.doubts
    return NOT if share > COPIES[1] else _word(ratio, CULTURE_LIMITS, bool(doubts)), tuple(doubts)


def repeated_frames(traces: FloatArray) -> int:
    """How many frames are copies of the one before, in the traces of all cells, (n, T); 0 where nothing ever changes.

    Examples
    --------
    >>> repeated_frames(np.array([[1.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.5]]))
    1
    """
    same = (traces[:, 1:] == traces[:, :-1]).all(axis=0)
    return 0 if same.all() else int(same.sum())


def _copies(task: Task) -> tuple[list[str], float]:
    """What to say of repeated frames, and their share.

    Within a copy nothing flows between cells. Where copies were added to the recording, k is too small by their share;
    where they stand for frames that were lost, it is not: nothing in the traces tells which.
    """
    count, frames = repeated_frames(task.train), task.train.shape[1]
    if count <= COPIES[0] * frames:
        return [], count / frames
    return [f"frames are repeated: {count} of {frames} are copies of the one before"], count / frames


def _rounded(task: Task) -> list[str]:
    """What to say of traces that mostly stand still because they were rounded."""
    shares = (np.diff(task.train, axis=1) == 0).mean(axis=1)
    moving = shares[shares < 1]
    still = float(np.median(moving)) if len(moving) else 0.0
    if still <= ROUNDED:
        return []
    return [f"the traces are rounded: {100 * still:.0f} % of their steps from frame to frame are exactly 0"]


def at_bound(values: FloatArray, bounds: tuple[float, float]) -> BoolArray:
    """Which values lie at a finite bound, in the shape of `values`.

    Examples
    --------
    >>> at_bound(np.array([0.0, 0.5, 1.0]), (0.0, np.inf))
    array([ True, False, False])
    """
    hit = np.zeros(values.shape, dtype=np.bool_)
    for bound in bounds:
        if np.isfinite(bound):
            hit |= np.abs(values - bound) <= AT_BOUND * max(abs(bound), AT_BOUND)
    return hit


def _reference(task: Task, solved: Solved) -> float:
    """The least k that a half-width is divided by, 1/s.

    It is the culture's k, and at least one over the length of the recording: a slower coupling would not show in it.
    """
    k = abs(solved.culture_k.value)
    slowest = 1 / (task.dt * task.train.shape[1])
    return max(k if np.isfinite(k) else 0.0, slowest)


def _word(ratio: float, limits: tuple[float, float], doubtful: bool) -> str:
    if not ratio <= limits[1]:  # NaN, no interval, is not identified either
        return NOT
    return WEAK if doubtful or ratio > limits[0] else IDENTIFIED
