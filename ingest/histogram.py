"""Exact quartiles of all pixels of a movie (eq. 23, arXiv:2505.20327) without holding them in memory.

A histogram counts the denoised pixels while they pass. For uint16 it has one bin per value, so that every pixel of a
given rank can be read from it. For float32 it has one bin per upper half of the value's bits; the lower halves of the
few bins that hold a quartile are counted in a second read of the frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.ingest.workers import over_blocks
from calcigraph.store.movie import DenoisedFrames
from calcigraph.store.types import Progress

VALUES = 1 << 16
"""Of 16 bits: values of a uint16 pixel, and bins of a histogram."""
SIGN_BIT = 0x80000000
"""Of a float32."""

FEW = 4096
"""Values for which OpenCV counts faster than NumPy; it takes longer the more there are."""
EXACT = 1 << 24
"""Pixels that OpenCV can count: its counts are float32."""

Counts = NDArray[np.uint64]
"""(VALUES,), a histogram."""


def no_counts() -> Counts:
    """A histogram of nothing."""
    return np.zeros(VALUES, np.uint64)


def count(frame: NDArray[Any], counts: Counts, prefix: int | None = None) -> None:
    """Add a denoised frame to a histogram.

    Parameters
    ----------
    frame
        (Y, X).
    counts
        (65536,), the histogram: of the values if they are uint16. If they are float32, of the upper 16 bits of keys
        that sort as the floats do.
    prefix
        Count the lower 16 bits instead, of the pixels whose upper ones are these.
    """
    if frame.dtype == np.uint16:
        bins = int(frame.max()) + 1
        if bins <= FEW and frame.size <= EXACT:
            counts[:bins] += cv2.calcHist([frame], [0], None, [bins], [0, bins]).ravel().astype(np.uint64)
            return
        keys = frame.ravel()
    else:
        bits = frame.ravel().view(np.uint32)
        # As integers, floats below 0 sort backwards and after the others: flip theirs, and put the others above them.
        every = np.where(bits >> 31, ~bits, bits | np.uint32(SIGN_BIT))
        upper = every >> 16
        keys = upper if prefix is None else every[upper == prefix] & np.uint32(0xFFFF)
    found = np.bincount(keys)
    counts[: len(found)] += found.view(np.uint64)


def quartiles(value_of: Callable[[int], float], pixels: int) -> tuple[float, float]:
    """The quartiles of log(x + 1) by the "linear" rule of numpy.quantile, equal to the last bit.

    Parameters
    ----------
    value_of
        The k-th smallest x, k from 0.
    pixels
        The number of values.

    Returns
    -------
    Lower and upper quartile.

    Examples
    --------
    >>> values = [0, 1, 2, 3, 4]
    >>> quartiles(values.__getitem__, 5) == tuple(np.quantile(np.log1p(values), [0.25, 0.75]))
    True
    """
    found = []
    for share in (0.25, 0.75):
        position = (pixels - 1) * share  # among the sorted values, mostly between two of them
        below = math.floor(position)
        low = float(np.log1p(value_of(below)))
        high = float(np.log1p(value_of(min(below + 1, pixels - 1))))
        # NumPy interpolates from the nearer end; rounding differs in the last bit otherwise.
        step, weight = high - low, position - below
        found.append(low + step * weight if weight < 0.5 else high - step * (1 - weight))
    return found[0], found[1]


def ranks(counts: Counts, frames: DenoisedFrames, progress: Progress) -> Callable[[int], float]:
    """A function that gives the k-th smallest pixel, k from 0.

    Parameters
    ----------
    counts
        The histogram of all frames.
    frames
        The frames, which are read again if they are float32.
    progress
        Called then, with the stage "quartiles".
    """
    return _float_ranks(counts, frames, progress) if frames.dtype == np.float32 else partial(_bin_of, counts)


def about(counts: Counts, share: float, dtype: np.dtype[Any]) -> float:
    """The value that this share of the pixels lies below: exact for uint16, to 1 % for float32."""
    key = _bin_of(counts, min(int(share * int(counts.sum())), int(counts.sum()) - 1))
    return float(key) if dtype == np.uint16 else _float_of(key << 16)


def _float_of(key: int) -> float:
    """The float32 of a key: `count` the other way round."""
    bits = key ^ SIGN_BIT if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.array([bits], np.uint32).view(np.float32)[0])


def _bin_of(counts: Counts, rank: int) -> int:
    """The bin of the value of this rank, from 0."""
    return int(np.searchsorted(np.cumsum(counts), np.uint64(rank), side="right"))


def _float_ranks(upper: Counts, frames: DenoisedFrames, progress: Progress) -> Callable[[int], float]:
    """A function that gives the k-th smallest float32 pixel, k from 0.

    The upper half of its key is that of the histogram `upper`; the lower half takes another read of the frames.
    """
    # The two values around a quartile mostly share their upper half, so that one read serves both.
    lower: dict[int, Counts] = {}

    def value_of(rank: int) -> float:
        prefix = _bin_of(upper, rank)
        if prefix not in lower:
            lower[prefix] = _lower_counts(frames, prefix, progress)
        before = int(upper[:prefix].sum())
        return _float_of(prefix << 16 | _bin_of(lower[prefix], rank - before))

    return value_of


def _lower_counts(frames: DenoisedFrames, prefix: int, progress: Progress) -> Counts:
    """The histogram of the lower halves of the keys whose upper half is `prefix`."""

    def work(block: range, counts: Counts) -> None:
        for index in block:
            count(frames.frame(index), counts, prefix)

    parts = over_blocks(frames.blocks(), work, no_counts, progress, "quartiles")
    return np.asarray(np.sum(parts, axis=0, dtype=np.uint64))
