"""The step size of every epoch of stage 3: large until k settles, then smaller and smaller."""

from __future__ import annotations

from math import cos, pi

import numpy as np

from calcigraph.store.types import FloatArray

WARM_UP = 10
"""Epochs in which the step size rises: Adam's first steps rest on few gradients."""
WINDOW = 30
"""Epochs over which the movement of k is judged."""
AVERAGED = 10
"""Epochs at either end of the window that are averaged."""
SETTLED = 2e-3
"""Steps begin to shrink when no log k moved by more than this within the window, at full step size."""
DECAY_SHARE = 0.45
"""Share of the epochs in which the steps shrink to nothing."""
LEAST = 0.005
"""What is added to the cosine, so that the last epochs still move a little."""


class StepSchedule:
    """A factor for the step size of each epoch.

    It is 1, after a rise, until k settles or the share `DECAY_SHARE` of the epochs is left. Then it falls as
    (1 + cos(pi x)) / 2, with x from 0 to 1.

    Parameters
    ----------
    epochs
        Most epochs of the training.

    Examples
    --------
    >>> schedule = StepSchedule(epochs=20)
    >>> [round(schedule.factor(epoch), 2) for epoch in (0, 4, 9, 10, 11, 15, 19)]
    [0.1, 0.5, 1.0, 1.0, 1.0, 0.59, 0.04]
    """

    def __init__(self, epochs: int) -> None:
        self._decay = max(1, round(DECAY_SHARE * epochs))
        self._turn = epochs - self._decay
        self._path: list[FloatArray] = []

    def factor(self, epoch: int) -> float | None:
        """The factor for this epoch; None when the training is over."""
        if 2 * WINDOW <= epoch < self._turn and self.moved() < SETTLED:
            self._turn = epoch
        if epoch < self._turn:
            return min(1.0, (epoch + 1) / WARM_UP)
        done = (epoch - self._turn) / self._decay
        return 0.5 * (1 + cos(pi * done)) + LEAST if done < 1 else None

    def record(self, log_k: FloatArray) -> None:
        """Take note of log k, (E,), at the end of an epoch."""
        self._path.append(log_k)

    def moved(self) -> float:
        """The largest move of a log k within the window, between the means of its first and its last 10 epochs."""
        last = self._path[-AVERAGED:]
        # A training shorter than the window is judged from its first epoch on.
        first = self._path[-WINDOW : -WINDOW + AVERAGED] or self._path[:1]
        return float(np.abs(np.mean(last, axis=0) - np.mean(first, axis=0)).max())
