"""Bringing the graph of an older version to today's, by culture, in batches that may be broken off and repeated.

Schema version 1 had no names, no points, no weights, times as text, and settings and facts as JSON only. What is added
leaves what was there as it was, but for the times; so a version of calcigraph that knows only schema 1 still reads it.
A culture's node is changed last: one that has a name is done.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.store.bolt import Bolt, Row, rows_of
from calcigraph.store.fits import run_facts, weight_property
from calcigraph.store.rows import FLAT, flat, iso, moment
from calcigraph.store.seals import reseal
from calcigraph.store.types import FloatArray, Progress, Subgraph
from calcigraph.store.weights import stored_weights

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

BATCH_CELLS = 1000
BATCH_CONTACTS = 10_000

_OLD = """
MATCH (k:Culture)
WHERE k.complete = true
OPTIONAL MATCH (r:FitRun)-[:OF]->(k) WHERE r.name IS NULL
WITH k.uid AS uid, k.name IS NULL AS old, count(r) AS runs
WHERE old OR runs > 0
RETURN uid ORDER BY uid
"""
_CELLS = """
MATCH (:Culture {uid: $uid})-[:HAS_CELL]->(c:Cell)
RETURN c.uid AS uid, c.label AS label, c.x_px AS x_px, c.y_px AS y_px, c.border AS border, c.area_px AS area_px,
       c.open_px AS open_px, c.name IS NULL AS old
"""
_CONTACTS = """
MATCH (:Culture {uid: $uid})-[:HAS_CELL]->(a:Cell)-[x:ADJACENT]->(b:Cell)
RETURN a.label AS a, b.label AS b, x.shared_border_px AS border, x.centroid_distance_px AS distance
ORDER BY a, b
"""
_SET_CELLS = """
UNWIND $rows AS row
MATCH (c:Cell {uid: row.uid})
SET c.name = row.name, c.place = point({x: c.x_px, y: c.y_px})
"""
_SET_CONTACTS = """
UNWIND $rows AS row
MATCH (a:Cell {uid: row.a})-[x:ADJACENT]->(b:Cell {uid: row.b})
SET x += row.weights
"""
_CULTURE = "MATCH (k:Culture {uid: $uid}) RETURN properties(k) AS culture"
_RUNS = "MATCH (r:FitRun)-[:OF]->(:Culture {uid: $uid}) RETURN properties(r) AS run"
_SET_RUN = "MATCH (r:FitRun {uid: $run}) SET r += $properties, r.created = datetime($created)"
# What calcigraph 0.2 leaves when it deletes or replaces a culture: it knows no events. Another program's node of these
# labels does not have these properties.
_ORPHANS = tuple(
    f"MATCH {pattern} WHERE n.run IS NOT NULL AND n.uid CONTAINS n.culture AND NOT {link} "
    "WITH n LIMIT $limit DETACH DELETE n RETURN count(*) AS deleted"
    for pattern, link in (
        ("(n:EventRun)", "(n)-[:OF]->(:Culture)"),
        ("(n:Event)", "(:Cell)-[:HAS_EVENT]->(n)"),
        ("(n:Wave)", "(n)-[:OF]->(:EventRun)"),
    )
)
_SET_CULTURE = "MATCH (k:Culture {uid: $uid}) SET k += $properties, k.created = datetime($created)"


def migrate(bolt: Bolt, progress: Progress) -> None:
    """Give every complete culture what schema version 2 has, and delete events whose culture is gone.

    Cultures that have it are left alone.

    Parameters
    ----------
    bolt
        The connection.
    progress
        Called with the stage "bringing cultures to this version".
    """
    old = outdated(bolt)
    for done, uid in enumerate(old):
        progress("bringing cultures to this version", done, len(old))
        bolt.require_room()
        _migrate_culture(bolt, uid)
    for text in _ORPHANS:
        while bolt.rows(text, {"limit": BATCH_CELLS}, write=True)[0]["deleted"]:
            pass
    progress("bringing cultures to this version", len(old), len(old))


def outdated(bolt: Bolt) -> list[str]:
    """The complete cultures that lack what this schema has, or whose runs do."""
    return [row["uid"] for row in bolt.rows(_OLD, {}, write=False)]


def _migrate_culture(bolt: Bolt, uid: str) -> None:
    cells = sorted(bolt.rows(_CELLS, {"uid": uid}, write=False), key=lambda row: int(row["label"]))
    contacts = bolt.rows(_CONTACTS, {"uid": uid}, write=False)
    weights, scales = stored_weights(_graph_of(uid, cells, contacts))
    nodes = [{"uid": row["uid"], "name": f"{uid} {row['label']}"} for row in cells if row["old"]]
    for start in range(0, len(nodes), BATCH_CELLS):
        bolt.rows(_SET_CELLS, {"rows": nodes[start : start + BATCH_CELLS]}, write=True)
    pairs = [
        {"a": f"{uid}:{row['a']}", "b": f"{uid}:{row['b']}", "weights": dict(zip(weights, each, strict=True))}
        for row, each in zip(contacts, zip(*(values.tolist() for values in weights.values()), strict=True), strict=True)
    ]
    for start in range(0, len(pairs), BATCH_CONTACTS):
        bolt.rows(_SET_CONTACTS, {"rows": pairs[start : start + BATCH_CONTACTS]}, write=True)
    bolt.run(lambda tx: _finish(tx, uid, scales), write=True)


def _finish(tx: ManagedTransaction, uid: str, scales: dict[str, float]) -> None:
    """The runs and the culture's node, in one step: nothing of it is seen half done."""
    found = rows_of(tx, _CULTURE, uid=uid)
    if not found:
        return  # deleted meanwhile
    culture: Row = found[0]["culture"] | scales
    for row in rows_of(tx, _RUNS, uid=uid):
        run = row["run"]
        settings, facts = (_mapping(run.get(name)) for name in ("settings", "facts"))
        settings = settings or _mapping(run.get("options"))  # as version 0.1 called them
        properties = run_facts(uid, run["model"], settings, facts)
        properties["weight"] = weight_property(settings, facts, culture)
        rows_of(tx, _SET_RUN, run=run["uid"], properties=properties, created=moment(iso(run.get("created"))))
    properties = {"name": uid} | scales
    for name, prefix in FLAT.items():
        properties |= flat(prefix, _mapping(culture.get(name)))
    rows_of(tx, _SET_CULTURE, uid=uid, properties=properties, created=moment(iso(culture.get("created"))))
    reseal(tx, uid)


def _mapping(text: str | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text or "{}")
    return found


def _graph_of(uid: str, cells: list[Row], contacts: list[Row]) -> Subgraph:
    """A culture without its traces, which weights do not need."""
    labels = np.array([row["label"] for row in cells], dtype=np.int64)
    ends = np.array([(row["a"], row["b"]) for row in contacts], dtype=np.int64).reshape(-1, 2)

    def column(rows: list[Row], name: str) -> FloatArray:
        return np.array([row[name] for row in rows], dtype=np.float64)  # None becomes NaN

    return Subgraph(
        culture=uid,
        frame_interval_s=1.0,
        labels=labels,
        x_px=column(cells, "x_px"),
        y_px=column(cells, "y_px"),
        border=np.array([row["border"] for row in cells], dtype=np.bool_),
        intensity=np.zeros((len(cells), 1)),
        pairs=np.searchsorted(labels, ends).reshape(-1, 2),
        shared_border_px=column(contacts, "border"),
        centroid_distance_px=column(contacts, "distance"),
        area_px=column(cells, "area_px"),
        open_px=None if any(row["open_px"] is None for row in cells) else column(cells, "open_px"),
    )
