"""Which database of a Neo4j server calcigraph uses where NEO4J_DATABASE names none.

Labels such as Cell and Event are general, so a database of its own is best: `calcigraph`, where the edition can have
more than one. A server whose home database holds cultures already keeps them there.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neo4j import Driver

log = logging.getLogger(__name__)

OWN = "calcigraph"
"""The name of the database."""
SYSTEM = "system"
CREATION_S = 30.0
"""Longest wait for a new database."""

_EDITION = "CALL dbms.components() YIELD edition RETURN edition"
_HOME = "CALL db.info() YIELD name RETURN name"
_STATUS = "SHOW DATABASES YIELD name, currentStatus"
_CREATE = "CREATE DATABASE calcigraph IF NOT EXISTS"
_OURS = """
OPTIONAL MATCH (m:Meta {name: 'calcigraph'})
WITH count(m) AS found
OPTIONAL MATCH (k:Culture) WHERE k.input_digest IS NOT NULL
RETURN found + count(k) AS found
"""


def own_database(driver: Driver) -> str:
    """The database to use on a server that answers; what it refuses to tell or to make is done without.

    Raises the driver's errors where the home database cannot be read.
    """
    home = str(_rows(driver, None, _HOME)[0]["name"])
    if _rows(driver, home, _EDITION)[0]["edition"] != "enterprise":
        return home
    used = bool(_rows(driver, home, _OURS)[0]["found"])
    if _online(driver):
        if used and home != OWN:
            log.warning(
                "the database %s holds cultures too: NEO4J_DATABASE=%s shows them, NEO4J_DATABASE=%s ends this line",
                home, home, OWN,
            )  # fmt: skip
        return OWN
    return home if used or not _made(driver) else OWN


def _made(driver: Driver) -> bool:
    """Whether the database could be made, and is online."""
    from neo4j.exceptions import Neo4jError

    try:
        _rows(driver, SYSTEM, _CREATE, write=True)
    except Neo4jError:  # no right to do so, or a hosted server without
        return False
    begun = time.monotonic()
    while time.monotonic() - begun < CREATION_S:
        if _online(driver):
            return True
        time.sleep(0.2)
    return False


def _online(driver: Driver) -> bool:
    from neo4j.exceptions import Neo4jError

    try:
        rows = _rows(driver, SYSTEM, _STATUS)
    except Neo4jError:
        return False
    return any(row["name"] == OWN and row["currentStatus"] == "online" for row in rows)


def _rows(driver: Driver, database: str | None, text: str, *, write: bool = False) -> list[dict[str, Any]]:
    with driver.session(database=database) as session:
        run = session.execute_write if write else session.execute_read
        return run(lambda tx: tx.run(text).data())
