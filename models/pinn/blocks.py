"""Physics-informed neural network: one network of time follows the traces and the consensus model at once.

arXiv:2505.20327, eqs. 21-22. The network gives the trace u(t) of every cell. k and the feeds gamma are trained together
with its weights, on the sum of two losses:

    data loss     mean ((u_i(t_f) - y_i(t_f)) / s_i)^2                            over cells i and frames t_f   (eq. 22)
    physics loss  mean rho((u_i'(t) - k (M u)_i(t) - gamma_i) dt / (s s_i))       over inner cells and times t  (eq. 21)

with y the data, M the consensus operator, s_i the noise of cell i, s a robust scale of the residual, and rho Tukey's
bisquare loss. This is preset `default` (training.py). Preset `paper` has the paper's network and its plain losses,
without s and rho (paper.py). Cultures of many cells or frames are cut into blocks, and every block has a network of
its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import Operator, sub_operator
from calcigraph.models.estimate import Estimate
from calcigraph.models.pinn.options import PAPER, PinnOptions
from calcigraph.models.pinn.paper import fit_paper
from calcigraph.models.pinn.result import PinnBlock, PinnFit
from calcigraph.models.pinn.setting import Setting
from calcigraph.models.pinn.tensors import one_thread, require_torch
from calcigraph.models.pinn.training import fit_network
from calcigraph.models.scale import NORMAL
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Progress, silent

BLOCK_CELLS = 128
"""Most inner cells of a block."""
BLOCK_FRAMES = 720
"""Most frames of a block: the work of a network grows with the square of its frames."""
MIN_FRAMES = 12
"""Fewest frames that a network is trained on."""
MIN_HALF_WIDTH = 1e-12
"""Least half-width of an interval when blocks are averaged, so that no block has an infinite weight."""


def fit_group(
    traces: FloatArray,
    op: Operator,
    dt: float,
    options: PinnOptions | None = None,
    case: str = "per-cell",
    no_feed: bool = False,
    progress: Progress = silent,
) -> PinnFit:
    """Fit all inner cells of a culture: in one network or, beyond 128 cells or 720 frames, in blocks (eqs. 21-22).

    Parameters
    ----------
    traces
        (n, T), intensity of all cells, in the order of the operator.
    op
        The consensus operator of these n cells, p of them inner.
    dt
        Seconds between frames.
    options
        How the network trains; by default as `PinnOptions()`.
    case
        Which parameters the cells share: one of `CASES`, as explained at `CommonOptions.case`.
    no_feed
        Hold every feed at 0.
    progress
        Told of the epochs done, over all blocks.

    Returns
    -------
    PinnFit
        k (1/s), feed (intensity per second) and each cell's own k, (p,) each with 95 % intervals, the network's
        traces (p, T), and the history of the training.

    Raises
    ------
    FitError
        Unknown case, fewer than 12 frames, traces without variation or with missing values, no contacts, or a GPU that
        was asked for and is not there.
    MissingExtraError
        torch is not installed.
    """
    setting = Setting(dt=dt, options=options or PinnOptions(), case=case, no_feed=no_feed)
    blocks = plan_blocks(op, traces.shape[1], setting.options)
    fits = [
        fit_block(block, traces, op, setting, _progress_of_block(progress, number, len(blocks)))
        for number, block in enumerate(blocks)
    ]
    return combine(blocks, fits, op, case)


def plan_blocks(op: Operator, frames: int, options: PinnOptions | None = None) -> tuple[PinnBlock, ...]:
    """Cut a culture into blocks of at most 128 neighbouring inner cells and 720 frames, all of about the same size.

    Cells are taken in the order of a walk over the contact graph, so that most neighbours are in the same block. Preset
    `paper` trains on everything at once, as the paper does.

    Parameters
    ----------
    op
        The consensus operator of the culture.
    frames
        T, the number of frames.
    options
        Only the preset matters; by default `default`.

    Returns
    -------
    tuple of PinnBlock
        Every pair of an inner cell and a frame is in exactly one block.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=16, frames=20, size_px=128))
    >>> [(block.first, block.last) for block in plan_blocks(culture.operator(), frames=1000)]
    [(0, 500), (500, 1000)]
    """
    p = len(op.inner)
    if options is not None and options.preset == PAPER:
        return (PinnBlock(cells=np.arange(p), first=0, last=frames),)
    # -(-a // b) rounds up. Equal parts: a small rest would have a network with little to learn from.
    groups = np.array_split(_neighbours_together(op), -(-p // BLOCK_CELLS))
    edges = np.linspace(0, frames, -(-frames // BLOCK_FRAMES) + 1).round().astype(int).tolist()
    windows = list(pairwise(edges))
    return tuple(PinnBlock(cells=np.sort(group), first=first, last=last) for group in groups for first, last in windows)


def fit_block(
    block: PinnBlock, traces: FloatArray, op: Operator, setting: Setting, progress: Progress = silent
) -> PinnFit:
    """Fit one block of a culture; `combine` joins the blocks.

    Parameters
    ----------
    block
        The b inner cells and the frames that are fitted.
    traces
        (n, T), intensity of all cells of the culture.
    op
        The consensus operator of the culture.
    setting
        Frame interval, options and case.
    progress
        Told of the epochs done.

    Returns
    -------
    PinnFit
        Of the block's cells and frames only: (b,) and (b, block.last - block.first).

    Raises
    ------
    FitError, MissingExtraError
        As `fit_group`.
    """
    # Neighbours outside the block are part of it as driven cells.
    rows, part = sub_operator(op, block.cells)
    data = np.asarray(traces, dtype=np.float64)[rows, block.first : block.last]
    _check(data, part)
    require_torch()
    train = fit_paper if setting.options.preset == PAPER else fit_network
    with one_thread():
        return train(data, part, setting, progress)


def combine(blocks: Sequence[PinnBlock], fits: Sequence[PinnFit], op: Operator, case: str = "per-cell") -> PinnFit:
    """The fit of a culture from the fits of its blocks.

    A parameter that all cells share (k in cases shared and per-cell, the feed in case shared) is averaged over all
    blocks. A parameter of one cell is averaged over the blocks that hold this cell: its windows of frames. The weights
    are 1 / half-width^2 of the intervals. Where the blocks differ by more than their intervals allow, the interval of
    the mean is widened by the square root of the reduced chi^2.

    Parameters
    ----------
    blocks
        As `plan_blocks` gives them.
    fits
        The fit of each block, in the same order.
    op
        The consensus operator of the culture.
    case
        The case of these fits.

    Returns
    -------
    PinnFit
        Of all p inner cells and T frames, with one history per block.
    """
    if len(fits) == 1:
        return fits[0]
    cells, p = [block.cells for block in blocks], len(op.inner)
    one_k = case in ("shared", "per-cell")
    k = _mean_over_blocks(cells, [fit.k for fit in fits], p, shared=one_k)
    if one_k:
        # The shared value stands in every row. A cell without contacts has no k.
        coupled = np.where(op.coupled, 1.0, np.nan)
        k = Estimate(value=coupled * k.value, low=coupled * k.low, high=coupled * k.high)
    traces = np.full((p, max(block.last for block in blocks)), np.nan)
    for block, fit in zip(blocks, fits, strict=True):
        traces[block.cells, block.first : block.last] = fit.traces
    return PinnFit(
        k=k,
        feed=_mean_over_blocks(cells, [fit.feed for fit in fits], p, shared=case == "shared"),
        k_cell=_mean_over_blocks(cells, [fit.k_cell for fit in fits], p, shared=False),
        traces=traces,
        history=tuple(history for fit in fits for history in fit.history),
        converged=all(fit.converged for fit in fits),
        advice=tuple(dict.fromkeys(word for fit in fits for word in fit.advice)),
    )


def _progress_of_block(progress: Progress, number: int, blocks: int) -> Progress:
    """What reports one block's progress as that of all blocks, which count the same."""

    def report(stage: str, done: int, total: int) -> None:
        progress(stage, number * total + done, total * blocks)

    return report


