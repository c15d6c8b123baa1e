"""Waves found in cultures with planted ones, from traces to waves, and what is called a wave where there is none.

    python benchmarks/waves.py [--cultures 20] [--csv FOLDER] [--seed 5000]

Cultures of 108 cells in 361 frames of 10 s (models/synthetic/excitable.py), where a line does not say otherwise. Events
are found by the default method, defaults everywhere. A planted wave of 6 cells or more is found if one wave of the same
kind shares half of the events with it (events of both over events of either, planted events that were not detected
counted; each wave is taken once). Of found waves: origin, every start being a planted one or in contact with one; the
speed's relative error; how often its 95 % interval holds the planted speed; for plane fronts the error of a direction.
More than planted: waves that match none. A flash counts where a fifth of the cells took part: others were still
refractory. Without waves: the cultures in which any is reported. Speed: seconds of one core for 1,000 and 10,000 cells.
"""

# ruff: noqa: E402  (threads are set before NumPy loads)
from __future__ import annotations

import argparse
import csv
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

from calcigraph.models.event_options import EventOptions
from calcigraph.models.events import detect_events
from calcigraph.models.synthetic.excitable import ExcitableCulture, PlantedWave, WaveOptions, make_waves
from calcigraph.models.waves import find_waves
from calcigraph.store.event_types import Events, Wave, no_events
from calcigraph.store.types import Subgraph

LEAST_CELLS = 6
LEAST_FLASH = 0.2
SHARED = 0.5
NEAR_FRAMES = 3.0
Row = dict[str, object]

STANDARD = WaveOptions()
BRISK = WaveOptions(
    frame_interval_s=1,
    frames=900,
    rise_s=1,
    decay_s=8,
    refractory_s=12,
    recovery_s=100,
    own_rate=12,
    drift_s=60,
)
LAZY = WaveOptions(
    frame_interval_s=20,
    speed_low_px_s=0.5,
    speed_high_px_s=2,
    rise_s=20,
    decay_s=120,
    refractory_s=120,
    recovery_s=1200,
    own_rate=1.5,
    drift_s=800,
)
PLANTED: tuple[tuple[str, WaveOptions], ...] = (
    ("4 waves", STANDARD),
    ("2 collisions", replace(STANDARD, waves=0, collisions=2)),
    ("2 planes, 2 flashes", replace(STANDARD, waves=0, planes=2, flashes=2)),
    ("4 waves, SNR 5", replace(STANDARD, snr=5)),
    ("2 collisions, SNR 5", replace(STANDARD, waves=0, collisions=2, snr=5)),
    ("2 planes, 2 flashes, SNR 5", replace(STANDARD, waves=0, planes=2, flashes=2, snr=5)),
    ("slow: 0.5 to 1 px/s", replace(STANDARD, speed_low_px_s=0.5, speed_high_px_s=1)),
    ("fast: 4 to 10 px/s", replace(STANDARD, speed_low_px_s=4, speed_high_px_s=10)),
    ("8 waves", replace(STANDARD, waves=8)),
    ("8 own events a cell an hour", replace(STANDARD, own_rate=8)),
    ("jitter 0.2, failure 0.2", replace(STANDARD, jitter=0.2, failure=0.2)),
    ("a frame every second, 8 to 30 px/s", replace(BRISK, speed_low_px_s=8, speed_high_px_s=30)),
    ("a frame every 20 s, 0.5 to 2 px/s", LAZY),
    ("40 cells", replace(STANDARD, cells=40, size_px=312, waves=3)),
    ("400 cells, 10 waves", replace(STANDARD, cells=400, size_px=985, waves=10)),
    ("1,500 frames, 12 waves", replace(STANDARD, frames=1500, waves=12)),
    ("waves of 6 to 10 cells", replace(STANDARD, reach_low_px=65, reach_high_px=90, waves=6)),
    ("waves that turn back: failure 0.3", replace(STANDARD, recovery_s=60, failure=0.3, waves=3)),
)
NONE = replace(STANDARD, waves=0)
WITHOUT: tuple[tuple[str, WaveOptions], ...] = (
    ("own events, 3 a cell an hour", NONE),
    ("own events, 10 a cell an hour", replace(NONE, own_rate=10)),
    ("3 flashes of all cells, spread 2.5 s", replace(NONE, flashes=3)),
    ("3 flashes of all cells, spread 30 s", replace(NONE, flashes=3, flash_spread_s=30)),
    ("6 flashes of 120 px, spread 30 s", replace(NONE, flashes=6, flash_spread_s=30, flash_reach_px=120)),
    ("a frame every second, 30 own events a cell an hour", replace(BRISK, waves=0, own_rate=30)),
    ("1,500 frames, 5 own events a cell an hour", replace(NONE, frames=1500, own_rate=5)),
)


