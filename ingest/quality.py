"""What may be wrong with a recording: bleaching, drift and saturation, as numbers and as sentences."""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import FloatArray

BLEACHING = 0.1
"""Relative fall of the mean from which the user is warned."""
SHIFT_PX = 1.0
"""Displacement from which the user is warned."""
SATURATED = 1e-3
"""Share of saturated pixels from which the user is warned."""


def fall(frame_means: FloatArray) -> float:
    """Relative fall of the frames' mean over the movie, negative if it rises.

    The larger of two: from the first to the last tenth of the frames, which sees a fall of any course, but reads a
    steady one too small; and along the least-squares line from the first frame to the last.

    Parameters
    ----------
    frame_means
        (T,), the mean of each frame.

    Examples
    --------
    >>> round(fall(np.linspace(100.0, 80.0, 361)), 3)
    0.2
    """
    tenth = max(1, len(frame_means) // 10)
    # The line in times from -1 to 1, whose mean is 0: its middle is the mean, and its ends lie one slope away.
    times = np.linspace(-1, 1, len(frame_means))
    middle, slope = frame_means.mean(), (times @ frame_means) / (times @ times)
    ends = ((frame_means[:tenth].mean(), frame_means[-tenth:].mean()), (middle - slope, middle + slope))
    falls = [1 - float(last) / float(first) for first, last in ends if first > 0]
    return max(falls, default=0.0)


def quality_warnings(*, bleaching: float, detrended: bool, shift_px: float, saturated: float) -> tuple[str, ...]:
    """Sentences for the user.

    Parameters
    ----------
    bleaching
        As `fall` gives it.
    detrended
        Whether the fall has been divided out.
    shift_px
        Largest displacement of a frame against the first.
    saturated
        Share of pixels at the top of the camera's range.

    Examples
    --------
    >>> quality_warnings(bleaching=0.02, detrended=False, shift_px=0.3, saturated=0.0)
    ()
    """
    found = []
    if bleaching > BLEACHING and not detrended:
        found.append(
            f"bleaching: the mean brightness falls by {bleaching:.1%} in the course of the movie; "
            "--detrend global divides it out"
        )
    if shift_px > SHIFT_PX:
        found.append(
            f"shift: frames are displaced by up to {shift_px:.1f} px against the first; register the movie first"
        )
    if saturated > SATURATED:
        found.append(
            f"saturation: {saturated:.2%} of the pixels are at the top of the camera's range; "
            "their brightness is not known"
        )
    return tuple(found)
