"""What every model is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator, simulate, simulate_alone
from calcigraph.models.estimate import Estimate
from calcigraph.models.options import Bounds
from calcigraph.models.table import FitOptions, Model
from calcigraph.store.types import FloatArray, Progress, Subgraph

MIN_TRAIN_FRAMES = 3

Distribute = Callable[..., list[Any]]
"""distribute(function, calls, shared...): function(call, *shared) for every call, in order, maybe elsewhere."""


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
    model: Model
    options: FitOptions
    split: Split
    distribute: Distribute
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
    def k_box(self) -> Bounds:
        """The bounds of k in force, 1/s."""
        return self.model.k_box(self.options)

    @property
    def feed_box(self) -> Bounds:
        """The bounds of the feed in force, intensity per second."""
        return self.model.feed_box(self.options)


@dataclass(frozen=True)
class Solved:
    """A model's parameters with their intervals."""

    k: Estimate[FloatArray]
    """1/s; NaN for a cell without contacts."""
    feed: Estimate[FloatArray]
    """Intensity per second."""
    k_cell: Estimate[FloatArray]
    """1/s, each cell's own k, whatever the case."""
    culture_k: Estimate[float]
    culture_feed: Estimate[float]
    leak: float = 0.0
    """1/s."""
    reasons: tuple[tuple[str, ...], ...] = ()
    """What the model itself knows against each cell, (p,)."""
    culture_reasons: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What followed from the data: half-width, noise, ...; JSON-able."""
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
