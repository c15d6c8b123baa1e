"""Recordings that exist only as per-cell traces with positions, in a CSV."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest.options import TraceOptions
from calcigraph.store.types import BoolArray, Cells, Contacts, Culture, CultureData, FloatArray, IntArray

NEAREST_FACTOR = 2.5
"""Contacts are Delaunay edges shorter than this many median nearest-neighbour distances, by default."""

_COLUMN = re.compile(r"(Mean|XM|YM)_?(\d+)")
_MISSING = frozenset({"", "na", "nan", "n/a", "null", "none"})


@dataclass(frozen=True)
class _Table:
    """The CSV's numbers, each (n, T), cells sorted by label."""

    labels: IntArray
    mean: FloatArray
    x: FloatArray
    y: FloatArray


def traces_digest(
    path: str,
    *,
    frame_interval_s: float,
    experiment: str | None = None,
    condition: str | None = None,
    max_distance: float | None = None,
    max_missing: float = TraceOptions.max_missing,
) -> str:
    """Hash of the file and the options: the same digest means the same ingest. Raises NotFoundError, InputError."""
    content = hashlib.sha256(_bytes(path)).hexdigest()
    options = [content, frame_interval_s, experiment, condition, max_distance, max_missing]
    return hashlib.sha256(json.dumps(options).encode()).hexdigest()[:32]


def ingest_traces(
    path: str,
    *,
    culture: str,
    frame_interval_s: float,
    version: str | None = None,
    experiment: str | None = None,
    condition: str | None = None,
    max_distance: float | None = None,
    max_missing: float = TraceOptions.max_missing,
) -> CultureData:
    """Make a culture of a CSV with columns Mean_i or Meani, XM..., YM... for cell i and one row per frame.

    Traces are stored as given (gain 1, offset 0). A mean of 0 or NaN is missing and linearly interpolated, at the ends
    continued; cells with more than the share `max_missing` of their frames missing are left out and named in
    `Culture.warnings`. A cell's position is its median over the frames. Contacts are Delaunay edges shorter than
    `max_distance` px (default NEAREST_FACTOR times the median nearest-neighbour distance); border cells are those on
    the convex hull. Areas and shared borders are NaN and polygons None: they are not known.

    `version` is recorded; by default the installed one. Raises NotFoundError if there is no such file, InputError if
    it is not such a table or an option is out of range.
    """
    _check_options(frame_interval_s, max_distance, max_missing)
    digest = traces_digest(
        path,
        frame_interval_s=frame_interval_s,
        experiment=experiment,
        condition=condition,
        max_distance=max_distance,
        max_missing=max_missing,
    )
    table = _read(path)
    missing = ~(np.isfinite(table.mean) & (table.mean != 0))
    x, y = _median_position(table.x), _median_position(table.y)
    kept = (missing.mean(axis=1) <= max_missing) & np.isfinite(x) & np.isfinite(y)
    if not kept.any():
        raise InputError(
            f"{path}: every one of the {len(kept)} cells lacks more than {max_missing:.0%} of its frames or has no "
            "position; raise --max-missing or check the file"
        )
    x, y, labels = x[kept], y[kept], table.labels[kept]
    limit = max_distance if max_distance is not None else NEAREST_FACTOR * _nearest(x, y)
    cells = Cells(
        labels=labels,
        area_px=np.full(len(labels), np.nan),
        x_px=x,
        y_px=y,
        border=_on_hull(x, y),
        polygons=(None,) * len(labels),
        intensity=_filled(table.mean[kept], missing[kept]),
        flags=tuple(f"{count} frames interpolated" if count else "" for count in missing[kept].sum(axis=1).tolist()),
    )
    record = Culture(
        uid=culture,
        experiment=experiment,
        condition=condition,
        frames=table.mean.shape[1],
        frame_interval_s=frame_interval_s,
        pixel_size_um=None,
        height_px=None,
        width_px=None,
        movie=None,
        masks="traces",
        input_digest=digest,
        options={"max_distance": limit, "max_missing": max_missing, "frame_interval_s": frame_interval_s},
        intensity_offset=0.0,
        intensity_gain=1.0,
        bleaching=None,
        shift_px=None,
        saturated=None,
        warnings=_left_out(table.labels[~kept], max_missing),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version if version is not None else importlib.metadata.version("calcigraph"),
    )
    return CultureData(record, cells, _contacts(labels, x, y, limit))


def _check_options(frame_interval_s: float, max_distance: float | None, max_missing: float) -> None:
    if not (math.isfinite(frame_interval_s) and frame_interval_s > 0):
        raise InputError(f"--frame-interval {frame_interval_s}: expected a positive number of s")
    if max_distance is not None and not max_distance > 0:
        raise InputError(f"--max-distance {max_distance}: expected a positive number of px")
    if not 0 <= max_missing <= 1:
        raise InputError(f"--max-missing {max_missing}: expected a share from 0 to 1")


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file; expected a CSV of traces") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a CSV of traces") from error


