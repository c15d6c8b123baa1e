"""From rows to DataFrames: column types, nulls, and the columns that depend on the culture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import NotFoundError
from calcigraph.queries.anomalies import find_anomalies
from calcigraph.queries.library import Declared, Query, Reader, fetch, load, require_culture
from calcigraph.queries.recorded import Recorded
from calcigraph.store.types import Subgraph

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]

_CELL_FACTS = frozenset({"uid", "label", "area_px", "x_px", "y_px", "border", "polygon", "flags", "intensity"})
_PARAMETERS = (
    "k", "k_low", "k_high", "feed", "feed_low", "feed_high", "k_cell", "k_cell_low", "k_cell_high", "identified",
    "mse_train", "mse_test", "group",
)  # fmt: skip
"""In the order of their columns; what is not named here comes after them, and `why`, which is prose, last of all."""


def run(graph: Reader, name: str, /, **params: Any) -> pandas.DataFrame:
    """Run a named query on complete cultures. Integers stay integers and what is absent is null.

    Raises NotFoundError (no such query, no such complete culture) or InputError (a parameter is missing, unknown or
    of another type).
    """
    query, rows, values = _asked(graph, name, params)
    return _SHAPES.get(name, _plain)(query, rows, values)


def rows(graph: Reader, name: str, /, **params: Any) -> tuple[list[str], list[Row]]:
    """`run` as column names and records, without pandas where the query's columns do not depend on the culture."""
    query, found, values = _asked(graph, name, params)
    if name in _SHAPES:
        frame = _SHAPES[name](query, found, values)
        return [str(column) for column in frame.columns], records(frame)
    names = [column.name for column in query.columns]
    return names, [{name: plain(row.get(name)) for name in names} for row in found]


def _asked(graph: Reader, name: str, params: Row) -> tuple[Query, list[Row], Row]:
    query = load(name)
    values = query.bind(params)
    if "culture" in values:
        require_culture(graph, values["culture"])
    found = fetch(graph, query, values)
    if name == "fits":
        found = [row | Recorded.of(row).texts() for row in found]
    return query, found, values


def subgraph(graph: Reader, culture: str) -> Subgraph:
    """The models' input: one Cypher query, queries/subgraph.cypher.

    Raises NotFoundError when there is no complete culture of that name.
    """
    query = load("subgraph")
    rows = fetch(graph, query, query.bind({"culture": culture}))
    if not rows:
        require_culture(graph, culture)
        raise NotFoundError(f"culture {culture} has no cells; ingest it again with other masks or a smaller --min-area")
    labels = np.array([row["label"] for row in rows], dtype=np.int64)
    pairs, border, distance = _contacts(rows, labels)
    return Subgraph(
        culture=culture,
        frame_interval_s=float(rows[0]["frame_interval_s"]),
        labels=labels,
        x_px=_floats(rows, "x_px"),
        y_px=_floats(rows, "y_px"),
        border=np.array([row["border"] for row in rows], dtype=np.bool_),
        intensity=np.array([row["intensity"] for row in rows], dtype=np.float64),
        pairs=pairs,
        shared_border_px=border,
        centroid_distance_px=distance,
        intensity_gain=1.0 if rows[0]["intensity_gain"] is None else float(rows[0]["intensity_gain"]),
        area_px=_floats(rows, "area_px"),
    )


def _contacts(rows: Sequence[Row], labels: Any) -> tuple[Any, Any, Any]:
    """Index pairs (m, 2) in ascending order, shared borders (m,) with NaN for unknown, distances (m,)."""
    found = [(row["label"], *contact) for row in rows for contact in row["contacts"]]
    ends = np.array([(a, b) for a, b, _, _ in found], dtype=np.int64).reshape(-1, 2)
    border = np.array([border for *_, border, _ in found], dtype=np.float64)  # None becomes NaN
    distance = np.array([distance for *_, distance in found], dtype=np.float64)
    pairs = np.searchsorted(labels, ends)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], border[order], distance[order]


def _floats(rows: Sequence[Row], name: str) -> Any:
    return np.array([row[name] for row in rows], dtype=np.float64)


def frame_of(columns: Sequence[Declared], rows: Sequence[Row]) -> pandas.DataFrame:
    """A DataFrame with the declared columns and types; missing integers are pandas' NA, missing floats NaN."""
    import pandas

    series = {c.name: column([row.get(c.name) for row in rows], c.type) for c in columns}
    return pandas.DataFrame(series, columns=[c.name for c in columns])


