"""Training of preset `default` (arXiv:2505.20327, eqs. 21-22), in three stages.

(1) The network starts as a smooth of the traces (network.py). (2) The network is held, and k and the feeds are
trained on the physics loss. They reach the same values from any start. (3) Everything is trained on both losses.

Where the cells share k, a copy of the network then gets a k and a feed for each cell, and goes through stages 2 and 3
for a while. This refined network gives each cell's own k, `k_cell`.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.pinn.history import HistoryRecorder
from calcigraph.models.pinn.interval import Estimates, Members, estimates
from calcigraph.models.pinn.network import POINTS_A_FRAME, Network, Problem, start
from calcigraph.models.pinn.result import PinnFit
from calcigraph.models.pinn.robust_loss import (
    least_scale,
    physics_loss,
    reject_outliers,
    residual_weights,
    robust_scale,
)
from calcigraph.models.pinn.schedule import StepSchedule
from calcigraph.models.pinn.setting import Setting
from calcigraph.models.pinn.tensors import Adam, to_array
from calcigraph.store.types import FloatArray, Progress

EPOCHS = 240
"""Most epochs of stage 3."""
PARAMETER_STEPS = 120
"""Steps of stage 2."""
REFINED_SHARE = 0.35
"""Epochs of stage 3 for the refined network, as a share of those for the first."""
HELD_STEP_LOG_K, HELD_STEP_FEED = 0.1, 0.02
"""Adam's first step sizes in stage 2, of log k and of a feed (in S per frame). They fall to 0 in a straight line."""
STEP_WEIGHTS, STEP_LOG_K = 2e-3, 0.03
"""Adam's step sizes in stage 3, of the weights and of log k."""
STEP_FEED = 0.1
"""The same of a feed, in units of the least scale of the residual: a larger one shakes the network off the data."""
BETAS = (0.9, 0.95)
"""Adam's memory in stage 3. The usual 0.999 would remember 1000 epochs, more than there are."""
RESCALE = 5
"""Epochs between two estimates of the residual's scale."""
MOVING = 0.02
"""A log k that moves by more than this in the last epochs has not converged."""
COARSE = 0.5
"""k times the frame interval above which frames are too far apart."""
DISAGREEMENT = 0.2
"""Relative disagreement of the ensemble on k that is worth an advice."""


def fit_network(data: FloatArray, op: Operator, setting: Setting, progress: Progress) -> PinnFit:
    """Train preset `default` on one block of cells and frames.

    Parameters
    ----------
    data
        (n, T), traces in any unit, p of them of inner cells.
    op
        The consensus operator of these n cells.
    setting
        Frame interval, options and case.
    progress
        Told of the epochs done.

    Returns
    -------
    PinnFit
        Of these p cells and T frames, with one history: that of the first network, without the refined one.

    Raises
    ------
    FitError
        A GPU was asked for and is not there.
    """
    means = data.mean(axis=1, keepdims=True)
    # In units of their scale, traces of any brightness can be trained with the same step sizes.
    problem, network = start(data, op, setting, scale=float(np.std(data - means)))
    epochs = setting.options.epochs or EPOCHS
    refined_epochs = 0 if setting.k_per_cell else max(1, round(REFINED_SHARE * epochs))
    total = PARAMETER_STEPS + epochs + (PARAMETER_STEPS + refined_epochs if refined_epochs else 0)
    recorder = HistoryRecorder(problem, progress, total)
    train_parameters(problem, network, recorder)
    moved = train(problem, network, epochs, recorder)
    # The history ends here: the paths of the refined network's many k are of no use to a reader.
    history, refined = recorder.history(), network
    if refined_epochs:
        refined = network.with_k_per_cell(len(op.inner))
        train_parameters(problem, refined, recorder)
        train(problem, refined, refined_epochs, recorder)
    # The ensemble as it is before refinement gives the shared parameters, the refined one those of each cell.
    u, members = _members(problem, network, refined)
    found = estimates(members, op.coupled, dt=problem.dt, scale=problem.scale, no_feed=setting.no_feed)
    recorder.finish()
    return PinnFit(
        k=found.k,
        feed=found.feed,
        k_cell=found.k_cell,
        traces=u * problem.scale + means[op.inner],
        history=(history,),
        converged=moved <= MOVING,
        advice=_advice(found, moved, setting.dt),
    )


