"""The whole flow from the command line: a simulated movie with its masks, to traces, fits and queries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from calcigraph.cli.app import run

SEEDS = (3, 17, 2026)
FRAMES = 40


@pytest.fixture(scope="module", params=SEEDS)
def movie(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movies") / f"seed{request.param}.tif"
    assert run(["simulate", str(path), "--frames", str(FRAMES), "--seed", str(request.param)]) == 0
    return path


@pytest.fixture
def ask(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, Any]]]:
    def ask(*words: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert run(["--workspace", str(workspace), *words, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]

    return ask


def reference(movie: Path, inset: int) -> tuple[np.ndarray, list[int]]:
    """Traces by plain NumPy and SciPy: median 3 x 3, log(x + 1), eq. 23, mean over the cell's inset pixels."""
    labels = tifffile.imread(movie.with_name(f"{movie.stem}_labels.tif")).astype(int)
    frames = np.stack([ndimage.median_filter(frame, 3, mode="nearest") for frame in tifffile.imread(movie)])
    logs = np.log(frames.astype(np.float64) + 1)
    q1, q3 = np.percentile(logs, [25, 75])
    low, high = q1 - 2 * (q3 - q1), q3 + 2 * (q3 - q1)
    normalised = (logs - low) / (high - low)
    padded = np.pad(labels, inset, mode="constant", constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * inset + 1,) * 2)
    inside = ((windows == labels[..., None, None]) | (windows == -1)).all(axis=(2, 3))
    names = sorted(set(np.unique(labels).tolist()) - {0})
    means = [
        normalised[:, chosen if (chosen := (labels == name) & inside).sum() >= 50 else labels == name].mean(axis=1)
        for name in names
    ]
    return np.array(means).T, names


def brute_contacts(labels: np.ndarray, least: int = 5) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = {}
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        unlike = (one != other) & (one > 0) & (other > 0)
        for a, b in zip(one[unlike].tolist(), other[unlike].tolist(), strict=True):
            counts[min(a, b), max(a, b)] = counts.get((min(a, b), max(a, b)), 0) + 1
    return {pair: count for pair, count in counts.items() if count >= least}


def test_from_a_movie_to_a_queried_graph(movie: Path, workspace: Path, ask: Callable[..., Any]) -> None:
    masks = movie.with_name(f"{movie.stem}_labels.tif")
    truth = json.loads(movie.with_name(f"{movie.stem}_truth.json").read_text())
    labels = tifffile.imread(masks).astype(int)
    command = ["--workspace", str(workspace), "ingest", str(movie), "--culture", "101", "--masks", str(masks)]
    assert run(command) == 0
    assert run(command) == 0, "the same input again changes nothing"

    cells = ask("query", "cells", "-p", "culture=101")
    assert [cell["uid"] for cell in cells] == [f"101:{label}" for label in sorted(map(int, truth["border"]))]
    assert {str(cell["label"]): cell["border"] for cell in cells} == truth["border"]
    assert {cell["label"]: cell["area_px"] for cell in cells} == {
        label: count for label, count in zip(*np.unique(labels, return_counts=True), strict=True) if label
    }
    centres = ndimage.center_of_mass(np.ones_like(labels), labels, [cell["label"] for cell in cells])
    np.testing.assert_allclose([(cell["y_px"], cell["x_px"]) for cell in cells], centres, atol=1e-9)

    contacts = ask("query", "contacts", "-p", "culture=101")
    assert {(row["label_a"], row["label_b"]): row["shared_border_px"] for row in contacts} == brute_contacts(labels)
    known = {(row["label_a"], row["label_b"]): row for row in truth["contacts"]}
    assert {(row["label_a"], row["label_b"]) for row in contacts} == set(known)
    for row in contacts:
        expected = known[row["label_a"], row["label_b"]]["centroid_distance_px"]
        assert row["centroid_distance_px"] == pytest.approx(expected, abs=1e-9)

    traces = ask("query", "traces", "-p", "culture=101")
    expected, names = reference(movie, inset=1)
    assert list(traces[0]) == ["frame", "time_s", *map(str, names)]
    assert [row["time_s"] for row in traces] == [10.0 * frame for frame in range(FRAMES)]
    np.testing.assert_allclose([[row[str(name)] for name in names] for row in traces], expected, atol=1e-6, rtol=0)

    fitted = ask("fit", "101")
    assert len(fitted) == 1
    assert fitted[0]["mse_test"] is None
    assert 0 <= fitted[0]["k_low"] <= fitted[0]["k"] <= fitted[0]["k_high"]
    inner = [cell for cell in ask("query", "cells", "-p", "culture=101") if not cell["border"]]
    assert all(cell["robust_k"] == fitted[0]["k"] for cell in inner)
    assert all(cell["robust_k_cell"] is not None or cell["robust_identified"] != "identified" for cell in inner)
    assert ask("query", "fits", "-p", "culture=101") == fitted


@pytest.mark.neo4j
def test_both_engines_answer_row_for_row(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: Any
) -> None:
    masks = movie.with_name(f"{movie.stem}_labels.tif")

    def answers() -> list[Any]:
        start = ["--workspace", str(tmp_path / "workspace")]
        assert run([*start, "ingest", str(movie), "--culture", "c", "--condition", "x", "--masks", str(masks)]) == 0
        assert run([*start, "fit", "c"]) == 0
        capsys.readouterr()
        found = []
        for name in ("cells", "contacts", "traces", "parameters", "anomalies", "subgraph", "outlines"):
            assert run([*start, "query", name, "-p", "culture=c", "--format", "json"]) == 0
            found.append(json.loads(capsys.readouterr().out))
        return found

    embedded = answers()
    for name, value in request.getfixturevalue("neo4j_environment").environment().items():
        monkeypatch.setenv(name, value)
    assert answers() == embedded
