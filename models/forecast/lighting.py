"""The probability that a cell that rests lights up within some seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcigraph.models.forecast.logit import Part, learn
from calcigraph.models.forecast.past import LAGS, LIT, Past, feature_count
from calcigraph.models.forecast.past_events import COUNT, history
from calcigraph.store.types import BoolArray, FloatArray, IntArray

MOST_ROWS = 150_000
"""Frames of resting cells that are learnt from."""
PRIOR_FRAMES = 50.0
"""Frames at the rate of all cells that each cell's own rate begins with."""
DRAWS = 400
"""Cells are drawn so often for the interval of the skill."""


@dataclass(frozen=True)
class Rises:
    """The events of a culture, (e,)."""

    label: IntArray
    half_s: FloatArray
    """When the rise reaches its half."""
    end_s: FloatArray


@dataclass(frozen=True)
class Rests:
    """Where the cells of a culture rest, and where an event is about to begin."""

    resting: BoolArray
    """(n, T), no event is between the middle of its rise and its end."""
    lights_up: BoolArray
    """(n, T), an event reaches the middle of its rise after the frame, up to `ahead` frames later."""
    events: IntArray
    """(n,), events that reach it in the held-out part."""
    ahead: int
    """Frames."""
    learnt: slice
    """Frames that may be learnt from: nothing after them lies in the held-out part."""
    held_out: slice
    """Frames of the held-out part whose future is known."""

    @property
    def later(self) -> slice:
        """Frames after `learnt` that teach other cultures."""
        return slice(self.learnt.stop, self.held_out.stop)


@dataclass(frozen=True)
class Lighting:
    """The forecast of events in one culture."""

    now: FloatArray
    """(n,), probability that the cell lights up after the last frame; NaN where it is lit."""
    nats: float
    """Log-likelihood per event above that of each cell's own rate, in the held-out part; NaN without events there."""
    nats_low: float
    """Its 95 % interval, over draws of cells."""
    nats_high: float
    cells: FloatArray
    """(n,), the same of single cells; NaN without events."""
    auroc: float
    """Probability that a frame before an event has a larger probability than another one; NaN without events."""
    told: FloatArray
    """(10,), mean probability in each tenth of the held-out frames, from the least likely to the most."""
    came: FloatArray
    """(10,), share of them that an event followed."""


def rests(past: Past, events: Rises, labels: IntArray, times: FloatArray, ahead: int) -> Rests:
    """Resting cells and coming events, from detected ones.

    Parameters
    ----------
    past, labels, times
        Of the culture: its traces, the labels of its cells (n,), and the times of its frames, s (T,).
    events
        Its events.
    ahead
        Frames.
    """
    count, frames = past.values.shape
    resting, lights_up = np.ones((count, frames), bool), np.zeros((count, frames), bool)
    number = np.zeros(count, np.int64)
    row = np.searchsorted(labels, events.label)
    rise = np.searchsorted(times, events.half_s)
    end = np.searchsorted(times, events.end_s, side="right")
    for cell, first, last in zip(row.tolist(), rise.tolist(), end.tolist(), strict=True):
        resting[cell, first : max(last, first + 1)] = False
        lights_up[cell, max(0, first - ahead) : first] = True
        number[cell] += past.split <= first < frames
    learnt, held_out = slice(LAGS, past.split - ahead), slice(past.split, frames - ahead)
    return Rests(resting, lights_up, number, ahead, learnt, held_out)


def learnable(past: Past, where: Rests, part: slice, beside: FloatArray | None = None) -> tuple[FloatArray, BoolArray]:
    """Features of resting cells at some frames, and whether they lit up.

    Parameters
    ----------
    past, where
        The culture.
    part
        Frames.
    beside
        (n, T, q), further features, which come last.
    """
    chosen = where.resting[:, part]
    own = np.concatenate([features[:, part][chosen[cells]] for cells, features in past.blocks()])
    further = [history(where.resting)] if beside is None else [history(where.resting), beside]
    rows = np.concatenate([own, *(each[:, part][chosen] for each in further)], axis=1)
    return rows, where.lights_up[:, part][chosen]


