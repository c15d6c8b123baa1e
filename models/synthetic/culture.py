"""A simulated culture and everything that is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.synthetic.biology import Wave
from calcigraph.models.synthetic.excitable import PlantedWave
from calcigraph.models.synthetic.label_geometry import LabelGeometry, measure_labels
from calcigraph.models.synthetic.mask_errors import relabel
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.whole import Tissue, as_subgraph
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, LabelImage, Subgraph


@dataclass(frozen=True)
class SyntheticCulture:
    """A simulated culture of n cells, sorted by label, with T frames, as `make_culture` makes it.

    Intensities are natural logarithms. The k and the feed of border cells are NaN: they follow no equation of the model
    or, with a `field`, feel cells that the picture does not show.
    """

    options: SyntheticOptions
    tissue: Tissue
    """The whole tissue, of which the picture shows all cells unless the options have a `field`."""
    labels: LabelImage
    """(Y, X), the true cells in the picture."""
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
    fired: tuple[tuple[int, float, int], ...]
    """(label, second, place in `contact_waves`) of what waves over contacts and flashes set off, sorted."""
    contact_waves: tuple[PlantedWave, ...]
    """Waves over contacts and flashes, by start; in a `field` those that the picture shows something of."""
    calcium: FloatArray
    """(n, T), the course that obeys the model: the log of calcium, or calcium itself with a `modulation`."""
    intensity: FloatArray
    """(n, T), the log brightness of the cells under a steady lamp, without noise: `calcium` as indicator and optics
    show it."""
    traces: FloatArray
    """(n, T), `intensity` with the lamp's light and noise of deviation `trace_noise`."""

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
        """The consensus operator that `calcium` obeys: that of all true cells, whatever the masks show.

        With a `field` it is that of the inner cells of the picture. Its weights are the true ones of the whole tissue.
        """
        return self.tissue.operator_of(self.geometry)

    def weights(self) -> FloatArray:
        """(m,), the true dimensionless weight of each of `contacts`, in the unit of the whole tissue."""
        return self.tissue.weights_of(self.geometry)
