"""What every model is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator, simulate, simulate_alone
from calcigraph.models.options import FitOptions
from calcigraph.store.types import FloatArray, Progress, Subgraph

MIN_TRAIN_FRAMES = 3

Spread = Callable[..., list[Any]]
"""spread(function, calls, shared...): function(call, *shared) for every call, in order, maybe elsewhere."""


@dataclass(frozen=True)
class Split:
    """Where training ends: `points` of the interpolated points, `train` frames, test from frame `test_first` on."""

    points: int
    train: int
    test_first: int | None

    @classmethod
    def of(cls, subgraph: Subgraph, options: FitOptions) -> Split:
        frames, n = subgraph.intensity.shape[1], options.points_a_frame
        whole = (frames - 1) * n + 1
        points = whole if options.train_fraction == 1 else round(options.train_fraction * whole)
        train = (points - 1) // n + 1
        if train < MIN_TRAIN_FRAMES:
            raise FitError(
                f"culture {subgraph.culture} has {max(train, 0)} frames to train on (of {frames}); "
                f"at least {MIN_TRAIN_FRAMES} are needed"
            )
        if options.train_fraction < 1 and frames - train < 2:
            raise FitError(
                f"train fraction {options.train_fraction:g} leaves {frames - train} of {frames} frames to test on; "
                "give a smaller one, or 1 for no test"
            )
        return cls(points, train, None if options.train_fraction == 1 else train)


@dataclass(frozen=True)
class Task:
    """A culture of n cells, p of them inner, to be fitted."""

    subgraph: Subgraph
    op: Operator
    options: FitOptions
    split: Split
    spread: Spread
    progress: Progress

    @property
    def train(self) -> FloatArray:
        """(n, T'), the intensities that are fitted."""
        return self.subgraph.intensity[:, : self.split.train]

    @property
    def dt(self) -> float:
        """Seconds between frames."""
        return self.subgraph.frame_interval_s

    @property
    def common_k(self) -> bool:
        """Whether the case has one k for all cells."""
        return self.options.case in ("shared", "per-cell")


@dataclass(frozen=True)
class Interval:
    """A 95 % interval per cell, (p,), or of the culture; NaN where nothing is known."""

    low: FloatArray
    high: FloatArray

    @classmethod
    def around(cls, values: FloatArray, half: FloatArray) -> Interval:
        return cls(values - half, values + half)

    @property
    def half(self) -> FloatArray:
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Solved:
    """A model's parameters with their intervals."""

    k: FloatArray
    """(p,), 1/s, and so are the others; NaN without contacts."""
    feed: FloatArray
    """Intensity per second."""
    k_cell: FloatArray
    """The cell's own k, whatever the case."""
    k_interval: Interval
    feed_interval: Interval
    k_cell_interval: Interval
    culture_k: tuple[float, float, float]
    """The culture's k, low, high."""
    culture_feed: tuple[float, float, float]
    leak: float = 0.0
    reasons: tuple[tuple[str, ...], ...] = ()
    """What the model itself knows against each cell, (p,)."""
    culture_reasons: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What followed from the data: half-width, noise, ..."""
    advice: tuple[str, ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)
    """What can be drawn of the training: epochs, losses, paths of parameters, fitted traces; JSON-able."""


def free_run(
    subgraph: Subgraph, op: Operator, alone: bool, k: FloatArray, feed: FloatArray, leak: float = 0.0, first: int = 0
) -> FloatArray:
    """Simulate fitted parameters from frame `first`, (p, T - first); NaN counts as 0."""
    run = simulate_alone if alone else simulate
    rates, feeds = np.nan_to_num(k), np.nan_to_num(feed)
    return run(op, rates, feeds, subgraph.intensity[:, first:], subgraph.frame_interval_s, leak)
