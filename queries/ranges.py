"""Lists of numbers that one expression makes: too long ones are refused, for no time limit ends them.

An engine looks at its time limit between rows, not inside an expression. [x IN range(1, 100000000) | x] fills the
memory of a Neo4j, which then answers nobody; reduce over range(1, 1000000000) keeps it busy for nobody. So does a
reduce that adds to itself what it has: 30 turns of reduce(s = [1], x IN l | s + s) make a thousand million numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from calcigraph.errors import InputError
from calcigraph.queries.policy import Token, depths_of, tokens_of

MOST_ITEMS = 1_000_000
"""Numbers of a range, times the turns of the loops around it."""
OPENING, CLOSING = frozenset("([{"), frozenset(")]}")
SIZES = frozenset({"size", "length"})
APART = frozenset({",", "|", ":", "=", "<", ">", "<=", ">=", "<>", "AND", "OR", "XOR", "WHEN", "THEN", "ELSE"})
"""Between what is not added to one another."""


def check_ranges(text: str, values: Mapping[str, Any]) -> None:
    """Raise InputError for a range inside an expression that no engine can make in good time, or a reduce that doubles.

    A range counts as often as the loops around it turn: list comprehensions, reduce, any, all, none and single.
    UNWIND range(...) gives one number after the other until the time limit, so it is free. What only the data tell,
    as in range(0, size(c.intensity) - 1), is taken for small.

    Parameters
    ----------
    text
        Cypher.
    values
        The values of its $parameters.

    Examples
    --------
    >>> check_ranges("UNWIND range(1, 5000000) AS x RETURN sum(x) AS s", {})
    >>> try:
    ...     check_ranges("RETURN [x IN range(1, 5000000) | x] AS l", {})
    ... except InputError as error:
    ...     print(str(error)[:56])
    the query makes a list of more than 1,000,000 numbers, w
    """
    tokens = tokens_of(text)
    given = [abs(value) for value in values.values() if isinstance(value, int)]
    largest = max([*given, *map(_number, tokens)], default=0)
    turns = [1]  # of the loops in each open bracket
    for index, token in enumerate(tokens):
        if token.text in OPENING:
            turns.append(1)
        elif token.text in CLOSING:
            turns = turns[:-1] or [1]
        elif token.name == "reduce":
            _check_doubling(tokens[index + 1 :])
        elif token.name == "range" and not (index and tokens[index - 1].word == "UNWIND"):
            items = sum(_most(bound, largest) for bound in _bounds(tokens[index + 1 :]))
            if prod(turns) * items > MOST_ITEMS:
                raise InputError(
                    f"the query makes a list of more than {MOST_ITEMS:,} numbers, which no time limit would end: "
                    "UNWIND the range, or take a shorter one"
                )
            turns[-1] *= max(items, 1)


def _check_doubling(tokens: Sequence[Token]) -> None:
    """Raise InputError where the reduce whose bracket begins here adds what it has to itself, at too many turns."""
    parts: list[list[Token]] = [[]]  # the name of what it has and the list, then what a turn makes of it
    for token, depth in zip(tokens, depths_of(tokens), strict=True):
        if depth < 1 and token.text != "(":
            break
        if token.text == "|" and depth == 1:
            parts.append([])
        elif depth:
            parts[-1].append(token)
    if len(parts) != 2 or not parts[0]:
        return
    (held, *source), made = parts
    before = next((index for index, token in enumerate(source) if token.word == "IN"), len(source)) + 1
    bounds = _bounds(source[before + 1 :]) if [token.name for token in source[before : before + 1]] == ["range"] else []
    few = bool(bounds) and all(len(bound) == 1 and bound[0].kind == "number" for bound in bounds)
    if few and 2 ** min(sum(_number(bound[0]) for bound in bounds), 99) <= MOST_ITEMS:
        return
    if _adds_itself(made, held.name):
        raise InputError(
            f"the query's reduce adds {held.text} to itself at every turn, which no time limit would end: name it once"
        )


def _adds_itself(made: Sequence[Token], name: str) -> bool:
    """Whether an expression adds what has this name to itself; its elements and its keys may be added."""
    last: int | None = None
    for index, token in enumerate(made):
        before, after = (made[place].text if 0 <= place < len(made) else "" for place in (index - 1, index + 1))
        if token.name != name or before == "." or after in (".", "[", ":"):
            continue
        if last is not None:
            between = made[last + 1 : index]
            depths = depths_of(between)
            apart = any(
                (each.word or each.text) in APART and depth <= 0 for each, depth in zip(between, depths, strict=True)
            )
            if not apart and any(each.text == "+" for each in between):
                return True
        last = index
    return False


def _number(token: Token) -> int:
    """The number that a token is, without what follows its point; 0 for another."""
    if token.kind != "number":
        return 0
    text = token.text.replace("_", "").lower()
    return int(text, 0) if text[:2] in ("0x", "0o") else int(min(float(text), 1e300))


def _bounds(tokens: Sequence[Token]) -> list[list[Token]]:
    """The first and the last of the numbers of a range whose bracket begins here; a step is left out."""
    bounds: list[list[Token]] = [[]]
    for token, depth in zip(tokens, depths_of(tokens), strict=True):
        if depth < 1 and token.text != "(":
            break
        if token.text == "," and depth == 1:
            bounds.append([])
        elif depth:
            bounds[-1].append(token)
    return bounds[:2]


def _most(bound: Sequence[Token], largest: int) -> int:
    """The most that a bound can be: its numbers multiplied; a name may be that of the largest number of the query."""
    factors: list[int] = []
    in_size = 0  # brackets open since size( or length(: what stands in them is a list
    for index, token in enumerate(bound):
        before, after = (bound[place].text if 0 <= place < len(bound) else "" for place in (index - 1, index + 1))
        if in_size or (token.text in OPENING and index and bound[index - 1].name in SIZES):
            in_size += (token.text in OPENING) - (token.text in CLOSING)
        elif token.text == "^":
            factors.append(MOST_ITEMS)
        elif token.kind == "number":
            factors.append(_number(token))
        elif token.name and before != "." and after not in ("(", "."):
            factors.append(largest)
    return prod(max(factor, 1) for factor in factors) if any(factors) else 0
