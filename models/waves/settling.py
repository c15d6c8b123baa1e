"""Events given to the waves that they fit: a wave loses what only happened to be near, and gains what it passed over.

A wave found over contacts alone breaks where cells did not fire or were not seen, and holds events of cells' own. So a
front is fitted to each. Waves that one front explains as well as two become one; a wave that two fronts from two cells
explain much better becomes two. Then every event near a wave is compared with the time at which the front passed its
cell, with what the events around it are late by. It goes to the wave that it fits best, or to none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from calcigraph.models.waves.basins import components
from calcigraph.models.waves.contacts import Reach, spans
from calcigraph.models.waves.fitting import Clutter
from calcigraph.models.waves.front import FAR, FLAT, LOOSE, Front, Places, fit_front
from calcigraph.models.waves.pairs import Train, nearest
from calcigraph.store.types import BoolArray, FloatArray, IntArray

ROUNDS = 4
LEAST_FIT, FITS = 1.5, 3.0
"""Deviations from the front's time within which an event belongs to it: fewer where cells fire often by themselves."""
PRICE = 4.0
"""What a second front must explain, in log n."""
FEWEST = 4
"""Events of a side of two fronts."""
STARTS = 3
"""The first events of a wave: most of them follow no other wave."""
FOLLOWS = 1.5
"""A front takes from cell to cell what it takes on average, within this factor."""
LARGE, LARGER = 500, 5
"""Events of a wave whose front a set of a fifth of them hardly changes: it is not fitted again for each such set."""
NONE = -1


@dataclass(frozen=True)
class Field:
    """What is needed to settle."""

    places: Places
    reach: Reach
    train: Train
    clutter: Clutter
    fronts: dict[bytes, Front] = field(default_factory=dict)
    """Fronts of sets of events that have been fitted: most sets stay as they are from round to round."""
    residuals: dict[bytes, FloatArray] = field(default_factory=dict)
    gains: dict[tuple[bytes, bytes], float] = field(default_factory=dict)
    parts: dict[bytes, list[IntArray]] = field(default_factory=dict)
    passed: dict[int, tuple[Front, FloatArray]] = field(default_factory=dict)
    """When the fronts of large waves pass each cell; by the front, which is kept so that its place is not reused."""


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
        task.fronts[key] = fit_front(task.places, task.train.row[events], task.train.time[events], task.clutter)
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
    close = np.abs(late) <= 2 * task.clutter.lag
    event, cell, late = event[close], cell[close], late[close]
    # Of each cell the event that fits best.
    order = np.lexsort((np.abs(late), cell))
    once = order[np.append(True, cell[order][1:] != cell[order][:-1])] if len(order) else order
    event, cell, late = event[once], cell[once], late[once]
    drift, told = _drift(task, cells, cell, late, np.isin(event, members), front.scale)
    left = late - drift
    least = max(task.clutter.least, LOOSE * front.steep * task.places.spacing)
    scale = _scale(task.clutter, left, max(front.scale, least), least)
    return event[told], np.abs(left[told]) / (task.clutter.limit(scale, LEAST_FIT, FITS) * scale)


def _scale(clutter: Clutter, late: FloatArray, scale: float, least: float) -> float:
    """Deviation of the events that are likelier the front's than the cells' own."""
    most = scale
    for _ in range(ROUNDS):
        likely = clutter.likely(late, scale)
        weight = likely / (1 + likely)
        total = float(weight.sum())
        if total > 0:
            scale = float(np.clip(np.sqrt((weight * late**2).sum() / total), least, most))
    return scale


