"""Cells of a stored culture that a segmentation may have got wrong: beside a missed cell, merged, or split.

Border cells are not judged: the edge of the image cuts them, and models do not fit them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray, Subgraph

SHORTEST_PX = 5.0
"""Outline beside an unlabelled place from which a cell may have a neighbour there: that of a contact by default."""
LARGE = 1.5
"""Times the median area from which one mask may hold two cells ..."""
DEVIATIONS = 2.0
"""... and deviations of the logarithm of the areas, for tissue of unlike cells."""
MORE_CONTACTS = 1.0
"""Contacts beyond the median cell's that two cells in one mask have at least."""
FEWEST_CELLS = 10
"""Inner cells from which a cell can be told to be unlike the others."""
HALVES = 1.3
"""Times the median area up to which two cells together may be one."""
ALIKE = 3.5
"""Deviations by which the traces of two halves are more alike than those of other cells in contact."""
CONSISTENT = 1.4826
"""Times the median absolute deviation this is the standard deviation of normal values."""
CLOSEST = 1 - 1e-9
"""Largest correlation whose Fisher transform is taken."""


@dataclass(frozen=True)
class Shapes:
    """How the n cells of a culture compare with its median inner cell; NaN where that is not known."""

    area: FloatArray
    """(n,), over the median area."""
    contacts: FloatArray
    """(n,), number of contacts."""
    median_contacts: float
    outline: FloatArray
    """(n,), outline^2 / area over its median: 1 for the usual shape, more for a longer one."""
    large: float
    """From this `area` a cell is unlike the others."""


def shapes(graph: Subgraph) -> Shapes:
    """Measure areas, contacts and outlines of a culture's cells.

    The outline of an inner cell is what it shares with its neighbours and what lies beside a place without a mask.
    """
    count, inner = len(graph.labels), ~graph.border
    contacts = np.bincount(graph.pairs.ravel(), minlength=count).astype(np.float64)
    nothing = np.full(count, np.nan)
    if graph.area_px is None or not graph.has_borders or inner.sum() < FEWEST_CELLS:
        return Shapes(area=nothing, contacts=contacts, median_contacts=np.nan, outline=nothing, large=np.inf)
    outline = np.zeros(count) if graph.open_px is None else np.nan_to_num(graph.open_px)
    np.add.at(outline, graph.pairs, graph.shared_border_px[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        area = graph.area_px / np.median(graph.area_px[inner])
        longer = outline**2 / graph.area_px
        spread = CONSISTENT * float(np.median(np.abs(np.log(area[inner]))))
    return Shapes(
        area=area,
        contacts=contacts,
        median_contacts=float(np.median(contacts[inner])),
        outline=longer / np.median(longer[inner]),
        large=max(LARGE, float(np.exp(DEVIATIONS * spread))),
    )


def merged_cells(graph: Subgraph) -> BoolArray:
    """The inner cells whose mask may hold two cells, (n,): large, with more contacts, and no rounder than others.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=60, frames=12, size_px=384, mask_merges=2))
    >>> graph = culture.subgraph()
    >>> found = graph.labels[merged_cells(graph)]  # merged cells have new labels, above those of all others
    >>> bool((found > culture.cells[-1]).all())
    True
    """
    seen = shapes(graph)
    more = seen.contacts >= seen.median_contacts + MORE_CONTACTS
    return np.asarray(~graph.border & (seen.area >= seen.large) & more & (seen.outline >= 1))


def beside_missing(graph: Subgraph) -> BoolArray:
    """The inner cells with a place beside them where a cell may have been missed, (n,); none where that is not known.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> options = SyntheticOptions(cells=40, frames=12, size_px=256)
    >>> bool(beside_missing(make_culture(options).subgraph()).any())
    False
    """
    return ~graph.border & beside_place(graph)


def beside_place(graph: Subgraph) -> BoolArray:
    """The cells beside such a place, (n,), border cells too."""
    if graph.open_px is None:
        return np.zeros(len(graph.labels), np.bool_)
    return np.asarray(graph.open_px >= SHORTEST_PX)


def split_pairs(graph: Subgraph) -> BoolArray:
    """The contacts whose two cells may be halves of one, (m,): together about as large as a cell, with like traces.

    How alike traces are is the Fisher transform of their correlation, after the mean of all cells is taken out.
    """
    nothing = np.zeros(len(graph.pairs), np.bool_)
    if graph.area_px is None or len(graph.pairs) < FEWEST_CELLS or graph.intensity.shape[1] < FEWEST_CELLS:
        return nothing
    alike = likeness(graph)
    middle = float(np.median(alike))
    spread = CONSISTENT * float(np.median(np.abs(alike - middle)))
    small = graph.area_px[graph.pairs].sum(axis=1) <= HALVES * float(np.median(graph.area_px))
    return np.asarray(small & (alike > middle + ALIKE * spread)) if spread > 0 else nothing


def doubtful_cells(graph: Subgraph) -> BoolArray:
    """The cells that any of these tests names, (n,): beside a missed cell, merged, or half of a split one."""
    found = beside_missing(graph) | merged_cells(graph)
    found[graph.pairs[split_pairs(graph)].ravel()] = True
    return found


def likeness(graph: Subgraph) -> FloatArray:
    """Fisher's transform of the correlation of the two traces of each contact, (m,)."""
    traces = graph.intensity - graph.intensity.mean(axis=0)
    traces = traces - traces.mean(axis=1, keepdims=True)
    size = np.sqrt((traces**2).sum(axis=1))
    traces = traces / np.where(size > 0, size, 1)[:, None]
    found = np.einsum("mt,mt->m", traces[graph.pairs[:, 0]], traces[graph.pairs[:, 1]])
    return np.asarray(np.arctanh(np.clip(found, -CLOSEST, CLOSEST)))
