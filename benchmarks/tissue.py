"""What can be told of real tissue: every recording of a folder, fitted in several ways: `make tissue`.

    python benchmarks/tissue.py [FOLDER] [--processes 2] [--redraw]

FOLDER holds recordings and an index.csv with the columns recording, condition and frame_interval_s. A recording is a
CSV of traces, or a movie if the index has a further column, masks, with a label image. Without FOLDER the lymph gland
is looked for in $CALCIGRAPH_TEST_DATA/lymph_gland.

Each recording is ingested and fitted by the default model with its null, then again in the ways of WAYS: other
contacts, traces seen otherwise, another setup, other orders of drift. Two controls tell what a fit could have seen. In
one, cells have exchanged their places, so that cells in contact are not coupled. In the other, coupling of known
strength is added: each cell keeps its own changes, and moves towards its neighbours besides,

    z(t) = y(t) + k integral of (M z) dt

Results are kept in docs/tissue/, and the tables and the picture of docs/tissue.md are made anew from them; --redraw
does that alone.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph import Workspace
from calcigraph.errors import FitError
from calcigraph.ingest import IngestOptions
from calcigraph.models import FitOptions, fit, operator
from calcigraph.models.contacts import default_weights
from calcigraph.models.null import null_test
from calcigraph.store.types import Fit, FloatArray, Subgraph

DATA = "CALCIGRAPH_TEST_DATA"
AS_RECORDED = "as recorded"
FEWER, MORE = 0.8, 1.2
"""Longest contact, times that of the default."""
PLANTED = (0.003, 0.01, 0.03)
"""1/s, the coupling that is added."""
ON_LOGARITHM = 0.01
"""1/s, the coupling that is added to the logarithm of brightness."""
TIMES = 40
"""How often the null is asked of surrogates of each recording and kind."""
FINE = 20
"""Steps a frame when coupling is added."""
Record = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """A recording as ingested, with contacts of three kinds."""

    name: str
    condition: str
    graph: Subgraph
    fewer: Subgraph | None
    more: Subgraph | None
    """None for movies: their contacts are borders that cells share."""


@dataclass(frozen=True)
class Way:
    """One way to look at a recording."""

    name: str
    see: Callable[[Recording], Subgraph | None] = field(default=lambda recording: recording.graph)
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str = "robust"
    planted: float = 0.0
    """1/s, coupling that `see` has added."""


def seen(change: Callable[[FloatArray], FloatArray], step: int = 1) -> Callable[[Recording], Subgraph]:
    """The recording with its traces changed; `step`: frames of the recording for each that is left."""

    def see(recording: Recording) -> Subgraph:
        graph = recording.graph
        traces = np.ascontiguousarray(change(graph.intensity))
        return replace(graph, intensity=traces, frame_interval_s=step * graph.frame_interval_s)

    return see


def logarithm(traces: FloatArray) -> FloatArray:
    return np.asarray(np.log(traces + 1))


def exchanged(graph: Subgraph, rng: np.random.Generator) -> FloatArray:
    """Inner cells with the traces of other inner cells, and border cells with those of border cells."""
    row = np.arange(len(graph.labels))
    for chosen in (graph.border, ~graph.border):
        row[chosen] = rng.permutation(row[chosen])
    return graph.intensity[row]


def shifted(graph: Subgraph, rng: np.random.Generator) -> FloatArray:
    """Each trace begun at a frame of its own, its end put before its beginning."""
    return np.array([np.roll(trace, rng.integers(len(trace))) for trace in graph.intensity])


SURROGATES = {"cells exchanged": exchanged, "each cell shifted in time": shifted}


def coupled(k: float, change: Callable[[FloatArray], FloatArray] = np.copy) -> Callable[[Recording], Subgraph]:
    """The recording, its traces changed, with coupling k added between its cells."""

    def see(recording: Recording) -> Subgraph:
        graph = recording.graph
        graph = replace(graph, intensity=change(graph.intensity))
        op = operator(graph, default_weights(graph))
        result, dt = graph.intensity.copy(), graph.frame_interval_s / FINE
        shift = np.zeros(len(op.inner))
        for frame in range(1, result.shape[1]):
            now, after = result[:, frame - 1].copy(), graph.intensity[:, frame]
            step = (after - graph.intensity[:, frame - 1]) / FINE
            for _ in range(FINE):
                pull = k * dt * op.apply(now[:, None])[:, 0]
                now += step
                now[op.inner] += pull
                shift += pull
            result[:, frame] = after
            result[op.inner, frame] += shift
        return replace(graph, intensity=result)

    return see


HALF: Callable[[FloatArray], int] = lambda traces: traces.shape[1] // 2  # noqa: E731
LOGARITHM, RELATIVE = "logarithm of brightness", "brightness over the cell's median"
EXCHANGED = "cells have exchanged their places"
WAYS = (
    Way(AS_RECORDED),
    Way(LOGARITHM, seen(logarithm)),
    Way(RELATIVE, seen(lambda y: y / np.maximum(np.median(y, axis=1, keepdims=True), 1.0))),
    Way("fewer contacts (0.8 of the distance)", lambda recording: recording.fewer),
    Way("more contacts (1.2 of the distance)", lambda recording: recording.more),
    Way("setup 2", options={"setup": 2}),
    Way("model decorrelation", model="decorrelation"),
    Way("decorrelation, drift order 2", model="decorrelation", options={"drift_order": 2}),
    Way("decorrelation, drift order 12", model="decorrelation", options={"drift_order": 12}),
    Way("every second frame", seen(lambda y: y[:, ::2], 2)),
    Way("first half", seen(lambda y: y[:, : HALF(y)])),
    Way("second half", seen(lambda y: y[:, HALF(y) :])),
    Way(EXCHANGED, lambda seen: replace(seen.graph, intensity=exchanged(seen.graph, np.random.default_rng(0)))),
    *(Way(f"coupling of {k:g} per second added", coupled(k), planted=k) for k in PLANTED),
    Way(f"coupling of {ON_LOGARITHM:g} per second added to the logarithm", coupled(ON_LOGARITHM, logarithm),
        planted=ON_LOGARITHM),
)  # fmt: skip


def recordings(folder: Path) -> Iterator[Recording]:
    """Ingest every recording of the index."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        index = list(csv.DictReader(file))
    with tempfile.TemporaryDirectory() as place, Workspace(Path(place) / "workspace") as workspace:
        for entry in index:
            name, path = Path(entry["recording"]).stem, str(folder / entry["recording"])
            interval, condition = float(entry["frame_interval_s"]), entry["condition"]
            fewer = more = None
            if masks := entry.get("masks"):
                options = IngestOptions(frame_interval_s=interval, masks=str(folder / masks), condition=condition)
                workspace.ingest(path, name, options)
            else:
                known = {"frame_interval_s": interval, "condition": condition}
                usual, _ = workspace.ingest_traces(path, name, **known)
                longest = float(usual.options["max_distance"])
                fewer, more = (
                    of_distance(workspace, path, f"{name}-{share}", share * longest, known) for share in (FEWER, MORE)
                )
            yield Recording(name, condition, workspace.subgraph(name), fewer, more)


