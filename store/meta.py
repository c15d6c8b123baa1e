"""Which version of the schema a graph has: written at its first open, read at every open.

A graph in a workspace is brought to this version by whoever opens it. One on a server may be in use by others, so it is
left alone until somebody runs `calcigraph migrate` (store/migration.py).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from importlib.resources import files

from calcigraph.errors import GraphError, VersionError
from calcigraph.store import embedded
from calcigraph.store.bolt import Bolt
from calcigraph.store.migration import migrate
from calcigraph.store.types import Progress, silent
from calcigraph.version import __version__

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
"""Of this version of calcigraph: what docs/graph.md describes."""
NAME = "calcigraph"
"""Of the (:Meta) node, so that another program's Meta is not taken for ours."""

_VERSION = """
MATCH (m:Meta {name: $name})
RETURN m.schema_version AS schema_version, m.version AS version
"""
# Version 1 had no Meta. Every culture that it began has a digest, which a Culture of another program will not have.
_CULTURES = "MATCH (k:Culture) WHERE k.input_digest IS NOT NULL RETURN count(k) AS cultures"
# A graph without Meta and cultures should be empty.
_LABELS = "MATCH (n) RETURN labels(n) AS labels LIMIT 1000"
MOST_NAMED = 3
"""Labels that a message names."""
_WRITE = """
MERGE (m:Meta {name: $name})
SET m.schema_version = $schema_version, m.version = $version, m.created = coalesce(m.created, datetime($created))
RETURN m.schema_version AS schema_version
"""


def prepare(bolt: Bolt, *, migrating: bool = False, progress: Progress = silent) -> None:
    """Make a new graph ready, or find that it is, or bring an older one to this version.

    Parameters
    ----------
    bolt
        The connection.
    migrating
        Whether an older graph on a server may be changed.
    progress
        Called as `migrate` does.

    Raises
    ------
    GraphError
        A newer version of calcigraph made the graph; or an older one did, and it may not be changed; or another
        program uses this database of a server, which the user did not name.
    """
    version = schema_version(bolt)
    if version == SCHEMA_VERSION and not migrating:
        return _mark(bolt)
    where = bolt.endpoint.where
    if version is not None and version > SCHEMA_VERSION:
        raise VersionError(
            f"the graph of {where} has schema version {version}, and this calcigraph ({__version__}) knows only up to "
            f"{SCHEMA_VERSION}: install a newer calcigraph; nothing was changed"
        )
    if version not in (None, SCHEMA_VERSION) and not migrating:
        if bolt.endpoint.kind == "neo4j":
            raise VersionError(
                f"the graph of {where} has schema version {version}, and this calcigraph needs {SCHEMA_VERSION}: once "
                "all who use it have this version of calcigraph, run `calcigraph migrate`"
            )
        log.warning("bringing the graph of %s from schema version %d to %d", where, version, SCHEMA_VERSION)
    if version is None and not bolt.endpoint.named:
        _refuse_foreign(bolt)
    while True:
        before = bolt.endpoint
        for text in schema():
            bolt.rows(text, {}, write=True)
        if version is not None:
            migrate(bolt, progress)
        # Last, so that what is killed before it is done again.
        created = datetime.now(UTC).isoformat(timespec="seconds")
        values = {"name": NAME, "schema_version": SCHEMA_VERSION, "version": __version__, "created": created}
        bolt.rows(_WRITE, values, write=True)
        if bolt.endpoint is before:  # an engine that ended meanwhile has begun anew, without what it was told before
            return _mark(bolt)


def _mark(bolt: Bolt) -> None:
    if bolt.endpoint.folder is not None:
        embedded.mark_whole(bolt.endpoint.folder)


def _refuse_foreign(bolt: Bolt) -> None:
    """Raise GraphError where a database that nobody named holds another program's nodes."""
    rows = bolt.rows(_LABELS, {}, write=False)
    if rows:
        labels = sorted({label for row in rows for label in row["labels"]})
        named = f" ({', '.join(labels[:MOST_NAMED])}{', ...' if len(labels) > MOST_NAMED else ''})" if labels else ""
        database = bolt.endpoint.database
        raise GraphError(
            f"the database {database} of {bolt.endpoint.where} holds nodes that are not calcigraph's{named}; nothing "
            f"was written: set NEO4J_DATABASE to an empty database, or to {database} to use this one all the same"
        )


def schema_version(bolt: Bolt) -> int | None:
    """The graph's version; None for one that calcigraph has not written to yet."""
    found = bolt.rows(_VERSION, {"name": NAME}, write=False)
    if found:
        return int(found[0]["schema_version"])
    return 1 if bolt.rows(_CULTURES, {}, write=False)[0]["cultures"] else None


def schema() -> list[str]:
    """The statements of schema.cypher."""
    text = files("calcigraph.store").joinpath("schema.cypher").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("//")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]
