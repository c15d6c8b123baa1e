"""Identification of the coupling by other people's libraries, for benchmarks/identification.py.

All of them are given the model's own terms, so that what differs is the estimator: the consensus term (M y)_i, formed
from the data, and a constant, one of each per cell (eq. 3 of arXiv:2505.20327). None knows of spikes.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcigraph.models import Operator, operator
from calcigraph.store.types import FloatArray, IntArray, Subgraph

WEIGHTS = "distance*border"
SINDY = ("finite", "smoothed", "weak")
SMOOTH_FRAMES, SMOOTH_ORDER = 11, 3
"""PySINDy's own defaults for its Savitzky-Golay filter."""
WEAK_HALF_WIDTH_FRAMES, WEAK_POWER, WEAK_PLACES = 5, 4, 100
"""The test function (1 - s^2)^4 over 5 frames to each side; power and number of places are PySINDy's defaults."""
HIDDEN = (40, 40, 40)
"""DeepXDE's examples: three hidden layers of 40, tanh, Adam with this step."""
LEARNING_RATE = 1e-3
FACTOR = 20.0
"""Trainable values count this many times, since one step size serves them and the weights."""
FRAMES_PER_FEATURE, FEATURE_PERIOD, PHYSICS_WEIGHT = 6, 1.25, 1e-3
"""A sine and a cosine of time for every 6 frames, the first 1.25 recordings long, and what the physics then weighs."""


@dataclass(frozen=True)
class Estimate:
    """What a method makes of one culture, in 1/s."""

    k: float
    k_cell: FloatArray = field(default_factory=lambda: np.empty(0))
    """Of every cell that was fitted with a k of its own; empty where one k is shared."""


def sindy_cells(subgraph: Subgraph, derivative: str) -> Estimate:
    """PySINDy on each inner cell alone, y' = k (M y)_i + gamma_i; the culture's k is the median.

    Parameters
    ----------
    derivative
        One of `SINDY`: central differences, the same after smoothing, or the weak form.
    """
    traces, consensus, time = _data(subgraph)
    library, method = _library(derivative, 2, time)
    k = np.empty(len(traces))
    with _quiet():
        for cell, (trace, pull) in enumerate(zip(traces, consensus, strict=True)):
            terms = np.column_stack([pull, np.ones_like(pull)])
            k[cell] = _sindy(library, method, [trace[:, None]], [terms], time)
    return Estimate(float(np.median(k)), k)


def sindy_group(subgraph: Subgraph, derivative: str) -> Estimate:
    """PySINDy on all inner cells with one k and a feed each: each cell a trajectory with an indicator of its own."""
    traces, consensus, time = _data(subgraph)
    cells = len(traces)
    library, method = _library(derivative, 1 + cells, time)
    terms = [
        np.column_stack([pull, np.tile(row, (len(time), 1))])
        for pull, row in zip(consensus, np.eye(cells), strict=True)
    ]
    with _quiet():
        return Estimate(_sindy(library, method, [trace[:, None] for trace in traces], terms, time))


