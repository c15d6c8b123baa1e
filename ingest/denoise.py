"""The one pass over a movie: median filter of 3 x 3 px, histogram for eq. 23 (arXiv:2505.20327), and the traces' sums.

Frames are taken one at a time, so that memory does not grow with the movie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.histogram import Counts, about, count, no_counts, quartiles, ranks
from calcigraph.ingest.inset import TracePixels
from calcigraph.ingest.movie import Movie, camera_values, frame_digest, movie_digest, repeated
from calcigraph.ingest.register import Moves
from calcigraph.ingest.shift import ShiftGauge
from calcigraph.ingest.trace_sums import CellSums, logarithm, no_sums, sum_cells
from calcigraph.ingest.workers import over_blocks
from calcigraph.store.movie import MovieWriter
from calcigraph.store.types import FloatArray, Normalisation, Progress, silent

OUTERMOST = 1e-3
"""Share of the pixels that count as the darkest, and as the brightest."""
TOPS = frozenset({255, 1023, 4095, 16383, 32767, 65535, 1023 << 6, 4095 << 4, 16383 << 2})
"""Largest values of cameras of 8 to 16 bits, also of those that store fewer bits left-aligned in 16."""
BRIGHT, OFTEN = 256, 1e-3
"""A maximum above BRIGHT that more than this share of all pixels has is a limit too, though no camera's in TOPS."""


@dataclass(frozen=True)
class Denoised:
    """What the pass found; the frames themselves are in the store."""

    normalisation: Normalisation
    frame_means: FloatArray
    """(T,), mean of each denoised frame."""
    saturated: float
    """Share of the pixels at the top of the camera's range."""
    shift_px: float
    """Largest displacement of a frame against the first."""
    digest: str
    """`Movie.digest`."""
    repeated: int
    """Frames that are copies of the one before."""
    low: float
    high: float
    """Denoised values that 0.1 % of the pixels lie below and above; to 1 % in a movie of floats."""
    sums: CellSums | None
    """None if no pixels were given."""
    pictures: Mapping[str, FloatArray]
    """(Y, X) each, by name: mean and maximum over time of log(x + 1), those that were asked for."""


@dataclass
class _Tally:
    """What one worker accumulates; merged in a fixed order, so that results do not depend on timing."""

    counts: Counts = field(default_factory=no_counts)
    """The histogram of the denoised pixels."""
    top: float = -math.inf
    """Largest raw value."""
    at_top: int = 0
    """Number of raw pixels that have it."""
    pictures: dict[str, FloatArray] = field(default_factory=dict)
    shift: float = 0.0

    def see_top(self, frame: NDArray[Any]) -> None:
        """Take note of a raw frame's largest value."""
        top = float(frame.max())
        if top >= self.top:  # most frames stay below, and need no count
            if top > self.top:
                self.top, self.at_top = top, 0
            self.at_top += int(np.count_nonzero(frame == top))


