"""The light of pixels that belong to no cell, frame by frame: what camera, medium and haze add to all pixels."""

from __future__ import annotations

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.workers import over_blocks
from calcigraph.store.movie import DenoisedFrames
from calcigraph.store.types import FloatArray, IntArray, LabelImage, Progress

MARGIN = 10
"""px from the nearest cell, within which pixels show light of cells."""
FEWEST, MOST = 400, 20_000
"""Pixels outside cells from which they tell the background, and most that are used."""
LOOKED_AT = 16
"""Frames from which dark pixels are told from those of cells without a mask."""


def background_pixels(labels: LabelImage) -> IntArray:
    """The pixels far from all cells, as places in the flat image; none where there are too few.

    Parameters
    ----------
    labels
        (Y, X), 0 for background: all masks, also those of cells that are too small.

    Examples
    --------
    >>> labels = np.zeros((60, 60), np.int32)
    >>> labels[:20] = 1
    >>> len(background_pixels(labels)), len(background_pixels(labels[:35]))
    (1800, 0)
    """
    import cv2

    far = cv2.distanceTransform((labels == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    found = np.flatnonzero(far.ravel() > MARGIN)
    if len(found) < FEWEST:
        return found[:0]
    return np.asarray(found[:: -(-len(found) // MOST)])


def background_levels(frames: DenoisedFrames, pixels: IntArray, progress: Progress) -> FloatArray:
    """The background of every frame, (T,): the median of the darker half of the pixels.

    Cells that have no mask lie in the brighter half.
    """
    chosen = np.unique(np.linspace(0, frames.shape[0] - 1, LOOKED_AT).round().astype(np.int64))
    mean = np.mean([frames.frame(number).ravel()[pixels] for number in chosen.tolist()], axis=0, dtype=np.float64)
    dark = pixels[mean <= np.median(mean)]
    levels = np.zeros(frames.shape[0])

    def work(block: range, _: None) -> None:
        for index in block:
            levels[index] = np.median(frames.frame(index).ravel()[dark])

    over_blocks(frames.blocks(), work, lambda: None, progress, "background")
    return levels


def without_background(means: FloatArray, levels: FloatArray, labels: IntArray) -> FloatArray:
    """The light of the cells alone, (n, T).

    Parameters
    ----------
    means
        (n, T), mean of each cell's pixels.
    levels
        (T,), the background.
    labels
        (n,), for messages.

    Raises
    ------
    InputError
        A cell is no brighter than the background.
    """
    light = means - levels
    if light.min() <= 0:
        cell, frame = np.unravel_index(int(light.argmin()), light.shape)
        raise InputError(
            f"--background: cell {labels[cell]} is no brighter than the pixels without cells in frame {frame} "
            f"({means[cell, frame]:.5g} and {levels[frame]:.5g}); ingest without it, or correct the masks"
        )
    return np.asarray(light)
