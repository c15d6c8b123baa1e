"""A simulated culture and everything that is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.consensus import Operator, operator
from calcigraph.models.synthetic.label_geometry import LabelGeometry, measure_labels
from calcigraph.models.synthetic.mask_errors import relabel
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, LabelImage, Subgraph

WEIGHTS = "distance*border"
PLANTED = ("uncoupled", "feed above", "feed below")
"""What may be said of a planted cell."""


@dataclass(frozen=True)
class Wave:
    """A front that crossed the culture and set off a spike in every cell it passed."""

    direction_deg: float
    """Where it went: 0 along x, 90 along y (down)."""
    arrival_s: FloatArray
    """(n,), when it reached each cell's centre; later than the recording if it never did."""


@dataclass(frozen=True)
class SyntheticCulture:
    """A simulated culture of n cells, sorted by label, and everything that is true of it."""

    options: SyntheticOptions
    labels: LabelImage
    """(Y, X)"""
    masks: LabelImage
    """(Y, X), what a user would have for `labels`: the same unless the options spoil them."""
    geometry: LabelGeometry
    """Of `labels`."""
    mask_label: IntArray
    """(n,), the label under which the masks show each cell; 0 for none, a new label for merged cells."""
    planted: tuple[tuple[int, str], ...]
    """(label, one of PLANTED), sorted."""
    k: FloatArray
    """(n,), each cell's own coupling in 1/s, NaN for border cells."""
    feed: FloatArray
    """(n,), NaN for border cells."""
    spikes: tuple[tuple[int, float], ...]
    """(label, second at which it starts), sorted; without those that a wave set off."""
    waves: tuple[Wave, ...]
    intensity: FloatArray
    """(n, T), without noise."""
    traces: FloatArray
    """(n, T), with `trace_noise`."""

    @property
    def cells(self) -> IntArray:
        """(n,), the labels."""
        return self.geometry.cells

    @property
    def area_px(self) -> FloatArray:
        """(n,)"""
        return self.geometry.area_px

    @property
    def x_px(self) -> FloatArray:
        """(n,), of the centroid; pixel centres lie at halves."""
        return self.geometry.x_px

    @property
    def y_px(self) -> FloatArray:
        """(n,), as `x_px`."""
        return self.geometry.y_px

    @property
    def border(self) -> BoolArray:
        """(n,), cells with a pixel on the image edge."""
        return self.geometry.border

    @property
    def contacts(self) -> Contacts:
        """All pairs of cells that share at least 5 px of border."""
        return self.geometry.contacts

    def subgraph(self, culture: str = "synthetic") -> Subgraph:
        """The models' input as ingest would make it from noisy traces, without the cells that have no mask, and
        with one cell, its trace the mean over its area, for two that share a mask. Erosion and shift, which mix
        traces, take a movie to show."""
        if np.array_equal(self.mask_label, self.cells):
            return as_subgraph(self.options, self.geometry, self.traces, culture)
        seen = measure_labels(relabel(self.labels, self.cells, self.mask_label))
        shown = np.flatnonzero(self.mask_label)
        total = np.zeros((len(seen.cells), self.options.frames))
        row = np.searchsorted(seen.cells, self.mask_label[shown])
        np.add.at(total, row, self.area_px[shown, None] * self.traces[shown])
        return as_subgraph(self.options, seen, total / seen.area_px[:, None], culture)

    def operator(self) -> Operator:
        """The consensus operator that the traces obey: that of all cells, whatever the masks."""
        return operator(as_subgraph(self.options, self.geometry, self.traces, "synthetic"), WEIGHTS)


def as_subgraph(options: SyntheticOptions, geometry: LabelGeometry, traces: FloatArray, name: str) -> Subgraph:
    return Subgraph(
        culture=name,
        frame_interval_s=options.frame_interval_s,
        labels=geometry.cells,
        x_px=geometry.x_px,
        y_px=geometry.y_px,
        border=geometry.border,
        intensity=traces,
        pairs=geometry.pairs,
        shared_border_px=geometry.contacts.shared_border_px,
        centroid_distance_px=geometry.contacts.centroid_distance_px,
        area_px=geometry.area_px,
    )
