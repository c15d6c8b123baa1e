"""What may be wrong with a recording: bleaching, drift and saturation, as numbers and as sentences."""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import FloatArray

BLEACHING = 0.1
"""Relative fall of the mean from which the user is warned."""
SHIFT_PX = 1.0
"""Displacement from which the user is warned."""
SMALL = 1.0
"""The brightest pixels, below which log(x + 1) is too far from log x."""
FLAT = 0.2
"""Range of the pixels over the darkest of them, below which a constant was probably added."""
SATURATED = 1e-3
"""Share of saturated pixels from which the user is warned."""


MOST_INTERLEAVED = 6
"""Channels or z-planes of a stack in which they may follow each other as frames."""
APART, EXPLAINED = 0.05, 0.95
"""How far the brightness of frames that are one such number apart may spread, and the share of its changes that a
regular order explains, from which frames are taken for those of several channels."""


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


def pixel_doubts(*, low: float, high: float) -> tuple[str, ...]:
    """What speaks against movies for whose pixels log(x + 1), eq. 23, is no logarithm.

    Coupling is that of log brightness. Where pixels are small numbers, log(x + 1) is nearly x; where a constant was
    added to all of them, it is nearly x too.

    Parameters
    ----------
    low, high
        Values of the darkest and of the brightest pixels.

    Examples
    --------
    >>> pixel_doubts(low=400.0, high=2600.0)
    ()
    >>> pixel_doubts(low=0.006, high=0.04)[0][:38]
    'pixels: they run from 0.006 to 0.04, w'
    """
    if high < SMALL:
        return (
            f"pixels: they run from {low:.3g} to {high:.3g}, where log(x + 1) is no logarithm, so that coupling is "
            "off: ingest with --scale and the number that they were divided by, such as 65535",
        )
    if low > 0 and high - low < FLAT * low:
        return (
            f"pixels: they run from {low:.6g} to {high:.6g}; if a constant was added to all of them, log(x + 1) is no "
            "logarithm of the brightness, so that coupling is off: ingest with --background and that constant",
        )
    return ()


def frame_doubts(frame_means: FloatArray) -> tuple[str, ...]:
    """What speaks against frames whose brightness repeats every few frames: they are of several channels or z-planes.

    Parameters
    ----------
    frame_means
        (T,), the mean of each frame.

    Examples
    --------
    >>> slow = 1 + 0.2 * np.cos(np.arange(60) * np.pi / 30)
    >>> frame_doubts(900 * slow)
    ()
    >>> frame_doubts(np.tile([900.0, 300.0, 120.0], 20))[0][:70]
    'frames: their brightness repeats every 3 frames (900, 300, 120), as of'
    """
    for period in range(2, MOST_INTERLEAVED + 1):
        if len(frame_means) < 5 * period:
            break
        smooth = np.convolve(frame_means, np.full(period, 1 / period), mode="valid")
        middle = frame_means[(period - 1) // 2 :][: len(smooth)] / np.maximum(smooth, 1e-12)
        phase = (np.arange(len(smooth)) + (period - 1) // 2) % period
        level = np.array([np.median(middle[phase == each]) for each in range(period)])
        left = float(np.sum((middle - level[phase]) ** 2) / max(np.sum((middle - middle.mean()) ** 2), 1e-300))
        if np.ptp(level) > APART and left < 1 - EXPLAINED:
            shown = ", ".join(f"{value:.3g}" for value in level * frame_means.mean())
            return (
                f"frames: their brightness repeats every {period} frames ({shown}), as of a stack in which channels or "
                "z-planes follow each other: save one of them, or name the axes (in ImageJ, Stack to Hyperstack)",
            )
    return ()


def quality_warnings(
    *, bleaching: float, detrended: bool, shift_px: float, saturated: float, repeated: int, frames: int
) -> tuple[str, ...]:
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
    repeated, frames
        How many frames are copies of the one before, and how many there are.

    Examples
    --------
    >>> quality_warnings(bleaching=0.02, detrended=False, shift_px=0.3, saturated=0.0, repeated=0, frames=361)
    ()
    """
    found = []
    if bleaching > BLEACHING and not detrended:
        found.append(
            f"bleaching: the mean brightness falls by {bleaching:.1%} in the course of the movie; "
            "--detrend global takes it out of the traces"
        )
    if shift_px > SHIFT_PX:
        found.append(
            f"shift: frames are displaced by up to {shift_px:.1f} px against the first; --register shift takes that out"
        )
    if saturated > SATURATED:
        found.append(
            f"saturation: {saturated:.2%} of the pixels are at the top of the camera's range; "
            "their brightness is not known"
        )
    if repeated:
        found.append(
            f"repeats: {repeated} of {frames} frames are copies of the one before, which no model expects; "
            "--drop-repeats leaves them out"
        )
    return tuple(found)
