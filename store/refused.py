"""What an engine says against a Cypher text, as one plain line with the place in the text marked.

Neo4j and the embedded engine name a place differently, and both list what their parsers could have taken there.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

KEYWORDS = (
    "MATCH", "OPTIONAL", "WHERE", "RETURN", "WITH", "UNWIND", "ORDER", "BY", "LIMIT", "SKIP", "DISTINCT", "UNION",
    "CALL", "AS", "AND", "OR", "NOT", "IN", "STARTS", "ENDS", "CONTAINS", "CASE", "WHEN", "THEN", "ELSE", "END",
    "EXISTS", "COUNT", "COLLECT", "DESC", "ASC", "YIELD", "NULL",
)  # fmt: skip
AROUND = 30
"""Characters that are shown on each side of the place."""
LONGEST = 300
"""Characters that are shown of what a server says, where it names no place."""
_EXPLAIN = "EXPLAIN "
_PLACES = (
    re.compile(r"\(line (?P<line>\d+), column (?P<column>\d+)"),  # Neo4j, from 1
    re.compile(r"at line (?P<line>\d+):(?P<column>\d+)"),  # the embedded engine, columns from 0
    re.compile(r"at line (?P<line>\d+), column (?P<column>\d+)"),
)
_WORD = re.compile(r"\w+|[^\w\s]")
_UNDEFINED = re.compile(r"[Vv]ariable [`'](?P<name>[^`']+)[`'] not defined")
_MISSING = re.compile(r"missing (?P<what>'?[\w()\[\]{}]+'?) at")
_EXPECTED = re.compile(r"expected:? (?P<what>(?:an?|the) [a-z ]+?)(?:\s*\(line|$)")


@dataclass(frozen=True)
class Place:
    """Where in a text: both from 0."""

    line: int
    column: int


def refusal(message: str, text: str, explained: bool = False) -> str:
    """Why a query cannot be run, in one line.

    Parameters
    ----------
    message
        What the engine says.
    text
        The query.
    explained
        Whether the engine was given the text behind EXPLAIN, so that its columns of the first line are too large.

    Examples
    --------
    >>> refusal("Unexpected input 'RETRUN' at line 1, column 15", "MATCH (c:Cell) RETRUN c")
    'the query was refused at RETRUN (line 1): MATCH (c:Cell) >>RETRUN<< c; did you mean RETURN?'
    >>> refusal("Syntax error at line 1:30 - missing BY at 'c'", "MATCH (c:Cell) RETURN c ORDER c.label")
    'the query was refused at c (line 1): MATCH (c:Cell) RETURN c ORDER >>c<<.label; BY is missing before it'
    """
    undefined = _UNDEFINED.search(message)
    if undefined:
        return _of_undefined(undefined["name"], text)
    place = _place(message, text, explained)
    if place is None:
        return f"the query was refused: {_first(message)}"
    line = text.split("\n")[place.line]
    before, rest = line[: place.column], line[place.column :]
    word = _WORD.match(rest)
    if not rest.strip() or word is None:
        return f"the query was refused: it ends too early, after {_shown(text.rstrip()[-AROUND:])}"
    shown = f"{_cut(before)}>>{word[0]}<<{_cut(rest[len(word[0]) :], end=True)}"
    return f"the query was refused at {word[0]} (line {place.line + 1}): {_shown(shown)}; {_why(message, word[0])}"


def _of_undefined(name: str, text: str) -> str:
    found = re.search(rf"(?<![\w.:$]){re.escape(name)}(?!\w)", text)
    line = f" (line {text[: found.start()].count(chr(10)) + 1})" if found else ""
    return f"the query was refused at {name}{line}: nothing is called {name} there; MATCH, WITH and UNWIND give names"


def _place(message: str, text: str, explained: bool) -> Place | None:
    """Where the engine found the fault; None where it does not say, or names a place that is not there."""
    lines = text.split("\n")
    for kind, pattern in enumerate(_PLACES):
        found = pattern.search(message)
        if found is None:
            continue
        line, column = int(found["line"]) - 1, int(found["column"]) - (kind == 0)
        column -= len(_EXPLAIN) if explained and line == 0 else 0
        return Place(line, column) if line < len(lines) and 0 <= column <= len(lines[line]) else None
    return None


def _why(message: str, word: str) -> str:
    """What is wrong there."""
    missing = _MISSING.search(message)
    if missing:
        return f"{missing['what'].strip(chr(39))} is missing before it"
    if word.upper() not in KEYWORDS:
        close = difflib.get_close_matches(word.upper(), KEYWORDS, n=1, cutoff=0.75)
        if close:
            return f"did you mean {close[0]}?"
    expected = _EXPECTED.search(message)
    if expected:
        return f"there should be {expected['what']}"
    return "it cannot stand there: look for a bracket, a comma or a word that is missing before it"


def _first(message: str) -> str:
    """The first sentence of a message, without the names of the engine's own classes and without its quotation."""
    text = re.sub(r"\b(?:[a-z]\w*\.)+[A-Z]\w*(?:Exception|Error)?: ", "", message)
    text = re.sub(r"\s*\(line \d+, column \d+.*$", "", text.removeprefix("Query failed: "))
    return " ".join(text.split())[:LONGEST]


def _cut(text: str, end: bool = False) -> str:
    if len(text) <= AROUND:
        return text
    return f"{text[:AROUND]}..." if end else f"...{text[-AROUND:]}"


def _shown(text: str) -> str:
    return " ".join(text.split())


UNSAID = "The request failed. Check the server log"
"""What the embedded engine says of failures that it does not explain, such as rows that others deleted meanwhile."""


def code_of(error: Exception) -> str:
    """The server's code, such as "Neo.ClientError.Statement.SyntaxError"; empty for the driver's own errors."""
    return str(getattr(error, "code", "") or "")


def message_of(error: Exception, longest: int | None = LONGEST) -> str:
    """What the server says, in one line, cut to so many characters."""
    text = str(getattr(error, "message", None) or error)
    return " ".join(text.split())[:longest]


def slow(timeout_s: float) -> str:
    """What is said of a query that took too long."""
    return f"the query ran for more than {timeout_s:g} s and was ended; ask for less, or add a LIMIT"
