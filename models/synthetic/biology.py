"""What happens in the cells of a synthetic culture: rates, spikes, waves, activity, drive, and the course of calcium.

The cells obey, with y their log calcium and r the leak,

    y_i' = k_i (M y)_i - r y_i + gamma_i + spikes + waves + activity + drive

gamma holds r times the level of rest, so that a cell returns to it. In a whole tissue without leak nothing removes
what spikes bring, so gamma is lower there by what they bring on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.consensus import Operator, simulate
from calcigraph.models.synthetic.activity import Influx, lognormal, own_activity
from calcigraph.models.synthetic.drive import common_drive
from calcigraph.models.synthetic.grid import Grid
from calcigraph.models.synthetic.indicator import log_brightness
from calcigraph.models.synthetic.label_geometry import LabelGeometry
from calcigraph.models.synthetic.medium import Medium, excite
from calcigraph.models.synthetic.optics import lamp, seen_brightness
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.streams import BEFORE, BIOLOGY, COUPLING, HEIGHTS, WAVES, stream
from calcigraph.models.synthetic.transients import LEVEL, border_traces, spike_influx, spike_points, wave_arrivals
from calcigraph.models.synthetic.whole import Tissue
from calcigraph.store.types import BoolArray, FloatArray, IntArray

START_DEVIATION = 0.05
"""Standard deviation of the cells' intensities at the first point, about `LEVEL`."""
LEAST_HEIGHT, MOST_HEIGHT = 0.6, 1.4
"""The height of a spike lies between these, in units of `spike_height`."""
UNCOUPLED, FEED_ABOVE, FEED_BELOW = "uncoupled", "feed above", "feed below"
PLANTED = (UNCOUPLED, FEED_ABOVE, FEED_BELOW)
"""What may be abnormal in a planted cell."""

Planted = tuple[tuple[int, str], ...]
"""(label, one of PLANTED), sorted."""


@dataclass(frozen=True)
class Wave:
    """A front that crossed the culture and set off a spike in every cell it passed."""

    direction_deg: float
    """Where it went: 0 along x, 90 along y (down)."""
    arrival_s: FloatArray
    """(n,), when it reached each cell's centre; later than the recording if it never did."""


@dataclass(frozen=True)
class Biology:
    """What happens in the n cells of a whole tissue; the fields are those of SyntheticCulture."""

    k: FloatArray
    feed: FloatArray
    spikes: tuple[tuple[int, float], ...]
    waves: tuple[Wave, ...]
    medium: Medium | None
    calcium: FloatArray
    intensity: FloatArray
    traces: FloatArray


def live(options: SyntheticOptions, tissue: Tissue, planted: Planted) -> Biology:
    """Rates, spikes, waves and traces of all cells."""
    geometry, grid, op = tissue.geometry, Grid.of(options), tissue.operator()
    size = len(geometry.cells)
    # The order of the draws decides the culture that a seed gives.
    rng = stream(options, BIOLOGY)
    feed = _rest(options) + rng.normal(options.feed_mean, options.feed_spread, size)
    k, feed = _rates(options, geometry, planted, feed)
    spikes, medium, influx = _spikes(options, geometry, grid, rng)
    waves, influx_of_waves = _waves(options, geometry, grid)
    brought = _all_influx(options, geometry, grid, influx + influx_of_waves)
    fine = np.empty((size, grid.points))
    fine[:, 0] = LEVEL + rng.normal(0, START_DEVIATION, size)
    fine = _course(options, op, k, feed, brought, fine, rng)
    intensity = seen_brightness(options, geometry, log_brightness(options, fine, grid))
    light = lamp(options)
    seen = intensity if np.all(light == 1) else intensity + np.log(light)
    return Biology(
        k=k,
        feed=feed,
        spikes=spikes,
        waves=waves,
        medium=medium,
        calcium=fine[:, grid.first :: grid.substeps].copy(),
        intensity=intensity,
        traces=seen + options.trace_noise * rng.standard_normal(intensity.shape),
    )


def _rest(options: SyntheticOptions) -> float:
    """What every cell's feed holds beside its own: against the leak, and against what spikes bring."""
    rest = options.leak * LEVEL
    if options.field is not None and options.leak == 0 and options.spike_shape != "extrusion":
        rest -= options.spikes * options.spike_height / ((options.frames - 1) * options.frame_interval_s)
    return rest


