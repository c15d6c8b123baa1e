"""A workspace that is moved, linked, copied while it is open or read-only, clocks that jump, and several processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from writers import written_all_the_time

from calcigraph import IngestOptions, SyntheticOptions, Workspace
from calcigraph.cli.app import run
from calcigraph.errors import CalcigraphError, ConflictError, GraphError, NotFoundError
from calcigraph.queries.fitted import latest_fits
from calcigraph.store import endpoint
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

CREATED = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def home(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept / "ws", tmp_path / "ws")
    return tmp_path / "ws"


def wrong(home: Path) -> list[tuple[str, str]]:
    with Workspace(home) as workspace:
        return [(each.part, each.state) for each in workspace.verify() if each.wrong]


def command(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "calcigraph", "--workspace", str(home), *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


# Places.


def test_a_workspace_is_reached_through_a_link_and_moved(home: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(home)
    with Workspace(link) as one, Workspace(home) as other:
        one.annotate("a", {"dish": 3})
        assert other.culture("a").annotations == {"dish": 3}
    assert wrong(link) == []
    home.rename(tmp_path / "moved")
    with Workspace(tmp_path / "moved") as workspace:
        workspace.annotate("a", {"dish": 4})
    assert wrong(tmp_path / "moved") == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://bucket/lab", "is on object storage, which holds movies but no graph: set NEO4J_URI"),
        ("gs://bucket/lab", "is no place for a workspace: give a folder, or s3://BUCKET/PREFIX"),
        ("s3://", "is no place for a workspace"),
        ("s3://bucket/a/../b", "is no place for a workspace"),
    ],
)
def test_an_address_is_no_folder(
    address: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALCIGRAPH_WORKSPACE", address)
    for words in (["--workspace", address, "status"], ["status"], ["ingest", "m.tif", "--culture", "a"]):
        assert run(words) == 1
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_copy_of_a_workspace_in_use_is_whole_or_named_as_damaged(home: Path, tmp_path: Path) -> None:
    with Workspace(home) as workspace, written_all_the_time(workspace.graph, "a"):
        shutil.copytree(home, tmp_path / "copy", copy_function=_copied_if_there)
    assert wrong(home) == []
    found = wrong(tmp_path / "copy")
    if not found:
        with Workspace(tmp_path / "copy") as workspace:
            assert len(workspace.subgraph("a").labels) == 16


def _copied_if_there(source: str, target: str) -> None:
    """Files of the engine come and go."""
    if Path(source).exists():
        shutil.copyfile(source, target)


@pytest.fixture(params=["mounted", "told"])
def read_only(
    request: pytest.FixtureRequest, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The workspace where nobody may write: really, where this may mount, and as the engine's opening sees it."""
    if request.param == "told":
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
        yield home
        return
    place = tmp_path / "mounted"
    place.mkdir()
    mount = ["mount", "--bind", "-o", "ro", str(home), str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this process may not mount a file system")
    try:
        if os.access(place, os.W_OK):
            pytest.skip("a read-only mount is not read-only here")
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_workspace_is_read_and_not_written(read_only: Path) -> None:
    before = sorted(path for path in read_only.rglob("*"))
    with Workspace(read_only) as workspace:
        assert len(workspace.subgraph("a").labels) == 16
        assert workspace.rows("cultures")[1][0]["culture"] == "a"
        assert not any(each.wrong for each in workspace.verify())
        with pytest.raises(CalcigraphError, match=r"may only be read: its file system is read-only") as error:
            workspace.annotate("a", {"dish": 3})
        assert "\n" not in str(error.value)
    assert sorted(path for path in read_only.rglob("*")) == before


WRITING: dict[str, Callable[[Workspace, Path], object]] = {
    "fit": lambda of, _: of.fit("a"),
    "fit --weights all": lambda of, _: of.rank_weights("a"),
    "events": lambda of, _: of.events("a"),
    "forecast": lambda of, _: of.forecast("a"),
    "curate": lambda of, at: of.curate("a", str(at / "masks.tif")),
    "ingest": lambda of, at: of.ingest(str(at / "movie.tif"), "new", IngestOptions(masks=str(at / "masks.tif"))),
    "ingest-traces": lambda of, at: of.ingest_traces(str(at / "t.csv"), "new"),
    "annotate": lambda of, _: of.annotate("a", {"dish": 1}),
    "delete": lambda of, _: of.delete("a"),
    "export": lambda of, _: of.export("a", of.folder / "a.geojson"),
    "export of a folder": lambda of, _: of.export("a", of.folder / "a", "csv"),
    "picture": lambda of, _: of.picture("a", "cells", str(of.folder / "a.png")),
    "report": lambda of, _: of.report(["a"], str(of.folder / "a.html")),
    "backup": lambda of, _: of.backup(of.folder / "backup"),
    "simulate": lambda of, _: of.simulate(str(of.folder / "new.tif"), SyntheticOptions()),
    "migrate": lambda of, _: of.migrate(),
    "verify --repair": lambda of, _: of.verify(repair=True),
}
WORK = (
    "calcigraph.models.fit", "calcigraph.models.weightings.rank_weights", "calcigraph.models.event_run.find_events",
    "calcigraph.models.forecast_run.lesson", "calcigraph.curation.curate", "calcigraph.ingest.ingest_movie",
    "calcigraph.ingest.ingest_traces", "calcigraph.mending.verify", "calcigraph.export.collected.collect",
    "calcigraph.pictures.render._render", "calcigraph.report.write.report_culture", "calcigraph.backing.save",
    "calcigraph.simulation.make_culture",
)  # fmt: skip
"""Where the work of these commands is done."""


def test_what_cannot_be_stored_is_refused_before_the_work_begins(
    read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in WORK:
        monkeypatch.setattr(place, lambda *_, **__: pytest.fail("work was done"))
    with Workspace(read_only) as workspace:
        for name, command in WRITING.items():
            with pytest.raises(CalcigraphError) as error:
                command(workspace, read_only.parent)
            assert re.search("may only be read|cannot be written", str(error.value)), f"{name}: {error.value}"
            assert "\n" not in str(error.value)


# Versions.


def test_a_graph_without_its_version_is_brought_to_this_one(home: Path) -> None:
    with Workspace(home) as workspace:
        workspace.graph.write("MATCH (m:Meta) DETACH DELETE m")
    with Workspace(home) as workspace:
        assert workspace.graph.schema_version == 2
        assert workspace.graph.read("MATCH (m:Meta) RETURN m.schema_version AS v") == [{"v": 2}]
        assert len(workspace.subgraph("a").labels) == 16
    assert wrong(home) == []


def test_a_newer_graph_is_refused_with_the_command_to_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Workspace(home) as workspace:
        workspace.graph.write("MATCH (m:Meta) SET m.schema_version = 3")
    for words in (["status"], ["verify", "--repair"], ["backup", str(home.parent / "out")]):
        assert run(["--workspace", str(home), *words]) == 1, words
        said = capsys.readouterr().err.strip()
        assert said.endswith("install a newer calcigraph; nothing was changed"), said
        assert "\n" not in said
    assert not (home.parent / "out").exists()
    assert not list(home.glob("graph.damaged*"))


# Clocks.


@pytest.mark.parametrize("engine", ["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def test_the_latest_fit_is_the_one_that_was_written_last(
    engine: str,
    tmp_path: Path,
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    request: pytest.FixtureRequest,
) -> None:
    """A clock that jumps back does not make an older fit the latest one."""
    if engine == "neo4j":
        request.getfixturevalue("neo4j_environment")
    data = make_culture("c")
    with Workspace(tmp_path / "ws") as workspace:
        workspace.make_folder()
        workspace.graph.write_culture(data)
        for year, k in ((2026, 0.01), (2031, 0.02), (2019, 0.03)):
            workspace.graph.write_fit(make_fit(data, k=k, settings={"ridge": k}), f"{year}-01-01T00:00:00+00:00", "0")
        assert [row["k"] for row in workspace.rows("fits", culture="c")[1]] == [0.01, 0.02, 0.03]
        assert {row["k"] for row in workspace.rows("parameters", culture="c")[1]} == {0.03}
        assert latest_fits(workspace.graph, ["c"], "robust")["c"].settings["ridge"] == 0.03
        again = make_fit(data, k=0.01, settings={"ridge": 0.01})
        workspace.graph.write_fit(again, "2001-01-01T00:00:00+00:00", "0")
        assert [row["k"] for row in workspace.rows("fits", culture="c")[1]] == [0.02, 0.03, 0.01]
        assert {row["k"] for row in workspace.rows("parameters", culture="c")[1]} == {0.01}
        assert not any(each.wrong for each in workspace.verify())


def test_fits_and_events_keep_their_order_when_a_clock_jumps(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Jumping(datetime):
        years = iter((2031, 2019, 2025, 2001, 2040))

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(next(cls.years), 1, 1, tzinfo=UTC)

    monkeypatch.setattr("calcigraph.workspace.datetime", Jumping)
    with Workspace(home) as workspace:
        first = workspace.fit("a", "crlsm")
        workspace.events("a")
        second = workspace.fit("a", "crlsm", _other_options())
        assert [row["run"] for row in workspace.rows("fits", culture="a")[1]][1:] == [first.run, second.run]
    assert wrong(home) == []


def _other_options() -> Any:
    from calcigraph import FitOptions

    return FitOptions(ridge=0.002)


# Processes.


@pytest.mark.parametrize("engine", ["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def test_readers_and_writers_of_one_graph(
    engine: str,
    tmp_path: Path,
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    request: pytest.FixtureRequest,
) -> None:
    """Readers see whole cultures; a fit of a culture that is replaced meanwhile is whole, or refused in one line."""
    if engine == "neo4j":
        request.getfixturevalue("neo4j_environment")
    (tmp_path / "ws").mkdir()
    old, new = make_culture("a"), make_culture("a", input_digest="new", rows=6)
    counts, said = set(), []
    with Graph.open(tmp_path / "ws") as graph, Graph.open(tmp_path / "ws") as other:
        graph.write_culture(old)
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                text = "MATCH (:Culture {uid: 'a', complete: true})-[:HAS_CELL]->(c:Cell) RETURN count(c) AS n"
                counts.add(other.read(text)[0]["n"])

        def fit() -> None:
            for number in range(6):
                try:
                    other.write_fit(make_fit(old, settings={"ridge": 1.0 + number}), CREATED, "0")
                except (CalcigraphError, ValueError) as error:
                    said.append(str(error))

        threads = [threading.Thread(target=each) for each in (read, fit)]
        for thread in threads:
            thread.start()
        graph.write_culture(new, replace=True)
        graph.write_culture(make_culture("b"))
        threads[1].join()
        graph.delete_culture("b")
        stop.set()
        threads[0].join()
        assert counts <= {30, 36, 0}
        assert all("\n" not in each for each in said), said
        assert graph.incomplete() == []
        assert graph.orphans() == []
        contents = graph.contents("a")
        assert contents.found()[""] == {**(contents.said()[""] or {})}
        with pytest.raises(NotFoundError, match="there is no complete culture b"):
            other.write_fit(make_fit(make_culture("b")), CREATED, "0")


def test_two_processes_of_one_culture(home: Path, kept: Path) -> None:
    """The second is refused in one line while the first holds it."""
    with Workspace(home) as workspace, workspace._movies.locked("a"):
        done = command(home, "delete", "a")
        assert done.returncode == 1
        assert done.stderr.strip() == "calcigraph: culture 'a' is being written by another process: wait for it to end"
        with Workspace(home) as other, pytest.raises(ConflictError):
            other.delete("a")
        found = workspace.verify(repair=False)
        assert not any(each.wrong for each in found)
    assert wrong(home) == []


def test_a_copy_is_not_reached_in_place_of_the_graph(home: Path) -> None:
    """An engine that is in use is read where it is, and its files are told as in use."""
    with Workspace(home) as workspace:
        assert workspace.graph.engine == "arcadedb"
        with Workspace(home) as other:
            states = {each.part: each.state for each in other.verify()}
        assert states["graph"] == "in use"
        assert states["rows"] == "right"
    assert issubclass(GraphError, CalcigraphError)
    assert endpoint._writable(home)
