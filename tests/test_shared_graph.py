"""A graph that several workspaces share: each culture's movie lies in one of them, and the others are told where."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from calcigraph.cli.app import run
from calcigraph.errors import NotFoundError
from calcigraph.workspace import Workspace


@pytest.fixture
def ingested(tmp_path: Path) -> Path:
    assert run(["simulate", str(tmp_path / "m.tif"), "--cells", "20", "--frames", "30", "--size", "200"]) == 0
    words = ["--culture", "c", "--masks", str(tmp_path / "m_labels.tif")]
    assert run(["--workspace", str(tmp_path / "ann"), "ingest", str(tmp_path / "m.tif"), *words]) == 0
    return tmp_path


def warnings(folder: Path) -> list[str]:
    with Workspace(folder) as workspace:
        return [row["value"] for row in workspace.status() if row["item"] == "warning"]


def test_a_colleague_is_told_where_the_movie_is(ingested: Path) -> None:
    # The graph without the movies is what another workspace on the same server sees.
    shutil.copytree(ingested / "ann" / "graph", ingested / "bob" / "graph")
    where = f"file://{socket.gethostname()}{(ingested / 'ann').resolve().as_posix()}/movies/c."
    assert warnings(ingested / "ann") == []
    (said,) = warnings(ingested / "bob")
    assert said.startswith(f"its movie is in another workspace ({where}")
    assert "ingest" not in said.partition(")")[2]
    with Workspace(ingested / "bob") as workspace:
        with pytest.raises(NotFoundError, match=r"culture c: its movie is in another workspace \(file://"):
            workspace.picture("c", "frame", str(ingested / "frame.png"))
        workspace.picture("c", "graph", str(ingested / "graph.png"))


def test_its_owner_is_told_to_ingest_again(ingested: Path) -> None:
    shutil.rmtree(ingested / "ann" / "movies")
    (said,) = warnings(ingested / "ann")
    assert said.endswith("is missing: run its ingest again")


def test_a_workspace_that_was_moved_has_its_movies(ingested: Path) -> None:
    (ingested / "ann").rename(ingested / "moved")
    assert warnings(ingested / "moved") == []


@pytest.mark.parametrize("words", [["status"], ["query", "cultures"], ["fit", "c"], ["delete", "c"], ["migrate"]])
def test_a_mistyped_workspace_is_refused_and_not_made(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--workspace", str(tmp_path / "wrong"), *words]) == 1
    assert "there is no workspace" in capsys.readouterr().err
    assert not (tmp_path / "wrong").exists()
