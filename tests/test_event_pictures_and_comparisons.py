"""`picture` of events and waves and `compare` of experiments on the command line, on hand-made events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calcigraph.cli.app import run
from calcigraph.store.event_types import EventRun, Wave
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData

DAYS = {"mon": (1, 2), "tue": (2, 6), "wed": (4, 6)}


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    make_culture: Callable[..., CultureData],
    make_event_run: Callable[..., EventRun],
    make_wave: Callable[..., Wave],
) -> Path:
    """Cultures of two conditions on three days; each has one wave of three cells and a flash. "quiet" has no events."""
    folder = tmp_path_factory.mktemp("acted")
    with Graph.open(folder / "ws") as graph:
        for day, counts in DAYS.items():
            for condition, count in zip(("control", "drug"), counts, strict=True):
                data = make_culture(f"{day}-{condition}", frames=60, experiment=day, condition=condition)
                times = {label: 20.0 + 60 * np.arange(count) for label in data.cells.labels.tolist()}
                waves = [make_wave([0, count, 2 * count], starts=[7]), make_wave([0], kind="flash", speed=None)]
                run = make_event_run(data, times, waves=waves, links=[(0, count)])
                graph.write_culture(data)
                graph.write_events(run, np.zeros((30, 60)), "2026-01-01T00:00:00+00:00", "0.1.0")
        graph.write_culture(make_culture("quiet", frames=60))
    return folder


def test_experiments_are_the_replicates(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["--workspace", str(folder / "ws"), "compare", "--within", "experiment"]
    assert run([*call, "--format", "json"]) == 0
    row = next(row for row in json.loads(capsys.readouterr().out) if row["parameter"] == "event rate (1/h)")
    assert (row["n"], row["ratios"]) == (3, pytest.approx([2, 3, 1.5]))
    assert run([*call, "--experiment", "mon", "--experiment", "wed"]) == 0
    shown = capsys.readouterr()
    assert "event rate (1/h)" in shown.out
    assert "2 experiments have both conditions, 3 are needed" in shown.err
    by = ["compare", "--by", "experiment", "--experiment", "mon", "--experiment", "tue", "--format", "json"]
    assert run(["--workspace", str(folder / "ws"), *by]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert (row["group_a"], row["group_b"], row["n_a"]) == ("mon", "tue", 2)


def test_events_and_waves_are_drawn(folder: Path, tmp_path: Path) -> None:
    base = ["--workspace", str(folder / "ws"), "picture", "mon-drug"]
    for words in (["events"], ["waves"], ["events", "--cell", "10"], ["waves", "--wave", "1", "--cell", "10"]):
        path = tmp_path / f"{'-'.join(words)}.png"
        assert run([*base, *words, "-o", str(path)]) == 0
        assert path.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "events.png").read_bytes() != (tmp_path / "events---cell-10.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["quiet", "events"], "run `calcigraph events quiet`"),
        (["quiet", "waves"], "run `calcigraph events quiet`"),
        (["mon-drug", "waves", "--wave", "3"], "has no wave 3; they are numbered 1 to 2"),
        (["mon-drug", "waves", "--wave", "2"], "is a flash, of many cells at once, and no wave"),
        (["mon-drug", "events", "--cell", "8"], "has no cell 8"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(
    folder: Path, tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--workspace", str(folder / "ws"), "picture", *words, "-o", str(tmp_path / "a.png")]) == 1
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())
