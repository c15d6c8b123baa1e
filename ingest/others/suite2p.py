"""A folder of suite2p: F.npy, Fneu.npy, stat.npy, iscell.npy, and ops.npy or settings.npy and db.npy (version 1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.npy import load_npy
from calcigraph.ingest.others.results import Regions, Results, regions_of
from calcigraph.store.types import FloatArray, FrameTimes, IntArray

EXPECTED = "what suite2p writes (F.npy, Fneu.npy, stat.npy, ops.npy, iscell.npy)"
NEUROPIL = 0.7
"""Share of the neuropil that is taken off, suite2p's own default."""


def is_suite2p(path: Path) -> bool:
    """Whether a folder, or one of its files, is what suite2p writes."""
    return _folder(path) is not None


def _folder(path: Path) -> Path | None:
    """The folder with stat.npy: itself, that of the file, or the only plane of a run's folder."""
    if path.is_file() and path.name in ("stat.npy", "F.npy", "ops.npy", "iscell.npy"):
        path = path.parent
    if not path.is_dir():
        return None
    for inner in (path, path / "suite2p"):
        if (inner / "stat.npy").is_file():
            return inner
        planes = sorted(plane for plane in inner.glob("plane*") if (plane / "stat.npy").is_file())
        if len(planes) > 1:
            names = ", ".join(plane.name for plane in planes)
            raise InputError(f"{path}: has several planes ({names}); give the folder of one, such as {planes[0]}")
        if planes:
            return planes[0]
    return None


def read_suite2p(path: Path, *, neuropil: float = NEUROPIL, all_regions: bool = False, traces: bool = True) -> Results:
    """Read a folder of suite2p.

    Labels are suite2p's own numbers plus 1, because 0 is background.

    Parameters
    ----------
    path
        The folder (plane0), a run's folder with one plane, or a file in it.
    neuropil
        Traces are F - neuropil x Fneu.
    all_regions
        Whether to take what suite2p does not call a cell (iscell.npy) too.
    traces
        Whether traces are wanted.

    Raises
    ------
    InputError, NotFoundError
        It is no such folder, a file is damaged, or files contradict one another.
    """
    folder = _folder(path)
    if folder is None:
        raise InputError(f"{path}: no stat.npy in it; expected {EXPECTED}")
    stat = _stat(folder)
    ops = _ops(folder)
    chosen, notes = _cells(folder, len(stat), all_regions)
    labels = np.arange(1, len(stat) + 1)
    regions = _regions(folder, stat, ops, labels).chosen(chosen)
    found = _traces(folder, len(stat), neuropil)[chosen] if traces else None
    return Results(
        program="suite2p",
        labels=labels[chosen],
        traces=found,
        regions=regions,
        times=_times(ops),
        recorded=({"neuropil": neuropil} if traces else {}) | ({"all_regions": True} if all_regions else {}),
        notes=notes,
    )


def _stat(folder: Path) -> list[Mapping[str, Any]]:
    content = load_npy(folder / "stat.npy", EXPECTED)
    found = list(content) if isinstance(content, np.ndarray | list) and np.ndim(content) == 1 else []
    if not found or not all(isinstance(each, dict) and {"ypix", "xpix"} <= set(each) for each in found):
        raise InputError(f"{folder / 'stat.npy'}: no list of cells with ypix and xpix; expected {EXPECTED}")
    return found


def _ops(folder: Path) -> Mapping[str, Any]:
    """ops.npy, or what version 1 has in its place."""
    found: dict[str, Any] = {}
    for name in ("db.npy", "settings.npy", "reg_outputs.npy", "detect_outputs.npy", "ops.npy"):
        if (folder / name).is_file():
            content = load_npy(folder / name, EXPECTED)
            if not isinstance(content, dict):
                raise InputError(f"{folder / name}: no dictionary; expected {EXPECTED}")
            found |= content
    return found


def _cells(folder: Path, count: int, all_regions: bool) -> tuple[IntArray, tuple[str, ...]]:
    """Which regions are taken."""
    file = folder / "iscell.npy"
    if all_regions or not file.is_file():
        why = () if all_regions else (f"cells: there is no iscell.npy, so all {count} regions were taken as cells",)
        return np.arange(count), why
    iscell = _numbers(file, load_npy(file, EXPECTED))
    if iscell.shape[0] != count or iscell.ndim not in (1, 2):
        raise InputError(f"{file}: {iscell.shape[0]} rows, but stat.npy has {count} cells; they are of different runs")
    chosen = np.flatnonzero((iscell if iscell.ndim == 1 else iscell[:, 0]) > 0)
    if not len(chosen):
        raise InputError(f"{file}: none of the {count} regions is a cell; give --all-regions to take all of them")
    left = count - len(chosen)
    note = f"cells: {left} of {count} regions are no cells (iscell.npy) and were left out; --all-regions takes them"
    return chosen, (note,) if left else ()


def _regions(folder: Path, stat: list[Mapping[str, Any]], ops: Mapping[str, Any], labels: IntArray) -> Regions:
    pixels = []
    for label, each in zip(labels.tolist(), stat, strict=True):
        y, x = np.asarray(each["ypix"]), np.asarray(each["xpix"])
        weight = np.asarray(each.get("lam", np.ones(len(y))))
        if not (y.ndim == 1 and y.shape == x.shape == weight.shape and y.dtype.kind in "iu" and x.dtype.kind in "iu"):
            raise InputError(f"{folder / 'stat.npy'}: ypix, xpix and lam of cell {label} do not fit each other")
        pixels.append((y, x, weight))
    return regions_of(_shape(folder, pixels, ops), labels, pixels)


def _shape(folder: Path, pixels: list[Any], ops: Mapping[str, Any]) -> tuple[int, int]:
    try:
        return int(ops["Ly"]), int(ops["Lx"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: neither ops.npy nor db.npy tells the size of the frames (Ly, Lx); expected {EXPECTED}"
        ) from error


def _traces(folder: Path, count: int, neuropil: float) -> FloatArray:
    """F - neuropil x Fneu, (n, T)."""
    light = _numbers(folder / "F.npy", load_npy(folder / "F.npy", EXPECTED))
    if light.ndim != 2 or len(light) != count:
        raise InputError(
            f"{folder / 'F.npy'}: shape {light.shape}, but stat.npy has {count} cells; they are of different runs"
        )
    if neuropil == 0:
        return light
    around = _numbers(folder / "Fneu.npy", load_npy(folder / "Fneu.npy", EXPECTED))
    if around.shape != light.shape:
        raise InputError(f"{folder / 'Fneu.npy'}: shape {around.shape}, but F.npy has {light.shape}")
    return light - neuropil * around


def _numbers(file: Path, content: Any) -> FloatArray:
    if not isinstance(content, np.ndarray) or content.dtype.kind not in "fiub" or content.ndim == 0:
        raise InputError(f"{file}: no array of numbers; expected {EXPECTED}")
    return content.astype(np.float64)


def _times(ops: Mapping[str, Any]) -> FrameTimes:
    rate = ops.get("fs")
    if not isinstance(rate, int | float | np.number) or not np.isfinite(rate) or rate <= 0:
        return FrameTimes()
    return FrameTimes(interval_s=1 / float(rate), interval_from="fs of suite2p's ops")
