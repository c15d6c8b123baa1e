"""Fronts fitted to the times of events: circles around a cell, along contacts, or a plane; without far events.

    circles   t = a + b d(origin, cell),    d: shortest way over contacts, px; in all cells, or through those that fired
    plane     t = a + g . (x, y)
    flat      t = a, all at once

among events that have nothing to do with it (fitting.py). Origins are tried among the cells of the earliest events, and
where an event is earlier than all around it. The front that explains the times best is taken, each parameter costing
log n (BIC).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from calcigraph.models.scale import CONSISTENT
from calcigraph.models.waves import large
from calcigraph.models.waves.contacts import Net, spans
from calcigraph.models.waves.fitting import Clutter, fitted
from calcigraph.store.types import BoolArray, FloatArray, IntArray

CIRCLES, PLANE, FLAT = "circles", "plane", "flat"
STRAIGHT, CONTACTS, FIRED = "straight", "contacts", "fired"
"""Ways of circles: straight ahead, over all contacts, over contacts of cells that fired."""
MOST_ORIGINS = 16
"""Cells that are tried as an origin."""
MOST_TRIED = 400
"""Events by which it is judged where fits start: of more, so many evenly over the time. The fits use all."""
SEARCHED = 200
"""Events from which circles are searched from coarse to fine: with few slopes, far events are told by none."""
WIDE = 5.0
"""Least deviations: of times that scatter more, circles that are wrong by a fifth tell a wave better than none."""
EARLY = 3
"""The earliest of so many events are tried as an origin, at least."""
MARGIN = 2.5
"""Margin around cells within which ways between them are sought, in distances of contacts."""
SILENT = 3.0
"""A way on from a cell that did not fire is so much longer: waves go round it, unless only its event was missed."""
QUICKEST = 20.0
"""The steepest slope that is tried, in those of the flattest one."""
SLOPES, PLANE_SLOPES, ANGLES = 10, 6, 16
"""Slopes of circles and of planes, and directions, that are tried."""
POLISHED = 6
"""The best of what is tried, which are fitted."""
FULL = 4
"""The fullest window of a plane's times holds one in so many events."""
OPEN = 2 * np.pi / 3
"""Angle without a cell in contact, from which a cell lies at the edge."""
FAR = 3.0
"""Deviations from which an event costs no more."""
LOOSE = 0.3
"""Least deviation of a front, in times that it takes from cell to cell: cells differ in their delays."""


