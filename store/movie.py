"""The movie store: denoised frames, cell labels and traces of one culture, as one OME-Zarr 0.5 group.

zarr.json          multiscales (t, y, x); key "calcigraph": median size, q1, q3, transform, and what the writer added
0                  (T, Y, X) denoised frames, uint16 or float32, not normalised
labels/cells/0     (Y, X) int32, the masks' own integers, 0 for background
traces/labels      (n,) int64, the label of the cell in each row
traces/normalised  (n, T) float64, mean over the cell's pixels after log(x + 1) and eq. 23 (arXiv:2505.20327)
traces/denoised    (n, T) float64, mean over the same pixels of x itself
traces/logarithm   (n, T) float64, mean over the same pixels of log(x + 1), before any correction; to 0.2 there was none
rows               what the graph has of culture, cells and contacts (store/kept.py); to 0.2 there was none

`files` of zarr.json has the SHA-256 of every other file; that of zarr.json itself is `Culture.movie_digest`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import NotFoundError, WorkspaceError
from calcigraph.store.chunks import Digests, FrameArray, read_array, read_json, write_group
from calcigraph.store.kept import ROWS, write_rows
from calcigraph.store.location import Location, digest_of, relative
from calcigraph.store.ome import multiscale, write_labels, write_traces
from calcigraph.store.staging import staging_for
from calcigraph.store.types import CultureData, FloatArray, IntArray, LabelImage, Normalisation

FORMAT = 1
"""Version of this layout; a store with another one is refused."""
SETTLERS = 8
"""Threads that fsync or send. They only wait, and a file system commits together what is waited for together."""
TRANSFORM = "normalised = (log(x + 1) - offset) * gain, offset = q1 - 2 (q3 - q1), gain = 1 / (5 (q3 - q1))"


class _NewerError(WorkspaceError):
    """The store is of a newer version."""


class DenoisedFrames:
    """The frames of a store, whether it is still written (MovieWriter) or open for reading (StoredMovie)."""

    _frames: FrameArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        return self._frames.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint16 or float32."""
        return self._frames.dtype

    def blocks(self) -> list[range]:
        """The frames that share a file: writing or reading them together is quickest."""
        return self._frames.blocks()

    def frame(self, number: int) -> NDArray[Any]:
        """Denoised frame `number` (from 0), (Y, X), in the movie's own units; its block must be written."""
        return self._frames.frame(number)


