"""Writing, replacing and deleting whole cultures, in numbered batches that a killed or repeated run cannot double.

A culture is incomplete from its first transaction to its last. Its node holds the writer's token and the number of its
last batch. A batch is written only if both fit: so one whose acknowledgement was lost is not written twice, and a
writer finds out that another has begun the culture anew. A replacement is built beside the old culture under a name of
its own, then takes its place.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import ConflictError, GraphError, InputError, NotFoundError
from calcigraph.store import annotated, events, summary
from calcigraph.store.bolt import Bolt, Row, rows_of
from calcigraph.store.rows import OF_CONTACTS, cell_rows, contact_rows, culture_of, culture_properties, moment
from calcigraph.store.seals import of_culture, seal_culture
from calcigraph.store.types import Cells, Contacts, Culture, CultureData, FloatArray, Progress
from calcigraph.store.weights import contact_graph, stored_weights

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

MESSAGE_BYTES = 8 * 2**20
"""A Bolt message may have 16 MiB on the embedded engine; half of it leaves room, because sizes are estimated."""
NUMBER_BYTES = 9
"""Of a float in a Bolt message."""
CELL_BYTES = 300
"""Of a cell in a Bolt message without its trace and polygon, with room to spare."""
BATCH_CELLS = 1000
"""Most cells in one transaction: what is written must fit the embedded engine's heap."""
BATCH_CONTACTS = 10_000
"""Most contacts in one transaction."""

BEGIN = """
MERGE (k:Culture {uid: $uid})
SET k = $properties, k.created = datetime($created)
RETURN k.uid AS uid
"""
LINK = """
MERGE (e:Experiment {name: $experiment})
WITH e
MATCH (k:Culture {uid: $uid})
MERGE (k)<-[:INCLUDES]-(e)
"""
_TAKE_BATCH = """
MATCH (k:Culture {uid: $uid})
WHERE k.token = $token AND k.batch = $batch - 1
SET k.batch = $batch
RETURN k.uid AS uid
"""
_CELLS = """
MATCH (k:Culture {uid: $uid})
UNWIND $rows AS row
CREATE (c:Cell)
SET c = row
CREATE (c)<-[:HAS_CELL]-(k)
"""
# Rows as lists: as maps, whose keys go along with every row, they took the engine twice as long.
_CONTACTS = f"""
UNWIND $rows AS row
MATCH (a:Cell {{uid: row[0]}})
MATCH (b:Cell {{uid: row[1]}})
CREATE (a)-[:ADJACENT {{{", ".join(f"{name}: row[{place}]" for place, name in enumerate(OF_CONTACTS, start=2))}}}]->(b)
"""
_STATE = """
MATCH (k:Culture {uid: $uid})
RETURN k.complete AS complete, k.input_digest AS digest, k.token AS token, k.batch AS batch
"""
_COMPLETE = """
MATCH (k:Culture {uid: $uid})
SET k.complete = true
REMOVE k.token, k.batch, k.state, k.replaces
"""
_DELETE_RUNS = """
MATCH (r)-[:OF]->(:Culture {uid: $uid})
WHERE r:FitRun OR r:ForecastRun
DETACH DELETE r
"""
_DELETE_SOME_CELLS = """
MATCH (:Culture {uid: $uid})-[:HAS_CELL]->(c:Cell)
WITH c LIMIT $limit
DETACH DELETE c
"""
_COUNT_CELLS = "MATCH (:Culture {uid: $uid})-[:HAS_CELL]->(c:Cell) RETURN count(c) AS cells"
_DELETE_CULTURE = "MATCH (k:Culture {uid: $uid}) DETACH DELETE k"
_EXPERIMENTS = "MATCH (:Culture {uid: $uid})<-[:INCLUDES]-(e:Experiment) RETURN e.name AS name"
# Of these names only: in a shared database another program may have nodes of this label.
_DELETE_EMPTY_EXPERIMENTS = """
UNWIND $names AS name
MATCH (e:Experiment {name: name})
WHERE NOT (e)-[:INCLUDES]->()
DETACH DELETE e
"""
_MARK_DELETED = "MATCH (k:Culture {uid: $uid}) SET k.complete = false, k.state = 'delete' RETURN k.uid AS uid"
_RENAME_CELLS = """
MATCH (:Culture {uid: $before})-[:HAS_CELL]->(c:Cell)
SET c.uid = $after + ':' + toString(c.label)
"""
_RENAME_CULTURE = "MATCH (k:Culture {uid: $before}) SET k.uid = $after"
_RETIRE_RUNS = "MATCH (r)-[:OF]->(:Culture {uid: $uid}) SET r.uid = $after + r.uid"  # of fits and of events
_RETIRE_CULTURE = """
MATCH (k:Culture {uid: $after})
SET k.complete = false, k.state = 'replace', k.replaces = $uid
"""
_CULTURES = """
MATCH (k:Culture)
WHERE k.replaces IS NULL
OPTIONAL MATCH (k)<-[:INCLUDES]-(e:Experiment)
RETURN properties(k) AS culture, e.name AS experiment
ORDER BY k.uid
"""
_CULTURE = """
MATCH (k:Culture {uid: $uid})
OPTIONAL MATCH (k)<-[:INCLUDES]-(e:Experiment)
RETURN properties(k) AS culture, e.name AS experiment
"""
_INCOMPLETE = """
MATCH (k:Culture)
WHERE k.complete = false
OPTIONAL MATCH (k)-[:HAS_CELL]->(c:Cell)
RETURN coalesce(k.replaces, k.uid) AS culture, k.state AS state, count(c) AS cells
ORDER BY culture, state
"""


