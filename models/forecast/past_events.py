"""What the events of a culture tell of when its cells light up next: how often they did, and how long ago.

Only events that have ended count: whether one has begun is decided by frames after it.
"""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray

PRIOR_FRAMES = 100.0
"""Frames at the rate of all cells that each cell's own rate begins with."""
LONGEST_SINCE = 200
"""Frames."""
RECENT = 20
"""Frames in which the events of the whole culture are counted."""
FADING = (10, 40)
"""Frames in which what an event leaves fades."""
COUNT = 4 + len(FADING)
"""Features of a frame."""


def history(resting: BoolArray) -> FloatArray:
    """(n, T, COUNT), features of the events that had ended at each frame.

    Logarithms of the cell's own rate and of that of all, the time since its last event, and the recent events of the
    culture.

    Parameters
    ----------
    resting
        (n, T), no event is between the middle of its rise and its end.

    Examples
    --------
    >>> found = history(np.array([[True, False, True, True]]))
    >>> np.round(np.expm1(found[0, :, 2])).astype(int).tolist()  # frames since the event
    [200, 200, 0, 1]
    """
    count, frames = resting.shape
    ended = np.zeros((count, frames))
    ended[:, 1:] = resting[:, 1:] & ~resting[:, :-1]
    number, frame = np.cumsum(ended, axis=1), np.arange(frames)
    # Before the first event of the culture a rate is not 0: as if there had been a tenth of one in 20 frames a cell.
    pooled = (number.mean(axis=0) + 0.1) / (frame + 21)
    own = (number + PRIOR_FRAMES * pooled) / (frame + 1 + PRIOR_FRAMES)
    last = np.maximum.accumulate(np.where(ended > 0, frame, -LONGEST_SINCE), axis=1)
    since = np.minimum(frame - last, float(LONGEST_SINCE))
    recent = np.convolve(ended.mean(axis=0), np.full(RECENT, 1 / RECENT))[:frames]
    together = [np.broadcast_to(each, own.shape) for each in (np.log(pooled), recent)]
    return np.stack([np.log(own), together[0], np.log1p(since), *(np.exp(-since / f) for f in FADING), together[1]], -1)
