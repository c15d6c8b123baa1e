"""The streaming pass over a movie: median 3 x 3, exact quartiles of the log (eq. 23, arXiv:2505.20327), trace sums."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.inset import TracePixels
from calcigraph.ingest.movie import WORKERS, Movie, camera_values, frame_digest, movie_digest
from calcigraph.ingest.shift import ShiftGauge
from calcigraph.store.movie import MovieWriter, StoredMovie
from calcigraph.store.types import FloatArray, Normalisation, Progress, silent

LOG_TABLE = np.log1p(np.arange(65536, dtype=np.float64))
TOPS = frozenset({255, 1023, 4095, 16383, 32767, 65535, 1023 << 6, 4095 << 4, 16383 << 2})
"""Largest values of 8 to 16 bit cameras, also where fewer bits are stored left-aligned in 16."""


@dataclass(frozen=True)
class CellSums:
    """Per cell and frame sums over the cell's trace pixels: of log(x + 1) and of x, (n, T) each."""

    logs: FloatArray
    raw: FloatArray


@dataclass(frozen=True)
class Denoised:
    """What the pass found; the frames themselves are in the store."""

    normalisation: Normalisation
    frame_means: FloatArray
    """(T,), mean of each denoised frame, before any detrending."""
    saturated: float
    shift_px: float
    digest: str
    """`Movie.digest`; without meaning if the frames were not hashed."""
    sums: CellSums | None
    picture: FloatArray | None
    """(Y, X), mean or maximum over time of log(x + 1), if it was asked for."""


@dataclass
class _Tally:
    """What one worker accumulates; merged in a fixed order, so that results do not depend on timing."""

    counts: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(65536, np.uint64))
    top: float = -math.inf
    at_top: int = 0
    picture: FloatArray | None = None
    shift: float = 0.0

    def see_top(self, frame: NDArray[Any]) -> None:
        top = float(frame.max())
        if top >= self.top:
            if top > self.top:
                self.top, self.at_top = top, 0
            self.at_top += int(np.count_nonzero(frame == top))


class Pass:
    """One pass over `movie`, writing the denoised frames through `writer`.

    detrend: divide each denoised frame by its mean relative to the first frame's; the frames that are stored are then
    float32 whatever the movie's type, so the writer must be too. pixels: which to sum for the traces, or None.
    picture: "mean" or "max" for a picture to segment, or None. hashed: whether to hash the raw frames.
    """

    def __init__(
        self,
        movie: Movie,
        writer: MovieWriter,
        *,
        detrend: bool = False,
        pixels: TracePixels | None = None,
        picture: str | None = None,
        hashed: bool = True,
    ) -> None:
        frames = movie.info.shape[0]
        self._movie, self._writer, self._pixels, self._picture = movie, writer, pixels, picture
        self._digests = [b""] * frames
        self._hashed = hashed
        self._means = np.zeros(frames)
        self._sums = None if pixels is None else _no_sums(frames, pixels)
        first = self._denoise(camera_values(movie.frame(0), movie, 0))
        self._reference = _mean(first) if detrend else None
        self._gauge = ShiftGauge(first)

    def run(self, progress: Progress = silent) -> Denoised:
        """Do it. Raises InputError for damaged frames and for a movie without contrast."""
        tallies = over_blocks(self._writer.blocks(), self._block, _Tally, progress, "denoise")
        counts = np.sum([tally.counts for tally in tallies], axis=0, dtype=np.uint64)
        return Denoised(
            normalisation=self._normalisation(counts, progress),
            frame_means=self._means,
            saturated=_saturated(tallies, int(np.prod(self._movie.info.shape))),
            shift_px=max(tally.shift for tally in tallies),
            digest=movie_digest(self._movie.info.shape, self._digests),
            sums=self._sums,
            picture=self._merged_picture(tallies),
        )

    def _block(self, block: range, tally: _Tally) -> None:
        with self._writer.block(block) as write:
            for index in block:
                frame = self._frame(index, tally)
                write(frame)
                count(frame, tally.counts)
                if self._pixels is None and self._picture is None:
                    continue
                logs = logarithm(frame)
                if self._pixels is not None and self._sums is not None:
                    sum_cells(frame, logs, self._pixels, self._sums, index)
                self._add_to_picture(logs, tally)

    def _frame(self, index: int, tally: _Tally) -> NDArray[Any]:
        raw = camera_values(self._movie.frame(index), self._movie, index)
        if self._hashed:
            self._digests[index] = frame_digest(raw)
        tally.see_top(raw)
        frame = self._denoise(raw)
        self._means[index] = _mean(frame)
        tally.shift = max(tally.shift, self._gauge.displacement(frame))
        if self._reference is not None:
            frame = _detrended(frame, self._means[index], self._reference, self._movie.info.source, index)
        if frame.dtype == np.float32 and frame.min() <= -1:
            after = "" if self._reference is None else " after --detrend global"
            raise InputError(
                f"{self._movie.info.source}: frame {index} has values of -1 or less{after}, which have no log(x + 1); "
                "add an offset to the movie"
            )
        return frame

    @staticmethod
    def _denoise(raw: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.medianBlur(raw, 3)).reshape(raw.shape)

    def _add_to_picture(self, logs: FloatArray, tally: _Tally) -> None:
        if self._picture is None:
            return
        if tally.picture is None:
            tally.picture = logs
        elif self._picture == "mean":
            tally.picture += logs
        else:
            np.maximum(tally.picture, logs, out=tally.picture)

    def _merged_picture(self, tallies: Sequence[_Tally]) -> FloatArray | None:
        pictures = [tally.picture for tally in tallies if tally.picture is not None]
        if not pictures:
            return None
        if self._picture == "mean":
            return np.asarray(np.sum(pictures, axis=0) / self._movie.info.shape[0])
        return np.asarray(np.max(pictures, axis=0))

    def _normalisation(self, counts: NDArray[np.uint64], progress: Progress) -> Normalisation:
        floats = self._writer.dtype == np.float32
        value_of = _float_ranks(counts, self._writer, progress) if floats else partial(_bin_of, counts)
        q1, q3 = quartiles(value_of, int(counts.sum()))
        if not q3 > q1:
            raise InputError(
                f"{self._movie.info.source}: the middle half of all pixels have one value, so eq. 23 cannot scale them "
                "(interquartile range 0); crop the movie to the cells"
            )
        return Normalisation(q1, q3)