def _read(path: str) -> _Table:
    try:
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file; expected a CSV of traces") from error
    lines = text.splitlines()
    separator = max(",;\t", key=lines[0].count) if lines else ","
    rows = list(csv.reader(lines, delimiter=separator))
    columns = _columns(rows[0] if rows else [], path)
    body = [(number, row) for number, row in enumerate(rows[1:], start=2) if any(field.strip() for field in row)]
    if len(body) < 2:
        raise InputError(f"{path}: {len(body)} frames; expected at least 2 rows below the header")
    for number, row in body:
        if len(row) != len(rows[0]):
            raise InputError(f"{path}: line {number} has {len(row)} fields, the header {len(rows[0])}; repair it")
    labels = sorted(columns)

    def values(kind: str) -> FloatArray:
        picked = [columns[label][kind] for label in labels]
        return np.array([[_number(row[at], path, line, rows[0][at]) for at in picked] for line, row in body]).T

    return _Table(np.array(labels, np.int64), values("Mean"), values("XM"), values("YM"))


def _columns(header: list[str], path: str) -> dict[int, dict[str, int]]:
    """Where in a row the Mean, XM and YM of each cell are."""
    found: dict[int, dict[str, int]] = {}
    for place, name in enumerate(header):
        match = _COLUMN.fullmatch(name.strip())
        if match:
            kinds = found.setdefault(int(match[2]), {})
            if match[1] in kinds:
                raise InputError(f"{path}: two columns {match[1]} for cell {match[2]}; expected one")
            kinds[match[1]] = place
    if not found:
        raise InputError(f"{path}: no columns of traces; expected Mean_1 (or Mean1), XM_1, YM_1, Mean_2, ...")
    for label, kinds in found.items():
        for kind in ("Mean", "XM", "YM"):
            if kind not in kinds:
                raise InputError(
                    f"{path}: cell {label} has no column {kind}_{label}; expected Mean, XM and YM for each"
                )
    return found


def _number(field: str, path: str, line: int, column: str) -> float:
    field = field.strip()
    if field.lower() in _MISSING:
        return math.nan
    try:
        value = float(field)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise InputError(f"{path}: line {line}, column {column}: {field!r} is not a number; leave it empty if missing")
    return value


def _median_position(values: FloatArray) -> FloatArray:
    """Median over the frames that have one, (n,); NaN where none has."""
    known = np.isfinite(values).any(axis=1)
    result = np.full(len(values), np.nan)
    for row in np.flatnonzero(known):
        result[row] = np.nanmedian(values[row])
    return result


def _filled(mean: FloatArray, missing: BoolArray) -> FloatArray:
    frames = np.arange(mean.shape[1])
    filled = mean.copy()
    for row, gaps in zip(filled, missing, strict=True):
        if gaps.any():
            row[gaps] = np.interp(frames[gaps], frames[~gaps], row[~gaps])
    return filled


def _nearest(x: FloatArray, y: FloatArray) -> float:
    """Median distance to the nearest neighbour in px; 0 for a single cell."""
    if len(x) < 2:
        return 0.0
    from scipy.spatial import cKDTree

    points = np.stack([x, y], axis=1)
    distances, _ = cKDTree(points).query(points, k=2)
    return float(np.median(np.asarray(distances)[:, 1]))


def _on_line(x: FloatArray, y: FloatArray) -> IntArray | None:
    """The cells' order along it if all lie on one line (as one or two always do), else None."""
    points = np.stack([x - x.mean(), y - y.mean()], axis=1)
    _, spread, directions = np.linalg.svd(points, full_matrices=False)
    if len(x) > 2 and spread[1] > 1e-9 * spread[0]:
        return None
    return np.argsort(points @ directions[0], kind="stable")


def _on_hull(x: FloatArray, y: FloatArray) -> BoolArray:
    border = np.ones(len(x), bool)
    if _on_line(x, y) is None:
        from scipy.spatial import ConvexHull

        border[:] = False
        border[ConvexHull(np.stack([x, y], axis=1)).vertices] = True
    return border


def _contacts(labels: IntArray, x: FloatArray, y: FloatArray, limit: float) -> Contacts:
    pairs = _edges(x, y)
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    distance = np.hypot(x[pairs[:, 0]] - x[pairs[:, 1]], y[pairs[:, 0]] - y[pairs[:, 1]])
    near = distance < limit
    a, b = pairs[near].T
    return Contacts(labels[a], labels[b], np.full(len(a), np.nan), distance[near])


def _edges(x: FloatArray, y: FloatArray) -> Any:
    order = _on_line(x, y)
    if order is not None:
        return np.stack([order[:-1], order[1:]], axis=1)
    from scipy.spatial import Delaunay

    corners = Delaunay(np.stack([x, y], axis=1)).simplices.astype(np.int64)
    return np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])


def _left_out(labels: IntArray, max_missing: float) -> tuple[str, ...]:
    if not len(labels):
        return ()
    names = ", ".join(map(str, labels.tolist()))
    return (f"left out for having more than {max_missing:.0%} of their frames missing: cells {names}",)
