"""Calcium waves whose truth is known: an excitable medium on the contact graph.

A cell that releases calcium sets off the cells in contact with it, each after a delay of its own,

    delay = distance of the centroids / speed x exp(jitter z - jitter^2 / 2),    z standard normal,

unless that cell is refractory or empty, fails in this wave, or lies outside the wave's reach. So waves run along
contacts, go round cells that fail, and end where they meet each other. Beside waves there are events of the cells'
own, which set off no other cell, and flashes: many cells at once, in no order. Traces are the events' brightness with
noise.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from calcigraph.models.synthetic.label_geometry import LabelGeometry, measure_labels
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.transients import slow_noise
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.models.synthetic.wave_plans import Plan, planned
from calcigraph.models.synthetic.whole import as_subgraph
from calcigraph.store.event_types import WAVE
from calcigraph.store.types import FloatArray, IntArray, Subgraph

TISSUE, MEDIUM, LIGHT = 0, 1, 2
"""Random streams: where cells lie, what happens, and what is seen of it do not change each other."""
EXPOSURES = 8
"""Points over which a frame's light is averaged."""


@dataclass(frozen=True)
class PlantedEvents:
    """The e true events, sorted by label and onset."""

    label: IntArray
    onset_s: FloatArray
    half_s: FloatArray
    """When the rise reaches half of the amplitude."""
    amplitude: FloatArray
    wave: IntArray
    """Place in the truth's `waves`, -1 for an event of the cell's own."""

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class PlantedWave:
    """A true wave or flash."""

    kind: str
    """"wave" or "flash"."""
    starts: IntArray
    """The labels where it was set off: one, several of a plane, none of a flash."""
    speed_px_s: float
    """Along contacts; infinite for a flash."""
    start_s: float
    direction_deg: float | None
    """Of a plane: 0 to the right, 90 down."""
    labels: IntArray
    """The cells that took part, sorted."""

    def told(self) -> dict[str, Any]:
        """Ready for JSON, which has no infinite speed."""
        return {
            "kind": self.kind,
            "starts": self.starts.tolist(),
            "speed_px_s": self.speed_px_s if np.isfinite(self.speed_px_s) else None,
            "start_s": self.start_s,
            "direction_deg": self.direction_deg,
            "labels": self.labels.tolist(),
        }


@dataclass(frozen=True)
class ExcitableCulture:
    """A culture with waves and the truth of it."""

    options: WaveOptions
    geometry: LabelGeometry
    graph: Subgraph
    """With traces, (n, T)."""
    events: PlantedEvents
    waves: tuple[PlantedWave, ...]
    """By start."""

    def truth(self) -> dict[str, Any]:
        """Events and waves, ready for JSON."""
        columns = {
            "label": self.events.label,
            "onset_s": self.events.onset_s,
            "half_s": self.events.half_s,
            "amplitude": self.events.amplitude,
            "wave": self.events.wave,
        }
        lists = {name: values.tolist() for name, values in columns.items()}
        rows = zip(*lists.values(), strict=True)
        return {
            "events": [dict(zip(lists, row, strict=True)) for row in rows],
            "waves": [wave.told() for wave in self.waves],
        }


@dataclass
class Fired:
    """Events in the order of time: the cell's row, seconds, and the place of its plan, -1 for an event of its own."""

    row: list[int] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    wave: list[int] = field(default_factory=list)


def make_waves(options: WaveOptions | None = None) -> ExcitableCulture:
    """Simulate a culture with waves; the same options always give the same one.

    Parameters
    ----------
    options
        By default 108 cells in 361 frames of 10 s, with four waves of 1 to 4 px/s.

    Returns
    -------
    ExcitableCulture
        Its graph with traces, and the truth: every event and every wave that at least one cell took part in.

    Raises
    ------
    InputError
        The frame is too small for the cells.

    Examples
    --------
    >>> culture = make_waves(WaveOptions(cells=40, size_px=320, waves=1, own_rate=0, seed=1))
    >>> [wave.kind for wave in culture.waves], len(culture.events) == len(culture.waves[0].labels)
    (['wave'], True)
    """
    options = options or WaveOptions()
    geometry, rng = geometry_of(options), np.random.default_rng([options.seed, MEDIUM])
    plans = planned(options, geometry, rng)
    return culture_of(options, geometry, plans, spread(options, geometry, plans, rng))


