"""Events found in traces with planted ones, beside SciPy's find_peaks, OASIS and the binarisation of arcos4py.

    python benchmarks/events.py [--cultures 20] [--cells 20] [--csv FOLDER]

Accuracy: F1 of square, exponential and Gaussian events whose peaks are 3, 5, 10 and 20 deviations of a frame's noise
high. A found event counts if its half rise is within two frames, or the rise time, of a planted one's; every planted
event takes one found event at most. Ours runs with its defaults. The three others are tuned on the very cultures on
which they are judged: the best point of a grid, and the best constant shift of their times. Harder: the same with
bursts, bleaching and so on, peaks 10 deviations high. Noise: events found an hour in cells without any. Times: errors
of onset and half rise, and how often the 95 % interval holds the truth. Speed: processor seconds for 10,000 cells of
361 frames, over those of a Gaussian filter and find_peaks.
"""

# ruff: noqa: E402  (threads are set before NumPy loads)
from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
from event_comparators import METHODS, settings
from event_traces import EXPONENTIAL, GAUSSIAN, SHAPES, SQUARE, Plan, Planted, coloured, plant
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from calcigraph.models.events import detect_events
from calcigraph.store.event_types import Events
from calcigraph.store.types import Subgraph

SNRS = (3.0, 5.0, 10.0, 20.0)
WITHIN_FRAMES = 2.0
FIRST_SEED = 1000
COLOURS = (0.0, 0.3, 0.6, 0.8, 0.9)
OURS = "calcigraph"
Row = dict[str, object]


def harder() -> Iterator[tuple[str, Plan]]:
    """Cultures in which something is unlike what a method may take for granted."""
    for shape in SHAPES:
        plan = Plan(shape=shape)
        bursts = -20.0 if shape == SQUARE else -60.0
        yield "bursts", replace(plan, own=8, shared=0, apart_s=bursts)
        yield "active 60 % of the time", replace(plan, own=22, shared=0, apart_s=bursts / 2)
        yield "bleaching by 17 deviations", replace(plan, bleaching=20)
        yield "drift of 2 deviations", replace(plan, drift=2, drift_s=900)
        yield "durations of 2 frames", replace(plan, rise_s=3, decay_s=20)
        yield (
            "durations of 60 frames",
            replace(plan, rise_s=60, decay_s=600 if shape != GAUSSIAN else 400, own=1, shared=1),
        )
        yield "durations that differ eightfold", replace(plan, duration_spread=0.8)
        yield "heights that differ eightfold", replace(plan, amplitude_spread=0.7)
        yield "a frame every 2 s", replace(plan, interval_s=2, frames=1801)
        yield "coloured noise (0.5)", replace(plan, colour=0.5)
        yield "instant exposure", replace(plan, exposure=0.01)
        yield "60 frames", replace(plan, frames=60, own=1, shared=0)


@dataclass(frozen=True)
class Pool:
    """Several cultures side by side."""

    plan: Plan
    cultures: tuple[Planted, ...]

    @property
    def traces(self) -> np.ndarray:
        return np.concatenate([one.traces for one in self.cultures])

    @property
    def cell(self) -> np.ndarray:
        return np.concatenate([one.cell + at * self.plan.cells for at, one in enumerate(self.cultures)])

    def joined(self, name: str) -> np.ndarray:
        return np.concatenate([getattr(one, name) for one in self.cultures])

    @property
    def within(self) -> np.ndarray:
        """How far from the truth a half rise may be, frames."""
        return np.maximum(WITHIN_FRAMES, self.joined("rise_s") / self.plan.interval_s)


def planted(plan: Plan, cultures: int) -> Pool:
    return Pool(plan, tuple(plant(replace(plan, seed=FIRST_SEED + number)) for number in range(cultures)))


