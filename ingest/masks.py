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
from calcigraph.ingest.others.rois import LARGEST_LABEL
from calcigraph.store.types import LabelImage, Masks


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
    path: str,
    shape: tuple[int, int],
    share: float | None = None,
    all_regions: bool = False,
    known: LabelImage | None = None,
) -> tuple[Masks, tuple[str, ...]]:
    """`read_masks`, with what was decided where cells overlap, for the user.

    Parameters
    ----------
    path, shape
        As for `read_masks`.
    share, all_regions
        Of regions of other programs: `others.results.Regions.label_image`, and whether those are taken too that the
        program does not call cells.
    known
        (Y, X), the cells whose labels regions take that have no numbers of their own; None for labels from 1.

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
        if known is not None and results.names is not None:
            labels, told = labelled_as(labels, known)
            notes += (told,)
        return Masks(labels, f"file:{file.name}", digest(labels)), (*results.notes, *notes)
    if share is not None:
        raise InputError(
            f"--mask-share: {path} has no weights of pixels; leave it out, or give regions of CaImAn or NWB"
        )
    return _read_label_image(path, file, shape), ()


def labelled_as(labels: LabelImage, known: LabelImage) -> tuple[LabelImage, str]:
    """Give every region the label of the cell that it lies on, and say so; a region without one gets a new label.

    A region lies on a cell where each has the most pixels in common with the other, more than half of the smaller one.

    Examples
    --------
    >>> labelled_as(np.array([[1, 1, 2, 0, 3]], np.int32), np.array([[7, 7, 7, 0, 0]], np.int32))[0]
    array([[7, 7, 8, 0, 9]], dtype=int32)
    """
    both = (labels > 0) & (known > 0)
    pairs, shared = np.unique(np.stack([labels[both], known[both]]), axis=1, return_counts=True)
    sizes = [np.bincount(image.ravel()) for image in (labels, known)]
    taken: dict[int, int] = {}
    seen: tuple[set[int], set[int]] = set(), set()
    for place in np.argsort(-shared, kind="stable").tolist():  # the first pair of each is the best of both
        region, cell = pairs[:, place].tolist()
        enough = 2 * shared[place] > min(sizes[0][region], sizes[1][cell])
        if enough and region not in seen[0] and cell not in seen[1]:
            taken[region] = cell
        seen[0].add(region)
        seen[1].add(cell)
    regions = np.unique(labels[labels > 0]).tolist()
    new = [region for region in regions if region not in taken]
    taken |= {region: int(known.max()) + number for number, region in enumerate(new, start=1)}
    table = np.zeros(int(labels.max()) + 1, np.int32)
    table[regions] = [taken[region] for region in regions]
    told = f"masks: the ROIs have no numbers; {len(regions) - len(new)} took the label of the cell that they lie on"
    added = f", {len(new)} got new labels from {int(known.max()) + 1} on" if new else ""
    return table[labels], told + added


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
        if image.ndim == 3 and image.shape[1:] == shape:
            raise InputError(
                f"{source}: masks for each of {len(image)} frames; expected one label image for all frames: save one "
                "of them, or draw it on the mean of the frames"
            )
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
