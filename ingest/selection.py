"""Movies made of others: some of the frames, or other numbers for the same pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.movie import Movie
from calcigraph.store.types import IntArray

LARGEST = np.iinfo(np.uint16).max


class ChosenFrames(Movie):
    """Some frames of a movie, in order, each with its own time."""

    def __init__(self, movie: Movie, chosen: IntArray) -> None:
        self._movie, self._chosen = movie, chosen
        info = movie.info
        self.info = replace(info, shape=(len(chosen), *info.shape[1:]), times=info.times.chosen(chosen))

    def _read(self, index: int) -> NDArray[Any]:
        return self._movie.frame(int(self._chosen[index]))

    def close(self) -> None:
        self._movie.close()


class Rescaled(Movie):
    """(x - offset) scale of every pixel; what lies below the offset becomes 0."""

    def __init__(self, movie: Movie, offset: float, scale: float) -> None:
        self._movie, self._offset, self._scale = movie, offset, scale
        whole = scale == 1 and float(offset).is_integer() and np.dtype(movie.info.dtype).kind in "ui"
        self._whole = whole
        self.info = replace(movie.info, dtype="uint16" if whole else "float32")

    def _read(self, index: int) -> NDArray[Any]:
        frame = self._movie.frame(index)
        if self._whole:
            left = np.maximum(frame.astype(np.int64) - int(self._offset), 0)
            return left.astype(np.uint16) if left.max() <= LARGEST else left  # which `camera_values` refuses
        return np.asarray(np.maximum((frame.astype(np.float64) - self._offset) * self._scale, 0), np.float32)

    def close(self) -> None:
        self._movie.close()


def parse_frames(text: str, count: int, source: str) -> IntArray:
    """The frames of "FIRST:LAST", both included, from 0; either may be left out. Raises InputError.

    Examples
    --------
    >>> parse_frames("2:4", 10, "a.tif")
    array([2, 3, 4])
    >>> parse_frames(":1", 10, "a.tif")
    array([0, 1])
    """
    first, colon, last = text.partition(":")
    fits = colon == ":" and all(part.strip() == "" or part.strip().isdecimal() for part in (first, last))
    if not fits:
        raise InputError(f"--frames {text}: expected FIRST:LAST, such as 0:{count - 1}, or one of them")
    low, high = int(first or 0), int(last) if last.strip() else count - 1
    if not 0 <= low < high < count:
        raise InputError(
            f"--frames {text}: {source} has frames 0 to {count - 1}; expected two of them, the first before the last"
        )
    return np.arange(low, high + 1)
