"""Results in one sentence each: of a fit, and of every row of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calcigraph.errors import spelt
from calcigraph.queries.quantities import EVENT_RATE, K_CELL, MSE_TEST, MSE_TRAIN, SYNCHRONY, WAVE_RATE, K
from calcigraph.store.sentence import fit_said, three

__all__ = ["CALLED", "comparison_said", "fit_said", "three"]

CALLED = {
    K: "coupling",
    K_CELL: "the cells' own coupling",
    SYNCHRONY: "synchrony",
    MSE_TRAIN: "error without own activity",
    MSE_TEST: "error without own activity in frames that were not fitted",
    EVENT_RATE: "events an hour and cell",
    WAVE_RATE: "waves an hour",
}
"""What a sentence calls a quantity whose own name is no word."""


def comparison_said(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a comparison found: a sentence per row of which both groups have values.

    Parameters
    ----------
    rows
        Records of `queries.compare_cultures`; group a is the reference.

    Examples
    --------
    >>> comparison_said([{
    ...     "parameter": "k", "group_a": "control", "group_b": "blocked", "ratio": 0.25, "ratio_low": 0.2,
    ...     "ratio_high": 0.31, "p": 0.001, "p_holm": 0.004, "test": "Welch t of logarithms", "n_a": 3, "n_b": 4,
    ... }])
    ['coupling: blocked is 0.250 times control (95 % 0.200 to 0.310), p 0.001, after Holm 0.004']
    """
    return [_row_said(row) for row in rows if row.get("difference") is not None or row.get("ratio") is not None]


def _row_said(row: Mapping[str, Any]) -> str:
    a, b = spelt(str(row["group_a"])), spelt(str(row["group_b"]))
    what = CALLED.get(row["parameter"], row["parameter"])
    if row.get("ratio") is not None:
        said = f"{b} is {three(row['ratio'])} times {a}{_range(row, 'ratio')}"
    else:
        said = f"{b} differs from {a} by {three(row['difference'])}{_range(row, 'difference')}"
    p = f", p {row['p']:.2g}, after Holm {row['p_holm']:.2g}" if row.get("p") is not None else ", not tested"
    return f"{what}: {said}{p}"


def _range(row: Mapping[str, Any], name: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return f" (95 % {three(low)} to {three(high)})" if low is not None and high is not None else ""
