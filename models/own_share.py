"""How much of an event is a cell's own, and how much came from its neighbours through the contacts.

While a cell rises from onset to peak, its calcium changes by what it releases itself and by what flows in (eq. 3 of
arXiv:2505.20327, with r the trace above its level at rest, and a leak where the fit found one):

    rise = own + flow - loss,      flow = k times the integral of (M r)_i,      loss = leak times the integral of r_i

    own share = own / (own + flow) = 1 - flow / (rise + loss)

cut to 0 to 1: a cell that gives calcium away while it rises has released all of it itself. At rest feed, flow and loss
balance, so the level at rest is the median of a cell's trace, and so is (M r)_i, whose median is taken to be 0. It is
the median of a third of the recording, around the event: dye and focus let the brightness of cells drift apart, which
would look like a flow that never ends. The interval is that of a quotient (Fieller 1954). It holds

* the interval of k, and the error of the leak;
* the noise of the cell's trace and of its neighbours';
* the errors of onset and peak, which decide what belongs to the rise;
* the level at rest: the running baseline and the median of the whole recording are other readings of it, and the
  interval reaches from one to the others.

Only fits whose k is `identified` give shares.
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

KNOTS = 13
"""Frames, evenly over the recording, around which the level at rest is read; it is linear between."""
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
    """1/s, with its standard error."""
    leak_error: float = 0.0


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
    of_row = np.full(op.cells, -1)
    of_row[op.inner[op.coupled]] = np.flatnonzero(op.coupled)
    cell = np.searchsorted(subgraph.labels, events.label)
    told = np.flatnonzero((of_row[cell] >= 0) & ~events.cut_start)
    rises = events.chosen(told)

    scale = Scale.of(subgraph, Indicator.of(str(coupling.settings.get("indicator", LOG))))
    trace, level = (scale.applied(each, subgraph.labels) for each in (subgraph.intensity, baseline))
    above = scale.applied(baseline + noise[:, None], subgraph.labels)
    deviation = np.median(above - level, axis=1)
    rows = _Rows(cell[told], of_row[cell[told]])
    shares = np.full((3, len(events)), np.nan)
    shares[:, told] = _shares(op, trace, level, deviation, subgraph.frame_times, rises, rows, coupling)
    return replace(events, own_share=shares[0], own_share_low=shares[1], own_share_high=shares[2])


def _shares(
    op: Operator,
    trace: FloatArray,
    level: FloatArray,
    deviation: FloatArray,
    seconds: FloatArray,
    rises: Events,
    rows: _Rows,
    coupling: Coupling,
) -> FloatArray:
    """Own share and its interval of each event, (3, e), from traces and baselines on the scale of the fit."""
    pull = op.apply(trace)
    # Brightness may drift: what a cell and its neighbours rest at is read around each event.
    at_rest = _Course.of(trace, _around(trace), pull, _around(pull), seconds, rows)
    found = at_rest.between(rises.onset_s, rises.peak_s)
    others = [
        _Course.of(trace, rest, pull, rest_pull, seconds, rows).between(rises.onset_s, rises.peak_s)
        for rest, rest_pull in ((level, op.apply(level)), (_middle(trace), _middle(pull)))
    ]
    variance = _of_noise(op, deviation, rises, at_rest, coupling)
    clear = found.whole(coupling) > LEAST_RISE * np.sqrt(variance.whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = coupling.k * found.pull / found.whole(coupling)
        # Half of the interval reaches from one reading of the level at rest to another.
        levels = sum((each.excess(coupling, share) - found.excess(coupling, share)) ** 2 for each in others)
        times = _of_times(rises, at_rest, coupling, share)
        variance = replace(variance, flow=variance.flow + times + levels / NORMAL**2)
        low, high = (_end(found, variance, coupling, side) for side in (-1, 1))
    return np.where(clear, np.clip(1 - np.stack([share, high, low]), 0, 1), np.nan)


@dataclass(frozen=True)
class _Rows:
    """Where the cells of e events stand, (e,) each."""

    cell: IntArray
    """In the culture."""
    inner: IntArray
    """In the operator."""


@dataclass(frozen=True)
class _Change:
    """What happened to cells during the rises of e events, (e,) each."""

    rise: FloatArray
    pull: FloatArray
    """The integral of (M r)_i."""
    spent: FloatArray
    """The integral of r_i."""

    def whole(self, coupling: Coupling) -> FloatArray:
        """What came in, by the cell itself and by flow."""
        return np.asarray(self.rise + coupling.leak * self.spent)

    def excess(self, coupling: Coupling, share: FloatArray) -> FloatArray:
        """By how much the flow exceeds this share of the whole."""
        return np.asarray(coupling.k * self.pull - share * self.whole(coupling))


@dataclass(frozen=True)
class _Summed:
    """Traces, linear between frames, with their integrals from the first frame on."""

    values: FloatArray
    sums: FloatArray
    seconds: FloatArray

    @classmethod
    def of(cls, values: FloatArray, seconds: FloatArray) -> _Summed:
        sums = np.zeros_like(values)
        np.cumsum(frame_means(values) * np.diff(seconds), axis=1, out=sums[:, 1:])
        return cls(values=values, sums=sums, seconds=seconds)

    def until(self, row: IntArray, time: FloatArray) -> FloatArray:
        """Its integral until then."""
        frame, part = _place(self.seconds, time)
        start, end = self.values[row, frame], self.values[row, frame + 1]
        step = self.seconds[frame + 1] - self.seconds[frame]
        return np.asarray(self.sums[row, frame] + step * part * (start + part / 2 * (end - start)))


@dataclass(frozen=True)
class _Course:
    """The courses of the cells of e events above a level at rest, and what flows into them."""

    pull: _Summed
    """(p, T), (M r)_i."""
    above: _Summed
    """(n, T), r_i."""
    trace: FloatArray
    """(n, T)."""
    seconds: FloatArray
    rows: _Rows

    @classmethod
    def of(
        cls,
        trace: FloatArray,
        rest: FloatArray,
        pull: FloatArray,
        rest_pull: FloatArray,
        seconds: FloatArray,
        rows: _Rows,
    ) -> _Course:
        inflow, above = (_Summed.of(each, seconds) for each in (pull - rest_pull, trace - rest))
        return cls(pull=inflow, above=above, trace=trace, seconds=seconds, rows=rows)

    def between(self, first: FloatArray, last: FloatArray) -> _Change:
        """From one time to another of each event, (e,)."""
        cell, inner = self.rows.cell, self.rows.inner

        def reached(time: FloatArray) -> FloatArray:
            frame, part = _place(self.seconds, time)
            return np.asarray(self.trace[cell, frame] * (1 - part) + self.trace[cell, frame + 1] * part)

        return _Change(
            rise=reached(last) - reached(first),
            pull=self.pull.until(inner, last) - self.pull.until(inner, first),
            spent=self.above.until(cell, last) - self.above.until(cell, first),
        )


def _middle(traces: FloatArray) -> FloatArray:
    return np.asarray(np.median(traces, axis=1, keepdims=True))


def _around(traces: FloatArray) -> FloatArray:
    """The median within a third of the recording around each frame, (n, T)."""
    frames = traces.shape[1]
    half = max(frames // 6, 1)
    knots = np.unique(np.linspace(half, frames - 1 - half, KNOTS).astype(np.int64))
    medians = np.stack([np.median(traces[:, max(k - half, 0) : k + half + 1], axis=1) for k in knots], axis=1)
    right = np.clip(np.searchsorted(knots, np.arange(frames)), 1, len(knots) - 1)
    part = np.clip((np.arange(frames) - knots[right - 1]) / (knots[right] - knots[right - 1]), 0, 1)
    return np.asarray(medians[:, right - 1] * (1 - part) + medians[:, right] * part)


def _place(seconds: FloatArray, time: FloatArray) -> tuple[IntArray, FloatArray]:
    """The frame before each time, and which part of the step to the next frame has passed."""
    frame = np.clip(np.searchsorted(seconds, time, side="right") - 1, 0, len(seconds) - 2)
    return frame, np.clip((time - seconds[frame]) / (seconds[frame + 1] - seconds[frame]), 0, 1)


@dataclass(frozen=True)
class _Variance:
    """Of the flow and of the whole of e events, (e,) each, without the error of k."""

    flow: FloatArray
    whole: FloatArray


def _of_noise(op: Operator, deviation: FloatArray, events: Events, course: _Course, coupling: Coupling) -> _Variance:
    """What noise, independent from frame to frame, does to flow and whole, and the leak's error to the whole."""
    cell, inner = course.rows.cell, course.rows.inner
    seconds = course.seconds
    of_row = np.repeat(np.arange(len(op.inner)), np.diff(op.start))
    a_frame = np.bincount(of_row, op.weight**2 * deviation[op.neighbour] ** 2, len(op.inner))
    a_frame += (op.rate * deviation[op.inner]) ** 2
    step = float(np.median(np.diff(seconds)))
    # Independent errors of a frame each add up over the frames of the rise, at least one.
    lasting = np.maximum(events.peak_s - events.onset_s, step) * step
    parts = [_place(seconds, time)[1] for time in (events.onset_s, events.peak_s)]
    of_ends = sum(part**2 + (1 - part) ** 2 for part in parts)
    spent = course.between(events.onset_s, events.peak_s).spent
    return _Variance(
        flow=coupling.k**2 * a_frame[inner] * lasting,
        whole=deviation[cell] ** 2 * (of_ends + coupling.leak**2 * lasting) + (coupling.leak_error * spent) ** 2,
    )


