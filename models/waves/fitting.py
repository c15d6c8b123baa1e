"""Lines fitted to events among which are others that have nothing to do with them: their share may be large.

Events of cells' own come at a known rate, lambda, at any time. So an event that is r late has the likelihood

    lambda + N(r; 0, s^2)

and an event far from the front costs nothing. Deviation and line are found together (EM) from many starts. A median of
deviations breaks as soon as half of the events are others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.store.types import FloatArray

STEPS = 10
CLOSE = 1e-3
"""Change of a deviation, relative, at which the steps end."""
UNEVEN = 0.25
"""Largest deviation of a front, in times that it takes from cell to cell."""
RIDGE = 1e-9
ROOT = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True)
class Clutter:
    """What is known of events, whatever they belong to."""

    rate: float
    """Events a second of a cell."""
    least: float
    """Median standard error of a time: the smallest deviation that is believed, s."""
    lag: float
    """The longest time from cell to cell, s."""
    spacing: float
    """Median distance of contacts, px."""

    def likely(self, late: FloatArray, scale: FloatArray | float) -> FloatArray:
        """How much likelier an event so late is one of the front than one of the cell's own."""
        return np.asarray(np.exp(-0.5 * (late / scale) ** 2) / (ROOT * scale * self.rate))

    def gain(self, late: FloatArray, scale: FloatArray | float) -> FloatArray:
        """(k,), log of the likelihood beyond that of own events alone, over the last axis."""
        return np.asarray(np.log1p(self.likely(late, scale)).sum(axis=-1))

    def limit(self, scale: float, low: float, high: float) -> float:
        """Deviations from which an event is likelier one of the cell's own."""
        return float(np.clip(np.sqrt(2 * max(-np.log(ROOT * scale * self.rate), 0.0)), low, high))


def fitted(
    clutter: Clutter, design: FloatArray, time: FloatArray, scale: FloatArray, coefficient: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Polish k lines.

    Parameters
    ----------
    clutter
        What other events there are.
    design
        (k, e, p), the first column a constant, the others in px.
    time
        (e,)
    scale, coefficient
        (k,) and (k, p), where each line starts.

    Returns
    -------
    coefficient, scale, gain
        (k, p); (k,), the deviation of the events that belong to each line; (k,), its log likelihood.
    """
    size = np.sqrt((design**2).mean(axis=1)) + 1e-12
    for _ in range(STEPS):
        late = time - np.einsum("kep,kp->ke", design, coefficient)
        likely = clutter.likely(late, scale[:, None])
        weight = likely / (1 + likely) + 1e-9
        even = design / size[:, None, :]
        weighted = even * weight[:, :, None]
        matrix = np.einsum("kep,keq->kpq", weighted, even)
        matrix += RIDGE * np.einsum("kpp->k", matrix)[:, None, None] * np.eye(design.shape[2])
        right = np.einsum("kep,e->kp", weighted, time)
        coefficient = np.linalg.solve(matrix, right[:, :, None])[:, :, 0] / size
        late = time - np.einsum("kep,kp->ke", design, coefficient)
        before, scale = scale, np.sqrt((weight * late**2).sum(axis=1) / weight.sum(axis=1))
        scale = np.clip(scale, clutter.least, _ceiling(clutter, coefficient))
        if np.all(np.abs(scale - before) <= CLOSE * before):
            break
    late = time - np.einsum("kep,kp->ke", design, coefficient)
    return coefficient, scale, clutter.gain(late, scale[:, None])


def _ceiling(clutter: Clutter, coefficient: FloatArray) -> FloatArray:
    """A front's events deviate from it by a share of its time from cell to cell; those of a flat one by a quarter of
    the longest such time."""
    if coefficient.shape[1] == 1:
        return np.full(len(coefficient), max(clutter.lag / 4, clutter.least))
    steep = np.sqrt((coefficient[:, 1:] ** 2).sum(axis=1))
    return np.asarray(np.hypot(UNEVEN * steep * clutter.spacing, clutter.least))
