"""What may be wrong with a table of traces, as sentences with numbers."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray, IntArray

JUMP = 10.0
"""Usual steps of a trace: a zero that lies further below its smallest value is taken for a gap that was not said."""
MOST_NAMED = 10
"""Cells that a sentence names."""


def zero_warnings(mean: FloatArray, zeros: BoolArray, nowhere: BoolArray, labels: IntArray) -> tuple[str, ...]:
    """Sentences about exact zeros.

    Parameters
    ----------
    mean
        (n, T).
    zeros
        (n, T), values of exactly 0 that are taken as values.
    nowhere
        (n, T), values of exactly 0 at position 0, 0.
    """
    found = []
    if nowhere.any():
        found.append(
            f"zeros: {int(nowhere.sum())} values are 0 at the position 0, 0, where no cell is; they were taken as "
            "missing"
        )
    odd = [cell for cell in np.flatnonzero(zeros.any(axis=1)) if _stands_apart(mean[cell], zeros[cell])]
    if odd:
        found.append(
            f"zeros: {int(zeros[odd].sum())} values are exactly 0, far below all others of their cell (cells "
            f"{named(labels[odd])}); they were taken as values: give --zero-is-missing if 0 stands for missing"
        )
    return tuple(found)


def _stands_apart(trace: FloatArray, zeros: BoolArray) -> bool:
    """Whether zero is far from every other value of a trace."""
    others = trace[np.isfinite(trace) & ~zeros]
    if len(others) < 2:
        return False
    usual = float(np.median(np.abs(np.diff(others))))
    return bool(np.abs(others).min() > JUMP * usual and (others > 0).all())


def likeness_warnings(mean: FloatArray, labels: IntArray) -> tuple[str, ...]:
    """Sentences about traces, (n, T), that are constant or equal to one another.

    Examples
    --------
    >>> likeness_warnings(np.array([[1.0, 2.0], [3.0, 3.0], [1.0, 2.0]]), np.array([4, 5, 9]))
    ('traces: constant in cells 5: they tell nothing', 'traces: the same in cells 4 and 9: one cell twice?')
    """
    constant = np.ptp(mean, axis=1) == 0
    found = []
    if constant.any():
        found.append(f"traces: constant in cells {named(labels[constant])}: they tell nothing")
    alike = defaultdict(list)
    for label, trace, still in zip(labels.tolist(), mean, constant.tolist(), strict=True):
        if not still:
            alike[trace.tobytes()].append(label)
    groups = [" and ".join(map(str, group)) for group in alike.values() if len(group) > 1]
    if groups:
        found.append(f"traces: the same in cells {_listed(groups)}: one cell twice?")
    return tuple(found)


def place_warnings(shared: list[IntArray], labels: IntArray) -> tuple[str, ...]:
    """A sentence about cells at one place."""
    if not shared:
        return ()
    groups = [" and ".join(map(str, labels[cells].tolist())) for cells in shared]
    return (
        f"positions: at one place are cells {_listed(groups)}: each has the contacts of the place, and the others'",
    )


def _listed(groups: list[str]) -> str:
    """Groups of cells for a sentence."""
    return "; ".join(groups[:MOST_NAMED]) + ("; ..." if len(groups) > MOST_NAMED else "")


def named(labels: IntArray) -> str:
    """Labels for a sentence."""
    return ", ".join(map(str, labels[:MOST_NAMED].tolist())) + (", ..." if len(labels) > MOST_NAMED else "")