def subgraph(traces: np.ndarray, interval_s: float) -> Subgraph:
    """Traces as a culture without contacts."""
    zero = np.zeros(len(traces))
    return Subgraph(
        culture="planted",
        frame_interval_s=interval_s,
        labels=np.arange(len(traces)) + 1,
        x_px=zero,
        y_px=zero,
        border=zero > 0,
        intensity=traces,
        pairs=np.zeros((0, 2), dtype=np.int64),
        shared_border_px=np.zeros(0),
        centroid_distance_px=np.zeros(0),
    )


def matched(pool: Pool, cell: np.ndarray, half: np.ndarray, slack: float = 0.0) -> np.ndarray:
    """Pairs (m, 2) of planted and found events, in order of time: each takes the first that is free and near enough."""
    order = np.lexsort((half, cell))
    far = 4.0 * pool.plan.frames + 100
    keys = cell[order] * far + half[order]
    truth = pool.cell * far + pool.joined("half_s") / pool.plan.interval_s
    low = np.searchsorted(keys, truth - pool.within - slack)
    high = np.searchsorted(keys, truth + pool.within + slack, side="right")
    free = np.ones(len(keys), dtype=bool)
    pairs = []
    for event in np.argsort(truth):
        near = low[event] + np.flatnonzero(free[low[event] : high[event]])
        if len(near):
            free[near[0]] = False
            pairs.append((event, order[near[0]]))
    return np.array(pairs, dtype=int).reshape(-1, 2)


def f1(pairs: np.ndarray, truth: int, found: int) -> tuple[float, float, float]:
    """F1, precision and recall."""
    return 2 * len(pairs) / max(truth + found, 1), len(pairs) / max(found, 1), len(pairs) / max(truth, 1)


def ours(pool: Pool) -> tuple[Events, np.ndarray]:
    """Our events of every culture, each detected alone, and their cells."""
    parts = [detect_events(subgraph(one.traces, pool.plan.interval_s)).events for one in pool.cultures]
    cells = np.concatenate([part.label - 1 + at * pool.plan.cells for at, part in enumerate(parts)])
    names = list(Events.__dataclass_fields__)
    return Events(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}), cells


def tuned(pool: Pool) -> dict[str, tuple[float, str]]:
    """The best F1 of each other method on these cultures, and the setting that gives it."""
    best = dict.fromkeys(METHODS, (0.0, ""))
    for setting in settings(pool.traces):
        cell, half = setting.run()
        truth = pool.joined("half_s") / pool.plan.interval_s
        pairs = matched(pool, cell, half, slack=3)
        shift = float(np.median(half[pairs[:, 1]] - truth[pairs[:, 0]])) if len(pairs) else 0.0
        score = f1(matched(pool, cell, half - shift), len(truth), len(half))[0]
        if score > best[setting.method][0]:
            best[setting.method] = (score, setting.name)
    return best


def times(pool: Pool, events: Events, pairs: np.ndarray) -> Row:
    """Errors of times in frames, in standard errors, and coverage of 95 % intervals."""
    truth, found = pairs.T
    whole = ~(events.cut_start | events.cut_end)[found]
    truth, found = truth[whole], found[whole]
    row: Row = {"shape": pool.plan.shape, "snr": pool.plan.snr}
    for name in ("onset", "half"):
        error = getattr(events, f"{name}_s")[found] - pool.joined(f"{name}_s")[truth]
        ratio = error / getattr(events, f"{name}_se_s")[found]
        row[f"{name}_median_error_frames"] = float(np.median(np.abs(error))) / pool.plan.interval_s
        row[f"{name}_bias_frames"] = float(np.median(error)) / pool.plan.interval_s
        row[f"{name}_sd_of_z"] = float(ratio.std())
        row[f"{name}_coverage"] = float((np.abs(ratio) < 1.96).mean())
    return row


