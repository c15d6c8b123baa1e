"""A culture as a film: its denoised movie, or its cells coloured by intensity, with scale bar, colours and time.

The page is drawn once. For every frame only the picture, its outlines and the time are drawn anew, and the encoder has
each frame before the next one is read, so memory does not grow with the film.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError, NotFoundError
from calcigraph.late import extra_module
from calcigraph.pictures.canvas import (
    Map,
    colour_bar,
    fill,
    map_figure,
    outline_cells,
    outline_paths,
    scale_bar,
    view,
)
from calcigraph.pictures.checks import check
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import FILM, named
from calcigraph.pictures.render import DPI, check_dpi, check_target, chosen_cells, inches, replace_with
from calcigraph.pictures.style import HEAD, SINGLE, SMALL, caption, journal_style, limits, page_width
from calcigraph.store.movies import Movies
from calcigraph.store.types import Culture, FloatArray, Progress, silent

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

MOVIE, CELLS = "movie", "cells"
SHOWN = (MOVIE, CELLS)
"""What a film can show."""
SUFFIX = ".mp4"
FPS, FASTEST = 24, 120
"""Frames a second of the film, and the most of them."""
SAMPLED = 16
"""Frames of a movie from which the range of its colours is taken."""
TIME_ROOM = 1.3
"""Inches at the right above the map that the time takes."""
CODECS = (("libx264", {"crf": "18", "preset": "veryfast"}), ("mpeg4", {"qscale": "3"}))
"""Encoders with their options, the one that is preferred first."""

Frames = Callable[[int], FloatArray]
"""The denoised, normalised frame of a number, (Y, X)."""


@dataclass(frozen=True)
class Filmed:
    """A page whose picture changes."""

    figure: Figure
    show: Callable[[int], None]
    """Set everything that changes to a frame."""
    changing: tuple[Artist, ...]
    """In the order in which they are drawn."""


def write_film(
    data: PictureData,
    path: str | os.PathLike[str],
    frames: Frames | None = None,
    *,
    fps: int = FPS,
    cell: int | Sequence[int] | None = None,
    dpi: int = DPI,
    width: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Write a film of a culture and return its path; the file appears complete or not at all.

    Parameters
    ----------
    data
        The culture.
    path
        A .mp4 file in a folder that exists; an older file of that name is replaced.
    frames
        Gives the movie's frames one by one; None: the cells are shown, coloured by intensity.
    fps
        Frames a second, 1 to 120.
    cell
        The label of a cell, or several, whose outlines are marked.
    dpi, width
        Pixels per inch and width of the page, as for `draw`. Width and height are made even.
    progress
        Called as progress("film", done, total).

    Raises
    ------
    InputError
        A wrong suffix, fps, dpi or width, or a file that cannot be written.
    NotFoundError
        No such cell.
    MissingExtraError
        PyAV is not installed.
    """
    target, cells = Path(path), chosen_cells(cell)
    check_target(target, (SUFFIX,))
    if not 1 <= fps <= FASTEST:
        raise InputError(f"fps is {fps}, expected 1 to {FASTEST} frames a second")
    check_dpi(dpi)
    page = inches(width)
    check(named(FILM), data, 0, cells)
    require_av()
    with journal_style(page):
        filmed = _filmed(data, frames, cells)
        filmed.figure.set_dpi(dpi)
        total = data.subgraph.intensity.shape[1]
        images = _reported(_images(filmed, total), total, progress)
        replace_with(target, lambda draft: _encode(draft, images, fps, f"{data.culture}: film"))
    return target


def frames_of(about: Culture, show: str | None, movies: Movies) -> Frames | None:
    """The frames of a culture's movie, if they are to be shown; None where its cells are.

    Parameters
    ----------
    about
        The culture.
    show
        One of SHOWN; None: the movie where there is one.
    movies
        Where movies lie.

    Raises
    ------
    InputError
        A culture without a movie that is to be shown.
    NotFoundError
        A movie that is not here.
    """
    from calcigraph.store.movie import open_store

    if show not in (None, *SHOWN):
        raise InputError(f"a film shows {' or '.join(SHOWN)}, not {show!r}")
    if about.movie is None and show == MOVIE:
        raise InputError(f"culture {about.uid!r} has no movie: `--show {CELLS}` films its cells")
    if about.movie is None or show == CELLS:
        return None
    if not movies.has(about.movie):
        raise NotFoundError(f"culture {about.uid}: {movies.whereabouts(about)}; `--show {CELLS}` films its cells")
    return open_store(movies.workspace / about.movie).normalised


def require_av() -> None:
    """Raise MissingExtraError, with the command that installs PyAV, where it cannot be imported."""
    extra_module("av", "a film is written", "formats")


def _reported(images: Iterator[NDArray[np.uint8]], total: int, progress: Progress) -> Iterator[NDArray[np.uint8]]:
    progress("film", 0, total)
    for done, image in enumerate(images, start=1):
        yield image
        progress("film", done, total)


