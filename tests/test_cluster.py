"""Plans and fits on a real Dask scheduler with worker processes, which are killed in the middle of their work."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breaking.whole import seen

from calcigraph.cli.app import run
from calcigraph.errors import InputError, LimitError
from calcigraph.models import scheduler
from calcigraph.spreading import SERVED, Place, _fault
from calcigraph.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
SIZE = ("--cells", "30", "--frames", "60", "--size", "240")
TABLE = """file,name,masks,condition,dose
films/0.tif,A 0,films/0_labels.tif,control,
films/1.tif,A 1,films/1_labels.tif,control,
films/0.tif,B 0,films/0_labels.tif,blocked,2.5
films/1.tif,B 1,films/1_labels.tif,blocked,5
"""
ONCE = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
"""A task whose workers died twice is given up."""


class Processes:
    """A scheduler with workers, each a process of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        self.workers = [self.worker(), self.worker()]
        self.address = str(json.loads((folder / "scheduler.json").read_text())["address"])

    def worker(self) -> subprocess.Popen[bytes]:
        """Start one, in a folder of its own."""
        return self._start("worker", "--nthreads", "1", "--no-nanny", "--death-timeout", "60")

    def _start(self, kind: str, *words: str) -> subprocess.Popen[bytes]:
        file = self.folder / "scheduler.json"
        command = [sys.executable, "-m", "dask", kind, "--scheduler-file", str(file), "--no-dashboard", *words]
        environment = {**os.environ, **ONCE, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        log = self._stack.enter_context((self.folder / f"{kind}.log").open("ab"))
        process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log)
        self._stack.callback(lambda: (process.kill(), process.wait()))
        while kind == "scheduler" and not file.exists():
            assert process.poll() is None, (self.folder / "scheduler.log").read_text()[-500:]
            time.sleep(0.05)
        return process

    def kill(self, pid: int) -> None:
        """End one worker at once, and start another one."""
        os.kill(pid, signal.SIGKILL)
        self.workers = [each for each in self.workers if each.pid != pid] + [self.worker()]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(tmp_path_factory.mktemp("cluster"), stack)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films, a table of them, and the workspace `serial` in which all is done in this process."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "films").mkdir()
    for seed in range(2):
        assert run(["simulate", str(folder / "films" / f"{seed}.tif"), *SIZE, "--seed", str(seed)]) == 0
    (folder / "table.csv").write_text(TABLE)
    assert run(["--workspace", str(folder / "serial" / "workspace"), *_ingest(folder)]) == 0
    assert run(["--workspace", str(folder / "serial" / "workspace"), *FIT]) == 0
    return folder


def _ingest(folder: Path) -> list[str]:
    return ["ingest", "--from", str(folder / "table.csv"), "--experiment", "E", "--min-area", "100", "--frames", "0:54"]


FIT = ["fit", "--experiment", "E", "--null", "20"]


