"""A graph of many cultures: what queries take in it, and how long it takes to open.

    python benchmarks/many.py [--cultures 100] [--cells 1000] [--frames 361] [--engine embedded neo4j] [--keep FOLDER]

Every culture has a fit with intervals, about two events a cell, and waves. Half of them are `control`, half `drug`, in
one experiment. Neo4j is the one of the tests: CALCIGRAPH_TEST_NEO4J_URI, else a Java process made from Maven's jars.
`--keep` builds the graph in FOLDER, or takes what an earlier run built there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cultures import CREATED, grid
from planted_run import planted_run
from timing import Spent, in_turns, spent

from calcigraph.queries import run
from calcigraph.queries.compare import compare_cultures
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit
from calcigraph.store.units import INNER_CONTACTS

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
EXPERIMENT, CONDITIONS = "many", ("control", "drug")
ENGINES = ("embedded", "neo4j")
REPEATS, TIMES = 3, 5
KEPT = Path(__file__).resolve().parents[1] / ".cache" / "many" / "embedded"
"""Where benchmarks/speed.py keeps the graph of the embedded engine: building it takes minutes."""
PLAIN = "MATCH (:Culture {uid: $culture})-[:HAS_CELL]->(c:Cell) RETURN properties(c) AS cell"
"""The baseline of the queries: all that one culture's cells hold, pulled once."""


_UID = "$new + substring({0}.uid, size($old))"
"""Of what is copied: every uid begins with that of the culture."""


def _nodes(label: str, path: str, more: str = "") -> str:
    """Copy the nodes `n` that a path leads to."""
    return f"MATCH {path} CREATE (m:{label}) SET m = n{{.*, uid: {_UID.format('n')}, culture: $new{more}}}"


def _links(start: str, kind: str, end: str, path: str, more: str = "") -> str:
    """Copy the relationships `r` from `a` to `b` of a path."""
    return (
        f"MATCH {path} MATCH (x:{start} {{uid: {_UID.format('a')}}}) MATCH (y:{end} {{uid: {_UID.format('b')}}}) "
        f"CREATE (x)-[s:{kind}]->(y) SET s = properties(r){more}"
    )


_OLD = "(:Culture {uid: $old})"
_CELLS = f"{_OLD}-[:HAS_CELL]->"
_RUN = f"{_OLD}<-[:OF]-(:EventRun)"
_K = ", median_k_cell: $unlike * n.median_k_cell"
COPIES = (
    _nodes("Cell", f"{_CELLS}(n:Cell)"),
    _nodes("FitRun", f"{_OLD}<-[:OF]-(n:FitRun)", _K),
    _nodes("EventRun", f"{_OLD}<-[:OF]-(n:EventRun)"),
    _nodes("Event", f"{_CELLS}(:Cell)-[:HAS_EVENT]->(n:Event)"),
    _nodes("Wave", f"{_RUN}<-[:OF]-(n:Wave)"),
    _nodes("Culture", "(n:Culture {uid: $old})", ", name: $new, condition: $group"),
    _links("Cell", "ADJACENT", "Cell", f"{_CELLS}(a:Cell)-[r:ADJACENT]->(b:Cell)"),
    _links("Cell", "FITTED", "FitRun", f"{_CELLS}(a:Cell)-[r:FITTED]->(b)", ", s.k_cell = $unlike * r.k_cell"),
    _links("Cell", "MEASURED", "EventRun", f"{_CELLS}(a:Cell)-[r:MEASURED]->(b)"),
    _links("Cell", "HAS_EVENT", "Event", f"{_CELLS}(a:Cell)-[r:HAS_EVENT]->(b)"),
    _links("Event", "PRECEDES", "Event", f"{_CELLS}(:Cell)-[:HAS_EVENT]->(a)-[r:PRECEDES]->(b)"),
    _links("Event", "COINCIDES", "Event", f"{_CELLS}(:Cell)-[:HAS_EVENT]->(a)-[r:COINCIDES]->(b)"),
    _links("Event", "PART_OF", "Wave", f"{_CELLS}(:Cell)-[:HAS_EVENT]->(a)-[r:PART_OF]->(b)"),
    _links("Wave", "STARTED_AT", "Cell", f"{_RUN}<-[:OF]-(a:Wave)-[r:STARTED_AT]->(b)"),
    _links("Wave", "OF", "EventRun", f"{_OLD}<-[:OF]-(b:EventRun)<-[r:OF]-(a:Wave)"),
    _links("FitRun", "OF", "Culture", "(b:Culture {uid: $old})<-[r:OF]-(a:FitRun)"),
    _links("EventRun", "OF", "Culture", "(b:Culture {uid: $old})<-[r:OF]-(a:EventRun)"),
    _links("Culture", "HAS_CELL", "Cell", "(a:Culture {uid: $old})-[r:HAS_CELL]->(b:Cell)"),
    "MATCH (e:Experiment)-[:INCLUDES]->(:Culture {uid: $old}) MATCH (k:Culture {uid: $new}) "
    "CREATE (e)-[:INCLUDES]->(k)",
)
"""Statements that copy a culture with all that belongs to it inside the engine."""


def uid_of(number: int) -> str:
    return f"culture {number:04d}"


def culture(number: int, cells: int, frames: int) -> CultureData:
    data = grid(cells, frames)
    condition = CONDITIONS[number % len(CONDITIONS)]
    about = replace(
        data.culture, uid=uid_of(number), experiment=EXPERIMENT, condition=condition, input_digest=str(number)
    )
    noise = np.random.default_rng(number).random(data.cells.intensity.shape)
    return replace(data, culture=about, cells=replace(data.cells, intensity=noise))


