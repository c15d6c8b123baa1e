"""The contact graph laid out for fast look-ups: who touches whom, and which cells touch both cells of a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.store.types import FloatArray, IntArray, Subgraph


@dataclass(frozen=True)
class Net:
    """The m contacts of n cells, each twice, as ways from one cell to another, sorted by the cell they leave from."""

    first: IntArray
    """(n + 1,), where the ways of each cell begin."""
    to: IntArray
    """(2 m,), the cell that a way leads to."""
    back: IntArray
    """(2 m,), the same contact the other way round."""
    distance: FloatArray
    """(2 m,), between centroids, px."""
    third_first: IntArray
    """(2 m + 1,), where the third cells of each way begin: those in contact with both of its cells."""
    third_here: IntArray
    """The way from the first cell to the third one."""
    third_there: IntArray
    """The way from the second cell to the third one."""

    @property
    def cells(self) -> int:
        """n"""
        return len(self.first) - 1

    @property
    def start(self) -> IntArray:
        """(2 m,), the cell that a way leaves from."""
        return np.repeat(np.arange(self.cells), np.diff(self.first))


def net_of(graph: Subgraph) -> Net:
    """The contacts of a culture, laid out.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> graph = make_culture(SyntheticOptions(cells=16, frames=2, size_px=128)).subgraph()
    >>> net = net_of(graph)
    >>> bool((net.start[net.back] == net.to).all()), net.cells
    (True, 16)
    """
    cells, (a, b) = len(graph.labels), graph.pairs.T
    start, to = np.concatenate([a, b]), np.concatenate([b, a])
    order = np.lexsort((to, start))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    back = np.roll(place, len(a))[order] if len(a) else place
    start, to = start[order], to[order]
    first = np.searchsorted(start, np.arange(cells + 1))
    distance = np.hypot(graph.x_px[start] - graph.x_px[to], graph.y_px[start] - graph.y_px[to])
    way, here, there = _thirds(cells, first, start, to)
    return Net(
        first=first,
        to=to,
        back=back,
        distance=np.maximum(distance, 1e-9),
        third_first=np.searchsorted(way, np.arange(len(to) + 1)),
        third_here=here,
        third_there=there,
    )


def _thirds(cells: int, first: IntArray, start: IntArray, to: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """For every way from a to b and every c in contact with both: the way, that from a to c, that from b to c."""
    reach = np.diff(first)
    way = np.repeat(np.arange(len(to)), reach[to])
    there = spans(first[to], reach[to])
    # The way from a to c, if there is one.
    key = start * cells + to
    wanted = start[way] * cells + to[there]
    here = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
    known = key[here] == wanted if len(key) else np.zeros(0, np.bool_)
    return way[known], here[known], there[known]


def spans(first: IntArray, length: IntArray) -> IntArray:
    """The numbers from each `first` on, `length` of them, one after the other.

    >>> spans(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(length)
    places = np.arange(int(ends[-1]) if len(ends) else 0)
    return np.asarray(places - np.repeat(ends - length, length) + np.repeat(first, length))


@dataclass(frozen=True)
class Reach:
    """Ways over one or two contacts, sorted by the cell they leave from."""

    first: IntArray
    """(n + 1,), where the ways of each cell begin."""
    to: IntArray
    """The cell that a way leads to."""


def reach_of(net: Net) -> Reach:
    """The cells that each cell reaches over one or two contacts.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> graph = make_culture(SyntheticOptions(cells=16, frames=2, size_px=128)).subgraph()
    >>> net = net_of(graph)
    >>> bool((np.diff(reach_of(net).first) >= np.diff(net.first)).all())
    True
    """
    ways = np.diff(net.first)[net.to]
    start = np.repeat(net.start, ways)
    to = net.to[spans(net.first[net.to], ways)]
    apart = start != to
    key = np.unique(np.concatenate([net.start * net.cells + net.to, start[apart] * net.cells + to[apart]]))
    start, to = key // max(net.cells, 1), key % max(net.cells, 1)
    return Reach(first=np.searchsorted(start, np.arange(net.cells + 1)), to=to)
