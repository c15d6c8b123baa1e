"""Events and waves of real tissue, every recording of a folder, beside arcos4py: part of `make events`.

    python benchmarks/events_tissue.py [FOLDER]

FOLDER is one of those of benchmarks/tissue.py; by default the lymph gland in $CALCIGRAPH_TEST_DATA/lymph_gland.

Each recording is searched with the default options: as it is, with cells that have exchanged their places (their trains
stay whole, their neighbours are others), and with trains shifted in time each by itself. What is found in those two is
chance. arcos4py (Gagliardi et al. 2023) gets the same traces, the contacts' longest distance as `eps`, our lag as
`n_prev` and our fewest cells of a wave. Its own binarisation (running median, threshold) is one way, the frames from
onset to end of our events another: so differences of detection and of linking can be told apart.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tissue import DATA, Recording, keep, recordings

from calcigraph.models.event_options import EventOptions
from calcigraph.models.events import detect_events
from calcigraph.models.waves import find_waves
from calcigraph.store.event_types import FLASH, WAVE, Events, Wave
from calcigraph.store.types import BoolArray, IntArray, Subgraph

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "events"
TIMES = 20
"""Surrogates of each kind a recording."""
Record = dict[str, Any]


def exchanged(graph: Subgraph, events: Events, rng: np.random.Generator) -> Events:
    """Inner cells with the trains of other inner cells, and border cells with those of border cells."""
    row = np.arange(len(graph.labels))
    for chosen in (graph.border, ~graph.border):
        row[chosen] = rng.permutation(row[chosen])
    label = graph.labels[row][np.searchsorted(graph.labels, events.label)]
    return sorted_events(replace(events, label=label))


def shifted(graph: Subgraph, events: Events, rng: np.random.Generator) -> Events:
    """Each train begun at a time of its own, its end put before its beginning."""
    length = float(graph.frame_times[-1]) + graph.frame_interval_s
    by = rng.uniform(0, length, len(graph.labels))[np.searchsorted(graph.labels, events.label)]
    onset, half = (events.onset_s + by) % length, (events.half_s + by) % length
    return sorted_events(replace(events, onset_s=onset, half_s=half))


def sorted_events(events: Events) -> Events:
    return events.chosen(np.lexsort((events.onset_s, events.label)))


SURROGATES = {"cells exchanged": exchanged, "trains shifted": shifted}


@dataclass(frozen=True)
class Search:
    """What was found in a recording, with the default options."""

    events: Events
    waves: tuple[Wave, ...]
    lag_s: float


def searched(graph: Subgraph) -> Search:
    events = detect_events(graph).events
    found = find_waves(graph, events)
    return Search(events=events, waves=found.waves, lag_s=float(found.facts["max_lag_s"]))


def told(graph: Subgraph, found: Search) -> Record:
    """The columns that tell of a search."""
    events, hours = found.events, float(graph.frame_times[-1]) / 3600
    waves = [wave for wave in found.waves if wave.kind == WAVE]
    rates = np.bincount(np.searchsorted(graph.labels, events.label), minlength=len(graph.labels)) / hours
    return {
        "cells": len(graph.labels),
        "frames": graph.intensity.shape[1],
        "frame_interval_s": graph.frame_interval_s,
        "hours": hours,
        "events": len(events),
        "silent": int((rates == 0).sum()),
        "rate_per_h": float(np.median(rates)),
        "snr": middle(events.snr),
        "dff": middle(events.dff),
        "decay_s": middle(events.decay_s),
        "waves": len(waves),
        "waves_per_h": len(waves) / hours,
        "wave_cells": middle([len(wave.events) for wave in waves]),
        "flashes": len(found.waves) - len(waves),
        "in_waves": sum(len(wave.events) for wave in waves) / max(1, len(events)),
        "speed_px_s": middle([wave.speed_px_s for wave in waves]),
        "lag_s": found.lag_s,
    }


def middle(values: Any) -> float:
    known = np.array([value for value in values if value is not None and np.isfinite(value)], dtype=np.float64)
    return float(np.median(known)) if len(known) else np.nan


def chance(graph: Subgraph, found: Search) -> Iterator[Record]:
    """What is found where neighbours have nothing to do with each other."""
    rng = np.random.default_rng(0)
    for kind, change in SURROGATES.items():
        for number in range(TIMES):
            waves = find_waves(graph, change(graph, found.events, rng)).waves
            flashes = sum(wave.kind == FLASH for wave in waves)
            yield {"surrogate": kind, "number": number, "waves": len(waves) - flashes, "flashes": flashes}


def active(graph: Subgraph, events: Events) -> BoolArray:
    """(n, T), the frames from onset to end of each event."""
    time, result = graph.frame_times, np.zeros(graph.intensity.shape, dtype=np.bool_)
    row = np.searchsorted(graph.labels, events.label)
    first, last = np.searchsorted(time, events.onset_s), np.searchsorted(time, events.end_s, side="right")
    for cell, start, stop in zip(row, first, last, strict=True):
        result[cell, start:stop] = True
    return result


def collective(graph: Subgraph, lag_s: float, own: BoolArray | None) -> Any:
    """arcos4py's collective events: a table with frame, cell and event; `own` frames in place of its binarisation."""
    import pandas
    from arcos4py import ARCOS
    from arcos4py.tools import filterCollev

    cells, frames = graph.intensity.shape
    table = pandas.DataFrame(
        {
            "frame": np.tile(np.arange(frames), cells),
            "cell": np.repeat(np.arange(cells), frames),
            "x": np.repeat(graph.x_px, frames),
            "y": np.repeat(graph.y_px, frames),
            "light": graph.intensity.ravel(),
        }
    )
    search = ARCOS(table, ["x", "y"], "frame", "cell", "light", "event")
    search.bin_measurements(smooth_k=3, bias_k=51, peak_threshold=0.2, binarization_threshold=0.4)
    if own is not None:
        data = search.data
        data[search.binarized_measurement_column] = own[data["cell"].to_numpy(), data["frame"].to_numpy()].astype(int)
    found = search.track_collective_events(
        eps=float(graph.centroid_distance_px.max()),
        min_clustersize=2,
        n_prev=max(1, round(lag_s / graph.frame_interval_s)),
    )
    if len(found) == 0:
        return found
    least = EventOptions().min_cells
    return filterCollev(found, "frame", "event", "cell").filter(min_duration=1, min_total_size=least)


