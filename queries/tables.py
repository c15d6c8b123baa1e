"""From rows to DataFrames: column types, nulls, and the columns that depend on the culture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import NotFoundError, command, spelt
from calcigraph.queries.anomalies import find_anomalies
from calcigraph.queries.doubtful import find_doubtful
from calcigraph.queries.event_tables import OF_EVENTS, require_events, shaped
from calcigraph.queries.forecast_tables import OF_FORECASTS, of_forecasts, require_forecast
from calcigraph.queries.library import Declared, Query, Reader, fetch, load, require_culture
from calcigraph.queries.recorded import Recorded
from calcigraph.store.light import neighbours_share
from calcigraph.store.rows import iso
from calcigraph.store.types import Subgraph

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]

_CELL_FACTS = frozenset(
    {"uid", "name", "label", "area_px", "x_px", "y_px", "place", "border", "polygon", "flags", "intensity", "open_px"}
)
"""Properties of a Cell node that an ingest wrote; all others are fitted."""
_PARAMETERS = (
    "k", "k_low", "k_high", "feed", "feed_low", "feed_high", "k_cell", "k_cell_low", "k_cell_high", "identified",
    "mse_train", "mse_test", "group",
)  # fmt: skip
"""Fitted parameters in the order of their columns; others come after them, and `why`, which is a sentence, last."""


def run(graph: Reader, name: str, /, **params: Any) -> pandas.DataFrame:
    """Run a named query on complete cultures.

    Parameters
    ----------
    graph
        Where it runs.
    name
        One of `names()`.
    params
        The values of the query's parameters.

    Returns
    -------
    The rows. Integers stay integers; what is absent is NaN in columns of floats, else pandas' NA or None.

    Raises
    ------
    NotFoundError
        There is no such query, or no complete culture of that name.
    InputError
        A parameter is missing, unknown or of another type.
    """
    query, rows, values = _asked(graph, name, params)
    return _SHAPES.get(name, _plain)(query, rows, values)


def rows(graph: Reader, name: str, /, **params: Any) -> tuple[list[str], list[Row]]:
    """As `run`, but the columns' names and the rows as dicts of plain values, None for absent: what commands print.

    pandas is not imported where the query's columns do not depend on the culture.
    """
    query, found, values = _asked(graph, name, params)
    if name in _SHAPES:
        frame = _SHAPES[name](query, found, values)
        return [str(column) for column in frame.columns], records(frame)
    names = [column.name for column in query.columns]
    return names, [{name: plain(row.get(name)) for name in names} for row in found]


def _asked(graph: Reader, name: str, params: Row) -> tuple[Query, list[Row], Row]:
    """The named query, its rows, and the values of its parameters."""
    query = load(name)
    values = query.bind(params)
    if "culture" in values:
        require_culture(graph, values["culture"])
    if name in OF_EVENTS:
        require_events(graph, values["culture"])
    if name in OF_FORECASTS:
        require_forecast(graph, values["culture"])
    found = of_forecasts(name, shaped(name, fetch(graph, query, values), values), values)
    if any(each.name == "created" for each in query.columns):
        found = [row | {"created": iso(row["created"]) or None} for row in found]
    if name == "cultures":
        found = [row | {"annotations": dict(row["annotations"]) or None} for row in found]
    if name == "fits":
        found = [row | Recorded.of(row).texts() for row in found]
    return query, found, values


def subgraph(graph: Reader, culture: str) -> Subgraph:
    """The models' input: one culture's cells and contacts, by queries/subgraph.cypher.

    Parameters
    ----------
    graph
        Where the culture is.
    culture
        Its name.

    Raises
    ------
    NotFoundError
        There is no complete culture of that name, or it has no cells.
    """
    query = load("subgraph")
    rows = fetch(graph, query, query.bind({"culture": culture}))
    if not rows:
        require_culture(graph, culture)
        raise NotFoundError(f"culture {culture} has no cells; ingest it again with other masks or a smaller --min-area")
    return _graph_of(rows, culture)


def _graph_of(rows: Sequence[Row], culture: str) -> Subgraph:
    """The Subgraph of the rows of queries/subgraph.cypher."""
    labels = np.array([row["label"] for row in rows], dtype=np.int64)
    pairs, shared_border_px, distance_px = _contacts(rows, labels)
    return Subgraph(
        culture=culture,
        frame_interval_s=float(rows[0]["frame_interval_s"]),
        time_s=None if rows[0]["time_s"] is None else np.array(rows[0]["time_s"], dtype=np.float64),
        labels=labels,
        x_px=_floats(rows, "x_px"),
        y_px=_floats(rows, "y_px"),
        border=np.array([row["border"] for row in rows], dtype=np.bool_),
        intensity=np.array([row["intensity"] for row in rows], dtype=np.float64),
        pairs=pairs,
        shared_border_px=shared_border_px,
        centroid_distance_px=distance_px,
        intensity_gain=1.0 if rows[0]["intensity_gain"] is None else float(rows[0]["intensity_gain"]),
        intensity_offset=rows[0].get("intensity_offset"),
        area_px=_floats(rows, "area_px"),
        doubts=tuple(rows[0]["doubts"] or ()),
        open_px=None if any(row["open_px"] is None for row in rows) else _floats(rows, "open_px"),
        neighbours_light=neighbours_share(json.loads(rows[0].get("light") or "{}")),
    )


def _contacts(rows: Sequence[Row], labels: Any) -> tuple[Any, Any, Any]:
    """Index pairs (m, 2) in ascending order, shared borders (m,) with NaN for unknown, distances (m,)."""
    found = [(row["label"], *contact) for row in rows for contact in row["contacts"]]
    ends = np.array([(a, b) for a, b, _, _ in found], dtype=np.int64).reshape(-1, 2)  # also of no contact
    border = np.array([border for *_, border, _ in found], dtype=np.float64)  # None becomes NaN
    distance = np.array([distance for *_, distance in found], dtype=np.float64)
    pairs = np.searchsorted(labels, ends)
    # Engines collect contacts in an order of their own; the models' sums must not depend on it.
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], border[order], distance[order]


def _floats(rows: Sequence[Row], name: str) -> Any:
    return np.array([row[name] for row in rows], dtype=np.float64)


def _frame_of(columns: Sequence[Declared], rows: Sequence[Row]) -> pandas.DataFrame:
    """A DataFrame with the declared columns and types; missing integers are pandas' NA, missing floats NaN."""
    import pandas

    series = {c.name: column([row.get(c.name) for row in rows], c.type) for c in columns}
    return pandas.DataFrame(series, columns=[c.name for c in columns])


