"""`calcigraph events`: its options reach the run, it answers in a sentence, and what is wrong is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcigraph import EventOptions, Workspace
from calcigraph.cli.app import run
from calcigraph.errors import InputError, NotFoundError
from calcigraph.models.event_run import find_events
from calcigraph.queries.event_tables import said
from calcigraph.store import events as store_events

Complain = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a culture `c` that has waves, and a culture `short` of few frames."""
    folder = tmp_path_factory.mktemp("events")
    size = ["--cells", "36", "--size", "256", "--waves", "2", "--seed", "4"]
    for name, frames in (("c", "150"), ("short", "12")):
        assert run(["simulate", str(folder / f"{name}.tif"), *size, "--frames", frames]) == 0
        words = [
            "ingest",
            str(folder / f"{name}.tif"),
            "--culture",
            name,
            "--masks",
            str(folder / f"{name}_labels.tif"),
            "--experiment",
            "E",
        ]
        assert run(["--workspace", str(folder / "ws"), *words]) == 0
    return folder / "ws"


@pytest.fixture
def ask(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def ask(*words: str) -> Any:
        capsys.readouterr()
        assert run(["--workspace", str(home), *words, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def complain(home: Path, capsys: pytest.CaptureFixture[str]) -> Complain:
    def complain(*words: str) -> str:
        capsys.readouterr()
        assert run(["--workspace", str(home), *words]) in (1, 2)
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("calcigraph: ")]
        assert len(lines) == 1
        return lines[0]

    return complain


def test_the_answer_is_a_sentence(home: Path, ask: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    row = ask("events", "c")[0]
    assert list(row) == [
        "culture", "events", "active_cells", "cells", "event_rate_per_h", "waves", "flashes", "links", "ties", "found",
    ]  # fmt: skip
    assert 0 < row["active_cells"] <= row["cells"] == 36
    assert row["event_rate_per_h"] == pytest.approx(row["events"] / 36 / (1500 / 3600))
    assert row["found"] == said(row)
    capsys.readouterr()
    assert run(["--workspace", str(home), "events", "c", "c"]) == 0
    assert capsys.readouterr().out.splitlines() == ["culture  found", f"c        {row['found']}"]


def test_what_is_stored_is_what_was_found(home: Path) -> None:
    with Workspace(home) as workspace:
        found = workspace.events("c", EventOptions(min_snr=5))
        graph = workspace.subgraph("c")
        again = find_events(graph, EventOptions(min_snr=5))
        table = workspace.query("events", culture="c")
        traces = workspace.query("dff", culture="c")
    np.testing.assert_array_equal(found.events.half_s, again.events.half_s)
    for name in ("label", "onset_s", "half_s", "amplitude", "snr", "own_share"):
        np.testing.assert_array_equal(table[name], getattr(found.events, name))
    for row in (0, 20):
        light = graph.brightness(graph.intensity)[row]
        rest = np.expm1(found.baseline[row] / graph.intensity_gain + (graph.intensity_offset or 0))
        np.testing.assert_allclose(traces[str(graph.labels[row])], light / rest - 1)


def test_options_reach_the_run(ask: Callable[..., Any]) -> None:
    words = ("--min-snr", "6", "--method", "threshold", "--baseline", "300", "--max-lag", "25", "--min-cells", "5")
    ask("events", "c", *words, "--exchanges", "39", "--seed", "7")
    settings = json.loads(ask("query", "event_run", "-p", "culture=c")[0]["settings"])
    assert settings == {
        "min_snr": 6.0, "method": "threshold", "baseline_s": 300.0, "max_lag_s": 25.0, "min_cells": 5, "exchanges": 39,
        "seed": 7,
    }  # fmt: skip


def test_a_sentence_for_every_count() -> None:
    row = {"events": 312, "active_cells": 74, "cells": 108, "event_rate_per_h": 2.88, "waves": 4, "flashes": 1}
    assert said(row) == "312 events in 74 of 108 cells, 2.9 per cell and hour; 4 waves, 1 flash"
    row = {"events": 0, "active_cells": 0, "cells": 5, "event_rate_per_h": 0.0, "waves": 1, "flashes": 0}
    assert said(row) == "no event in 0 of 5 cells, 0 per cell and hour; 1 wave, no flash"


def test_what_is_wrong_is_one_line(complain: Complain) -> None:
    assert "there is no culture d; there is c, short" in complain("events", "c", "d")
    assert "--min-snr is 0.5; give 1 or more" in complain("events", "c", "--min-snr", "0.5")
    assert "method is 'x'; give own or threshold" in complain("events", "c", "--method", "x")
    assert "12 frames" in complain("events", "short")
    assert "run `calcigraph events short`" in complain("query", "waves", "-p", "culture=short")
    assert "give one or more CULTUREs, or --experiment NAME" in complain("events")
    assert "give one or more CULTUREs, or --experiment NAME" in complain("events", "c", "--experiment", "E")
    assert "there is no experiment F with complete cultures; there is E" in complain("events", "--experiment", "F")


def test_a_culture_that_fails_does_not_stop_the_others(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["--workspace", str(home), "events", "short", "c", "--format", "json"]) == 1
    captured = capsys.readouterr()
    assert [row["culture"] for row in json.loads(captured.out)] == ["c"]
    assert "calcigraph: short has 12 frames" in captured.err


def test_all_cultures_of_an_experiment(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["--workspace", str(home), "events", "--experiment", "E", "--format", "json"]) == 1
    captured = capsys.readouterr()
    assert [row["culture"] for row in json.loads(captured.out)] == ["c"]
    assert [line for line in captured.err.splitlines() if line.startswith("calcigraph: ")] == [
        "calcigraph: short has 12 frames; events need at least 30, of which most must show the cells at rest"
    ]


def test_a_wrong_name_does_not_stop_the_others(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["--workspace", str(home), "events", "d", "short", "c", "--format", "json"]) == 1
    captured = capsys.readouterr()
    assert [row["culture"] for row in json.loads(captured.out)] == ["c"]
    told = [line for line in captured.err.splitlines() if line.startswith("calcigraph: ")]
    assert [word in line for word, line in zip(("no culture d", "short has 12"), told, strict=True)] == [True, True]


def test_status_tells_of_a_run_that_was_broken_off(
    home: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("events", "c")
    with Workspace(home) as workspace, monkeypatch.context() as patch:
        patch.setattr(store_events, "_SHOW", "THIS BREAKS")
        patch.setattr(store_events._Writer, "undo", lambda _: None)  # which a process that is killed does not do
        with pytest.raises(InputError):
            workspace.events("c", EventOptions(min_snr=7))
        with pytest.raises(NotFoundError):
            workspace.events("nobody")
    told = [row for row in ask("status") if row["item"] == "incomplete"]
    assert [row["culture"] for row in told] == ["c"]
    assert "run `calcigraph events c`" in told[0]["value"]
    ask("events", "c")
    assert not [row for row in ask("status") if row["item"] == "incomplete"]
