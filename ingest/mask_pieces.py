"""Connected pieces of the labels of an image, and what lies next to them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.store.types import BoolArray, FloatArray, IntArray, LabelImage


def pieces_of(labels: LabelImage) -> tuple[LabelImage, IntArray]:
    """Number the connected pieces of each label; pixels that meet at a corner are connected.

    Parameters
    ----------
    labels
        (Y, X), 0 for background.

    Returns
    -------
    The pieces, (Y, X), numbered from 1, 0 for background; and the label of each, (pieces + 1,), 0 for background.

    Examples
    --------
    >>> pieces, label = pieces_of(np.int32([[5, 0, 0, 5], [0, 5, 0, 2]]))
    >>> label[1:], bool(pieces[0, 0] == pieces[1, 1])
    (array([5, 5, 2]), True)
    """
    # An image of twice the size has pixels between pixels: they are set where both sides have the same label, so that
    # one run of a plain connected-components search keeps all labels apart.
    height, width = labels.shape
    inside = labels > 0
    links = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    links[::2, ::2] = inside
    links[::2, 1::2] = inside[:, :-1] & (labels[:, :-1] == labels[:, 1:])
    links[1::2, ::2] = inside[:-1] & (labels[:-1] == labels[1:])
    count, numbered = cv2.connectedComponents(links, connectivity=4, ltype=cv2.CV_32S)
    pieces: LabelImage = np.ascontiguousarray(numbered[::2, ::2], dtype=np.int32)
    owner = np.zeros(count, np.int64)
    owner[pieces] = labels
    if count == 1 + len(np.unique(owner[1:])):
        return pieces, owner
    return joined_pieces(labels, pieces, owner, np.ones(count, bool), 0)


def joined_pieces(
    labels: LabelImage, pieces: LabelImage, owner: IntArray, may_join: BoolArray, apart: int
) -> tuple[LabelImage, IntArray]:
    """Join pieces of one label that lie near each other.

    Parameters
    ----------
    labels
        (Y, X), 0 for background.
    pieces, owner
        As `pieces_of` gives them.
    may_join
        (pieces + 1,), which of them may be joined with others.
    apart
        Most pixels between pieces that are joined; 0 for those that meet at a corner.

    Returns
    -------
    As `pieces_of`.
    """
    pairs = _close_pairs(labels, pieces, apart)
    root = _joined(len(owner), pairs[may_join[pairs].all(axis=1)])
    kept, places = np.unique(root, return_inverse=True)
    return places.astype(np.int32)[pieces], owner[kept]


def _close_pairs(labels: LabelImage, pieces: LabelImage, apart: int) -> IntArray:
    """Pairs of pieces of one label with no more than so many pixels between them, (m, 2)."""
    reach = apart + 1
    found = []
    for dy in range(reach + 1):
        for dx in range(-reach, reach + 1):
            # Half of the directions are enough. Neighbours at a corner count as next to each other.
            if (dy, dx) <= (0, 0) or (apart and dy * dy + dx * dx > reach * reach):
                continue
            one = np.s_[: labels.shape[0] - dy, max(0, -dx) : labels.shape[1] - max(0, dx)]
            other = np.s_[dy:, max(0, dx) : labels.shape[1] - max(0, -dx)]
            alike = (labels[one] == labels[other]) & (pieces[one] != pieces[other])
            found.append(np.stack([pieces[one][alike], pieces[other][alike]], axis=1))
    pairs: IntArray = np.unique(np.concatenate(found), axis=0).astype(np.int64)
    return pairs


def _joined(count: int, pairs: IntArray) -> IntArray:
    """The smallest number that each of 0..count - 1 is connected with through the pairs."""
    root = np.arange(count)
    a, b = pairs.T
    while (root[a] != root[b]).any():
        smaller = np.minimum(root[a], root[b])
        np.minimum.at(root, root[a], smaller)
        np.minimum.at(root, root[b], smaller)
        root = root[root]
    return root


def neighbours_of(regions: LabelImage, labels: LabelImage) -> tuple[IntArray, IntArray]:
    """The pairs of a region and a label that lie side by side, each once, sorted; 0 is neither.

    >>> neighbours_of(np.int32([[0, 1, 0]]), np.int32([[4, 0, 9]]))
    (array([1, 1]), array([4, 9]))
    """
    top = np.int64(labels.max()) + 1
    keys = []
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        for here, there in ((one, other), (other, one)):
            beside = (regions[here] > 0) & (labels[there] > 0)
            keys.append(regions[here][beside].astype(np.int64) * top + labels[there][beside])
    pairs = np.unique(np.concatenate(keys))
    return pairs // top, pairs % top


def nearest_label(labels: LabelImage) -> tuple[LabelImage, FloatArray]:
    """The label that is nearest to each pixel, and how far it is in px (to within 2 %), (Y, X) each.

    >>> nearest_label(np.int32([[7, 0, 0, 0, 8]]))
    (array([[7, 7, 7, 8, 8]], dtype=int32), array([[0., 1., 2., 1., 0.]]))
    """
    empty = (labels == 0).astype(np.uint8)
    distance, sources = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    label_of = np.zeros(int(sources.max()) + 1, np.int32)
    inside = labels > 0
    label_of[sources[inside]] = labels[inside]
    return label_of[sources], distance.astype(np.float64)


def at_edge(regions: NDArray[np.int32], count: int) -> BoolArray:
    """Which of the regions 1..count have a pixel in the first or last row or column, (count,)."""
    found = np.zeros(count + 1, bool)
    for line in (regions[0], regions[-1], regions[:, 0], regions[:, -1]):
        found[line] = True
    return found[1:]
