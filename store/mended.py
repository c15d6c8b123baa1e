"""Rows of a culture put right: from what its movie store keeps of them, or from the fits themselves.

Only what differs is written, in one transaction. Nothing is written where the result would not be what was recorded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from calcigraph.store import summary
from calcigraph.store.bolt import Bolt, Row, rows_of
from calcigraph.store.curated import contacts_there, write_cells, write_contacts
from calcigraph.store.dump import Reader
from calcigraph.store.rows import FLAT, culture_properties
from calcigraph.store.seals import Contents, contents_of, of_culture, seal_run
from calcigraph.store.types import CultureData
from calcigraph.store.weights import contact_graph, stored_weights

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

BATCH = 1000
_KEPT = ("uid", "created", "complete", "plan", "condition", "annotations", "movie_uri")
"""Properties of a culture that its store does not tell, or that may have changed since."""
_SET = "MATCH (k:Culture {uid: $uid}) SET k += $values"
_HELD = """
MATCH (k:Culture {uid: $uid})
MATCH (c:Cell) WHERE c.uid STARTS WITH $prefix AND NOT (c)<-[:HAS_CELL]-()
CREATE (c)<-[:HAS_CELL]-(k)
"""
_LOOSE_EVENTS = """
MATCH (e:Event {culture: $uid})
WHERE NOT (e)<-[:HAS_EVENT]-()
RETURN DISTINCT e.label AS label
"""
_HAS_EVENT = """
UNWIND $labels AS label
MATCH (e:Event {culture: $uid, label: label})
WHERE NOT (e)<-[:HAS_EVENT]-()
MATCH (c:Cell {uid: $uid + ':' + toString(label)})
CREATE (c)-[:HAS_EVENT]->(e)
"""
_PLACES = """
MATCH (:Culture {uid: $uid})-[:HAS_CELL]->(c:Cell)
WHERE c.place IS NULL OR c.place.x <> c.x_px OR c.place.y <> c.y_px
SET c.place = point({x: c.x_px, y: c.y_px})
"""
_DISTRUST = "MATCH (r:EventRun {uid: $uid}) REMOVE r.digest"
_PARAMETERS = """
UNWIND $rows AS row
MATCH (c:Cell {uid: row.uid})
SET c += row.values
"""


_MISPLACED = """
MATCH (:Culture {uid: $uid, complete: true})-[:HAS_CELL]->(c:Cell)
WHERE c.place IS NULL OR c.place.x <> c.x_px OR c.place.y <> c.y_px
RETURN c.label AS label ORDER BY label
"""
_ORPHANS = {
    label: f"MATCH (n:{label}) WHERE NOT {pattern} RETURN count(n) AS n"
    for label, pattern in {
        "Experiment": "(n)-[:INCLUDES]->()",
        "Cell": "(n)<-[:HAS_CELL]-()",
        "FitRun": "(n)-[:OF]->()",
        "EventRun": "(n)-[:OF]->()",
        "ForecastRun": "(n)-[:OF]->()",
        "Event": "(n)<-[:HAS_EVENT]-()",
        "Wave": "(n)-[:OF]->()",
    }.items()
}


def contents(graph: Reader, culture: str) -> Contents:
    """See Graph.contents."""
    found = contents_of(graph, culture)
    found.misplaced = [row["label"] for row in graph.read(_MISPLACED, uid=culture)]
    return found


def orphans(graph: Reader) -> list[str]:
    """See Graph.orphans."""
    counts = {label: graph.read(text)[0]["n"] for label, text in _ORPHANS.items()}
    return [f"{count} {label}" for label, count in counts.items() if count]


def fits_its_seals(data: CultureData, contents: Contents) -> bool:
    """Whether what a store keeps of a culture is what was written to the graph."""
    said = contents.said()[""] or {}
    return all(
        said.get(part) == seal for part, seal in of_culture(data, stored_weights(contact_graph(data))[0]).items()
    )


def mend_rows(bolt: Bolt, data: CultureData) -> None:
    """Make cells, contacts and the culture's own properties what the store says; all else stays."""
    weights, scales = stored_weights(contact_graph(data))
    uid = data.culture.uid

    def work(tx: ManagedTransaction) -> None:
        # Cells that lost their culture are found by their uids, which only one cell can have.
        rows_of(tx, _HELD, uid=uid, prefix=f"{uid}:")
        there = contacts_there(tx, uid)
        write_cells(tx, data)
        write_contacts(tx, data, weights, there)
        rows_of(tx, _PLACES, uid=uid)
        labels = [row["label"] for row in rows_of(tx, _LOOSE_EVENTS, uid=uid)]
        if labels:  # those of cells that were lost
            rows_of(tx, _HAS_EVENT, uid=uid, labels=labels)
        rows_of(tx, _SET, uid=uid, values=_own(tx, data, scales))

    bolt.require_room()
    bolt.run(work, write=True)


def _own(tx: ManagedTransaction, data: CultureData, scales: Row) -> Row:
    """The culture's properties; None takes away one that an ingest did not write."""
    stored = rows_of(tx, "MATCH (k:Culture {uid: $uid}) RETURN properties(k) AS k", uid=data.culture.uid)[0]["k"]
    prefixes = tuple(f"{prefix}_" for prefix in FLAT.values())
    gone = [name for name in stored if name.startswith(prefixes) or name.endswith("_scale")]
    values = {name: value for name, value in culture_properties(data.culture).items() if name not in _KEPT}
    return {**dict.fromkeys(gone), **values, **scales, **summary.of_culture(data)}


def distrust_events(bolt: Bolt, run: str) -> None:
    """Take from a run of events that is damaged what says that the same need not be written again."""

    def work(tx: ManagedTransaction) -> None:
        rows_of(tx, _DISTRUST, uid=run)
        seal_run(tx, "EventRun", run)

    bolt.run(work, write=True)


def mend_parameters(bolt: Bolt, contents: Contents) -> None:
    """Give every cell the parameters that the latest fit of each model says."""
    rows = [{"uid": uid, "values": values} for uid, values in contents.parameters().items()]
    for start in range(0, len(rows), BATCH):
        bolt.rows(_PARAMETERS, {"rows": rows[start : start + BATCH]}, write=True)


def with_movie_uri(data: CultureData, uri: str) -> CultureData:
    """The culture with the place of its store."""
    return replace(data, culture=replace(data.culture, movie_uri=uri))