def _drift(
    task: Field, cells: IntArray, cell: IntArray, late: FloatArray, inside: BoolArray, scale: float
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
    typical = np.clip(late, -FITS * scale, FITS * scale)
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
        given = _given_front(sets[a], sets[b], fronts[a], fronts[b])
        sets[a] = np.concatenate([sets[a], sets[b]])
        sets[a] = sets[a][np.argsort(task.train.time[sets[a]], kind="stable")]
        fronts[a], sets[b] = given or _front(task, sets[a]), sets[b][:0]
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
    if _given_front(sets[a], sets[b], fronts[a], fronts[b]):
        return _gain_of_large(task, sets, fronts, (a, b) if len(sets[a]) > len(sets[b]) else (b, a))
    key = (sets[a].tobytes(), sets[b].tobytes())
    if key not in task.gains:
        task.gains[key] = _gain_of(task, sets[a], sets[b], fronts[a], fronts[b])
    return task.gains[key]


def _given_front(one: IntArray, two: IntArray, front_one: Front, front_two: Front) -> Front | None:
    """The front of two waves together that needs no fit: that of one that is large, and much larger than the other."""
    (few, _), (many, front) = sorted([(len(one), front_one), (len(two), front_two)], key=lambda each: each[0])
    return front if many >= LARGE and many >= LARGER * few else None


def _gain_of_large(task: Field, sets: list[IntArray], fronts: list[Front], pair: tuple[int, int]) -> float:
    """The same where the front is that of the first, the large wave, whose own events cost the same with both."""
    large, small = pair
    scale = _common_scale(task, fronts[large], fronts[small])
    rows, time = task.train.row[sets[small]], task.train.time[sets[small]]
    passed = _passed(task, fronts[large])
    apart = _cost(_residual(task, sets[small], fronts[small]), scale)
    return _cost(time - passed[rows], scale) - apart - PRICE * float(np.log(len(sets[large]) + len(sets[small])))


def _passed(task: Field, front: Front) -> FloatArray:
    """(n,), when the front of a large wave passes each cell."""
    key = id(front)
    if key not in task.passed:
        task.passed[key] = (front, front.expected(task.places, np.arange(task.places.net.cells)))
    return task.passed[key][1]


def _gain_of(task: Field, one: IntArray, two: IntArray, front_one: Front, front_two: Front) -> float:
    both = np.concatenate([one, two])
    scale = _common_scale(task, front_one, front_two)
    apart = _cost(_residual(task, one, front_one), scale) + _cost(_residual(task, two, front_two), scale)
    together = _cost(_residual(task, both, _front(task, both)), scale)
    return together - apart - PRICE * float(np.log(len(both)))


def _common_scale(task: Field, one: Front, two: Front) -> float:
    steep = max(one.steep, two.steep)
    return max(min(one.scale, two.scale), task.clutter.least, 2 * LOOSE * steep * task.places.spacing)


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
    there = nearest(task.train, here, task.reach.to[spans(task.reach.first[rows], ways)], task.clutter.lag)
    a, b = owner[here], np.where(there >= 0, owner[there], NONE)
    across = (b > a) & (a >= 0)
    return set(zip(a[across].tolist(), b[across].tolist(), strict=True))


def _parted(task: Field, sets: list[IntArray]) -> list[IntArray]:
    """Sets that hold several waves are cut into these."""
    result = []
    for events in sets:
        key = events.tobytes()
        if key not in task.parts:
            task.parts[key] = _parts(task, events)
        result += task.parts[key]
    return result


def _parts(task: Field, events: IntArray) -> list[IntArray]:
    """The wave that tells most of the times, the wave that tells most of the rest, and so on.

    The rest of a wave that does not run evenly is no wave: it follows the first one. What no wave tells stays with the
    first.
    """
    parts: list[IntArray] = []
    rest = events
    while len(rest) >= FEWEST:
        front = _front(task, rest)
        if front.kind == FLAT:
            break
        wave = _whole(task, rest[_fits(task, rest, front)])
        if len(wave) < FEWEST:
            break
        if not parts or _of_its_own(task, wave, parts):
            parts.append(wave)
        rest = rest[~np.isin(rest, wave)]
    if not parts:
        return [events]
    first = events[~np.isin(events, np.concatenate([*parts[1:], events[:0]]))]
    return [first, *parts[1:]]


def _fits(task: Field, events: IntArray, front: Front) -> BoolArray:
    limit = task.clutter.limit(front.scale, LEAST_FIT, FITS)
    return np.asarray(np.abs(_residual(task, events, front)) <= limit * front.scale)


def _of_its_own(task: Field, wave: IntArray, others: list[IntArray]) -> bool:
    """Whether a wave tells its times much better than chance, and starts where no other wave comes by."""
    front = _front(task, wave)
    if front.kind == FLAT:
        return False
    residual = _residual(task, wave, front)
    gain = float(task.clutter.gain(residual, front.scale))
    if gain - float(task.clutter.gain(np.zeros(1), front.scale)) < PRICE * np.log(len(wave)):
        return False
    train, reach = task.train, task.reach
    first = wave[np.argsort(train.time[wave], kind="stable")[:STARTS]]
    rows = train.row[first]
    ways = reach.first[rows + 1] - reach.first[rows]
    here, there = np.repeat(np.arange(len(first)), ways), reach.to[spans(reach.first[rows], ways)]
    x, y = task.places.x, task.places.y
    away = np.hypot(x[rows][here] - x[there], y[rows][here] - y[there])
    followed = np.zeros(len(first), np.bool_)
    for other in others:
        at = np.full(task.places.net.cells, -np.inf)
        at[train.row[other]] = train.time[other]
        since = train.time[first][here] - at[there]
        usual = _front(task, other).steep * away
        error = 2 * task.clutter.least
        followed[here[(since >= usual / FOLLOWS - error) & (since <= usual * FOLLOWS + error)]] = True
    return 2 * int(followed.sum()) < len(first)
