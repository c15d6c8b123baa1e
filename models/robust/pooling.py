"""From the cells' normal equations to the culture's parameters, each cell's own, and their standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcigraph.models.robust.batches import Batch, BatchResult, Settings
from calcigraph.models.robust.equations import CellEquations, join_equations
from calcigraph.models.robust.noise import NoiseModel, measure_noise, next_q, noise_in_regressors, without_noise
from calcigraph.models.robust.shared import LEAST_INFORMATION, TINY, GroupEquations, SharedFit, fit_shared
from calcigraph.models.robust.transients import TAIL_FRAMES
from calcigraph.store.types import BoolArray, FloatArray

LEAST_CLEAN = 0.02
"""Share of a cell's information on k that must remain after the noise is taken out."""


@dataclass(frozen=True)
class Pooled:
    """Parameters of g groups and their p cells; errors are standard errors."""

    theta: FloatArray
    """(g, c), shared: k, leak, feed, tails, as far as they are fitted."""
    error: FloatArray
    """(g, c)."""
    model_error: FloatArray
    """(g,), standard error of k from the noise model alone."""
    has_tails: BoolArray
    """(g,), whether tails were fitted and are significant."""
    k_cell: FloatArray
    """(p,), 1/s; NaN where the data leave nothing."""
    k_cell_error: FloatArray
    """(p,)."""
    feed: FloatArray
    """(p,), intensity per second, with the shared k; 0 where the feed is shared or absent."""
    feed_error: FloatArray
    """(p,)."""
    feed_cell: FloatArray
    """(p,), intensity per second, with the cell's own k."""
    feed_cell_error: FloatArray
    """(p,)."""
    q: FloatArray
    """(p,), of Omega, for the next round."""
    noise: FloatArray
    """(g,), measurement noise (variance) as a multiple of the profile's."""
    excess: FloatArray
    """(g,), variance of the increments beyond measurement noise, as a multiple of the profile's."""
    attenuation: FloatArray
    """(g,), share of the information on k that comes from noise in the regressors: the correction made for it."""
    attenuation_cell: FloatArray
    """(p,), the same of each cell."""
    scatter: FloatArray
    """(g,), robust scale of (own k - shared k) / standard error: 1 if only noise makes the cells differ."""
    weight: FloatArray
    """(p,), 0 to 1, how much a cell counts in the shared k."""
    excess_cell: FloatArray
    """(p,), variance of the residual over what the culture's noise explains; about 1."""
    autocorrelation: FloatArray
    """(p,), of the residual at lag 2, where measurement noise has almost none."""
    constancy: FloatArray
    """(p,), share of the coupling regressor's mean square that a constant explains: at 1 k and feed cannot be told
    apart."""


@dataclass(frozen=True)
class CellValues:
    """One parameter of p cells."""

    value: FloatArray
    """(p,)."""
    error: FloatArray
    """(p,), standard error."""


def pool(batches: Sequence[Batch], results: Sequence[BatchResult], settings: Settings, tailed: bool) -> Pooled:
    """Solve for all parameters, from what a round made of every batch.

    Parameters
    ----------
    batches, results
        The data of each batch and the normal equations that a round made of it.
    settings
        The user's choices.
    tailed
        Whether the equations have tail regressors.

    Returns
    -------
    Pooled
        In the order of the cells in the batches.
    """
    cells = join_equations(batches, results)
    noise = measure_noise(cells)
    from_noise = noise_in_regressors(cells, noise)
    clean = without_noise(cells, from_noise, settings.correct)
    # Parameters that the cells of a group share come first, because each cell's own k and feed depend on them.
    shared = _fit_groups(cells, noise, clean, tailed)
    theta = np.stack([fit.theta for fit in shared])
    error = np.stack([fit.error for fit in shared])
    k_cell = _own_k(cells, noise, clean, theta[cells.group])
    feed = _feeds(cells, noise, settings, theta[cells.group], error[cells.group, 0])
    # The feed belongs to a k: with another k the mean that is left for the feed is another.
    theta_cell = theta[cells.group].copy()
    theta_cell[:, 0] = np.where(np.isfinite(k_cell.value), k_cell.value, theta_cell[:, 0])
    feed_cell = _feeds(cells, noise, settings, theta_cell, np.nan_to_num(k_cell.error))
    k_noise, k_information = from_noise[:, 0, 0], cells.normal[:, 0, 0]
    return Pooled(
        theta=theta,
        error=error,
        model_error=np.array([fit.model_error for fit in shared]),
        has_tails=np.array([fit.has_tails for fit in shared]),
        k_cell=k_cell.value,
        k_cell_error=k_cell.error,
        feed=feed.value,
        feed_error=feed.error,
        feed_cell=feed_cell.value,
        feed_cell_error=feed_cell.error,
        q=next_q(noise, settings.half_width),
        noise=noise.noise,
        excess=noise.excess,
        attenuation=cells.group_sums(k_noise) / np.maximum(cells.group_sums(k_information), LEAST_INFORMATION),
        attenuation_cell=k_noise / np.maximum(k_information, LEAST_INFORMATION),
        scatter=np.array([fit.scatter for fit in shared]),
        weight=_weights(cells, shared),
        excess_cell=noise.excess_cell,
        autocorrelation=cells.covariance[2] / np.maximum(cells.covariance[0], TINY),
        constancy=_constancy(cells, settings),
    )


