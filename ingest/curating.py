"""Mended masks for a culture that is stored: cells that changed are measured anew from its denoised movie.

What it gives is that of an ingest of the same movie with these masks and the same options, to the last bit: the movie
is not denoised again, and the normalisation of its frames (eq. 23) does not depend on masks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError, command
from calcigraph.ingest.cells import compact, kept_labels
from calcigraph.ingest.digests import input_hash
from calcigraph.ingest.found_cells import FoundCells, cells_with, find_in, read_given
from calcigraph.ingest.inset import TracePixels, deepest_pixels
from calcigraph.ingest.light import Light, corrected, measure_neighbours, on_cores
from calcigraph.ingest.options import IngestOptions
from calcigraph.ingest.quality import pixel_doubts, quality_warnings
from calcigraph.ingest.trace_sums import CellMeans, means_of, sums_of_store
from calcigraph.store.kept import source_of
from calcigraph.store.location import Location
from calcigraph.store.movie import DenoisedFrames, MovieWriter, StoredMovie, normalise
from calcigraph.store.types import BoolArray, Culture, CultureData, IntArray, LabelImage, Progress, silent

OF_SEGMENTATION = ("cellpose_model", "segment_on", "gap_given", "segment_channel", "segment_channel_name")
"""Options of a culture whose cells were found, which masks make meaningless."""


@dataclass(frozen=True)
class Mended:
    """What the masks say, before anything is measured; made by `read_mended`."""

    options: IngestOptions
    found: FoundCells
    digest: str
    """`Culture.input_digest` of the culture with these masks."""
    recorded: dict[str, Any]
    """`Culture.options` of it."""
    notes: tuple[str, ...]
    """What was decided in reading the masks, for the user."""


def read_mended(path: str, culture: Culture, stored: StoredMovie) -> Mended:
    """Read mended masks, with the options that the culture was ingested with.

    Gaps between cells are closed as they were in the culture, also where the new masks would ask for another width.

    Parameters
    ----------
    path
        A label image, or regions, as for `read_masks`.
    culture
        As it is stored.
    stored
        Its movie store.

    Raises
    ------
    NotFoundError, InputError
        As `read_masks`; InputError also for a culture of a version whose store tells too little of its movie.
    """
    if "film" not in stored.about:
        again = command("ingest", ["MOVIE"], "--culture", culture.uid, "--masks", path, "--replace")
        raise InputError(
            f"culture {culture.uid} was ingested by calcigraph {culture.version}, whose movie store keeps too "
            f"little to mend its masks: run its ingest again with these masks, `{again}`"
        )
    recorded = {name: value for name, value in culture.options.items() if name not in OF_SEGMENTATION}
    known = {item.name for item in fields(IngestOptions)} - {"frames", "drop_repeats", "trust_interval"}
    options = IngestOptions(**{name: value for name, value in recorded.items() if name in known}, masks=path)
    given = read_given(path, stored.shape[1:], options, stored.labels)
    return Mended(
        options=options,
        found=find_in(given, options),
        digest=input_hash(stored.about["film"]["digest"], given.masks.digest, recorded),
        recorded=recorded,
        notes=given.notes,
    )


def remeasure(
    mended: Mended,
    culture: Culture,
    stored: StoredMovie,
    *,
    store_path: Location,
    movie_name: str,
    version: str,
    progress: Progress = silent,
) -> CultureData:
    """Measure the cells that changed, and write a movie store with the new labels and traces beside the old one.

    Parameters
    ----------
    mended
        What the new masks say.
    culture, stored
        The culture as it is stored, and its movie.
    store_path, movie_name
        Where the new store will be, and that relative to the workspace.
    version
        Of calcigraph.
    progress
        Called with the stages "light", "traces", "background", "cells" and "store".

    Raises
    ------
    InputError
        As `corrected`.
    WorkspaceError
        The store is damaged, or the new one cannot be written.
    """
    found, options = mended.found, mended.options
    near = measure_neighbours(stored, found, progress)
    if options.crosstalk:
        found = on_cores(found, near, options)
    means = _means(found, culture, stored, options, progress)
    light = corrected(stored, found, near, means, options, progress, stored.about["film"].get("background"))
    traces = normalise(light.logs, light.scale(stored.normalisation))
    record = _record(mended, found, light, culture, stored, movie_name=movie_name, version=version)
    data = CultureData(record, cells_with(found, traces, progress), found.tissue.contacts)
    with MovieWriter(store_path, stored.shape, stored.dtype) as writer:
        progress("store", 0, 1)
        writer.take_frames(stored)
        about = {"culture": record.uid, "input_digest": record.input_digest, "options": record.options}
        digest = writer.finish(
            normalisation=stored.normalisation,
            labels=kept_labels(found.tissue),
            cells=found.tissue.labels,
            traces=traces,
            log_traces=means.logs,
            denoised_traces=means.raw,
            frame_interval_s=stored.frame_interval_s,
            pixel_size_um=stored.pixel_size_um,
            about={
                "film": stored.about["film"],
                **about,
                **_registered(stored),
                **_source(mended, stored),
                "version": version,
            },
            data=data,
        )
        progress("store", 1, 1)
    return replace(data, culture=replace(record, movie_digest=digest))


def _source(mended: Mended, stored: StoredMovie) -> dict[str, Any]:
    """What an ingest with the mended masks would be given."""
    before = stored.about.get("source")
    if before is None:
        return {}
    given = before["options"] | {"masks": mended.options.masks, "max_gap": mended.found.max_gap}
    return {"source": source_of(before["movie"], given)}


def _registered(stored: StoredMovie) -> dict[str, Any]:
    return {"registration": stored.about["registration"]} if "registration" in stored.about else {}


def _record(
    mended: Mended,
    found: FoundCells,
    light: Light,
    culture: Culture,
    stored: StoredMovie,
    *,
    movie_name: str,
    version: str,
) -> Culture:
    film = stored.about["film"]
    pixels = pixel_doubts(low=film["low"] - light.off_counts, high=film["high"] - light.off_counts)
    doubts = (*pixels, *film.get("doubts", ()))
    quality = quality_warnings(
        bleaching=culture.bleaching or 0.0,
        detrended=mended.options.detrend != "none",
        shift_px=culture.shift_px or 0.0,
        saturated=culture.saturated or 0.0,
        repeated=film["repeated"],
        frames=culture.frames,
    )
    return replace(
        culture,
        movie=movie_name,
        masks=found.masks.source,
        input_digest=mended.digest,
        options=mended.recorded,
        warnings=(
            *film["notes"],
            *mended.notes,
            *found.check.warnings,
            *doubts,
            *quality,
            *light.warnings,
            *film.get("moved", ()),
        ),
        intensity_offset=light.scale(stored.normalisation).offset,
        intensity_gain=light.scale(stored.normalisation).gain,
        tissue=dict(found.check.facts),
        light=light.facts,
        doubts=(*found.check.doubts, *doubts),
        version=version,
    )


class _Strip(DenoisedFrames):
    """The rows of a store's frames from `top` to before `bottom`."""

    def __init__(self, movie: StoredMovie, top: int, bottom: int) -> None:
        self._movie, self._rows = movie, slice(top, bottom)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        return (self._movie.shape[0], self._rows.stop - self._rows.start, self._movie.shape[2])

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the store."""
        return self._movie.dtype

    def blocks(self) -> list[range]:
        """Those of the store."""
        return self._movie.blocks()

    def frame(self, number: int) -> NDArray[Any]:
        """The strip of one frame."""
        return self._movie.frame(number)[self._rows]


def _means(
    found: FoundCells, culture: Culture, stored: StoredMovie, options: IngestOptions, progress: Progress
) -> CellMeans:
    """Means over the cells' pixels: those of the store where a cell has the same pixels as before."""
    labels, cells = found.tissue.labels, found.tissue.cells
    old_labels, old_cells = compact(stored.labels)
    inset = int(culture.light.get("trace_inset", options.trace_inset))
    old = _pixels_of(deepest_pixels(old_cells, len(old_labels), inset, options.trace_inset), old_labels, cells.shape)
    new = _pixels_of(found.pixels, labels, cells.shape)
    differing = np.unique(np.concatenate([old[old != new], new[old != new]]))
    logs = stored.log_traces
    same = ~np.isin(labels, differing) & np.isin(labels, stored.cells)
    if logs is None:
        same[:] = False
    means = CellMeans(np.empty((len(labels), stored.shape[0])), np.empty((len(labels), stored.shape[0])))
    places = np.searchsorted(stored.cells, labels[same])
    means.raw[same] = stored.denoised_traces[places]
    if logs is not None:
        means.logs[same] = logs[places]
    if not same.all():
        measured = _measured(found.pixels, ~same, cells.shape, stored, progress)
        means.logs[~same], means.raw[~same] = measured.logs, measured.raw
    return means