class MovieWriter(DenoisedFrames):
    """Writes a store beside its place (store/staging.py). `finish` puts it there; leaving without that removes it.

    Parameters
    ----------
    target
        Where the store will be; what lies there is replaced only by `finish`.
    shape
        (T, Y, X).
    dtype
        uint16 or float32.

    Raises
    ------
    WorkspaceError
        The folder cannot be written.
    """

    def __init__(self, target: Location, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self._target = target
        try:
            self._staging = staging_for(target)
            self._path = self._staging.path
            self._frames = FrameArray.create(self._path / "0", shape, dtype)
            self._settler = ThreadPoolExecutor(SETTLERS)
            self._settling: list[Future[None]] = []
            self._digests: Digests = {}
        except OSError as error:
            raise _unwritable(target, error) from error

    @contextmanager
    def block(self, block: range) -> Iterator[Callable[[NDArray[Any]], None]]:
        """Write one of `blocks()`: call the value once per frame, in order. Several threads may write at once."""
        with self._frames.shard(block) as write:
            yield write
        # The disk is busy while the next frames are filtered, so that little is left to wait for at the end.
        self._settling.append(self._settler.submit(self._staging.settle, self._file(block)))
        for done in [waiting for waiting in self._settling if waiting.done()]:
            done.result()  # what cannot be written is told before the rest of the movie is read

    def _file(self, block: range) -> Path:
        file = self._frames.file(block)
        assert isinstance(file, Path)  # they are written in a folder, wherever they go then
        return file

    def take_frames(self, other: StoredMovie) -> None:
        """Share the files of another store's frames, which nobody writes to again; copy them where the disk cannot."""
        for block in self.blocks():
            source, target = other.frames_file(block), self._file(block)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._staging.share(source, target)
            if target.exists():
                self._settling.append(self._settler.submit(self._staging.settle, target))
            # What the other store says of it, so that a damage is not taken for right.
            self._digests[target] = other.files.get(relative(source, other.path)) or digest_of(source)

    def finish(
        self,
        *,
        normalisation: Normalisation,
        labels: LabelImage,
        cells: IntArray,
        traces: FloatArray,
        denoised_traces: FloatArray,
        log_traces: FloatArray | None = None,
        frame_interval_s: float,
        pixel_size_um: float | None,
        about: Mapping[str, Any],
        data: CultureData | None = None,
    ) -> str:
        """Write the rest, flush it to the disk and put the store in its place.

        Parameters
        ----------
        normalisation
            Eq. 23 of the whole movie.
        labels
            (Y, X), the cells that were kept, 0 elsewhere.
        cells
            (n,), the label of each row of the traces.
        traces, denoised_traces
            (n, T): mean normalised intensity, and mean of the denoised pixels.
        log_traces
            (n, T), mean of log(x + 1) of the denoised pixels x.
        frame_interval_s, pixel_size_um
            Scales of the axes, in s and um; None where the pixel size is not known.
        about
            More attributes, JSON-able.
        data
            What the graph will have, so that it can be made again.

        Returns
        -------
        `Culture.movie_digest`.

        Raises
        ------
        WorkspaceError
            The disk is full, or the folder may not be written.
        """
        own = {
            "format": FORMAT,
            "median": 3,
            "transform": TRANSFORM,
            "q1": normalisation.q1,
            "q3": normalisation.q3,
            "frame_interval_s": frame_interval_s,
            "pixel_size_um": pixel_size_um,
            **about,
        }
        scales = ([frame_interval_s], [pixel_size_um or 1.0] * 2)
        try:
            digests = self._digests
            digests |= self._frames.digests
            write_labels(self._path / "labels", labels, scales[1], pixel_size_um is not None, digests)
            write_traces(self._path / "traces", cells, traces, denoised_traces, log_traces, digests)
            if data is not None:
                write_rows(self._path / ROWS, data, about.get("source"), digests)
            image = {"version": "0.5", "multiscales": [multiscale("movie", scales[0] + scales[1], pixel_size_um)]}
            own["files"] = {path.relative_to(self._path).as_posix(): digests[path] for path in sorted(digests)}
            write_group(self._path, {"ome": image, "calcigraph": own}, digests)
            self._settle()
            self._staging.put_in_place()
            return digests[self._path / "zarr.json"]
        except OSError as error:
            raise _unwritable(self._target, error) from error

    def _settle(self) -> None:
        """Have all of it settled: the frames, which has begun, and then the rest."""
        for waiting in self._settling:
            waiting.result()
        frames = {self._file(block) for block in self.blocks()}
        everything = [self._path, *self._path.rglob("*")]
        list(self._settler.map(self._staging.settle, (path for path in everything if path not in frames)))

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settler.shutdown(cancel_futures=True)
        self._staging.close()
        if isinstance(error, OSError) and not isinstance(error, WorkspaceError):
            raise _unwritable(self._target, error) from error


class NormalisedFrames:
    """A store's frames after eq. 23, made when asked for: view[i] is (Y, X), view[a:b] is (b - a, Y, X)."""

    def __init__(self, movie: StoredMovie) -> None:
        self._movie = movie
        self.shape = movie.shape
        self.dtype = np.dtype(np.float64)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice) -> FloatArray:
        if isinstance(index, slice):
            numbers = range(*index.indices(len(self)))
            frames = [self._movie.normalised(number) for number in numbers]
            return np.stack(frames) if frames else np.empty((0, *self.shape[1:]))
        return self._movie.normalised(range(len(self))[index])


