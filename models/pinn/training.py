"""Training of the default PINN, in three stages.

(1) The network starts as a smooth of the traces (models/pinn_network.py). (2) It stays, and k and the feeds are
trained on the physics loss: they reach the same place from any start. (3) Everything is trained. Then each cell gets a
k of its own, and stages 2 and 3 go on for a while: `k_cell`.

The physics loss (arXiv:2505.20327, eq. 21) is made robust, Tukey's bisquare: short sources that no model knows of
weigh nothing. Its scale is that of the residual over one frame, in units of each cell's noise, and not too small:
one for the culture where the cells share k, so that a cell unlike the others does not pull at it, else one per cell, so
that such a cell is not taken for an outlier throughout.
"""

from __future__ import annotations

from math import cos, pi
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.pinn.interval import Estimates, Members, estimates
from calcigraph.models.pinn.network import POINTS, Network, Problem, own_k, start
from calcigraph.models.pinn.options import PinnOptions
from calcigraph.models.pinn.result import PinnFit, PinnHistory
from calcigraph.models.pinn.tensors import Adam
from calcigraph.models.scale import CONSISTENT, TUKEY
from calcigraph.store.types import FloatArray, Progress

EPOCHS = 240
PARAMETER_STEPS = 120
CELL_SHARE = 0.35
"""How long the network goes on with a k per cell, in units of `epochs`."""
LR = (2e-3, 0.03)
"""Adam's steps: weights, log k."""
FEED_STEP = 0.1
"""Adam's step of a feed, in units of the least scale of the residual: a larger one shakes the network off the data."""
PARAMETER_LR = (0.1, 0.02)
"""The same in stage 2: log k, feed."""
FLOOR = (0.03, 0.12)
"""Limits of the least scale of the residual over one frame, in units of the noise, ..."""
FLOOR_SHARE = 0.05
"""... which is this share of what coupling moves a cell in a frame: frames far closer than 1 / k need a finer one."""
TAIL = 0.6
"""An outlier's tail ends where the residual's mean over three frames is below this many scales."""
RESCALE = 5
"""Epochs between two estimates of the residual's scale."""
SETTLED = 2e-3
"""Steps begin to shrink when no log k moved by more than this in `WINDOW` epochs at full size."""
WINDOW = 30
DECAY = 0.45
"""Share of the epochs in which the steps shrink to nothing."""
MOVING = 0.02
"""A log k that still moves by this in the last `WINDOW` epochs has not converged."""


def fit_network(
    data: FloatArray, op: Operator, dt: float, options: PinnOptions, case: str, no_feed: bool, progress: Progress
) -> PinnFit:
    """Train on one block: traces (n, T) in any unit, `dt` seconds a frame. See `calcigraph.models.pinn.fit_group`."""
    scale = float(np.std(data - data.mean(axis=1, keepdims=True)))
    problem, network = start(data, op, dt, options, case, no_feed, scale)
    epochs = options.epochs or EPOCHS
    more = 0 if own_k(case) else max(1, round(CELL_SHARE * epochs))
    trace = Trace(
        dt, scale, problem.centre, progress, PARAMETER_STEPS + epochs + (PARAMETER_STEPS + more if more else 0)
    )
    train_parameters(problem, network, trace)
    moved = train(problem, network, epochs, trace)
    history, own = trace.history(), network
    if more:
        own = network.with_own_k(len(op.inner))
        train_parameters(problem, own, trace)
        train(problem, own, more, trace)
    u, found = _results(problem, network, own, case, op, dt, scale)
    trace.finish()
    return PinnFit(
        k=found.k,
        feed=found.feed,
        k_cell=found.k_cell,
        traces=u * scale + data[op.inner].mean(axis=1, keepdims=True),
        history=(history,),
        converged=moved <= MOVING,
        advice=_advice(found, moved, dt),
    )


