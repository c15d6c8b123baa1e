"""`calcigraph forecast`: what is learnt from, what it says, and what is wrong in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcigraph import ForecastOptions, Workspace
from calcigraph.cli.app import run
from calcigraph.errors import InputError
from calcigraph.forecasting import training


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with cultures `a`, `b` of an experiment, and `short` of few frames."""
    folder = tmp_path_factory.mktemp("forecast")
    for seed, (name, frames) in enumerate((("a", "150"), ("b", "150"), ("short", "30"))):
        movie, labels = folder / f"{name}.tif", folder / f"{name}_labels.tif"
        size = ["--cells", "25", "--size", "200", "--waves", "2", "--seed", str(seed), "--frames", frames]
        assert run(["simulate", str(movie), *size]) == 0
        words = ["ingest", str(movie), "--culture", name, "--masks", str(labels), "--experiment", "E"]
        assert run(["--workspace", str(folder / "ws"), *words]) == 0
    return folder / "ws"


@pytest.fixture
def ask(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def ask(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["--workspace", str(home), *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return ask


Ask = Callable[..., tuple[int, str, str]]


def test_cultures_are_learnt_from_and_forecast(ask: Ask, home: Path) -> None:
    words = ("forecast", "a", "b", "--train", "a", "--ahead", "3", "--exchanges", "19", "--format", "json")
    code, out, _ = ask(*words)
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)
    assert [row["culture"] for row in found] == ["a", "b"]
    assert [row["trained_on"] for row in found] == [[], ["a"]]  # never on itself
    assert len(found[0]["skill"]) == 3
    assert found[0]["within_s"] == 50
    with Workspace(home) as workspace:
        assert workspace.cypher("MATCH (r:ForecastRun)-[:TRAINED_ON]->(k:Culture) RETURN k.uid AS k").k.tolist() == [
            "a"
        ]
        assert workspace.forecast("a", ["b"], ForecastOptions(ahead=2, exchanges=19)).trained_on == ("b",)
        assert training(workspace, ["a,b", "b"]) == training(workspace, ["a, b,"]) == ["a", "b"]
        with pytest.raises(InputError, match="needs at least 100"):
            workspace.forecast("short")


def test_the_table_is_a_sentence_a_culture(ask: Ask) -> None:
    code, out, _ = ask("forecast", "b", "--ahead", "1", "--exchanges", "19")
    assert code == 0
    assert out.splitlines()[0].split() == ["culture", "found"]
    assert "better than without a model, 1 frames ahead" in out


def test_a_culture_that_cannot_be_forecast_does_not_stop_the_others(ask: Ask) -> None:
    code, out, err = ask("forecast", "short", "a", "--ahead", "1", "--exchanges", "19")
    assert code == 1
    assert out.splitlines()[1].startswith("a ")
    assert err.splitlines()[-1] == "calcigraph: short has 30 frames; a forecast needs at least 100"


def test_what_is_wrong_is_one_line(ask: Ask) -> None:
    code, _, err = ask("forecast", "a", "--train", "nobody")
    assert code == 1
    assert err.startswith("calcigraph: --train nobody is neither a culture nor an experiment")
    assert ask("forecast")[0] == 1
    assert ask("forecast", "a", "--ahead", "0")[0] in (1, 2)
    assert "tenth of the recording" in ask("forecast", "a", "--within", "5000")[2]
    assert "has not been forecast yet" in ask("query", "forecast", "-p", "culture=short")[2]
    with pytest.raises(InputError, match="--exchanges is 5; give 19 or more"):
        ForecastOptions(exchanges=5)
