"""Events given to the waves that they fit: a wave loses what only happened to be near, and gains what it passed over.

A wave found over contacts alone breaks where cells did not fire or were not seen, and holds events of cells' own. So a
front is fitted to each. Waves that one front explains as well as two become one; a wave that two fronts from two cells
explain much better becomes two. Then every event near a wave is compared with the time at which the front passed its
cell, with what the events around it are late by. It goes to the wave that it fits best, or to none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from calcigraph.models.scale import CONSISTENT
from calcigraph.models.waves.basins import components
from calcigraph.models.waves.contacts import Reach, spans
from calcigraph.models.waves.front import FAR, FLAT, LOOSE, Front, Places, fit_front, robust
from calcigraph.models.waves.pairs import Train, nearest
from calcigraph.store.types import BoolArray, FloatArray, IntArray

ROUNDS = 4
FITS = 3.0
"""Deviations from the front's time within which an event belongs to a wave."""
PRICE = 4.0
"""What a second front must explain, in log n."""
FEWEST = 4
"""Events of a side of two fronts."""
MOST_SECONDS = 12
"""Second origins that are tried."""
NONE = -1


@dataclass(frozen=True)
class Field:
    """What is needed to settle."""

    places: Places
    reach: Reach
    train: Train
    least: float
    """Median standard error of a time, s."""
    lag: float
    fronts: dict[bytes, Front] = field(default_factory=dict)
    """Fronts of sets of events that have been fitted: most sets stay as they are from round to round."""
    residuals: dict[bytes, FloatArray] = field(default_factory=dict)
    gains: dict[tuple[bytes, bytes], float] = field(default_factory=dict)
    parts: dict[bytes, tuple[IntArray, IntArray] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """A wave: its events, by time, and its front."""

    events: IntArray
    front: Front


def settle(task: Field, sets: list[IntArray]) -> list[Settled]:
    """The waves that sets of events become."""
    # Parted first: of two waves in one set the smaller one would be left out.
    sets = _joined(task, _parted(task, sets))
    for _ in range(ROUNDS):
        fronts = [_front(task, events) for events in sets]
        given = _given(task, sets, fronts)
        given = [events for events in given if len(events) >= FEWEST]
        given = _joined(task, _parted(task, given))
        same = len(given) == len(sets) and all(map(np.array_equal, given, sets))
        sets = given
        if same:
            break
    return [Settled(events=events, front=_front(task, events)) for events in sets]


def _front(task: Field, events: IntArray) -> Front:
    key = events.tobytes()
    if key not in task.fronts:
        task.fronts[key] = fit_front(task.places, task.train.row[events], task.train.time[events], task.least)
    return task.fronts[key]


def _near_cells(task: Field, rows: IntArray) -> IntArray:
    """Cells two contacts far at most, these cells with them."""
    ways = task.reach.first[rows + 1] - task.reach.first[rows]
    return np.union1d(rows, task.reach.to[spans(task.reach.first[rows], ways)])


def _given(task: Field, sets: list[IntArray], fronts: list[Front]) -> list[IntArray]:
    """Every event to the wave that it fits best."""
    events = len(task.train.row)
    best, owner = np.full(events, np.inf), np.full(events, NONE)
    for number, (members, front) in enumerate(zip(sets, fronts, strict=True)):
        near, score = _scores(task, members, front)
        better = score < np.minimum(best[near], 1.0)
        owner[near[better]], best[near[better]] = number, score[better]
    return [_whole(task, np.flatnonzero(owner == number)) for number in range(len(sets))]


def _scores(task: Field, members: IntArray, front: Front) -> tuple[IntArray, FloatArray]:
    """Events near a wave, one of a cell, and how far each is from its front: 1 is just too far."""
    train, rows = task.train, task.train.row[members]
    cells = _near_cells(task, rows)
    expected = front.expected(task.places, cells)
    first, last = np.searchsorted(train.row, cells), np.searchsorted(train.row, cells, side="right")
    event = spans(first, last - first)
    cell = np.repeat(np.arange(len(cells)), last - first)
    late = train.time[event] - expected[cell]
    close = np.abs(late) <= 2 * task.lag
    event, cell, late = event[close], cell[close], late[close]
    # Of each cell the event that fits best.
    order = np.lexsort((np.abs(late), cell))
    once = order[np.append(True, cell[order][1:] != cell[order][:-1])] if len(order) else order
    event, cell, late = event[once], cell[once], late[once]
    drift, told = _drift(task, cells, cell, late, np.isin(event, members))
    left = late - drift
    inside = np.isin(event, members)
    scale = CONSISTENT * float(np.median(np.abs(left[inside]))) if inside.any() else front.scale
    scale = max(scale, task.least, LOOSE * front.steep * task.places.spacing)
    return event[told], np.abs(left[told]) / (FITS * scale)


def _drift(
    task: Field, cells: IntArray, cell: IntArray, late: FloatArray, inside: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """How late the wave's events around each event are, and whether there are two at least."""
    place = np.full(len(task.reach.first) - 1, NONE)
    place[cells[cell]] = np.arange(len(cell))
    rows = cells[cell]
    ways = task.reach.first[rows + 1] - task.reach.first[rows]
    here = np.repeat(np.arange(len(rows)), ways)
    there = place[task.reach.to[spans(task.reach.first[rows], ways)]]
    use = (there >= 0) & inside[there]
    count = np.bincount(here[use], minlength=len(rows))
    typical = np.clip(late, *np.quantile(late[inside], (0.05, 0.95))) if inside.any() else late
    total = np.bincount(here[use], typical[there[use]], len(rows))
    return total / (count + 2), count >= 2


def _whole(task: Field, events: IntArray) -> IntArray:
    """The largest part that is connected over two contacts, by time."""
    if len(events) == 0:
        return events
    rows = task.train.row[events]
    place = np.full(len(task.reach.first) - 1, NONE)
    place[rows] = np.arange(len(rows))
    ways = task.reach.first[rows + 1] - task.reach.first[rows]
    here = np.repeat(np.arange(len(rows)), ways)
    there = place[task.reach.to[spans(task.reach.first[rows], ways)]]
    part = components(len(rows), here[there >= 0], there[there >= 0])
    events = events[part == np.bincount(part).argmax()]
    return events[np.argsort(task.train.time[events], kind="stable")]


def _cost(residual: FloatArray, scale: float) -> float:
    return float(np.minimum((residual / scale) ** 2, FAR**2).sum())


def _residual(task: Field, events: IntArray, front: Front) -> FloatArray:
    """What the events of a wave are late by, with the front fitted to them."""
    key = events.tobytes()
    if key not in task.residuals:
        task.residuals[key] = task.train.time[events] - front.expected(task.places, task.train.row[events])
    return task.residuals[key]


def _joined(task: Field, sets: list[IntArray]) -> list[IntArray]:
    """Waves that one front explains become one, the pair that gains most first."""
    sets = list(sets)
    fronts = [_front(task, events) for events in sets]
    gains = {pair: _gain(task, sets, fronts, pair) for pair in sorted(_neighbours(task, sets))}
    while gains:
        pair = min(gains, key=lambda each: (gains[each], each))
        if gains[pair] > 0:
            break
        a, b = pair
        sets[a] = np.concatenate([sets[a], sets[b]])
        sets[a] = sets[a][np.argsort(task.train.time[sets[a]], kind="stable")]
        fronts[a], sets[b] = _front(task, sets[a]), sets[b][:0]
        touched = {(a if one == b else one, a if two == b else two) for one, two in gains if {one, two} & {a, b}}
        gains = {each: gain for each, gain in gains.items() if not {a, b} & set(each)}
        for one, two in sorted(touched):
            if one != two:
                each = (min(one, two), max(one, two))
                gains[each] = _gain(task, sets, fronts, each)
    return [events for events in sets if len(events)]


def _gain(task: Field, sets: list[IntArray], fronts: list[Front], pair: tuple[int, int]) -> float:
    """What one front for both explains less than two, without the price of a second front."""
    a, b = pair
    key = (sets[a].tobytes(), sets[b].tobytes())
    if key not in task.gains:
        task.gains[key] = _gain_of(task, sets[a], sets[b], fronts[a], fronts[b])
    return task.gains[key]


def _gain_of(task: Field, one: IntArray, two: IntArray, front_one: Front, front_two: Front) -> float:
    both = np.concatenate([one, two])
    scale = _common_scale(task, front_one, front_two)
    apart = _cost(_residual(task, one, front_one), scale) + _cost(_residual(task, two, front_two), scale)
    together = _cost(_residual(task, both, _front(task, both)), scale)
    return together - apart - PRICE * float(np.log(len(both)))


def _common_scale(task: Field, one: Front, two: Front) -> float:
    steep = max(one.steep, two.steep)
    return max(min(one.scale, two.scale), task.least, 2 * LOOSE * steep * task.places.spacing)


def _neighbours(task: Field, sets: list[IntArray]) -> set[tuple[int, int]]:
    """Pairs of waves that have events two contacts far at most, within the lag."""
    if not sets:
        return set()
    owner = np.full(len(task.train.row), NONE)
    for number, events in enumerate(sets):
        owner[events] = number
    events = np.concatenate(sets)
    rows = task.train.row[events]
    ways = task.reach.first[rows + 1] - task.reach.first[rows]
    here = np.repeat(events, ways)
    there = nearest(task.train, here, task.reach.to[spans(task.reach.first[rows], ways)], task.lag)
    a, b = owner[here], np.where(there >= 0, owner[there], NONE)
    across = (b > a) & (a >= 0)
    return set(zip(a[across].tolist(), b[across].tolist(), strict=True))


def _parted(task: Field, sets: list[IntArray]) -> list[IntArray]:
    """Waves that two fronts explain much better become two."""
    result = []
    for events in sets:
        key = events.tobytes()
        if key not in task.parts:
            task.parts[key] = _two(task, events)
        parts = task.parts[key]
        result += list(parts) if parts is not None else [events]
    return result


def _two(task: Field, events: IntArray) -> tuple[IntArray, IntArray] | None:
    """The two waves that start at two cells and meet, if they explain the times much better than one front."""
    train, places = task.train, task.places
    rows, time = train.row[events], train.time[events]
    n = len(events)
    front = _front(task, events)
    if n < 3 * FEWEST or front.kind == FLAT:
        return None
    residual = _residual(task, events, front)
    seconds = _seconds(task, rows, time)
    if len(seconds) < 2:
        return None
    away = places.away(rows[seconds], rows, rows)
    best: tuple[float, BoolArray] | None = None
    for a in range(len(seconds)):
        for b in range(a + 1, len(seconds)):
            tried = _two_fronts(time, away[a], away[b])
            if tried is None:
                continue
            left, side, steep = tried
            scale = CONSISTENT * float(np.median(np.abs(left)))
            scale = max(scale, task.least, LOOSE * steep * places.spacing)
            gain = _cost(residual, scale) - _cost(left, scale)
            if best is None or gain > best[0]:
                best = (gain, side)
    if best is None or best[0] < PRICE * np.log(n) + 2 * np.log(len(seconds)):
        return None
    return events[~best[1]], events[best[1]]


def _seconds(task: Field, rows: IntArray, time: FloatArray) -> IntArray:
    """Places of events that are earlier than all of the wave around them, the earliest first."""
    place = np.full(len(task.reach.first) - 1, NONE)
    place[rows] = np.arange(len(rows))
    ways = task.reach.first[rows + 1] - task.reach.first[rows]
    here = np.repeat(np.arange(len(rows)), ways)
    there = place[task.reach.to[spans(task.reach.first[rows], ways)]]
    known = there >= 0
    earliest = np.full(len(rows), np.inf)
    np.minimum.at(earliest, here[known], time[there[known]])
    found = np.flatnonzero((time <= earliest) & np.isfinite(earliest))
    return found[np.argsort(time[found], kind="stable")][:MOST_SECONDS]


def _two_fronts(time: FloatArray, one: FloatArray, two: FloatArray) -> tuple[FloatArray, BoolArray, float] | None:
    """Two fronts of one speed, each cell reached by the earlier one: residuals, the side of each event, s/px."""
    side = two < one
    for _ in range(5):
        if min(side.sum(), (~side).sum()) < FEWEST:
            return None
        design = np.stack([~side, side, np.where(side, two, one)], axis=1).astype(np.float64)
        coefficient, residual = (each[0] for each in robust(design[None], time))
        if coefficient[2] <= 0:
            return None
        moved = coefficient[1] + coefficient[2] * two < coefficient[0] + coefficient[2] * one
        if np.array_equal(moved, side):
            break
        side = moved
    return residual, side, float(coefficient[2])
