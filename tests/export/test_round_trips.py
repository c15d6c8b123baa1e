"""Round trips as properties: odd names, missing values, one cell, no contacts; every format gives them back."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anndata
import geopandas
import networkx
import numpy as np
import pandas
import pynwb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcigraph.export.annotated_matrix import write_anndata
from calcigraph.export.archive import write_nwb
from calcigraph.export.collected import MEANINGS, Collected
from calcigraph.export.columns import Column, Table, annotation, declared_columns, fitted_column
from calcigraph.export.contact_graph import write_graphml
from calcigraph.export.folders import write_csv, write_parquet
from calcigraph.export.maps import write_geojson, write_geoparquet
from calcigraph.queries import records
from calcigraph.queries.tables import column
from calcigraph.store.types import CultureData, Subgraph

TEXT = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and bool(text.strip()))
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
LENGTH = st.floats(0, 1e4)


@st.composite
def exports(draw: st.DrawFn, make: Callable[..., CultureData]) -> Collected:
    """A culture of up to six cells with all kinds of columns, of which any value but the places may be missing."""
    count = draw(st.integers(1, 6))
    labels = sorted(draw(st.sets(st.integers(1, 2**31 - 1), min_size=count, max_size=count)))
    every = [(a, b) for a in range(count) for b in range(a + 1, count)]
    pairs = sorted(draw(st.sets(st.sampled_from(every)))) if every else []
    name = draw(TEXT.map(str.strip))
    said = draw(
        st.dictionaries(
            st.from_regex(r"[A-Za-z]\w{0,8}", fullmatch=True).filter(str.isascii),
            st.one_of(TEXT, NUMBER, st.booleans()),
            max_size=3,
        )
    )
    culture = replace(make("A", frames=3).culture, uid=name, annotations=said, condition=draw(st.none() | TEXT))
    x, y = (draw(st.lists(LENGTH, min_size=count, max_size=count)) for _ in range(2))
    graph = Subgraph(
        culture=name, frame_interval_s=10.0, labels=np.array(labels), x_px=np.array(x), y_px=np.array(y),
        border=np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count))),
        intensity=np.array(draw(st.lists(st.lists(NUMBER, min_size=3, max_size=3), min_size=count, max_size=count))),
        pairs=np.array(pairs, dtype=np.int64).reshape(-1, 2), shared_border_px=np.full(len(pairs), np.nan),
        centroid_distance_px=np.array(draw(st.lists(st.floats(0.1, 1e4), min_size=len(pairs), max_size=len(pairs)))),
    )  # fmt: skip
    return Collected(
        culture=culture, subgraph=graph, tables={"cells": _cells(draw, graph), "contacts": _contacts(draw, graph)}
    )


def _cells(draw: st.DrawFn, graph: Subgraph) -> Table:
    count = len(graph.labels)

    def some(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(st.none() | values, min_size=count, max_size=count))

    known: dict[str, list[Any]] = {
        "uid": [f"{graph.culture}:{label}" for label in graph.labels.tolist()], "culture": [graph.culture] * count,
        "label": graph.labels.tolist(), "area_px": some(LENGTH), "x_px": graph.x_px.tolist(),
        "y_px": graph.y_px.tolist(),
        "border": graph.border.tolist(), "neighbours": [0] * count,
    }  # fmt: skip
    more = (
        (annotation("kind", "string"), some(TEXT)), (annotation("fixed", "bool"), some(st.booleans())),
        (annotation("number", "int"), some(st.integers(-(2**53), 2**53))),
        (fitted_column("robust_k_cell", "float", "robust"), some(NUMBER)),
    )  # fmt: skip
    columns = [*declared_columns("cells"), *(each for each, _ in more)]
    known |= {each.name: values for each, values in more}
    return Table("cells", MEANINGS["cells"], tuple(columns), _frame(columns, known))


def _contacts(draw: st.DrawFn, graph: Subgraph) -> Table:
    columns = declared_columns("contacts")
    count = len(graph.pairs)
    known = {
        "culture": [graph.culture] * count, "label_a": graph.labels[graph.pairs[:, 0]].tolist(),
        "label_b": graph.labels[graph.pairs[:, 1]].tolist(),
        "shared_border_px": draw(st.lists(st.none() | LENGTH, min_size=count, max_size=count)),
        "centroid_distance_px": graph.centroid_distance_px.tolist(),
    }  # fmt: skip
    return Table("contacts", MEANINGS["contacts"], columns, _frame(columns, known))


def _frame(columns: Any, values: dict[str, list[Any]]) -> pandas.DataFrame:
    return pandas.DataFrame({each.name: column(values[each.name], each.type) for each in columns})


Check = Callable[[Collected, Path], None]


def _csv(found: Collected, folder: Path) -> None:
    write_csv(found, folder)
    for name, table in found.tables.items():
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            read = [
                [_read(text, each) for text, each in zip(row, table.columns, strict=True)]
                for row in list(csv.reader(file))[1:]
            ]
        assert read == [list(row.values()) for row in records(table.frame)]
    traces = pandas.read_csv(folder / "traces.csv", float_precision="round_trip")
    np.testing.assert_array_equal(traces.iloc[:, 2:].to_numpy(float).T, found.subgraph.intensity)
    assert json.loads((folder / "culture.json").read_text(encoding="utf-8"))["annotations"] == found.culture.annotations


def _read(text: str, of: Column) -> Any:
    """A field as docs/export.md says that it is written."""
    if text == "":
        return None
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": json.loads}
    return kinds.get(of.type, str)(text)


def _parquet(found: Collected, folder: Path) -> None:
    write_parquet(found, folder)
    for name, table in found.tables.items():
        assert records(pandas.read_parquet(folder / f"{name}.parquet")) == records(table.frame)


def _graphml(found: Collected, folder: Path) -> None:
    write_graphml(found, folder / "a.graphml")
    graph = networkx.read_graphml(folder / "a.graphml", node_type=int)
    for row in records(found.cells):
        node = graph.nodes[row["label"]]
        assert {name: node.get(name) for name in row} == row
    rows = records(found.tables["contacts"].frame)
    assert graph.number_of_edges() == len(rows)
    for row in rows:
        edge = graph.edges[row["label_a"], row["label_b"]]
        assert {name: edge.get(name) for name in row} == row
    assert graph.graph["culture"] == found.culture.uid


def _geojson(found: Collected, folder: Path) -> None:
    write_geojson(found, folder / "a.geojson")
    told = json.loads((folder / "a.geojson").read_text(encoding="utf-8"))
    assert [feature["properties"] for feature in told["features"]] == records(found.cells)
    frame = geopandas.read_file(folder / "a.geojson")
    np.testing.assert_allclose(
        [(p.x, -p.y) for p in frame.geometry], np.stack([found.subgraph.x_px, found.subgraph.y_px], 1), atol=1e-6
    )


def _geoparquet(found: Collected, folder: Path) -> None:
    write_geoparquet(found, folder / "a.parquet")
    frame = geopandas.read_parquet(folder / "a.parquet")
    assert records(pandas.DataFrame(frame.drop(columns="geometry"))) == records(found.cells)


def _anndata(found: Collected, folder: Path) -> None:
    write_anndata(found, folder / "a.h5ad")
    data = anndata.read_h5ad(folder / "a.h5ad")
    np.testing.assert_array_equal(data.X, found.subgraph.intensity)
    for name in found.cells.columns:
        stored = data.obs[name].astype(object) if name in data.obs else pandas.Series([None] * len(found.cells))
        assert [row[name] for row in records(pandas.DataFrame({name: stored}))] == [
            row[name] for row in records(found.cells[[name]])
        ]
    assert data.obsp["spatial_connectivities"].nnz == 2 * len(found.subgraph.pairs)


def _nwb(found: Collected, folder: Path) -> None:
    write_nwb(found, folder / "a.nwb")
    assert pynwb.validate(path=str(folder / "a.nwb")) == []
    with pynwb.NWBHDF5IO(str(folder / "a.nwb"), "r") as io:
        ophys = io.read().processing["ophys"]
        cells = ophys["ImageSegmentation"]["cells"]
        assert cells.id[:].tolist() == found.subgraph.labels.tolist()
        np.testing.assert_array_equal(ophys["Fluorescence"]["traces"].data[:], found.subgraph.intensity.T)
        for row, value in enumerate(found.cells["robust_k_cell"].tolist() if "robust_k_cell" in cells.colnames else []):
            assert cells["robust_k_cell"][row] == value or (
                math.isnan(value) and math.isnan(cells["robust_k_cell"][row])
            )
        for row, text in enumerate(found.cells["kind"].tolist() if "kind" in cells.colnames else []):
            assert cells["kind"][row] == (text or "")


@pytest.mark.parametrize(
    ("check", "examples"),
    [(_csv, 40), (_parquet, 25), (_graphml, 40), (_geojson, 25), (_geoparquet, 15), (_anndata, 15), (_nwb, 8)],
    ids=lambda value: value.__name__.lstrip("_") if callable(value) else "",
)
def test_what_goes_out_comes_back(check: Check, examples: int, make_culture: Callable[..., CultureData]) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(exports(make_culture))
    def holds(found: Collected) -> None:
        with TemporaryDirectory() as folder:
            check(found, Path(folder))

    holds()
