"""Flashes: many cells at once, in no order over space. They are taken out before waves are linked.

Light or a drug makes many cells fire within a frame or two. A wave that passes shortly before or after would be linked
with them, and neither would be seen as what it is. A set of events is a flash if

* they are many, connected over contacts, and lie within a short window;
* their times crowd in the middle of the window: those of a front fill it evenly;
* few of the events around them lie just outside the window: those of a front do, on both sides;
* few of the contacts with cells that fire about then lead out of the window: those of a front do;
* place hardly tells when in the window an event came, by the quadratic surface that fits the times best. It tells it
  in a fast wave.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import fdtrc

from calcigraph.models.scale import CONSISTENT
from calcigraph.models.waves.basins import components
from calcigraph.models.waves.contacts import Net, Reach, spans
from calcigraph.models.waves.pairs import Pairs, Train, nearest_pairs
from calcigraph.store.types import BoolArray, FloatArray, IntArray

FEWEST = 16
"""Events of a flash: fewer are told from a wave afterwards, and do little to one."""
CROWDED = 0.7
"""Largest deviation of the times, in halves of the window."""
SUDDEN = 0.7
"""Least share of the events around a flash, in twice its window, that lie in it: a front has about one half."""
INSIDE = 0.5
"""Least share of the contacts with events about then that stay in the window: a thin front has a third."""
ORDERED, SURE = 0.2, 0.02
"""Share of the times' variance told by the place from which they are a wave, and the p that it must have."""
TERMS = 5
"""Of the quadratic surface."""
ABOUT = 6.0
"""Events not farther from a flash than so many halves of its window are about then."""
GAP = 6.0
"""Parts of one flash lie so close, in distances of contacts."""
GROWTH = 3
"""Rounds in which a flash gains events of cells around it."""
FAR = 3.0
"""Deviations from the middle of a flash beyond which an event does not belong to it."""
SMALL = 1e-12
NONE = -1


def flashes_of(net: Net, reach: Reach, train: Train, half: float, x: FloatArray, y: FloatArray) -> IntArray:
    """The flash of each event, -1 for none: the place of the flash's middle event in the train.

    Parameters
    ----------
    net, reach
        The contacts, and ways over one or two of them.
    train
        The e events.
    half
        Half of the window that a flash fills, s.
    x, y
        (n,), where the cells lie, px.
    """
    return flashes_among(net, reach, train, nearest_pairs(net, train, half), half, x, y)


def flashes_among(
    net: Net, reach: Reach, train: Train, pairs: Pairs, half: float, x: FloatArray, y: FloatArray
) -> IntArray:
    """The same, with pairs of events that are each other's nearest at hand."""
    flash = np.full(len(train.row), NONE)
    close = np.abs(train.time[pairs.one] - train.time[pairs.two]) <= half
    if close.sum() < FEWEST - 1:
        return flash
    part = components(len(train.row), pairs.one[close], pairs.two[close])
    size = np.bincount(part)
    order = np.argsort(part, kind="stable")
    first = np.cumsum(size) - size
    for number in np.flatnonzero(size >= FEWEST).tolist():
        events = order[first[number] : first[number] + size[number]]
        # Waves and flashes may hang together: the fullest window first, then what is left.
        while len(events) >= FEWEST:
            full = _fullest(train, events, half)
            if len(full) < FEWEST:
                break
            found = _grown(reach, train, full, flash == NONE, half)
            if _is_flash(net, reach, train, found, half, x, y):
                flash[found] = _middle(train, found)
            events = np.setdiff1d(events, np.union1d(full, found))
    return _united(net, train, flash, half, x, y)


def _fullest(train: Train, events: IntArray, half: float) -> IntArray:
    """The events in the window that holds most of them."""
    events = events[np.argsort(train.time[events], kind="stable")]
    time = train.time[events]
    last = np.searchsorted(time, time + 2 * half, side="right")
    begin = int(np.argmax(last - np.arange(len(time))))
    return np.asarray(events[begin : last[begin]])


