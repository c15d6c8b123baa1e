"""Cultures in which nothing propagates, of many kinds: what is called a wave there, and whether p means what it says.

    python benchmarks/waves_unordered.py [--cultures 20] [--null 30] [--csv FOLDER] [--seed 6000]

Sources: what brings events of neighbours together without any order over contacts, from traces to waves, as in
waves.py: patches of cells that light up in random order, of several sizes, shapes and spreads; a drive that all cells
share, stronger on one side; light that drifts over the culture; patches whose cells fire more often for some minutes.
Told is in how many cultures a wave is reported.

Chance: true times with errors of 1.5 s, 108 cells in an hour. Of each culture the smallest q of all candidates, before
any is reported or kept back for another reason, and the p of links, of pairs of cells whose events follow each other.
Told are the shares of cultures and links with 0.05 or less, and by how much the distribution of cultures is above a
uniform one anywhere (0: nowhere), with the p of the Kolmogorov-Smirnov test of that.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import kstest
from waves import NONE, Row, line_of, of_times, write

from calcigraph.models.events import detect_events
from calcigraph.models.synthetic.excitable import Fired, WaveOptions, culture_of, geometry_of, make_waves
from calcigraph.models.synthetic.label_geometry import LabelGeometry
from calcigraph.models.waves import find_waves
from calcigraph.models.waves.find import candidates
from calcigraph.store.types import Subgraph

HOUR = 3600.0
RESTED = 60.0
Draw = Callable[[LabelGeometry, np.random.Generator], list[tuple[float, int]]]
"""Seconds and rows of the events of a culture."""


def patches(reach: float, spread: float) -> WaveOptions:
    return replace(NONE, flashes=6, flash_reach_px=reach, flash_spread_s=spread)


def rested(events: list[tuple[float, int]], rest: float = RESTED) -> list[tuple[float, int]]:
    """Events of cells that can fire again, within the hour."""
    last: dict[int, float] = {}
    kept = []
    for at, row in sorted(events):
        if 0 <= at <= HOUR and at - last.get(row, -np.inf) >= rest:
            last[row] = at
            kept.append((at, row))
    return kept


def own(geometry: LabelGeometry, rng: np.random.Generator, rate: float = 3.0) -> list[tuple[float, int]]:
    """Events at random times, `rate` a cell and hour."""
    counts = rng.poisson(rate, len(geometry.cells)).tolist()
    return [(at, row) for row, count in enumerate(counts) for at in rng.uniform(0, HOUR, count).tolist()]


def long_patches(geometry: LabelGeometry, rng: np.random.Generator) -> list[tuple[float, int]]:
    """Six ellipses of 480 x 120 px, of which four in five cells fire within half a minute."""
    events = own(geometry, rng)
    for _ in range(6):
        middle, angle, start = rng.integers(len(geometry.cells)), rng.uniform(0, np.pi), rng.uniform(200, 3200)
        dx, dy = geometry.x_px - geometry.x_px[middle], geometry.y_px - geometry.y_px[middle]
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        inside = np.flatnonzero(((along / 240) ** 2 + (across / 60) ** 2 <= 1) & (rng.random(len(dx)) < 0.8))
        events += [(float(start + 30 * rng.standard_normal()), row) for row in inside.tolist()]
    return rested(events)


def driven(geometry: LabelGeometry, rng: np.random.Generator, side: float = 1.0) -> list[tuple[float, int]]:
    """A drive that all cells share, of some minutes, stronger on one side by `side`."""
    from calcigraph.models.synthetic.transients import slow_noise

    drive = np.exp(1.5 * slow_noise(rng, (1, 361), 12.0)[0])
    strength = 1 + side * (geometry.x_px - geometry.x_px.min()) / np.ptp(geometry.x_px)
    rate = 3.0 * strength[:, None] * drive / drive.mean() / HOUR * 10
    row, frame = np.nonzero(rng.random(rate.shape) < rate)
    return rested([(float(at), int(cell)) for cell, at in zip(row, 10 * (frame + rng.random(len(frame))), strict=True)])


def busy_patches(geometry: LabelGeometry, rng: np.random.Generator) -> list[tuple[float, int]]:
    """Six patches of 120 px whose cells fire 40 times an hour for five minutes."""
    events = own(geometry, rng)
    for _ in range(6):
        middle, start = rng.integers(len(geometry.cells)), rng.uniform(100, 3200)
        away = np.hypot(geometry.x_px - geometry.x_px[middle], geometry.y_px - geometry.y_px[middle])
        for row in np.flatnonzero(away <= 120).tolist():
            events += [(at, row) for at in rng.uniform(start, start + 300, rng.poisson(40 / 12)).tolist()]
    return rested(events)


def rhythm(geometry: LabelGeometry, rng: np.random.Generator) -> list[tuple[float, int]]:
    """Each cell at an interval of its own, 4 to 12 minutes, that differs by a tenth each time."""
    events = []
    for row in range(len(geometry.cells)):
        every, at = rng.uniform(240, 720), rng.uniform(-600, 0)
        while at < HOUR:
            events.append((float(at), row))
            at += every * (1 + 0.1 * rng.standard_normal())
    return rested(events)


def bursts(geometry: LabelGeometry, rng: np.random.Generator) -> list[tuple[float, int]]:
    """Two groups of two to five events of each cell, some 70 s apart."""
    starts = own(geometry, rng, 2.0)
    return rested([(at + 75.0 * k, row) for at, row in starts for k in range(int(rng.integers(2, 6)))])


def unequal(geometry: LabelGeometry, rng: np.random.Generator) -> list[tuple[float, int]]:
    """Cells whose rates differ threefold up and down."""
    rate = 4 * np.exp(1.1 * rng.standard_normal(len(geometry.cells)))
    counts = rng.poisson(rate).tolist()
    return rested([(at, row) for row, count in enumerate(counts) for at in rng.uniform(0, HOUR, count).tolist()])


def tired(geometry: LabelGeometry, rng: np.random.Generator) -> list[tuple[float, int]]:
    """Cells that rest for five minutes after each event."""
    return rested(own(geometry, rng, 12.0), 300.0)


def random_patches(geometry: LabelGeometry, rng: np.random.Generator) -> list[tuple[float, int]]:
    """Six patches of 120 px, of which four in five cells fire within half a minute."""
    events = own(geometry, rng)
    for _ in range(6):
        middle, start = rng.integers(len(geometry.cells)), rng.uniform(200, 3200)
        away = np.hypot(geometry.x_px - geometry.x_px[middle], geometry.y_px - geometry.y_px[middle])
        inside = np.flatnonzero((away <= 120) & (rng.random(len(away)) < 0.8)).tolist()
        events += [(float(start + 30 * rng.standard_normal()), row) for row in inside]
    return rested(events)


SOURCES: tuple[tuple[str, WaveOptions | Draw], ...] = (
    *((f"6 patches of {reach} px, spread {spread} s", patches(reach, spread))
      for reach, spread in ((60, 30), (80, 30), (120, 10), (120, 30), (120, 60), (200, 60))),
    ("6 patches of 480 x 120 px, spread 30 s", long_patches),
    ("a shared drive, twice as strong on one side", driven),
    ("light that drifts by a fifth over the culture", NONE),
    ("6 patches of 120 px, 40 events an hour for 5 minutes", busy_patches),
)  # fmt: skip
NULLS: tuple[tuple[str, Draw], ...] = (
    ("random times, 8 an hour", lambda geometry, rng: own(geometry, rng, 8.0)),
    ("each cell at its own interval", rhythm),
    ("bursts", bursts),
    ("rates that differ tenfold", unequal),
    ("five minutes of rest after each event", tired),
    ("a drive that all cells share", lambda geometry, rng: driven(geometry, rng, 0.0)),
    ("patches in random order", random_patches),
)


def lit(graph: Subgraph, rng: np.random.Generator) -> Subgraph:
    """The culture in light whose slope over it drifts by a fifth."""
    from calcigraph.models.synthetic.transients import slow_noise

    x, y = (2 * (each - each.min()) / np.ptp(each) - 1 for each in (graph.x_px, graph.y_px))
    slope = 0.1 * slow_noise(rng, (2, graph.intensity.shape[1]), 30.0)
    return replace(graph, intensity=graph.intensity * (1 + x[:, None] * slope[0] + y[:, None] * slope[1]))


def fired_of(events: list[tuple[float, int]]) -> Fired:
    return Fired(row=[row for _, row in events], time=[at for at, _ in events], wave=[-1] * len(events))


def source(name: str, what: WaveOptions | Draw, seed: int) -> Subgraph:
    """One culture."""
    rng = np.random.default_rng([seed, 77])
    if isinstance(what, WaveOptions):
        graph = make_waves(replace(what, seed=seed)).graph
        return lit(graph, rng) if name.startswith("light") else graph
    options = replace(NONE, seed=seed)
    geometry = geometry_of(options)
    return culture_of(options, geometry, [], fired_of(what(geometry, rng))).graph


def sources(cultures: int, seed: int, only: int | None = None) -> list[Row]:
    rows: list[Row] = []
    for line, (name, what) in enumerate(SOURCES):
        if only not in (None, line):
            continue
        with_wave = 0
        for number in range(cultures):
            graph = source(name, what, seed + 1000 * line + number)
            found = find_waves(graph, detect_events(graph).events)
            with_wave += any(wave.kind == "wave" for wave in found.waves)
        rows.append({"cultures": name, "number": cultures, "with a wave": with_wave})
        print(line_of(rows[-1]), flush=True)
    return rows


def above(p: np.ndarray) -> tuple[float, float]:
    """By how much the distribution of p is above a uniform one, and p of that."""
    test = kstest(p, "uniform", alternative="greater")
    return max(float(test.statistic), 0.0), float(test.pvalue)


def chance(cultures: int, seed: int, only: int | None = None) -> list[Row]:
    rows: list[Row] = []
    for line, (name, draw) in enumerate(NULLS):
        if only not in (None, line):
            continue
        least, links, with_wave = [], [], 0
        for number in range(cultures):
            options = replace(NONE, seed=seed + 500_000 + 1000 * line + number, frames=361)
            geometry, rng = geometry_of(options), np.random.default_rng([options.seed, 77])
            drawn = draw(geometry, rng)
            graph = culture_of(options, geometry, [], Fired()).graph
            label = geometry.cells[[row for _, row in drawn]]
            half = np.clip([at for at, _ in drawn] + 1.5 * rng.standard_normal(len(drawn)), 0, HOUR)
            events = of_times(label, half, 1.5)
            found, q = candidates(graph, events)
            with_wave += any(wave.kind == "wave" for wave in found.waves)
            least.append(float(q.min(initial=1.0)))
            links.append(found.links.p[~found.links.tie])
        of_links, of_cultures = np.concatenate(links), np.array(least)
        more, p = above(of_cultures)
        rows.append(
            {
                "cultures": name,
                "number": cultures,
                "with a wave": with_wave,
                "smallest q 0.05 or less": round(float((of_cultures <= 0.05).mean()), 3),
                "above uniform": round(more, 3),
                "p of that": round(p, 3),
                "links": len(of_links),
                "links 0.05 or less": round(float((of_links <= 0.05).mean()), 4),
            }
        )
        print(line_of(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=20)
    parser.add_argument("--null", type=int, default=30)
    parser.add_argument("--seed", type=int, default=6000)
    parser.add_argument("--csv", type=Path, help="folder for waves_sources.csv and waves_chance.csv")
    parser.add_argument("--only", choices=("sources", "chance"))
    parser.add_argument("--line", type=int, help="only this line of a table")
    arguments = parser.parse_args()
    tables = {
        "sources": lambda: sources(arguments.cultures, arguments.seed, arguments.line),
        "chance": lambda: chance(arguments.null, arguments.seed, arguments.line),
    }
    for name, measure in tables.items():
        if arguments.only in (None, name):
            write(arguments.csv, name, measure())


if __name__ == "__main__":
    main()
