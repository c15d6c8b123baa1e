"""What users say of a culture or of its cells beyond what calcigraph measures: dish, operator, dose, cell type.

It stands as properties on the node itself, so that Cypher can ask for it, and their names in `annotations`. It is no
part of the ingest: to change it needs no new ingest, and a replaced culture hands it on to the new one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calcigraph.errors import InputError, NotFoundError, spelt
from calcigraph.store import described
from calcigraph.store.bolt import Bolt, rows_of
from calcigraph.store.seals import annotations_seal, seal_culture

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

Value = str | int | float | bool | None
"""Of an annotation; None takes it away."""

CONDITION, EXPERIMENT = "condition", "experiment"
OWN = (CONDITION, EXPERIMENT)
"""What an ingest may give too, with options of the same names."""
LONGEST = 1000
"""Characters of a value."""
MOST_LISTED = 5
"""Cells that an error message names."""

_STATE = """
MATCH (k:Culture {uid: $uid, complete: true})
RETURN k.annotations AS names, k.cell_annotations AS of_cells
"""
_SET = """
MATCH (k:Culture {uid: $uid, complete: true})
SET k += $values
RETURN k.uid AS uid
"""
_LABELS = """
MATCH (:Culture {uid: $uid, complete: true})-[:HAS_CELL]->(c:Cell)
WHERE c.label IN $labels
RETURN c.label AS label
"""
_SET_CELLS = """
MATCH (:Culture {uid: $uid, complete: true})-[:HAS_CELL]->(c:Cell)
WHERE c.label IN $labels
SET c += $values
"""
_STILL = """
MATCH (:Culture {uid: $uid})-[:HAS_CELL]->(c:Cell)
WHERE c[$name] IS NOT NULL
RETURN 1 AS one LIMIT 1
"""
_EXPERIMENT = "MATCH (:Culture {uid: $uid})<-[:INCLUDES]-(e:Experiment) RETURN e.name AS name"
_LEAVE = "MATCH (:Culture {uid: $uid})<-[r:INCLUDES]-(:Experiment) DELETE r"
_JOIN = """
MERGE (e:Experiment {name: $experiment})
WITH e
MATCH (k:Culture {uid: $uid})
MERGE (k)<-[:INCLUDES]-(e)
"""
# Of this name only: in a shared database another program may have nodes of this label.
_DELETE_EMPTY = "MATCH (e:Experiment {name: $name}) WHERE NOT (e)-[:INCLUDES]->() DETACH DELETE e"
_KEPT = """
MATCH (k:Culture {uid: $uid})
OPTIONAL MATCH (k)<-[:INCLUDES]-(e:Experiment)
RETURN properties(k) AS culture, e.name AS experiment
"""
_HAND_ON = "MATCH (k:Culture {uid: $uid}) SET k += $values"


def parsed(text: str) -> tuple[str, Value]:
    """An annotation as it is written on the command line: `key=value`; nothing after the `=` takes it away.

    Numbers, `true` and `false` become such values; all else is text. Raises InputError for what is none.

    >>> parsed("dose=2.5"), parsed("dish=B 3"), parsed("fixed=true"), parsed("dish=")
    (('dose', 2.5), ('dish', 'B 3'), ('fixed', True), ('dish', None))
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"{text!r} is no annotation: expected key=value, such as dish=3 (key= takes it away)")
    return key.strip(), _value(value.strip()) if key.strip() not in OWN else value.strip() or None


def _value(text: str) -> Value:
    if not text:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    plain = isinstance(value, bool | int | float) and (isinstance(value, bool) or math.isfinite(value))
    return value if plain and abs(value) < 2**53 else text


def finish_plan(bolt: Bolt, uid: str, setting: str) -> None:
    """See Graph.finish_plan."""

    def work(tx: ManagedTransaction) -> None:
        rows_of(tx, _SET, uid=uid, values={"plan": setting})
        seal_culture(tx, uid)

    bolt.require_room()
    bolt.run(work, write=True)


