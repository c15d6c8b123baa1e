"""Cultures to export, on each engine: one with all there is, one from traces with nothing else, one cell alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calcigraph.export.collected import Collected, collect
from calcigraph.store.event_types import EventRun
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

CREATED = "2026-01-02T03:04:05+00:00"
RICH, BARE, ALONE = "dish 'é', ß no. 1", "bare", "alone"
"""RICH has quotes, a comma, and letters beyond ASCII in its name."""


@pytest.fixture(scope="session")
def fill(
    make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit], make_run: Callable[..., EventRun]
) -> Callable[[Graph], Graph]:
    """Writes the cultures RICH, BARE and ALONE into an empty graph."""
    return lambda graph: _filled(graph, make_culture, make_fit, make_run)


@pytest.fixture(scope="module")
def lab(empty: Graph, fill: Callable[[Graph], Graph]) -> Graph:
    """The cultures RICH, BARE and ALONE on each engine."""
    return fill(empty)


@pytest.fixture(scope="module")
def embedded_lab(tmp_path_factory: pytest.TempPathFactory, fill: Callable[[Graph], Graph]) -> Iterator[Graph]:
    """The same on the embedded engine alone, for what happens after a culture was read; no engine outlives a file."""
    with Graph.open(tmp_path_factory.mktemp("lab") / "workspace") as graph:
        yield fill(graph)


def _filled(
    empty: Graph,
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    make_run: Callable[..., EventRun],
) -> Graph:
    times = tuple(10.0 * t for t in range(12))
    data = make_culture(
        RICH,
        experiment='E; \\ "x"',
        condition="wild type",
        pixel_size_um=0.5,
        time_s=times,
    )
    empty.write_culture(data)
    empty.write_fit(make_fit(data, k=0.02, settings={"case": "shared"}), "2026-01-01T00:00:00+00:00", "0.1.0")
    empty.write_fit(make_fit(data), CREATED, "0.1.0")
    empty.write_fit(make_fit(data, model="crlsm", cells={"leak": np.full(12, 1e-5)}), CREATED, "0.1.0")
    run = make_run(data)
    dff = run.baseline.copy()
    dff[2] = np.nan
    empty.write_events(run, dff, CREATED, "0.1.0")
    labels = data.cells.labels.tolist()
    empty.annotate(RICH, {"dish": 3, "operator": 'O\'Hara; "Ann" <a&b>', "fixed": False})
    empty.annotate(RICH, {"kind": "round, 'flat' \\ ☃"}, labels[:4])
    empty.annotate(RICH, {"kind": True, "dose": 2}, labels[4:6])
    empty.annotate(RICH, {"dose": 2.5}, labels[6:7])
    empty.write_culture(_traces(make_culture(BARE, borders=False)))
    empty.write_culture(make_culture(ALONE, rows=1, columns=1))
    return empty


def _traces(data: CultureData) -> CultureData:
    """The culture as `ingest-traces` would have stored it."""
    n = len(data.cells)
    cells = replace(data.cells, polygons=(None,) * n, area_px=np.full(n, np.nan))
    culture = replace(data.culture, masks="traces", warnings=(), height_px=None, width_px=None)
    return replace(data, cells=cells, culture=culture)


@pytest.fixture(scope="module")
def rich(lab: Graph) -> Collected:
    return _collected(lab, RICH)


@pytest.fixture(scope="module")
def bare(lab: Graph) -> Collected:
    return _collected(lab, BARE)


@pytest.fixture(scope="module")
def alone(lab: Graph) -> Collected:
    return _collected(lab, ALONE)


@pytest.fixture(scope="module", params=[RICH, BARE, ALONE], ids=["rich", "bare", "alone"])
def each(request: pytest.FixtureRequest, lab: Graph) -> Collected:
    """Each culture in turn."""
    return _collected(lab, request.param)


def _collected(graph: Graph, name: str, movie: Path | None = None) -> Collected:
    culture = graph.culture(name)
    assert culture is not None
    return collect(graph, culture, movie)
