"""Waves of other media than that of waves.py: what is told of them.

    python benchmarks/waves_media.py [--cultures 5] [--csv FOLDER] [--seed 7000]

Cultures of 200 cells in 361 frames of 10 s, from traces at SNR 10, two own events a cell an hour. A cell that fires
sets off those in contact after distance / 2 px/s with a jitter of 0.1, and can fire again after its rest:

    pacemaker   one cell fires every 400 s
    ellipses    four waves that run twice as fast to the right and left as up and down
    hole        four waves round a disc of 240 px whose cells never fire
    re-entrant  one front that turns round the middle: a spiral, each cell fires every two or three minutes
    FitzHugh    four waves of the FitzHugh-Nagumo equations on the contact graph, with diffusion over contacts

What is planted, found, near and more is that of waves.py. The speed of ellipses lies between 1.4 and 2.8 px/s, that of
FitzHugh is the slope of its true times over ways along contacts.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from waves import Row, Tally, count, line_of, share, write

from calcigraph.models.synthetic.excitable import ExcitableCulture, Fired, WaveOptions, culture_of, geometry_of
from calcigraph.models.synthetic.label_geometry import LabelGeometry
from calcigraph.models.synthetic.wave_plans import Plan
from calcigraph.models.waves.contacts import Net, net_of
from calcigraph.store.event_types import WAVE

OPTIONS = WaveOptions(cells=200, size_px=700, frames=361, own_rate=2)
SPEED, JITTER, LAST, REST = 2.0, 0.1, 3600.0, 300.0


@dataclass(frozen=True)
class Cells:
    """The culture that a medium is simulated in."""

    geometry: LabelGeometry
    net: Net
    rng: np.random.Generator


@dataclass(frozen=True)
class Began:
    """A wave: rows set off, and when."""

    rows: list[int]
    at: float


def passed_on(
    cells: Cells, began: list[Began], delay: np.ndarray, rest: float, able: np.ndarray, last: np.ndarray | None = None
) -> list[tuple[float, int, int]]:
    """Seconds, row and wave of events: each cell sets off those in contact, again and again."""
    due = [(wave.at, row, number) for number, wave in enumerate(began) for row in wave.rows]
    heapq.heapify(due)
    last, events = np.full(len(able), -np.inf) if last is None else last, []
    while due:
        at, row, wave = heapq.heappop(due)
        if at > LAST or at - last[row] < rest or not able[row]:
            continue
        last[row] = at
        events.append((at, row, wave))
        for way in range(cells.net.first[row], cells.net.first[row + 1]):
            late = delay[way] * np.exp(JITTER * cells.rng.standard_normal() - JITTER**2 / 2)
            heapq.heappush(due, (float(at + late), int(cells.net.to[way]), wave))
    return events


def some(cells: Cells, able: np.ndarray) -> list[Began]:
    """Four waves, at least ten minutes apart."""
    starts = 200 + 850 * np.arange(4) + cells.rng.uniform(0, 150, 4)
    return [Began(rows=[int(cells.rng.choice(np.flatnonzero(able)))], at=float(at)) for at in starts]


def pacemaker(cells: Cells) -> tuple[list[Began], list[tuple[float, int, int]]]:
    able = np.ones(cells.net.cells, np.bool_)
    row = int(cells.rng.integers(len(able)))
    began = [Began(rows=[row], at=float(at)) for at in np.arange(150, 3300, 400)]
    return began, passed_on(cells, began, cells.net.distance / SPEED, REST, able)


def ellipses(cells: Cells) -> tuple[list[Began], list[tuple[float, int, int]]]:
    able = np.ones(cells.net.cells, np.bool_)
    began, start, to = some(cells, able), cells.net.start, cells.net.to
    dx = cells.geometry.x_px[to] - cells.geometry.x_px[start]
    dy = cells.geometry.y_px[to] - cells.geometry.y_px[start]
    return began, passed_on(cells, began, np.hypot(dx / 2**0.5, dy * 2**0.5) / SPEED, REST, able)


def hole(cells: Cells) -> tuple[list[Began], list[tuple[float, int, int]]]:
    x, y = cells.geometry.x_px, cells.geometry.y_px
    able = np.hypot(x - x.mean(), y - y.mean()) > 120
    began = some(cells, able)
    return began, passed_on(cells, began, cells.net.distance / SPEED, REST, able)


def reentrant(cells: Cells) -> tuple[list[Began], list[tuple[float, int, int]]]:
    x, y = cells.geometry.x_px, cells.geometry.y_px
    able = np.ones(len(x), np.bool_)
    # Each cell last fired as if the front had turned round the middle once in `turn` seconds.
    angle, turn = np.arctan2(y - y.mean(), x - x.mean()) % (2 * np.pi), 150.0
    began = [Began(rows=np.flatnonzero(angle < 0.35).tolist(), at=200.0)]
    last = 200.0 - turn * angle / (2 * np.pi)
    last[began[0].rows] = -np.inf
    return began, passed_on(cells, began, cells.net.distance / SPEED, 100.0, able, last)


def fitzhugh(cells: Cells) -> tuple[list[Began], list[tuple[float, int, int]]]:
    """v' = v - v^3/3 - w + D sum (v_j - v_i), w' = 0.08 (v + 0.7 - 0.8 w); a unit of time is 3 s."""
    size, step, unit, spread = cells.net.cells, 0.1, 3.0, 0.25
    began = some(cells, np.ones(size, np.bool_))
    start, to = cells.net.start, cells.net.to
    lap = csr_matrix((np.ones(len(to)), (start, to)), shape=(size, size))
    ways = np.diff(cells.net.first)
    v, w = np.full(size, -1.2), np.full(size, -0.62)
    fired, number, high = [], -1, np.zeros(size, np.bool_)
    for tick in range(int(LAST / unit / step)):
        at = tick * step * unit
        if number + 1 < len(began) and at >= began[number + 1].at:
            number += 1
            v[cells.net.to[cells.net.first[began[number].rows[0]] : cells.net.first[began[number].rows[0] + 1]]] = 1.5
            v[began[number].rows] = 1.8
        v, w = (
            v + step * (v - v**3 / 3 - w + spread * (lap @ v - ways * v)),
            w + step * 0.08 * (v + 0.7 - 0.8 * w),
        )
        for row in np.flatnonzero((v > 0.5) & ~high).tolist():
            fired.append((at, row, number))
        high = np.where(v > 0.5, True, high & (v > -0.5))
    return began, fired


MEDIA: tuple[tuple[str, Callable[[Cells], tuple[list[Began], list[tuple[float, int, int]]]]], ...] = (
    ("one cell every 400 s", pacemaker),
    ("ellipses", ellipses),
    ("round a hole", hole),
    ("re-entrant", reentrant),
    ("FitzHugh-Nagumo", fitzhugh),
)


def culture(medium: Callable[[Cells], tuple[list[Began], list[tuple[float, int, int]]]], seed: int) -> ExcitableCulture:
    options = replace(OPTIONS, seed=seed)
    geometry, rng = geometry_of(options), np.random.default_rng([seed, 78])
    net = net_of(culture_of(replace(options, frames=2), geometry, [], Fired()).graph)
    cells = Cells(geometry=geometry, net=net, rng=rng)
    began, events = medium(cells)
    own = [(at, row, -1) for row in range(net.cells) for at in rng.uniform(0, LAST, rng.poisson(options.own_rate))]
    last, kept = np.full(net.cells, -np.inf), []
    for at, row, wave in sorted([*events, *own]):
        if at - last[row] >= options.refractory_s:
            last[row] = at
            kept.append((at, row, wave))
    plans = []
    for number, wave in enumerate(began):
        speed = SPEED
        if medium is fitzhugh:
            speed = slope_of(net, [event for event in kept if event[2] == number], wave)
        plans.append(
            Plan(
                kind=WAVE,
                starts=np.array(wave.rows),
                times=np.full(len(wave.rows), wave.at),
                speed=speed,
                start_s=wave.at,
                direction_deg=None,
                reached=np.ones(net.cells, np.int64),
            )
        )
    fired = Fired(row=[row for _, row, _ in kept], time=[at for at, _, _ in kept], wave=[wave for _, _, wave in kept])
    return culture_of(options, geometry, plans, fired)


def slope_of(net: Net, events: list[tuple[float, int, int]], wave: Began) -> float:
    """px/s, of times over ways along contacts."""
    graph = csr_matrix((net.distance, net.to, net.first), shape=(net.cells, net.cells))
    away = dijkstra(graph, indices=wave.rows[0])[[row for _, row, _ in events]]
    far = away > 60  # the cells that were set off together
    return 1 / float(np.polyfit(away[far], np.array([at for at, _, _ in events])[far], 1)[0])


def media(cultures: int, seed: int) -> list[Row]:
    rows: list[Row] = []
    for line, (name, medium) in enumerate(MEDIA):
        tally = Tally()
        for number in range(cultures):
            count(tally, culture(medium, seed + 1000 * line + number))
        rows.append(
            {
                "medium": name,
                "cultures": cultures,
                "waves": tally.planted,
                "found": share(tally.found, tally.planted),
                "origin": share(tally.near, tally.found),
                "speed error": round(float(np.median(tally.errors)), 3) if tally.errors else "",
                "interval holds": share(sum(tally.covered), len(tally.covered)),
                "more than planted": tally.more,
            }
        )
        print(line_of(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7000)
    parser.add_argument("--csv", type=Path, help="folder for waves_media.csv")
    arguments = parser.parse_args()
    write(arguments.csv, "media", media(arguments.cultures, arguments.seed))


if __name__ == "__main__":
    main()
