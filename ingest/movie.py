"""A movie as it is read: frames one at a time, their pixel types, and a hash of the pixels."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.digests import digest_of
from calcigraph.ingest.workers import WORKERS
from calcigraph.store.types import MovieInfo, Progress, silent

PENDING = 16
"""Frames that are hashed at a time; more would wait in memory for a thread."""


class Movie(ABC):
    """A movie that is open, made by `open_movie`: what it says of itself, and its frames one by one.

    Use it as a context manager, or call `close`.
    """

    info: MovieInfo
    named_axes = False
    """Whether the user may say what its axes are (`Choice.axes`)."""
    broken_off: str | None = None
    """What does not agree where a file's pages are not as many as its description names; None where they are."""

    @abstractmethod
    def _read(self, index: int) -> NDArray[Any]:
        """Frame `index` as the file has it, any byte order. Called from several threads."""

    def close(self) -> None:  # noqa: B027
        """Release the files; the formats that keep none open need nothing."""

    def frame(self, index: int) -> NDArray[Any]:
        """One frame. Safe to call from several threads.

        Parameters
        ----------
        index
            From 0.

        Returns
        -------
        (Y, X), in the file's pixel type, native byte order, C-contiguous.

        Raises
        ------
        InputError
            The file is damaged there, or the frame differs in shape from the first.
        """
        try:
            frame = np.asarray(self._read(index))
        except InputError:
            raise
        except Exception as error:  # decoders raise whatever they like on damaged data
            raise InputError(
                f"{self.info.source}: frame {index} cannot be read ({first_line(error)}); "
                "the file is damaged, cut short or compressed in an unknown way: export it again"
            ) from error
        if frame.shape != self.info.shape[1:]:
            raise InputError(
                f"{self.info.source}: frame {index} has shape {frame.shape}, the first {self.info.shape[1:]}; "
                "expected frames of one size: crop them alike"
            )
        return np.ascontiguousarray(frame.astype(frame.dtype.newbyteorder("="), copy=False))

    def frames(self) -> Iterator[NDArray[Any]]:
        """The frames in order, each (Y, X), one in memory at a time."""
        return (self.frame(index) for index in range(self.info.shape[0]))

    def digest(self, progress: Progress = silent) -> str:
        """Hash of the pixels and the shape: equal for equal movies, whatever the path or the container.

        Parameters
        ----------
        progress
            Called with the stage "hash".

        Returns
        -------
        32 hex digits.

        Raises
        ------
        InputError
            As `frame` and `camera_values`.
        """
        return movie_digest(self.info.shape, self.frame_digests(progress))

    def frame_digests(self, progress: Progress = silent, stage: str = "hash") -> list[bytes]:
        """The hash of each frame's pixels, in order; `stage` is what `progress` is told. Raises as `digest`."""
        frames = self.info.shape[0]
        digests: list[bytes] = []
        with ThreadPoolExecutor(WORKERS) as pool:
            for start in range(0, frames, PENDING):
                block = range(start, min(start + PENDING, frames))
                digests += pool.map(lambda index: frame_digest(camera_values(self.frame(index), self, index)), block)
                progress(stage, len(digests), frames)
        return digests

    def __enter__(self) -> Movie:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def camera_values(frame: NDArray[Any], movie: Movie, index: int) -> NDArray[Any]:
    """The frame in one of the two types that are filtered, counted and stored: uint16 or float32.

    Parameters
    ----------
    frame
        (Y, X). Integers of any width must lie in 0 to 65535, because negative ones may have no log(x + 1) in eq. 23.
        Floats must be finite; float64 is rounded to float32.
    movie, index
        Where the frame is from, for messages.

    Returns
    -------
    (Y, X), the same values.

    Raises
    ------
    InputError
        Values of another kind or range.
    """
    if frame.dtype.kind == "f":
        with np.errstate(over="ignore"):
            plain = frame.astype(np.float32, copy=False)
        # One sum instead of a look at every pixel: NaN and infinity stay in it, and float64 holds any sum of float32.
        if not np.isfinite(np.sum(plain, dtype=np.float64)):
            raise InputError(
                f"{movie.info.source}: frame {index} has pixels that are not finite (NaN, Inf or beyond float32); "
                "replace them, or export the camera's own integers"
            )
        return plain
    if frame.dtype.kind not in "ui":
        raise InputError(
            f"{movie.info.source}: pixels of type {frame.dtype}; expected integers or floats, one number a pixel"
        )
    if frame.dtype != np.uint16 and frame.dtype != np.uint8:
        low, high = int(frame.min()), int(frame.max())
        if low < 0 or high > 65535:
            advice = (
                "the logarithm needs them not negative: give --background with what the camera shows in the dark, such "
                "as the lowest value"
                if low < 0
                else f"give --scale {10.0 ** math.floor(math.log10(65535 / high)):g}, or rescale to 16 bit"
            )
            raise InputError(
                f"{movie.info.source}: frame {index} has pixel values from {low} to {high}; expected 0 to 65535; "
                f"{advice}"
            )
    return frame.astype(np.uint16, copy=False)


def frame_digest(frame: NDArray[Any]) -> bytes:
    """SHA-256 of one frame's pixels, (Y, X) uint16 or float32; 32 bytes."""
    return hashlib.sha256(np.ascontiguousarray(frame).data).digest()


def movie_digest(shape: tuple[int, int, int], digests: Sequence[bytes]) -> str:
    """One hash for a movie of this shape from those of its frames, in order; 32 hex digits."""
    return digest_of(repr(tuple(shape)).encode() + b"".join(digests))


def first_line(error: BaseException) -> str:
    """What a library's error says in its first line; its class where it says nothing.

    >>> first_line(ValueError("no such codec\\n(see the manual)")), first_line(EOFError())
    ('no such codec', 'EOFError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]


def repeated(digests: Sequence[bytes]) -> int:
    """How many frames are copies of the one before, from the hashes of all frames in order."""
    return sum(1 for before, after in pairwise(digests) if before == after)
