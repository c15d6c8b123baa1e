"""Which pixels of a cell its trace is taken from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray, IntArray, LabelImage

MIN_TRACE_PX = 50
"""Fewest pixels that an inset may leave: a mean over fewer would be too noisy."""
NO_INSET = "no inset"
"""Flag of a cell that would be left with fewer than MIN_TRACE_PX pixels and so keeps all."""

SMALLER_INSET = "smaller inset"
"""Flag of a cell whose pixels lie less far inside than those of the others, because it is small."""


@dataclass(frozen=True)
class TracePixels:
    """The pixels that each cell's trace averages over, as stretches of the flat frame; made by `trace_pixels`."""

    starts: IntArray
    """(s,), where in the flat frame a stretch of pixels of one cell, or of none, begins; the first is 0."""
    rows: IntArray
    """(s,), the row of the stretch's cell in the traces; n for none."""
    counts: FloatArray
    """(n,), number of pixels per cell."""
    flags: tuple[str, ...]
    """(n,), "", NO_INSET or SMALLER_INSET."""
    size: int
    """Pixels of the frame."""

    @cached_property
    def by_cell(self) -> ByCell:
        """The same pixels, cell after cell."""
        order = np.argsort(self.rows, kind="stable")
        order = order[self.rows[order] < len(self.counts)]
        starts, lengths = self.starts[order], np.diff(self.starts, append=self.size)[order]
        before = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
        first = np.flatnonzero(np.diff(self.rows[order], prepend=-1))
        return ByCell(places, before[first], self.rows[order][first])


@dataclass(frozen=True)
class ByCell:
    """Pixels in the order of their cells, and in each cell row by row: their sums take one pass over what is needed."""

    places: IntArray
    """(p,), in the flat frame."""
    firsts: IntArray
    """(m,), where in `places` a cell begins."""
    rows: IntArray
    """(m,), the row of that cell in the traces."""


def trace_pixels(cells: LabelImage, count: int, inset: int) -> TracePixels:
    """The pixels of each cell that lie far enough from every other cell and from the background.

    Light is scattered, and cells move a little: pixels at a cell's rim show its neighbours too.

    Parameters
    ----------
    cells
        (Y, X), 0 for background, cells 1..count.
    count
        n, the number of cells.
    inset
        A pixel counts if the square of this half-width around it, px, lies in one cell; beyond the image nothing
        counts. A cell that would keep fewer than MIN_TRACE_PX pixels keeps all, with the flag NO_INSET.

    Examples
    --------
    >>> trace_pixels(np.ones((12, 12), np.int32), 1, inset=1).counts
    array([144.])
    """
    return deepest_pixels(cells, count, inset, inset)


def deepest_pixels(cells: LabelImage, count: int, inset: int, least: int) -> TracePixels:
    """As `trace_pixels`, but a cell that is too small for the inset gets the largest that it allows, from `least` on.

    It then has the flag SMALLER_INSET.

    Examples
    --------
    >>> cells = np.ones((20, 30), np.int32)
    >>> cells[:, 10:] = 2
    >>> found = deepest_pixels(cells, 2, inset=5, least=1)
    >>> found.counts.tolist(), found.flags
    ([100.0, 300.0], ('', ''))
    >>> cells[:10, :10] = 3
    >>> found = deepest_pixels(cells, 3, inset=5, least=1)
    >>> found.counts.tolist(), found.flags
    ([64.0, 300.0, 64.0], ('smaller inset', '', 'smaller inset'))
    """
    whole = np.bincount(cells.ravel(), minlength=count + 1)
    chosen, waiting = np.zeros_like(cells), np.ones(count + 1, np.bool_)
    waiting[0] = False  # the background is no cell
    flags = np.full(count + 1, "", object)
    for each in range(inset, least - 1, -1):
        inside = inner_pixels(cells, each) & waiting[cells]
        left = np.bincount(cells[inside], minlength=count + 1)
        # A small cell that loses nothing needs no flag.
        served = waiting & ((left >= MIN_TRACE_PX) | (left == whole))
        chosen = np.where(inside & served[cells], cells, chosen)
        flags[served] = "" if each == inset else SMALLER_INSET
        waiting &= ~served
        if not waiting.any():
            break
    chosen = np.where(waiting[cells], cells, chosen)
    flags[waiting] = NO_INSET
    counts = np.bincount(chosen.ravel(), minlength=count + 1)[1:].astype(np.float64)
    starts, rows = _stretches(chosen, count)
    return TracePixels(starts=starts, rows=rows, counts=counts, flags=tuple(flags[1:].tolist()), size=chosen.size)


def inner_pixels(cells: LabelImage, inset: int) -> BoolArray:
    """Where all pixels of the image within `inset` rows and columns belong to the same cell, (Y, X).

    >>> inner_pixels(np.int32([[1, 1, 2, 2]]), 1)
    array([[ True, False, False,  True]])
    """
    inside = cells > 0
    for axis in (1, 0):
        uniform = inside.copy()
        for step in range(1, min(inset, cells.shape[axis] - 1) + 1):
            near = [slice(None), slice(None)]
            far = [slice(None), slice(None)]
            near[axis], far[axis] = slice(None, -step), slice(step, None)
            one, other = tuple(near), tuple(far)
            same = cells[one] == cells[other]
            # Each pixel of a pair judges the other, so that both directions take one comparison.
            uniform[one] &= same & inside[other]
            uniform[other] &= same & inside[one]
        inside = uniform  # the second axis builds on the first: a column of uniform rows is a uniform square
    return inside


def _stretches(cells: LabelImage, count: int) -> tuple[IntArray, IntArray]:
    """`TracePixels.starts` and `rows`: a stretch begins wherever the value changes."""
    flat = cells.ravel()
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    values = flat[starts].astype(np.int64)
    # Stretches of no cell go to a row of their own, after the cells', which the sums then leave out.
    return starts, np.where(values > 0, values - 1, count)
