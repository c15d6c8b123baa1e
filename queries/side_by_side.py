"""The rows of a comparison of independent groups: a row per quantity and pair of groups (queries/compare.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calcigraph.errors import spelt
from calcigraph.queries import comparable
from calcigraph.queries.effects import effect_of, holm
from calcigraph.queries.observed import Observed, values_of
from calcigraph.queries.quantities import ALL, CONTACT_GAIN, DFF, FEED, FIRED, FORESEEN, SPEEDS, SYNCHRONY
from calcigraph.store.types import FloatArray

COLUMNS = (
    "parameter", "group_a", "group_b", "n_a", "n_b", "median_a", "median_b", "mean_a", "mean_b", "sd_a", "sd_b",
    "cell_spread_a", "cell_spread_b", "difference", "difference_low", "difference_high", "ratio", "ratio_low",
    "ratio_high", "test", "p", "p_holm", "weight_scale_a", "weight_scale_b", "intensity_gain_a", "intensity_gain_b",
    "cells_a", "cells_b", "cultures_a", "cultures_b", "values_a", "values_b", "experiments_a", "experiments_b", "note",
)  # fmt: skip
LISTS = ("weight_scale", "intensity_gain", "cells", "cultures", "values", "experiments")
"""Columns that hold one value per culture of the group."""
SHOWN = {FEED: "feed / gain"}
"""What the table calls a quantity whose own name does not say it."""


def rows_of(
    groups: Mapping[str, Sequence[Observed]], pairs: Sequence[tuple[str, str]], options: comparable.Options, note: str
) -> list[dict[str, Any]]:
    """A row for each quantity that a group has, and each pair of groups.

    Parameters
    ----------
    groups
        The cultures of each group.
    pairs
        The names of the groups a and b.
    options
        How events were looked for.
    note
        Stands in every row.
    """
    rows = [
        _row(quantity, (a, b), (groups[a], groups[b]), options, note)
        for quantity in ALL
        for a, b in pairs
        if any(quantity in each.values for each in (*groups[a], *groups[b]))
    ]
    correct(rows)
    return rows


def correct(rows: Sequence[dict[str, Any]]) -> None:
    """Correct p by Holm's method: every row that was tested counts, whatever its quantity."""
    tested = [row for row in rows if row["p"] is not None]
    for row, corrected in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = corrected


def _row(
    quantity: str,
    names: tuple[str, str],
    groups: tuple[Sequence[Observed], Sequence[Observed]],
    options: comparable.Options,
    note: str,
) -> dict[str, Any]:
    """The table's row of one quantity and two groups."""
    a, b = (values_of(group, quantity) for group in groups)
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"parameter": SHOWN.get(quantity, quantity), "group_a": names[0], "group_b": names[1]}
    row |= _side("a", groups[0], quantity, a) | _side("b", groups[1], quantity, b)
    allowed = comparable.allowed(quantity, groups[0], groups[1], options)
    notes = list(allowed.notes)
    if len(a) and len(b) and allowed.compared:
        effect = effect_of(quantity, a, b)
        row |= (effect if allowed.tested else effect.untested()).columns()
        notes += [effect.note] if effect.note else []
    notes += missing(quantity, groups)
    return row | {"note": "; ".join(part for part in (*notes, note) if part)}


def missing(quantity: str, groups: Sequence[Sequence[Observed]]) -> list[str]:
    """The note on cultures that do not have the quantity."""
    without = [each.culture for group in groups for each in group if quantity not in each.values]
    if not without:
        return []
    if quantity == SYNCHRONY:
        return [f"fitted without null, so without synchrony: {spelt(*without)}"]
    reasons = {DFF: "no F0 is known", **dict.fromkeys(SPEEDS.values(), "no wave has a speed")}
    if quantity in FIRED:
        return [f"{reasons.get(quantity, 'there is no event')} in {spelt(*without)}"]
    if quantity in FORESEEN:
        reason = "it cannot be told" if quantity == CONTACT_GAIN else "the forecast does not go so far"
        return [f"{reason} in {spelt(*without)}"]
    empty = any(not any(quantity in each.values for each in group) for group in groups)
    return ["not fitted on one side"] if empty else []


def _side(side: str, group: Sequence[Observed], quantity: str, values: FloatArray) -> dict[str, Any]:
    """The columns of one group, "a" or "b"; `values` are those of its cultures that have the quantity."""
    spreads = [each.spreads[quantity] for each in group if quantity in each.spreads]
    columns: dict[str, Any] = {
        "n": len(values),
        "cultures": [each.culture for each in group],
        "weight_scale": [each.weight_scale for each in group] if any(each.fitted for each in group) else None,
        "intensity_gain": [each.gain for each in group],
        "cells": [each.cells for each in group],
        "values": [each.values.get(quantity) for each in group],
        "experiments": [each.experiment for each in group],
        "median": float(np.median(values)) if len(values) else None,
        "mean": float(np.mean(values)) if len(values) else None,
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "cell_spread": float(np.median(spreads)) if spreads else None,
    }
    return {f"{name}_{side}": value for name, value in columns.items()}