def staged(uid: str) -> str:
    """The uid under which a replacement of `uid` is built; it begins with a space, as no culture's name may.

    >>> staged("A")
    ' replacement of A'
    """
    return f" replacement of {uid}"


def retired(uid: str) -> str:
    """The uid of a culture that has been replaced, until its last cell is deleted; it begins with a space too."""
    return f" replaced {uid}"


def list_cultures(bolt: Bolt) -> list[Culture]:
    """All cultures, incomplete ones too, by name; replacements under way are not cultures yet."""
    return [culture_of(row) for row in bolt.rows(_CULTURES, {}, write=False)]


def find_culture(bolt: Bolt, uid: str) -> Culture | None:
    """The culture of that name, complete or not."""
    rows = bolt.rows(_CULTURE, {"uid": uid}, write=False)
    return culture_of(rows[0]) if rows else None


def incomplete(bolt: Bolt) -> list[Row]:
    """See Graph.incomplete."""
    return bolt.rows(_INCOMPLETE, {}, write=False)


def write_culture(bolt: Bolt, data: CultureData, replace: bool, progress: Progress) -> None:
    """See Graph.write_culture."""
    check(data)
    uid = data.culture.uid
    present = _state(bolt, uid)
    complete = present is not None and bool(present["complete"])
    same = present is not None and present["digest"] == data.culture.input_digest
    if complete and not same and not replace:
        raise ConflictError(
            f"culture {uid} is already stored and came from another input or other options; "
            "give another name, or replace it with --replace"
        )
    remove_leftovers(bolt, uid)
    if complete and same:
        return
    if not complete:
        remove_culture(bolt, uid)
    bolt.require_room()
    # An incomplete culture is simply written anew; a complete one stays visible until the new one is whole.
    target = staged(uid) if complete else uid
    weights, scales = stored_weights(contact_graph(data))
    seals = of_culture(data, weights)
    token = _begin(bolt, data.culture, scales | summary.of_culture(data), target)
    batches = _write_batches(bolt, data, weights, target, token, progress)
    bolt.run(lambda tx: _finish(tx, data.culture, target, token, batches, seals), write=True)
    if complete:
        remove_leftovers(bolt, uid)


