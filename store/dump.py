"""All nodes and relationships of one culture, kind by kind and in batches, as its graph has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from calcigraph.store.rows import iso

Row = dict[str, Any]

CELLS_AT_ONCE = 500
"""Cells whose traces, fits or events are read in one query."""
_CULTURE = "MATCH (k:Culture {uid: $culture, complete: true})"
_CELLS = f"{_CULTURE}-[:HAS_CELL]->(c:Cell) WHERE c.label >= $low AND c.label <= $high"
_RUN = f"{_CULTURE}<-[:OF]-(r:EventRun {{complete: true}})"
_EVENTS = f"{_RUN} MATCH (r)<-[:MEASURED]-(c:Cell) WHERE c.label >= $low AND c.label <= $high"
_EVENTS += " MATCH (c)-[:HAS_EVENT]->(e:Event) WHERE e.run = r.run"


@dataclass(frozen=True)
class Nodes:
    """One kind of nodes."""

    label: str
    read: str
    """Cypher that returns the properties of each as `node`."""
    key: str = "uid"
    """The property that tells them apart."""
    shared: bool = False
    """Whether other cultures may have the same one."""

    @property
    def by_cell(self) -> bool:
        """Whether it is read some cells at a time."""
        return "$low" in self.read


@dataclass(frozen=True)
class Links:
    """One kind of relationships."""

    start: Nodes
    type: str
    end: Nodes
    read: str
    """Cypher that returns the keys of both ends as `a` and `b`, and its properties as `link`."""

    @property
    def by_cell(self) -> bool:
        """Whether it is read some cells at a time."""
        return "$low" in self.read


META = Nodes("Meta", "MATCH (m:Meta {name: 'calcigraph'}) RETURN properties(m) AS node", key="name", shared=True)
EXPERIMENT = Nodes(
    "Experiment",
    f"{_CULTURE}<-[:INCLUDES]-(x:Experiment) RETURN properties(x) AS node",
    key="name",
    shared=True,
)
CULTURE = Nodes("Culture", f"{_CULTURE} RETURN properties(k) AS node")
CELL = Nodes("Cell", f"{_CELLS} RETURN properties(c) AS node ORDER BY c.label")
FIT_RUN = Nodes("FitRun", f"{_CULTURE}<-[:OF]-(r:FitRun) RETURN properties(r) AS node ORDER BY r.uid")
EVENT_RUN = Nodes("EventRun", f"{_RUN} RETURN properties(r) AS node")
FORECAST_RUN = Nodes("ForecastRun", f"{_CULTURE}<-[:OF]-(r:ForecastRun) RETURN properties(r) AS node")
EVENT = Nodes("Event", f"{_EVENTS} RETURN properties(e) AS node ORDER BY e.label, e.number")
WAVE = Nodes("Wave", f"{_RUN} MATCH (r)<-[:OF]-(w:Wave) RETURN properties(w) AS node ORDER BY w.number")
NODES = (META, EXPERIMENT, CULTURE, CELL, FIT_RUN, EVENT_RUN, EVENT, WAVE, FORECAST_RUN)
"""Every kind, in an order in which they can be made."""
MEASURED = Links(
    CELL, "MEASURED", EVENT_RUN,
    f"{_RUN} MATCH (r)<-[x:MEASURED]-(c:Cell) WHERE c.label >= $low AND c.label <= $high "
    "RETURN c.uid AS a, r.uid AS b, properties(x) AS link ORDER BY c.label",
)  # fmt: skip
LINKS = (
    Links(EXPERIMENT, "INCLUDES", CULTURE, f"{_CULTURE}<-[x:INCLUDES]-(e:Experiment) RETURN e.name AS a, k.uid AS b"),
    Links(CULTURE, "HAS_CELL", CELL, f"{_CELLS} RETURN k.uid AS a, c.uid AS b ORDER BY c.label"),
    Links(
        CELL, "ADJACENT", CELL,
        f"{_CELLS} MATCH (c)-[x:ADJACENT]->(n:Cell) RETURN c.uid AS a, n.uid AS b, properties(x) AS link "
        "ORDER BY c.label, n.label",
    ),
    Links(FIT_RUN, "OF", CULTURE, f"{_CULTURE}<-[:OF]-(r:FitRun) RETURN r.uid AS a, k.uid AS b ORDER BY r.uid"),
    Links(
        CELL, "FITTED", FIT_RUN,
        f"{_CELLS} MATCH (c)-[x:FITTED]->(r:FitRun) RETURN c.uid AS a, r.uid AS b, properties(x) AS link "
        "ORDER BY c.label, r.uid",
    ),
    Links(FORECAST_RUN, "OF", CULTURE, f"{_CULTURE}<-[:OF]-(r:ForecastRun) RETURN r.uid AS a, k.uid AS b"),
    Links(
        CELL, "FORECAST", FORECAST_RUN,
        f"{_CELLS} MATCH (c)-[x:FORECAST]->(r:ForecastRun) RETURN c.uid AS a, r.uid AS b, properties(x) AS link "
        "ORDER BY c.label",
    ),
    Links(EVENT_RUN, "OF", CULTURE, f"{_RUN} RETURN r.uid AS a, k.uid AS b"),
    MEASURED,
    Links(CELL, "HAS_EVENT", EVENT, f"{_EVENTS} RETURN c.uid AS a, e.uid AS b ORDER BY e.label, e.number"),
    Links(
        EVENT, "PRECEDES", EVENT,
        f"{_EVENTS} MATCH (e)-[x:PRECEDES]->(f:Event) RETURN e.uid AS a, f.uid AS b, properties(x) AS link "
        "ORDER BY e.label, e.number, f.label, f.number",
    ),
    Links(
        EVENT, "COINCIDES", EVENT,
        f"{_EVENTS} MATCH (e)-[x:COINCIDES]->(f:Event) RETURN e.uid AS a, f.uid AS b, properties(x) AS link "
        "ORDER BY e.label, e.number, f.label, f.number",
    ),
    Links(WAVE, "OF", EVENT_RUN, f"{_RUN} MATCH (r)<-[:OF]-(w:Wave) RETURN w.uid AS a, r.uid AS b ORDER BY w.number"),
    Links(
        EVENT, "PART_OF", WAVE,
        f"{_EVENTS} MATCH (e)-[:PART_OF]->(w:Wave) RETURN e.uid AS a, w.uid AS b ORDER BY e.label, e.number",
    ),
    Links(
        WAVE, "STARTED_AT", CELL,
        f"{_RUN} MATCH (r)<-[:OF]-(w:Wave) MATCH (w)-[:STARTED_AT]->(c:Cell) RETURN w.uid AS a, c.uid AS b "
        "ORDER BY w.number, c.label",
    ),
)  # fmt: skip
"""Every kind of relationship."""


@dataclass(frozen=True)
class Place:
    """A point, px, y down."""

    x: float
    y: float


@dataclass(frozen=True)
class Moment:
    """A time, ISO 8601."""

    text: str


class Reader(Protocol):
    """What is read from: a graph, or a transaction."""

    def read(self, text: str, **parameters: Any) -> list[Row]:
        """Rows of one reading statement."""


class Dump:
    """What one culture's graph holds, read in batches.

    Parameters
    ----------
    graph
        Where the culture is.
    culture
        Its name.
    """

    def __init__(self, graph: Reader, culture: str) -> None:
        self._graph, self._culture = graph, culture
        text = f"{_CULTURE}-[:HAS_CELL]->(c:Cell) RETURN c.label AS label ORDER BY label"
        self._labels = [row["label"] for row in graph.read(text, culture=culture)]

    def nodes(self, kind: Nodes) -> Iterator[Row]:
        """The properties of every node of a kind; times are `Moment`, points are `Place`."""
        for row in self._rows(kind.read, kind.by_cell):
            yield plain(row["node"])

    def links(self, kind: Links) -> Iterator[tuple[str, str, Row]]:
        """The keys of both ends and the properties of every relationship of a kind."""
        for row in self._rows(kind.read, kind.by_cell):
            yield row["a"], row["b"], plain(row.get("link") or {})

    def _rows(self, text: str, by_cell: bool) -> Iterator[Row]:
        if not by_cell:
            yield from self._graph.read(text, culture=self._culture)
            return
        for start in range(0, len(self._labels), CELLS_AT_ONCE):
            part = self._labels[start : start + CELLS_AT_ONCE]
            yield from self._graph.read(text, culture=self._culture, low=part[0], high=part[-1])


def plain(properties: Row) -> Row:
    """Properties without what an engine adds; times and points in our own words."""
    found = {name: value for name, value in properties.items() if value is not None and name[0] not in "@#"}
    if "place" in found and "x_px" in found:
        found["place"] = Place(found["x_px"], found["y_px"])
    return {name: Moment(iso(value)) if _is_time(value) else value for name, value in sorted(found.items())}


def _is_time(value: Any) -> bool:
    return isinstance(value, datetime) or hasattr(value, "to_native")