def column(values: Sequence[Any], kind: str = "any") -> pandas.Series[Any]:
    """A column of the declared type; with "any", of the type that all its values have."""
    import pandas

    if kind == "any":
        kind = _kind(values)
    missing = any(value is None for value in values)
    types = {"int": "Int64" if missing else "int64", "float": "float64", "bool": "boolean" if missing else "bool"}
    if kind in types:
        return pandas.Series(list(values), dtype=types[kind])
    return pandas.Series(list(values), dtype=object)


def _kind(values: Sequence[Any]) -> str:
    present = {type(value) for value in values if value is not None}
    return {bool: "bool", int: "int", float: "float"}.get(present.pop(), "any") if len(present) == 1 else "any"


def records(frame: pandas.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts of plain JSON-able values: None for what is absent, never NaN.

    >>> import pandas
    >>> records(pandas.DataFrame({"label": [1], "k": [float("nan")]}))
    [{'label': 1, 'k': None}]
    """
    names = [str(name) for name in frame.columns]
    columns = [_plain_column(frame.iloc[:, index]) for index in range(len(names))]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain_column(series: pandas.Series[Any]) -> list[Any]:
    kind = getattr(series.dtype, "kind", "O") if isinstance(series.dtype, np.dtype) else "O"
    if kind in "iub" or (kind == "f" and np.isfinite(series.to_numpy()).all()):
        return series.tolist()
    return [plain(value) for value in series.tolist()]


def plain(value: Any) -> Any:
    """A value that JSON can hold: numbers that are not finite and pandas' NA become None, arrays lists, times text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return value.hex()
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)


def _plain(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    return frame_of(query.columns, rows)


def _expanded(query: Query, rows: list[Row], keep: Callable[[str], bool]) -> pandas.DataFrame:
    """The last declared column is a map: each of its keys becomes a column, the usual parameters first."""
    fixed, source = query.columns[:-1], query.columns[-1].name
    found = {key for row in rows for key, value in row[source].items() if value is not None and keep(key)}
    frame = frame_of(fixed, rows)
    for name in sorted(found, key=_by_parameter):
        frame[name] = column([row[source].get(name) for row in rows])
    return frame


def _by_parameter(name: str) -> tuple[str, int, str]:
    """k before feed before errors, under each model's prefix where there is one."""
    for position, parameter in enumerate(_PARAMETERS):
        if name == parameter or name.endswith(f"_{parameter}"):
            prefix = name.removesuffix(parameter)
            if "_" not in prefix.rstrip("_"):
                return prefix, position, name
    return name.partition("_")[0] + "_", len(_PARAMETERS) + (name.rpartition("_")[2] == "why"), name


def _cells(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    return _expanded(query, rows, lambda key: key not in _CELL_FACTS)


def _parameters(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    return _expanded(query, rows, lambda key: True)


def _traces(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    import pandas

    intensity = np.array([row["intensity"] for row in rows], dtype=np.float64)
    intensity = intensity.reshape(len(rows), -1 if rows else 0)
    frame = np.arange(intensity.shape[1])
    interval = float(rows[0]["frame_interval_s"]) if rows else 0.0
    names = [str(row["label"]) for row in rows]
    table = pandas.DataFrame(np.ascontiguousarray(intensity.T), columns=names)
    times = pandas.DataFrame({"frame": frame, "time_s": frame * interval})
    return pandas.concat([times, table], axis=1)


def _anomalies(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    if not rows:
        raise NotFoundError(
            f"culture {values['culture']} has no fit of {values['model']}: "
            f"run `calcigraph fit {values['culture']} --model {values['model']}`"
        )
    return find_anomalies(rows, values["culture"], values["model"], values["threshold"])


def _subgraph(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    """Contacts by label: engines collect them in an order of their own."""
    return frame_of(query.columns, [{**row, "contacts": sorted(row["contacts"])} for row in rows])


_SHAPES: dict[str, Callable[[Query, list[Row], Row], pandas.DataFrame]] = {
    "cells": _cells,
    "parameters": _parameters,
    "traces": _traces,
    "subgraph": _subgraph,
    "anomalies": _anomalies,
}
