"""All that an export may hold of one culture, read from its graph once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import ConflictError, command, spelt
from calcigraph.export.columns import Column, Table, annotation, declared_columns, fitted_column, property_column
from calcigraph.queries import run, subgraph
from calcigraph.store.location import Location
from calcigraph.store.types import Culture, FloatArray, Subgraph
from calcigraph.store.weights import PROPERTY

if TYPE_CHECKING:
    import pandas

    from calcigraph.store.graph import Graph

SINGLE_EVENTS = ("events", "waves")
"""Tables that may be far longer than that of the cells, and that only some formats hold."""
MEANINGS = {
    "cells": "one row per cell: place, size, annotations, and every fitted value of the latest fit of each model",
    "contacts": "one row per pair of cells that touch",
    "outlines": "one row per cell: its outline as WKT",
    "events": "one row per calcium event",
    "waves": "one row per wave or flash",
    "rates": "one row per cell in which events were looked for",
    "fits": "one row per fit, oldest first",
    "parameters": "one row per inner cell and model, from the latest fit of each model",
}
"""What the rows of a table are."""
_MORE_OF_CELLS = """
MATCH (:Culture {uid: $culture, complete: true})-[:HAS_CELL]->(c:Cell)
RETURN c.label AS label, c.open_px AS open_px, c.flags AS flags
ORDER BY label
"""
_WEIGHTS = f"""
MATCH (:Culture {{uid: $culture, complete: true}})-[:HAS_CELL]->(a:Cell)-[x:ADJACENT]-(b:Cell)
WHERE a.label < b.label
RETURN a.label AS label_a, b.label AS label_b, {", ".join(f"x.{name} AS {name}" for name in PROPERTY.values())}
"""
_HAS_EVENTS = "MATCH (:Culture {uid: $culture})<-[:OF]-(r:EventRun {complete: true}) RETURN r.uid AS uid"
_CELL_ANNOTATIONS = "MATCH (c:Culture {uid: $culture}) RETURN c.cell_annotations AS names"


@dataclass(frozen=True)
class Collected:
    """One culture for an export; made by `collect`."""

    culture: Culture
    subgraph: Subgraph
    """Its traces and contacts."""
    tables: dict[str, Table]
    """By name: cells, contacts, outlines, fits, parameters, events, waves, rates; none that the culture lacks."""
    dff: FloatArray | None = None
    """(n, T) in the order of `subgraph.labels`, NaN for a cell whose F0 is not known; None where no cell's is."""
    left_out: tuple[str, ...] = ()
    """What the culture does not have, one sentence each, with what to do about it."""
    movie: Location | None = field(default=None)
    """Its movie store; None for traces, and where the movie is in another workspace."""

    @property
    def cells(self) -> pandas.DataFrame:
        """The table of cells."""
        return self.tables["cells"].frame

    @cached_property
    def attributes(self) -> Table:
        """One row per cell with all that is known of it: the table of cells, and what was found of its events."""
        cells, rates = self.tables["cells"], self.tables.get("rates")
        if rates is None:
            return cells
        taken = {each.name for each in cells.columns}
        more = [each for each in rates.columns if each.name not in ("label", "uid", "border")]
        names = {
            each.name: _free(each.name if each.name.startswith("event") else f"event_{each.name}", taken)
            for each in more
        }
        found = rates.frame.set_index("label")[list(names)].rename(columns=names)
        frame = cells.frame.join(found, on="label")
        columns = [Column(names[each.name], each.type, each.unit, each.meaning) for each in more]
        return Table("cells", cells.meaning, (*cells.columns, *columns), frame)


def _free(name: str, taken: set[str]) -> str:
    """The name, or another where an annotation has it already."""
    return _free(f"{name}_", taken) if name in taken else name


def collect(graph: Graph, culture: Culture, movie: Location | None = None, *, events: bool = True) -> Collected:
    """Read a culture from the graph.

    Parameters
    ----------
    graph
        Where it is.
    culture
        The complete culture.
    movie
        Its movie store, where this workspace has it.
    events
        Whether single events and waves are read too.

    Raises
    ------
    NotFoundError
        It has no cells.
    ConflictError
        It was replaced while it was read.
    """
    traces = subgraph(graph, culture.uid)
    tables = {name: make(graph, culture.uid) for name, make in _TABLES.items()}
    left_out = []
    if not len(tables["fits"].frame):
        left_out.append(f"fits (none yet: `{command('fit', [culture.uid])}`)")
        tables = {name: table for name, table in tables.items() if name not in ("fits", "parameters")}
    if tables["outlines"].frame["polygon"].isna().all():
        left_out.append("outlines (the culture came as traces)")
        del tables["outlines"]
    dff = None
    if graph.read(_HAS_EVENTS, culture=culture.uid):
        wanted = (*SINGLE_EVENTS, "rates") if events else ("rates",)
        tables |= {name: _table(graph, name, culture.uid) for name in wanted}
        dff = _dff(graph, culture.uid, traces)
        left_out += [] if dff is not None else ["dF/F (the light at the baseline is positive in no cell)"]
    else:
        left_out.append(f"events, waves and dF/F (not looked for yet: `{command('events', [culture.uid])}`)")
    require_unchanged(graph, culture)
    return Collected(culture=culture, subgraph=traces, tables=tables, dff=dff, left_out=tuple(left_out), movie=movie)


