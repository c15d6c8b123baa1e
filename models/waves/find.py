"""Find waves: pair events over contacts, cut them into basins, and ask of each how often chance gives as much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import betainc

from calcigraph.models.event_options import EventOptions
from calcigraph.models.scale import NORMAL
from calcigraph.models.waves.basins import Basins, cut, surface_of
from calcigraph.models.waves.chance import Scores, benjamini_hochberg, both_by_chance, scores
from calcigraph.models.waves.contacts import net_of, reach_of
from calcigraph.models.waves.fitting import Clutter
from calcigraph.models.waves.flashes import NONE, flashes_among, flashes_of
from calcigraph.models.waves.front import CIRCLES, PLANE, Places
from calcigraph.models.waves.kinds import Task, at_once, nearby_of_waves, order_of_waves, runs
from calcigraph.models.waves.lag import lag_of
from calcigraph.models.waves.pairs import Pairs, Train, nearest_pairs
from calcigraph.models.waves.settling import Field, Settled, settle
from calcigraph.models.waves.shifts import shifted
from calcigraph.models.waves.speed import Speed, speed_of, tortuosity_of
from calcigraph.store.event_types import FLASH, WAVE, Events, Links, Wave
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Progress, Subgraph, silent

LEVEL = 0.05
"""A flash is reported at this p of its closeness, which holds for all of a culture together; a wave at this q."""
LIKELY, LIKELY_LEVEL = 0.5, 0.001
"""Events whose closeness has this p may be a wave too, if their order is as rare as this q: stricter, because a wave's
events were chosen as those that fit its front."""
FEWEST, MOST_EVENTS = 39, 4_000_000
"""Random cultures of a large one, and their events in all: one of 10,000 cells is as many small ones."""
WINDOW = 2.0
"""Half of the window of a flash, in standard errors of a time, at least."""
LEAST_SE = 0.05
"""Standard error of a time that is never undercut, in frames."""


@dataclass(frozen=True)
class Found:
    """The links and waves of a culture's events."""

    links: Links
    waves: tuple[Wave, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The lag, how it was found, the chance runs; JSON-able."""


@dataclass(frozen=True)
class _Cut:
    """All pairs, the flashes, and what the other events make."""

    every: Pairs
    flash: IntArray
    """(e,), the flash of each event, -1 for none."""
    basins: Basins
    """Of all events; a flash is a basin."""
    scores: Scores


def find_waves(
    graph: Subgraph, events: Events, options: EventOptions | None = None, *, progress: Progress = silent
) -> Found:
    """Links between events of cells in contact, and the waves and flashes that they make.

    Parameters
    ----------
    graph
        The culture: cells, contacts and frames.
    events
        Sorted by label and onset. Those that had begun before the recording are left out: their half rise is unknown.
    options
        `max_lag_s`, `min_cells`, `exchanges` and `seed` are used.
    progress
        Called with the stage "waves".

    Returns
    -------
    Found
        Links, waves and facts. The same arguments give the same result.

    Examples
    --------
    >>> from calcigraph.store.event_types import no_events
    >>> from calcigraph.models.synthetic.excitable import WaveOptions, make_waves
    >>> found = find_waves(make_waves(WaveOptions(cells=16, size_px=128)).graph, no_events())
    >>> len(found.links), found.waves
    (0, ())
    """
    return candidates(graph, events, options, progress=progress)[0]


def candidates(
    graph: Subgraph, events: Events, options: EventOptions | None = None, *, progress: Progress = silent
) -> tuple[Found, FloatArray]:
    """The same, and the q of every set of events that may be a wave, reported or not: whether q means what it says."""
    options = options or EventOptions()
    rng = np.random.default_rng(options.seed)
    task, order, told = _task(graph, events, options, rng)
    seen = _cut(task, task.train, task.se)
    progress("waves", 0, options.exchanges)
    chance, pair_p = _by_chance(task, seen, rng, progress)
    judged = _judged(task, seen, chance, rng)
    waves = _waves(task, seen, chance, order, judged)
    links = _links(task, events, seen, pair_p, order)
    facts = {
        "max_lag_s": task.lag,
        "max_lag": "given" if options.max_lag_s is not None else ("data" if told else "frames"),
        "candidates": int((seen.scores.close > 0).sum()),
        "exchanges": _random_cultures(task),
        "control": "false-discovery",
    }
    return Found(links=links, waves=waves, facts=facts), benjamini_hochberg(judged.p)


def _task(
    graph: Subgraph, events: Events, options: EventOptions, rng: np.random.Generator
) -> tuple[Task, IntArray, bool]:
    """The events by cell and half rise, with the place of each among `events`."""
    # Of an event that had begun before the recording, the half rise is not known.
    known = np.flatnonzero(~events.cut_start)
    row = np.searchsorted(graph.labels, events.label[known])
    order = np.lexsort((events.half_s[known], row))
    row, order = row[order], known[order]
    step, frames = graph.frame_interval_s, graph.intensity.shape[1]
    recorded = step * frames if graph.time_s is None else float(graph.time_s[-1]) + step
    seconds = max(recorded, float(events.half_s.max(initial=0)) + step)
    train = Train(row=row, time=events.half_s[order])
    se = np.maximum(np.nan_to_num(events.half_se_s[order], nan=step / 2), LEAST_SE * step)
    net = net_of(graph)
    reach = reach_of(net)
    rise = float(np.median(events.rise_s)) if len(events) else 0.0
    half = max(step, WINDOW * float(np.median(se)) if len(se) else 0.0, rise / 2)
    calm = train.chosen(flashes_of(net, reach, train, half, graph.x_px, graph.y_px) == NONE)
    lag, told = (options.max_lag_s, True) if options.max_lag_s is not None else lag_of(net, calm, seconds, step, rng)
    rate = np.bincount(train.row, minlength=net.cells) / seconds
    task = Task(
        graph=graph,
        net=net,
        reach=reach,
        train=train,
        se=se,
        rate=rate,
        seconds=seconds,
        step=step,
        rise=rise,
        half=half,
        lag=lag,
        options=options,
    )
    return task, order, told


def _cut(task: Task, train: Train, se: FloatArray) -> _Cut:
    every = nearest_pairs(task.net, train, task.lag)
    x, y = task.graph.x_px, task.graph.y_px
    flash = flashes_among(task.net, task.reach, train, every, task.half, x, y)
    basins = _basins(task, train, se, every, flash)
    least = float(np.median(se)) if len(se) else task.step
    got = scores(train, task.rate, basins, least, task.options.min_cells)
    return _Cut(every=every, flash=flash, basins=basins, scores=got)


def _basins(task: Task, train: Train, se: FloatArray, every: Pairs, flash: IntArray) -> Basins:
    """Basins of the events that are in no flash; each flash is one around its middle event."""
    calm = np.flatnonzero(flash == NONE)
    if len(calm) < len(flash):
        train, se = train.chosen(calm), se[calm]
        every = nearest_pairs(task.net, train, task.lag)
    pairs = every.held(len(calm))
    basins = cut(surface_of(train.time, se, pairs, task.graph.x_px[train.row], task.graph.y_px[train.row]))
    if len(calm) == len(flash):
        return basins
    root, parent = flash.copy(), flash.copy()
    root[calm], parent[calm] = calm[basins.root], calm[basins.parent]
    return Basins(root=root, parent=parent)


def _by_chance(task: Task, seen: _Cut, rng: np.random.Generator, progress: Progress) -> tuple[FloatArray, FloatArray]:
    """The highest closeness of each random culture, sorted; (2 m,) p of each way, the larger of two: how often shifted
    trains give as many links in this order, and how often the order of the links that there are."""
    times, close = _random_cultures(task), seen.scores.close
    highest = np.zeros(times)
    observed = _in_order(task, task.train, seen.every, task.se)
    as_many = np.zeros(len(observed))
    for done in range(times if len(close) else 0):
        train = shifted(task.net, task.train, task.seconds, rng)
        random = _cut(task, train, task.se)
        highest[done] = random.scores.close.max(initial=0)
        as_many += _in_order(task, train, random.every, task.se) >= observed
        progress("waves", done + 1, times)
    highest.sort()
    # Of so many links between two cells, as many in this order if both orders are as likely.
    both = observed + observed[task.net.back]
    by_order = np.where(observed > 0, betainc(np.maximum(observed, 1), both - observed + 1, 0.5), 1.0)
    return highest, np.maximum(by_order, (1 + as_many) / (1 + times))


def _p(chance: FloatArray, close: FloatArray) -> FloatArray:
    """How often random cultures give as close events."""
    return np.where(close > 0, (1 + len(chance) - np.searchsorted(chance, close)) / (1 + len(chance)), 1.0)


def _random_cultures(task: Task) -> int:
    """As many as asked for, or fewer where they would hold more than four million events; at least 39."""
    return min(task.options.exchanges, max(FEWEST, MOST_EVENTS // max(len(task.train.time), 1)))


def _in_order(task: Task, train: Train, pairs: Pairs, se: FloatArray) -> FloatArray:
    """(2 m,), links along each way: the event of its first cell came before that of its second one."""
    lag = train.time[pairs.two] - train.time[pairs.one]
    told = np.abs(lag) > NORMAL * np.hypot(se[pairs.one], se[pairs.two])
    way = np.where(lag > 0, pairs.way, task.net.back[pairs.way])[told]
    return np.bincount(way, minlength=len(task.net.to)).astype(np.float64)


@dataclass(frozen=True)
class _Judged:
    """The sets of events that may be waves, and what chance says of them, (w,) each."""

    rest: Task
    """Without the events of flashes."""
    field: Field
    settled: list[Settled]
    close: FloatArray
    """p of closeness."""
    p: FloatArray
    rare: BoolArray
    """Whether chance seldom gives such an order."""


def _judged(task: Task, seen: _Cut, chance: FloatArray, rng: np.random.Generator) -> _Judged:
    close_p = _p(chance, seen.scores.close)
    calm = np.flatnonzero(seen.flash == NONE)
    rest = replace(task, train=task.train.chosen(calm), se=task.se[calm])
    root, field_ = seen.basins.root[calm], _field(rest)
    seeds = np.unique(root[close_p[root] <= LIKELY])
    settled = settle(field_, [_by_time(rest, np.flatnonzero(root == seed)) for seed in seeds.tolist()])
    settled = [wave for wave in settled if len(wave.events) >= task.options.min_cells]
    close = _p(chance, np.array([_closeness(seen, calm[wave.events]) for wave in settled]))
    ordered = order_of_waves(rest, field_.places, settled, rng)
    p = np.maximum(both_by_chance(close, ordered), ordered)
    rare = benjamini_hochberg(p) <= np.where(close <= LEVEL, LEVEL, LIKELY_LEVEL)
    # Its events were chosen as those that fit a front: the choice is left to chance as well.
    p = np.maximum(p, nearby_of_waves(rest, field_, settled, rng))
    rare = rare & (benjamini_hochberg(p) <= LEVEL)
    return _Judged(rest=rest, field=field_, settled=settled, close=close, p=p, rare=rare)


def _waves(task: Task, seen: _Cut, chance: FloatArray, order: IntArray, judged: _Judged) -> tuple[Wave, ...]:
    """The waves and flashes, by their first half rise."""
    close_p = _p(chance, seen.scores.close)
    calm = np.flatnonzero(seen.flash == NONE)
    rest, field_, settled, close = judged.rest, judged.field, judged.settled, judged.close
    ran = judged.rare & np.array([runs(rest, field_, wave) for wave in settled], np.bool_)
    flashes = [flash for flash in np.unique(seen.flash[seen.flash != NONE]).tolist() if close_p[flash] <= LEVEL]
    # Told is no smaller p than so many random cultures can show.
    p = np.maximum(judged.p, 1 / (1 + len(chance)))
    q = benjamini_hochberg(np.concatenate([p, close_p[np.array(flashes, np.int64)]]))
    tortuosity = tortuosity_of(task.net, field_.places)
    waves = [
        _wave(
            rest,
            field_,
            wave,
            float(p[number] if ran[number] else close[number]),
            float(q[number]),
            bool(ran[number]),
            tortuosity,
            order[calm],
        )
        for number, wave in enumerate(settled)
        if ran[number] or (close[number] <= LEVEL and at_once(rest, wave))
    ]
    for flash, each in zip(flashes, q[len(p) :].tolist(), strict=True):
        waves.append(_flash(task, _by_time(task, np.flatnonzero(seen.flash == flash)), close_p[flash], each, order))
    return tuple(sorted(waves, key=lambda wave: wave.onset_s))


def _closeness(seen: _Cut, events: IntArray) -> float:
    """Of the events of a wave that follow another of its events."""
    return float(seen.scores.follows[events][np.isin(seen.basins.parent[events], events)].sum())


def _flash(task: Task, events: IntArray, p: float, q: float, order: IntArray) -> Wave:
    time = task.train.time[events]
    return Wave(
        kind=FLASH,
        events=order[events],
        starts=np.zeros(0, np.int64),
        onset_s=float(time[0]),
        duration_s=float(time[-1] - time[0]),
        speed_px_s=None,
        speed_low_px_s=None,
        speed_high_px_s=None,
        direction_deg=None,
        radial=None,
        origin_x_px=None,
        origin_y_px=None,
        p=float(p),
        q=q,
    )


def _field(task: Task) -> Field:
    net = task.net
    spacing = float(np.median(net.distance)) if len(net.distance) else 1.0
    return Field(
        places=Places(net=net, x=task.graph.x_px, y=task.graph.y_px, spacing=spacing),
        reach=task.reach,
        train=task.train,
        clutter=Clutter(
            rate=max(float(task.rate.mean()) if len(task.rate) else 0.0, 1 / task.seconds),
            least=float(np.median(task.se)) if len(task.se) else task.step,
            lag=task.lag,
            spacing=spacing,
        ),
    )


def _by_time(task: Task, events: IntArray) -> IntArray:
    return np.asarray(events[np.argsort(task.train.time[events], kind="stable")])


def _wave(
    task: Task, field_: Field, wave: Settled, p: float, q: float, ran: bool, tortuosity: float, order: IntArray
) -> Wave:
    time, front = task.train.time[wave.events], wave.front
    rows = task.train.row[wave.events]
    starts = _starts(task, wave) if ran else np.zeros(0, np.int64)
    speed = speed_of(field_.places, front, rows, time, tortuosity) if ran else Speed(None, None, None)
    plane = ran and front.kind == PLANE
    return Wave(
        kind=WAVE if ran else FLASH,
        events=order[wave.events],
        starts=task.graph.labels[starts],
        onset_s=float(time[0]),
        duration_s=float(time[-1] - time[0]),
        speed_px_s=speed.value,
        speed_low_px_s=speed.low,
        speed_high_px_s=speed.high,
        direction_deg=float(np.degrees(np.arctan2(front.slope[1], front.slope[0])) % 360) if plane else None,
        radial=not plane if ran else None,
        origin_x_px=float(task.graph.x_px[starts].mean()) if ran else None,
        origin_y_px=float(task.graph.y_px[starts].mean()) if ran else None,
        p=p,
        q=q,
    )


def _starts(task: Task, wave: Settled) -> IntArray:
    """Rows of the cells that may have begun it: of those not told to be later than the first, where it began."""
    rows, time, se = task.train.row[wave.events], task.train.time[wave.events], task.se[wave.events]
    first = np.unique(rows[time - time[0] <= NORMAL * np.hypot(se, se[0])])
    if wave.front.kind != CIRCLES:
        return np.asarray(first, np.int64)
    origin, net = wave.front.origin, task.net
    near = np.intersect1d(first, net.to[net.first[origin] : net.first[origin + 1]])
    return np.asarray(np.union1d(near, [origin]) if origin in first else [origin], np.int64)


def _links(task: Task, events: Events, seen: _Cut, pair_p: FloatArray, order: IntArray) -> Links:
    """All pairs as links, sorted by the place of the earlier event."""
    pairs, time, se = seen.every, task.train.time, task.se
    lag = time[pairs.two] - time[pairs.one]
    tie = np.abs(lag) <= NORMAL * np.hypot(se[pairs.one], se[pairs.two])
    # Of a tie the smaller label, which `one` has, comes first.
    first = np.where(tie | (lag > 0), pairs.one, pairs.two)
    second = np.where(tie | (lag > 0), pairs.two, pairs.one)
    way = np.where(lag > 0, pairs.way, task.net.back[pairs.way])
    before, after = order[first], order[second]
    arrange = np.lexsort((after, before))
    return Links(
        before=before[arrange],
        after=after[arrange],
        lag_s=np.where(tie, 0.0, np.abs(lag))[arrange],
        tie=tie[arrange],
        p=np.where(tie, 1.0, pair_p[way])[arrange],
    )
