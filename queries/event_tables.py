"""What the queries of events and waves need beside Cypher: places in a path, and p-values over a whole culture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from calcigraph.errors import InputError, NotFoundError, command, spelt
from calcigraph.queries.library import Reader
from calcigraph.store.types import FloatArray

Row = dict[str, Any]

OF_EVENTS = frozenset(
    {
        "event_run", "events", "waves", "wave", "pacemakers", "hubs", "leaders", "silent", "synchrony", "crossings",
        "rates", "dff",
    }
)  # fmt: skip
"""The named queries that need a run of events."""

_RUN = "MATCH (:Culture {uid: $culture})<-[:OF]-(r:EventRun {complete: true}) RETURN r.waves + r.flashes AS waves"


def require_events(graph: Reader, culture: str) -> None:
    """Raise NotFoundError, with the command to run, unless events of the culture were looked for."""
    if not graph.read(_RUN, culture=culture):
        raise NotFoundError(
            f"events of culture {spelt(culture)} have not been looked for yet: run `{command('events', [culture])}`"
        )


def shaped(name: str, rows: list[Row], values: Row) -> list[Row]:
    """The rows of a query of events, with what Python adds to them.

    Parameters
    ----------
    name
        The query's.
    rows
        As the graph gives them, in order.
    values
        Of the query's parameters.

    Raises
    ------
    NotFoundError
        The culture has no wave of that number.
    InputError
        A level is not above 0 and up to 1.
    """
    return _SHAPES[name](rows, values) if name in _SHAPES else rows


def false_discovery(p: FloatArray, tests: int | None = None) -> FloatArray:
    """Adjusted p-values: of the rows up to q, a share q is there by chance, on average (Benjamini, Hochberg 1995).

    Parameters
    ----------
    p
        p-values.
    tests
        How many were taken; those that are not in `p` were 1. None: `p` has them all.

    Examples
    --------
    >>> false_discovery(np.array([0.01, 0.5, 0.02])).round(2).tolist()
    [0.03, 0.5, 0.03]
    """
    order = np.argsort(p, kind="stable")[::-1]
    ranks = np.arange(len(p), 0, -1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * max(len(p), tests or 0) / ranks))
    return q


def at_least(chances: Sequence[float]) -> FloatArray:
    """(w + 1,), the probability that at least 0, 1, ..., w of w independent events happen, each by its own chance.

    >>> at_least([0.5, 0.5]).tolist()
    [1.0, 0.75, 0.25]
    """
    exactly = np.ones(1)
    for chance in chances:
        exactly = np.append(exactly, 0.0) * (1 - chance) + np.append(0.0, exactly) * chance
    return np.asarray(np.minimum(1.0, np.cumsum(exactly[::-1])[::-1]))


def chances_to_start(starts: Sequence[Sequence[int]]) -> tuple[dict[int, float], Counter[int]]:
    """For each wave, the chance that it begins at a given cell, and the number of cells that may have begun it.

    Parameters
    ----------
    starts
        For each cell that has events, the numbers of the waves that it may have begun.

    Examples
    --------
    >>> chances_to_start([[1, 2], [2], [], []])[0]
    {1: 0.25, 2: 0.5}
    """
    shared = Counter(wave for waves in starts for wave in waves)
    return {wave: count / len(starts) for wave, count in shared.items()}, shared


def _waves(rows: list[Row], values: Row) -> list[Row]:
    return [row | {"starts": sorted(row["starts"])} for row in rows]


def _wave(rows: list[Row], values: Row) -> list[Row]:
    """The path, numbered; engines collect the cells that went before in an order of their own."""
    if not rows:
        raise NotFoundError(
            f"culture {spelt(values['culture'])} has no wave {values['wave']}; "
            f'`calcigraph query waves -p "culture={values["culture"]}"` lists them'
        )
    return [
        row | {"step": step, "from": sorted(row["from"]), "ties": sorted(row["ties"])}
        for step, row in enumerate(rows, start=1)
    ]


def _pacemakers(rows: list[Row], values: Row) -> list[Row]:
    """The cells that start more waves than if every cell with events were equally likely to start one.

    A wave that s of n cells may have begun counts for each of them, and begins at a cell by chance s / n. The number of
    waves that begin at a cell is then a sum of independent events of unlike chances.
    """
    chances, shared = chances_to_start([row["starts"] for row in rows])
    tail = at_least(list(chances.values()))
    p = np.array([tail[len(row["starts"])] for row in rows])
    found = [
        row
        | {
            "waves": len(row["starts"]),
            "alone": sum(shared[wave] == 1 for wave in row["starts"]),
            "expected": sum(chances.values()),
            "p": float(tail[len(row["starts"])]),
            "q": q,
            "starts": sorted(row["starts"]),
        }
        for row, q in zip(rows, false_discovery(p).tolist(), strict=True)
    ]
    kept = [row for row in _up_to_level(found, values) if row["waves"]]
    return sorted(kept, key=lambda row: (row["p"], row["label"]))


def _leaders(rows: list[Row], values: Row) -> list[Row]:
    times = {(row["leader"], row["follower"]): row["times"] for row in rows}
    p = np.array([row["p"] for row in rows], dtype=np.float64)
    q = false_discovery(np.nan_to_num(p, nan=1.0), tests=max((row["pairs"] for row in rows), default=0))
    found = [
        row | {"back": times.get((row["follower"], row["leader"]), 0), "q": each}
        for row, each in zip(rows, q.tolist(), strict=True)
    ]
    return sorted(_up_to_level(found, values), key=lambda row: (row["q"], row["leader"], row["follower"]))


def _up_to_level(rows: list[Row], values: Row) -> list[Row]:
    level = values["level"]
    if not 0 < level <= 1:
        raise InputError(f"level must be above 0 and up to 1, not {level:g}")
    return [row for row in rows if row["q"] <= level]


def said(row: Row) -> str:
    """What was found, as a sentence.

    >>> said(dict(events=1, active_cells=1, cells=3, event_rate_per_h=0.5, waves=0, flashes=2))
    '1 event in 1 of 3 cells, 0.5 per cell and hour; no wave, 2 flashes'
    """
    events = f"{_counted(row['events'], 'event', 'events')} in {row['active_cells']} of {row['cells']} cells"
    waves = f"{_counted(row['waves'], 'wave', 'waves')}, {_counted(row['flashes'], 'flash', 'flashes')}"
    return f"{events}, {row['event_rate_per_h']:.2g} per cell and hour; {waves}"


def _counted(count: int, one: str, more: str) -> str:
    return f"{count or 'no'} {more if count > 1 else one}"


def _event_run(rows: list[Row], values: Row) -> list[Row]:
    return [row | {"found": said(row)} for row in rows]


_SHAPES: dict[str, Callable[[list[Row], Row], list[Row]]] = {
    "event_run": _event_run,
    "waves": _waves,
    "wave": _wave,
    "pacemakers": _pacemakers,
    "leaders": _leaders,
}
