"""AnnData files, as squidpy and scanpy use them: one observation a cell, one variable a frame."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.extra import library
from calcigraph.ingest.others.hdf5 import readable
from calcigraph.ingest.others.results import Results
from calcigraph.ingest.row_times import time_column
from calcigraph.store.types import FloatArray, FrameTimes, IntArray

CONTACTS = ("spatial_connectivities", "connectivities")
"""Where squidpy and scanpy keep which observations are neighbours."""


def read_anndata(path: Path, *, signal: str | None = None) -> Results:
    """Read the file.

    Labels are the names of the observations where these are whole numbers above 0, else their places from 1.

    Parameters
    ----------
    path
        An .h5ad file.
    signal
        The layer with the traces; by default X.

    Raises
    ------
    InputError
        It is no such file, or has no such layer.
    MissingExtraError
        anndata is not installed.
    """
    anndata = library("anndata", "AnnData files", str(path), "exchange")
    with readable(path, "AnnData"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that an older anndata wrote
        data = anndata.read_h5ad(path)
    names = tuple(str(name) for name in data.obs_names)
    labels, notes = _labels(names)
    x, y = _positions(path, data)
    return Results(
        program="AnnData",
        labels=labels,
        traces=_traces(path, data, signal),
        x_px=x,
        y_px=y,
        names=names,
        pairs=_pairs(data),
        times=_times(data),
        recorded={} if signal is None else {"signal": signal},
        notes=notes,
    )


def _labels(names: tuple[str, ...]) -> tuple[IntArray, tuple[str, ...]]:
    if all(name.isdecimal() for name in names):
        numbers = np.array([int(name) for name in names], np.int64)
        if len(numbers) == 0 or (numbers.min() > 0 and len(np.unique(numbers)) == len(numbers)):
            return numbers, ()
    first, last = names[0], names[-1]
    note = f"cells: numbered from 1 in the order of the observations: 1 is {first}, {len(names)} is {last}"
    return np.arange(1, len(names) + 1), (note,)


def _traces(path: Path, data: Any, signal: str | None) -> FloatArray:
    if signal is not None and signal not in data.layers:
        raise InputError(f"--signal {signal}: {path} has no such layer; it has {', '.join(data.layers) or 'none'}")
    values = data.X if signal is None else data.layers[signal]
    if values is None:
        raise InputError(f"{path}: has no X; give --signal with one of its layers: {', '.join(data.layers) or 'none'}")
    dense = values.toarray() if hasattr(values, "toarray") else values
    return np.asarray(dense, np.float64)


def _positions(path: Path, data: Any) -> tuple[FloatArray | None, FloatArray | None]:
    if "spatial" not in data.obsm:
        return None, None
    spatial = np.asarray(data.obsm["spatial"], np.float64)
    if spatial.ndim != 2 or spatial.shape[1] < 2:
        raise InputError(f"{path}: obsm['spatial'] has shape {spatial.shape}; expected x and y of each cell")
    return spatial[:, 0], spatial[:, 1]


def _pairs(data: Any) -> IntArray | None:
    """The pairs of observations with a value between them in either direction."""
    name = next((name for name in CONTACTS if name in data.obsp), None)
    if name is None:
        return None
    from scipy.sparse import coo_matrix

    found = coo_matrix(data.obsp[name])
    a, b = np.minimum(found.row, found.col), np.maximum(found.row, found.col)
    joined = (a != b) & (found.data != 0)
    pairs: IntArray = np.unique(np.stack([a[joined], b[joined]], axis=1).astype(np.int64), axis=0)
    return pairs


def _times(data: Any) -> FrameTimes:
    """A column of var with times in a unit, or uns['frame_interval_s']."""
    for place, name in enumerate(data.var.columns):
        column = time_column(place, str(name))
        if column is not None and column.unit_s is not None and np.issubdtype(data.var[name].dtype, np.number):
            times = data.var[name].to_numpy(np.float64) * column.unit_s
            return FrameTimes(times_s=times, times_from=f"var['{name}']")
    interval = data.uns.get("frame_interval_s")
    if isinstance(interval, int | float | np.number) and interval > 0:
        return FrameTimes(interval_s=float(interval), interval_from="uns['frame_interval_s']")
    return FrameTimes()