def learnable_count() -> int:
    """The number of features of a resting cell, without further ones."""
    return feature_count() + COUNT


def thinned(rows: FloatArray, came: BoolArray, most: int) -> tuple[FloatArray, BoolArray]:
    """Every so manyth row, so that no more than `most` are left."""
    step = max(1, -(-len(rows) // most))
    return rows[::step], came[::step]


def forecast_lighting(past: Past, where: Rests, learnt: Sequence[Part]) -> Lighting | None:
    """Learn when cells light up, and judge it in the held-out part of a culture.

    A logistic regression on the features of `past.py`, hinges included, and of `past_events.py`, with a ridge.

    Parameters
    ----------
    past, where
        The culture.
    learnt
        Features and what came (`learnable`): of the culture's own learnt part, and of others.

    Returns
    -------
    None where hardly anything lights up in what is learnt from.
    """
    chance = learn(learnt)
    if chance is None:
        return None
    now = np.full(len(past.values), np.nan)
    # What begins in the last frame is not yet an event: the value itself tells that the cell is lit.
    lit = ~where.resting[:, -1] | (past.relative[:, -1] > LIT)
    before = history(where.resting)[:, -1]
    for cells, features in past.blocks():
        rows = np.concatenate([features[:, -1], before[cells]], axis=1)
        now[cells] = np.where(lit[cells], np.nan, chance(rows))
    return _judged(where, chance(learnable(past, where, where.held_out)[0]), now)


def _judged(where: Rests, told: FloatArray, now: FloatArray) -> Lighting:
    chosen = where.resting[:, where.held_out]
    came, cell = where.lights_up[:, where.held_out][chosen], np.nonzero(chosen)[0]
    own = own_chances(where)[cell]
    gained = np.where(came, np.log(told / own), np.log1p(-told) - np.log1p(-own))
    gain = np.bincount(cell, gained, len(now)) / where.ahead
    nats, low, high = _with_interval(gain, where.events)
    alone = np.where(where.events > 0, gain / np.maximum(where.events, 1), np.nan)
    tenths = np.array_split(np.argsort(told, kind="stable"), 10) if len(told) >= 10 else []
    means = [np.array([values[part].mean() for part in tenths]) for values in (told, came.astype(float))]
    return Lighting(now, nats, low, high, alone, area_under_curve(told, came), *means)


def own_chances(where: Rests) -> FloatArray:
    """(n,), how often each cell lights up when it rests, in the learnt part; of few frames towards that of all."""
    resting = where.resting[:, where.learnt]
    lit = (where.lights_up[:, where.learnt] & resting).sum(axis=1)
    count = resting.sum(axis=1)
    pooled = (lit.sum() + 0.5) / (count.sum() + 1)
    return np.asarray((lit + PRIOR_FRAMES * pooled) / (count + PRIOR_FRAMES))


def area_under_curve(told: FloatArray, came: BoolArray) -> float:
    """Area under the receiver operating characteristic, from ranks (Mann and Whitney); NaN if all are alike.

    >>> area_under_curve(np.array([0.1, 0.2, 0.9]), np.array([False, False, True]))
    1.0
    """
    from scipy.stats import rankdata

    positive = int(came.sum())
    negative = len(came) - positive
    if not positive or not negative:
        return float("nan")
    return float((rankdata(told)[came].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _with_interval(gain: FloatArray, events: IntArray) -> tuple[float, float, float]:
    if not events.sum():
        return float("nan"), float("nan"), float("nan")
    drawn = np.random.default_rng(0).integers(len(gain), size=(DRAWS, len(gain)))
    number = events[drawn].sum(axis=1)
    nats = gain[drawn].sum(axis=1)[number > 0] / number[number > 0]
    low, high = np.quantile(nats, (0.025, 0.975))
    return float(gain.sum() / events.sum()), float(low), float(high)
