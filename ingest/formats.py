"""Which reader opens a movie: TIFF, folders and globs of single frames, OME-Zarr."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest.movie import Movie
from calcigraph.ingest.numbering import number
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
    The movie. Its `info.times` and `info.pixel_size_um` say nothing where the file says nothing.

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
        files = [file for file in path.iterdir() if file.suffix.lower() in FRAME_SUFFIXES]
        if not files:
            raise InputError(f"{path}: no frames in this folder; expected {', '.join(FRAME_SUFFIXES)} files")
        return _open_sequence(files, source, timed)
    if path.is_file():
        return _open_file(path, source, timed)
    if glob.has_magic(source):
        # A folder may have brackets in its name: then only the file's name is a pattern.
        found = glob.glob(source) or glob.glob(str(Path(glob.escape(str(path.parent))) / path.name))
        if not found:
            raise NotFoundError(f"{source}: no file matches; expected a movie, or a glob of single frames")
        return _open_sequence([Path(match) for match in found], source, timed)
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
    frames = [file for file in files if not _is_no_frame(file)]
    left = sorted(file.name for file in files if _is_no_frame(file))
    if len(frames) == 1 and frames[0].is_file() and frames[0].suffix.lower() in TIFF_SUFFIXES:
        return _open_file(frames[0], source, timed)
    from calcigraph.ingest.sequence import SequenceMovie

    return SequenceMovie(number(frames), source, left)


def _is_no_frame(file: Path) -> bool:
    """Whether a file that lies among frames is none: what macOS and Cellpose leave beside them."""
    return file.name.startswith(".") or file.stem.endswith(("_cp_masks", "_masks", "_seg", "_flows", "_cp_outlines"))