class StoredMovie(DenoisedFrames):
    """A store that is open for reading; made by `open_store`. Nothing is read before it is asked for."""

    def __init__(self, path: Location, frames: FrameArray, about: Mapping[str, Any]) -> None:
        self.path = path
        self.about = about
        """The attributes under "calcigraph"."""
        self.normalisation = Normalisation(float(about["q1"]), float(about["q3"]))
        self.frame_interval_s = float(about["frame_interval_s"])
        self.pixel_size_um: float | None = about["pixel_size_um"]
        self._frames = frames

    def frame(self, number: int) -> NDArray[Any]:
        """Denoised frame `number` (from 0), (Y, X), in the movie's own units.

        Raises NotFoundError for a number beyond the movie, WorkspaceError for a damaged file.
        """
        if not 0 <= number < self.shape[0]:
            raise NotFoundError(f"no frame {number}; the movie has frames 0 to {self.shape[0] - 1}")
        try:
            return self._frames.frame(number)
        except (OSError, RuntimeError, ValueError) as error:
            raise WorkspaceError(f"{self.path}: frame {number} is damaged ({error}); ingest with --replace") from error

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of every file but zarr.json, by its path inside the store; none in one of version 0.2 or before."""
        found: Mapping[str, str] = self.about.get("files") or {}
        return found

    def frames_file(self, block: range) -> Location:
        """The file of one of `blocks()`."""
        return self._frames.file(block)

    def normalised(self, number: int) -> FloatArray:
        """Frame `number` after eq. 23, (Y, X) float64. Raises as `frame`."""
        frame = self.frame(number)
        if frame.dtype == np.uint16:
            # By table: quicker than a logarithm per pixel, and equal pixels give equal bits everywhere.
            return np.asarray(self._table[frame])
        return normalise(np.log1p(frame, dtype=np.float64), self.normalisation)

    @property
    def frames(self) -> NormalisedFrames:
        """All frames after eq. 23, each made when it is asked for."""
        return NormalisedFrames(self)

    @cached_property
    def _table(self) -> FloatArray:
        """Eq. 23 of every uint16 value, (65536,)."""
        return normalise(np.log1p(np.arange(65536, dtype=np.float64)), self.normalisation)

    @cached_property
    def labels(self) -> LabelImage:
        """(Y, X) int32, cells' labels, 0 for background. Raises WorkspaceError if damaged."""
        return self._array("labels", "cells", "0")

    @cached_property
    def cells(self) -> IntArray:
        """(n,) int64, the label of each row of the traces."""
        return self._array("traces", "labels")

    @cached_property
    def traces(self) -> FloatArray:
        """(n, T), mean normalised intensity (eq. 23) of each cell."""
        return self._array("traces", "normalised")

    @cached_property
    def denoised_traces(self) -> FloatArray:
        """(n, T), mean of each cell's denoised pixels, before log and eq. 23."""
        return self._array("traces", "denoised")

    @cached_property
    def log_traces(self) -> FloatArray | None:
        """(n, T), mean of log(x + 1) of each cell's denoised pixels; None in a store of version 0.2 or before."""
        return self._array("traces", "logarithm") if (self.path / "traces" / "logarithm").is_dir() else None

    def _array(self, *parts: str) -> NDArray[Any]:
        try:
            return read_array(self.path.joinpath(*parts))
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise WorkspaceError(
                f"{self.path}: {'/'.join(parts)} is damaged ({error}); ingest with --replace"
            ) from error


def open_store(path: Location) -> StoredMovie:
    """Open a movie store for reading.

    Parameters
    ----------
    path
        The store's folder, as in `Culture.movie` below the workspace.

    Raises
    ------
    NotFoundError
        There is no such folder.
    WorkspaceError
        It is damaged, or no movie store of this format.
    """
    if not path.is_dir():
        raise NotFoundError(f"{path}: no movie store here; ingest the movie again with --replace")
    try:
        about = read_json(path / "zarr.json")["attributes"]["calcigraph"]
        if about["format"] > FORMAT:
            made = about.get("version", "a newer version")
            raise _NewerError(
                f"{path} was written by calcigraph {made}, and this one cannot read it: install a newer one"
            )
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}, expected {FORMAT}")
        return StoredMovie(path, FrameArray.open(path / "0"), about)
    except _NewerError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{path}: not a movie store, or damaged ({error}); ingest with --replace") from error


def normalise(logs: FloatArray, normalisation: Normalisation) -> FloatArray:
    """Eq. 23: normalised intensity (d - offset) * gain of `logs`, d = log(x + 1), in the shape of `logs`.

    >>> normalise(np.array([1.0, 2.0, 3.0]), Normalisation(q1=1.0, q3=2.0))
    array([0.4, 0.6, 0.8])
    """
    return np.asarray((logs - normalisation.offset) * normalisation.gain)


def _unwritable(target: Location, error: OSError) -> WorkspaceError:
    if not isinstance(target, Path):
        return WorkspaceError(
            f"{target} cannot be written, for the temporary folder {tempfile.gettempdir()} takes no more "
            f"({error.strerror or error}): it needs room for the whole store; name another with TMPDIR"
        )
    return WorkspaceError(
        f"{target} cannot be written ({error.strerror or error}); check free disk space and permissions"
    )
