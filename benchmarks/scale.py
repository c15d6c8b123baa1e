"""How far a workspace goes: bytes and seconds a culture, throughput against workers, and what many cultures cost.

    python benchmarks/scale.py sizes              bytes and processor time of cultures of two sizes
    python benchmarks/scale.py [workers]          one table of films, by this process and by Dask workers
    python benchmarks/scale.py many               a graph of 100, 1,000 and 10,000 cultures (minutes)
    python benchmarks/scale.py all --csv docs/scale     write the tables of docs/scale.md

With NEO4J_URI set, the graph is on that server, which must be empty.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from calcigraph import FitOptions, IngestOptions, SyntheticOptions, TraceOptions, Workspace
from calcigraph.ingest import ingest_traces

SIZES = {"small": (512, 110), "large": (1024, 450)}
"""Pixels on a side and cells, of films of FRAMES frames."""
FRAMES = 361
FILMS = 6
WORKERS = (1, 2)
MANY = (100, 1_000, 10_000)
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="workers", choices=["all", *PARTS])
    parser.add_argument("--csv", type=Path, help="folder for the tables")
    parser.add_argument("--most", type=int, default=MANY[-1], help="most cultures of the part `many`")
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.part in ("all", name):
            with tempfile.TemporaryDirectory() as folder:
                rows = part(Path(folder), options.most)
            show(name, rows)
            if options.csv:
                write(options.csv / f"{name}.csv", rows)


def show(name: str, rows: Sequence[Row]) -> None:
    """Print a table."""
    print(f"== {name}")
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write it as CSV."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def film(folder: Path, name: str) -> tuple[str, IngestOptions]:
    """A film of one of SIZES with its labels."""
    size, cells = SIZES[name]
    path = folder / f"{name}.tif"
    with Workspace(folder / "none") as workspace:
        workspace.simulate(str(path), SyntheticOptions(cells=cells, frames=FRAMES, size_px=size, k=0.02))
    return str(path), IngestOptions(masks=str(folder / f"{name}_labels.tif"), min_area=100, frame_interval_s=10.0)


def sizes(folder: Path, most: int) -> list[Row]:
    """Bytes and processor seconds of one culture of each size; of the second of two, when all is loaded."""
    rows = []
    for name, (size, _) in SIZES.items():
        path, options = film(folder, name)
        steps: dict[str, Callable[[Workspace, str], Any]] = {
            "ingest_s": lambda workspace, culture: workspace.ingest(path, culture, options),  # noqa: B023
            "fit_s": lambda workspace, culture: workspace.fit(culture),
            "events_s": lambda workspace, culture: workspace.events(culture),
        }
        graph = []
        for culture in "AB":
            with Workspace(folder / name) as workspace:
                stored_before = workspace.known("A")  # starts the engine, or none
                engine = _processor_s(engine=True) if stored_before else 0.0
                seconds = {step: round(spent(lambda: work(workspace, culture)), 1) for step, work in steps.items()}  # noqa: B023
                engine = _processor_s(engine=True) - engine
                stored = workspace.culture(culture)
                movie = bytes_of(folder / name / str(stored.movie))
                pulled = least(lambda: workspace.subgraph(culture))  # noqa: B023
                cells = len(workspace.subgraph(culture).labels)
            graph.append(bytes_of(folder / name / "graph"))  # the engine's log is gone when it has stopped
        about = {"px": size, "frames": FRAMES, "cells": cells, "film_MB": round(Path(path).stat().st_size / 1e6)}
        room = {"store_MB": round(movie / 1e6), "graph_MB": round((graph[1] - graph[0]) / 1e6, 1)}
        rows.append({"film": name, **about, **room, **seconds, "engine_s": round(engine, 1), "pull_s": pulled})
    return rows


def workers(folder: Path, most: int) -> list[Row]:
    """Cultures a minute of one table of films, and processor seconds for each: of this process, engine and workers."""
    path, options = film(folder, "small")
    table = folder / "table.csv"
    lines = [f"{path},film {number},{options.masks}" for number in range(FILMS)]
    table.write_text("\n".join(["file,name,masks", *lines]))
    given = {"min_area": 100, "frame_interval_s": 10.0, "experiment": "E"}
    rows = []
    for count in (0, *WORKERS):
        with cluster(folder, count) as address, Workspace(folder / f"ws-{count}") as workspace:
            plan = workspace.plan_of_table(table, given)
            before, begun = _processor_s(), time.monotonic()
            outcomes = workspace.run(plan, scheduler=address)
            ingested, ingest_s = time.monotonic() - begun, _processor_s() - before
            assert [each.outcome for each in outcomes] == ["done"] * FILMS
            names = [each.culture for each in outcomes]
            before, begun = _processor_s(), time.monotonic()
            assert len(dict(workspace.fits(names, options=FitOptions(), scheduler=address))) == FILMS
            fitted, fit_s = time.monotonic() - begun, _processor_s() - before
        rows.append(
            {
                "workers": count or "this process",
                "ingest_per_min": round(60 * FILMS / ingested, 1),
                "ingest_processor_s": round(ingest_s / FILMS, 1),
                "fit_per_min": round(60 * FILMS / fitted, 1),
                "fit_processor_s": round(fit_s / FILMS, 1),
            }
        )
    return rows


@contextmanager
def cluster(folder: Path, count: int) -> Iterator[str | None]:
    """The address of a Dask scheduler with so many workers, of one thread each; None for none."""
    if not count:
        yield None
        return
    with ExitStack() as stack:
        file = folder / f"scheduler-{count}.json"

        def start(*words: str) -> None:
            command = [sys.executable, "-m", "dask", *words, "--scheduler-file", str(file), "--no-dashboard"]
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            silent = subprocess.DEVNULL
            process = subprocess.Popen(command, env=environment, stdout=silent, stderr=silent)
            stack.callback(lambda: (process.terminate(), process.wait()))

        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        while not file.exists():
            time.sleep(0.1)
        for _ in range(count):
            start("worker", "--nthreads", "1", "--no-nanny")
        from distributed import Client

        address = str(json.loads(file.read_text())["address"])
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
        yield address


def many(folder: Path, most: int) -> list[Row]:
    """What is quick, or not, in a graph of so many cultures of 12 cells and 40 frames each; 20 are an experiment."""
    rows: list[Row] = []
    traces = np.random.default_rng(0).normal(100, 1, (40, 12)).round(3)
    heading = ",".join(map(str, range(1, 13)))
    np.savetxt(folder / "traces.csv", traces, delimiter=",", header=heading, comments="", fmt="%.3f")
    places = "".join(f"{cell},{10 * (cell % 4)},{10 * (cell // 4)}\n" for cell in range(1, 13))
    (folder / "places.csv").write_text("cell,x,y\n" + places)
    given = TraceOptions(positions=str(folder / "places.csv"), frame_interval_s=10.0)
    data = ingest_traces(str(folder / "traces.csv"), culture="0", options=given)
    with Workspace(folder / "ws") as workspace:
        workspace.make_folder()
        there = 0
        for number in [each for each in MANY if each <= most]:
            before = _processor_s()
            for each in range(there, number):
                culture = replace(data.culture, uid=f"{each:05d}", experiment=f"E {each // 20}", input_digest=str(each))
                workspace.graph.write_culture(replace(data, culture=culture))
            written = (_processor_s() - before) / (number - there)
            there = number
            table = folder / f"{number}.csv"
            table.write_text(f"file,name,positions\ntraces.csv,new {number},places.csv\n")
            plan = workspace.plan_of_table(table, {"frame_interval_s": 10.0})
            workspace.rows("cultures")
            rows.append(
                {
                    "cultures": number,
                    "write_ms": round(1000 * written, 1),
                    "query_cultures_s": least(lambda: workspace.rows("cultures")),
                    "status_s": least(workspace.status),
                    "plan_row_s": least(lambda: workspace.run(plan)),  # noqa: B023
                    "graph_kB_a_culture": round(bytes_of(folder / "ws" / "graph") / 1e3 / number, 1),
                }
            )
            print(rows[-1], flush=True)
    return rows


def bytes_of(folder: Path) -> int:
    """Of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def spent(work: Callable[[], Any]) -> float:
    """Processor seconds of this process and of the graph's engine."""
    before = _processor_s()
    work()
    return _processor_s() - before


def _processor_s(engine: bool = False) -> float:
    """Of this process and those that it started, or of these alone."""
    me = psutil.Process()
    others = me.children(recursive=True)
    return sum(sum(each.cpu_times()[:2]) for each in (others if engine else (me, *others)))


def least(work: Callable[[], Any]) -> float:
    """Processor seconds, the least of three."""
    return round(min(spent(work) for _ in range(3)), 3)


PARTS: Mapping[str, Callable[[Path, int], list[Row]]] = {"sizes": sizes, "workers": workers, "many": many}

if __name__ == "__main__":
    main()
