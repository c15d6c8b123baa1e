"""Cultures as lines of text, and back into any graph: nodes and relationships as store/dump.py reads them.

A line is a JSON list: the kind, then a node's properties, or both ends and the properties of a relationship. Lists of
numbers are kept as bytes, so that they come back to the last bit.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.errors import ConflictError, GraphError
from calcigraph.store.bolt import Bolt, Row, rows_of
from calcigraph.store.cultures import BEGIN, LINK, MESSAGE_BYTES, remove_culture, require_token, write_batch
from calcigraph.store.dump import CULTURE, EXPERIMENT, LINKS, META, NODES, Dump, Links, Moment, Nodes, Place, Reader
from calcigraph.store.seals import Contents
from calcigraph.store.types import Progress

STAGE = "storing rows"
BATCH_ROWS = 1000
BATCH_BYTES = MESSAGE_BYTES // 2
"""Of the lines of one batch: a Bolt message is shorter than its line."""
PACKED = 8
"""Lists of numbers from this length on are kept as bytes."""
_TIMED = ("Culture", "FitRun", "EventRun", "ForecastRun")
"""Nodes with the time `created`."""
_HELD = {"Cell": "(n)<-[:HAS_CELL]-(k)"} | dict.fromkeys(("FitRun", "EventRun", "ForecastRun"), "(n)-[:OF]->(k)")
"""How a culture holds nodes, the one with fewer relationships first: that is quick on the embedded engine."""
_KINDS: dict[str, Nodes | Links] = {kind.label: kind for kind in NODES if kind is not META}
_KINDS |= {f"{kind.start.label} {kind.type} {kind.end.label}": kind for kind in LINKS}

_FINISH = """
MATCH (k:Culture {uid: $uid})
WHERE k.token = $token AND k.batch = $batch
SET k.complete = true
REMOVE k.token, k.batch, k.state
RETURN k.uid AS uid
"""
_COMPLETE = "MATCH (k:Culture {uid: $uid, complete: true}) RETURN k.seals AS seals"
# Nodes of a restore that was broken off before their relationships were made.
_LOOSE = (
    "MATCH (n:Event {culture: $uid}) WHERE n.run = $run WITH n LIMIT 1000 DETACH DELETE n RETURN count(*) AS n",
    "MATCH (n:Wave {culture: $uid}) WHERE n.run = $run WITH n LIMIT 1000 DETACH DELETE n RETURN count(*) AS n",
)


def lines_of(graph: Reader, culture: str, contents: Contents) -> Iterator[str]:
    """All that the graph has of a complete culture, line by line; `contents` takes it too."""
    dump = Dump(graph, culture)
    for nodes in NODES:
        if nodes is not META:
            for row in dump.nodes(nodes):
                contents.node(nodes, row)
                yield json.dumps([nodes.label, _packed(row)], ensure_ascii=False)
    for links in LINKS:
        name = f"{links.start.label} {links.type} {links.end.label}"
        for a, b, row in dump.links(links):
            contents.link(links, a, b, row)
            yield json.dumps([name, a, b, _packed(row)], ensure_ascii=False)


def _packed(row: Row) -> Row:
    return {name: _pack(value) for name, value in row.items()}


def _pack(value: Any) -> Any:
    if isinstance(value, Moment):
        return {"time": value.text}
    if isinstance(value, Place):
        return {"point": [value.x, value.y]}
    if isinstance(value, list) and len(value) >= PACKED and all(type(each) is float for each in value):
        return {"f8": base64.b64encode(np.array(value, "<f8").tobytes()).decode()}
    return value


def unpacked(row: Row) -> Row:
    """The properties of a line, as store/dump.py gives them."""
    return {name: _unpack(value) for name, value in row.items()}


def _unpack(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "time" in value:
        return Moment(value["time"])
    if "point" in value:
        return Place(*value["point"])
    return np.frombuffer(base64.b64decode(value["f8"]), "<f8").tolist()


@dataclass(frozen=True)
class _Line:
    """A line that was read."""

    kind: Nodes | Links
    row: Any
    """What a statement takes of it: properties, or both ends and properties."""
    size: int


def _read(text: str) -> _Line:
    name, *rest = json.loads(text)
    kind = _KINDS[name]
    values = _as_parameters(unpacked(rest[-1]))
    return _Line(kind, values if isinstance(kind, Nodes) else [*rest[:2], values], len(text))


def _as_parameters(row: Row) -> Row:
    from neo4j.spatial import CartesianPoint

    return {name: _as_parameter(value, CartesianPoint) for name, value in row.items()}


def _as_parameter(value: Any, point: Any) -> Any:
    if isinstance(value, Place):
        return point((value.x, value.y))
    return value.text if isinstance(value, Moment) else value


def write_lines(bolt: Bolt, lines: Iterable[str], changes: Row, progress: Progress) -> None:
    """Write a culture's lines into a graph that lacks it. Nobody sees it before the last transaction.

    Parameters
    ----------
    bolt
        The connection.
    lines
        As `lines_of` gave them.
    changes
        Properties of the culture that are others here.
    progress
        Called with the stage "storing rows".

    Raises
    ------
    ConflictError
        Another process began to write the culture.
    """
    rows = (_read(line) for line in lines)
    first = [next(rows)]
    while first[-1].kind is not CULTURE:
        first.append(next(rows))
    culture: Row = first[-1].row | changes
    uid, token = str(culture["uid"]), secrets.token_hex(8)
    _begin(bolt, culture, [line.row["name"] for line in first if line.kind is EXPERIMENT], token)
    batch = 0
    for kind, part in _batches(rows):
        batch += 1
        bolt.require_room()
        write_batch(bolt, _statement(kind), part, uid, token, batch)
        progress(STAGE, batch, batch + 1)
    bolt.run(lambda tx: _finish(tx, uid, token, batch), write=True)
    progress(STAGE, batch + 1, batch + 1)


def _begin(bolt: Bolt, culture: Row, experiments: list[str], token: str) -> None:
    uid, created = culture["uid"], culture.get("created")
    # `state` is that of an ingest: whoever finds it broken off may ingest anew, or delete it.
    properties = culture | {"token": token, "batch": 0, "complete": False, "state": "ingest"}

    def work(tx: Any) -> None:
        rows_of(tx, BEGIN, uid=uid, properties=properties, created=created)
        for name in experiments:
            rows_of(tx, LINK, uid=uid, experiment=name)

    bolt.require_room()
    bolt.run(work, write=True)


def _finish(tx: Any, uid: str, token: str, batch: int) -> None:
    if not rows_of(tx, _FINISH, uid=uid, token=token, batch=batch) and not rows_of(tx, _COMPLETE, uid=uid):
        require_token(tx, uid, token)
        raise GraphError(f"culture {uid} lost a batch while it was written; repeat the command")


def _batches(rows: Iterable[_Line]) -> Iterator[tuple[Nodes | Links, list[Any]]]:
    """Rows of one kind that fit one transaction, without what the beginning has written."""
    part: list[Any] = []
    kind, size = None, 0
    for line in rows:
        if part and (line.kind is not kind or size + line.size > BATCH_BYTES or len(part) == BATCH_ROWS):
            yield kind, part  # type: ignore[misc]
            part, size = [], 0
        if isinstance(line.kind, Links) and CULTURE in (line.kind.start, line.kind.end):
            continue  # made with the nodes
        kind = line.kind
        part.append(line.row)
        size += line.size
    if part and kind is not None:
        yield kind, part


def _statement(kind: Nodes | Links) -> str:
    if isinstance(kind, Nodes):
        timed = ", n.created = datetime(row.created)" if kind.label in _TIMED else ""
        held = _HELD.get(kind.label)
        if held is None:
            return f"UNWIND $rows AS row CREATE (n:{kind.label}) SET n = row{timed}"
        # The culture holds them from the beginning, so that whoever deletes it finds them.
        return (
            f"MATCH (k:Culture {{uid: $uid}}) UNWIND $rows AS row CREATE (n:{kind.label}) SET n = row{timed} "
            f"CREATE {held}"
        )
    return (
        f"UNWIND $rows AS row MATCH (a:{kind.start.label} {{{kind.start.key}: row[0]}}) "
        f"MATCH (b:{kind.end.label} {{{kind.end.key}: row[1]}}) CREATE (a)-[x:{kind.type}]->(b) SET x = row[2]"
    )


def forget(bolt: Bolt, contents: Contents) -> None:
    """Delete what a restore of this culture that was broken off has left; a complete culture is left alone.

    Raises ConflictError where the graph has a complete culture of this name.
    """
    uid = str(contents.culture["uid"])
    if bolt.rows(_COMPLETE, {"uid": uid}, write=False):
        raise ConflictError(f"culture {uid} is in the graph already")
    remove_culture(bolt, uid)
    values = {"uid": uid, "run": contents.events and contents.events["run"]}
    for text in _LOOSE:
        while bolt.rows(text, values, write=True)[0]["n"]:
            pass


def contents_of_lines(lines: Iterable[str]) -> Contents:
    """What lines hold, for its seals. Raises ValueError, KeyError or TypeError for what are no such lines."""
    contents = Contents()
    for line in lines:
        name, *rest = json.loads(line)
        kind = _KINDS[name]
        if isinstance(kind, Nodes):
            contents.node(kind, unpacked(rest[0]))
        else:
            contents.link(kind, rest[0], rest[1], unpacked(rest[2]))
    return contents
