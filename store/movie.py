"""The movie store: denoised frames, cell labels and traces of one culture, as one OME-Zarr 0.5 group.

zarr.json          multiscales (t, y, x); key "calcigraph": median size, q1, q3, transform, and what the writer added
0                  (T, Y, X) denoised frames, uint16 or float32, not normalised
labels/cells/0     (Y, X) int32, the masks' own integers, 0 for background
traces/normalised  (n, T) float64, eq. 23 (arXiv:2505.20327) means;  traces/denoised: the same before log and eq. 23
traces/labels      (n,) int64, which cell each row is
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
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
from calcigraph.store.chunks import FrameArray, read_array, write_array, write_group
from calcigraph.store.types import FloatArray, IntArray, LabelImage, Normalisation

FORMAT = 1
SYNCERS = 8
"""Threads that fsync: they only wait, and a file system commits what is waited for together."""
TRANSFORM = "normalised = (log(x + 1) - offset) * gain, offset = q1 - 2 (q3 - q1), gain = 1 / (5 (q3 - q1))"


class MovieWriter:
    """Writes a store in a folder beside `target`; `finish` renames it into place, leaving without that removes it.

    Parameters
    ----------
    target : where the store will be; what lies there is replaced only by `finish`.
    shape : (T, Y, X).
    dtype : uint16 or float32.

    Folders left by writers that were killed are removed first; one that is still being written is let be.
    Raises WorkspaceError if the folder cannot be written.
    """

    def __init__(self, target: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self._target, self._finished = target, False
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(target)
            self._path = target.with_name(f".{target.name}.partial-{os.getpid()}")
            self._path.mkdir()
            self._lock = os.open(self._path, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._frames = FrameArray.create(self._path / "0", shape, dtype)
            self._syncer = ThreadPoolExecutor(SYNCERS)
            self._syncing: list[Future[None]] = []
        except OSError as error:
            raise _unwritable(target, error) from error

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        return self._frames.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the denoised frames."""
        return self._frames.dtype

    def blocks(self) -> list[range]:
        """The frames that are written together, one file each."""
        return self._frames.blocks()

    @contextmanager
    def block(self, block: range) -> Iterator[Callable[[NDArray[Any]], None]]:
        """Write one of `blocks()`: call the value once per frame, in order. Several threads may write at once."""
        with self._frames.shard(block) as write:
            yield write
        self._syncing.append(self._syncer.submit(_sync, self._frames.file(block)))

    def frame(self, number: int) -> NDArray[Any]:
        """Read back a frame whose block is written, (Y, X)."""
        return self._frames.frame(number)

    def finish(
        self,
        *,
        normalisation: Normalisation,
        labels: LabelImage,
        cells: IntArray,
        traces: FloatArray,
        denoised_traces: FloatArray,
        frame_interval_s: float,
        pixel_size_um: float | None,
        about: Mapping[str, Any],
    ) -> None:
        """Write the rest, fsync it and put the store in its place, with `about` (JSON-able) among its attributes.

        Raises WorkspaceError.
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
            _write_labels(self._path / "labels", labels, scales[1], pixel_size_um is not None)
            _write_traces(self._path / "traces", cells, traces, denoised_traces)
            image = {"version": "0.5", "multiscales": [_multiscale("movie", scales[0] + scales[1], pixel_size_um)]}
            write_group(self._path, {"ome": image, "calcigraph": own})
            self._sync()
            self._put_in_place()
        except OSError as error:
            raise _unwritable(self._target, error) from error

    def _sync(self) -> None:
        """Have all of it on disk: the frames, which have been on their way, and then the rest."""
        for waiting in self._syncing:
            waiting.result()
        frames = {self._frames.file(block) for block in self.blocks()}
        list(self._syncer.map(_sync, (path for path in [self._path, *self._path.rglob("*")] if path not in frames)))

    def _put_in_place(self) -> None:
        old = self._target.with_name(f"{self._path.name}.old")
        if self._target.exists():  # renaming over a folder fails, so the old one steps aside first
            self._target.rename(old)
        self._path.rename(self._target)
        _sync(self._target.parent)
        self._finished = True
        if old.exists():
            shutil.rmtree(old)

    def __enter__(self) -> MovieWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._syncer.shutdown()
        os.close(self._lock)
        if not self._finished:
            shutil.rmtree(self._path, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, WorkspaceError):
            raise _unwritable(self._target, error) from error


def remove_leftovers(target: Path) -> None:
    """Remove the folders that killed writers of `target` left beside it; those of live writers hold a lock."""
    for folder in sorted(target.parent.glob(f".{glob_safe(target.name)}.partial-*")):
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)


def glob_safe(name: str) -> str:
    """The name with glob's own characters quoted."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


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


