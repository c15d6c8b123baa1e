"""TIFF, BigTIFF, OME-TIFF and ImageJ hyperstacks, a frame at a time."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.movie import Movie, first_line
from calcigraph.ingest.photometric import INVERTED, inverted, is_inverted
from calcigraph.ingest.tiff_metadata import TiffMetadata, read_metadata
from calcigraph.store.types import FrameTimes, MovieInfo

MOST_OPEN = 128
"""Files of a set that are open at once."""
_DAMAGE = ("invalid page offset", "invalid value offset", "corrupted")
"""What tifffile's log says of a file whose directory points beyond its end."""


class TiffMovie(Movie):
    """A TIFF whose only axis longer than 1 beside Y and X is time; `timed` as for `open_movie`.

    A file that holds fewer pages than its description names, as a stopped acquisition leaves it, has `broken_off`.
    Raises InputError if it is something else, or damaged.
    """

    def __init__(self, path: Path, source: str, timed: bool = False) -> None:
        self._tiff = open_tiff(path, source)
        try:
            series = only_series(self._tiff, source)
            said = read_metadata(self._tiff)
            known = said.times.interval_s is not None or said.times.times_s is not None
            frames, height, width = _movie_shape(series, source, timed or known)
            self._pages = series.pages
            self._dtype = series.dtype.newbyteorder(self._tiff.byteorder)
            self._inverted = is_inverted(series.keyframe, source)
            self._offset = _contiguous_offset(series, self._tiff, (frames, height, width), source)
            there = _pages_there(self._pages, frames) if self._tiff.is_ome and self._offset is None else frames
            self.broken_off = _broken_off(source, there, frames, len(self._tiff.pages), series, said)
        except BaseException:
            self._tiff.close()
            raise
        self._set = _FileSet(self._pages if getattr(series, "is_multifile", False) else ())
        # A second descriptor for plain blocks: reading at an offset needs no lock, so that threads do not wait.
        self._descriptor = os.open(path, os.O_RDONLY) if self._offset is not None else None
        self.info = MovieInfo(
            shape=(there, height, width),
            dtype=series.dtype.name,
            pixel_size_um=said.pixel_size_um,
            source=source,
            times=_of_frames(said.times, there),
            notes=(INVERTED,) if self._inverted else (),
        )

    def _read(self, index: int) -> NDArray[Any]:
        if self._descriptor is not None and self._offset is not None:
            frame = self._read_contiguous(self._descriptor, self._offset, index)
        else:
            page = self._pages[index]
            with self._set.reading(page):
                frame = np.asarray(page.asarray()).squeeze()
        return inverted(frame) if self._inverted else frame

    def _read_contiguous(self, descriptor: int, offset: int, index: int) -> NDArray[Any]:
        frame = np.empty(self.info.shape[1:], self._dtype)
        buffer = memoryview(frame.reshape(-1).view(np.uint8).data)
        position = offset + index * frame.nbytes
        while len(buffer):  # one call of the system may give only a part
            count = os.preadv(descriptor, [buffer], position)
            if count == 0:
                raise EOFError("the file ends before it")
            buffer, position = buffer[count:], position + count
        return frame

    def close(self) -> None:
        self._set.close()
        self._tiff.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _FileSet:
    """The files that the pages of one movie lie in.

    tifffile closes those of an OME set after their descriptions are read, and would open each again for every page,
    through one handle that all threads share: pages of another file, or none. So they are opened once, and each is
    read by one thread at a time. Of a set of very many files only the one that is read is open.
    """

    def __init__(self, pages: Sequence[Any]) -> None:
        parents = {id(page.parent): page.parent for page in pages if page is not None}
        self._keep = len(parents) <= MOST_OPEN
        one = threading.Lock()
        self._locks = {name: threading.Lock() if self._keep else one for name in parents}
        self._opened = [parent.filehandle for parent in parents.values() if parent.filehandle.closed and self._keep]
        for handle in self._opened:
            handle.open()

    @contextmanager
    def reading(self, page: Any) -> Iterator[None]:
        """Hold the page's file while it is read."""
        lock = self._locks.get(id(page.parent))
        if lock is None:  # a single file, whose handle tifffile guards itself
            yield
            return
        with lock:
            closed = page.parent.filehandle.closed
            if closed:
                page.parent.filehandle.open()
            try:
                yield
            finally:
                if closed:
                    page.parent.filehandle.close()

    def close(self) -> None:
        for handle in self._opened:
            handle.close()
        self._opened = []


