"""Pictures of a second channel, such as a membrane marker, in which cells are found; traces come from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from calcigraph.ingest.movie import Movie, camera_values, frame_digest, movie_digest
from calcigraph.ingest.register import Moves
from calcigraph.ingest.workers import over_blocks
from calcigraph.store.types import FloatArray, Progress, silent

_BLOCK = 16
"""Frames that a thread reads at a time."""


@dataclass(frozen=True)
class Marker:
    """What was seen in the marker's channel; made by `see_marker`."""

    pictures: dict[str, FloatArray]
    """(Y, X) each, by name: log(x + 1) of the denoised frames, "mean" or "max" over time, or one frame."""
    digest: str
    """`Movie.digest`."""


@dataclass
class _Seen:
    """What one thread accumulates."""

    pictures: dict[str, FloatArray] = field(default_factory=dict)


def see_marker(movie: Movie, named: Sequence[str], progress: Progress = silent, moves: Moves | None = None) -> Marker:
    """Read the marker's frames once: median of 3 x 3 px, logarithm, and pictures of them.

    Parameters
    ----------
    movie
        The marker's channel, open.
    named
        "mean", "max", or the number of a frame; several of them.
    progress
        Called with the stage "marker".
    moves
        Where the tissue lies in each frame; None where it was not registered.

    Raises
    ------
    InputError
        A frame is damaged, or has values without a logarithm.
    """
    frames = movie.info.shape[0]
    digests = [b""] * frames

    def look(block: range, seen: _Seen) -> None:
        for index in block:
            raw = camera_values(movie.frame(index), movie, index)
            digests[index] = frame_digest(raw)
            raw = raw if moves is None else moves.back(raw, index)
            logs = np.log1p(np.maximum(cv2.medianBlur(raw, 3).reshape(raw.shape), 0), dtype=np.float64)
            for name in named:
                _add(seen.pictures, name, logs, index)

    blocks = [range(start, min(start + _BLOCK, frames)) for start in range(0, frames, _BLOCK)]
    parts = [seen.pictures for seen in over_blocks(blocks, look, _Seen, progress, "marker")]
    pictures = {name: _whole(name, [part[name] for part in parts if name in part], frames) for name in named}
    return Marker(pictures, movie_digest(movie.info.shape, digests))


def _add(pictures: dict[str, FloatArray], name: str, logs: FloatArray, index: int) -> None:
    if name.isdecimal():
        if int(name) == index:
            pictures[name] = logs
    elif name not in pictures:
        pictures[name] = logs.copy()
    elif name == "mean":
        pictures[name] += logs
    else:
        np.maximum(pictures[name], logs, out=pictures[name])


def _whole(name: str, parts: Sequence[FloatArray], frames: int) -> FloatArray:
    if name == "mean":
        return np.asarray(np.sum(parts, axis=0) / frames)
    return np.asarray(np.max(parts, axis=0))
