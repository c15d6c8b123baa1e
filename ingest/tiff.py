"""TIFF, BigTIFF, OME-TIFF and ImageJ hyperstacks, a frame at a time."""

from __future__ import annotations

import logging
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.movie import Movie, first_line
from calcigraph.ingest.units import micrometres, seconds
from calcigraph.store.types import MovieInfo

_CENTIMETRE = 3
"""TIFF's ResolutionUnit for pixels per cm; inches are a printer's default and say nothing of the sample."""

_DAMAGE = ("invalid page offset", "invalid value offset", "corrupted")
"""What tifffile's log says of a file whose directory points beyond its end."""


class TiffMovie(Movie):
    """A TIFF whose only axes longer than 1 are time, Y and X; `timed` as for `open_movie`.

    Raises InputError if it is something else, or damaged.
    """

    def __init__(self, path: Path, source: str, timed: bool = False) -> None:
        self._tiff = open_tiff(path, source)
        try:
            series = only_series(self._tiff, source)
            interval, pixel = metadata(self._tiff)
            frames, height, width = _movie_shape(series, source, timed or interval is not None)
            self._pages = series.pages
            self._dtype = series.dtype.newbyteorder(self._tiff.byteorder)
            self._offset = _contiguous_offset(series, self._tiff, (frames, height, width), source)
        except BaseException:
            self._tiff.close()
            raise
        # A second descriptor for plain blocks: reading at an offset needs no lock, so that threads do not wait.
        self._descriptor = os.open(path, os.O_RDONLY) if self._offset is not None else None
        self.info = MovieInfo(
            shape=(frames, height, width),
            dtype=series.dtype.name,
            frame_interval_s=interval,
            pixel_size_um=pixel,
            source=source,
        )

    def _read(self, index: int) -> NDArray[Any]:
        if self._descriptor is not None and self._offset is not None:
            return self._read_contiguous(self._descriptor, self._offset, index)
        page = self._pages[index]
        if page is None:
            raise InputError(f"{self.info.source}: frame {index} is missing from the OME-TIFF; export it again")
        return np.asarray(page.asarray()).squeeze()

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
        self._tiff.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


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
    """(T, Y, X). Raises InputError if the axes are others."""
    sizes = {axis: size for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 or axis in "YX"}
    if "S" in sizes:
        raise InputError(f"{source}: a colour (RGB) image; expected one grey channel: split it and save that channel")
    others = "".join(axis for axis in sizes if axis not in "YX")
    if not others:
        raise InputError(f"{source}: a single frame; expected a movie of at least 2 frames")
    if len(others) > 1:
        raise InputError(
            f"{source}: axes {series.axes} of size {tuple(series.shape)}; expected only time, Y and X: "
            "save one channel and one z-plane (in ImageJ, Image > Properties turns slices into frames)"
        )
    # Many programs write time as Z or C; a frame interval, the file's or the user's, says that it is time.
    if others not in "TIQR" and not timed:
        raise InputError(
            f"{source}: axes {series.axes} of size {tuple(series.shape)}; expected time, Y and X: if {others} is time, "
            "give --frame-interval in seconds, else save the frames of one channel and one z-plane"
        )
    return sizes[others], sizes["Y"], sizes["X"]


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


def metadata(tiff: Any) -> tuple[float | None, float | None]:
    """(frame interval in s, pixel size in um) of a tifffile.TiffFile, None where the file does not say."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome_metadata(tiff.ome_metadata)
    if tiff.is_imagej and tiff.imagej_metadata is not None:
        words = tiff.imagej_metadata
        interval = seconds(words.get("finterval"), words.get("tunit", "sec"))
        return interval, _resolution(tiff, str(words.get("unit", "")))
    page = tiff.pages[0]
    unit = page.tags.get("ResolutionUnit")
    return None, _resolution(tiff, "cm") if unit is not None and unit.value == _CENTIMETRE else None


def _resolution(tiff: Any, unit: str) -> float | None:
    """um per pixel from the tag of pixels per `unit`; None where that is missing or 0."""
    tag = tiff.pages[0].tags.get("XResolution")
    if tag is None or not all(tag.value):
        return None
    count, per = tag.value
    return micrometres(per / count, unit)


def _ome_metadata(text: str) -> tuple[float | None, float | None]:
    """As `metadata`, from the XML of an OME-TIFF."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None, None
    pixels = next((node for node in root.iter() if node.tag.endswith("}Pixels") or node.tag == "Pixels"), None)
    if pixels is None:
        return None, None
    interval = seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    size = micrometres(pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit", "um"))
    return interval if interval is not None else _plane_interval(pixels), size


def _plane_interval(pixels: ElementTree.Element) -> float | None:
    """Median step between the planes' DeltaT, for writers that give no TimeIncrement."""
    times = {}
    for plane in pixels:
        if plane.tag.endswith("Plane") and plane.get("TheC", "0") == "0" and plane.get("TheZ", "0") == "0":
            time = seconds(plane.get("DeltaT"), plane.get("DeltaTUnit", "s"))
            times[int(plane.get("TheT", "0"))] = 0.0 if time is None else time
    if len(times) < 3:
        return None
    step = float(np.median(np.diff([times[index] for index in sorted(times)])))
    return step if step > 0 else None


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
