"""What kind a set of events is: a wave, which a front orders from cell to cell, or cells that fired together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.event_options import EventOptions
from calcigraph.models.scale import CONSISTENT
from calcigraph.models.waves.chance import Asked, order_p
from calcigraph.models.waves.contacts import Net, Reach, spans
from calcigraph.models.waves.flashes import NONE
from calcigraph.models.waves.front import FLAT, Places
from calcigraph.models.waves.nearby import Nearby, nearby_p
from calcigraph.models.waves.pairs import Train
from calcigraph.models.waves.settling import Field, Settled
from calcigraph.store.types import FloatArray, IntArray, Subgraph

LEAST_EXCHANGES = 199
"""Exchanges of times for the p of the order, at least, but for cultures with many events in waves."""
FEWEST_EXCHANGES, MOST_EXCHANGED = 79, 2_000_000
"""Exchanges there, and how many events are exchanged in all."""
MOST = 300
"""Events of a wave whose order is asked for, at most."""
FEWEST_NEARBY, MOST_NEARBY = 39, 1_000_000
"""The same, with all events near waves."""
EXPLAINED, STEPPED = 0.5, 0.6
"""Least share of the spread of a wave's times that its front explains, and least lower bound of the correlation of the
times from cell to cell with the front's. Patches that fire in turn have correlations of about 0.35, waves 0.9."""
BOTH = 1.3
"""Least sum of that share and that correlation."""
ONE_SIDED = 1.645
"""Standard errors of Fisher's z from a correlation to its lower bound: of few events, chance orders some."""
CERTAIN = 0.995
SMALL = 1e-12
TOLD = 1.3
"""Spread of a wave's times, in those of their errors, from which a front can tell them."""
HOLE = 0.34
"""Share of a cell's contacts that are with cells of a wave, from which the wave lies round it."""

BESIDE, ABOUT, ALONE = 0.2, 2.0, 2 / 3
"""Cells beside a wave have such a share of their contacts in it. Of all events within so many of a front's times from
cell to cell, this share at least is the wave's: among very many events a front fits some, whatever they do."""


@dataclass(frozen=True)
class Task:
    """One culture's events and contacts, with what was measured of them."""

    graph: Subgraph
    net: Net
    reach: Reach
    train: Train
    se: FloatArray
    rate: FloatArray
    seconds: float
    step: float
    rise: float
    """Median time of a rise, s."""
    half: float
    """Half of the window of a flash, s."""
    lag: float
    options: EventOptions


def runs(task: Task, field_: Field, wave: Settled) -> bool:
    """Whether a front tells when each event came, but for the errors: in all, and from each cell to the next.

    Groups of cells that fire one after the other, each in no order, are not a wave, though a front over all of them
    explains much: it does not tell which of two cells in contact came first.
    """
    # Of all cells that it lies round: a front that passes through many events fits some of them, whatever they do.
    asked = _asked(task, wave)
    time = task.train.time[asked]
    error = float(np.median(task.se[asked])) / CONSISTENT
    spread = float(np.median(np.abs(time - np.median(time))))
    if wave.front.kind == FLAT or spread <= TOLD * error:
        return False
    left = float(np.median(np.abs(time - wave.front.expected(field_.places, task.train.row[asked]))))
    explained = 1 - max(left**2 - error**2, 0.0) / (spread**2 - error**2)
    if _alone(task, field_, wave) < ALONE:
        return False
    step = _step_by_step(task, wave, wave.front.expected(field_.places, task.train.row[wave.events]))
    return explained >= EXPLAINED and _lower(step, len(wave.events)) >= STEPPED and explained + step >= BOTH


def _alone(task: Task, field_: Field, wave: Settled) -> float:
    """Share of a wave's events among all that came about as the front passed, at its cells and at those beside them."""
    train, front = task.train, wave.front
    cells = np.flatnonzero(_within(task, wave) >= BESIDE)
    first, last = np.searchsorted(train.row, cells), np.searchsorted(train.row, cells, side="right")
    other = spans(first, last - first)
    late = np.abs(train.time[other] - front.expected(field_.places, train.row[other]))
    about = int((late <= ABOUT * front.steep * field_.places.spacing).sum())
    return len(wave.events) / (len(wave.events) + about)


def _within(task: Task, wave: Settled) -> FloatArray:
    """(n,), share of the contacts of each cell that are with cells of a wave, -1 for those of the wave."""
    net = task.net
    inside = np.zeros(net.cells)
    inside[task.train.row[wave.events]] = 1
    around = np.bincount(net.start, inside[net.to], net.cells) / np.maximum(np.diff(net.first), 1)
    return np.where(inside > 0, -1.0, around)


