"""Events cut into basins of the surface of their times over the contact graph: in each, times rise from one event on.

The watershed of that surface: every event runs down to the neighbour where the times fall most steeply, and belongs to
the event where it ends. Two basins are joined where

* one is shallower than the noise of the surface, because a cell was a little early: across its lowest pass;
* the surface goes on from one to the other: it rises in the same direction on both sides of their border, without a
  step. So a plane front that enters at several cells is one basin.

Two waves that meet rise against each other, and keep basins of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from calcigraph.models.scale import CONSISTENT
from calcigraph.models.waves.pairs import Pairs
from calcigraph.store.types import FloatArray, IntArray

DEPTH = 3.0
"""Depth of a basin of its own, in deviations of the surface's noise."""
ALIGNED = 0.4
"""Mean cosine of the directions on both sides from which two basins are one: two fronts that meet have about -0.1."""
STEP = 1.0
"""Largest step between two basins that are one, in times that the front takes from cell to cell."""
ROUNDS = 4
RIDGE = 0.3
"""Pulls the slope of few pairs to 0, in pairs."""
NEAREST = 1e-6
"""Cells are never taken to lie closer, px."""


@dataclass(frozen=True)
class Surface:
    """Times over pairs of events, with the ways between: (e,) and (l,)."""

    time: FloatArray
    se: FloatArray
    one: IntArray
    two: IntArray
    dx: FloatArray
    """From the cell of `one` to that of `two`, px."""
    dy: FloatArray

    @property
    def rise(self) -> FloatArray:
        """(l,), from `one` to `two`, s."""
        return self.time[self.two] - self.time[self.one]


@dataclass(frozen=True)
class Basins:
    """(e,) each."""

    root: IntArray
    """The event where the basin begins."""
    parent: IntArray
    """The paired event from which an event follows; itself at the roots of the watershed."""


def surface_of(time: FloatArray, se: FloatArray, pairs: Pairs, x: FloatArray, y: FloatArray) -> Surface:
    """`x` and `y`, (e,), are the places of the events' cells."""
    one, two = pairs.one, pairs.two
    return Surface(time=time, se=se, one=one, two=two, dx=x[two] - x[one], dy=y[two] - y[one])


def cut(surface: Surface) -> Basins:
    """Cut the events into basins."""
    size = len(surface.time)
    group = components(size, surface.one, surface.two)
    parent = _steepest(surface)
    root = _ends(parent)
    for _ in range(ROUNDS):
        slope_x, slope_y = _slopes(surface, root)
        noise = _noise(surface, slope_x, slope_y, group)
        merged = _shallow(surface, root, DEPTH * noise)
        merged = _aligned(surface, merged, slope_x, slope_y)
        if np.array_equal(merged, root):
            break
        root = merged
    return Basins(root=root, parent=parent)