def require_unchanged(graph: Graph, culture: Culture) -> None:
    """Raise ConflictError if the culture is not the one any more that was read."""
    after = graph.culture(culture.uid)
    if (
        after is None
        or not after.complete
        or (after.input_digest, after.created) != (culture.input_digest, culture.created)
    ):
        raise ConflictError(
            f"culture {spelt(culture.uid)} was replaced or deleted while it was read: repeat the command"
        )


def _table(graph: Graph, name: str, culture: str) -> Table:
    """A named query whose columns are all declared."""
    frame = run(graph, name, culture=culture)
    return Table(name, MEANINGS[name], declared_columns(name), frame)


def _cells(graph: Graph, culture: str) -> Table:
    """The query of the cells, with what it does not show, and mixed annotations as text."""
    frame = run(graph, "cells", culture=culture)
    columns = list(declared_columns("cells"))
    found = graph.read(_MORE_OF_CELLS, culture=culture)
    place = len(columns)
    for name, kind in (("open_px", "float"), ("flags", "string")):
        frame.insert(place, name, _typed([row[name] for row in found], kind))
        columns.append(property_column("Cell", name, kind))
        place += 1
    said = graph.read(_CELL_ANNOTATIONS, culture=culture)[0]["names"] or []
    for name in list(frame.columns)[place:]:
        frame[name] = uniform(frame[name])
        kind = kind_of(frame[name])
        columns.append(annotation(name, kind) if name in said else fitted_column(name, kind, name.partition("_")[0]))
    return Table("cells", MEANINGS["cells"], tuple(columns), frame)


def _contacts(graph: Graph, culture: str) -> Table:
    frame = run(graph, "contacts", culture=culture)
    found = sorted(graph.read(_WEIGHTS, culture=culture), key=lambda row: (row["label_a"], row["label_b"]))
    for name in PROPERTY.values():
        frame[name] = _typed([row[name] for row in found], "float")
    columns = (
        *declared_columns("contacts"),
        *(property_column("ADJACENT", name, "float") for name in PROPERTY.values()),
    )
    return Table("contacts", MEANINGS["contacts"], columns, frame)


def _parameters(graph: Graph, culture: str) -> Table:
    frame = run(graph, "parameters", culture=culture)
    columns = list(declared_columns("parameters"))
    for name in list(frame.columns)[len(columns) :]:
        frame[name] = uniform(frame[name])
        columns.append(fitted_column(name, kind_of(frame[name])))
    return Table("parameters", MEANINGS["parameters"], tuple(columns), frame)


def _named(name: str) -> Callable[[Graph, str], Table]:
    return lambda graph, culture: _table(graph, name, culture)


_TABLES: dict[str, Callable[[Any, str], Table]] = {
    "cells": _cells,
    "contacts": _contacts,
    "outlines": _named("outlines"),
    "fits": _named("fits"),
    "parameters": _parameters,
}


def _dff(graph: Graph, culture: str, traces: Subgraph) -> FloatArray | None:
    """(n, T), NaN for cells without; None where no cell has it."""
    from calcigraph.queries.library import fetch, load

    found = np.full(traces.intensity.shape, np.nan)
    known = False
    for row in fetch(graph, load("dff"), {"culture": culture}):
        if row["dff"] is not None:
            found[np.searchsorted(traces.labels, row["label"])] = row["dff"]
            known = True
    return found if known else None


def _typed(values: Sequence[Any], kind: str) -> pandas.Series[Any]:
    from calcigraph.queries.tables import column

    return column(values, kind)


def uniform(series: pandas.Series[Any]) -> pandas.Series[Any]:
    """A column of one type: numbers of two types become floats, all else that is mixed becomes text.

    >>> import pandas
    >>> uniform(pandas.Series([1, 2.5, None], dtype=object)).tolist(), uniform(pandas.Series([True, "B"])).tolist()
    ([1.0, 2.5, nan], ['true', 'B'])
    """
    import pandas

    if series.dtype != object:
        return series
    kinds = {type(value) for value in series if not _missing(value)}
    numbers = bool(kinds) and kinds <= {int, float}
    as_one: Callable[[Any], Any] = float if numbers else _text
    values = [None if _missing(value) else as_one(value) for value in series]
    return pandas.Series(values, series.index, dtype=float if numbers else object)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or type(value).__name__ == "NAType"


def kind_of(series: pandas.Series[Any]) -> str:
    """The type of a column, one of queries.library.TYPES."""
    name = str(series.dtype).lower()
    return next((kind for kind in ("int", "float", "bool") if name.startswith(kind)), "string")
