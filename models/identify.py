"""Practical identifiability in one plain word: do these data determine the parameters, and if not, why?

The **reach** of an interval is the distance from the value to the farther end; it is the half-width where the interval
is symmetric. A culture is judged by the reach of the interval of its k, divided by k itself. If that interval holds 0,
the culture is `not identified`. A cell is judged by the reach of the interval of its own k, divided by the larger of
that k and the culture's k. So an uncoupled cell of a coupled culture can be identified. A reason to doubt a value makes
it `weak` at best, however narrow its interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calcigraph.models.task import Solved, Task
from calcigraph.store.sentence import CHANCE
from calcigraph.store.types import BoolArray, FloatArray

IDENTIFIED, WEAK, NOT = "identified", "weak", "not identified"
CELL_LIMITS = (1 / 2, 1.0)
"""Reach over k up to which a cell is identified, and up to which it is weak."""
CULTURE_LIMITS = (1 / 3, 1 / 2)
"""The same for a culture."""
MOST = 1 / 2
"""Share of the coupled cells that must exceed it: so many must be identified themselves for the culture to be."""
FEWEST_CELLS = 4
"""Coupled cells from which that share is asked. Of fewer, the word of a single cell would decide."""
AT_BOUND = 1e-9
"""Relative distance from a bound that counts as on it."""
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
    reference = np.fmax(np.abs(judged.value), np.nan_to_num(abs(solved.culture_k.value)))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.maximum(judged.high - judged.value, judged.value - judged.low) / reference
    bounded = at_bound(solved.feed.value, task.feed_box)
    # A k of 0 at the bound 0 is a result (an uncoupled cell), not a sign of too narrow bounds.
    if not task.options.common_k:
        bounded |= at_bound(solved.k.value, task.k_box) & (solved.k.value > 0)
    words, why, (copied, share) = [], [], _copies(task)
    for cell, ratio in enumerate(ratios.tolist()):
        doubts = [*(solved.reasons[cell] if solved.reasons else ()), *copied]
        if not task.op.coupled[cell]:
            doubts.insert(0, "it has no contacts")
        elif np.isnan(judged.high[cell] - judged.low[cell]):
            doubts.insert(0, "there is no interval for its k")
        elif not np.isfinite(ratio):
            doubts.insert(0, "neither its k nor that of the culture can be distinguished from 0")
        elif ratio > CELL_LIMITS[0]:
            doubts.insert(0, f"its k is known to within {100 * ratio:.0f} % only")
        if bounded[cell]:
            doubts.append("a parameter lies at its bound")
        words.append(NOT if share > COPIES[1] else _word(ratio, CELL_LIMITS, bool(doubts)))
        why.append("; ".join(doubts))
    return tuple(words), tuple(why)


def culture_identifiability(
    task: Task, solved: Solved, null_p: float | None, cells: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """The culture's word and the reasons for it.

    Parameters
    ----------
    task, solved
        As for `cell_identifiability`.
    null_p
        p-value of the coupling in the null (null.py); None without one.
    cells
        The words of the cells, (p,), as `cell_identifiability` gives them.
    """
    found = solved.culture_k
    k, reach = found.value, float(np.maximum(found.high - found.value, found.value - found.low))
    # An interval that holds 0 leaves no share of k that it could be judged by.
    ratio = reach / k if found.low > 0 else np.nan
    copied, share = _copies(task)
    doubts = [*copied, *(() if copied else _rounded(task)), *solved.culture_reasons]
    if np.isnan(reach):
        doubts.insert(0, "there is no interval for k")
    elif found.low <= 0:
        doubts.insert(0, f"k cannot be distinguished from 0; it is at most {found.high:.2g} 1/s")
    elif ratio > CULTURE_LIMITS[0]:
        doubts.insert(0, f"k is known to within {100 * ratio:.0f} % only")
    elif not copied:  # copies of frames are a doubt about every cell, which need not be told twice
        doubts += _few_cells(task, cells)
    if k > 0 and bool(at_bound(np.array([k]), task.k_box)[0]):
        doubts.append("k lies at its bound")
    if null_p is not None and null_p > CHANCE:
        doubts.append(f"neighbours do not share more than a smooth drive gives them (p = {null_p:.2g})")
    doubts += task.subgraph.doubts
    return NOT if share > COPIES[1] else _word(ratio, CULTURE_LIMITS, bool(doubts)), tuple(doubts)


def _few_cells(task: Task, words: Sequence[str]) -> list[str]:
    """What to say where the pooled k is known, but hardly any cell's own."""
    coupled = [word for word, has in zip(words, task.op.coupled, strict=True) if has]
    count = coupled.count(IDENTIFIED)
    if len(coupled) < FEWEST_CELLS or count > MOST * len(coupled):
        return []
    return [f"the k of the culture is known, but only that of {count} of its {len(coupled)} cells is identified"]


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


def _word(ratio: float, limits: tuple[float, float], doubtful: bool) -> str:
    if not ratio <= limits[1]:  # NaN, no interval, is not identified either
        return NOT
    return WEAK if doubtful or ratio > limits[0] else IDENTIFIED
