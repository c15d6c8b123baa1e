"""The network of time of preset `default`, and the equations that it has to obey (arXiv:2505.20327, eqs. 21-22).

    u_i(t) = mean_i + S (W f(t) + W3 tanh(W2 tanh(W1 f(t))))_i,    f(t) = tau, sin(w_m t), cos(w_m t)

mean_i is the cell's mean intensity and S the standard deviation of all traces about their means. tau is the time
scaled to [-1, 1]. The frequencies w_m reach the highest one that the frames can resolve, half a turn a frame: a tanh
network of time alone would follow slow changes only. All n cells are outputs, so that the noise of the neighbours is
smoothed too. Inner cells obey the consensus model, the driven ones follow the data alone. W starts from a ridge
regression on the traces, and W3 from 0, so training starts from smoothed traces.

The ensemble: all networks but the first see traces to which as much noise is added as they already have. The scatter
of their estimates is what noise does to an estimate, and their mean distance from the first network is its bias
(interval.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil, log, pi, sqrt
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator, matrix
from calcigraph.models.pinn.options import K_START
from calcigraph.models.pinn.setting import Setting
from calcigraph.models.pinn.tensors import Tensor, pick_device, to_tensor
from calcigraph.models.scale import noise_level
from calcigraph.store.types import FloatArray, IntArray

ENSEMBLE = 4
"""Networks that are trained side by side."""
HIDDEN = 64
"""Units of each hidden layer."""
PERIOD = 1.25
"""Period of the slowest sine, in durations of the recording. Above 1, so that a trace need not end where it began."""
LEAST_NOISE = 1e-3
"""Noise, in units of S, that traces without any are taken to have."""
POINTS_A_FRAME = 2
"""Collocation points a frame. With one, the network obeys the equations at the frames and bends between them."""
LINE_VARIANCE = 10.0
"""Prior variance, in S^2, of the bias and of the weight of tau: large, so that the data decide."""
WALK_VARIANCE = 0.6
"""Prior variance, in S^2 / m^2, of the weights of the m-th sine and cosine: 0.6 times the sum of 1 / m^2 is about 1."""


@dataclass(frozen=True)
class Problem:
    """The data and equations as tensors, with E networks, P points in time, F features, n cells, p of them inner.

    Scaled units: intensity in S, time in frames. Inner cells come first.
    """

    features: Tensor
    """(P, F), f at the points. Every `POINTS_A_FRAME`-th point is a frame."""
    slopes: Tensor
    """(P, F), the derivative of f per frame."""
    data: Tensor
    """(E, T, n), the traces without their means, with the added noise of each network."""
    precision: Tensor
    """(n,), 1 / noise of each trace."""
    matrix: Tensor
    """(n, p), the consensus operator M, transposed."""
    offset: Tensor
    """(p,), M applied to the cells' means, less `centre`. The network works without the means."""
    centre: Tensor
    """(p,) or (1,), subtracted from M u: then a change of k leaves the mean residual, which the feed fits, as it is."""
    rate: Tensor
    """(p,), -M_ii."""
    alone: bool
    """Case cell: the physics loss of a cell does not move the traces of its neighbours."""
    dt: float
    """Seconds per frame."""
    scale: float
    """S, the intensity that 1 stands for."""

    @property
    def inner_precision(self) -> Tensor:
        """(p,), `precision` of the inner cells."""
        return self.precision[: len(self.rate)]

    def consensus(self, u: Tensor) -> Tensor:
        """M u less the centre, (E, P, p), from u (E, P, n)."""
        if not self.alone:
            return u @ self.matrix + self.offset
        # The values are the same. Only the cell's own trace carries a gradient: detached ones count as data.
        itself = u[..., : len(self.rate)]
        return u.detach() @ self.matrix + self.offset + self.rate * (itself.detach() - itself)

    def data_loss(self, u: Tensor) -> Tensor:
        """Eq. 22 for every network, (E,): mean squared distance of u (E, P, n) from the data, in units of the noise."""
        return (((u[:, ::POINTS_A_FRAME] - self.data) * self.precision) ** 2).mean(dim=(1, 2))


