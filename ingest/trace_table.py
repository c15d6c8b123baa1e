"""Tables of traces as text files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.digests import NOTHING, Said, digest_of
from calcigraph.ingest.neighbours import places_of
from calcigraph.ingest.options import TraceOptions
from calcigraph.ingest.positions import ADVICE, positions_of, positions_table
from calcigraph.ingest.recordings import Recording, fresh_frames, without_repeats
from calcigraph.ingest.row_times import ordered, time_column
from calcigraph.ingest.shaped_table import Shaped
from calcigraph.ingest.table import Row, Table, parse_table, table_bytes
from calcigraph.ingest.table_columns import listed, parse_columns
from calcigraph.ingest.table_shapes import shaped
from calcigraph.ingest.times import Timing, recorded_times, settle
from calcigraph.ingest.trace_quality import zero_warnings
from calcigraph.store.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class _Values:
    """The numbers of a table, (rows, n) each."""

    labels: IntArray
    mean: FloatArray
    x: FloatArray
    y: FloatArray

    def rows(self, chosen: IntArray) -> _Values:
        """Those rows, in that order."""
        return replace(self, mean=self.mean[chosen], x=self.x[chosen], y=self.y[chosen])


def read_trace_table(path: str, options: TraceOptions, said: Said = NOTHING) -> Recording:
    """Read a table of traces in any of the shapes of `table_shapes`, such as ImageJ's: columns Mean1, XM1, YM1, ...

    Rows are put in the order of a column of frame numbers or times, if there is one (`row_times.time_column` says
    what such a column is called). A mean is missing where nothing or NaN stands, where a 0 has no position or the
    position 0, 0, and where a 0 stands and `zero_is_missing` is set. A cell's position is its median over the frames.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is not such a table; its times contradict one another or the interval given; nothing is left of it.
    """
    content = table_bytes(path)
    named = parse_columns(options.columns)
    where, places = positions_table(options.positions)
    found = shaped(parse_table(path, content), named, () if where is None else where.header)
    if where is not None:
        found = replace(found, positions=positions_of(where, named, found.names))
    if options.unconnected and not found.positions and not found.moving:
        found = replace(found, positions=dict.fromkeys(found.names, (np.nan, np.nan)))
    if not found.positions and not found.moving:
        cells = listed(list(found.names.values()))
        raise InputError(f"{path}: was read as a column for each cell ({cells}), but {ADVICE}")
    table = found.table
    rows, notes = _body(table)
    values = _numbers(found, rows)
    missing, nowhere = _missing(values, options.zero_is_missing, not found.positions)
    chosen, timing, more = _in_time(table, rows, values, missing, options)
    values, missing, nowhere = values.rows(chosen), missing[chosen], nowhere[chosen]
    x, y = (_median_position(np.where(nowhere, np.nan, at).T) for at in (values.x, values.y))
    zeros = (values.mean == 0) & ~missing
    told = zero_warnings(values.mean.T, zeros.T, nowhere.T, values.labels)
    # Version 0.1 did none of this. Where it would have done the same, its digest stays.
    new = {
        "time_s": None if timing.times_s is None else recorded_times(timing)["time_s"],
        "rows": None if np.array_equal(chosen, np.arange(len(rows))) else chosen.tolist(),
        "zeros": "missing" if options.zero_is_missing else "values" if zeros.any() else None,
        "trusted": options.trust_interval or None,
        "places": _shared_places(x, y, missing, options),
        "columns": options.columns,
        "unconnected": options.unconnected or None,
        "positions": None if places is None else hashlib.sha256(places).hexdigest(),
    }
    return Recording(
        labels=values.labels,
        mean=values.mean.T,
        missing=missing.T,
        x_px=x,
        y_px=y,
        timing=timing,
        notes=(*found.notes, *notes, *more, *timing.warnings, *told),
        digest=_digest(content, timing, options, {name: what for name, what in new.items() if what is not None}, said),
    )


def _shared_places(x: FloatArray, y: FloatArray, missing: BoolArray, options: TraceOptions) -> list[int] | None:
    """For the digest: the place of each cell that is kept, where cells share places."""
    kept = (missing.mean(axis=0) <= options.max_missing) & np.isfinite(x) & np.isfinite(y)
    places = places_of(x[kept], y[kept]) if kept.any() else None
    return places.of.tolist() if places is not None and places.shared else None


def _in_time(
    table: Table, rows: tuple[Row, ...], values: _Values, missing: BoolArray, options: TraceOptions
) -> tuple[IntArray, Timing, tuple[str, ...]]:
    """The rows to take, in the order of their times; the times; and what to tell."""
    path, given, trusted = table.path, options.frame_interval_s, options.trust_interval
    lost = missing.all(axis=1)
    if (~lost).sum() < 2:
        raise InputError(f"{path}: {int((~lost).sum())} frames with a value; expected at least 2 rows below the header")
    everything = np.concatenate([values.mean, values.x, values.y], axis=1)
    found = ordered(table, rows, everything, lost, given, trusted)
    if len(found.chosen) < 2:
        raise InputError(f"{path}: all of its {len(rows)} rows are of one frame; expected at least 2 frames")
    timing, chosen = settle(found.times, given, trusted, path), found.chosen
    frames, timing, told = without_repeats(fresh_frames(values.mean[chosen]), timing, options, path)
    return chosen[frames], timing, (*found.notes, *told)


def _digest(content: bytes, timing: Timing, options: TraceOptions, new: dict[str, Any], said: Said) -> str:
    interval = options.frame_interval_s if options.frame_interval_s is not None else timing.interval_s
    deciding: list[Any] = [hashlib.sha256(content).hexdigest(), interval, *said]
    deciding += [options.max_distance_px, options.max_missing, *([new] if new else [])]
    return digest_of(json.dumps(deciding).encode())


def _body(table: Table) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows that stand for a frame each, empty ones included, and what was left out."""
    rows, notes = list(table.rows), list[str]()
    while rows and rows[-1].empty:
        rows.pop()
    while rows and rows[0].empty:
        rows.pop(0)
    blank = sum(not any(row.fields) and len(row.fields) <= 1 for row in rows)
    # A blank line after every row is a line ending written twice; a single one is a frame that was lost.
    if blank and blank >= (len(rows) - 1) // 2:
        rows = [row for row in rows if len(row.fields) > 1 or any(row.fields)]
    repeated = [row for row in rows if row.fields == table.header]
    if repeated:
        if not any(time_column(place, name) for place, name in enumerate(table.header)):
            raise InputError(
                f"{table.path}: line {repeated[0].line} repeats the header: two tables in one file, and no column "
                "Frame or Time to put them in order; give one recording a file"
            )
        rows = [row for row in rows if row.fields != table.header]
        notes.append(f"rows: line {repeated[0].line} repeats the header and was left out: two tables in one file")
    if len(rows) < 2:
        raise InputError(f"{table.path}: {len(rows)} frames; expected at least 2 rows below the header")
    width = len(table.header)
    for row in rows:
        if len(row.fields) != width and not row.empty:
            raise InputError(
                f"{table.path}: line {row.line} has {len(row.fields)} fields, the header {width}; repair it"
            )
    return tuple(row if not row.empty else Row(row.line, ("",) * width) for row in rows), tuple(notes)


