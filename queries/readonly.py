"""Users' own Cypher, kept from writing on both engines.

Five barriers stand in the way of a write, so that none has to be perfect: the words and calls of the text (policy.py),
the query type that EXPLAIN reports, READ access, the query type of the run, and a transaction that is always rolled
back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from calcigraph.errors import InputError, MissingParameterError, ReadOnlyError
from calcigraph.queries import policy
from calcigraph.queries.aggregates import mixed_aggregate
from calcigraph.queries.library import Declared, Query, parse, parse_value
from calcigraph.queries.misspelt import hints
from calcigraph.queries.ranges import check_ranges
from calcigraph.queries.tables import column, plain
from calcigraph.store.rows import iso

if TYPE_CHECKING:
    import pandas

log = logging.getLogger(__name__)

_USERS = "of the user"
"""What messages call a user's query."""


class ReadOnlyGraph(Protocol):
    """What users' queries need of the graph."""

    @property
    def engine(self) -> str:
        """See Graph.engine."""

    def query_type(self, text: str, parameters: Mapping[str, Any]) -> str:
        """See Graph.query_type."""

    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        """See Graph.read_only."""


def run_user(
    graph: ReadOnlyGraph,
    text: str,
    parameters: Mapping[str, Any] | None = None,
    timeout_s: float = 30,
    row_limit: int = 100_000,
) -> pandas.DataFrame:
    """Run a user's Cypher text, which may only read.

    Parameters
    ----------
    graph
        Where it runs.
    text
        Cypher. A header of // comments may declare parameters with types and defaults, as in the named queries.
    parameters
        The values of its $parameters.
    timeout_s
        Longest time, s.
    row_limit
        Most rows.

    Returns
    -------
    The rows. Nodes, relationships, paths, times and points become plain JSON-able values.

    Raises
    ------
    ReadOnlyError
        It would write, reach outside the graph, or call what is not on the allow-lists.
    LimitError
        It ran longer, or has more rows.
    InputError
        It is no Cypher, or a parameter is missing or of another type.
    """
    if not timeout_s > 0 or row_limit < 1:
        raise InputError(f"the limits must be positive, not {timeout_s:g} s and {row_limit} rows")
    clean = policy.check(text)
    wrong = mixed_aggregate(clean) if graph.engine == "arcadedb" else None
    if wrong is not None:
        raise InputError(
            f"the embedded engine would answer {wrong!r} wrongly, for counts and the like stand beside AND, OR, NOT, "
            "IN, IS or CONTAINS: name them first, as in WITH min(x) AS a, max(x) AS b RETURN a > 0 AND b < 1"
        )
    values = _values(text, clean, parameters or {})
    check_ranges(clean, values)
    kind = graph.query_type(clean, values)
    if kind != "r":
        raise ReadOnlyError("the query would write or change the graph; queries may only read")
    log.debug("user query: %s", clean)
    names, rows = graph.read_only(clean, values, timeout_s, row_limit)
    names = names or policy.columns_of(clean)  # the embedded engine names no columns when there are no rows
    for hint in hints(graph, clean):
        log.warning(hint)
    import pandas

    columns = [column([_plain(row[index]) for row in rows]) for index in range(len(names))]
    # Numbered first, because a user may give two columns one name.
    frame = pandas.DataFrame(dict(enumerate(columns)), columns=range(len(names)))
    return frame.set_axis(names, axis=1)


def _values(text: str, clean: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters' values: those that are declared are checked and have defaults, others are taken as they are."""
    query = parse(_USERS, text)
    values = dict(given)
    if query.parameters:
        known = {parameter.name for parameter in query.parameters}
        values |= query.bind({name: value for name, value in given.items() if name in known})
    missing = sorted(policy.parameters_of(clean) - set(values))
    if missing:
        raise MissingParameterError(missing[0], f"the query uses ${missing[0]}, which was not given")
    for name, value in values.items():
        if _too_large(value):
            raise InputError(
                f"parameter {name} has an integer beyond 64 bits, which no graph holds: give it as a string"
            )
    return values


def _too_large(value: Any) -> bool:
    """Whether there is an integer in it that does not fit the engines' 64 bits."""
    if isinstance(value, int):
        return not -(2**63) <= value < 2**63
    if isinstance(value, Mapping):
        return any(map(_too_large, value.values()))
    return isinstance(value, list | tuple) and any(map(_too_large, value))


def parse_parameters(
    items: Iterable[str], declared: Query | Iterable[Declared] | Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The values of parameters that were written as "name=value".

    Parameters
    ----------
    items
        Such as "threshold=3.5".
    declared
        The types, from a query or its parameters, or as a mapping of name to type. What is not declared is JSON if it
        can be read as that, else a string; a `culture` is a name, so it is always a string.

    Returns
    -------
    The values by name.

    Raises
    ------
    InputError
        An item has no =, a name is given twice, or a value is not of its type.

    Examples
    --------
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
    """The parameters that a user's text declares in its header. Raises InputError for a faulty declaration.

    >>> declared_parameters("// parameter label: int\\nMATCH (c:Cell {label: $label}) RETURN c")[0].type
    'int'
    """
    return parse(_USERS, text).parameters


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
        # NaN and Infinity are no JSON: they stay words.
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
    """A node, relationship, path, point or time as JSON can hold it."""
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
    if type(value).__name__ == "DateTime":
        return iso(value)
    # The driver's dates and durations have the first, Python's own the second.
    text = getattr(value, "iso_format", None) or getattr(value, "isoformat", None)
    return text() if text else plain(value)


def _end(node: Any) -> str:
    """The uid or name of a relationship's end, or the engine's own id where only that came along."""
    return str(node.get("uid") or node.get("name") or node.element_id)
