"""Recordings that exist only as a CSV: one trace per cell, and the cell's position in every frame."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.digests import digest_of
from calcigraph.ingest.neighbours import Places, near_contacts, on_hull, places_of, spacing
from calcigraph.ingest.options import TraceOptions
from calcigraph.ingest.quality import quality_warnings
from calcigraph.ingest.row_times import ordered, time_column
from calcigraph.ingest.table import Row, Table, parse_table, table_bytes
from calcigraph.ingest.times import Timing, recorded_times, settle
from calcigraph.ingest.trace_quality import likeness_warnings, place_warnings, zero_warnings
from calcigraph.store.types import BoolArray, Cells, Culture, CultureData, FloatArray, IntArray
from calcigraph.version import __version__

NEAREST_FACTOR = 2.5
"""Contacts are Delaunay edges shorter than this many median nearest-neighbour distances, by default."""

_COLUMN = re.compile(r"(Mean|XM|YM)_?(\d+)")
"""Of ImageJ's table of measurements: mean intensity, and column and row of the centre of mass, of a numbered cell."""
_KINDS = ("Mean", "XM", "YM")


def traces_digest(path: str, options: TraceOptions) -> str:
    """Hash of the file and the options: the same digest means the same ingest.

    Parameters
    ----------
    path
        The CSV.
    options
        As for `ingest_traces`.

    Returns
    -------
    32 hex digits.

    Raises
    ------
    NotFoundError, InputError
        As `ingest_traces`.
    """
    return _read(path, options).digest


def ingest_traces(path: str, *, culture: str, options: TraceOptions, version: str | None = None) -> CultureData:
    """Make a culture of a CSV with columns Mean_i or Meani, XM..., YM... for cell i and one row per frame.

    Rows are put in the order of a column of frame numbers or times, if there is one (`row_times.time_column` says
    what such a column is called). Traces are stored as given (gain 1, offset 0). A mean is missing where nothing or
    NaN stands, where a 0 has no position or the position 0, 0, and where a 0 stands and `zero_is_missing` is set. It is
    linearly interpolated, at the ends continued; cells with more than the share `max_missing` of their frames missing
    are left out and named in `Culture.warnings`. A cell's position is its median over the frames. Contacts are
    Delaunay edges shorter than `max_distance_px` (default NEAREST_FACTOR times the median nearest-neighbour distance);
    border cells are those on the convex hull. Areas and shared borders are NaN and polygons None: they are not known.

    Parameters
    ----------
    path
        The CSV.
    culture
        The culture's uid.
    options
        What the user chose.
    version
        Of calcigraph, recorded; by default the installed one.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is not such a table; its times contradict one another or the interval given; nothing is left of it.
    """
    recording = _read(path, options)
    kept, places = recording.kept, recording.places
    labels, missing = recording.labels[kept], recording.missing[kept]
    given = options.max_distance_px
    limit = given if given is not None else NEAREST_FACTOR * spacing(places)
    intensity = _filled(recording.mean[kept], missing)
    cells = Cells(
        labels=labels,
        area_px=np.full(len(labels), np.nan),
        x_px=recording.x_px[kept],
        y_px=recording.y_px[kept],
        border=on_hull(places),
        polygons=(None,) * len(labels),
        intensity=intensity,
        flags=tuple(f"{count} frames interpolated" if count else "" for count in missing.sum(axis=1).tolist()),
    )
    timing = recording.timing
    record = Culture(
        uid=culture,
        experiment=options.experiment,
        condition=options.condition,
        frames=intensity.shape[1],
        frame_interval_s=timing.interval_s,
        pixel_size_um=None,
        height_px=None,
        width_px=None,
        movie=None,
        masks="traces",
        input_digest=recording.digest,
        options=_recorded(options, timing, limit),
        intensity_offset=0.0,
        intensity_gain=1.0,
        bleaching=None,
        shift_px=None,
        saturated=None,
        warnings=(
            *recording.notes,
            *_left_out(recording.labels[~kept], options.max_missing),
            *likeness_warnings(intensity, labels),
            *place_warnings(places.shared, labels),
        ),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version if version is not None else __version__,
        time_s=None if timing.times_s is None else tuple(timing.times_s.tolist()),
    )
    return CultureData(record, cells, near_contacts(labels, places, limit))


