"""Writing one detection of events and waves: built beside the old one, which it replaces in one small transaction.

All that belongs to a run carries its key in `run`. A run under way is an EventRun of another uid, which named queries
do not see. Like a culture (store/cultures.py) it is written in numbered batches that a killed or repeated writer cannot
double. The last transaction gives it the uid "<culture>:events" and takes that from the old run, whose events are
deleted later. One transaction for all of it would not fit the embedded engine's heap.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import ConflictError, GraphError, InputError, NotFoundError
from calcigraph.store.bolt import Bolt, Row, rows_of
from calcigraph.store.event_properties import (
    duration,
    event_rows,
    link_rows,
    measured_rows,
    run_digest,
    run_properties,
    wave_rows,
)
from calcigraph.store.event_types import EventRun
from calcigraph.store.seals import Seal, seal_culture, seal_run
from calcigraph.store.types import FloatArray, Progress

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

BATCH_EVENTS = 1000
"""Most events, links or parts of waves in one transaction: larger ones are slower on the embedded engine."""
BATCH_CELLS = 1000
BATCH_NUMBERS = 400_000
"""Most numbers of dF/F in one transaction and Bolt message."""

_FOUND = """
MATCH (k:Culture {uid: $culture})
OPTIONAL MATCH (r:EventRun)-[:OF]->(k)
RETURN k.complete AS complete, k.pixel_size_um AS pixel_size_um, k.frames AS frames, k.time_s AS time_s,
       k.frame_interval_s AS frame_interval_s, r.uid AS uid, r.run AS run, r.digest AS digest
"""
_BEGIN = """
MATCH (k:Culture {uid: $culture})
WHERE k.complete = true
CREATE (r:EventRun)
SET r = $properties, r.created = datetime($created)
CREATE (r)-[:OF]->(k)
RETURN r.uid AS uid
"""
_TAKE_BATCH = """
MATCH (r:EventRun {uid: $uid})
WHERE r.run = $run AND r.batch = $batch - 1
SET r.batch = $batch
RETURN r.uid AS uid
"""
_STATE = """
MATCH (r:EventRun {uid: $uid})
RETURN r.run AS run, r.batch AS batch
"""
_MEASURED = """
MATCH (r:EventRun {uid: $uid})
UNWIND $rows AS row
MATCH (c:Cell {uid: row.cell})
CREATE (c)-[m:MEASURED]->(r)
SET m = row.values
RETURN count(*) AS written
"""
_EVENTS = """
UNWIND $rows AS row
MATCH (c:Cell {uid: row.cell})
CREATE (c)-[:HAS_EVENT]->(e:Event)
SET e = row.values
RETURN count(*) AS written
"""
_PRECEDES = """
UNWIND $rows AS row
MATCH (a:Event {uid: row.a}) WHERE a.run = $run
MATCH (b:Event {uid: row.b}) WHERE b.run = $run
CREATE (a)-[:PRECEDES {lag_s: row.lag_s, p: row.p}]->(b)
RETURN count(*) AS written
"""
_COINCIDES = """
UNWIND $rows AS row
MATCH (a:Event {uid: row.a}) WHERE a.run = $run
MATCH (b:Event {uid: row.b}) WHERE b.run = $run
CREATE (a)-[:COINCIDES {p: row.p}]->(b)
RETURN count(*) AS written
"""
_WAVES = """
MATCH (r:EventRun {uid: $uid})
UNWIND $rows AS row
CREATE (w:Wave)
SET w = row.values
CREATE (w)-[:OF]->(r)
RETURN count(w) AS written
"""
_PARTS = """
UNWIND $rows AS row
MATCH (e:Event {uid: row.event}) WHERE e.run = $run
MATCH (w:Wave {uid: row.wave}) WHERE w.run = $run
CREATE (e)-[:PART_OF]->(w)
RETURN count(*) AS written
"""
_STARTS = """
UNWIND $rows AS row
MATCH (c:Cell {uid: row.cell})
MATCH (w:Wave {uid: row.wave}) WHERE w.run = $run
CREATE (w)-[:STARTED_AT]->(c)
RETURN count(*) AS written
"""
_RETIRE = """
MATCH (r:EventRun {uid: $uid})
SET r.uid = ' removed ' + r.run, r.complete = false
"""
_SHOW = """
MATCH (r:EventRun {uid: $before})-[:OF]->(k:Culture {uid: $culture})
WHERE r.run = $run AND k.complete = true
SET r.uid = $after, r.complete = true
REMOVE r.batch
RETURN r.uid AS uid
"""
_DELETE_SOME_CELLS = """
MATCH (c:Cell)-[m:MEASURED]->(:EventRun {uid: $uid})
WITH c, m LIMIT $limit
OPTIONAL MATCH (c)-[:HAS_EVENT]->(e:Event) WHERE e.run = $run
DETACH DELETE e
DELETE m
RETURN count(*) AS deleted
"""
_DELETE_SOME_WAVES = """
MATCH (w:Wave)-[:OF]->(:EventRun {uid: $uid})
WITH w LIMIT $limit
DETACH DELETE w
RETURN count(*) AS deleted
"""
_SIZE = "MATCH (r:EventRun {uid: $uid}) RETURN r.events AS events, r.cells AS cells"
_DELETE_RUN = "MATCH (r:EventRun {uid: $uid}) DETACH DELETE r"
_INCOMPLETE = """
MATCH (r:EventRun)-[:OF]->(k:Culture)
WHERE r.complete = false AND k.complete = true
RETURN DISTINCT k.uid AS culture
ORDER BY culture
"""
"""A culture that is incomplete itself is told as such."""


def shown(culture: str) -> str:
    """The uid of a culture's run of events: it has one at most.

    >>> shown("control")
    'control:events'
    """
    return f"{culture}:events"


def staged(culture: str) -> str:
    """The uid of a run that is being written; it begins with a space, as no culture's name may."""
    return f" events of {culture}"