def geometry_of(options: WaveOptions) -> LabelGeometry:
    """The cells of a culture with these options."""
    from calcigraph.models.synthetic.tissue import confluent_labels

    rng = np.random.default_rng([options.seed, TISSUE])
    return measure_labels(confluent_labels((options.size_px, options.size_px), options.cells, rng))


def culture_of(options: WaveOptions, geometry: LabelGeometry, plans: list[Plan], fired: Fired) -> ExcitableCulture:
    """What is seen of cells that fired, whatever made them.

    Parameters
    ----------
    options
        Of which those of shapes, light and frames are used.
    geometry
        The cells.
    plans
        What the events' `wave` counts in; empty if no event has any.
    fired
        The events, in any order.
    """
    events, traces = _seen(options, geometry, fired, np.random.default_rng([options.seed, LIGHT]))
    number, waves = numbered(geometry.cells, plans, events.label, events.wave)
    events = replace(events, wave=number)
    like = SyntheticOptions(frame_interval_s=options.frame_interval_s)
    graph = as_subgraph(like, geometry, traces, "waves")
    return ExcitableCulture(options=options, geometry=geometry, graph=graph, events=events, waves=waves)


def spread(
    options: WaveOptions,
    geometry: LabelGeometry,
    plans: list[Plan],
    rng: np.random.Generator,
    own: Sequence[tuple[float, int]] | None = None,
) -> Fired:
    """All events, in the order of time: the earliest of what is due happens next.

    Parameters
    ----------
    options
        Of which the medium's, the own events' and the recording's are used.
    geometry
        The cells.
    plans
        What sets off waves and flashes.
    rng
        Decides failures and delays.
    own
        Seconds and row of the cells' own events; drawn at `own_rate` where None.
    """
    size, recording = len(geometry.cells), (options.frames - 1) * options.frame_interval_s
    contacts = _neighbours(geometry)
    able = [plan.reached.astype(bool) & (rng.random(size) >= options.failure) for plan in plans]
    due = [
        (float(at), int(row), wave)
        for wave, plan in enumerate(plans)
        for row, at in zip(plan.starts, plan.times, strict=True)
    ]
    for wave, plan in enumerate(plans):
        able[wave][plan.starts] = True
    if own is None:
        counts = rng.poisson(options.own_rate * recording / 3600, size).tolist()
        own = [(at, row) for row, count in enumerate(counts) for at in rng.uniform(0, recording, count).tolist()]
    due += [(at, row, -1) for at, row in own]
    heapq.heapify(due)
    last, emptied, fired = np.full(size, -np.inf), np.full(size, -np.inf), Fired()
    while due:
        at, row, wave = heapq.heappop(due)
        tired = at - last[row] < options.refractory_s or (wave >= 0 and at - emptied[row] < options.recovery_s)
        if tired or at > recording or (wave >= 0 and not able[wave][row]):
            continue
        last[row] = at
        fired.row.append(row)
        fired.time.append(at)
        fired.wave.append(wave)
        if wave >= 0 and plans[wave].kind == WAVE:
            able[wave][row], emptied[row] = False, at
            for other, distance in contacts[row]:
                factor = np.exp(options.jitter * rng.standard_normal() - options.jitter**2 / 2)
                heapq.heappush(due, (at + distance / plans[wave].speed * float(factor), other, wave))
    return fired


def _neighbours(geometry: LabelGeometry) -> list[list[tuple[int, float]]]:
    """The cells in contact with each cell, with their distances in px."""
    result: list[list[tuple[int, float]]] = [[] for _ in geometry.cells]
    for (a, b), distance in zip(geometry.pairs.tolist(), geometry.contacts.centroid_distance_px.tolist(), strict=True):
        result[a].append((b, distance))
        result[b].append((a, distance))
    return result