@dataclass(frozen=True)
class _Recording:
    """What a CSV tells, frames in order, cells sorted by label."""

    labels: IntArray
    mean: FloatArray
    """(n, T)."""
    missing: BoolArray
    """(n, T)."""
    x_px: FloatArray
    """(n,), NaN where it is not known."""
    y_px: FloatArray
    kept: BoolArray
    """(n,), cells with a position and few enough missing frames."""
    places: Places
    """Of the cells that are kept."""
    timing: Timing
    notes: tuple[str, ...]
    """What was done to the table or is odd about it, one line each, for the user."""
    digest: str


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


def _read(path: str, options: TraceOptions) -> _Recording:
    content = table_bytes(path)
    table = parse_table(path, content)
    columns = _columns(table)
    rows, notes = _body(table)
    values = _numbers(table, columns, rows)
    missing, nowhere = _missing(values, options.zero_is_missing)
    chosen, timing, more, repeats = _in_time(table, rows, values, missing, options)
    values, missing, nowhere = values.rows(chosen), missing[chosen], nowhere[chosen]
    x, y = (_median_position(np.where(nowhere, np.nan, at).T) for at in (values.x, values.y))
    kept = (missing.mean(axis=0) <= options.max_missing) & np.isfinite(x) & np.isfinite(y)
    if not kept.any():
        raise InputError(
            f"{path}: every one of the {len(kept)} cells lacks more than {options.max_missing:.0%} of its frames or "
            "has no position; raise --max-missing or check the file"
        )
    places = places_of(x[kept], y[kept])
    zeros = (values.mean == 0) & ~missing
    told = zero_warnings(values.mean.T, zeros.T, nowhere.T, values.labels)
    # Version 0.1 did none of this. Where it would have done the same, its digest stays.
    new = {
        "time_s": None if timing.times_s is None else recorded_times(timing)["time_s"],
        "rows": None if np.array_equal(chosen, np.arange(len(rows))) else chosen.tolist(),
        "zeros": "missing" if options.zero_is_missing else "values" if zeros.any() else None,
        "trusted": options.trust_interval or None,
        "places": places.of.tolist() if places.shared else None,
    }
    return _Recording(
        labels=values.labels,
        mean=values.mean.T,
        missing=missing.T,
        x_px=x,
        y_px=y,
        kept=kept,
        places=places,
        timing=timing,
        notes=(*notes, *more, *timing.warnings, *told, *_repeat_warnings(repeats, len(chosen))),
        digest=_digest(content, timing, options, {name: what for name, what in new.items() if what is not None}),
    )


def _in_time(
    table: Table, rows: tuple[Row, ...], values: _Values, missing: BoolArray, options: TraceOptions
) -> tuple[IntArray, Timing, tuple[str, ...], int]:
    """The rows to take, in the order of their times; the times; what to tell; and how many repeated ones are left."""
    path, given, trusted = table.path, options.frame_interval_s, options.trust_interval
    lost = missing.all(axis=1)
    if (~lost).sum() < 2:
        raise InputError(f"{path}: {int((~lost).sum())} frames with a value; expected at least 2 rows below the header")
    everything = np.concatenate([values.mean, values.x, values.y], axis=1)
    found = ordered(table, rows, everything, lost, given, trusted)
    if len(found.chosen) < 2:
        raise InputError(f"{path}: all of its {len(rows)} rows are of one frame; expected at least 2 frames")
    timing, chosen = settle(found.times, given, trusted, path), found.chosen
    fresh = _fresh(values.mean[chosen])
    repeats, frames = int((~fresh).sum()), len(fresh)
    if not (options.drop_repeats and repeats):
        return chosen, timing, found.notes, repeats
    if fresh.sum() < 2:
        raise InputError(f"{path}: all of its {frames} frames are the same; expected a recording")
    left = f"repeats: {repeats} of {frames} frames are copies of the one before and are left out"
    return chosen[fresh], timing.chosen(np.flatnonzero(fresh), frames), (*found.notes, left), 0


