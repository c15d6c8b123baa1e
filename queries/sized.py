"""How large a user's query may be: what is larger takes an engine endless time before its time limit counts.

Engines plan a query before they run it. On a Neo4j, 500 nested brackets, 50 relationships in a row or 500 UNIONs are
planned for more than half a minute, and a server goes on with that when nobody waits for it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from calcigraph.errors import InputError

LONGEST = 100_000
"""Characters."""
DEEPEST, DEEPEST_BRACES = 50, 10
"""Brackets inside one another; { } of subqueries and maps."""
MOST_STEPS = 30
"""Relationships in patterns."""
MOST_UNIONS = 50
LONGEST_RUN = 50
"""Of the same word or sign, as in NOT NOT NOT."""


class _Piece(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def word(self) -> str: ...


def check_length(text: str) -> None:
    """Raise InputError for a text that is too long to be looked at."""
    if len(text) > LONGEST:
        raise InputError(
            f"the query has {len(text)} characters, and at most {LONGEST} are taken: give a long list as a parameter"
        )


def check_size(tokens: Sequence[_Piece]) -> None:
    """Raise InputError for a query that no engine can plan in good time.

    Parameters
    ----------
    tokens
        Pieces of Cypher, with the keyword that each could be.
    """
    depth = braces = steps = unions = run = 0
    before = ""
    for token in tokens:
        text = token.text
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        braces += (text == "{") - (text == "}")
        steps += before == ")" and text in ("-", "<")
        unions += token.word == "UNION"
        run = run + 1 if text == before and text not in ("(", "[", "{", ")", "]", "}") else 1
        before = text
        for number, most, what in (
            (depth, DEEPEST, "brackets inside one another"),
            (braces, DEEPEST_BRACES, "{ } inside one another"),
            (steps, MOST_STEPS, "relationships in its patterns"),
            (unions, MOST_UNIONS, "UNIONs"),
            (run, LONGEST_RUN, f"times {text[:20]} in a row"),
        ):
            if number > most:
                raise InputError(f"the query has more than {most} {what}: ask in several queries")
