"""How fast a wave ran, with an interval that holds what cells have in common.

    t_i = a + b d_i + e_i,    speed = 1 / b

with d the shortest way over contacts from where the wave began or, for a plane front, the way along its direction times
how much longer ways over contacts are than straight ones. A cell that is late makes all cells behind it late, so

    cov(e_i, e_j) = s^2 (r S_ij + (1 - r) [i = j])

where S_ij is the part of the way that both cells share, over the mean way; for a plane front it falls off with the
distance of the cells. Every r counts by its restricted likelihood: of few events the most likely one says too little.
Without r the interval is half as wide as it should be.

A front is what comes first of many ways, so it does not run exactly along the shortest one. Where delays from cell to
cell differ by a share j, it is faster by about 1.1 j^2, and from wave to wave by 0.2 j more or less (shortest ways over
contacts of Voronoi neighbours whose lengths were drawn so). j is told by what cells of one way have in common,

    j^2 = s^2 r / (mean way x distance of contacts x b^2),

and the interval holds both, with `METRIC`.

What cells hand on runs along contacts, what diffuses around them runs straight ahead, and straight ways are some tenth
shorter. Circles are fitted with both, each with the weight of its likelihood: where the times cannot tell, the interval
holds both speeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import dijkstra
from scipy.stats import t as student

from calcigraph.models.scale import CONSISTENT
from calcigraph.models.waves.contacts import Net
from calcigraph.models.waves.front import CIRCLES, PLANE, Front, Places
from calcigraph.store.types import FloatArray, IntArray

FEWEST = 5
"""Events of a wave whose speed can be told."""
MOST = 150
"""Events that are used, evenly over the wave: more would only take time."""
SHARES = (0.0, 0.15, 0.35, 0.55, 0.75, 0.9, 0.97)
"""r that are tried."""
METRIC = 0.02
"""Relative error of a speed that is left where all delays are alike: standard deviation."""
DIFFERS, FASTER = 0.2, 1.1
"""Relative error of a speed in shares j, and how much faster a front is in shares j^2."""
COMMON = 2.0
"""Distance over which cells of a plane front are late together, in distances of contacts."""
FAR = 3.0
ROUNDS = 2


@dataclass(frozen=True)
class Speed:
    """px/s; None for what cannot be told."""

    value: float | None
    low: float | None
    high: float | None


def speed_of(places: Places, front: Front, rows: IntArray, time: FloatArray, tortuosity: float) -> Speed:
    """The speed of a front from its (e,) events."""
    keep = np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(np.int64))
    rows, time = rows[keep], time[keep]
    if len(rows) < FEWEST or front.kind not in (CIRCLES, PLANE):
        return Speed(None, None, None)
    away, shared = _plane(places, front, rows, tortuosity) if front.kind == PLANE else _circles(places, front, rows)
    use = np.flatnonzero(np.isfinite(away[0]))
    for _ in range(ROUNDS):
        if len(use) < FEWEST:
            return Speed(None, None, None)
        residual = _line(away[0][use], time[use], shared[np.ix_(use, use)]).residual
        spread = CONSISTENT * float(np.median(np.abs(residual))) + 1e-9
        near = use[np.abs(residual) <= FAR * spread]
        if len(near) == len(use):
            break
        use = near
    lines = [_line(ways[use], time[use], shared[np.ix_(use, use)]) for ways in away]
    weight = _weight(np.array([line.cost for line in lines]))
    slope, error = _average(weight, np.array([line.slope for line in lines]), np.array([line.error for line in lines]))
    # Ways of a plane front straight ahead are as long, but for a factor: the times cannot tell which it took.
    error = float(np.hypot(error, slope * (tortuosity - 1) / 2 if front.kind == PLANE else 0.0))
    uneven = 0.0
    if front.kind == CIRCLES and slope > 0:
        common = [line.common / max(float(ways[use].mean()), 1e-9) for line, ways in zip(lines, away, strict=True)]
        uneven = float(np.sqrt(weight @ np.array(common) / places.spacing)) / slope
    error = float(np.sqrt(error**2 + slope**2 * (METRIC**2 + (DIFFERS * uneven) ** 2 + (FASTER * uneven**2) ** 2)))
    return _as_speed(slope, error, len(use), 2 if front.kind == CIRCLES else 3)


def _weight(cost: FloatArray) -> FloatArray:
    """Of what has -2 log likelihoods, by the likelihood; 1 in all."""
    weight = np.exp((cost.min() - cost) / 2)
    return np.asarray(weight / weight.sum())


def _average(weight: FloatArray, slope: FloatArray, error: FloatArray) -> tuple[float, float]:
    """The mean of slopes, and its error: that of each, and how they differ."""
    mean = float(weight @ slope)
    return mean, float(np.sqrt(weight @ (error**2 + (slope - mean) ** 2)))


def _as_speed(slope: float, error: float, events: int, parameters: int) -> Speed:
    half = float(student.ppf(0.975, max(events - parameters, 1))) * error
    return Speed(
        value=1 / slope if slope > 0 else None,
        low=1 / (slope + half) if slope + half > 0 else None,
        high=1 / (slope - half) if slope - half > 0 else None,
    )


def _circles(places: Places, front: Front, rows: IntArray) -> tuple[FloatArray, FloatArray]:
    """(2, e), ways from the origin over contacts and straight ahead, px; (e, e), the share of the mean way over
    contacts that each two have in common."""
    straight = np.hypot(places.x[rows] - places.x[front.origin], places.y[rows] - places.y[front.origin])
    around, matrix = places.paths(np.union1d(rows, [front.origin]), front.through)
    origin, rows = int(np.searchsorted(around, front.origin)), np.searchsorted(around, rows)
    both = dijkstra(matrix, indices=np.array([origin]), return_predecessors=True)
    away, before = both[0][0], both[1][0]
    number: dict[int, int] = {}
    passed: list[list[int]] = []
    for row in rows.tolist():
        way = []
        while row != origin and before[row] >= 0:
            way.append(number.setdefault(row, len(number)))
            row = int(before[row])
        passed.append(way)
    length = np.zeros(len(number))
    for row, column in number.items():
        length[column] = away[row] - away[before[row]]
    used = np.zeros((len(rows), len(number)))
    for place, way in enumerate(passed):
        used[place, way] = 1
    shared = (used * length) @ used.T
    mean = float(np.mean(np.diagonal(shared))) if len(rows) else 1.0
    return np.stack([away[rows], straight]), shared / max(mean, 1e-9)


def _plane(places: Places, front: Front, rows: IntArray, tortuosity: float) -> tuple[FloatArray, FloatArray]:
    """(1, e), ways along the direction, px, as long as those over contacts; (e, e), how near each two cells are."""
    x, y, (gx, gy) = places.x[rows], places.y[rows], front.slope
    between = np.hypot(x[:, None] - x, y[:, None] - y)
    return tortuosity * (gx * x + gy * y)[None] / np.hypot(gx, gy), np.exp(-between / (COMMON * places.spacing))


@dataclass(frozen=True)
class _Line:
    slope: float
    error: float
    common: float
    """r s^2, s^2."""
    residual: FloatArray
    """At the likeliest share."""
    cost: float
    """-2 log likelihood there."""


def _line(x: FloatArray, y: FloatArray, shared: FloatArray) -> _Line:
    """The line of all shares, each by its restricted likelihood."""
    design = np.stack([np.ones(len(x)), x - x.mean()], axis=1)
    freedom, size = max(len(x) - 2, 1), len(SHARES)
    slope, error, common, restricted, cost = np.zeros((5, size))
    residual = np.zeros((size, len(x)))
    for place, share in enumerate(SHARES):
        matrix = share * shared + (1 - share) * np.eye(len(x)) + 1e-9 * np.eye(len(x))
        lower = np.linalg.cholesky(matrix)
        a, b = np.linalg.solve(lower, design), np.linalg.solve(lower, y)
        normal = a.T @ a
        coefficient = np.linalg.solve(normal, a.T @ b)
        left = b - a @ coefficient
        variance = float(left @ left) / freedom
        log_det = 2 * float(np.log(np.diagonal(lower)).sum())
        spread = float(np.log(max(variance, 1e-12)))
        slope[place], residual[place] = coefficient[1], y - design @ coefficient
        error[place] = np.sqrt(variance * np.linalg.inv(normal)[1, 1])
        common[place] = share * variance
        restricted[place] = freedom * spread + log_det + np.linalg.slogdet(normal)[1]
        cost[place] = len(x) * spread + log_det
    weight, best = _weight(restricted), int(restricted.argmin())
    mean, error_of_mean = _average(weight, slope, error)
    return _Line(
        slope=mean,
        error=error_of_mean,
        common=float(weight @ common),
        residual=residual[best],
        cost=float(cost[best]),
    )


def tortuosity_of(net: Net, places: Places) -> float:
    """How much longer ways over contacts are than straight ones, median over cells some contacts apart."""
    if len(net.to) == 0:
        return 1.0
    starts = np.unique(np.linspace(0, net.cells - 1, min(12, net.cells)).astype(np.int64))
    rows = np.arange(net.cells)
    away = dijkstra(places.matrix, indices=starts, limit=8 * places.spacing)[:, rows]
    straight = np.hypot(places.x[starts][:, None] - places.x, places.y[starts][:, None] - places.y)
    far = np.isfinite(away) & (straight > 2 * places.spacing)
    return float(np.median(away[far] / straight[far])) if far.any() else 1.0