class Pass:
    """One pass over a movie, which writes the denoised frames.

    Parameters
    ----------
    movie
        The movie, open.
    writer
        Where the frames go; uint16 or float32 as `camera_values` gives them.
    pixels
        Which pixels to sum for the traces; None if the cells are not known yet.
    pictures
        "mean", "max" or both: pictures over time to segment.
    moves
        Where the tissue lies in each frame; None where it was not registered.

    Raises
    ------
    InputError
        The first frame is damaged.
    """

    def __init__(
        self,
        movie: Movie,
        writer: MovieWriter,
        *,
        pixels: TracePixels | None = None,
        pictures: Sequence[str] = (),
        moves: Moves | None = None,
    ) -> None:
        frames = movie.info.shape[0]
        self._movie, self._writer = movie, writer
        self._pixels, self._pictures, self._moves = pixels, pictures, moves
        # Filled frame by frame, in any order, as the threads come to them.
        self._digests = [b""] * frames
        self._means = np.zeros(frames)
        self._sums = None if pixels is None else no_sums(frames, pixels)
        # The first frame is read before the pass: the place of all others is measured against it.
        first = self._denoise(camera_values(movie.frame(0), movie, 0))
        self._gauge = ShiftGauge(first)

    def run(self, progress: Progress = silent) -> Denoised:
        """Do the pass.

        Parameters
        ----------
        progress
            Called with the stage "denoise", and "quartiles" for a movie of floats.

        Raises
        ------
        InputError
            Damaged frames, values without a logarithm, or a movie without contrast.
        """
        tallies = over_blocks(self._writer.blocks(), self._block, _Tally, progress, "denoise")
        # Whole numbers, so that the sum is the same in any order.
        counts = np.sum([tally.counts for tally in tallies], axis=0, dtype=np.uint64)
        return Denoised(
            normalisation=self._normalisation(counts, progress),
            frame_means=self._means,
            saturated=_saturated(tallies, int(np.prod(self._movie.info.shape))),
            shift_px=max(tally.shift for tally in tallies),
            digest=movie_digest(self._movie.info.shape, self._digests),
            repeated=repeated(self._digests),
            low=about(counts, OUTERMOST, self._writer.dtype),
            high=about(counts, 1 - OUTERMOST, self._writer.dtype),
            sums=self._sums,
            pictures={kind: self._merged(kind, tallies) for kind in self._pictures},
        )

    def _block(self, block: range, tally: _Tally) -> None:
        """Denoise, store and measure the frames of one file of the store."""
        with self._writer.block(block) as write:
            for index in block:
                frame = self._frame(index, tally)
                write(frame)
                count(frame, tally.counts)
                if self._pixels is not None and self._sums is not None:
                    sum_cells(frame, self._pixels, self._sums, index)
                if self._pictures:
                    self._add_to_picture(logarithm(frame), tally)

    def _frame(self, index: int, tally: _Tally) -> NDArray[Any]:
        """The frame as it is stored: denoised."""
        raw = camera_values(self._movie.frame(index), self._movie, index)
        self._digests[index] = frame_digest(raw)
        tally.see_top(raw)  # of the raw frame: the median hides single saturated pixels
        frame = self._denoise(raw if self._moves is None else self._moves.back(raw, index))
        self._means[index] = _mean(frame)
        tally.shift = max(tally.shift, self._gauge.displacement(frame))
        # Only floats can be below 0: integers were checked when they were read.
        if frame.dtype == np.float32 and frame.min() <= -1:
            raise InputError(
                f"{self._movie.info.source}: frame {index} has values of -1 or less, which have no log(x + 1); "
                "give --background with what the camera shows in the dark, such as the lowest value"
            )
        return frame

    @staticmethod
    def _denoise(raw: NDArray[Any]) -> NDArray[Any]:
        """Median of 3 x 3 px; at the edges, the pixels there are repeated."""
        return np.asarray(cv2.medianBlur(raw, 3)).reshape(raw.shape)

    def _add_to_picture(self, logs: FloatArray, tally: _Tally) -> None:
        for kind in self._pictures:
            if kind not in tally.pictures:
                # The frame's own array serves one picture: nobody else writes to it.
                tally.pictures[kind] = logs if kind == self._pictures[-1] else logs.copy()
            elif kind == "mean":
                tally.pictures[kind] += logs
            else:
                np.maximum(tally.pictures[kind], logs, out=tally.pictures[kind])

    def _merged(self, kind: str, tallies: Sequence[_Tally]) -> FloatArray:
        """(Y, X), from the workers' sums or maxima."""
        pictures = [tally.pictures[kind] for tally in tallies if kind in tally.pictures]
        if kind == "mean":
            return np.asarray(np.sum(pictures, axis=0) / self._movie.info.shape[0])
        return np.asarray(np.max(pictures, axis=0))

    def _normalisation(self, counts: Counts, progress: Progress) -> Normalisation:
        """Eq. 23 from the histogram of all pixels."""
        q1, q3 = quartiles(ranks(counts, self._writer, progress), int(counts.sum()))
        if not q3 > q1:
            raise InputError(
                f"{self._movie.info.source}: the middle half of all pixels have one value, so eq. 23 cannot scale them "
                "(interquartile range 0); crop the movie to the cells"
            )
        return Normalisation(q1, q3)


def _mean(frame: NDArray[Any]) -> float:
    """Mean of all pixels: OpenCV sums them in float64, several times as fast as NumPy."""
    return float(cv2.sumElems(frame)[0]) / frame.size


def _saturated(tallies: Sequence[_Tally], pixels: int) -> float:
    """Share of the pixels at the movie's maximum if that is the camera's limit, else 0."""
    # A worker that never saw the movie's maximum has counted another value.
    top = max(tally.top for tally in tallies)
    share = sum(tally.at_top for tally in tallies if tally.top == top) / pixels
    return share if top in TOPS or (top > BRIGHT and share > OFTEN) else 0.0
