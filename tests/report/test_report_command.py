"""`calcigraph report`, and a report of a large culture, on the embedded engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from calcigraph.cli.app import run
from calcigraph.ingest.polygons import outlines
from calcigraph.report import write_report
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit


def test_the_command(
    tmp_path: Path, make_culture: Callable[..., CultureData], capsys: pytest.CaptureFixture[str]
) -> None:
    with Graph.open(tmp_path / "ws") as graph:
        graph.write_culture(make_culture("a", experiment="E"))
    call = ["--workspace", str(tmp_path / "ws"), "report"]
    assert run([*call, "--experiment", "E", "-o", str(tmp_path / "r.html")]) == 0
    assert re.search(r"wrote .*r\.html \(1\.\d MB\)", capsys.readouterr().err)
    assert run([*call, "b", "-o", str(tmp_path / "s.html")]) == 1
    told = capsys.readouterr().err
    assert told == "calcigraph: there is no culture b; there is a\n"
    assert not (tmp_path / "s.html").exists()


def test_a_thousand_cells_stay_small(
    tmp_path: Path,
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    open_report: Callable[..., object],
) -> None:
    """1,000 cells with jagged outlines x 361 frames and the free runs of two models: under 12 MB, and it opens."""
    data = make_culture("large", rows=25, columns=40, frames=361)
    sites = np.stack([data.cells.x_px, data.cells.y_px], 1) + np.random.default_rng(0).normal(0, 4, (1000, 2))
    spots = np.moveaxis(np.mgrid[:1200, :750], 0, -1).reshape(-1, 2)
    image = (cKDTree(sites).query(spots)[1] + 1).reshape(1200, 750).T.astype(np.int32)
    polygons = outlines(np.ascontiguousarray(image), 1000)
    data = replace(data, cells=replace(data.cells, polygons=polygons))
    with Graph.open(tmp_path / "ws") as graph:
        graph.write_culture(data)
        for model in ("robust", "crlsm"):
            graph.write_fit(make_fit(data, model=model), "2026-01-02T03:04:05+00:00", "0.1.0")
        path = write_report(graph, ["large"], tmp_path / "large.html")
    assert path.stat().st_size < 12e6 / 2
    opened = open_report(path)
    assert opened.errors == []  # type: ignore[attr-defined]
