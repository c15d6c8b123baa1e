"""kill -9 at any moment: what was reported as done is there, a state is named, and the same command carries on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from calcigraph import Workspace
from calcigraph.cli.app import run
from calcigraph.queries import records

pytestmark = pytest.mark.slow
SIZE, FRAMES = 256, 120


def command(workspace: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "calcigraph", "--workspace", str(workspace), *words]


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movie") / "movie.tif"
    words = ["simulate", str(path), "--cells", "40", "--frames", str(FRAMES), "--size", str(SIZE)]
    assert run(words) == 0
    return path


def ingest(workspace: Path, movie: Path, culture: str, *more: str) -> list[str]:
    masks = movie.with_name(f"{movie.stem}_labels.tif")
    return command(workspace, "ingest", str(movie), "--culture", culture, "--masks", str(masks), *more)


def kill_after(words: list[str], seconds: float) -> int:
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        return process.wait()


def test_killed_ingests_lose_nothing_and_are_finished_by_the_same_command(movie: Path, tmp_path: Path) -> None:
    home = tmp_path / "workspace"
    begun = time.monotonic()
    assert subprocess.run(ingest(home, movie, "kept"), check=False).returncode == 0
    whole = time.monotonic() - begun
    assert subprocess.run(command(home, "fit", "kept"), check=False).returncode == 0
    with Workspace(home) as workspace:
        kept = records(workspace.query("cells", culture="kept")), records(workspace.query("traces", culture="kept"))

    killed = 0
    for share in np.linspace(0.25, 0.95, 6):
        killed += kill_after(ingest(home, movie, "new"), float(share) * whole) != 0
        with Workspace(home) as workspace:
            listed = {row["culture"] for row in workspace.rows("cultures")[1]}
            assert listed in ({"kept"}, {"kept", "new"}), "named queries see complete cultures only"
            assert records(workspace.query("cells", culture="kept")) == kept[0]
    assert killed, "no run was slow enough to be killed"

    assert subprocess.run(ingest(home, movie, "new"), check=False).returncode == 0
    with Workspace(home) as workspace:
        assert records(workspace.query("traces", culture="new")) == kept[1]
        assert not [row for row in workspace.status() if row["item"] == "incomplete"]
    assert sorted(path.name.split(".")[0] for path in (home / "movies").glob("*.ome.zarr")) == ["kept", "new"]


def test_a_killed_replacement_leaves_the_old_culture(movie: Path, tmp_path: Path) -> None:
    home = tmp_path / "workspace"
    begun = time.monotonic()
    assert subprocess.run(ingest(home, movie, "a"), check=False).returncode == 0
    whole = time.monotonic() - begun
    with Workspace(home) as workspace:
        old = records(workspace.query("traces", culture="a"))
    other = ingest(home, movie, "a", "--trace-inset", "0", "--replace")
    seen = []
    for share in (0.4, 0.6, 0.8):
        kill_after(other, share * whole)
        with Workspace(home) as workspace:
            seen.append(records(workspace.query("traces", culture="a")))
            assert (home / str(workspace.culture("a").movie)).is_dir()
    assert subprocess.run(other, check=False).returncode == 0
    with Workspace(home) as workspace:
        new = records(workspace.query("traces", culture="a"))
        assert not [row for row in workspace.status() if row["item"] == "incomplete"]
    assert new != old
    assert seen[0] == old, "killed long before its end, so nothing is replaced"
    assert all(traces in (old, new) for traces in seen)
    assert len(list((home / "movies").glob("*.ome.zarr"))) == 1


def test_killed_searches_for_events_leave_the_events_there_were(movie: Path, tmp_path: Path) -> None:
    home = tmp_path / "workspace"
    assert subprocess.run(ingest(home, movie, "a"), check=False).returncode == 0
    begun = time.monotonic()
    assert subprocess.run(command(home, "events", "a"), check=False).returncode == 0
    whole = time.monotonic() - begun
    with Workspace(home) as workspace:
        old = records(workspace.query("events", culture="a"))
    other = command(home, "events", "a", "--min-snr", "7")
    seen, killed = [], 0
    for share in np.linspace(0.5, 1.0, 6):
        killed += kill_after(other, float(share) * whole) != 0
        with Workspace(home) as workspace:
            seen.append(records(workspace.query("events", culture="a")))
    assert killed, "no run was slow enough to be killed"
    assert subprocess.run(other, check=False).returncode == 0
    with Workspace(home) as workspace:
        new = records(workspace.query("events", culture="a"))
        assert not [row for row in workspace.status() if row["item"] == "incomplete"]
    assert 0 < len(new) < len(old)
    assert all(events in (old, new) for events in seen)


def test_ctrl_c_says_so_in_one_line(movie: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        ingest(tmp_path / "workspace", movie, "new"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (tmp_path / "workspace" / "movies").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err


def test_two_commands_at_once(movie: Path, tmp_path: Path) -> None:
    """Two processes share the embedded graph; the first to come runs it, and its end does not hurt the other."""
    home = tmp_path / "workspace"
    both = [
        subprocess.Popen(ingest(home, movie, name), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    outcomes = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], outcomes
    with Workspace(home) as workspace:
        assert [row["culture"] for row in workspace.rows("cultures")[1]] == ["a", "b"]
        assert records(workspace.query("traces", culture="a")) == records(workspace.query("traces", culture="b"))


def test_commands_at_once_outlive_whichever_runs_the_engine(movie: Path, tmp_path: Path) -> None:
    home = tmp_path / "workspace"
    for name in ("a", "b"):
        assert subprocess.run(ingest(home, movie, name), check=False).returncode == 0
    words = (["fit", "a"], ["fit", "b"], ["query", "cells", "-p", "culture=a"], ["status"], ["query", "cultures"])
    user = ["query", "--cypher", "MATCH (c:Cell) RETURN count(c) AS n"]
    for _ in range(3):
        several = [
            subprocess.Popen(command(home, *line), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for line in (*words, user)
        ]
        outcomes = [process.communicate(timeout=120) for process in several]
        assert [process.returncode for process in several] == [0] * len(several), outcomes


def test_status_names_a_store_that_no_culture_refers_to(movie: Path, tmp_path: Path) -> None:
    """As a kill between the finished store and the graph leaves it."""
    home = tmp_path / "workspace"
    assert subprocess.run(ingest(home, movie, "a"), check=False).returncode == 0
    with Workspace(home) as workspace:
        left = home / str(workspace.culture("a").movie)
        shutil.copytree(left, home / "movies" / "b.0123abcd.ome.zarr")
        found = [(row["culture"], row["value"]) for row in workspace.status() if row["item"] == "incomplete"]
        assert [culture for culture, _ in found] == ["b"]
        assert "b.0123abcd.ome.zarr" in found[0][1]
        workspace.delete("b")
        assert not [row for row in workspace.status() if row["item"] == "incomplete"]
