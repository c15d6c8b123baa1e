"""Faulty masks from the command line: `ingest` counts, `status` shows, and `fit` does not claim what is doubtful."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from calcigraph import Workspace
from calcigraph.cli.app import run

Speak = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """m.tif and m_labels.tif of cells that touch, m_masks.tif with 4 px between them."""
    folder = tmp_path_factory.mktemp("movie")
    size = ["--cells", "40", "--frames", "120", "--size", "256", "--k", "0.02", "--seed", "2", "--mask-erosion", "2"]
    assert run(["simulate", str(folder / "m.tif"), *size]) == 0
    return folder


@pytest.fixture
def speak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Speak:
    def speak(*words: str) -> tuple[str, str]:
        capsys.readouterr()
        assert run(["--workspace", str(tmp_path / "ws"), *words]) == 0
        spoken = capsys.readouterr()
        return spoken.out, spoken.err

    return speak


def test_gaps_are_closed_without_being_asked(movie: Path, speak: Speak, tmp_path: Path) -> None:
    for name in ("labels", "masks"):
        speak("ingest", str(movie / "m.tif"), "--culture", name, "--masks", str(movie / f"m_{name}.tif"))
    out, _ = speak("fit", "labels", "masks", "--null", "0", "--format", "csv")
    with Workspace(tmp_path / "ws") as workspace:
        cultures = {culture.uid: culture for culture in workspace.graph.cultures()}
        contacts = {name: len(workspace.subgraph(name).pairs) for name in cultures}
    assert cultures["labels"].options["max_gap"] == 0
    assert cultures["masks"].options["max_gap"] in (4, 5)
    assert abs(contacts["masks"] - contacts["labels"]) <= 3
    assert cultures["masks"].doubts == ()
    assert "gaps of up to" in speak("status")[0]
    assert len(out.splitlines()) == 3


def test_faults_are_counted_shown_and_kept_in_mind(movie: Path, speak: Speak, tmp_path: Path) -> None:
    labels = tifffile.imread(movie / "m_labels.tif")
    top = int(labels.max())
    faulty = labels.copy()
    faulty[labels == top] = 1
    faulty[100:103, 100:103], faulty[20:22, 60:62] = 2, 3
    tifffile.imwrite(tmp_path / "faulty.tif", faulty)
    command = ("ingest", str(movie / "m.tif"), "--masks", str(tmp_path / "faulty.tif"))
    _, told = speak(*command, "--culture", "cleaned")
    assert "2 small pieces lie apart" in told
    assert "label 1 names 2 places" in told
    assert f"{len(np.unique(labels))} cells found, 2 stray pieces, 1 label of two places" in told
    assert speak(*command, "--culture", "cleaned")[1].count("nothing changed") == 1
    _, told = speak(*command, "--culture", "kept", "--keep-masks")
    assert "kept (--keep-masks)" in told
    shown = speak("status")[0]
    assert "2 stray pieces" in shown
    assert "kept (--keep-masks)" in shown
    with Workspace(tmp_path / "ws") as workspace:
        assert workspace.subgraph("cleaned").doubts == ()
        assert len(workspace.subgraph("kept").doubts) == 2
    rows = speak("fit", "cleaned", "kept", "--null", "0", "--format", "csv")[0].splitlines()
    assert ",identified," in rows[1]
    assert ",weak," in rows[2] or ",not identified," in rows[2]
    assert "small pieces that lie apart from their cell" in rows[2]


def test_cells_that_are_too_small_are_told(movie: Path, speak: Speak, tmp_path: Path) -> None:
    masks = ("--masks", str(movie / "m_labels.tif"))
    area = np.bincount(tifffile.imread(movie / "m_labels.tif").ravel())[1:]
    limit = int(np.quantile(area, 0.3))
    dropped = int((area < limit).sum())
    _, told = speak("ingest", str(movie / "m.tif"), "--culture", "c", *masks, "--min-area", str(limit))
    assert f"{dropped} of {len(area)} cells have under {limit} px" in told
    assert f"{len(area)} cells found, {dropped} (" in told
    where = ("--workspace", str(tmp_path / "ws"))
    assert run([*where, "ingest", str(movie / "m.tif"), "--culture", "d", *masks, "--min-area", "99999"]) == 1


def test_keep_masks_needs_masks(movie: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(tmp_path), "ingest", str(movie / "m.tif"), "--culture", "c", "--keep-masks"]) != 0
    assert "--keep-masks goes with --masks" in capsys.readouterr().err
