"""Which cells a label image holds, which of them touch, and which lie at the border of what was recorded."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, LabelImage, Masks

DISC_PX = 5
"""Empty regions that reach the image edge make a border if a disc of this radius fits in."""


@dataclass(frozen=True)
class Tissue:
    """The cells of a label image that are large enough, sorted by label, and how they lie."""

    labels: IntArray
    """(n,), the mask's own integers."""
    area_px: FloatArray
    x_px: FloatArray
    """(n,), mean column of the cell's pixels; the first column is 0."""
    y_px: FloatArray
    border: BoolArray
    contacts: Contacts
    cells: LabelImage
    """(Y, X): 0 outside, else 1 + row of the cell; from the masks as they are."""


def find_tissue(masks: Masks, *, min_area: int = 500, min_border: int = 5, max_gap: int = 0) -> Tissue:
    """Cells of at least `min_area` px; contacts of at least `min_border` unlike 4-neighbour pixel pairs.

    Contacts and border are read from a copy of the labels that is grown by ceil(max_gap / 2) px without merging; area
    and centroid from the masks as they are. A border cell has a pixel at the image edge, or within ceil(max_gap / 3) px
    of it (a strip that a segmentation leaves along the edge is narrower than the gap between two cells), or touches a
    cell that was too small, or an empty region that reaches the edge and holds a disc of radius DISC_PX. Raises
    InputError if no cell is large enough.
    """
    labels, every = compact(masks.labels)
    areas = np.bincount(every.ravel(), minlength=len(labels) + 1)[1:]
    kept = areas >= min_area
    if not kept.any():
        raise InputError(
            f"{masks.source}: none of the {len(labels)} cells has {min_area} px (the largest has {areas.max()}); "
            "lower --min-area or check the masks"
        )
    grown = grow(every, -(-max_gap // 2))
    a, b, lengths = shared_borders(grown)
    at_edge = _at_edge(grow(every, -(-max_gap // 3)), len(labels))
    border = at_edge | _touching_dropped(a, b, kept) | _touching_outside(grown, len(labels))
    rows = np.cumsum(kept) - 1
    cells = np.where(kept, rows + 1, 0).astype(np.int32)
    cells = np.concatenate([np.zeros(1, np.int32), cells])[every]
    x, y = centroids(cells, int(kept.sum()))
    long = (lengths >= min_border) & kept[a] & kept[b]
    contacts = _contacts(labels[kept], rows[a[long]], rows[b[long]], lengths[long], x, y)
    return Tissue(labels[kept], areas[kept].astype(np.float64), x, y, border[kept], contacts, cells)


def compact(labels: LabelImage) -> tuple[IntArray, LabelImage]:
    """The labels there are, sorted, (n,), and the image with 1 + their place in that list, 0 for background."""
    top = int(labels.max())
    if top <= max(2**22, labels.size):
        present = np.zeros(top + 1, bool)
        present[labels.ravel()] = True
        present[0] = False
        places = np.cumsum(present, dtype=np.int32)
        places[~present] = 0
        return np.flatnonzero(present).astype(np.int64), places[labels]
    values, image = np.unique(labels, return_inverse=True)
    image = image.reshape(labels.shape).astype(np.int32)
    if values[0] == 0:
        return values[1:].astype(np.int64), image
    return values.astype(np.int64), image + 1


def grow(labels: LabelImage, distance: int) -> LabelImage:
    """Give background within `distance` px (Euclidean) to the nearest label; equally near, to the smaller one."""
    if distance <= 0:
        return labels
    height, width = labels.shape
    reach = range(-distance, distance + 1)
    offsets = [(dy * dy + dx * dx, dy, dx) for dy in reach for dx in reach if 0 < dy * dy + dx * dx <= distance**2]
    grown = labels.copy()
    far = np.iinfo(np.int32).max
    padded = np.pad(np.where(labels > 0, labels, far), distance, constant_values=far)
    for square in sorted({offset[0] for offset in offsets}):
        nearest = np.full(labels.shape, far, np.int32)
        for _, dy, dx in (offset for offset in offsets if offset[0] == square):
            rows, columns = distance + dy, distance + dx
            np.minimum(nearest, padded[rows : rows + height, columns : columns + width], out=nearest)
        found = (grown == 0) & (nearest < far)
        grown[found] = nearest[found]
    return grown


def shared_borders(cells: LabelImage) -> tuple[IntArray, IntArray, IntArray]:
    """Pairs of touching cells, as places (a < b, from 0) sorted, and the number of unlike 4-neighbour pixel pairs."""
    count = np.int64(cells.max()) + 1
    keys = []
    for one, other in ((cells[:, :-1], cells[:, 1:]), (cells[:-1], cells[1:])):
        unlike = (one != other) & (one > 0) & (other > 0)
        a, b = one[unlike].astype(np.int64), other[unlike].astype(np.int64)
        keys.append(np.minimum(a, b) * count + np.maximum(a, b))
    pairs, lengths = np.unique(np.concatenate(keys), return_counts=True)
    return pairs // count - 1, pairs % count - 1, lengths.astype(np.int64)


def centroids(cells: LabelImage, count: int) -> tuple[FloatArray, FloatArray]:
    """(x, y): mean column and mean row of the pixels of each cell 1..count."""
    height, width = cells.shape
    area = np.bincount(cells.ravel(), minlength=count + 1)[1:]
    columns = np.broadcast_to(np.arange(width, dtype=np.float64), cells.shape).ravel()
    rows = np.repeat(np.arange(height, dtype=np.float64), width)
    x = np.bincount(cells.ravel(), columns, minlength=count + 1)[1:]
    y = np.bincount(cells.ravel(), rows, minlength=count + 1)[1:]
    return x / area, y / area


def _at_edge(cells: LabelImage, count: int) -> BoolArray:
    found = np.zeros(count + 1, bool)
    for line in (cells[0], cells[-1], cells[:, 0], cells[:, -1]):
        found[line] = True
    return found[1:]


def _touching_dropped(a: IntArray, b: IntArray, kept: BoolArray) -> BoolArray:
    found = np.zeros(len(kept), bool)
    found[a[~kept[b]]] = True
    found[b[~kept[a]]] = True
    return found


def _touching_outside(cells: LabelImage, count: int) -> BoolArray:
    """Cells with a 4-neighbour in an empty, 4-connected region that reaches the edge and holds the disc."""
    outside = outside_regions(cells == 0)
    found = np.zeros(count + 1, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        found[cells[one][outside[other]]] = True
        found[cells[other][outside[one]]] = True
    return found[1:]


def outside_regions(empty: BoolArray) -> BoolArray:
    """Of the 4-connected regions of `empty`, (Y, X), those that reach the image edge and hold a disc of DISC_PX."""
    _, regions = cv2.connectedComponents(empty.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    # the disc must lie in the image too: what is beyond it is not known to be empty
    roomy = cv2.erode(empty.astype(np.uint8), _disc(), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    ids = np.intersect1d(
        np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])), np.unique(regions[roomy])
    )
    return np.isin(regions, ids[ids > 0])


def _disc() -> NDArray[np.uint8]:
    offsets = np.arange(-DISC_PX, DISC_PX + 1)
    return (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= DISC_PX**2).astype(np.uint8)


def _contacts(labels: IntArray, a: IntArray, b: IntArray, lengths: IntArray, x: FloatArray, y: FloatArray) -> Contacts:
    return Contacts(labels[a], labels[b], lengths.astype(np.float64), np.hypot(x[a] - x[b], y[a] - y[b]))