def _rates(
    options: SyntheticOptions, geometry: LabelGeometry, planted: Planted, feed: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """k and feed of all cells, (n,) each, with those of planted cells; NaN for driven cells.

    `feed`, (n,), is what the cells would have without planting.
    """
    driven = _driven(options, geometry)
    k = np.full(len(feed), options.k)
    if options.k_spread > 0:
        own = lognormal(stream(options, COUPLING), options.k_spread, len(feed))
        k *= own / own[~geometry.border].mean()
    off = options.abnormal_feed_size * options.feed_spread
    for label, what in planted:
        row = int(np.searchsorted(geometry.cells, label))
        if what == UNCOUPLED:
            k[row] *= options.uncoupled_factor
        else:
            feed[row] = _rest(options) + options.feed_mean + (off if what == FEED_ABOVE else -off)
    # Of driven cells nothing can be fitted.
    return np.where(driven, np.nan, k), np.where(driven, np.nan, feed)


def _driven(options: SyntheticOptions, geometry: LabelGeometry) -> BoolArray:
    """(n,), the cells that obey no equation of the model."""
    return geometry.border if options.field is None else np.zeros_like(geometry.border)


def _spikes(
    options: SyntheticOptions, geometry: LabelGeometry, grid: Grid, rng: np.random.Generator
) -> tuple[tuple[tuple[int, float], ...], Medium | None, FloatArray]:
    """(label, second) of the recorded spikes, sorted, what waves over contacts fire, and the influx, (n, points)."""
    size = len(geometry.cells)
    # A spike starts early enough that its first `spike_s` lie within the recording.
    latest = max(1, grid.recorded - spike_points(options))
    starts = np.sort(rng.integers(0, latest, (size, options.spikes)), axis=1)
    heights = _heights(options, rng, starts.shape)
    # Border cells have spikes too.
    label_of = np.repeat(geometry.cells, options.spikes)
    at = starts * grid.step
    medium = excite(options, geometry, at)
    happened = np.ones(at.shape, np.bool_) if medium is None else medium.spikes
    known = zip(label_of[happened.ravel()].tolist(), at[happened].tolist(), strict=True)
    starts, heights = starts + grid.first, heights * happened
    if grid.first:
        before = stream(options, BEFORE)
        early = before.integers(0, grid.first, (size, options.spikes * grid.recordings_before))
        starts = np.concatenate([early, starts], axis=1)
        heights = np.concatenate([_heights(options, before, early.shape), heights], axis=1)
    if medium is not None:
        of_waves, taken = medium.starts(grid)
        starts = np.concatenate([starts, of_waves], axis=1)
        heights = np.concatenate([heights, taken * _heights(options, stream(options, HEIGHTS), taken.shape)], axis=1)
    return tuple(sorted(known)), medium, spike_influx(options, starts, heights, grid.points)


def _heights(options: SyntheticOptions, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return np.asarray(options.spike_height * rng.uniform(LEAST_HEIGHT, MOST_HEIGHT, shape))


def _waves(options: SyntheticOptions, geometry: LabelGeometry, grid: Grid) -> tuple[tuple[Wave, ...], FloatArray]:
    """The waves, and the influx of the spikes that they set off, (n, points)."""
    rng = stream(options, WAVES)
    arrival, angle = wave_arrivals(options, geometry.x_px, geometry.y_px, rng)
    starts: IntArray = np.rint(arrival.T * grid.substeps / options.frame_interval_s).astype(np.int64) + grid.first
    heights = _heights(options, rng, starts.shape)
    waves = tuple(
        Wave(direction_deg=direction, arrival_s=each)
        for direction, each in zip(np.degrees(angle).tolist(), arrival, strict=True)
    )
    return waves, spike_influx(options, starts, heights, grid.points)


def _all_influx(options: SyntheticOptions, geometry: LabelGeometry, grid: Grid, spikes: FloatArray) -> Influx:
    """The influx of spikes and waves, (n, points), with that of activity and drive."""
    linear, constant = spikes, np.zeros((len(spikes), grid.points - 1))
    own = own_activity(options, len(spikes), grid)
    if own is not None:
        linear, constant = linear + own.linear, own.constant
    common = common_drive(options, geometry.x_px, geometry.y_px, grid)
    return Influx(linear=linear if common is None else linear + common, constant=constant)


def _course(
    options: SyntheticOptions,
    op: Operator,
    k: FloatArray,
    feed: FloatArray,
    influx: Influx,
    fine: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """y of all cells at all points, (n, points), from the first point of `fine`."""
    grid = Grid.of(options)
    into_driven = influx.linear[op.driven]
    into_driven[:, :-1] += influx.constant[op.driven]
    if len(op.driven):
        fine[op.driven] = border_traces(into_driven, rng, grid.step, options.leak)
    into_inner = feed[op.inner][:, None] + influx.linear[op.inner]
    fine[op.inner] = simulate(op, k[op.inner], into_inner, fine, grid.step, options.leak, influx.constant[op.inner])
    if options.field is not None and options.leak == 0:
        # Without leak or driven cells nothing holds the level of the whole, and adding a number changes no equation.
        fine += LEVEL - fine[:, grid.first].mean()
    return fine
