"""What the contacts add to the forecast of events: the same logistic regression with and without neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from calcigraph.models.forecast.contacts import PARTS, STRENGTHS
from calcigraph.models.forecast.lighting import Rests, learnable, learnable_count, thinned
from calcigraph.models.forecast.logit import Logit, Part, Taught, learn, pooled, teaching
from calcigraph.models.forecast.neighbours import DUE, told_by
from calcigraph.models.forecast.past import LAGS, Past
from calcigraph.store.types import FloatArray, IntArray

NATS_ROWS = 30_000
"""Frames of resting cells from which what contacts add to events is learnt, four times."""
OF_EVENTS = slice(0, -DUE)
"""What is told of events: they are too few to learn from them, too, when the next is due."""


def contact_nats(past: Past, where: Rests, pairs: IntArray, taught: Sequence[Taught] = ()) -> float | None:
    """What the neighbours' past adds to the forecast of events: log-likelihood per event.

    Both forecasts, with and without it, are learnt from three quarters of the frames and judged in the other, each
    quarter in turn.

    Parameters
    ----------
    past, where
        The culture, where its cells rest and light up.
    pairs
        (m, 2), contacts.
    taught
        Of other cultures, what neighbours tell there. It counts (STRENGTHS) as serves the culture best.

    Returns
    -------
    None without contacts, and where hardly anything lights up.
    """
    if not len(pairs):
        return None
    return nats_of(past, where, told_by(past, pairs)[..., OF_EVENTS], taught)


def event_lesson(past: Past, where: Rests, pairs: IntArray) -> Taught | None:
    """What a culture teaches others of what neighbours tell of events; None where there is nothing to learn from.

    Parameters
    ----------
    past, where, pairs
        As for `contact_nats`.
    """
    if not len(pairs):
        return None
    told = told_by(past, pairs)[..., OF_EVENTS]
    part = thinned(*learnable(past, where, slice(LAGS, past.values.shape[1] - where.ahead), told), NATS_ROWS)
    found = learn([part])
    return None if found is None else teaching(found, part, told.shape[-1])


def nats_of(past: Past, where: Rests, told: FloatArray, taught: Sequence[Taught] = ()) -> float | None:
    """What some further features of each cell, (n, T, q), add to the forecast of events: as `contact_nats`."""
    edges = np.linspace(LAGS, past.values.shape[1] - where.ahead, PARTS + 1).astype(int)
    parts = [learnable(past, where, slice(*span), told) for span in pairwise(edges)]
    beforehand = [pooled(taught, strength) for strength in STRENGTHS] if taught else [None]
    changes, count = np.empty((len(beforehand), PARTS)), learnable_count()
    for place, judged in enumerate(parts):
        rest = [part for at, part in enumerate(parts) if at != place]
        known, after = (np.concatenate(each) for each in zip(*rest, strict=True))
        known, after = thinned(known, after, NATS_ROWS)
        alone = learn([(known[:, :count], after)])
        if alone is None:
            return None
        without = _loss(alone, (judged[0][:, :count], judged[1]))
        for row, each in enumerate(beforehand):
            found = learn([(known, after)], each)
            assert found is not None
            changes[row, place] = _loss(found, judged) - without
    came = sum(int(lit.sum()) for _, lit in parts)
    return -float(changes.sum(axis=1).min()) / came if came else None


def _loss(found: Logit, part: Part) -> float:
    p = found(part[0])
    return -float(np.where(part[1], np.log(p), np.log1p(-p)).sum())
