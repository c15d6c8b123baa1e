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
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from calcigraph.models.synthetic.label_geometry import LabelGeometry, measure_labels
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.transients import slow_noise
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.models.synthetic.whole import as_subgraph
from calcigraph.store.event_types import FLASH, WAVE
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Subgraph

TISSUE, MEDIUM, LIGHT = 0, 1, 2
"""Random streams: where cells lie, what happens, and what is seen of it do not change each other."""
EXPOSURES = 8
"""Points over which a frame's light is averaged."""
MARGIN = 0.05
"""Waves and flashes start in this share of the recording's length from both of its ends at the soonest."""


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
            "waves": [
                {
                    "kind": wave.kind,
                    "starts": wave.starts.tolist(),
                    "speed_px_s": wave.speed_px_s if np.isfinite(wave.speed_px_s) else None,
                    "start_s": wave.start_s,
                    "direction_deg": wave.direction_deg,
                    "labels": wave.labels.tolist(),
                }
                for wave in self.waves
            ],
        }


@dataclass(frozen=True)
class _Plan:
    """What sets off a wave or a flash: rows of cells and when each of them is set off."""

    kind: str
    starts: IntArray
    times: FloatArray
    speed: float
    start_s: float
    direction_deg: float | None
    reached: IntArray
    """(n,), 1 for the cells that the wave may excite."""


@dataclass
class _Fired:
    """Events in the order of time."""

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
    from calcigraph.models.synthetic.tissue import confluent_labels

    options = options or WaveOptions()
    rng = [np.random.default_rng([options.seed, number]) for number in (TISSUE, MEDIUM, LIGHT)]
    geometry = measure_labels(confluent_labels((options.size_px, options.size_px), options.cells, rng[TISSUE]))
    plans = _plans(options, geometry, rng[MEDIUM])
    fired = _spread(options, geometry, plans, rng[MEDIUM])
    events, traces = _seen(options, geometry, fired, rng[LIGHT])
    events, waves = _numbered(geometry, plans, events)
    like = SyntheticOptions(frame_interval_s=options.frame_interval_s)
    graph = as_subgraph(like, geometry, traces, "waves")
    return ExcitableCulture(options=options, geometry=geometry, graph=graph, events=events, waves=waves)


def _plans(options: WaveOptions, geometry: LabelGeometry, rng: np.random.Generator) -> list[_Plan]:
    """Where and when waves and flashes begin."""
    recording = (options.frames - 1) * options.frame_interval_s
    kinds = ["wave"] * options.waves + ["plane"] * options.planes
    kinds += ["collision"] * options.collisions + ["flash"] * options.flashes
    plans: list[_Plan] = []
    for kind in kinds:
        start = float(rng.uniform(MARGIN, 1 - 2 * MARGIN) * recording)
        low, high = np.log(options.speed_low_px_s), np.log(options.speed_high_px_s)
        speed = float(np.exp(rng.uniform(low, high)))
        if kind == "wave":
            row = int(rng.integers(len(geometry.cells)))
            plans.append(
                _from_cell(geometry, row, start, speed, rng.uniform(options.reach_low_px, options.reach_high_px))
            )
        elif kind == "plane":
            plans.append(_plane(geometry, rng.uniform(0, 2 * np.pi), start, speed))
        elif kind == "collision":
            plans += _collision(geometry, start, speed, rng)
        else:
            plans.append(_flash(options, geometry, start, rng))
    return plans


def _from_cell(geometry: LabelGeometry, row: int, start: float, speed: float, reach: float) -> _Plan:
    distance = np.hypot(geometry.x_px - geometry.x_px[row], geometry.y_px - geometry.y_px[row])
    return _Plan(
        kind=WAVE,
        starts=np.array([row]),
        times=np.array([start]),
        speed=speed,
        start_s=start,
        direction_deg=None,
        reached=(distance <= reach).astype(np.int64),
    )


