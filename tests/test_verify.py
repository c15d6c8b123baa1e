"""`verify` finds and names what is not as it was written, changes nothing, and `--repair` makes it again."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forecast_runs import build_forecast

from calcigraph import FitOptions, Workspace
from calcigraph.cli.app import run
from calcigraph.errors import WorkspaceError
from calcigraph.store.event_types import EventRun
from calcigraph.store.graph import Graph
from calcigraph.store.graph_files import problems_of
from calcigraph.store.manifest import flaws_of, listed
from calcigraph.store.rowwise import differences
from calcigraph.store.types import CultureData, Fit

CREATED = "2026-01-02T03:04:05.678+00:00"


@pytest.fixture
def home(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of one's own, with its own graph; its film is where it was."""
    for name in [name for name in os.environ if name.startswith("NEO4J_")]:
        monkeypatch.delenv(name)  # of a fixture that is still open
    shutil.copytree(kept / "ws", tmp_path / "ws")
    return tmp_path / "ws"


def flip(path: Path, at: int | None = None) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    place = random.Random(path.name).randrange(len(data)) if at is None else at
    data[place] ^= 1
    path.write_bytes(bytes(data))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wrong(home: Path, **options: Any) -> list[tuple[str | None, str, str]]:
    with Workspace(home) as workspace:
        return [(each.culture, each.part, each.state) for each in workspace.verify(**options) if each.wrong]


def store_of(home: Path) -> Path:
    return next((home / "movies").glob("a.*.ome.zarr"))


def digest_of(home: Path) -> str:
    with Workspace(home) as workspace:
        return str(workspace.culture("a").movie_digest)


def test_what_is_right_is_told_so_and_left_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(home)
    assert run(["--workspace", str(home), "verify", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["culture"], row["part"], row["state"]) for row in rows] == [
        (None, "graph", "right"),
        ("a", f"movies/{store_of(home).name}", "right"),
        ("a", "rows", "right"),
    ]
    assert contents(home) == before


def test_a_flipped_byte_of_any_file_is_found_and_named(home: Path) -> None:
    store, graph = store_of(home), home / "graph"
    digest = digest_of(home)
    names = [str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()]
    assert set(listed(store) or {}) | {"zarr.json"} == set(names)
    for name in names:
        kept = (store / name).read_bytes()
        flip(store / name)
        assert [(flaw.name, flaw.state) for flaw in flaws_of(store, digest)][:1] == [(name, "damaged")]
        (store / name).write_bytes(kept)
    assert list(flaws_of(store, digest)) == []
    files = [path for path in graph.rglob("*") if path.is_file() and path.stat().st_size and "log" not in path.parts]
    assert len(files) > 30
    for path in files:
        kept, name = path.read_bytes(), str(path.relative_to(graph))
        flip(path)
        found = problems_of(graph)
        assert [each[:2] for each in found if each[0] == name] == [(name, "damaged")], found
        path.write_bytes(kept)
    assert problems_of(graph) == []


def test_missing_and_extra_files_are_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_of(home)
    (store / "0" / "c" / "1" / "0" / "0").unlink()
    (store / "extra.txt").write_text("x")
    (home / "movies" / "notes.txt").write_text("x")
    (home / "graph" / "databases" / "calcigraph" / "extra.bin").write_bytes(b"x")
    (home / "graph" / "databases" / "calcigraph" / "statistics.json").unlink()
    name = f"movies/{store.name}"
    assert set(wrong(home)) == {
        (None, "graph/databases/calcigraph/extra.bin", "extra"),
        (None, "graph/databases/calcigraph/statistics.json", "missing"),
        ("a", f"{name}/0/c/1/0/0", "missing"),
        ("a", f"{name}/extra.txt", "extra"),
        (None, "movies/notes.txt", "extra"),
    }
    assert run(["--workspace", str(home), "verify"]) == 1
    assert "5 of 6 parts are not as written" in capsys.readouterr().err