def accuracy(plan: Plan, cultures: int, name: str = "") -> tuple[Row, Row]:
    """One row of F1 values, and one of times."""
    pool = planted(plan, cultures)
    events, cell = ours(pool)
    pairs = matched(pool, cell, events.half_s / plan.interval_s)
    score, precision, recall = f1(pairs, len(pool.cell), len(events))
    others = tuned(pool)
    row: Row = {"shape": plan.shape, "snr": plan.snr} | ({"case": name} if name else {})
    row |= {"planted": len(pool.cell), OURS: score, "precision": precision, "recall": recall}
    row |= {method: others[method][0] for method in METHODS}
    row["best_setting"] = "; ".join(f"{method}: {others[method][1]}" for method in METHODS)
    return row, times(pool, events, pairs)


def false_events(cells: int) -> Iterator[Row]:
    """Events an hour in cells of noise alone, in one culture, and in cultures of a single cell."""
    for colour in COLOURS:
        noise = coloured((cells, 361 + 200), colour, np.random.default_rng([FIRST_SEED, 7]))[:, 200:]
        found = len(detect_events(subgraph(noise, 10.0)).events)
        few = min(cells, 40)
        alone = sum(len(detect_events(subgraph(noise[cell : cell + 1], 10.0)).events) for cell in range(few))
        hours = 3610 / 3600
        yield {
            "autocorrelation": colour,
            "false_per_cell_hour": found / cells / hours,
            "false_per_hour_of_single_cells": alone / few / hours,
        }


def speed(cells: int) -> Row:
    """Seconds of the clock and of the processor for many cells; the ratio is that of processor seconds."""
    pool = planted(Plan(cells=cells, own=1.0, shared=2), 1)
    culture = subgraph(pool.traces, 10.0)
    detect_events(subgraph(pool.traces[:20], 10.0))
    start, processor = time.perf_counter(), time.process_time()
    found = len(detect_events(culture).events)
    took, took_cpu = time.perf_counter() - start, time.process_time() - processor
    processor = time.process_time()
    smooth = gaussian_filter1d(culture.intensity, 1, axis=1)
    for row in smooth:
        find_peaks(row, prominence=3)
    baseline = time.process_time() - processor
    return {
        "cells": cells,
        "frames": 361,
        "events": found,
        "seconds": took,
        "processor_seconds": took_cpu,
        "find_peaks_seconds": baseline,
        "ratio": took_cpu / baseline,
    }


def shown(title: str, rows: Sequence[Row], folder: Path | None, name: str) -> None:
    """Print a table, and write it."""
    print(f"\n{title}")
    columns = [column for column in rows[0] if column != "best_setting"]
    print("  ".join(f"{column:>{max(len(column), 7)}}" for column in columns))
    for row in rows:
        texts = [f"{value:.3f}" if isinstance(value := row[column], float) else str(value) for column in columns]
        print(
            "  ".join(f"{text:>{max(len(column), 7)}}" for text, column in zip(texts, columns, strict=True)), flush=True
        )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            rounded = [{key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()} for row in rows]
            writer.writerows(rounded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=20, help="cultures of each kind")
    parser.add_argument("--cells", type=int, default=20, help="cells of a culture")
    parser.add_argument("--csv", type=Path, help="folder for the tables")
    arguments = parser.parse_args()
    rows, clocks = [], []
    for shape in (SQUARE, EXPONENTIAL, GAUSSIAN):
        for snr in SNRS:
            row, clock = accuracy(Plan(shape=shape, snr=snr, cells=arguments.cells), arguments.cultures)
            rows.append(row)
            clocks.append(clock)
    shown("F1 (ours at its defaults, the others tuned on these cultures)", rows, arguments.csv, "accuracy")
    shown("Times (frames; standard errors)", clocks, arguments.csv, "times")
    few = max(1, arguments.cultures // 4)
    hard = [accuracy(replace(plan, cells=arguments.cells), few, name)[0] for name, plan in harder()]
    shown("F1 in harder cultures", hard, arguments.csv, "harder")
    shown("False events", list(false_events(300)), arguments.csv, "noise")
    shown("Speed", [speed(10_000)], arguments.csv, "speed")


if __name__ == "__main__":
    main()