def _digest(content: bytes, timing: Timing, options: TraceOptions, new: dict[str, Any]) -> str:
    interval = options.frame_interval_s if options.frame_interval_s is not None else timing.interval_s
    deciding: list[Any] = [hashlib.sha256(content).hexdigest(), interval, options.experiment, options.condition]
    deciding += [options.max_distance_px, options.max_missing, *([new] if new else [])]
    return digest_of(json.dumps(deciding).encode())


def _recorded(options: TraceOptions, timing: Timing, limit: float) -> dict[str, Any]:
    """`Culture.options`: those that decide the result."""
    chosen = {name: True for name in ("zero_is_missing", "trust_interval", "drop_repeats") if getattr(options, name)}
    return {"max_distance": limit, "max_missing": options.max_missing} | recorded_times(timing) | chosen


def _columns(table: Table) -> dict[int, dict[str, int]]:
    """Where in a row the Mean, XM and YM of each cell are."""
    found: dict[int, dict[str, int]] = {}
    for place, name in enumerate(table.header):
        match = _COLUMN.fullmatch(name)
        if match:
            kinds = found.setdefault(int(match[2]), {})
            if match[1] in kinds:
                raise InputError(f"{table.path}: two columns {match[1]} for cell {match[2]}; expected one")
            kinds[match[1]] = place
    if not found:
        raise InputError(f"{table.path}: no columns of traces; expected Mean_1 (or Mean1), XM_1, YM_1, Mean_2, ...")
    for label, kinds in found.items():
        for kind in _KINDS:
            if kind not in kinds:
                raise InputError(
                    f"{table.path}: cell {label} has no column {kind}_{label}; expected Mean, XM and YM for each"
                )
    return found


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


def _numbers(table: Table, columns: dict[int, dict[str, int]], rows: tuple[Row, ...]) -> _Values:
    labels = sorted(columns)

    def values(kind: str) -> FloatArray:
        picked = [columns[label][kind] for label in labels]
        return np.array([[table.number(row, at) for at in picked] for row in rows])

    mean, x, y = map(values, _KINDS)
    return _Values(np.array(labels, np.int64), mean, x, y)


def _missing(values: _Values, zero_is_missing: bool) -> tuple[BoolArray, BoolArray]:
    """Which means are missing, (rows, n), and which of them because there is no cell at the position 0, 0."""
    zero = values.mean == 0
    nowhere = zero & (values.x == 0) & (values.y == 0)
    placeless = zero & (np.isnan(values.x) | np.isnan(values.y))
    return ~np.isfinite(values.mean) | nowhere | placeless | (zero & zero_is_missing), nowhere


def _fresh(mean: FloatArray) -> BoolArray:
    """(T,), which frames differ from the one before, from (T, n)."""
    with np.errstate(invalid="ignore"):
        same = (mean[1:] == mean[:-1]) | (np.isnan(mean[1:]) & np.isnan(mean[:-1]))
    return np.concatenate([[True], ~same.all(axis=1)])


def _repeat_warnings(repeats: int, frames: int) -> tuple[str, ...]:
    return quality_warnings(
        bleaching=0.0, detrended=False, shift_px=0.0, saturated=0.0, repeated=repeats, frames=frames
    )


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


def _left_out(labels: IntArray, max_missing: float) -> tuple[str, ...]:
    if not len(labels):
        return ()
    names = ", ".join(map(str, labels.tolist()))
    return (f"left out for having more than {max_missing:.0%} of their frames missing: cells {names}",)