def test_what_was_changed_before_a_later_command_is_still_named(home: Path) -> None:
    """The engine's own work must not cover it."""
    target = next((home / "graph" / "databases" / "calcigraph").glob("Wave_0.*.bucket"))
    target.write_bytes(b"x" + target.read_bytes()[1:])
    with Workspace(home) as workspace:
        workspace.annotate("a", {"dish": 3})
    assert wrong(home) == [(None, f"graph/databases/calcigraph/{target.name}", "damaged")]


TAMPERED: dict[str, tuple[str, str]] = {
    "cells": ("MATCH (c:Cell {uid: $uid + ':10'}) DETACH DELETE c", "missing"),
    "intensities": ("MATCH (c:Cell {uid: $uid + ':10'}) SET c.intensity = [x IN c.intensity | x + 1e-12]", "damaged"),
    "contacts": ("MATCH (a:Cell {uid: $uid + ':7'})-[x:ADJACENT]->(b:Cell {uid: $uid + ':10'}) DELETE x", "missing"),
    "culture": ("MATCH (k:Culture {uid: $uid}) SET k.frame_interval_s = 11.0", "damaged"),
    "annotations": ("MATCH (c:Cell {uid: $uid + ':10'}) SET c.kind = 'square'", "damaged"),
    "places": ("MATCH (c:Cell {uid: $uid + ':10'}) SET c.place = point({x: 0.0, y: 0.0})", "damaged"),
    "fit: fitted": ("MATCH (c:Cell {uid: $uid + ':28'})-[x:FITTED]->() SET x.k_cell = 7.0", "damaged"),
    "fit: run": ("MATCH (r:FitRun {model: 'robust'})-[:OF]->(:Culture {uid: $uid}) SET r.k = 7.0", "damaged"),
    "fit": ("MATCH (r:FitRun {model: 'robust'})-[:OF]->(:Culture {uid: $uid}) DETACH DELETE r", "missing"),
    "parameters on cells": ("MATCH (c:Cell {uid: $uid + ':28'}) SET c.robust_k_cell = 7.0", "damaged"),
    "events: events": ("MATCH (:Cell {uid: $uid + ':7'})-[:HAS_EVENT]->(e:Event) SET e.amplitude = 7.0", "damaged"),
    "events: links": ("MATCH (:Event {culture: $uid})-[x:PRECEDES]->() DELETE x", "missing"),
    "events: waves": ("MATCH (w:Wave {culture: $uid}) SET w.p = 0.9", "damaged"),
    "events: measured": ("MATCH (:Cell {uid: $uid + ':10'})-[x:MEASURED]->() SET x.noise = 7.0", "damaged"),
    "events": ("MATCH (r:EventRun {uid: $uid + ':events'}) DETACH DELETE r", "missing"),
    "forecast: fitted": ("MATCH (:Cell {uid: $uid + ':10'})-[x:FORECAST]->() SET x.probability = 0.5", "damaged"),
    "forecast: run": ("MATCH (r:ForecastRun {uid: $uid + ':forecast'}) SET r.contact_p = 0.9", "damaged"),
    "forecast": ("MATCH (r:ForecastRun {uid: $uid + ':forecast'}) DETACH DELETE r", "missing"),
}


@pytest.fixture(scope="module")
def tampered(
    empty: Graph,
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    make_run: Callable[..., EventRun],
) -> Graph:
    """A culture for each row of TAMPERED, on each engine."""
    for number in range(len(TAMPERED)):
        data = make_culture(f"é {number}", experiment="E", pixel_size_um=0.5)
        empty.write_culture(data)
        empty.annotate(data.culture.uid, {"kind": "round"}, data.cells.labels[:3].tolist())
        empty.annotate(data.culture.uid, {"dose": 2})
        empty.write_fit(make_fit(data), CREATED, "0")
        found = make_run(data)
        empty.write_events(found, found.baseline, CREATED, "0")
        empty.write_fit(make_fit(data, model="crlsm"), CREATED, "0")
        empty.write_forecast(build_forecast(data.culture.uid, data.cells.labels), CREATED, "0")
        empty.finish_plan(data.culture.uid, '{"a": 1}')
    return empty


