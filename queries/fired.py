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

from calcigraph.models.scale import mad_scale
from calcigraph.queries.library import Reader, fetch, load
from calcigraph.queries.quantities import AMPLITUDE, DFF, EVENT_RATE, SPEEDS, WAVE_RATE
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
    found: dict[str, list[dict[str, Any]]] = {}
    for row in fetch(graph, load("firing"), {"cultures": list(names), "stale": stale}):
        found.setdefault(row["culture"], []).append(row)
    speeds: dict[str, list[float | None]] = {name: [] for name in found}
    for row in fetch(graph, load("waves_of"), {"cultures": list(found)}):
        speeds[row["culture"]].append(row["speed_px_s"])
    return {name: fired_of(rows, speeds[name]) for name, rows in found.items()}


def fired_of(cells: Sequence[Mapping[str, Any]], speeds: Sequence[float | None]) -> Fired:
    """One culture's values.

    Parameters
    ----------
    cells
        Its rows of queries/firing.cypher, one per cell.
    speeds
        px/s, one per wave, None where no speed can be told.

    Examples
    --------
    >>> facts = dict(culture="A", intensity_gain=0.5, pixel_size_um=None, frames=180, frame_interval_s=10.0)
    >>> facts |= dict(settings="{}", duration_s=1800.0, noise=0.01, dff=[])
    >>> found = fired_of([{**facts, "amplitudes": [0.1, 0.3]}, {**facts, "amplitudes": []}], [])
    >>> found.values
    {'event rate (1/h)': 2.0, 'amplitude / gain': 0.4, 'wave rate (1/h)': 0.0}
    """
    first = cells[0]
    hours, gain = float(first["duration_s"]) / 3600, float(first["intensity_gain"] or 1.0)
    rates = np.array([len(row["amplitudes"]) for row in cells]) / hours
    values, spreads = {EVENT_RATE: float(rates.mean())}, {EVENT_RATE: mad_scale(rates - np.median(rates))}
    step = first["pixel_size_um"]
    known = np.array([speed for speed in speeds if speed is not None], dtype=np.float64)
    for name, each in (
        (AMPLITUDE, _per_cell(cells, "amplitudes") / gain),
        (DFF, _per_cell(cells, "dff")),
        (SPEEDS["µm/s" if step else "px/s"], known * (step or 1.0)),
    ):
        if len(each):
            values[name] = float(np.median(each))
            spreads[name] = mad_scale(each - values[name])
    return Fired(
        culture=first["culture"],
        settings=json.loads(first["settings"]),
        frames=int(first["frames"]),
        frame_interval_s=float(first["frame_interval_s"]),
        gain=gain,
        noise=float(np.median([row["noise"] for row in cells])) / gain,
        values=values | {WAVE_RATE: len(speeds) / hours},
        spreads=spreads,
    )


def _per_cell(cells: Sequence[Mapping[str, Any]], name: str) -> FloatArray:
    """The median of each cell that has a value."""
    return np.array([np.median(row[name]) for row in cells if len(row[name])], dtype=np.float64)
