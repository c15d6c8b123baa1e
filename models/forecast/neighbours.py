"""What a cell is told by its neighbours: their values and rises, and what is due where these rises are a wave."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.signal import lfilter

from calcigraph.models.forecast.past import (
    BEYOND_NOISE,
    ONSET_FRAMES,
    WHOLE_RISE,
    Past,
    before,
    onsets,
    own_events,
    step_up,
)
from calcigraph.store.types import FloatArray, IntArray

AHEAD = 2
"""Frames: the horizon at which contacts are judged."""
VALUES, RISES = 4, ((0, 1), (1, 1), (2, 1), (0, 2), (2, 2))
"""How many values a cell shows, and the rises: how many frames ago, and frames of the means before and after."""
KINDS = (slice(0, 3), slice(3, 5))
"""Of the rises: of single frames, and of means of two."""
DUE = 4 + 2
"""How many numbers tell what is due, and whether a rise was."""
TOLD = VALUES + 2 * len(RISES) + len(KINDS) + 2 + 3 + DUE
"""How many numbers a cell is told: of its neighbours, of the rises of those beyond, of both together, and of these what
it means to a cell that rises itself, and to one that has long been quiet; what is due, and whether a rise was."""
QUIET = 0.5
"""Deviations above the level below which a cell is quiet."""
RECOVERED = 60.0
"""Frames since its last own event after which a cell counts as wholly recovered."""
LONGEST_DELAY = 6
"""Frames that a rise takes from one cell to the next, at most."""
MEMORY, BEFORE_ANY = 6, 0.3
"""Frames in which delays of the present wave are forgotten, and the weight of those of all before, as that of so many
whole rises."""
SELDOM, DUE_WEIGHT, MOST_LIKELY = 0.01, 0.5, 0.9
"""How likely a rise is in a frame where none is due, how much more where one is, and the most it is."""
LEAST_NOISE, LOWEST, HIGHEST = 0.05, -3.0, 6.0
"""Deviations of noise that are added to the cell's, and the range of the logarithm of the likelihood of a step."""
Real = npt.NDArray[np.floating[Any]]
Rings = tuple[sparse.csr_array, sparse.csr_array]
"""Means over cells in contact, and over cells in contact with these."""


def told_by(past: Past, pairs: IntArray) -> FloatArray:
    """(n, T, TOLD), what each cell is told by its neighbours.

    Parameters
    ----------
    past
        The culture's traces.
    pairs
        (m, 2), contacts.
    """
    rings = neighbourhoods(pairs, len(past.values))
    return np.asarray(np.moveaxis(told(shown(past), own_state(past), rings), 1, 2), dtype=np.float64)


def averaging(pairs: IntArray, count: int) -> sparse.csr_array:
    """(n, n), takes the mean over each cell's neighbours; 0 for a cell that has none.

    >>> averaging(np.array([[0, 1], [1, 2]]), 3).toarray().tolist()
    [[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]
    """
    one, two = np.concatenate([pairs, pairs[:, ::-1]]).T
    neighbours = np.bincount(one, minlength=count)
    return sparse.csr_array((1 / neighbours[one], (one, two)), shape=(count, count))


