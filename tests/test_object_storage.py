"""A workspace on object storage: a real server that speaks S3 holds the movies, a real Neo4j the graph."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jars import Unavailable
from neo4j_server import Neo4jServer, free_port
from s3_server import SECRET, S3Server

from calcigraph import FitOptions, IngestOptions, Workspace
from calcigraph.cli.app import run
from calcigraph.errors import InputError
from calcigraph.spreading import _marked, fault_of
from calcigraph.store import lease, storage
from calcigraph.store.movie import open_store
from calcigraph.store.objects import ObjectPath

pytestmark = pytest.mark.neo4j
BUCKET, PREFIX = "lab", "cell culture/2026"
PLACE = f"s3://{BUCKET}/{PREFIX}"
CULTURE = "ünï %20+#1"
"""A name that an address would have to spell otherwise."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if os.environ.get("CALCIGRAPH_REQUIRE_NEO4J") != "1":
        pytest.importorskip("obstore")
    server = S3Server(tmp_path_factory.mktemp("s3"), free_port())
    try:
        server.start()
    except Unavailable as error:
        if os.environ.get("CALCIGRAPH_REQUIRE_NEO4J") == "1":
            pytest.fail(f"no S3 server for tests: {error}")
        pytest.skip(f"no S3 server for tests: {error}")
    yield server
    server.stop()


