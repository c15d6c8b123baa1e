"""Preset `paper`: the PINN of arXiv:2505.20327 (section on PINN, eqs. 21-22), kept for comparison.

One network t -> y with 4 hidden layers of 32 units, tanh. Adam with step size 1e-3, 500 epochs, batches of 20 points
(one cell) or 80 (group). The data are interpolated to 10 points a frame, 3610 in all, of which 2610 train. k and
gamma are trained with the weights:

    loss = mean (u'(t) - k (M u)(t) - gamma)^2  +  mean (u(t) - y(t))^2          (eqs. 21, 22)

with rates in 1/s and intensities as they are.

What the paper leaves open, decided here: the points are drawn at random from the whole recording. Time is divided by
the duration before it enters the network. Driven cells (in case cell all neighbours) follow the data.

Known shortcomings, which are kept. The physics loss is smaller than the data loss by the square of a rate in 1/s, so
the data hardly act on k, which drifts with Adam's steps instead. A tanh network of time cannot follow fast changes
(spectral bias). Spikes count with their squares. There is no interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np

from calcigraph.models.consensus import Operator, matrix
from calcigraph.models.estimate import Estimate
from calcigraph.models.pinn.options import K_START
from calcigraph.models.pinn.result import PinnFit, PinnHistory
from calcigraph.models.pinn.setting import Setting
from calcigraph.models.pinn.tensors import Adam, Tensor, pick_device, to_array
from calcigraph.store.types import FloatArray, Progress

EPOCHS = 500
HIDDEN = 32
"""Units of a hidden layer."""
LAYERS = 4
"""Hidden layers."""
STEP = 1e-3
"""Adam's step size, of weights and parameters alike."""
BATCH_CELL, BATCH_GROUP = 20, 80
INTERPOLATE = 10
"""Points a frame."""
TRAIN_SHARE = 2610 / 3610
STAYED = 0.1
"""A k within this of its start, relative to it, has not moved."""
SETTLED = 0.02
"""A k that varies by more than this, relative to it, over the last tenth of the epochs has not settled."""


@dataclass(frozen=True)
class _Points:
    """Tensors at the P points that train, p inner cells; seconds and the unit of the traces."""

    time: Tensor
    """(P, 1), in seconds."""
    data: Tensor
    """(P, p), traces of the inner cells."""
    driven: Tensor
    """(P, p), the part of M u that follows the data."""
    inner: Tensor
    """(p, p), the block of M between inner cells, transposed; in case cell its diagonal alone."""
    duration: float
    """Of the recording, in seconds."""


@dataclass(frozen=True)
class _Model:
    """N networks (one for the group, or one per cell) and the parameters that are trained with them."""

    layers: list[tuple[Tensor, Tensor]]
    """Weights (N, in, out) and biases (N, 1, out)."""
    k: Tensor
    """(p,) or (1,), 1/s."""
    feed: Tensor
    """(p,) or (1,), intensity per second."""

    def evaluate(self, time: Tensor, duration: float) -> tuple[Tensor, Tensor]:
        """u and du/dt per second, (points, p) each, at times (points, 1) in seconds."""
        import torch

        value, slope = time / duration, torch.full_like(time, 1 / duration)
        for number, (weight, bias) in enumerate(self.layers):
            value, slope = value @ weight + bias, slope @ weight
            # The last layer is linear. The others multiply the slope by tanh' = 1 - tanh^2.
            if number < LAYERS:
                value = torch.tanh(value)
                slope = (1 - value * value) * slope
        return _by_point(value), _by_point(slope)

    def trained(self, no_feed: bool) -> list[Tensor]:
        """All tensors that training changes."""
        weights_and_biases = [part for layer in self.layers for part in layer]
        return [*weights_and_biases, self.k] if no_feed else [*weights_and_biases, self.k, self.feed]


def _by_point(values: Tensor) -> Tensor:
    """(points, p) from outputs (N, points, p / N): networks side by side."""
    return values.permute(1, 0, 2).reshape(values.shape[1], -1)