def inverse_ode(
    subgraph: Subgraph, cells: int, iterations: int, start: float, *, features: bool, seed: int
) -> Estimate:
    """DeepXDE's inverse problem for the ODE: one network t -> y for a few inner cells, with one k and a feed each.

    Time runs from 0 to 1 and the traces have deviation 1; k is trained as start * exp(20 v). What the neighbours pull
    towards is given, linear between frames. The physics is asked for at every frame and two random times a frame.

    Parameters
    ----------
    cells
        So many of the inner cells, those with the largest consensus terms: the ones that tell most of k.
    start
        1/s, where k starts.
    features
        Give the network sines and cosines of time and weigh the physics down to its size. False is DeepXDE as its
        examples use it: losses unweighted, a network of time itself, which is too smooth for these traces.
    """
    op = operator(subgraph, WEIGHTS)
    chosen = np.sort(np.argsort(-op.apply(subgraph.intensity).std(axis=1))[:cells])
    dde = load_deepxde()
    import torch

    frames = subgraph.intensity.shape[1]
    duration, value = subgraph.frame_interval_s * (frames - 1), dde.Variable(0.0)
    with _quiet():
        dde.config.set_random_seed(seed)
        data, feeds = _inverse_problem(subgraph, op, chosen, lambda: start * duration * torch.exp(FACTOR * value))
        model = dde.Model(data, _network(frames // FRAMES_PER_FEATURE if features else 0, len(chosen)))
        weights = [PHYSICS_WEIGHT if features else 1.0] * len(chosen) + [1.0] * len(chosen)
        trainable = [value, *feeds]
        model.compile("adam", lr=LEARNING_RATE, loss_weights=weights, external_trainable_variables=trainable)
        model.train(iterations=iterations, display_every=iterations)
    return Estimate(start * float(np.exp(FACTOR * value.item())))


def load_deepxde() -> Any:
    """The module on its PyTorch backend; chosen by the environment, or it would write its choice into the home."""
    os.environ["DDE_BACKEND"] = "pytorch"
    with _quiet():
        import deepxde
    return deepxde


def _network(features: int, outputs: int) -> Any:
    dde = load_deepxde()
    import torch

    network = dde.nn.FNN([1 + 2 * features, *HIDDEN, outputs], "tanh", "Glorot uniform")
    if features:
        rate = 2 * torch.pi / FEATURE_PERIOD * torch.arange(1, features + 1)
        network.apply_feature_transform(lambda t: torch.cat([t, torch.sin(t * rate), torch.cos(t * rate)], dim=1))
    return network


def _inverse_problem(subgraph: Subgraph, op: Operator, chosen: IntArray, k: Any) -> tuple[Any, list[Any]]:
    """DeepXDE's data of the chosen cells, and their trainable feeds; k() is the coupling per recording."""
    dde = load_deepxde()
    traces, rate = subgraph.intensity[op.inner][chosen], op.rate[chosen, None]
    middle, scale = traces.mean(axis=1, keepdims=True), traces.std(axis=1, keepdims=True)
    state = (traces - middle) / scale
    pull = (op.neighbours(subgraph.intensity)[chosen] - rate * middle) / scale
    time = np.linspace(0, 1, traces.shape[1])
    feeds = [dde.Variable(0.0) for _ in chosen]

    def pulls(at: FloatArray) -> FloatArray:
        return np.stack([np.interp(at[:, 0], time, row) for row in pull], axis=1).astype(np.float32)

    def residuals(at: Any, y: Any, pulled: Any) -> list[Any]:
        rows = range(len(chosen))
        slope = [dde.grad.jacobian(y, at, i=row, j=0) for row in rows]
        consensus = [pulled[:, [row]] - float(rate[row, 0]) * y[:, [row]] for row in rows]
        return [slope[row] - k() * consensus[row] - FACTOR * feeds[row] for row in rows]

    points = time[:, None]
    seen = [dde.icbc.PointSetBC(points, row[:, None], component=index) for index, row in enumerate(state)]
    data = dde.data.PDE(
        dde.geometry.TimeDomain(0, 1),
        residuals,
        seen,
        num_domain=2 * len(time),
        train_distribution="pseudo",
        anchors=points,
        auxiliary_var_function=pulls,
    )
    return data, feeds


def _data(subgraph: Subgraph) -> tuple[FloatArray, FloatArray, FloatArray]:
    """y and M y of the inner cells, (p, T), and the frames' times in seconds, (T,)."""
    op = operator(subgraph, WEIGHTS)
    time = subgraph.frame_interval_s * np.arange(subgraph.intensity.shape[1])
    return subgraph.intensity[op.inner], op.apply(subgraph.intensity), time


def _library(derivative: str, terms: int, time: FloatArray) -> tuple[Any, Any]:
    """PySINDy's library of the given terms only (inputs 1 to `terms`; input 0 is y), and how it takes derivatives."""
    import pysindy

    linear: Any = pysindy.PolynomialLibrary(degree=1, include_bias=False)
    method: Any = pysindy.FiniteDifference(order=2)
    if derivative == "smoothed":
        smooth = {"window_length": SMOOTH_FRAMES, "polyorder": SMOOTH_ORDER}
        method = pysindy.SmoothedFiniteDifference(smoother_kws=smooth)
    elif derivative == "weak":
        np.random.seed(0)  # it draws the places of its test functions from the global generator
        half = WEAK_HALF_WIDTH_FRAMES * (time[1] - time[0])
        linear = pysindy.WeakPDELibrary(linear, spatiotemporal_grid=time, K=WEAK_PLACES, H_xt=half, p=WEAK_POWER)
    return pysindy.GeneralizedLibrary([linear], inputs_per_library=[list(range(1, 1 + terms))]), method


def _sindy(library: Any, method: Any, traces: list[FloatArray], terms: list[FloatArray], time: FloatArray) -> float:
    """The first term's coefficient. All terms are known to act, so nothing is thresholded away, and no ridge."""
    import pysindy

    optimizer = pysindy.STLSQ(threshold=0, alpha=0, max_iter=1)
    model = pysindy.SINDy(optimizer=optimizer, feature_library=library, differentiation_method=method)
    return float(model.fit(traces, t=time, u=terms).coefficients()[0, 0])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' progress and their warnings about their own axes and iterations."""
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
