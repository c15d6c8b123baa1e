"""Mended masks in the graph: only what changed of cells and contacts is written, in one transaction.

All else stays: annotations, uids, fits and events, which are marked `stale` because they are of the older masks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from calcigraph.errors import ConflictError, command, spelt
from calcigraph.store import summary
from calcigraph.store.bolt import Bolt, Row, rows_of
from calcigraph.store.cultures import cell_batches, check, contact_batches
from calcigraph.store.rows import FLAT, OF_CELLS, OF_CONTACTS, culture_properties
from calcigraph.store.seals import annotations_seal, of_culture, reseal, seal_culture, seal_run
from calcigraph.store.types import CultureData
from calcigraph.store.weights import contact_graph, stored_weights

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

FORECAST = "forecast"
"""What stands for a forecast among the models of stale runs."""
_KEPT = ("uid", "name", "condition", "created", "complete", "plan", "experiment", "annotations")
"""Properties of a culture that masks do not change."""

_STATE = "MATCH (k:Culture {uid: $uid, complete: true}) RETURN properties(k) AS culture"
_SET = "MATCH (k:Culture {uid: $uid}) SET k += $values"
_CELLS = f"""
MATCH (:Culture {{uid: $uid}})-[:HAS_CELL]->(c:Cell)
RETURN c.uid AS uid, c.label AS label, {", ".join(f"c.{name} AS {name}" for name in OF_CELLS)}
"""
_REMOVE_EVENTS = """
UNWIND $uids AS uid
MATCH (:Cell {uid: uid})-[:HAS_EVENT]->(e:Event)
DETACH DELETE e
"""
_REMOVE = """
UNWIND $uids AS uid
MATCH (c:Cell {uid: uid})
DETACH DELETE c
"""
_CHANGE = """
UNWIND $rows AS row
MATCH (c:Cell {uid: row.uid})
SET c += row
"""
_ADD = """
MATCH (k:Culture {uid: $uid})
UNWIND $rows AS row
CREATE (c:Cell)
SET c = row
CREATE (c)<-[:HAS_CELL]-(k)
"""
_CONTACTS = f"""
MATCH (:Culture {{uid: $uid}})-[:HAS_CELL]->(a:Cell)-[r:ADJACENT]->(b:Cell)
RETURN a.uid AS a, b.uid AS b, {", ".join(f"r.{name} AS {name}" for name in OF_CONTACTS)}
"""
_PART = """
UNWIND $rows AS row
MATCH (a:Cell {uid: row[0]})-[r:ADJACENT]->(b:Cell {uid: row[1]})
DELETE r
"""
_JOIN = f"""
UNWIND $rows AS row
MATCH (a:Cell {{uid: row[0]}})
MATCH (b:Cell {{uid: row[1]}})
MERGE (a)-[r:ADJACENT]->(b)
SET {", ".join(f"r.{name} = row[{place}]" for place, name in enumerate(OF_CONTACTS, start=2))}
"""
_STALE_FITS = """
MATCH (r:FitRun)-[:OF]->(:Culture {uid: $uid})
SET r.stale = coalesce(r.stale, $why)
RETURN count(r) AS fits
"""
_STALE_FORECASTS = """
MATCH (r:ForecastRun)-[:OF]->(:Culture {uid: $uid})
SET r.stale = coalesce(r.stale, $why)
"""
# Without its digest the run is no longer taken for the one that a new search finds.
_STALE_EVENTS = """
MATCH (r:EventRun)-[:OF]->(:Culture {uid: $uid})
SET r.stale = coalesce(r.stale, $why)
REMOVE r.digest
RETURN count(r) AS runs
"""
_RUNS = """
MATCH (r)-[:OF]->(:Culture {uid: $uid})
RETURN labels(r)[0] AS label, r.uid AS uid
"""
_STALE = """
MATCH (k:Culture {complete: true})<-[:OF]-(r)
WHERE r.stale IS NOT NULL
RETURN k.uid AS culture, CASE WHEN r:ForecastRun THEN $forecast ELSE r.model END AS model, r.stale AS why, r.uid AS run
ORDER BY culture, run
"""


@dataclass(frozen=True)
class Changes:
    """What mended masks changed of a culture; made by `curate`."""

    when: str
    """UTC, ISO 8601."""
    masks: str
    """Where they came from, such as "file:edited.tif"."""
    digest: str
    """`Culture.input_digest` of the culture with them."""
    changed: tuple[int, ...]
    """Labels of the cells of which anything is another value."""
    added: tuple[int, ...]
    removed: tuple[int, ...]
    kept: int
    """Number of cells of which nothing changed."""
    contacts_before: int
    contacts: int
    fits: int = 0
    """Number of fits that are stale now."""
    events: bool = False
    """Whether the events are."""
    before: str = ""
    """`Culture.input_digest` of the culture with the older masks."""

    @property
    def any(self) -> bool:
        """Whether a cell or a contact changed."""
        return bool(self.changed or self.added or self.removed or self.contacts != self.contacts_before)

    @property
    def sentence(self) -> str:
        """For the user.

        >>> Changes("", "", "", (1, 2, 3), (9,), (), 145, 380, 377, 2).sentence
        '3 cells changed, 1 added, 0 removed, 145 kept; contacts 380 -> 377'
        """
        cells = "cell" if len(self.changed) == 1 else "cells"
        return (
            f"{len(self.changed)} {cells} changed, {len(self.added)} added, {len(self.removed)} removed, "
            f"{self.kept} kept; contacts {self.contacts_before} -> {self.contacts}"
        )


def curate(bolt: Bolt, data: CultureData, before: str, when: str) -> Changes:
    """See Graph.curate."""
    check(data)
    weights, scales = stored_weights(contact_graph(data))
    bolt.require_room()
    return bolt.run(lambda tx: _write(tx, data, before, when, weights, scales), write=True)


def _write(
    tx: ManagedTransaction, data: CultureData, before: str, when: str, weights: dict[str, Any], scales: Row
) -> Changes:
    uid = data.culture.uid
    state = rows_of(tx, _STATE, uid=uid)
    stored = state[0]["culture"] if state else {}
    if stored.get("input_digest") == data.culture.input_digest and stored.get("curated"):
        return changes_of(stored["curated"][-1])  # done: only the acknowledgement was lost
    if stored.get("input_digest") != before:
        raise ConflictError(
            f"another process wrote or deleted culture {spelt(uid)} meanwhile; wait for it to end, and repeat this"
        )
    there = contacts_there(tx, uid)
    changed, added, removed = write_cells(tx, data)
    differ = write_contacts(tx, data, weights, there)
    found = Changes(
        when=when,
        masks=data.culture.masks,
        digest=data.culture.input_digest,
        changed=changed,
        added=added,
        removed=removed,
        kept=len(data.cells) - len(changed) - len(added),
        contacts_before=len(there),
        contacts=len(data.contacts),
        before=before,
    )
    if found.any or differ:
        why = f"its masks were mended {when[:10]} ({found.masks.removeprefix('file:')}): {found.sentence}"
        fits = rows_of(tx, _STALE_FITS, uid=uid, why=why)[0]["fits"]
        runs = rows_of(tx, _STALE_EVENTS, uid=uid, why=why)[0]["runs"]
        rows_of(tx, _STALE_FORECASTS, uid=uid, why=why)
        found = replace(found, fits=fits, events=bool(runs))
    rows_of(tx, _SET, uid=uid, values=_culture(data, stored, scales, found))
    if removed:
        reseal(tx, uid)  # what fits and events had of those cells is gone too
    else:
        for run in rows_of(tx, _RUNS, uid=uid):
            seal_run(tx, run["label"], run["uid"])
        annotations = annotations_seal(tx, uid, stored.get("cell_annotations") or ())
        seal_culture(tx, uid, of_culture(data, weights) | annotations)
    return found


def contacts_there(tx: ManagedTransaction, uid: str) -> dict[tuple[str, str], list[Any]]:
    """A culture's contacts, by the uids of both cells: the values of OF_CONTACTS."""
    return {(row["a"], row["b"]): [row[name] for name in OF_CONTACTS] for row in rows_of(tx, _CONTACTS, uid=uid)}