def train_parameters(problem: Problem, network: Network, recorder: HistoryRecorder) -> None:
    """Stage 2: train k and the feeds on the physics loss, with the network as it is.

    The first half has Cauchy's weights, which no residual escapes, and the second half Tukey's.
    """
    import torch

    with torch.no_grad():
        u, du_dt = network.evaluate(problem)
        data_loss = float(problem.data_loss(u).mean())
        # The frames are enough here, because the network does not change.
        consensus = problem.consensus(u)[:, ::POINTS_A_FRAME]
        du_dt = du_dt[:, ::POINTS_A_FRAME]
    adam = Adam(network.parameters())
    scale = torch.ones_like(network.log_k[..., :1])
    for step in range(PARAMETER_STEPS):
        residual = network.residual(du_dt, consensus)
        if step % RESCALE == 0:
            scale = robust_scale(problem, residual, per_cell=network.k_per_cell)
        loss = physics_loss(problem, residual, scale, cauchy=step < PARAMETER_STEPS // 2)
        left = 1 - step / PARAMETER_STEPS
        adam.step(loss.sum(), [size * left for size in (HELD_STEP_LOG_K, HELD_STEP_FEED)[: len(adam.tensors)]])
        recorder.record(network, data_loss, loss)


def train(problem: Problem, network: Network, epochs: int, recorder: HistoryRecorder) -> float:
    """Stage 3: train everything on both losses until k settles. Returns how far a log k moved in the last epochs."""
    import torch

    least = least_scale(problem, network)
    weights, parameters = network.weights(), network.parameters()
    # From units of the residual's scale to S per frame.
    step_feed = STEP_FEED * least / float(problem.precision.median())
    sizes = [*[STEP_WEIGHTS] * len(weights), STEP_LOG_K, *[step_feed] * (len(parameters) - 1)]
    adam = Adam([*weights, *parameters], betas=BETAS)
    schedule = StepSchedule(epochs)
    scale, kept = torch.ones_like(network.log_k[..., :1]), None
    for epoch in range(epochs):
        factor = schedule.factor(epoch)
        if factor is None:
            break
        u, du_dt = network.evaluate(problem)
        residual = network.residual(du_dt, problem.consensus(u))
        # Between two estimates the scale is fixed, so that Adam sees a loss that does not jump.
        if epoch % RESCALE == 0:
            scale, kept = reject_outliers(problem, residual, least, per_cell=network.k_per_cell)
        data_loss = problem.data_loss(u)
        physics = physics_loss(problem, residual, scale, kept)
        # Networks share no weights, so the sum trains each of them on its own losses.
        adam.step((data_loss + physics).sum(), [factor * size for size in sizes])
        schedule.record(to_array(network.median_log_k()))
        recorder.record(network, float(data_loss.detach().mean()), physics)
    return schedule.moved()


def _members(problem: Problem, network: Network, refined: Network) -> tuple[FloatArray, Members]:
    """The first network's u at the frames, (p, T) in S without the means, and what the intervals are made of."""
    import torch

    p = len(problem.rate)
    with torch.no_grad():
        u, _ = network.evaluate(problem)
        u_refined, du_dt = refined.evaluate(problem)
        consensus = problem.consensus(u_refined)
        residual = refined.residual(du_dt, consensus)
        least = least_scale(problem, network)
        scale, kept = reject_outliers(problem, residual, least, per_cell=refined.k_per_cell)
        # How much each point in time has to say on k in the end.
        weight = residual_weights(residual * (problem.inner_precision / scale)) * kept
    members = Members(
        k=_rates(network),
        feed=to_array(network.feeds(problem.centre))[:, 0],
        k_cell=_rates(refined),
        feed_cell=np.broadcast_to(to_array(refined.feeds(problem.centre))[:, 0], (len(u), p)),
        weight=to_array(weight[0]) / POINTS_A_FRAME,
        # The centre was left out for the training only.
        consensus=to_array(consensus[0] + problem.centre),
        noise=1 / to_array(problem.inner_precision),
    )
    return to_array(u[0, ::POINTS_A_FRAME, :p]).T, members


def _rates(network: Network) -> FloatArray:
    """k per frame, (E, p or 1)."""
    return np.asarray(np.exp(to_array(network.log_k)[:, 0]))


def _advice(found: Estimates, moved: float, dt: float) -> tuple[str, ...]:
    words = []
    if moved > MOVING:
        words.append("k still moved when the training ended: give more epochs")
    k = float(np.nanmedian(found.k.value))
    if k * dt > COARSE:
        words.append(f"k x frame interval is {k * dt:.2g}: frames are too far apart to tell k well")
    if found.disagreement > DISAGREEMENT:
        words.append(
            f"the networks of the ensemble disagree on k by {100 * found.disagreement:.0f} %: noise decides it"
        )
    return tuple(words)
