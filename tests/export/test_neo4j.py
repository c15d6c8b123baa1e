"""Cypher and the files for `neo4j-admin import`, loaded into a real Neo4j: the named queries give the same rows."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcigraph.errors import NotFoundError
from calcigraph.export.cypher_file import literal, write_cypher
from calcigraph.export.neo4j_import import AFTER, README, write_neo4j_csv
from calcigraph.queries import names, rows
from calcigraph.store.dump import LINKS, NODES, Dump
from calcigraph.store.endpoint import import_driver
from calcigraph.store.graph import Graph

RICH, BARE, ALONE = "dish 'é', ß no. 1", "bare", "alone"
MORE = {"wave": {"wave": 1}, "anomalies": {"model": "robust"}}


@pytest.fixture
def source(embedded_lab: Graph) -> Graph:
    """The cultures on the embedded engine."""
    return embedded_lab


def answers(graph: Graph, culture: str) -> dict[str, Any]:
    """The rows of every named query, or what it says instead."""
    found: dict[str, Any] = {}
    for name in names():
        if name == "cultures":
            found[name] = [row for row in rows(graph, name)[1] if row["culture"] == culture]
            continue
        try:
            found[name] = rows(graph, name, culture=culture, **MORE.get(name, {}))[1]
        except NotFoundError as error:
            found[name] = str(error)
    return found


def alike(a: Any, b: Any) -> bool:
    """Whether two answers agree: sums and means of two engines differ in their last bit."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-15)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def contents(graph: Graph, culture: str) -> dict[str, list[Any]]:
    """Every node and relationship of a culture."""
    dump = Dump(graph, culture)
    found: dict[str, list[Any]] = {kind.label: list(dump.nodes(kind)) for kind in NODES}
    return found | {f"{kind.start.label} {kind.type}": sorted(dump.links(kind), key=str) for kind in LINKS}


@pytest.mark.neo4j
@pytest.mark.parametrize("culture", [RICH, BARE, ALONE], ids=["rich", "bare", "alone"])
def test_the_statements_build_the_culture_again(
    source: Graph, culture: str, tmp_path: Path, neo4j_environment: Any
) -> None:
    about = source.culture(culture)
    assert about is not None
    write_cypher(source, about, tmp_path / "a.cypher")
    text = (tmp_path / "a.cypher").read_text(encoding="utf-8")
    with import_driver().GraphDatabase.driver(
        neo4j_environment.uri, auth=(neo4j_environment.username, neo4j_environment.password)
    ) as driver:
        for statement in text.split(";\n"):
            if statement.strip():
                driver.execute_query(statement, database_=neo4j_environment.database)
    expected, stored = answers(source, culture), contents(source, culture)
    with Graph.open(tmp_path / "ws") as target:
        assert alike(answers(target, culture), expected)
        assert contents(target, culture) == stored
        assert target.incomplete() == []


@pytest.mark.neo4j
def test_any_text_and_number_comes_back(neo4j_server: Any) -> None:
    values = st.one_of(
        st.text(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63) + 1, 2**63 - 1),
        st.booleans(),
        st.sampled_from(["\\\x1f", "\\u0027", "\\\\u0027 + '", "a\\", "'", "\u2028;\n", "`", "\\U0001"]),
    )  # fmt: skip
    with (
        import_driver().GraphDatabase.driver(
            neo4j_server.uri, auth=(neo4j_server.username, neo4j_server.password)
        ) as driver,
        driver.session(database=neo4j_server.database) as session,
    ):

        @settings(max_examples=150, deadline=None)
        @given(st.lists(values, min_size=1, max_size=8))
        def back(value: list[Any]) -> None:
            text = literal(value)
            assert "\n" not in text
            found = session.run(f"RETURN {text} AS value").single()["value"]
            assert found == value
            assert [type(each) for each in found] == [type(each) for each in value]

        back()


def as_one_type(cell: dict[str, Any]) -> dict[str, Any]:
    """What the one type of a column makes of annotations that are text in some cells and a number in others."""
    texts = {name: str(value).lower() for name, value in cell.items() if name == "kind" and isinstance(value, bool)}
    return cell | texts | {name: float(value) for name, value in cell.items() if name == "dose" and value is not None}


@pytest.mark.neo4j
def test_neo4j_admin_imports_the_files(
    source: Graph, tmp_path: Path, start_neo4j: Callable[..., Any], neo4j_jars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = source.culture(RICH)
    assert about is not None
    folder, home = tmp_path / "csv", tmp_path / "home"
    folder.mkdir()
    write_neo4j_csv(source, about, folder)
    command = (folder / README).read_text(encoding="utf-8").split("\n\n")[1].replace("\\\n", " ").split()
    assert command[:5] == ["neo4j-admin", "database", "import", "full", "neo4j"]
    home.mkdir()
    (home / "conf").mkdir()
    (home / "conf" / "neo4j.conf").write_text("")
    java = ["java", "-Xmx1g", "-cp", f"{neo4j_jars}/*", "org.neo4j.cli.AdminTool", *command[1:]]
    done = subprocess.run(
        java,
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"NEO4J_HOME": str(home), "NEO4J_CONF": str(home / "conf")},
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    with start_neo4j(home) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        expected, stored = answers(source, RICH), contents(source, RICH)
        with Graph.open(tmp_path / "ws") as target:
            for statement in (folder / AFTER).read_text(encoding="utf-8").split(";\n"):
                if statement:
                    target.write(statement)
            there = contents(target, RICH)
            assert [name for name in stored if there[name] != stored[name]] == ["Cell"]
            assert there["Cell"] == [as_one_type(node) for node in stored["Cell"]]
            expected["cells"] = [as_one_type(row) for row in expected["cells"]]
            assert alike(answers(target, RICH), expected)
