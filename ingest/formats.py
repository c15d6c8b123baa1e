"""Which reader opens a movie: its file's ending decides, or what lies in its folder."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from calcigraph.errors import InputError, NotFoundError, beside
from calcigraph.ingest.axes import EVERYTHING, Choice, pick_scene
from calcigraph.ingest.movie import Movie
from calcigraph.ingest.numbering import number
from calcigraph.ingest.sequence import FRAME_SUFFIXES, TIFF_SUFFIXES

READ = "TIFF, OME-TIFF, ND2, CZI, LIF, AVI, MP4, MOV, a folder of frames, a Micro-Manager folder or OME-Zarr"
"""What messages say of the formats."""
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".m4v", ".mkv")


def open_movie(source: str, *, timed: bool = False, choice: Choice = EVERYTHING) -> Movie:
    """Open a movie. Its frames are read one at a time, so that memory does not grow with the movie.

    Parameters
    ----------
    source
        A TIFF, BigTIFF, OME-TIFF, ImageJ hyperstack, ND2, CZI, LIF, video or OME-Zarr (0.4, 0.5); or a folder or glob
        of single frames, or a folder of Micro-Manager.
    timed
        Whether the user has given the frame interval. Then the one long axis of a TIFF, beside Y and X, is time,
        whatever the file calls it.
    choice
        Which scene, channel and z-plane of a file that has several.

    Returns
    -------
    The movie. Its `info.times` and `info.pixel_size_um` say nothing where the file says nothing.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is not one grey movie of at least two frames, or nothing says which of several is wanted.
    MissingExtraError
        Its format needs a library that is not installed.
    """
    movie = _open(source, timed, choice)
    if choice.axes is not None and not movie.named_axes:
        movie.close()
        raise InputError(f"{source}: --axes is for a TIFF whose axes have no names: leave it out")
    return movie


def _open(source: str, timed: bool, choice: Choice) -> Movie:
    path = Path(source)
    if path.is_dir():
        return _open_folder(path, source, timed, choice)
    if path.is_file():
        return _open_file(path, source, timed, choice)
    if glob.has_magic(source):
        # A folder may have brackets in its name: then only the file's name is a pattern.
        found = glob.glob(source) or glob.glob(str(Path(glob.escape(str(path.parent))) / path.name))
        if not found:
            raise NotFoundError(f"{source}: no file matches; expected a movie, or a glob of single frames")
        return _open_sequence([Path(match) for match in found], source, timed, choice)
    raise NotFoundError(f"{source}: no such file or folder{beside(source)}; expected {READ}")


def _open_folder(path: Path, source: str, timed: bool, choice: Choice) -> Movie:
    if any((path / name).exists() for name in ("zarr.json", ".zattrs", ".zgroup", ".zarray")):
        from calcigraph.ingest.omezarr import ZarrMovie

        return ZarrMovie(path, source, choice)
    from calcigraph.ingest.micromanager import MicroManagerMovie, positions, stack_in

    stack = stack_in(path)
    if stack is not None:
        return _open_file(stack, source, timed, choice)
    found = positions(path)
    if found:
        return MicroManagerMovie(found, source, choice)
    files = [file for file in path.iterdir() if file.suffix.lower() in FRAME_SUFFIXES]
    if not files:
        raise InputError(f"{path}: no frames in this folder; expected {', '.join(FRAME_SUFFIXES)} files")
    return _open_sequence(files, source, timed, choice)


def _open_file(path: Path, source: str, timed: bool, choice: Choice) -> Movie:
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        from calcigraph.ingest.tiff import TiffMovie

        return TiffMovie(path, source, timed, choice)
    if suffix == ".czi":
        from calcigraph.ingest.zeiss import CziMovie

        return CziMovie(path, source, choice)
    if suffix == ".nd2":
        from calcigraph.ingest.nikon import Nd2Movie

        return Nd2Movie(path, source, choice)
    if suffix == ".lif":
        from calcigraph.ingest.leica import LifMovie

        return LifMovie(path, source, choice)
    if suffix in VIDEO_SUFFIXES:
        from calcigraph.ingest.video import VideoMovie

        return VideoMovie(path, source, timed, choice)
    raise InputError(f"{source}: not a movie format that is read; expected {READ}")


def _open_sequence(files: Sequence[Path], source: str, timed: bool, choice: Choice) -> Movie:
    frames = [file for file in files if not _is_no_frame(file)]
    left = sorted(file.name for file in files if _is_no_frame(file))
    if len(frames) == 1 and frames[0].is_file() and frames[0].suffix.lower() in TIFF_SUFFIXES:
        return _open_file(frames[0], source, timed, choice)
    stacks = _stacks(frames)
    if stacks:
        from calcigraph.ingest.tiff import set_of

        if set_of(stacks[0], source) == {file.resolve() for file in frames}:
            return _open_file(stacks[0], source, timed, choice)
        raise InputError(
            f"{source}: holds {len(stacks)} TIFF stacks ({', '.join(file.name for file in stacks[:3])}"
            f"{', ...' if len(stacks) > 3 else ''}); expected one movie: give one of them, "
            "or, if they are parts of one film, join them (in ImageJ, Image > Stacks > Tools > Concatenate)"
        )
    from calcigraph.ingest.sequence import SequenceMovie

    pick_scene([""], choice, source)
    return SequenceMovie(number(frames), source, left, choice)


def _stacks(files: Sequence[Path]) -> list[Path]:
    """All files in order, if the first and the last are TIFFs of several pages; else []."""
    ordered = sorted(files)
    if len(ordered) < 2 or any(file.suffix.lower() not in TIFF_SUFFIXES for file in ordered):
        return []
    from calcigraph.ingest.tiff import pages_in

    return ordered if all(pages_in(file) > 1 for file in (ordered[0], ordered[-1])) else []


def _is_no_frame(file: Path) -> bool:
    """Whether a file that lies among frames is none: what macOS and Cellpose leave beside them."""
    return file.name.startswith(".") or file.stem.endswith(("_cp_masks", "_masks", "_seg", "_flows", "_cp_outlines"))