def over_blocks(
    blocks: Sequence[range],
    work: Callable[[range, Any], None],
    state: Callable[[], Any],
    progress: Progress,
    stage: str,
) -> list[Any]:
    """Call work(block, state) for all blocks in WORKERS threads, each with its own state; return the states.

    Which worker takes which block is fixed; `progress` is called by one at a time. The first error stops the others
    and is raised.
    """
    states = [state() for _ in range(min(WORKERS, len(blocks)))]
    total, done, failed, lock = sum(map(len, blocks)), 0, False, threading.Lock()

    def share(worker: int) -> None:
        nonlocal done, failed
        for block in blocks[worker :: len(states)]:
            if failed:
                return
            try:
                work(block, states[worker])
            except BaseException:
                failed = True
                raise
            with lock:
                done += len(block)
                progress(stage, done, total)

    with ThreadPoolExecutor(len(states)) as pool:
        for future in [pool.submit(share, worker) for worker in range(len(states))]:
            future.result()
    return states


def logarithm(frame: NDArray[Any]) -> FloatArray:
    """log(x + 1) of a denoised frame, (Y, X) float64; by table for uint16, four times as fast as NumPy's indexing."""
    if frame.dtype == np.uint16:
        return np.asarray(cv2.LUT(frame, LOG_TABLE)).reshape(frame.shape)
    return np.asarray(np.log1p(frame, dtype=np.float64))


def count(frame: NDArray[Any], counts: NDArray[np.uint64], prefix: int | None = None) -> None:
    """Add a denoised frame to the histogram, (65536,): of values if uint16; if float32, of the upper 16 bits of keys
    that sort as the floats do, or of the lower 16 bits where the upper ones are `prefix`.
    """
    if frame.dtype == np.uint16:
        keys = frame.ravel()
    else:
        bits = frame.ravel().view(np.uint32)
        every = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
        keys = every >> 16 if prefix is None else every[every >> 16 == prefix] & np.uint32(0xFFFF)
    counts += np.bincount(keys, minlength=65536).astype(np.uint64)


