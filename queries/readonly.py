"""Users' own Cypher, kept from writing on both engines.

Five things stand in the way of a write, each enough by itself for the usual case: the clauses and calls of the text
(policy.py), the query type that EXPLAIN reports, READ access, the query type of the run, and a transaction that is
always rolled back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from calcigraph.errors import InputError, ReadOnlyError
from calcigraph.queries import policy
from calcigraph.queries.library import Declared, Query, parse, parse_value
from calcigraph.queries.tables import column, plain

if TYPE_CHECKING:
    import pandas

log = logging.getLogger(__name__)


class ReadOnlyGraph(Protocol):
    """What users' queries need of the graph."""

    def query_type(self, text: str, parameters: Mapping[str, Any]) -> str:
        """EXPLAIN's query type: "r", "w", "rw" or "s"."""

    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        """Columns and rows, in a transaction that is rolled back."""


def run_user(
    graph: ReadOnlyGraph,
    text: str,
    parameters: Mapping[str, Any] | None = None,
    timeout_s: float = 30,
    row_limit: int = 100_000,
) -> pandas.DataFrame:
    """Run a user's Cypher text, which may only read.

    A header of // comments may declare parameters with types and defaults, as in the named queries. Nodes,
    relationships, paths, times and points become plain JSON-able values.

    Raises ReadOnlyError (it would write, reach outside the graph, or call what is not on the allow-list), LimitError
    (past `timeout_s` seconds or `row_limit` rows) or InputError (no Cypher, a parameter is missing or ill-typed).
    """
    if not timeout_s > 0 or row_limit < 1:
        raise InputError(f"the limits must be positive, not {timeout_s:g} s and {row_limit} rows")
    clean = policy.check(text)
    values = _values(text, clean, parameters or {})
    kind = graph.query_type(clean, values)
    if kind != "r":
        raise ReadOnlyError("the query would write or change the graph; queries may only read")
    log.debug("user query: %s", clean)
    names, rows = graph.read_only(clean, values, timeout_s, row_limit)
    names = names or policy.columns_of(clean)  # the embedded engine names no columns when there are no rows
    import pandas

    columns = [column([_plain(row[index]) for row in rows]) for index in range(len(names))]
    frame = pandas.DataFrame(dict(enumerate(columns)), columns=range(len(names)))
    return frame.set_axis(names, axis=1)


def _values(text: str, clean: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters' values: those declared are checked and have defaults, others are taken as they are."""
    query = parse("of the user", text)
    values = dict(given)
    if query.parameters:
        known = {parameter.name for parameter in query.parameters}
        values |= query.bind({name: value for name, value in given.items() if name in known})
    missing = sorted(policy.parameters_of(clean) - set(values))
    if missing:
        raise InputError(f"the query uses ${missing[0]}, which was not given: add -p {missing[0]}=...")
    for name, value in values.items():
        if _too_large(value):
            raise InputError(
                f"parameter {name} has an integer beyond 64 bits, which no graph holds: give it as a string"
            )
    return values


def _too_large(value: Any) -> bool:
    if isinstance(value, int):
        return not -(2**63) <= value < 2**63
    if isinstance(value, Mapping):
        return any(map(_too_large, value.values()))
    return isinstance(value, list | tuple) and any(map(_too_large, value))


def parse_parameters(
    items: Iterable[str], declared: Query | Iterable[Declared] | Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The values of "name=value" items.

    Declared types decide: for a string 101 stays "101". What is not declared is JSON if it parses, else a string; a
    `culture` is a name, so always a string.
    Raises InputError for an item without =, a name given twice, or a value that is not of its type.

    >>> parse_parameters(["threshold=3.5", "label=17x"])
    {'threshold': 3.5, 'label': '17x'}
    >>> parse_parameters(["culture=101", "label=101"])
    {'culture': '101', 'label': 101}
    """
    types = {"culture": Declared("culture", "string")} | _types(declared)
    values: dict[str, Any] = {}
    for item in items:
        name, separator, text = item.partition("=")
        name = name.strip()
        if not separator or not name:
            raise InputError(f"the parameter {item!r} is not of the form name=value")
        if name in values:
            raise InputError(f"the parameter {name} is given twice")
        values[name] = parse_value(types[name], text) if name in types else _json_or_text(text)
    return values


def declared_parameters(text: str) -> tuple[Declared, ...]:
    """The parameters that a user's text declares in its header."""
    return parse("of the user", text).parameters


def _types(declared: Query | Iterable[Declared] | Mapping[str, str] | None) -> dict[str, Declared]:
    if declared is None:
        return {}
    if isinstance(declared, Query):
        declared = declared.parameters
    if isinstance(declared, Mapping):
        return {name: Declared(name, kind) for name, kind in declared.items()}
    return {parameter.name: parameter for parameter in declared}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)
    except json.JSONDecodeError:
        return text


def _plain(value: Any) -> Any:
    """A value of the driver as JSON can hold it."""
    if value is None or isinstance(value, bool | int | float | str):
        return plain(value)
    if type(value) in (list, tuple):  # the driver's durations and points are tuples too
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and not hasattr(value, "element_id"):
        return {str(key): _plain(item) for key, item in value.items()}
    return _graph_value(value)


def _graph_value(value: Any) -> Any:
    from neo4j.graph import Node, Path, Relationship
    from neo4j.spatial import Point

    if isinstance(value, Node):
        return {"labels": sorted(value.labels), "properties": _plain(dict(value.items()))}
    if isinstance(value, Relationship):
        start, end = (None if node is None else _end(node) for node in (value.start_node, value.end_node))
        return {"type": value.type, "start": start, "end": end, "properties": _plain(dict(value.items()))}
    if isinstance(value, Path):
        return {
            "nodes": [_graph_value(node) for node in value.nodes],
            "relationships": [_graph_value(relationship) for relationship in value.relationships],
        }
    if isinstance(value, Point):
        return {"srid": value.srid, "coordinates": [plain(item) for item in value]}
    iso = getattr(value, "iso_format", None) or getattr(value, "isoformat", None)
    return iso() if iso else plain(value)


def _end(node: Any) -> str:
    """The uid or name of a relationship's end, or the engine's own id where only that came along."""
    return str(node.get("uid") or node.get("name") or node.element_id)
