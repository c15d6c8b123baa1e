"""What excites a synthetic culture: spikes of several shapes, waves, and the border cells' own processes.

A spike is a source of calcium in the cell, in intensity per second, that no model of coupling knows of. With s the
seconds since it starts, w = `spike_s` and tau = `spike_decay_s`:

    square     1 while s < w
    decay      1 while s < w, then exp(-(s - w) / tau): release that dies away
    extrusion  1 while s < w, then -(w / tau) exp(-(s - w) / tau): pumps take back what the spike brought
    gaussian   exp(-2 (s - 3w/2)^2 / w^2) while s < 3 w: a slow rise and fall, deviation w / 2

all times a factor that makes what is brought in (extrusion not counted) the spike's height.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store.types import FloatArray, IntArray

SUBSTEPS = 4
"""Points a frame at which sources and border cells are given; between points they are linear."""
LEVEL = 0.5
"""Where traces start from; brightness is that of a cell at this log intensity."""
BORDER_TIME_S = 60.0
"""Time constant with which a border cell follows its own process."""
TAIL_TIMES = 8
"""A tail ends after so many time constants, at 0.03 % of its start."""


def spike_points(options: SyntheticOptions) -> int:
    """Points that a spike of `spike_s` lasts, at least one."""
    return max(1, round(options.spike_s * SUBSTEPS / options.frame_interval_s))


def spike_shape(options: SyntheticOptions) -> tuple[FloatArray, float]:
    """The source at each point from a spike's start, (points,), and the seconds that divide a height to give its
    rate at a value of 1."""
    step = options.frame_interval_s / SUBSTEPS
    width = spike_points(options)
    shape = np.ones(width)
    if options.spike_shape == "gaussian":
        time = (np.arange(3 * width) + 0.5) / width
        shape = np.exp(-2 * (time - 1.5) ** 2)
    if options.spike_shape in ("square", "gaussian"):
        return shape, step * float(shape.sum())
    points = max(1, round(TAIL_TIMES * options.spike_decay_s / step))
    tail = np.exp(-(np.arange(points) + 0.5) * step / options.spike_decay_s)
    if options.spike_shape == "decay":
        return np.concatenate([shape, tail]), step * float(width + tail.sum())
    return np.concatenate([shape, -tail * (width / tail.sum())]), step * width


def spike_source(options: SyntheticOptions, starts: IntArray, heights: FloatArray, points: int) -> FloatArray:
    """(n, points), intensity per second, of spikes (n, spikes) that start at the given points; what lies beyond the
    last point is not recorded."""
    source = np.zeros((len(starts), points))
    shape, seconds = spike_shape(options)
    rate = heights / seconds
    row = np.broadcast_to(np.arange(len(starts))[:, None], starts.shape)
    for offset, value in enumerate(shape[:points].tolist()):
        seen = starts + offset < points
        np.add.at(source, (row[seen], starts[seen] + offset), rate[seen] * value)
    return source


def wave_arrivals(
    options: SyntheticOptions, x_px: FloatArray, y_px: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """When each wave's front passes each cell, (waves, n) in s, and where it comes from, (waves,) in rad.

    A front is a straight line that moves along (cos, sin) of its angle (y down) at `wave_speed`. Waves enter at any
    time that lets them cross before the recording ends, at its start if there is none.
    """
    angle = rng.uniform(0, 2 * np.pi, options.waves)
    along = np.cos(angle)[:, None] * x_px + np.sin(angle)[:, None] * y_px
    delay = (along - along.min(axis=1, keepdims=True)) / options.wave_speed
    spare = (options.frames - 1) * options.frame_interval_s - options.spike_s - delay.max(axis=1, initial=0.0)
    start = rng.uniform(0, 1, options.waves) * np.maximum(spare, 0)
    return start[:, None] + delay, angle


def border_traces(options: SyntheticOptions, source: FloatArray, rng: np.random.Generator, step: float) -> FloatArray:
    """(q, points): each border cell follows slow noise and transients of its own, and its spikes decay."""
    size, points = source.shape
    target = LEVEL + 0.1 * slow_noise(rng, (size, points), 150.0 / step)
    seconds = points * step
    time = np.arange(points) * step
    for _ in range(round(seconds / 600)):
        centre, width = rng.uniform(0, seconds, (size, 1)), rng.uniform(30, 90, (size, 1))
        target += rng.uniform(0.1, 0.4, (size, 1)) * np.exp(-0.5 * ((time - centre) / width) ** 2)
    keep = np.exp(-step / BORDER_TIME_S)
    trace = np.empty_like(target)
    trace[:, 0] = target[:, 0]
    push = (1 - keep) * (target + BORDER_TIME_S * source)
    for point in range(1, points):
        trace[:, point] = keep * trace[:, point - 1] + push[:, point - 1]
    return trace


def slow_noise(rng: np.random.Generator, shape: tuple[int, int], width: float) -> FloatArray:
    """White noise under a Gaussian window of `width` points, deviation 1; it does not wrap around."""
    reach = int(4 * width) + 1
    noise = rng.standard_normal((shape[0], shape[1] + 2 * reach))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    length = noise.shape[1] + len(window)
    smooth = np.fft.irfft(np.fft.rfft(noise, length) * np.fft.rfft(window, length), length)
    return np.asarray(smooth[:, 2 * reach : 2 * reach + shape[1]] / np.sqrt((window**2).sum()))
