"""What excites a synthetic culture: spikes of several shapes, waves, and the processes of the border cells.

A spike is an influx of calcium into the cell, in intensity per second, of which the consensus model knows nothing.
With s the seconds since it starts, w = `spike_s` and tau = `spike_decay_s`:

    square     1 while s < w
    decay      1 while s < w, then exp(-(s - w) / tau): release that dies away
    extrusion  1 while s < w, then -(w / tau) exp(-(s - w) / tau): pumps remove what the spike brought
    gaussian   exp(-2 (s - 3w/2)^2 / w^2) while s < 3 w: a slow rise and fall, standard deviation w / 2

all times a factor that makes the integral of the influx (without extrusion) the spike's height.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.synthetic.grid import step_s
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store.types import FloatArray, IntArray

LEVEL = 0.5
"""Log intensity at which traces start; a movie's `brightness` is that of a cell at this intensity."""
BORDER_TIME_S = 60.0
"""Time constant, in s, with which a border cell follows its slow process."""
DECAY_TIMES = 8
"""Time constants after which the decay of a spike is cut off, at 0.03 % of its start."""

DRIFT_DEVIATION, DRIFT_S = 0.1, 150.0
"""A border cell's slow noise: its standard deviation, and the width of its window in s."""
TRANSIENT_EVERY_S = 600
"""Seconds for which a border cell has one slow transient."""
TRANSIENT_WIDTH_S, TRANSIENT_HEIGHT = (30, 90), (0.1, 0.4)
"""Ranges of its standard deviation in s, and of its height."""


def spike_points(options: SyntheticOptions) -> int:
    """Points that a spike of `spike_s` lasts, at least one."""
    return max(1, round(options.spike_s / step_s(options)))


def spike_shape(options: SyntheticOptions) -> tuple[FloatArray, float]:
    """The influx of a spike without its factor.

    Returns
    -------
    shape
        (points,), the influx at each point from the spike's start, 1 at most.
    seconds
        The integral of the shape without extrusion, in s: height / seconds is the factor.

    Examples
    --------
    >>> shape, seconds = spike_shape(SyntheticOptions(spike_s=20.0, frame_interval_s=10.0))
    >>> shape.tolist(), seconds
    ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 20.0)
    """
    step = step_s(options)
    width = spike_points(options)
    shape = np.ones(width)
    if options.spike_shape == "gaussian":
        # In units of the width, at the middle between points.
        time = (np.arange(3 * width) + 0.5) / width
        shape = np.exp(-2 * (time - 1.5) ** 2)
    if options.spike_shape in ("square", "gaussian"):
        return shape, step * float(shape.sum())
    points = max(1, round(DECAY_TIMES * options.spike_decay_s / step))
    decay = np.exp(-(np.arange(points) + 0.5) * step / options.spike_decay_s)
    if options.spike_shape == "decay":
        return np.concatenate([shape, decay]), step * float(width + decay.sum())
    # Extrusion: normalised at the points, so that it removes exactly what the spike brought.
    return np.concatenate([shape, -decay * (width / decay.sum())]), step * width


def spike_influx(options: SyntheticOptions, starts: IntArray, heights: FloatArray, points: int) -> FloatArray:
    """The influx of spikes into n cells at every point of the recording.

    Parameters
    ----------
    options
        The spikes' shape and the frame interval.
    starts
        (n, spikes), the point at which each spike starts.
    heights
        (n, spikes), in intensity.
    points
        Points of the recording. What a spike brings after the last one is not recorded.

    Returns
    -------
    array
        (n, points), intensity per second.
    """
    influx = np.zeros((len(starts), points))
    shape, seconds = spike_shape(options)
    rate = heights / seconds
    row = np.broadcast_to(np.arange(len(starts))[:, None], starts.shape)
    for offset, value in enumerate(shape[:points].tolist()):
        inside = starts + offset < points
        # np.add.at, because two spikes of a cell may meet in the same point.
        np.add.at(influx, (row[inside], starts[inside] + offset), rate[inside] * value)
    return influx


