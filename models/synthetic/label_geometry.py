"""Where the cells of a synthetic label image lie, how large they are, which touch, and which are at the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, LabelImage

MIN_BORDER_PX = 5


@dataclass(frozen=True)
class LabelGeometry:
    """n cells, sorted by label; pixel centres lie at halves."""

    cells: IntArray
    """(n,), the labels."""
    area_px: FloatArray
    x_px: FloatArray
    y_px: FloatArray
    border: BoolArray
    """(n,), cells with a pixel on the image edge, or beside an empty region that reaches it."""
    contacts: Contacts

    @property
    def pairs(self) -> IntArray:
        """(m, 2), the contacts as positions in `cells`."""
        return np.searchsorted(self.cells, np.stack([self.contacts.label_a, self.contacts.label_b], axis=1))


def measure_labels(labels: LabelImage) -> LabelGeometry:
    """Areas, centroids, border flags and contacts of at least 5 px of a label image (Y, X), 0 where no cell is."""
    size = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=size).astype(np.float64)
    area[0] = 0
    cells = np.flatnonzero(area)
    y, x = np.indices(labels.shape)
    x_px, y_px = (np.bincount(labels.ravel(), axis.ravel(), size)[cells] / area[cells] + 0.5 for axis in (x, y))
    position = np.zeros(size, dtype=np.int64)
    position[cells] = np.arange(len(cells))
    a, b, count = _shared_borders(labels)
    distance = np.hypot(x_px[position[a]] - x_px[position[b]], y_px[position[a]] - y_px[position[b]])
    contacts = Contacts(a, b, count.astype(np.float64), distance)
    return LabelGeometry(cells, area[cells], x_px, y_px, np.isin(cells, _labels_at_edge(labels)), contacts)


def _shared_borders(labels: LabelImage) -> tuple[IntArray, IntArray, IntArray]:
    """Pairs of labels with at least 5 unlike 4-neighbour pixel pairs: smaller label, larger label, count."""
    low, high = _unlike_neighbours(labels)
    touch = low > 0
    width = int(labels.max()) + 1
    pair, count = np.unique(low[touch] * width + high[touch], return_counts=True)
    keep = count >= MIN_BORDER_PX
    return pair[keep] // width, pair[keep] % width, count[keep]


def _unlike_neighbours(labels: LabelImage) -> tuple[IntArray, IntArray]:
    first = np.concatenate([labels[:-1].ravel(), labels[:, :-1].ravel()]).astype(np.int64)
    second = np.concatenate([labels[1:].ravel(), labels[:, 1:].ravel()]).astype(np.int64)
    unlike = first != second
    return np.minimum(first, second)[unlike], np.maximum(first, second)[unlike]


def _labels_at_edge(labels: LabelImage) -> IntArray:
    """Labels on the image edge, and those beside an empty region that reaches it, as ingest counts them."""
    edge = _on_rim(labels)
    if 0 not in edge:
        return edge
    import cv2

    regions = cv2.connectedComponents((labels == 0).astype(np.uint8), connectivity=4)[1]
    outside = np.isin(regions, [region for region in _on_rim(regions).tolist() if region])
    beside = _unlike_neighbours(np.where(outside, -1, labels))
    return np.union1d(edge, beside[1][beside[0] == -1])


def _on_rim(values: LabelImage) -> IntArray:
    rim = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    return np.asarray(np.unique(rim), dtype=np.int64)
