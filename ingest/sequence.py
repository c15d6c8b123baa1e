"""Movies kept as one file a frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.movie import Movie
from calcigraph.store.types import MovieInfo

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
"""Of files that tifffile reads."""
FRAME_SUFFIXES = (".tif", ".tiff", ".png")
"""Of files that are taken for frames in a folder."""


class SequenceMovie(Movie):
    """Single-frame TIFF or PNG files in the order given; the first one's metadata is the movie's.

    Raises InputError for files of several kinds, a single file, or a first one that is no grey image.
    """

    def __init__(self, files: Sequence[Path], source: str) -> None:
        suffixes = {file.suffix.lower().replace(".tiff", ".tif") for file in files}
        if len(suffixes) > 1:
            raise InputError(f"{source}: files of several kinds ({', '.join(sorted(suffixes))}); expected one kind")
        if len(files) < 2:
            raise InputError(f"{source}: a single frame; expected a movie of at least 2 frames")
        self._files = list(files)
        first = read_image(self._files[0])
        interval, pixel = _metadata(self._files[0])
        self._dtype = first.dtype.newbyteorder("=")
        height, width = first.shape
        self.info = MovieInfo(
            shape=(len(files), height, width),
            dtype=self._dtype.name,
            frame_interval_s=interval,
            pixel_size_um=pixel,
            source=source,
        )

    def _read(self, index: int) -> NDArray[Any]:
        file = self._files[index]
        image = read_image(file)
        if image.shape != self.info.shape[1:] or image.dtype.newbyteorder("=") != self._dtype:
            raise InputError(
                f"{file}: {image.shape} {image.dtype.name}, the first frame is {self.info.shape[1:]} "
                f"{self._dtype.name}; expected frames of one size and type"
            )
        return image


def read_image(path: Path) -> NDArray[Any]:
    """One grey image, (Y, X), from a TIFF or PNG. Raises InputError if there is none, or the file is damaged."""
    image = _read_tiff(path) if path.suffix.lower() in TIFF_SUFFIXES else _read_other(path)
    if image.ndim != 2:
        raise InputError(f"{path}: an image of shape {image.shape}; expected one grey image (height, width)")
    return image


def _read_tiff(path: Path) -> NDArray[Any]:
    from calcigraph.ingest.tiff import open_tiff

    # is_ome False: in a set of files each may describe the whole set, and would be read as all of it.
    with open_tiff(path, str(path), is_ome=False) as tiff:
        if len(tiff.pages) != 1:
            raise InputError(f"{path}: holds {len(tiff.pages)} pages; expected one image a file")
        try:
            return np.asarray(tiff.pages[0].asarray()).squeeze()
        except Exception as error:  # decoders raise whatever they like on damaged data
            raise InputError(f"{path}: cannot be decoded ({error}); export it again") from error


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


def _metadata(path: Path) -> tuple[float | None, float | None]:
    """(frame interval in s, pixel size in um) of the first file, None where it does not say."""
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return None, None
    from calcigraph.ingest.tiff import metadata, open_tiff

    with open_tiff(path, str(path)) as tiff:
        return metadata(tiff)
