"""AnnData (.h5ad or .zarr): cells by frames, with parameters and the graph of contacts, for scanpy and squidpy."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.export.collected import Collected
from calcigraph.export.extra import exchange
from calcigraph.export.folders import SERIES
from calcigraph.export.place import MARK
from calcigraph.export.provenance import about

KEY = "spatial"
"""Under which squidpy looks for places and neighbours."""


def write_anndata(found: Collected, path: Path) -> None:
    """Write an .h5ad file. Raises MissingExtraError."""
    annotated(found).write_h5ad(path, compression="gzip")


def write_anndata_zarr(found: Collected, path: Path) -> None:
    """Write the same as a Zarr folder, which programs can read in parts. Raises MissingExtraError."""
    with warnings.catch_warnings():
        # It announces that a later version will write Zarr 3. Both can be read by what reads this.
        warnings.filterwarnings("ignore", message="Writing zarr v2", category=UserWarning)
        annotated(found).write_zarr(path)
    (path / MARK).write_text(json.dumps(about(found.culture), ensure_ascii=False, indent=2), encoding="utf-8")


def annotated(found: Collected) -> Any:
    """The culture as anndata.AnnData.

    Parameters
    ----------
    found
        The culture, n cells and T frames.

    Returns
    -------
    X (n, T) the normalised traces; layers["dff"] (n, T), NaN for cells without; obs one row per cell with all that is
    known of it; var one row per frame with time_s; obsm["spatial"] (n, 2) x and y, px, y down;
    obsp["spatial_connectivities"] (n, n) 1 for cells in contact, obsp["spatial_distances"] between their centroids, px;
    uns["spatial_neighbors"] as squidpy writes it, uns["calcigraph"] what is known of the culture, JSON.
    """
    anndata = exchange("anndata", "the format anndata")
    import pandas

    graph = found.subgraph
    obs = found.attributes.frame.set_index(graph.labels.astype(str))
    var = pandas.DataFrame({"time_s": graph.frame_times}, index=np.arange(graph.intensity.shape[1]).astype(str))
    data = anndata.AnnData(X=graph.intensity, obs=_storable(obs), var=var)
    if found.dff is not None:
        data.layers["dff"] = found.dff
    data.obsm[KEY] = np.stack([graph.x_px, graph.y_px], axis=1)
    data.obsp[f"{KEY}_connectivities"] = _symmetric(found, np.ones(len(graph.pairs)))
    data.obsp[f"{KEY}_distances"] = _symmetric(found, graph.centroid_distance_px)
    data.uns[f"{KEY}_neighbors"] = {
        "connectivities_key": f"{KEY}_connectivities",
        "distances_key": f"{KEY}_distances",
        "params": {"coord_type": "generic"},
    }
    data.uns["calcigraph"] = json.dumps(about(found.culture), ensure_ascii=False)
    data.uns["columns"] = {
        column.name: f"{column.unit}: {column.meaning}" for column in found.attributes.columns if "/" not in column.name
    } | {"X": f"{SERIES['traces'][0]}: the trace, normalised (eq. 23)"}
    return data


def _symmetric(found: Collected, values: Any) -> Any:
    """(n, n), sparse: a value for each contact, both ways."""
    from scipy.sparse import csr_matrix

    graph = found.subgraph
    first, second = graph.pairs.T
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    n = len(graph.labels)
    return csr_matrix((np.concatenate([values, values]), (rows, columns)), shape=(n, n))


def _storable(obs: Any) -> Any:
    """Texts as categories, which .h5ad holds with gaps; columns that are absent everywhere are left out."""
    obs = obs.dropna(axis="columns", how="all").copy()
    for name in obs.columns:
        if obs[name].dtype == object:
            obs[name] = obs[name].astype("category")
    return obs