@dataclass(frozen=True)
class Places:
    """Where cells lie, and how far they are from each other over contacts."""

    net: Net
    x: FloatArray
    """(n,)"""
    y: FloatArray
    spacing: float
    """Median distance of contacts, px."""

    def away(self, origins: IntArray, rows: IntArray, through: IntArray | None = None) -> FloatArray:
        """(origins, rows), shortest way over contacts, px, among the cells around; far where there is none.

        `through` are the cells that fired, if the way on from others is to be dear.
        """
        around, matrix = self.paths(np.union1d(origins, rows), through)
        far = dijkstra(matrix, indices=np.searchsorted(around, origins))[:, np.searchsorted(around, rows)]
        return np.where(np.isfinite(far), far, self.reach(around))

    def straight(self, origins: IntArray, rows: IntArray) -> FloatArray:
        """(origins, rows), ways straight ahead, px."""
        return np.asarray(np.hypot(self.x[origins][:, None] - self.x[rows], self.y[origins][:, None] - self.y[rows]))

    def paths(self, rows: IntArray, through: IntArray | None) -> tuple[IntArray, csr_matrix]:
        """The cells around these, and what it costs to go from one to another in contact."""
        around = self.around(rows if through is None else np.union1d(rows, through))
        matrix = self._among(around)
        if through is not None:
            dear = np.full(len(around), SILENT)
            dear[np.searchsorted(around, through)] = 1.0
            matrix.data *= np.repeat(dear, np.diff(matrix.indptr))
        return around, matrix

    def _among(self, rows: IntArray) -> csr_matrix:
        """Distances of cells in contact, among these alone, which are sorted."""
        net = self.net
        place = np.full(net.cells, -1)
        place[rows] = np.arange(len(rows))
        ways = net.first[rows + 1] - net.first[rows]
        way = spans(net.first[rows], ways)
        to = place[net.to[way]]
        inside = to >= 0
        first = np.append(0, np.cumsum(inside))[np.append(0, np.cumsum(ways))]
        return csr_matrix((net.distance[way[inside]], to[inside], first), shape=(len(rows), len(rows)))

    @cached_property
    def matrix(self) -> csr_matrix:
        """Distances of cells in contact."""
        net = self.net
        return csr_matrix((net.distance, net.to, net.first), shape=(net.cells, net.cells))

    @cached_property
    def edge(self) -> BoolArray:
        """(n,), cells that touch none over more than a third of the circle around them: the edge of what is seen."""
        net = self.net
        angle = np.arctan2(self.y[net.to] - self.y[net.start], self.x[net.to] - self.x[net.start])
        order = np.lexsort((angle, net.start))
        start, angle = net.start[order], angle[order]
        ways = np.diff(net.first)
        # The next way of the same cell; after the last one the first, a turn later.
        following = np.append(angle[1:], 0.0)
        last = net.first[1:][ways > 0] - 1
        following[last] = angle[net.first[:-1][ways > 0]] + 2 * np.pi
        gap = np.full(net.cells, 2 * np.pi)
        gap[ways > 0] = 0
        np.maximum.at(gap, start, following - angle)
        return np.asarray(gap > OPEN)

    def around(self, rows: IntArray) -> IntArray:
        """Cells in the rectangle that holds these and a margin: ways between them seldom lead outside."""
        margin = MARGIN * self.spacing
        x, y = self.x[rows], self.y[rows]
        inside = (self.x >= x.min() - margin) & (self.x <= x.max() + margin)
        inside &= (self.y >= y.min() - margin) & (self.y <= y.max() + margin)
        return np.flatnonzero(inside)

    def reach(self, rows: IntArray) -> float:
        """A distance over contacts that surely covers these cells, px."""
        return 2.0 * float(np.hypot(np.ptp(self.x[rows]), np.ptp(self.y[rows]))) + 4 * self.spacing


@dataclass(frozen=True)
class Front:
    """A fitted front."""

    kind: str
    origin: int
    """Row of the cell where circles begin; -1 for others."""
    constant: float
    slope: tuple[float, ...]
    """b of circles, g of a plane, nothing of a flat front; s/px."""
    scale: float
    """Deviation of the events that belong to it, s."""
    badness: float
    """BIC."""
    through: IntArray | None = None
    """Rows of the cells that fired, where circles run through them."""
    straight: bool = False
    """Whether circles run straight ahead, not over contacts."""

    @property
    def steep(self) -> float:
        """Seconds a px."""
        return float(np.hypot(*self.slope)) if len(self.slope) == 2 else (self.slope[0] if self.slope else 0.0)

    def expected(self, places: Places, rows: IntArray) -> FloatArray:
        """(rows,), when the front passes cells."""
        if self.kind == CIRCLES:
            origin = np.array([self.origin])
            ways = places.straight(origin, rows) if self.straight else places.away(origin, rows, self.through)
            away = ways[0]
            return np.asarray(self.constant + self.slope[0] * away)
        if self.kind == PLANE:
            return np.asarray(self.constant + self.slope[0] * places.x[rows] + self.slope[1] * places.y[rows])
        return np.full(len(rows), self.constant)


def fit_front(places: Places, rows: IntArray, time: FloatArray, clutter: Clutter) -> Front:
    """The best front of events, (e,), at cells `rows`, of which many may have nothing to do with it."""
    flat = _flat(time, clutter)
    fronts = [flat]
    if len(rows) >= EARLY + 1:
        many = len(rows) > SEARCHED
        fronts.append(
            _large_circles(places, rows, time, clutter, flat) if many else _circles(places, rows, time, clutter)
        )
        plane = _plane(places, rows, time, clutter)
        if _enters(places, plane, rows, time):
            fronts.append(plane)
    return min(fronts, key=lambda front: front.badness)


