"""Recordings whose frames are not evenly spaced: small gaps are filled, others are refused.

The weak form, the paper's differences and the networks all take frames at even distances. A recording that lost a few
frames is put back on its grid by linear interpolation, and says so among the fit's facts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calcigraph.errors import FitError
from calcigraph.store.types import FloatArray, Subgraph

JITTER = 0.05
"""Of a frame interval: how far a frame may lie from its place on the grid."""
LONGEST_GAP = 3
"""Frames missing in a row, at most."""
MOST_FILLED = 0.1
"""Share of the frames that may be filled in."""


@dataclass(frozen=True)
class Evened:
    """A recording at even frames."""

    subgraph: Subgraph
    filled: int
    """Frames that were interpolated."""


def at_even_frames(subgraph: Subgraph) -> Evened:
    """The recording with the frames that its times show to be missing, interpolated linearly.

    Raises FitError where the frames do not lie on a grid, or too many are missing.
    """
    times = subgraph.time_s
    if times is None:
        return Evened(subgraph, 0)
    steps = np.diff(times)
    usual = float(np.median(steps))
    whole = np.maximum(np.rint(steps / usual), 1)
    place = np.concatenate([[0], np.cumsum(whole)])
    # The interval that fits all frames: a grid made of the median would drift away.
    interval = float(place @ times) / float(place @ place)
    off = float(np.abs(times - place * interval).max()) / interval
    missing = int(whole.sum()) - len(steps)
    if (
        off > JITTER * max(1.0, len(steps) ** 0.5 / 10)
        or whole.max() - 1 > LONGEST_GAP
        or missing > MOST_FILLED * len(times)
    ):
        raise FitError(
            f"culture {subgraph.culture}: its frames are {steps.min():.4g} to {steps.max():.4g} s apart, and a model needs "
            f"even ones (gaps of up to {LONGEST_GAP} frames and {MOST_FILLED:.0%} of all are filled): ingest an even "
            "part with --frames FIRST:LAST, or give --trust-interval if the times are wrong"
        )
    grid = np.arange(int(place[-1]) + 1)
    intensity: FloatArray = np.array([np.interp(grid, place, trace) for trace in subgraph.intensity])
    even = replace(subgraph, intensity=intensity, frame_interval_s=interval, time_s=None)
    return Evened(even, missing)
