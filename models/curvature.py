"""Whether coupling depends on the size of the signals, which tells whether cells even out on the scale that is fitted.

If not y but u = g(y) obeys the model, then to the second order, with c = g'' / g' and N_i the neighbours of cell i,

    y_i' = k (1 / |N_i|) sum_j w_ij [(y_j - y_i) + (c / 2) (y_j - y_i)^2] + ...

So a brighter neighbour pulls more than a darker one (c > 0), whatever the level. On a logarithm of brightness c is 1
where calcium itself evens out and brightness follows it, and calcium over KD where the indicator saturates; on the
right scale it is 0. c is the ratio of two coefficients of a robust regression over the frames in which a cell rests: no
event of its own is near, so that its neighbours move it and nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.estimate import Estimate, same_for_all
from calcigraph.models.indicator import LOG, OWN, SCALE, SHARED, Indicator, Scale
from calcigraph.models.quadrature import frame_means
from calcigraph.models.scale import CONSISTENT, TUKEY, bisquare, mad_scale, row_medians
from calcigraph.models.task import Solved, Task
from calcigraph.store.types import BoolArray, FloatArray

ROUNDS = 12
"""Of weights and coefficients."""
EVENT = 4.0
"""Robust deviations of a step that no neighbour explains from which a cell is active itself."""
BEFORE, AFTER = 2, 15
"""Frames before and after an event in which the cell does not rest."""
FEWEST_QUIET = 0.05
"""Share of the frames in which cells must rest."""
LEAST_SCALE = 0.5
"""Of a cell's deviation, in units of the culture's: a cell without noise must not decide alone."""
AGREES = 0.25
"""Relative difference from the fitted k up to which the regression describes the cells."""
LEAST_OF_EVENTS = 0.5
"""Share of k that the k of robust must reach where another estimator answers: activity that lasts pulls it to 0."""
CLEAR = 6.0
"""Deviations from which..."""
MATTERS = 0.025
"""...and change of k over the usual difference between neighbours from which the scale is doubted."""
OWN_ERROR = 0.3
"""Relative error of k where F0 is each cell's own, as synthetic cultures show it."""
TINY = 1e-30


@dataclass(frozen=True)
class Curvature:
    """How the pull of a neighbour depends on the difference to it."""

    k: float
    """1/s, of small differences."""
    value: float
    """c, per unit of intensity."""
    error: float
    """Its standard error."""
    difference: float
    """Root mean square of the differences between cells in contact."""

    @property
    def change(self) -> float:
        """By which share a neighbour pulls more that is brighter by the usual difference than one that is darker."""
        return self.value * self.difference

    @property
    def deviations(self) -> float:
        """c over its standard error."""
        return self.value / self.error


def measured_curvature(traces: FloatArray, op: Operator, dt: float) -> Curvature | None:
    """The curvature of a culture; None where cells rest too rarely.

    Parameters
    ----------
    traces
        (n, T).
    op
        p inner cells of n.
    dt
        Seconds between frames.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture, operator
    >>> options = SyntheticOptions(cells=40, frames=200, size_px=280)
    >>> for modulation in (0.0, 2.0):  # cells share the logarithm of calcium, or calcium itself
    ...     culture = make_culture(replace(options, modulation=modulation)).subgraph()
    ...     found = measured_curvature(culture.intensity, operator(culture, "distance*border"), dt=10.0)
    ...     print(abs(found.value) < 0.2, found.deviations > 6)
    True False
    False True
    """
    traces = traces - traces.mean()  # squares of large numbers would differ by nothing
    own = traces[op.inner]
    pulls = op.neighbours(traces)
    squares = np.maximum((op.neighbours(traces**2) - 2 * own * pulls + op.rate[:, None] * own**2) / 2, 0.0)
    # A leak moves a resting cell too, by its own level.
    moved = np.stack([frame_means(pulls - op.rate[:, None] * own), frame_means(squares), frame_means(own)]) * dt
    steps = np.diff(own, axis=1)
    weights, quiet, theta = np.ones_like(steps), np.ones(steps.shape, np.bool_), np.zeros(3)
    for _ in range(ROUNDS):
        x, y = _centred(moved, weights), _centred(steps, weights)
        information = np.einsum("apf,bpf,pf->ab", x, x, weights)
        theta = np.linalg.lstsq(information, np.einsum("apf,pf,pf->a", x, y, weights), rcond=None)[0]
        rest = y - np.tensordot(theta, x, 1)
        scale = CONSISTENT * row_medians(np.abs(rest))[:, None]
        scale = np.maximum(scale, LEAST_SCALE * mad_scale(rest[quiet]) + TINY)
        quiet = ~_near(rest > EVENT * scale)
        if quiet.mean() < FEWEST_QUIET:
            return None
        weights = bisquare(rest, scale, TUKEY) * quiet / scale**2
    # Residuals of one cell may be alike in time, those of two cells are not.
    scores = np.einsum("apf,pf,pf->ap", x, rest, weights)
    inverse = np.linalg.pinv(information)
    error = float(np.sqrt((inverse @ scores @ scores.T @ inverse)[1, 1]))
    shared = float((quiet * op.rate[:, None]).sum())
    if not (theta[0] > 0 and error > 0 and shared > 0):
        return None
    difference = float(np.sqrt(2 * (frame_means(squares) * quiet).sum() / shared))
    k = float(theta[0])
    return Curvature(k=k, value=float(theta[1]) / k, error=error / k, difference=difference)


