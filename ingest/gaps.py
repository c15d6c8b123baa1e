"""How wide the gaps are that a segmentation left between cells that touch, and so how far cells must be grown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.ingest.cells import compact
from calcigraph.ingest.mask_pieces import nearest_label
from calcigraph.store.types import FloatArray, IntArray, LabelImage

NARROW_PX = 6
"""A gap up to this may be one of segmentation, however small the cells are."""
NARROW_SHARE = 0.3
"""And one up to this share of the median cell's diameter."""
WIDEST_PX = 20
ALL = 0.98
"""Share of the neighbours that the gap must close."""
FEW = 0.02
"""Share of neighbours with a gap that is not worth to be closed: a few cells that do not quite touch."""
EMPTIED = 0.5
"""Wider gaps, against the narrow ones: segmentation leaves fewer than this, in sparse cells there are as many."""
FEWEST = 5
"""Neighbours from which a gap is read."""


@dataclass(frozen=True)
class Gaps:
    """The gaps between neighbouring cells; made by `measure_gaps`."""

    needed_px: IntArray
    """(pairs,), the `max_gap` from which each pair of cells is in contact, ascending; up to twice `narrow_px`."""
    narrow_px: int
    """The widest gap that segmentation may have left."""

    @property
    def max_gap(self) -> int | None:
        """The gap that closes what segmentation left open, 0 where cells touch; None where it cannot be told.

        Examples
        --------
        >>> Gaps(np.repeat([0, 2], 30), 6).max_gap
        2
        >>> Gaps(np.arange(1, 13), 6).max_gap is None
        True
        """
        narrow = self.needed_px[self.needed_px <= self.narrow_px]
        if len(narrow) < FEWEST:
            return None
        gapped = int((narrow > 0).sum())
        if gapped <= FEW * len(narrow):
            return 0
        if len(self.needed_px) - len(narrow) > EMPTIED * gapped:
            # As many wide gaps as narrow ones: these cells lie apart, and those that touch are seen to touch.
            return None if gapped == len(narrow) else 0
        return int(narrow[int(np.ceil(ALL * len(narrow))) - 1])


def measure_gaps(labels: LabelImage, *, min_area: int, min_border: int) -> Gaps:
    """Measure the background between neighbouring cells.

    Every background pixel is given to the cell nearest to it. Where the regions of two cells meet, the two distances
    are the halves of the gap. A pair of cells needs the gap that closes `min_border` pairs of pixels.

    Parameters
    ----------
    labels
        (Y, X), 0 for background.
    min_area
        Smallest cell, px; others are no neighbours, but in the way.
    min_border
        Shortest shared border of a contact, px.

    Examples
    --------
    >>> labels = np.repeat(np.int32([[3, 3, 0, 0, 0, 7, 7, 2, 2]]), 9, axis=0)
    >>> measure_gaps(labels, min_area=1, min_border=5).needed_px
    array([0, 3])
    """
    values, cells = compact(labels)
    areas = np.bincount(cells.ravel(), minlength=len(values) + 1)[1:]
    large = areas >= min_area
    if not large.any():
        return Gaps(np.zeros(0, np.int64), NARROW_PX)
    diameter = 2 * np.sqrt(np.median(areas[large]) / np.pi)
    narrow = int(np.clip(NARROW_SHARE * diameter, NARROW_PX, WIDEST_PX))
    nearest, distance = nearest_label(cells)
    pair, needed = _where_regions_meet(nearest, distance, narrow)
    count = len(values) + 1
    use = np.concatenate([[False], large])
    chosen = use[pair // count] & use[pair % count]
    return Gaps(_narrowest(pair[chosen], needed[chosen], min_border), narrow)


def _where_regions_meet(nearest: LabelImage, distance: FloatArray, narrow: int) -> tuple[IntArray, IntArray]:
    """For each pair of pixels, side by side, of two regions: a number for their cells, and the gap that closes it."""
    count = np.int64(nearest.max()) + 1
    pairs, needed = [], []
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        meet = (nearest[one] != nearest[other]) & (np.maximum(distance[one], distance[other]) <= narrow)
        a, b = nearest[one][meet].astype(np.int64), nearest[other][meet].astype(np.int64)
        near, far = distance[one][meet], distance[other][meet]
        pairs.append(np.minimum(a, b) * count + np.maximum(a, b))
        # Cells are grown by ceil(max_gap / 2), so that an even gap and the odd one below it close the same pixels.
        reach = 2 * np.ceil(np.maximum(near, far) - 0.05)
        needed.append(np.clip(np.ceil(near + far - 0.05), np.maximum(reach - 1, 0), reach).astype(np.int64))
    return np.concatenate(pairs), np.concatenate(needed)


def _narrowest(pair: IntArray, needed: IntArray, min_border: int) -> IntArray:
    """The gap that gives each pair of cells `min_border` pairs of pixels, ascending; without those that have fewer."""
    order = np.lexsort((needed, pair))
    pair, needed = pair[order], needed[order]
    first = np.flatnonzero(np.append(True, np.diff(pair) != 0)) if len(pair) else np.zeros(0, np.int64)
    length = np.diff(np.append(first, len(pair)))
    return np.sort(needed[first[length >= min_border] + min_border - 1])
