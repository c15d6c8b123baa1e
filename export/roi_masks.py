"""The masks of cells as NWB stores them: pixels of the label image, or one voxel at the centroid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.export.collected import Collected
from calcigraph.store.movie import open_store
from calcigraph.store.types import IntArray, LabelImage

_PIXEL = [("x", "<u4"), ("y", "<u4"), ("weight", "<f4")]
_VOXEL = [("x", "<u4"), ("y", "<u4"), ("z", "<u4"), ("weight", "<f4")]


def mask_columns(found: Collected) -> tuple[list[Any], tuple[str, ...]]:
    """The columns of the masks for a plane segmentation, and what to say where masks should be but are not here."""
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.common import VectorData, VectorIndex

    if found.movie is not None:
        name, (values, ends) = "pixel_mask", pixel_masks(open_store(found.movie).labels, found.subgraph.labels)
    else:
        name, (values, ends) = "voxel_mask", _centroids(found)
    described = {
        "pixel_mask": "pixels of the mask: column x, row y, from 0, y down",
        "voxel_mask": "the pixel at the centroid: column x, row y, from 0, y down",
    }
    data = VectorData(name=name, description=described[name], data=H5DataIO(values, compression="gzip"))
    notes: tuple[str, ...] = ()
    if found.movie is None and found.culture.movie is not None:
        notes = ("masks (the movie store is not in this workspace; centroids stand for them)",)
    return [data, VectorIndex(name=f"{name}_index", data=ends, target=data)], notes


def pixel_masks(image: LabelImage, labels: IntArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """The pixels of every cell, one cell after the other, and where each cell's end.

    Parameters
    ----------
    image
        (Y, X), 0 for background.
    labels
        (n,), the cells.

    Returns
    -------
    (pixels,) with fields x, y and weight; (n,), the index after the last pixel of each cell.

    Examples
    --------
    >>> values, ends = pixel_masks(np.array([[0, 7], [3, 7]], dtype=np.int32), np.array([3, 7]))
    >>> values[["x", "y"]].tolist(), ends.tolist()
    ([(0, 1), (1, 0), (1, 1)], [1, 3])
    """
    flat = image.ravel()
    order = np.argsort(flat, kind="stable")
    sorted_labels = flat[order]
    starts, stops = (np.searchsorted(sorted_labels, labels, side=side) for side in ("left", "right"))
    places = np.concatenate([order[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)])
    values = np.zeros(len(places), dtype=_PIXEL)
    values["y"], values["x"] = np.divmod(places, image.shape[1])
    values["weight"] = 1
    return values, np.cumsum(stops - starts).astype(np.uint32)


def _centroids(found: Collected) -> tuple[NDArray[Any], NDArray[Any]]:
    graph = found.subgraph
    values = np.zeros(len(graph.labels), dtype=_VOXEL)
    for name, places in (("x", graph.x_px), ("y", graph.y_px)):
        values[name] = np.maximum(0, np.rint(places))
    values["weight"] = 1
    return values, np.arange(1, len(values) + 1, dtype=np.uint32)