def with_scale_check(task: Task, solved: Solved) -> Solved:
    """The parameters, and what they say of the scale: facts, and a reason to doubt k and a wider interval.

    Facts: curvature (its value and standard error, per unit of intensity), where brief events describe the cells;
    k_by_indicator (1/s, the lowest and highest k over the scales that were tried); f0 (shared or own), if it is used.
    """
    facts, scale = dict(solved.facts), Scale.of(task.recorded, Indicator.of(task.options.indicator))
    if scale.indicator.kind != LOG:
        facts["f0"] = SHARED if scale.shared else OWN
    by_scale = [k for name, k in facts.get("k_if", {}).items() if name.endswith(SCALE)]
    if by_scale:
        by_scale.append(solved.culture_k.value)
        facts["k_by_indicator"] = [min(by_scale), max(by_scale)]
    solved = replace(solved, facts=facts)
    if scale.indicator.kind != LOG and not scale.shared:
        solved = _doubted(task, solved, _of_own_levels(scale), OWN_ERROR, solved.culture_k)
    of_events = _of_events(solved)
    found = None if of_events is None else measured_curvature(task.train, task.op, task.dt)
    # Where it does not find the k of robust, more moves resting cells than their neighbours.
    if found is None or of_events is None or not abs(found.k - of_events.value) <= AGREES * of_events.value:
        return solved
    solved = replace(solved, facts=facts | {"curvature": [found.value, found.error]})
    if abs(found.deviations) < CLEAR or abs(found.change) < MATTERS:
        return solved
    return _doubted(task, solved, _of_pull(found, str(scale.indicator)), abs(found.change), of_events)


def _doubted(task: Task, solved: Solved, doubt: str, error: float, other: Estimate[float]) -> Solved:
    """The parameters with a doubt, and an interval of k wider by a relative error, which holds another one too."""
    k = solved.culture_k
    more = error * k.value
    wider = k.with_error(more, more, (0.0, np.inf))
    k = Estimate(value=k.value, low=max(min(wider.low, other.low), 0.0), high=max(wider.high, other.high))
    return replace(
        solved,
        culture_k=k,
        k=same_for_all(k, task.op.coupled) if task.options.common_k else solved.k,
        culture_reasons=(*solved.culture_reasons, doubt),
    )


def _of_own_levels(scale: Scale) -> str:
    return (
        f"F0 is each cell's own ({scale.indicator}), and none is known exactly: in synthetic cultures k was off by up "
        "to 30 %, mostly too small"
    )


def _of_events(solved: Solved) -> Estimate[float] | None:
    """The k of robust, which brief events tell; None where they do not describe the cells, which then never rest."""
    facts, k = solved.facts, solved.culture_k
    if facts.get("estimator") == "robust":
        return k
    if "robust_k" not in facts or not facts["robust_k"][1] >= LEAST_OF_EVENTS * k.value:
        return None
    low, value, high = facts["robust_k"]
    return Estimate(value=value, low=low, high=high)


def _of_pull(found: Curvature, indicator: str) -> str:
    more, less = ("brighter", "darker") if found.value > 0 else ("darker", "brighter")
    cause = "where the indicator saturates, or calcium itself evens out" if found.value > 0 else "where light is added"
    return (
        f"{more} neighbours pull a cell more than {less} ones (by {100 * abs(found.change):.0f} % at the usual "
        f"difference, {abs(found.deviations):.0f} deviations): cells do not even out on this scale ({indicator}), as "
        f"{cause}; try another --indicator"
    )


def _centred(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Values (..., p, F) less the weighted mean of every cell: its feed."""
    return np.asarray(values - ((values * weights).sum(axis=-1) / (weights.sum(axis=-1) + TINY))[..., None])


def _near(event: BoolArray) -> BoolArray:
    """The frames with an event, (p, F), and those around them."""
    near, frames = event.copy(), event.shape[1]
    for later in range(1, min(AFTER + 1, frames)):
        near[:, later:] |= event[:, :-later]
    for earlier in range(1, min(BEFORE + 1, frames)):
        near[:, :-earlier] |= event[:, earlier:]
    return near
