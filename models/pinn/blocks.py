"""Physics-informed neural network: a network of time is fitted to the traces and to the consensus model at once.

arXiv:2505.20327, eqs. 21-22. The network gives every cell's trace u(t); k and the feeds are trained with its weights:

    data loss     mean ((u_i(t_f) - y_i(t_f)) / s_i)^2                                             over cells and frames
    physics loss  mean rho((u_i'(t) - k (M u)_i(t) - gamma_i) dt / (s s_i))          over inner cells and points in time

Preset `paper` is the paper's network and its plain losses (models/pinn_paper.py); preset `default` is one that finds k
and the feeds (models/pinn_training.py). Cultures of many cells or frames are cut into blocks that train on their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator, sub_operator
from calcigraph.models.estimate import Estimate
from calcigraph.models.options import CASES, one_of
from calcigraph.models.pinn.options import PinnOptions
from calcigraph.models.pinn.result import PinnBlock, PinnFit
from calcigraph.models.pinn.tensors import one_thread, require_torch
from calcigraph.models.scale import NORMAL
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Progress, silent

BLOCK_CELLS = 128
BLOCK_FRAMES = 720
"""The work of a network grows with the square of its frames."""
MIN_FRAMES = 12
MIN_BLOCK_WEIGHT = 1e-12


def fit_group(
    traces: FloatArray,
    op: Operator,
    dt: float,
    options: PinnOptions | None = None,
    case: str = "per-cell",
    no_feed: bool = False,
    progress: Progress = silent,
) -> PinnFit:
    """Fit all inner cells of a culture, in one network or, beyond 128 cells or 720 frames, in blocks.

    Parameters
    ----------
    traces
        (n, T), all cells.
    dt
        Seconds between frames.
    case
        cell (each inner cell alone with its own k and feed; neighbours follow the data), shared (one k, one feed),
        per-cell (one k, a feed per cell) or per-cell-k (own k and feed within the group).
    no_feed
        Hold every feed at 0.

    Raises
    ------
    FitError
        Unknown case, fewer than 12 frames, traces without variation or with missing values, no contacts.
    MissingExtraError
        torch is not installed.
    """
    options = options or PinnOptions()
    blocks = plan_blocks(op, traces.shape[1], options)
    fits = []
    for number, block in enumerate(blocks):
        start = number

        def report(stage: str, done: int, total: int, start: int = start) -> None:
            progress(stage, start * total + done, total * len(blocks))

        fits.append(fit_block(traces, op, dt, block, options, case, no_feed, report))
    return combine(blocks, fits, op, case)


def plan_blocks(op: Operator, frames: int, options: PinnOptions | None = None) -> tuple[PinnBlock, ...]:
    """Blocks of at most 128 neighbouring inner cells and 720 frames, all of about the same size.

    Cells are taken in the order of a walk over the contact graph, so that most neighbours are in the same block. The
    paper's preset takes everything at once, as the paper does.
    """
    p = len(op.inner)
    if options is not None and options.preset == "paper":
        return (PinnBlock(np.arange(p), 0, frames),)
    parts = np.array_split(_walk(op), -(-p // BLOCK_CELLS))
    edges = np.linspace(0, frames, -(-frames // BLOCK_FRAMES) + 1).round().astype(int).tolist()
    windows = list(pairwise(edges))
    return tuple(PinnBlock(np.sort(part), first, last) for part in parts for first, last in windows)


def fit_block(
    traces: FloatArray,
    op: Operator,
    dt: float,
    block: PinnBlock,
    options: PinnOptions | None = None,
    case: str = "per-cell",
    no_feed: bool = False,
    progress: Progress = silent,
) -> PinnFit:
    """Fit one block, with parameters and errors as `fit_group`. `combine` puts the blocks together."""
    options = options or PinnOptions()
    one_of("case", case, CASES)
    rows, part = sub_operator(op, block.cells)
    data = np.asarray(traces, dtype=np.float64)[rows, block.first : block.last]
    _check(data, part)
    require_torch()
    if options.preset == "paper":
        from calcigraph.models.pinn.paper import fit_paper

        with one_thread():
            return fit_paper(data, part, dt, options, case, no_feed, progress)
    from calcigraph.models.pinn.training import fit_network

    with one_thread():
        return fit_network(data, part, dt, options, case, no_feed, progress)


def combine(blocks: Sequence[PinnBlock], fits: Sequence[PinnFit], op: Operator, case: str = "per-cell") -> PinnFit:
    """The fit of a culture from the fits of its blocks.

    A k (and in case shared a feed) that all cells have in common is the mean over blocks, weighted by precision, and
    its interval is widened where blocks disagree by more than their intervals say. What each cell has of its own is
    averaged over its windows of frames in the same way.
    """
    if len(fits) == 1:
        return fits[0]
    p, frames = len(op.inner), max(block.last for block in blocks)
    cells = [block.cells for block in blocks]
    k = _pooled(cells, [fit.k for fit in fits], p, common=case in ("shared", "per-cell"))
    if case in ("shared", "per-cell"):
        known = np.where(op.coupled, 1.0, np.nan)
        k = Estimate(value=known * k.value, low=known * k.low, high=known * k.high)
    traces = np.full((p, frames), np.nan)
    for block, fit in zip(blocks, fits, strict=True):
        traces[block.cells, block.first : block.last] = fit.traces
    return PinnFit(
        k=k,
        feed=_pooled(cells, [fit.feed for fit in fits], p, common=case == "shared"),
        k_cell=_pooled(cells, [fit.k_cell for fit in fits], p, common=False),
        traces=traces,
        history=tuple(history for fit in fits for history in fit.history),
        converged=all(fit.converged for fit in fits),
        advice=tuple(dict.fromkeys(word for fit in fits for word in fit.advice)),
    )


def _check(data: FloatArray, op: Operator) -> None:
    if data.shape[1] < MIN_FRAMES:
        raise FitError(f"a PINN needs at least {MIN_FRAMES} frames, and {data.shape[1]} were given; use model robust")
    if not np.isfinite(data).all():
        raise FitError("the traces have missing values; a PINN needs a number for every cell and frame")
    if not op.coupled.any():
        raise FitError("no inner cell has a contact, so no coupling can be fitted")
    if not np.ptp(data[op.inner], axis=1).any():
        raise FitError("the traces of the inner cells do not vary, so there is nothing to fit")


def _walk(op: Operator) -> IntArray:
    """Inner cells in an order in which neighbours are close: reverse Cuthill-McKee."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    graph = csr_matrix(op.sparse_inner_matrix())
    return np.asarray(reverse_cuthill_mckee(graph, symmetric_mode=False), dtype=np.int64)