def _fit_groups(cells: CellEquations, noise: NoiseModel, clean: FloatArray, tailed: bool) -> list[SharedFit]:
    """The shared parameters of every group; zeros for a group of which no frame is left."""
    size = cells.normal.shape[1]
    tails = slice(cells.base, cells.base + len(TAIL_FRAMES)) if tailed else None
    fits = []
    for number in range(cells.groups):
        rows = cells.of_group(number)
        equations = GroupEquations(
            normal=clean[rows],
            right=cells.right[rows],
            unit=noise.unit[rows],
            right_variance=noise.right_variance[rows],
        )
        fits.append(fit_shared(equations, tails) if len(rows) else _nothing(size))
    return fits


def _nothing(size: int) -> SharedFit:
    return SharedFit(
        theta=np.zeros(size),
        error=np.zeros(size),
        model_error=0.0,
        has_tails=False,
        weight=np.zeros(0),
        scatter=1.0,
    )


def _weights(cells: CellEquations, shared: Sequence[SharedFit]) -> FloatArray:
    """How much each cell counts in its group's k, (p,); 0 for cells that say nothing about k."""
    weight = np.zeros(cells.cells)
    for number, fit in enumerate(shared):
        weight[cells.of_group(number)] = fit.weight
    return weight


def _own_k(cells: CellEquations, noise: NoiseModel, clean: FloatArray, theta: FloatArray) -> CellValues:
    """Each cell's own k, 1/s, with the other shared parameters as they are, theta (p, c)."""
    # Where almost all information was noise, the difference of the two is arbitrary: k is then NaN.
    information = clean[:, 0, 0]
    enough = information > LEAST_CLEAN * cells.normal[:, 0, 0]
    safe = np.where(enough, information, np.nan)
    others = np.einsum("pc,pc->p", clean[:, 0, 1:], theta[:, 1:])
    k = (cells.right[:, 0] - others) / safe
    return CellValues(value=k, error=np.sqrt(noise.right_variance) / safe)


def _feeds(
    cells: CellEquations, noise: NoiseModel, settings: Settings, theta: FloatArray, k_error: FloatArray
) -> CellValues:
    """Each cell's feed, intensity per second, for the parameters theta (p, c) with this standard error of k, (p,)."""
    if settings.feed != "per-cell":
        return CellValues(value=np.zeros(cells.cells), error=np.zeros(cells.cells))
    per_frame = cells.mean_increment - np.einsum("pc,pc->p", cells.mean_regressors, theta)
    # The feed is eliminated from the equations for k, so its noise and that of k are independent: variances add.
    information = np.where(cells.feed_information > 0, cells.feed_information, np.nan)
    from_k = cells.mean_regressors[:, 0] * k_error
    error = np.sqrt(noise.feed_variance / information**2 + from_k**2)
    return CellValues(value=per_frame / cells.dt, error=error / cells.dt)


def _constancy(cells: CellEquations, settings: Settings) -> FloatArray:
    """See `Pooled.constancy`."""
    if settings.feed != "per-cell":
        return np.zeros(cells.cells)
    # The normal matrix holds the coupling's variation about its mean; the constant part is that mean squared.
    constant = cells.mean_regressors[:, 0] ** 2 * cells.feed_information
    return np.asarray(constant / np.maximum(constant + cells.normal[:, 0, 0], TINY))
