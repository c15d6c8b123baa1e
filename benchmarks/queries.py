"""Named queries on a large culture with its fit, events and waves, and how much slower the naive ways are.

    python benchmarks/queries.py [--cells 10000] [--frames 361]

Runs on the embedded engine in a temporary workspace, and on the Neo4j of CALCIGRAPH_TEST_NEO4J_URI if that is set (the
benchmark's culture is added there and deleted again). Seconds are the best of two. The naive ways are asked of a part
of the cells where the whole would take minutes, and their time scaled in proportion; the table says so.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cultures import CREATED, NAME, grid
from planted_run import planted_run

from calcigraph import queries
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

PART = 200
"""Cells that the naive ways are timed on."""

ROW_PER_FRAME = """
MATCH (:Culture {uid: $culture})-[:HAS_CELL]->(k:Cell) WHERE k.label <= $part
UNWIND range(0, size(k.intensity) - 1) AS frame
RETURN k.label AS label, frame, k.intensity[frame] AS intensity
"""
ROW_PER_CONTACT = """
MATCH (c:Culture {uid: $culture})-[:HAS_CELL]->(k:Cell)-[x:ADJACENT]-(n:Cell) WHERE k.label <= $part
RETURN k.label AS a, n.label AS b, k.intensity AS intensity, n.intensity AS other, x.centroid_distance_px AS distance
"""
COLLECT_THEN_UNWIND = """
MATCH (:Culture {uid: $culture})-[:HAS_CELL]->(k:Cell) WHERE k.crlsm_k_cell IS NOT NULL AND k.label <= $part
WITH collect(k) AS cells, percentileCont(k.crlsm_k_cell, 0.5) AS middle
UNWIND cells AS k
WITH cells, middle, percentileCont(abs(k.crlsm_k_cell - middle), 0.5) AS mad
UNWIND cells AS k
MATCH (k)-[:ADJACENT]-(n:Cell) WHERE n.crlsm_k_cell IS NOT NULL
WITH k, middle, mad, percentileCont(n.crlsm_k_cell, 0.5) AS around
WITH k.label AS label, (k.crlsm_k_cell - middle) / (1.4826 * mad) AS z,
     (k.crlsm_k_cell - around) / (1.4826 * mad) AS z_near
WHERE abs(z) > 3.5 OR abs(z_near) > 3.5
RETURN label, z, z_near
"""
NAIVE = (
    ("one row per frame", "query traces", ROW_PER_FRAME),
    ("one row per contact", "subgraph to arrays", ROW_PER_CONTACT),
    ("collect, then UNWIND", "query anomalies", COLLECT_THEN_UNWIND),
)


def fitted(data: CultureData) -> Fit:
    rng = np.random.default_rng(1)
    labels = data.cells.labels[~data.cells.border]
    size = len(labels)
    cells = {
        "k": np.full(size, 0.01),
        "k_cell": 0.01 * np.exp(0.1 * rng.standard_normal(size)),
        "feed": 1e-4 * rng.standard_normal(size),
        "mse_train": 0.01 + 1e-3 * rng.random(size),
    }
    return Fit(NAME, "crlsm", "per-cell", {"weight_scale": 1.0}, labels, 0.01, 0.0, cells)


def best(work: Callable[[], Any], times: int = 2) -> float:
    """Seconds of the fastest of a few runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def timed(graph: Graph, text: str) -> float:
    return best(lambda: graph.read(text, culture=NAME, part=PART), 1)


def named(graph: Graph, name: str) -> float:
    given: dict[str, Any] = {} if name == "cultures" else {"culture": NAME}
    given |= {"wave": 1} if name == "wave" else {"model": "crlsm"} if name == "anomalies" else {}
    return best(lambda: queries.run(graph, name, **given))


def report(graph: Graph, data: CultureData) -> None:
    total = len(data.cells)
    print(f"\n{graph.engine} {graph.version}: {total} cells x {data.culture.frames} frames")
    start = time.perf_counter()
    graph.write_culture(data)
    print(f"  {'write the culture':28} {time.perf_counter() - start:7.2f} s")
    fit = fitted(data)
    print(f"  {'write a fit':28} {best(lambda: graph.write_fit(fit, CREATED, '0'), 1):7.2f} s")
    run = planted_run(data)
    dff = np.random.default_rng(2).random((total, data.culture.frames))
    took = best(lambda: graph.write_events(run, dff, CREATED, "0"), 1)
    print(f"  {'write events and waves':28} {took:7.2f} s   ({len(run.events)} events, {len(run.links)} links)")
    seconds: dict[str, float] = {"subgraph to arrays": best(lambda: queries.subgraph(graph, NAME))}
    for name in queries.names():
        seconds[f"query {name}"] = named(graph, name)
    for name, value in seconds.items():
        print(f"  {name:28} {value:7.2f} s")
    for name, against, text in NAIVE:
        took = timed(graph, text) * total / PART
        ratio = took / seconds[against]
        print(f"  naive: {name:21} {took:7.2f} s   {ratio:6.1f} x {against} (timed on {PART} of {total} cells)")
    graph.delete_culture(NAME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=361)
    arguments = parser.parse_args()
    data = grid(arguments.cells, arguments.frames)
    for name in [name for name in os.environ if name.startswith("NEO4J_")]:
        del os.environ[name]  # it may be somebody's real graph
    run(data)
    if os.environ.get("CALCIGRAPH_TEST_NEO4J_URI"):
        for name in ("URI", "USERNAME", "PASSWORD", "DATABASE"):
            os.environ[f"NEO4J_{name}"] = os.environ.get(f"CALCIGRAPH_TEST_NEO4J_{name}", "neo4j")
        run(data)


def run(data: CultureData) -> None:
    with tempfile.TemporaryDirectory() as folder, Graph.open(Path(folder)) as graph:
        report(graph, data)


if __name__ == "__main__":
    main()
