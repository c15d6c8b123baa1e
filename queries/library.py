"""Named queries: one question, one .cypher file, one DataFrame.

The // comments at the head of a text declare what it takes and gives:

    // One line that says what is asked.
    // parameter culture: string
    // parameter threshold: float = 3.5   what it means, after at least two blanks
    // column label: int
    // order label
    // shown label, k

Types are string, int, float, bool, list, map and any. A parameter without a default is required. A default is JSON, or
a word for a string. `order` names the columns that the rows are sorted by. That happens in Python, because the embedded
engine sorts whole nodes, traces included, in a small heap. `shown` names the columns that a table on the screen has
where all of them would not fit.
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

from calcigraph.errors import InputError, MissingParameterError, NotFoundError, spelt

log = logging.getLogger(__name__)

TYPES = ("string", "int", "float", "bool", "list", "map", "any")
INTERNAL = frozenset({"comparison", "curves", "fired", "firing", "fitted", "foreseen", "links"})
"""Queries of other functions, which are not offered to users."""

_DECLARATION = re.compile(r"(parameter|column)\s+(\w+)\s*:\s*(\w+)(?:\s*=\s*(.*?))?(?:\s{2,}(.*))?$")
_REQUIRED: Any = object()
"""Default of a parameter that has none: None can be a default itself."""
MOST_LISTED = 8
"""Cultures that an error message names; of more it gives the number."""


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
    """A Cypher text and what its header says of it; made by `load` or `parse`."""

    name: str
    description: str
    """The first line of the header: what is asked."""
    parameters: tuple[Declared, ...]
    columns: tuple[Declared, ...]
    order: tuple[str, ...]
    """The columns that the rows are sorted by."""
    text: str
    """The whole Cypher text, header included."""
    shown: tuple[str, ...] = ()
    """The columns of a table that fits the screen; none where all do."""

    def bind(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all parameters: those given, checked, and the defaults of the others.

        Raises InputError for a parameter that is missing, unknown or of another type.

        >>> load("anomalies").bind({"culture": "A"})
        {'culture': 'A', 'model': 'robust', 'threshold': 3.5}
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        unknown = sorted(set(given) - set(known))
        if unknown:
            takes = ", ".join(known) or "no parameters"
            raise InputError(f"query {self.name} has no parameter {unknown[0]}; it takes {takes}")
        values = {}
        for name, parameter in known.items():
            if name not in given and parameter.required:
                raise MissingParameterError(name, f"query {self.name} needs the parameter {name} ({parameter.type})")
            values[name] = checked(parameter, given[name]) if name in given else parameter.default
        return values


def checked(parameter: Declared, value: Any) -> Any:
    """The value as its declared type: an int passes as a float, and null only where it is the default.

    Raises InputError for a value of another type.

    >>> checked(Declared("threshold", "float"), 3)
    3.0
    """
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
    boolean = isinstance(value, bool) and parameter.type in ("int", "float")  # to Python, True is an integer
    if boolean or not isinstance(value, wanted):
        raise InputError(f"parameter {parameter.name} must be of type {parameter.type}, not {value!r}")
    casts = {"int": int, "float": float, "list": list, "map": dict}
    return casts[parameter.type](value) if parameter.type in casts else value


def parse_value(parameter: Declared, text: str) -> Any:
    """A value that was written as text, in its declared type: a string is taken as it stands, all others as JSON.

    Raises InputError for a text that is not of the type.

    >>> parse_value(Declared("cultures", "list"), '["A", "B"]'), parse_value(Declared("culture", "string"), "101")
    (['A', 'B'], '101')
    """
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
    """Read the header of a Cypher text.

    Parameters
    ----------
    name
        What error messages call the query.
    text
        Cypher; its first lines may be // comments that declare parameters, columns and their order.

    Raises
    ------
    InputError
        A declaration has an unknown type, or a default of another type.

    Examples
    --------
    >>> query = parse("mine", "// All cells.\\n// parameter label: int = 3\\nMATCH (c:Cell {label: $label}) RETURN c")
    >>> query.description, query.parameters[0].default
    ('All cells.', 3)
    """
    found: dict[str, list[Declared]] = {"parameter": [], "column": []}
    description = ""
    listed: dict[str, tuple[str, ...]] = {"order": (), "shown": ()}
    for line in _header(text):
        match = _DECLARATION.match(line)
        if match:
            found[match[1]].append(_declared(name, *match.groups()[1:]))
        elif line.startswith(("order ", "shown ")):
            kind, _, columns = line.partition(" ")
            listed[kind] += tuple(part.strip() for part in columns.strip(" ,").split(","))
        elif not description:
            description = line
    return Query(
        name=name,
        description=description,
        parameters=tuple(found["parameter"]),
        columns=tuple(found["column"]),
        order=listed["order"],
        text=text,
        shown=listed["shown"],
    )


def _header(text: str) -> Iterable[str]:
    """The // comments at the head of a text, without the slashes."""
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
    """The names of all queries, sorted.

    >>> names()[:4]
    ('anomalies', 'cells', 'contacts', 'crossings')
    """
    stems = (item.name.removesuffix(".cypher") for item in _folder().iterdir() if item.name.endswith(".cypher"))
    return tuple(sorted(stem for stem in stems if stem not in INTERNAL))


@cache
def load(name: str) -> Query:
    """The named query. Raises NotFoundError, which lists the names there are.

    >>> load("cells").parameters[0].name
    'culture'
    """
    if name not in names() and name not in INTERNAL:
        raise NotFoundError(f"there is no query {name}; expected one of {', '.join(names())}, or a .cypher file")
    return parse(name, _folder().joinpath(f"{name}.cypher").read_text(encoding="utf-8"))


def _folder() -> Any:
    return files("calcigraph.queries")


def fetch(graph: Reader, query: Query, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a query as the graph gives them, sorted as the query declares; `values` are those of `bind`."""
    log.debug("query %s: %s", query.name, query.text)
    rows = graph.read(query.text, **values)
    return sorted(rows, key=lambda row: [row[name] for name in query.order]) if query.order else rows


def require_culture(graph: Reader, culture: str) -> None:
    """Raise NotFoundError, which tells what there is instead, unless `culture` is there and complete."""
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
    """The error for a name that no culture has; it tells which cultures there are."""
    there = [row["culture"] for row in graph.read(load("cultures").text)]
    return NotFoundError(f"there is no culture {spelt(culture)}; {_listed(there, culture)}")


def _listed(cultures: Sequence[str], culture: str) -> str:
    if not cultures:
        return "the workspace has none yet: run `calcigraph ingest MOVIE --culture NAME`"
    if len(cultures) <= MOST_LISTED:
        return f"there is {spelt(*cultures)}"
    similar = difflib.get_close_matches(culture, cultures, n=1)
    if similar:
        return f"did you mean {spelt(similar[0])}? `calcigraph query cultures` lists all"
    return f"there are {len(cultures)} others: `calcigraph query cultures` lists them"
