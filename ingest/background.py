"""The light of pixels that belong to no cell, frame by frame: what camera, medium and haze add to all pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest.background_given import EXPECTED
from calcigraph.ingest.masks import masks_and_notes
from calcigraph.ingest.options import IngestOptions
from calcigraph.ingest.workers import over_blocks
from calcigraph.store.movie import DenoisedFrames
from calcigraph.store.types import FloatArray, IntArray, LabelImage, Progress

MARGIN = 10
"""px from the nearest cell, within which pixels show light of cells."""
FEWEST, MOST = 400, 20_000
"""Pixels outside cells from which they tell the background, and most that are used."""
LOOKED_AT = 16
"""Frames from which dark pixels are told from those of cells without a mask."""


@dataclass(frozen=True)
class EmptyMask:
    """The user's mask of pixels without cells; made by `read_empty`."""

    pixels: IntArray
    """Their places in the flat image."""
    digest: str
    """Hash of the mask."""


@dataclass(frozen=True)
class TakenOff:
    """What `--background` takes off the traces; made by `taken_off`."""

    levels: FloatArray
    """(T,), counts."""
    said_by: str
    """What tells them."""

    @property
    def facts(self) -> dict[str, Any]:
        """For `Culture.light`: the median level, and between which levels the frames lie."""
        low, high = float(self.levels.min()), float(self.levels.max())
        more = {"background_off_low": low, "background_off_high": high} if high > low else {}
        return {"background_off": float(np.median(self.levels)), "background_from": self.said_by, **more}


def read_empty(options: IngestOptions, shape: tuple[int, int]) -> EmptyMask | None:
    """The mask that `--background` names, for frames of that shape, (Y, X): what is not 0 is background.

    Raises
    ------
    NotFoundError, InputError
        As `read_masks`.
    """
    if options.light_off is None or options.light_off.mask is None:
        return None
    try:
        masks, _ = masks_and_notes(options.light_off.mask, shape)
    except (InputError, NotFoundError) as error:
        told = str(error).replace("; expected a label TIFF", f"; {EXPECTED}, such as a label TIFF")
        raise type(error)(f"--background {told}") from error
    return EmptyMask(np.flatnonzero(masks.labels), masks.digest)


def taken_off(
    frames: DenoisedFrames,
    place: IntArray,
    options: IngestOptions,
    told: EmptyMask | Sequence[float] | None,
    progress: Progress,
) -> TakenOff | None:
    """What is to be taken off the traces; None where nothing is, or where it was taken off the frames already.

    Parameters
    ----------
    frames
        The denoised movie.
    place
        As `background_pixels` gives it.
    options
        `background` is used.
    told
        The user's mask, or the levels, (T,), that an ingest found in it; None without one.
    progress
        Called with the stage "background".

    Raises
    ------
    InputError
        There are no pixels to tell the background from.
    """
    choice = options.light_off
    if choice is None or choice.counts is not None:
        return None
    if choice.mask is not None:
        assert told is not None
        levels = medians(frames, told.pixels, progress) if isinstance(told, EmptyMask) else np.array(told)
        return TakenOff(levels, f"median of {Path(choice.mask).name}")
    if not len(place):
        raise InputError(
            f"--background: fewer than {FEWEST} pixels lie more than {MARGIN} px from all cells, so they do not tell "
            "the background; leave it out, or give --background with the counts that the camera shows in the dark"
        )
    if choice.percentile is None:
        return TakenOff(background_levels(frames, place, progress), "the darker half of the pixels without cells")
    said_by = f"percentile {choice.percentile:g} of the pixels without cells"
    return TakenOff(medians(frames, place, progress, choice.percentile), said_by)


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
    return medians(frames, dark, progress)


def medians(frames: DenoisedFrames, pixels: IntArray, progress: Progress, percentile: float = 50.0) -> FloatArray:
    """The median, or another percentile, of these pixels in every frame, (T,)."""
    levels = np.zeros(frames.shape[0])

    def work(block: range, _: None) -> None:
        for index in block:
            levels[index] = np.percentile(frames.frame(index).ravel()[pixels], percentile)

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
            f"({means[cell, frame]:.5g} and {levels[frame]:.5g}); ingest without it, or correct the masks or the level"
        )
    return np.asarray(light)
