"""Transactions on both engines: racing writers, failing statements, users' queries and their limits."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calcigraph.errors import GraphError, InputError, LimitError, ReadOnlyError
from calcigraph.store import embedded, endpoint
from calcigraph.store.bolt import rows_of
from calcigraph.store.graph import Graph
from calcigraph.store.meta import schema

STORE = Path(endpoint.__file__).resolve().parent


def test_racing_merges_make_one_node(graph: Graph) -> None:
    def merge() -> None:
        for turn in range(10):
            graph.write("MERGE (e:Experiment {name: $name}) SET e.turn = $turn", name=f"e{turn}", turn=turn)

    threads = [threading.Thread(target=merge) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert graph.read("MATCH (e:Experiment) RETURN count(e) AS n") == [{"n": 10}]


def test_a_failing_statement_leaves_nothing(graph: Graph) -> None:
    with pytest.raises(InputError):
        graph.write("UNWIND [1, 2, 0] AS i CREATE (c:Cell {uid: toString(1 / i)})")
    assert graph.read("MATCH (c:Cell) RETURN count(c) AS n") == [{"n": 0}]


def test_what_is_sent_has_a_short_text() -> None:
    """The driver makes a text of it, which takes longer than the sending."""

    class Transaction:
        def run(self, text: str, parameters: dict[str, Any]) -> Any:
            sent.update(parameters)
            return self

        def keys(self) -> list[str]:
            return []

        def __iter__(self) -> Iterator[Any]:
            return iter(())

    sent: dict[str, Any] = {}
    rows = [[0.5] * 361] * 3
    rows_of(Transaction(), "UNWIND $rows AS row RETURN row", rows=rows, uid="a")  # type: ignore[arg-type]
    assert sent == {"rows": rows, "uid": "a"}
    assert repr(sent) == "{'rows': [3 items], 'uid': 'a'}"


def test_lists_come_back_as_they_were_sent(graph: Graph) -> None:
    rows = [[0.5, 1, "a"], [], [None, True]]
    assert graph.read("UNWIND $rows AS row RETURN row", rows=rows) == [{"row": row} for row in rows]


def test_user_queries_only_read(graph: Graph) -> None:
    graph.write("MERGE (k:Culture {uid: 'A'})")
    assert graph.read_only("MATCH (k:Culture) RETURN k.uid AS uid, $x AS x", {"x": [1]}, 10, 10) == (
        ["uid", "x"],
        [["A", [1]]],
    )
    for text in ("MATCH (k:Culture) SET k.uid = 'B'", "CREATE (:Cell {uid: 'x'})", "MATCH (k) DETACH DELETE k"):
        assert "w" in graph.query_type(text, {})
        with pytest.raises(ReadOnlyError):
            graph.read_only(text, {}, 10, 10)
    assert graph.query_type("MATCH (k) WHERE k.set = 'CREATE' // SET\n RETURN k", {}) == "r"
    assert "r" not in graph.query_type("CREATE INDEX few IF NOT EXISTS FOR (c:Cell) ON (c.label)", {})
    assert graph.read("MATCH (n:Culture|Cell) RETURN n.uid AS uid") == [{"uid": "A"}]


def test_user_queries_are_limited(graph: Graph) -> None:
    with pytest.raises(LimitError, match="more than 10 rows"):
        graph.read_only("UNWIND range(1, 11) AS x RETURN x", {}, 10, 10)
    assert len(graph.read_only("UNWIND range(1, 10) AS x RETURN x", {}, 10, 10)[1]) == 10
    slow = "UNWIND range(1, 1500) AS a UNWIND range(1, 1500) AS b WITH a, b WHERE a * b % 7 = 3 RETURN count(*) AS n"
    with pytest.raises(LimitError, match=r"more than 0\.1 s"):
        graph.read_only(slow, {}, 0.1, 10)


def test_wrong_cypher_is_an_input_error(graph: Graph) -> None:
    for text in ("RETURNN 1", "MATCH (n RETURN n", "RETURN $absent"):
        with pytest.raises(InputError, match="the query was refused"):
            graph.read_only(text, {}, 10, 10)
    with pytest.raises(InputError, match="RETURNN"):
        graph.query_type("RETURNN 1", {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("MATCH (c:Cell RETURN c", r"refused at RETURN \(line 1\): MATCH \(c:Cell >>RETURN<< c; "),
        ("MATCH (c:Cell) RETRUN c", r"refused at RETRUN \(line 1\): .*>>RETRUN<< c; did you mean RETURN\?$"),
        ("MATCH (c:Cell)\nWHERE c.label = = 3\nRETURN c", r"refused at = \(line 2\): WHERE c.label = >>=<< 3; "),
        ("MATCH (c:Cell) RETURN c.uid AS", r"it ends too early, after MATCH \(c:Cell\) RETURN c.uid AS$"),
        ("MATCH (c:Cell) RETURN c ORDER c.label", r"refused at c \(line 1\): .* ORDER >>c<<.label; "),
        ("MATCH (c:Cell) RETURN d.uid", r"refused at d \(line 1\): nothing is called d there"),
    ],
)
def test_wrong_cypher_is_marked_where_it_is_wrong(graph: Graph, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        graph.query_type(text, {})
    assert "\n" not in str(error.value)
    assert "Exception" not in str(error.value)
    assert len(str(error.value)) < 200


def test_the_driver_says_nothing_on_its_own(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        graph.read("MATCH (n:Absent)-[:NOTHING]->() WHERE n.absent = 1 RETURN n")
    assert caplog.records == []


def test_constraints_are_there(graph: Graph) -> None:
    rows = graph.read("SHOW CONSTRAINTS")
    assert {(row["labelsOrTypes"][0], row["properties"][0]) for row in rows} >= {
        ("Meta", "name"),
        ("Experiment", "name"),
        ("Culture", "uid"),
        ("Cell", "uid"),
        ("FitRun", "uid"),
    }
    assert len(schema()) == 10


def test_writes_go_only_through_transactions() -> None:
    """`session.run` commits row by row on the embedded engine, so no source file may use it."""
    sources = [path for folder in ("store", "ingest", "models", "queries", "cli", "calcigraph")
               for path in (STORE.parent / folder).rglob("*.py")]  # fmt: skip
    assert len(sources) > 5
    for path in sources:
        assert not re.search(r"\bsession\.run\(", path.read_text()), path


def test_a_graph_that_could_not_be_opened_again_is_opened_by_the_next_who_asks(
    embedded_graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise GraphError("it does not answer")

    def closing() -> None:
        close()
        raise OSError("no data")

    embedded_graph.write("MERGE (k:Culture {uid: 'A'})")
    bolt = embedded_graph._bolt
    assert bolt.endpoint.folder is not None
    close = bolt.endpoint.reader.close
    embedded.end(bolt.endpoint.folder, bolt.endpoint.port)
    with monkeypatch.context() as patch:
        patch.setattr("calcigraph.store.bolt.open_endpoint", failing)
        patch.setattr(bolt.endpoint.reader, "close", closing)
        with pytest.raises(GraphError, match="it does not answer"):
            embedded_graph.read("RETURN 1 AS one")
    assert embedded_graph.read("MATCH (k:Culture) RETURN k.uid AS uid") == [{"uid": "A"}]