@pytest.mark.parametrize("part", TAMPERED)
def test_rows_that_are_not_what_was_written_are_named(tampered: Graph, part: str) -> None:
    uid = f"é {list(TAMPERED).index(part)}"
    assert list(differences(tampered.contents(uid))) == []
    text, state = TAMPERED[part]
    tampered.write(text, uid=uid)
    found = {name: state for name, state, _ in differences(tampered.contents(uid))}
    named = {name: state for name, state in found.items() if part.startswith("fit") and name.startswith("fit ")}
    if part.startswith("fit"):
        run = next(iter(named), "")
        assert f"fit{run[len(run.split(': ')[0]) :]}" == part, found
        assert set(named.values()) == {state}
    else:
        assert found[part] == state, found


def test_a_culture_of_an_older_version_is_told_and_can_be_recorded(tampered: Graph) -> None:
    uid = "é 14"
    tampered.write("MATCH (k:Culture {uid: $uid}) SET k.seals = null", uid=uid)
    assert [each[:2] for each in differences(tampered.contents(uid))] == [("rows", "unrecorded")]
    tampered.reseal(uid)
    assert list(differences(tampered.contents(uid))) == []


# Repair.


@pytest.fixture
def repaired(home: Path) -> Callable[[], list[tuple[str, str]]]:
    """Repairs the workspace; gives part and state of each finding but what is right."""

    def repair() -> list[tuple[str, str]]:
        with Workspace(home) as workspace:
            return [(each.part, each.state) for each in workspace.verify(repair=True) if each.state != "right"]

    return repair


def test_files_of_a_movie_are_made_again_from_its_source(
    home: Path, kept: Path, repaired: Callable[[], list[tuple[str, str]]]
) -> None:
    store = store_of(home)
    before = contents(home / "movies")
    flip(store / "0" / "c" / "0" / "0" / "0")
    flip(store / "zarr.json", at=300)
    (store / "rows" / "cells" / "c" / "0").unlink()
    names = ["0/c/0/0/0", "rows/cells/c/0", "zarr.json"]
    assert sorted(repaired()) == [(f"movies/{store.name}/{name}", "mended") for name in names]
    assert {name: data for name, data in contents(home / "movies").items() if ".lock" not in name} == {
        name: data for name, data in before.items() if ".lock" not in name
    }


def test_without_its_source_a_movie_is_left_as_it_is(
    home: Path, kept: Path, repaired: Callable[[], list[tuple[str, str]]]
) -> None:
    store = store_of(home)
    flip(store / "0" / "c" / "0" / "0" / "0")
    before = contents(home / "movies")
    (kept / "m.tif").rename(kept / "away.tif")
    try:
        found = repaired()
    finally:
        (kept / "away.tif").rename(kept / "m.tif")
    assert set(found) == {(f"movies/{store.name}", "damaged"), (f"movies/{store.name}/0/c/0/0/0", "damaged")}
    assert contents(home / "movies") == before


ROWS = (
    "MATCH (c:Cell {uid: 'a:3'}) DETACH DELETE c",
    "MATCH (c:Cell {uid: 'a:4'}) SET c.intensity = [x IN c.intensity | 0.0]",
    "MATCH (:Cell {uid: 'a:5'})-[x:ADJACENT]-() DELETE x",
    "MATCH (k:Culture {uid: 'a'}) SET k.frame_interval_s = 11.0, k.masks = 'x'",
    "MATCH (c:Cell) SET c.place = null",
)


