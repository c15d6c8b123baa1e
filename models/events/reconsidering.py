"""Long events that fit badly, weighed against several of the usual shape in their place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.models.events.refinement import Candidates, chosen_cells, joined, model, refined, windows
from calcigraph.models.events.search import Filters, Picks
from calcigraph.models.events.shapes import Reals, reach, width
from calcigraph.models.events.unmixing import unmixed
from calcigraph.store.types import BoolArray, IntArray

CORE = 0.1
"""Share of its height above which the fit of an event is judged."""
SURE = 1.0
"""Deviations of the sum of squares from what noise gives, from which several events are tried in its place."""
SHORT = 4.0
"""Frames: shorter events hide no others."""
ROUNDS = 4


def candidates(new: Picks) -> Candidates:
    """Picks as events that begin as their templates."""
    return Candidates(new.cell, new.shape, new.shape, new.height, new.bonus, new.score).ordered()


def reconsidered(
    rest: Reals, events: Candidates, ratio: Reals, given: Filters, least: float
) -> tuple[Candidates, IntArray]:
    """Badly fitted long events replaced by several of the usual shape wherever these explain the trace better, and the
    cells where.

    Several events close together are first found as one long one, whose score is higher than that of any of them. Once
    it is there, no single event beside it helps. So all of a cell's bad events are taken out, and what they explained
    is unmixed. The new ones must lower the sum of squares by the square of the score `least` for each event more.
    """
    cells, frames = rest.shape
    bad = fit_badly(rest - model(events, cells, frames), events)
    if not bad.any():
        return events, np.zeros(0, dtype=np.int64)
    some = np.unique(events.cell[bad])
    mine = np.isin(events.cell, some)
    part = chosen_cells(events, some)
    kept = part.chosen(~bad[mine])
    new = unmixed(rest[some] - model(kept, len(some), frames), ratio[some], given, least)
    tried = refined(rest[some], joined(kept, candidates(new)), ROUNDS)
    more = np.bincount(tried.cell, minlength=len(some)) - np.bincount(part.cell, minlength=len(some))
    gain = _squares(rest[some], part) - _squares(rest[some], tried)
    better = gain > least**2 * np.maximum(more, 0)
    chosen = joined(part.chosen(~better[part.cell]), tried.chosen(better[tried.cell]))
    return joined(events.chosen(~mine), replace(chosen, cell=some[chosen.cell])), some[better]


def fit_badly(left: Reals, events: Candidates) -> BoolArray:
    """Whether the residuals, (n, T), around each event are more than noise."""
    bad = np.zeros(len(events), dtype=bool)
    for window in windows(*reach(events.shape, CORE), left.shape[1]):
        squares = (left[events.cell[window.rows, None], window.place] ** 2 * window.good).sum(axis=1)
        count = window.good.sum(axis=1)
        bad[window.rows] = squares - count > SURE * np.sqrt(2 * count)
    return bad & (width(events.shape) > SHORT)


def _squares(rest: Reals, events: Candidates) -> Reals:
    return np.asarray(((rest - model(events, *rest.shape)) ** 2).sum(axis=1))