def _plane(geometry: LabelGeometry, angle: float, start: float, speed: float) -> _Plan:
    """A front that enters from one side: the cells within a cell's width of that side are set off as it passes."""
    along = np.cos(angle) * geometry.x_px + np.sin(angle) * geometry.y_px
    along = along - along.min()
    # Of all cells at the side, those that no other cell lies before.
    width = float(np.sqrt(np.mean(geometry.area_px)))
    first = np.flatnonzero(geometry.border & (along < along.max() / 2) & _outermost(geometry, angle, width))
    return _Plan(
        kind=WAVE,
        starts=first,
        times=start + along[first] / speed,
        speed=speed,
        start_s=start,
        direction_deg=float(np.degrees(angle) % 360),
        reached=np.ones(len(along), np.int64),
    )


def _outermost(geometry: LabelGeometry, angle: float, width: float) -> BoolArray:
    """(n,), cells that have no other cell within a lane of `width` px before them."""
    along = np.cos(angle) * geometry.x_px + np.sin(angle) * geometry.y_px
    across = -np.sin(angle) * geometry.x_px + np.cos(angle) * geometry.y_px
    before = (np.abs(across[:, None] - across) < width / 2) & (along < along[:, None] - width / 2)
    return np.asarray(~before.any(axis=1))


def _collision(geometry: LabelGeometry, start: float, speed: float, rng: np.random.Generator) -> list[_Plan]:
    """Two waves from cells a third to two thirds of the culture apart, the second up to a quarter of the way later."""
    size = max(float(np.ptp(geometry.x_px)), float(np.ptp(geometry.y_px)))
    for _ in range(1000):
        a, b = rng.choice(len(geometry.cells), 2, replace=False).tolist()
        apart = float(np.hypot(geometry.x_px[a] - geometry.x_px[b], geometry.y_px[a] - geometry.y_px[b]))
        if size / 3 <= apart <= size * 2 / 3:
            break
    later = start + rng.uniform(0, apart / speed / 4)
    return [_from_cell(geometry, a, start, speed, np.inf), _from_cell(geometry, b, float(later), speed, np.inf)]


def _flash(options: WaveOptions, geometry: LabelGeometry, start: float, rng: np.random.Generator) -> _Plan:
    middle = int(rng.integers(len(geometry.cells)))
    distance = np.hypot(geometry.x_px - geometry.x_px[middle], geometry.y_px - geometry.y_px[middle])
    inside = np.flatnonzero((distance <= options.flash_reach_px) & (rng.random(len(distance)) < options.flash_share))
    return _Plan(
        kind=FLASH,
        starts=inside,
        times=start + options.flash_spread_s * rng.standard_normal(len(inside)),
        speed=np.inf,
        start_s=start,
        direction_deg=None,
        reached=np.zeros(len(distance), np.int64),
    )


def _spread(options: WaveOptions, geometry: LabelGeometry, plans: list[_Plan], rng: np.random.Generator) -> _Fired:
    """All events, in the order of time: the earliest of what is due happens next."""
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
    for row, count in enumerate(rng.poisson(options.own_rate * recording / 3600, size).tolist()):
        due += [(at, row, -1) for at in rng.uniform(0, recording, count).tolist()]
    heapq.heapify(due)
    last, emptied, fired = np.full(size, -np.inf), np.full(size, -np.inf), _Fired()
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
    options: WaveOptions, geometry: LabelGeometry, fired: _Fired, rng: np.random.Generator
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


def _numbered(
    geometry: LabelGeometry, plans: list[_Plan], events: PlantedEvents
) -> tuple[PlantedEvents, tuple[PlantedWave, ...]]:
    """The events with waves numbered by their start, and the waves that any cell took part in."""
    order = sorted(range(len(plans)), key=lambda wave: plans[wave].start_s)
    kept = [wave for wave in order if (events.wave == wave).any()]
    number = np.full(len(plans) + 1, -1)
    number[kept] = np.arange(len(kept))
    waves = tuple(
        PlantedWave(
            kind=plans[wave].kind,
            starts=geometry.cells[plans[wave].starts] if plans[wave].kind == WAVE else np.zeros(0, np.int64),
            speed_px_s=plans[wave].speed,
            start_s=plans[wave].start_s,
            direction_deg=plans[wave].direction_deg,
            labels=np.unique(events.label[events.wave == wave]),
        )
        for wave in kept
    )
    return replace(events, wave=number[events.wave]), waves
