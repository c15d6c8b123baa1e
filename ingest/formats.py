"""Which reader opens a movie: TIFF, folders and globs of single frames, OME-Zarr."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest.movie import Movie
from calcigraph.ingest.sequence import FRAME_SUFFIXES, TIFF_SUFFIXES


def open_movie(source: str, *, timed: bool = False) -> Movie:
    """Open a movie. Its frames are read one at a time, so that memory does not grow with the movie.

    Parameters
    ----------
    source
        A TIFF, BigTIFF, OME-TIFF, ImageJ hyperstack or OME-Zarr (0.4, 0.5); or a folder or glob of single frames.
    timed
        Whether the user has given the frame interval. Then the one long axis of a TIFF, beside Y and X, is time,
        whatever the file calls it.

    Returns
    -------
    The movie. Its `info.frame_interval_s` and `info.pixel_size_um` are None where the file has none.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is not one grey movie of at least two frames.
    """
    path = Path(source)
    if path.is_dir():
        if any((path / name).exists() for name in ("zarr.json", ".zattrs", ".zgroup", ".zarray")):
            return _open_zarr(path, source)
        return _open_sequence(_frames_of(path), source, timed)
    if path.is_file():
        return _open_file(path, source, timed)
    if glob.has_magic(source):
        matches = sorted((Path(match) for match in glob.glob(source)), key=_natural)
        if not matches:
            raise NotFoundError(f"{source}: no file matches; expected a movie, or a glob of single frames")
        return _open_sequence(matches, source, timed)
    raise NotFoundError(f"{source}: no such file or folder; expected a TIFF, a folder of frames or an OME-Zarr")


def _open_file(path: Path, source: str, timed: bool) -> Movie:
    if path.suffix.lower() not in TIFF_SUFFIXES:
        raise InputError(
            f"{source}: not a movie format that is read; expected TIFF, OME-TIFF, a folder of frames or OME-Zarr"
        )
    from calcigraph.ingest.tiff import TiffMovie

    return TiffMovie(path, source, timed)


def _open_zarr(path: Path, source: str) -> Movie:
    from calcigraph.ingest.omezarr import ZarrMovie

    return ZarrMovie(path, source)


def _open_sequence(files: Sequence[Path], source: str, timed: bool) -> Movie:
    if len(files) == 1 and files[0].is_file() and files[0].suffix.lower() in TIFF_SUFFIXES:
        return _open_file(files[0], source, timed)
    from calcigraph.ingest.sequence import SequenceMovie

    return SequenceMovie(files, source)


def _frames_of(folder: Path) -> list[Path]:
    files = sorted((f for f in folder.iterdir() if f.suffix.lower() in FRAME_SUFFIXES), key=_natural)
    if not files:
        raise InputError(f"{folder}: no frames in this folder; expected {', '.join(FRAME_SUFFIXES)} files")
    return files


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts t2 before t10.

    >>> [path.name for path in sorted(map(Path, ["t10.tif", "t2.tif"]), key=_natural)]
    ['t2.tif', 't10.tif']
    """
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts]