def compared(recording: Recording, search: Search) -> Iterator[Record]:
    """How our waves and the collective events of arcos4py share the same cells and frames."""
    graph, events, waves = recording.graph, search.events, search.waves
    members = np.unique(np.concatenate([wave.events for wave in waves])) if waves else np.zeros(0, dtype=np.int64)
    frame = np.searchsorted(graph.frame_times, events.half_s)
    row = np.searchsorted(graph.labels, events.label)
    rng = np.random.default_rng(1)
    order = rng.permutation(len(graph.labels))
    moved = replace(graph, intensity=graph.intensity[order])
    for name, own in (("its own", None), ("our events", active(graph, events))):
        found = collective(graph, search.lag_s, own)
        by_chance = collective(moved, search.lag_s, None if own is None else own[order])
        within = inside(found, row, frame, graph.intensity.shape)
        yield {
            "recording": recording.name,
            "condition": recording.condition,
            "binarisation": name,
            "collective": count(found),
            "collective_exchanged": count(by_chance),
            "waves": len(waves),
            "events_in_waves": len(members),
            "of_these_in_collective": int(within[members].sum()),
            "events": len(events),
            "events_in_collective": int(within.sum()),
        }


def count(found: Any) -> int:
    return int(found["event"].nunique()) if len(found) else 0


def inside(found: Any, row: IntArray, frame: IntArray, shape: tuple[int, int]) -> BoolArray:
    """Which of our events lie in a collective one: their cell belongs to it within a frame of the half rise."""
    taken = np.zeros(shape, dtype=np.bool_)
    if len(found):
        taken[found["cell"].to_numpy(), found["frame"].to_numpy()] = True
    near = np.clip(frame[:, None] + np.arange(-1, 2), 0, shape[1] - 1)
    return np.asarray(taken[row[:, None], near].any(axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help=f"of recordings; default: ${DATA}/lymph_gland")
    asked = parser.parse_args()
    folder = asked.folder or (Path(os.environ[DATA]) / "lymph_gland" if DATA in os.environ else None)
    if folder is None or not (folder / "index.csv").is_file():
        sys.exit(f"no recordings: give a folder with an index.csv, or set {DATA}")
    tables: dict[str, list[Record]] = {"tissue.csv": [], "tissue_chance.csv": [], "tissue_arcos.csv": []}
    for recording in recordings(folder):
        about = {"recording": recording.name, "condition": recording.condition}
        found = searched(recording.graph)
        tables["tissue.csv"].append(about | told(recording.graph, found))
        tables["tissue_chance.csv"] += [about | row for row in chance(recording.graph, found)]
        tables["tissue_arcos.csv"] += compared(recording, found)
        print(f"{recording.name:34}{tables['tissue.csv'][-1]['events']} events", flush=True)
    keep(tables, FOLDER)


if __name__ == "__main__":
    main()