def _pooled(
    cells: Sequence[IntArray], parts: Sequence[Estimate[FloatArray]], p: int, *, common: bool
) -> Estimate[FloatArray]:
    """Precision-weighted mean of the blocks' estimates, (p,); `common` values have one row for all blocks."""
    value, low, high = (np.full((len(cells), p), np.nan) for _ in range(3))
    for row, (at, part) in enumerate(zip(cells, parts, strict=True)):
        for target, source in ((value, part.value), (low, part.low), (high, part.high)):
            if common:
                target[row] = np.nanmean(source) if np.isfinite(source).any() else np.nan
            else:
                target[row, at] = source
    error = (high - low) / 2
    known: BoolArray = np.isfinite(value)
    weight = np.where(known, 1 / np.maximum(np.where(np.isfinite(error), error, 1.0), MIN_BLOCK_WEIGHT) ** 2, 0.0)
    total = weight.sum(axis=0)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, (weight * np.where(known, value, 0)).sum(axis=0) / total, np.nan)
        chi2 = (weight * np.where(known, value - mean, 0) ** 2).sum(axis=0) / np.maximum(count - 1, 1) * NORMAL**2
        half = np.sqrt(np.maximum(1.0, chi2) / total)
    half = np.where(np.isfinite(error).any(axis=0), half, np.nan)
    return Estimate.around(mean, half)