def _filmed(data: PictureData, frames: Frames | None, cells: tuple[int, ...]) -> Filmed:
    """The page with everything on it."""
    paths = outline_paths(data)
    figure, chart = map_figure(view(data, paths), page_width(SINGLE), below=0.24)
    show, picture = _movie(chart, data, frames) if frames is not None else _cells(chart, data)
    before = len(chart.axes.collections)
    outline_cells(chart, data, paths, cells)
    outlines = chart.axes.collections[before:]
    scale_bar(chart, data.pixel_size_um)
    across, up = figure.get_size_inches()
    caption(
        figure, chart.left, across - 0.05 - TIME_ROOM, data.about(), "cells" if frames is None else "denoised movie"
    )
    time = figure.text(1 - 0.05 / across, 1 - (HEAD - 4 / 72) / up, "", ha="right", size=SMALL)
    times = data.subgraph.frame_times

    def show_all(frame: int) -> None:
        show(frame)
        time.set_text(f"$t$ = {stamp(times, frame)}")

    return Filmed(figure, show_all, (*picture, *outlines, *chart.axes.spines.values(), time))


def stamp(times: FloatArray, frame: int) -> str:
    """The time of a frame: seconds, or minutes and seconds where a recording is longer than two minutes.

    >>> stamp(np.array([0.0, 12.5]), 1), stamp(np.array([0.0, 61.0, 7325.0]), 1)
    ('12.5 s', '0:01:01 h')
    """
    last, seconds = float(times[-1]), float(times[frame])
    if last < 120:
        return f"{seconds:.4g} s"
    whole = round(seconds)
    minutes = f"{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes} h" if last >= 3600 else f"{minutes} min"


def _movie(chart: Map, data: PictureData, frames: Frames) -> tuple[Callable[[int], None], list[Artist]]:
    """The movie's frames, in colours whose range is that of a few of them."""
    from matplotlib.colors import Normalize

    total = data.subgraph.intensity.shape[1]
    sampled = np.unique(np.linspace(0, total - 1, SAMPLED).astype(int)).tolist()
    # A part of the pixels of each is enough for two percentiles.
    some = np.concatenate([frames(number).ravel()[:: max(1, SAMPLED // 4)] for number in sampled])
    low, high = limits(some, 0.5, 99.8)
    first = frames(0)
    shown = chart.axes.imshow(first, cmap="viridis", norm=Normalize(low, high), interpolation="antialiased")
    colour_bar(chart, shown, some, "normalised intensity")

    def show(frame: int) -> None:
        shown.set_data(first if frame == 0 else frames(frame))

    return show, [shown]


def _cells(chart: Map, data: PictureData) -> tuple[Callable[[int], None], list[Artist]]:
    """The cells, in the colours of kind cells: those of the whole recording."""
    from matplotlib.colors import Normalize

    intensity = data.subgraph.intensity
    known = np.isfinite(intensity).all(axis=1)
    first = np.where(known, intensity[:, 0], np.nan)
    shown = fill(chart, outline_paths(data), first, "viridis", Normalize(*limits(intensity, 2, 98)))
    colour_bar(chart, shown, intensity, data.intensity_unit)

    def show(frame: int) -> None:
        shown.set_array(intensity[known, frame])

    return show, [shown]


def _images(filmed: Filmed, total: int) -> Iterator[NDArray[np.uint8]]:
    """Each frame as pixels, (Y, X, 3), Y and X even; the array is reused for the next one."""
    canvas: Any = filmed.figure.canvas
    for artist in filmed.changing:
        artist.set_animated(True)
    filmed.show(0)
    canvas.draw()
    background = canvas.copy_from_bbox(filmed.figure.bbox)
    high, wide = np.asarray(canvas.buffer_rgba()).shape[:2]
    image = np.full((high + high % 2, wide + wide % 2, 3), 255, dtype=np.uint8)
    renderer = canvas.get_renderer()
    for frame in range(total):
        filmed.show(frame)
        canvas.restore_region(background)
        for artist in filmed.changing:
            artist.draw(renderer)
        image[:high, :wide] = np.asarray(canvas.buffer_rgba())[:, :, :3]
        yield image


def _encode(path: Path, images: Iterator[NDArray[np.uint8]], fps: int, title: str) -> None:
    """Encode the frames, with H.264 where this PyAV has it, else with MPEG-4."""
    import av

    codec, options = next((name, options) for name, options in CODECS if name in av.codecs_available)
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as film:
            film.metadata["title"] = title
            stream: Any = None
            for image in images:
                if stream is None:
                    stream = film.add_stream(codec, rate=Fraction(fps), options=options)
                    stream.height, stream.width = image.shape[:2]
                    stream.pix_fmt = "yuv420p"
                film.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            film.mux(stream.encode())
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror or str(error)) from error
