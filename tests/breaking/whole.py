"""All that a workspace and its graph hold, in a form that two runs of the same commands share.

Times, the random keys of writers and the random part of a store's name are made equal; everything else must be.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from calcigraph.store.endpoint import import_driver
from calcigraph.store.graph import Graph

_STORE = re.compile(r"\.[0-9a-f]{8}\.ome\.zarr")
_KEPT = re.compile(r"graph\.damaged-[0-9a-f]{8}")
TEXTS = (".json", ".jsonl", ".csv", ".geojson", ".html", ".cypher", ".graphml")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?(?:\[UTC\])?")
_KEY = re.compile(r"(?<![0-9a-f.])[0-9a-f]{16}(?![0-9a-f])")
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""Of what holds times and random names too; what they are digests of is compared itself."""
_COUNTED = re.compile(r'"(?:fits_written|number)": \d+')
"""A fit whose acknowledgement was lost is written, and counted, twice."""
_FLOAT = re.compile(r"-?\d+\.\d+(?:[eE][+-]?\d+)?")
"""A sum in another order, as a server that was filled anew gives it, differs in the last digits."""
_NUMBERS = re.compile(r"\d+")

_NODES = "MATCH (n) RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS properties"
_TIES = """
MATCH (a)-[r]->(b)
RETURN elementId(a) AS a, elementId(b) AS b, type(r) AS type, properties(r) AS properties
"""


def told(value: Any, workspace: Path) -> str:
    """A value as text, without what differs from run to run."""
    text = json.dumps(value, sort_keys=True, default=str).replace(str(workspace), "WORKSPACE")
    for pattern, word in (
        (_STORE, ".ome.zarr"),
        (_TIME, "TIME"),
        (_DIGEST, "DIGEST"),
        (_KEY, "KEY"),
        (_COUNTED, "COUNT"),
    ):
        text = pattern.sub(word, text)
    return text


@dataclass(frozen=True)
class Whole:
    """What there is."""

    nodes: tuple[str, ...]
    ties: tuple[str, ...]
    files: tuple[str, ...]
    """All but those of the engine, with the hash of their content."""
    engine: frozenset[str]
    """Names of the engine's files, numbers taken out."""

    def unlike(self, other: Whole) -> list[str]:
        """What one has and the other lacks; empty where they are equal. Names of engine files may be missing here."""
        found = []
        for part in ("nodes", "ties", "files"):
            mine, theirs = set(getattr(self, part)), set(getattr(other, part))
            if len(getattr(self, part)) != len(getattr(other, part)):
                found.append(f"{part}: {len(getattr(self, part))}, not {len(getattr(other, part))}")
            found += [f"more: {text[:300]}" for text in sorted(mine - theirs)[:3]]
            found += [f"less: {text[:300]}" for text in sorted(theirs - mine)[:3]]
        return found + [f"left over: graph/{name}" for name in sorted(self.engine - other.engine)]


def seen(now: Path, folders: bool = True) -> Whole:
    """Look at a workspace and what lies beside it; opens and closes its graph. A bucket's `folders` mean nothing."""
    workspace = now / "workspace"
    with Graph.open(workspace) as graph:
        nodes, ties = graph.read(_NODES), graph.read(_TIES)
    names = {row["id"]: told([row["labels"], row["properties"].get("uid"), row["properties"].get("name")], workspace)
             for row in nodes}  # fmt: skip
    return Whole(
        nodes=tuple(sorted(told([row["labels"], row["properties"]], workspace) for row in nodes)),
        ties=tuple(
            sorted(told([row["type"], names[row["a"]], names[row["b"]], row["properties"]], workspace) for row in ties)
        ),
        files=tuple(sorted(_files(now, folders))),
        engine=frozenset(
            _NUMBERS.sub("N", path.relative_to(workspace / "graph").as_posix())
            for path in (workspace / "graph").rglob("*")
            if "log" not in path.relative_to(workspace / "graph").parts
        ),
    )


def _files(now: Path, folders: bool) -> list[str]:
    found = []
    for path in now.rglob("*"):
        name = path.relative_to(now)
        if name.parts[:2] == ("workspace", "graph") or not (folders or path.is_file()):
            continue
        content = ""
        if path.is_file():
            data = path.read_bytes()
            if path.suffix in TEXTS and not _KEPT.search(name.as_posix()):
                text = _FLOAT.sub(lambda found: f"{float(found[0]):.9g}", data.decode())
                data = told(text, now / "workspace").encode()
            content = hashlib.sha256(data).hexdigest()[:16]
        found.append(f"{_KEPT.sub('damaged', _STORE.sub('.ome.zarr', name.as_posix()))} {content}")
    return found


@dataclass(frozen=True)
class Kept:
    """A graph of a server as it is put back."""

    nodes: list[dict[str, Any]]
    ties: list[dict[str, Any]]


def keep(server: Any) -> Kept:
    """Read all of a server's graph. `server` is the Neo4jServer of the tests."""
    with _driver(server) as driver:
        read = [driver.execute_query(text, database_=server.database).records for text in (_NODES, _TIES)]
    nodes, ties = ([record.data() for record in records] for records in read)
    for each in nodes + ties:
        each["properties"] = {name: _with_offset(value) for name, value in each["properties"].items()}
    return Kept(nodes, ties)


def _with_offset(value: Any) -> Any:
    """A time with its offset in place of the name of its zone, as it was written."""
    return value.to_native().astimezone(UTC) if hasattr(value, "to_native") else value


def put_back(server: Any, kept: Kept) -> None:
    """Make a server's graph what it was."""
    with _driver(server) as driver:

        def do(text: str, **values: Any) -> None:
            driver.execute_query(text, values, database_=server.database)

        do("MATCH (n) DETACH DELETE n")
        for labels in {tuple(node["labels"]) for node in kept.nodes}:
            rows = [node for node in kept.nodes if tuple(node["labels"]) == labels]
            label = ":".join(f"`{name}`" for name in labels)
            do(f"UNWIND $rows AS row CREATE (n:{label}) SET n = row.properties, n._id = row.id", rows=rows)
        for kind in {tie["type"] for tie in kept.ties}:
            rows = [tie for tie in kept.ties if tie["type"] == kind]
            find = "UNWIND $rows AS row MATCH (a {_id: row.a}) MATCH (b {_id: row.b})"
            do(f"{find} CREATE (a)-[r:`{kind}`]->(b) SET r = row.properties", rows=rows)
        do("MATCH (n) REMOVE n._id")


def _driver(server: Any) -> Any:
    return import_driver().GraphDatabase.driver(server.uri, auth=(server.username, server.password))
