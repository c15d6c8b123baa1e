"""NWB files with optical physiology: RoiResponseSeries, and the masks of PlaneSegmentation."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.extra import library
from calcigraph.ingest.others.hdf5 import readable
from calcigraph.ingest.others.results import Results, regions_of
from calcigraph.store.types import BoolArray, FloatArray, FrameTimes, IntArray

ACCEPTED = ("iscell", "accepted", "Accepted", "keep", "is_cell")
"""Columns that tell which regions are cells, as suite2p, CaImAn and NeuroConv write them."""
METRES = {"meters": 1.0, "metres": 1.0, "m": 1.0, "micrometers": 1e-6, "um": 1e-6, "microns": 1e-6, "millimeters": 1e-3}


def read_nwb(path: Path, *, signal: str | None = None, all_regions: bool = False, traces: bool = True) -> Results:
    """Read the file.

    Labels are the ids of the PlaneSegmentation; where one of them is 0 all are raised by 1, because 0 is background.

    Parameters
    ----------
    path
        The file.
    signal
        The name of the RoiResponseSeries, where there are several.
    all_regions
        Whether to take the regions too that a column such as `iscell` or `accepted` calls no cells.
    traces
        Whether traces are wanted.

    Raises
    ------
    InputError
        It is no such file, has several series and none is named, or has no masks.
    MissingExtraError
        pynwb is not installed.
    """
    pynwb = library("pynwb", "NWB files", str(path), "exchange")
    with readable(path, "NWB"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of schemas that are older than the library
        with pynwb.NWBHDF5IO(str(path), mode="r", load_namespaces=True) as file:
            objects = list(file.read().objects.values())
            series = _one(path, [each for each in objects if isinstance(each, pynwb.ophys.RoiResponseSeries)], signal)
            if traces and series is None:
                raise InputError(f"{path}: has no RoiResponseSeries; expected traces of regions")
            tables = [each for each in objects if isinstance(each, pynwb.ophys.PlaneSegmentation)]
            return _results(path, series, tables, objects, all_regions, traces)


def _one(path: Path, found: list[Any], signal: str | None) -> Any:
    """The series that is meant; None where there is none."""
    names = [_name(each) for each in found]
    meant = [each for each, name in zip(found, names, strict=True) if signal in (name, each.name)]
    if signal is not None and len(meant) != 1:
        what = "names several" if meant else "is not there"
        raise InputError(f"--signal {signal}: {what}; the series of {path} are {', '.join(names) or 'none'}")
    if signal is None and len(found) > 1:
        raise InputError(f"{path}: has several series; give --signal with one of {', '.join(names)}")
    return meant[0] if signal is not None else next(iter(found), None)


def _name(series: Any) -> str:
    """Its name, with that of what holds it, such as Fluorescence/Deconvolved."""
    parent = getattr(series, "parent", None)
    return f"{parent.name}/{series.name}" if parent is not None else str(series.name)


def _results(
    path: Path, series: Any, tables: list[Any], objects: list[Any], all_regions: bool, traces: bool
) -> Results:
    if series is not None:
        table, rows = series.rois.table, np.asarray(series.rois.data[:], np.int64)
    elif len(tables) == 1:
        table, rows = tables[0], np.arange(len(tables[0].id))
    else:
        names = ", ".join(each.name for each in tables)
        raise InputError(
            f"{path}: has {len(tables)} PlaneSegmentations ({names}); expected one, or one series of traces"
        )
    ids = np.asarray(table.id[:], np.int64)
    if len(np.unique(ids)) < len(ids) or len(np.unique(rows)) < len(rows) or (ids < 0).any():
        raise InputError(f"{path}: ids or regions of {table.name} come twice or are below 0; expected each once")
    labels = ids + (1 if (ids == 0).any() else 0)
    kept, notes = _cells(path, table, rows, all_regions)
    pixels = _Masks(path, table).pixels(rows[kept])
    # Who knows no masks writes a single pixel for each cell.
    points = all(len(y) == 1 for y, _, _ in pixels)
    x, y = (np.array([each[at][0] for each in pixels], np.float64) if points else None for at in (1, 0))
    if points:
        notes = (*notes, f"cells: {table.name} has a single pixel for each, which was taken as its position")
    return Results(
        program="NWB",
        labels=labels[rows[kept]],
        traces=_values(path, series, len(rows))[kept] if traces else None,
        regions=None if points else regions_of(_shape(table, pixels, objects), labels[rows[kept]], pixels),
        x_px=x,
        y_px=y,
        times=_times(series) if series is not None else FrameTimes(),
        pixel_size_um=_pixel_size(table),
        recorded=({"signal": _name(series)} if traces else {}) | ({"all_regions": True} if all_regions else {}),
        notes=notes,
    )


def _cells(path: Path, table: Any, rows: IntArray, all_regions: bool) -> tuple[BoolArray, tuple[str, ...]]:
    """Which rows are cells, where a column says so."""
    column = next((name for name in ACCEPTED if name in table.colnames), None)
    if all_regions or column is None:
        return np.ones(len(rows), bool), ()
    said = np.asarray(table[column][:])
    kept = np.asarray((said if said.ndim == 1 else said[:, 0]).astype(float) > 0)[rows]
    if not kept.any():
        raise InputError(f"{path}: none of its regions is a cell (column {column}); give --all-regions to take all")
    left = int((~kept).sum())
    note = f"cells: {left} of {len(rows)} regions are no cells (column {column}) and were left out"
    return kept, (f"{note}; --all-regions takes them",) if left else ()


class _Masks:
    """The masks of a PlaneSegmentation, in whichever of its three forms."""

    def __init__(self, path: Path, table: Any) -> None:
        self._table = table
        self._kind = next((k for k in ("image_mask", "pixel_mask", "voxel_mask") if k in table.colnames), None)
        if self._kind is None:
            raise InputError(
                f"{path}: {table.name} has no masks; expected a column image_mask, pixel_mask or voxel_mask"
            )

    def pixels(self, rows: IntArray) -> list[tuple[IntArray, IntArray, FloatArray]]:
        """(rows, columns, weights) of each region. NWB has x before y."""
        return [self._of(row) for row in rows.tolist()]

    def _of(self, row: int) -> tuple[IntArray, IntArray, FloatArray]:
        entry = self._table[self._kind][row]
        if self._kind == "image_mask":
            image = np.asarray(entry, np.float64)
            image = image.sum(axis=2) if image.ndim == 3 else image  # a volume, seen from above
            x, y = np.nonzero(image)
            return y, x, image[x, y]
        listed = np.asarray([tuple(each) for each in entry], np.float64)
        x, y, weight = listed[:, 0].astype(np.int64), listed[:, 1].astype(np.int64), listed[:, -1]
        places, which = np.unique(np.stack([y, x]), axis=1, return_inverse=True)
        return places[0], places[1], np.bincount(which.reshape(-1), weight).astype(np.float64)


def _shape(table: Any, pixels: list[Any], objects: list[Any]) -> tuple[int, int]:
    """(Y, X): of the image masks, of the movie of the same plane, or as far as the pixels reach."""
    if "image_mask" in table.colnames and len(table.id):
        width, height = np.shape(table["image_mask"][0])[:2]
        return int(height), int(width)
    for each in objects:
        dimension = getattr(each, "dimension", None)
        if getattr(each, "imaging_plane", None) is table.imaging_plane and dimension is not None and len(dimension) > 1:
            width, height = (int(side) for side in dimension[:2])
            if width and height:
                return height, width
    return 1 + max(int(y.max()) for y, _, _ in pixels), 1 + max(int(x.max()) for _, x, _ in pixels)


def _values(path: Path, series: Any, count: int) -> FloatArray:
    """(n, T), in the series' unit."""
    values = np.asarray(series.get_data_in_units(), np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != count:
        raise InputError(
            f"{path}: {series.name} has shape {values.shape}, but {count} regions; expected (time, regions)"
        )
    return values.T


def _times(series: Any) -> FrameTimes:
    if series.timestamps is not None:
        return FrameTimes(
            times_s=np.asarray(series.timestamps[:], np.float64), times_from=f"timestamps of {series.name}"
        )
    if series.rate:
        return FrameTimes(interval_s=1 / float(series.rate), interval_from=f"rate of {series.name}")
    return FrameTimes()


def _pixel_size(table: Any) -> float | None:
    """um, where the plane has square pixels."""
    spacing = table.imaging_plane.grid_spacing if table.imaging_plane is not None else None
    unit = METRES.get(str(getattr(table.imaging_plane, "grid_spacing_unit", "")).lower())
    if spacing is None or unit is None or len(spacing) < 2 or not 0 < spacing[0] == spacing[1]:
        return None
    return float(spacing[0]) * unit * 1e6
