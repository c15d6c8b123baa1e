"""Message passing over contacts: what neighbours add to the ridge regression on a cell's own past. Extra `pinn`.

The network has the regression's features as input and learns what the regression misses, so what it adds is what is
measured. It has two rounds of messages, each the mean over cells in contact, and about 20,000 parameters. It knows
neither the number of cells nor which cell is which: trained over many cultures, it is used in another as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from calcigraph.errors import InputError, MissingExtraError
from calcigraph.models.forecast.neighbours import averaging
from calcigraph.models.forecast.past import LAGS, Past
from calcigraph.models.forecast.ridge import Moments, Weights, coming, solved
from calcigraph.store.types import FloatArray, IntArray, Progress, silent

Tensor = Any
"""A torch.Tensor. The type checker may run without torch, so it cannot be named."""
WIDTH, ROUNDS = 48, 2
BATCH_FRAMES, BATCHES = 24, 4
"""Frames of a step, and steps with each culture in an epoch."""
RATE, DECAY = 2e-3, 1e-4
PATIENCE, MOST_EPOCHS = 6, 150
"""Epochs without a smaller error after which training ends, and the most there are."""
FARTHEST = 6.0
"""Deviations to which features are clipped."""
FEWEST_CULTURES = 3
"""That are learnt from: the error in one of them says when to stop."""
MOST_CELLS = 5000
"""Of a culture: contacts are held as a dense matrix."""


@dataclass(frozen=True)
class Known:
    """A culture that is learnt from whole. n cells, T frames whose future is known."""

    moments: Moments
    features: Tensor
    """(T, n, f)."""
    came: Tensor
    """(T, n, H)."""
    unit: Tensor
    """(n, 1), turns squares into shares of each cell's variance; 0 for a cell that is still."""
    near: Tensor
    """(n, n), takes the mean over cells in contact."""


@dataclass(frozen=True)
class Layers:
    """Of the network."""

    first: Any
    say: Sequence[Any]
    hear: Sequence[Any]
    last: Any

    def parameters(self) -> list[Any]:
        return list(chain.from_iterable(each.parameters() for each in (self.first, *self.say, *self.hear, self.last)))

    def __call__(self, rows: Tensor, near: Tensor) -> Tensor:
        """(T, n, H), from features (T, n, f)."""
        import torch

        state = torch.relu(self.first(rows))
        for say, hear in zip(self.say, self.hear, strict=True):
            state = torch.relu(hear(torch.cat([state, near @ torch.relu(say(state))], -1)))
        return self.last(state)


@dataclass(frozen=True)
class Network:
    """A trained network, and the regression beside which it was trained."""

    weights: Tensor
    """(f, H)."""
    middle: Tensor
    """(f,), of the features, and their deviation."""
    deviation: Tensor
    layers: Layers

    def adds(self, rows: Tensor, near: Tensor) -> Tensor:
        """(T, n, H), to the regression's forecast, in units of each cell's scale."""
        return self.layers(((rows - self.middle) / self.deviation).clamp(-FARTHEST, FARTHEST), near)

    def missed(self, culture: Known, frames: Any, alone: bool = False) -> Tensor:
        """(T, n, H), what came less what is forecast; `alone`: by the regression."""
        rows = culture.features[frames]
        left = culture.came[frames] - rows @ self.weights
        return left if alone else left - self.adds(rows, culture.near)

    def errors(self, culture: Known, alone: bool = False) -> FloatArray:
        """(H,), mean squared error in units of each cell's variance."""
        import torch

        with torch.no_grad():
            missed = self.missed(culture, slice(None), alone)
            return np.asarray((missed**2 * culture.unit).mean(dim=(0, 1)).numpy(), dtype=np.float64)


def known(past: Past, pairs: IntArray, horizons: tuple[int, ...], moments: Moments) -> Known:
    """A culture as the network learns from it."""
    frames = slice(LAGS, past.values.shape[1] - max(horizons))
    variance = past.values.var(axis=1, keepdims=True)
    moving = ~past.still[:, None] & (variance > 0)
    return Known(
        moments=moments,
        features=_single(np.concatenate([block[:, frames] for _, block in past.blocks()]).transpose(1, 0, 2)),
        came=_single(coming(past, slice(None), frames, horizons).transpose(1, 0, 2)),
        unit=_single(np.where(moving, np.where(moving, past.scale, 0.0) ** 2 / np.where(moving, variance, 1.0), 0.0)),
        near=_near(pairs, len(past.values)),
    )


