"""Sums over the pixels of each cell, frame by frame: the traces before they are divided and normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.ingest.inset import TracePixels
from calcigraph.ingest.workers import over_blocks
from calcigraph.store.movie import DenoisedFrames
from calcigraph.store.types import FloatArray, Progress

LOG_TABLE = np.log1p(np.arange(1 << 16, dtype=np.float64))
"""log(x + 1) of every uint16 value."""


@dataclass(frozen=True)
class CellSums:
    """Sums over each cell's trace pixels in each frame, (n, T) each."""

    logs: FloatArray
    """Of log(x + 1)."""
    raw: FloatArray
    """Of x, the denoised pixels."""


@dataclass(frozen=True)
class CellMeans:
    """Means over each cell's trace pixels in each frame, (n, T) each, before any correction; made by `means_of`."""

    logs: FloatArray
    """Of log(x + 1)."""
    raw: FloatArray
    """Of x, the denoised pixels."""


def means_of(sums: CellSums, pixels: TracePixels) -> CellMeans:
    """The sums over these pixels, divided by their number."""
    counts = pixels.counts[:, None]
    return CellMeans(sums.logs / counts, sums.raw / counts)


def logarithm(frame: NDArray[Any]) -> FloatArray:
    """log(x + 1) of denoised pixels, in their shape, float64."""
    if frame.dtype == np.uint16:
        # OpenCV's table look-up is four times as fast as NumPy's indexing.
        return np.asarray(cv2.LUT(frame, LOG_TABLE)).reshape(frame.shape)
    return np.asarray(np.log1p(frame, dtype=np.float64))


def no_sums(frames: int, pixels: TracePixels) -> CellSums:
    """Sums of nothing, to be filled frame by frame."""
    cells = len(pixels.counts)
    return CellSums(np.zeros((cells, frames)), np.zeros((cells, frames)))


def sum_cells(frame: NDArray[Any], pixels: TracePixels, sums: CellSums, index: int) -> None:
    """Put the sums of one frame into `sums`.

    Parameters
    ----------
    frame
        (Y, X), denoised.
    pixels
        Which pixels of each cell.
    sums
        Written to, in column `index`.
    """
    cells = pixels.by_cell
    if not len(cells.firsts):
        return
    # The cells' pixels are put side by side first: sums of the stretches that they are in the frame take twice as long.
    # All places are in the frame; of NumPy's ways to see to that "wrap" is the quickest.
    values = np.take(frame.ravel(), cells.places, mode="wrap")
    exact = np.int64 if frame.dtype == np.uint16 else np.float64
    sums.logs[cells.rows, index] = np.add.reduceat(logarithm(values), cells.firsts)
    sums.raw[cells.rows, index] = np.add.reduceat(values, cells.firsts, dtype=exact)


def sums_of_store(store: DenoisedFrames, pixels: TracePixels, progress: Progress) -> CellSums:
    """The cells' sums by a second read of the denoised frames, for masks that were made from those.

    Parameters
    ----------
    store
        The store, all its frames written.
    pixels
        Which pixels of each cell.
    progress
        Called with the stage "traces".
    """
    sums = no_sums(store.shape[0], pixels)

    def work(block: range, _: None) -> None:
        for index in block:
            frame = store.frame(index)
            sum_cells(frame, pixels, sums, index)

    over_blocks(store.blocks(), work, lambda: None, progress, "traces")
    return sums
