"""Recordings whose frames are not evenly spaced: small gaps are filled, others are refused.

The weak form, the paper's differences and the networks all take frames at even distances. A recording that lost a few
frames is put back on its grid by linear interpolation, and says so among the fit's facts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calcigraph.errors import FitError
from calcigraph.store.types import FloatArray, IntArray, Subgraph

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
    place: IntArray
    """(T,), where in it each of the recording's own frames stands."""

    @property
    def filled(self) -> int:
        """Frames that were interpolated."""
        return self.subgraph.intensity.shape[1] - len(self.place)


def at_even_frames(subgraph: Subgraph) -> Evened:
    """The recording with the frames that its times show to be missing, interpolated linearly.

    Raises FitError where the frames do not lie on a grid, or too many are missing.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> whole = make_culture(SyntheticOptions(cells=16, frames=40, size_px=128)).subgraph()
    >>> kept = np.delete(np.arange(40), 7)
    >>> lossy = replace(whole, intensity=whole.intensity[:, kept], time_s=10.0 * kept)
    >>> evened = at_even_frames(lossy)
    >>> evened.filled, evened.subgraph.intensity.shape
    (1, (16, 40))
    """
    times = subgraph.time_s
    if times is None:
        return Evened(subgraph, np.arange(subgraph.intensity.shape[1]))
    steps = np.diff(times)
    usual = float(np.median(steps))
    whole = np.maximum(np.rint(steps / usual), 1)
    place = np.concatenate([[0], np.cumsum(whole)]).astype(np.int64)
    # The interval that fits all frames: a grid made of the median step would drift away from them.
    interval = float(place @ times) / float(place @ place)
    off_grid = float(np.abs(steps - whole * interval).max()) > JITTER * interval
    missing = int(place[-1]) + 1 - len(times)
    if off_grid or whole.max() - 1 > LONGEST_GAP or missing > MOST_FILLED * len(times):
        raise FitError(
            f"culture {subgraph.culture}: its frames are {steps.min():.4g} to {steps.max():.4g} s apart, and a model "
            f"needs even ones (gaps of up to {LONGEST_GAP} frames and {MOST_FILLED:.0%} of all are filled): ingest an "
            "even part (of a movie: --frames FIRST:LAST), or give --trust-interval if the times are wrong"
        )
    grid = np.arange(int(place[-1]) + 1)
    intensity: FloatArray = np.array([np.interp(grid, place, trace) for trace in subgraph.intensity])
    return Evened(replace(subgraph, intensity=intensity, frame_interval_s=interval, time_s=None), place)
