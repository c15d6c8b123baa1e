"""What light makes of the cells' brightness, in traces and movies alike: slow drift, cross-talk, glow and the lamp.

With B_i the brightness of cell i at a frame, in this order:

    drift        B_i exp(d_i(t)), d_i a smooth course of its own with standard deviation `brightness_drift`
    cross-talk   (1 - c) B_i + c (mean of the cells in contact)
    glow         (1 - g) B_i + g (mean of all cells of the tissue)
    lamp         B_i times the light of the frame: 1 at first, `bleaching` less in the end, times exp(flicker z)
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.synthetic.label_geometry import LabelGeometry
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.streams import BRIGHTNESS, LAMP, stream
from calcigraph.models.synthetic.transients import slow_noise
from calcigraph.store.types import FloatArray

DRIFT_WINDOW = 0.2
"""Width (standard deviation) of the window that smooths a brightness drift, as a share of the recording."""


def seen_brightness(options: SyntheticOptions, geometry: LabelGeometry, log_brightness: FloatArray) -> FloatArray:
    """The log brightness at which a camera sees n cells under a steady lamp, (n, T).

    Parameters
    ----------
    options
        The optics.
    geometry
        Of the n cells.
    log_brightness
        (n, T), of the cells themselves.

    Examples
    --------
    >>> from calcigraph.models.synthetic.label_geometry import measure_labels
    >>> cells = measure_labels(np.repeat([[1, 1, 2, 2]], 6, axis=0).astype(np.int32))
    >>> mixed = seen_brightness(SyntheticOptions(crosstalk=0.25), cells, np.log([[1.0], [2.0]]))
    >>> np.exp(mixed).round(2).tolist()
    [[1.25], [1.75]]
    """
    seen = log_brightness
    if options.brightness_drift > 0:
        rng, width = stream(options, BRIGHTNESS), DRIFT_WINDOW * seen.shape[1]
        seen = seen + options.brightness_drift * slow_noise(rng, (seen.shape[0], seen.shape[1]), width)
    if options.crosstalk > 0:
        light = np.exp(seen)
        seen = np.log((1 - options.crosstalk) * light + options.crosstalk * _of_neighbours(geometry, light))
    if options.glow > 0:
        light = np.exp(seen)
        seen = np.log((1 - options.glow) * light + options.glow * light.mean(axis=0))
    return seen


def lamp(options: SyntheticOptions) -> FloatArray:
    """The light of every frame, (T,), 1 before bleaching and without flicker.

    Examples
    --------
    >>> lamp(SyntheticOptions(frames=3, bleaching=0.5)).tolist()
    [1.0, 0.75, 0.5]
    """
    light = np.linspace(1, 1 - options.bleaching, options.frames)
    if options.flicker > 0:
        light = light * np.exp(options.flicker * stream(options, LAMP).standard_normal(options.frames))
    return light


def _of_neighbours(geometry: LabelGeometry, light: FloatArray) -> FloatArray:
    """The mean light of the cells in contact with each cell, (n, T); the cell's own where it has no contact."""
    total, count = np.zeros_like(light), np.zeros(len(light))
    for a, b in (geometry.pairs.T, geometry.pairs.T[::-1]):
        np.add.at(total, a, light[b])
        np.add.at(count, a, 1)
    alone = count == 0
    return np.where(alone[:, None], light, total / np.maximum(count, 1)[:, None])
