"""The physics loss of preset `default` (arXiv:2505.20327, eq. 21), made robust against spikes.

    mean of w(r / s) (r / s)^2,    r_i(t) = (u_i'(t) - k (M u)_i(t) - gamma_i) / noise_i

over inner cells and points in time. w are Tukey's bisquare weights: a short spike, of which the consensus model knows
nothing, has a large residual and weighs nothing. s is a robust scale of the residual, with a lower limit. The scale
is one number if the cells share k (a cell that differs then weighs little). It is one number per cell if each has its
own k (such a cell must then not be rejected as a whole).
"""

from __future__ import annotations

from calcigraph.models.pinn.network import POINTS_A_FRAME, Network, Problem
from calcigraph.models.pinn.tensors import Tensor
from calcigraph.models.scale import CONSISTENT, TUKEY

LOWEST_LIMIT, HIGHEST_LIMIT = 0.03, 0.12
"""The lower limit of the residual's scale over one frame lies between these two, in units of the noise."""
COUPLING_SHARE = 0.05
"""Between them it is this share of what coupling changes in a frame, which is little for frames closer than 1 / k."""
WING = 0.6
"""The wings of an outlier end where the residual's mean over three frames is below this many scales."""


def physics_loss(
    problem: Problem, residual: Tensor, scale: Tensor, kept: Tensor | None = None, *, cauchy: bool = False
) -> Tensor:
    """The physics loss of each network of the ensemble, (E,).

    Parameters
    ----------
    problem
        Whose noise the residual is compared with.
    residual
        (E, P, p), in S per frame.
    scale
        (E, 1, p) or (E, 1, 1), in units of the noise.
    kept
        (E, P, p), 1 for residuals that count and 0 for rejected ones; None keeps all.
    cauchy
        Cauchy's weights instead of Tukey's.
    """
    ratio = residual * (problem.inner_precision / scale)
    # The weights carry no gradient: iteratively reweighted least squares.
    weight = residual_weights(ratio.detach(), cauchy=cauchy)
    if kept is not None:
        weight *= kept
    return (weight * (ratio * ratio)).mean(dim=(1, 2))


def residual_weights(ratio: Tensor, *, cauchy: bool = False) -> Tensor:
    """Weights of residuals in units of their scale, in the same shape.

    Tukey's are (1 - (r / 4.685)^2)^2, and 0 beyond. Cauchy's are 1 / (1 + r^2 / 4), which never reach 0: a start far
    from the solution still finds its way.
    """
    square = ratio * ratio
    if cauchy:
        return 1 / (1 + square / 4)
    return (1 - square / TUKEY**2).clamp_(min=0).square_()


def robust_scale(problem: Problem, residual: Tensor, *, per_cell: bool, kept: Tensor | None = None) -> Tensor:
    """1.4826 times the median of the residual's size in units of the noise, (E, 1, p) per cell, else (E, 1, 1).

    Residuals (E, P, p) of which `kept` is 0 are left out. Where none is left, the scale is 1.4826.
    """
    size = (residual.detach() * problem.inner_precision).abs()
    if kept is not None:
        size = size.masked_fill(kept == 0, float("nan"))
    if per_cell:
        return size.nanmedian(dim=1, keepdim=True).values.nan_to_num(nan=1.0) * CONSISTENT
    # Every third point is enough for one scale of all cells.
    some = size[:, ::3].flatten(1)
    return some.nanmedian(dim=1).values.nan_to_num(nan=1.0)[:, None, None] * CONSISTENT


def least_scale(problem: Problem, network: Network) -> float:
    """The lower limit of the residual's scale, in units of the noise.

    It is a share of the median change of a cell by coupling in one frame, within the limits above. Without it the scale
    could shrink together with the residual, until ordinary residuals count as outliers.
    """
    import torch

    with torch.no_grad():
        consensus = problem.consensus(network.evaluate(problem)[0])
        changes = torch.exp(network.log_k) * (consensus - consensus.mean(dim=1, keepdim=True))
        # The first network, every third frame: enough for a median.
        middle = (changes * problem.inner_precision).abs()[0, :: 3 * POINTS_A_FRAME].median()
    return float(min(max(COUPLING_SHARE * float(middle), LOWEST_LIMIT), HIGHEST_LIMIT))


def reject_outliers(problem: Problem, residual: Tensor, least: float, *, per_cell: bool) -> tuple[Tensor, Tensor]:
    """The residual's scale, (E, 1, p or 1), and which residuals count, (E, P, p): 1, or 0 for outliers and their wings.

    The scale is found twice, the second time without the outliers of the first.
    """
    residual = residual.detach()
    kept = None
    for _ in range(2):
        scale = robust_scale(problem, residual, per_cell=per_cell, kept=kept).clamp(min=least)
        kept = _without_outliers(residual * (problem.inner_precision / scale))
    return scale, kept


def _without_outliers(ratio: Tensor) -> Tensor:
    """1 where a residual counts, else 0, (E, P, p), from residuals in units of their scale.

    A residual beyond Tukey's limit is rejected with the points around it: as far as the mean over three frames keeps
    its sign and stays beyond `WING` scales. What a spike leaves behind would otherwise count as coupling.
    """
    import torch

    members, points, p = ratio.shape
    lines = ratio.transpose(1, 2).reshape(members * p, 1, points)
    width = 3 * POINTS_A_FRAME + 1
    mean = torch.nn.functional.avg_pool1d(lines, width, 1, width // 2, count_include_pad=False)[:, 0]
    sign = torch.where(mean.abs() > WING, mean.sign(), 0)
    # Number the runs of equal sign along each trace, and mark the runs that contain an outlier.
    turns = (sign[:, 1:] != sign[:, :-1]).long()
    run = torch.cumsum(torch.nn.functional.pad(turns, (1, 0)), dim=1)
    outlier = (lines[:, 0].abs() > TUKEY).float()
    run_has_outlier = torch.zeros_like(outlier).scatter_reduce(1, run, outlier, "amax").gather(1, run)
    rejected = run_has_outlier * (sign != 0)
    return (1 - rejected).view(members, p, points).transpose(1, 2).contiguous()