def sum_cells(frame: NDArray[Any], logs: FloatArray, pixels: TracePixels, sums: CellSums, index: int) -> None:
    """Put frame `index`'s sums of log(x + 1) and of x over each cell's trace pixels into `sums`."""
    wide = np.int64 if frame.dtype == np.uint16 else np.float64
    for values, kind, into in ((logs, np.float64, sums.logs), (frame, wide, sums.raw)):
        stretches = np.add.reduceat(values.ravel(), pixels.starts, dtype=kind)
        into[:, index] = np.bincount(pixels.rows, stretches, minlength=len(into) + 1)[:-1]


def sums_of_store(store: MovieWriter | StoredMovie, pixels: TracePixels, progress: Progress) -> CellSums:
    """The cells' sums by a second read of the denoised frames, for masks that were made from them."""
    sums = _no_sums(store.shape[0], pixels)

    def work(block: range, _: None) -> None:
        for index in block:
            frame = store.frame(index)
            sum_cells(frame, logarithm(frame), pixels, sums, index)

    over_blocks(store.blocks(), work, lambda: None, progress, "traces")
    return sums


def _no_sums(frames: int, pixels: TracePixels) -> CellSums:
    cells = len(pixels.counts)
    return CellSums(np.zeros((cells, frames)), np.zeros((cells, frames)))


def quartiles(value_of: Callable[[int], float], pixels: int) -> tuple[float, float]:
    """The quartiles of log(x + 1), bit-equal to numpy.quantile's "linear" rule, from the k-th smallest x (k from 0)."""
    found = []
    for share in (0.25, 0.75):
        position = (pixels - 1) * share
        below = math.floor(position)
        low = float(np.log1p(value_of(below)))
        high = float(np.log1p(value_of(min(below + 1, pixels - 1))))
        step, weight = high - low, position - below
        found.append(low + step * weight if weight < 0.5 else high - step * (1 - weight))
    return found[0], found[1]


def _bin_of(counts: NDArray[np.uint64], rank: int) -> int:
    return int(np.searchsorted(np.cumsum(counts), np.uint64(rank), side="right"))


def _float_ranks(upper: NDArray[np.uint64], store: MovieWriter, progress: Progress) -> Callable[[int], float]:
    """The k-th smallest float32 pixel: its key's upper half from the histogram, the lower from another read."""
    lower: dict[int, NDArray[np.uint64]] = {}

    def value_of(rank: int) -> float:
        prefix = _bin_of(upper, rank)
        if prefix not in lower:
            lower[prefix] = _lower_counts(store, prefix, progress)
        before = int(upper[:prefix].sum())
        key = prefix << 16 | _bin_of(lower[prefix], rank - before)
        bits = key ^ 0x80000000 if key >> 31 else ~key & 0xFFFFFFFF
        return float(np.array([bits], np.uint32).view(np.float32)[0])

    return value_of


def _lower_counts(store: MovieWriter, prefix: int, progress: Progress) -> NDArray[np.uint64]:
    def work(block: range, counts: NDArray[np.uint64]) -> None:
        for index in block:
            count(store.frame(index), counts, prefix)

    parts = over_blocks(store.blocks(), work, lambda: np.zeros(65536, np.uint64), progress, "quartiles")
    return np.asarray(np.sum(parts, axis=0, dtype=np.uint64))


def _mean(frame: NDArray[Any]) -> float:
    return float(cv2.sumElems(frame)[0]) / frame.size


def _detrended(frame: NDArray[Any], mean: float, reference: float, source: str, index: int) -> NDArray[Any]:
    if not (mean > 0 and reference > 0):
        raise InputError(f"{source}: frame {index} has mean {mean:g}, which cannot be divided out; use --detrend none")
    with np.errstate(over="ignore"):
        divided = np.divide(frame, mean / reference, dtype=np.float64).astype(np.float32)
    if not np.isfinite(divided.max()):
        raise InputError(f"{source}: frame {index} has mean {mean:g}, too small to divide out; use --detrend none")
    return np.asarray(divided)


def _saturated(tallies: Sequence[_Tally], pixels: int) -> float:
    """Share of pixels at the movie's maximum, if that is a camera's limit or too frequent a value to be chance."""
    top = max(tally.top for tally in tallies)
    share = sum(tally.at_top for tally in tallies if tally.top == top) / pixels
    return share if top in TOPS or (top > 256 and share > 1e-3) else 0.0
