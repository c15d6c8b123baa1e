"""Fixtures for tests of the graph: an empty graph on each engine, and small cultures on a grid with their fits.

The Neo4j is the one of CALCIGRAPH_TEST_NEO4J_URI (which the tests wipe), else a container, else a Java process made
from Maven's jars; where none can be had its tests skip, or fail if CALCIGRAPH_REQUIRE_NEO4J is 1. NEO4J_* of the
user's environment may be somebody's real graph and is never used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_runs import build_event_run, build_run, build_wave
from jars import Unavailable
from neo4j_server import Neo4jServer, container, fetched_jars, java_server

from calcigraph.store.event_types import EventRun, Wave
from calcigraph.store.graph import Graph
from calcigraph.store.types import Cells, Contacts, Culture, CultureData, Fit
from calcigraph.store.units import INNER_CONTACTS

for name in [name for name in os.environ if name.startswith("NEO4J_")]:
    del os.environ[name]


@pytest.fixture(scope="session")
def neo4j_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jServer]:
    """A real Neo4j for the whole test session."""
    uri = os.environ.get("CALCIGRAPH_TEST_NEO4J_URI")
    if uri:
        yield Neo4jServer(
            uri,
            os.environ.get("CALCIGRAPH_TEST_NEO4J_USERNAME", "neo4j"),
            os.environ.get("CALCIGRAPH_TEST_NEO4J_PASSWORD", ""),
            os.environ.get("CALCIGRAPH_TEST_NEO4J_DATABASE", "neo4j"),
        )
        return
    with ExitStack() as stack:
        reasons = []
        for start in (container, lambda: java_server(tmp_path_factory.mktemp("neo4j"))):
            try:
                server = stack.enter_context(start())
                break
            except Unavailable as error:
                reasons.append(str(error))
        else:
            reason = "no Neo4j for tests: CALCIGRAPH_TEST_NEO4J_URI is not set; " + "; ".join(reasons)
            if os.environ.get("CALCIGRAPH_REQUIRE_NEO4J") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        yield server


@pytest.fixture
def neo4j_environment(neo4j_server: Neo4jServer, monkeypatch: pytest.MonkeyPatch) -> Neo4jServer:
    """NEO4J_* set to the tests' own Neo4j, which is emptied first."""
    neo4j_server.execute("MATCH (n) DETACH DELETE n")
    for name, value in neo4j_server.environment().items():
        monkeypatch.setenv(name, value)
    return neo4j_server


