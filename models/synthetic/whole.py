"""The whole tissue of a synthetic culture: its true coupling, and the part of it that the picture shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calcigraph.models.consensus import Operator, operator, sub_operator
from calcigraph.models.contacts import contact_weights
from calcigraph.models.synthetic.activity import lognormal
from calcigraph.models.synthetic.label_geometry import LabelGeometry, measure_labels
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.streams import CONDUCTANCE, TISSUE, stream
from calcigraph.store.types import FloatArray, IntArray, LabelImage, Subgraph


@dataclass(frozen=True)
class Tissue:
    """All cells that are simulated. Without a `field` the picture shows all of them, and its border cells are driven.

    With a `field` all cells obey the model, and the picture shows a part of them.
    """

    options: SyntheticOptions
    labels: LabelImage
    """(Y, X), all cells."""
    geometry: LabelGeometry
    """Of `labels`, with N cells and M contacts."""
    conductance: FloatArray
    """(M,), the factor of each contact's own on its weight; all 1 without `conductance_spread`."""

    @property
    def subgraph(self) -> Subgraph:
        """The graph of all cells, with traces of 0 and one frame; without areas, because no cell of it is in doubt."""
        graph = as_subgraph(self.options, self.geometry, np.zeros((len(self.geometry.cells), 1)), "synthetic")
        return replace(graph, area_px=None)

    def weights(self) -> tuple[FloatArray, float]:
        """The true weights of all contacts, (M,), and the raw weights' mean that they were divided by.

        The unit of k is that of `contact_weights` on the whole tissue, so its own contacts decide it, not the field.
        """
        weight, scale = contact_weights(self.subgraph, self.options.weights)
        if self.options.conductance_spread == 0:
            return weight, scale
        # As borders with the weighting "border", they are brought to the unit again.
        own = replace(self.subgraph, shared_border_px=weight * self.conductance)
        return contact_weights(own, "border")[0], scale

    def operator(self) -> Operator:
        """The consensus operator of all cells that obey the model."""
        driven = self.options.field is None
        if driven and self.options.conductance_spread == 0:
            return operator(self.subgraph, self.options.weights)
        weight, scale = self.weights()
        border = self.geometry.border if driven else np.zeros_like(self.geometry.border)
        op = operator(replace(self.subgraph, border=border, shared_border_px=weight), "border")
        # `operator` has divided the weights by their mean, which is not 1 if the unit is that of other contacts.
        return replace(op, weight=op.weight * op.scale, scale=scale)

    def rows(self, seen: LabelGeometry) -> IntArray:
        """(n,), the rows of the cells that the picture shows."""
        return np.searchsorted(self.geometry.cells, seen.cells)

    def operator_of(self, seen: LabelGeometry) -> Operator:
        """The consensus operator of the picture's inner cells, with its border cells as driven ones.

        The neighbours of an inner cell are all in the picture, so what it obeys can be written with them.
        """
        whole = self.operator()
        if self.options.field is None:
            return whole
        rows, inner = self.rows(seen), np.flatnonzero(~seen.border)
        used, part = sub_operator(whole, rows[inner])
        place = np.searchsorted(rows, used)
        return replace(
            part,
            cells=len(rows),
            inner=inner,
            driven=np.flatnonzero(seen.border),
            neighbour=place[part.neighbour],
        )

    def weights_of(self, seen: LabelGeometry) -> FloatArray:
        """The true weights of the m contacts that the picture shows, (m,)."""
        width = int(self.geometry.cells[-1]) + 1
        all_pairs, pairs = (each.contacts.label_a * width + each.contacts.label_b for each in (self.geometry, seen))
        order = np.argsort(all_pairs)
        return self.weights()[0][order][np.searchsorted(all_pairs[order], pairs)]


def make_tissue(options: SyntheticOptions) -> Tissue:
    """Cells, contacts and conductances. Raises InputError if the cells do not fit."""
    from calcigraph.models.synthetic.tissue import confluent_labels

    shape = (options.size_px, options.size_px)
    labels = confluent_labels(shape, options.cells, stream(options, TISSUE))
    geometry = measure_labels(labels)
    rng = stream(options, CONDUCTANCE)
    return Tissue(
        options=options,
        labels=labels,
        geometry=geometry,
        conductance=lognormal(rng, options.conductance_spread, len(geometry.contacts)),
    )


def picture(tissue: Tissue) -> LabelImage:
    """The middle of the tissue that the picture shows, (Y, X); cells at its edge are cut, and keep their labels."""
    field, size = tissue.options.field, tissue.options.size_px
    if field is None:
        return tissue.labels
    side = max(1, round(field * size))
    first = (size - side) // 2
    return tissue.labels[first : first + side, first : first + side]


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
        open_px=geometry.open_px,
    )