def delete_culture(bolt: Bolt, uid: str) -> None:
    """See Graph.delete_culture."""
    if not remove_culture(bolt, uid):
        raise NotFoundError(f"there is no culture {uid}; `calcigraph query cultures` lists those there are")
    remove_leftovers(bolt, uid)


def check(data: CultureData) -> None:
    """Raise InputError unless the parts of a culture fit together."""
    culture, cells, contacts = data.culture, data.cells, data.contacts
    uid = culture.uid
    if not uid or uid != uid.strip() or not uid.isprintable():
        raise InputError(f"{uid!r} cannot name a culture; expected printable text that neither begins nor ends blank")
    if cells.intensity.shape != (len(cells), culture.frames):
        raise InputError(
            f"culture {uid}: intensity has the shape {cells.intensity.shape}, expected {(len(cells), culture.frames)}"
        )
    if not np.isfinite(cells.intensity).all():
        raise InputError(f"culture {uid}: intensities that are not finite cannot be stored; interpolate or drop them")
    labels = set(cells.labels.tolist())
    if len(labels) != len(cells):
        raise InputError(f"culture {uid}: two cells have the same label")
    pairs = list(zip(contacts.label_a.tolist(), contacts.label_b.tolist(), strict=True))
    if len(set(pairs)) != len(pairs) or any(a >= b or a not in labels or b not in labels for a, b in pairs):
        raise InputError(
            f"culture {uid}: contacts must name stored cells, each pair once, with the smaller label first"
        )


def _begin(bolt: Bolt, culture: Culture, facts: Row, target: str) -> str:
    """Make the culture's node, incomplete, under the uid `target`; return this writer's token."""
    token = secrets.token_hex(8)
    properties = culture_properties(culture) | facts | {"uid": target, "token": token, "batch": 0, "complete": False}
    properties["state"] = "ingest" if target == culture.uid else "replace"
    if target != culture.uid:
        properties["replaces"] = culture.uid

    def work(tx: ManagedTransaction) -> None:
        rows_of(tx, BEGIN, uid=target, properties=properties, created=moment(culture.created))
        if culture.experiment is not None:
            rows_of(tx, LINK, uid=target, experiment=culture.experiment)

    bolt.run(work, write=True)
    return token


def _write_batches(
    bolt: Bolt, data: CultureData, weights: dict[str, FloatArray], target: str, token: str, progress: Progress
) -> int:
    """Write cells, then contacts, which need both their cells; return the number of batches."""
    done, batch = {"cells": 0, "contacts": 0}, 0
    total = {"cells": len(data.cells), "contacts": len(data.contacts)}
    parts = (
        ("cells", _CELLS, cell_batches(data.cells, target, data.culture.uid)),
        ("contacts", _CONTACTS, contact_batches(data.contacts, weights, target)),
    )
    for stage, text, batches in parts:
        for rows in batches:
            batch += 1
            write_batch(bolt, text, rows, target, token, batch)
            done[stage] += len(rows)
            progress(f"storing {stage}", done[stage], total[stage])
    return batch


def write_batch(bolt: Bolt, text: str, rows: list[Any], target: str, token: str, batch: int) -> None:
    """Write one batch in one transaction, unless it is there already."""

    def work(tx: ManagedTransaction) -> None:
        if rows_of(tx, _TAKE_BATCH, uid=target, token=token, batch=batch):
            rows_of(tx, text, uid=target, rows=rows)
            return
        # With the token still ours the batch is there, and only its acknowledgement was lost.
        require_token(tx, target, token)

    bolt.require_room()
    bolt.run(work, write=True)


def require_token(tx: ManagedTransaction, target: str, token: str) -> None:
    """Raise ConflictError unless this writer was the last to begin the culture."""
    state = rows_of(tx, _STATE, uid=target)
    if not state or state[0]["token"] != token:
        raise ConflictError(
            f"another process began to write or delete{'' if target[0] != ' ' else ' a'} culture {target.strip()}; "
            "wait for it to end and repeat the command"
        )


