"""The network of time of the default PINN (arXiv:2505.20327, eqs. 21-22, with what it takes to make it work).

    u_i(t) = mean_i + S (W f(t) + W3 tanh(W2 tanh(W1 f(t))))_i,    f(t) = tau, sin(w_m t), cos(w_m t)

with tau = t scaled to [-1, 1] and w_m up to the highest frequency that the frames can tell. All n cells are outputs, so
that noise in the neighbours is smoothed too; inner cells obey the model, the others follow the data alone. The output
weights W start from the ridge regression that is the Wiener filter of a random walk, W3 from 0.

The ensemble: all networks but the first see traces with as much noise added as there already is. What they scatter by
is what noise does to an estimate, and what they move by on average is its bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, pi, sqrt
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator, matrix
from calcigraph.models.pinn.options import K_START, PinnOptions
from calcigraph.models.pinn.tensors import pick_device, to_tensor
from calcigraph.models.scale import noise_level
from calcigraph.store.types import FloatArray, IntArray

ENSEMBLE = 4
HIDDEN = 64
PERIOD = 1.25
"""Period of the slowest sine over the recording: above 1, so that both ends are free."""
LEAST_NOISE = 1e-3
"""In units of S: what traces without any noise are taken to have."""
POINTS = 2
"""Collocation points a frame. With one, the network meets the physics there and bends in between."""


@dataclass(frozen=True)
class Problem:
    """Tensors in scaled units: intensity in S, time in frames; E networks, P points, f features, inner cells first."""

    at: Any
    """(P, f), features at the points, every `POINTS`-th of which is a frame."""
    slope: Any
    """(P, f), their derivative per frame."""
    data: Any
    """(E, T, n)"""
    precision: Any
    """(n,), one over each trace's noise."""
    matrix: Any
    """(n, p), M transposed."""
    pull: Any
    """(p,), M of the means, which the network does without, less `centre`."""
    centre: Any
    """(p,) or (1,), what is taken off M u, so that k and feeds train apart: `Network.feed` has k centre in it."""
    rate: Any
    """(p,)"""
    alone: bool
    """Case cell: the physics of a cell does not move its neighbours."""

    def change(self, u: Any) -> Any:
        """M u less the centre, (E, P, p)."""
        if not self.alone:
            return u @ self.matrix + self.pull
        own = u[..., : len(self.rate)]
        return u.detach() @ self.matrix + self.pull + self.rate * (own.detach() - own)

    def misfit(self, u: Any) -> Any:
        """The data loss of every network, (E,): mean squared distance in units of the noise."""
        return (((u[:, ::POINTS] - self.data) * self.precision) ** 2).mean(dim=(1, 2))


@dataclass(frozen=True)
class Network:
    """The trained tensors; k and feed are those of one frame, the latter in S and at the centre of M u."""

    output: Any
    """(E, f, n)"""
    bias: Any
    """(E, 1, n)"""
    first: Any
    """(E, f, HIDDEN)"""
    first_bias: Any
    second: Any
    second_bias: Any
    last: Any
    """(E, HIDDEN, n)"""
    log_k: Any
    """(E, 1, p), or (E, 1, 1) for one that the cells share."""
    feed: Any
    """(E, 1, p) or (E, 1, 1)"""
    no_feed: bool

    @property
    def own_k(self) -> bool:
        """Whether every cell has its own k."""
        return bool(self.log_k.shape[2] > 1)

    def weights(self) -> list[Any]:
        return [self.output, self.bias, self.first, self.first_bias, self.second, self.second_bias, self.last]

    def parameters(self) -> list[Any]:
        return [self.log_k] if self.no_feed else [self.log_k, self.feed]

    def evaluate(self, problem: Problem) -> tuple[Any, Any]:
        """u, (E, P, n), and du/dt of the inner cells, (E, P, p), the derivative by the chain rule."""
        import torch

        at, slope, p = problem.at, problem.slope, len(problem.rate)
        one = torch.tanh(torch.matmul(at, self.first) + self.first_bias)
        two = torch.tanh(torch.baddbmm(self.second_bias, one, self.second))
        d_one = (1 - one * one) * torch.matmul(slope, self.first)
        d_two = (1 - two * two) * torch.bmm(d_one, self.second)
        u = torch.matmul(at, self.output) + torch.baddbmm(self.bias, two, self.last)
        d_u = torch.matmul(slope, self.output[..., :p]) + torch.bmm(d_two, self.last[..., :p])
        return u, d_u

    def with_own_k(self, p: int) -> Network:
        """The same, with a k and a feed for every cell."""
        size = (len(self.log_k), 1, p)
        own = [value.detach().expand(size).clone().requires_grad_(True) for value in (self.log_k, self.feed)]
        kept = [value.detach().clone().requires_grad_(True) for value in self.weights()]
        return Network(*(kept + own), no_feed=self.no_feed)  # type: ignore[misc]


