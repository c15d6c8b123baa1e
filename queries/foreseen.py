"""The forecasts of cultures, one value per culture and quantity, as `compare` sets them side by side.

What contacts add is compared without what exchanged cells seem to add: that depends on the length of the recording and
on its number of cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calcigraph.queries.library import Reader, fetch, load
from calcigraph.queries.quantities import CONTACT_GAIN, SKILLS


@dataclass(frozen=True)
class Foreseen:
    """One culture's forecast."""

    culture: str
    frames: int
    frame_interval_s: float
    gain: float
    """Normalised intensity per unit of log(raw + 1)."""
    taught: bool
    """Whether other cultures were learnt from."""
    values: Mapping[str, float]
    """The culture's value of each quantity; those that it does not have are left out."""


def stored_forecasts(graph: Reader, names: Sequence[str], stale: bool = False) -> dict[str, Foreseen]:
    """The forecasts of those of the cultures that were forecast.

    Parameters
    ----------
    graph
        Where they are.
    names
        Of the cultures.
    stale
        Whether forecasts of masks that were mended since count.
    """
    found = fetch(graph, load("foreseen"), {"cultures": list(names), "stale": stale})
    return {row["culture"]: foreseen_of(row) for row in found}


def foreseen_of(row: Mapping[str, Any]) -> Foreseen:
    """One culture's values, from its row of queries/foreseen.cypher.

    Examples
    --------
    >>> facts = dict(culture="A", intensity_gain=0.5, frames=180, frame_interval_s=10.0, trained_on=["B"])
    >>> foreseen_of(facts | dict(skill=[0.25, 0.2], contact_gain=0.03, contact_gain_by_chance=-0.01)).values
    {'skill, 1 frame ahead': 0.25, 'contact gain': 0.04}
    """
    skill = row["skill"] or []
    values = {name: float(skill[ahead - 1]) for ahead, name in SKILLS.items() if ahead <= len(skill)}
    if row["contact_gain"] is not None:
        values[CONTACT_GAIN] = float(row["contact_gain"]) - float(row["contact_gain_by_chance"])
    return Foreseen(
        culture=row["culture"],
        frames=int(row["frames"]),
        frame_interval_s=float(row["frame_interval_s"]),
        gain=float(row["intensity_gain"] or 1.0),
        taught=bool(row["trained_on"]),
        values=values,
    )
