"""Cell masks from a file: a label TIFF or PNG, a plain .npy, or Cellpose's _seg.npy."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest.digests import digest_of
from calcigraph.store.types import LabelImage, Masks

LARGEST_LABEL = 2**31 - 1
"""Labels are kept as int32."""
_PICKLE_MODULES = ("numpy", "collections", "builtins")
_PICKLE_NAMES = frozenset(
    {"_reconstruct", "_frombuffer", "ndarray", "dtype", "scalar", "OrderedDict", "set", "frozenset", "complex", "slice"}
)
"""What a _seg.npy may name: whatever makes arrays and plain containers, and can do nothing else."""


def read_masks(path: str, shape: tuple[int, int]) -> Masks:
    """Read a label image: 0 for background, one integer per cell, kept as it is.

    Parameters
    ----------
    path
        A TIFF, a PNG, a plain .npy, or Cellpose's `_seg.npy`. That is a pickle; only its arrays are loaded, and nothing
        in it is run.
    shape
        (Y, X) of the movie's frames, which the image must have.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is no label image of that shape, or has no cell.
    """
    file = Path(path)
    if file.is_dir():
        raise InputError(
            f"{path}: is a folder (an OME-Zarr?), and masks are one file; save its labels as a TIFF or PNG of whole "
            "numbers, or give a Cellpose _seg.npy"
        )
    if not file.is_file():
        raise NotFoundError(f"{path}: no such file; expected a label TIFF or PNG, or a Cellpose _seg.npy")
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
    try:
        with file.open("rb") as handle:
            # The header tells whether the file is a plain array or a pickle, before anything of it is loaded.
            version = np.lib.format.read_magic(handle)  # type: ignore[no-untyped-call]
            one = version == (1, 0)
            header = np.lib.format.read_array_header_1_0 if one else np.lib.format.read_array_header_2_0
            _, _, dtype = header(handle)  # type: ignore[no-untyped-call]
            if dtype.hasobject:
                return _masks_of(_ArraysOnly(handle).load(), file)
        return np.asarray(np.load(file, allow_pickle=False))
    except InputError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise InputError(
            f"{file}: not a readable .npy ({error}); expected a Cellpose _seg.npy or a label array"
        ) from error


def _masks_of(content: Any, file: Path) -> NDArray[Any]:
    """The masks in what a _seg.npy holds: a dictionary, in an array without axes."""
    content = content.item() if isinstance(content, np.ndarray) and content.shape == () else content
    masks = content.get("masks") if isinstance(content, dict) else None
    if not isinstance(masks, np.ndarray):
        raise InputError(f"{file}: has no 'masks'; expected what Cellpose saves as _seg.npy")
    return masks


class _Inert:
    """In the place of whatever else a _seg.npy refers to, such as paths and settings: takes anything, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def _ignore(self, *_: Any) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = _ignore


class _ArraysOnly(pickle.Unpickler):
    """Unpickles arrays and plain containers; every other class becomes an `_Inert`."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] in _PICKLE_MODULES and name in _PICKLE_NAMES:
            return super().find_class(module, name)
        return _Inert