@dataclass
class Tally:
    """What was found in the cultures of one line."""

    planted: int = 0
    found: int = 0
    near: int = 0
    errors: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    turned: list[float] = field(default_factory=list)
    flashes: int = 0
    called_flashes: int = 0
    more: int = 0
    lags: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def planted_of(culture: ExcitableCulture, events: Events) -> np.ndarray:
    """The planted event that each found one is, -1 for none: in each cell the closest pair first."""
    result = np.full(len(events), -1)
    truth, far = culture.events, NEAR_FRAMES * culture.options.frame_interval_s
    for label in np.unique(events.label).tolist():
        mine, theirs = np.flatnonzero(events.label == label), np.flatnonzero(truth.label == label)
        apart = np.abs(events.half_s[mine][:, None] - truth.half_s[theirs])
        while apart.size and apart.min() <= far:
            a, b = np.unravel_index(int(apart.argmin()), apart.shape)
            result[mine[a]] = theirs[b]
            apart[a, :], apart[:, b] = np.inf, np.inf
    return result


def matched(culture: ExcitableCulture, of: np.ndarray, waves: tuple[Wave, ...]) -> dict[int, int]:
    """The found wave of each planted one: those that share most first, each once."""
    wave_of = np.where(of >= 0, culture.events.wave[of], -1)
    shares = []
    for number in range(len(culture.waves)):
        size = int((culture.events.wave == number).sum())
        for place, wave in enumerate(waves):
            both = int((wave_of[wave.events] == number).sum())
            shares.append((both / (size + len(wave.events) - both), number, place))
    result: dict[int, int] = {}
    for share, number, place in sorted(shares, reverse=True):
        if share >= SHARED and number not in result and place not in result.values():
            result[number] = place
    return result


def near_origin(graph: Subgraph, planted: PlantedWave, wave: Wave) -> bool:
    """Whether every start is a planted one or in contact with one."""
    a, b = graph.labels[graph.pairs[:, 0]], graph.labels[graph.pairs[:, 1]]
    near = set(planted.starts.tolist())
    near |= set(b[np.isin(a, planted.starts)].tolist()) | set(a[np.isin(b, planted.starts)].tolist())
    return set(wave.starts.tolist()) <= near


def count(tally: Tally, culture: ExcitableCulture) -> None:
    """Find the waves of one culture and count."""
    options = culture.options
    events = detect_events(culture.graph).events
    start = time.process_time()
    found = find_waves(culture.graph, events)
    tally.seconds.append(time.process_time() - start)
    tally.lags.append(float(found.facts["max_lag_s"]))
    match = matched(culture, planted_of(culture, events), found.waves)
    taken = set(match.values())
    tally.more += sum(wave.kind == "wave" and place not in taken for place, wave in enumerate(found.waves))
    for number, planted in enumerate(culture.waves):
        if len(planted.labels) < LEAST_CELLS:
            continue
        wave = found.waves[match[number]] if number in match else None
        if planted.kind == "flash":
            if len(planted.labels) < LEAST_FLASH * options.cells:
                continue
            tally.flashes += 1
            tally.called_flashes += wave is not None and wave.kind == "flash"
            continue
        tally.planted += 1
        if wave is None or wave.kind != "wave":
            continue
        tally.found += 1
        tally.near += near_origin(culture.graph, planted, wave)
        if wave.speed_px_s is not None:
            tally.errors.append(abs(wave.speed_px_s / planted.speed_px_s - 1))
            low, high = wave.speed_low_px_s or 0.0, wave.speed_high_px_s or np.inf
            tally.covered.append(low <= planted.speed_px_s <= high)
        if planted.direction_deg is not None and wave.direction_deg is not None:
            tally.turned.append(abs((wave.direction_deg - planted.direction_deg + 180) % 360 - 180))


def share(part: float, whole: float) -> float | str:
    return round(part / whole, 3) if whole else ""


def accuracy(cultures: int, seed: int) -> list[Row]:
    rows: list[Row] = []
    for line, (name, options) in enumerate(PLANTED):
        tally = Tally()
        for number in range(cultures):
            count(tally, make_waves(replace(options, seed=seed + 1000 * line + number)))
        rows.append(
            {
                "cultures": name,
                "number": cultures,
                "waves": tally.planted,
                "found": share(tally.found, tally.planted),
                "origin": share(tally.near, tally.found),
                "speed error": round(float(np.median(tally.errors)), 3) if tally.errors else "",
                "interval holds": share(sum(tally.covered), len(tally.covered)),
                "direction error": round(float(np.median(tally.turned)), 1) if tally.turned else "",
                "flashes": tally.flashes,
                "called flash": share(tally.called_flashes, tally.flashes),
                "more than planted": tally.more,
                "lag s": round(float(np.median(tally.lags))),
                "seconds": round(float(np.mean(tally.seconds)), 2),
            }
        )
        print(line_of(rows[-1]), flush=True)
    return rows


