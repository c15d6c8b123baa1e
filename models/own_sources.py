"""The run of a fit with the sources that it found: neighbours from the data, and what each cell releases by itself.

The model is y_i' = k (M x)_i + gamma_i - r y_i + s_i (eqs. 1-4 of arXiv:2505.20327, with a leak r). Given k, feed and
leak, the source s_i that reproduces a trace follows from it frame by frame. Most of that is measurement noise. What a
fit takes for a source is

* with `robust`: what comes in the frames in which its own test finds a transient (robust/transients.py), whole;
* with `decorrelation`, whose sources may last: in every frame, the part that is larger than measurement noise at each
  frequency (a Wiener filter, 1 - N / P, of the noise's spectrum N and the smoothed one of the cell, P). The noise is
  what third differences tell (models/scale.py): activity that changes from frame to frame counts as noise.

The run is then that of every cell by itself, its neighbours following the data. What it misses is noise where the fit
describes the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator, simulate_alone, sources_alone
from calcigraph.models.even import at_even_frames
from calcigraph.models.indicator import LOG, Indicator, Scale, on_scale
from calcigraph.models.quadrature import frame_means
from calcigraph.models.robust.transients import transient_frames
from calcigraph.models.run import operator_of, per_cell
from calcigraph.models.scale import noise_level, rounding_level, row_medians
from calcigraph.store.types import FloatArray, IntArray, Subgraph

THIRD = 3
"""Frames beyond which there are third differences, which tell the noise."""
SMOOTHED = 9
"""Frequencies over which a cell's spectrum is averaged before noise is compared with it."""


@dataclass(frozen=True)
class SourcedRun:
    """p inner cells over T frames; rates are per second, the mean from one frame to the next."""

    rows: IntArray
    """(p,), of the subgraph."""
    run: FloatArray
    """(p, T), intensity."""
    inflow: FloatArray
    """(p, T - 1), from the neighbours, above what flows at rest (the median); below 0 calcium flows out."""
    own: FloatArray
    """(p, T - 1), released by the cell itself: by `robust` on top of its feed, by `decorrelation` above its median."""
    noise: FloatArray
    """(p,), standard deviation of the measurement noise, intensity."""


def sourced_run(
    subgraph: Subgraph,
    options: Mapping[str, Any],
    k: FloatArray | float,
    feed: FloatArray | float,
    leak: float = 0.0,
    weight_scale: float | None = None,
    *,
    lasting: bool = False,
) -> SourcedRun:
    """Run the cells of a fit with the sources that it found.

    Parameters
    ----------
    subgraph, options, k, feed, leak, weight_scale
        As for `predict`.
    lasting
        Whether sources may last, as for `decorrelation`; else they are brief, as for `robust`.

    Returns
    -------
    SourcedRun
        Of the cells of `fitted_cells`. Rates are on the scale of the indicator.

    Raises
    ------
    FitError
        As `predict`.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=120, size_px=256, k=0.02, seed=1)).subgraph()
    >>> found = sourced_run(culture, {"weights": "border"}, k=0.02, feed=0.0)
    >>> off = found.run - culture.intensity[found.rows]
    >>> bool(np.median(np.sqrt((off**2).mean(axis=1)) / found.noise) < 4)
    True
    """
    evened = at_even_frames(subgraph)
    scale = Scale.of(evened.subgraph, Indicator.of(options.get("indicator", LOG)))
    noise = noise_of(evened.subgraph.intensity)
    culture = on_scale(evened.subgraph, scale)
    traces, dt = culture.intensity, culture.frame_interval_s
    op = operator_of(culture, options)
    rates = per_cell(op, "k", k) * (1.0 if weight_scale is None else op.scale / weight_scale)
    feeds = per_cell(op, "feed", feed)
    every = sources_alone(op, rates, feeds, traces, dt, leak)
    own = _above_noise(op, every, traces, rates, dt, leak) if lasting else _transients(op, every, traces)
    run = simulate_alone(op, rates, feeds, traces, dt, leak, own)
    inflow = rates[:, None] * frame_means(op.apply(traces))
    inflow -= row_medians(inflow)[:, None]
    return SourcedRun(
        rows=op.inner,
        run=scale.seen(run, op.inner)[:, evened.place],
        inflow=_between(inflow, evened.place),
        # The feed of lasting sources is their mean, which is no rest.
        own=_between(own - np.median(own, axis=1, keepdims=True) if lasting else own, evened.place),
        noise=noise[op.inner],
    )


def noise_of(traces: FloatArray) -> FloatArray:
    """Standard deviation of the measurement noise of each trace, (n,), none below that of rounding; 1 if too short."""
    if traces.shape[1] <= THIRD:
        return np.ones(len(traces))
    return np.asarray(np.maximum(noise_level(traces), rounding_level(np.diff(traces, axis=1))))


def _transients(op: Operator, every: FloatArray, traces: FloatArray) -> FloatArray:
    """The sources in the frames in which `robust` finds a transient, (p, F)."""
    own = traces[op.inner]
    noise = noise_level(traces)[op.inner]
    rounding = float(np.median(rounding_level(np.diff(own, axis=1)) / noise))
    # Deviations are compared over time, so the unit of the sources does not matter, only that it is that of noise.
    step = np.abs(np.diff(own, axis=1)).mean() / max(float(np.abs(every).mean()), 1e-300)
    found = transient_frames(step * every / noise[:, None], rounding)
    return np.where(found, every, 0.0)


def _above_noise(
    op: Operator, every: FloatArray, traces: FloatArray, k: FloatArray, dt: float, leak: float
) -> FloatArray:
    """The part of the sources that is larger than measurement noise, frequency by frequency, (p, F)."""
    from scipy.fft import dct, idct
    from scipy.ndimage import uniform_filter1d

    level = noise_level(traces)
    angle = np.pi * np.arange(every.shape[1]) / every.shape[1]
    # The noise of a weighted sum of independent traces has the squares of the weights.
    of_row = np.repeat(np.arange(len(op.inner)), np.diff(op.start))
    of_neighbours = np.bincount(of_row, (op.weight * level[op.neighbour]) ** 2, len(op.inner))
    of_own, drained = level[op.inner] ** 2, (k * op.rate + leak) ** 2
    # A source holds the step of the trace, which has the noise of two frames, and means of traces over a frame.
    step, mean = 4 * np.sin(angle / 2) ** 2 / dt**2, np.cos(angle / 2) ** 2
    noise = np.outer(of_own, step) + np.outer(drained * of_own + k**2 * of_neighbours, mean)
    spectrum = dct(every, norm="ortho", axis=1)
    power = uniform_filter1d(spectrum**2, SMOOTHED, axis=1, mode="nearest")
    kept = np.clip(1 - noise / np.maximum(power, 1e-300), 0, 1)
    return np.asarray(idct(kept * spectrum, norm="ortho", axis=1))


def _between(rates: FloatArray, place: IntArray) -> FloatArray:
    """Means between the recorded frames, from means between even ones: some of those may have been filled in."""
    if rates.shape[1] == len(place) - 1:
        return rates
    return np.asarray(np.add.reduceat(rates, place[:-1], axis=1) / np.diff(place))
