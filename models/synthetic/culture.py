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
"""The contact weights of every synthetic culture: the paper's (eq. 4)."""
UNCOUPLED, FEED_ABOVE, FEED_BELOW = "uncoupled", "feed above", "feed below"
PLANTED = (UNCOUPLED, FEED_ABOVE, FEED_BELOW)
"""What may be abnormal in a planted cell."""


@dataclass(frozen=True)
class Wave:
    """A front that crossed the culture and set off a spike in every cell it passed."""

    direction_deg: float
    """Where it went: 0 along x, 90 along y (down)."""
    arrival_s: FloatArray
    """(n,), when it reached each cell's centre; later than the recording if it never did."""


@dataclass(frozen=True)
class SyntheticCulture:
    """A simulated culture of n cells, sorted by label, with T frames, as `make_culture` makes it.

    Intensities are natural logarithms. Border cells follow no equation of the model, so their k and feed are NaN.
    """

    options: SyntheticOptions
    labels: LabelImage
    """(Y, X), the true cells."""
    masks: LabelImage
    """(Y, X), the cells as a user would have them: as `labels`, unless the options ask for mistakes."""
    geometry: LabelGeometry
    """Of `labels`."""
    mask_label: IntArray
    """(n,), the label under which the masks show each cell; 0 for none, a new label for merged cells."""
    planted: tuple[tuple[int, str], ...]
    """(label, one of PLANTED), sorted."""
    k: FloatArray
    """(n,), each cell's coupling in 1/s, NaN for border cells."""
    feed: FloatArray
    """(n,), in intensity per second, NaN for border cells."""
    spikes: tuple[tuple[int, float], ...]
    """(label, second at which it starts), sorted, without the spikes that a wave set off."""
    waves: tuple[Wave, ...]
    intensity: FloatArray
    """(n, T), without noise."""
    traces: FloatArray
    """(n, T), `intensity` with noise of deviation `trace_noise`."""

    @property
    def cells(self) -> IntArray:
        """(n,), the labels."""
        return self.geometry.cells

    @property
    def area_px(self) -> FloatArray:
        """(n,), in px."""
        return self.geometry.area_px

    @property
    def x_px(self) -> FloatArray:
        """(n,), of the centroid, in px; pixel centres lie at halves."""
        return self.geometry.x_px

    @property
    def y_px(self) -> FloatArray:
        """(n,), as `x_px`."""
        return self.geometry.y_px

    @property
    def border(self) -> BoolArray:
        """(n,), whether the cell has a pixel on the image edge."""
        return self.geometry.border

    @property
    def contacts(self) -> Contacts:
        """All pairs of cells that share at least 5 px of border."""
        return self.geometry.contacts

    def subgraph(self, culture: str = "synthetic") -> Subgraph:
        """The models' input, as ingest would make it from the noisy traces and the masks.

        Cells without a mask are left out. Two cells that share a mask become one, whose trace is their mean weighted by
        area. Eroded or shifted masks act on pixels, so their effect shows only in a movie.

        Parameters
        ----------
        culture
            The name that the subgraph is given.

        Returns
        -------
        Subgraph
            The cells that the masks show, and the contacts between them.

        Examples
        --------
        >>> from calcigraph.models import SyntheticOptions, make_culture
        >>> options = SyntheticOptions(cells=16, frames=20, size_px=128, missing=0.25)
        >>> make_culture(options).subgraph().intensity.shape
        (12, 20)
        """
        if np.array_equal(self.mask_label, self.cells):
            return as_subgraph(self.options, self.geometry, self.traces, culture)
        # Borders and contacts are those of the cells as the masks show them.
        seen = measure_labels(relabel(self.labels, self.cells, self.mask_label))
        shown = np.flatnonzero(self.mask_label)
        row = np.searchsorted(seen.cells, self.mask_label[shown])
        # np.add.at, because two cells of a merged pair add to the same row.
        total = np.zeros((len(seen.cells), self.options.frames))
        np.add.at(total, row, self.area_px[shown, None] * self.traces[shown])
        return as_subgraph(self.options, seen, total / seen.area_px[:, None], culture)

    def operator(self) -> Operator:
        """The consensus operator that the traces obey: that of all true cells, whatever the masks show."""
        return operator(as_subgraph(self.options, self.geometry, self.traces, "synthetic"), WEIGHTS)


def as_subgraph(options: SyntheticOptions, geometry: LabelGeometry, traces: FloatArray, name: str) -> Subgraph:
    """The models' input from the cells of a label image and their traces, (n, T)."""
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
