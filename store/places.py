"""Places of a label image where a cell may have been missed, and how much of each cell's outline lies beside one."""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray, LabelImage

ROOM = 0.3
"""Share of the median cell's area from which an unlabelled place may hide a cell."""
END = 4.0
"""Times the median cell's area from which an unlabelled region that reaches the edge of the image is the end of the
tissue: no cells are missed there."""
DISC_PX = 5
"""Radius of the disc that such a place must hold: a gap between masks holds none."""


def open_border(cells: LabelImage, count: int, median_px: float) -> FloatArray:
    """Length of each cell's outline beside a place where a cell may have been missed, px.

    Such a place is a 4-connected region without a label that has at least `ROOM` times the median cell's area and
    holds a disc of radius `DISC_PX`. One that reaches the edge of the image has less than `END` times that area. Gaps
    that a segmentation leaves between masks are to be closed before.

    Parameters
    ----------
    cells
        (Y, X), 0 where no cell is, cells 1..count.
    count
        Number of cells.
    median_px
        Area of the median cell, px.

    Returns
    -------
    FloatArray
        (count,), number of pairs of pixels, side by side, of which one lies in the cell and one in such a place.

    Examples
    --------
    >>> labels = np.kron(np.int32([[1, 2, 3], [4, 0, 5], [6, 7, 8]]), np.ones((20, 20), np.int32))
    >>> open_border(labels, 8, 400.0).tolist()
    [0.0, 20.0, 0.0, 20.0, 20.0, 0.0, 20.0, 0.0]
    """
    found = np.zeros(count + 1)
    if cells.all():
        return found[1:]
    place = _places(cells == 0, median_px)
    # Each pixel with its right neighbour, then with the one below, in both orders.
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        for cell, empty in ((one, other), (other, one)):
            found += np.bincount(cells[cell][place[empty]], minlength=count + 1)
    return found[1:]


def _places(empty: BoolArray, median_px: float) -> BoolArray:
    """(Y, X), the regions of `empty` where a cell may have been missed."""
    import cv2

    _, regions = cv2.connectedComponents(empty.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    steps = np.arange(-DISC_PX, DISC_PX + 1)
    disc = (steps[:, None] ** 2 + steps[None, :] ** 2 <= DISC_PX**2).astype(np.uint8)
    # Erosion by the disc leaves the places of its centre.
    roomy = cv2.erode(empty.astype(np.uint8), disc, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    size = np.bincount(regions.ravel())
    fits = size >= ROOM * median_px
    rim = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    fits[rim[size[rim] >= END * median_px]] = False
    fits[0] = False  # 0 is where cells are
    holds = np.zeros(len(fits), np.bool_)
    holds[regions[roomy]] = True
    return np.asarray((fits & holds)[regions])
