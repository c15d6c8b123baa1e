"""What a culture's node says of its cells as a tissue, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = (
    ("strays", "stray piece", "stray pieces"),
    ("places", "label of two places", "labels of two places"),
    ("background", "label of background", "labels of background"),
)
"""Counts of `Culture.tissue` that are told where they are not 0."""


def tissue_line(facts: Mapping[str, Any]) -> str:
    """`Culture.tissue` in one line.

    Examples
    --------
    >>> tissue_line({"found": 60, "too_small": 24, "min_area": 400, "coverage": 0.634, "contacts_per_inner_cell": None,
    ...     "max_gap": 2})
    '60 cells found, 24 (40 %) left out under 400 px; they cover 63 % of the picture; gaps of up to 2 px are closed'
    """
    where = {"max": " in the maximum over time"}.get(facts.get("picture", ""), "")
    parts = [f"{facts['found']} cells found{where}"]
    if facts["too_small"]:
        share = facts["too_small"] / facts["found"]
        parts.append(f"{facts['too_small']} ({100 * share:.0f} %) left out under {facts['min_area']} px")
    for name, one, many in _NAMES:
        if facts.get(name):
            parts.append(f"{facts[name]} {one if facts[name] == 1 else many}")
    lines = [", ".join(parts), f"they cover {100 * facts['coverage']:.0f} % of the picture"]
    if facts["contacts_per_inner_cell"] is not None:
        lines.append(f"an inner cell has {facts['contacts_per_inner_cell']:.1f} contacts")
    lines.append(f"gaps of up to {facts['max_gap']} px are closed" if facts["max_gap"] else "no gaps are closed")
    return "; ".join(lines)
