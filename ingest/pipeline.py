"""From a movie file to a `CultureData` and its OME-Zarr store; the caller writes the graph."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.ingest.digests import NOTHING, Said, input_hash
from calcigraph.ingest.movie import Movie
from calcigraph.ingest.options import IngestOptions
from calcigraph.ingest.pictures import AUTOMATIC, Segmented, segment_pictures
from calcigraph.ingest.prepare import prepared
from calcigraph.ingest.quality import fall, frame_doubts, pixel_doubts, quality_warnings
from calcigraph.ingest.settings import Settings, masks_digest, settings_of
from calcigraph.store.kept import source_of
from calcigraph.store.location import Location
from calcigraph.store.types import (
    Culture,
    CultureData,
    Progress,
    silent,
)

if TYPE_CHECKING:
    from calcigraph.ingest.denoise import Denoised
    from calcigraph.ingest.found_cells import FoundCells
    from calcigraph.ingest.inset import TracePixels
    from calcigraph.ingest.light import Light
    from calcigraph.ingest.marker import Marker
    from calcigraph.ingest.register import Moves
    from calcigraph.ingest.trace_sums import CellSums
    from calcigraph.store.movie import MovieWriter


def input_digest(source: str, options: IngestOptions, progress: Progress = silent, said: Said = NOTHING) -> str:
    """Hash of movie, masks (or segmentation model) and options: the same digest means the same ingest.

    It hashes pixels, so the same movie under another path, or in another container, has the same digest. Experiment and
    condition are no part of it: a culture moves to others without a new ingest.

    Parameters
    ----------
    source
        As for `open_movie`.
    options
        As for `ingest_movie`.
    progress
        Called with the stage "hash".
    said
        Experiment and condition as a calcigraph hashed them to version 0.2.

    Returns
    -------
    32 hex digits.

    Raises
    ------
    NotFoundError, InputError
        As `open_movie` and `read_masks`; InputError also if the frame interval is not known.
    """
    with prepared(source, options, progress) as ready:
        settings = settings_of(ready, options)
        marker = ready.marker.digest(progress) if ready.marker is not None else ""
        return input_hash(
            ready.movie.digest(progress), masks_digest(settings, options), settings.recorded, marker, said
        )


def ingest_movie(
    source: str,
    *,
    culture: str,
    options: IngestOptions,
    store_path: Location,
    version: str,
    movie_name: str | None = None,
    digest: str | None = None,
    progress: Progress = silent,
) -> CultureData:
    """Read, denoise, normalise, segment and measure a movie; write its store to `store_path`.

    If anything goes wrong, nothing is left at or beside `store_path`.

    Parameters
    ----------
    source
        As for `open_movie`.
    culture
        The culture's uid.
    options
        What the user chose.
    store_path
        Where the OME-Zarr store will be; whatever is there is replaced, at the very end.
    version
        Of calcigraph, recorded.
    movie_name
        What `Culture.movie` will say (the store relative to the workspace); by default the store's name.
    digest
        `input_digest(source, options)` if it is known already; this saves hashing the pixels again.
    progress
        Called with the stages "register", "marker", "segment", "denoise", "quartiles", "light", "traces", "background",
        "cells" and "store".

    Returns
    -------
    What the graph stores, with `culture.complete` False.

    Raises
    ------
    InputError, NotFoundError
        Something is wrong with movie, masks or options.
    MissingExtraError
        Cells are to be found, but cellpose is not installed.
    WorkspaceError
        The store cannot be written.
    """
    if options.masks is None:
        from calcigraph.ingest.segment import require_cellpose

        require_cellpose()
    with prepared(source, options, progress) as ready:
        settings = settings_of(ready, options)
        job = _Job(
            movie=ready.movie, marker=ready.marker, options=options, settings=settings, progress=progress, digest=digest
        )
        return job.run(culture, store_path, version, movie_name or store_path.name)


@dataclass(frozen=True)
class _Job:
    """One ingest. Heavy packages are imported by the steps that need them."""

    movie: Movie
    marker: Movie | None
    options: IngestOptions
    settings: Settings
    progress: Progress
    digest: str | None
    """`input_digest` if it is known already."""

    def run(self, culture: str, store_path: Location, version: str, movie_name: str) -> CultureData:
        """See `ingest_movie`."""
        from calcigraph.ingest.cells import kept_labels
        from calcigraph.ingest.found_cells import cells_with, find_in, measure
        from calcigraph.ingest.light import corrected, measure_neighbours, on_cores
        from calcigraph.ingest.trace_sums import means_of
        from calcigraph.store.movie import MovieWriter, normalise

        info, given = self.movie.info, self.settings.given
        segmented: Segmented | None = None
        moves = self._moves()
        marker = self._see_marker(moves)
        found = None if given is None else find_in(given, self.options)
        floats = np.dtype(info.dtype).kind == "f"
        with MovieWriter(store_path, info.shape, np.dtype(np.float32 if floats else np.uint16)) as writer:
            denoised = self._pass(writer, found, moves)
            if found is None:
                # Cells are found in a picture of the denoised frames, so their traces take a second read of those.
                segmented = self._segment(writer, denoised, marker)
                found = find_in(measure(segmented.masks, self.options), self.options)
            near = measure_neighbours(writer, found, self.progress)
            if self.options.crosstalk:
                found = on_cores(found, near, self.options)
            means = means_of(denoised.sums or self._sums(writer, found.pixels), found.pixels)
            light = corrected(writer, found, near, means, self.options, self.progress, self.settings.empty)
            # Eq. 23 is linear in log(x + 1), so the mean of the normalised pixels is eq. 23 of the mean logarithm.
            traces = normalise(light.logs, light.scale(denoised.normalisation))
            seen = marker.digest if marker else ""
            digest = self.digest or input_hash(denoised.digest, found.masks.digest, self.settings.recorded, seen)
            record = self._culture(
                culture, digest, denoised, found, light, segmented, moves, version=version, movie_name=movie_name
            )
            data = CultureData(record, cells_with(found, traces, self.progress), found.tissue.contacts)
            self.progress("store", 0, 1)
            stored = writer.finish(
                normalisation=denoised.normalisation,
                labels=kept_labels(found.tissue),
                cells=found.tissue.labels,
                traces=traces,
                log_traces=means.logs,
                denoised_traces=means.raw,
                frame_interval_s=self.settings.timing.interval_s,
                pixel_size_um=self.settings.pixel_size_um,
                about=self._about(record, denoised, light, moves),
                data=data,
            )
            self.progress("store", 1, 1)
        return replace(data, culture=replace(record, movie_digest=stored))

    def _about(self, record: Culture, denoised: Denoised, light: Light, moves: Moves | None) -> dict[str, Any]:
        """What the store says of its culture, and of its film alone, for masks that are mended later."""
        of_mask = light.off if self.settings.empty is not None else None
        return {
            "film": {
                **({} if of_mask is None else {"background": of_mask.levels.tolist()}),
                "doubts": list(frame_doubts(denoised.frame_means)),
                "digest": denoised.digest,
                "notes": list(self.settings.of_film),
                **({} if moves is None or not moves.warnings else {"moved": list(moves.warnings)}),
                "low": denoised.low,
                "high": denoised.high,
                "repeated": denoised.repeated,
            },
            "culture": record.uid,
            "input_digest": record.input_digest,
            "options": record.options,
            "source": source_of(self.movie.info.source, asdict(self.options)),
            "version": record.version,
            **({"registration": record.registration} if record.registration else {}),
        }

    def _moves(self) -> Moves | None:
        """Where the tissue lies in every frame, of the channel of the signal."""
        if self.options.register == "none":
            return None
        from calcigraph.ingest.register import find_moves

        return find_moves(self.movie, self.options.register, self.progress)

    def _pass(self, writer: MovieWriter, found: FoundCells | None, moves: Moves | None) -> Denoised:
        from calcigraph.ingest.denoise import Pass

        return Pass(
            self.movie,
            writer,
            # Which pixels are free of the neighbours' light is known only when all frames have been read.
            pixels=None if found is None or self.options.crosstalk else found.pixels,
            pictures=() if found is not None or self.marker is not None else self._over_time(),
            moves=moves,
        ).run(self.progress)

    def _named(self) -> tuple[str, ...]:
        """The pictures to segment: "mean", "max", or the number of a frame."""
        return AUTOMATIC if self.options.segment_on == "auto" else (str(self.options.segment_on),)

    def _over_time(self) -> tuple[str, ...]:
        return tuple(name for name in self._named() if not name.isdecimal())

    def _see_marker(self, moves: Moves | None) -> Marker | None:
        from calcigraph.ingest.marker import see_marker

        return None if self.marker is None else see_marker(self.marker, self._named(), self.progress, moves)

    def _segment(self, writer: MovieWriter, denoised: Denoised, marker: Marker | None) -> Segmented:
        """Cellpose's masks of the mean or maximum over time, or of one frame; of the marker where there is one."""
        from calcigraph.store.movie import normalise

        if marker is not None:
            return segment_pictures(marker.pictures, self.options.cellpose_model, self.progress)
        on = self.options.segment_on
        logs = denoised.pictures or {str(on): np.log1p(writer.frame(int(on)), dtype=np.float64)}
        seen = {name: normalise(picture, denoised.normalisation) for name, picture in logs.items()}
        return segment_pictures(seen, self.options.cellpose_model, self.progress)

    def _sums(self, writer: MovieWriter, pixels: TracePixels) -> CellSums:
        from calcigraph.ingest.trace_sums import sums_of_store

        return sums_of_store(writer, pixels, self.progress)

    def _culture(
        self,
        uid: str,
        digest: str,
        denoised: Denoised,
        found: FoundCells,
        light: Light,
        segmented: Segmented | None,
        moves: Moves | None,
        *,
        version: str,
        movie_name: str,
    ) -> Culture:
        frames, height, width = self.movie.info.shape
        times = self.settings.timing.times_s
        bleaching = fall(denoised.frame_means)
        doubts = (
            *pixel_doubts(low=denoised.low - light.off_counts, high=denoised.high - light.off_counts),
            *frame_doubts(denoised.frame_means),
        )
        return Culture(
            uid=uid,
            experiment=self.options.experiment,
            condition=self.options.condition,
            frames=frames,
            frame_interval_s=self.settings.timing.interval_s,
            time_s=None if times is None else tuple(times.tolist()),
            pixel_size_um=self.settings.pixel_size_um,
            height_px=height,
            width_px=width,
            movie=movie_name,
            masks=found.masks.source,
            input_digest=digest,
            options={**self.settings.recorded, "max_gap": found.max_gap},
            intensity_offset=light.scale(denoised.normalisation).offset,
            intensity_gain=light.scale(denoised.normalisation).gain,
            bleaching=bleaching,
            shift_px=denoised.shift_px,
            saturated=denoised.saturated,
            warnings=(
                *self.settings.notes,
                *(segmented.warnings if segmented else ()),
                *found.check.warnings,
                *doubts,
                *quality_warnings(
                    bleaching=bleaching,
                    detrended=self.options.detrend != "none",
                    shift_px=denoised.shift_px,
                    saturated=denoised.saturated,
                    repeated=denoised.repeated,
                    frames=frames,
                ),
                *light.warnings,
                *(moves.warnings if moves else ()),
            ),
            tissue={**found.check.facts, **({"picture": segmented.picture} if segmented else {})},
            light=light.facts,
            registration=moves.facts if moves else {},
            doubts=(*found.check.doubts, *doubts),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version,
        )