def commanded(cluster: Processes, workspace: Path, words: list[str]) -> subprocess.Popen[str]:
    """A command in a process of its own, on the cluster."""
    line = [sys.executable, "-m", "calcigraph", "--workspace", str(workspace), *words, "--scheduler", cluster.address]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        line, env=environment, cwd=workspace.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(found: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """What a function gives at last, while the process runs."""
    while process.poll() is None:
        there = found()
        if there:
            return there
        time.sleep(0.002)
    raise AssertionError(process.communicate())


def test_killed_workers_change_nothing(cluster: Processes, lab: Path) -> None:
    workspace = lab / "spread" / "workspace"
    workspace.parent.mkdir()
    command = commanded(cluster, workspace, _ingest(lab))

    def writing() -> int:
        """The worker that writes a movie at this moment."""
        drafts = [path.name for path in (workspace / "movies").glob(".*.partial-*")]
        pids = [int(name.rpartition("-")[2]) for name in drafts]
        return next((pid for pid in pids if pid in {each.pid for each in cluster.workers}), 0)

    cluster.kill(until(writing, command))
    said, told = command.communicate(timeout=120)
    assert command.returncode == 0, told
    assert re.findall(r"^\s*([AB] \d)\s+done", said, re.MULTILINE) == ["A 0", "A 1", "B 0", "B 1"]
    assert "4 done" in told

    command = commanded(cluster, workspace, FIT)
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        pids = client.run(os.getpid)
        busy = until(lambda: [worker for worker, tasks in client.processing().items() if tasks], command)
        cluster.kill(pids[busy[0]] if busy[0] in pids else client.run(os.getpid, workers=busy[:1])[busy[0]])
    said, told = command.communicate(timeout=120)
    assert command.returncode == 0, told
    assert re.findall(r"^([AB] \d):", said, re.MULTILINE) != []
    assert seen(lab / "spread").unlike(seen(lab / "serial")) == []
    with Workspace(workspace) as stored:
        assert [finding for finding in stored.verify() if finding.wrong] == []
        assert (stored.culture("B 1").condition, stored.culture("B 1").frames) == ("blocked", 55)
        assert stored.rows("cultures")[1][3]["annotations"] == {"dose": 5.0}


def test_what_is_there_is_left_and_what_fails_is_told(
    cluster: Processes, lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab / "table.csv").write_text(TABLE + "films/none.tif,C,films/0_labels.tif,control,\n")
    try:
        words = [*_ingest(lab), "--scheduler", cluster.address]
        assert run(["--workspace", str(lab / "spread" / "workspace"), *words]) == 1
    finally:
        (lab / "table.csv").write_text(TABLE)
    told = capsys.readouterr()
    assert re.findall(r"there already|failed", told.out) == ["there already"] * 4 + ["failed"]
    assert "1 of 5 cultures failed" in told.err
    assert not list((lab / "spread" / "workspace" / "movies").glob(".seen-by-workers*"))


def test_several_fits_go_on_where_one_cannot(cluster: Processes, lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "A 0", "nobody", "A 1", "--null", "0", "--train-fraction", "0.5", "--scheduler", cluster.address]
    assert run(["--workspace", str(lab / "spread" / "workspace"), *words]) == 1
    told = capsys.readouterr()
    assert sorted(re.findall(r"^(A \d):", told.out, re.MULTILINE)) == ["A 0", "A 1"]
    assert "nobody" in told.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ingest"], "give a MOVIE and its name"),
        (["ingest", "m.tif", "--culture", "a", "--scheduler", "tcp://h:1"], "give a MOVIE and its name"),
        (["ingest", "m.tif", "--from", "t.csv"], "leave MOVIE and --culture out, or --from"),
        (["ingest", "--from", "t.csv"], "table .*t.csv does not exist"),
    ],
)
def test_a_movie_or_a_table(words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(tmp_path / "ws"), *words]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "ws").exists()


def test_a_worker_that_sees_something_else_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workspace(tmp_path) as workspace:
        (tmp_path / "movies").mkdir()
        (tmp_path / "movies" / "m.lock").touch()
        here = Place(Workspace, tmp_path, "m.lock", f"{workspace.graph.identity} {os.uname().nodename}")
        assert _fault(here, workspace) == ""

        def told(**changed: Any) -> str:
            return _fault(Place(**{**vars(here), **changed}), workspace)

        assert "does not see the workspace" in told(mark="other.lock")
        assert "for programs of one machine" in told(graph=f"{workspace.graph.identity} elsewhere")
        assert "names another graph" in told(graph=f"2026-01-01 {os.uname().nodename}")
        assert "is set for the command and not for" in told(graph=f"{workspace.graph.identity} {SERVED}")
        monkeypatch.setenv("NEO4J_URI", "bolt://127.0.0.1:1")
        assert "and not for the command" in told()


def test_other_versions_are_refused(cluster: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    with scheduler.cluster_at(cluster.address) as there:
        monkeypatch.setattr(scheduler, "__version__", "9.9")
        with pytest.raises(InputError, match=r"has calcigraph .*, and here is 9\.9\); install the same version"):
            there.check_versions()


def test_the_end_of_a_cluster_is_told(cluster: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last: of workers that die of a task, of none, and of the scheduler."""
    monkeypatch.setattr(scheduler, "ALONE_S", 1)
    monkeypatch.setattr(scheduler, "LOOK_S", 0.2)
    with scheduler.cluster_at(cluster.address) as there:
        assert there.distribute(np.add, [1, 2], 3) == [4, 5]
        place, error = next(iter(there.done(os._exit, [1])))
        assert place == 0
        assert isinstance(error, LimitError)
        assert "2 workers ended while they did it" in str(error)
        with pytest.raises(InputError, match="has had no workers for 1 s"):
            there.distribute(np.add, [1], 3)
        cluster.scheduler.kill()
        with pytest.raises(InputError, match="was lost; what is done is stored"):
            there.distribute(np.add, [1], 3)
