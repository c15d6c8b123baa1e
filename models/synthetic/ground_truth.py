"""What is known of a simulated culture, as a perfect fit would find it."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

import numpy as np

from calcigraph.models.synthetic.camera import cell_brightness, still_image
from calcigraph.models.synthetic.culture import WEIGHTS, SyntheticCulture
from calcigraph.store.types import FloatArray


def truth(culture: SyntheticCulture) -> dict[str, Any]:
    """All that is known, ready for JSON, by label in decimal: what a perfect fit would find.

    `k` is the culture's and `k_cell` each cell's own, which differ for uncoupled cells. `feed` is the cells' own, in
    log intensity per second. `effective_feed` is what a movie can tell, in the same unit: a cell's static brightness
    tau_i adds -k_i (M tau)_i to it. A fit of the movie gives its feed in normalised units: divide by the intensity
    gain to compare. Border cells have null k and feeds: they are driven.

    Labels are those of the true cells. `masks` says for every label of the masks which cells lie under it: one, the
    same, as a rule; two for a merged pair, whose label is that of no cell, so that nothing is true of it. Cells that
    no mask shows are in none.
    """
    names = [str(label) for label in culture.cells.tolist()]
    contacts = culture.contacts
    columns = ("label_a", "label_b", "shared_border_px", "centroid_distance_px")
    rows = zip(*(getattr(contacts, column).tolist() for column in columns), strict=True)
    waves = [(wave.direction_deg, _by_label(names, wave.arrival_s)) for wave in culture.waves]
    return {
        "k": culture.options.k,
        "k_unit": "1/s",
        "k_cell": _by_label(names, culture.k),
        "weights": WEIGHTS,
        "weight_scale": culture.operator().scale,
        "feed_unit": "log intensity per second",
        "feed": _by_label(names, culture.feed),
        "effective_feed": _by_label(names, effective_feed(culture)),
        "border": dict(zip(names, culture.border.tolist(), strict=True)),
        "area_px": _by_label(names, culture.area_px),
        "contacts": [dict(zip(columns, row, strict=True)) for row in rows],
        "planted": {str(label): what for label, what in culture.planted},
        "spikes": [{"label": label, "time_s": time} for label, time in culture.spikes],
        "waves": [{"direction_deg": direction, "arrival_s": arrival} for direction, arrival in waves],
        "masks": _cells_by_mask(culture),
        "options": asdict(culture.options),
    }


def effective_feed(culture: SyntheticCulture) -> FloatArray:
    """gamma_i - k_i (M tau)_i, (n,), NaN for border cells; tau_i is the mean log brightness of the tissue in cell i,
    over the pixels whose 3 x 3 neighbourhood lies in it (ingest's default inset)."""
    tau = cell_brightness(culture.labels, np.log(still_image(culture)))[culture.cells]
    op, result = culture.operator(), np.full(len(culture.cells), np.nan)
    result[op.inner] = culture.feed[op.inner] - culture.k[op.inner] * op.apply(tau[:, None])[:, 0]
    return result


def _cells_by_mask(culture: SyntheticCulture) -> dict[str, list[int]]:
    masks = np.unique(culture.mask_label[culture.mask_label > 0])
    return {str(mask): culture.cells[culture.mask_label == mask].tolist() for mask in masks.tolist()}


def _by_label(names: list[str], values: FloatArray) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in zip(names, values.tolist(), strict=True)}
