"""Which pixels of a cell its trace is taken from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray, IntArray, LabelImage

MIN_TRACE_PX = 50
NO_INSET = "no inset"
"""Flag of a cell that would be left with fewer than MIN_TRACE_PX pixels and so keeps all."""


@dataclass(frozen=True)
class TracePixels:
    """The pixels that each cell's trace averages over."""

    starts: IntArray
    """(s,), where in the flat frame a stretch of pixels of one cell, or of none, begins; the first is 0."""
    rows: IntArray
    """(s,), the cell's row; n for none."""
    counts: FloatArray
    """(n,), pixels per cell."""
    flags: tuple[str, ...]
    """(n,), "" or NO_INSET."""


def trace_pixels(cells: LabelImage, count: int, inset: int) -> TracePixels:
    """Pixels whose square of half-width `inset` lies in one cell; beyond the image nothing counts. Cells 1..count."""
    inside = inner_pixels(cells, inset)
    left = np.bincount(cells[inside], minlength=count + 1)
    short = left < MIN_TRACE_PX
    short &= np.bincount(cells.ravel(), minlength=count + 1) > left
    short[0] = False
    chosen = np.where(inside | short[cells], cells, 0)
    counts = np.bincount(chosen.ravel(), minlength=count + 1)[1:].astype(np.float64)
    starts, rows = _stretches(chosen, count)
    return TracePixels(starts, rows, counts, tuple(NO_INSET if flag else "" for flag in short[1:].tolist()))


def inner_pixels(cells: LabelImage, inset: int) -> BoolArray:
    """Where all pixels of the image within `inset` rows and columns belong to the same cell, (Y, X)."""
    inside = cells > 0
    for axis in (1, 0):
        uniform = inside.copy()
        for step in range(1, min(inset, cells.shape[axis] - 1) + 1):
            near = [slice(None), slice(None)]
            far = [slice(None), slice(None)]
            near[axis], far[axis] = slice(None, -step), slice(step, None)
            one, other = tuple(near), tuple(far)
            same = cells[one] == cells[other]
            uniform[one] &= same & inside[other]
            uniform[other] &= same & inside[one]
        inside = uniform
    return inside


def _stretches(cells: LabelImage, count: int) -> tuple[IntArray, IntArray]:
    flat = cells.ravel()
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    values = flat[starts].astype(np.int64)
    return starts, np.where(values > 0, values - 1, count)
