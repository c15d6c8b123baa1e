"""Hostile Cypher is refused or bounded on both engines, which serve afterwards; biologists' questions are answered.

The texts are in corpus/, one a line. All exhausting ones: CALCIGRAPH_TEST_EVERYTHING=1.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from breaking.fuzz import peak_mb, timed

from calcigraph import queries
from calcigraph.errors import InputError, LimitError, ReadOnlyError
from calcigraph.queries.policy import check
from calcigraph.queries.ranges import check_ranges
from calcigraph.store import bolt
from calcigraph.store.graph import Graph

CORPUS = Path(__file__).parent / "corpus"
SIGNS = {"⏎": "\n", "␍": "\r", "␀": "\0"}
PARAMETERS: dict[str, Any] = {
    "name": "label", "x": 1, "url": "file:///etc/passwd", "labels": [7, 10], "error": 0.1,
}  # fmt: skip
SOME = 9
"""Of the exhausting texts every so manieth is run here."""


def texts(name: str) -> list[str]:
    """The texts of a file."""
    lines = (CORPUS / f"{name}.txt").read_text().splitlines()
    found = [line for line in lines if line and not line.startswith("#")]
    for sign, letter in SIGNS.items():
        found = [text.replace(sign, letter) for text in found]
    return found


def given(text: str) -> dict[str, Any]:
    return {name: value for name, value in PARAMETERS.items() if f"${name}" in text}


def all_of(graph: Graph) -> str:
    nodes = graph.read("MATCH (n) RETURN labels(n) AS l, properties(n) AS p")
    ties = graph.read("MATCH (a)-[x]->(b) RETURN type(x) AS t, properties(x) AS p")
    return json.dumps([sorted(json.dumps(row, sort_keys=True, default=str) for row in part) for part in (nodes, ties)])


def serves(graph: Graph) -> bool:
    return queries.records(queries.run_user(graph, "MATCH (k:Culture) RETURN count(k) AS n")) == [{"n": 3}]


def test_the_corpus_is_large_enough() -> None:
    refused, exhausting, honest = (texts(name) for name in ("refused", "exhausting", "honest"))
    assert len(set(refused)) + len(set(exhausting)) >= 250
    assert len(set(honest)) >= 60
    assert sum("⇒" in text for text in honest) >= 20


def refusal(graph: Graph, text: str) -> str | None:
    try:
        queries.run_user(graph, text, given(text), timeout_s=5)
    except (ReadOnlyError, InputError) as error:
        return str(error)
    return None


def test_what_must_be_refused_is(stored: Graph) -> None:
    before = all_of(stored)
    said = {text: refusal(stored, text) for text in texts("refused")}
    assert [text for text, message in said.items() if message is None or "\n" in message] == []
    assert all_of(stored) == before
    assert serves(stored)


def bounded(graph: Graph, text: str, timeout_s: float) -> str:
    """What became of an exhausting text."""
    try:
        queries.run_user(graph, text, given(text), timeout_s=timeout_s)
    except (LimitError, InputError) as error:
        return f"{type(error).__name__}: {error}"
    return "answered"


@pytest.mark.parametrize("text", texts("exhausting")[:: 1 if os.environ.get("CALCIGRAPH_TEST_EVERYTHING") else SOME])
def test_what_exhausts_is_bounded(stored: Graph, text: str) -> None:
    before = peak_mb(reset=True)
    seconds, said = timed(lambda: bounded(stored, text, 1.0))
    assert seconds < 20, said
    assert peak_mb() - before < 1500, said
    assert serves(stored)


LARGE = {
    "characters": "RETURN size('" + 20_000_000 * "a" + "') AS x",
    "brackets inside": f"RETURN {100 * '('}1{100 * ')'} AS x",
    "[s inside": f"RETURN {100 * '['}1{100 * ']'} AS x",
    "{ } inside": f"MATCH (a) WHERE {20 * 'EXISTS { MATCH (a) WHERE '}true{20 * ' }'} RETURN a",
    "relationships": f"MATCH (a){50 * '--()'} RETURN a LIMIT 1",
    "UNIONs": " UNION ".join(100 * ["RETURN 1 AS x"]),
    "times NOT": f"RETURN {500 * 'NOT '}true AS x",
    "times -": f"RETURN {500 * '- '}1 AS x",
}
"""What an engine would plan for minutes; what is said of it."""


@pytest.mark.parametrize("what", LARGE)
def test_what_takes_long_to_plan_is_refused_before_it_reaches_an_engine(what: str) -> None:
    before = peak_mb(reset=True)
    with pytest.raises(InputError, match="the query has") as error:
        check(LARGE[what])
    assert what.replace("[s", "brackets") in str(error.value)
    assert len(str(error.value)) < 200
    assert peak_mb() - before < 100


TOO_MANY = (
    "RETURN [x IN range(1, 1000001) | x] AS x",
    "RETURN [x IN range(1, 1e9) | x] AS x",
    "RETURN [x IN `range`(0x0, 0xFFFFFFF) | x] AS x",
    "RETURN [x IN range(-1000000000, 0) | x] AS x",
    "RETURN [x IN range(1, 1000 * 1000 * 1000) | x] AS x",
    "RETURN [x IN range(1, toInteger(10 ^ 9)) | x] AS x",
    "WITH 1000000000 AS n RETURN [x IN range(1, n) | x] AS x",
    "RETURN [x IN range(1, $x) | x] AS x",
    "RETURN [x IN range(1, 2000) | [y IN range(1, 2000) | x * y]] AS x",
    "RETURN reduce(s = 0, x IN range(1, 1000000000) | s + x) AS x",
    "RETURN any(x IN range(1, 1000000000) WHERE x < 0) AS x",
)
"""Lists that one expression makes, which a Neo4j goes on with beyond any time limit, until its memory is full."""


@pytest.mark.parametrize("text", TOO_MANY)
def test_lists_that_no_time_limit_would_end_are_refused(text: str) -> None:
    with pytest.raises(
        InputError, match="a list of more than 1,000,000 numbers, which no time limit would end: UNWIND"
    ):
        check_ranges(text, {"x": 10**9})


@pytest.mark.parametrize(
    "text",
    [
        "RETURN reduce(s = 'a', x IN range(1, 40) | s + s) AS x",
        "RETURN reduce(`s` = [1], x IN range(1, 25) | x + (S + [2] + s)) AS x",
        "MATCH (c:Cell) RETURN reduce(l = [c], x IN c.intensity | l + size(c.polygon) + l) AS l",
        "MATCH (c:Cell) RETURN reduce(l = [c], x IN range(0, size(c.intensity)) | l + f(1, 2) + l) AS l",
    ],
)
def test_what_doubles_at_every_turn_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="to itself at every turn, which no time limit would end: name it once"):
        check_ranges(text, {})


@pytest.mark.parametrize(
    "text",
    [
        "UNWIND range(1, 1000000000) AS x RETURN x LIMIT 1",
        "RETURN reduce(s = 1, x IN range(1, 10) | s + s) AS x",
        "MATCH (c) RETURN reduce(m = 0.0, v IN c.intensity | CASE WHEN v > m THEN v ELSE m + 1 END) AS peak",
        "MATCH (c) RETURN reduce(s = 0, v IN c.intensity | CASE WHEN s + v > 9 THEN 0 ELSE s + v END) AS x",
        "MATCH (c) RETURN reduce(s = [0, 0], v IN c.intensity | [s[0] + v, s[1] + v * v]) AS x",
        "MATCH (c) RETURN reduce(s = {a: 0, b: 0}, v IN c.intensity | {a: s.a + v, b: s.b + s.a}) AS x",
        "MATCH (c) RETURN reduce(s = 0, v IN c.intensity | v + s) + reduce(s = 0, v IN c.intensity | s + v) AS x",
        "RETURN [x IN range(1, 1000) | x] + [x IN range(1, 1000) | x] + [x IN range(1, 1000) | x] AS x",
        "MATCH (k) WHERE k.t > 1700000000000 RETURN [i IN range(0, k.frames - 1) | i] AS x",
        "MATCH (c) WITH c, 5000000 AS n RETURN [i IN range(1, size(c.intensity)) | [j IN range(0, 9) | n]] AS x",
    ],
)
def test_ranges_as_long_as_the_data_are_taken(text: str) -> None:
    check_ranges(text, {})


def test_a_list_of_a_thousand_labels_is_taken() -> None:
    assert check(f"MATCH (c:Cell) WHERE c.label IN {list(range(3000))} RETURN count(c) AS n").startswith("MATCH")


def test_a_result_that_would_fill_the_memory_is_ended(
    stored: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bolt, "RESULT_MB", 30)
    with pytest.raises(LimitError, match="takes more than"):
        queries.run_user(stored, "UNWIND range(1, 90000) AS x RETURN range(1, 400) AS y")
    assert serves(stored)


def test_aggregates_beside_logic_are_right_or_refused(stored: Graph) -> None:
    """The embedded engine would give a row of null for each of the four."""
    text = "UNWIND [1, 2, 3, 4] AS v RETURN min(v) > 0 AND max(v) < 9 AS inside"
    if stored.engine == "neo4j":
        assert queries.records(queries.run_user(stored, text)) == [{"inside": True}]
    else:
        with pytest.raises(InputError, match="name them first, as in WITH"):
            queries.run_user(stored, text)
    for right in (
        "RETURN count(*) > 3 AS x ORDER BY x",
        "WITH count(*) AS starts WITH starts RETURN starts > 3 AS x",
        "RETURN any(y IN collect(v) WHERE y > 3 AND y < 9) AS x",
    ):
        assert queries.records(queries.run_user(stored, f"UNWIND [1, 2, 3, 4] AS v {right}")) == [{"x": True}]


@pytest.mark.parametrize("text", [text.partition("⇒") for text in texts("honest")], ids=lambda text: text[0][:60])
def test_what_biologists_ask_is_answered(stored: Graph, text: tuple[str, str, str]) -> None:
    question, _, answer = text
    table = queries.run_user(stored, question.strip(), given(question), timeout_s=120)  # also on a busy machine
    if answer:
        assert [list(row.values()) for row in queries.records(table)] == json.loads(answer)
