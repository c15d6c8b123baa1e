"""What a given label image has too much of: strays, one label for two cells, background with a label, holes.

Each of them makes contacts between cells that are far apart, or hides contacts that are there. Cellpose's masks are
cleaned where they are made (ingest/segment.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from calcigraph.ingest.cells import compact, shared_borders
from calcigraph.ingest.mask_pieces import at_edge, joined_pieces, nearest_label, neighbours_of, pieces_of
from calcigraph.store.types import BoolArray, IntArray, LabelImage

CELL_SHARE = 0.2
"""A detached piece with this share of the median cell's pixels may be a cell by itself."""
OWN_SHARE = 0.1
"""A detached piece with less than this share of its label's largest piece is a stray."""
NEAR_PX = 3
"""Pieces of a label with no more than this between them are one cell that a line cuts."""
MOST_CUT = 3
"""Large pieces that lines may make of one cell; a label with more of them names several cells."""
GIANT = 8.0
"""So many median cells large, and at the picture's edge: a label of background."""
STANDS_OUT = 2.0
"""The smallest of such labels, against the largest of the others: where sizes go on without a step, all are cells."""
NET_CELLS = 20
"""Where there are so many cells, a label that touches more than half of them is the background between them."""
HOLE_SHARE = 0.5
"""Largest hole that is filled, against the cell around it; a larger one may be another cell that was not found."""
LARGEST_LABEL = 2**31 - 1
NAMED = 8
"""Labels that a message names."""