def own_k(case: str) -> bool:
    """Whether every cell has its own k in this case."""
    return case in ("cell", "per-cell-k")


def start(
    data: FloatArray, op: Operator, dt: float, options: PinnOptions, case: str, no_feed: bool, scale: float
) -> tuple[Problem, Network]:
    """Problem and network before training, from traces (n, T); `scale` is S."""
    order = np.concatenate([op.inner, op.driven])
    members = options.ensemble or ENSEMBLE
    mean, noise = data.mean(axis=1, keepdims=True), noise_level(data, LEAST_NOISE * scale)[order] / scale
    copies = np.repeat(((data - mean) / scale)[None, order], members, axis=0)
    copies[1:] += noise[:, None] * np.random.default_rng([options.seed, 3]).standard_normal(copies[1:].shape)
    problem = _problem(copies, noise, op, order, mean / scale, case, no_feed, pick_device(options.device))
    inner = len(op.inner)
    size = (inner if own_k(case) else 1, 1 if case == "shared" else inner)
    weights = _first_weights(copies, noise, options.seed)
    log_k = np.full((members, 1, size[0]), log((options.k_start or K_START) * dt))
    tensors = [to_tensor(value, problem.at.device) for value in (*weights, log_k, np.zeros((members, 1, size[1])))]
    return problem, Network(*(value.requires_grad_(True) for value in tensors), no_feed=no_feed)  # type: ignore[misc]


def features(time: FloatArray, frames: int) -> tuple[FloatArray, FloatArray]:
    """f (points, f) and its derivative per frame, at times in frames: tau, sines and cosines up to 1 / (2 frames)."""
    duration = frames - 1
    frequency = 2 * pi * np.arange(1, ceil(PERIOD * duration / 2) + 1) / (PERIOD * duration)
    angle, tau = time[:, None] * frequency, (2 * time / duration - 1)[:, None]
    values = np.concatenate([tau, np.sin(angle), np.cos(angle)], axis=1)
    slope = [np.full_like(tau, 2 / duration), frequency * np.cos(angle), -frequency * np.sin(angle)]
    return values, np.concatenate(slope, axis=1)


def _problem(
    copies: FloatArray,
    noise: FloatArray,
    op: Operator,
    order: IntArray,
    mean: FloatArray,
    case: str,
    no_feed: bool,
    device: str,
) -> Problem:
    frames, whole = copies.shape[2], matrix(op)
    pull = (whole @ mean)[:, 0]
    centre = np.zeros(1) if no_feed else pull.mean(keepdims=True) if case == "shared" else pull
    at, slope = features(np.arange((frames - 1) * POINTS + 1) / POINTS, frames)
    return Problem(
        at=to_tensor(at, device),
        slope=to_tensor(slope, device),
        data=to_tensor(copies.transpose(0, 2, 1), device),
        precision=to_tensor(1 / noise, device),
        matrix=to_tensor(whole[:, order].T, device),
        pull=to_tensor(pull - centre, device),
        centre=to_tensor(centre, device),
        rate=to_tensor(op.rate, device),
        alone=case == "cell",
    )


def _first_weights(copies: FloatArray, noise: FloatArray, seed: int) -> tuple[FloatArray, ...]:
    """The weights in the order of `Network`; every member has its own draw."""
    members, cells, frames = copies.shape
    output, bias = _ridge(features(np.arange(frames, dtype=np.float64), frames)[0], copies, noise)
    rng, width = np.random.default_rng([seed, 4]), output.shape[1]
    first = 2 / sqrt(width) * rng.standard_normal((members, width, HIDDEN))
    second = rng.standard_normal((members, HIDDEN, HIDDEN)) / sqrt(HIDDEN)
    zero = np.zeros((members, 1, HIDDEN))
    return output, bias, first, zero, second, zero, np.zeros((members, HIDDEN, cells))


def _ridge(at_frames: FloatArray, copies: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Output weights (E, f, n) and bias (E, 1, n): the best for a random walk of deviation 1 in white noise."""
    width = (at_frames.shape[1] - 1) // 2
    falling = 0.6 / np.arange(1, width + 1) ** 2
    prior = np.concatenate([[10.0], falling, falling, [10.0]])
    design = np.concatenate([at_frames, np.ones((len(at_frames), 1))], axis=1)
    kernel = (design * prior) @ design.T + float(np.median(noise)) ** 2 * np.eye(len(design))
    members, cells, frames = copies.shape
    weights = (design * prior).T @ np.linalg.solve(kernel, copies.reshape(-1, frames).T)
    output = weights.reshape(-1, members, cells).transpose(1, 0, 2)
    return output[:, :-1], output[:, -1:]
