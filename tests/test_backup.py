"""A backup is whole or not there, and what is restored from it is what was saved: on every engine, to the last bit."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forecast_runs import build_forecast
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writers import written_all_the_time

from calcigraph import Workspace
from calcigraph.cli.app import run
from calcigraph.errors import ConflictError, InputError, WorkspaceError
from calcigraph.store import refill
from calcigraph.store.event_types import EventRun
from calcigraph.store.graph import Graph
from calcigraph.store.refill import lines_of
from calcigraph.store.seals import Contents
from calcigraph.store.types import CultureData, Fit

CREATED = "2026-01-02T03:04:05.678+00:00"
ENGINES = ["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)]


@pytest.fixture(scope="module")
def original(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a culture of a film, fitted and searched for events, and one of traces; and its backup."""
    folder = tmp_path_factory.mktemp("saved")
    shutil.copytree(kept / "ws", folder / "ws")
    with pytest.MonkeyPatch.context() as patch, Workspace(folder / "ws") as workspace:
        for name in [name for name in os.environ if name.startswith("NEO4J_")]:
            patch.delenv(name)
        workspace.graph.write_forecast(build_forecast("a", workspace.subgraph("a").labels), CREATED, "0")
        workspace.annotate("a", {"dish": 3, "dose": 0.5, "operator": "Zoë"})
        rows = (f"{t * 10},{t % 7},{t % 5},{t % 3}\n" for t in range(40))
        (folder / "t.csv").write_text("time_s,1,2,3\n" + "".join(rows))
        (folder / "p.csv").write_text("cell,x,y\n1,1,1\n2,2,2\n3,3,1\n")
        workspace.ingest_traces(str(folder / "t.csv"), "b", positions=str(folder / "p.csv"))
        workspace.backup(folder / "backup")
    return folder


def everything(home: Path) -> dict[str, Any]:
    """What a graph has of its cultures, and the bytes of their movies."""
    with Workspace(home) as workspace:
        names = [culture.uid for culture in workspace.graph.cultures()]
        found: dict[str, Any] = {name: workspace.graph.contents(name).found() for name in names}
        found |= {f"{name} fits": workspace.rows("fits", culture=name) for name in names}
    files = (path for path in (home / "movies").rglob("*") if path.is_file() and path.suffix != ".lock")
    return found | {str(path.relative_to(home)): path.read_bytes() for path in files}


def test_what_is_restored_is_what_was_saved(original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "--backup", str(original / "backup")]) == 0
    assert run(["--workspace", str(original / "ws"), "verify", str(original / "backup")]) == 1
    assert "is a backup: check it with `calcigraph verify --backup" in capsys.readouterr().err
    (tmp_path / ".new.partial-1" / "graph").mkdir(parents=True)  # of a restore that was killed
    assert run(["--workspace", str(tmp_path / "new"), "restore", str(original / "backup")]) == 0
    assert "2 cultures restored into" in capsys.readouterr().err
    assert everything(tmp_path / "new") == everything(original / "ws")
    assert [each.name for each in tmp_path.iterdir()] == ["new"]
    with Workspace(tmp_path / "new") as workspace:
        assert not any(each.wrong for each in workspace.verify())
        assert not [row for row in workspace.status() if row["item"] in ("incomplete", "warning") and row["culture"]]
        where = str(workspace.culture("a").movie_uri)
        assert (tmp_path / "new").resolve().as_posix() in where


