"""Whether a cell moves with its neighbours within a frame, more than coupling lets it: light of theirs in its trace.

Coupling passes a spike on over many frames. Light that falls from a cell on the mask of its neighbour is there at once,
and so is what excites both. Beside what the estimate leaves of a cell's increments, r_im in frame m, stand those of the
mean of its neighbours, x_im, weighted as the model does. In the frames without a transient of the cell itself,

    share = sum_im r_im x_im / sum_im x_im^2

is the share of the neighbours' change that the cell makes at once. Its standard error is that between cells. k, which
is fitted beside it, has taken a part of the share for coupling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.robust.common_mode import residuals
from calcigraph.models.robust.rounds import Solution
from calcigraph.store.types import BoolArray, FloatArray

TELLS, LEAST = 4.0, 0.02
"""Standard errors, and share, from which neighbours move together within a frame. On cultures as assumed the share was
0.00 within two standard errors; with 5 % of light from the neighbours it was 0.033 to 0.048, 12 to 15 standard errors;
where a drive of their own excites neighbours, up to 0.3."""
FEWEST_CELLS = 10


@dataclass(frozen=True)
class SameFrame:
    """The share of its neighbours' change that a cell makes in the same frame."""

    share: float
    error: float
    """Its standard error; infinite where cells are too few to tell."""

    @property
    def shows(self) -> bool:
        return self.share > max(LEAST, TELLS * self.error)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why k is to be doubted, if it is."""
        if not self.shows:
            return ()
        return (
            f"cells change with their neighbours within a frame, by {100 * self.share:.0f} % of their change, as light "
            "of the neighbours in a trace does, or what excites them together: k may be too large",
        )


def measure_same_frame(solution: Solution, op: Operator, traces: FloatArray) -> SameFrame:
    """How far cells change with their neighbours within a frame.

    Parameters
    ----------
    solution
        The estimate, of p inner cells.
    op
        The consensus operator.
    traces
        Intensity, (n, T), from which it was made.
    """
    rest, used = residuals(solution.batches, solution.state)
    around = np.diff(op.neighbours(traces)[op.coupled] / op.rate[op.coupled, None], axis=1)
    return share_of(rest[op.coupled], around, used[op.coupled])


def share_of(rest: FloatArray, around: FloatArray, used: BoolArray) -> SameFrame:
    """The share, from residual increments and the increments of the neighbours' mean, (p, F) each.

    Examples
    --------
    >>> own, around = np.random.default_rng(0).standard_normal((2, 50, 400))
    >>> every = np.ones(own.shape, np.bool_)
    >>> share_of(own, around, every).shows, share_of(own + 0.1 * around, around, every).shows
    (False, True)
    """
    moves = np.where(used, around - around.mean(axis=1, keepdims=True), 0.0)
    along, square = (moves * rest).sum(axis=1), (moves**2).sum(axis=1)
    whole = float(square.sum())
    if len(rest) < FEWEST_CELLS or whole == 0:
        return SameFrame(share=0.0, error=np.inf)
    share = float(along.sum()) / whole
    return SameFrame(share=share, error=float(np.sqrt(((along - share * square) ** 2).sum())) / whole)
