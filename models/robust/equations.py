"""The normal equations and residuals of all cells side by side, whatever batches they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcigraph.models.robust.batches import Batch, BatchResult
from calcigraph.store.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class CellEquations:
    """Of p cells in g groups, with c regressors (tails included). Divided by each cell's noise variance s_i^2."""

    dt: float
    """Seconds between frames."""
    group: IntArray
    """(p,)."""
    groups: int
    """g."""
    base: int
    """Regressors before the tails."""
    normal: FloatArray
    """(p, c, c), per s_i^2."""
    right: FloatArray
    """(p, c), per s_i^2."""
    noise: FloatArray
    """(p, c, c), part of `normal` that noise of the profile's level adds, per s_i^2."""
    mean_regressors: FloatArray
    """(p, c), not divided."""
    mean_increment: FloatArray
    """(p,), not divided."""
    feed_information: FloatArray
    """(p,), per s_i^2."""
    coupling_square: FloatArray
    """(p,), sum of squares of the coupling's test function, per s_i^2."""
    feed_square: FloatArray
    """(p,), sum of squares of the feed's test function, per s_i^2."""
    q: FloatArray
    """(p,), of Omega, with which the equations were made."""
    covariance: FloatArray
    """(3, p), of the residuals at lags 0, 1, 2, per s_i^2."""
    expected: FloatArray
    """(2, p), the same of noise of the profile's level at lags 0 and 1, per s_i^2."""

    @property
    def known(self) -> BoolArray:
        """(p,), whether any frame of the cell is left to say something about k."""
        return self.normal[:, 0, 0] > 0

    @property
    def cells(self) -> int:
        """p."""
        return len(self.group)

    def of_group(self, number: int) -> IntArray:
        """The cells of one group that say something about k, ascending."""
        return np.flatnonzero((self.group == number) & self.known)

    def group_sums(self, values: FloatArray) -> FloatArray:
        """(g,), from (p,)."""
        parts = [values[self.group == number] for number in range(self.groups)]
        return np.stack([part.sum(axis=0) for part in parts])

    def group_medians(self, values: FloatArray) -> FloatArray:
        """(g,), from (p,), over the cells that say something; 0 without any."""
        parts = [values[(self.group == number) & self.known] for number in range(self.groups)]
        return np.array([float(np.median(part)) if len(part) else 0.0 for part in parts])


def join_equations(batches: Sequence[Batch], results: Sequence[BatchResult]) -> CellEquations:
    """The equations of all batches together."""
    # In units of the cells' noise, equations of bright and of dim cells can be added.
    variance = np.concatenate([batch.noise_variance for batch in batches])
    group = np.concatenate([batch.group for batch in batches])

    def moment(name: str) -> FloatArray:
        return np.concatenate([getattr(result.moments, name) for result in results])

    return CellEquations(
        dt=batches[0].dt,
        group=group,
        groups=int(group.max()) + 1,
        base=len(batches[0].regressors),
        normal=moment("normal") / variance[:, None, None],
        right=moment("right") / variance[:, None],
        noise=moment("noise") / variance[:, None, None],
        mean_regressors=moment("mean_regressors"),
        mean_increment=moment("mean_increment"),
        feed_information=moment("feed_information") / variance,
        coupling_square=moment("coupling_square") / variance,
        feed_square=moment("feed_square") / variance,
        q=np.concatenate([result.q for result in results]),
        covariance=np.concatenate([result.covariance for result in results], axis=1) / variance,
        expected=np.concatenate([result.expected for result in results], axis=1) / variance,
    )