def fit_paper(data: FloatArray, op: Operator, setting: Setting, progress: Progress) -> PinnFit:
    """Train preset `paper` on the traces.

    Parameters
    ----------
    data
        (n, T), traces, p of them of inner cells.
    op
        The consensus operator of these n cells.
    setting
        Frame interval, options and case.
    progress
        Told of the epochs done.

    Returns
    -------
    PinnFit
        Of the p cells and T frames, with one history. Intervals are NaN, and `k_cell` too, but in case cell.

    Raises
    ------
    FitError
        A GPU was asked for and is not there.
    """
    points, model = _start(data, op, setting)
    history = _train(points, model, setting, progress)
    p = len(op.inner)
    unknown = np.full(p, np.nan)
    # A k of all cells is given to each of them; a cell without contacts has none.
    k = np.where(op.coupled, np.broadcast_to(to_array(model.k), p), np.nan)
    feed = unknown if setting.no_feed else np.array(np.broadcast_to(to_array(model.feed), p))
    path = history.k[0]
    # The last tenth of the epochs decides whether k has settled.
    last = path[-max(2, len(path) // 10) :]
    return PinnFit(
        k=Estimate(value=k, low=unknown, high=unknown),
        feed=Estimate(value=feed, low=unknown, high=unknown),
        k_cell=Estimate(value=k if setting.alone else unknown, low=unknown, high=unknown),
        traces=_traces(model, data.shape[1], setting.dt, points),
        history=(history,),
        converged=bool(np.ptp(last) <= SETTLED * abs(last[-1])),
        advice=_advice(path, setting.options.k_start or K_START, last),
    )


def _start(data: FloatArray, op: Operator, setting: Setting) -> tuple[_Points, _Model]:
    """The training points and the networks before training."""
    import torch

    options, p = setting.options, len(op.inner)
    device = pick_device(options.device)
    rng = np.random.default_rng([options.seed, 5])

    def tensor(values: FloatArray, train: bool = False) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device).requires_grad_(train)

    at, inside = _draw_points(data, rng)
    # M u has a part between inner cells, which the network gives, and a driven part, which follows the data.
    # In case cell every neighbour is driven: only the diagonal of M is left to the network.
    whole = matrix(op)
    between = np.diag(-op.rate) if setting.alone else whole[:, op.inner]
    follow = whole.copy()
    follow[:, op.inner] -= between
    points = _Points(
        time=tensor(at[:, None] * setting.dt),
        data=tensor(inside[op.inner].T),
        driven=tensor((follow @ inside).T),
        inner=tensor(between.T),
        duration=(data.shape[1] - 1) * setting.dt,
    )
    model = _Model(
        layers=[(tensor(w, True), tensor(b, True)) for w, b in _layers(p if setting.alone else 1, p, rng)],
        k=tensor(np.full(p if setting.k_per_cell else 1, options.k_start or K_START), True),
        feed=tensor(np.zeros(1 if setting.one_feed else p), not setting.no_feed),
    )
    return points, model


def _draw_points(data: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """The points that train: their times in frames, (P,), and the interpolated traces there, (n, P)."""
    frames = data.shape[1]
    every = np.arange((frames - 1) * INTERPOLATE + 1) / INTERPOLATE
    at = np.sort(rng.choice(every, max(2, round(TRAIN_SHARE * len(every))), replace=False))
    return at, np.array([np.interp(at, np.arange(frames), row) for row in data])


def _layers(networks: int, p: int, rng: np.random.Generator) -> list[tuple[FloatArray, FloatArray]]:
    """Glorot's uniform weights (N, in, out) and zero biases (N, 1, out)."""
    width = [1, *[HIDDEN] * LAYERS, p if networks == 1 else 1]
    layers = []
    for before, after in pairwise(width):
        # Values and gradients then keep their size from layer to layer.
        limit = sqrt(6 / (before + after))
        weight = rng.uniform(-limit, limit, (networks, before, after))
        layers.append((weight, np.zeros((networks, 1, after))))
    return layers


def _train(points: _Points, model: _Model, setting: Setting, progress: Progress) -> PinnHistory:
    import torch

    options = setting.options
    epochs = options.epochs or EPOCHS
    batch_size = BATCH_CELL if setting.alone else BATCH_GROUP
    adam = Adam(model.trained(setting.no_feed))
    # Batches are drawn on the CPU, so that a GPU sees the same ones.
    draw = torch.Generator().manual_seed(options.seed)
    losses, k, feed = [], [], []
    for epoch in range(epochs):
        progress("pinn", epoch, epochs)
        order = torch.randperm(len(points.time), generator=draw).to(points.time.device)
        # Losses are means over the epoch's batches; k and feed are those after the last one.
        steps = [_step(points, model, batch, adam) for batch in order.split(batch_size)]
        losses.append(np.mean(steps, axis=0))
        k.append(float(np.median(to_array(model.k))))
        feed.append(float(np.median(to_array(model.feed))))
    progress("pinn", epochs, epochs)
    data_loss, physics_loss = np.array(losses).T
    return PinnHistory(
        epoch=np.arange(epochs),
        data_loss=data_loss,
        physics_loss=physics_loss,
        k=np.array([k]),
        feed=np.array(feed),
    )


def _step(points: _Points, model: _Model, batch: Tensor, adam: Adam) -> tuple[float, float]:
    """One step of Adam on a batch of points; the data loss (eq. 22) and the physics loss (eq. 21) before it."""
    u, du_dt = model.evaluate(points.time[batch], points.duration)
    consensus = points.driven[batch] + u @ points.inner
    physics_loss = ((du_dt - model.k * consensus - model.feed) ** 2).mean()
    data_loss = ((u - points.data[batch]) ** 2).mean()
    # As in the paper, the two losses are added without weights.
    adam.step(physics_loss + data_loss, [STEP] * len(adam.tensors))
    return float(data_loss.detach()), float(physics_loss.detach())


def _traces(model: _Model, frames: int, dt: float, points: _Points) -> FloatArray:
    """u at the frames, (p, T)."""
    import torch

    time = torch.arange(frames, dtype=torch.float32, device=points.time.device)[:, None] * dt
    with torch.no_grad():
        u, _ = model.evaluate(time, points.duration)
    return to_array(u).T


def _advice(path: FloatArray, start: float, last: FloatArray) -> tuple[str, ...]:
    words = ["preset paper gives no interval; it is kept to reproduce the paper, use preset default"]
    if abs(path[-1] / start - 1) < STAYED:
        words.append(f"k stayed at its start, {start:g} per second")
    # In the paper k is trained as it is; preset default trains log k.
    if path[-1] < 0:
        words.append("k is negative: nothing holds it back in the paper's loss")
    if np.ptp(last) > SETTLED * abs(last[-1]):
        words.append("k had not settled when the training ended")
    return tuple(words)