def annotate(bolt: Bolt, uid: str, values: Mapping[str, Value], labels: Sequence[int] | None) -> None:
    """See Graph.annotate."""
    for name, value in values.items():
        _check(name, value, of_cells=labels is not None)

    def work(tx: ManagedTransaction) -> None:
        state = rows_of(tx, _STATE, uid=uid)
        if not state:
            raise NotFoundError(f"there is no complete culture {spelt(uid)}; `calcigraph query cultures` lists all")
        if labels is None:
            _annotate_culture(tx, uid, values, state[0]["names"] or [])
        else:
            _annotate_cells(tx, uid, values, state[0]["of_cells"] or [], labels)
        names = rows_of(tx, _STATE, uid=uid)[0]["of_cells"] or []
        seal_culture(tx, uid, None if labels is None else annotations_seal(tx, uid, names))

    bolt.require_room()
    bolt.run(work, write=True)


def _annotate_culture(tx: ManagedTransaction, uid: str, values: Mapping[str, Value], before: Sequence[str]) -> None:
    own = {name: value for name, value in values.items() if name not in OWN}
    names = sorted({*before, *own} - {name for name, value in own.items() if value is None})
    changed: dict[str, Any] = {**own, "annotations": names or None}
    if CONDITION in values:
        changed[CONDITION] = values[CONDITION]
    rows_of(tx, _SET, uid=uid, values=changed)
    if EXPERIMENT in values:
        _move(tx, uid, values[EXPERIMENT])


def _move(tx: ManagedTransaction, uid: str, experiment: Value) -> None:
    """To another experiment; the one that has no culture left goes."""
    before = [row["name"] for row in rows_of(tx, _EXPERIMENT, uid=uid)]
    rows_of(tx, _LEAVE, uid=uid)
    if experiment is not None:
        rows_of(tx, _JOIN, uid=uid, experiment=experiment)
    for name in before:
        if name != experiment:
            rows_of(tx, _DELETE_EMPTY, name=name)


def _annotate_cells(
    tx: ManagedTransaction, uid: str, values: Mapping[str, Value], before: Sequence[str], labels: Sequence[int]
) -> None:
    there = {row["label"] for row in rows_of(tx, _LABELS, uid=uid, labels=list(labels))}
    unknown = sorted(set(labels) - there)
    if unknown:
        listed = ", ".join(map(str, unknown[:MOST_LISTED])) + (", ..." if len(unknown) > MOST_LISTED else "")
        raise NotFoundError(
            f"culture {spelt(uid)} has no cell {listed}: `calcigraph query cells` lists them; nothing was changed"
        )
    rows_of(tx, _SET_CELLS, uid=uid, labels=list(labels), values=dict(values))
    gone = {name for name, value in values.items() if value is None and not rows_of(tx, _STILL, uid=uid, name=name)}
    rows_of(tx, _SET, uid=uid, values={"cell_annotations": sorted({*before, *values} - gone) or None})


def _check(name: str, value: Value, of_cells: bool) -> None:
    """Raise InputError for a name or a value that cannot be stored."""
    if not re.fullmatch(r"[A-Za-z]\w*", name) or not name.isascii() or len(name) > 64:
        raise InputError(f"{name!r} cannot name an annotation: expected a letter, then letters, digits and _ only")
    label = "Cell" if of_cells else "Culture"
    if _is_own(label, name) and not (name in OWN and not of_cells):
        raise InputError(f"{name} is calcigraph's own property of a {label}: choose another name, such as my_{name}")
    if isinstance(value, str) and (len(value) > LONGEST or not value.isprintable()):
        raise InputError(f"the value of {name} cannot be stored: expected up to {LONGEST} printable characters")


def _is_own(label: str, name: str) -> bool:
    """Whether calcigraph itself gives nodes of this label such a property; what fits give is not known here."""
    table = next(table for table in described.tables() if table.name == label)
    # Any two words with a _ between would pass for <model>_<parameter>.
    return any(name in line.names for line in table.lines) if label == "Cell" else table.has(name)


def hand_on(tx: ManagedTransaction, old: str, new: str) -> None:
    """What was said of the culture `old`, onto the one that takes its place, where that does not say otherwise."""
    before, after = (rows_of(tx, _KEPT, uid=uid)[0] for uid in (old, new))
    stored, own = before["culture"], after["culture"]
    names = stored.get("annotations") or []
    values = {name: stored[name] for name in names} | {"annotations": names or None}
    if own.get(CONDITION) is None:
        values[CONDITION] = stored.get(CONDITION)
    rows_of(tx, _HAND_ON, uid=new, values=values)
    if after["experiment"] is None and before["experiment"] is not None:
        rows_of(tx, _JOIN, uid=new, experiment=before["experiment"])
