"""Contacts of cells that are known by their places only: short edges of the Delaunay triangulation.

Cells at one and the same place share its contacts, and are in contact with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray

FLAT = 1e-9
"""Cells lie on one line if their extent across it is below this share of the extent along it."""


@dataclass(frozen=True)
class Places:
    """Where the cells are, each place once."""

    x: FloatArray
    """(q,), px."""
    y: FloatArray
    of: IntArray
    """(n,), the place of each cell."""

    @property
    def shared(self) -> list[IntArray]:
        """The cells of each place that has several."""
        counts = np.bincount(self.of, minlength=len(self.x))
        return [np.flatnonzero(self.of == place) for place in np.flatnonzero(counts > 1)]


def places_of(x: FloatArray, y: FloatArray) -> Places:
    """Cells that a triangulation cannot tell apart share a place.

    Examples
    --------
    >>> places_of(np.array([5.0, 0.0, 5.0]), np.array([1.0, 0.0, 1.0])).of
    array([0, 1, 0])
    """
    _, first, which = np.unique(np.stack([x, y], axis=1), axis=0, return_index=True, return_inverse=True)
    # In the order of the cells, so that the triangulation of places is that of cells where no two share one.
    rank = np.argsort(np.argsort(first, kind="stable"), kind="stable")
    places = Places(x[np.sort(first)], y[np.sort(first)], rank[which.reshape(-1)])
    if _on_line(places) is not None:
        return places
    from scipy.spatial import Delaunay

    # Qhull leaves out what lies on a corner but for rounding.
    left_out = Delaunay(np.stack([places.x, places.y], axis=1)).coplanar
    if not len(left_out):
        return places
    moved = np.arange(len(places.x))
    moved[left_out[:, 0]] = left_out[:, 2]
    kept, of = np.unique(moved[places.of], return_inverse=True)
    return Places(places.x[kept], places.y[kept], of)


def spacing(places: Places) -> float:
    """Median distance to the nearest other place in px; 0 for a single one."""
    if len(places.x) < 2:
        return 0.0
    from scipy.spatial import cKDTree

    points = np.stack([places.x, places.y], axis=1)
    distances, _ = cKDTree(points).query(points, k=2)
    return float(np.median(np.asarray(distances)[:, 1]))


def on_hull(places: Places) -> BoolArray:
    """(n,), which cells are on the convex hull."""
    border = np.ones(len(places.x), bool)
    if _on_line(places) is None:
        from scipy.spatial import ConvexHull

        border[:] = False
        border[ConvexHull(np.stack([places.x, places.y], axis=1)).vertices] = True
    return np.asarray(border[places.of])


def near_contacts(labels: IntArray, places: Places, limit: float) -> Contacts:
    """The contacts of cells whose places are joined by an edge shorter than `limit`, px."""
    edges = _edges(places)
    length = np.hypot(places.x[edges[:, 0]] - places.x[edges[:, 1]], places.y[edges[:, 0]] - places.y[edges[:, 1]])
    near = length < limit
    pairs, distance = edges[near], length[near]
    if len(places.x) < len(labels):
        pairs, distance = _of_cells(places, pairs, distance)
    a, b = pairs.T
    return Contacts(labels[a], labels[b], np.full(len(a), np.nan), distance)


def _of_cells(places: Places, pairs: IntArray, distance: FloatArray) -> tuple[IntArray, FloatArray]:
    """Contacts of cells from contacts of places, sorted."""
    cells = [np.flatnonzero(places.of == place) for place in range(len(places.x))]
    found: dict[tuple[int, int], float] = {}
    for (a, b), length in zip(pairs.tolist(), distance.tolist(), strict=True):
        found |= {(min(i, j), max(i, j)): length for i in cells[a].tolist() for j in cells[b].tolist()}
    for shared in places.shared:
        found |= dict.fromkeys(combinations(shared.tolist(), 2), 0.0)
    order = sorted(found)
    return np.array(order, np.int64).reshape(-1, 2), np.array([found[pair] for pair in order])


def _edges(places: Places) -> IntArray:
    """(m, 2), edges between places, each once, sorted."""
    order = _on_line(places)
    if order is not None:
        pairs = np.stack([order[:-1], order[1:]], axis=1)
    else:
        from scipy.spatial import Delaunay

        corners = Delaunay(np.stack([places.x, places.y], axis=1)).simplices.astype(np.int64)
        pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    unique: IntArray = np.unique(np.sort(pairs, axis=1), axis=0)
    return unique


def _on_line(places: Places) -> IntArray | None:
    """The places' order along it if all lie on one line (as one or two always do), else None."""
    points = np.stack([places.x - places.x.mean(), places.y - places.y.mean()], axis=1)
    # The singular values are the extents along the longest direction and across it.
    _, extents, directions = np.linalg.svd(points, full_matrices=False)
    if len(points) > 2 and extents[1] > FLAT * extents[0]:
        return None
    return np.argsort(points @ directions[0], kind="stable")
