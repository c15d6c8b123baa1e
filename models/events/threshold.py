"""The classic way: an event is a run of frames that are all higher than the baseline by so many noise deviations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.events.shapes import Reals
from calcigraph.store.types import FloatArray, IntArray

LEAST_SHARE = 1e-9


@dataclass(frozen=True)
class Runs:
    """Runs of frames above a threshold, each (e,), sorted by cell and start. Times are in frames."""

    cell: IntArray
    first: IntArray
    last: IntArray
    onset: FloatArray
    """Where a straight line between frames passes the threshold."""
    half: FloatArray
    """Where it passes half of the height, before the peak."""
    peak: IntArray
    end: FloatArray
    """Where it falls below the threshold."""
    rise: FloatArray
    """From 10 to 90 % of the height, as far as the trace before the run shows it."""
    decay: FloatArray
    """From the peak to 1 / e of it; NaN where the trace does not fall so low before the next run."""
    height: FloatArray
    """In deviations of a frame's noise."""
    area: FloatArray
    """Height times frames, over the run."""


def runs_above(rest: Reals, threshold: float) -> Runs:
    """Runs of frames in which traces in units of their noise, (n, T), are above a threshold."""
    cells, frames = rest.shape
    above = np.zeros((cells, frames + 2), dtype=np.int8)
    above[:, 1:-1] = rest > threshold
    edge = np.diff(above, axis=1)
    cell, first = np.nonzero(edge == 1)
    last = np.nonzero(edge == -1)[1] - 1
    table = [
        _measured(rest[c], a, b, threshold)
        for c, a, b in zip(cell.tolist(), first.tolist(), last.tolist(), strict=True)
    ]
    columns = np.array(table, dtype=float).reshape(-1, 8).T
    onset, half, peak, end, rise, decay, height, area = columns
    return Runs(
        cell=cell.astype(np.int64),
        first=first.astype(np.int64),
        last=last.astype(np.int64),
        onset=onset,
        half=half,
        peak=peak.astype(np.int64),
        end=end,
        rise=rise,
        decay=decay,
        height=height,
        area=area,
    )


def _measured(trace: Reals, first: int, last: int, threshold: float) -> tuple[float, ...]:
    peak = first + int(trace[first : last + 1].argmax())
    height = float(trace[peak])
    passed = {share: _before(trace, peak, share * height) for share in (0.1, 0.5, 0.9)}
    onset = _before(trace, first, threshold)
    end = _after(trace, last, threshold)
    fallen = _after(trace, peak, height * float(np.exp(-1)))
    area = float(trace[first : last + 1].sum())
    return onset, passed[0.5], peak, end, passed[0.9] - passed[0.1], fallen - peak, height, area


def _before(trace: Reals, frame: int, level: float) -> float:
    """Where the trace last passed a level upward before a frame; the first frame if it never did."""
    low = np.flatnonzero(trace[:frame] <= level)
    if not len(low):
        return 0.0
    at = int(low[-1])
    return float(at + (level - trace[at]) / max(trace[at + 1] - trace[at], LEAST_SHARE))


def _after(trace: Reals, frame: int, level: float) -> float:
    """Where the trace first passes a level downward after a frame; NaN if it never does."""
    low = np.flatnonzero(trace[frame + 1 :] <= level)
    if not len(low):
        return float("nan")
    at = frame + 1 + int(low[0])
    return float(at - (level - trace[at]) / max(trace[at - 1] - trace[at], LEAST_SHARE))