def components(size: int, one: IntArray, two: IntArray) -> IntArray:
    """Number of each event's connected set, (size,)."""
    graph = coo_matrix((np.ones(len(one), np.int8), (one, two)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _steepest(surface: Surface) -> IntArray:
    """For each event the earlier neighbour to which times fall most steeply; itself where there is none."""
    rise = surface.rise
    down = np.abs(rise) / np.maximum(np.hypot(surface.dx, surface.dy), NEAREST)
    later = np.where(rise > 0, surface.two, surface.one)
    earlier = np.where(rise > 0, surface.one, surface.two)
    parent = np.arange(len(surface.time))
    # The last assignment to an event stays, so it must be the steepest.
    order = np.argsort(down, kind="stable")
    order = order[rise[order] != 0]
    parent[later[order]] = earlier[order]
    return parent


def _ends(parent: IntArray) -> IntArray:
    """Where each event ends that always runs on to its parent."""
    while True:
        further = parent[parent]
        if np.array_equal(further, parent):
            return parent
        parent = further


def _slopes(surface: Surface, root: IntArray) -> tuple[FloatArray, FloatArray]:
    """(e,) each, s/px: slope of the times along x and y, over the pairs of an event and its neighbours in its basin."""
    size, rise = len(surface.time), surface.rise
    inside = root[surface.one] == root[surface.two]
    one, two = surface.one[inside], surface.two[inside]
    dx, dy, dt = surface.dx[inside], surface.dy[inside], rise[inside]
    both = np.concatenate([one, two])
    other = np.concatenate([two, one])
    sums: list[FloatArray] = []
    for value in (dx * dx, dx * dy, dy * dy, dx * dt, dy * dt):
        own = np.bincount(both, np.concatenate([value, value]), size)
        sums.append(np.asarray(own + np.bincount(both, own[other], size), np.float64))
    xx, xy, yy, xt, yt = sums
    ridge = RIDGE * max(float(np.mean(dx * dx + dy * dy)), NEAREST) if len(dx) else 1.0
    xx, yy = xx + ridge, yy + ridge
    scale = xx * yy - xy * xy
    return (yy * xt - xy * yt) / scale, (xx * yt - xy * xt) / scale


def _noise(surface: Surface, slope_x: FloatArray, slope_y: FloatArray, group: IntArray) -> FloatArray:
    """(e,), deviation of a time from the surface around it in the same connected set, at least the errors'."""
    one, two = surface.one, surface.two
    expected = 0.5 * ((slope_x[one] + slope_x[two]) * surface.dx + (slope_y[one] + slope_y[two]) * surface.dy)
    residual = np.abs(surface.rise - expected) / np.sqrt(2)
    groups = int(group.max(initial=-1)) + 1
    least = float(np.median(surface.se)) if len(surface.se) else 0.0
    level = np.full(groups, CONSISTENT * float(np.median(residual)) if len(residual) else 0.0)
    many = np.bincount(group[one], minlength=groups)
    own = many >= 9
    use = own[group[one]]
    residual = residual[use][np.lexsort((residual[use], group[one][use]))]
    level[own] = CONSISTENT * residual[np.cumsum(many[own]) - many[own] + many[own] // 2]
    return np.maximum(level, least)[group]


def _shallow(surface: Surface, root: IntArray, depth: FloatArray) -> IntArray:
    """Each shallow basin joins the older one beyond its lowest pass."""
    time = surface.time
    a, b = root[surface.one], root[surface.two]
    across = a != b
    a, b = a[across], b[across]
    height = np.maximum(time[surface.one[across]], time[surface.two[across]])
    # Older first; of two basins as old, that of the smaller event.
    swap = (time[b] < time[a]) | ((time[b] == time[a]) & (b < a))
    old, young = np.where(swap, b, a), np.where(swap, a, b)
    shallow = height - time[young] < depth[young]
    old, young, height = old[shallow], young[shallow], height[shallow]
    order = np.lexsort((old, -height))
    join = np.arange(len(time))
    join[young[order]] = old[order]
    return _ends(join)[root]


def _aligned(surface: Surface, root: IntArray, slope_x: FloatArray, slope_y: FloatArray) -> IntArray:
    """Join basins over whose border the surface goes on."""
    across = root[surface.one] != root[surface.two]
    if not across.any():
        return root
    one, two = surface.one[across], surface.two[across]
    dx, dy, rise = surface.dx[across], surface.dy[across], surface.rise[across]
    here, there = np.hypot(slope_x[one], slope_y[one]), np.hypot(slope_x[two], slope_y[two])
    product = here * there
    cosine = np.where(
        product > 0, (slope_x[one] * slope_x[two] + slope_y[one] * slope_y[two]) / np.maximum(product, 1e-30), 0
    )
    expected = 0.5 * ((slope_x[one] + slope_x[two]) * dx + (slope_y[one] + slope_y[two]) * dy)
    smooth = np.abs(rise - expected) <= STEP * 0.5 * (here + there) * np.hypot(dx, dy)
    cosine = np.where(smooth, cosine, -1.0)
    low, high = np.minimum(root[one], root[two]), np.maximum(root[one], root[two])
    key = low * len(root) + high
    pair, place, count = np.unique(key, return_inverse=True, return_counts=True)
    join = (np.bincount(place, cosine) / count >= ALIGNED) & (count >= 2)
    return _united(surface.time, root, pair[join] // len(root), pair[join] % len(root))


def _united(time: FloatArray, root: IntArray, one: IntArray, two: IntArray) -> IntArray:
    """Roots of basins after those of `one` and `two` are joined: the earliest of each set."""
    if len(one) == 0:
        return root
    group = components(len(root), one, two)
    # The last assignment stays: the earliest event, of those as early the smallest.
    order = np.lexsort((-np.arange(len(root)), -time))
    is_root = root[order] == order
    first = np.empty(len(root), np.int64)
    first[group[order[is_root]]] = order[is_root]
    return np.asarray(first[group[root]])
