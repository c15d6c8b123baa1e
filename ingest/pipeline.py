"""From a movie file to a `CultureData` and its OME-Zarr store; the graph is written by whoever called."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.formats import open_movie
from calcigraph.ingest.movie import Movie
from calcigraph.ingest.options import IngestOptions
from calcigraph.store.types import (
    Cells,
    Culture,
    CultureData,
    FloatArray,
    Masks,
    MovieInfo,
    Normalisation,
    Progress,
    silent,
)

if TYPE_CHECKING:
    from calcigraph.ingest.cells import Tissue
    from calcigraph.ingest.denoise import CellSums, Denoised
    from calcigraph.ingest.inset import TracePixels
    from calcigraph.store.movie import MovieWriter

BLEACHING = 0.1
SHIFT_PX = 1.0
SATURATED = 1e-3


def input_digest(source: str, options: IngestOptions, progress: Progress = silent) -> str:
    """Hash of movie, masks (or segmentation model) and options: the same digest means the same ingest.

    It hashes pixels, so the same movie under another path, or in another container, has the same digest. Raises as
    `open_movie`, and InputError if the frame interval is not known.
    """
    with open_movie(source, timed=options.frame_interval_s is not None) as movie:
        settings = _settings(movie.info, options)
        return _digest(movie.digest(progress), _masks_digest(movie.info, options), options, settings)


def ingest_movie(
    source: str,
    *,
    culture: str,
    options: IngestOptions,
    store_path: Path,
    version: str,
    movie_name: str | None = None,
    digest: str | None = None,
    progress: Progress = silent,
) -> CultureData:
    """Read, denoise, normalise, segment and measure a movie; write its store to `store_path`.

    Parameters
    ----------
    source : as for `open_movie`.
    culture : the culture's uid.
    store_path : where the OME-Zarr store will be; whatever is there is replaced, at the very end.
    version : of calcigraph, recorded.
    movie_name : what `Culture.movie` will say (the store relative to the workspace); by default the store's name.
    digest : `input_digest(source, options)` if it is known already; saves hashing the pixels again.
    progress : called with the stages "segment", "denoise", "quartiles", "traces", "cells" and "store".

    Returns
    -------
    CultureData with `culture.complete` False. Raises InputError, NotFoundError, MissingExtraError (no cellpose) and
    WorkspaceError (the store cannot be written); in each case nothing is left at or beside `store_path`.
    """
    with open_movie(source, timed=options.frame_interval_s is not None) as movie:
        settings = _settings(movie.info, options)
        job = _Job(movie, options, settings, progress, digest)
        return job.run(culture, store_path, version, movie_name or store_path.name)


@dataclass(frozen=True)
class _Settings:
    """The options after the file's metadata and the defaults are filled in."""

    frame_interval_s: float
    pixel_size_um: float | None
    recorded: dict[str, Any]


@dataclass(frozen=True)
class _Job:
    movie: Movie
    options: IngestOptions
    settings: _Settings
    progress: Progress
    digest: str | None

    def run(self, culture: str, store_path: Path, version: str, movie_name: str) -> CultureData:
        from calcigraph.store.movie import MovieWriter, normalise

        info = self.movie.info
        masks = self._read_masks()
        found = None if masks is None else self._tissue(masks)
        floats = np.dtype(info.dtype).kind == "f" or self.options.detrend != "none"
        with MovieWriter(store_path, info.shape, np.dtype(np.float32 if floats else np.uint16)) as writer:
            denoised = self._pass(writer, found)
            if masks is None:
                masks = self._segment(writer, denoised)
                found = self._tissue(masks)
            assert found is not None
            tissue, pixels = found
            sums = denoised.sums or self._sums(writer, found)
            normalisation = denoised.normalisation
            traces = normalise(sums.logs / pixels.counts[:, None], normalisation)
            digest = self.digest or _digest(denoised.digest, masks.digest, self.options, self.settings)
            record = self._culture(culture, digest, denoised, masks, version, movie_name)
            self.progress("store", 0, 1)
            writer.finish(
                normalisation=normalisation,
                labels=_kept_labels(tissue),
                cells=tissue.labels,
                traces=traces,
                denoised_traces=sums.raw / pixels.counts[:, None],
                frame_interval_s=self.settings.frame_interval_s,
                pixel_size_um=self.settings.pixel_size_um,
                about={
                    "culture": culture,
                    "input_digest": digest,
                    "options": self.settings.recorded,
                    "version": version,
                },
            )
            self.progress("store", 1, 1)
        return CultureData(record, self._cells(found, traces), tissue.contacts)

    def _read_masks(self) -> Masks | None:
        if self.options.masks is None:
            return None
        from calcigraph.ingest.masks import read_masks

        return read_masks(self.options.masks, self.movie.info.shape[1:])

    def _tissue(self, masks: Masks) -> tuple[Tissue, TracePixels]:
        from calcigraph.ingest.cells import find_tissue
        from calcigraph.ingest.inset import trace_pixels

        options = self.options
        tissue = find_tissue(masks, min_area=options.min_area, min_border=options.min_border, max_gap=options.gap)
        return tissue, trace_pixels(tissue.cells, len(tissue.labels), options.trace_inset)

    def _pass(self, writer: MovieWriter, found: tuple[Tissue, TracePixels] | None) -> Denoised:
        from calcigraph.ingest.denoise import Pass

        on = self.options.segment_on
        return Pass(
            self.movie,
            writer,
            detrend=self.options.detrend == "global",
            pixels=None if found is None else found[1],
            picture=on if found is None and isinstance(on, str) else None,
            hashed=self.digest is None,
        ).run(self.progress)

    def _segment(self, writer: MovieWriter, denoised: Denoised) -> Masks:
        from calcigraph.ingest.segment import find_cells
        from calcigraph.store.movie import normalise

        logs = denoised.picture
        if logs is None:
            logs = np.log1p(writer.frame(int(self.options.segment_on)), dtype=np.float64)
        return find_cells(normalise(logs, denoised.normalisation), self.options.cellpose_model, self.progress)

    def _sums(self, writer: MovieWriter, found: tuple[Tissue, TracePixels]) -> CellSums:
        from calcigraph.ingest.denoise import sums_of_store

        return sums_of_store(writer, found[1], self.progress)

    def _cells(self, found: tuple[Tissue, TracePixels], traces: FloatArray) -> Cells:
        from calcigraph.ingest.polygons import outlines

        tissue, pixels = found
        self.progress("cells", 0, 1)
        polygons = outlines(tissue.cells, len(tissue.labels))
        self.progress("cells", 1, 1)
        return Cells(
            labels=tissue.labels,
            area_px=tissue.area_px,
            x_px=tissue.x_px,
            y_px=tissue.y_px,
            border=tissue.border,
            polygons=polygons,
            intensity=traces,
            flags=pixels.flags,
        )

    def _culture(
        self, uid: str, digest: str, denoised: Denoised, masks: Masks, version: str, movie_name: str
    ) -> Culture:
        frames, height, width = self.movie.info.shape
        bleaching = fall(denoised.frame_means)
        normalisation: Normalisation = denoised.normalisation
        return Culture(
            uid=uid,
            experiment=self.options.experiment,
            condition=self.options.condition,
            frames=frames,
            frame_interval_s=self.settings.frame_interval_s,
            pixel_size_um=self.settings.pixel_size_um,
            height_px=height,
            width_px=width,
            movie=movie_name,
            masks=masks.source,
            input_digest=digest,
            options=self.settings.recorded,
            intensity_offset=normalisation.offset,
            intensity_gain=normalisation.gain,
            bleaching=bleaching,
            shift_px=denoised.shift_px,
            saturated=denoised.saturated,
            warnings=_warnings(bleaching, denoised, self.options.detrend),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version,
        )