def neighbourhoods(pairs: IntArray, count: int) -> Rings:
    """(n, n) twice: the mean over each cell's neighbours, and over their neighbours that are not among them.

    >>> neighbourhoods(np.array([[0, 1], [1, 2]]), 3)[1].toarray().tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    near = averaging(pairs, count)
    one, two = near.nonzero()
    touching = sparse.csr_array((np.ones(len(one), np.int64), (one, two)), shape=near.shape)
    ways = (touching @ touching).tocoo()
    further = np.asarray(touching[ways.row, ways.col]).ravel() == 0
    further &= ways.row != ways.col
    one, two = ways.row[further], ways.col[further]
    number = np.bincount(one, minlength=count)
    return near, sparse.csr_array((1 / number[one], (one, two)), shape=near.shape)


def told(shown: Real, own: Real, rings: Rings) -> Real:
    """(m, TOLD, T), what m cells are told by their neighbours, and by these cells' neighbours.

    A rise tells most to a cell that is quiet, and has been for long: one that is lit has had its part of the wave. It
    also tells whether a small rise of the cell itself is more than noise. Where both neighbours and cells beyond rise,
    a wave may come; a neighbour that rises alone may have an event of its own. So the geometric mean of both is told.

    Parameters
    ----------
    shown
        (n, VALUES + len(RISES) + 1, T), what all cells show.
    own
        (m, 5, T), the state of the cells that are told.
    rings
        (m, n) each.
    """
    near, beyond = (
        (ring @ part.reshape(len(part), -1)).reshape(ring.shape[0], *part.shape[1:])
        for ring, part in zip(rings, (shown, shown[:, VALUES:]), strict=True)
    )
    values, risen, begun = near[:, :VALUES], near[:, VALUES:-1], (near[:, -1], beyond[:, -1])
    beyond = beyond[:, :-1]
    single = risen[:, KINDS[0]].sum(axis=1)
    both = [np.sqrt(risen[:, kind].sum(axis=1) * beyond[:, kind].sum(axis=1)) for kind in KINDS]
    together = np.stack([single, *both], axis=1)
    quiet, rises, recovered = (own[:, [at]] for at in range(3))
    arriving = np.stack([due(own[:, 3], each) for each in begun], axis=1)
    meant = _was_due(own[:, 4], arriving.mean(axis=1))
    parts = [values, quiet * risen, quiet * beyond, quiet * together[:, 1:], rises * together[:, :2]]
    parts += [recovered * together, quiet * arriving, recovered * arriving, np.stack([meant, before(meant, 1)], axis=1)]
    return np.asarray(np.concatenate(parts, axis=1))


def due(begins: Real, beside: Real) -> Real:
    """(m, T), the rises beside each cell that will reach it within AHEAD frames.

    A rise that a cell's neighbours began some frames ago comes with the delays that rises took from neighbours to
    cells in the last MEMORY frames, so with the speed of the present wave; those of all frames before count little.

    Parameters
    ----------
    begins
        (m, T), where the cells themselves begin to rise.
    beside
        (m, T), the mean of their neighbours.

    Examples
    --------
    >>> begins = np.eye(5)[1:]  # each cell begins a frame after the one before it
    >>> beside = np.concatenate([np.zeros((1, 5)), begins[:-1]])
    >>> due(begins, beside).round(2)[3, :4].tolist()  # in frame 3 the cell before it has begun
    [0.0, 0.0, 0.0, 1.0]
    """
    ago = [before(beside, lag) for lag in range(LONGEST_DELAY + 1)]
    took = np.stack([(begins * each).sum(axis=0, dtype=np.float64) for each in ago[1:]])
    always = np.cumsum(took, axis=1) + 1e-3
    delays = lfilter([1.0], [1.0, 1 / MEMORY - 1], took, axis=1) + BEFORE_ANY * always / always.sum(axis=0)
    left = np.cumsum(delays[::-1], axis=0)[::-1]
    shares = [delays[lag : lag + AHEAD].sum(axis=0) / left[lag] for lag in range(LONGEST_DELAY + 1 - AHEAD)]
    return np.asarray(sum(each * share.astype(each.dtype) for each, share in zip(ago, shares, strict=False)))


def _was_due(likelihood: Real, arriving: Real) -> Real:
    """(m, T), how much likelier a step up is a rise because one was due."""
    prior = np.minimum(SELDOM + DUE_WEIGHT * before(arriving, 1), MOST_LIKELY)
    ratio = np.exp(likelihood)
    return np.asarray(prior * ratio / (prior * ratio + 1 - prior) - SELDOM * ratio / (SELDOM * ratio + 1 - SELDOM))


def shown(past: Past) -> FloatArray:
    """(n, VALUES + len(RISES) + 1, T), what a cell shows to others: its value, now and before, how it rose, and onsets.

    A rise is a step, of a frame or of a mean of two, beyond 2 deviations of its noise, and up to WHOLE_RISE.
    """
    now = past.relative
    values = [now, before(now, 1), np.maximum(now - 0.5, 0), np.maximum(before(now, 3) - 0.5, 0)]
    return np.stack([*values, *(_rise(past, lag, frames) for lag, frames in RISES), onsets(now, past.noise)], axis=1)


def _rise(past: Past, lag: int, frames: int) -> FloatArray:
    after, earlier = (
        np.mean([before(past.relative, first + at) for at in range(frames)], axis=0) for first in (lag, lag + frames)
    )
    return np.asarray(np.clip(after - earlier - BEYOND_NOISE * np.sqrt(2 / frames) * past.noise, 0, WHOLE_RISE))


def own_state(past: Past) -> FloatArray:
    """(n, 5, T), the state of a cell: quiet, step up, recovered, onset, likelihood.

    From 0 to 1: that it is near its level, over two frames; its step up; how recovered it is. Then its onsets, and the
    logarithm of how much likelier its step is of a rise, of the height that fits best, than of noise.
    """
    now = past.relative
    quiet = now + before(now, 1) < 2 * QUIET
    step = np.clip(now - before(now, 1), 0, WHOLE_RISE)
    recovered = quiet * np.minimum(own_events(now)[0] / RECOVERED, 1)
    above = step_up(now) / (np.sqrt(1 + 1 / ONSET_FRAMES) * past.noise + LEAST_NOISE)
    likelihood = np.clip(np.sign(above) * above**2 / 2 - 1, LOWEST, HIGHEST)
    return np.stack([quiet.astype(np.float64), step, recovered, onsets(now, past.noise), likelihood], axis=1)