def _of_times(events: Events, course: _Course, coupling: Coupling, share: FloatArray) -> FloatArray:
    """The variance that errors of onset and peak give the flow beyond its share of the whole, (e,).

    A peak is as uncertain as the half rise: no error of its own is known.
    """
    onset, peak = events.onset_s, events.peak_s
    excess = course.between(onset, peak).excess(coupling, share)
    total = np.zeros(len(events))
    for sign in (-1, 1):
        earlier = np.clip(onset + sign * events.onset_se_s, 0, peak)
        later = np.maximum(np.minimum(peak + sign * events.half_se_s, course.seconds[-1]), onset)
        for first, last in ((earlier, peak), (onset, later)):
            total += (course.between(first, last).excess(coupling, share) - excess) ** 2 / 2
    return total


def _end(found: _Change, variance: _Variance, coupling: Coupling, side: int) -> FloatArray:
    """One end of the 95 % interval of the share that flowed in, (e,): the lower for side -1, the upper for 1.

    The shares q in it are those for which flow - q whole is no further from 0 than its error allows, z of which are
    1.96 deviations: (flow - q whole)^2 = z^2 (variance of the flow + q^2 variance of the whole).
    """
    flow, whole = coupling.k * found.pull, found.whole(coupling)
    # Where k is larger, more of what the neighbours have flows in; where they have less, more flows out.
    reach = np.where(np.sign(found.pull) == side, coupling.k_high - coupling.k, coupling.k - coupling.k_low)
    of_flow = NORMAL**2 * variance.flow + (reach * found.pull) ** 2
    square = whole**2 - NORMAL**2 * variance.whole
    root = np.sqrt(np.maximum((flow * whole) ** 2 - square * (flow**2 - of_flow), 0))
    return np.asarray((flow * whole + side * root) / square)
