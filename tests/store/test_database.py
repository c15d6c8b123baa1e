"""Which database of a Neo4j is used, and that another program's is left alone.

The tests' Neo4j is the Community edition, which has one database; servers of the Enterprise edition are played.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from neo4j.exceptions import ClientError
from neo4j_server import Neo4jServer

from calcigraph.errors import GraphError
from calcigraph.store import database
from calcigraph.store.database import own_database
from calcigraph.store.graph import Graph
from calcigraph.store.meta import schema


class Played:
    """A server's answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, edition: str, databases: dict[str, int], right: bool):
        self.edition, self.databases, self.right = edition, databases, right
        self.made = 0
        monkeypatch.setattr(database, "_rows", self.rows)

    def rows(self, driver: Any, name: str | None, text: str, *, write: bool = False) -> list[dict[str, Any]]:
        if text == database._HOME:
            return [{"name": "neo4j"}]
        if text == database._EDITION:
            return [{"edition": self.edition}]
        if text == database._OURS:
            return [{"found": self.databases[str(name)]}]
        assert self.edition == "enterprise"
        assert name == "system"
        if text == database._STATUS:
            return [{"name": each, "currentStatus": "online"} for each in self.databases]
        assert write
        if not self.right:
            raise ClientError("not allowed")
        self.made += 1
        self.databases["calcigraph"] = 0
        return []


@pytest.mark.parametrize(
    ("edition", "databases", "right", "chosen", "made", "warned"),
    [
        ("community", {"neo4j": 0}, True, "neo4j", 0, False),
        ("enterprise", {"neo4j": 0}, True, "calcigraph", 1, False),
        ("enterprise", {"neo4j": 0}, False, "neo4j", 0, False),
        ("enterprise", {"neo4j": 3}, True, "neo4j", 0, False),
        ("enterprise", {"neo4j": 0, "calcigraph": 2}, True, "calcigraph", 0, False),
        ("enterprise", {"neo4j": 3, "calcigraph": 2}, True, "calcigraph", 0, True),
    ],
)
def test_a_database_of_its_own_where_there_can_be_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, edition: str, databases: dict[str, int],
    right: bool, chosen: str, made: int, warned: bool,
) -> None:  # fmt: skip
    server = Played(monkeypatch, edition=edition, databases=databases, right=right)
    driver: Any = None
    with caplog.at_level(logging.WARNING):
        assert own_database(driver) == chosen
    assert server.made == made
    assert [("NEO4J_DATABASE=neo4j shows them" in record.message) for record in caplog.records] == [True] * warned


@pytest.mark.neo4j
def test_the_default_database_of_another_program_is_left_alone(
    neo4j_environment: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NEO4J_DATABASE")
    neo4j_environment.execute("CREATE (:Person {name: 'Ann'})-[:READS]->(:Book:Thing {title: 'Cells'})")
    with pytest.raises(GraphError, match=r"not calcigraph's \(Book, Person, Thing\); nothing was written: set NEO4J_D"):
        Graph.open(tmp_path)
    monkeypatch.setenv("NEO4J_DATABASE", "neo4j")
    with Graph.open(tmp_path) as graph:
        assert graph.read("MATCH (n) WHERE NOT n:Meta RETURN count(n) AS n") == [{"n": 2}]
        assert graph.read("MATCH (m:Meta) RETURN count(m) AS n") == [{"n": 1}]
    monkeypatch.delenv("NEO4J_DATABASE")
    with Graph.open(tmp_path) as graph:  # once it is ours, it need not be named again
        assert graph.cultures() == []
    neo4j_environment.execute("MATCH (n) DETACH DELETE n")
    with Graph.open(tmp_path) as graph:
        assert graph.read("MATCH (m:Meta) RETURN count(m) AS n") == [{"n": 1}]


OWN = "YIELD name, type WHERE type <> 'LOOKUP' RETURN name"


@pytest.mark.neo4j
def test_first_commands_at_once_all_make_the_graph_ready(
    neo4j_server: Neo4jServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in neo4j_server.environment().items():
        monkeypatch.setenv(name, value)

    def first(number: int) -> set[str]:
        with Graph.open(tmp_path / str(number)) as graph:
            return {row["name"] for row in graph.read(f"SHOW INDEX {OWN}")}

    for _ in range(2):
        for kind in ("CONSTRAINT", "INDEX"):
            with Graph.open(tmp_path / "all") as graph:
                names = [row["name"] for row in graph.read(f"SHOW {kind} {OWN}")]
            for name in names:
                neo4j_server.execute(f"DROP {kind} {name} IF EXISTS")
        neo4j_server.execute("MATCH (n) DETACH DELETE n")
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(first, range(4)))
        assert [len(names) for names in found] == 4 * [len(schema())]
