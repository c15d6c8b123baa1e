"""Named queries: one question, one .cypher file, one DataFrame.

The // comments at the head of a text declare what it takes and gives:

    // One line that says what is asked.
    // parameter culture: string
    // parameter threshold: float = 3.5   what it means, after at least two blanks
    // column label: int
    // order label

Types are string, int, float, bool, list, map and any. A parameter without a default is required; a default is JSON,
or a word for a string. `order` names the columns that rows are sorted by, in Python: the embedded engine sorts whole
nodes in a small heap.
"""

from __future__ import annotations

import difflib
import json
import logging
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from calcigraph.errors import InputError, NotFoundError

log = logging.getLogger(__name__)

TYPES = ("string", "int", "float", "bool", "list", "map", "any")
INTERNAL = frozenset({"comparison", "curves"})
"""Texts that another function reads; no question of their own."""

_DECLARATION = re.compile(r"(parameter|column)\s+(\w+)\s*:\s*(\w+)(?:\s*=\s*(.*?))?(?:\s{2,}(.*))?$")
_REQUIRED: Any = object()


class Reader(Protocol):
    """What a query needs of the graph."""

    def read(self, text: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of one reading statement."""


@dataclass(frozen=True)
class Declared:
    """A parameter or a column of a query."""

    name: str
    type: str
    """One of TYPES."""
    note: str = ""
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is _REQUIRED


@dataclass(frozen=True)
class Query:
    """A Cypher text and what its header says of it."""

    name: str
    description: str
    parameters: tuple[Declared, ...]
    columns: tuple[Declared, ...]
    order: tuple[str, ...]
    text: str

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all parameters. Raises InputError for one that is missing, unknown or of another type."""
        known = {parameter.name: parameter for parameter in self.parameters}
        unknown = sorted(set(given) - set(known))
        if unknown:
            takes = ", ".join(known) or "no parameters"
            raise InputError(f"query {self.name} has no parameter {unknown[0]}; it takes {takes}")
        values = {}
        for name, parameter in known.items():
            if name not in given and parameter.required:
                raise InputError(f"query {self.name} needs the parameter {name} ({parameter.type}): give -p {name}=...")
            values[name] = checked(parameter, given[name]) if name in given else parameter.default
        return values


def checked(parameter: Declared, value: Any) -> Any:
    """The value as its declared type; an int passes as a float, null only where it is the default."""
    kinds: dict[str, Any] = {
        "string": str,
        "int": numbers.Integral,
        "float": numbers.Real,
        "bool": bool,
        "list": (list, tuple),
        "map": Mapping,
        "any": object,
    }
    wanted = kinds[parameter.type]
    if value is None and not parameter.required and parameter.default is None:
        return None
    boolean = isinstance(value, bool) and parameter.type in ("int", "float")
    if boolean or not isinstance(value, wanted):
        raise InputError(f"parameter {parameter.name} must be of type {parameter.type}, not {value!r}")
    casts = {"int": int, "float": float, "list": list, "map": dict}
    return casts[parameter.type](value) if parameter.type in casts else value


def parse_value(parameter: Declared, text: str) -> Any:
    """A value written as text, such as 3.5 or ["a", "b"], in its declared type: a string is taken to the letter."""
    if parameter.type == "string":
        return text
    try:
        value = json.loads(text.lower() if parameter.type == "bool" else text)
    except json.JSONDecodeError:
        if parameter.type == "any":
            return text
        raise InputError(f"parameter {parameter.name} must be of type {parameter.type}, not {text!r}") from None
    if parameter.type == "int" and isinstance(value, float) and value.is_integer():
        value = int(value)
    return checked(parameter, value)


def parse(name: str, text: str) -> Query:
    """Read the header of a Cypher text. Raises InputError for a declaration that makes no sense."""
    found: dict[str, list[Declared]] = {"parameter": [], "column": []}
    description = ""
    order: tuple[str, ...] = ()
    for line in _header(text):
        match = _DECLARATION.match(line)
        if match:
            found[match[1]].append(_declared(name, *match.groups()[1:]))
        elif line.startswith("order "):
            order = tuple(part.strip() for part in line.removeprefix("order ").split(","))
        elif not description:
            description = line
    return Query(name, description, tuple(found["parameter"]), tuple(found["column"]), order, text)


def _header(text: str) -> Iterable[str]:
    for line in text.removeprefix("\ufeff").splitlines():
        if not line.startswith("//"):
            return
        yield line.removeprefix("//").strip()


def _declared(query: str, name: str, kind: str, default: str | None, note: str | None) -> Declared:
    if kind not in TYPES:
        raise InputError(f"query {query} declares {name} of type {kind}; expected one of {', '.join(TYPES)}")
    declared = Declared(name, kind, note or "")
    if default is None:
        return declared
    value = None if default == "null" else parse_value(declared, default.strip("\"'") if kind == "string" else default)
    return replace(declared, default=value)


@cache
def names() -> tuple[str, ...]:
    """The names of all queries."""
    stems = (item.name.removesuffix(".cypher") for item in _folder().iterdir() if item.name.endswith(".cypher"))
    return tuple(sorted(stem for stem in stems if stem not in INTERNAL))


@cache
def load(name: str) -> Query:
    """The named query. Raises NotFoundError with the names there are.

    >>> load("cells").parameters[0].name
    'culture'
    """
    if name not in names() and name not in INTERNAL:
        raise NotFoundError(f"there is no query {name}; expected one of {', '.join(names())}, or a .cypher file")
    return parse(name, _folder().joinpath(f"{name}.cypher").read_text(encoding="utf-8"))


def _folder() -> Any:
    return files("calcigraph.queries")


def fetch(graph: Reader, query: Query, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a query as the graph gives them, in the declared order."""
    log.debug("query %s: %s", query.name, query.text)
    rows = graph.read(query.text, **values)
    return sorted(rows, key=lambda row: [row[name] for name in query.order]) if query.order else rows


def require_culture(graph: Reader, culture: str) -> None:
    """Raise NotFoundError, naming what there is, unless `culture` is complete."""
    text = "MATCH (c:Culture) WHERE c.uid = $culture RETURN c.complete AS complete"
    found = graph.read(text, culture=culture)
    if found and found[0]["complete"]:
        return
    if found:
        raise NotFoundError(
            f"culture {culture} is not complete; repeat its ingest to finish it (`calcigraph status` tells more)"
        )
    raise unknown_culture(graph, culture)


def unknown_culture(graph: Reader, culture: str) -> NotFoundError:
    """The error for a name that no culture has, with those there are."""
    there = [row["culture"] for row in graph.read(load("cultures").text)]
    return NotFoundError(f"there is no culture {culture}; {_listed(there, culture)}")


def _listed(cultures: Sequence[str], culture: str) -> str:
    if not cultures:
        return "the workspace has none yet: run `calcigraph ingest MOVIE --culture NAME`"
    if len(cultures) > 8 and (similar := difflib.get_close_matches(culture, cultures, n=1)):
        return f"did you mean {similar[0]}? `calcigraph query cultures` lists all"
    if len(cultures) > 8:
        return f"there are {len(cultures)} others: `calcigraph query cultures` lists them"
    return f"there is {', '.join(cultures)}"
