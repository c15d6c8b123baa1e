"""The schema's version: written at the first open, checked at every open; older graphs are brought to today's."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from older_graph import as_version_1

from calcigraph.errors import GraphError
from calcigraph.store import migration
from calcigraph.store.bolt import Bolt
from calcigraph.store.event_types import EventRun
from calcigraph.store.graph import Graph
from calcigraph.store.meta import SCHEMA_VERSION
from calcigraph.store.types import CultureData, Fit

Make = Callable[..., CultureData]
CREATED = "2026-01-02T03:04:05+00:00"


class Killed(Exception):
    """Stands for the end of the process."""


def contents(graph: Graph) -> list[str]:
    """All nodes and relationships, but for Meta."""
    nodes = graph.read("MATCH (n) WHERE NOT n:Meta RETURN labels(n) AS l, properties(n) AS p")
    links = graph.read("MATCH (a)-[x]->(b) RETURN type(x) AS l, properties(x) AS p, a.uid AS a, b.uid AS b")
    return sorted(json.dumps(row, sort_keys=True, default=str) for row in nodes + links)


@pytest.fixture
def stored(graph: Graph, make_culture: Make, make_fit: Callable[..., Fit]) -> Graph:
    for name in ("A", "B"):
        data = make_culture(name)
        graph.write_culture(data)
        graph.write_fit(make_fit(data, weights="distance*border"), CREATED, "0.2.0")
    return graph


def test_a_new_graph_has_its_version(graph: Graph) -> None:
    rows = graph.read("MATCH (m:Meta) RETURN m.name AS name, m.schema_version AS version, m.created.year AS year")
    assert [(row["name"], row["version"]) for row in rows] == [("calcigraph", SCHEMA_VERSION)]
    assert rows[0]["year"] >= 2026


def test_a_newer_graph_is_refused_and_left_alone(graph: Graph, workspace: Path) -> None:
    graph.write("MATCH (m:Meta) SET m.schema_version = $next", next=SCHEMA_VERSION + 1)
    for migrating in (False, True):
        with pytest.raises(GraphError, match=r"schema version 3, .* up to 2: install a newer calcigraph") as error:
            Graph.open(workspace, migrating=migrating)
        assert "\n" not in str(error.value)
    assert graph.read("MATCH (m:Meta) RETURN m.schema_version AS v") == [{"v": SCHEMA_VERSION + 1}]


def test_an_older_graph_is_brought_to_this_version(
    stored: Graph, workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = contents(stored)
    as_version_1(stored)
    old = contents(stored)
    assert old != before
    if stored.engine == "neo4j":
        with pytest.raises(GraphError, match=r"schema version 1, .*once all who use it .*run `calcigraph migrate`$"):
            Graph.open(workspace)
        assert contents(stored) == old
        assert caplog.records == []
    with Graph.open(workspace, migrating=stored.engine == "neo4j") as graph:
        assert contents(graph) == before
        assert graph.read("MATCH (m:Meta) RETURN m.schema_version AS v") == [{"v": SCHEMA_VERSION}]
        assert graph.outdated() == []
    if stored.engine != "neo4j":
        assert [(each.levelno, "from schema version 1 to 2" in each.message) for each in caplog.records] == [
            (logging.WARNING, True)
        ]


def test_a_migration_that_is_killed_is_finished_by_the_next(
    stored: Graph, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(stored)
    as_version_1(stored)
    monkeypatch.setattr(migration, "BATCH_CELLS", 10)
    monkeypatch.setattr(migration, "BATCH_CONTACTS", 20)
    rows = Bolt.rows
    for kill_at in (2, 5, 9):
        left = [kill_at]

        def killed(bolt: Any, text: str, values: Any, *, write: bool, left: list[int] = left) -> Any:
            left[0] -= write and "$rows" in text
            if left[0] < 0:
                raise Killed
            return rows(bolt, text, values, write=write)

        monkeypatch.setattr(Bolt, "rows", killed)
        with pytest.raises(Killed):
            Graph.open(workspace, migrating=True)
        monkeypatch.setattr(Bolt, "rows", rows)
        assert stored.read("MATCH (m:Meta) RETURN count(m) AS n") == [{"n": 0}]
    with Graph.open(workspace, migrating=True) as graph:
        assert contents(graph) == before


def test_what_an_old_version_writes_later_is_told_and_brought_along(
    stored: Graph, workspace: Path, make_culture: Make
) -> None:
    before = contents(stored)
    as_version_1(stored)
    stored.write("CREATE (:Meta {name: 'calcigraph', schema_version: $now})", now=SCHEMA_VERSION)
    assert stored.outdated() == ["A", "B"]
    first = stored.culture("A")
    assert first is not None
    assert first.created.startswith("2025-01-01T00:00")
    with Graph.open(workspace) as graph:
        assert graph.outdated() == ["A", "B"]
    with Graph.open(workspace, migrating=True) as graph:
        assert contents(graph) == before


def test_events_that_an_old_version_left_behind_are_deleted(
    stored: Graph, workspace: Path, make_culture: Make, make_run: Callable[..., EventRun]
) -> None:
    for name in ("A", "B"):
        run = make_run(make_culture(name))
        stored.write_events(run, run.baseline, CREATED, "0.3.0")
    stored.write("CREATE (:Event {uid: 'another', culture: 'lecture'}), (:Experiment {name: 'another'})")
    kept = contents(stored)
    # As version 0.2 deletes a culture.
    stored.write("MATCH (:Culture {uid: 'B'})-[:HAS_CELL]->(c:Cell) DETACH DELETE c")
    stored.write("MATCH (r:FitRun)-[:OF]->(:Culture {uid: 'B'}) DETACH DELETE r")
    stored.write("MATCH (k:Culture {uid: 'B'}) DETACH DELETE k")
    with Graph.open(workspace, migrating=True) as graph:
        left = contents(graph)
        assert not [row for row in left if '"B' in row]
        assert left == [row for row in kept if row in left]
        assert [row for row in left if "another" in row] == [row for row in kept if "another" in row]
        graph.delete_culture("A")
        assert graph.read("MATCH (n) WHERE NOT n:Meta RETURN count(n) AS n") == [{"n": 2}]


def test_a_half_written_old_culture_is_left_to_its_ingest(stored: Graph, workspace: Path, make_culture: Make) -> None:
    as_version_1(stored)
    stored.write("MATCH (k:Culture {uid: 'B'}) SET k.complete = false, k.state = 'ingest'")
    with Graph.open(workspace, migrating=True) as graph:
        assert graph.outdated() == []
        graph.write_culture(make_culture("B"))
        assert graph.read("MATCH (c:Cell) WHERE c.name IS NULL RETURN count(c) AS n") == [{"n": 0}]


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from calcigraph.store import migration
    from calcigraph.store.graph import Graph
    migration.BATCH_CELLS, left, rows = 10, int(sys.argv[2]), migration.Bolt.rows

    def counted(bolt, text, values, *, write):
        global left
        found = rows(bolt, text, values, write=write)
        left -= write and "$rows" in text
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    migration.Bolt.rows = counted
    Graph.open(Path(sys.argv[1])).close()
"""


def test_kill_9_in_the_middle_of_a_migration(tmp_path: Path, make_culture: Make, make_fit: Callable[..., Fit]) -> None:
    with Graph.open(tmp_path) as graph:
        for name in ("A", "B"):
            data = make_culture(name)
            graph.write_culture(data)
            graph.write_fit(make_fit(data), CREATED, "0.2.0")
        before = contents(graph)
        as_version_1(graph)
    for batches in ("1", "3"):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), batches]
        done = subprocess.run(command, timeout=100, check=False, capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
    with Graph.open(tmp_path) as graph:
        assert contents(graph) == before
        assert graph.outdated() == []
