"""What a user should know of a fit, in words: cells without k, reasons to doubt it, and parameters at a bound."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from calcigraph.models.identify import at_bound
from calcigraph.models.options import Bounds
from calcigraph.models.task import Solved, Task
from calcigraph.store.types import FloatArray
from calcigraph.store.units import ALL_CONTACTS
from calcigraph.store.weights import ENOUGH_CONTACTS

RAW_DEVIATION = 10.0
"""Normalised intensities (eq. 23) vary by well under 1; traces stored as given may be camera counts."""
NAMED = 10
"""Labels that are listed; of more, the number is given."""


def advice_on(task: Task, solved: Solved, doubts: Sequence[str]) -> tuple[str, ...]:
    """Lines of advice for the user.

    Parameters
    ----------
    task, solved
        What was fitted, and what came out.
    doubts
        The reasons to doubt the culture's k, as `culture_identifiability` gives them.
    """
    options, coupled = task.options, task.op.coupled
    advice = [*solved.advice, *_without_contacts(task), *_other_unit(task), *doubts]
    if task.model.finite_k:
        advice += _at_bounds("k", "1/s", solved.k.value[coupled], task.k_box, options.common_k)
        if options.common_k:
            advice += _at_bounds("k_cell", "1/s", solved.k_cell.value[coupled], task.k_box, common=False)
    if not options.no_feed and np.isfinite(task.feed_box).any():
        advice += _not_normalised(task)
        common = options.case == "shared"
        advice += _at_bounds("feed", "intensity/s", solved.feed.value, task.feed_box, common)
    return tuple(advice)


def _without_contacts(task: Task) -> list[str]:
    labels = task.subgraph.labels[task.op.inner][~task.op.coupled]
    if not len(labels):
        return []
    return [
        "without contacts there is no k of one's own: inner cells "
        f"{', '.join(map(str, labels[:NAMED].tolist()))}{', ...' if len(labels) > NAMED else ''} ({len(labels)} in all)"
    ]


def _other_unit(task: Task) -> list[str]:
    """That the culture is too small for the usual unit of k."""
    if task.weight_unit != ALL_CONTACTS:
        return []
    return [
        f"fewer than {ENOUGH_CONTACTS} contacts lie between inner cells, so that k is in another unit than in larger "
        f"cultures: the {ALL_CONTACTS}"
    ]


def _not_normalised(task: Task) -> list[str]:
    deviation = float(np.median(task.subgraph.intensity[task.op.inner].std(axis=1)))
    if deviation <= RAW_DEVIATION:
        return []
    return [
        f"these traces vary by {deviation:.3g} (median deviation), so they are not normalised intensities, "
        "which the feed bounds are meant for; give --feed-bounds in the traces' own unit per second"
    ]


def _at_bounds(name: str, unit: str, values: FloatArray, bounds: Bounds, common: bool) -> list[str]:
    """One line for each finite bound at which values lie; `common` if all cells share one value."""
    lines = []
    for bound, side in zip(bounds, ("lower", "upper"), strict=True):
        count = int(at_bound(values, (bound, bound)).sum()) if isfinite(bound) else 0
        if count:
            who = f"{name} lies" if common else f"{name} of {count} of {len(values)} inner cells lies"
            option = "--feed-bounds" if name == "feed" else "--k-bounds"
            lines.append(f"{who} at the {side} bound {bound:g} {unit}: the fit would leave this bound; see {option}")
    return lines