@pytest.fixture
def bucket(server: S3Server, neo4j_environment: Neo4jServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty bucket, as the folder in which the server keeps it, and an empty graph."""
    shutil.rmtree(server.buckets)
    (server.buckets / BUCKET).mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "tmp").mkdir()
    no_profile = dict.fromkeys(("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"), str(tmp_path / "none"))
    here = {"CALCIGRAPH_WORKSPACE": PLACE, "TMPDIR": str(tmp_path / "tmp")}
    for name, value in {**server.environment(), **no_profile, **here}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(lease, "RENEW_S", 0.5)
    monkeypatch.chdir(tmp_path)
    return server.buckets / BUCKET


def film(kept: Path, culture: str, *more: str) -> list[str]:
    masks = ["--masks", str(kept / "m_labels.tif"), "--min-area", "100"]
    return ["ingest", str(kept / "m.tif"), *masks, "--culture", culture, *more]


def objects(bucket: Path) -> list[str]:
    return sorted(path.relative_to(bucket / PREFIX).as_posix() for path in bucket.rglob("*") if path.is_file())


def stores(bucket: Path) -> set[str | None]:
    return {"/".join(name.split("/")[:2]) for name in objects(bucket)}


def nothing_left(tmp_path: Path) -> bool:
    return list((tmp_path / "tmp").iterdir()) == []


def wrong(workspace: Workspace) -> list[str]:
    return [f"{each.part} {each.state}" for each in workspace.verify() if each.wrong]


def test_the_main_job(bucket: Path, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(film(kept, CULTURE)) == 0
    (store,) = {name.split("/")[1] for name in objects(bucket)}
    for words in (["fit", CULTURE], ["events", CULTURE], ["query", "cultures"], film(kept, CULTURE)):
        assert run(words) == 0, words
    for words in (["picture", CULTURE, "frame", "-o", "f.png"], ["report", CULTURE, "-o", "r.html"]):
        assert run(words) == 0, words
    assert run(["export", CULTURE, "-o", "out.csv", "--format", "csv"]) == 0
    assert {name.split("/")[1] for name in objects(bucket)} == {store}  # the same again wrote nothing
    capsys.readouterr()
    assert run(["status"]) == 0
    told = capsys.readouterr().out
    assert f"s3://{BUCKET}/{PREFIX}\n" in told
    assert "warning" not in told
    assert run(["verify"]) == 0
    with Workspace() as workspace, Workspace(kept / "ws") as _:
        there = open_store(workspace.folder / str(workspace.culture(CULTURE).movie))
        here = open_store(next((kept / "ws" / "movies").glob("*.ome.zarr")))
        assert np.array_equal(there.traces, here.traces)
        assert np.array_equal(there.labels, here.labels)
        assert all(np.array_equal(there.frame(number), here.frame(number)) for number in (0, 17, 39))
        uri = str(workspace.culture(CULTURE).movie_uri)
        assert uri == f"{PLACE}/movies/{store}"
        rows = str(workspace.graph.read("MATCH (n) RETURN properties(n) AS n"))
    assert SECRET not in rows
    assert not any(SECRET.encode() in path.read_bytes() for path in bucket.rglob("*") if path.is_file())
    assert run(["delete", CULTURE]) == 0
    assert objects(bucket) == []
    assert nothing_left(tmp_path)


@pytest.fixture
def workspace(bucket: Path, kept: Path) -> Iterator[Workspace]:
    """With the cultures a, and a.b, whose name begins with it."""
    options = IngestOptions(masks=str(kept / "m_labels.tif"), experiment="E", min_area=100)
    with Workspace() as workspace:
        for name in ("a", "a.b"):
            workspace.ingest(str(kept / "m.tif"), name, options)
        yield workspace


def test_mended_and_replaced(workspace: Workspace, bucket: Path, kept: Path, tmp_path: Path) -> None:
    import tifffile

    before = workspace.culture("a")
    masks = tifffile.imread(kept / "m_labels.tif")
    masks[masks == masks.max()] = 0
    tifffile.imwrite(tmp_path / "mended.tif", masks)
    assert workspace.curate("a", str(tmp_path / "mended.tif")) is not None
    after = workspace.culture("a")
    assert after.movie != before.movie
    options = IngestOptions(masks=str(kept / "m_labels.tif"), min_area=100, detrend="global")
    workspace.ingest(str(kept / "m.tif"), "a.b", options, replace=True)
    stores = {name.split("/")[1] for name in objects(bucket)}
    assert stores == {str(workspace.culture(name).movie).removeprefix("movies/") for name in ("a", "a.b")}
    assert wrong(workspace) == []


def test_what_is_damaged_is_named_and_mended(workspace: Workspace, bucket: Path) -> None:
    home = bucket / PREFIX
    movie = str(workspace.culture("a").movie)
    for name in ("0/c/1/0/0", "zarr.json", "labels/cells/0/c/0/0"):
        data = bytearray((home / movie / name).read_bytes())
        data[len(data) // 2] ^= 1
        (home / movie / name).write_bytes(data)
        assert wrong(workspace)[0] == f"{movie}/{name} damaged"
        workspace.verify(["a"], repair=True)
        assert wrong(workspace) == []
    (home / movie / "traces/labels/c/0").unlink()
    for extra in (f"{movie}/notes.txt", "movies/other"):
        ObjectPath(BUCKET, f"{PREFIX}/{extra}").write_bytes(b"mine")
    assert wrong(workspace) == [
        f"{movie}/notes.txt extra",
        f"{movie}/traces/labels/c/0 missing",
        "movies/other extra",
    ]


def test_backed_up_and_restored(workspace: Workspace, bucket: Path, tmp_path: Path) -> None:
    workspace.fit("a", options=FitOptions(null=0))
    before = objects(bucket)
    with pytest.raises(InputError, match="a backup is written to a folder"):
        workspace.backup("s3://lab/saved")
    assert workspace.backup(tmp_path / "saved").cultures == ["a", "a.b"]
    for name in ("a", "a.b"):
        workspace.delete(name)
    assert objects(bucket) == []
    assert workspace.restore(tmp_path / "saved") == ["a", "a.b"]
    assert objects(bucket) == before
    assert wrong(workspace) == []
    assert len(workspace.rows("fits", culture="a")[1]) == 1


KILLED = """
import os, signal, sys
from calcigraph.cli.app import run
from calcigraph.store.objects import ObjectPath

method, end, when, *words = sys.argv[1:]
real = getattr(ObjectPath, method)

def killed(self, *more, **named):
    if not self.key.endswith(end):
        return real(self, *more, **named)
    if when == "after":
        real(self, *more, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(ObjectPath, method, killed)
run(words)
"""


def test_killed_ingests_are_finished_by_the_same_command(
    server: S3Server, bucket: Path, kept: Path, tmp_path: Path
) -> None:
    moments = [
        (["put", "/0/c/1/0/0", "before"], []),
        (["unlink", ".a.lock", "before"], []),  # the graph has the culture: it was given back only
        (["put", ".ome.zarr/zarr.json", "after"], ["--replace", "--detrend", "global"]),
    ]
    with Workspace() as workspace:
        for moment, options in moments:
            before = workspace.graph.culture("a")
            if before is not None and not options:
                workspace.delete("a")
            words = film(kept, "a", *options)
            process = subprocess.run([sys.executable, "-c", KILLED, *moment, *words], capture_output=True, text=True)
            assert process.returncode == -signal.SIGKILL, process.stderr
            assert "movies/.a.lock" in objects(bucket)
            if moment[1] == ".ome.zarr/zarr.json":
                there = workspace.graph.culture("a")
                (left,) = stores(bucket) - {"movies/.a.lock", there.movie if there is not None else None}
                (told,) = [row["value"] for row in workspace.status() if row["item"] == "incomplete"]
                assert told.startswith(f"an ingest or a curate was broken off and left {left}")
            if options:
                assert workspace.culture("a") == before
            assert run(words) == 0
            server.forget_broken_puts()
            assert wrong(workspace) == []
            assert stores(bucket) == {workspace.culture("a").movie}
    assert nothing_left(tmp_path)


def test_one_writer_of_a_culture(
    workspace: Workspace, kept: Path, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with workspace._movies.locked("a"):
        for words in (film(kept, "a", "--replace"), ["delete", "a"]):
            assert run(words) == 1
            assert capsys.readouterr().err.endswith(
                "culture 'a' is being written by another process: wait for it to end\n"
            )
        assert run(["delete", "a.b"]) == 0
    assert {name.split("/")[1].partition(".")[0] for name in objects(bucket)} == {"a"}


def test_a_writer_that_lost_its_culture_writes_nothing(
    bucket: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = ObjectPath.put

    def put(self: ObjectPath, data: Any, mode: Any = "overwrite") -> str:
        if self.key.endswith("ome.zarr/zarr.json"):  # the last object: another takes the culture at this moment
            (bucket / PREFIX / "movies" / ".a.lock").unlink()
            real(ObjectPath(BUCKET, f"{PREFIX}/movies/.a.lock"), b"{}")
        return real(self, data, mode)

    monkeypatch.setattr(ObjectPath, "put", put)
    assert run(film(kept, "a")) == 1
    assert "culture 'a' is being written by another process" in capsys.readouterr().err
    with Workspace() as workspace:
        assert workspace.graph.cultures() == []
    assert objects(bucket)[0] == "movies/.a.lock"  # which is the other's


def test_workers_have_to_see_it(workspace: Workspace, bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = objects(bucket)
    with _marked(workspace) as place:
        assert fault_of(pickle.loads(pickle.dumps(place))) == ""
        with monkeypatch.context() as patch:
            patch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-one")
            assert "refused the login" in fault_of(place)
    assert objects(bucket) == before
    assert "does not see the workspace s3://lab/cell culture/2026" in fault_of(place)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "not-the-one", "refused the login (SignatureDoesNotMatch): check AWS_ACCESS_KEY_ID"),
        ("AWS_ACCESS_KEY_ID", "nobody", "refused the login (InvalidAccessKeyId): check AWS_ACCESS_KEY_ID"),
        ("CALCIGRAPH_WORKSPACE", "s3://nowhere/x", "there is no bucket 'nowhere' at http://127.0.0.1:"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "object storage http://127.0.0.1:9 does not answer"),
        ("AWS_PROFILE", "mine", "AWS_PROFILE is 'mine'"),
    ],
)
def test_who_may_not_or_cannot_is_told_in_one_line(
    bucket: Path,
    kept: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setattr(storage, "_answered", False)
    monkeypatch.setattr(storage, "FIRST_S", 1.0)
    if variable == "AWS_PROFILE":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv(variable, value)
    for words in (film(kept, "a"), ["status"]):
        assert run(words) == 1
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1
        assert not {SECRET, value} & set(told.split()) or variable != "AWS_SECRET_ACCESS_KEY"
    assert objects(bucket) == []


def test_an_empty_variable_is_one_that_is_not_set(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.setenv(name, "")
    place = ObjectPath(BUCKET, f"{PREFIX}/a")
    place.write_bytes(b"here")
    assert place.read_bytes() == b"here"


def while_writing(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen before the second file of a store is put."""
    real, seen = ObjectPath.put, threading.Lock()
    count = [0]

    def put(self: ObjectPath, data: Any, mode: Any = "overwrite") -> str:
        if ".ome.zarr/" in self.key:
            with seen:
                count[0] += 1
                if count[0] == 2:
                    happens()
        return real(self, data, mode)

    monkeypatch.setattr(ObjectPath, "put", put)


def test_a_server_that_comes_back_is_waited_for(
    server: S3Server, bucket: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restart() -> None:
        server.stop()
        threading.Timer(0.5, server.start).start()

    while_writing(monkeypatch, restart)
    assert run(film(kept, "a")) == 0
    with Workspace() as workspace:
        assert wrong(workspace) == []


def test_a_server_that_stays_away_is_told_in_one_line(
    server: S3Server,
    bucket: Path,
    kept: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(storage, "RETRY_S", 1.0)
    monkeypatch.setattr(storage, "FIRST_S", 0.5)
    monkeypatch.setattr(lease, "STALE_S", 2.0)  # what it cannot give back is held by this process, which lives on
    with monkeypatch.context() as patch:
        while_writing(patch, server.stop)
        assert run(film(kept, "a")) == 1
    told = capsys.readouterr().err.splitlines()
    assert "does not answer" in told[-1]
    assert "repeat the command" in told[-1]
    assert nothing_left(tmp_path)
    server.start()
    assert run(film(kept, "a")) == 0
    with Workspace() as workspace:
        assert wrong(workspace) == []
        assert stores(bucket) == {workspace.culture("a").movie}