def test_rows_are_made_again_from_the_movie_store(home: Path, repaired: Callable[[], list[tuple[str, str]]]) -> None:
    with Workspace(home) as workspace:
        before = workspace.graph.contents("a").found()
        for text in ROWS:
            workspace.graph.write(text)
    found = repaired()
    parts = {"cells", "intensities", "contacts", "culture", "places"}
    assert {part for part, state in found if state == "mended"} == parts
    # What no store keeps of the cell that was lost is told.
    assert all(part.startswith(("fit a:", "events: ")) for part, state in found if state != "mended"), found
    with Workspace(home) as workspace:
        assert workspace.graph.contents("a").found()[""] == before[""]
        workspace.fit("a", options=FitOptions(null=0))
        workspace.events("a")
    assert wrong(home) == []


def test_a_damaged_graph_is_built_anew_and_kept(home: Path, repaired: Callable[[], list[tuple[str, str]]]) -> None:
    with Workspace(home) as workspace:
        before = workspace.graph.contents("a").found()
    flip(next((home / "graph" / "databases" / "calcigraph").glob("Cell_0.*.bucket")), at=60000)
    flip(home / "graph" / "credentials.json")
    assert repaired() == [("graph", "mended")]
    with Workspace(home) as workspace:
        assert workspace.graph.contents("a").found() == before
    assert len(list(home.glob("graph.damaged-*"))) == 1
    assert wrong(home) == []


def test_an_unreadable_graph_is_built_from_the_stores(
    home: Path, repaired: Callable[[], list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (home / "graph" / "databases" / "calcigraph").glob("schema*.json"):
        path.write_text("{}")
    assert (None, "graph", "damaged") in wrong(home)
    real = Path.rename

    def dying(self: Path, target: Path) -> Path:
        if self.name == ".graph.mended":
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying)
        with pytest.raises(KeyboardInterrupt):
            repaired()
    assert not (home / "graph").exists()
    assert ("culture", "mended") in repaired()
    with Workspace(home) as workspace:
        assert len(workspace.subgraph("a").labels) == 16
        assert workspace.culture("a").movie == f"movies/{store_of(home).name}"
    assert wrong(home) == []


def test_leftovers_are_swept(home: Path, repaired: Callable[[], list[tuple[str, str]]]) -> None:
    store = store_of(home)
    shutil.copytree(store, store.with_name("a.00000000.ome.zarr"))
    shutil.copytree(store, store.with_name(".a.11111111.ome.zarr.partial-1"))
    with Workspace(home) as workspace:
        workspace.graph.write("CREATE (:Culture {uid: ' replacement of a', complete: false, replaces: 'a'})")
    assert {state for _, _, state in wrong(home)} == {"extra", "incomplete"}
    assert {state for _, state in repaired()} == {"mended"}
    assert store.is_dir()
    assert wrong(home) == []


def test_a_backup_is_not_repaired(home: Path) -> None:
    assert run(["--workspace", str(home), "verify", "--repair", "--backup", "x"]) == 1


def test_what_a_newer_version_wrote_is_refused(home: Path) -> None:
    from calcigraph.store.movie import open_store

    text = (store_of(home) / "zarr.json").read_text().replace('"format": 1', '"format": 2')
    (store_of(home) / "zarr.json").write_text(text)
    with pytest.raises(WorkspaceError, match=r"was written by calcigraph .*: install a newer one$"):
        open_store(store_of(home))


def test_a_movie_of_an_older_version_is_told(home: Path) -> None:
    root = store_of(home) / "zarr.json"
    about = json.loads(root.read_text())
    del about["attributes"]["calcigraph"]["files"]
    root.write_text(json.dumps(about))
    assert [(flaw.name, flaw.state) for flaw in flaws_of(store_of(home), None)] == [("zarr.json", "unrecorded")]
    assert {flaw.state for flaw in flaws_of(store_of(home), "0" * 64)} == {"damaged"}


def test_an_unknown_culture_is_refused(home: Path) -> None:
    with pytest.raises(KeyError, match="there is no culture b"):
        wrong(home, cultures=["b"])