def _numbers(found: Shaped, rows: tuple[Row, ...]) -> _Values:
    """Values and positions; a position for all frames is repeated, one that is not known is NaN."""
    labels = list(found.columns)

    def values(kind: str) -> FloatArray:
        picked = [found.columns[label][kind] for label in labels]
        return np.array([[found.table.number(row, at) for at in picked] for row in rows])

    mean = values("Mean")
    if not found.positions:
        return _Values(np.array(labels, np.int64), mean, values("XM"), values("YM"))
    nowhere = (np.nan, np.nan)
    x, y = np.array([found.positions.get(label, nowhere) for label in labels]).T
    return _Values(np.array(labels, np.int64), mean, np.broadcast_to(x, mean.shape), np.broadcast_to(y, mean.shape))


def _missing(values: _Values, zero_is_missing: bool, moving: bool) -> tuple[BoolArray, BoolArray]:
    """Which means are missing, (rows, n), and which of them because there is no cell at the position 0, 0.

    `moving`: cells have a position in every frame, so that a missing one tells that the cell was not found there.
    """
    zero = values.mean == 0
    if not moving:
        return ~np.isfinite(values.mean) | (zero & zero_is_missing), np.zeros_like(zero)
    nowhere = zero & (values.x == 0) & (values.y == 0)
    placeless = zero & (np.isnan(values.x) | np.isnan(values.y))
    return ~np.isfinite(values.mean) | nowhere | placeless | (zero & zero_is_missing), nowhere


def _median_position(values: FloatArray) -> FloatArray:
    """Median over the frames that have one, (n,); NaN where none has."""
    known = np.isfinite(values).any(axis=1)
    result = np.full(len(values), np.nan)
    for row in np.flatnonzero(known):  # NumPy would warn of rows without a value
        result[row] = np.nanmedian(values[row])
    return result
