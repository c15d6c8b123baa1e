"""Long events that fit badly, weighed against several short ones in their place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.models.events.refinement import Candidates, joined, model, refined, windows
from calcigraph.models.events.search import Filters, Picks, picks
from calcigraph.models.events.shapes import Reals, reach, width
from calcigraph.store.types import BoolArray, IntArray

CORE = 0.1
"""Share of its height above which the fit of an event is judged."""
SURE = 3.0
"""Deviations of the sum of squares from what noise gives, from which a fit is bad."""
SHORT = 4.0
"""Frames: shorter events hide no others."""
ROUNDS = 4


def candidates(new: Picks) -> Candidates:
    """Picks as events that begin as their templates."""
    return Candidates(new.cell, new.shape, new.shape, new.height, new.bonus, new.score).ordered()


def reconsidered(
    rest: Reals, events: Candidates, ratio: Reals, given: Filters, least: float, shorter: float
) -> tuple[Candidates, IntArray]:
    """Badly fitted long events replaced by short ones wherever these explain the trace better, and the cells where.

    Several events close together are first found as one long one, whose score is higher than that of any of them. Once
    it is there, no single short event beside it helps. So all of a cell's bad events are taken out, and only shorter
    templates are tried there, up to a share `shorter` of the bad one's width. The new ones must lower the sum of
    squares by the square of the score `least` for each event more.
    """
    cells, frames = rest.shape
    bad = _fit_badly(rest - model(events, cells, frames), events)
    if not bad.any():
        return events, np.zeros(0, dtype=np.int64)
    some = np.unique(events.cell[bad])
    mine = np.isin(events.cell, some)
    part = replace(events.chosen(mine), cell=np.searchsorted(some, events.cell[mine]))
    kept = part.chosen(~bad[mine])
    left = rest[some] - model(kept, len(some), frames)
    floor = np.full(left.shape, least)
    longest = _longest(part.chosen(bad[mine]), shorter, len(some), frames)
    new = picks(left, ratio[some], floor, given, longest)
    tried = refined(rest[some], joined(kept, candidates(new)), ROUNDS)
    more = np.bincount(tried.cell, minlength=len(some)) - np.bincount(part.cell, minlength=len(some))
    gain = _squares(rest[some], part) - _squares(rest[some], tried)
    better = gain > least**2 * np.maximum(more, 0)
    chosen = joined(part.chosen(~better[part.cell]), tried.chosen(better[tried.cell]))
    return joined(events.chosen(~mine), replace(chosen, cell=some[chosen.cell])), some[better]


def _fit_badly(left: Reals, events: Candidates) -> BoolArray:
    """Whether the residuals, (n, T), around each event are more than noise."""
    bad = np.zeros(len(events), dtype=bool)
    for window in windows(*reach(events.shape, CORE), left.shape[1]):
        squares = (left[events.cell[window.rows, None], window.place] ** 2 * window.good).sum(axis=1)
        count = window.good.sum(axis=1)
        bad[window.rows] = squares - count > SURE * np.sqrt(2 * count)
    return bad & (width(events.shape) > SHORT)


def _longest(bad: Candidates, shorter: float, cells: int, frames: int) -> Reals:
    """(n, T), the widest template to try at each frame."""
    longest = np.full(cells * frames, np.inf)
    wide = shorter * width(bad.shape)
    for window in windows(*reach(bad.shape, CORE), frames):
        place = bad.cell[window.rows, None] * frames + window.place
        np.minimum.at(longest, place[window.good], np.broadcast_to(wide[window.rows, None], place.shape)[window.good])
    return longest.reshape(cells, frames)


def _squares(rest: Reals, events: Candidates) -> Reals:
    return np.asarray(((rest - model(events, *rest.shape)) ** 2).sum(axis=1))
