"""How much of the light in a cell's pixels is its neighbours', from the movie itself.

Light spreads, so pixels near a border show the cell on its other side too. With f_i the brightness of the core of cell
i over its mean, and r that of a ring of its pixels at one distance from cell j,

    r - f_i  =  share (f_j - f_i)

frame by frame: the same frame, so that coupling, which takes time, plays no part. The share is one number for each
distance. Cores are halved, and products are taken between halves, so that noise adds nothing to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.ingest.inset import TracePixels
from calcigraph.store.movie import DenoisedFrames
from calcigraph.store.types import FloatArray, IntArray, LabelImage, Progress

EDGES = (1.5, 2.5, 3.5, 4.5, 6.5, 8.5, 11.5, 15.5, 20.5, 30.5)
"""px, of the rings: distances from the nearest pixel of another cell. The outermost pixel, which the median of 3 x 3 px
mixes, is left out."""
FRAMES = 48
"""Frames that are read for it, evenly spaced."""
CORE = 0.6
"""Share of a cell's largest depth beyond which its pixels are its core."""
FEWEST_RING, FEWEST_CORE, FEWEST_RINGS = 8, 12, 10
"""Pixels of a ring and of half a core, and rings at one distance, from which they count."""
NO_LIGHT = 0.01
"""A ring with less than this share of its neighbour's light is free of it."""
KNOWN = 0.02
"""Largest standard error of the share of the outermost ring with which it is known."""


@dataclass(frozen=True)
class Surroundings:
    """What lies beside each pixel, (Y, X) each."""

    depth: FloatArray
    """px to the nearest pixel that does not belong to the same cell; 0 outside cells."""
    other: IntArray
    """The cell there; 0 for none."""


@dataclass(frozen=True)
class Spread:
    """The share of light that comes from the nearest neighbour, by distance from it; b rings between `EDGES`."""

    share: FloatArray
    """(b,)."""
    error: FloatArray
    """(b,), standard errors."""

    @property
    def known(self) -> bool:
        """Whether the cells changed enough to tell."""
        return bool(self.error[0] < KNOWN)

    @property
    def reach(self) -> float:
        """px from a neighbour beyond which pixels are free of its light."""
        lit = np.flatnonzero(self.share - self.error >= NO_LIGHT)
        return EDGES[int(lit[-1]) + 1] if len(lit) else EDGES[0]

    @property
    def inset(self) -> int:
        """px that make an inset of that reach."""
        return int(np.ceil(self.reach)) - 1

    def of_pixels(self, around: Surroundings, pixels: TracePixels) -> float:
        """The share of the neighbours' light in traces of these pixels, the mean over cells."""
        flat, cells = around.depth.ravel(), len(pixels.counts)
        row = np.repeat(pixels.rows, np.diff(pixels.starts, append=pixels.size))
        ring = np.digitize(flat, EDGES) - 1
        # Pixels nearer than the first edge have at least the share of the first ring; deeper than the last have none.
        shares = np.append(np.maximum(self.share, 0.0), 0.0)
        lit = np.where(around.other.ravel() > 0, shares[np.clip(ring, 0, len(shares) - 1)], 0.0)
        total = np.bincount(row, lit, cells + 1)[:cells]
        return float(np.mean(total / np.maximum(pixels.counts, 1)))


def surroundings(cells: LabelImage) -> Surroundings:
    """How deep in its cell each pixel lies, and which cell is nearest to it.

    Parameters
    ----------
    cells
        (Y, X), 0 for background, cells 1..n.

    Examples
    --------
    >>> around = surroundings(np.array([[1, 1, 1, 2, 2]], np.int32))
    >>> around.depth.tolist(), around.other.tolist()
    ([[3.0, 2.0, 1.0, 1.0, 2.0]], [[2, 2, 2, 1, 1]])
    """
    from scipy.ndimage import distance_transform_edt, find_objects

    depth, other = np.zeros(cells.shape), np.zeros(cells.shape, np.int64)
    for label, box in enumerate(find_objects(cells), start=1):
        # One pixel more on each side, so that the neighbours are in the cut.
        window = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        cut = cells[window]
        own = cut == label
        if own.all():
            depth[window][own] = EDGES[-1]
            continue
        far, (row, column) = distance_transform_edt(own, return_indices=True)
        depth[window][own] = far[own]
        other[window][own] = cut[row[own], column[own]]
    return Surroundings(depth, other)


