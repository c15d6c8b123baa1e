"""How far the run of a fit is from the data, in units of each cell's measurement noise, and what that is called."""

from __future__ import annotations

import numpy as np

from calcigraph.models.own_sources import noise_of
from calcigraph.pictures.data import PictureData
from calcigraph.store.types import FloatArray

GOOD, FAIR, POOR = "good", "fair", "poor"
FAIR_FROM, POOR_FROM = 2.0, 4.0
"""Errors, in units of the noise, from which a cell is fair, and poor."""
COLOURS = {GOOD: "#009e73", FAIR: "#0072b2", POOR: "#cc79a7"}
MARKS = {FAIR: "o", POOR: "^"}
MEANINGS = {GOOD: f"under {FAIR_FROM:g}", FAIR: f"{FAIR_FROM:g} to {POOR_FROM:g}", POOR: f"from {POOR_FROM:g}"}


def misfit(data: PictureData) -> FloatArray:
    """(n,), root mean square of run minus trace, over the noise of the trace: 1 is as near as noise allows.

    The run is that with the sources that were found, for a model that finds them, else the free run. NaN: not fitted.
    """
    noise, values = noise_of(data.subgraph.intensity), np.full(len(data.subgraph.labels), np.nan)
    for row, label in enumerate(data.subgraph.labels.tolist()):
        run = data.best_run(label)
        if run is None:
            continue
        off = run - data.subgraph.intensity[row]
        known = np.isfinite(off)
        if known.any():
            values[row] = np.sqrt((off[known] ** 2).mean()) / noise[row]
    return values


def word(value: float) -> str:
    """What an error is called; "" for none.

    >>> word(0.9), word(2.5), word(7.0), word(float("nan"))
    ('good', 'fair', 'poor', '')
    """
    if not np.isfinite(value):
        return ""
    return GOOD if value < FAIR_FROM else FAIR if value < POOR_FROM else POOR
