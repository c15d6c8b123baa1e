"""`calcigraph export` from a movie to files, as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas
import pytest

from calcigraph.cli.app import run
from calcigraph.export.formats import FORMATS, Form
from calcigraph.workspace import Workspace


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a simulated movie, fitted and searched for events, and its traces alone."""
    folder = tmp_path_factory.mktemp("lab")
    workspace, movie = ["--workspace", str(folder / "ws")], str(folder / "a.tif")
    assert run(["simulate", movie, "--cells", "30", "--frames", "80", "--size", "192", "--seed", "3"]) == 0
    assert run([*workspace, "ingest", movie, "--culture", "a", "--masks", str(folder / "a_labels.tif")]) == 0
    assert run([*workspace, "fit", "a", "--null", "0"]) == 0
    assert run([*workspace, "events", "a"]) == 0
    return folder


def test_a_folder_is_written_and_what_it_lacks_is_said(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--workspace", str(lab / "ws"), "export", "a", "-o", str(lab / "tables"), "--format", "csv"]
    assert run(words) == 0
    assert capsys.readouterr().err.splitlines() == [f"wrote {lab / 'tables'} (csv)"]
    assert len(pandas.read_csv(lab / "tables" / "cells.csv")) == 30
    assert json.loads((lab / "tables" / "culture.json").read_text())["culture"] == "a"
    assert run(words) == 1
    assert "--replace" in capsys.readouterr().err
    assert run([*words, "--replace"]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nobody", "-o", "x", "--format", "csv"], "there is no culture nobody"),
        (["a", "-o", "x", "--format", "excel"], "there is no format 'excel'; expected one of csv"),
        (["a", "-o", "x"], "give --format"),
        (["a", "-o", "nowhere/x", "--format", "csv"], "there is no folder"),
    ],
)
def test_bad_words_are_one_line(lab: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["--workspace", str(lab / "ws"), "export", *words]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not Path("x").exists()


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_every_format_is_written_whole(
    lab: Path, form: Form, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"out{form.suffix}"
    words = ["--workspace", str(lab / "ws"), "export", "a", "-o", str(target), "--format", form.name]
    assert run(words) == 0
    second = form.second(target)
    names = [target.name, *([second[0].name] if second else [])]
    also = f" and {second[0]}" if second else ""
    assert capsys.readouterr().err.splitlines()[0] == f"wrote {target}{also} ({form.name})"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert run([*words, "--replace"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("form", [form for form in FORMATS.values() if form.needs], ids=lambda form: form.name)
def test_a_missing_extra_is_one_line(
    lab: Path, form: Form, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, form.needs[-1], None)
    target = tmp_path / f"out{form.suffix}"
    assert run(["--workspace", str(lab / "ws"), "export", "a", "-o", str(target), "--format", form.name]) == 1
    said = capsys.readouterr().err
    assert "pip install 'calcigraph[exchange]'" in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_nwb_asks_for_is_said(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(lab / "ws"), "export", "a", "-o", str(tmp_path / "a.nwb")]) == 0
    said = capsys.readouterr().err
    assert "without: when the recording began" in said
    assert "annotate a session_start_time=" in said


def test_from_python(lab: Path, tmp_path: Path) -> None:
    with Workspace(lab / "ws") as workspace:
        done = workspace.export("a", tmp_path / "out", "csv")
        cells, traces = workspace.cells("a"), workspace.traces("a")
    assert (done.path, done.format, done.left_out) == (tmp_path / "out", "csv", ())
    assert len(cells) == traces.sizes["label"] == 30
    assert cells.geometry.area.tolist() == pytest.approx(cells["area_px"].tolist())
    assert float(traces.time_s[-1]) == 79 * traces.attrs["frame_interval_s"]