def _finish(
    tx: ManagedTransaction, culture: Culture, target: str, token: str, batches: int, seals: dict[str, str]
) -> None:
    """The last transaction: the culture becomes visible, in one step also where it replaces another."""
    uid = culture.uid
    state = rows_of(tx, _STATE, uid=target)
    if not state or state[0]["token"] != token:
        there = rows_of(tx, _STATE, uid=uid)
        if there and there[0]["complete"] and there[0]["digest"] == culture.input_digest:
            return  # done: only the acknowledgement was lost
        require_token(tx, target, token)
    if state[0]["batch"] != batches:
        raise GraphError(f"culture {uid} lost a batch while it was written; repeat the command")
    if target != uid:
        annotated.hand_on(tx, uid, target)
        # The old culture gets the name of a leftover, the new one the old one's name; its cells are deleted later.
        rows_of(tx, _RETIRE_RUNS, uid=uid, after=retired(uid))
        for before, after in ((uid, retired(uid)), (target, uid)):
            rows_of(tx, _RENAME_CELLS, before=before, after=after)
            rows_of(tx, _RENAME_CULTURE, before=before, after=after)
        rows_of(tx, _RETIRE_CULTURE, uid=uid, after=retired(uid))
    rows_of(tx, _COMPLETE, uid=uid)
    seal_culture(tx, uid, seals)


def remove_leftovers(bolt: Bolt, uid: str) -> None:
    """See Graph.remove_leftovers."""
    for leftover in (staged(uid), retired(uid)):
        remove_culture(bolt, leftover)


def sweep(bolt: Bolt, uid: str) -> None:
    """See Graph.sweep."""
    state = _state(bolt, uid)
    if state is not None and not state["complete"]:
        remove_culture(bolt, uid)
    remove_leftovers(bolt, uid)
    events.remove_runs(bolt, uid, keep=events.shown(uid))


def remove_culture(bolt: Bolt, uid: str) -> bool:
    """Delete a culture in batches; it is incomplete from the first one on. False when there is none."""
    if not bolt.rows(_MARK_DELETED, {"uid": uid}, write=True):
        return False
    events.remove_runs(bolt, uid)
    while bolt.rows(_COUNT_CELLS, {"uid": uid}, write=False)[0]["cells"]:
        bolt.rows(_DELETE_SOME_CELLS, {"uid": uid, "limit": BATCH_CELLS}, write=True)

    def last(tx: ManagedTransaction) -> None:
        names = [row["name"] for row in rows_of(tx, _EXPERIMENTS, uid=uid)]
        rows_of(tx, _DELETE_RUNS, uid=uid)
        rows_of(tx, _DELETE_CULTURE, uid=uid)
        rows_of(tx, _DELETE_EMPTY_EXPERIMENTS, names=names)

    bolt.run(last, write=True)
    return True


def _state(bolt: Bolt, uid: str) -> Row | None:
    rows = bolt.rows(_STATE, {"uid": uid}, write=False)
    return rows[0] if rows else None


def cell_batches(cells: Cells, uid: str, culture: str) -> Iterator[list[Row]]:
    """Rows of cell properties, in lists that fit one Bolt message."""
    rows: list[Row] = []
    room = MESSAGE_BYTES
    for row in cell_rows(cells, uid, culture):
        size = NUMBER_BYTES * len(row["intensity"]) + len(row["polygon"] or "") + CELL_BYTES
        if rows and (size > room or len(rows) == BATCH_CELLS):
            yield rows
            rows, room = [], MESSAGE_BYTES
        rows.append(row)
        room -= size
    if rows:
        yield rows


def contact_batches(contacts: Contacts, weights: dict[str, FloatArray], uid: str) -> Iterator[list[list[Any]]]:
    """Rows of contacts of the culture's node `uid` (see `contact_rows`), in lists that fit one Bolt message."""
    rows = contact_rows(contacts, weights, uid)
    for start in range(0, len(rows), BATCH_CONTACTS):
        yield rows[start : start + BATCH_CONTACTS]