def wave_arrivals(
    options: SyntheticOptions, x_px: FloatArray, y_px: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """When the front of each wave passes each cell.

    A front is a straight line that moves along (cos, sin) of its angle (y down) at `wave_speed`. A wave enters at a
    random time that lets it cross before the recording ends or, if there is no such time, at the start.

    Parameters
    ----------
    options
        Number and speed of the waves, and the length of the recording.
    x_px, y_px
        (n,), centroids of the cells.
    rng
        Decides directions and times.

    Returns
    -------
    arrival
        (waves, n), in s.
    angle
        (waves,), in rad, of the direction in which the front moves.
    """
    angle = rng.uniform(0, 2 * np.pi, options.waves)
    along = np.cos(angle)[:, None] * x_px + np.sin(angle)[:, None] * y_px
    delay = (along - along.min(axis=1, keepdims=True)) / options.wave_speed
    recording = (options.frames - 1) * options.frame_interval_s
    # What is left of the recording once the wave has crossed and its last spike is over.
    spare = recording - options.spike_s - delay.max(axis=1, initial=0.0)
    start = rng.uniform(0, 1, options.waves) * np.maximum(spare, 0)
    return start[:, None] + delay, angle


def border_traces(influx: FloatArray, rng: np.random.Generator, step: float, leak: float = 0.0) -> FloatArray:
    """The traces of q border cells.

    Each follows slow noise with some slow transients, z' = (target - z) / 60 s - leak (z - 0.5) + influx, in exact
    steps with the right side constant. What its spikes bring decays.

    Parameters
    ----------
    influx
        (q, points), of the cells' spikes, in intensity per second.
    rng
        Decides noise and transients.
    step
        Seconds between points.
    leak
        1/s.

    Returns
    -------
    array
        (q, points), log intensity.
    """
    size, points = influx.shape
    target = LEVEL + DRIFT_DEVIATION * slow_noise(rng, (size, points), DRIFT_S / step)
    seconds = points * step
    time = np.arange(points) * step
    for _ in range(round(seconds / TRANSIENT_EVERY_S)):
        centre = rng.uniform(0, seconds, (size, 1))
        width = rng.uniform(*TRANSIENT_WIDTH_S, (size, 1))
        height = rng.uniform(*TRANSIENT_HEIGHT, (size, 1))
        target += height * np.exp(-0.5 * ((time - centre) / width) ** 2)
    # z' = (target - z) / time + influx, with the leak in a target and a time of its own.
    time_s = BORDER_TIME_S / (1 + BORDER_TIME_S * leak)
    target = (target - LEVEL) * (time_s / BORDER_TIME_S) + LEVEL if leak > 0 else target
    # z = keep z + (1 - keep) (target + time x influx): the exact solution over a step.
    keep = np.exp(-step / time_s)
    trace = np.empty_like(target)
    trace[:, 0] = target[:, 0]
    push = (1 - keep) * (target + time_s * influx)
    for point in range(1, points):
        trace[:, point] = keep * trace[:, point - 1] + push[:, point - 1]
    return trace


def slow_noise(rng: np.random.Generator, shape: tuple[int, int], width: float) -> FloatArray:
    """White noise smoothed along the second axis, with mean 0 and standard deviation 1.

    Parameters
    ----------
    rng
        Decides the noise.
    shape
        (rows, points) of the result.
    width
        Standard deviation of the Gaussian window, in points.
    """
    # Noise beyond both ends, because the Fourier transform would join the end to the start.
    reach = int(4 * width) + 1
    noise = rng.standard_normal((shape[0], shape[1] + 2 * reach))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    length = noise.shape[1] + len(window)
    smooth = np.fft.irfft(np.fft.rfft(noise, length) * np.fft.rfft(window, length), length)
    return np.asarray(smooth[:, 2 * reach : 2 * reach + shape[1]] / np.sqrt((window**2).sum()))
