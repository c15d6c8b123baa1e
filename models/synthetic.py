"""Ground truth: a confluent culture whose coupling and feeds are known, its traces and its masks.

Inner cells obey models/consensus.py exactly, with a feed each and short calcium spikes that no model knows of; border
cells follow slow random processes and transients of their own, which is what the culture's excitation comes from.
Intensities are natural logarithms, around 0.5; a movie's brightness is proportional to their exponential, so its
eq. 23 traces (arXiv:2505.20327) are affine in them. Rates are in 1/s.

models/transients.py draws the spikes, models/mask_errors.py spoils the masks, models/camera.py films it all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.camera import cell_brightness, movie_frames, still_image
from calcigraph.models.consensus import Operator, operator, simulate
from calcigraph.models.label_geometry import LabelGeometry, label_geometry
from calcigraph.models.mask_errors import displace, mask_labels, relabel
from calcigraph.models.synthetic_options import SPIKE_SHAPES, SyntheticOptions
from calcigraph.models.transients import (
    LEVEL,
    SUBSTEPS,
    border_traces,
    spike_points,
    spike_source,
    wave_arrivals,
)
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, LabelImage, Subgraph

__all__ = [
    "SPIKE_SHAPES",
    "SyntheticCulture",
    "SyntheticOptions",
    "Wave",
    "effective_feed",
    "make_culture",
    "movie_frames",
    "truth",
]

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
            return _subgraph(self.options, self.geometry, self.traces, culture)
        seen = label_geometry(relabel(self.labels, self.cells, self.mask_label))
        shown = np.flatnonzero(self.mask_label)
        total = np.zeros((len(seen.cells), self.options.frames))
        row = np.searchsorted(seen.cells, self.mask_label[shown])
        np.add.at(total, row, self.area_px[shown, None] * self.traces[shown])
        return _subgraph(self.options, seen, total / seen.area_px[:, None], culture)

    def operator(self) -> Operator:
        """The consensus operator that the traces obey: that of all cells, whatever the masks."""
        return operator(_subgraph(self.options, self.geometry, self.traces, "synthetic"), WEIGHTS)


def make_culture(options: SyntheticOptions | None = None) -> SyntheticCulture:
    """Simulate a culture; the same options always give the same one.

    Tissue, biology, planted cells, waves and masks have random streams of their own: k, noise and the like do not
    change where cells lie.

    Raises
    ------
    InputError
        The frame is too small for the cells, every cell touches its edge, more cells are planted, missing or merged
        than there are, or nothing is left of a mask.

    Examples
    --------
    >>> culture = make_culture(SyntheticOptions(cells=16, frames=20, size_px=128))
    >>> culture.traces.shape
    (16, 20)
    """
    from calcigraph.models.tissue import confluent_labels

    options = options or SyntheticOptions()
    shape = (options.size_px, options.size_px)
    labels = confluent_labels(shape, options.cells, _stream(options, 0))
    geometry = label_geometry(labels)
    if geometry.border.all():
        raise InputError(f"all {options.cells} cells touch the image edge, so none is coupled; simulate more cells")
    planted = _planted(options, geometry)
    rng = _stream(options, 8)
    shown = mask_labels(options, geometry, np.isin(geometry.cells, [label for label, _ in planted]), rng)
    masks = displace(options, relabel(labels, geometry.cells, shown), rng)
    biology = _biology(options, geometry, planted)
    return SyntheticCulture(options, labels, masks, geometry, shown, planted, **biology)


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


def _stream(options: SyntheticOptions, number: int) -> np.random.Generator:
    return np.random.default_rng([options.seed, number])


def _planted(options: SyntheticOptions, geometry: LabelGeometry) -> tuple[tuple[int, str], ...]:
    inner = geometry.cells[~geometry.border]
    wanted = options.uncoupled + options.abnormal_feeds
    if wanted > len(inner):
        raise InputError(
            f"uncoupled and abnormal_feeds ask for {wanted} inner cells, but there are {len(inner)}; plant fewer"
        )
    chosen = _stream(options, 6).choice(inner, wanted, replace=False).tolist()
    uncoupled, above, below = PLANTED
    words = [uncoupled] * options.uncoupled + [above, below] * (options.abnormal_feeds // 2 + 1)
    return tuple(sorted(zip(chosen, words[:wanted], strict=True)))


def _biology(
    options: SyntheticOptions, geometry: LabelGeometry, planted: tuple[tuple[int, str], ...]
) -> dict[str, Any]:
    """k, feed, spikes, waves, intensity and traces of a SyntheticCulture."""
    op = operator(_subgraph(options, geometry, np.zeros((len(geometry.cells), 1)), "synthetic"), WEIGHTS)
    rng = _stream(options, 1)
    size, points = len(geometry.cells), (options.frames - 1) * SUBSTEPS + 1
    step = options.frame_interval_s / SUBSTEPS
    k, feed = _rates(options, geometry, planted, rng.normal(options.feed_mean, options.feed_spread, size))
    starts = np.sort(rng.integers(0, max(1, points - spike_points(options)), (size, options.spikes)), axis=1)
    heights = options.spike_height * rng.uniform(0.6, 1.4, starts.shape)
    waves, excited = _waves(options, geometry, points)
    source = spike_source(options, starts, heights, points) + excited
    fine = np.empty((size, points))
    fine[:, 0] = LEVEL + rng.normal(0, 0.05, size)
    fine[op.driven] = border_traces(options, source[op.driven], rng, step)
    fine[op.inner] = simulate(op, k[op.inner], feed[op.inner][:, None] + source[op.inner], fine, step)
    intensity = fine[:, ::SUBSTEPS].copy()
    label_of = np.repeat(geometry.cells, options.spikes).tolist()
    return {
        "k": k,
        "feed": feed,
        "spikes": tuple(sorted(zip(label_of, (starts.ravel() * step).tolist(), strict=True))),
        "waves": waves,
        "intensity": intensity,
        "traces": intensity + options.trace_noise * rng.standard_normal(intensity.shape),
    }


def _rates(
    options: SyntheticOptions, geometry: LabelGeometry, planted: tuple[tuple[int, str], ...], feed: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """k and feed of all cells, (n,) each, with what is planted; NaN for border cells."""
    k, off = np.full(len(feed), options.k), options.abnormal_feed_size * options.feed_spread
    for label, what in planted:
        row = int(np.searchsorted(geometry.cells, label))
        if what == "uncoupled":
            k[row] *= options.uncoupled_factor
        else:
            feed[row] = options.feed_mean + (off if what == "feed above" else -off)
    return np.where(geometry.border, np.nan, k), np.where(geometry.border, np.nan, feed)


def _waves(options: SyntheticOptions, geometry: LabelGeometry, points: int) -> tuple[tuple[Wave, ...], FloatArray]:
    """The waves, and the source that they are to every cell, (n, points)."""
    rng = _stream(options, 7)
    arrival, angle = wave_arrivals(options, geometry.x_px, geometry.y_px, rng)
    starts = np.rint(arrival.T * SUBSTEPS / options.frame_interval_s).astype(np.int64)
    heights = options.spike_height * rng.uniform(0.6, 1.4, starts.shape)
    waves = [Wave(*pair) for pair in zip(np.degrees(angle).tolist(), arrival, strict=True)]
    return tuple(waves), spike_source(options, starts, heights, points)


def _subgraph(options: SyntheticOptions, geometry: LabelGeometry, traces: FloatArray, name: str) -> Subgraph:
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


def _cells_by_mask(culture: SyntheticCulture) -> dict[str, list[int]]:
    masks = np.unique(culture.mask_label[culture.mask_label > 0])
    return {str(mask): culture.cells[culture.mask_label == mask].tolist() for mask in masks.tolist()}


def _by_label(names: list[str], values: FloatArray) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in zip(names, values.tolist(), strict=True)}
