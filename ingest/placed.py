"""Where the cells of a recording lie and which of them touch: from their pixels, from the file, or from positions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.neighbours import Places, near_contacts, on_hull, places_of, spacing
from calcigraph.ingest.options import TraceOptions
from calcigraph.ingest.recordings import Recording
from calcigraph.ingest.trace_quality import named, place_warnings
from calcigraph.option import value_of
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, Masks

NEAREST_FACTOR = 2.5
"""Contacts are Delaunay edges shorter than this many median nearest-neighbour distances, by default."""
GRID_PX = 10.0
"""Between cells that have no positions, where they are drawn."""


@dataclass(frozen=True)
class Layout:
    """The cells that are kept, and how they lie."""

    rows: IntArray
    """(n,), their places in the recording."""
    x_px: FloatArray
    y_px: FloatArray
    border: BoolArray
    contacts: Contacts
    recorded: Mapping[str, Any]
    """What decided it, for `Culture.options`."""
    area_px: FloatArray
    """(n,), NaN where there are no masks."""
    polygons: tuple[str | None, ...]
    open_px: FloatArray | None = None
    shape: tuple[int | None, int | None] = (None, None)
    """(Y, X) of the frames."""
    tissue: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def laid_out(recording: Recording, kept: BoolArray, options: TraceOptions, source: str) -> Layout:
    """The layout of the cells that have enough of a trace.

    Parameters
    ----------
    recording
        The recording.
    kept
        (n,), which of its cells are to be taken.
    options
        What the user chose.
    source
        The path as the user gave it.

    Raises
    ------
    InputError
        No cell is left, or an option asks for what the recording does not have.
    """
    if options.unconnected:
        return _apart(recording, kept, source)
    if recording.regions is not None:
        return _by_masks(recording, kept, options, source)
    for name, flag in (("mask_share", "--mask-share"), ("min_border", "--min-border"), ("max_gap", "--max-gap")):
        if getattr(options, name) is not None:
            raise InputError(f"{flag} goes with masks, and {source} has positions only; leave it out")
    if recording.pairs is not None:
        return _as_said(recording, kept, options, source)
    rows = np.flatnonzero(kept)
    places = places_of(recording.x_px[rows], recording.y_px[rows])
    limit = options.max_distance_px
    limit = limit if limit is not None else NEAREST_FACTOR * spacing(places)
    contacts = near_contacts(recording.labels[rows], places, limit)
    return _of_points(recording, rows, places, contacts, {"max_distance": limit})


def _apart(recording: Recording, kept: BoolArray, source: str) -> Layout:
    """No contacts. Cells without positions stand in a grid, so that they can be drawn."""
    if recording.regions is not None or recording.pairs is not None:
        says = "has masks" if recording.regions is not None else "says itself which cells are in contact"
        raise InputError(f"--unconnected: {source} {says}, and contacts follow from that; leave it out")
    rows = np.flatnonzero(kept)
    nothing = np.zeros(0)
    none = Contacts(recording.labels[:0], recording.labels[:0], nothing, nothing)
    if recording.placed[rows].all():
        found = _of_points(recording, rows, places_of(recording.x_px[rows], recording.y_px[rows]), none, {})
        recorded, warnings = {"contacts": "none"}, ("contacts: none, as --unconnected says",)
    else:
        across = math.ceil(math.sqrt(len(rows)))
        x, y = (GRID_PX * (0.5 + each.astype(float)) for each in np.divmod(np.arange(len(rows)), across)[::-1])
        found = _of_points(
            replace(recording, x_px=_at(rows, x, kept), y_px=_at(rows, y, kept)), rows, places_of(x, y), none, {}
        )
        recorded = {"contacts": "none", "positions": "none"}
        warnings = (
            "positions: none are known, so cells have no contacts (--unconnected); pictures show them in a grid, in "
            "the order of their labels, where places mean nothing",
        )
    return replace(found, border=np.zeros(len(rows), bool), recorded=recorded, warnings=warnings)


def _at(rows: IntArray, values: FloatArray, kept: BoolArray) -> FloatArray:
    found = np.full(len(kept), np.nan)
    found[rows] = values
    return found


def _of_points(
    recording: Recording, rows: IntArray, places: Places, contacts: Contacts, recorded: Mapping[str, Any]
) -> Layout:
    return Layout(
        rows=rows,
        x_px=recording.x_px[rows],
        y_px=recording.y_px[rows],
        border=on_hull(places),
        contacts=contacts,
        recorded=recorded,
        area_px=np.full(len(rows), np.nan),
        polygons=(None,) * len(rows),
        warnings=place_warnings(places.shared, recording.labels[rows]),
    )


def _as_said(recording: Recording, kept: BoolArray, options: TraceOptions, source: str) -> Layout:
    """Contacts as the file gives them; cells that touch one that is left out are border cells too."""
    if options.max_distance_px is not None:
        raise InputError(f"--max-distance: {source} says itself which cells are in contact; leave it out")
    assert recording.pairs is not None
    rows = np.flatnonzero(kept)
    new = np.cumsum(kept) - 1
    pairs = recording.pairs
    inside = kept[pairs].all(axis=1)
    a, b = new[pairs[inside]].T
    labels, x, y = recording.labels[rows], recording.x_px[rows], recording.y_px[rows]
    contacts = Contacts(labels[a], labels[b], np.full(len(a), np.nan), np.hypot(x[a] - x[b], y[a] - y[b]))
    found = _of_points(recording, rows, places_of(x, y), contacts, {"contacts": "of the file"})
    touching = np.unique(pairs[~inside])
    found.border[new[touching[kept[touching]]]] = True
    return found


def _by_masks(recording: Recording, kept: BoolArray, options: TraceOptions, source: str) -> Layout:
    """Contacts and borders as those of a movie's masks; all regions count as cells, also those without a trace."""
    from calcigraph.ingest.cells import find_tissue
    from calcigraph.ingest.gaps import measure_gaps
    from calcigraph.ingest.mask_cleaning import Cleaned
    from calcigraph.ingest.polygons import outlines
    from calcigraph.ingest.tissue_check import check_tissue

    if options.max_distance_px is not None:
        raise InputError(f"--max-distance: {source} has masks, and contacts follow from them; give --max-gap instead")
    assert recording.regions is not None
    share, min_border = value_of(options, "mask_share"), value_of(options, "min_border")
    image, notes = recording.regions.label_image(share, source)
    gaps = measure_gaps(image, min_area=1, min_border=min_border)
    max_gap = options.max_gap if options.max_gap is not None else (gaps.max_gap or 0)
    tissue = find_tissue(Masks(image, source, ""), min_area=1, min_border=min_border, max_gap=max_gap)
    check = check_tissue(tissue, gaps, max_gap, 1, Cleaned(image))
    place = np.searchsorted(recording.labels, tissue.labels)
    taken = kept[place]
    if not taken.any():
        raise InputError(f"{source}: no cell has both a trace and pixels; check the file")
    hidden = np.setdiff1d(recording.labels[kept], tissue.labels)
    if len(hidden):
        notes += (f"masks: cells {named(hidden)} have no pixel of their own and were left out",)
    touching = tissue.contacts
    ends = np.searchsorted(tissue.labels, np.stack([touching.label_a, touching.label_b], axis=1)).reshape(-1, 2)
    inside = taken[ends].all(axis=1)
    border = tissue.border.copy()
    border[np.unique(ends[~inside])] = True
    polygons = outlines(tissue.cells, len(tissue.labels))
    return Layout(
        rows=place[taken],
        x_px=tissue.x_px[taken],
        y_px=tissue.y_px[taken],
        border=border[taken],
        contacts=Contacts(
            label_a=touching.label_a[inside],
            label_b=touching.label_b[inside],
            shared_border_px=touching.shared_border_px[inside],
            centroid_distance_px=touching.centroid_distance_px[inside],
        ),
        recorded={"mask_share": share, "min_border": min_border, "max_gap": max_gap},
        area_px=tissue.area_px[taken],
        polygons=tuple(text for text, there in zip(polygons, taken.tolist(), strict=True) if there),
        open_px=tissue.open_px[taken],
        shape=recording.regions.shape,
        tissue=check.facts,
        warnings=(*notes, *check.warnings),
        doubts=check.doubts,
    )
