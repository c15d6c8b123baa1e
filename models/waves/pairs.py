"""Which events of cells in contact belong together: each is the other's nearest in time, and a third cell agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.waves.contacts import Net, spans
from calcigraph.store.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Train:
    """The events of all cells, sorted by cell and time."""

    row: IntArray
    """(e,), the cell."""
    time: FloatArray
    """(e,), s."""

    def chosen(self, which: IntArray | BoolArray) -> Train:
        return Train(row=self.row[which], time=self.time[which])


@dataclass(frozen=True)
class Pairs:
    """Pairs of events of cells in contact, (l,) each: `one` is an event of the cell that comes first."""

    one: IntArray
    two: IntArray
    way: IntArray
    """The contact, as the way from the cell of `one` to that of `two`."""
    agreed: BoolArray
    """Whether a cell in contact with both has an event that is its nearest one to both; true where no cell is."""

    def held(self, events: int) -> Pairs:
        """Those of which at least one of both events is held by a third: chance seldom gives that."""
        sure = np.zeros(events, np.bool_)
        sure[self.one[self.agreed]] = True
        sure[self.two[self.agreed]] = True
        return self.chosen(sure[self.one] | sure[self.two])

    def chosen(self, mask: BoolArray) -> Pairs:
        return Pairs(one=self.one[mask], two=self.two[mask], way=self.way[mask], agreed=self.agreed[mask])


def nearest_pairs(net: Net, train: Train, lag: float) -> Pairs:
    """Events of cells in contact, not more than `lag` seconds apart, of which each is the nearest one to the other."""
    row = train.row
    ways = np.diff(net.first)[row]
    entry_first = np.cumsum(ways) - ways
    event = np.repeat(np.arange(len(row)), ways)
    way = spans(net.first[row], ways)
    near = nearest(train, event, net.to[way], lag)
    found = np.flatnonzero(near >= 0)
    # The entry of the partner's event for the same contact.
    back = entry_first[near[found]] + net.back[way[found]] - net.first[net.to[way[found]]]
    mutual = found[near[back] == event[found]]
    once = mutual[row[event[mutual]] < net.to[way[mutual]]]
    one, two, way = event[once], near[once], way[once]
    return Pairs(one=one, two=two, way=way, agreed=_agreed(net, near, entry_first, one, two, way))


def nearest(train: Train, event: IntArray, cell: IntArray, lag: float) -> IntArray:
    """The event of each `cell` that is nearest in time to `event`, -1 if none lies within the lag."""
    row, time = train.row, train.time
    if len(row) == 0:
        return np.zeros(0, np.int64)
    low = time.min()
    width = float(time.max() - low) + 2 * lag + 1
    # One sorted key for all cells: cells lie so far apart that no event of another cell is within the lag.
    key = row * width + (time - low)
    wanted = cell * width + (time[event] - low)
    after = np.searchsorted(key, wanted)
    right, left = np.minimum(after, len(key) - 1), np.maximum(after - 1, 0)
    near = np.where(np.abs(key[right] - wanted) < np.abs(wanted - key[left]), right, left)
    return np.where((np.abs(key[near] - wanted) <= lag) & (row[near] == cell), near, -1)


def _agreed(net: Net, near: IntArray, entry_first: IntArray, one: IntArray, two: IntArray, way: IntArray) -> BoolArray:
    """Pairs with a third event that is the nearest one of its cell to both."""
    thirds = net.third_first[way + 1] - net.third_first[way]
    pair = np.repeat(np.arange(len(way)), thirds)
    place = spans(net.third_first[way], thirds)
    origin = net.start
    here, there = net.third_here[place], net.third_there[place]
    by_one = near[entry_first[one[pair]] + here - net.first[origin[here]]]
    by_two = near[entry_first[two[pair]] + there - net.first[origin[there]]]
    count = np.bincount(pair[(by_one >= 0) & (by_one == by_two)], minlength=len(way))
    return np.asarray((count > 0) | (thirds == 0))
