"""Waves: events that spread from cell to cell over contacts, with where they began, how fast they ran, and their p.

find.py      find_waves: the whole way from events to links and waves
contacts.py  the contact graph laid out for fast look-ups
pairs.py     which events of cells in contact belong together
lag.py       the longest lag, from the data
flashes.py   many cells at once, taken out before waves are linked
basins.py    events cut into basins of the surface of their times
shifts.py    random cultures: trains shifted in time
settling.py  basins become waves: fronts join, part and claim events
front.py     circles, plane fronts and flat ones
large.py     the front of a large wave is searched from coarse to fine
fitting.py   lines fitted among events that have nothing to do with them
chance.py    how unlikely waves are: closeness and order
nearby.py    and order among all events near them, chosen or not
kinds.py     wave or not: whether a front orders the events from cell to cell
speed.py     speed, with its interval
"""

from calcigraph.models.waves.find import Found, find_waves

__all__ = ["Found", "find_waves"]
