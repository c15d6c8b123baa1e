"""What is told of each event: its times with their standard errors, height, length, and how well its shape fits."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np

from calcigraph.models.events.grouping import WORKERS, groups
from calcigraph.models.events.refinement import WEIGHT, Candidates, Expected, extent, model, windows
from calcigraph.models.events.shapes import RISE, Landmarks, Reals, derivatives, heights, landmarks, reach, rises

CELLS = 500
"""Cells whose events are measured together."""
NUDGE = 0.05
"""Frames, or logarithm of a length, by which a shape is changed to see how far its landmarks move."""
POINTS = 200
"""Of a shape, over which its area is summed."""
EXPOSURE = 0.29
"""Deviation of a time that is anywhere in a frame: what a rise within one frame leaves open."""
SHARP = 0.05
"""Shortest width of a rise, frames."""
TRUST = 0.15
"""Weight of the prior in the errors: it stands around a template that was itself chosen from the noisy trace."""
WEAK = 5.0
"""Score at which errors are 1.4 times those of a linear fit: a weak event may be fitted at a wrong place."""
OUTSIDE = np.array([0.06, 0.05])
"""Share of the rise time by which onset and half rise are off because no shape is exactly right."""


Part = TypeVar("Part")


@dataclass(frozen=True)
class Measured:
    """Landmarks of fitted events, in frames, each (e,)."""

    marks: Landmarks
    height: Reals
    """The peak, or the highest value that was recorded of it."""
    area: Reals
    """Height times frames, within the recording."""
    onset_se: Reals
    half_se: Reals
    quality: Reals


def measured(rest: Reals, events: Candidates, expected: Expected) -> Measured:
    """Landmarks, standard errors and quality of events, given traces in units of their noise, (n, T)."""

    def one(rows: slice) -> Measured:
        low, high = np.searchsorted(events.cell, [rows.start, rows.stop])
        mine = events.chosen(np.arange(low, high))
        mine = replace(mine, cell=mine.cell - rows.start)
        return _measured(rest[rows], mine, replace(expected, ratio=expected.ratio[rows]))

    with ThreadPoolExecutor(WORKERS) as pool:
        return _together(list(pool.map(one, groups(len(rest), CELLS))))


def _together(parts: Sequence[Part]) -> Part:
    """Measures or landmarks of several groups of events, one after another."""
    columns: dict[str, Any] = {}
    for item in fields(cast(Any, parts[0])):
        column = [getattr(part, item.name) for part in parts]
        columns[item.name] = _together(column) if is_dataclass(column[0]) else np.concatenate(column)
    return type(parts[0])(**columns)


def _measured(rest: Reals, events: Candidates, expected: Expected) -> Measured:
    marks = landmarks(sharpened(events.shape))
    error = np.sqrt(_fit_variance(rest.shape[1], events, expected, marks))
    rise = marks.ninety - marks.onset
    # A rise within a frame leaves open where in the frame it was: the light of a frame may be gathered at any moment.
    within = EXPOSURE * np.exp(-0.5 * rise[:, None] ** 2)
    error = error * np.sqrt(1 + (WEAK / np.maximum(events.score, 1.0)) ** 2)[:, None]
    error = np.sqrt(error**2 + within**2 + (OUTSIDE * rise[:, None]) ** 2)
    last = rest.shape[1] - 1.0
    return Measured(
        marks=marks,
        height=_recorded_height(events, marks, last),
        area=_recorded_area(events, last),
        onset_se=error[:, 0],
        half_se=error[:, 1],
        quality=_quality(rest, events),
    )


def _recorded_height(events: Candidates, marks: Landmarks, last: float) -> Reals:
    """(e,), what a shape would reach before or after the recording is not told: nothing was seen of it."""
    seen = np.clip(marks.peak, 0.0, last)
    value = heights(events.shape, seen[:, None])[:, 0]
    return np.asarray(events.height * np.where(seen == marks.peak, marks.height, value))


def _recorded_area(events: Candidates, last: float) -> Reals:
    first, end = (np.clip(limit, 0.0, last) for limit in reach(events.shape))
    share = np.linspace(0, 1, POINTS)
    value = heights(events.shape, (first[:, None] + (end - first)[:, None] * share).astype(np.float32))
    return np.asarray(events.height * (end - first) * (value[:, 1:] + value[:, :-1]).mean(axis=1) / 2)


def sharpened(shape: Reals) -> Reals:
    """Shapes without what a frame's length adds to the width of their rise."""
    sharp = shape.copy()
    sharp[:, RISE] = 0.5 * np.log(np.maximum(np.exp(2 * shape[:, RISE]) - EXPOSURE**2, SHARP**2))
    return sharp


def _fit_variance(frames: int, events: Candidates, expected: Expected, marks: Landmarks) -> Reals:
    """(e, 2), variance of onset and half rise from the noise.

    With the rows J of derivatives, the prior's precision W and noise of ratio c at the width of each row, the variance
    of the parameters is H^-1 (C J J' C + W) H^-1, H = J J' + W: what noise of that colour does to a least-squares fit.
    """
    variance = np.zeros((len(events), 2))
    moves = _moves(events, marks)
    for window in windows(*extent(events.shape), frames):
        at = window.rows
        rows = derivatives(events.shape[at], window.frame)
        rows[:, 1:] *= events.height[at, None, None].astype(np.float32)
        rows *= window.good[:, None]
        product = (rows @ rows.transpose(0, 2, 1)).astype(float)
        prior = np.eye(6) * WEIGHT * TRUST
        spread = np.abs(rows).sum(axis=2) ** 2 / np.maximum((rows**2).sum(axis=2), 1e-9)
        ratio = np.stack([expected.noise(events.cell[at], spread[:, row]) for row in range(6)], axis=1)
        noise = ratio[:, :, None] * product * ratio[:, None, :] + prior
        inverse = np.linalg.inv(product + prior)
        covariance = inverse @ noise @ inverse
        variance[at] = np.einsum("epm,epq,eqm->em", moves[at], covariance, moves[at])
    return np.maximum(variance, 0.0)


def _moves(events: Candidates, marks: Landmarks) -> Reals:
    """(e, 6, 2), how far onset and half rise move with height and shape."""
    moves = np.zeros((len(events), 6, 2))
    moves[:, 1] = 1.0
    for column in range(1, 5):
        changed = events.shape.copy()
        changed[:, column] += NUDGE
        onset, half = rises(sharpened(changed))
        moves[:, column + 1] = np.stack([onset - marks.onset, half - marks.half], axis=1) / NUDGE
    return moves


def _quality(rest: Reals, events: Candidates) -> Reals:
    """(e,), share of the variance around each event that the fitted events explain, 0 to 1."""
    cells, frames = rest.shape
    left = rest - model(events, cells, frames)
    quality = np.zeros(len(events))
    for window in windows(*extent(events.shape), frames):
        at = window.rows
        count = np.maximum(window.good.sum(axis=1), 1)
        trace = rest[events.cell[at, None], window.place] * window.good
        middle = trace.sum(axis=1) / count
        whole = ((trace - middle[:, None]) ** 2 * window.good).sum(axis=1)
        missed = ((left[events.cell[at, None], window.place] * window.good) ** 2).sum(axis=1)
        quality[at] = 1 - missed / np.maximum(whole, 1e-12)
    return np.clip(quality, 0.0, 1.0)
