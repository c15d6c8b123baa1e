"""Movies and label images out, as TIFF, and texts; each is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import WorkspaceError
from calcigraph.store.files import write_atomically

CLASSIC_BYTES = 3_900_000_000
"""Pixels beyond which a movie needs BigTIFF: offsets of the classic format have 32 bits."""


def _written(path: Path, write: Callable[[Path], object]) -> None:
    """`write_atomically`, which raises WorkspaceError instead."""
    try:
        write_atomically(path, write)
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be written: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8 atomically. Raises WorkspaceError."""
    _written(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_movie(
    path: Path,
    frames: Iterable[NDArray[Any]],
    shape: tuple[int, int, int],
    *,
    frame_interval_s: float,
    pixel_size_um: float | None = None,
) -> None:
    """Write a movie as OME-TIFF, with its frame interval and pixel size; a large one as BigTIFF.

    Parameters
    ----------
    path
        The file to write.
    frames
        T frames, (Y, X) uint16; they are taken one by one.
    shape
        (T, Y, X).
    frame_interval_s
        In s.
    pixel_size_um
        In um; None if it is not known.

    Raises
    ------
    WorkspaceError
        The file cannot be written.
    """
    import tifffile

    metadata: dict[str, Any] = {"axes": "TYX", "TimeIncrement": frame_interval_s, "TimeIncrementUnit": "s"}
    if pixel_size_um is not None:
        metadata |= {"PhysicalSizeX": pixel_size_um, "PhysicalSizeY": pixel_size_um}

    def write(temporary: Path) -> None:
        big = int(np.prod(shape)) * np.dtype(np.uint16).itemsize > CLASSIC_BYTES
        with tifffile.TiffWriter(temporary, bigtiff=big, ome=True) as writer:
            writer.write(iter(frames), shape=shape, dtype=np.uint16, metadata=metadata, photometric="minisblack")

    _written(path, write)


def write_labels(path: Path, labels: NDArray[np.integer[Any]]) -> None:
    """Write a label image, (Y, X), as uint16, or as int32 where a label needs it. Raises WorkspaceError."""
    import tifffile

    dtype = np.uint16 if labels.max(initial=0) < 2**16 else np.int32
    _written(path, lambda temporary: tifffile.imwrite(temporary, labels.astype(dtype), compression="zlib"))