def _culture(data: CultureData, stored: Mapping[str, Any], scales: Row, found: Changes) -> Row:
    """The culture's properties that change; None takes one away."""
    prefixes = tuple(f"{prefix}_" for prefix in FLAT.values())
    gone = [name for name in stored if name.startswith(prefixes) or name.endswith("_scale")]
    values = {name: value for name, value in culture_properties(data.culture).items() if name not in _KEPT}
    history = [*(stored.get("curated") or []), json.dumps(asdict(found))]
    return {**dict.fromkeys(gone), **values, **scales, **summary.of_culture(data), "curated": history}


def write_cells(tx: ManagedTransaction, data: CultureData) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Write what changed of the cells; return the labels of those that are changed, added and removed."""
    uid = data.culture.uid
    before = {row["label"]: row for row in rows_of(tx, _CELLS, uid=uid)}
    labels = set(data.cells.labels.tolist())
    removed = sorted(set(before) - labels)
    if removed:
        uids = [before[label]["uid"] for label in removed]
        rows_of(tx, _REMOVE_EVENTS, uids=uids)
        rows_of(tx, _REMOVE, uids=uids)
    changed: list[int] = []
    for rows in cell_batches(data.cells, uid, uid):
        differing = [row for row in rows if row["label"] in before and _differ(row, before[row["label"]], OF_CELLS)]
        new = [row for row in rows if row["label"] not in before]
        if differing:
            rows_of(tx, _CHANGE, rows=differing)
        if new:
            rows_of(tx, _ADD, uid=uid, rows=new)
        changed += [row["label"] for row in differing]
    return tuple(changed), tuple(sorted(labels - set(before))), tuple(removed)


def _differ(new: Mapping[str, Any], old: Mapping[str, Any], names: Sequence[str]) -> bool:
    return any(new[name] != old[name] for name in names)


def write_contacts(
    tx: ManagedTransaction, data: CultureData, weights: dict[str, Any], before: Mapping[tuple[str, str], list[Any]]
) -> bool:
    """Write what changed of the contacts (`before`: `contacts_there`), after the cells; return whether any did."""
    pairs: set[tuple[str, str]] = set()
    changed = False
    for rows in contact_batches(data.contacts, weights, data.culture.uid):
        pairs |= {(row[0], row[1]) for row in rows}
        differing = [row for row in rows if before.get((row[0], row[1])) != row[2:]]
        if differing:
            rows_of(tx, _JOIN, rows=differing)
        changed |= bool(differing)
    gone = [list(pair) for pair in before if pair not in pairs]
    if gone:  # those of removed cells are gone already
        rows_of(tx, _PART, rows=gone)
    return changed or bool(gone)


def changes_of(text: str) -> Changes:
    """An entry of `Culture.curated` of the graph, which is JSON."""
    values: dict[str, Any] = json.loads(text)
    for name in ("changed", "added", "removed"):
        values[name] = tuple(values[name])
    return Changes(**values)


def history(bolt: Bolt, uid: str) -> list[Changes]:
    """See Graph.history."""
    rows = bolt.rows(_STATE, {"uid": uid}, write=False)
    return [changes_of(text) for text in (rows[0]["culture"].get("curated") or [])] if rows else []


def stale(bolt: Bolt) -> list[Row]:
    """See Graph.stale."""
    return bolt.rows(_STALE, {"forecast": FORECAST}, write=False)


def counted(models: Sequence[str | None]) -> str:
    """What is stale, in words, from the models of stale runs.

    >>> counted(["robust", "crlsm", None, FORECAST])
    '2 fits, the events and the forecast'
    """
    fits = sum(model not in (None, FORECAST) for model in models)
    parts = [f"{fits} {'fit' if fits == 1 else 'fits'}"] if fits else []
    parts += [what for kind, what in ((None, "the events"), (FORECAST, "the forecast")) if kind in models]
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def stale_told(bolt: Bolt) -> dict[str, str]:
    """See Graph.stale_told."""
    found: dict[str, list[Row]] = {}
    for row in stale(bolt):
        found.setdefault(row["culture"], []).append(row)
    told = {}
    for culture, rows in found.items():
        models = [row["model"] for row in rows]
        told[culture] = f"stale: {counted(models)}, because {rows[0]['why']}; {remedy(culture, models)}"
    return told


def remedy(culture: str, models: Sequence[str | None]) -> str:
    """The commands that make stale fits, events and forecasts anew; None stands for events.

    >>> remedy("A", ["robust", None, FORECAST])
    'run `calcigraph fit A --model robust` and `calcigraph events A` and `calcigraph forecast A`'
    """
    fits = [model for model in dict.fromkeys(models) if model not in (None, FORECAST)]
    again = [command("fit", [culture], "--model", model) for model in fits if model is not None]
    again += [command(verb, [culture]) for kind, verb in ((None, "events"), (FORECAST, FORECAST)) if kind in models]
    return "run " + " and ".join(f"`{each}`" for each in again)