def event_course(shape: str, time: FloatArray, rise: float, decay: float) -> FloatArray:
    """The brightness of one event, 1 at its peak, `time` seconds after its onset; 0 before."""
    after = np.maximum(time, 0)
    if shape == "exponential":
        peak = rise * np.log(1 + decay / rise)
        top = (1 - np.exp(-peak / rise)) * np.exp(-peak / decay)
        return np.asarray((1 - np.exp(-after / rise)) * np.exp(-after / decay) / top)
    if shape == "gaussian":
        width = (rise + decay) / 2
        return np.where(time > 0, np.exp(-0.5 * ((after - 2 * width) / width) ** 2), 0.0)
    return ((time > 0) & (time < decay)).astype(np.float64)


def half_rise(shape: str, rise: float, decay: float) -> float:
    """Seconds from the onset of an event to half of its amplitude."""
    if shape == "square":
        return 0.0
    if shape == "gaussian":
        return float((rise + decay) / 2 * (2 - np.sqrt(2 * np.log(2))))
    fine = np.linspace(0, rise * np.log(1 + decay / rise), 2000)
    return float(np.interp(0.5, event_course(shape, fine, rise, decay), fine))


def _seen(
    options: WaveOptions, geometry: LabelGeometry, fired: Fired, rng: np.random.Generator
) -> tuple[PlantedEvents, FloatArray]:
    """The events with their shapes, and the traces, (n, T)."""
    size, step = len(geometry.cells), options.frame_interval_s
    frame = np.arange(options.frames) * step
    exposure = ((np.arange(EXPOSURES) + 0.5) / EXPOSURES - 0.5) * step
    noise = options.amplitude / options.snr
    traces = 1 + noise * rng.standard_normal((size, options.frames))
    traces += options.drift * noise * slow_noise(rng, (size, options.frames), options.drift_s / step)
    half, amplitude = np.zeros(len(fired.row)), np.zeros(len(fired.row))
    for event, (row, at) in enumerate(zip(fired.row, fired.time, strict=True)):
        rise, decay = (
            each * np.exp(options.shape_spread * rng.standard_normal()) for each in (options.rise_s, options.decay_s)
        )
        height = options.amplitude * float(np.exp(options.amplitude_spread * rng.standard_normal()))
        first = max(0, int(at / step) - 1)
        last = min(options.frames, int((at + 8 * (rise + decay)) / step) + 2)
        points = frame[first:last, None] + exposure - at
        traces[row, first:last] += height * event_course(options.shape, points, rise, decay).mean(axis=1)
        half[event], amplitude[event] = at + half_rise(options.shape, rise, decay), height
    label, onset = geometry.cells[np.array(fired.row, np.int64)], np.array(fired.time)
    order = np.lexsort((onset, label))
    events = PlantedEvents(
        label=label[order],
        onset_s=onset[order],
        half_s=half[order],
        amplitude=amplitude[order],
        wave=np.array(fired.wave, np.int64)[order],
    )
    return events, traces


def numbered(
    cells: IntArray, plans: list[Plan], label: IntArray, wave: IntArray
) -> tuple[IntArray, tuple[PlantedWave, ...]]:
    """The events' waves, (e,), numbered by their start, and those waves.

    Parameters
    ----------
    cells
        (n,), the label of each row of the plans.
    plans
        What set off waves and flashes.
    label, wave
        (e,), of the events: the cell, and the place of its plan, -1 for none.
    """
    order = sorted(range(len(plans)), key=lambda place: plans[place].start_s)
    kept = [place for place in order if (wave == place).any()]
    number = np.full(len(plans) + 1, -1)
    number[kept] = np.arange(len(kept))
    waves = tuple(
        PlantedWave(
            kind=plans[place].kind,
            starts=cells[plans[place].starts] if plans[place].kind == WAVE else np.zeros(0, np.int64),
            speed_px_s=plans[place].speed,
            start_s=plans[place].start_s,
            direction_deg=plans[place].direction_deg,
            labels=np.unique(label[wave == place]),
        )
        for place in kept
    )
    return number[wave], waves