def _middle(train: Train, events: IntArray) -> int:
    """The event at the median of the times."""
    return int(events[np.argsort(train.time[events], kind="stable")[len(events) // 2]])


def _around(reach: Reach, train: Train, events: IntArray, middle: float, far: float) -> IntArray:
    """Events of these cells and of those two contacts far at most, within `far` of a time: of each cell the nearest."""
    rows = np.unique(train.row[events])
    cells = np.union1d(rows, reach.to[spans(reach.first[rows], reach.first[rows + 1] - reach.first[rows])])
    first, last = np.searchsorted(train.row, cells), np.searchsorted(train.row, cells, side="right")
    event = spans(first, last - first)
    away = np.abs(train.time[event] - middle)
    event, away = event[away <= far], away[away <= far]
    event = event[np.lexsort((away, train.row[event]))]
    return np.asarray(event[np.append(True, np.diff(train.row[event]) > 0)]) if len(event) else event


def _grown(reach: Reach, train: Train, events: IntArray, free: BoolArray, half: float) -> IntArray:
    """With the events around them that came about as close to the middle."""
    for _ in range(GROWTH):
        time = train.time[events]
        middle = float(np.median(time))
        spread = CONSISTENT * float(np.median(np.abs(time - middle)))
        grown = _around(reach, train, events, middle, float(np.clip(FAR * spread, half, 2 * half)))
        grown = grown[free[grown]]
        if len(grown) < FEWEST or np.array_equal(grown, events):
            break
        events = grown
    return events


def _is_flash(
    net: Net, reach: Reach, train: Train, events: IntArray, half: float, x: FloatArray, y: FloatArray
) -> bool:
    if len(events) < FEWEST:
        return False
    middle = float(np.median(train.time[events]))
    if CONSISTENT * float(np.median(np.abs(train.time[events] - middle))) > CROWDED * half:
        return False
    about = _around(reach, train, events, middle, ABOUT * half)
    window = max(float(np.abs(train.time[events] - middle).max()), half)
    twice = int((np.abs(train.time[about] - middle) <= 2 * window).sum())
    if len(events) < SUDDEN * twice:
        return False
    inside, fires = np.zeros((2, net.cells), np.bool_)
    inside[train.row[events]], fires[train.row[about]] = True, True
    ways = inside[net.start] & fires[net.to]
    if (ways & inside[net.to]).sum() < INSIDE * ways.sum():
        return False
    return not _in_order(train.time[events], x[train.row[events]], y[train.row[events]])


def _in_order(time: FloatArray, x: FloatArray, y: FloatArray) -> bool:
    """Whether a quadratic surface tells the times: the share of the variance, adjusted for its terms, and F."""
    dx, dy = x - x.mean(), y - y.mean()
    size = float(np.sqrt((dx**2 + dy**2).mean())) or 1.0
    dx, dy = dx / size, dy / size
    design = np.stack([np.ones(len(time)), dx, dy, dx * dx, dx * dy, dy * dy], axis=1)
    left = time - design @ np.linalg.lstsq(design, time, rcond=None)[0]
    own, freedom = float(np.mean(left**2)), len(time) - TERMS - 1
    variance = max(float(np.var(time)), own, SMALL)
    share = 1 - own / variance * (len(time) - 1) / freedom
    ratio = (variance - own) / max(own, SMALL) * freedom / TERMS
    return share > ORDERED and float(fdtrc(TERMS, freedom, ratio)) < SURE


def _united(net: Net, train: Train, flash: IntArray, half: float, x: FloatArray, y: FloatArray) -> IntArray:
    """Flashes at one time become one, though cells between them rested."""
    middles = np.unique(flash[flash != NONE])
    if len(middles) < 2:
        return flash
    gap = GAP * float(np.median(net.distance))
    middles = middles[np.argsort(train.time[middles], kind="stable")]
    for before, after in zip(middles[:-1].tolist(), middles[1:].tolist(), strict=True):
        if train.time[after] - train.time[before] > half:
            continue
        one, two = (
            np.stack([x[train.row[flash == each]], y[train.row[flash == each]]], axis=1) for each in (before, after)
        )
        if float(np.min(cKDTree(one).query(two)[0])) <= gap:
            flash[flash == before] = after
    return flash
