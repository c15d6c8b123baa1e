"""Expressions that the embedded engine answers wrongly, without an error: counts and the like beside logic.

It takes `min(x) > 0 AND max(x) < 1` for one value a row, null, where it is one for all rows. So it is with AND, OR,
XOR, NOT, IN, IS, STARTS WITH, ENDS WITH, CONTAINS and =~ around an aggregate. Sums, comparisons and
functions are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calcigraph.queries.policy import Token, depths_of, tokens_of, words_of

AGGREGATES = words_of("avg collect count max min percentilecont percentiledisc stdev stdevp sum")
_QUANTIFIERS = words_of("any all none single reduce")
_LOGIC = words_of("AND OR XOR NOT IN IS STARTS ENDS CONTAINS")
_ENDS = words_of("ORDER SKIP OFFSET LIMIT WHERE MATCH OPTIONAL UNWIND CALL UNION RETURN WITH")


def mixed_aggregate(text: str) -> str | None:
    """The first such expression of a query; None where there is none.

    >>> mixed_aggregate("MATCH (c) RETURN c.border IS NULL AS b, count(*) > 3 AS many")
    >>> mixed_aggregate("MATCH (c) RETURN min(c.x) > 0 AND max(c.x) < 9 AS inside")
    'min(c.x) > 0 AND max(c.x) < 9 AS inside'
    """
    for item in _items(tokens_of(text)):
        if _is_mixed(item):
            return text[item[0].place : item[-1].place + len(item[-1].text)]
    return None


def _items(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """What each RETURN and WITH gives, item by item."""
    depths = depths_of(tokens)
    for start, token in enumerate(tokens):
        if token.word not in ("RETURN", "WITH") or _is_comparison(tokens, start):
            continue
        first = start + 1
        for place in range(start + 1, len(tokens) + 1):
            ended = place == len(tokens) or depths[place] < depths[start]
            level = not ended and depths[place] == depths[start]
            word = tokens[place].word if level else ""
            ended = ended or (word in _ENDS and not _is_comparison(tokens, place))
            if ended or (level and tokens[place].text == ","):
                if place > first:
                    yield tokens[first:place]
                first = place + 1
            if ended:
                break


def _is_comparison(tokens: Sequence[Token], place: int) -> bool:
    """Whether a WITH is that of STARTS WITH or ENDS WITH."""
    before = [token.word for token in tokens[max(0, place - 2) : place]]
    return before[-1:] in (["STARTS"], ["ENDS"]) and before[0] != "AS"


def _is_mixed(item: Sequence[Token]) -> bool:
    aggregate = logic = False
    place = 0
    while place < len(item):
        token, before = item[place], item[place - 1] if place else None
        if _opens_own(item, place):
            end = _closing(item, place)
            inside = item[place:end]
            called = before is not None and before.name in AGGREGATES and token.text == "("
            aggregate |= called or any(_calls(inside, index) for index in range(len(inside)))
            place = end
            continue
        after = item[place + 1].text if place + 1 < len(item) else ""
        named = before is not None and (before.text in (".", ":", "$") or before.word == "AS")
        logic |= (token.word in _LOGIC and not named) or (token.text == "=" and after == "~")
        place += 1
    return aggregate and logic


def _opens_own(item: Sequence[Token], place: int) -> bool:
    """Whether a bracket opens what the engine sees to by itself: an aggregate, a predicate of a list, a subquery."""
    token, before = item[place], item[place - 1].name if place else ""
    if token.text == "(":
        return before in AGGREGATES | _QUANTIFIERS
    if token.text == "[":
        return place + 2 < len(item) and item[place + 2].word == "IN"
    return token.text == "{" and before in ("exists", "count", "collect")


def _calls(tokens: Sequence[Token], index: int) -> bool:
    return tokens[index].name in AGGREGATES and index + 1 < len(tokens) and tokens[index + 1].text == "("


def _closing(item: Sequence[Token], place: int) -> int:
    """Just after the bracket that closes the one at `place`."""
    depth = 0
    for index in range(place, len(item)):
        depth += (item[index].text in ("(", "[", "{")) - (item[index].text in (")", "]", "}"))
        if depth == 0:
            return index + 1
    return len(item)
