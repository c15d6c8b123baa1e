"""What CaImAn saves by CNMF.save: HDF5 with estimates (A, C, YrA, F_dff, idx_components) and params (data/fr)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.others.hdf5 import opened
from calcigraph.ingest.others.results import Regions, Results, regions_of
from calcigraph.store.types import FloatArray, FrameTimes, IntArray

EXPECTED = "what CaImAn's save() writes"
SIGNALS = ("C+YrA", "C", "F_dff", "S")
"""The traces of a file: denoised with residual, denoised, dF/F, spikes."""


def read_caiman(path: Path, *, signal: str | None = None, all_regions: bool = False, traces: bool = True) -> Results:
    """Read the file.

    Labels are CaImAn's own numbers plus 1, because 0 is background.

    Parameters
    ----------
    path
        The file.
    signal
        One of SIGNALS; by default C+YrA.
    all_regions
        Whether to take the components too that CaImAn has not accepted (idx_components).
    traces
        Whether traces are wanted.

    Raises
    ------
    InputError
        It is no such file, or what is in it does not fit together.
    MissingExtraError
        h5py is not installed.
    """
    with opened(path) as file:
        estimates = file["estimates"]
        regions = _regions(path, file, estimates)
        count = len(regions.labels)
        chosen, notes = _accepted(path, estimates, count, all_regions)
        found = _signal(path, estimates, count, signal or SIGNALS[0])[chosen] if traces else None
        recorded: dict[str, Any] = {"signal": signal or SIGNALS[0]} if traces else {}
        return Results(
            program="CaImAn",
            labels=regions.labels[chosen],
            traces=found,
            regions=regions.chosen(chosen),
            times=_times(file),
            recorded=recorded | ({"all_regions": True} if all_regions else {}),
            notes=notes,
        )


def _value(group: Any, name: str) -> Any:
    """What a dictionary held under a name; None where it is missing or was None."""
    held = group.get(name)
    value = held[()] if held is not None and hasattr(held, "shape") else group.attrs.get(name)
    return None if isinstance(value, bytes | str) and value in (b"NoneType", "NoneType") else value


def _regions(path: Path, file: Any, estimates: Any) -> Regions:
    """The components as pixels: of column i of A, the entry p is row p % height, column p // height."""
    dims = next((found for group in (estimates, file) if (found := _value(group, "dims")) is not None), None)
    if dims is None or np.shape(dims) != (2,):
        raise InputError(f"{path}: dims is {dims}; expected height and width of a movie of one plane in {EXPECTED}")
    height, width = (int(side) for side in dims)
    matrix = estimates.get("A")
    if matrix is None or not hasattr(matrix, "keys") or not {"data", "indices", "indptr", "shape"} <= set(matrix):
        raise InputError(f"{path}: has no components (estimates/A); expected {EXPECTED} after fit()")
    data, indices, starts = (np.asarray(matrix[name]) for name in ("data", "indices", "indptr"))
    size, count = (int(side) for side in matrix["shape"])
    fits = size == height * width and len(starts) == count + 1 and len(data) == len(indices) == starts[-1]
    if not fits or (len(indices) and not 0 <= indices.min() <= indices.max() < size) or (np.diff(starts) < 0).any():
        raise InputError(f"{path}: components of {size} px do not fit frames of {height} x {width} px (dims)")
    pixels = []
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        at = indices[first:last].astype(np.int64)
        pixels.append((at % height, at // height, data[first:last]))
    return regions_of((height, width), np.arange(1, count + 1), pixels)


def _accepted(path: Path, estimates: Any, count: int, all_regions: bool) -> tuple[IntArray, tuple[str, ...]]:
    """The components that CaImAn has accepted; all where it has judged none."""
    chosen = _value(estimates, "idx_components")
    if all_regions or chosen is None:
        return np.arange(count), ()
    chosen = np.unique(np.asarray(chosen).ravel().astype(np.int64))
    if not len(chosen) or chosen[0] < 0 or chosen[-1] >= count:
        raise InputError(
            f"{path}: idx_components names none of its {count} components; give --all-regions to take all of them"
        )
    left = count - len(chosen)
    note = (
        f"cells: {left} of {count} components were not accepted (idx_components) and left out; --all-regions takes them"
    )
    return chosen, (note,) if left else ()


def _signal(path: Path, estimates: Any, count: int, signal: str) -> FloatArray:
    """The traces, (n, T)."""
    total: FloatArray | None = None
    for name in signal.split("+") if signal in SIGNALS else ():
        values = _value(estimates, name)
        if values is None or np.ndim(values) != 2 or len(values) != count:
            there = [each for each in SIGNALS if all(_value(estimates, part) is not None for part in each.split("+"))]
            raise InputError(
                f"{path}: has no {name} of its {count} components; give --signal with what it has: {', '.join(there)}"
            )
        if total is not None and total.shape != np.shape(values):
            raise InputError(
                f"{path}: {signal} are of shapes {total.shape} and {np.shape(values)}; expected equal ones"
            )
        total = np.asarray(values, np.float64) + (0 if total is None else total)
    if total is None:
        raise InputError(f"--signal {signal}: CaImAn's traces are {', '.join(SIGNALS)}")
    return total


def _times(file: Any) -> FrameTimes:
    data = file.get("params/data")
    rate = None if data is None else _value(data, "fr")
    if rate is None or not np.isfinite(float(rate)) or float(rate) <= 0:
        return FrameTimes()
    return FrameTimes(interval_s=1 / float(rate), interval_from="fr of CaImAn's params")