def _enters(places: Places, plane: Front, rows: IntArray, time: FloatArray) -> bool:
    """Whether a plane front comes from outside: no single cell sets it off, so its first cells lie at the edge."""
    expected = plane.expected(places, rows)
    near = np.abs(time - expected) <= FAR * plane.scale
    first = rows[near][np.argsort(expected[near], kind="stable")[:EARLY]]
    return bool(places.edge[first].any())


def _flat(time: FloatArray, clutter: Clutter) -> Front:
    middle = np.quantile(time, (0.2, 0.5, 0.8))[:, None]
    scale = np.full(3, max(CONSISTENT * float(np.median(np.abs(time - middle[1]))), clutter.least))
    coefficient, scale, gain = fitted(clutter, np.ones((3, len(time), 1)), time, scale, middle)
    best = int(gain.argmax())
    return Front(
        kind=FLAT,
        origin=-1,
        constant=float(coefficient[best, 0]),
        slope=(),
        scale=float(scale[best]),
        badness=_badness(gain[best], len(time), 2),
    )


def _badness(gain: float, events: int, parameters: int) -> float:
    return float(parameters * np.log(events) - 2 * gain)


def slopes_of(clutter: Clutter, number: int, quickest: float = QUICKEST) -> FloatArray:
    """Slopes that are tried, s/px: up to the longest time from cell to cell."""
    return np.asarray(np.geomspace(1 / quickest, 1, number) * clutter.lag / clutter.spacing)


