"""Low rises in a culture whose events are high: what is left of a drifting baseline, or the highest of much noise."""

from __future__ import annotations

import numpy as np

from calcigraph.models.events.refinement import Candidates
from calcigraph.models.events.shapes import width
from calcigraph.models.scale import mad_scale
from calcigraph.store.types import BoolArray

LOW, LONG = 0.3, 1.5
"""Times the median height and the median width of the culture's events."""
FAR = 4.0
"""Deviations of the logarithm of heights below their median at which a rise need not be long."""
CERTAIN = 10.0
"""Score from which a rise is more than drift leaves."""
TINY = 1e-9
SHARE = 0.02
"""Of the events: where more are low and long, the culture has such events, as cells do that get calcium from others."""


def drifting(events: Candidates) -> BoolArray:
    """(e,), which events are far lower than the others, and longer or out of line, and so few that no kind of event is
    lost.

    >>> rows, none = np.arange(99), np.zeros(99)
    >>> shape = np.log(np.tile([1.0, 1.0, 0.1, 4.0, 1.0], (99, 1)))
    >>> shape[0, 3] = np.log(40.0)
    >>> height, score = np.where(rows > 0, 10.0, 1.5), np.where(rows > 0, 30.0, 7.0)
    >>> np.flatnonzero(drifting(Candidates(rows, shape, shape, height, none, score))).tolist()
    [0]
    """
    if not len(events):
        return np.zeros(0, dtype=bool)
    wide = width(events.shape)
    lower = -np.log(np.maximum(events.height, TINY) / np.median(events.height))
    out = (wide > LONG * np.median(wide)) | (lower > FAR * mad_scale(lower))
    unlike = (lower > -np.log(LOW)) & out
    few = unlike.sum() <= np.ceil(SHARE * len(events))
    return np.asarray(unlike & few & (events.score < CERTAIN))
