"""Recordings that exist only as a CSV: one trace per cell, and the cell's position in every frame."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest.digests import digest_of
from calcigraph.ingest.options import TraceOptions
from calcigraph.store.types import BoolArray, Cells, Contacts, Culture, CultureData, FloatArray, IntArray
from calcigraph.version import __version__

NEAREST_FACTOR = 2.5
"""Contacts are Delaunay edges shorter than this many median nearest-neighbour distances, by default."""
FLAT = 1e-9
"""Cells lie on one line if their extent across it is below this share of the extent along it."""

_COLUMN = re.compile(r"(Mean|XM|YM)_?(\d+)")
"""Of ImageJ's table of measurements: mean intensity, and column and row of the centre of mass, of a numbered cell."""
_MISSING = frozenset({"", "na", "nan", "n/a", "null", "none"})


@dataclass(frozen=True)
class _Table:
    """The CSV's numbers, NaN where a field is empty."""

    labels: IntArray
    """(n,), sorted."""
    mean: FloatArray
    """(n, T)."""
    x: FloatArray
    """(n, T), px."""
    y: FloatArray
    """(n, T), px."""


def traces_digest(
    path: str,
    *,
    frame_interval_s: float,
    experiment: str | None = None,
    condition: str | None = None,
    max_distance: float | None = None,
    max_missing: float = TraceOptions.max_missing,
) -> str:
    """Hash of the file and the options: the same digest means the same ingest.

    Parameters as for `ingest_traces`; 32 hex digits. Raises NotFoundError if there is no such file, InputError if it
    cannot be read.
    """
    content = hashlib.sha256(_bytes(path)).hexdigest()
    options = [content, frame_interval_s, experiment, condition, max_distance, max_missing]
    return digest_of(json.dumps(options).encode())


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
    """Make a culture of a CSV of traces, one row per frame.

    Traces are stored as given (gain 1, offset 0). A mean of 0 or NaN is missing: it is interpolated linearly, and at
    the ends the nearest value is taken. A cell's position is its median over the frames. Border cells are those on the
    convex hull. Areas and shared borders are NaN and polygons None, because they are not known.

    Parameters
    ----------
    path
        The CSV, separated by commas, semicolons or tabs. Its columns for cell i are Mean_i (or Meani), XM_i and YM_i:
        mean intensity, and position in px.
    culture
        The culture's uid.
    frame_interval_s
        In s.
    version
        Of calcigraph, recorded; by default this one.
    experiment, condition
        What the culture belongs to.
    max_distance
        Contacts are Delaunay edges shorter than this, px; by default NEAREST_FACTOR times the median distance to the
        nearest neighbour.
    max_missing
        Cells that lack more than this share of their frames are left out; `Culture.warnings` names them.

    Returns
    -------
    What the graph stores, with `culture.complete` False.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is not such a table, or an option is out of range.
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
    cells = _cells(table, kept, missing, x[kept], y[kept])
    limit = max_distance
    if limit is None:
        limit = NEAREST_FACTOR * _nearest(cells.x_px, cells.y_px)
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
        version=version if version is not None else __version__,
    )
    return CultureData(record, cells, _contacts(cells, limit))


def _cells(table: _Table, kept: BoolArray, missing: BoolArray, x: FloatArray, y: FloatArray) -> Cells:
    """The cells that are `kept`, (n,), at x and y; of their frames, (n, T), the `missing` ones are interpolated."""
    labels, gaps = table.labels[kept], missing[kept]
    return Cells(
        labels=labels,
        area_px=np.full(len(labels), np.nan),
        x_px=x,
        y_px=y,
        border=_on_hull(x, y),
        polygons=(None,) * len(labels),
        intensity=_filled(table.mean[kept], gaps),
        flags=tuple(f"{count} frames interpolated" if count else "" for count in gaps.sum(axis=1).tolist()),
    )


def _check_options(frame_interval_s: float, max_distance: float | None, max_missing: float) -> None:
    if not (math.isfinite(frame_interval_s) and frame_interval_s > 0):
        raise InputError(f"--frame-interval {frame_interval_s}: expected a positive number of s")
    if max_distance is not None and not max_distance > 0:
        raise InputError(f"--max-distance {max_distance}: expected a positive number of px")
    if not 0 <= max_missing <= 1:
        raise InputError(f"--max-missing {max_missing}: expected a share from 0 to 1")


def _bytes(path: str) -> bytes:
    """The file's content. Raises NotFoundError, InputError."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file; expected a CSV of traces") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a CSV of traces") from error


def _read(path: str) -> _Table:
    """Raises InputError for what is no such table."""
    try:
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file; expected a CSV of traces") from error
    # The separator is the one that the header has most of.
    lines = text.splitlines()
    separator = max(",;\t", key=lines[0].count) if lines else ","
    rows = list(csv.reader(lines, delimiter=separator))
    columns = _columns(rows[0] if rows else [], path)
    # Empty lines are passed over, but counted, so that messages name the line that an editor shows.
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
    """Where in a row the Mean, XM and YM of each cell are, by label and kind. Raises InputError."""
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
    """The number in a field, NaN if it is missing. Raises InputError."""
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
    for row in np.flatnonzero(known):  # NumPy would warn of rows without a value
        result[row] = np.nanmedian(values[row])
    return result


def _filled(mean: FloatArray, missing: BoolArray) -> FloatArray:
    """The traces, (n, T), with what is missing interpolated."""
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
    """The cells' order along the line if all lie on one, as one or two always do; else None."""
    points = np.stack([x - x.mean(), y - y.mean()], axis=1)
    # The singular values are the extents along the longest direction and across it.
    _, extents, directions = np.linalg.svd(points, full_matrices=False)
    if len(x) > 2 and extents[1] > FLAT * extents[0]:
        return None
    return np.argsort(points @ directions[0], kind="stable")


def _on_hull(x: FloatArray, y: FloatArray) -> BoolArray:
    """(n,), the corners of the convex hull; all cells where there is none."""
    border = np.ones(len(x), bool)
    if _on_line(x, y) is None:
        from scipy.spatial import ConvexHull

        border[:] = False
        border[ConvexHull(np.stack([x, y], axis=1)).vertices] = True
    return border


def _contacts(cells: Cells, limit: float) -> Contacts:
    """The neighbours that are nearer than `limit` px, each pair once."""
    x, y = cells.x_px, cells.y_px
    # Two triangles share most edges, so each edge comes twice.
    pairs = np.unique(np.sort(_edges(x, y), axis=1), axis=0)
    a, b = pairs.T
    distance = np.hypot(x[a] - x[b], y[a] - y[b])
    near = distance < limit
    a, b = pairs[near].T
    return Contacts(
        label_a=cells.labels[a],
        label_b=cells.labels[b],
        shared_border_px=np.full(len(a), np.nan),
        centroid_distance_px=distance[near],
    )


def _edges(x: FloatArray, y: FloatArray) -> Any:
    """The edges of the Delaunay triangulation, (e, 2) rows of cells, with repetitions; along a line, the next cells."""
    order = _on_line(x, y)
    if order is not None:
        return np.stack([order[:-1], order[1:]], axis=1)
    from scipy.spatial import Delaunay

    corners = Delaunay(np.stack([x, y], axis=1)).simplices.astype(np.int64)
    return np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])


def _left_out(labels: IntArray, max_missing: float) -> tuple[str, ...]:
    """The warning that names cells without enough frames."""
    if not len(labels):
        return ()
    names = ", ".join(map(str, labels.tolist()))
    return (f"left out for having more than {max_missing:.0%} of their frames missing: cells {names}",)
