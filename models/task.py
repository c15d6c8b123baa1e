"""What every model is given (`Task`) and what it gives back (`Solved`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator, simulate, simulate_alone
from calcigraph.models.contacts import default_weights, weight_unit
from calcigraph.models.estimate import Estimate
from calcigraph.models.options import Bounds
from calcigraph.models.table import FitOptions, Model
from calcigraph.store.types import FloatArray, Progress, Subgraph

MIN_TRAIN_FRAMES = 3

Distribute = Callable[..., list[Any]]
"""distribute(function, calls, *shared): [function(call, *shared) for call in calls], maybe on other machines."""


@dataclass(frozen=True)
class Split:
    """Which part of a recording is fitted, and which part tests the fit."""

    points: int
    """Points that are fitted, where a frame is interpolated to `points_a_frame` points."""
    train: int
    """Frames that are fitted: the first ones."""
    test_first: int | None
    """The first frame of the test part; None if the whole recording is fitted."""

    @classmethod
    def of(cls, subgraph: Subgraph, options: FitOptions) -> Split:
        """The split that the options ask for.

        Raises
        ------
        FitError
            Fewer than 3 frames to train on, or fewer than 2 to test on.
        """
        frames, per_frame = subgraph.intensity.shape[1], options.points_a_frame
        whole = (frames - 1) * per_frame + 1
        points = whole if options.train_fraction == 1 else round(options.train_fraction * whole)
        train = (points - 1) // per_frame + 1
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
        return cls(points=points, train=train, test_first=None if options.train_fraction == 1 else train)


@dataclass(frozen=True)
class Solved:
    """A model's parameters of a culture with p inner cells, with their intervals and with what makes them doubtful."""

    k: Estimate[FloatArray]
    """(p,), 1/s, as the case asks: the shared k, or each cell's own. NaN for a cell without contacts."""
    feed: Estimate[FloatArray]
    """(p,), intensity per second; NaN without feed."""
    k_cell: Estimate[FloatArray]
    """(p,), 1/s, each cell's own k in all cases."""
    culture_k: Estimate[float]
    """1/s; the median over cells where each has its own k."""
    culture_feed: Estimate[float]
    """Intensity per second; the median over cells where each has its own feed."""
    leak: float = 0.0
    """1/s; 0 where it is not fitted."""
    reasons: tuple[tuple[str, ...], ...] = ()
    """(p,), the model's reasons to doubt each cell's parameters; empty for none at all."""
    culture_reasons: tuple[str, ...] = ()
    """The model's reasons to doubt the culture's k."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What followed from the data: half-width, noise, ...; JSON-able."""
    advice: tuple[str, ...] = ()
    """What the user should know or do."""
    curves: Mapping[str, Any] = field(default_factory=dict)
    """What can be drawn of the training: epochs, losses, paths of parameters, fitted traces; JSON-able."""


@dataclass(frozen=True)
class Task:
    """A culture of n cells, p of them inner, and how it is to be fitted."""

    subgraph: Subgraph
    """With its traces on the scale of the indicator that the options name."""
    op: Operator
    """Of the weighting and setup that the options name."""
    model: Model
    options: FitOptions
    """With the weighting filled in."""
    split: Split
    distribute: Distribute
    progress: Progress
    recorded: Subgraph
    """The culture as it was recorded: its traces are logarithms of brightness."""

    @property
    def train(self) -> FloatArray:
        """(n, T'), the intensities that are fitted."""
        return self.subgraph.intensity[:, : self.split.train]

    @property
    def dt(self) -> float:
        """Seconds between frames."""
        return self.subgraph.frame_interval_s

    @property
    def weight_unit(self) -> str:
        """The unit of k, one of those in store/units.py."""
        return weight_unit(self.subgraph, self.options.weights or default_weights(self.subgraph))

    @property
    def k_box(self) -> Bounds:
        """The bounds of k in force, 1/s."""
        return self.model.k_box(self.options)

    @property
    def feed_box(self) -> Bounds:
        """The bounds of the feed in force, intensity per second."""
        return self.model.feed_box(self.options)

    def solve(self) -> Solved:
        """Fit the model. Raises what its function raises: FitError, MissingExtraError, ..."""
        module, _, function = self.model.solve.partition(":")
        solve: Callable[[Task], Solved] = getattr(import_module(module), function)
        return solve(self)


def free_run(
    subgraph: Subgraph, op: Operator, alone: bool, k: FloatArray, feed: FloatArray, leak: float = 0.0, first: int = 0
) -> FloatArray:
    """Simulate fitted parameters from a frame on.

    Parameters
    ----------
    subgraph, op
        The culture and its operator, p inner cells.
    alone
        Each cell by itself, all its neighbours from the data (case `cell`); else the cells together.
    k
        1/s, (p,); NaN counts as 0.
    feed
        Intensity per second, (p,); NaN counts as 0.
    leak
        1/s.
    first
        The frame whose data the run starts from.

    Returns
    -------
    FloatArray
        (p, T - first).
    """
    run = simulate_alone if alone else simulate
    rates, feeds = np.nan_to_num(k), np.nan_to_num(feed)
    return run(op, rates, feeds, subgraph.intensity[:, first:], subgraph.frame_interval_s, leak)
