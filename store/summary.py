"""What stands on a culture and on its runs so that questions about many cultures need not read their cells.

A comparison of a hundred cultures of a thousand cells reads a hundred nodes instead of a million events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from calcigraph.store.event_types import EventRun, Events
from calcigraph.store.types import CultureData, Fit, FloatArray

Row = dict[str, Any]

PARAMETERS = ("k", "k_cell", "feed", "mse_train", "mse_test")
"""Of FITTED, those whose medians a fit has."""
MEDIAN, MAD = "median_", "mad_"
"""What begins the names of a median over cells, and of the median absolute deviation from it."""


def of_culture(data: CultureData) -> Row:
    """How many inner cells and contacts a culture has. (The engines count a node's relationships at once.)"""
    return {"inner_cells": int((~data.cells.border).sum()), "contacts": len(data.contacts)}


def of_fit(fit: Fit) -> Row:
    """The medians over the cells of a fit, and how many cells these are."""
    found: Row = {"fitted_cells": len(fit.labels)}
    for name in PARAMETERS:
        if name in fit.cells:
            found |= middle(name, np.asarray(fit.cells[name], dtype=np.float64))
    return found


def of_events(run: EventRun) -> Row:
    """The medians over the cells of a search for events: their number, the cells' median heights, and noise."""
    counts = np.searchsorted(run.events.label, run.labels, side="right") - np.searchsorted(
        run.events.label, run.labels, side="left"
    )
    return (
        middle("events", counts.astype(np.float64))
        | middle("amplitude", _of_cells(run.events, run.events.amplitude))
        | middle("dff", _of_cells(run.events, run.events.dff))
        | middle("noise", run.noise)
    )


def middle(name: str, values: FloatArray) -> Row:
    """The median of the finite values and their median absolute deviation; nothing where there are none.

    >>> middle("k", np.array([1.0, 2.0, 4.0, np.nan]))
    {'median_k': 2.0, 'mad_k': 1.0}
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return {}
    median = float(np.median(known))
    return {f"{MEDIAN}{name}": median, f"{MAD}{name}": float(np.median(np.abs(known - median)))}


def _of_cells(events: Events, values: FloatArray) -> FloatArray:
    """(m,), the median of each cell that has a finite value."""
    known = np.isfinite(values)
    return np.array([np.median(part) for part in _parts(events.label[known], values[known])], dtype=np.float64)


def _parts(labels: Any, values: FloatArray) -> Iterator[FloatArray]:
    """The values of each label in turn; labels are sorted."""
    ends = np.flatnonzero(np.diff(labels)) + 1
    return iter(np.split(values, ends)) if len(values) else iter(())


def middles(node: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """The median and the median absolute deviation that a row has; None where it has none."""
    median, mad = node.get(f"{MEDIAN}{name}"), node.get(f"{MAD}{name}")
    return None if median is None or mad is None else (float(median), float(mad))
