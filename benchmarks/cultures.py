"""Cultures of any size on a grid, without a movie, for benchmarks of the graph."""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import Cells, Contacts, Culture, CultureData

CREATED = "2026-01-01T00:00:00+00:00"
NAME = "benchmark"


def grid(cells: int, frames: int) -> CultureData:
    """About `cells` cells on a square grid, each touching the cells around it and one diagonal: 6 neighbours."""
    side = round(cells**0.5)
    rng = np.random.default_rng(0)
    index = np.arange(side * side).reshape(side, side)
    steps = (index[:, :-1], index[:, 1:]), (index[:-1], index[1:]), (index[:-1, :-1], index[1:, 1:])
    ends = np.concatenate([np.stack(step, -1).reshape(-1, 2) for step in steps])
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    rim = np.ones((side, side), dtype=bool)
    rim[1:-1, 1:-1] = False
    y, x = np.indices((side, side)).reshape(2, -1) * 30.0
    count, labels = side * side, 1 + index.ravel()
    culture = Culture(
        NAME, None, None, frames, 10.0, None, None, None, None, "benchmark", "0", {}, 0.0, 1.0, None, None, None, (),
        CREATED, "0",
    )  # fmt: skip
    polygons = ("POLYGON ((0 0, 30 0, 30 30, 0 30, 0 0))",) * count
    traces = rng.random((count, frames))
    body = Cells(labels, np.full(count, 900.0), x, y, rim.ravel(), polygons, traces, ("",) * count)
    contacts = Contacts(labels[ends[:, 0]], labels[ends[:, 1]], np.full(len(ends), 30.0), np.full(len(ends), 30.0))
    return CultureData(culture, body, contacts)