def without(cultures: int, seed: int) -> list[Row]:
    rows: list[Row] = []
    for line, (name, options) in enumerate(WITHOUT):
        any_wave = flashes = 0
        for number in range(cultures):
            culture = make_waves(replace(options, seed=seed + 100_000 + 1000 * line + number))
            found = find_waves(culture.graph, detect_events(culture.graph).events)
            any_wave += any(wave.kind == "wave" for wave in found.waves)
            flashes += sum(wave.kind == "flash" for wave in found.waves)
        rows.append(
            {"cultures": name, "number": cultures, "with a wave": any_wave, "flashes a culture": flashes / cultures}
        )
        print(line_of(rows[-1]), flush=True)
    return rows


def of_times(label: np.ndarray, half: np.ndarray, se: float) -> Events:
    """Events of which nothing but the half rise is known."""
    order = np.lexsort((half, label))
    zero = np.zeros(len(label))
    empty = dict.fromkeys(vars(no_events()), zero)
    flags = {"cut_start": zero > 0, "cut_end": zero > 0}
    known = {"label": label[order], "onset_s": half[order], "half_s": half[order], "half_se_s": zero + se}
    return Events(**(empty | flags | known))


def lattice(cells: int) -> Subgraph:
    """Cells in rows, each in contact with the six around it."""
    side = int(np.sqrt(cells))
    x, y = (50.0 * each.ravel() for each in np.meshgrid(np.arange(side), np.arange(side)))
    x = x + 25 * (y // 50 % 2)
    number = np.arange(side * side).reshape(side, side)
    steps = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    steps += [(number[:-1:2, 1:], number[1::2, :-1]), (number[1:-1:2, :-1], number[2::2, 1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in steps])
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    apart = np.hypot(*(each[pairs[:, 0]] - each[pairs[:, 1]] for each in (x, y)))
    return Subgraph(
        culture="lattice",
        frame_interval_s=10.0,
        labels=np.arange(1, len(x) + 1),
        x_px=x,
        y_px=y,
        border=x < 0,
        intensity=np.zeros((len(x), 361)),
        pairs=pairs,
        shared_border_px=apart,
        centroid_distance_px=apart,
    )


def own(cells: int, each: int, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Labels and times of events at random times."""
    return [rng.integers(1, cells + 1, each * cells)], [rng.uniform(0, 3600, each * cells)]


def with_waves(graph: Subgraph, rng: np.random.Generator) -> Events:
    """7 own events of a cell and a wave of some 30 cells for every 10."""
    cells, (x, y) = len(graph.labels), (graph.x_px, graph.y_px)
    label, half = own(cells, 7, rng)
    for _ in range(cells // 10):
        middle, start, pace = rng.integers(cells), rng.uniform(0, 3300), rng.uniform(1, 4)
        away = np.hypot(x - x[middle], y - y[middle])
        inside = np.flatnonzero(away < 160)
        label.append(inside + 1)
        half.append(start + away[inside] / pace + 2 * rng.standard_normal(len(inside)))
    return of_times(np.concatenate(label), np.clip(np.concatenate(half), 0, 3600), 2.0)


def together(graph: Subgraph, rng: np.random.Generator) -> Events:
    """5 own events of a cell, and three of five cells twice within two minutes, in no order."""
    cells = len(graph.labels)
    label, half = own(cells, 5, rng)
    for start in (1200, 2400):
        label.append(np.flatnonzero(rng.random(cells) < 0.6) + 1)
        half.append(start + rng.uniform(0, 120, len(label[-1])))
    return of_times(np.concatenate(label), np.concatenate(half), 2.0)


SPEEDS = ((1_000, "", with_waves), (10_000, "", with_waves), (10_000, ", 60 % together twice", together))


def speed(seed: int) -> list[Row]:
    """Processor seconds for links and waves."""
    rows: list[Row] = []
    for cells, name, events_of in SPEEDS:
        graph = lattice(cells)
        events = events_of(graph, np.random.default_rng(seed))
        start_s = time.process_time()
        found = find_waves(graph, events, EventOptions())
        seconds = round(time.process_time() - start_s, 1)
        row: Row = {"culture": f"{len(graph.labels)} cells{name}", "events": len(events), "waves": len(found.waves)}
        rows.append(row | {"seconds": seconds})
        print(line_of(rows[-1]), flush=True)
    return rows


def line_of(row: Row) -> str:
    return "  ".join(f"{name} {value}" for name, value in row.items())


def write(folder: Path | None, name: str, rows: list[Row]) -> None:
    """A table into a folder, if one was asked for."""
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"waves_{name}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--csv", type=Path, help="folder for waves_accuracy.csv, waves_without.csv and waves_speed.csv")
    parser.add_argument("--only", choices=("accuracy", "without", "speed"))
    arguments = parser.parse_args()
    tables = {
        "accuracy": lambda: accuracy(arguments.cultures, arguments.seed),
        "without": lambda: without(arguments.cultures, arguments.seed),
        "speed": lambda: speed(arguments.seed),
    }
    for name, measure in tables.items():
        if arguments.only in (None, name):
            write(arguments.csv, name, measure())


if __name__ == "__main__":
    main()