def _pixels_of(pixels: TracePixels, labels: IntArray, shape: tuple[int, ...]) -> LabelImage:
    """(Y, X), the label of the cell whose trace a pixel is part of, 0 for none."""
    values = np.append(labels, 0)[pixels.rows].astype(np.int32)
    return np.repeat(values, np.diff(pixels.starts, append=pixels.size)).reshape(shape)


def _measured(
    pixels: TracePixels, wanted: BoolArray, shape: tuple[int, ...], stored: StoredMovie, progress: Progress
) -> CellMeans:
    """Means over the pixels of the wanted cells, from the rows of the frames that hold them."""
    chosen = np.flatnonzero(wanted)
    numbers = np.full(len(wanted) + 1, len(chosen))
    numbers[chosen] = np.arange(len(chosen))
    image = _pixels_of(pixels, np.arange(1, len(wanted) + 1), shape)
    kept = wanted[image - 1] & (image > 0)
    lines = np.flatnonzero(kept.any(axis=1))
    top, bottom = int(lines[0]), int(lines[-1]) + 1
    first = np.searchsorted(pixels.starts, top * shape[1], side="right") - 1
    last = np.searchsorted(pixels.starts, bottom * shape[1])
    starts = np.maximum(pixels.starts[first:last] - top * shape[1], 0)
    strip = TracePixels(
        starts=starts,
        rows=numbers[pixels.rows[first:last]],
        counts=pixels.counts[chosen],
        flags=tuple(pixels.flags[place] for place in chosen.tolist()),
        size=(bottom - top) * shape[1],
    )
    return means_of(sums_of_store(_Strip(stored, top, bottom), strip, progress), strip)