def fit_of(data: CultureData, seed: int) -> Fit:
    rng = np.random.default_rng(seed)
    labels = data.cells.labels[~data.cells.border]
    size = len(labels)
    k_cell, feed = 0.01 * np.exp(0.1 * rng.standard_normal(size)), 1e-4 * rng.standard_normal(size)
    cells = {
        "k": np.full(size, 0.01),
        "k_cell": k_cell,
        "k_cell_low": 0.9 * k_cell,
        "k_cell_high": 1.1 * k_cell,
        "feed": feed,
        "feed_low": feed - 1e-5,
        "feed_high": feed + 1e-5,
        "mse_train": 0.01 + 1e-3 * rng.random(size),
    }
    facts = {"weight_scale": 1500.0, "weight_unit": INNER_CONTACTS, "dt_s": 10.0, "frames": data.culture.frames}
    return Fit(
        data.culture.uid, "robust", "per-cell", {}, labels, 0.01, 0.0, cells, facts=facts, identified="identified",
        k_low=0.009, k_high=0.011, mse_train=0.01,
    )  # fmt: skip


def build(graph: Graph, cultures: int, cells: int, frames: int) -> None:
    """Write what is not there yet: the first culture as ever, the others as copies of it that the engine makes."""
    there = {each.uid for each in graph.cultures()}
    if uid_of(0) not in there:
        data = culture(0, cells, frames)
        graph.write_culture(data)
        graph.write_fit(fit_of(data, 0), CREATED, "0")
        dff = np.random.default_rng(0).random((len(data.cells), frames))
        graph.write_events(planted_run(data, 0, own=1, per_wave=60), dff, CREATED, "0")
    for number in range(1, cultures):
        if uid_of(number) not in there:
            copy(graph, number)


def copy(graph: Graph, number: int) -> None:
    """Make a copy of the first culture, with its own name, condition and k of its cells."""
    unlike = float(np.exp(0.1 * np.random.default_rng(number).standard_normal()))
    values = {"old": uid_of(0), "new": uid_of(number), "group": CONDITIONS[number % 2], "unlike": unlike}
    for text in COPIES:
        graph.write(text, **values)


def questions(graph: Graph, cultures: int) -> dict[str, Callable[[], object]]:
    some = uid_of(cultures // 2)
    return {
        "anomalies": lambda: run(graph, "anomalies", culture=some),
        "compare": lambda: compare_cultures(graph, experiment=EXPERIMENT),
        "waves": lambda: run(graph, "waves", culture=some),
        "cultures": lambda: run(graph, "cultures"),
    }


def repeated(work: Callable[[], object]) -> Callable[[], None]:
    def several() -> None:
        for _ in range(TIMES):
            work()

    return several


def measured(graph: Graph, cultures: int) -> dict[str, tuple[Spent, Spent]]:
    """What each question takes, and the plain pull beside it."""
    found = {}
    for name, ask in questions(graph, cultures).items():
        ask()
        plain = partial(graph.read, PLAIN, culture=uid_of(cultures // 3))
        # The system counts processor time in hundredths of a second, so each is asked several times.
        took = in_turns(REPEATS, ours=repeated(ask), plain=repeated(plain))
        found[name] = took["ours"].scaled(1 / TIMES), took["plain"].scaled(1 / TIMES)
    return found


@contextmanager
def engine(name: str, folder: Path) -> Iterator[None]:
    """The environment in which `Graph.open` takes this engine; Neo4j's own files are below `folder`."""
    for each in [each for each in os.environ if each.startswith("NEO4J_")]:
        del os.environ[each]  # it may be somebody's real graph
    with ExitStack() as stack:
        if name == "neo4j":
            os.environ |= stack.enter_context(neo4j(folder))
        try:
            yield
        finally:
            for each in [each for each in os.environ if each.startswith("NEO4J_")]:
                del os.environ[each]


@contextmanager
def neo4j(folder: Path) -> Iterator[dict[str, str]]:
    if os.environ.get("CALCIGRAPH_TEST_NEO4J_URI"):
        names = ("URI", "USERNAME", "PASSWORD", "DATABASE")
        yield {f"NEO4J_{each}": os.environ.get(f"CALCIGRAPH_TEST_NEO4J_{each}", "neo4j") for each in names}
        return
    from conftest import java_server

    folder.mkdir(parents=True, exist_ok=True)
    with java_server(folder) as server:
        yield server.environment()


def report(folder: Path, cultures: int, cells: int, frames: int) -> dict[str, tuple[Spent, Spent]]:
    """Build the graph if it is not there, and print what opening it and questions take."""
    with Graph.open(folder / "workspace") as graph:
        took = spent(lambda: build(graph, cultures, cells, frames))
        print(f"\n{graph.engine} {graph.version}: {cultures} cultures x {cells} cells x {frames} frames")
        print(f"  {'written in':12}{took.wall_s:8.1f} s{took.cpu_s:8.1f} s of processor")
    opened = in_turns(2, ours=lambda: Graph.open(folder / "workspace").close())["ours"]
    print(f"  {'open, close':12}{opened.wall_s:8.2f} s{opened.cpu_s:8.2f} s of processor")
    with Graph.open(folder / "workspace") as graph:
        found = measured(graph, cultures)
    for name, (ours, plain) in found.items():
        times = ours.cpu_s / plain.cpu_s
        print(f"  {name:12}{ours.wall_s:8.3f} s{ours.cpu_s:8.3f} s of processor{times:6.2f} times the plain pull")
    return found


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("cultures", 100), ("cells", 1000), ("frames", 361)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    asked: Any = parser.parse_args(given)
    for name in asked.engine:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (asked.keep or Path(temporary)) / name
            with engine(name, folder / "server"):
                report(folder, asked.cultures, asked.cells, asked.frames)


if __name__ == "__main__":
    main()