def train(cultures: Sequence[Known], seed: int, progress: Progress = silent) -> tuple[Network, int]:
    """Train until the error in the last of the cultures no longer falls; gives the number of epochs too.

    Raises
    ------
    MissingExtraError
        There is no torch.
    InputError
        Too few cultures.
    """
    torch = _torch()
    if len(cultures) < FEWEST_CULTURES:
        raise InputError(
            f"--model graph learns from other cultures: there {'is' if len(cultures) == 1 else 'are'} {len(cultures)}; "
            f"name {FEWEST_CULTURES} or more with --train"
        )
    torch.manual_seed(seed)
    *learnt, watched = cultures
    found = _untrained(cultures)
    best, since, epoch, least = copy.deepcopy(found), 0, 0, float(found.errors(watched).mean())
    optimiser = torch.optim.Adam(found.layers.parameters(), lr=RATE, weight_decay=DECAY)
    while since < PATIENCE and epoch < MOST_EPOCHS:
        progress("training over contacts", epoch, MOST_EPOCHS)
        epoch, since = epoch + 1, since + 1
        for place in torch.randperm(len(learnt) * BATCHES).tolist():
            culture = learnt[place % len(learnt)]
            frames = torch.randint(len(culture.features), (BATCH_FRAMES,))
            optimiser.zero_grad()
            (found.missed(culture, frames) ** 2).mean().backward()
            optimiser.step()
        error = float(found.errors(watched).mean())
        if error < least:
            least, since, best = error, 0, copy.deepcopy(found)
    progress("training over contacts", MOST_EPOCHS, MOST_EPOCHS)
    return best, epoch


def additions(network: Network, past: Past, pairs: IntArray, weights: Weights) -> tuple[FloatArray, FloatArray]:
    """(n, T, H), what is added to the regression's forecast of a culture, and which share of the network's answer.

    The share (H,) is that which lessens the error most where the regression may learn, from 0 to 1: the network never
    saw this culture, so it has to earn its place there.
    """
    torch = _torch()
    near = _near(pairs, len(past.values))
    rows = np.concatenate([block for _, block in past.blocks()])
    with torch.no_grad():
        frames = [network.adds(_single(rows[:, [at]].transpose(1, 0, 2)), near)[0] for at in range(rows.shape[1])]
        added = np.asarray(torch.stack(frames, dim=1).numpy(), dtype=np.float64)
    horizons = tuple(range(1, added.shape[2] + 1))
    learnt = slice(LAGS, past.split - len(horizons))
    left = coming(past, slice(None), learnt, horizons) - rows[:, learnt] @ weights.values
    answer = added[:, learnt]
    share = (left * answer).sum(axis=(0, 1)) / np.maximum((answer**2).sum(axis=(0, 1)), np.finfo(float).tiny)
    share = np.clip(share, 0.0, 1.0)
    return added * share, share


def _untrained(cultures: Sequence[Known]) -> Network:
    """It adds nothing yet."""
    torch = _torch()
    moments = [one.moments for one in cultures]
    gram, products = (sum(each) for each in zip(*(one.total for one in moments), strict=True))
    rows = torch.cat([one.features.flatten(0, 1)[::7] for one in cultures[:-1]])
    deviation = rows.std(0)
    linear = torch.nn.Linear
    layers = Layers(
        first=linear(rows.shape[1], WIDTH),
        say=[linear(WIDTH, WIDTH) for _ in range(ROUNDS)],
        hear=[linear(2 * WIDTH, WIDTH) for _ in range(ROUNDS)],
        last=linear(WIDTH, cultures[0].came.shape[2]),
    )
    torch.nn.init.zeros_(layers.last.weight)
    torch.nn.init.zeros_(layers.last.bias)
    return Network(
        weights=_single(solved(gram, products)),
        middle=rows.mean(0),
        deviation=torch.where(deviation > 0, deviation, torch.ones(())),
        layers=layers,
    )


def _near(pairs: IntArray, count: int) -> Tensor:
    if count > MOST_CELLS:
        raise InputError(
            f"--model graph takes cultures of up to {MOST_CELLS:,} cells, not {count:,}; use --model hinge"
        )
    if not len(pairs):
        return _single(np.zeros((count, count)))
    return _single(averaging(pairs, count).toarray())


def _single(values: FloatArray) -> Tensor:
    return _torch().from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            f"forecasts with --model graph need torch ({error}): pip install 'calcigraph[pinn]'"
        ) from error
    return torch
