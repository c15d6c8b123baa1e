"""The PINN that finds k and the feeds (arXiv:2505.20327, eqs. 21-22, with the changes that make them work).

    u_i(t) = mean_i + S (W f(t) + W3 tanh(W2 tanh(W1 f(t))))_i,    f(t) = tau, sin(w_m t), cos(w_m t)

with tau = t scaled to [-1, 1] and w_m up to the frame rate's Nyquist frequency. All n cells are outputs, so that noise
in the neighbours is smoothed too; inner cells obey the model, the others follow the data alone.

Three stages. (1) The output weights start from the ridge regression that is the Wiener filter of a random walk.
(2) The network stays, k and the feeds are trained on the physics loss: they reach the same place from any start.
(3) Everything is trained. Then each cell gets a k of its own and the training goes on for a while: `k_cell`.

The physics loss is Tukey's bisquare: short sources that no model knows of weigh nothing. Its scale s is that of the
residual itself, in units of each cell's noise, and not below `FLOOR`. It is taken between the frames, at two points
each: taken at one, the network meets the physics there and bends in between.

The ensemble: all networks but the first see traces with as much noise added as there already is. What they scatter by
is what noise does to an estimate, and what they move by on average is its bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, log, pi, sqrt
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.pinn import K_START, PinnFit, PinnHistory, PinnOptions, matrix, pick_device
from calcigraph.models.pinn_interval import Estimates, Members, estimates
from calcigraph.store.types import FloatArray, Progress

EPOCHS = 240
ENSEMBLE = 4
PARAMETER_STEPS = 150
HIDDEN = 64
PERIOD = 1.25
"""Period of the slowest sine over the recording: above 1, so that both ends are free."""
POINTS = 2
"""Collocation points between two frames."""
FLOOR = 0.12
"""The least scale of the physics residual over one frame, in units of the trace noise."""
BISQUARE = 4.685
MAD = 0.6745
CELL_SHARE = 0.35
"""How long the network goes on with a k per cell, in units of `epochs`."""
LR = (2e-3, 0.03, 0.006)
"""Adam's steps: weights, log k, feed (in S per frame)."""
RESCALE = 5
"""Epochs between two estimates of the physics residual's scale."""
SETTLED = 5e-4
"""Training stops when no log k moved more than this in `WINDOW` epochs at full step size, and then steps shrink."""
WINDOW = 30
DECAY = 0.45
"""Share of the epochs in which the step sizes fall to zero."""
MOVING = 0.02
"""A log k that still moves by this in the last `WINDOW` epochs has not converged."""


@dataclass(frozen=True)
class _Problem:
    """Tensors in scaled units: intensity in S, time in frames; E networks, P collocation points, f features."""

    at_frames: Any
    """(T, f)"""
    at_points: Any
    """(P, f)"""
    slope: Any
    """(P, f), d/dt of the features, per frame."""
    data: Any
    """(T, E, n)"""
    noise: Any
    """(n,)"""
    matrix: Any
    """(n, p), M transposed."""
    pull: Any
    """(p,), M of the means: the network has them taken off."""
    inner: Any
    rate: Any
    """(p,)"""
    alone: bool
    """Case cell: the physics of a cell does not move its neighbours."""


@dataclass
class _Network:
    """The trained tensors; `log_k` is (E, p or 1), `feed` (E, p or 1), both per frame."""

    first: Any
    """(f, E (h + n)): the first hidden layer and the direct output in one product."""
    first_bias: Any
    second: Any
    second_bias: Any
    last: Any
    log_k: Any
    feed: Any
    no_feed: bool

    def weights(self) -> list[Any]:
        return [self.first, self.first_bias, self.second, self.second_bias, self.last]

    def parameters(self) -> list[Any]:
        return [self.log_k] if self.no_feed else [self.log_k, self.feed]

    def values(self, features: Any) -> Any:
        """u, (points, E, n)."""
        import torch

        h = self.second.shape[1]
        both = (features @ self.first).view(len(features), len(self.second), -1) + self.first_bias
        hidden = torch.einsum("tei,eij->tej", torch.tanh(both[..., :h]), self.second) + self.second_bias
        return both[..., h:] + torch.einsum("tei,eij->tej", torch.tanh(hidden), self.last)

    def values_and_slope(self, features: Any, slope: Any) -> tuple[Any, Any]:
        """u and du/dt, (points, E, n) each, the derivative by the chain rule."""
        import torch

        h, e = self.second.shape[1], len(self.second)
        both = (features @ self.first).view(len(features), e, -1) + self.first_bias
        d_both = (slope @ self.first).view(len(features), e, -1)
        one = torch.tanh(both[..., :h])
        two = torch.tanh(torch.einsum("tei,eij->tej", one, self.second) + self.second_bias)
        d_one = (1 - one * one) * d_both[..., :h]
        d_two = (1 - two * two) * torch.einsum("tei,eij->tej", d_one, self.second)
        u = both[..., h:] + torch.einsum("tei,eij->tej", two, self.last)
        return u, d_both[..., h:] + torch.einsum("tei,eij->tej", d_two, self.last)

    def with_own_k(self, p: int) -> _Network:
        """The same with a k and a feed for every cell."""
        size = (len(self.second), p)
        own = [value.detach().expand(size).clone().requires_grad_(True) for value in (self.log_k, self.feed)]
        kept = [value.detach().clone().requires_grad_(True) for value in self.weights()]
        return _Network(*kept, *own, self.no_feed)


