"""Ground truth: a confluent culture whose coupling and feeds are known, with its traces and its masks.

Inner cells obey the consensus model exactly (models/consensus.py), each with a feed of its own. Short calcium spikes
come on top, of which the model knows nothing. Border cells follow slow random processes and transients of their own,
and excite the culture through the contacts. Intensities are natural logarithms around 0.5. The brightness of a movie
is proportional to their exponential, so the traces that eq. 23 (arXiv:2505.20327) gives are an affine function of
them. Rates are in 1/s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.consensus import operator, simulate
from calcigraph.models.synthetic.culture import (
    FEED_ABOVE,
    FEED_BELOW,
    UNCOUPLED,
    WEIGHTS,
    SyntheticCulture,
    Wave,
    as_subgraph,
)
from calcigraph.models.synthetic.label_geometry import LabelGeometry, measure_labels
from calcigraph.models.synthetic.mask_errors import displace, mask_labels, relabel
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.transients import (
    LEVEL,
    SUBSTEPS,
    border_traces,
    spike_influx,
    spike_points,
    wave_arrivals,
)
from calcigraph.store.types import FloatArray

START_DEVIATION = 0.05
"""Standard deviation of the cells' intensities in the first frame, about `LEVEL`."""
LEAST_HEIGHT, MOST_HEIGHT = 0.6, 1.4
"""The height of a spike lies between these, in units of `spike_height`."""

TISSUE, BIOLOGY, PLANTING, WAVES, MASKS = 0, 1, 6, 7, 8
"""Random streams; camera.py has 2 to 5. Each part has its own, so that its options change no other part."""

Planted = tuple[tuple[int, str], ...]
"""(label, one of PLANTED), sorted."""


