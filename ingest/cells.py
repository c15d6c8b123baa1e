"""Which cells a label image holds, which of them touch, and which lie at the border of what was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.options import IngestOptions
from calcigraph.store.places import DISC_PX, open_border
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, LabelImage, Masks


@dataclass(frozen=True)
class Tissue:
    """The cells of a label image that are large enough, sorted by label, and how they lie; made by `find_tissue`."""

    labels: IntArray
    """(n,), the mask's own integers."""
    area_px: FloatArray
    """(n,), number of pixels."""
    x_px: FloatArray
    """(n,), mean column of the cell's pixels; the first column is 0."""
    y_px: FloatArray
    """(n,), mean row of the cell's pixels; the first row is 0."""
    border: BoolArray
    """(n,), whether neighbours of the cell may be missing from the recording."""
    contacts: Contacts
    cells: LabelImage
    """(Y, X): 0 outside, else 1 + the cell's place in `labels`; from the masks as they are."""
    dropped_px: IntArray
    """Number of pixels of each cell that was left out as too small."""
    coverage: float
    """Share of the picture that the cells cover once gaps are closed."""
    open_px: FloatArray
    """(n,), outline beside a place where a cell may have been missed, px."""
    filled: float
    """The same share of the tissue: of the picture without the empty regions that reach its edge."""


def find_tissue(
    masks: Masks,
    *,
    min_area: int = IngestOptions.min_area,
    min_border: int = IngestOptions.min_border,
    max_gap: int = 0,
) -> Tissue:
    """Find the cells, their contacts, and the cells at the border of what was recorded.

    Segmentations may leave a gap between cells that touch. So contacts and border are read from a copy of the labels
    that is grown by ceil(max_gap / 2) px without merging; area and centroid are those of the masks as they are.

    A border cell is one that, in the grown copy,

    * has a pixel at the image edge, or within ceil(max_gap / 3) px of it, because the strip that a segmentation leaves
      along the edge is narrower than the gap between two cells;
    * or touches a cell that was too small;
    * or touches an empty region that reaches the edge and holds a disc of radius DISC_PX.

    Parameters
    ----------
    masks
        The label image, (Y, X).
    min_area
        Smallest cell, px; smaller ones are left out.
    min_border
        Shortest shared border of a contact, px: the number of pairs of pixels, side by side, one in each cell.
    max_gap
        Widest gap between cells that touch, px.

    Raises
    ------
    InputError
        No cell is large enough.

    Examples
    --------
    >>> labels = np.repeat(np.int32([[3, 3, 0, 7, 7]]), 4, axis=0)
    >>> tissue = find_tissue(Masks(labels, "two cells", ""), min_area=8, min_border=2, max_gap=1)
    >>> tissue.labels, tissue.x_px, tissue.contacts.shared_border_px
    (array([3, 7]), array([0.5, 3.5]), array([4.]))
    """
    labels, every = compact(masks.labels)
    areas = np.bincount(every.ravel(), minlength=len(labels) + 1)[1:]  # without the background
    kept = areas >= min_area
    if not kept.any():
        raise InputError(
            f"{masks.source}: {len(labels)} cells were found, and none has {min_area} px (the median is "
            f"{np.median(areas):.0f}, the largest has {areas.max()}): all are left out as too small; give --min-area "
            f"{smaller_limit(areas)} to take them, or check the masks"
        )
    # Both cells of a gap grow by half of it, rounded up, so that they meet.
    grown = grow(every, _ceil(max_gap, 2))
    near_edge = grow(every, _ceil(max_gap, 3))
    a, b, lengths = shared_borders(grown)
    outside = outside_regions(grown == 0)
    border = _at_edge(near_edge, len(labels))
    border |= _touching_dropped(a, b, kept)
    border |= _touching_outside(grown, outside, len(labels))
    # From here on, cells are counted without those that were too small: `rows` is the new place of each kept one.
    rows = np.cumsum(kept) - 1
    values = np.where(kept, rows + 1, 0).astype(np.int32)
    cells = np.concatenate([np.zeros(1, np.int32), values])[every]
    x, y = centroids(cells, int(kept.sum()))
    # A shorter border may be two corners that meet by chance of the pixels.
    long = (lengths >= min_border) & kept[a] & kept[b]
    covered = int(np.concatenate([[False], kept])[grown].sum())
    return Tissue(
        labels=labels[kept],
        area_px=areas[kept].astype(np.float64),
        x_px=x,
        y_px=y,
        border=border[kept],
        contacts=_contacts(labels[kept], rows[a[long]], rows[b[long]], lengths[long], x, y),
        cells=cells,
        dropped_px=areas[~kept],
        open_px=open_border(grown, len(labels), float(np.median(areas[kept])))[kept],
        coverage=covered / cells.size,
        filled=covered / (cells.size - int(outside.sum())),
    )


