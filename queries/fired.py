"""The events and waves of cultures, one value per culture and quantity, as `compare` sets them side by side.

The rate is the mean over all cells that were looked at, silent ones included: events / (cells x hours). A median over
cells would be 0 wherever most cells are silent, and otherwise a small whole number of events an hour. Amplitudes are
medians over cells of each cell's median, so that a cell that fires often counts as one cell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.models.scale import CONSISTENT, mad_scale
from calcigraph.queries.library import Reader, fetch, load
from calcigraph.queries.quantities import AMPLITUDE, DFF, EVENT_RATE, SPEEDS, WAVE_RATE
from calcigraph.store.summary import middle, middles
from calcigraph.store.types import FloatArray


@dataclass(frozen=True)
class Fired:
    """One culture's events and waves."""

    culture: str
    settings: Mapping[str, Any]
    """What the user decided for the detection."""
    frames: int
    frame_interval_s: float
    gain: float
    """Normalised intensity per unit of log(raw + 1)."""
    noise: float
    """Deviation of a frame's noise divided by the gain: the median over cells."""
    values: Mapping[str, float]
    """The culture's value of each quantity; those that it does not have are left out."""
    spreads: Mapping[str, float]
    """1.4826 median absolute deviations over cells, and over waves for their speed."""


def stored_events(graph: Reader, names: Sequence[str], stale: bool = False) -> dict[str, Fired]:
    """The events of those of the cultures in which events were looked for.

    Parameters
    ----------
    graph
        Where they are.
    names
        Of the cultures.
    stale
        Whether events of masks that were mended since count.
    """
    query = load("fired")
    runs = {row["culture"]: row for row in fetch(graph, query, {"cultures": list(names), "stale": stale})}
    # Runs of an older calcigraph have no medians, and those of stale runs are of cells that may be gone.
    without = [name for name, row in runs.items() if row["middles"].get("median_events") is None or row["stale"]]
    for name in without:  # one by one: the embedded engine cannot collect the events of a hundred cultures at once
        rows = fetch(graph, load("firing"), {"culture": name})
        counts = [len(row["amplitudes"]) for row in rows]
        runs[name] |= {"cells": len(rows), "events": sum(counts), "middles": _middles_of(rows, counts)}
    return {name: fired_of(row) for name, row in runs.items()}


def _middles_of(cells: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> dict[str, Any]:
    """What a newer run's node has, from its cells."""
    return (
        middle("events", np.array(counts, dtype=np.float64))
        | middle("amplitude", _per_cell(cells, "amplitudes"))
        | middle("dff", _per_cell(cells, "dff"))
        | middle("noise", np.array([row["noise"] for row in cells], dtype=np.float64))
    )


def fired_of(row: Mapping[str, Any]) -> Fired:
    """One culture's values.

    Parameters
    ----------
    row
        Of queries/fired.cypher.

    Examples
    --------
    >>> facts = dict(culture="A", intensity_gain=0.5, pixel_size_um=None, frames=180, frame_interval_s=10.0)
    >>> facts |= dict(settings="{}", duration_s=1800.0, cells=2, events=2, waves=0, speeds=[])
    >>> middles = dict(median_events=1.0, mad_events=1.0, median_amplitude=0.2, mad_amplitude=0.0, median_noise=0.01)
    >>> found = fired_of({**facts, "middles": {**middles, "mad_noise": 0.0}})
    >>> found.values
    {'event rate (1/h)': 2.0, 'amplitude / gain': 0.4, 'wave rate (1/h)': 0.0}
    """
    hours, gain = float(row["duration_s"]) / 3600, float(row["intensity_gain"] or 1.0)
    values, spreads = {EVENT_RATE: row["events"] / row["cells"] / hours}, dict[str, float]()
    for quantity, name, unit in ((AMPLITUDE, "amplitude", gain), (DFF, "dff", 1.0)):
        known = middles(row["middles"], name)
        if known is not None:
            values[quantity], spreads[quantity] = known[0] / unit, CONSISTENT * known[1] / unit
    step = row["pixel_size_um"]
    speeds = np.array(row["speeds"], dtype=np.float64) * (step or 1.0)
    if len(speeds):
        name = SPEEDS["µm/s" if step else "px/s"]
        values[name] = float(np.median(speeds))
        spreads[name] = mad_scale(speeds - values[name])
    _, deviation = middles(row["middles"], "events") or (0.0, 0.0)
    noise, _ = middles(row["middles"], "noise") or (float("nan"), 0.0)
    return Fired(
        culture=row["culture"],
        settings=json.loads(row["settings"]),
        frames=int(row["frames"]),
        frame_interval_s=float(row["frame_interval_s"]),
        gain=gain,
        noise=noise / gain,
        values=values | {WAVE_RATE: row["waves"] / hours},
        spreads=spreads | {EVENT_RATE: CONSISTENT * deviation / hours},
    )


def _per_cell(cells: Sequence[Mapping[str, Any]], name: str) -> FloatArray:
    """The median of each cell that has a value."""
    return np.array([np.median(row[name]) for row in cells if len(row[name])], dtype=np.float64)
