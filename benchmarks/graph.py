"""How fast a large culture goes into the graph and out again: ratios against one transaction with plain MERGEs a row.

10,000 cells of 361 frames and 30,000 contacts, on the engine that calcigraph would use here (set NEO4J_URI for Neo4j,
whose graph must be empty: the benchmark deletes what it wrote). The baseline writes a sample and is scaled up.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from calcigraph.store import Cells, Contacts, Culture, CultureData, Fit, Graph

CELLS, FRAMES, SAMPLE = 10_000, 361, 200

MERGE_CELL = """
MATCH (k:Culture {uid: $culture})
MERGE (c:Cell {uid: $row.uid})
SET c += $row
MERGE (k)-[:HAS_CELL]->(c)
"""
MERGE_CONTACT = """
MATCH (a:Cell {uid: $a}), (b:Cell {uid: $b})
MERGE (a)-[r:ADJACENT]-(b)
SET r.shared_border_px = $border
"""
SET_FIT = "MATCH (c:Cell {uid: $uid}) MATCH (r:FitRun {uid: $run}) MERGE (c)-[f:FITTED]->(r) SET f += $row, c += $row"
PULL_CELL = "MATCH (c:Cell {uid: $uid}) RETURN c.intensity AS intensity"
PULL = """
MATCH (:Culture {uid: $culture})-[:HAS_CELL]->(c:Cell)
RETURN c.label AS label, c.intensity AS intensity
"""
PULL_CONTACTS = """
MATCH (:Culture {uid: $culture})-[:HAS_CELL]->(a:Cell)-[r:ADJACENT]->(b:Cell)
RETURN a.label AS a, b.label AS b, r.shared_border_px AS border
"""


def culture(name: str, cells: int) -> CultureData:
    rng = np.random.default_rng(0)
    labels = np.arange(1, cells + 1)
    pairs = np.array([(i, i + step) for i in range(cells) for step in (1, 2, 3) if i + step < cells])
    node = Culture(
        uid=name, experiment="benchmark", condition=None, frames=FRAMES, frame_interval_s=10.0, pixel_size_um=None,
        height_px=None, width_px=None, movie=None, masks="traces", input_digest=name, options={}, intensity_offset=0.0,
        intensity_gain=1.0, bleaching=None, shift_px=None, saturated=None, warnings=(), created="", version="",
    )  # fmt: skip
    polygon = "POLYGON ((" + ", ".join(f"{x} {x}" for x in range(60)) + ", 0 0))"
    return CultureData(
        node,
        Cells(
            labels=labels, area_px=np.full(cells, 700.0), x_px=rng.random(cells), y_px=rng.random(cells),
            border=labels < 50, polygons=(polygon,) * cells, intensity=rng.random((cells, FRAMES)), flags=("",) * cells,
        ),
        Contacts(labels[pairs[:, 0]], labels[pairs[:, 1]], np.full(len(pairs), 30.0), np.full(len(pairs), 25.0)),
    )  # fmt: skip


def fit(data: CultureData) -> Fit:
    labels = data.cells.labels
    values = dict.fromkeys(("k", "feed", "k_cell", "mse_train"), labels * 1e-05)
    return Fit(
        culture=data.culture.uid, model="crlsm", case="cell", settings={}, labels=labels, k=0.01, feed=0.0, cells=values
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def baseline(graph: Graph) -> tuple[float, float, float]:
    """Seconds for load, pull and fit of CELLS cells, one plain statement and transaction a row."""
    data = culture("plain", SAMPLE)
    graph.write("MERGE (k:Culture {uid: 'plain'})")
    graph.write("MERGE (r:FitRun {uid: 'plain'})")
    cells, contacts = data.cells, data.contacts
    uids = [f"plain:{label}" for label in cells.labels.tolist()]
    rows = [
        {"uid": uid, "intensity": trace, "polygon": polygon}
        for uid, trace, polygon in zip(uids, cells.intensity.tolist(), cells.polygons, strict=True)
    ]
    pairs = zip(contacts.label_a.tolist(), contacts.label_b.tolist(), contacts.shared_border_px.tolist(), strict=True)

    def load() -> None:
        for row in rows:
            graph.write(MERGE_CELL, culture="plain", row=row)
        for a, b, border in pairs:
            graph.write(MERGE_CONTACT, a=f"plain:{a}", b=f"plain:{b}", border=border)

    times = (
        seconds(load),
        seconds(lambda: [graph.read(PULL_CELL, uid=uid) for uid in uids]),
        seconds(lambda: [graph.write(SET_FIT, uid=uid, run="plain", row={"k": 0.01, "feed": 0.0}) for uid in uids]),
    )
    graph.write("MATCH (r:FitRun {uid: 'plain'}) DETACH DELETE r")
    graph.delete_culture("plain")
    load_s, pull_s, fit_s = (CELLS / SAMPLE * value for value in times)
    return load_s, pull_s, fit_s


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Graph.open(Path(folder)) as graph:
        plain = baseline(graph)
        data = culture("benchmark", CELLS)
        ours = (
            seconds(lambda: graph.write_culture(data)),
            seconds(lambda: np.array([row["intensity"] for row in graph.read(PULL, culture="benchmark")])),
            seconds(lambda: graph.write_fit(fit(data), "", "")),
        )
        contacts = seconds(lambda: graph.read(PULL_CONTACTS, culture="benchmark"))
        graph.delete_culture("benchmark")
        print(f"{graph.engine} {graph.version}: {CELLS} cells x {FRAMES} frames, {len(data.contacts)} contacts")
        print(f"{'':12}{'calcigraph s':>14}{'row at a time s':>18}{'ratio':>8}")
        for name, mine, theirs in zip(("load", "pull traces", "write fits"), ours, plain, strict=True):
            print(f"{name:12}{mine:14.2f}{theirs:18.1f}{theirs / mine:8.1f}")
        print(f"{'contacts':12}{contacts:14.2f}")


if __name__ == "__main__":
    main()
