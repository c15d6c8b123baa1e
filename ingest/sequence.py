"""Movies kept as one file a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.axes import COLOURS, EVERYTHING, Axes, Choice, StackMovie, pick
from calcigraph.ingest.numbering import Numbering
from calcigraph.ingest.photometric import INVERTED, inverted, is_inverted
from calcigraph.ingest.tiff_metadata import TiffMetadata, read_metadata
from calcigraph.store.types import FrameTimes, MovieInfo

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
"""Of files that tifffile reads."""
FRAME_SUFFIXES = (".tif", ".tiff", ".png")
"""Of files that are taken for frames in a folder."""
_SAMPLES = (3, 4)
"""Values of a pixel in colour, without and with its opacity."""


class SequenceMovie(StackMovie):
    """Single-frame TIFF or PNG files, in the order of the numbers in their names; of colour images one channel.

    The first file's metadata is the movie's; where it has Micro-Manager's times, each file's own are read. Files that
    were left out are named among the notes. Raises InputError for files of several kinds, a single file, names that
    tell of several movies, or a first one that is neither a grey image nor one in colour of which a channel is picked.
    """

    def __init__(
        self, files: Numbering, source: str, left_out: Sequence[str] = (), choice: Choice = EVERYTHING
    ) -> None:
        suffixes = {file.suffix.lower().replace(".tiff", ".tif") for file in files.files}
        if len(suffixes) > 1:
            raise InputError(f"{source}: files of several kinds ({', '.join(sorted(suffixes))}); expected one kind")
        if len(files.files) < 2:
            raise InputError(f"{source}: a single frame; expected a movie of at least 2 frames")
        _check_names(files, source)
        self._files = list(files.files)
        first, self._inverted = _read(self._files[0])
        self._colour = first.ndim == 3
        self.picked = pick(Axes(COLOURS if self._colour else ("",)), choice, source)
        said = _metadata(self._files[0])
        self._dtype = first.dtype.newbyteorder("=")
        height, width = first.shape[:2]
        steps = None if files.steps is None else np.array(files.steps, dtype=np.int64)
        notes: tuple[str, ...] = (INVERTED,) if self._inverted else ()
        if left_out:
            notes += (f"files left out: {', '.join(left_out[:5])}{', ...' if len(left_out) > 5 else ''}: no frames",)
        self.info = MovieInfo(
            shape=(len(self._files), height, width),
            dtype=self._dtype.name,
            pixel_size_um=said.pixel_size_um,
            source=source,
            times=replace(_times(said, self._files), numbers=steps, numbers_from="the names of its files"),
            notes=notes,
            picked=self.picked.recorded,
        )

    def _plane(self, index: int, channel: int, plane: int) -> NDArray[Any]:
        file = self._files[index]
        image, inverted = _read(file)
        if inverted != self._inverted:
            raise InputError(f"{file}: 0 is {'white' if inverted else 'black'} in it, unlike in the first frame")
        if self._colour != (image.ndim == 3):
            this = "grey" if self._colour else "in colour"
            raise InputError(f"{file}: {this}, unlike the first frame; expected frames of one kind")
        if self._colour:
            image = image[:, :, channel]
        if image.shape != self.info.shape[1:] or image.dtype.newbyteorder("=") != self._dtype:
            raise InputError(
                f"{file}: {image.shape} {image.dtype.name}, the first frame is {self.info.shape[1:]} "
                f"{self._dtype.name}; expected frames of one size and type"
            )
        return image


def _check_names(files: Numbering, source: str) -> None:
    if len(files.axes) == 1:
        raise InputError(
            f"{source}: files with {files.axes[0]}; expected the frames of one movie: "
            "give a glob that picks one kind, in quotes"
        )
    if files.axes:
        raise InputError(
            f"{source}: the names of its files tell of several movies: {' x '.join(files.axes)}; "
            "give a glob that picks one channel, z-plane and position, in quotes"
        )
    if files.double is not None:
        raise InputError(f"{source}: {files.double[0]} and {files.double[1]} have one number; remove one of them")


def read_image(path: Path) -> NDArray[Any]:
    """One grey image, (Y, X), from a TIFF or PNG, its numbers as they are: for labels.

    Raises InputError if there is none, or the file is damaged.
    """
    return _grey(_read_tiff(path)[0] if path.suffix.lower() in TIFF_SUFFIXES else _read_other(path), path)


def read_grey(path: Path) -> tuple[NDArray[Any], bool]:
    """One grey image, brighter where its numbers are larger, and whether it was inverted for that.

    Raises InputError if there is none, or the file is damaged.
    """
    image, white_is_0 = _read(path)
    return _grey(image, path), white_is_0


def _read(path: Path) -> tuple[NDArray[Any], bool]:
    """(Y, X), or (Y, X, 3) of red, green and blue; and whether it was inverted. Raises InputError for other shapes."""
    if path.suffix.lower() in TIFF_SUFFIXES:
        image, white_is_0 = _read_tiff(path)
        if image.ndim == 3 and len(image) in _SAMPLES and image.shape[2] not in _SAMPLES:
            image = np.moveaxis(image, 0, 2)
    else:
        image, white_is_0 = _read_other(path), False
        if image.ndim == 3:
            image = np.concatenate((image[:, :, 2::-1], image[:, :, 3:]), axis=2)  # OpenCV has blue first
    if image.ndim == 3 and image.shape[2] in _SAMPLES:
        return image[:, :, :3], white_is_0
    return _grey(inverted(image) if white_is_0 else image, path), white_is_0


def _grey(image: NDArray[Any], path: Path) -> NDArray[Any]:
    if image.ndim != 2:
        raise InputError(f"{path}: an image of shape {image.shape}; expected one grey image (height, width)")
    return image


def _read_tiff(path: Path) -> tuple[NDArray[Any], bool]:
    """The only page, and whether 0 is white in it."""
    from calcigraph.ingest.tiff import open_tiff

    # is_ome False: in a set of files each may describe the whole set, and would be read as all of it.
    with open_tiff(path, str(path), is_ome=False) as tiff:
        if len(tiff.pages) != 1:
            raise InputError(
                f"{path}: holds {len(tiff.pages)} pages; expected one image a file (masks are one label image for all "
                "frames: save one page)"
            )
        try:
            image = np.asarray(tiff.pages[0].asarray()).squeeze()
        except Exception as error:  # decoders raise whatever they like on damaged data
            raise InputError(f"{path}: cannot be decoded ({error}); export it again") from error
        return image, is_inverted(tiff.pages[0], str(path))


def _read_other(path: Path) -> NDArray[Any]:
    import cv2

    # Decoded from memory, because OpenCV gives no reason when it cannot read a file.
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise InputError(f"{path}: not a readable image; expected TIFF or PNG")
    return np.asarray(image)


def _metadata(path: Path) -> TiffMetadata:
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return TiffMetadata()
    from calcigraph.ingest.tiff import open_tiff

    with open_tiff(path, str(path)) as tiff:
        return read_metadata(tiff)


def _times(first: TiffMetadata, files: Sequence[Path]) -> FrameTimes:
    """The times of frames of which each file has its own stamp, if the first has one."""
    if first.times.times_s is None or len(first.times.times_s) != 1:
        return replace(first.times, times_s=None)
    each = [_metadata(file).times.times_s for file in files]
    if any(stamps is None or len(stamps) != 1 for stamps in each):
        return replace(first.times, times_s=None)
    return replace(first.times, times_s=np.concatenate([stamps for stamps in each if stamps is not None]))
