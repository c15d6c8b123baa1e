"""What contacts could add to a forecast if the law of the medium were known: part of benchmarks/forecast.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from calcigraph.models.forecast.contact_events import nats_of
from calcigraph.models.forecast.contacts import PARTS
from calcigraph.models.forecast.neighbours import AHEAD, told_by
from calcigraph.models.forecast.past import LAGS, Past, before
from calcigraph.models.forecast.ridge import solved
from calcigraph.models.forecast_run import Lesson
from calcigraph.models.synthetic.excitable import ExcitableCulture, event_course
from calcigraph.store.types import FloatArray

LATE = 2
"""Frames after which a cell that was due is no longer waited for: it failed."""


def of_law(culture: ExcitableCulture, own: Lesson) -> tuple[float, float | None]:
    """Share of the error, and nats an event, that go when the wave's law is known beside what neighbours tell.

    Known are all firings up to now, to which wave each belongs, and how fast that wave is. Not known are what is
    random: amplitudes, the jitter of delays, and which cells fail.
    """
    told = np.concatenate([told_by(own.past, culture.graph.pairs), due(culture, own)], axis=-1)
    return gain_of(own.past, told), nats_of(own.past, own.where, told)


def due(culture: ExcitableCulture, own: Lesson) -> FloatArray:
    """(n, T, 2), the light that cells will have AHEAD frames later of firings that are due, and whether one is due."""
    options, step = culture.options, culture.options.frame_interval_s
    frame, count = np.arange(options.frames) * step, len(culture.geometry.cells)
    row = np.searchsorted(culture.geometry.cells, culture.events.label)
    one, two = np.concatenate([culture.geometry.pairs, culture.geometry.pairs[:, ::-1]]).T
    distance = np.tile(culture.geometry.contacts.centroid_distance_px, 2)
    light, soon = np.zeros((2, count, options.frames))
    for place, wave in enumerate(culture.waves):
        mine, fired = culture.events.wave == place, np.full(count, np.inf)
        fired[row[mine]] = culture.events.onset_s[mine]
        for cell in range(count):
            beside = one == cell
            by, arrives = fired[two[beside]], fired[two[beside]] + distance[beside] / wave.speed_px_s
            if np.isinf(by).all():
                continue
            waits = (frame >= by.min()) & (frame < min(fired[cell], arrives.min() + LATE * step))
            first = np.where(by <= frame[waits, None], arrives, np.inf).min(axis=1)
            later = np.maximum(first, frame[waits])
            course = event_course(options.shape, frame[waits] + AHEAD * step - later, options.rise_s, options.decay_s)
            light[cell, waits] += options.amplitude * course
            soon[cell, waits] = later <= frame[waits] + own.where.ahead * step
    return np.stack([light / own.past.scale, soon], axis=-1)


def gain_of(past: Past, told: FloatArray) -> float:
    """Share of the error AHEAD frames ahead that further features of each cell, (n, T, q), take away."""
    own = np.concatenate([features for _, features in past.blocks()])
    came = (before(past.values[:, ::-1], AHEAD)[:, ::-1] - past.level) / past.scale
    edges = np.linspace(LAGS, past.values.shape[1] - AHEAD, PARTS + 1).astype(int)

    def error(features: FloatArray) -> float:
        parts = [
            (features[:, first:last].reshape(-1, features.shape[-1]), came[:, first:last].ravel())
            for first, last in pairwise(edges)
        ]
        grams, products = [rows.T @ rows for rows, _ in parts], [rows.T @ after for rows, after in parts]
        missed = 0.0
        for (rows, after), gram, product in zip(parts, grams, products, strict=True):
            weights = solved(np.sum(grams, axis=0) - gram, np.sum(products, axis=0) - product)
            missed += float(((after - rows @ weights) ** 2).sum())
        return missed

    return 1 - error(np.concatenate([own, told], axis=-1)) / error(own)
