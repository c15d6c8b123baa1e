"""Masks as a user may have them: cells without a mask, two cells under one, outlines too small, all of it displaced."""

from __future__ import annotations

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.synthetic.label_geometry import LabelGeometry
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store.types import BoolArray, IntArray, LabelImage


def mask_labels(
    options: SyntheticOptions, geometry: LabelGeometry, spared: BoolArray, rng: np.random.Generator
) -> IntArray:
    """The label under which the masks show each cell, (n,): its own, 0 without a mask, a new one (above all others)
    for the two cells of a merged pair. `spared` cells, (n,), keep their own.

    Raises InputError if too few cells are left for the missing and merged ones.
    """
    shown = geometry.cells.copy()
    free = np.flatnonzero(~spared)
    count = round(options.missing * len(shown))
    if count > len(free):
        raise InputError(f"missing takes {count} cells, but only {len(free)} are not planted; plant or miss fewer")
    shown[rng.choice(free, count, replace=False)] = 0
    left, merged = ~spared & (shown > 0), 0
    for a, b in rng.permutation(geometry.pairs).tolist():
        if merged < options.mask_merges and left[a] and left[b]:
            merged += 1
            shown[[a, b]] = geometry.cells[-1] + merged
            left[[a, b]] = False
    if merged < options.mask_merges:
        raise InputError(
            f"mask_merges is {options.mask_merges}, but only {merged} pairs could be merged; ask for fewer"
        )
    return shown


def relabel(labels: LabelImage, cells: IntArray, shown: IntArray) -> LabelImage:
    """The label image (Y, X) with each of `cells` under the label it is shown as."""
    table = np.zeros(int(labels.max()) + 1, dtype=labels.dtype)
    table[cells] = shown
    return table[labels]


def displace(options: SyntheticOptions, masks: LabelImage, rng: np.random.Generator) -> LabelImage:
    """Masks (Y, X) eroded by `mask_erosion` px and shifted by `mask_shift` px, to whole pixels, in a random direction.

    The masks' outermost pixels fill the strip that a shift lays bare, so the tissue still reaches the image edge.
    Raises InputError if a cell vanishes.
    """
    angle = rng.uniform(0, 2 * np.pi)
    dx, dy = (round(options.mask_shift * part) for part in (np.cos(angle), np.sin(angle)))
    rows, columns = (np.clip(np.arange(side) - by, 0, side - 1) for side, by in zip(masks.shape, (dy, dx), strict=True))
    result: LabelImage = _eroded(masks, options.mask_erosion)[rows][:, columns]
    lost = np.setdiff1d(masks, result)
    if len(lost):
        raise InputError(
            f"mask_erosion {options.mask_erosion} and mask_shift {options.mask_shift:g} px leave nothing of "
            f"{len(lost)} cells; use less"
        )
    return result


def _eroded(masks: LabelImage, by_px: int) -> LabelImage:
    """Each cell without the pixels that lie within by_px of another cell or of the background."""
    if by_px == 0:
        return masks
    import cv2

    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by_px + 1, 2 * by_px + 1))
    plain = masks.astype(np.float32)  # exact up to 2^24 labels
    return np.asarray(np.where(cv2.erode(plain, disc) == cv2.dilate(plain, disc), masks, 0), masks.dtype)