def fit_network(
    data: FloatArray, op: Operator, dt: float, options: PinnOptions, case: str, no_feed: bool, progress: Progress
) -> PinnFit:
    """Train on one block: traces (n, T) in any unit, `dt` seconds a frame. See `calcigraph.models.pinn.fit_group`."""
    scale = float(np.std(data - data.mean(axis=1, keepdims=True)))
    device = pick_device(options.device)
    epochs = options.epochs or EPOCHS
    problem, network = _start(data, op, dt, options, case, no_feed, scale, device)
    trace = _Trace(dt, scale, progress, PARAMETER_STEPS + epochs + (0 if _own(case) else round(CELL_SHARE * epochs)))
    _train_parameters(problem, network, trace)
    settled = _train(problem, network, epochs, trace)
    own, history = network, trace.history()
    if not _own(case):
        own = network.with_own_k(len(op.inner))
        _train(problem, own, max(1, round(CELL_SHARE * epochs)), trace)
    fitted = network.values(problem.at_frames)[:, 0][:, problem.inner].detach().cpu().numpy().T
    found = estimates(_members(problem, network, own), case, no_feed, op.coupled, dt, scale)
    trace.finish()
    return PinnFit(
        **found.intervals(),
        traces=np.asarray(fitted, dtype=np.float64) * scale + data[op.inner].mean(axis=1, keepdims=True),
        history=(history,),
        converged=settled <= MOVING,
        advice=_advice(found, settled, dt),
    )


def _own(case: str) -> bool:
    return case in ("cell", "per-cell-k")


def noise_level(data: FloatArray) -> FloatArray:
    """(n,), standard deviation of white noise in each trace, from the median of its third differences."""
    third = np.diff(data, n=3, axis=1)
    level = np.median(np.abs(third), axis=1) / (MAD * sqrt(20))
    spread = float(np.std(data - data.mean(axis=1, keepdims=True)))
    # A cell's own level within a factor of 3 of the culture's: spikes and short traces mislead it.
    middle = max(float(np.median(level)), 1e-3 * spread)
    result: FloatArray = np.clip(level, middle / 3, middle * 3)
    return result


def _start(
    data: FloatArray,
    op: Operator,
    dt: float,
    options: PinnOptions,
    case: str,
    no_feed: bool,
    scale: float,
    device: str,
) -> tuple[_Problem, _Network]:
    import torch

    members = options.ensemble or ENSEMBLE
    mean, noise = data.mean(axis=1, keepdims=True), noise_level(data) / scale
    copies = np.repeat(((data - mean) / scale)[None], members, axis=0)
    rng = np.random.default_rng([options.seed, 3])
    copies[1:] += noise[:, None] * rng.standard_normal(copies[1:].shape)
    frames, points = data.shape[1], _points(data.shape[1])
    at_frames, _ = features(np.arange(frames, dtype=np.float64), frames)
    at_points, slope = features(points, frames)

    def tensor(values: FloatArray) -> Any:
        return torch.tensor(values, dtype=torch.float32, device=device)

    problem = _Problem(
        at_frames=tensor(at_frames),
        at_points=tensor(at_points),
        slope=tensor(slope),
        data=tensor(copies.transpose(2, 0, 1)),
        noise=tensor(noise),
        matrix=tensor(matrix(op).T),
        pull=tensor((matrix(op) @ mean)[:, 0] / scale),
        inner=torch.tensor(op.inner, device=device),
        rate=tensor(op.rate),
        alone=case == "cell",
    )
    output, bias = _ridge(at_frames, copies, noise)
    k_width, feed_width = (len(op.inner) if _own(case) else 1), (1 if case == "shared" else len(op.inner))
    start = log((options.k_start or K_START) * dt)
    network = _random_network(output, bias, options.seed)
    tensors = [tensor(values) for values in (*network, np.full((members, k_width), start))]
    tensors.append(tensor(np.zeros((members, feed_width))))
    return problem, _Network(*(value.requires_grad_(True) for value in tensors), no_feed)


def _points(frames: int) -> FloatArray:
    inside = (np.arange(POINTS) + 0.5) / POINTS
    return np.asarray((np.arange(frames - 1)[:, None] + inside).ravel())


