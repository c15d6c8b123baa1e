"""Whether a pixel's number rises or falls with its brightness (TIFF's photometric interpretation)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from calcigraph.errors import InputError

INVERTED = (
    "pixels: 0 is white in this file (MinIsWhite); they were inverted, so that more light is a larger number; "
    "if it is only shown so, as by ImageJ's Invert LUT, undo that and save it again"
)
"""What the user is told."""


def is_inverted(page: Any, source: str) -> bool:
    """Whether 0 is white in a page: its numbers run against its brightness. Raises InputError for floats."""
    if page.photometric != tifffile.PHOTOMETRIC.MINISWHITE:
        return False
    if page.dtype.kind != "u":
        raise InputError(
            f"{source}: its photometric interpretation is MinIsWhite (0 is white), which has no meaning for pixels of "
            f"type {page.dtype}; save it as MinIsBlack"
        )
    return True


def inverted(frame: NDArray[Any]) -> NDArray[Any]:
    """The brightness of unsigned pixels of which 0 is white: the type's largest value less the pixel."""
    return np.asarray(np.iinfo(frame.dtype).max - frame)
