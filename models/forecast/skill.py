"""How much better a forecast is than the best that needs no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.forecast.past import LAGS, Past, forgetting_mean
from calcigraph.models.forecast.ridge import Weights
from calcigraph.store.types import BoolArray, FloatArray

RUNNING = (3, 5, 10, 30, 100)
"""Memory of the running means, frames."""
HELD = 0.95
"""Share of the values that intervals are to hold."""
LEVELS = (0.05, 0.04, 0.03, 0.02, 0.014, 0.01, 0.005, 0.002)
"""Shares of a cell's own errors that intervals may leave out."""
THIRDS = 3
"""Parts of what is learnt from, each of which is to be held by the intervals of the others."""
RIVALS = ("persistence", "mean of the learnt part", "mean of all that was", *(f"mean of {m} frames" for m in RUNNING))


@dataclass(frozen=True)
class Skill:
    """Errors in the last part of a recording, in units of each cell's variance over all of it. H horizons."""

    coming: FloatArray
    """(n, H), what is expected after the last frame, on the scale of `Past.values`."""
    error: FloatArray
    """(n, H), mean squared error of the forecast; NaN for a cell that does not change in what is learnt from."""
    rivals: FloatArray
    """(len(RIVALS), n, H), of the forecasts that need no model."""
    missed: FloatArray
    """(2, n, H), low and high quantiles of what the learnt part's forecasts missed, on the same scale: added to a
    forecast they give its 95 % interval."""
    held: FloatArray
    """(H,), share of the held-out values that lie in these intervals."""

    @property
    def best(self) -> tuple[int, ...]:
        """(H), the place in RIVALS of the one that is best over the culture's cells."""
        return tuple(int(place) for place in np.argmin(np.nanmean(self.rivals, axis=1), axis=0))

    @property
    def cells(self) -> FloatArray:
        """(n, H), 1 - error / error of the culture's best rival: 0 for no better, 1 for no error."""
        rival = self.rivals[np.array(self.best), :, np.arange(len(self.best))].T
        return np.asarray(1 - self.error / np.where(rival > 0, rival, np.nan))

    @property
    def culture(self) -> FloatArray:
        """(H), the same of the mean errors over the cells."""
        return np.asarray(1 - np.nanmean(self.error, axis=0) / np.nanmean(self.rivals, axis=1).min(axis=0))


def skill_of(past: Past, weights: Weights, horizons: tuple[int, ...], added: FloatArray | None = None) -> Skill:
    """Errors of a forecast and of its rivals where nothing was learnt from.

    A forecast `ahead` frames is judged by the frames from `Past.split` on, so it is made up to `ahead` frames before.
    `added` (n, T, H) is what a network adds to the regression's forecast.
    """
    count, frames = past.values.shape
    moving = ~past.still
    unit = np.where(moving, past.values.var(axis=1), np.nan)
    coming, error = (np.empty((count, len(horizons))) for _ in range(2))
    tried = _Tried(np.empty((len(LEVELS), 2, count, len(horizons))), *np.empty((2, len(LEVELS), count, len(horizons))))
    for cells, features in past.blocks():
        relative = np.clip(features @ weights.values + (0.0 if added is None else added[cells]), *past.range)
        expected = past.absolute(relative, cells)
        coming[cells] = expected[:, -1]
        for place, ahead in enumerate(horizons):
            missed = past.values[cells, ahead:] - expected[:, : frames - ahead, place]
            learnt, last = missed[:, LAGS : past.split - ahead], missed[:, past.split - ahead :]
            tried.add((cells, place), learnt, last)
            error[cells, place] = (last**2).mean(axis=1) / unit[cells]
    rivals = np.stack([_rival_errors(past, made, horizons) / unit[:, None] for made in _rivals(past)])
    return Skill(coming, error, rivals, *tried.chosen(moving))


@dataclass(frozen=True)
class _Tried:
    """Intervals that leave out different shares (LEVELS) of a cell's own errors."""

    quantiles: FloatArray
    """(levels, 2, n, H)."""
    held: FloatArray
    """(levels, n, H), share of the held-out values in them."""
    of_others: FloatArray
    """(levels, n, H), share of each third of what is learnt from that the intervals of the other two hold."""

    def add(self, at: tuple[slice, int], learnt: FloatArray, last: FloatArray) -> None:
        """Some cells at one horizon: what was missed in what is learnt from, and after it; (cells, frames) each."""
        self.quantiles[:, :, *at] = found = _quantiles(learnt)
        self.held[:, *at] = _inside(last, found)
        thirds = np.array_split(np.arange(learnt.shape[1]), THIRDS)
        shares = [_inside(learnt[:, third], _quantiles(np.delete(learnt, third, axis=1))) for third in thirds]
        self.of_others[:, *at] = np.mean(shares, axis=0)

    def chosen(self, moving: BoolArray) -> tuple[FloatArray, FloatArray]:
        """(2, n, H) and (H,), for each horizon the narrowest that hold what they are to hold in the thirds."""
        enough = self.of_others[:, moving].mean(axis=1) >= HELD
        level = np.where(enough.any(axis=0), enough.argmax(axis=0), len(LEVELS) - 1)
        horizon = np.arange(len(level))
        held = self.held[:, moving].mean(axis=1)[level, horizon]
        return np.moveaxis(self.quantiles[level, :, :, horizon], 0, -1), held


def _quantiles(missed: FloatArray) -> FloatArray:
    """(levels, 2, n)."""
    half = np.array(LEVELS) / 2
    return np.stack([np.quantile(missed, half, axis=1), np.quantile(missed, 1 - half, axis=1)], axis=1)


def _inside(missed: FloatArray, quantiles: FloatArray) -> FloatArray:
    """(levels, n), share of what was missed between the quantiles."""
    return np.stack([((missed >= low[:, None]) & (missed <= high[:, None])).mean(axis=1) for low, high in quantiles])


def _rivals(past: Past) -> list[FloatArray]:
    """(n, T) each, what the rivals say at each frame of all that comes; in the order of RIVALS."""
    values = past.values
    learnt = np.broadcast_to(values[:, : past.split].mean(axis=1, keepdims=True), values.shape)
    means = [forgetting_mean(values, memory) for memory in (values.shape[1], *RUNNING)]
    return [values, learnt, *means]


def _rival_errors(past: Past, made: FloatArray, horizons: tuple[int, ...]) -> FloatArray:
    last = past.values[:, past.split :]
    when = np.arange(past.split, past.values.shape[1])
    return np.stack([((last - made[:, when - ahead]) ** 2).mean(axis=1) for ahead in horizons], axis=1)