def features(time: FloatArray, frames: int) -> tuple[FloatArray, FloatArray]:
    """f (points, f) and its derivative per frame, at times in frames: tau, sines and cosines up to 1 / (2 frames)."""
    duration = frames - 1
    frequency = 2 * pi * np.arange(1, ceil(PERIOD * duration / 2) + 1) / (PERIOD * duration)
    angle, tau = time[:, None] * frequency, (2 * time / duration - 1)[:, None]
    values = np.concatenate([tau, np.sin(angle), np.cos(angle)], axis=1)
    slope = [np.full_like(tau, 2 / duration), frequency * np.cos(angle), -frequency * np.sin(angle)]
    return values, np.concatenate(slope, axis=1)


def _ridge(at_frames: FloatArray, copies: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Output weights (E, f, n) and bias (E, n): the best for a random walk of deviation 1 in white noise."""
    width = (at_frames.shape[1] - 1) // 2
    falling = 0.6 / np.arange(1, width + 1) ** 2
    prior = np.concatenate([[10.0], falling, falling, [10.0]])
    design = np.concatenate([at_frames, np.ones((len(at_frames), 1))], axis=1)
    kernel = (design * prior) @ design.T + float(np.median(noise)) ** 2 * np.eye(len(design))
    members, cells, frames = copies.shape
    weights = (design * prior).T @ np.linalg.solve(kernel, copies.reshape(-1, frames).T)
    output = weights.reshape(-1, members, cells).transpose(1, 0, 2)
    return output[:, :-1], output[:, -1]


def _random_network(output: FloatArray, bias: FloatArray, seed: int) -> tuple[FloatArray, ...]:
    """First layer with output, its bias, second layer, its bias and last layer; every member from its own draw."""
    members, width, cells = output.shape
    rng = np.random.default_rng([seed, 4])
    first = 2 / sqrt(width) * rng.standard_normal((width, members, HIDDEN))
    second = rng.standard_normal((members, HIDDEN, HIDDEN)) / sqrt(HIDDEN)
    joined = np.concatenate([first, output.transpose(1, 0, 2)], axis=2).reshape(width, -1)
    joined_bias = np.concatenate([np.zeros((members, HIDDEN)), bias], axis=1)
    return joined, joined_bias, second, np.zeros((members, HIDDEN)), np.zeros((members, HIDDEN, cells))


def _residual(problem: _Problem, network: _Network) -> Any:
    """u' - k M u - gamma over one frame, in units of each cell's noise, (P, E, p)."""
    import torch

    u, slope = network.values_and_slope(problem.at_points, problem.slope)
    return _physics(problem, u, slope[..., problem.inner], torch.exp(network.log_k), network.feed)


def _physics(problem: _Problem, u: Any, slope: Any, k: Any, feed: Any) -> Any:
    change = _change(problem, u)
    return (slope - k * change - feed) / problem.noise[problem.inner]


def _change(problem: _Problem, u: Any) -> Any:
    """M u, (P, E, p)."""
    if not problem.alone:
        return u @ problem.matrix + problem.pull
    own = u[..., problem.inner]
    return u.detach() @ problem.matrix + problem.pull + problem.rate * (own.detach() - own)


def _spread(residual: Any) -> Any:
    """Robust scale of each member's residual, (E, 1); every third point is enough for it."""
    some = residual.detach()[::3]
    return some.abs().transpose(0, 1).flatten(1).median(dim=1, keepdim=True).values / MAD


def _bisquare(ratio: Any) -> Any:
    return (1 - (ratio / BISQUARE) ** 2).clamp(min=0) ** 2


def _train_parameters(problem: _Problem, network: _Network, trace: _Trace) -> None:
    """Stage 2: k and feeds on the physics loss of the network as it is, first with Cauchy's weights."""
    import torch

    with torch.no_grad():
        u, slope = network.values_and_slope(problem.at_points, problem.slope)
        change, slope = u @ problem.matrix + problem.pull, slope[..., problem.inner]
        misfit = float((((network.values(problem.at_frames) - problem.data) / problem.noise) ** 2).mean())
    adam = torch.optim.Adam([{"params": [one]} for one in network.parameters()])
    for step in range(PARAMETER_STEPS):
        for group, size in zip(adam.param_groups, (0.1, 0.02), strict=False):
            group["lr"] = size * (1 - step / PARAMETER_STEPS)
        residual = (slope - torch.exp(network.log_k) * change - network.feed) / problem.noise[problem.inner]
        if step % RESCALE == 0:
            scale = _spread(residual)
        ratio = residual / scale
        known = ratio.detach()
        weight = 1 / (1 + (known / 2) ** 2) if step < PARAMETER_STEPS // 2 else _bisquare(known)
        loss = (weight * ratio**2).mean(dim=(0, 2))
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
        trace.record(network, misfit, loss)


def _train(problem: _Problem, network: _Network, epochs: int, trace: _Trace) -> float:
    """Stage 3: everything, until k settles. Returns how far a log k moved in the last epochs."""
    import torch

    groups = [{"params": network.weights()}, *({"params": [one]} for one in network.parameters())]
    adam = torch.optim.Adam(groups, betas=(0.9, 0.95))
    falling = _Falling(epochs)
    path: list[FloatArray] = []
    for epoch in range(epochs):
        step = falling.at(epoch, path)
        if step is None:
            break
        for group, size in zip(adam.param_groups, LR, strict=False):
            group["lr"] = size * step
        misfit = (((network.values(problem.at_frames) - problem.data) / problem.noise) ** 2).mean(dim=(0, 2))
        residual = _residual(problem, network)
        if epoch % RESCALE == 0:
            scale = _spread(residual).clamp(min=FLOOR)
        ratio = residual / scale
        physics = (_bisquare(ratio.detach()) * ratio**2).mean(dim=(0, 2))
        adam.zero_grad()
        (misfit + physics).sum().backward()
        adam.step()
        path.append(network.log_k.detach().median(dim=1).values.cpu().numpy())
        trace.record(network, float(misfit.detach().mean()), physics)
    return float(np.abs(path[-1] - path[max(0, len(path) - WINDOW)]).max())


class _Falling:
    """Step sizes: 1 until k settles or `DECAY` of the epochs are left, then a cosine to 0; they rise in the first ten."""

    def __init__(self, epochs: int) -> None:
        self.decay = max(1, round(DECAY * epochs))
        self.turn = epochs - self.decay

    def at(self, epoch: int, path: list[FloatArray]) -> float | None:
        if 2 * WINDOW <= epoch < self.turn and np.abs(path[-1] - path[-WINDOW]).max() < SETTLED:
            self.turn = epoch
        if epoch < self.turn:
            return min(1.0, (epoch + 1) / 10)
        done = (epoch - self.turn) / self.decay
        return 0.5 * (1 + cos(pi * done)) + 0.005 if done < 1 else None


class _Trace:
    """Collects the history in seconds and intensities, and reports progress."""

    def __init__(self, dt: float, scale: float, progress: Progress, total: int) -> None:
        self.dt, self.scale, self.progress, self.total = dt, scale, progress, total
        self.rows: list[tuple[float, float, float]] = []
        self.k: list[FloatArray] = []

    def record(self, network: _Network, misfit: float, physics: Any) -> None:
        if len(self.rows) % 10 == 0:
            self.progress("pinn", len(self.rows), self.total)
        feed = 0.0 if network.no_feed else float(network.feed.detach()[0].median())
        self.rows.append((misfit, float(physics.detach().mean()), feed * self.scale / self.dt))
        self.k.append(network.log_k.detach().median(dim=1).values.exp().cpu().numpy() / self.dt)

    def finish(self) -> None:
        self.progress("pinn", self.total, self.total)

    def history(self) -> PinnHistory:
        misfit, physics, feed = np.array(self.rows).T
        return PinnHistory(np.arange(len(feed)), misfit, physics, np.array(self.k, dtype=np.float64).T, feed)


def _members(problem: _Problem, network: _Network, own: _Network) -> Members:
    """What the intervals need, as arrays: all members' parameters, and the information in each cell's residuals."""
    import torch

    with torch.no_grad():
        u, slope = network.values_and_slope(problem.at_points[:, :], problem.slope)
        change = u @ problem.matrix + problem.pull
        residual = _physics(problem, u, slope[..., problem.inner], torch.exp(network.log_k), network.feed)
        weight = _bisquare(residual / _spread(residual).clamp(min=FLOOR))[:, 0]

    def array(value: Any) -> FloatArray:
        return np.asarray(value.detach().cpu().numpy(), dtype=np.float64)

    return Members(
        k=np.exp(array(network.log_k)),
        feed=array(network.feed),
        k_cell=np.exp(array(own.log_k)),
        feed_cell=array(own.feed),
        weight=array(weight) / POINTS,
        change=array(change[:, 0]),
        noise=array(problem.noise[problem.inner]),
    )


def _advice(found: Estimates, moved: float, dt: float) -> tuple[str, ...]:
    words = []
    if moved > MOVING:
        words.append("k still moved when the training ended: give more epochs")
    k = float(np.nanmedian(found.k))
    if k * dt > 0.5:
        words.append(f"k x frame interval is {k * dt:.2g}: frames are too far apart to tell k well")
    if found.spread > 0.2:
        words.append(f"the networks of the ensemble disagree on k by {100 * found.spread:.0f} %: noise decides it")
    return tuple(words)
