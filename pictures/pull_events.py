"""The events and waves of a culture, pulled from the graph for the pictures of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.pictures.data import Firing
from calcigraph.queries import rows
from calcigraph.store.event_types import Events, Links, Wave, no_events

if TYPE_CHECKING:
    from calcigraph.store import Graph

Row = Mapping[str, Any]


def firing_of(graph: Graph, culture: str) -> Firing:
    """The events, links and waves of a culture.

    Parameters
    ----------
    graph
        Where the culture is, complete.
    culture
        Its name.

    Raises
    ------
    NotFoundError
        Its events were not looked for yet.
    """
    looked_at = [row["label"] for row in rows(graph, "rates", culture=culture)[1]]
    found = rows(graph, "events", culture=culture)[1]
    events = Events(**{name: _column(found, name, kind.dtype) for name, kind in vars(no_events()).items()})
    place = {(row["label"], row["number"]): at for at, row in enumerate(found)}
    parts: dict[int, list[int]] = {}
    for at in np.argsort(events.half_s, kind="stable").tolist():
        parts.setdefault(found[at]["wave"], []).append(at)
    return Firing(
        events=events,
        links=_links(rows(graph, "links", culture=culture)[1], place),
        waves=tuple(_wave(row, parts[row["wave"]]) for row in rows(graph, "waves", culture=culture)[1]),
        labels=np.array(looked_at, dtype=np.int64),
    )


def _column(found: Sequence[Row], name: str, kind: Any) -> Any:
    """One column of the events; None becomes NaN."""
    return np.array([row[name] for row in found], dtype=kind)


def _links(found: Sequence[Row], place: Mapping[tuple[int, int], int]) -> Links:
    """The links, ties left out."""
    return Links(
        before=np.array([place[row["before"], row["before_number"]] for row in found], dtype=np.int64),
        after=np.array([place[row["after"], row["after_number"]] for row in found], dtype=np.int64),
        lag_s=_column(found, "lag_s", np.float64),
        tie=np.zeros(len(found), dtype=np.bool_),
        p=_column(found, "p", np.float64),
    )


def _wave(row: Row, events: Sequence[int]) -> Wave:
    """A row of `query waves`, with the places of its events."""
    known = {item.name: row[item.name] for item in fields(Wave) if item.name not in ("events", "starts")}
    starts = np.array(sorted(row["starts"]), dtype=np.int64)
    return Wave(events=np.array(events, dtype=np.int64), starts=starts, **known)
