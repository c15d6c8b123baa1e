"""Masks as a user may have them: missing, shared by two cells, too small, or displaced."""

from __future__ import annotations

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.synthetic.label_geometry import LabelGeometry
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store.types import BoolArray, IntArray, LabelImage


def mask_labels(
    options: SyntheticOptions, geometry: LabelGeometry, spared: BoolArray, rng: np.random.Generator
) -> IntArray:
    """The label under which the masks show each cell.

    Parameters
    ----------
    options
        `missing` is the share of cells without a mask, `mask_merges` the number of pairs that share one.
    geometry
        The n true cells.
    spared
        (n,), cells that are neither missing nor merged.
    rng
        Decides which cells are.

    Returns
    -------
    array
        (n,): the cell's label, 0 without a mask, or a new label (above all others) for the two cells of a merged pair.

    Raises
    ------
    InputError
        Too few cells are left to be missing or merged.
    """
    shown = geometry.cells.copy()
    free = np.flatnonzero(~spared)
    count = round(options.missing * len(shown))
    if count > len(free):
        raise InputError(f"missing takes {count} cells, but only {len(free)} are not planted; plant or miss fewer")
    shown[rng.choice(free, count, replace=False)] = 0
    # Pairs in contact are tried in random order; a cell is merged once.
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
    """The label image (Y, X) with each of `cells`, (n,), under the label it is shown as, (n,)."""
    table = np.zeros(int(labels.max()) + 1, dtype=labels.dtype)
    table[cells] = shown
    return table[labels]


def displace(options: SyntheticOptions, masks: LabelImage, rng: np.random.Generator) -> LabelImage:
    """Masks eroded by `mask_erosion` px and shifted by `mask_shift` px, to whole pixels, in a random direction.

    A shift lays bare a strip at the image edge. The outermost pixels of the masks fill it, so that the tissue still
    reaches the edge.

    Parameters
    ----------
    options
        The erosion and the shift.
    masks
        (Y, X).
    rng
        Decides the direction.

    Raises
    ------
    InputError
        Nothing is left of a cell.
    """
    angle = rng.uniform(0, 2 * np.pi)
    dx, dy = (round(options.mask_shift * part) for part in (np.cos(angle), np.sin(angle)))
    # Indices beyond the image are clipped to its edge, which repeats the outermost pixels.
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
    # Where the least and the largest label around a pixel agree, only its own cell is near.
    same_around = cv2.erode(plain, disc) == cv2.dilate(plain, disc)
    return np.asarray(np.where(same_around, masks, 0), masks.dtype)