def make_culture(options: SyntheticOptions | None = None) -> SyntheticCulture:
    """Simulate a culture; the same options always give the same one.

    Inner cells obey eq. 3 of arXiv:2505.20327, y_i' = k_i (M y)_i + gamma_i + spikes, with weights of eq. 4. Tissue,
    biology, planted cells, waves and masks have random streams of their own: k and the noise do not change where cells
    lie.

    Parameters
    ----------
    options
        By default a culture of the paper's size.

    Returns
    -------
    SyntheticCulture
        Of n = `options.cells` cells and T = `options.frames` frames.

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
    from calcigraph.models.synthetic.tissue import confluent_labels

    options = options or SyntheticOptions()
    shape = (options.size_px, options.size_px)
    labels = confluent_labels(shape, options.cells, _stream(options, TISSUE))
    geometry = measure_labels(labels)
    if geometry.border.all():
        raise InputError(f"all {options.cells} cells touch the image edge, so none is coupled; simulate more cells")
    # Planted cells keep their masks, so that a fit can be asked whether it finds them.
    planted = _planted(options, geometry)
    is_planted = np.isin(geometry.cells, [label for label, _ in planted])
    rng = _stream(options, MASKS)
    mask_label = mask_labels(options, geometry, is_planted, rng)
    masks = displace(options, relabel(labels, geometry.cells, mask_label), rng)
    biology = _biology(options, geometry, planted)
    return SyntheticCulture(
        options=options,
        labels=labels,
        masks=masks,
        geometry=geometry,
        mask_label=mask_label,
        planted=planted,
        k=biology.k,
        feed=biology.feed,
        spikes=biology.spikes,
        waves=biology.waves,
        intensity=biology.intensity,
        traces=biology.traces,
    )


def _stream(options: SyntheticOptions, number: int) -> np.random.Generator:
    return np.random.default_rng([options.seed, number])


def _planted(options: SyntheticOptions, geometry: LabelGeometry) -> Planted:
    """Inner cells that are made abnormal, drawn at random."""
    inner = geometry.cells[~geometry.border]
    wanted = options.uncoupled + options.abnormal_feeds
    if wanted > len(inner):
        raise InputError(
            f"uncoupled and abnormal_feeds ask for {wanted} inner cells, but there are {len(inner)}; plant fewer"
        )
    chosen = _stream(options, PLANTING).choice(inner, wanted, replace=False).tolist()
    # Feeds are by turns too high and too low; of an odd number the last one is too high.
    words = [UNCOUPLED] * options.uncoupled + [FEED_ABOVE, FEED_BELOW] * (options.abnormal_feeds // 2 + 1)
    return tuple(sorted(zip(chosen, words[:wanted], strict=True)))


@dataclass(frozen=True)
class _Biology:
    """What happens in the cells of a culture; the fields are those of SyntheticCulture."""

    k: FloatArray
    feed: FloatArray
    spikes: tuple[tuple[int, float], ...]
    waves: tuple[Wave, ...]
    intensity: FloatArray
    traces: FloatArray


def _biology(options: SyntheticOptions, geometry: LabelGeometry, planted: Planted) -> _Biology:
    """Rates, spikes, waves and traces of all cells."""
    # The operator needs contacts only, so the traces may be anything.
    op = operator(as_subgraph(options, geometry, np.zeros((len(geometry.cells), 1)), "synthetic"), WEIGHTS)
    size, points = len(geometry.cells), (options.frames - 1) * SUBSTEPS + 1
    step = options.frame_interval_s / SUBSTEPS
    # The order of the draws decides the culture that a seed gives.
    rng = _stream(options, BIOLOGY)
    k, feed = _rates(options, geometry, planted, rng.normal(options.feed_mean, options.feed_spread, size))
    # A spike starts early enough that its first `spike_s` lie within the recording.
    latest = max(1, points - spike_points(options))
    starts = np.sort(rng.integers(0, latest, (size, options.spikes)), axis=1)
    heights = options.spike_height * rng.uniform(LEAST_HEIGHT, MOST_HEIGHT, starts.shape)
    waves, influx_of_waves = _waves(options, geometry, points)
    influx = spike_influx(options, starts, heights, points) + influx_of_waves
    # Simulated on a finer grid than the frames, because influx and border cells are linear between its points.
    fine = np.empty((size, points))
    fine[:, 0] = LEVEL + rng.normal(0, START_DEVIATION, size)
    fine[op.driven] = border_traces(influx[op.driven], rng, step)
    fine[op.inner] = simulate(op, k[op.inner], feed[op.inner][:, None] + influx[op.inner], fine, step)
    intensity = fine[:, ::SUBSTEPS].copy()
    # Border cells have spikes too.
    label_of = np.repeat(geometry.cells, options.spikes).tolist()
    return _Biology(
        k=k,
        feed=feed,
        spikes=tuple(sorted(zip(label_of, (starts.ravel() * step).tolist(), strict=True))),
        waves=waves,
        intensity=intensity,
        traces=intensity + options.trace_noise * rng.standard_normal(intensity.shape),
    )


def _rates(
    options: SyntheticOptions, geometry: LabelGeometry, planted: Planted, feed: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """k and feed of all cells, (n,) each, with those of planted cells; NaN for border cells.

    `feed`, (n,), is what the cells would have without planting.
    """
    k = np.full(len(feed), options.k)
    off = options.abnormal_feed_size * options.feed_spread
    for label, what in planted:
        row = int(np.searchsorted(geometry.cells, label))
        if what == UNCOUPLED:
            k[row] *= options.uncoupled_factor
        else:
            feed[row] = options.feed_mean + (off if what == FEED_ABOVE else -off)
    # Border cells are driven: nothing of theirs can be fitted.
    return np.where(geometry.border, np.nan, k), np.where(geometry.border, np.nan, feed)


def _waves(options: SyntheticOptions, geometry: LabelGeometry, points: int) -> tuple[tuple[Wave, ...], FloatArray]:
    """The waves, and the influx of the spikes that they set off, (n, points)."""
    rng = _stream(options, WAVES)
    arrival, angle = wave_arrivals(options, geometry.x_px, geometry.y_px, rng)
    starts = np.rint(arrival.T * SUBSTEPS / options.frame_interval_s).astype(np.int64)
    heights = options.spike_height * rng.uniform(LEAST_HEIGHT, MOST_HEIGHT, starts.shape)
    waves = tuple(
        Wave(direction_deg=direction, arrival_s=each)
        for direction, each in zip(np.degrees(angle).tolist(), arrival, strict=True)
    )
    return waves, spike_influx(options, starts, heights, points)
