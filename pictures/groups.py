"""The fit groups of the paper as pictures show them: order, colours, marks, and what each name means."""

from __future__ import annotations

import numpy as np

from calcigraph.models.evaluate import GOOD, MAGNITUDE, MISSES_PEAKS, PEAKS_FOUND, WRONG_MAGNITUDE
from calcigraph.pictures.data import PictureData
from calcigraph.store.types import BoolArray

GROUPS = (GOOD, MISSES_PEAKS, WRONG_MAGNITUDE)
"""In the paper's order."""
COLOURS = {GOOD: "#009e73", MISSES_PEAKS: "#0072b2", WRONG_MAGNITUDE: "#cc79a7"}
UNGROUPED = "#8c8c8c"
"""The colour of fitted cells without a group, or with a group by another name."""
MARKS = {GOOD: "D", MISSES_PEAKS: "o", WRONG_MAGNITUDE: "^"}
"""On the error map. The largest group has no mark there, and groups by other names have none."""
MEANINGS = (
    f"{GOOD}: {100 * PEAKS_FOUND:.0f} % of peaks found and median within {100 * MAGNITUDE:.0f} %",
    f"{MISSES_PEAKS}: fewer found",
    f"{WRONG_MAGNITUDE}: the rest",
)
"""The rules of models.fit_groups. A page of two columns has room for them in one line."""


def members(data: PictureData, chosen: BoolArray) -> dict[str, BoolArray]:
    """The chosen cells by group.

    Parameters
    ----------
    chosen
        (n,) which cells to divide.

    Returns
    -------
    For each group that occurs, (n,) which of the chosen cells are in it: the paper's groups first, then other names,
    and last "" for cells without a group.
    """
    groups = np.array(data.groups())
    other_names = sorted(set(groups.tolist()) - {*GROUPS, ""})
    found = {name: chosen & (groups == name) for name in (*GROUPS, *other_names, "")}
    return {name: cells for name, cells in found.items() if cells.any()}


def colour(name: str) -> str:
    return COLOURS.get(name, UNGROUPED)
