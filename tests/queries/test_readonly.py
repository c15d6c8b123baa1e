"""Users' Cypher: what may not be done is refused and leaves the graph as it was; what may be read can be read."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from calcigraph import queries
from calcigraph.errors import CalcigraphError, InputError, LimitError, NotFoundError, ReadOnlyError
from calcigraph.queries import policy, readonly
from calcigraph.store.cypher import RIGHTS, UPDATING
from calcigraph.store.graph import Graph

CELL = "MATCH (k:Cell {uid: '101:7'})"

WRITES = {
    "create": "CREATE (:Planted)",
    "create after a match": f"{CELL} CREATE (k)-[:KNOWS]->(:Planted) RETURN k.label",
    "lower case": "match (k:Cell) set k.label = 0",
    "merge": "MERGE (p:Planted {a: 1}) RETURN p",
    "merge with on create": "MERGE (p:Planted {a: 1}) ON CREATE SET p.b = 2 RETURN p",
    "set": f"{CELL} SET k.label = -1 RETURN k.label",
    "set a map": f"{CELL} SET k += {{label: -1}}",
    "set a label": f"{CELL} SET k:Planted",
    "remove": f"{CELL} REMOVE k.label",
    "delete": "MATCH (:Cell)-[x:ADJACENT]-() DELETE x",
    "detach delete": "MATCH (n) DETACH DELETE n",
    "nodetach delete": "MATCH (n:Planted) NODETACH DELETE n",
    "foreach": "FOREACH (i IN range(1, 3) | CREATE (:Planted {i: i}))",
    "foreach in the middle": "MATCH (k:Cell) FOREACH (i IN [1] | SET k.label = 0) RETURN count(*)",
    "insert": "INSERT (:Planted)",
    "a write in a subquery": "CALL { CREATE (p:Planted) RETURN p } RETURN 1 AS one",
    "a write in a scoped subquery": f"{CELL} CALL (k) {{ SET k.label = 0 RETURN 1 AS one }} RETURN one",
    "a write in a unit subquery": "UNWIND [1, 2] AS i CALL { WITH i CREATE (:Planted {i: i}) } RETURN i",
    "in transactions": "MATCH (k:Cell) CALL { WITH k SET k.label = 0 } IN TRANSACTIONS OF 1 ROWS RETURN count(*)",
    "in concurrent transactions": "MATCH (k:Cell) CALL (k) { SET k.label = 0 } IN 2 CONCURRENT TRANSACTIONS",
    "reading in transactions": "UNWIND [1, 2] AS i CALL { WITH i RETURN i AS j } IN TRANSACTIONS RETURN j",
    "a union's second half": "RETURN 1 AS x UNION CREATE (p:Planted) RETURN 2 AS x",
    "behind a comment": "// MATCH\n/* RETURN */ CREATE (:Planted)",
    "split by a comment": f"{CELL} DETACH/* */DELETE k",
    "a comment ended by a carriage return": "RETURN 1 AS x // harmless \rUNION CREATE (p:Planted) RETURN 2 AS x",
    "unicode escapes": "MATCH (k:Cell) \\u0053ET k.label = 0",
    "a quotation opened by an escape": "RETURN '\\u0027 AS a UNION CREATE (:Planted) RETURN \\u0027' AS a",
    "a quotation closed by an escape": "RETURN 'a\\u0027 AS x CREATE (:Planted) //' AS x",
    "a backslash before a backtick": "RETURN 1 AS `a\\` CREATE (:Planted) RETURN 1 AS `b`",
    "other letters for a keyword": "MATCH (k:Cell) \u017fET k.label = 0",
    "full-width letters for a keyword": "MATCH (k:Cell) \uff33\uff25\uff34 k.label = 0",
    "a number that ends in a dot": "RETURN 1. CREATE (:Planted)",
    "a label that is no label": "MATCH (k:Cell) WHERE k:Cell SET k.label = 0",
    "explain": "EXPLAIN CREATE (:Planted)",
    "profile": "PROFILE CREATE (:Planted)",
    "profile of a read": "PROFILE MATCH (k:Cell) SET k.label = 0 RETURN 1",
    "cypher options": "CYPHER runtime=slotted CREATE (:Planted)",
    "use": "USE neo4j MATCH (k:Cell) SET k.label = 0",
    "use for reading": "USE system MATCH (n) RETURN n",
    "a second statement": "RETURN 1 AS x; CREATE (:Planted)",
    "a second statement without blanks": "RETURN 1 AS x;CREATE (:Planted);",
    "create a constraint": "CREATE CONSTRAINT planted FOR (p:Planted) REQUIRE p.a IS UNIQUE",
    "drop a constraint": "DROP CONSTRAINT cell_uid IF EXISTS",
    "create an index": "CREATE INDEX planted IF NOT EXISTS FOR (p:Planted) ON (p.a)",
    "show": "SHOW INDEXES",
    "terminate": "TERMINATE TRANSACTIONS 'neo4j-transaction-1'",
    "alter a user": "ALTER CURRENT USER SET PASSWORD FROM '' TO 'planted1'",
    "create a user": "CREATE USER planted SET PASSWORD 'planted123'",
    "drop a database": "DROP DATABASE neo4j IF EXISTS",
    "load csv": "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "load csv in the middle": "MATCH (k:Cell) LOAD CSV WITH HEADERS FROM 'file:///etc/hosts' AS line RETURN line",
    "load csv in a subquery": "CALL { LOAD CSV FROM 'http://127.0.0.1/x' AS line RETURN line } RETURN line",
    "load csv spread out": "lOaD /* */\n// x\n csv FROM 'file:///etc/passwd' AS line RETURN line",
    "a procedure": "CALL db.createLabel('Planted')",
    "a procedure without parentheses": "CALL dbms.components",
    "a procedure in backticks": "CALL `db`.`createLabel`('Planted')",
    "a procedure spread out": "CALL dbms /* */ . \n components ( ) YIELD name RETURN name",
    "a procedure in a subquery": "CALL { CALL dbms.listConfig() YIELD name RETURN name } RETURN name",
    "an optional procedure": "OPTIONAL CALL dbms.components() YIELD name RETURN name",
    "an algorithm": "CALL gds.graph.project('planted', 'Cell', 'ADJACENT')",
    "a procedure that runs text": "CALL apoc.cypher.doIt('CREATE (:Planted)', {}) YIELD value RETURN value",
    "a function that runs text": "RETURN apoc.cypher.runFirstColumnSingle('CREATE (:Planted)', {}) AS x",
    "a function in backticks": "RETURN `apoc`.`load`.`json`('file:///etc/passwd') AS x",
    "a function's name with a dot in backticks": "RETURN `apoc.version`() AS x",
    "a function spread out": "RETURN apoc . /* */ version\n() AS x",
    "a keyword in backticks as a function": "RETURN `MATCH`(1) AS x",
    "a method": "RETURN 'a'.toUpperCase() AS x",
    "a method of a property": "MATCH (k:Cell) RETURN k.label.toString() AS x",
    "reading a file": "RETURN file() AS x",
    "sql select": "SELECT FROM Cell LIMIT 1",
    "sql insert": "INSERT INTO Cell SET label = 1",
    "sql update": "UPDATE Cell SET label = 1",
    "sql drop": "DROP TYPE Cell UNSAFE",
    "sql truncate": "TRUNCATE TYPE Cell UNSAFE",
    "sql traverse": "TRAVERSE out() FROM Cell",
    "sql alter": "ALTER DATABASE `arcadedb.txWalFlush` 0",
    "an administration text": "BACKUP DATABASE file:///tmp/planted",
    "a transaction's end": "COMMIT",
}  # fmt: skip


def digest(graph: Graph) -> str:
    """All that the graph holds."""
    nodes = graph.read("MATCH (n) RETURN labels(n) AS l, properties(n) AS p")
    contacts = graph.read("MATCH (a)-[x]->(b) RETURN type(x) AS t, properties(x) AS p, labels(a) AS a, labels(b) AS b")
    rules = graph.read("SHOW CONSTRAINTS")
    parts = (nodes, contacts, [{"name": row["name"]} for row in rules])
    return json.dumps([sorted(json.dumps(row, sort_keys=True, default=str) for row in part) for part in parts])


@pytest.fixture(scope="module")
def before(stored: Graph) -> str:
    return digest(stored)


@pytest.mark.parametrize("name", WRITES)
def test_what_only_reads_may_run_leaves_the_graph_unchanged(stored: Graph, before: str, name: str) -> None:
    with pytest.raises((ReadOnlyError, InputError)) as caught:
        queries.run_user(stored, WRITES[name], {})
    assert "\n" not in str(caught.value)
    assert digest(stored) == before


@pytest.mark.parametrize("word", sorted(UPDATING | RIGHTS))
def test_no_text_may_begin_with_a_word_that_writes(word: str) -> None:
    with pytest.raises(ReadOnlyError, match=f"{word} is not allowed"):
        policy.check(f"{word.lower()} (n) RETURN n")


PLAIN = ["create", "merge", "set", "set a label", "remove", "delete", "detach delete", "foreach",
         "a write in a subquery", "a write in a unit subquery"]  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("layer", ["query type", "transport"])
def test_each_layer_alone_keeps_the_graph(
    stored: Graph, before: str, name: str, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "check", lambda text: text)
    if layer == "transport":
        monkeypatch.setattr(Graph, "query_type", lambda *_: "r")
    with pytest.raises(CalcigraphError):
        queries.run_user(stored, WRITES[name], {})
    assert digest(stored) == before


READS: dict[str, tuple[str, Any]] = {
    "aggregation": ("MATCH (k:Cell) RETURN k.border AS b, count(*) AS n ORDER BY b", [[False, 36], [True, 54]]),
    "percentile": ("MATCH (:Culture {uid: '101'})-->(k:Cell) RETURN percentileCont(k.label, 0.5) AS m", [[50.5]]),
    "path pattern": (f"{CELL}-[:ADJACENT*1..2]-(n) RETURN count(DISTINCT n) AS n", [[5]]),
    "path value": (f"{CELL} MATCH p = (k)--(:Cell {{label: 10}}) RETURN length(p) AS n", [[1]]),
    "optional": (f"{CELL} OPTIONAL MATCH (k)-->(f:FitRun) RETURN f IS NULL AS none", [[True]]),
    "list comprehension": ("RETURN [x IN range(1, 5) WHERE x % 2 = 1 | x * x] AS odd", [[[1, 9, 25]]]),
    "reduce": ("RETURN reduce(s = 0, x IN [1, 2, 3] | s + x) AS sum", [[6]]),
    "exists": ("MATCH (k:Cell) WHERE EXISTS { (k)-[:FITTED]->() } RETURN count(k) AS n", [[12]]),
    "count subquery": (f"{CELL} RETURN COUNT {{ (k)--(:Cell) }} AS n", [[2]]),
    "pattern comprehension": (f"{CELL} RETURN size([(k)--(n:Cell) | n.label]) AS n", [[2]]),
    "subquery": ("UNWIND [1, 2] AS i CALL { WITH i RETURN i * 2 AS j } RETURN j ORDER BY j", [[2], [4]]),
    "union": ("RETURN 1 AS x UNION RETURN 2 AS x", [[1], [2]]),
    "words in strings": ("RETURN 'CREATE; load csv, DELETE // x' AS a, \"it's /* CALL x() */\" AS b",
                         [["CREATE; load csv, DELETE // x", "it's /* CALL x() */"]]),
    "words in comments": ("/* DELETE ; */ RETURN 1 AS x // SET x = 2", [[1]]),
    "words as names": ("WITH {`set`: 1, delete_: 2} AS m RETURN m.set AS `CREATE`, m.delete_ AS d", [[1, 2]]),
    "backticks": ("WITH {`a b`: 1, `DROP``S`: 2} AS m RETURN m.`a b` AS a, m.`DROP``S` AS b", [[1, 2]]),
    "parameters": ("MATCH (k:Cell) WHERE k.uid = $uid RETURN k[$property] AS v", [[7]]),
    "unwind": ("UNWIND $list AS x RETURN x ORDER BY x DESC", [[3], [2], [1]]),
    "shortest path": (
        f"{CELL}, (n:Cell {{uid: '101:94'}}) RETURN length(shortestPath((k)-[:ADJACENT*]-(n))) AS n",
        [[9]],
    ),
    "case": ("UNWIND [1, 2] AS x RETURN CASE WHEN x > 1 THEN 'b' ELSE 'a' END AS c", [["a"], ["b"]]),
    "map projection": (f"{CELL} RETURN k {{.label, two: 2}} AS m", [[{"label": 7, "two": 2}]]),
    "paging": ("MATCH (:Culture {uid: '101'})-->(k:Cell) RETURN k.label AS l ORDER BY l SKIP 1 LIMIT 2", [[10], [13]]),
    "text functions": ("RETURN toUpper(substring('abc', 1)) AS t, split('a,b', ',') AS s", [["BC", ["a", "b"]]]),
    "escapes": ("RETURN 'a\\'b\\\\d\\u00e9' AS t", [["a'b\\d\u00e9"]]),
    "a semicolon at the end": ("RETURN 1 AS x ;\n", [[1]]),
    "predicates": ("RETURN all(x IN [1, 2] WHERE x > 0) AND NOT (1 IN [2]) AS yes", [[True]]),
    "property names": ("MATCH (c:Culture) WHERE c.complete AND c.uid STARTS WITH 'wt' RETURN c.uid AS u", [["wt-1"]]),
    "collect": ("UNWIND [1, null, 2] AS x RETURN collect(x) AS l, count(x) AS n", [[[1, 2], 2]]),
    "with and where": ("MATCH (k:Cell) WITH k.border AS b, count(*) AS n WHERE n > 40 RETURN n", [[54]]),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_what_only_reads_can_be_read(stored: Graph, name: str) -> None:
    text, expected = READS[name]
    values = {"uid": "101:7", "property": "label", "list": [3, 1, 2]}
    used = {key: value for key, value in values.items() if f"${key}" in text}
    table = queries.run_user(stored, text, used)
    assert [list(row.values()) for row in queries.records(table)] == expected


def test_procedures_that_tell_the_schema_are_allowed(stored: Graph) -> None:
    labels = queries.run_user(stored, "CALL db.labels() YIELD label RETURN label")["label"].tolist()
    assert {"Cell", "Culture", "Experiment", "FitRun"} <= set(labels)


def test_values_of_the_graph_become_plain(stored: Graph) -> None:
    text = """MATCH p = (e:Experiment)-[i:INCLUDES]->(c:Culture) RETURN e, i, p, date('2026-01-02') AS day,
        datetime('2026-01-02T03:04:05Z') AS moment, duration('P1D') AS day_long, point({x: 1, y: 2}) AS place,
        [e] AS list, {a: e} AS map, 1 AS one, null AS none"""
    table = queries.run_user(stored, text)
    row = queries.records(table)[0]
    json.dumps(row, allow_nan=False)
    experiment = {"labels": ["Experiment"], "properties": {"name": "E"}}
    assert row["e"] == experiment
    assert row["i"]["type"] == "INCLUDES"
    assert len(row["p"]["nodes"]) == 2
    assert [relationship["type"] for relationship in row["p"]["relationships"]] == ["INCLUDES"]
    assert row["day"] == "2026-01-02"
    assert row["moment"].startswith("2026-01-02T03:04:05")
    assert row["day_long"] == "P1D"
    assert row["place"]["coordinates"] == [1.0, 2.0]
    assert (row["list"], row["map"]) == ([experiment], {"a": experiment})
    assert (row["one"], row["none"]) == (1, None)
    assert table["one"].dtype == "int64"


def test_missing_integers_stay_integers(stored: Graph) -> None:
    table = queries.run_user(stored, "UNWIND [1, null, 3] AS x RETURN x")
    assert str(table["x"].dtype) == "Int64"
    assert queries.records(table) == [{"x": 1}, {"x": None}, {"x": 3}]


@pytest.mark.parametrize(
    ("returned", "columns"),
    [
        ("RETURN k.a AS a, k.b AS `b c`", ["a", "b c"]),
        ("RETURN DISTINCT k.a, {x: [1, 2]} AS m ORDER BY k.a SKIP 1 LIMIT 2", ["k.a", "m"]),
        ("WITH k RETURN count { (k)--() } AS n, size([(k)--(n) | n.x]) AS s;", ["n", "s"]),
    ],
)
def test_no_rows_keep_the_columns(stored: Graph, returned: str, columns: list[str]) -> None:
    table = queries.run_user(stored, f"MATCH (k:Cell {{label: -1}}) {returned}")
    assert (list(table.columns), len(table)) == (columns, 0)


SLOW = {
    "rows that never come": "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b UNWIND range(1, 1000) AS c "
    "WITH a + b + c AS s WHERE s < 0 RETURN count(s) AS n",
    "rows that come": "UNWIND range(1, 100000) AS a UNWIND range(1, 1000) AS b RETURN a, b",
    "paths": "MATCH (k:Cell)-[:ADJACENT*1..40]-(n) RETURN count(n) AS n",
}


@pytest.mark.parametrize("name", SLOW)
def test_the_time_limit_is_real(stored: Graph, name: str) -> None:
    started = time.monotonic()
    with pytest.raises(LimitError, match="more than 1 s"):
        queries.run_user(stored, SLOW[name], timeout_s=1, row_limit=10**9)
    assert time.monotonic() - started < 4
    assert queries.records(queries.run_user(stored, "RETURN 1 AS x")) == [{"x": 1}]


def test_the_row_limit_is_real(stored: Graph) -> None:
    text = "UNWIND range(1, $n) AS x RETURN x"
    assert len(queries.run_user(stored, text, {"n": 50}, row_limit=50)) == 50
    with pytest.raises(LimitError, match="more than 50 rows"):
        queries.run_user(stored, text, {"n": 51}, row_limit=50)


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (k:Cell RETURN k",
        "RETURN",
        "MATCH (k) RETURN unknown",
        "FOO BAR",
        "RETURN 1 +",
        "RETURN 'a",
        "RETURN 1 AS x #",
        "",
        "// only a comment",
        "RETURN '\\q' AS x",
    ],
)
def test_what_is_no_cypher_is_one_clear_line(stored: Graph, text: str) -> None:
    with pytest.raises(InputError) as caught:
        queries.run_user(stored, text)
    message = str(caught.value)
    assert message.startswith("the query ")
    assert "\n" not in message
    assert len(message) < 420


def test_a_missing_parameter_is_named(stored: Graph) -> None:
    with pytest.raises(InputError, match=r"^the query uses \$label, which was not given$"):
        queries.run_user(stored, "MATCH (k:Cell {label: $label}) RETURN k // $other", {"uid": 1})


def test_a_header_declares_parameters(stored: Graph) -> None:
    header = "// Cells of a culture.\n// parameter culture: string = 101\n// parameter least: int\n"
    text = f"{header}MATCH (c:Culture {{uid: $culture}})-->(k:Cell) WHERE k.label >= $least RETURN count(k) AS n"
    declared = queries.declared_parameters(text)
    assert [(p.name, p.type) for p in declared] == [("culture", "string"), ("least", "int")]
    given = queries.parse_parameters(["least=10"], declared)
    assert queries.records(queries.run_user(stored, text, given)) == [{"n": 29}]
    with pytest.raises(InputError, match="least must be of type int"):
        queries.parse_parameters(["least=ten"], declared)
    with pytest.raises(InputError, match="needs the parameter least"):
        queries.run_user(stored, text, {})
    with pytest.raises(InputError, match="culture must be of type string"):
        queries.run_user(stored, text, {"culture": 101, "least": 1})


def test_parse_parameters() -> None:
    items = ["a=1", "b=x=y", "c=[1, 2]", "d=null", "e=true", "f=1.5", 'g="101"', "h=", "i=NaN"]
    assert queries.parse_parameters(items) == {
        "a": 1, "b": "x=y", "c": [1, 2], "d": None, "e": True, "f": 1.5, "g": "101", "h": "", "i": "NaN",
    }  # fmt: skip
    anomalies = queries.load("anomalies")
    assert queries.parse_parameters(["culture=101", "threshold=4"], anomalies) == {"culture": "101", "threshold": 4.0}
    for items, message in ((["culture"], "form name=value"), (["=1"], "form name=value"), (["a=1", "a=2"], "twice")):
        with pytest.raises(InputError, match=message):
            queries.parse_parameters(items)


def test_limits_must_be_positive() -> None:
    for limits in ({"timeout_s": 0}, {"row_limit": 0}):
        with pytest.raises(InputError, match="limits must be positive"):
            readonly.run_user(None, "RETURN 1 AS x", {}, **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MATCH (n) DELETE n", "^DELETE is not allowed: queries only read"),
        ("LOAD CSV FROM 'x' AS l RETURN l", "^LOAD is not allowed: a query begins with"),
        ("RETURN 1 AS x; RETURN 2 AS x", "^only one statement"),
        ("CALL dbms.components()", "^the procedure dbms.components is not allowed; allowed are db.labels"),
        ("RETURN apoc.version() AS v", "^the function apoc.version is not on the list"),
        ("SHOW INDEXES", "^SHOW is not allowed: a query begins with MATCH"),
    ],
)
def test_refusals_say_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ReadOnlyError, match=message):
        policy.check(text)


def test_sent_text_has_no_comments_and_keeps_its_places() -> None:
    sent = policy.check("MATCH (n) // SET\nRETURN /* DELETE\n */ n.`//` AS x, '/* */' AS y;")
    assert sent == "MATCH (n)       \nRETURN          \n    n.`//` AS x, '/* */' AS y"


def test_errors_of_the_named_are_not_found_errors() -> None:
    with pytest.raises(NotFoundError):
        queries.load("../cells")
