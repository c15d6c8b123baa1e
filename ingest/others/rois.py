"""Regions drawn in ImageJ: .roi files, and .zip files of the ROI manager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.extra import library
from calcigraph.ingest.others.results import Results, regions_of
from calcigraph.store.types import BoolArray, FloatArray, IntArray

AREAS = ("POLYGON", "RECT", "OVAL", "FREEHAND", "TRACED")
"""Types of ROI that have an inside; lines and points have none."""
NAMED = 5
LARGEST_LABEL = 2**31 - 1
"""Labels are kept as int32."""


def is_rois(path: Path) -> bool:
    """Whether a file's name is that of ROIs."""
    return path.suffix.lower() in (".roi", ".zip") and path.is_file()


def read_rois(path: Path, shape: tuple[int, int]) -> Results:
    """Read the regions. Names that are whole numbers, each once, are labels; else the first one has label 1.

    A pixel belongs to a region if its centre lies inside, as in ImageJ. What sticks out of the frames is cut off.

    Parameters
    ----------
    path
        A .roi or .zip file.
    shape
        (Y, X) of the frames.

    Raises
    ------
    InputError
        It is no such file, or has no region with an inside.
    MissingExtraError
        roifile is not installed.
    """
    roifile = library("roifile", "ImageJ ROIs", str(path))
    try:
        found = roifile.roiread(path)
        rois = found if isinstance(found, list) else [found]
        drawn = [_pixels(roi, shape) for roi in rois]
    except Exception as error:  # a damaged file may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: not readable as ImageJ ROIs ({reason}); expected a .roi or a .zip of them"
        ) from error
    kept = [place for place, pixels in enumerate(drawn) if pixels is not None]
    left = [str(rois[place].name or place + 1) for place in range(len(rois)) if place not in set(kept)]
    if not kept:
        raise InputError(
            f"{path}: none of its {len(rois)} ROIs has an inside in frames of {shape[0]} x {shape[1]} px; expected "
            "areas such as polygons or ovals"
        )
    names = [str(rois[place].name or "").strip() for place in kept]
    numbered = all(name.isdecimal() and 0 < int(name) <= LARGEST_LABEL for name in names)
    numbered &= len({int(name) for name in names if numbered}) == len(names)
    labels = np.array([int(name) for name in names] if numbered else [place + 1 for place in kept], np.int64)
    regions = regions_of(shape, labels, [each for each in drawn if each is not None])
    more = ", ..." if len(left) > NAMED else ""
    notes = (
        f"masks: {len(left)} ROIs without an inside in the frames were left out ({', '.join(left[:NAMED])}{more})",
    )
    called = None if numbered else tuple(names)
    shown = notes if left else ()
    return Results(program="ImageJ", labels=labels, traces=None, regions=regions, names=called, notes=shown)


def _pixels(roi: Any, shape: tuple[int, int]) -> tuple[IntArray, IntArray, FloatArray] | None:
    """Rows, columns and weights of the pixels inside; None for what has no inside."""
    if roi.roitype.name not in AREAS and roi.multi_coordinates is None:
        return None
    rings = [np.asarray(ring, np.float64) for ring in roi.coordinates(multi=True)]
    rings = [ring for ring in rings if len(ring) > 2]
    if not rings:
        return None
    corners = np.concatenate(rings)
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int), (shape[1], shape[0]))
    if (high <= low).any():
        return None
    x, y = np.arange(low[0], high[0]), np.arange(low[1], high[1])
    oval = roi.roitype.name == "OVAL" and roi.subpixel_coordinates is None and roi.integer_coordinates is None
    inside = _in_oval(roi, x, y) if oval else _inside(rings, x, y)
    rows, columns = np.nonzero(inside)
    return (y[rows], x[columns], np.ones(len(rows))) if len(rows) else None


def _in_oval(roi: Any, x: IntArray, y: IntArray) -> BoolArray:
    across = (x + 0.5 - (roi.left + roi.right) / 2) / ((roi.right - roi.left) / 2)
    down = (y + 0.5 - (roi.top + roi.bottom) / 2) / ((roi.bottom - roi.top) / 2)
    return np.asarray(across[None] ** 2 + down[:, None] ** 2 <= 1)


def _inside(rings: list[FloatArray], x: IntArray, y: IntArray) -> BoolArray:
    """Which pixels have their centre inside, by the even-odd rule, (rows, columns)."""
    inside = np.zeros((len(y), len(x)), bool)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            crossed = (y0 > y + 0.5) != (y1 > y + 0.5)
            if crossed.any():
                at = x0 + (y[crossed] + 0.5 - y0) * (x1 - x0) / (y1 - y0)
                inside[crossed] ^= x[None] + 0.5 < at[:, None]
    return inside