def train_parameters(problem: Problem, network: Network, trace: Trace) -> None:
    """Stage 2: k and feeds on the physics loss of the network as it is, at first with Cauchy's weights."""
    import torch

    with torch.no_grad():
        u, slope = network.evaluate(problem)
        misfit = float(problem.misfit(u).mean())
        change, slope = problem.change(u)[:, ::POINTS], slope[:, ::POINTS]
    adam = Adam(network.parameters())
    scale = torch.ones_like(network.log_k[..., :1])
    for step in range(PARAMETER_STEPS):
        residual = slope - torch.exp(network.log_k) * change - network.feed
        if step % RESCALE == 0:
            scale = _spread(problem, residual, network.own_k)
        loss = _robust(problem, residual, scale, cauchy=step < PARAMETER_STEPS // 2)
        sizes = [size * (1 - step / PARAMETER_STEPS) for size in PARAMETER_LR[: len(adam.tensors)]]
        adam.step(loss.sum(), sizes)
        trace.record(network, misfit, loss)


def train(problem: Problem, network: Network, epochs: int, trace: Trace) -> float:
    """Stage 3: everything, until k settles. Returns how far a log k moved in the last epochs."""
    import torch

    weights, parameters, floor = network.weights(), network.parameters(), _floor(problem, network)
    feed_step = FEED_STEP * floor / float(problem.precision.median())
    full = [*[LR[0]] * len(weights), LR[1], *[feed_step] * (len(parameters) - 1)]
    adam = Adam([*weights, *parameters], betas=(0.9, 0.95))
    steps = StepSizes(epochs)
    scale, kept = torch.ones_like(network.log_k[..., :1]), None
    for epoch in range(epochs):
        size = steps.at(epoch)
        if size is None:
            break
        u, slope = network.evaluate(problem)
        residual = slope - torch.exp(network.log_k) * problem.change(u) - network.feed
        if epoch % RESCALE == 0:
            scale, kept = _outliers(problem, residual, network.own_k, floor)
        misfit, physics = problem.misfit(u), _robust(problem, residual, scale, kept)
        adam.step((misfit + physics).sum(), [size * one for one in full])
        steps.path.append(to_array(network.log_k.median(dim=2).values[:, 0]))
        trace.record(network, float(misfit.detach().mean()), physics)
    return steps.moved()


class StepSizes:
    """1 until k settles or `DECAY` of the epochs are left, then a cosine to 0; they rise in the first ten epochs."""

    def __init__(self, epochs: int) -> None:
        self.decay = max(1, round(DECAY * epochs))
        self.turn = epochs - self.decay
        self.path: list[FloatArray] = []

    def at(self, epoch: int) -> float | None:
        """The factor for this epoch, None when the training is over."""
        if 2 * WINDOW <= epoch < self.turn and self.moved() < SETTLED:
            self.turn = epoch
        if epoch < self.turn:
            return min(1.0, (epoch + 1) / 10)
        done = (epoch - self.turn) / self.decay
        return 0.5 * (1 + cos(pi * done)) + 0.005 if done < 1 else None

    def moved(self) -> float:
        """The largest move of a log k within the last epochs, the mean of 10 against that of 10."""
        recent, before = self.path[-10:], self.path[-WINDOW : -WINDOW + 10] or self.path[:1]
        return float(np.abs(np.mean(recent, axis=0) - np.mean(before, axis=0)).max())


class Trace:
    """Collects the history in seconds and intensities, and reports progress."""

    def __init__(self, dt: float, scale: float, centre: Any, progress: Progress, total: int) -> None:
        self.dt, self.scale, self.centre, self.progress, self.total = dt, scale, centre, progress, total
        self.rows: list[tuple[float, float, float]] = []
        self.k: list[FloatArray] = []

    def record(self, network: Network, misfit: float, physics: Any) -> None:
        if len(self.rows) % 10 == 0:
            self.progress("pinn", len(self.rows), self.total)
        feed = 0.0 if network.no_feed else float(_feed(network, self.centre)[0].median())
        self.rows.append((misfit, float(physics.detach().mean()), feed * self.scale / self.dt))
        self.k.append(np.exp(to_array(network.log_k.median(dim=2).values[:, 0])) / self.dt)

    def finish(self) -> None:
        self.progress("pinn", self.total, self.total)

    def history(self) -> PinnHistory:
        misfit, physics, feed = np.array(self.rows).T
        return PinnHistory(
            epoch=np.arange(len(feed)), data_loss=misfit, physics_loss=physics, k=np.array(self.k).T, feed=feed
        )


def _feed(network: Network, centre: Any) -> Any:
    """The feeds, (E, 1, p or 1), in S per frame."""
    import torch

    return network.feed.detach() - torch.exp(network.log_k.detach()) * centre


def _spread(problem: Problem, residual: Any, own: bool, kept: Any = None) -> Any:
    """Robust scale of the residual in units of the noise, (E, 1, p) where cells have their own k, else (E, 1, 1)."""
    size = (residual.detach() * problem.precision[: residual.shape[2]]).abs()
    if kept is not None:
        size = size.masked_fill(kept == 0, float("nan"))
    if own:
        return size.nanmedian(dim=1, keepdim=True).values.nan_to_num(nan=1.0) * CONSISTENT
    some = size[:, ::3]  # enough for one scale
    return some.flatten(1).nanmedian(dim=1).values.nan_to_num(nan=1.0)[:, None, None] * CONSISTENT


def _weights(ratio: Any, cauchy: bool = False) -> Any:
    square = ratio * ratio
    return 1 / (1 + square / 4) if cauchy else (1 - square / TUKEY**2).clamp_(min=0).square_()


def _robust(problem: Problem, residual: Any, scale: Any, kept: Any = None, cauchy: bool = False) -> Any:
    """The physics loss of every network, (E,), with its weights taken as given; `kept` (E, P, p) are 0 and 1."""
    ratio = residual * (problem.precision[: residual.shape[2]] / scale)
    weight = _weights(ratio.detach(), cauchy)
    if kept is not None:
        weight *= kept
    return (weight * (ratio * ratio)).mean(dim=(1, 2))


def _floor(problem: Problem, network: Network) -> float:
    """The least scale of the residual, in units of the noise: a share of what coupling moves a cell in one frame."""
    import torch

    with torch.no_grad():
        change = problem.change(network.evaluate(problem)[0])
        moves = torch.exp(network.log_k) * (change - change.mean(dim=1, keepdim=True))
        middle = (moves * problem.precision[: moves.shape[2]]).abs()[0, :: 3 * POINTS].median()
    return float(min(max(FLOOR_SHARE * float(middle), FLOOR[0]), FLOOR[1]))


def _outliers(problem: Problem, residual: Any, own: bool, floor: float) -> tuple[Any, Any]:
    """The residual's scale, and what is left (E, P, p) when every outlier has taken its tails with it.

    The scale is taken twice, the second time from what the first one left.
    """
    residual, kept = residual.detach(), None
    for _ in range(2):
        scale = _spread(problem, residual, own, kept).clamp(min=floor)
        kept = _without_tails(residual * (problem.precision[: residual.shape[2]] / scale))
    return scale, kept


def _without_tails(ratio: Any) -> Any:
    """1 where a residual is kept, else 0, (E, P, p).

    An outlier's tail reaches as far as the mean over three frames stays on one side of 0 by `TAIL` scales.
    """
    import torch

    width = 3 * POINTS + 1
    members, points, p = ratio.shape
    lines = ratio.transpose(1, 2).reshape(members * p, 1, points)
    mean = torch.nn.functional.avg_pool1d(lines, width, 1, width // 2, count_include_pad=False)[:, 0]
    side = torch.where(mean.abs() > TAIL, mean.sign(), 0)
    run = torch.cumsum(torch.nn.functional.pad((side[:, 1:] != side[:, :-1]).long(), (1, 0)), dim=1)
    core = (lines[:, 0].abs() > TUKEY).float()
    hit = torch.zeros_like(core).scatter_reduce(1, run, core, "amax").gather(1, run) * (side != 0)
    return (1 - hit).view(members, p, points).transpose(1, 2).contiguous()


def _results(
    problem: Problem, network: Network, own: Network, case: str, op: Operator, dt: float, scale: float
) -> tuple[FloatArray, Estimates]:
    """The first network's u at the frames, (p, T) in S without the means, and what all of them say of k and feed."""
    import torch

    p = len(op.inner)
    with torch.no_grad():
        u, _ = network.evaluate(problem)
        near, slope = own.evaluate(problem)
        change, floor = problem.change(near), _floor(problem, network)
        residual = slope - torch.exp(own.log_k) * change - own.feed
        size, kept = _outliers(problem, residual, own.own_k, floor)
        weight = (_weights(residual * (problem.precision[:p] / size)) * kept)[0]
    members = Members(
        k=np.exp(to_array(network.log_k)[:, 0]),
        feed=to_array(_feed(network, problem.centre))[:, 0],
        k_cell=np.exp(to_array(own.log_k)[:, 0]),
        feed_cell=np.broadcast_to(to_array(_feed(own, problem.centre))[:, 0], (len(u), p)),
        weight=to_array(weight) / POINTS,
        change=to_array(change[0] + problem.centre),
        noise=1 / to_array(problem.precision[:p]),
    )
    return to_array(u[0, ::POINTS, :p]).T, estimates(members, case, network.no_feed, op.coupled, dt, scale)


def to_array(values: Any) -> FloatArray:
    return np.asarray(values.detach().cpu().numpy(), dtype=np.float64)


def _advice(found: Estimates, moved: float, dt: float) -> tuple[str, ...]:
    words = []
    if moved > MOVING:
        words.append("k still moved when the training ended: give more epochs")
    k = float(np.nanmedian(found.k.value))
    if k * dt > 0.5:
        words.append(f"k x frame interval is {k * dt:.2g}: frames are too far apart to tell k well")
    if found.disagreement > 0.2:
        words.append(
            f"the networks of the ensemble disagree on k by {100 * found.disagreement:.0f} %: noise decides it"
        )
    return tuple(words)
