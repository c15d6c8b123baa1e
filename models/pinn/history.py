"""What is recorded while preset `default` trains: the losses and the paths of k and the feed."""

from __future__ import annotations

import numpy as np

from calcigraph.models.pinn.network import Network, Problem
from calcigraph.models.pinn.result import PinnHistory
from calcigraph.models.pinn.tensors import Tensor, to_array
from calcigraph.store.types import FloatArray, Progress

REPORT_EVERY = 10
"""Epochs between two reports of progress."""


class HistoryRecorder:
    """Collects the history of a training, in seconds and the unit of the traces, and reports its progress.

    Parameters
    ----------
    problem
        Whose units the network's values are in.
    progress
        Told of the epochs done.
    total
        Most epochs of the training, all stages together.
    """

    def __init__(self, problem: Problem, progress: Progress, total: int) -> None:
        self._problem = problem
        self._progress = progress
        self._total = total
        self._losses_and_feed: list[tuple[float, float, float]] = []
        self._k: list[FloatArray] = []

    def record(self, network: Network, data_loss: float, physics_loss: Tensor) -> None:
        """Take note of an epoch: the mean data loss, and the physics loss of every network, (E,)."""
        epoch = len(self._k)
        if epoch % REPORT_EVERY == 0:
            self._progress("pinn", epoch, self._total)
        problem = self._problem
        feed = 0.0 if network.no_feed else float(network.feeds(problem.centre)[0].median())
        physics = float(physics_loss.detach().mean())
        self._losses_and_feed.append((data_loss, physics, feed * problem.scale / problem.dt))
        self._k.append(np.exp(to_array(network.median_log_k())) / problem.dt)

    def finish(self) -> None:
        """Report that the training has ended, however early."""
        self._progress("pinn", self._total, self._total)

    def history(self) -> PinnHistory:
        """What has been recorded so far."""
        data_loss, physics_loss, feed = np.array(self._losses_and_feed).T
        return PinnHistory(
            epoch=np.arange(len(feed)),
            data_loss=data_loss,
            physics_loss=physics_loss,
            k=np.array(self._k).T,
            feed=feed,
        )
