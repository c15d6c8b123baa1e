"""Where the cells of a synthetic label image lie, how large they are, which touch, and which are at the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.store.places import open_border
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, LabelImage

MIN_BORDER_PX = 5
"""Shared border, in px, from which two cells are in contact, as in the paper."""


@dataclass(frozen=True)
class LabelGeometry:
    """The n cells of a label image, sorted by label. Lengths are in px, and pixel centres lie at halves."""

    cells: IntArray
    """(n,), the labels."""
    area_px: FloatArray
    """(n,)"""
    x_px: FloatArray
    """(n,), of the centroid."""
    y_px: FloatArray
    """(n,), of the centroid."""
    border: BoolArray
    """(n,), cells with a pixel on the image edge, or beside an empty region that reaches it."""
    open_px: FloatArray
    """(n,), outline beside a place where a cell is not shown."""
    contacts: Contacts
    """The m pairs of cells that share at least 5 px of border."""

    @property
    def pairs(self) -> IntArray:
        """(m, 2), the contacts as positions in `cells`."""
        return np.searchsorted(self.cells, np.stack([self.contacts.label_a, self.contacts.label_b], axis=1))


def measure_labels(labels: LabelImage) -> LabelGeometry:
    """Areas, centroids, border cells and contacts of a label image.

    Parameters
    ----------
    labels
        (Y, X), 0 where no cell is.

    Examples
    --------
    >>> measured = measure_labels(np.repeat([[1, 1, 2, 2]], 6, axis=0).astype(np.int32))
    >>> measured.area_px.tolist(), measured.x_px.tolist(), measured.contacts.shared_border_px.tolist()
    ([12.0, 12.0], [1.0, 3.0], [6.0])
    """
    size = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=size).astype(np.float64)
    # Label 0 is no cell.
    area[0] = 0
    cells = np.flatnonzero(area)
    y, x = np.indices(labels.shape)
    # Pixel 0 reaches from 0 to 1, so its centre lies at 0.5.
    x_px, y_px = (np.bincount(labels.ravel(), axis.ravel(), size)[cells] / area[cells] + 0.5 for axis in (x, y))
    position = np.zeros(size, dtype=np.int64)
    position[cells] = np.arange(len(cells))
    a, b, count = _shared_borders(labels)
    contacts = Contacts(
        label_a=a,
        label_b=b,
        shared_border_px=count.astype(np.float64),
        centroid_distance_px=np.hypot(x_px[position[a]] - x_px[position[b]], y_px[position[a]] - y_px[position[b]]),
    )
    return LabelGeometry(
        cells=cells,
        area_px=area[cells],
        x_px=x_px,
        y_px=y_px,
        border=np.isin(cells, _labels_at_edge(labels)),
        open_px=open_border(labels, size - 1, float(np.median(area[cells])))[cells - 1],
        contacts=contacts,
    )


def _shared_borders(labels: LabelImage) -> tuple[IntArray, IntArray, IntArray]:
    """Pairs of labels with at least 5 unlike 4-neighbour pixel pairs: smaller label, larger label, count."""
    low, high = _unlike_neighbours(labels)
    touch = low > 0
    # One number for each pair, so that np.unique counts pairs.
    width = int(labels.max()) + 1
    pair, count = np.unique(low[touch] * width + high[touch], return_counts=True)
    keep = count >= MIN_BORDER_PX
    return pair[keep] // width, pair[keep] % width, count[keep]


def _unlike_neighbours(labels: LabelImage) -> tuple[IntArray, IntArray]:
    """The smaller and the larger label of every pair of 4-neighbour pixels with unlike labels."""
    first = np.concatenate([labels[:-1].ravel(), labels[:, :-1].ravel()]).astype(np.int64)
    second = np.concatenate([labels[1:].ravel(), labels[:, 1:].ravel()]).astype(np.int64)
    unlike = first != second
    return np.minimum(first, second)[unlike], np.maximum(first, second)[unlike]


def _labels_at_edge(labels: LabelImage) -> IntArray:
    """Labels on the image edge, and those beside an empty region that reaches it, as ingest counts them."""
    edge = _on_edge(labels)
    if 0 not in edge:
        return edge
    import cv2

    regions = cv2.connectedComponents((labels == 0).astype(np.uint8), connectivity=4)[1]
    outside = np.isin(regions, [region for region in _on_edge(regions).tolist() if region])
    # With -1 for the outside, the cells beside it are the larger labels of its pairs.
    low, high = _unlike_neighbours(np.where(outside, -1, labels))
    return np.union1d(edge, high[low == -1])


def _on_edge(values: LabelImage) -> IntArray:
    """The values of the outermost pixels, each once, ascending."""
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    return np.asarray(np.unique(edge), dtype=np.int64)
