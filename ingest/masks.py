"""Cell masks from a file: a label TIFF or PNG, a plain .npy, Cellpose's _seg.npy, or another program's regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError, NotFoundError, beside
from calcigraph.ingest.digests import digest_of
from calcigraph.ingest.npy import load_npy
from calcigraph.ingest.others.kinds import read_regions
from calcigraph.ingest.others.results import MASK_SHARE
from calcigraph.store.types import LabelImage, Masks

LARGEST_LABEL = 2**31 - 1
"""Labels are kept as int32."""


def read_masks(path: str, shape: tuple[int, int]) -> Masks:
    """Read a label image: 0 for background, one integer per cell, kept as it is.

    Parameters
    ----------
    path
        A TIFF, a PNG, a plain .npy, or Cellpose's `_seg.npy`. That is a pickle; only its arrays are loaded, and nothing
        in it is run. Or the regions of another program: a folder of suite2p, HDF5 of CaImAn, NWB, ROIs of ImageJ.
    shape
        (Y, X) of the movie's frames, which the image must have.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is no label image of that shape, or has no cell.
    MissingExtraError
        The library that reads it is not installed.
    """
    return masks_and_notes(path, shape)[0]


def masks_and_notes(
    path: str, shape: tuple[int, int], share: float | None = None, all_regions: bool = False
) -> tuple[Masks, tuple[str, ...]]:
    """`read_masks`, with what was decided where cells overlap, for the user.

    Parameters
    ----------
    path, shape
        As for `read_masks`.
    share, all_regions
        Of regions of other programs: `others.results.Regions.label_image`, and whether those are taken too that the
        program does not call cells.

    Raises
    ------
    NotFoundError, InputError, MissingExtraError
        As `read_masks`.
    """
    file = Path(path)
    results = read_regions(file, shape, all_regions)
    if results is not None and results.regions is not None:
        image, notes = results.regions.label_image(MASK_SHARE if share is None else share, path)
        labels = label_image(image, shape, path)
        return Masks(labels, f"file:{file.name}", digest(labels)), (*results.notes, *notes)
    if share is not None:
        raise InputError(
            f"--mask-share: {path} has no weights of pixels; leave it out, or give regions of CaImAn or NWB"
        )
    return _read_label_image(path, file, shape), ()


def _read_label_image(path: str, file: Path, shape: tuple[int, int]) -> Masks:
    if file.is_dir():
        raise InputError(
            f"{path}: is a folder (an OME-Zarr?), and masks are one file; save its labels as a TIFF or PNG of whole "
            "numbers, or give a Cellpose _seg.npy or a folder of suite2p"
        )
    if not file.is_file():
        raise NotFoundError(f"{path}: no such file{beside(path)}; expected a label TIFF or PNG, or a Cellpose _seg.npy")
    image = _read_npy(file) if file.suffix.lower() == ".npy" else _read_picture(file)
    labels = label_image(image, shape, path)
    return Masks(labels, f"file:{file.name}", digest(labels))


def digest(labels: LabelImage) -> str:
    """Hash of a label image, 32 hex digits: equal for equal labels, whatever the file."""
    return digest_of(repr(labels.shape).encode() + np.ascontiguousarray(labels).tobytes())


def label_image(image: NDArray[Any], shape: tuple[int, int], source: str) -> LabelImage:
    """Check an array and make it a label image.

    Parameters
    ----------
    image
        Whole numbers of any type, (Y, X); axes of length 1 are dropped.
    shape
        The (Y, X) that is expected.
    source
        What messages call it.

    Returns
    -------
    (Y, X) int32.

    Raises
    ------
    InputError
        Another shape, numbers that are not whole or below 0, or no cell.

    Examples
    --------
    >>> label_image(np.array([[0.0, 7.0]]), (1, 2), "labels.tif")
    array([[0, 7]], dtype=int32)
    """
    if image.shape != shape:
        image = image.squeeze()
    if image.shape != shape:
        turned = "; it is transposed" if image.shape == shape[::-1] else ""
        raise InputError(f"{source}: masks of shape {image.shape}, frames of {shape}{turned}; expected equal shapes")
    if image.dtype.kind == "f":
        if not (np.isfinite(image).all() and (image == np.rint(image)).all()):
            raise InputError(f"{source}: labels are not whole numbers; expected one integer per cell, 0 outside")
    elif image.dtype.kind not in "ui":
        raise InputError(f"{source}: masks of type {image.dtype}; expected integers, one per cell, 0 outside")
    low, high = int(image.min()), int(image.max())
    if low < 0 or high > LARGEST_LABEL:
        raise InputError(f"{source}: labels from {low} to {high}; expected 0 to {LARGEST_LABEL}")
    if high == 0:
        raise InputError(f"{source}: no cell in these masks; expected one integer per cell, 0 outside")
    return np.ascontiguousarray(image.astype(np.int32))


def _read_picture(file: Path) -> NDArray[Any]:
    from calcigraph.ingest.sequence import read_image

    return read_image(file)


def _read_npy(file: Path) -> NDArray[Any]:
    content = load_npy(file, "a Cellpose _seg.npy or a label array")
    return content if isinstance(content, np.ndarray) and content.dtype != "O" else _masks_of(content, file)


def _masks_of(content: Any, file: Path) -> NDArray[Any]:
    """The masks in the dictionary that a _seg.npy holds."""
    masks = content.get("masks") if isinstance(content, dict) else None
    if not isinstance(masks, np.ndarray):
        raise InputError(f"{file}: has no 'masks'; expected what Cellpose saves as _seg.npy")
    # Cellpose to version 1 counted cells from 0, with -1 outside.
    return masks.astype(np.int64) + 1 if masks.size and masks.dtype.kind == "i" and masks.min() == -1 else masks
