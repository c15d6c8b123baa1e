"""How fast a large culture goes into the graph and out again, against plain statements, in turns on the same engine.

    python benchmarks/graph.py [--cells 10000] [--frames 361] [--engine embedded neo4j] [--repeats 2]

Plain loading is UNWIND of maps, 1,000 rows a statement, with MERGE, so that it can be repeated as ours can; it is sent
by the driver as it is. Plain
pulling is one query with a row per contact, as one would write it in Neo4j's Browser; it is asked of a part of the
cells, and its time scaled. Beside that stand two plain queries, of all cells and of all contacts.
Seconds are those of the processor, of this process and of the engine together.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cultures import grid
from many import ENGINES, engine
from timing import Spent, in_turns, spent

from calcigraph.queries import subgraph
from calcigraph.store import CultureData, Graph
from calcigraph.store.rows import OF_CONTACTS, cell_rows, contact_rows
from calcigraph.store.weights import contact_graph, stored_weights

ROWS, PART = 1000, 500
"""Rows of a plain statement; cells that the plain query is asked of."""
PLAIN_CULTURE = "MERGE (k:Culture {uid: $uid}) SET k.complete = true"
PLAIN_CELLS = """
UNWIND $rows AS row
MATCH (k:Culture {uid: $uid})
MERGE (c:Cell {uid: row.uid})
SET c += row
MERGE (k)-[:HAS_CELL]->(c)
"""
PLAIN_CONTACTS = """
UNWIND $rows AS row
MATCH (a:Cell {uid: row.a})
MATCH (b:Cell {uid: row.b})
MERGE (a)-[r:ADJACENT]->(b)
SET r += row.values
"""
ROW_PER_CONTACT = """
MATCH (c:Culture {uid: $uid})-[:HAS_CELL]->(a:Cell)-[r:ADJACENT]->(b:Cell)
WHERE a.label <= $part
RETURN a, r, b
"""
ALL_CELLS = "MATCH (c:Culture {uid: $uid})-[:HAS_CELL]->(a:Cell) RETURN a"
ALL_CONTACTS = """
MATCH (c:Culture {uid: $uid})-[:HAS_CELL]->(a:Cell)-[r:ADJACENT]->(b:Cell)
RETURN a.label AS a, b.label AS b, r.shared_border_px AS border, r.centroid_distance_px AS distance
"""


def named(data: CultureData, name: str) -> CultureData:
    return replace(data, culture=replace(data.culture, uid=name, input_digest=name))


def load_plainly(graph: Graph, data: CultureData) -> None:
    """The same properties by plain statements; no batch numbers, no seals, nothing unseen until the end."""
    uid = data.culture.uid
    weights, _ = stored_weights(contact_graph(data))

    def write(text: str, **values: Any) -> None:
        graph._bolt.run(lambda tx: tx.run(text, values).consume(), write=True)

    write(PLAIN_CULTURE, uid=uid)
    cells = list(cell_rows(data.cells, uid, uid))
    contacts = [
        {"a": a, "b": b, "values": dict(zip(OF_CONTACTS, values, strict=True))}
        for a, b, *values in contact_rows(data.contacts, weights, uid)
    ]
    for text, rows in ((PLAIN_CELLS, cells), (PLAIN_CONTACTS, contacts)):
        for start in range(0, len(rows), ROWS):
            write(text, uid=uid, rows=rows[start : start + ROWS])


def pull_rows(graph: Graph, uid: str) -> int:
    """A row per contact, of the first PART cells, to arrays."""
    rows = graph.read(ROW_PER_CONTACT, uid=uid, part=PART)
    nodes = {node["label"]: node for row in rows for node in (row["a"], row["b"])}
    np.array([nodes[label]["intensity"] for label in sorted(nodes)])
    np.array([(row["a"]["label"], row["b"]["label"], row["r"]["shared_border_px"]) for row in rows])
    return len(rows)


def pull_nodes(graph: Graph, uid: str) -> None:
    """All cells and all contacts by two plain queries, to arrays."""
    cells = sorted((row["a"] for row in graph.read(ALL_CELLS, uid=uid)), key=lambda node: node["label"])
    for name in ("label", "x_px", "y_px", "area_px", "border", "intensity"):
        np.array([node[name] for node in cells])
    rows = graph.read(ALL_CONTACTS, uid=uid)
    np.array([(row["a"], row["b"], row["border"], row["distance"]) for row in rows])


def measured(graph: Graph, cells: int, frames: int, repeats: int) -> dict[str, Spent]:
    """`load` and `plain load`, `pull`, `row per contact` (of all, scaled) and `two queries`."""
    small = grid(400, frames)
    for turn in range(2):  # a Java engine compiles what it runs often
        graph.write_culture(named(small, f"warm {turn}"))
        load_plainly(graph, named(small, f"plain warm {turn}"))
    for turn in range(2):
        graph.delete_culture(f"warm {turn}")
        graph.delete_culture(f"plain warm {turn}")
    data = grid(cells, frames)
    found: dict[str, Spent] = {}
    for turn in range(repeats):
        mine, theirs = named(data, f"ours {turn}"), named(data, f"plain {turn}")
        took = {
            "load": spent(lambda mine=mine: graph.write_culture(mine)),
            "plain load": spent(lambda theirs=theirs: load_plainly(graph, theirs)),
        }
        found = {name: found[name].least(each) if name in found else each for name, each in took.items()}
        graph.delete_culture(theirs.culture.uid)
        if turn:
            graph.delete_culture(mine.culture.uid)
    uid, rows = "ours 0", [0]

    def by_rows() -> None:
        rows[0] = pull_rows(graph, uid)

    works: dict[str, Callable[[], Any]] = {
        "pull": lambda: subgraph(graph, uid),
        "row per contact": by_rows,
        "two queries": lambda: pull_nodes(graph, uid),
    }
    found |= in_turns(repeats + 1, **works)
    found["row per contact"] = found["row per contact"].scaled(len(data.contacts) / rows[0])
    graph.delete_culture(uid)
    return found


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("cells", 10_000), ("frames", 361), ("repeats", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=ENGINES)
    asked = parser.parse_args(given)
    for name in asked.engine:
        with tempfile.TemporaryDirectory() as temporary, engine(name, Path(temporary) / "server"):
            with Graph.open(Path(temporary) / "workspace") as graph:
                found = measured(graph, asked.cells, asked.frames, asked.repeats)
                print(f"\n{graph.engine} {graph.version}: {asked.cells} cells x {asked.frames} frames")
            for what, took in found.items():
                ours = found["load" if "load" in what else "pull"]
                print(f"  {what:18}{took.wall_s:8.2f} s{took.cpu_s:8.2f} s of processor{took.cpu_s / ours.cpu_s:8.2f}")


if __name__ == "__main__":
    main()
