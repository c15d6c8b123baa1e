"""A movie as the user wants it ingested: which frames, at which times, and what a pixel means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.axes import Choice
from calcigraph.ingest.formats import open_movie
from calcigraph.ingest.movie import Movie
from calcigraph.ingest.options import IngestOptions
from calcigraph.ingest.selection import ChosenFrames, Rescaled, parse_frames
from calcigraph.ingest.times import Timing, settle
from calcigraph.store.types import IntArray, Progress


@dataclass(frozen=True)
class Prepared:
    """A movie that is open, and what is known of it before its pixels are read."""

    movie: Movie
    timing: Timing
    notes: tuple[str, ...]
    """What was done to it or is odd about it, one line each, for the user."""
    marker: Movie | None = None
    """The same frames of the channel in which cells are to be found, where it is another one."""

    @property
    def picked(self) -> dict[str, int | str]:
        """Scene, channels and z-plane of a file with several, as the culture's options have them."""
        marker = self.marker.info.picked if self.marker is not None else ()
        return {**dict(self.movie.info.picked), **{f"segment_{key}": each for key, each in marker if "channel" in key}}


@contextmanager
def prepared(source: str, options: IngestOptions, progress: Progress) -> Iterator[Prepared]:
    """Open a movie, take the channel, frames and pixel values that the options ask for, and settle its times.

    Parameters
    ----------
    source
        As for `open_movie`.
    options
        `channel`, `segment_channel`, `scene`, `z`, `axes`, `frames`, `drop_repeats`, `background` (counts), `scale`,
        `frame_interval_s` and `trust_interval` are used.
    progress
        Called with the stage "repeats" if repeated frames are to be dropped.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is no such movie; its pages are not as many as its description names, and no frames were chosen; its times
        contradict each other; nothing is left of it.
    """
    with ExitStack() as opened:
        movie = opened.enter_context(_opened(source, options))
        marker = opened.enter_context(_opened(source, options, "segment_channel")) if options.segment_channel else None
        notes = list(movie.info.notes)
        if options.frames is not None:
            chosen = parse_frames(options.frames, movie.info.shape[0], source)
            if movie.broken_off is not None:
                notes.append(f"frames: {movie.broken_off}; {options.frames} were taken")
            movie, marker = ChosenFrames(movie, chosen), marker and ChosenFrames(marker, chosen)
        elif movie.broken_off is not None:
            raise InputError(
                f"{source}: {movie.broken_off}; give --frames 0:{movie.info.shape[0] - 1} to take those, "
                "or export it again"
            )
        timing = settle(movie.info.times, options.frame_interval_s, options.trust_interval, source)
        if options.drop_repeats:
            kept = _without_repeats(movie, progress)
            if len(kept) < movie.info.shape[0]:
                count = f"{movie.info.shape[0] - len(kept)} of {movie.info.shape[0]}"
                notes.append(f"repeats: {count} frames are copies of the one before and are left out")
                timing = timing.chosen(kept, movie.info.shape[0])
                movie, marker = ChosenFrames(movie, kept), marker and ChosenFrames(marker, kept)
        dark = options.light_off.counts if options.light_off is not None else None
        if dark is not None or options.scale != 1:
            movie = Rescaled(movie, dark or 0.0, options.scale)
        yield Prepared(movie, timing, (*notes, *timing.warnings), marker)


def _opened(source: str, options: IngestOptions, channel: str = "channel") -> Movie:
    """The movie of the channel that one of the two options names."""
    flag = "--" + channel.replace("_", "-")
    wanted = {name: getattr(options, name) for name in (channel, "scene", "z")}
    words = {name: None if each is None else str(each) for name, each in wanted.items()}
    choice = Choice(channel=words[channel], scene=words["scene"], z=words["z"], axes=options.axes, flag=flag)
    return open_movie(source, timed=options.frame_interval_s is not None, choice=choice)


def _without_repeats(movie: Movie, progress: Progress) -> IntArray:
    """The frames that differ from the one before."""
    digests = movie.frame_digests(progress, "repeats")
    kept = [0, *(index for index in range(1, len(digests)) if digests[index] != digests[index - 1])]
    if len(kept) < 2:
        raise InputError(f"{movie.info.source}: all of its {len(digests)} frames are the same; expected a movie")
    return np.array(kept)