def measure_spread(frames: DenoisedFrames, cells: LabelImage, around: Surroundings, progress: Progress) -> Spread:
    """The share of neighbours' light at every distance.

    Parameters
    ----------
    frames
        The denoised movie.
    cells
        (Y, X), 0 for background, cells 1..n.
    around
        Of these cells.
    progress
        Called with the stage "light".
    """
    ring, owner, neighbour, at = _rings(cells, around)
    halves, counts = _halves(cells, around)
    chosen = np.unique(np.linspace(0, frames.shape[0] - 1, FRAMES).round().astype(np.int64))
    lit, cores = np.zeros((len(owner), len(chosen))), np.zeros((2 * int(cells.max()) + 2, len(chosen)))
    for column, number in enumerate(chosen.tolist()):
        frame = frames.frame(number).astype(np.float64)
        lit[:, column] = np.bincount(ring.ravel(), frame.ravel(), len(owner) + 1)[:-1]
        cores[:, column] = np.bincount(halves.ravel(), frame.ravel(), len(cores))
        progress("light", column + 1, len(chosen))
    # Cells without two halves of a core say nothing about themselves or their neighbours.
    good = (counts.reshape(-1, 2) >= FEWEST_CORE).all(axis=1)
    kept = good[owner] & good[neighbour]
    first, second = (_relative(cores[half::2]) for half in (0, 1))
    return _shares(_relative(lit[kept]), first, second, owner[kept], neighbour[kept], at[kept])


def _rings(cells: LabelImage, around: Surroundings) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """The ring of each pixel, (Y, X), the last number for none; and cell, neighbour and distance of each ring."""
    bins = len(EDGES) - 1
    at = np.digitize(around.depth, EDGES) - 1
    valid = (cells > 0) & (around.other > 0) & (at >= 0) & (at < bins)
    size = int(cells.max()) + 1
    key = (cells.astype(np.int64) * size + around.other) * bins + at
    keys, place, count = np.unique(key[valid], return_inverse=True, return_counts=True)
    large = count >= FEWEST_RING
    number = np.where(large, np.cumsum(large) - 1, large.sum())
    ring = np.full(cells.shape, large.sum())
    ring[valid] = number[place.ravel()]
    keys = keys[large]
    return ring, keys // bins // size, keys // bins % size, keys % bins


def _halves(cells: LabelImage, around: Surroundings) -> tuple[IntArray, IntArray]:
    """Twice the cell of each pixel in a core, one more in the right half, (Y, X), 0 for none; and pixels of each."""
    size = int(cells.max()) + 1
    deepest = np.zeros(size)
    np.maximum.at(deepest, cells.ravel(), around.depth.ravel())
    core = (cells > 0) & (around.depth >= CORE * deepest[cells])
    row, column = np.nonzero(core)
    label = cells[core]
    middle = np.bincount(label, column, size) / np.maximum(np.bincount(label, minlength=size), 1)
    halves = np.zeros(cells.shape, np.int64)
    halves[row, column] = 2 * label + (column > middle[label])
    counts = np.bincount(halves.ravel(), minlength=2 * size)
    counts[:2] = 0
    return halves, counts


def _relative(sums: FloatArray) -> FloatArray:
    """Rows over their means, less 1; 0 for rows of nothing."""
    mean = sums.mean(axis=1, keepdims=True)
    return np.where(mean > 0, sums / np.where(mean > 0, mean, 1.0) - 1, 0.0)


def _shares(
    rings: FloatArray, first: FloatArray, second: FloatArray, owner: IntArray, neighbour: IntArray, at: IntArray
) -> Spread:
    """The slope of r - f_i on f_j - f_i at each distance, over all rings there, and its standard error."""
    apart = [half[neighbour] - half[owner] for half in (first, second)]
    beyond = [rings - half[owner] for half in (first, second)]
    product = ((beyond[0] * apart[1]).sum(axis=1) + (beyond[1] * apart[0]).sum(axis=1)) / 2
    square = (apart[0] * apart[1]).sum(axis=1)
    bins = len(EDGES) - 1
    share, error = np.zeros(bins), np.full(bins, np.inf)
    for number in range(bins):
        here = at == number
        total = float(square[here].sum())
        if here.sum() < FEWEST_RINGS or total <= 0:
            continue
        share[number] = float(product[here].sum()) / total
        error[number] = float(np.sqrt(((product - share[number] * square)[here] ** 2).sum())) / total
    return Spread(share, np.where(np.isfinite(error), error, np.inf))
