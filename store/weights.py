"""The weights of contacts (arXiv:2505.20327, eq. 4), without dimension: what models fit with, and what the graph holds.

A contact's raw weight has the unit of its lengths. It is divided by the mean over the contacts between the culture's
inner cells, so that k is a rate in 1/s. Weights follow from the masks alone, so they are stored with the contacts.
"""

from __future__ import annotations

import numpy as np

from calcigraph.store.doubtful import merged_cells
from calcigraph.store.types import BoolArray, CultureData, FloatArray, Subgraph

ENOUGH_CONTACTS = 10
"""Contacts between inner cells from which the mean is over them. Weights scatter too much for a mean of fewer."""
PROPERTY = {
    "distance*border": "weight_distance_times_border",
    "border/distance": "weight_border_over_distance",
    "border": "weight_border",
    "uniform": "weight_uniform",
}
"""The property of ADJACENT that holds the weights of a law; the culture's `<property>_scale` holds their divisor."""

COUNTING = {
    "distance*border": "by their shared border times the distance of the cells",
    "border/distance": "by their shared border over the distance of the cells",
    "border": "by their shared border",
    "uniform": "all alike",
}
"""How contacts count in a law, in words."""


def raw_weights(subgraph: Subgraph, weights: str) -> FloatArray:
    """Weights in the unit of their lengths, (m,)."""
    border, distance = subgraph.shared_border_px, subgraph.centroid_distance_px
    # A distance of 0 gives an infinite weight; callers refuse it.
    with np.errstate(divide="ignore", invalid="ignore"):
        raw: dict[str, FloatArray] = {
            "distance*border": distance * border,
            "border/distance": border / distance,
            "border": border,
            "uniform": np.ones(len(subgraph.pairs)),
        }
    return raw[weights]


def between_inner(subgraph: Subgraph) -> BoolArray:
    """The contacts between two inner cells, (m,)."""
    return np.asarray(~subgraph.border.astype(np.bool_)[subgraph.pairs].any(axis=1))


def unit_contacts(subgraph: Subgraph) -> BoolArray:
    """The contacts whose mean weight is 1, (m,): those between inner cells, or all where these are fewer than 10.

    The edge of the image cuts border cells, and with them their contacts. What is left of such a contact is often a
    sliver. The share of slivers depends on the size of the field, so a mean over all contacts would do so too.

    The contacts of a mask that may hold two cells are left out too, unless fewer than 10 remain: they are longer than
    those of cells, and their centroids lie farther away.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> large = make_culture(SyntheticOptions(cells=40, frames=12, size_px=256)).subgraph()
    >>> small = make_culture(SyntheticOptions(cells=12, frames=12, size_px=128)).subgraph()
    >>> bool(unit_contacts(large).all()), bool(unit_contacts(small).all())
    (False, True)
    """
    inner = between_inner(subgraph)
    single = inner & ~merged_cells(subgraph)[subgraph.pairs].any(axis=1)
    for chosen in (single, inner):
        if chosen.sum() >= ENOUGH_CONTACTS:
            return chosen
    return np.ones_like(inner)


def weights_and_scale(
    subgraph: Subgraph, weights: str, unit: BoolArray | None = None
) -> tuple[FloatArray, float] | None:
    """Dimensionless weights (m,), and the mean raw weight that they were divided by; None where they make no sense.

    Parameters
    ----------
    subgraph
        The culture, with m contacts.
    weights
        A law, one of PROPERTY.
    unit
        `unit_contacts(subgraph)`, where it is known.
    """
    if len(subgraph.pairs) == 0:
        return None
    raw = raw_weights(subgraph, weights)
    scale = float(np.mean(raw[unit_contacts(subgraph) if unit is None else unit]))
    return (raw / scale, scale) if np.isfinite(raw).all() and scale > 0 and raw.min() >= 0 else None


def stored_weights(subgraph: Subgraph) -> tuple[dict[str, FloatArray], dict[str, float]]:
    """What the graph holds of a culture's weights.

    Returns
    -------
    By the names of PROPERTY, without the laws that need borders where these are not known: the weights of the contacts,
    each (m,); and what they were divided by, under `<property>_scale`.
    """
    unit = unit_contacts(subgraph)
    found = {name: weights_and_scale(subgraph, law, unit) for law, name in PROPERTY.items()}
    known = {name: each for name, each in found.items() if each is not None}
    return {name: each[0] for name, each in known.items()}, {f"{name}_scale": each[1] for name, each in known.items()}


def contact_graph(data: CultureData) -> Subgraph:
    """A culture that is not stored yet as the models see it."""
    cells, contacts = data.cells, data.contacts
    order = np.argsort(cells.labels)
    ends = np.stack([contacts.label_a, contacts.label_b], axis=1)
    return Subgraph(
        culture=data.culture.uid,
        frame_interval_s=data.culture.frame_interval_s,
        labels=cells.labels,
        x_px=cells.x_px,
        y_px=cells.y_px,
        border=cells.border,
        intensity=cells.intensity,
        pairs=order[np.searchsorted(cells.labels[order], ends)].reshape(-1, 2),
        shared_border_px=contacts.shared_border_px,
        centroid_distance_px=contacts.centroid_distance_px,
        area_px=cells.area_px,
        open_px=cells.open_px,
    )
