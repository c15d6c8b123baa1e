"""How well any front orders all events near a wave: those that were taken into it and those that were left out.

A wave's events were chosen because they fit its front. Of the cells of a patch that light up in random order some
always fit a front, and their order is then rarer than chance by far. So the choice is left to chance as well: the times
of all events near the wave are exchanged, and the best front is sought again each time, with the same means,

    score = max over fronts of  log(1 + 1 / (sqrt(2 pi) s rate)) sum_i max(0, 1 - (r_i / (2 s))^2)

with r_i how late event i is and s how far events may be from the front. Fronts are circles around each of the earlier
events and planes, with slopes from flat to steep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.waves.fitting import ROOT, Clutter
from calcigraph.models.waves.front import EARLY, FULL, LOOSE, slopes_of
from calcigraph.store.types import FloatArray

SLOPES, PLANE_SLOPES, ANGLES = 20, 6, 16
"""Slopes of circles and of planes, and directions, that are tried."""
MOST_ORIGINS = 40
"""Events around which circles are tried: the earlier half, at most so many."""
BEYOND = 2.0
"""Deviations from which an event does not count."""
SHARE = 10
"""The tail of the scores by chance begins where one in so many is."""


@dataclass(frozen=True)
class Nearby:
    """The e events near a wave."""

    time: FloatArray
    """(e,), s."""
    x: FloatArray
    """(e,), px."""
    y: FloatArray
    away: FloatArray
    """(e, e), ways over contacts from each event's cell to each, px."""


def nearby_p(near: Nearby, clutter: Clutter, exchanges: int, rng: np.random.Generator) -> float:
    """How often exchanged times give a front that orders as much.

    Counted; where less than a tenth of the exchanges does, read from the tail that they make, which is exponential.
    """
    exchanged = rng.permuted(np.broadcast_to(near.time, (exchanges, len(near.time))), axis=1)
    score = _scores(near, clutter, np.concatenate([near.time[None], exchanged]))
    seen, random = float(score[0]), np.sort(score[1:])
    above, counted = int((random >= seen).sum()), max(exchanges // SHARE, 1)
    if above >= counted:
        return (1 + above) / (1 + exchanges)
    level = float(random[-counted - 1])
    width = max(float((random[-counted:] - level).mean()), 1e-9)
    return (1 + counted) / (1 + exchanges) * float(np.exp(-max(seen - level, 0.0) / width))


def _scores(near: Nearby, clutter: Clutter, time: FloatArray) -> FloatArray:
    """(k,), of the best front for each of (k, e) times."""
    late = (time - time.mean()).astype(np.float32)
    return np.maximum(_of_circles(near, clutter, late), _of_planes(near, clutter, late))


def _of_circles(near: Nearby, clutter: Clutter, time: FloatArray) -> FloatArray:
    """Circles around the earlier events, each of which the front passes with its event."""
    events = time.shape[1]
    origin = np.argsort(time, axis=1)[:, : min(MOST_ORIGINS, max(EARLY, events // 2))]
    since = time[:, None, :] - np.take_along_axis(time, origin, 1)[:, :, None]
    away = near.away.astype(np.float32)[origin]
    best = np.zeros(len(time), np.float32)
    for slope in slopes_of(clutter, SLOPES).astype(np.float32):
        best = np.maximum(best, _score(since - slope * away, float(slope), clutter).max(axis=1))
    return np.asarray(best, np.float64)


def _of_planes(near: Nearby, clutter: Clutter, time: FloatArray) -> FloatArray:
    """Planes, each at the middle of the fullest window of its times."""
    events, best = time.shape[1], np.zeros(len(time), np.float32)
    few = min(max(EARLY, events // FULL), events - 1)
    for angle in np.arange(ANGLES) * 2 * np.pi / ANGLES:
        along = np.cos(angle) * near.x + np.sin(angle) * near.y
        for slope in slopes_of(clutter, PLANE_SLOPES).tolist():
            start = np.sort(time - (slope * along).astype(np.float32), axis=1)
            first = (start[:, few:] - start[:, :-few]).argmin(axis=1)
            middle = start[np.arange(len(start)), first + few // 2]
            best = np.maximum(best, _score(start - middle[:, None], slope, clutter))
    return np.asarray(best, np.float64)


def _score(late: FloatArray, slope: float, clutter: Clutter) -> FloatArray:
    """Over the last axis of (..., e), what events are late by."""
    scale = max(2 * clutter.least, LOOSE * slope * clutter.spacing)
    close = late * np.float32(1 / (BEYOND * scale))
    np.multiply(close, close, out=close)
    np.subtract(1, close, out=close)
    np.maximum(close, 0, out=close)
    return np.asarray(np.float32(np.log1p(1 / (ROOT * scale * clutter.rate))) * close.sum(axis=-1))