@pytest.fixture(params=["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A workspace whose graph is empty, on each engine in turn."""
    if request.param == "neo4j":
        request.getfixturevalue("neo4j_environment")
    return tmp_path / "workspace"


@pytest.fixture
def graph(workspace: Path) -> Iterator[Graph]:
    """An empty graph on each engine in turn."""
    with Graph.open(workspace) as graph:
        yield graph


@pytest.fixture
def embedded_graph(tmp_path: Path) -> Iterator[Graph]:
    """An empty graph on the embedded engine."""
    with Graph.open(tmp_path / "workspace") as graph:
        yield graph


@pytest.fixture(scope="session")
def neo4j_jars() -> Path:
    """The folder of Neo4j's jars, neo4j-admin among them; where there can be none, the test skips."""
    try:
        return fetched_jars()
    except Unavailable as error:
        pytest.skip(f"no Neo4j jars: {error}")


@pytest.fixture(scope="session")
def start_neo4j(neo4j_jars: Path) -> Callable[[Path], AbstractContextManager[Neo4jServer]]:
    """Starts a Neo4j of its own on the databases below a folder; use as a context manager."""
    return java_server


# Small cultures on a grid and their fits, stored on each engine in turn; one engine start per test module.

ROWS, COLUMNS, FRAMES = 5, 6, 12
CREATED = "2026-01-02T03:04:05+00:00"
SETTINGS = {
    "case": "per-cell",
    "no_feed": False,
    "setup": 1,
    "weights": "distance*border",
    "ridge": 0.001,
    "k_bounds": [0.001, 0.1],
    "feed_bounds": [-3e-5, 0.1],
    "train_fraction": 1.0,
    "interpolate": 1,
}

MakeCulture = Callable[..., CultureData]
MakeFit = Callable[..., Fit]


def build_culture(
    name: str, *, rows: int = ROWS, columns: int = COLUMNS, frames: int = FRAMES, borders: bool = True, **facts: Any
) -> CultureData:
    """A grid of cells labelled 7, 10, 13, ...; 4-neighbours touch; the rim is border."""
    rng = np.random.default_rng(sum(name.encode()))
    index = np.arange(rows * columns).reshape(rows, columns)
    labels = 7 + 3 * index.ravel()
    ends = np.concatenate(
        [
            np.stack([index[:, :-1], index[:, 1:]], -1).reshape(-1, 2),
            np.stack([index[:-1], index[1:]], -1).reshape(-1, 2),
        ]
    )
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    rim = np.ones((rows, columns), dtype=bool)
    rim[1:-1, 1:-1] = False
    y, x = np.indices((rows, columns)).reshape(2, -1) * 30.0 + 15
    n, m = rows * columns, len(ends)
    culture = Culture(
        uid=name, experiment=None, condition=None, frames=frames, frame_interval_s=10.0, pixel_size_um=None,
        height_px=rows * 30, width_px=columns * 30, movie=None, masks="file:labels.tif", input_digest=name, options={},
        intensity_offset=1.0, intensity_gain=0.5, bleaching=None, shift_px=None, saturated=None, warnings=("shifted",),
        created=CREATED, version="0.1.0",
    )  # fmt: skip
    cells = Cells(
        labels=labels, area_px=np.full(n, 900.0), x_px=x, y_px=y, border=rim.ravel(),
        polygons=("POLYGON ((0 0, 30 0, 30 30, 0 0))",) * n, intensity=rng.random((n, frames)), flags=("",) * n,
    )  # fmt: skip
    border = rng.integers(5, 40, m).astype(float) if borders else np.full(m, np.nan)
    contacts = Contacts(labels[ends[:, 0]], labels[ends[:, 1]], border, 30 + rng.random(m))
    return CultureData(replace(culture, **facts), cells, contacts)


def build_fit(data: CultureData, *, model: str = "robust", k: float = 0.01, seed: int = 0, **values: Any) -> Fit:
    """A fit of the inner cells with scattered parameters; `values` replaces cells' parameters, settings or facts."""
    inner = data.cells.labels[~data.cells.border]
    rng = np.random.default_rng(seed)
    cells = {
        "k": np.full(len(inner), k),
        "k_cell": k * np.exp(0.1 * rng.standard_normal(len(inner))),
        "feed": 1e-4 * rng.standard_normal(len(inner)),
        "mse_train": 0.01 + 0.001 * rng.random(len(inner)),
        "mse_test": np.full(len(inner), np.nan),
    } | values.pop("cells", {})
    settings = SETTINGS | values.pop("settings", {})
    facts = values.pop("facts", {"weight_scale": 1500.0 + seed, "weight_unit": INNER_CONTACTS, "dt_s": 10.0})
    words = {"group": ("good",) * len(inner)}
    feed = float(np.median(cells["feed"]))
    return Fit(
        culture=data.culture.uid,
        model=model,
        case=str(settings["case"]),
        settings=settings,
        facts=facts,
        labels=inner,
        k=k,
        feed=feed,
        cells=cells,
        words=words,
        mse_train=0.01,
        **values,
    )


@pytest.fixture(scope="session")
def make_event_run() -> Callable[..., EventRun]:
    return build_event_run


@pytest.fixture(scope="session")
def make_wave() -> Callable[..., Wave]:
    return build_wave


@pytest.fixture(scope="session")
def make_run() -> Callable[..., EventRun]:
    return build_run


@pytest.fixture(scope="session")
def make_culture() -> MakeCulture:
    return build_culture


@pytest.fixture(scope="session")
def make_fit() -> MakeFit:
    return build_fit


@pytest.fixture(scope="module", params=["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def empty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """A graph per module and engine; it begins empty."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "neo4j":
            server = request.getfixturevalue("neo4j_server")
            server.execute("MATCH (n) DETACH DELETE n")
            for name, value in server.environment().items():
                patch.setenv(name, value)
        with Graph.open(tmp_path_factory.mktemp("queries") / "workspace") as graph:
            yield graph


@pytest.fixture(scope="module")
def stored(empty: Graph) -> Graph:
    """The cultures wt-1 (fitted), 101 (traces only, no shared borders) and half, whose ingest did not end."""
    data = build_culture("wt-1", experiment="E", condition="wild type", pixel_size_um=0.5)
    empty.write_culture(data)
    empty.write_fit(build_fit(data), CREATED, "0.1.0")
    empty.write_culture(build_culture("101", borders=False, masks="traces", warnings=()))
    empty.write_culture(build_culture("half"))
    empty.write("MATCH (c:Culture {uid: 'half'}) SET c.complete = false")
    return empty


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film, its labels, and the workspace `ws` with its culture, fitted and searched; to be copied."""
    from calcigraph import FitOptions, IngestOptions, SyntheticOptions, Workspace

    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch, Workspace(folder / "ws") as workspace:
        for name in [name for name in os.environ if name.startswith("NEO4J_")]:
            patch.delenv(name)
        workspace.simulate(str(folder / "m.tif"), SyntheticOptions(cells=16, frames=40, size_px=160))
        options = IngestOptions(masks=str(folder / "m_labels.tif"), experiment="E", min_area=100)
        workspace.ingest(str(folder / "m.tif"), "a", options)
        workspace.fit("a", options=FitOptions(null=0))
        workspace.events("a")
    return folder
