"""Every export opened by the library it is for: the same cells, contacts and values come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anndata
import geopandas
import networkx
import numpy as np
import pandas
import pyarrow.parquet
import pytest
import shapely

from calcigraph.export.annotated_matrix import write_anndata, write_anndata_zarr
from calcigraph.export.collected import Collected
from calcigraph.export.contact_graph import write_graphml
from calcigraph.export.folders import write_parquet
from calcigraph.export.frames import cells_frame, traces_array
from calcigraph.export.maps import (
    CRS,
    write_contact_geojson,
    write_contact_geoparquet,
    write_geojson,
    write_geoparquet,
)
from calcigraph.queries import records
from calcigraph.store.graph import Graph


@pytest.fixture(scope="module")
def lab(embedded_lab: Graph) -> Graph:
    """On one engine: what was read from either is the same, as test_folders.py shows."""
    return embedded_lab


def known(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_parquet(each: Collected, tmp_path: Path) -> None:
    write_parquet(each, tmp_path)
    for name, table in each.tables.items():
        path = tmp_path / f"{name}.parquet"
        assert records(pandas.read_parquet(path)) == records(table.frame)
        schema = pyarrow.parquet.read_schema(path)
        assert schema.names == [column.name for column in table.columns]
        for column in table.columns:
            told = schema.field(column.name).metadata
            assert (told[b"unit"].decode(), told[b"meaning"].decode()) == (column.unit, column.meaning)
    traces = pandas.read_parquet(tmp_path / "traces.parquet")
    np.testing.assert_array_equal(traces.iloc[:, 2:].to_numpy().T, each.subgraph.intensity)
    assert (tmp_path / "dff.parquet").exists() == (each.dff is not None)


def test_graphml_in_networkx(each: Collected, tmp_path: Path) -> None:
    write_graphml(each, tmp_path / "a.graphml")
    graph = networkx.read_graphml(tmp_path / "a.graphml", node_type=int)
    cells = {row["label"]: known(row) for row in records(each.attributes.frame)}
    assert {label: {k: v for k, v in node.items() if k != "name"} for label, node in graph.nodes.items()} == cells
    pairs = {frozenset((row["label_a"], row["label_b"])): known(row) for row in records(each.tables["contacts"].frame)}
    edges = {
        frozenset(ends): {k: v for k, v in edge.items() if k != "interaction"} for ends, edge in graph.edges.items()
    }
    assert edges == pairs
    assert graph.graph["culture"] == each.culture.uid
    for name, value in each.culture.annotations.items():
        assert graph.graph[f"annotation_{name}"] == value


def test_graphml_has_one_key_for_each_attribute(rich: Collected, tmp_path: Path) -> None:
    """Cytoscape makes a column of each key: two keys of one name, or types that it does not know, spoil its table."""
    write_graphml(rich, tmp_path / "a.graphml")
    space = "{http://graphml.graphdrawing.org/xmlns}"
    root = ElementTree.parse(tmp_path / "a.graphml").getroot()
    keys = [(key.get("for"), key.get("attr.name")) for key in root.iter(f"{space}key")]
    assert len(set(keys)) == len(keys)
    assert len({key.get("id") for key in root.iter(f"{space}key")}) == len(keys)
    assert {key.get("attr.type") for key in root.iter(f"{space}key")} <= {
        "boolean",
        "int",
        "long",
        "float",
        "double",
        "string",
    }
    assert {
        ("node", "robust_k_cell"),
        ("node", "kind"),
        ("node", "event_rate_per_h"),
        ("edge", "shared_border_px"),
    } <= set(keys)
    assert not [data for data in root.iter(f"{space}data") if data.text in (None, "None", "nan", "NaN")]


def test_geojson_in_gdal(each: Collected, tmp_path: Path) -> None:
    write_geojson(each, tmp_path / "a.geojson")
    frame = geopandas.read_file(tmp_path / "a.geojson")
    assert len(frame) == len(each.cells)
    assert frame.crs.is_engineering if hasattr(frame.crs, "is_engineering") else not frame.crs.is_geographic
    assert not frame.crs.is_geographic
    assert frame["label"].tolist() == each.cells["label"].tolist()
    np.testing.assert_allclose(frame["x_px"], each.cells["x_px"])
    assert frame.geometry.is_valid.all()
    if "outlines" in each.tables:
        assert (frame.total_bounds == [0, -30, 30, 0]).all()
        assert all(shapely.is_ccw(shape.exterior) for shape in frame.geometry)
    else:
        np.testing.assert_allclose(
            [(p.x, p.y) for p in frame.geometry], np.stack([each.subgraph.x_px, -each.subgraph.y_px], 1)
        )
    told = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert told["calcigraph"]["culture"] == each.culture.uid
    assert [feature["properties"] for feature in told["features"]] == records(each.attributes.frame)


def test_contacts_are_a_layer_of_their_own(each: Collected, tmp_path: Path) -> None:
    write_contact_geojson(each, tmp_path / "a.geojson")
    write_contact_geoparquet(each, tmp_path / "a.parquet")
    places = {row["label"]: (row["x_px"], -row["y_px"]) for row in records(each.cells)}
    for frame in (geopandas.read_file(tmp_path / "a.geojson"), geopandas.read_parquet(tmp_path / "a.parquet")):
        assert len(frame) == len(each.subgraph.pairs)
        assert not frame.crs.is_geographic
        assert set(frame.geom_type) <= {"LineString"}
        if not len(frame):
            continue
        for line, a, b in zip(frame.geometry, frame["label_a"], frame["label_b"], strict=True):
            np.testing.assert_allclose(line.coords, [places[a], places[b]])
    told = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert [feature["properties"] for feature in told["features"]] == records(each.tables["contacts"].frame)


def test_geoparquet_in_geopandas(each: Collected, tmp_path: Path) -> None:
    write_geoparquet(each, tmp_path / "a.parquet")
    frame = geopandas.read_parquet(tmp_path / "a.parquet")
    assert records(pandas.DataFrame(frame.drop(columns="geometry"))) == records(each.attributes.frame)
    assert frame.crs == CRS
    assert (frame.total_bounds[1], frame.total_bounds[3] <= 0) == (
        -frame.geometry.scale(1, -1, origin=(0, 0)).total_bounds[3],
        True,
    )


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_anndata(each: Collected, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    (write_anndata if suffix == "h5ad" else write_anndata_zarr)(each, path)
    data = (anndata.read_h5ad if suffix == "h5ad" else anndata.read_zarr)(path)
    graph = each.subgraph
    np.testing.assert_array_equal(data.X, graph.intensity)
    np.testing.assert_array_equal(data.var["time_s"], graph.frame_times)
    np.testing.assert_array_equal(data.obsm["spatial"], np.stack([graph.x_px, graph.y_px], 1))
    assert data.obs_names.tolist() == [str(label) for label in graph.labels]
    for name in each.attributes.frame.dropna(axis=1, how="all").columns:
        assert records(pandas.DataFrame({name: data.obs[name].astype(object)})) == records(
            each.attributes.frame[[name]]
        )
    for key, values in (("connectivities", np.ones(len(graph.pairs))), ("distances", graph.centroid_distance_px)):
        matrix = data.obsp[f"spatial_{key}"].toarray()
        np.testing.assert_array_equal(matrix[graph.pairs[:, 0], graph.pairs[:, 1]], values)
        np.testing.assert_array_equal(matrix, matrix.T)
        assert np.count_nonzero(matrix) == 2 * len(values)
    assert data.uns["spatial_neighbors"]["connectivities_key"] == "spatial_connectivities"
    assert json.loads(data.uns["calcigraph"])["culture"] == each.culture.uid
    assert ("dff" in data.layers) == (each.dff is not None)
    if each.dff is not None:
        np.testing.assert_array_equal(data.layers["dff"], each.dff)


def test_cells_and_traces_in_memory(each: Collected) -> None:
    cells, traces = cells_frame(each), traces_array(each.subgraph)
    assert cells.index.tolist() == each.subgraph.labels.tolist()
    assert (cells.total_bounds >= 0).all()
    assert cells.attrs["units"]["x_px"] == "px"
    label = int(each.subgraph.labels[0])
    assert traces.sel(label=label, time_s=20.0).item() == each.subgraph.intensity[0, 2]
    assert (traces.dims, traces.attrs["units"], traces["time_s"].attrs["units"]) == (("label", "time_s"), "1", "s")
    assert pytest.approx(float(traces.x_px.sel(label=label))) == each.subgraph.x_px[0]