@pytest.mark.neo4j
def test_a_lab_moves_to_a_server_and_back(
    original: Path, tmp_path: Path, neo4j_environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for name in neo4j_environment.environment():
            patch.delenv(name)
        wanted = everything(original / "ws")
    assert run(["--workspace", str(tmp_path / "lab"), "restore", str(original / "backup")]) == 0
    assert everything(tmp_path / "lab") == wanted
    assert run(["--workspace", str(tmp_path / "lab"), "restore", str(original / "backup")]) == 0, (
        "again changes nothing"
    )
    assert run(["--workspace", str(tmp_path / "lab"), "verify"]) == 0
    assert run(["--workspace", str(tmp_path / "lab"), "backup", str(tmp_path / "back")]) == 0
    with Workspace(tmp_path / "lab") as workspace:
        workspace.annotate("b", {"dish": 1})
    assert run(["--workspace", str(tmp_path / "lab"), "restore", str(original / "backup")]) == 1, "another b is there"
    for name in neo4j_environment.environment():
        monkeypatch.delenv(name)
    assert run(["--workspace", str(tmp_path / "home"), "restore", str(tmp_path / "back")]) == 0
    assert everything(tmp_path / "home") == wanted


TEXT = st.text(max_size=12).filter(str.isprintable)
NUMBER = st.one_of(st.integers(-(2**53) + 1, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False))


@pytest.fixture(scope="module", params=ENGINES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two graphs: the first on each engine in turn, the second embedded."""
    second = Graph.open(tmp_path_factory.mktemp("second"))
    # The variables are gone when it is open: tests that need no server run meanwhile.
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "neo4j":
            server = request.getfixturevalue("neo4j_server")
            server.execute("MATCH (n) DETACH DELETE n")
            for name, value in server.environment().items():
                patch.setenv(name, value)
        first = Graph.open(tmp_path_factory.mktemp("first"))
    with first, second:
        yield first, second


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    note=TEXT, number=NUMBER, frames=st.integers(3, 30), unit=st.booleans(), fitted=st.integers(0, 2),
    searched=st.booleans(), k=st.floats(1e-9, 1),
)  # fmt: skip
def test_any_culture_comes_back_from_its_lines(
    pair: tuple[Graph, Graph],
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    make_run: Callable[..., EventRun],
    note: str,
    number: float,
    frames: int,
    unit: bool,
    fitted: int,
    searched: bool,
    k: float,
) -> None:
    first, second = pair
    data = make_culture("any", frames=frames, pixel_size_um=0.5 if unit else None, experiment=note.strip() or None)
    first.write_culture(data)
    first.annotate("any", {"note": note or None, "number": number})
    first.annotate("any", {"kind": number, "word": "x"}, data.cells.labels[:2].tolist())
    for turn in range(fitted):
        first.write_fit(make_fit(data, k=k, model=("robust", "crlsm")[turn]), CREATED, note)
    if searched:
        found = make_run(data)
        first.write_events(found, found.baseline, CREATED, "0")
    saved, there = Contents(), Contents()
    lines = list(lines_of(first, "any", saved))
    for graph in (second, first):
        if graph is first:
            first.delete_culture("any")
        graph.refill(iter(lines), {})
        there = graph.contents("any")
        assert there.found() == saved.found()
        assert {run: seals for run, seals in there.said().items() if seals} == saved.found()
        assert list(lines_of(graph, "any", Contents())) == lines
    first.delete_culture("any")
    second.delete_culture("any")


def test_a_culture_whose_writing_was_killed_is_written_again(
    pair: tuple[Graph, Graph],
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    make_run: Callable[..., EventRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, _ = pair
    data = make_culture("killed")
    first.write_culture(data)
    first.write_fit(make_fit(data), CREATED, "0")
    found = make_run(data)
    first.write_events(found, found.baseline, CREATED, "0")
    saved = Contents()
    lines = list(lines_of(first, "killed", saved))
    first.delete_culture("killed")
    real = refill.write_batch
    for at in (1, 3, 4, 5, 6, 9):  # of one batch for each kind of rows

        def dying(bolt: Any, text: str, rows: Any, uid: str, token: str, batch: int, at: int = at) -> None:
            if batch > at:
                raise KeyboardInterrupt
            real(bolt, text, rows, uid, token, batch)

        with monkeypatch.context() as patch:
            patch.setattr(refill, "write_batch", dying)
            with pytest.raises(KeyboardInterrupt):
                first.refill(iter(lines), {})
        assert [row["culture"] for row in first.incomplete()] == ["killed"]
        first.delete_culture("killed") if at % 2 else first.forget(saved)
        assert first.incomplete() == []
        assert first.read("MATCH (n) WHERE n.culture = 'killed' OR n.uid STARTS WITH 'killed' RETURN n.uid AS n") == []
    first.refill(iter(lines), {})
    assert first.contents("killed").found() == saved.found()
    with pytest.raises(ConflictError, match="is in the graph already"):
        first.forget(saved)
    first.delete_culture("killed")


def test_where_a_backup_cannot_go(original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out, said in (
        (original / "backup", "exists already: a backup is written to a new folder"),
        (tmp_path / "no" / "such", "there is no folder"),
    ):
        assert run(["--workspace", str(original / "ws"), "backup", str(out)]) == 1
        assert said in capsys.readouterr().err
    for words, said in (
        (["--workspace", str(original / "ws"), "restore", str(original / "backup")], "is there already"),
        (["--workspace", str(tmp_path / "new"), "restore", str(tmp_path)], "is no backup"),
    ):
        assert run(words) == 1
        assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calcigraph import backing

    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backing, "_copy", full)
    with Workspace(original / "ws") as workspace, pytest.raises(InputError, match="No space left on device"):
        workspace.backup(tmp_path / "out")
    with Workspace(tmp_path / "new") as workspace, pytest.raises(InputError, match="No space left on device"):
        workspace.restore(original / "backup")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_backup_is_told_and_not_restored(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(original / "backup", tmp_path / "backup")
    rows = tmp_path / "backup" / "cultures" / "a.jsonl"
    rows.write_text(rows.read_text().replace("Zoë", "Zoe"))
    assert run(["verify", "--backup", str(tmp_path / "backup"), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(row["part"], row["state"]) for row in found] == [("cultures/a.jsonl", "damaged")]
    assert run(["--workspace", str(tmp_path / "new"), "restore", str(tmp_path / "backup")]) == 1
    assert "cultures/a.jsonl is damaged: nothing was restored" in capsys.readouterr().err
    note = tmp_path / "backup" / "backup.json"
    note.write_text(note.read_text().replace('"schema_version": 2', '"schema_version": 3'))
    assert run(["verify", "--backup", str(tmp_path / "backup")]) == 1
    assert not (tmp_path / "new").exists()


def test_a_backup_of_a_workspace_in_use_is_of_one_moment(
    original: Path, tmp_path: Path, make_fit: Callable[..., Fit]
) -> None:
    shutil.copytree(original / "ws", tmp_path / "ws")
    with Workspace(tmp_path / "ws") as workspace:
        # Where no moment was quiet: "is being written all the time".
        with written_all_the_time(workspace.graph, "a"), contextlib.suppress(ConflictError):
            workspace.backup(tmp_path / "first")
        workspace.backup(tmp_path / "last")
    assert run(["--workspace", str(tmp_path / "new"), "restore", str(tmp_path / "last")]) == 0
    assert everything(tmp_path / "new") == everything(tmp_path / "ws")
    assert not (tmp_path / "first").exists() or run(["verify", "--backup", str(tmp_path / "first")]) == 0
    assert not list(tmp_path.glob(".*"))


def test_what_is_damaged_is_not_saved(original: Path, tmp_path: Path) -> None:
    shutil.copytree(original / "ws", tmp_path / "ws")
    chunk = next((tmp_path / "ws" / "movies").glob("a.*.ome.zarr/0/c/0/0/0"))
    chunk.write_bytes(b"x" + chunk.read_bytes()[1:])
    with (
        Workspace(tmp_path / "ws") as workspace,
        pytest.raises(WorkspaceError, match=r"`calcigraph verify a` tells all"),
    ):
        workspace.backup(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_restore_that_breaks_off_leaves_nothing(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Graph.refill

    def breaking(self: Graph, lines: Any, changes: Any, progress: Any = None) -> None:
        lines = list(lines)
        if json.loads(lines[0])[1].get("uid") == "b":
            raise KeyboardInterrupt
        real(self, lines, changes)

    monkeypatch.setattr(Graph, "refill", breaking)
    with Workspace(tmp_path / "new") as workspace, pytest.raises(KeyboardInterrupt):
        workspace.restore(original / "backup")
    assert list(tmp_path.iterdir()) == []
