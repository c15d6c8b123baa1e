"""The table of cells that a segmentation may have got wrong, with what speaks for it in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.store.doubtful import beside_missing, likeness, merged_cells, shapes, split_pairs
from calcigraph.store.types import Subgraph

if TYPE_CHECKING:
    import pandas

MERGED, SPLIT, MISSING = "merged", "split", "missing neighbour"
COLUMNS = {"culture": "object", "label": "int64", "uid": "object", "what": "object", "why": "object"}


def find_doubtful(graph: Subgraph) -> pandas.DataFrame:
    """The inner cells whose mask, or whose neighbour's, may be wrong; by label.

    Parameters
    ----------
    graph
        The culture. A split has a row for both of its halves.

    Returns
    -------
    A row per cell and suspicion, with COLUMNS; `what` is `merged`, `split` or `missing neighbour`.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> options = SyntheticOptions(cells=60, frames=30, size_px=384, missing=0.05, seed=2)
    >>> sorted(set(find_doubtful(make_culture(options).subgraph()).what))
    ['missing neighbour']
    """
    import pandas

    rows = sorted([*_missing(graph), *_merged(graph), *_split(graph)], key=lambda row: (row[0], row[1]))
    records = [(graph.culture, label, f"{graph.culture}:{label}", what, why) for label, what, why in rows]
    return pandas.DataFrame(records, columns=list(COLUMNS)).astype(COLUMNS)


Suspicion = tuple[int, str, str]
"""Label, what, and why."""


def _missing(graph: Subgraph) -> list[Suspicion]:
    found, open_px = beside_missing(graph), graph.open_px
    if open_px is None:
        return []
    shared = np.zeros(len(graph.labels))
    np.add.at(shared, graph.pairs, graph.shared_border_px[:, None])
    return [
        (
            int(graph.labels[row]),
            MISSING,
            f"{open_px[row]:.0f} px of its outline ({open_px[row] / (open_px[row] + shared[row]):.0%}) lie beside "
            "a place that has room for a cell",
        )
        for row in np.flatnonzero(found).tolist()
    ]


def _merged(graph: Subgraph) -> list[Suspicion]:
    seen = shapes(graph)
    return [
        (
            int(graph.labels[row]),
            MERGED,
            f"its area is {seen.area[row]:.1f} times the median, and it has {seen.contacts[row]:.0f} contacts (the "
            f"median cell has {seen.median_contacts:.0f})",
        )
        for row in np.flatnonzero(merged_cells(graph)).tolist()
    ]


def _split(graph: Subgraph) -> list[Suspicion]:
    found = split_pairs(graph)
    if graph.area_px is None or not found.any():
        return []
    alike, labels, area = np.tanh(likeness(graph)), graph.labels.tolist(), graph.area_px / np.median(graph.area_px)
    rows: list[tuple[int, int, Any]] = []
    for contact in np.flatnonzero(found).tolist():
        a, b = graph.pairs[contact].tolist()
        rows += [(a, b, contact), (b, a, contact)]
    return [
        (
            labels[cell],
            SPLIT,
            f"it and cell {labels[other]} together have {area[cell] + area[other]:.1f} times the median area, and "
            f"their traces correlate by {alike[contact]:.2f} (contacts usually by {np.median(alike):.2f})",
        )
        for cell, other, contact in rows
    ]
