"""What other programs have found: traces, and where the cells are, as pixels that may overlap or as positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.digests import digest_of
from calcigraph.ingest.mask_pieces import joined_pieces, pieces_of
from calcigraph.store.types import FloatArray, FrameTimes, IntArray, LabelImage

MASK_SHARE = 0.2
"""Pixels that weigh less than this share of the cell's heaviest one are left out of its mask, as suite2p does."""
SPECK = 0.1
"""A piece of a mask with less than this share of the cell's largest piece is left out."""
NEAR_PX = 3
"""Pieces of a cell that are no farther apart count as one."""
LARGEST_SIDE = 100_000
"""px; a picture that is larger than this is none."""


@dataclass(frozen=True)
class Regions:
    """Pixels of cells, which may overlap."""

    shape: tuple[int, int]
    """(Y, X) of the frames."""
    labels: IntArray
    """(n,), above 0, each once."""
    cell: IntArray
    """(p,), the place in `labels` of the cell that a pixel belongs to."""
    y: IntArray
    """(p,), its row, from 0."""
    x: IntArray
    """(p,), its column, from 0."""
    weight: FloatArray
    """(p,), how much it counts for its cell, above 0; 1 where regions were drawn."""

    def label_image(self, share: float, source: str) -> tuple[LabelImage, tuple[str, ...]]:
        """One label a pixel, and what was decided, for the user.

        A pixel is left out where it weighs less than `share` of its cell's heaviest one. Where cells overlap, it goes
        to the cell where that ratio is largest; among equals to the smaller cell, then to the smaller label. Pieces
        that lie apart from the rest of their cell are left out if they are less than SPECK of its largest one.

        Parameters
        ----------
        share
            From 0 to 1.
        source
            What messages call the file.

        Raises
        ------
        InputError
            A pixel lies outside the frames, or no cell has any.

        Examples
        --------
        >>> one, two = np.ones(3, int), np.zeros(3, int)
        >>> pixels = Regions((1, 4), np.array([7, 9]), np.array([0, 0, 0, 1, 1]), np.zeros(5, int),
        ...     np.array([0, 1, 2, 2, 3]), np.array([1.0, 1.0, 0.5, 2.0, 2.0]))
        >>> pixels.label_image(0.2, "a file")[0]
        array([[7, 7, 9, 9]], dtype=int32)
        """
        self._check(source)
        count = len(self.labels)
        peak = np.zeros(count)
        np.maximum.at(peak, self.cell, self.weight)
        ratio = self.weight / peak[self.cell]
        kept = ratio >= share
        cell, ratio = self.cell[kept], ratio[kept]
        pixel = self.y[kept] * self.shape[1] + self.x[kept]
        size = np.bincount(cell, minlength=count)
        # The last one written stays: the largest ratio, then the smaller cell, then the smaller label.
        order = np.lexsort((-self.labels[cell], -size[cell], ratio))
        flat = np.zeros(self.shape[0] * self.shape[1], np.int32)
        flat[pixel[order]] = self.labels[cell[order]]
        shared = len(pixel) - len(np.unique(pixel))
        image, specks = _without_specks(flat.reshape(self.shape))
        notes = []
        if shared:
            notes.append(
                f"masks: {shared} pixels belong to several cells; each went to the cell where it weighs most, among "
                "equals to the smaller cell"
            )
        if specks:
            notes.append(f"masks: {specks} small pieces that lie apart from the rest of their cell were left out")
        return image, tuple(notes)

    def _check(self, source: str) -> None:
        height, width = self.shape
        if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
            raise InputError(f"{source}: frames of {height} x {width} px; expected a picture")
        if not len(self.cell):
            raise InputError(f"{source}: none of its {len(self.labels)} cells has a pixel; expected masks")
        outside = (self.y < 0) | (self.y >= height) | (self.x < 0) | (self.x >= width)
        if outside.any():
            at = int(np.flatnonzero(outside)[0])
            raise InputError(
                f"{source}: cell {self.labels[self.cell[at]]} has a pixel at row {self.y[at]}, column {self.x[at]}, "
                f"but frames are {height} rows of {width}; check that it belongs to this recording"
            )

    def chosen(self, rows: IntArray) -> Regions:
        """Of some of the cells, given by their places."""
        place = np.full(len(self.labels), -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.cell] >= 0
        return Regions(
            shape=self.shape,
            labels=self.labels[rows],
            cell=place[self.cell[kept]],
            y=self.y[kept],
            x=self.x[kept],
            weight=self.weight[kept],
        )


