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
from calcigraph.ingest.axes import EVERYTHING, Choice, StackMovie
from calcigraph.ingest.movie import first_line
from calcigraph.ingest.photometric import INVERTED, inverted, is_inverted
from calcigraph.ingest.tiff_axes import Layout, lay_out, pick_series
from calcigraph.ingest.tiff_metadata import TiffMetadata, Wanted, read_metadata
from calcigraph.store.types import FrameTimes, MovieInfo

MOST_OPEN = 128
"""Files of a set that are open at once."""
_DAMAGE = ("invalid page offset", "invalid value offset", "corrupted")
"""What tifffile's log says of a file whose directory points beyond its end."""


class TiffMovie(StackMovie):
    """A TIFF with time, Y and X, of which one channel, z-plane and position is read; `timed` as for `open_movie`.

    A file that holds fewer pages than its description names, as a stopped acquisition leaves it, has `broken_off`.
    Raises InputError if it is something else, or damaged.
    """

    named_axes = True

    def __init__(self, path: Path, source: str, timed: bool = False, choice: Choice = EVERYTHING) -> None:
        self._tiff = open_tiff(path, source)
        try:
            series, number, scene = pick_series(self._tiff, choice, source)
            elsewhere = _other_file(series, self._tiff, source)
            if elsewhere is not None:
                self._tiff.close()
                self._tiff, path = elsewhere, Path(elsewhere.filehandle.path)
                series, number, scene = pick_series(self._tiff, choice, source)
            alone = len(self._tiff.series) == 1
            said = read_metadata(self._tiff, Wanted(scene=number))
            known = said.times.interval_s is not None or said.times.times_s is not None
            self._layout = lay_out(series, choice, source, timed=timed or known, channels=said.channels, alone=alone)
            self.picked = self._layout.picked
            self._pages = series.pages
            self._dtype = series.dtype.newbyteorder(self._tiff.byteorder)
            self._inverted = is_inverted(series.keyframe, source)
            self._offset = _contiguous_offset(series, self._tiff, source)
            frames, height, width = self._layout.shape
            self._pages_hold = _planes_of_a_page(self._layout, len(self._pages), source, self._offset is not None)
            there = self._frames_there(frames)
            if self._layout.planes > frames:  # the times of the planes that were picked
                said = read_metadata(self._tiff, self._wanted(number, there))
            self.broken_off = _broken_off(source, there, self._layout, self._tiff, series, said, alone)
        except BaseException:
            self._tiff.close()
            raise
        self._set = _FileSet([page for page in self._pages if page is not None and page.parent is not self._tiff])
        # A second descriptor for plain blocks: reading at an offset needs no lock, so that threads do not wait.
        self._descriptor = os.open(path, os.O_RDONLY) if self._offset is not None else None
        self.info = MovieInfo(
            shape=(there, height, width),
            dtype=series.dtype.name,
            pixel_size_um=said.pixel_size_um,
            source=source,
            times=_of_frames(said.times, there),
            notes=(INVERTED,) if self._inverted else (),
            picked=scene + self.picked.recorded,
        )

    def _frames_there(self, frames: int) -> int:
        """How many frames there are from the first on, up to the first that is missing."""
        if self._offset is not None or not (self._tiff.is_ome or self._tiff.is_micromanager):
            return frames
        # A page that is listed elsewhere, as Micro-Manager's NDTiff does, has no offset, but its pixels have.
        missing = {at for at, page in enumerate(self._pages) if page is None or not (page.offset or page.dataoffsets)}
        return next((index for index in range(frames) if missing & set(self._layout.planes_of(index))), frames)

    def _wanted(self, scene: int, there: int) -> Wanted:
        layout, first = self._layout, self.picked.planes[0]
        numbers = [layout.plane(index, self.picked.channel, first) for index in range(there)]
        # None stands for frames without a page of their own, as in one plain block: they have no time of their own.
        apart = len(self._pages) * self._pages_hold == layout.planes
        pages = [self._pages[number // self._pages_hold] if apart else None for number in numbers]
        return Wanted(scene, layout.time.letter, self.picked.channel, first, tuple(pages))

    def _plane(self, index: int, channel: int, plane: int) -> NDArray[Any]:
        number = self._layout.plane(index, channel, plane)
        if self._descriptor is not None and self._offset is not None:
            frame = self._read_contiguous(self._descriptor, self._offset, number)
        else:
            page = self._pages[number // self._pages_hold]
            with self._set.reading(page):
                frame = np.asarray(page.asarray()).squeeze()
            if self._pages_hold > 1:
                samples = self._layout.samples
                place, sample = divmod(number % self._pages_hold, samples)
                frame = frame.reshape(-1, *self._layout.shape[1:], samples)[place, :, :, sample]
        return inverted(frame) if self._inverted else frame

    def _read_contiguous(self, descriptor: int, offset: int, number: int) -> NDArray[Any]:
        place, sample = divmod(number, self._layout.samples)
        block = np.empty((*self._layout.shape[1:], self._layout.samples), self._dtype)
        buffer = memoryview(block.reshape(-1).view(np.uint8).data)
        position = offset + place * block.nbytes
        while len(buffer):  # one call of the system may give only a part
            count = os.preadv(descriptor, [buffer], position)
            if count == 0:
                raise EOFError("the file ends before it")
            buffer, position = buffer[count:], position + count
        return block[..., sample]

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


def _other_file(series: Any, tiff: Any, source: str) -> Any:
    """The file that all of a scene lies in, opened, where it is another one of a set; it may say more of the scene."""
    parents = {page.parent.filehandle.path for page in series.pages if page is not None}
    if len(parents) != 1 or parents == {tiff.filehandle.path}:
        return None
    other = open_tiff(Path(parents.pop()), source)
    if [each.shape for each in other.series] == [each.shape for each in tiff.series]:
        return other
    other.close()
    return None


def pages_in(path: Path) -> int:
    """How many pages a TIFF has, from its directory. Raises InputError if it is no TIFF, or cut short."""
    with open_tiff(path, str(path), is_ome=False) as tiff:
        return len(tiff.pages)


def set_of(path: Path, source: str) -> set[Path]:
    """The files that a TIFF describes as parts of it, itself among them. Raises InputError as `open_tiff`."""
    with open_tiff(path, source) as tiff:
        pages = (page for series in tiff.series for page in series.pages if page is not None)
        return {Path(page.parent.filehandle.path).resolve() for page in pages}


def _planes_of_a_page(layout: Layout, pages: int, source: str, contiguous: bool) -> int:
    """Usually 1; some programs keep all channels of a frame in one page."""
    if contiguous:
        return 1
    if pages == 0 or layout.planes % pages:
        raise InputError(f"{source}: {layout.planes} planes in {pages} pages; export it as a plain TIFF")
    return layout.planes // pages


def _broken_off(
    source: str, there: int, layout: Layout, tiff: Any, series: Any, said: TiffMetadata, alone: bool
) -> str | None:
    """What is wrong where the pages and their description do not agree in number; None where they do."""
    frames = layout.shape[0]
    each = layout.planes // frames
    promised, by, pages = said.promised and -(-said.promised // each), said.promised_by, len(tiff.pages)
    if said.planned is not None and said.planned > frames:
        promised, by = said.planned, "Micro-Manager's summary"
    elif there < frames:
        promised, by = frames, by or "its description"
    if promised is None or promised == there:
        # A description of fewer frames than there are pages would leave the rest out without a word.
        one_file = alone and not getattr(series, "is_multifile", False)
        more = promised is not None and one_file and pages > there * each
        return f"{by} names {there} frames, {pages} pages are there" if more else None
    return f"{by} names {promised} frames, {there} are there (0 to {there - 1})"


def _of_frames(times: FrameTimes, frames: int) -> FrameTimes:
    """The first so many stamps."""
    stamps = times.times_s
    if stamps is None or len(stamps) == frames:
        return times
    return replace(times, times_s=stamps[:frames] if len(stamps) > frames else None)


def _contiguous_offset(series: Any, tiff: Any, source: str) -> int | None:
    """Where the pixels start if they lie in the file as one plain block, as in ImageJ's files; None if they do not."""
    if series.dataoffset is None or any(page is not None and page.parent is not tiff for page in series.pages):
        return None  # scenes of a set have a file each: the block is not in the one that was opened
    end = int(series.dataoffset) + int(np.prod(series.shape, dtype=np.int64)) * series.dtype.itemsize
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