def _large_circles(places: Places, rows: IntArray, time: FloatArray, clutter: Clutter, flat: Front) -> Front:
    """Circles of many events: their start is searched from coarse to fine, with each kind of ways.

    The flat front is the answer where it tells wide times better than all circles that may be wrong by a fifth: such
    events are a flash, or have nothing to do with one another.
    """
    some, loose, net = _some(time), LOOSE * places.spacing, places.net
    early = rows[np.argsort(time, kind="stable")[: len(rows) // 4]]
    early = early[np.linspace(0, len(early) - 1, large.ORIGINS).astype(np.int64)]
    search = large.Search(ways=_ways(places, STRAIGHT, rows, some), time=time[some], clutter=clutter, loose=loose)
    start = search.coarse(np.unique(early), slopes_of(clutter, large.STEPS, large.QUICKEST))
    if flat.scale > WIDE * clutter.least:
        of_flat = clutter.gain((time[some] - flat.constant)[None], np.array([[flat.scale]]))
        if start.gain < of_flat[0]:
            return flat
    fronts = []
    for kind in (STRAIGHT, CONTACTS, FIRED):
        search = replace(search, ways=_ways(places, kind, rows, some))
        fine = search.fine(start, lambda cell: np.append(net.to[net.first[cell] : net.first[cell + 1]], cell))
        away = _ways(places, kind, rows, np.arange(len(rows)))(np.array([fine.origin]))
        design, wide = np.stack([np.ones_like(away), away], axis=2), max(2 * clutter.least, loose * fine.slope)
        coefficient, scale, gain = fitted(
            clutter, design, time, np.array([wide]), np.array([[fine.constant, fine.slope]])
        )
        front = Front(
            kind=CIRCLES,
            origin=fine.origin,
            constant=float(coefficient[0, 0]),
            slope=(float(coefficient[0, 1]),),
            scale=float(scale[0]),
            badness=_badness(gain[0] if coefficient[0, 1] > 0 else -np.inf, len(time), 5),
            through=rows if kind == FIRED else None,
            straight=kind == STRAIGHT,
        )
        fronts.append(front)
    return min(fronts, key=lambda front: front.badness)


def _ways(places: Places, kind: str, rows: IntArray, which: IntArray) -> large.Ways:
    """From origins to the cells of some events, (o, e), px."""
    if kind == STRAIGHT:
        return lambda origins: places.straight(origins, rows[which])
    return lambda origins: places.away(origins, rows[which], rows if kind == FIRED else None)


def _circles(places: Places, rows: IntArray, time: FloatArray, clutter: Clutter) -> Front:
    tried = _origins(places, rows, time)
    away = np.concatenate([places.away(rows[tried], rows), places.away(rows[tried], rows, rows)])
    start = np.tile(time[tried], 2)
    slopes = slopes_of(clutter, SLOPES)
    # Every origin with every slope: the front passes the origin with its event.
    wide = np.maximum(2 * clutter.least, LOOSE * slopes * clutter.spacing)
    some = _some(time)
    late = time[some] - start[:, None, None] - slopes[:, None] * away[:, None, some]
    gain = clutter.gain(late, wide[:, None])
    origin, slope = np.unravel_index(np.argsort(gain, axis=None)[-POLISHED:], gain.shape)
    design = np.stack([np.ones((len(origin), len(time))), away[origin]], axis=2)
    coefficient, scale, gain = fitted(
        clutter, design, time, wide[slope], np.stack([start[origin], slopes[slope]], axis=1)
    )
    gain = np.where(coefficient[:, 1] > 0, gain, -np.inf)
    best = int(gain.argmax())
    return Front(
        kind=CIRCLES,
        origin=int(rows[tried[origin[best] % len(tried)]]),
        constant=float(coefficient[best, 0]),
        slope=(float(coefficient[best, 1]),),
        scale=float(scale[best]),
        badness=_badness(gain[best], len(time), 5),
        through=rows if origin[best] >= len(tried) else None,
    )


def _some(time: FloatArray) -> IntArray:
    """All events, or `MOST_TRIED` of them, evenly over the time."""
    if len(time) <= MOST_TRIED:
        return np.arange(len(time))
    order = np.argsort(time, kind="stable")
    return np.asarray(order[np.linspace(0, len(time) - 1, MOST_TRIED).astype(np.int64)])


def _origins(places: Places, rows: IntArray, time: FloatArray) -> IntArray:
    """Places of the events that are tried as an origin: the earliest, and those earlier than all in contact."""
    net = places.net
    order = np.argsort(time, kind="stable")
    at = np.full(net.cells, np.inf)
    at[rows] = time
    ways = net.first[rows + 1] - net.first[rows]
    around = np.full(len(rows), np.inf)
    np.minimum.at(around, np.repeat(np.arange(len(rows)), ways), at[net.to[spans(net.first[rows], ways)]])
    lowest = order[(time <= around)[order]][:MOST_ORIGINS]
    return np.union1d(order[: min(MOST_ORIGINS, max(EARLY, len(rows) // 4))], lowest)


def _plane(places: Places, rows: IntArray, time: FloatArray, clutter: Clutter) -> Front:
    middle_x, middle_y = float(places.x[rows].mean()), float(places.y[rows].mean())
    x, y = places.x[rows] - middle_x, places.y[rows] - middle_y
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    slopes = np.repeat(slopes_of(clutter, PLANE_SLOPES), ANGLES)
    slope = slopes[:, None] * np.tile(np.stack([np.cos(angle), np.sin(angle)], axis=1), (PLANE_SLOPES, 1))
    some = _some(time)
    start = np.sort(time[some] - slope[:, :1] * x[some] - slope[:, 1:] * y[some], axis=1)
    wide = np.maximum(2 * clutter.least, LOOSE * slopes * clutter.spacing)
    # The middle of the fullest window of each.
    few = min(max(EARLY, len(some) // FULL), len(some) - 1)
    narrow = start[:, few:] - start[:, :-few]
    first = narrow.argmin(axis=1)
    at = start[np.arange(len(start)), first + few // 2]
    gain = clutter.gain(start - at[:, None], wide[:, None])
    best = np.argsort(gain)[-POLISHED:]
    design = np.broadcast_to(np.stack([np.ones(len(rows)), x, y], axis=1), (len(best), len(rows), 3))
    coefficient, scale, gain = fitted(
        clutter, design, time, wide[best], np.concatenate([at[best, None], slope[best]], axis=1)
    )
    place = int(gain.argmax())
    a, gx, gy = coefficient[place].tolist()
    return Front(
        kind=PLANE,
        origin=-1,
        constant=a - gx * middle_x - gy * middle_y,
        slope=(gx, gy),
        scale=float(scale[place]),
        badness=_badness(gain[place], len(time), 4),
    )