def write_events(bolt: Bolt, run: EventRun, dff: FloatArray, created: str, version: str, progress: Progress) -> bool:
    """See Graph.write_events."""
    check(run, dff)
    culture = run.culture
    found = bolt.rows(_FOUND, {"culture": culture}, write=False)
    if not found or not found[0]["complete"]:
        raise _no_culture(culture)
    digest = run_digest(run)
    same = any(row["uid"] == shown(culture) and row["digest"] == digest for row in found)
    for row in found:
        if row["uid"] not in (None, shown(culture)):
            _drop(bolt, row["uid"], row["run"])
    if same:
        return False
    bolt.require_room()
    writer = _Writer(bolt, run, found[0], progress)
    try:
        writer.begin({"digest": digest, "version": version}, created)
        writer.write(dff)
        writer.finish()
    except (InputError, NotFoundError):  # the culture was replaced, mended or deleted meanwhile
        writer.undo()
        raise
    remove_runs(bolt, culture, keep=shown(culture))
    return True


def remove_runs(bolt: Bolt, culture: str, keep: str | None = None) -> None:
    """Delete a culture's runs of events with all that belongs to them, in batches, but for the one of uid `keep`."""
    for row in bolt.rows(_FOUND, {"culture": culture}, write=False):
        if row["uid"] not in (None, keep):
            _drop(bolt, row["uid"], row["run"])


def incomplete(bolt: Bolt) -> list[str]:
    """See Graph.incomplete_events."""
    return [row["culture"] for row in bolt.rows(_INCOMPLETE, {}, write=False)]