def of_distance(workspace: Workspace, path: str, name: str, longest: float, known: Mapping[str, Any]) -> Subgraph:
    workspace.ingest_traces(path, name, max_distance_px=longest, **known)
    return workspace.subgraph(name)


def told(recording: Recording, way: Way) -> Record:
    """One fit of one recording."""
    graph = way.see(recording)
    about = {"recording": recording.name, "condition": recording.condition, "way": way.name, "planted": way.planted}
    if graph is None:
        return about
    about |= {"cells": len(graph.labels), "contacts": len(graph.pairs), "frames": graph.intensity.shape[1]}
    about |= {"frame_interval_s": graph.frame_interval_s}
    try:
        found = fit(graph, way.model, FitOptions(**way.options))
    except FitError as error:
        return about | {"word": "no fit", "why": str(error)}
    return about | values(found)


def values(found: Fit) -> Record:
    """What a table needs of a fit."""
    leak = found.cells.get("leak")
    synchrony = None if found.null_sync is None else found.null_sync - (found.null_sync_mean or 0.0)
    return {
        "inner_cells": len(found.labels),
        "k": found.k,
        "k_low": found.k_low,
        "k_high": found.k_high,
        "word": found.identified,
        "estimator": found.facts.get("estimator", found.model),
        "leak": 0.0 if leak is None else float(leak[0]),
        "k_p": found.null_k_p,
        "synchrony": synchrony,
        "sync_p": found.null_sync_p,
        "why": "; ".join(found.why),
    }


def nulls(recording: Recording) -> list[Record]:
    """p of the null where there is no coupling, from surrogates of the recording."""
    rows, rng = [], np.random.default_rng(0)
    for scale, change in ((AS_RECORDED, np.copy), (LOGARITHM, logarithm)):
        graph = replace(recording.graph, intensity=change(recording.graph.intensity))
        op, places = operator(graph, default_weights(graph)), np.stack([graph.x_px, graph.y_px], axis=1)
        for kind, made in SURROGATES.items():
            for seed in range(TIMES):
                found = null_test(made(graph, rng), op, graph.pairs, places, graph.frame_interval_s, seed=seed)
                row = {"surrogate": kind, "scale": scale, "k_p": found.k_p, "sync_p": found.sync_p}
                rows.append({"recording": recording.name, **row})
    return rows


def all_ways(recording: Recording) -> tuple[list[Record], list[Record]]:
    return [told(recording, way) for way in WAYS], nulls(recording)


def measured(folder: Path, processes: int) -> dict[str, list[Record]]:
    """Every recording in every way, and the null of its surrogates."""
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[threads] = "1"
    found: dict[str, list[Record]] = {"fits.csv": [], "nulls.csv": []}
    # Ingested first: a way is a function that no process can be sent, but its place in WAYS is known to all.
    ready = list(recordings(folder))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for recording, parts in zip(ready, pool.map(all_ways, ready), strict=True):
            for name, rows in zip(found, parts, strict=True):
                found[name] += rows
            print(f"{recording.name:34}{len(parts[0])} fits", flush=True)
    return found


def main() -> None:
    from tissue_page import FOLDER, write

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help=f"of recordings; default: ${DATA}/lymph_gland")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--redraw", action="store_true", help="make the page from the results that are there")
    asked = parser.parse_args()
    if not asked.redraw:
        folder = asked.folder or (Path(os.environ[DATA]) / "lymph_gland" if DATA in os.environ else None)
        if folder is None or not (folder / "index.csv").is_file():
            sys.exit(f"no recordings: give a folder with an index.csv, or set {DATA}")
        began = time.perf_counter()
        keep(measured(folder, asked.processes), FOLDER)
        print(f"{(time.perf_counter() - began) / 60:.1f} minutes")
    write()


def keep(tables: Mapping[str, list[Record]], folder: Path) -> None:
    import pandas

    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        pandas.DataFrame(rows).to_csv(folder / name, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()
