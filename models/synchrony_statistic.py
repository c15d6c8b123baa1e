"""The synchrony of a culture as a statistic for the permutation test (permutation.py).

It is the Pearson correlation of the intensity changes (differences of successive frames) of two cells in contact,
mean over contacts. A cell whose intensity never changes, or always changes by the same amount, has no correlation: it
counts as 0.
"""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import FloatArray, IntArray, Progress

EXACT = float(1 << 26)
"""Correlations are taken between unit vectors rounded to whole multiples of 2^-26: every product and partial sum is
then an exact float64, so that no order of summation (threads) can change a result; the error is below 1e-7."""
BLOCK = 1 << 22
"""Correlations held at once: 32 MB."""


def synchronies(traces: FloatArray, pairs: IntArray, orders: IntArray, progress: Progress) -> FloatArray:
    """Mean correlation over contacts of every arrangement of the traces.

    Parameters
    ----------
    traces
        Intensity, (n, T).
    pairs
        Contacts, (m, 2), positions of cells, each pair once.
    orders
        (1 + N, n), which trace is at each position, one row per arrangement.
    progress
        Called with the stage "null synchrony".

    Returns
    -------
    FloatArray
        (1 + N,), from -1 to 1.
    """
    units = _unit_changes(traces)
    total, rows = np.zeros(len(orders)), max(1, BLOCK // len(units))
    # All pairs of cells are correlated once, because a permutation only looks them up at other places.
    for first in range(0, len(units), rows):
        progress("null synchrony", first, len(units))
        correlations = units[first : first + rows] @ units.T
        for number, order in enumerate(orders):
            a, b = order[pairs[:, 0]] - first, order[pairs[:, 1]]
            inside = (a >= 0) & (a < len(correlations))
            total[number] += correlations[a[inside], b[inside]].sum()
    progress("null synchrony", len(units), len(units))
    return total / len(pairs)


def _unit_changes(traces: FloatArray) -> FloatArray:
    """Changes less their mean, (n, T - 1), scaled to length 1, in whole multiples of 2^-26; 0 where all are equal."""
    changes = np.diff(traces, axis=1)
    centred = changes - changes.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("nt,nt->n", centred, centred))
    # Changes that differ by rounding alone are equal.
    largest = np.abs(traces).max(axis=1)
    rounding = 4 * np.finfo(np.float64).eps * largest * np.sqrt(traces.shape[1])
    varies = (length > rounding)[:, None]
    unit = np.divide(centred, length[:, None], out=np.zeros_like(centred), where=varies)
    return np.asarray(np.rint(unit * EXACT) / EXACT)