def _without_specks(labels: LabelImage) -> tuple[LabelImage, int]:
    """Without small pieces that lie apart, and how many there were."""
    pieces, owner = pieces_of(labels)
    if len(owner) == 1 + len(np.unique(owner[1:])):
        return labels, 0
    pieces, owner = joined_pieces(labels, pieces, owner, np.ones(len(owner), bool), NEAR_PX)
    sizes = np.bincount(pieces.ravel(), minlength=len(owner))
    largest = np.zeros(int(owner.max()) + 1, np.int64)
    np.maximum.at(largest, owner[1:], sizes[1:])
    speck = sizes < SPECK * largest[owner]
    speck[0] = False
    return np.where(speck[pieces], 0, labels).astype(np.int32), int(speck.sum())


def regions_of(
    shape: tuple[int, int], labels: IntArray, pixels: list[tuple[IntArray, IntArray, FloatArray]]
) -> Regions:
    """Regions from the (rows, columns, weights) of each cell; pixels without weight are left out."""
    if not pixels:
        nothing = np.zeros(0, np.int64)
        return Regions(shape, labels, nothing, nothing, nothing, np.zeros(0))
    cell = np.repeat(np.arange(len(pixels)), [len(y) for y, _, _ in pixels])
    y, x, weight = (np.concatenate([each[at] for each in pixels]) for at in range(3))
    weight = weight.astype(np.float64)
    counts = np.isfinite(weight) & (weight > 0)
    return Regions(
        shape=shape,
        labels=labels,
        cell=cell[counts],
        y=y[counts].astype(np.int64),
        x=x[counts].astype(np.int64),
        weight=weight[counts],
    )


@dataclass(frozen=True)
class Results:
    """What a file of another program tells."""

    program: str
    """Such as "suite2p"; `Culture.masks` names it."""
    labels: IntArray
    """(n,), above 0, each once."""
    traces: FloatArray | None
    """(n, T), NaN where missing; None where the file has regions only."""
    regions: Regions | None = None
    """Of the same cells."""
    x_px: FloatArray | None = None
    """(n,), NaN where not known; None where there are regions."""
    y_px: FloatArray | None = None
    names: tuple[str, ...] | None = None
    """(n,), what the file calls the cells; None where that is their labels."""
    pairs: IntArray | None = None
    """(m, 2), cells in contact as places in `labels`; None where the file does not say."""
    times: FrameTimes = field(default_factory=FrameTimes)
    pixel_size_um: float | None = None
    recorded: Mapping[str, Any] = field(default_factory=dict)
    """What was chosen in reading that decides the result, for `Culture.options`; JSON-able."""
    notes: tuple[str, ...] = ()
    """One line each, for the user."""

    def digest(self) -> str:
        """Hash of the values: equal for equal values, whatever the file."""
        parts = [self.labels, self.traces, self.x_px, self.y_px, self.pairs]
        if self.regions is not None:
            parts += [np.array(self.regions.shape), self.regions.labels, self.regions.cell]
            parts += [self.regions.y, self.regions.x, self.regions.weight]
        described = [b"" if part is None else repr(part.shape).encode() + _plain(part) for part in parts]
        return digest_of(b"|".join(described))


def _plain(values: Any) -> bytes:
    kind = np.float64 if values.dtype.kind == "f" else np.int64
    return np.ascontiguousarray(values, dtype=kind).tobytes()