def column(values: Sequence[Any], kind: str = "any") -> pandas.Series[Any]:
    """A column of a table.

    Parameters
    ----------
    values
        Plain values, None for absent.
    kind
        One of library.TYPES; with "any", the type that all values have.

    >>> column([1, None]).dtype, column([1, 2.5]).dtype
    (Int64Dtype(), dtype('O'))
    """
    import pandas

    if kind == "any":
        kind = _kind(values)
    # NumPy's integers and booleans have no missing value; pandas' own do.
    missing = any(value is None for value in values)
    types = {"int": "Int64" if missing else "int64", "float": "float64", "bool": "boolean" if missing else "bool"}
    if kind in types:
        return pandas.Series(list(values), dtype=types[kind])
    return pandas.Series(list(values), dtype=object)


def _kind(values: Sequence[Any]) -> str:
    """The type that all values have; "any" where they differ or none is known."""
    present = {type(value) for value in values if value is not None}
    if len(present) != 1:
        return "any"
    return {bool: "bool", int: "int", float: "float"}.get(present.pop(), "any")


def records(frame: pandas.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dicts of plain JSON-able values: None for what is absent, never NaN.

    Parameters
    ----------
    frame
        As `run`, `run_user` or `compare_cultures` return it.

    Examples
    --------
    >>> import pandas
    >>> records(pandas.DataFrame({"label": [1], "k": [float("nan")]}))
    [{'label': 1, 'k': None}]
    """
    names = [str(name) for name in frame.columns]
    columns = [_plain_column(frame.iloc[:, index]) for index in range(len(names))]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain_column(series: pandas.Series[Any]) -> list[Any]:
    """The values of one column, plain."""
    # Whole columns of numbers need no look at each value, which is most of the time of a large table.
    kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else "O"
    if kind in "iub" or (kind == "f" and np.isfinite(series.to_numpy()).all()):
        return series.tolist()
    return [plain(value) for value in series.tolist()]


def plain(value: Any) -> Any:
    """A value as JSON can hold it: NaN, infinity and pandas' NA become None, arrays lists, and times text.

    >>> plain({"k": float("nan"), "labels": np.array([3, 7])})
    {'k': None, 'labels': [3, 7]}
    """
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
    # By name, so that pandas need not be imported to know its missing values.
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)


def _plain(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    return _frame_of(query.columns, rows)


def _expanded(query: Query, rows: list[Row], keep: Callable[[str], bool]) -> pandas.DataFrame:
    """The last declared column is a map: each of its keys that `keep` takes becomes a column."""
    fixed, source = query.columns[:-1], query.columns[-1].name
    found = {key for row in rows for key, value in row[source].items() if value is not None and keep(key)}
    frame = _frame_of(fixed, rows)
    for name in sorted(found, key=_by_parameter):
        frame[name] = column([row[source].get(name) for row in rows])
    return frame


def _by_parameter(name: str) -> tuple[str, int, str]:
    """Sort key of a column such as "k_low" or "robust_k_low": by model, then in the order of _PARAMETERS."""
    for position, parameter in enumerate(_PARAMETERS):
        if name == parameter or name.endswith(f"_{parameter}"):
            prefix = name.removesuffix(parameter)
            if "_" not in prefix.rstrip("_"):
                return prefix, position, name
    is_sentence = name.rpartition("_")[2] == "why"
    return name.partition("_")[0] + "_", len(_PARAMETERS) + is_sentence, name


def _cells(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    return _expanded(query, rows, lambda key: key not in _CELL_FACTS)


def _parameters(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    return _expanded(query, rows, lambda key: True)


def _traces(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    return _wide(rows, "intensity")


def _dff(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    frames = max((len(row["dff"]) for row in rows if row["dff"] is not None), default=0)
    if not frames:
        raise NotFoundError(
            f"culture {spelt(values['culture'])} has no dF/F: the light at the baseline is positive in no cell"
        )
    return _wide([row | {"dff": row["dff"] or [np.nan] * frames} for row in rows], "dff")


def _wide(rows: list[Row], name: str) -> pandas.DataFrame:
    """One row per frame: its number, its time, and a column for each cell."""
    import pandas

    traces = np.array([row[name] for row in rows], dtype=np.float64)
    traces = traces.reshape(len(rows), -1 if rows else 0)  # (n, T), also of no cell
    frame = np.arange(traces.shape[1])
    interval = float(rows[0]["frame_interval_s"]) if rows else 0.0
    names = [str(row["label"]) for row in rows]
    table = pandas.DataFrame(np.ascontiguousarray(traces.T), columns=names)
    kept = rows[0]["time_s"] if rows else None
    times = pandas.DataFrame({"frame": frame, "time_s": frame * interval if kept is None else kept})
    return pandas.concat([times, table], axis=1)


def _anomalies(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    looked_at = ("k_cell", "feed", "mse_train", "events")
    if all(row[name] is None for row in rows for name in looked_at):
        culture, model = values["culture"], values["model"]
        raise NotFoundError(
            f"culture {spelt(culture)} has no fit of {model}: run `{command('fit', [culture], '--model', model)}`, "
            f"or `{command('events', [culture])}` for the anomalies of events"
        )
    return find_anomalies(rows, values["culture"], values["model"], values["threshold"])


def _doubtful(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    return find_doubtful(_graph_of(rows, values["culture"]))


def _subgraph(query: Query, rows: list[Row], values: Row) -> pandas.DataFrame:
    """The contacts of each cell by label: engines collect them in an order of their own."""
    return _frame_of(query.columns, [{**row, "contacts": sorted(row["contacts"])} for row in rows])


_SHAPES: dict[str, Callable[[Query, list[Row], Row], pandas.DataFrame]] = {
    "cells": _cells,
    "parameters": _parameters,
    "traces": _traces,
    "dff": _dff,
    "subgraph": _subgraph,
    "anomalies": _anomalies,
    "doubtful": _doubtful,
}
"""Queries whose table is not simply their columns; all others are `_plain`."""
