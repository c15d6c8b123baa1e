"""`calcigraph fit`: its options reach the fit, its help groups them, and --weights all tests the laws of weights."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcigraph.cli.app import run

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ingested")
    size = ["--cells", "30", "--frames", "80", "--size", "256", "--k", "0.02", "--seed", "2"]
    assert run(["simulate", str(folder / "m.tif"), *size]) == 0
    masks = ["--masks", str(folder / "m_labels.tif")]
    assert (
        run(
            [
                "--workspace",
                str(folder / "ws"),
                "ingest",
                str(folder / "m.tif"),
                "--culture",
                "c",
                "--experiment",
                "E",
                *masks,
            ]
        )
        == 0
    )
    return folder / "ws"


@pytest.fixture
def ask(ingested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    shutil.copytree(ingested, tmp_path / "ws")

    def ask(*words: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert run(["--workspace", str(tmp_path / "ws"), *words, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]

    return ask


def options_of(row: dict[str, Any]) -> dict[str, Any]:
    return json.loads(row["settings"])  # type: ignore[no-any-return]


def test_options_reach_the_fit(ask: Ask) -> None:
    row = ask("fit", "c", "--null", "20")[0]
    assert (row["model"], row["case"]) == ("robust", "per-cell")
    assert row["k_low"] < row["k"] < row["k_high"]
    assert row["identified"] in ("identified", "weak", "not identified")
    assert row["null_k_p"] >= 1 / 21
    words = ("--case", "per-cell-k", "--no-correct", "--leak", "--half-width", "4", "--null", "0", "--seed", "3")
    row = ask("fit", "c", *words, "--weights", "border", "--k-bounds", "0", "1", "--feed-bounds", "-1", "1")[0]
    assert {"half_width": 4.0, "correct": False, "leak": True, "weights": "border", "null": 0, "seed": 3}.items() <= (
        options_of(row).items()
    )
    assert (options_of(row)["k_bounds"], options_of(row)["feed_bounds"]) == ([0.0, 1.0], [-1.0, 1.0])
    assert json.loads(row["facts"])["half_width_frames"] == pytest.approx(4.0)
    assert row["null_k_p"] is None
    row = ask("fit", "c", "--model", "crlsm", "--ridge", "0.1", "--interpolate", "2", "--no-feed", "--null", "0")[0]
    assert {"ridge": 0.1, "interpolate": 2, "no_feed": True}.items() <= options_of(row).items()
    assert row["feed"] is None
    assert len(ask("query", "fits", "-p", "culture=c")) == 3


def test_all_laws_of_the_weights_are_tested_and_stored_the_best_last(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    ranked = ask("fit", "c", "--weights", "all", "--null", "0")
    assert [row["departure"] for row in ranked] == sorted(row["departure"] for row in ranked)
    assert {row["weights"] for row in ranked} == {"distance*border", "border/distance", "border", "uniform"}
    left = [row["weights"] for row in ranked if row["possible"]]
    assert {row["verdict"] for row in ranked} == {{0: "all are out", 1: "found"}.get(len(left), "cannot tell")}
    stored = ask("query", "fits", "-p", "culture=c")
    assert {row["run"] for row in stored} == {row["run"] for row in ranked}
    kept = {row["run"]: json.loads(row["facts"])["weights_test"] for row in stored}
    assert all(kept[row["run"]]["departure"] == row["departure"] for row in ranked)
    assert all(test["left"] == left for test in kept.values())
    cells = [row for row in ask("query", "cells", "-p", "culture=c") if not row["border"]]
    assert {row["robust_k"] for row in cells} == {ranked[0]["k"]}


def test_all_cultures_of_an_experiment(ask: Ask) -> None:
    rows = ask("fit", "--experiment", "E", "--null", "0")
    assert [row["run"] for row in rows] == [ask("fit", "c", "--null", "0")[0]["run"]]


def test_a_wrong_name_does_not_stop_the_others(ingested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    for laws in ((), ("--weights", "all")):
        words = ["fit", "d", "c", "--null", "0", *laws, "--format", "json"]
        assert run(["--workspace", str(ingested), *words]) == 1
        captured = capsys.readouterr()
        assert len(json.loads(captured.out)) == (4 if laws else 1)
        assert [line for line in captured.err.splitlines() if line.startswith("calcigraph: ")] == [
            "calcigraph: there is no culture d; there is c"
        ]


def test_the_indicator_is_stored_with_the_run(ask: Ask) -> None:
    row = ask("fit", "c", "--indicator", "hill:3.0", "--null", "0")[0]
    assert options_of(row)["indicator"] == "hill:3"
    facts = json.loads(row["facts"])
    assert facts["f0"] in ("own", "shared")
    low, high = facts["k_by_indicator"]
    assert low <= row["k"] <= high


def test_the_result_comes_first_and_the_table_fits_the_screen(
    ingested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--workspace", str(ingested), "fit", "c", "--null", "20"]
    assert run(words) == 0
    first, *table = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"c: coupling 0\.\d+ /s \(95 % 0\.\d+ to 0\.\d+\), [a-z ]+, \d+ cells; contacts (do not )?show, p 0\.\d+",
        first,
    )
    assert table[0].split()[:4] == ["culture", "model", "k", "k_low"]
    assert max(map(len, [first, *table])) <= 110
    assert max(map(len, table)) <= 80


def test_tables_have_no_walls_of_json(ingested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = ["--workspace", str(ingested)]
    assert run([*workspace, "fit", "c", "--null", "0", "--wide"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(("identified", "run")) for line in lines)
    assert all(len(part.strip()) <= 60 for line in lines for part in line.split("  ") if part.strip().startswith("{"))


def test_help_groups_the_options(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run(["fit", "--help"]) == 0
    text = capsys.readouterr().out
    panels = ["Options", "Uncertainty", "Model robust", "Models robust and crlsm", "Model crlsm", "Model pinn"]
    at = [text.index(f" {panel} \u2500") for panel in panels]
    assert at == sorted(at)
    ends = dict(zip(panels, [*at[1:], len(text)], strict=True))
    for panel, option in (
        ("Uncertainty", "--null"),
        ("Model robust", "--leak"),
        ("Models robust and crlsm", "--k-bounds"),
        ("Model crlsm", "--ridge"),
        ("Model pinn", "--k-start"),
    ):
        assert option in text[at[panels.index(panel)] : ends[panel]]


def test_pictures_and_fits_run_with_the_same_leak(ingested: Path, tmp_path: Path) -> None:
    """The free run that is drawn has the error that the fit stored."""
    import numpy as np

    from calcigraph import FitOptions, Workspace
    from calcigraph.pictures.pull import picture_data

    shutil.copytree(ingested, tmp_path / "ws")
    with Workspace(tmp_path / "ws") as workspace:
        fitted = workspace.fit("c", options=FitOptions(leak=True, null=0))
        assert (fitted.cells["leak"] != 0).all()
        data = picture_data(workspace.graph, workspace.culture("c"), None, "traces", "robust", 0)
        subgraph = workspace.subgraph("c")
    rows = np.searchsorted(subgraph.labels, fitted.labels)
    drawn = np.array([data.traces[label] for label in fitted.labels.tolist()])
    error = ((drawn - subgraph.intensity[rows]) ** 2).mean(axis=1)
    np.testing.assert_allclose(error, fitted.cells["mse_train"], rtol=1e-9)
