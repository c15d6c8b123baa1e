"""The paper's PINN (arXiv:2505.20327, section on PINN, eqs. 21-22), kept so that the comparison can be reproduced.

One network t -> y, 4 hidden layers of 32, tanh; Adam, step 1e-3, 500 epochs, batches of 20 points (one cell) or 80
(group); 2610 of the 3610 points to which the data are interpolated, 10 a frame; k and gamma trained with the weights:

    loss = mean (u'(t) - k (M u)(t) - gamma)^2  +  mean (u(t) - y(t))^2          (eqs. 21, 22)

in 1/s and intensity as they are. What the paper leaves open: the points are drawn at random from the whole recording,
time enters the network divided by the duration, driven cells (in case cell: all neighbours) follow the data.

Known shortcomings, kept: the physics loss is smaller than the data loss by the square of a rate in 1/s, so k hardly
feels the data and drifts with Adam's step instead; a tanh network of time misses all that is fast (spectral bias);
spikes enter squared; there is no interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator, matrix
from calcigraph.models.estimate import Estimate
from calcigraph.models.pinn.options import K_START, PinnOptions
from calcigraph.models.pinn.result import PinnFit, PinnHistory
from calcigraph.models.pinn.tensors import Adam, pick_device, to_array
from calcigraph.store.types import FloatArray, Progress

EPOCHS = 500
HIDDEN = 32
LAYERS = 4
LR = 1e-3
BATCH_CELL, BATCH_GROUP = 20, 80
INTERPOLATE = 10
TRAIN_SHARE = 2610 / 3610
STAYED = 0.1
"""A k within this of its start has not moved."""
SETTLED = 0.02
"""A k that varies by more than this over the last tenth of the epochs has not settled."""


@dataclass(frozen=True)
class _Points:
    """Tensors at the points that train: time (P, 1), y (P, p), driven pull (P, p), M between inner cells (p, p)."""

    time: Any
    y: Any
    pull: Any
    inner: Any
    duration: float


@dataclass(frozen=True)
class _Model:
    """N networks (one for the group, or one per cell) and the parameters, k (p or 1,) and feed (p or 1,)."""

    layers: list[tuple[Any, Any]]
    k: Any
    feed: Any

    def values_and_slope(self, time: Any, duration: float) -> tuple[Any, Any]:
        """u and du/dt in 1/s, (points, p) each."""
        import torch

        value, slope = time / duration, torch.full_like(time, 1 / duration)
        for number, (weight, bias) in enumerate(self.layers):
            value, slope = value @ weight + bias, slope @ weight
            if number < LAYERS:
                value = torch.tanh(value)
                slope = (1 - value * value) * slope
        return (part.permute(1, 0, 2).reshape(len(time), -1) for part in (value, slope))  # type: ignore[return-value]


def fit_paper(
    data: FloatArray, op: Operator, dt: float, options: PinnOptions, case: str, no_feed: bool, progress: Progress
) -> PinnFit:
    """Train the paper's network on traces (n, T). See `calcigraph.models.pinn.fit_group`."""
    points, model = _start(data, op, dt, options, case, no_feed)
    history = _train(points, model, options, case, no_feed, progress)
    p = len(op.inner)
    k = np.where(op.coupled, np.broadcast_to(to_array(model.k), p), np.nan)
    none = np.full(p, np.nan)
    path = history.k[0]
    last = path[-max(2, len(path) // 10) :]
    feed = none if no_feed else np.array(np.broadcast_to(to_array(model.feed), p))
    return PinnFit(
        k=Estimate(value=k, low=none, high=none),
        feed=Estimate(value=feed, low=none, high=none),
        k_cell=Estimate(value=k if case == "cell" else none, low=none, high=none),
        traces=_traces(model, data.shape[1], dt, points),
        history=(history,),
        converged=bool(np.ptp(last) <= SETTLED * abs(last[-1])),
        advice=_advice(path, options.k_start or K_START, last),
    )


def _start(
    data: FloatArray, op: Operator, dt: float, options: PinnOptions, case: str, no_feed: bool
) -> tuple[_Points, _Model]:
    import torch

    device = pick_device(options.device)
    frames, p = data.shape[1], len(op.inner)
    every = np.arange((frames - 1) * INTERPOLATE + 1) / INTERPOLATE
    rng = np.random.default_rng([options.seed, 5])
    at = np.sort(rng.choice(every, max(2, round(TRAIN_SHARE * len(every))), replace=False))
    inside = np.array([np.interp(at, np.arange(frames), row) for row in data])
    whole = matrix(op)
    between = np.diag(-op.rate) if case == "cell" else whole[:, op.inner]
    follow = whole.copy()
    follow[:, op.inner] -= between

    def tensor(values: Any, train: bool = False) -> Any:
        return torch.tensor(values, dtype=torch.float32, device=device).requires_grad_(train)

    points = _Points(
        tensor(at[:, None] * dt), tensor(inside[op.inner].T), tensor((follow @ inside).T), tensor(between.T),
        (frames - 1) * dt,
    )  # fmt: skip
    own, one = case in ("cell", "per-cell-k"), case == "shared"
    layers = [(tensor(w, True), tensor(b, True)) for w, b in _layers(p if case == "cell" else 1, p, rng)]
    start = np.full(p if own else 1, options.k_start or K_START)
    return points, _Model(layers, tensor(start, True), tensor(np.zeros(1 if one else p), not no_feed))


def _layers(networks: int, p: int, rng: np.random.Generator) -> list[tuple[FloatArray, FloatArray]]:
    """Glorot's uniform weights (N, in, out) and zero biases (N, 1, out)."""
    width = [1, *[HIDDEN] * LAYERS, p if networks == 1 else 1]
    layers = []
    for before, after in pairwise(width):
        limit = sqrt(6 / (before + after))
        weight = rng.uniform(-limit, limit, (networks, before, after))
        layers.append((weight, np.zeros((networks, 1, after))))
    return layers


def _train(
    points: _Points, model: _Model, options: PinnOptions, case: str, no_feed: bool, progress: Progress
) -> PinnHistory:
    import torch

    epochs, size = options.epochs or EPOCHS, BATCH_CELL if case == "cell" else BATCH_GROUP
    trained = [*(part for layer in model.layers for part in layer), model.k, *([] if no_feed else [model.feed])]
    adam = Adam(trained)
    draw = torch.Generator().manual_seed(options.seed)
    losses, k, feed = [], [], []
    for epoch in range(epochs):
        progress("pinn", epoch, epochs)
        order = torch.randperm(len(points.time), generator=draw).to(points.time.device)
        losses.append(np.mean([_step(points, model, batch, adam) for batch in order.split(size)], axis=0))
        k.append(float(np.median(to_array(model.k))))
        feed.append(float(np.median(to_array(model.feed))))
    progress("pinn", epochs, epochs)
    misfit, physics = np.array(losses).T
    return PinnHistory(
        epoch=np.arange(epochs), data_loss=misfit, physics_loss=physics, k=np.array([k]), feed=np.array(feed)
    )


def _step(points: _Points, model: _Model, batch: Any, adam: Adam) -> tuple[float, float]:
    u, slope = model.values_and_slope(points.time[batch], points.duration)
    change = points.pull[batch] + u @ points.inner
    physics = ((slope - model.k * change - model.feed) ** 2).mean()
    misfit = ((u - points.y[batch]) ** 2).mean()
    adam.step(physics + misfit, [LR] * len(adam.tensors))
    return float(misfit.detach()), float(physics.detach())


def _traces(model: _Model, frames: int, dt: float, points: _Points) -> FloatArray:
    import torch

    time = torch.arange(frames, dtype=torch.float32, device=points.time.device)[:, None] * dt
    with torch.no_grad():
        u, _ = model.values_and_slope(time, points.duration)
    return to_array(u).T


def _advice(path: FloatArray, start: float, last: FloatArray) -> tuple[str, ...]:
    words = ["preset paper gives no interval; it is kept to reproduce the paper, use preset default"]
    if abs(path[-1] / start - 1) < STAYED:
        words.append(f"k stayed at its start, {start:g} per second")
    if path[-1] < 0:
        words.append("k is negative: nothing holds it back in the paper's loss")
    if np.ptp(last) > SETTLED * abs(last[-1]):
        words.append("k had not settled when the training ended")
    return tuple(words)
