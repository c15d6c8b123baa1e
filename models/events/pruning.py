"""How few events explain a trace: events that others explain nearly as well without them are left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.models.events.refinement import Candidates, Expected, model, refined
from calcigraph.models.events.shapes import START, Reals, reach, width
from calcigraph.store.types import BoolArray, IntArray

TRIALS = 6
"""Events of a cell that are tried, at most."""
CORE = 0.05
"""Share of its height above which an event is said to reach over another."""
ROUNDS = 2
"""Rounds of fits without the event."""


def pruned(rest: Reals, events: Candidates, expected: Expected, enough: float, misfit: float) -> Candidates:
    """Events that reach over the rise of another are left out, one of a cell at a time, and the others fitted anew.

    The event stays out unless the sum of squares grows by `enough` times the noise and a share `misfit` of the event.
    """
    tested = np.zeros(len(events), dtype=bool)
    for _ in range(TRIALS):
        first, last = reach(events.shape, CORE)
        over = _spanning(events, first, last) & ~tested
        if not over.any():
            break
        # The longest of each cell.
        rows = np.flatnonzero(over)
        rows = rows[np.lexsort((first[rows] - last[rows], events.cell[rows]))]
        rows = rows[np.unique(events.cell[rows], return_index=True)[1]]
        events, tested = _tried(rest, events, rows, expected, enough, misfit, tested)
    return events


def _spanning(events: Candidates, first: Reals, last: Reals) -> BoolArray:
    """Whether an event reaches over the start of one beside it in its cell."""
    start, cell = events.shape[:, START], events.cell
    over = np.zeros(len(events), dtype=bool)
    for step in (1, 2):
        same = cell[step:] == cell[:-step]
        over[:-step] |= same & (last[:-step] > start[step:])
        over[step:] |= same & (first[step:] < start[:-step])
    return over


def _tried(
    rest: Reals,
    events: Candidates,
    rows: IntArray,
    expected: Expected,
    enough: float,
    misfit: float,
    tested: BoolArray,
) -> tuple[Candidates, BoolArray]:
    frames = rest.shape[1]
    concerned = events.cell[rows]
    mine = np.flatnonzero(np.isin(events.cell, concerned))
    inside = replace(events.chosen(mine), cell=np.searchsorted(concerned, events.cell[mine]))
    kept = ~np.isin(mine, rows)
    part = rest[concerned]
    before = _squares(part, inside)
    fewer = refined(part, inside.chosen(kept), ROUNDS)
    energy = (model(inside.chosen(~kept), len(part), frames) ** 2).sum(axis=1)
    needed = enough * expected.noise(concerned, width(events.shape[rows])) ** 2
    without = _squares(part, fewer) - before < needed + misfit**2 * energy
    tested = tested.copy()
    tested[rows] = True
    # Where the event is not needed, the others take their new shapes.
    shape, height = events.shape.copy(), events.height.copy()
    take = without[fewer.cell]
    at = mine[kept][take]
    shape[at], height[at] = fewer.shape[take], fewer.height[take]
    stay = np.ones(len(events), dtype=bool)
    stay[rows[without]] = False
    events = replace(events, shape=shape, height=height).chosen(stay)
    order = np.lexsort((events.shape[:, START], events.cell))
    return events.chosen(order), tested[stay][order]


def _squares(rest: Reals, events: Candidates) -> Reals:
    return np.asarray(((rest - model(events, *rest.shape)) ** 2).sum(axis=1))