def _check(data: FloatArray, op: Operator) -> None:
    if data.shape[1] < MIN_FRAMES:
        raise FitError(f"a PINN needs at least {MIN_FRAMES} frames, and {data.shape[1]} were given; use model robust")
    if not np.isfinite(data).all():
        raise FitError("the traces have missing values; a PINN needs a number for every cell and frame")
    if not op.coupled.any():
        raise FitError("no inner cell has a contact, so no coupling can be fitted")
    if not np.ptp(data[op.inner], axis=1).any():
        raise FitError("the traces of the inner cells do not vary, so there is nothing to fit")


def _neighbours_together(op: Operator) -> IntArray:
    """The inner cells, (p,), in an order in which neighbours are close: reverse Cuthill-McKee."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    # Of the operator's pattern only; the weights play no part.
    graph = csr_matrix(op.sparse_inner_matrix())
    return np.asarray(reverse_cuthill_mckee(graph, symmetric_mode=False), dtype=np.int64)


def _mean_over_blocks(
    cells: Sequence[IntArray], parts: Sequence[Estimate[FloatArray]], p: int, *, shared: bool
) -> Estimate[FloatArray]:
    """Mean of the blocks' estimates weighted by precision, (p,); a shared parameter counts once per block."""
    value, low, high = (
        _one_row_per_block(cells, [getattr(part, end) for part in parts], p, shared) for end in ("value", "low", "high")
    )
    half = (high - low) / 2
    known: BoolArray = np.isfinite(value)
    # A value without an interval (one network, preset paper) has the half-width 1: then all blocks weigh the same.
    width = np.maximum(np.where(np.isfinite(half), half, 1.0), MIN_HALF_WIDTH)
    weight = np.where(known, 1 / width**2, 0.0)
    # Cells without any known value divide 0 by 0; they become NaN.
    total = weight.sum(axis=0)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, (weight * np.where(known, value, 0)).sum(axis=0) / total, np.nan)
        squares = (weight * np.where(known, value - mean, 0) ** 2).sum(axis=0)
        # chi^2 is in standard errors, of which a half-width has 1.96.
        reduced_chi2 = squares / np.maximum(count - 1, 1) * NORMAL**2
        mean_half = np.sqrt(np.maximum(1.0, reduced_chi2) / total)
    return Estimate.around(mean, np.where(np.isfinite(half).any(axis=0), mean_half, np.nan))


def _one_row_per_block(cells: Sequence[IntArray], parts: Sequence[FloatArray], p: int, shared: bool) -> FloatArray:
    """The blocks' values as rows, (blocks, p), NaN where a block does not have the cell; shared ones fill the row."""
    rows = np.full((len(parts), p), np.nan)
    for row, at, values in zip(rows, cells, parts, strict=True):
        if not shared:
            row[at] = values
        elif np.isfinite(values).any():
            row[:] = np.nanmean(values)
    return rows
