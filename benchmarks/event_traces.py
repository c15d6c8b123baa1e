"""Traces with planted events, for `benchmarks/events.py`: what was planted is known to the hundredth of a second."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

SQUARE, EXPONENTIAL, GAUSSIAN = "square", "exponential", "gaussian"
SHAPES = (SQUARE, EXPONENTIAL, GAUSSIAN)
SUBFRAMES = 8
"""A frame is the mean of so many moments of its exposure."""


@dataclass(frozen=True)
class Plan:
    """What is planted. Heights are in deviations of one frame's noise, times in seconds."""

    shape: str = EXPONENTIAL
    snr: float = 10.0
    """Median height of the peaks."""
    cells: int = 60
    frames: int = 361
    interval_s: float = 10.0
    rise_s: float = 10.0
    """Time constant of an exponential event's rise."""
    decay_s: float = 60.0
    """Time constant of its decay; duration of a square event; twice the deviation of a Gaussian one."""
    duration_spread: float = 0.25
    """Deviation of log durations."""
    amplitude_spread: float = 0.25
    """Deviation of log heights."""
    own: float = 3.0
    """Mean number of events of a cell at random times."""
    shared: int = 2
    """Waves: events of 60 % of the cells within a minute or two."""
    apart_s: float = 80.0
    """Least time between the onsets of two events of a cell, beside their duration."""
    drift: float = 0.5
    """Deviation of the slow drift."""
    drift_s: float = 600.0
    bleaching: float = 0.0
    """How far the baseline falls over the recording."""
    colour: float = 0.0
    """Autocorrelation of the noise from frame to frame (AR(1))."""
    exposure: float = 1.0
    """Share of the frame interval during which light is gathered."""
    seed: int = 0


@dataclass(frozen=True)
class Planted:
    """Traces, (cells, frames), and the events in them, each (e,), sorted by cell and half rise."""

    traces: np.ndarray
    cell: np.ndarray
    onset_s: np.ndarray
    """A tenth of the height is reached."""
    half_s: np.ndarray
    peak_s: np.ndarray
    height: np.ndarray
    rise_s: np.ndarray
    """From 10 to 90 % of the height."""

    def chosen(self, rows: np.ndarray) -> Planted:
        names = ("cell", "onset_s", "half_s", "peak_s", "height", "rise_s")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def profile(shape: str, t: np.ndarray, rise: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """Height at time t after the onset, 1 at the peak."""
    late = np.maximum(t, 0.0)
    if shape == SQUARE:
        return ((t >= 0) & (t < decay)).astype(float)
    if shape == GAUSSIAN:
        width = decay / 2
        return np.exp(-0.5 * ((t - 2.5 * width) / width) ** 2)
    peak = rise * np.log1p(decay / rise)
    top = -np.expm1(-peak / rise) * np.exp(-peak / decay)
    return -np.expm1(-late / rise) * np.exp(-late / decay) / top


def crossings(shape: str, rise: float, decay: float) -> tuple[float, float, float, float]:
    """When the rise passes 10, 50 and 90 % of the height, and the peak, seconds after the onset."""
    fine = np.linspace(0, 3 * (rise + decay), 6001)
    height = profile(shape, fine, rise, decay)
    passed = [float(fine[np.argmax(height >= level)]) for level in (0.1, 0.5, 0.9)]
    top = decay / 2 if shape == SQUARE else float(fine[height.argmax()])
    return passed[0], passed[1], passed[2], top


def onsets(plan: Plan, rng: np.random.Generator) -> list[np.ndarray]:
    """Onsets of every cell: shared ones first, own ones where they keep their distance."""
    end = plan.frames * plan.interval_s
    width = plan.decay_s * (1.25 if plan.shape == GAUSSIAN else 1.0)
    free = plan.apart_s + width
    waves = np.sort(rng.uniform(0.02 * end, 0.95 * end, plan.shared))
    times = []
    for _ in range(plan.cells):
        kept: list[float] = []
        joined = (waves + rng.uniform(0, 120, plan.shared))[rng.random(plan.shared) < 0.6]
        for time in [*joined, *rng.uniform(0, end, rng.poisson(plan.own))]:
            if time < 0.98 * end and all(abs(time - other) > free for other in kept):
                kept.append(float(time))
        times.append(np.sort(kept))
    return times


def coloured(shape: tuple[int, int], colour: float, rng: np.random.Generator) -> np.ndarray:
    """AR(1) noise of deviation 1."""
    drawn = rng.standard_normal(shape)
    for frame in range(1, shape[1]):
        drawn[:, frame] = colour * drawn[:, frame - 1] + (1 - colour**2) ** 0.5 * drawn[:, frame]
    return drawn


def plant(plan: Plan) -> Planted:
    """Traces that follow the plan."""
    rng = np.random.default_rng([plan.seed, 12])
    time = np.arange(plan.frames) * plan.interval_s
    moments = ((np.arange(SUBFRAMES) + 0.5) / SUBFRAMES - 0.5) * plan.exposure * plan.interval_s
    traces = np.zeros((plan.cells, plan.frames))
    rows = []
    for cell, times in enumerate(onsets(plan, rng)):
        for onset in times:
            rise, decay = np.array([plan.rise_s, plan.decay_s]) * np.exp(plan.duration_spread * rng.standard_normal(2))
            height = plan.snr * float(np.exp(plan.amplitude_spread * rng.standard_normal()))
            shape = np.mean([profile(plan.shape, time + moment - onset, rise, decay) for moment in moments], axis=0)
            traces[cell] += height * shape
            at = crossings(plan.shape, rise, decay)
            rows.append((cell, onset + at[0], onset + at[1], onset + at[3], height, at[2] - at[0]))
    table = np.array(rows, dtype=float).reshape(-1, 6)
    table = table[np.lexsort((table[:, 2], table[:, 0]))]
    table = table[table[:, 2] < time[-1]]
    if plan.drift:
        steps = plan.drift_s / plan.interval_s / 2
        around = int(4 * steps) + 1
        slow = gaussian_filter1d(rng.standard_normal((plan.cells, plan.frames + 2 * around)), steps, axis=1)
        traces += plan.drift / slow.std() * slow[:, around:-around]
    traces += 3 * rng.standard_normal((plan.cells, 1)) + plan.bleaching * np.exp(-2 * time / time[-1])
    traces += coloured(traces.shape, plan.colour, rng)
    return Planted(traces, table[:, 0].astype(int), *table[:, 1:].T)
