"""Hints for names in a user's Cypher that the graph does not have: a misspelt name gives no rows and no error.

What docs/graph.md describes is known without a look into the graph. Other names are looked up there. Where a text
leaves open what a name belongs to, nothing is said.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from calcigraph.errors import CalcigraphError
from calcigraph.queries.policy import Token, tokens_of
from calcigraph.store import described

LOOKING_S = 5.0
"""Longest time to look in the graph for one name."""
_PAIRS = {")": "(", "]": "[", "}": "{"}


class Looking(Protocol):
    """What is needed of the graph."""

    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        """See Graph.read_only."""


@dataclass
class Named:
    """The names in a text: in the order in which they stand."""

    labels: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    properties: list[tuple[frozenset[str], bool, str]] = field(default_factory=list)
    """Labels or types of what has the property (none: any node or relationship), whether it is a relationship, name."""


def hints(graph: Looking, text: str) -> list[str]:
    """One line for every label, type and property in the text that nothing in the graph has.

    Parameters
    ----------
    graph
        Where names are looked up that docs/graph.md does not describe.
    text
        Cypher, which the engine has run.
    """
    named = names_in(text)
    found = [_unknown(graph, "node", "label", name, described.labels(), _LABELS) for name in named.labels]
    found += [_unknown(graph, "relationship", "type", name, described.types(), _TYPES) for name in named.types]
    found += [_property(graph, *each) for each in named.properties]
    return list(dict.fromkeys(line for line in found if line))


_LABELS = "CALL db.labels() YIELD label RETURN label"
_TYPES = "CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType"
_PARAMETERS = "MATCH (r:FitRun) UNWIND r.parameters AS name RETURN DISTINCT r.model AS model, name"


def _unknown(graph: Looking, what: str, kind: str, name: str, known: frozenset[str], listing: str) -> str:
    """The hint for a label or a type; "" where it is known."""
    if name in known:
        return ""
    there = _rows(graph, listing)
    if there is None or any(row[0] == name for row in there):
        return ""
    return f"no {what} has the {kind} {name}{_meant(name, known | {str(row[0]) for row in there})}"


def _property(graph: Looking, owners: frozenset[str], relationship: bool, name: str) -> str:
    """The hint for a property; "" where it is known."""
    tables = [each for each in described.tables() if each.relationship == relationship]
    if owners:
        tables = [each for each in tables if each.name in owners]
        if {each.name for each in tables} != set(owners):
            return ""  # a label of somebody else, or a hint of its own
    exact = {each for table in tables for line in table.lines for each in line.names if "<" not in each}
    if name in exact:
        return ""
    quoted = f"`{name.replace('`', '``')}`"
    for owner in sorted(owners) or [""]:
        of = f":{owner}" if owner else ""
        pattern = f"()-[n{of}]->()" if relationship else f"(n{of})"
        rows = _rows(graph, f"MATCH {pattern} WHERE n.{quoted} IS NOT NULL RETURN 1 AS one LIMIT 1")
        if rows is None or rows:
            return ""
    who = " or ".join(sorted(owners)) or ("relationship" if relationship else "node")
    elsewhere = [each.name for each in described.tables() if each.name not in owners and name in _names(each)]
    if owners and elsewhere:
        return f"no {who} has the property {name}; {' and '.join(elsewhere)} {'has' if len(elsewhere) == 1 else 'have'}"
    return f"no {who} has the property {name}{_meant(name, exact | _fitted(graph, tables))}"


def _names(table: described.Table) -> set[str]:
    return {name for line in table.lines for name in line.names}


def _fitted(graph: Looking, tables: Iterable[described.Table]) -> set[str]:
    """The properties that fits gave to cells, or to their relationships."""
    of = {table.name for table in tables}
    rows = (_rows(graph, _PARAMETERS) or []) if of & {"Cell", "FITTED"} else []
    return {f"{model}_{name}" for model, name in rows if "Cell" in of} | {name for _, name in rows if "FITTED" in of}


def _meant(name: str, known: Iterable[str]) -> str:
    """What a misspelt name may have meant."""
    folded = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.7)
    return f"; did you mean {folded[close[0]]}?" if close else ""


def _rows(graph: Looking, text: str) -> list[list[Any]] | None:
    """The rows; None where the graph gives no answer."""
    try:
        return graph.read_only(text, {}, LOOKING_S, 10_000)[1]
    except CalcigraphError:
        return None


def names_in(text: str) -> Named:
    """The labels, types and properties that a text names.

    Examples
    --------
    >>> found = names_in("MATCH (c:Cel {label: 3})-[x:ADJACENT]-(n) WHERE n.area > 3 RETURN x.weight, {a: 1}.a")
    >>> found.labels, found.types
    (['Cel'], ['ADJACENT'])
    >>> [(sorted(owners), relationship, name) for owners, relationship, name in found.properties]
    [(['Cel'], False, 'label'), ([], False, 'area'), (['ADJACENT'], True, 'weight')]
    """
    tokens = tokens_of(text)
    inside = _brackets(tokens)
    found = Named()
    owners: dict[str, tuple[frozenset[str], bool]] = {}
    for place, opened in enumerate(inside):
        if tokens[place].text == ":" and opened is not None and tokens[opened].text == "{":
            continue
        if tokens[place].text == ":":
            relationship = opened is not None and tokens[opened].text == "[" and place - opened <= 2
            names = list(_alternatives(tokens, place))
            (found.types if relationship else found.labels).extend(names)
            if opened is not None and place - opened == 2:
                before = owners.get(tokens[opened + 1].text, (frozenset(), relationship))[0]
                owners[tokens[opened + 1].text] = (before | set(names), relationship)
        elif _is_bare_node(tokens, place):
            owners.setdefault(tokens[place + 1].text, (frozenset(), False))
    for name in _rebound(tokens):
        owners.pop(name, None)
    found.properties = list(_properties(tokens, inside, owners))
    return found


def _brackets(tokens: Sequence[Token]) -> list[int | None]:
    """For each token, where the innermost bracket around it opens."""
    stack: list[int] = []
    found: list[int | None] = []
    for place, token in enumerate(tokens):
        if token.kind == "sign" and token.text in _PAIRS and stack:
            stack.pop()
        found.append(stack[-1] if stack else None)
        if token.kind == "sign" and token.text in "([{":
            stack.append(place)
    return found


def _alternatives(tokens: Sequence[Token], colon: int) -> Iterator[str]:
    """The names after a colon: :A, :A|B, :A&B."""
    place = colon + 1
    while place < len(tokens):
        token = tokens[place]
        if token.kind in ("word", "quoted"):
            yield token.text[1:-1].replace("``", "`") if token.kind == "quoted" else token.text
            if place + 1 >= len(tokens) or tokens[place + 1].text not in ("|", "&"):
                return
        elif token.text not in ("|", "&", ":"):
            return
        place += 1


def _is_bare_node(tokens: Sequence[Token], place: int) -> bool:
    """Whether a node pattern without a label begins here, such as (n)-- or MATCH (n)."""
    if place + 2 >= len(tokens) or tokens[place].text != "(" or tokens[place + 2].text != ")":
        return False
    before = tokens[place - 1] if place else None
    linked = place + 3 < len(tokens) and tokens[place + 3].text in ("-", "<")
    linked |= before is not None and (before.text in ("-", ">") or before.word == "MATCH")
    return tokens[place + 1].kind == "word" and linked


def _rebound(tokens: Sequence[Token]) -> Iterator[str]:
    """Variables that a text gives a second meaning: AS name, name IN list."""
    for place, token in enumerate(tokens):
        if place and tokens[place - 1].word == "AS":
            yield token.text
        if place + 1 < len(tokens) and tokens[place + 1].word == "IN" and place and tokens[place - 1].text in "[(":
            yield token.text


def _properties(
    tokens: Sequence[Token], inside: Sequence[int | None], owners: Mapping[str, tuple[frozenset[str], bool]]
) -> Iterator[tuple[frozenset[str], bool, str]]:
    """Properties after a variable's dot, and keys of the map in a pattern."""
    for place in range(len(tokens) - 1):
        token, following, opened = tokens[place], tokens[place + 1], inside[place]
        if following.text == "." and token.text in owners and place + 2 < len(tokens):
            if (not place or tokens[place - 1].text != ".") and tokens[place + 2].kind in ("word", "quoted"):
                yield (*owners[token.text], tokens[place + 2].text.strip("`"))
        elif following.text == ":" and opened is not None and tokens[opened].text == "{" and token.name:
            pattern = inside[opened]
            key = tokens[place - 1].text in ("{", ",")
            if key and pattern is not None and tokens[pattern].text in "([" and opened - pattern <= 4:
                labelled = [index for index in range(pattern, opened) if tokens[index].text == ":"]
                if labelled and labelled[0] - pattern <= 2:
                    of = frozenset(_alternatives(tokens, labelled[0]))
                    yield of, tokens[pattern].text == "[", token.text.strip("`")