class StoredMovie:
    """A store that is open for reading; made by `open_store`. Nothing is read before it is asked for."""

    def __init__(self, path: Path, frames: FrameArray, about: Mapping[str, Any]) -> None:
        self.path = path
        self.about = about
        """The attributes under "calcigraph"."""
        self.normalisation = Normalisation(float(about["q1"]), float(about["q3"]))
        self.frame_interval_s = float(about["frame_interval_s"])
        self.pixel_size_um: float | None = about["pixel_size_um"]
        self._frames = frames

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        return self._frames.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the denoised frames: uint16 or float32."""
        return self._frames.dtype

    def blocks(self) -> list[range]:
        """The frames that lie in one file each: reading them together is quickest."""
        return self._frames.blocks()

    def frame(self, number: int) -> NDArray[Any]:
        """Denoised frame (from 0), (Y, X), in the movie's own units. Raises NotFoundError, WorkspaceError."""
        if not 0 <= number < self.shape[0]:
            raise NotFoundError(f"no frame {number}; the movie has frames 0 to {self.shape[0] - 1}")
        try:
            return self._frames.frame(number)
        except (OSError, RuntimeError, ValueError) as error:
            raise WorkspaceError(f"{self.path}: frame {number} is damaged ({error}); ingest with --replace") from error

    def normalised(self, number: int) -> FloatArray:
        """Frame after eq. 23, (Y, X) float64: by table for uint16, so equal pixels give equal bits everywhere."""
        frame = self.frame(number)
        if frame.dtype == np.uint16:
            return np.asarray(self._table[frame])
        return normalise(np.log1p(frame, dtype=np.float64), self.normalisation)

    @property
    def frames(self) -> NormalisedFrames:
        """All normalised frames, lazily."""
        return NormalisedFrames(self)

    @cached_property
    def _table(self) -> FloatArray:
        return normalise(np.log1p(np.arange(65536, dtype=np.float64)), self.normalisation)

    @cached_property
    def labels(self) -> LabelImage:
        """(Y, X) int32, cells' labels, 0 for background. Raises WorkspaceError if damaged."""
        return self._array("labels", "cells", "0")

    @cached_property
    def cells(self) -> IntArray:
        """(n,) labels of the cells that the rows of the traces belong to."""
        return self._array("traces", "labels")

    @cached_property
    def traces(self) -> FloatArray:
        """(n, T), normalised."""
        return self._array("traces", "normalised")

    @cached_property
    def denoised_traces(self) -> FloatArray:
        """(n, T), plain means of the denoised pixels, before log and eq. 23."""
        return self._array("traces", "denoised")

    def _array(self, *parts: str) -> NDArray[Any]:
        try:
            return read_array(self.path.joinpath(*parts))
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise WorkspaceError(
                f"{self.path}: {'/'.join(parts)} is damaged ({error}); ingest with --replace"
            ) from error


def open_store(path: Path) -> StoredMovie:
    """Open a movie store. Raises NotFoundError if there is none, WorkspaceError if it is damaged or not one."""
    if not path.is_dir():
        raise NotFoundError(f"{path}: no movie store here; ingest the movie again with --replace")
    try:
        about = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]["calcigraph"]
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}, expected {FORMAT}")
        return StoredMovie(path, FrameArray.open(path / "0"), about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{path}: not a movie store, or damaged ({error}); ingest with --replace") from error


def normalise(logs: FloatArray, normalisation: Normalisation) -> FloatArray:
    """Eq. 23: from log(x + 1) to normalised intensity, any shape."""
    return np.asarray((logs - normalisation.offset) * normalisation.gain)


def _multiscale(name: str, scale: list[float], pixel_size_um: float | None) -> dict[str, Any]:
    space = {"type": "space", "unit": "micrometer"} if pixel_size_um is not None else {"type": "space"}
    axes: list[dict[str, str]] = [{"name": letter, **space} for letter in "yx"]
    if len(scale) == 3:
        axes.insert(0, {"name": "t", "type": "time", "unit": "second"})
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    return {"name": name, "axes": axes, "datasets": [dataset]}


def _write_labels(path: Path, labels: LabelImage, scale: list[float], known: bool) -> None:
    write_group(path, {"ome": {"version": "0.5", "labels": ["cells"]}})
    image = {
        "version": "0.5",
        "multiscales": [_multiscale("cells", scale, scale[0] if known else None)],
        "image-label": {"source": {"image": "../../"}},
    }
    write_group(path / "cells", {"ome": image})
    write_array(path / "cells" / "0", labels, ("y", "x"))


def _write_traces(path: Path, cells: IntArray, traces: FloatArray, denoised: FloatArray) -> None:
    write_group(path, {})
    write_array(path / "labels", cells, ("cell",))
    write_array(path / "normalised", traces, ("cell", "t"))
    write_array(path / "denoised", denoised, ("cell", "t"))


def _sync(path: Path) -> None:
    """fsync a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(target: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"{target} cannot be written ({error.strerror or error}); check free disk space and permissions"
    )