def _lower(correlation: float, events: int) -> float:
    """Lower bound of a correlation, one-sided, 95 %: Fisher's z has the deviation 1 / sqrt(n - 3)."""
    z = float(np.arctanh(np.clip(correlation, -CERTAIN, CERTAIN)))
    return float(np.tanh(z - ONE_SIDED / np.sqrt(max(events - 3, 1))))


def _step_by_step(task: Task, wave: Settled, expected: FloatArray) -> float:
    """Correlation, over contacts inside a wave, of the time between both cells' events with what the front expects.

    The events' errors are taken from the variance of the first.
    """
    place = np.full(task.net.cells, NONE)
    place[task.train.row[wave.events]] = np.arange(len(wave.events))
    one, two = place[task.net.start], place[task.net.to]
    one, two = one[(one > two) & (two != NONE)], two[(one > two) & (two != NONE)]
    time, se = task.train.time[wave.events], task.se[wave.events]
    seen, told = time[two] - time[one], expected[two] - expected[one]
    by_errors = 2 * len(one) * float(np.median(se)) ** 2
    own = max(float((seen**2).sum()) - by_errors, float((told**2).sum()))
    return float((seen * told).sum()) / max(float(np.sqrt(own * (told**2).sum())), SMALL)


def at_once(task: Task, wave: Settled) -> bool:
    """Whether the cells fired together: their times differ by two frames or by the time of a rise."""
    time = task.train.time[wave.events]
    return CONSISTENT * float(np.median(np.abs(time - np.median(time)))) <= max(2 * task.step, task.rise)


def order_of_waves(task: Task, places: Places, settled: list[Settled], rng: np.random.Generator) -> FloatArray:
    """(waves,), p of their order, with the events of cells that each wave lies round, whether they fit it or not."""
    train, asked = task.train, [_asked(task, wave) for wave in settled]
    which = np.concatenate([np.zeros(0, np.int64), *asked])
    rows = [train.row[events] for events in asked]
    return order_p(
        Asked(
            wave=np.repeat(np.arange(len(asked)), [len(events) for events in asked]),
            time=train.time[which],
            x=places.x[train.row[which]],
            y=places.y[train.row[which]],
            away=np.concatenate([np.zeros(0), *(places.away(each, each, each).ravel() for each in rows)]),
        ),
        max(min(max(task.options.exchanges, LEAST_EXCHANGES), MOST_EXCHANGED // max(len(which), 1)), FEWEST_EXCHANGES),
        rng,
    )


def _asked(task: Task, wave: Settled) -> IntArray:
    """The events whose order is asked for, evenly over the wave where they are many."""
    train = task.train
    holes = np.flatnonzero(_within(task, wave) >= HOLE)
    first, last = np.searchsorted(train.row, holes), np.searchsorted(train.row, holes, side="right")
    other = spans(first, last - first)
    time = train.time[wave.events]
    near = (train.time[other] >= time[0]) & (train.time[other] <= time[-1])
    asked = np.concatenate([wave.events, other[near]])
    return np.asarray(asked[np.unique(np.linspace(0, len(asked) - 1, min(MOST, len(asked))).astype(np.int64))])


def nearby_of_waves(task: Task, field_: Field, settled: list[Settled], rng: np.random.Generator) -> FloatArray:
    """(waves,), p of the best front among all events near each wave."""
    train, places, near = task.train, field_.places, [_near(task, wave) for wave in settled]
    exchanges = MOST_NEARBY // max(sum(map(len, near)), 1)
    exchanges = max(min(max(task.options.exchanges, LEAST_EXCHANGES), exchanges), FEWEST_NEARBY)
    p = np.ones(len(settled))
    for number, events in enumerate(near):
        rows = train.row[events]
        found = Nearby(time=train.time[events], x=places.x[rows], y=places.y[rows], away=places.away(rows, rows))
        p[number] = nearby_p(found, field_.clutter, exchanges, rng)
    return p


def _near(task: Task, wave: Settled) -> IntArray:
    """The events of a wave's cells and of those two contacts far at most, from a lag before it to a lag after it."""
    train, reach = task.train, task.reach
    rows = train.row[wave.events]
    cells = np.union1d(rows, reach.to[spans(reach.first[rows], reach.first[rows + 1] - reach.first[rows])])
    first, last = np.searchsorted(train.row, cells), np.searchsorted(train.row, cells, side="right")
    event, time = spans(first, last - first), train.time[wave.events]
    at = train.time[event]
    event = event[(at >= time[0] - task.lag) & (at <= time[-1] + task.lag)]
    return np.asarray(event[np.unique(np.linspace(0, len(event) - 1, min(MOST, len(event))).astype(np.int64))])