def check(run: EventRun, dff: FloatArray) -> None:
    """Raise InputError unless the parts of a run fit together."""
    count = len(run.events)
    wrong = []
    if len(set(run.labels.tolist())) != len(run.labels):
        wrong.append("a cell is named twice")
    if not set(run.events.label.tolist()) <= set(run.labels.tolist()):
        wrong.append("an event names a cell that was not looked at")
    if (np.diff(run.events.label) < 0).any():
        wrong.append("the events are not sorted by cell")
    places = [run.links.before, run.links.after, *(wave.events for wave in run.waves)]
    if any(len(place) and (place.min() < 0 or place.max() >= count) for place in places):
        wrong.append("a link or a wave names an event that is not there")
    if len(run.noise) != len(run.labels) or len(dff) != len(run.labels):
        wrong.append("noise and dF/F must have one row for each cell")
    if wrong:
        raise InputError(f"the events of culture {run.culture} cannot be stored: {'; '.join(wrong)}")


class _Writer:
    """One writer of one run: its key, and the number of its last batch."""

    def __init__(self, bolt: Bolt, run: EventRun, culture: Row, progress: Progress) -> None:
        self._bolt, self._run, self._progress = bolt, run, progress
        self._pixel_size_um, self._duration_s = culture["pixel_size_um"], duration(culture)
        self._uid, self._key, self._batch = staged(run.culture), secrets.token_hex(8), 0
        self._seals = {part: Seal() for part in ("measured", "events", "links", "waves")}

    def begin(self, properties: Row, created: str) -> None:
        """Make the run's node, unseen."""
        properties = run_properties(self._run, self._duration_s) | properties
        values = properties | {"uid": self._uid, "run": self._key, "batch": 0, "complete": False}
        parameters = {"culture": self._run.culture, "properties": values, "created": created}

        def work(tx: ManagedTransaction) -> bool:
            # It may be there already, if only the acknowledgement of an attempt before was lost.
            there = rows_of(tx, _STATE, uid=self._uid)
            return bool(there and there[0]["run"] == self._key) or bool(rows_of(tx, _BEGIN, **parameters))

        if not self._bolt.run(work, write=True):
            raise _no_culture(self._run.culture)

    def undo(self) -> None:
        """Delete what was written."""
        for row in self._bolt.rows(_FOUND, {"culture": self._run.culture}, write=False):
            if row["run"] == self._key:
                _drop(self._bolt, row["uid"], row["run"])

    def write(self, dff: FloatArray) -> None:
        """Write everything, batch by batch: cells, events, links, waves."""
        run, uids = self._run, run_uids(self._run)
        precedes, coincides = link_rows(run, uids)
        waves, starts, parts = wave_rows(run, uids, self._key, self._pixel_size_um)
        size = max(1, min(BATCH_CELLS, BATCH_NUMBERS // max(1, dff.shape[1])))
        self._stage("storing dF/F", _MEASURED, measured_rows(run, dff, self._duration_s, size), len(run.labels))
        self._stage("storing events", _EVENTS, event_rows(run, uids, self._key, BATCH_EVENTS), len(run.events))
        self._stage("storing links", _PRECEDES, _chunks(precedes), len(precedes))
        self._stage("storing links", _COINCIDES, _chunks(coincides), len(coincides))
        self._stage("storing waves", _WAVES, _chunks(waves), len(waves))
        self._stage("storing waves", _STARTS, _chunks(starts), len(starts))
        self._stage("storing waves", _PARTS, _chunks(parts), len(parts))

    def _stage(self, stage: str, text: str, batches: Iterator[list[Row]], total: int) -> None:
        done = 0
        for rows in batches:
            self._batch += 1
            self._one(text, rows, self._batch)
            self._seal(text, rows)
            done += len(rows)
            self._progress(stage, done, total)

    def _seal(self, text: str, rows: list[Row]) -> None:
        """Take rows into the seals, as `seals.Contents` does when it reads them."""
        add = {part: seal.add for part, seal in self._seals.items()}
        for row in rows:
            if text == _MEASURED:
                add["measured"]("MEASURED", row["cell"], "", row["values"])
            elif text == _EVENTS:
                add["events"](row["values"])
                add["events"]("HAS_EVENT", row["cell"], row["values"]["uid"], {})
            elif text == _PRECEDES:
                add["links"]("PRECEDES", row["a"], row["b"], {"lag_s": row["lag_s"], "p": row["p"]})
            elif text == _COINCIDES:
                add["links"]("COINCIDES", row["a"], row["b"], {"p": row["p"]})
            elif text == _WAVES:
                add["waves"](row["values"])
            elif text == _STARTS:
                add["waves"]("STARTED_AT", row["wave"], row["cell"], {})
            elif text == _PARTS:
                add["waves"]("PART_OF", row["event"], row["wave"], {})

    def _one(self, text: str, rows: list[Row], batch: int) -> None:
        """Write one batch in one transaction, unless it is there already."""

        def work(tx: ManagedTransaction) -> None:
            if not rows_of(tx, _TAKE_BATCH, uid=self._uid, run=self._key, batch=batch):
                self._require_ours(tx)  # then the batch is there, and only its acknowledgement was lost
                return
            written = rows_of(tx, text, uid=self._uid, run=self._key, rows=rows)[0]["written"]
            if written != len(rows):
                raise InputError(
                    f"culture {self._run.culture} lacks cells that the events name: it was replaced meanwhile; "
                    "find the events again"
                )

        self._bolt.require_room()
        self._bolt.run(work, write=True)

    def _require_ours(self, tx: ManagedTransaction) -> None:
        """Raise ConflictError unless this writer was the last to begin."""
        state = rows_of(tx, _STATE, uid=self._uid)
        if not state or state[0]["run"] != self._key:
            raise ConflictError(
                f"another process began to write the events of culture {self._run.culture}, or to replace or delete "
                "it; wait for it to end and repeat the command"
            )

    def finish(self) -> None:
        """The last transaction: this run is seen in place of the old one."""
        culture = self._run.culture

        def work(tx: ManagedTransaction) -> None:
            there = rows_of(tx, _STATE, uid=shown(culture))
            if there and there[0]["run"] == self._key:
                return  # done: only the acknowledgement was lost
            self._require_ours(tx)
            if rows_of(tx, _STATE, uid=self._uid)[0]["batch"] != self._batch:
                raise GraphError(f"the events of culture {culture} lost a batch while they were written; repeat it")
            rows_of(tx, _RETIRE, uid=shown(culture))
            names = {"before": self._uid, "after": shown(culture), "culture": culture, "run": self._key}
            if not rows_of(tx, _SHOW, **names):
                raise _no_culture(culture)
            seal_run(tx, "EventRun", shown(culture), {part: seal.text for part, seal in self._seals.items()})
            seal_culture(tx, culture)

        self._bolt.run(work, write=True)


def _drop(bolt: Bolt, uid: str, key: str) -> None:
    """Delete one run; nobody sees it from the first transaction on. Its node goes last: `incomplete` names it."""
    bolt.rows(_RETIRE, {"uid": uid}, write=True)
    removed = f" removed {key}"
    size = bolt.rows(_SIZE, {"uid": removed}, write=False)
    per_cell = size[0]["events"] // max(1, size[0]["cells"]) + 1 if size else 1
    for text, limit in (
        (_DELETE_SOME_CELLS, max(1, min(BATCH_CELLS, BATCH_EVENTS // per_cell))),
        (_DELETE_SOME_WAVES, BATCH_EVENTS),
    ):
        while bolt.rows(text, {"run": key, "uid": removed, "limit": limit}, write=True)[0]["deleted"]:
            pass
    bolt.rows(_DELETE_RUN, {"uid": removed}, write=True)


def run_uids(run: EventRun) -> list[str]:
    """The uids of the events: "<culture>:<label>:<number>"."""
    numbers = run.events.number().tolist()
    return [f"{run.culture}:{label}:{n}" for label, n in zip(run.events.label.tolist(), numbers, strict=True)]


def _chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), BATCH_EVENTS):
        yield list(rows[start : start + BATCH_EVENTS])


def _no_culture(culture: str) -> NotFoundError:
    return NotFoundError(
        f"there is no complete culture {culture} to store events of; `calcigraph status` tells what is incomplete"
    )
