"""Small cultures on a grid and their fits, stored on each engine in turn; one engine start per test module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calcigraph.store.graph import Graph
from calcigraph.store.types import Cells, Contacts, Culture, CultureData, Fit

ROWS, COLUMNS, FRAMES = 5, 6, 12
CREATED = "2026-01-02T03:04:05+00:00"
OPTIONS = {
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
    """A fit of the inner cells with scattered parameters; `values` replaces cells' parameters or options."""
    inner = data.cells.labels[~data.cells.border]
    rng = np.random.default_rng(seed)
    cells = {
        "k": np.full(len(inner), k),
        "k_cell": k * np.exp(0.1 * rng.standard_normal(len(inner))),
        "feed": 1e-4 * rng.standard_normal(len(inner)),
        "mse_train": 0.01 + 0.001 * rng.random(len(inner)),
        "mse_test": np.full(len(inner), np.nan),
    } | values.pop("cells", {})
    options = OPTIONS | {"weight_scale": 1500.0 + seed, "dt_s": 10.0} | values.pop("options", {})
    words = {"group": ("good",) * len(inner)}
    feed = float(np.median(cells["feed"]))
    return Fit(
        data.culture.uid, model, str(options["case"]), options, inner, k, feed, cells, words, mse_train=0.01, **values
    )


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