@dataclass(frozen=True)
class Network:
    """What is trained: the weights of E networks, and for each of them k and the feeds, all in scaled units.

    Training changes the tensors in place.
    """

    output: Tensor
    """(E, F, n), W."""
    bias: Tensor
    """(E, 1, n)"""
    first: Tensor
    """(E, F, HIDDEN), W1."""
    first_bias: Tensor
    """(E, 1, HIDDEN)"""
    second: Tensor
    """(E, HIDDEN, HIDDEN), W2."""
    second_bias: Tensor
    """(E, 1, HIDDEN)"""
    last: Tensor
    """(E, HIDDEN, n), W3."""
    log_k: Tensor
    """(E, 1, p), or (E, 1, 1) for a k that the cells share; of k per frame."""
    centred_feed: Tensor
    """(E, 1, p) or (E, 1, 1), gamma + k centre, in S per frame."""
    no_feed: bool

    @property
    def k_per_cell(self) -> bool:
        """Whether every cell has its own k."""
        return bool(self.log_k.shape[2] > 1)

    def weights(self) -> list[Tensor]:
        """The tensors that make u(t)."""
        return [self.output, self.bias, self.first, self.first_bias, self.second, self.second_bias, self.last]

    def parameters(self) -> list[Tensor]:
        """The trained parameters of the model: log k and, unless it is held at 0, the feed."""
        return [self.log_k] if self.no_feed else [self.log_k, self.centred_feed]

    def median_log_k(self) -> Tensor:
        """log k of every network, (E,), the median over cells where each has its own."""
        return self.log_k.median(dim=2).values[:, 0]

    def feeds(self, centre: Tensor) -> Tensor:
        """gamma, (E, 1, p or 1), in S per frame, without gradient."""
        import torch

        return self.centred_feed.detach() - torch.exp(self.log_k.detach()) * centre

    def evaluate(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """u, (E, P, n), and du/dt of the inner cells, (E, P, p), per frame; the derivative is the chain rule's."""
        import torch

        at, slope, p = problem.features, problem.slopes, len(problem.rate)
        hidden_1 = torch.tanh(torch.matmul(at, self.first) + self.first_bias)
        hidden_2 = torch.tanh(torch.baddbmm(self.second_bias, hidden_1, self.second))
        # tanh' = 1 - tanh^2
        slope_1 = (1 - hidden_1 * hidden_1) * torch.matmul(slope, self.first)
        slope_2 = (1 - hidden_2 * hidden_2) * torch.bmm(slope_1, self.second)
        u = torch.matmul(at, self.output) + torch.baddbmm(self.bias, hidden_2, self.last)
        # Only inner cells, which come first, have an equation to obey.
        du_dt = torch.matmul(slope, self.output[..., :p]) + torch.bmm(slope_2, self.last[..., :p])
        return u, du_dt

    def residual(self, du_dt: Tensor, consensus: Tensor) -> Tensor:
        """du/dt - k M u - gamma, (E, P, p), in S per frame: what the consensus model leaves unexplained."""
        import torch

        return du_dt - torch.exp(self.log_k) * consensus - self.centred_feed

    def with_k_per_cell(self, p: int) -> Network:
        """A copy with a k and a feed for each of p cells, which start from the shared values."""
        size = (len(self.log_k), 1, p)
        return Network(
            output=_trainable_copy(self.output),
            bias=_trainable_copy(self.bias),
            first=_trainable_copy(self.first),
            first_bias=_trainable_copy(self.first_bias),
            second=_trainable_copy(self.second),
            second_bias=_trainable_copy(self.second_bias),
            last=_trainable_copy(self.last),
            log_k=_trainable_copy(self.log_k.expand(size)),
            centred_feed=_trainable_copy(self.centred_feed.expand(size)),
            no_feed=self.no_feed,
        )


def _trainable_copy(values: Tensor) -> Tensor:
    return values.detach().clone().requires_grad_(True)


def start(data: FloatArray, op: Operator, setting: Setting, scale: float) -> tuple[Problem, Network]:
    """Equations and network before training.

    Parameters
    ----------
    data
        (n, T), traces in any unit.
    op
        The consensus operator of these n cells.
    setting
        Frame interval, options and case.
    scale
        S, in the unit of the traces.

    Raises
    ------
    FitError
        A GPU was asked for and is not there.
    """
    scaled = _scaled(data, op, setting, scale)
    problem = _problem(scaled, op, setting, scale)
    return problem, _first_network(scaled, len(op.inner), setting, problem.features.device)


def features(time: FloatArray, frames: int) -> tuple[FloatArray, FloatArray]:
    """The features f and their derivatives: tau, sines and cosines, with frequencies up to half a turn a frame.

    Parameters
    ----------
    time
        (P,), in frames.
    frames
        T, frames of the recording.

    Returns
    -------
    values, slopes
        (P, F) each, the latter per frame.

    Examples
    --------
    >>> values, slopes = features(np.arange(5.0), frames=5)
    >>> values.shape, values[:, 0].tolist(), slopes[:, 0].tolist()
    ((5, 7), [-1.0, -0.5, 0.0, 0.5, 1.0], [0.5, 0.5, 0.5, 0.5, 0.5])
    """
    duration = frames - 1
    # The last frequency is the first to reach half a turn a frame: faster ones look like slower ones at the frames.
    count = ceil(PERIOD * duration / 2)
    frequency = 2 * pi * np.arange(1, count + 1) / (PERIOD * duration)
    angle = time[:, None] * frequency
    tau = (2 * time / duration - 1)[:, None]
    values = np.concatenate([tau, np.sin(angle), np.cos(angle)], axis=1)
    slopes = [np.full_like(tau, 2 / duration), frequency * np.cos(angle), -frequency * np.sin(angle)]
    return values, np.concatenate(slopes, axis=1)


@dataclass(frozen=True)
class _Scaled:
    """The traces of n cells in units of S, inner cells first, for E networks."""

    traces: FloatArray
    """(E, n, T), without their means; noise is added in all but the first."""
    noise: FloatArray
    """(n,), standard deviation of the noise that the data have."""
    offset: FloatArray
    """(p,), M applied to the means that were subtracted."""
    order: IntArray
    """(n,), the cells in the order of the operator."""


def _scaled(data: FloatArray, op: Operator, setting: Setting, scale: float) -> _Scaled:
    options = setting.options
    order = np.concatenate([op.inner, op.driven])
    mean = data.mean(axis=1, keepdims=True)
    noise = noise_level(data, LEAST_NOISE * scale)[order] / scale
    # The first network sees the data as they are. Noise and weights have random streams of their own.
    traces = np.repeat(((data - mean) / scale)[None, order], options.ensemble or ENSEMBLE, axis=0)
    added = np.random.default_rng([options.seed, 3]).standard_normal(traces[1:].shape)
    traces[1:] += noise[:, None] * added
    # M is linear: M u of the whole trace is M of its mean plus M of the rest.
    offset = (matrix(op) @ (mean / scale))[:, 0]
    return _Scaled(traces=traces, noise=noise, offset=offset, order=order)


def _problem(scaled: _Scaled, op: Operator, setting: Setting, scale: float) -> Problem:
    frames = scaled.traces.shape[2]
    centre = scaled.offset
    if setting.no_feed:
        # Nothing could take up k centre.
        centre = np.zeros(1)
    elif setting.one_feed:
        centre = scaled.offset.mean(keepdims=True)
    # Collocation points at the frames and between them.
    points, slopes = features(np.arange((frames - 1) * POINTS_A_FRAME + 1) / POINTS_A_FRAME, frames)
    tensor = partial(to_tensor, device=pick_device(setting.options.device))
    return Problem(
        features=tensor(points),
        slopes=tensor(slopes),
        data=tensor(scaled.traces.transpose(0, 2, 1)),
        precision=tensor(1 / scaled.noise),
        matrix=tensor(matrix(op)[:, scaled.order].T),
        offset=tensor(scaled.offset - centre),
        centre=tensor(centre),
        rate=tensor(op.rate),
        alone=setting.alone,
        dt=setting.dt,
        scale=scale,
    )


def _first_network(scaled: _Scaled, inner: int, setting: Setting, device: Any) -> Network:
    """The networks before training, each with a random draw of its own; `inner` is p."""
    members, cells, _ = scaled.traces.shape
    output, bias = _ridge(scaled)
    width = output.shape[1]
    # The more inputs a unit has, the smaller its weights: large sums would saturate the tanh.
    rng = np.random.default_rng([setting.options.seed, 4])
    first = 2 / sqrt(width) * rng.standard_normal((members, width, HIDDEN))
    second = rng.standard_normal((members, HIDDEN, HIDDEN)) / sqrt(HIDDEN)
    log_k = log((setting.options.k_start or K_START) * setting.dt)

    def leaf(values: FloatArray) -> Tensor:
        """A tensor that training changes."""
        return to_tensor(values, device).requires_grad_(True)

    # W3 is 0 at first, so that the network starts as the ridge regression.
    return Network(
        output=leaf(output),
        bias=leaf(bias),
        first=leaf(first),
        first_bias=leaf(np.zeros((members, 1, HIDDEN))),
        second=leaf(second),
        second_bias=leaf(np.zeros((members, 1, HIDDEN))),
        last=leaf(np.zeros((members, HIDDEN, cells))),
        log_k=leaf(np.full((members, 1, inner if setting.k_per_cell else 1), log_k)),
        centred_feed=leaf(np.zeros((members, 1, 1 if setting.one_feed else inner))),
        no_feed=setting.no_feed,
    )


def _ridge(scaled: _Scaled) -> tuple[FloatArray, FloatArray]:
    """Output weights (E, F, n) and bias (E, 1, n) that smooth the traces.

    The best linear estimate (Wiener filter) if each trace is a random walk of variance 1 in white noise: a ridge
    regression with the random walk's spectrum as the prior variance of the weights.
    """
    members, cells, frames = scaled.traces.shape
    at_frames, _ = features(np.arange(frames, dtype=np.float64), frames)
    width = (at_frames.shape[1] - 1) // 2
    falling = WALK_VARIANCE / np.arange(1, width + 1) ** 2
    prior = np.concatenate([[LINE_VARIANCE], falling, falling, [LINE_VARIANCE]])
    design = np.concatenate([at_frames, np.ones((frames, 1))], axis=1)
    # Solved for the frames instead of the features, which are more.
    # The kernel has the median noise, so that one system serves all cells. Training corrects what this leaves.
    kernel = (design * prior) @ design.T + float(np.median(scaled.noise)) ** 2 * np.eye(frames)
    weights = (design * prior).T @ np.linalg.solve(kernel, scaled.traces.reshape(-1, frames).T)
    output = weights.reshape(-1, members, cells).transpose(1, 0, 2)
    return output[:, :-1], output[:, -1:]