@dataclass(frozen=True)
class Cleaned:
    """A label image without its faults, and what they were; made by `clean`."""

    labels: LabelImage
    """(Y, X), 0 for background; the image as it came if it was to be kept."""
    kept: bool = False
    """Whether it was to be kept as it is (--keep-masks)."""
    background: tuple[int, ...] = ()
    """Labels that are no cells."""
    background_share: float = 0.0
    """What they cover of the picture."""
    strays: int = 0
    """Small pieces that lie apart from the cell of their label."""
    stray_labels: tuple[int, ...] = ()
    """The labels that have them."""
    places: tuple[int, ...] = ()
    """Labels of two or more places, each as large as a cell."""
    of_places: int = 0
    """How many places these name together."""
    added: tuple[int, ...] = ()
    """The labels that all places but the largest have got."""
    holes: int = 0
    """Holes in cells, but not those that other cells fill."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found and what was done with it, for the user."""
        found = []
        if self.background:
            done = "kept as a cell (--keep-masks)" if self.kept else "left out as background (--keep-masks keeps it)"
            covers = f"{'covers' if len(self.background) == 1 else 'cover'} {self.background_share:.0%} of the picture"
            found.append(f"{_named(self.background)} {covers}: {done}")
        if self.strays:
            done = "kept (--keep-masks)" if self.kept else "removed (--keep-masks keeps them)"
            pieces = "1 small piece lies" if self.strays == 1 else f"{self.strays} small pieces lie"
            found.append(f"{pieces} apart from the cell of the same label ({_named(self.stray_labels)}): {done}")
        if self.places:
            found.append(self._places())
        if self.holes and not self.kept:
            found.append(f"{_count(self.holes, 'hole')} in cells filled (--keep-masks keeps them)")
        return tuple(f"masks: {line}" for line in found)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What was found and is still there, so that contacts are doubtful."""
        found = {
            "background as a cell": self.background,
            "small pieces that lie apart from their cell": self.strays,
            "labels of two places": self.places,
        }
        return tuple(f"the masks have {what} (--keep-masks)" for what, there in found.items() if self.kept and there)

    def _places(self) -> str:
        name = "names" if len(self.places) == 1 else "name"
        found = f"{_named(self.places)} {name} {self.of_places} places, each as large as a cell"
        if self.kept:
            return f"{found}: each label is kept as one cell (--keep-masks)"
        new = f"{self.added[0]}" if len(self.added) == 1 else f"{self.added[0]} to {self.added[-1]}"
        return (
            f"{found}: each place is taken as a cell; the largest keeps the label, the others get {new}. An image of 8 "
            "bits cannot count beyond 255: save such labels with 16 bits. --keep-masks takes each label as one cell"
        )


def clean(labels: LabelImage, min_area: int = 1, keep: bool = False) -> Cleaned:
    """Take out of a label image what is no cell.

    * Background: a label that is as large as GIANT median cells and reaches the picture's edge, or that touches more
      than half of the cells where there are NET_CELLS, is removed.
    * Strays: a piece that is not connected with the largest piece of its label is removed if it is small against that
      or against the median cell. Inside tissue its pixels go to the nearest cell, elsewhere they become background. A
      piece with background around it, no farther than NEAR_PX, stays: a line has cut it off.
    * Places: a piece that is as large as a cell and farther than NEAR_PX becomes a cell with a label of its own.
    * Holes: a background region that one cell surrounds becomes that cell's.

    All other labels stay what they are.

    Parameters
    ----------
    labels
        (Y, X), 0 for background.
    min_area
        What smaller labels have is not asked for the size of the median cell, px.
    keep
        Only look, and leave the image as it is.

    Examples
    --------
    >>> labels = np.zeros((20, 40), np.int32)
    >>> labels[2:18, 2:18], labels[2:18, 20:38], labels[1, 39] = 3, 7, 3
    >>> found = clean(labels)
    >>> found.strays, found.labels[1, 39]
    (1, np.int32(0))
    >>> found.warnings[0]
    'masks: 1 small piece lies apart from the cell of the same label (label 3): removed (--keep-masks keeps them)'
    """
    found = _without_background(Cleaned(labels), min_area)
    found = _without_pieces(found, min_area)
    found = _without_holes(found)
    return replace(found, labels=labels, kept=True, added=()) if keep else found


def _without_background(found: Cleaned, min_area: int) -> Cleaned:
    values, cells = compact(found.labels)
    areas = np.bincount(cells.ravel(), minlength=len(values) + 1)[1:]
    a, b, _ = shared_borders(cells)
    touching = np.bincount(np.concatenate([a, b]), minlength=len(values))
    giant = areas >= GIANT * _median_cell(areas, min_area)
    if giant.any() and areas[giant].min() < STANDS_OUT * areas[~giant].max(initial=0):
        giant[:] = False
    giant &= at_edge(cells, len(values))
    net = (touching > (len(values) - 1) / 2) & (len(values) > NET_CELLS)
    outside = giant | net
    # At least one label is a cell.
    if not outside.any() or outside.all():
        return found
    labels = np.where(np.concatenate([[False], outside])[cells], 0, found.labels)
    share = float(areas[outside].sum() / found.labels.size)
    return replace(found, labels=labels, background=_tuple(values[outside]), background_share=share)


def _median_cell(areas: IntArray, min_area: int) -> float:
    """px; of an even number of cells the lower one counts, because the larger may be background."""
    large = areas[areas >= min_area]
    sizes = np.sort(large if len(large) > 1 else areas)
    return float(sizes[(len(sizes) - 1) // 2])


def _without_pieces(found: Cleaned, min_area: int) -> Cleaned:
    """Without strays, and with one label for each place."""
    pieces, owner = pieces_of(found.labels)
    if len(owner) == 1 + len(np.unique(owner[1:])):
        return found
    pieces, owner = joined_pieces(found.labels, pieces, owner, _may_be_cut_off(found.labels, pieces, owner), NEAR_PX)
    sizes = np.bincount(pieces.ravel(), minlength=len(owner))[1:]
    values, row = np.unique(owner[1:], return_inverse=True)
    # The last piece of each label in order of size is its largest.
    order = np.lexsort((-np.arange(len(sizes)), sizes, row))
    main = order[np.flatnonzero(np.append(np.diff(row[order]) > 0, True))]
    apart = np.ones(len(sizes), bool)
    apart[main] = False
    largest = sizes[main]
    enough = np.maximum(CELL_SHARE * _median_cell(largest, min_area), OWN_SHARE * largest[row])
    place, stray = apart & (sizes >= enough), apart & (sizes < enough)
    if not apart.any():
        return found
    added = _unused(values, int(place.sum()))
    final = owner.copy()
    final[1:][place] = added
    return replace(
        found,
        labels=_with_strays_given(final.astype(np.int32)[pieces], pieces, np.append(False, stray)),
        strays=int(stray.sum()),
        stray_labels=_tuple(np.unique(owner[1:][stray])),
        places=_tuple(np.unique(owner[1:][place])),
        of_places=int(place.sum()) + len(np.unique(row[place])),
        added=_tuple(added),
    )


def _may_be_cut_off(labels: LabelImage, pieces: LabelImage, owner: IntArray) -> BoolArray:
    """Pieces that a line may have cut off: none inside other cells, and none of a label with many large pieces."""
    sizes = np.bincount(pieces.ravel(), minlength=len(owner))
    values, row = np.unique(owner, return_inverse=True)
    largest = np.zeros(len(values), np.int64)
    np.maximum.at(largest, row, sizes)
    large = np.bincount(row[sizes >= CELL_SHARE * largest[row]], minlength=len(values))
    return ~_without_background_beside(labels, pieces, len(owner)) & (large <= MOST_CUT)[row]


def _unused(values: IntArray, count: int) -> IntArray:
    """So many labels that are not in use, from the largest on if there is room."""
    first = int(values[-1]) + 1
    if first + count <= LARGEST_LABEL:
        return np.arange(first, first + count)
    return np.setdiff1d(np.arange(1, len(values) + count + 1), values)[:count]


def _with_strays_given(labels: LabelImage, pieces: LabelImage, stray: BoolArray) -> LabelImage:
    """Without those pieces; their pixels go to the nearest cell where no background is beside them."""
    inside = (stray & _without_background_beside(labels, pieces, len(stray)))[pieces]
    labels = np.where(stray[pieces], 0, labels)
    if inside.any() and labels.any():
        labels[inside] = nearest_label(labels)[0][inside]
    return labels


def _without_background_beside(labels: LabelImage, pieces: LabelImage, count: int) -> BoolArray:
    """Which pieces have only pieces of other labels beside them, (count,); the first is background itself."""
    alone = np.ones(count, bool)
    alone[neighbours_of((labels == 0).astype(np.int32), pieces)[1]] = False
    alone[0] = False
    return alone


def _without_holes(found: Cleaned) -> Cleaned:
    empty = found.labels == 0
    if not empty.any():
        return found
    count, regions, stats, _ = cv2.connectedComponentsWithStats(
        empty.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S
    )
    region, around = neighbours_of(regions, found.labels)
    only = np.bincount(region, minlength=count) == 1
    only[1:] &= ~at_edge(regions, count - 1)
    filler = np.zeros(count, np.int32)
    filler[region] = around
    values, cells = compact(found.labels)
    areas = np.bincount(cells.ravel(), minlength=len(values) + 1)[1:]
    of_cell = areas[np.searchsorted(values, filler).clip(max=len(values) - 1)]
    filled = only & (stats[:, cv2.CC_STAT_AREA] <= HOLE_SHARE * of_cell)
    filled[0] = False
    if not filled.any():
        return found
    return replace(found, labels=np.where(filled[regions], filler[regions], found.labels), holes=int(filled.sum()))


def _tuple(values: IntArray) -> tuple[int, ...]:
    return tuple(values.tolist())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _named(labels: tuple[int, ...]) -> str:
    names = ", ".join(map(str, labels[:NAMED]))
    more = f", ... ({len(labels)} in all)" if len(labels) > NAMED else ""
    return f"label{'' if len(labels) == 1 else 's'} {names}{more}"
