"""The latest fits of cultures, one value per culture and parameter, as `compare` sets them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.models.scale import CONSISTENT
from calcigraph.queries.library import Reader, fetch, load
from calcigraph.queries.quantities import FEED, SYNCHRONY
from calcigraph.queries.recorded import Recorded
from calcigraph.store.summary import PARAMETERS, middle, middles
from calcigraph.store.units import unit_of_k


@dataclass(frozen=True)
class Fitted:
    """One culture's latest fit."""

    culture: str
    model: str
    condition: str | None
    cells: int
    """All cells of the culture, border cells included."""
    gain: float
    """Normalised intensity per unit of log(raw + 1)."""
    word: str | None
    """"identified", "weak" or "not identified"; None where none was stored."""
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    """What followed from the culture and its data."""
    medians: Mapping[str, float]
    """Over the inner cells, by parameter; the feed is divided by the gain. Synchrony is one value per culture."""
    spreads: Mapping[str, float]
    """1.4826 median absolute deviations over the inner cells, by parameter."""

    @property
    def weight_scale(self) -> float | None:
        """What the raw weights of the contacts were divided by."""
        return self.facts.get("weight_scale")

    @property
    def k_unit(self) -> str:
        """One of the units in store/units.py."""
        return unit_of_k(self.settings, self.facts)


def latest_fits(graph: Reader, names: Sequence[str], model: str, stale: bool = False) -> dict[str, Fitted]:
    """The latest fit of each culture that has one, by culture.

    Parameters
    ----------
    graph
        Where the fits are.
    names
        Of the cultures.
    model
        Whose fits.
    stale
        Whether fits of masks that were mended since count.
    """
    query, values = load("fitted"), {"cultures": list(names), "model": model, "stale": stale}
    runs = {row["culture"]: row for row in fetch(graph, query, query.bind(values))}
    # Fits of an older calcigraph have no medians, and those of stale fits are of cells that may be gone.
    without = [name for name, row in runs.items() if row["middles"].get("fitted_cells") is None or row["stale"]]
    for name in without:
        runs[name] |= {"middles": _middles_of(fetch(graph, load("comparison"), {"run": runs[name]["run"]}))}
    return {name: _fitted(runs[name], model) for name in names if name in runs}


def _middles_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a newer fit's node has, from its cells."""
    columns = {name: np.array([row["fitted"].get(name) for row in rows], dtype=np.float64) for name in PARAMETERS}
    return {key: value for name, each in columns.items() for key, value in middle(name, each).items()}


def _fitted(first: Mapping[str, Any], model: str) -> Fitted:
    """One culture's fit from its row of queries/fitted.cypher."""
    recorded = Recorded.of(first)
    gain = float("nan") if first["intensity_gain"] is None else float(first["intensity_gain"])
    medians, spreads = {}, {}
    for name in PARAMETERS:
        found = middles(first["middles"], name)
        if found is not None:
            # A feed is in normalised intensity per second; divided by the gain it is in log(x + 1), as in every movie.
            unit = gain if name == FEED else 1.0
            medians[name], spreads[name] = found[0] / unit, CONSISTENT * found[1] / unit
    if None not in (first["null_sync"], first["null_sync_mean"]):
        medians[SYNCHRONY] = float(first["null_sync"]) - float(first["null_sync_mean"])
    return Fitted(
        culture=first["culture"],
        model=model,
        condition=first["condition"],
        cells=int(first["cells"]),
        gain=gain,
        word=first["identified"],
        settings={"case": first["case"], **recorded.settings},
        facts=recorded.facts,
        medians=medians,
        spreads=spreads,
    )
