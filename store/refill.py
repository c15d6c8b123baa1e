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
from calcigraph.store.dump import (
    CULTURE,
    EVENT,
    EXPERIMENT,
    LINKS,
    MEASURED,
    META,
    NODES,
    WAVE,
    Dump,
    Links,
    Moment,
    Nodes,
    Place,
    Reader,
)
from calcigraph.store.events import shown
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
_HELD = {
    "Cell": ("Culture", "(n)<-[:HAS_CELL]-(h)"),
    **dict.fromkeys(("FitRun", "EventRun", "ForecastRun"), ("Culture", "(n)-[:OF]->(h)")),
    "Event": ("Cell", "(n)<-[:HAS_EVENT]-(h)"),
    "Wave": ("EventRun", "(n)-[:OF]->(h)"),
}
"""What holds a node from the beginning, so that whoever deletes the culture finds it, and how: the node with fewer
relationships first, which is quick on the embedded engine."""
_ORDER: tuple[Nodes | Links, ...] = (
    *(kind for kind in NODES if kind not in (META, EVENT, WAVE)),
    MEASURED,  # by which a run finds the cells whose events go with it
    EVENT,
    WAVE,
    *(kind for kind in LINKS if kind is not MEASURED),
)
"""Of lines: whatever holds a node comes before it."""
_MADE_WITH_NODES = (("Cell", "HAS_EVENT"), ("Wave", "OF"))
"""Relationships, by where they start."""
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


def lines_of(graph: Reader, culture: str, contents: Contents) -> Iterator[str]:
    """All that the graph has of a complete culture, line by line; `contents` takes it too."""
    dump = Dump(graph, culture)
    for kind in _ORDER:
        if isinstance(kind, Nodes):
            for row in dump.nodes(kind):
                contents.node(kind, row)
                yield json.dumps([kind.label, _packed(row)], ensure_ascii=False)
        else:
            name = f"{kind.start.label} {kind.type} {kind.end.label}"
            for a, b, row in dump.links(kind):
                contents.link(kind, a, b, row)
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
    if isinstance(kind, Links):
        return _Line(kind, [*rest[:2], values], len(text))
    return _Line(kind, [_holder(kind, values), values] if kind.label in _HELD else values, len(text))


def _holder(kind: Nodes, row: Row) -> Any:
    """The uid of what holds a node."""
    if kind.label == "Event":
        return f"{row['culture']}:{row['label']}"
    return shown(row["culture"]) if kind.label == "Wave" else None


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
        if isinstance(line.kind, Links) and _made_with_nodes(line.kind):
            continue
        kind = line.kind
        part.append(line.row)
        size += line.size
    if part and kind is not None:
        yield kind, part


def _made_with_nodes(kind: Links) -> bool:
    return CULTURE in (kind.start, kind.end) or (kind.start.label, kind.type) in _MADE_WITH_NODES


def _statement(kind: Nodes | Links) -> str:
    if isinstance(kind, Links):
        return (
            f"UNWIND $rows AS row MATCH (a:{kind.start.label} {{{kind.start.key}: row[0]}}) "
            f"MATCH (b:{kind.end.label} {{{kind.end.key}: row[1]}}) CREATE (a)-[x:{kind.type}]->(b) SET x = row[2]"
        )
    if kind.label not in _HELD:
        return f"UNWIND $rows AS row CREATE (n:{kind.label}) SET n = row"
    holder, held = _HELD[kind.label]
    find = f"UNWIND $rows AS row MATCH (h:{holder} {{uid: row[0]}})"
    if holder == "Culture":  # found once for all rows
        find = "MATCH (h:Culture {uid: $uid}) UNWIND $rows AS row"
    timed = ", n.created = datetime(row[1].created)" if kind.label in _TIMED else ""
    return f"{find} CREATE (n:{kind.label}) SET n = row[1]{timed} CREATE {held}"


def forget(bolt: Bolt, contents: Contents) -> None:
    """Delete what a restore of this culture that was broken off has left; a complete culture is left alone.

    Raises ConflictError where the graph has a complete culture of this name.
    """
    uid = str(contents.culture["uid"])
    if bolt.rows(_COMPLETE, {"uid": uid}, write=False):
        raise ConflictError(f"culture {uid} is in the graph already")
    remove_culture(bolt, uid)


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