def fall(frame_means: FloatArray) -> float:
    """Relative fall of the mean over the movie, negative if it rises.

    The larger of two: from the first to the last tenth of the frames, which sees any course but reads a steady fall
    too small, and along the least-squares line from the first frame to the last.
    """
    tenth = max(1, len(frame_means) // 10)
    times = np.linspace(-1, 1, len(frame_means))
    middle, slope = frame_means.mean(), (times @ frame_means) / (times @ times)
    ends = ((frame_means[:tenth].mean(), frame_means[-tenth:].mean()), (middle - slope, middle + slope))
    falls = [1 - float(last) / float(first) for first, last in ends if first > 0]
    return max(falls, default=0.0)


def _settings(info: MovieInfo, options: IngestOptions) -> _Settings:
    interval = options.frame_interval_s if options.frame_interval_s is not None else info.frame_interval_s
    if interval is None:
        raise InputError(
            f"{info.source}: the file does not say how far apart its frames are; give --frame-interval in seconds"
        )
    if isinstance(options.segment_on, int) and options.segment_on >= info.shape[0]:
        raise InputError(
            f"--segment-on {options.segment_on}: the movie has frames 0 to {info.shape[0] - 1}; expected one of them"
        )
    pixel = options.pixel_size_um if options.pixel_size_um is not None else info.pixel_size_um
    recorded = asdict(options) | {"max_gap": options.gap, "frame_interval_s": interval, "pixel_size_um": pixel}
    for name in ("experiment", "condition", "masks") + (("cellpose_model", "segment_on") if options.masks else ()):
        del recorded[name]
    return _Settings(interval, pixel, recorded)


def _masks_digest(info: MovieInfo, options: IngestOptions) -> str:
    if options.masks is not None:
        from calcigraph.ingest.masks import read_masks

        return read_masks(options.masks, info.shape[1:]).digest
    from calcigraph.ingest.segment import find_weights

    return find_weights(options.cellpose_model).digest


def _digest(movie: str, masks: str, options: IngestOptions, settings: _Settings) -> str:
    # a culture that moves to another experiment or condition is another input too: it must not be ignored silently
    text = json.dumps([movie, masks, options.experiment, options.condition, settings.recorded], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _kept_labels(tissue: Tissue) -> Any:
    values = np.concatenate([np.zeros(1, np.int64), tissue.labels]).astype(np.int32)
    return values[tissue.cells]


def _warnings(bleaching: float, denoised: Denoised, detrend: str) -> tuple[str, ...]:
    found = []
    if bleaching > BLEACHING and detrend == "none":
        found.append(
            f"bleaching: the mean brightness falls by {bleaching:.1%} in the course of the movie; "
            "--detrend global divides it out"
        )
    if denoised.shift_px > SHIFT_PX:
        found.append(
            f"shift: frames are displaced by up to {denoised.shift_px:.1f} px against the first; "
            "register the movie first"
        )
    if denoised.saturated > SATURATED:
        found.append(
            f"saturation: {denoised.saturated:.2%} of the pixels are at the top of the camera's range; "
            "their brightness is not known"
        )
    return tuple(found)
