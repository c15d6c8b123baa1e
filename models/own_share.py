"""How much of an event is a cell's own, and how much came from its neighbours through the contacts.

While a cell rises from onset to peak, its calcium changes by what it releases itself and by what flows in (eq. 3 of
arXiv:2505.20327, with r the trace above its running baseline, and a leak where the fit found one):

    rise = own + flow - loss,      flow = k times the integral of (M r)_i,      loss = leak times the integral of r_i

    own share = own / (own + flow) = 1 - flow / (rise + loss)

cut to 0 to 1: a cell that gives calcium away while it rises has released all of it itself. The interval holds the
interval of k and the noise of the traces. Only fits whose k is `identified` or `weak` give shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator, operator
from calcigraph.models.contacts import default_weights
from calcigraph.models.indicator import LOG, Indicator, Scale
from calcigraph.models.quadrature import frame_means
from calcigraph.models.scale import NORMAL
from calcigraph.store.event_types import Events
from calcigraph.store.types import FloatArray, IntArray, Subgraph

BEFORE = 3
"""Frames before the onset whose mean is the level from which a cell rises."""
LEAST_RISE = 2.0
"""Standard errors of the rise below which no share is told."""


@dataclass(frozen=True)
class Coupling:
    """What a fit says of a culture's coupling."""

    run: str
    """The fit's uid."""
    settings: Mapping[str, Any]
    """Of which `weights`, `setup` and `indicator` are used."""
    k: float
    """1/s, with its 95 % interval."""
    k_low: float
    k_high: float
    leak: float = 0.0
    """1/s."""


def own_shares(
    subgraph: Subgraph, events: Events, baseline: FloatArray, noise: FloatArray, coupling: Coupling
) -> Events:
    """The events with the share of each rise that no neighbour's calcium explains.

    Parameters
    ----------
    subgraph
        The culture, n cells and T frames.
    events
        Its events.
    baseline
        (n, T), of the traces.
    noise
        (n,), standard deviation of one frame's noise.
    coupling
        What a fit of this culture found.

    Returns
    -------
    Events
        With own_share, own_share_low and own_share_high. They are NaN in cells that the fit does not solve (such as
        border cells, whose neighbours are not all seen), for events that the start of the recording cuts, and where the
        rise itself is lost in noise.

    Raises
    ------
    FitError
        As `operator` and `Scale.of`.
    """
    weights = coupling.settings.get("weights") or default_weights(subgraph)
    op = operator(subgraph, weights, int(coupling.settings.get("setup", 1)))
    seconds = subgraph.frame_times
    of_row = np.full(op.cells, -1)
    of_row[op.inner[op.coupled]] = np.flatnonzero(op.coupled)
    cell = np.searchsorted(subgraph.labels, events.label)
    told = np.flatnonzero((of_row[cell] >= 0) & ~events.cut_start)
    cell, inner, rises = cell[told], of_row[cell[told]], events.chosen(told)

    scale = Scale.of(subgraph, Indicator.of(str(coupling.settings.get("indicator", LOG))))
    level = scale.applied(baseline, subgraph.labels)
    above = scale.applied(subgraph.intensity, subgraph.labels) - level
    deviation = np.median(scale.applied(baseline + noise[:, None], subgraph.labels) - level, axis=1)
    peak = np.clip(np.searchsorted(seconds, rises.peak_s), 0, len(seconds) - 1)
    at_peak = replace(scale, rest=scale.rest[cell])
    reached = at_peak.applied((baseline[cell, peak] + rises.amplitude)[:, None], rises.label)[:, 0]
    # What a cell still has of an earlier event is no part of its rise.
    rise = reached - level[cell, peak] - _level_before(above, seconds, cell, rises.onset_s)
    rise_se = deviation[cell] * np.sqrt(2 / BEFORE)

    pull, pull_se = _pulls(op, above, deviation, seconds, rises, inner)
    whole = np.maximum(rise + coupling.leak * _integral(above, seconds, cell, rises.onset_s, rises.peak_s), 0)
    clear = whole > LEAST_RISE * rise_se
    shares = np.full((3, len(events)), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        flow = coupling.k * pull / whole
        ends = np.sort(np.stack([coupling.k_low * pull, coupling.k_high * pull]) / whole, axis=0)
        # First-order errors of the quotient: of the flow, and of the rise that it is a share of.
        error = NORMAL * np.hypot(coupling.k * pull_se, flow * rise_se) / whole
        low = 1 - flow - np.hypot(ends[1] - flow, error)
        high = 1 - flow + np.hypot(flow - ends[0], error)
    shares[:, told[clear]] = np.clip(np.stack([1 - flow, low, high])[:, clear], 0, 1)
    return replace(events, own_share=shares[0], own_share_low=shares[1], own_share_high=shares[2])


def _level_before(above: FloatArray, seconds: FloatArray, cell: IntArray, onset_s: FloatArray) -> FloatArray:
    """The mean of the last frames before each onset, above the baseline, (e,)."""
    frame = np.searchsorted(seconds, onset_s, side="right") - 1
    before = np.clip(frame[:, None] - np.arange(BEFORE), 0, len(seconds) - 1)
    return np.asarray(above[cell[:, None], before].mean(axis=1))


def _pulls(
    op: Operator, above: FloatArray, deviation: FloatArray, seconds: FloatArray, events: Events, inner: IntArray
) -> tuple[FloatArray, FloatArray]:
    """The integral of (M r)_i over each rise, and the standard error that noise gives it, (e,) each."""
    pull = _integral(op.apply(above), seconds, inner, events.onset_s, events.peak_s)
    variance = op.weight**2 * deviation[op.neighbour] ** 2
    of_row = np.repeat(np.arange(len(op.inner)), np.diff(op.start))
    a_frame = np.bincount(of_row, variance, len(op.inner)) + (op.rate * deviation[op.inner]) ** 2
    step = float(np.median(np.diff(seconds)))
    # Independent errors of a frame each add up over the frames of the rise, at least one.
    lasting = np.maximum(events.peak_s - events.onset_s, step) * step
    return pull, np.sqrt(a_frame[inner] * lasting)


def _integral(
    traces: FloatArray, seconds: FloatArray, row: IntArray, first: FloatArray, last: FloatArray
) -> FloatArray:
    """The integral of each event's trace between two times, (e,); within a frame the trace is taken to be linear."""
    step = np.diff(seconds)
    sums = np.zeros_like(traces)
    np.cumsum(frame_means(traces) * step, axis=1, out=sums[:, 1:])

    def until(time: FloatArray) -> FloatArray:
        frame = np.clip(np.searchsorted(seconds, time, side="right") - 1, 0, len(seconds) - 2)
        part = np.clip(time - seconds[frame], 0, step[frame])
        start = traces[row, frame]
        slope = (traces[row, frame + 1] - start) / step[frame]
        return np.asarray(sums[row, frame] + part * start + part**2 / 2 * slope)

    return until(last) - until(first)
