"""Cells that stand out by their events: silent, quiet or hyperactive ones, and those that always lead.

How many events a cell has is judged by queries/unusual_rates.py. A cell that leads is judged by two counts:

* waves that it may have begun, with the p of `query pacemakers` (queries/event_tables.py): a wave begins at each cell
  with events by the same chance.
* events that come before those of all neighbours that they are linked to. Where the order among c + 1 linked events is
  chance, each is the first with the chance 1 / (c + 1). Events without links tell nothing.

The waves, and the events, have different chances, so the number of successes has a Poisson binomial distribution; its
tail is computed exactly. As in queries/unusual_rates.py it is given as the deviate of a normal distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.queries.event_tables import at_least, chances_to_start
from calcigraph.queries.unusual_rates import LEAST_P, judge_counts

EVENTS, STARTS, LEADS = "events", "wave starts", "leads"
"""What is judged."""


@dataclass(frozen=True)
class Stood:
    """One quantity of one cell that is beyond the threshold."""

    index: int
    """The cell's row."""
    quantity: str
    """EVENTS, STARTS or LEADS."""
    value: float
    """The count."""
    deviate: float
    """Of a normal distribution with the same tail; negative for fewer than expected."""
    reason: str


def find_firing(rows: Sequence[Mapping[str, Any]], threshold: float) -> list[Stood]:
    """The cells whose events or waves depart by more than `threshold` deviations; none where none were looked for.

    Parameters
    ----------
    rows
        Those of queries/anomalies.cypher, one per cell, with events, duration_s, started and links.
    threshold
        In standard deviations.
    """
    known = [index for index, row in enumerate(rows) if row.get("events") is not None]
    if not known:
        return []
    found = _by_number(rows, known, threshold)
    active = [index for index in known if rows[index]["events"]]
    starts = list(chances_to_start([rows[index]["started"] for index in active])[0].values())
    for index in active:
        row = rows[index]
        leads = [1 / (after + before + 1) for after, before in row["links"] if after + before]
        first = sum(after > 0 and not before for after, before in row["links"])
        each = (_judged(index, STARTS, starts, len(row["started"])), _judged(index, LEADS, leads, first))
        found += [stood for stood in each if stood.deviate > threshold]
    return found


def _by_number(rows: Sequence[Mapping[str, Any]], known: Sequence[int], threshold: float) -> list[Stood]:
    """Cells with too many or too few events."""
    judged = judge_counts(np.array([rows[index]["events"] for index in known], dtype=np.float64), threshold)
    found = []
    for place, index in enumerate(known):
        deviate = float(judged.deviate[place])
        if abs(deviate) <= threshold:
            continue
        count, hours = rows[index]["events"], float(rows[index]["duration_s"]) / 3600
        word = "hyperactive" if deviate > 0 else "quiet" if count else "silent"
        events = _counted(count, "event") if count else "no event"
        usual = f"where a usual cell of the culture has {judged.mean:.3g}"
        reason = f"{word}: {events} in {hours:.3g} h, {usual} (p = {judged.p[place]:.1g})"
        found.append(Stood(index=index, quantity=EVENTS, value=float(count), deviate=deviate, reason=reason))
    return found


def _judged(index: int, quantity: str, chances: Sequence[float], led: int) -> Stood:
    """How often a cell led, against the chance of each of its tries."""
    from scipy.special import ndtri

    p = float(at_least(chances)[led])
    what = {
        STARTS: f"may have begun {led} of the culture's {_counted(len(chances), 'wave')}",
        LEADS: f"{led} of its {_counted(len(chances), 'event')} with links came before those of all linked neighbours",
    }[quantity]
    reason = f"leads: {what}, where chance lets {sum(chances):.2g} be expected (p = {p:.1g})"
    deviate = -float(ndtri(max(p, LEAST_P)))
    return Stood(index=index, quantity=quantity, value=float(led), deviate=deviate, reason=reason)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
