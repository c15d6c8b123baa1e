"""Ground truth: a confluent culture whose coupling and feeds are known, its traces and its masks.

Inner cells obey models/consensus.py exactly, with a feed each and short calcium spikes that no model knows of; border
cells follow slow random processes and transients of their own, which is what the culture's excitation comes from.
Intensities are natural logarithms, around 0.5; a movie's brightness is proportional to their exponential, so its
eq. 23 traces (arXiv:2505.20327) are affine in them. Rates are in 1/s.

transients.py draws the spikes, mask_errors.py spoils the masks, camera.py films it all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.consensus import operator, simulate
from calcigraph.models.synthetic.culture import PLANTED, WEIGHTS, SyntheticCulture, Wave, as_subgraph
from calcigraph.models.synthetic.label_geometry import LabelGeometry, measure_labels
from calcigraph.models.synthetic.mask_errors import displace, mask_labels, relabel
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.transients import (
    LEVEL,
    SUBSTEPS,
    border_traces,
    spike_points,
    spike_source,
    wave_arrivals,
)
from calcigraph.store.types import FloatArray


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
    from calcigraph.models.synthetic.tissue import confluent_labels

    options = options or SyntheticOptions()
    shape = (options.size_px, options.size_px)
    labels = confluent_labels(shape, options.cells, _stream(options, 0))
    geometry = measure_labels(labels)
    if geometry.border.all():
        raise InputError(f"all {options.cells} cells touch the image edge, so none is coupled; simulate more cells")
    planted = _planted(options, geometry)
    rng = _stream(options, 8)
    shown = mask_labels(options, geometry, np.isin(geometry.cells, [label for label, _ in planted]), rng)
    masks = displace(options, relabel(labels, geometry.cells, shown), rng)
    biology = _biology(options, geometry, planted)
    return SyntheticCulture(options, labels, masks, geometry, shown, planted, **biology)


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
    op = operator(as_subgraph(options, geometry, np.zeros((len(geometry.cells), 1)), "synthetic"), WEIGHTS)
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
