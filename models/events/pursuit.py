"""All events of some cells: searched, fitted, and searched again in what is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.models.events.merging import merged
from calcigraph.models.events.pruning import pruned
from calcigraph.models.events.reconsidering import candidates, reconsidered
from calcigraph.models.events.refinement import Candidates, chosen_cells, joined, model, refined, windows
from calcigraph.models.events.search import Filters, picks
from calcigraph.models.events.shapes import START, Reals, heights, reach, width
from calcigraph.store.types import BoolArray

CLEAR = 6.0
"""Score of an event that is certain without knowing the culture."""
MISFIT = 0.07
"""Share of an event's score that its fitted shape may miss: smaller bumps in its range are not taken for events."""
UNLIKE = 0.1
"""Share of an event's score that two events must explain better than one: no shape is exactly that of a cell."""
MORE = 4.0
"""Beyond the square of the smallest score: what two events must explain better than one, for five more numbers."""

LOOKS = 4
"""Searches of the last pass, at most; the first has one."""
ROUNDS = 3
"""Rounds of fits after each."""
POLISH = 6
"""Rounds of fits at the end, of what has not settled."""
NEAR = 3.0
"""Frames, beside half the width of an event, within which it is one that was known."""
FAR = 1e6
LOWEST = 3.0
"""Scores of chance events are counted from here."""


def strength(events: Candidates, ratio: Reals, given: Filters, frames: int) -> Reals:
    """(e,), height of each event over its standard error, with the bonus of its shape."""
    score = np.zeros(len(events))
    widths = np.log(given.shapes.width)
    order = np.argsort(widths)
    for window in windows(*reach(events.shape), frames):
        rows = window.rows
        value = heights(events.shape[rows], window.frame) * window.good
        energy = np.maximum((value**2).sum(axis=1), 1e-6)
        width = np.log(np.maximum(value.sum(axis=1) ** 2 / energy, 1))
        near = order[np.clip(np.searchsorted(widths[order], width), 0, len(widths) - 1)]
        score[rows] = events.height[rows] * np.sqrt(energy) / ratio[events.cell[rows], near]
    return np.asarray(np.sqrt(np.maximum(score**2 + events.bonus, 0)))


def scored(events: Candidates, ratio: Reals, given: Filters, frames: int) -> Candidates:
    return replace(events, score=strength(events, ratio, given, frames))


def envelope(events: Candidates, score: Reals, cells: int, frames: int) -> Reals:
    """(n, T), the highest score of the events that reach each frame, 0 elsewhere."""
    result = np.zeros(cells * frames, dtype=np.float32)
    for window in windows(*reach(events.shape), frames):
        place = events.cell[window.rows, None] * frames + window.place
        every = np.broadcast_to(score[window.rows, None].astype(np.float32), place.shape)
        np.maximum.at(result, place[window.good], every[window.good])
    return result.reshape(cells, frames)


def clear_events(rest: Reals, ratio: Reals, given: Filters) -> Candidates:
    """What stands out at a first look, and its scores."""
    cells, frames = rest.shape
    floor = np.full((cells, frames), CLEAR, dtype=np.float32)
    new = picks(rest, ratio, floor, given)
    events = refined(rest, candidates(new), 2)
    return scored(events, ratio, given, frames)


def completed(rest: Reals, events: Candidates, ratio: Reals, given: Filters, least: float, *, last: bool) -> Candidates:
    """Every event with a score of at least `least`, beginning with those known.

    A first pass searches once, so that baseline and noise can be measured anew. The last one finds all.
    """
    cells, frames = rest.shape
    enough = least**2 + MORE
    active = np.arange(cells)
    for _ in range(LOOKS if last else 1):
        part = chosen_cells(events, active)
        left, floor = _what_is_left(rest[active], part, ratio[active], given, least)
        new = picks(left, ratio[active], floor, given)
        new = replace(new, cell=active[new.cell])
        touched = np.unique(new.cell if last else np.concatenate([new.cell, events.cell]))
        if not len(touched):
            break
        events = joined(events, candidates(new))
        part = refined(rest[touched], chosen_cells(events, touched), ROUNDS)
        expected = given.expected(ratio[touched])
        part = merged(rest[touched], part, expected, enough, UNLIKE).ordered()
        part = pruned(rest[touched], part, expected, enough, UNLIKE)
        events = joined(events.chosen(~np.isin(events.cell, touched)), replace(part, cell=touched[part.cell]))
        active = np.unique(new.cell)
        if not len(active):
            break
    if not last:
        return scored(events, ratio, given, frames)
    events, changed = reconsidered(rest, events, ratio, given, least)
    if len(changed):
        part = merged(rest[changed], chosen_cells(events, changed), given.expected(ratio[changed]), enough, UNLIKE)
        events = joined(events.chosen(~np.isin(events.cell, changed)), replace(part, cell=changed[part.cell]))
    events = refined(rest, events, POLISH)
    return scored(events, ratio, given, frames)


def _what_is_left(rest: Reals, events: Candidates, ratio: Reals, given: Filters, least: float) -> tuple[Reals, Reals]:
    """The residuals, and the score that another event must have at each frame, both (n, T)."""
    cells, frames = rest.shape
    score = strength(events, ratio, given, frames)
    floor = np.hypot(np.float32(least), MISFIT * envelope(events, score, cells, frames))
    return rest - model(events, cells, frames), floor


def by_chance(rest: Reals, events: Candidates, ratio: Reals, given: Filters, least: float) -> Candidates:
    """What a search finds beside the events where what they leave is turned upside down: chance, and no events."""
    left, floor = _what_is_left(rest, events, ratio, given, LOWEST)
    mirrored = rest - 2 * left
    found = joined(events, candidates(picks(-left, ratio, floor, given)))
    # Fitted and weighed like events, since that changes their scores and their number.
    found = refined(mirrored, found, ROUNDS)
    expected = given.expected(ratio)
    found = merged(mirrored, found, expected, least**2 + MORE, UNLIKE).ordered()
    found = pruned(mirrored, found, expected, least**2 + MORE, UNLIKE)
    return scored(found.chosen(~_among(found, events)), ratio, given, rest.shape[1])


def _among(found: Candidates, events: Candidates) -> BoolArray:
    """Whether each of those found is one of the events."""
    # Starts of all cells on one line, a cell far from the next.
    known = np.sort(np.concatenate([[-np.inf], events.cell * FAR + events.shape[:, START], [np.inf]]))
    place = found.cell * FAR + found.shape[:, START]
    after = np.searchsorted(known, place)
    return np.minimum(place - known[after - 1], known[after] - place) < NEAR + width(found.shape) / 2
