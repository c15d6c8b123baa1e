"""What is known of a simulated culture, as a perfect fit would find it."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

import numpy as np

from calcigraph.models.contacts import weight_unit
from calcigraph.models.synthetic.camera import cell_brightness, still_image
from calcigraph.models.synthetic.culture import SyntheticCulture
from calcigraph.store.types import FloatArray


def truth(culture: SyntheticCulture) -> dict[str, Any]:
    """All that is known of a culture, ready for JSON, with the labels of the true cells in decimal as keys.

    Parameters
    ----------
    culture
        As `make_culture` gives it.

    Returns
    -------
    dict
        `k`, the culture's coupling, and `k_cell`, that of each cell, in 1/s: they differ in uncoupled cells.

        `feed`, that of each cell, in log intensity per second, and `effective_feed`, what a movie can show of it, in
        the same unit (see the function of this name). A fit of the movie gives feeds in normalised units: divide them
        by the intensity gain to compare. Border cells have null k and feeds, because they are driven.

        `masks`, for every label of the masks the cells that lie under it. Usually it is one cell with the same label. A
        merged pair has two, under a label of its own, of which nothing else is known. Cells without a mask are missing.

        `weights`, the law by which contacts couple, `weight_scale` and `weight_unit`, by which k is defined (as the
        facts of a fit), and `weight`, the true weight of each of the `contacts`. `leak`, in 1/s.

        `border`, `area_px`, `contacts`, `planted` cells, `spikes` and `waves` with their times in s, and the `options`
        that make this culture again.

        `contact_waves`, the waves over contacts and the flashes: `kind` ("wave" or "flash"), the `starts` (label of the
        cell where it began), `speed_px_s` along contacts, `start_s`, and the `labels` of the cells that took part.

        `events`, everything that a cell fires, by label and time: `onset_s`, its `cause` ("own" for a spike, "wave",
        "flash", or "front" for a wave that excites every cell in passing), and `number`, the place of its cause in
        `contact_waves`, or for a front in `waves`.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> known = truth(make_culture(SyntheticOptions(cells=16, frames=20, size_px=128, k=0.02)))
    >>> known["k"], known["k_unit"], len(known["feed"])
    (0.02, '1/s', 16)
    """
    names = [str(label) for label in culture.cells.tolist()]
    return {
        "k": culture.options.k,
        "k_unit": "1/s",
        "k_cell": _by_label(names, culture.k),
        "weights": culture.options.weights,
        "weight_scale": culture.operator().scale,
        "weight_unit": weight_unit(culture.tissue.subgraph, culture.options.weights),
        "weight": culture.weights().tolist(),
        "leak": culture.options.leak,
        "feed_unit": "log intensity per second",
        "feed": _by_label(names, culture.feed),
        "effective_feed": _by_label(names, effective_feed(culture)),
        "border": dict(zip(names, culture.border.tolist(), strict=True)),
        "area_px": _by_label(names, culture.area_px),
        "contacts": _contacts(culture),
        "planted": {str(label): what for label, what in culture.planted},
        "spikes": [{"label": label, "time_s": time} for label, time in culture.spikes],
        "waves": [
            {"direction_deg": wave.direction_deg, "arrival_s": _by_label(names, wave.arrival_s)}
            for wave in culture.waves
        ],
        "contact_waves": [wave.told() for wave in culture.contact_waves],
        "events": _events(culture),
        "masks": _cells_by_mask(culture),
        "options": asdict(culture.options),
    }


def effective_feed(culture: SyntheticCulture) -> FloatArray:
    """The feeds that a perfect fit of the movie would find: gamma_i - k_i (M tau)_i + r tau_i, with r the leak.

    In log intensity per second.

    tau_i is the mean log brightness of the still tissue in cell i, over the pixels whose 3 x 3 neighbourhood lies in
    the cell (ingest's default inset). A movie shows y_i + tau_i, so the differences in tau between neighbours enter
    the equation as a constant, which cannot be distinguished from a feed.

    Parameters
    ----------
    culture
        Of n cells, as `make_culture` gives it.

    Returns
    -------
    array
        (n,), NaN for border cells.
    """
    tau = cell_brightness(culture.labels, np.log(still_image(culture)))[culture.cells]
    op = culture.operator()
    by_contrast = op.apply(tau[:, None])[:, 0]
    result = np.full(len(culture.cells), np.nan)
    result[op.inner] = culture.feed[op.inner] - culture.k[op.inner] * by_contrast
    result[op.inner] += culture.options.leak * tau[op.inner]
    return result


def _events(culture: SyntheticCulture) -> list[dict[str, Any]]:
    """What every cell fires, by label and time."""
    end = (culture.options.frames - 1) * culture.options.frame_interval_s
    rows: list[tuple[int, float, str, int | None]] = [(label, time, "own", None) for label, time in culture.spikes]
    rows += [(label, time, culture.contact_waves[wave].kind, wave) for label, time, wave in culture.fired]
    for number, wave in enumerate(culture.waves):
        arrivals = zip(culture.cells.tolist(), wave.arrival_s.tolist(), strict=True)
        rows += [(label, time, "front", number) for label, time in arrivals if time <= end]
    columns = ("label", "onset_s", "cause", "number")
    return [dict(zip(columns, row, strict=True)) for row in sorted(rows, key=lambda row: row[:2])]


def _contacts(culture: SyntheticCulture) -> list[dict[str, Any]]:
    columns = ("label_a", "label_b", "shared_border_px", "centroid_distance_px")
    rows = zip(*(getattr(culture.contacts, column).tolist() for column in columns), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _cells_by_mask(culture: SyntheticCulture) -> dict[str, list[int]]:
    masks = np.unique(culture.mask_label[culture.mask_label > 0])
    return {str(mask): culture.cells[culture.mask_label == mask].tolist() for mask in masks.tolist()}


def _by_label(names: list[str], values: FloatArray) -> dict[str, float | None]:
    """Values by label; None for what JSON has no number for."""
    return {name: value if isfinite(value) else None for name, value in zip(names, values.tolist(), strict=True)}