def open_tiff(path: Path, source: str, **options: Any) -> Any:
    """Open a TIFF and check that its directory of pages is whole.

    Parameters
    ----------
    path
        The file.
    source
        What messages call it.
    options
        For tifffile.TiffFile.

    Returns
    -------
    A tifffile.TiffFile; its pages may be read from several threads.

    Raises
    ------
    InputError
        It is no TIFF, or cut short.
    """
    # tifffile only logs a chain of pages that breaks off, and goes on with fewer; that must not pass silently.
    with _complaints() as complaints:
        try:
            tiff = tifffile.TiffFile(path, **options)
            tiff.filehandle.set_lock(True)
            _ = [series.shape for series in tiff.series], len(tiff.pages)
        except Exception as error:  # a damaged file may raise anything
            raise InputError(f"{source}: not a readable TIFF ({first_line(error)}); export it again") from error
    if any(sign in text for text in complaints for sign in _DAMAGE):
        tiff.close()
        raise InputError(f"{source}: the TIFF is cut short or damaged (its directory breaks off); copy it again")
    return tiff


def only_series(tiff: Any, source: str) -> Any:
    """The file's one image series. Raises InputError if there are several."""
    shapes = {tuple(series.shape) for series in tiff.series}
    if len(shapes) > 1:
        raise InputError(f"{source}: holds images of differing shape {sorted(shapes)}; expected frames of one size")
    if len(tiff.series) != 1:
        raise InputError(f"{source}: holds {len(tiff.series)} image series; expected one: export it alone")
    return tiff.series[0]


def _movie_shape(series: Any, source: str, timed: bool) -> tuple[int, int, int]:
    """(T, Y, X) by the places of the axes: a program may give several of them one letter."""
    axes, shape = str(series.axes), tuple(series.shape)
    if "S" in axes and shape[axes.index("S")] > 1:
        raise InputError(f"{source}: a colour (RGB) image; expected one grey channel: split it and save that channel")
    others = [(axis, size) for axis, size in zip(axes[:-2], shape[:-2], strict=True) if size > 1]
    if axes[-2:] != "YX":
        raise InputError(f"{source}: axes {axes} of size {shape}; expected time, Y and X in that order: save it so")
    if not others:
        raise InputError(f"{source}: a single frame; expected a movie of at least 2 frames")
    if len(others) > 1:
        raise InputError(
            f"{source}: axes {axes} of size {shape}; expected only time, Y and X: "
            "save one channel and one z-plane (in ImageJ, Image > Properties turns slices into frames)"
        )
    axis, size = others[0]
    # many programs write time as Z or C; a frame interval, the file's or the user's, says that it is time
    if axis not in "TIQR" and not timed:
        raise InputError(
            f"{source}: axes {axes} of size {shape}; expected time, Y and X: if {axis} is time, "
            "give --frame-interval in seconds, else save the frames of one channel and one z-plane"
        )
    return size, shape[-2], shape[-1]


def _pages_there(pages: Any, frames: int) -> int:
    """How many frames there are from the first on, up to the first that is missing."""
    return next((index for index in range(frames) if pages[index] is None), frames)


def _broken_off(source: str, there: int, frames: int, pages: int, series: Any, said: TiffMetadata) -> str | None:
    """What is wrong where the pages and their description do not agree in number; None where they do."""
    promised, by = said.promised, said.promised_by
    if there < frames:
        promised, by = frames, by or "its description"
    if promised is None or promised == there:
        # A description of fewer frames than there are pages would leave the rest out without a word.
        several = getattr(series, "is_multifile", False)
        more = promised is not None and not several and pages > there
        return f"{by} names {there} frames, {pages} pages are there" if more else None
    return f"{by} names {promised} frames, {there} are there (0 to {there - 1})"


def _of_frames(times: FrameTimes, frames: int) -> FrameTimes:
    """The first so many stamps."""
    stamps = times.times_s
    if stamps is None or len(stamps) == frames:
        return times
    return replace(times, times_s=stamps[:frames] if len(stamps) > frames else None)


def _contiguous_offset(series: Any, tiff: Any, shape: tuple[int, int, int], source: str) -> int | None:
    """Where the pixels start if they lie in the file as one plain block, as in ImageJ's files; None if they do not."""
    if series.dataoffset is None or getattr(series, "is_multifile", False):
        return None
    end = int(series.dataoffset) + int(np.prod(shape)) * series.dtype.itemsize
    if end > tiff.filehandle.size:
        raise InputError(
            f"{source}: the TIFF is cut short ({tiff.filehandle.size} bytes, its pixels need {end}); copy it again"
        )
    return int(series.dataoffset)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tifffile logs as errors in this context, instead of printing it."""
    collected: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(record.getMessage())

    logger, handler = logging.getLogger("tifffile"), Collector(logging.ERROR)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield collected
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