def smaller_limit(areas: IntArray) -> int:
    """A smallest area that leaves out debris and keeps cells like these, px.

    >>> smaller_limit(np.array([3, 140, 150, 170]))
    40
    """
    limit = 0.3 * float(np.median(areas))
    return max(1, int(limit) // 10 * 10 or int(limit))


def compact(labels: LabelImage) -> tuple[IntArray, LabelImage]:
    """The labels there are, sorted, (n,), and the image with 1 + their place in that list, 0 for background.

    >>> compact(np.int32([[0, 7], [3, 7]]))
    (array([3, 7]), array([[0, 2],
           [1, 2]], dtype=int32))
    """
    top = int(labels.max())
    if top <= max(2**22, labels.size):
        # A table by label is four times as fast as sorting all pixels; labels too large for it are rare.
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
    return values.astype(np.int64), image + 1  # no pixel of background, so the places begin with a cell


def grow(labels: LabelImage, distance: int) -> LabelImage:
    """Give background to the nearest label.

    Parameters
    ----------
    labels
        (Y, X), 0 for background.
    distance
        How far a pixel may be from the label, px (Euclidean). Of labels equally near, the smaller one gets it.

    Returns
    -------
    (Y, X); `labels` itself where the distance is 0.

    Examples
    --------
    >>> grow(np.int32([[5, 0, 0, 0, 2]]), 1)
    array([[5, 5, 0, 2, 2]], dtype=int32)
    """
    if distance <= 0:
        return labels
    height, width = labels.shape
    # The steps to all pixels within the distance, by its square, which is a whole number.
    steps: dict[int, list[tuple[int, int]]] = {}
    for dy, dx in product(range(-distance, distance + 1), repeat=2):
        if 0 < dy * dy + dx * dx <= distance**2:
            steps.setdefault(dy * dy + dx * dx, []).append((dy, dx))
    # Background becomes the largest number, so that a minimum over several steps is the smallest label among them.
    far = np.iinfo(np.int32).max
    padded = np.pad(np.where(labels > 0, labels, far), distance, constant_values=far)
    grown = labels.copy()
    for square in sorted(steps):  # the nearest first: a pixel that has a label keeps it
        nearest = np.full(labels.shape, far, np.int32)
        for dy, dx in steps[square]:
            rows, columns = distance + dy, distance + dx
            np.minimum(nearest, padded[rows : rows + height, columns : columns + width], out=nearest)
        found = (grown == 0) & (nearest < far)
        grown[found] = nearest[found]
    return grown


def shared_borders(cells: LabelImage) -> tuple[IntArray, IntArray, IntArray]:
    """Which cells touch, and along how many pixels.

    Parameters
    ----------
    cells
        (Y, X), 0 for background, cells 1..count.

    Returns
    -------
    The cells of each pair, a < b counted from 0, sorted, (m,) each; and the number of pairs of pixels, side by side, of
    which one lies in each cell, (m,).

    Examples
    --------
    >>> shared_borders(np.int32([[1, 2], [1, 2], [1, 0]]))
    (array([0]), array([1]), array([2]))
    """
    count = np.int64(cells.max()) + 1
    keys = []
    # Each pixel with its right neighbour, then with the one below: every pair of neighbours once.
    for one, other in ((cells[:, :-1], cells[:, 1:]), (cells[:-1], cells[1:])):
        unlike = (one != other) & (one > 0) & (other > 0)
        a, b = one[unlike].astype(np.int64), other[unlike].astype(np.int64)
        # One number for each unordered pair, so that equal pairs can be counted.
        keys.append(np.minimum(a, b) * count + np.maximum(a, b))
    pairs, lengths = np.unique(np.concatenate(keys), return_counts=True)
    return pairs // count - 1, pairs % count - 1, lengths.astype(np.int64)


def centroids(cells: LabelImage, count: int) -> tuple[FloatArray, FloatArray]:
    """(x, y): mean column and mean row of the pixels of each cell 1..count, (count,) each."""
    height, width = cells.shape
    flat, bins = cells.ravel(), count + 1
    area = np.bincount(flat, minlength=bins)[1:]
    columns = np.broadcast_to(np.arange(width, dtype=np.float64), cells.shape).ravel()
    rows = np.repeat(np.arange(height, dtype=np.float64), width)
    # A bincount with weights sums the coordinates of all cells in one go.
    x = np.bincount(flat, columns, minlength=bins)[1:]
    y = np.bincount(flat, rows, minlength=bins)[1:]
    return x / area, y / area


def kept_labels(tissue: Tissue) -> LabelImage:
    """(Y, X), the masks' own integers, without the cells that were too small."""
    values = np.concatenate([np.zeros(1, np.int64), tissue.labels]).astype(np.int32)
    return np.asarray(values[tissue.cells])


def _ceil(number: int, by: int) -> int:
    """The quotient, rounded up."""
    return -(-number // by)


def _at_edge(cells: LabelImage, count: int) -> BoolArray:
    """Which of the cells 1..count have a pixel in the first or last row or column."""
    found = np.zeros(count + 1, bool)
    for line in (cells[0], cells[-1], cells[:, 0], cells[:, -1]):
        found[line] = True
    return found[1:]


def _touching_dropped(a: IntArray, b: IntArray, kept: BoolArray) -> BoolArray:
    """Which cells touch one that is not kept."""
    found = np.zeros(len(kept), bool)
    found[a[~kept[b]]] = True
    found[b[~kept[a]]] = True
    return found


def _touching_outside(cells: LabelImage, outside: BoolArray, count: int) -> BoolArray:
    """Which of the cells 1..count have a 4-neighbour in an outside region."""
    found = np.zeros(count + 1, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        found[cells[one][outside[other]]] = True
        found[cells[other][outside[one]]] = True
    return found[1:]


def outside_regions(empty: BoolArray) -> BoolArray:
    """Where cells may be missing: the regions of `empty` that reach the image edge and hold a disc of DISC_PX.

    Parameters
    ----------
    empty
        (Y, X), where no cell is; its regions are 4-connected.

    Returns
    -------
    (Y, X), True inside those regions.
    """
    _, regions = cv2.connectedComponents(empty.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    # Erosion by the disc leaves the places of its centre. The disc must lie in the image: what is beyond it is not
    # known to be empty.
    roomy = cv2.erode(empty.astype(np.uint8), _disc(), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    rim = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    ids = np.intersect1d(np.unique(rim), np.unique(regions[roomy]))
    return np.isin(regions, ids[ids > 0])  # 0 is where cells are


def _disc() -> NDArray[np.uint8]:
    """The pixels of a disc of radius DISC_PX, 1 inside."""
    offsets = np.arange(-DISC_PX, DISC_PX + 1)
    return (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= DISC_PX**2).astype(np.uint8)


def _contacts(labels: IntArray, a: IntArray, b: IntArray, lengths: IntArray, x: FloatArray, y: FloatArray) -> Contacts:
    return Contacts(
        label_a=labels[a],
        label_b=labels[b],
        shared_border_px=lengths.astype(np.float64),
        centroid_distance_px=np.hypot(x[a] - x[b], y[a] - y[b]),
    )
