"""A Neo4j that is killed and started again while something is written, and errors that pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcigraph.errors import GraphError
from calcigraph.store import bolt
from calcigraph.store.endpoint import import_driver
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData

pytestmark = pytest.mark.neo4j


@pytest.mark.slow
def test_a_server_that_is_killed_in_mid_write_is_waited_for(
    neo4j_environment: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_culture: Callable[..., CultureData]
) -> None:
    """By an address that has the driver ask for the server's routes, as for a cluster."""
    process = neo4j_environment.process
    if process is None:
        pytest.skip("the Neo4j of the tests was not started by them, so it is not killed")
    monkeypatch.setenv("NEO4J_URI", neo4j_environment.uri.replace("bolt://", "neo4j://"))
    monkeypatch.setattr(bolt, "RESTART_S", 300.0)  # other tests may keep the machine busy
    restart = threading.Thread(target=process.start)
    data = make_culture("A", cells=1200)
    with Graph.open(tmp_path) as graph:
        graph.write_culture(make_culture("B"))

        def progress(stage: str, done: int, total: int) -> None:
            """After the first batch of cells."""
            if stage == "storing cells" and restart.ident is None:
                assert done < total
                process.kill()
                restart.start()

        try:
            graph.write_culture(data, progress=progress)
        finally:
            restart.join()
        assert graph.incomplete() == []
        assert {culture.uid: culture.complete for culture in graph.cultures()} == {"A": True, "B": True}
        found = graph.contents("A")
        # The rows are those that were to be written: by number and digest, which were taken of the data.
        assert found.found() == {name: said for name, said in found.said().items() if said is not None}


@pytest.mark.parametrize(
    "error",
    [
        "Neo.TransientError.General.DatabaseUnavailable",
        "Neo.TransientError.Transaction.DeadlockDetected",
        "ServiceUnavailable",
        "SessionExpired",
    ],
)
def test_what_passes_is_tried_again_and_ends_in_one_line(
    neo4j_environment: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: str
) -> None:
    left = [2]

    def work(tx: Any) -> int:
        if left[0]:
            left[0] -= 1
            raise _raised(error)
        return int(bolt.rows_of(tx, "RETURN 7 AS n")[0]["n"])

    with Graph.open(tmp_path) as graph:
        assert graph._bolt.run(work, write=True) == 7
        left[0] = 1_000_000
        monkeypatch.setattr(bolt, "RETRY_S", 0.1)
        monkeypatch.setattr(bolt, "RESTART_S", 0.1)
        with pytest.raises(GraphError, match="kept refusing" if "Deadlock" in error else "was lost and could not"):
            graph._bolt.run(work, write=True)
        # What is read here is never older than what was written here, also where a cluster answers.
        assert graph._bolt.endpoint.bookmarks.get_bookmarks()


def _raised(name: str) -> Exception:
    exceptions = import_driver().exceptions
    if "." not in name:
        return getattr(exceptions, name)("as the driver says it")  # type: ignore[no-any-return]
    return exceptions.Neo4jError._basic_hydrate(neo4j_code=name, message="as the server says it")  # type: ignore[no-any-return]
