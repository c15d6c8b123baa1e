"""Means over a frame of curves that are sampled at the ends of frames."""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import FloatArray

RULE = np.array([-1.0, 13.0, 13.0, -1.0]) / 24
"""Weights of four successive samples in the mean over the frame between the middle two; exact for cubics."""


def frame_means(values: FloatArray) -> FloatArray:
    """Mean over each frame of curves, from their samples.

    The mean over the frame between x_m and x_(m+1) is (-x_(m-1) + 13 x_m + 13 x_(m+1) - x_(m+2)) / 24. That is the
    mean of the cubic through the four samples. The first and the last frame lack the fourth sample: they get the
    trapezoid, (x_m + x_(m+1)) / 2.

    Parameters
    ----------
    values
        Samples, (p, T).

    Returns
    -------
    FloatArray
        Means, (p, T - 1), in the unit of the samples.

    Examples
    --------
    >>> time = np.arange(5.0)
    >>> frame_means(time[None] ** 3)  # of t^3 from 1 to 2 it is 15 / 4, from 2 to 3 it is 65 / 4
    array([[ 0.5 ,  3.75, 16.25, 45.5 ]])
    """
    means: FloatArray = 0.5 * (values[:, 1:] + values[:, :-1])
    left, right = values[:, 1:-2], values[:, 2:-1]
    middle = 13 * (left + right) - values[:, :-3] - values[:, 3:]
    means[:, 1:-1] = middle / 24
    return means
