"""Fronts fitted to the times of events: circles around a cell, along contacts, or a plane; without far events.

    circles   t = a + b d(origin, cell),    d: shortest way over contacts, px; in all cells, or through those that fired
    plane     t = a + g . (x, y)
    flat      t = a, all at once

by Tukey's biweight, because some events near a wave have nothing to do with it. Origins are tried among the cells of
the earliest events. The front that explains the times best is taken, each parameter costing log n (BIC).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from calcigraph.models.scale import CONSISTENT, TUKEY
from calcigraph.models.waves.contacts import Net
from calcigraph.store.types import FloatArray, IntArray

CIRCLES, PLANE, FLAT = "circles", "plane", "flat"
MOST_ORIGINS = 16
"""Cells that are tried as an origin."""
EARLY = 3
"""The earliest of so many events are tried as an origin, at least."""
MARGIN = 2.5
"""Margin around cells within which ways between them are sought, in distances of contacts."""
SILENT = 3.0
"""A way on from a cell that did not fire is so much longer: waves go round it, unless only its event was missed."""
STEPS = 6
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

    def paths(self, rows: IntArray, through: IntArray | None) -> tuple[IntArray, csr_matrix]:
        """The cells around these, and what it costs to go from one to another in contact."""
        around = self.around(rows if through is None else np.union1d(rows, through))
        matrix = self.matrix[around][:, around]
        if through is not None:
            dear = np.full(len(around), SILENT)
            dear[np.searchsorted(around, through)] = 1.0
            matrix.data *= np.repeat(dear, np.diff(matrix.indptr))
        return around, matrix

    @cached_property
    def matrix(self) -> csr_matrix:
        """Distances of cells in contact."""
        net = self.net
        return csr_matrix((net.distance, net.to, net.first), shape=(net.cells, net.cells))

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

    @property
    def steep(self) -> float:
        """Seconds a px."""
        return float(np.hypot(*self.slope)) if len(self.slope) == 2 else (self.slope[0] if self.slope else 0.0)

    def expected(self, places: Places, rows: IntArray) -> FloatArray:
        """(rows,), when the front passes cells."""
        if self.kind == CIRCLES:
            away = places.away(np.array([self.origin]), rows, self.through)[0]
            return np.asarray(self.constant + self.slope[0] * away)
        if self.kind == PLANE:
            return np.asarray(self.constant + self.slope[0] * places.x[rows] + self.slope[1] * places.y[rows])
        return np.full(len(rows), self.constant)


def fit_front(places: Places, rows: IntArray, time: FloatArray, least: float) -> Front:
    """The best front of events, (e,), at cells `rows`; `least` is the smallest deviation that is believed, s."""
    fronts = [_flat(time, least)]
    if len(rows) >= EARLY + 1:
        fronts.append(_circles(places, rows, time, least))
        fronts.append(_plane(places, rows, time, least))
    return min(fronts, key=lambda front: front.badness)


def _flat(time: FloatArray, least: float) -> Front:
    middle = float(np.median(time))
    scale = max(CONSISTENT * float(np.median(np.abs(time - middle))), least)
    return Front(
        kind=FLAT, origin=-1, constant=middle, slope=(), scale=scale, badness=_badness(time - middle, scale, 1)
    )


def _badness(residual: FloatArray, scale: float, parameters: int) -> float:
    n = len(residual)
    cost = float(np.minimum((residual / scale) ** 2, FAR**2).sum())
    return 2 * n * float(np.log(scale)) + cost + parameters * float(np.log(n))


def _circles(places: Places, rows: IntArray, time: FloatArray, least: float) -> Front:
    order = np.argsort(time, kind="stable")
    tried = np.unique(rows[order[: min(MOST_ORIGINS, max(EARLY, len(rows) // 4))]])
    away = np.concatenate([places.away(tried, rows), places.away(tried, rows, rows)])
    design = np.stack([np.ones_like(away), away], axis=2)
    coefficient, residual = robust(design, time)
    scale = np.maximum(CONSISTENT * np.median(np.abs(residual), axis=1), least)
    scale[coefficient[:, 1] <= 0] = np.inf
    cost = 2 * len(time) * np.log(scale) + np.minimum((residual / scale[:, None]) ** 2, FAR**2).sum(axis=1)
    best = int(np.argmin(cost))
    if not np.isfinite(scale[best]):
        return Front(kind=CIRCLES, origin=-1, constant=0.0, slope=(0.0,), scale=np.inf, badness=np.inf)
    return Front(
        kind=CIRCLES,
        origin=int(tried[best % len(tried)]),
        constant=float(coefficient[best, 0]),
        slope=(float(coefficient[best, 1]),),
        scale=float(scale[best]),
        badness=_badness(residual[best], float(scale[best]), 4),
        through=rows if best >= len(tried) else None,
    )


def _plane(places: Places, rows: IntArray, time: FloatArray, least: float) -> Front:
    middle_x, middle_y = float(places.x[rows].mean()), float(places.y[rows].mean())
    design = np.stack([np.ones(len(rows)), places.x[rows] - middle_x, places.y[rows] - middle_y], axis=1)
    coefficient, residual = (each[0] for each in robust(design[None], time))
    scale = max(CONSISTENT * float(np.median(np.abs(residual))), least)
    a, gx, gy = coefficient.tolist()
    return Front(
        kind=PLANE,
        origin=-1,
        constant=a - gx * middle_x - gy * middle_y,
        slope=(gx, gy),
        scale=scale,
        badness=_badness(residual, scale, 3),
    )


def robust(design: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Tukey's biweight for k designs at once: (k, e, p) to coefficients (k, p) and residuals (k, e)."""
    weight, middle = np.ones(design.shape[:2]), design.shape[1] // 2
    size = np.sqrt((design**2).mean(axis=1)) + 1e-12
    design = design / size[:, None, :]
    for step in range(STEPS):
        weighted = design * weight[:, :, None]
        matrix = np.einsum("kep,keq->kpq", weighted, design) + 1e-9 * np.eye(design.shape[2])
        right = np.einsum("kep,e->kp", weighted, time)
        coefficient = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
        residual = time - np.einsum("kep,kp->ke", design, coefficient)
        scale = CONSISTENT * np.partition(np.abs(residual), middle, axis=1)[:, middle] + 1e-9
        # Wide at first, so that the start decides less.
        wide = TUKEY * max(1.0, 2.0 - step / 2)
        weight = np.clip(1 - (residual / (wide * scale[:, None])) ** 2, 0, 1) ** 2 + 1e-6
    return coefficient / size, residual
