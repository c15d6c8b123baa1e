"""Movies and label images out, as TIFF, and texts: written beside the target and renamed, so never half-written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import WorkspaceError
from calcigraph.store.files import write_atomically


def _written(path: Path, write: Callable[[Path], object]) -> None:
    """Write atomically. Raises WorkspaceError."""
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
    """Write (T, Y, X) uint16 frames as an OME-TIFF-compatible BigTIFF with frame interval and pixel size.

    Raises WorkspaceError.
    """
    import tifffile

    metadata: dict[str, Any] = {"axes": "TYX", "TimeIncrement": frame_interval_s, "TimeIncrementUnit": "s"}
    if pixel_size_um is not None:
        metadata |= {"PhysicalSizeX": pixel_size_um, "PhysicalSizeY": pixel_size_um}

    def write(temporary: Path) -> None:
        big = int(np.prod(shape)) * 2 > 3_900_000_000
        with tifffile.TiffWriter(temporary, bigtiff=big, ome=True) as writer:
            writer.write(iter(frames), shape=shape, dtype=np.uint16, metadata=metadata, photometric="minisblack")

    _written(path, write)


def write_labels(path: Path, labels: NDArray[np.integer[Any]]) -> None:
    """Write a (Y, X) label image as uint16 (int32 where a label needs it). Raises WorkspaceError."""
    import tifffile

    dtype = np.uint16 if labels.max(initial=0) < 2**16 else np.int32
    _written(path, lambda temporary: tifffile.imwrite(temporary, labels.astype(dtype), compression="zlib"))
