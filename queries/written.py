"""The values of parameters that were written on the command line, for a user's own Cypher."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from calcigraph.errors import CalcigraphError, InputError
from calcigraph.queries.library import Declared
from calcigraph.queries.readonly import declared_parameters, parse_parameters
from calcigraph.queries.usage import NUMBER, TEXT, Use, uses_of
from calcigraph.store import described

_KINDS = [(name, line.kind) for table in described.tables() for line in table.lines for name in line.names]
TEXTS = frozenset(name for name, kind in _KINDS if kind in ("text", "list of text"))
"""Properties of the graph that are texts, or lists of them."""
ENDINGS = ("_identified", "_why", "_group")
"""Of a cell's properties that are texts, such as robust_identified."""
TIMES = frozenset(name for name, kind in _KINDS if kind == "time")
"""Properties that are compared with datetime($parameter)."""
NUMBERS = frozenset(name for name, kind in _KINDS if kind not in ("", "point") and "<" not in name) - TEXTS - TIMES
"""Properties of the graph that are numbers, lists of them, or true and false."""
PREFIXES = {
    "setting_": ":FitRun|EventRun", "fact_": ":FitRun|EventRun", "option_": ":Culture", "tissue_": ":Culture",
    "light_": ":Culture",
}  # fmt: skip
"""What properties begin with that may be of any kind, and the labels of the nodes that have them."""
LOOKING_S = 5.0
"""Longest time to look in the graph for a property that is not one of these."""


class Looking(Protocol):
    """What is needed of the graph."""

    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        """See Graph.read_only."""


def written_parameters(graph: Looking, text: str, items: Iterable[str]) -> dict[str, Any]:
    """The values of parameters written as "name=value" for a user's text.

    A declared type decides where the text's header has one. Else what the text compares the parameter with decides: a
    property that holds texts makes it text, and one that holds numbers a number. Else it is JSON if it can be read as
    that, and text if not.

    Parameters
    ----------
    graph
        Where properties are looked up that calcigraph does not write itself.
    text
        Cypher.
    items
        Such as "name=20240315".

    Raises
    ------
    InputError
        As `parse_parameters`; a parameter is compared with text and with numbers; a list is needed and not given; a
        number is needed and something else is given.
    """
    items = list(items)
    declared = declared_parameters(text)
    values = parse_parameters(items, declared)
    known = {"culture", *(parameter.name for parameter in declared)}
    for item in items:
        name, _, raw = item.partition("=")
        name = name.strip()
        if name not in known:
            values[name] = _meant(graph, Declared(name, "any"), raw, values[name], uses_of(text, name))
    return values


def _meant(graph: Looking, parameter: Declared, raw: str, value: Any, uses: set[Use]) -> Any:
    """The value that a text means, from how it is used; `value` is what it is as JSON."""
    # What can only be text needs no look into the graph.
    where = None if isinstance(value, str) else graph
    kinds = {_kind(where, use): use for use in sorted(uses, key=repr)}
    listed = any(use.element for use in uses)
    name = parameter.name
    if listed and not isinstance(value, list):
        value = _list(name, raw)
    if TEXT in kinds and NUMBER in kinds and not isinstance(value, str):
        raise InputError(
            f"parameter {name} is compared with text and with numbers: say what it is in a first line of the query, "
            f"such as // parameter {name}: string"
        )
    if TEXT in kinds:
        return _texts(raw, value) if listed else _text(raw, value)
    if NUMBER in kinds and None not in kinds:
        found = value if listed else [value]
        wrong = next((each for each in found if isinstance(each, str)), None)
        if wrong is not None and wrong.lower() in ("true", "false") and not listed:
            return wrong.lower() == "true"
        if wrong is not None:
            what = kinds[NUMBER].property
            told = f"{what}, which is no text" if what else "numbers"
            told = f"{what}, which is a time (write datetime(${name}))" if what in TIMES else told
            raise InputError(f"parameter {name} is compared with {told}, but {wrong!r} is text")
    return value


def _kind(graph: Looking | None, use: Use) -> str | None:
    """TEXT or NUMBER; None where nothing tells."""
    if use.kind is not None or use.property is None:
        return use.kind
    if use.property in TEXTS or use.property.endswith(ENDINGS):
        return TEXT
    if use.property in NUMBERS | TIMES:
        return NUMBER
    if graph is None:
        return None
    labels = next((labels for prefix, labels in PREFIXES.items() if use.property.startswith(prefix)), "")
    quoted = "`" + use.property.replace("`", "``") + "`"
    try:
        _, rows = graph.read_only(
            f"MATCH (n{labels}) WHERE n.{quoted} IS NOT NULL RETURN n.{quoted} AS v LIMIT 1", {}, LOOKING_S, 1
        )
    except CalcigraphError:
        return None
    value = rows[0][0] if rows else None
    value = value[0] if isinstance(value, list) and value else value
    return None if value is None else TEXT if isinstance(value, str) else NUMBER


def _text(raw: str, value: Any) -> str:
    """As it was written, but for quotation marks that make JSON of it."""
    return value if isinstance(value, str) else raw


def _texts(raw: str, value: list[Any]) -> list[str]:
    """The elements of a list as they were written."""
    try:
        exact = json.loads(raw, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError:
        exact = value
    return [each if isinstance(each, str) else json.dumps(each) for each in exact]


def _list(name: str, raw: str) -> list[Any]:
    """A list without the quotation marks that JSON wants, such as [wt-1, 0012]."""
    inner = raw.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        raise InputError(f'parameter {name} is used as a list: give one, such as {name}=["A", "B"]')
    return [part.strip().strip("\"'") for part in inner[1:-1].split(",") if part.strip()]
