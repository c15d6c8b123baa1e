"""Recordings that exist only as traces: a table, or what another program has found in a movie."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.digests import NOTHING, Said
from calcigraph.ingest.options import TraceOptions
from calcigraph.ingest.others.kinds import read_results
from calcigraph.ingest.placed import Layout, laid_out
from calcigraph.ingest.positions import with_positions
from calcigraph.ingest.recordings import Recording, recording_of
from calcigraph.ingest.times import recorded_times
from calcigraph.ingest.trace_quality import likeness_warnings
from calcigraph.ingest.trace_table import read_trace_table
from calcigraph.store.types import BoolArray, Cells, Culture, CultureData, FloatArray, IntArray
from calcigraph.version import __version__


def traces_digest(path: str, options: TraceOptions, said: Said = NOTHING) -> str:
    """Hash of the values and the options, without experiment and condition: the same digest means the same ingest.

    Parameters
    ----------
    path
        As for `ingest_traces`.
    options
        As for `ingest_traces`.
    said
        Experiment and condition as a calcigraph hashed them to version 0.2.

    Returns
    -------
    32 hex digits.

    Raises
    ------
    NotFoundError, InputError, MissingExtraError
        As `ingest_traces`.
    """
    return _read(path, options, said).digest


def ingest_traces(path: str, *, culture: str, options: TraceOptions, version: str | None = None) -> CultureData:
    """Make a culture of a table of traces, or of what another program has found in a movie.

    Traces are stored as given (gain 1, offset 0). Missing values are linearly interpolated, at the ends continued;
    cells with more than the share `max_missing` of their frames missing are left out and named in `Culture.warnings`.
    Where the file has masks, contacts, borders, areas and outlines are those of the masks, as for movies. Where it has
    contacts, these are taken. Else contacts are Delaunay edges shorter than `max_distance_px` (default
    `placed.NEAREST_FACTOR` times the median nearest-neighbour distance), and border cells are those on the convex hull;
    areas and shared borders are NaN and polygons None: they are not known.

    Parameters
    ----------
    path
        A table (`trace_table.read_trace_table`), or a file or folder of another program (`others.kinds`).
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
        It is not such a file; its times contradict one another or the interval given; nothing is left of it.
    MissingExtraError
        A library that reads it is not installed.
    """
    recording = _read(path, options)
    enough = recording.missing.mean(axis=1) <= options.max_missing
    kept = enough & (recording.placed if recording.regions is None and not options.unconnected else True)
    if not kept.any():
        raise InputError(
            f"{path}: every one of the {len(kept)} cells lacks more than {options.max_missing:.0%} of its frames or "
            "has no position; raise --max-missing or check the file"
        )
    layout = laid_out(recording, kept, options, path)
    rows = layout.rows
    labels, missing = recording.labels[rows], recording.missing[rows]
    intensity = _filled(recording.mean[rows], missing)
    cells = Cells(
        labels=labels,
        area_px=layout.area_px,
        x_px=layout.x_px,
        y_px=layout.y_px,
        border=layout.border,
        polygons=layout.polygons,
        intensity=intensity,
        flags=tuple(f"{count} frames interpolated" if count else "" for count in missing.sum(axis=1).tolist()),
        open_px=layout.open_px,
    )
    warnings = (
        *recording.notes,
        *_left_out(recording.labels[~enough], f"more than {options.max_missing:.0%} of their frames missing"),
        *_left_out(recording.labels[enough & ~kept], "no position"),
        *likeness_warnings(intensity, labels),
        *layout.warnings,
    )
    record = _culture(culture, recording, layout, options, warnings, version or __version__)
    return CultureData(record, cells, layout.contacts)


def _read(path: str, options: TraceOptions, said: Said = NOTHING) -> Recording:
    results = read_results(Path(path), options)
    if results is None:
        return read_trace_table(path, options, said)
    return recording_of(with_positions(results, options, path), options, path, said)


def _culture(
    uid: str, recording: Recording, layout: Layout, options: TraceOptions, warnings: tuple[str, ...], version: str
) -> Culture:
    timing = recording.timing
    height, width = layout.shape
    return Culture(
        uid=uid,
        experiment=options.experiment,
        condition=options.condition,
        frames=recording.mean.shape[1],
        frame_interval_s=timing.interval_s,
        pixel_size_um=recording.pixel_size_um,
        height_px=height,
        width_px=width,
        movie=None,
        masks="traces" if recording.program is None else f"traces:{recording.program}",
        input_digest=recording.digest,
        options=_recorded(options, recording, layout),
        intensity_offset=0.0,
        intensity_gain=1.0,
        bleaching=None,
        shift_px=None,
        saturated=None,
        warnings=warnings,
        tissue=layout.tissue,
        doubts=layout.doubts,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version,
        time_s=None if timing.times_s is None else tuple(timing.times_s.tolist()),
    )


def _recorded(options: TraceOptions, recording: Recording, layout: Layout) -> dict[str, Any]:
    """`Culture.options`: those that decide the result."""
    chosen = {name: True for name in ("zero_is_missing", "trust_interval", "drop_repeats") if getattr(options, name)}
    missing = {"max_missing": options.max_missing}
    return {**layout.recorded, **missing, **recorded_times(recording.timing), **chosen, **recording.recorded}


def _filled(mean: FloatArray, missing: BoolArray) -> FloatArray:
    """The traces, (n, T), with what is missing interpolated."""
    frames = np.arange(mean.shape[1])
    filled = mean.copy()
    for row, gaps in zip(filled, missing, strict=True):
        if gaps.any():
            row[gaps] = np.interp(frames[gaps], frames[~gaps], row[~gaps])
    return filled


def _left_out(labels: IntArray, what: str) -> tuple[str, ...]:
    if not len(labels):
        return ()
    return (f"left out for having {what}: cells {', '.join(map(str, labels.tolist()))}",)
