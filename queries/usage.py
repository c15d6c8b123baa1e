"""What a Cypher text compares its parameters with: so that 20240315 stays a name where names are compared.

A value on the command line is a text. Whether `20240315`, `true` or `1e3` is meant as such or as a number or a truth
value, only the property tells that it is compared with: `{uid: $name}`, `k.uid IN $names`, `toLower(k.uid) = $name`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from calcigraph.queries.policy import Token, tokens_of

TEXT, NUMBER = "text", "number"

TEXT_FUNCTIONS = frozenset(
    {"tolower", "toupper", "lower", "upper", "trim", "ltrim", "rtrim", "btrim", "replace", "split", "substring"}
    | {
        "left",
        "right",
        "tostring",
        "tostringornull",
        "type",
        "labels",
        "keys",
        "elementid",
        "normalize",
        "datetime",
        "date",
        "duration",
    }
)
"""Functions whose arguments or results are text."""
NUMBER_FUNCTIONS = frozenset({"count", "size", "length", "abs", "round", "sum", "avg", "tointeger", "tofloat"})
"""Functions whose results are numbers."""
PASSING = frozenset({"coalesce", "collect", "head", "last", "min", "max", "distinct", ""})
"""Functions, and plain brackets, whose results are of the kind of their arguments."""
_OPEN, _CLOSE = {"(": ")", "[": "]", "{": "}"}, {")": "(", "]": "[", "}": "{"}
_SIGNS = frozenset({"=", "<", ">", "~"})


@dataclass(frozen=True)
class Use:
    """One place where a parameter is used."""

    kind: str | None = None
    """TEXT or NUMBER where the place itself tells; None where the property does."""
    property: str | None = None
    """The property that it is compared with."""
    element: bool = False
    """Whether that holds for each element of a list."""


def uses_of(text: str, parameter: str) -> set[Use]:
    """How a text uses a parameter.

    Examples
    --------
    >>> uses_of("MATCH (k:Culture {uid: $name}) RETURN k", "name")
    {Use(kind=None, property='uid', element=False)}
    >>> uses_of("MATCH (k:Culture) WHERE k.uid IN $names RETURN k", "names")
    {Use(kind=None, property='uid', element=True)}
    >>> uses_of("UNWIND range(1, $n) AS x RETURN x", "n")
    set()
    """
    tokens = tokens_of(text)
    found: set[Use] = set()
    followed: set[tuple[str, bool]] = set()
    places = [(index, index + 2, False) for index in _places(tokens, parameter)]
    while places:
        first, end, element = places.pop()
        found |= {Use(each.kind, each.property, each.element or element) for each in _at(tokens, first, end)}
        for name, one in _aliases(tokens, first, end):
            if (name, element or one) not in followed:
                followed.add((name, element or one))
                places += [(at, at + 1, element or one) for at in _words(tokens, name)]
    return found


def _places(tokens: Sequence[Token], parameter: str) -> list[int]:
    return [
        index
        for index, token in enumerate(tokens[:-1])
        if token.text == "$" and tokens[index + 1].text.strip("`") == parameter
    ]


def _words(tokens: Sequence[Token], name: str) -> list[int]:
    """Where a variable stands: not as a property, a label, a key or what it is introduced by."""
    return [
        index
        for index, token in enumerate(tokens)
        if token.text == name
        and (_text(tokens, index - 1) not in (".", ":", "$") or _is_value(tokens, index))
        and _text(tokens, index + 1) not in (":", "(")
        and _word(tokens, index - 1) != "AS"
    ]


def _is_value(tokens: Sequence[Token], index: int) -> bool:
    """Whether it is the value of a key, as in {uid: name}."""
    return _text(tokens, index - 1) == ":" and _text(tokens, index - 3) in ("{", ",") and bool(tokens[index - 2].name)


def _aliases(tokens: Sequence[Token], first: int, end: int) -> Iterator[tuple[str, bool]]:
    """Variables that stand for the expression from `first` to `end`, and whether for one element of it."""
    if _word(tokens, end) == "AS" and end + 1 < len(tokens):
        yield tokens[end + 1].text, _word(tokens, first - 1) == "UNWIND"
    # [n IN $names | ...], any(n IN $names WHERE ...)
    if _word(tokens, first - 1) == "IN" and first > 2 and _text(tokens, first - 3) in ("[", "("):
        yield tokens[first - 2].text, True


def _at(tokens: Sequence[Token], first: int, end: int) -> Iterator[Use]:
    """What is told by the place of the expression from `first` to `end`."""
    while True:
        first, end, joined = _sum(tokens, first, end)
        if joined:
            yield Use(kind=TEXT)
        function = _text(tokens, first - 2) if _named_call(tokens, first - 1) else ""
        if function.lower() in TEXT_FUNCTIONS:
            yield Use(kind=TEXT)
        open_at, close_at = first - 1, end
        if _text(tokens, open_at) == "(" and _text(tokens, close_at) == ")" and function.lower() in PASSING:
            first, end = open_at - bool(function), close_at + 1
            continue
        break
    # {uid: $name}
    if _is_value(tokens, first):
        yield Use(property=_name(tokens[first - 2]))
    yield from _compared(tokens, first, end)


def _sum(tokens: Sequence[Token], first: int, end: int) -> tuple[int, int, bool]:
    """The whole of a chain of + that the expression is part of, and whether a text is in it."""
    joined = False
    while _text(tokens, first - 1) == "+" and first > 1:
        joined |= tokens[first - 2].kind == "string"
        first = _start(tokens, first - 2)
    while _text(tokens, end) == "+" and end + 1 < len(tokens):
        joined |= tokens[end + 1].kind == "string"
        end = _end(tokens, end + 1)
    return first, end, joined


def _compared(tokens: Sequence[Token], first: int, end: int) -> Iterator[Use]:
    before, after = _operator_before(tokens, first), _operator_after(tokens, end)
    if before is not None:
        sign, at = before
        if sign in ("CONTAINS", "STARTS", "ENDS", "~"):
            yield Use(kind=TEXT)
        elif at > 0:
            yield from _marked(_operand(tokens, _start(tokens, at - 1), at), sign == "IN")
    if after is not None:
        sign, at = after
        if sign in ("CONTAINS", "STARTS", "ENDS", "~"):
            yield Use(kind=TEXT)
        elif at < len(tokens):
            yield from _operand(tokens, at, _end(tokens, at))


def _marked(uses: Iterator[Use], element: bool) -> Iterator[Use]:
    return (Use(each.kind, each.property, element) for each in uses)


def _operator_before(tokens: Sequence[Token], first: int) -> tuple[str, int] | None:
    """The comparison that ends before `first`, and where it begins."""
    last = first - 1
    if _word(tokens, last) in ("IN", "CONTAINS"):
        return _word(tokens, last), last
    if _word(tokens, last) == "WITH" and _word(tokens, last - 1) in ("STARTS", "ENDS"):
        return _word(tokens, last - 1), last - 1
    start = first
    while start > 0 and tokens[start - 1].text in _SIGNS:
        start -= 1
    signs = "".join(token.text for token in tokens[start:first])
    return ("~" if "~" in signs else signs, start) if signs and signs != "~" else None


def _operator_after(tokens: Sequence[Token], end: int) -> tuple[str, int] | None:
    """The comparison that begins at `end`, and where what follows it begins."""
    if _word(tokens, end) in ("IN", "CONTAINS"):
        return _word(tokens, end), end + 1
    if _word(tokens, end) in ("STARTS", "ENDS") and _word(tokens, end + 1) == "WITH":
        return _word(tokens, end), end + 2
    last = end
    while last < len(tokens) and tokens[last].text in _SIGNS:
        last += 1
    signs = "".join(token.text for token in tokens[end:last])
    return ("~" if "~" in signs else signs, last) if signs else None


def _operand(tokens: Sequence[Token], first: int, end: int, depth: int = 0) -> Iterator[Use]:
    """What kind of value an operand is."""
    if first >= end or depth > 3:
        return
    last = tokens[end - 1]
    if last.kind == "string" and end - first == 1:
        yield Use(kind=TEXT)
    elif last.kind == "number" and end - first == 1:
        yield Use(kind=NUMBER)
    elif end - first > 2 and tokens[end - 2].text == "." and last.name:
        yield Use(property=_name(last))
    elif last.text == "]" and end - first > 3 and tokens[end - 2].kind == "string" and tokens[end - 3].text == "[":
        yield Use(property=tokens[end - 2].text[1:-1])
    elif last.text in (")", "]"):
        at = _partner(tokens, end - 1)
        function = _text(tokens, at - 1).lower() if at > first and last.text == ")" else ""
        if function in TEXT_FUNCTIONS:
            yield Use(kind=TEXT)
        elif function in NUMBER_FUNCTIONS:
            yield Use(kind=NUMBER)
        elif function in PASSING:
            for place in range(at + 1, end - 1):
                if tokens[place].text == "." and tokens[place + 1].name and tokens[place - 1].name:
                    yield Use(property=_name(tokens[place + 1]))
                elif tokens[place].kind == "string":
                    yield Use(kind=TEXT)
    elif end - first == 1 and last.name:
        # A variable: what it was made of, as in WITH k.uid AS name.
        for place in range(1, len(tokens) - 1):
            if _word(tokens, place) == "AS" and tokens[place + 1].text == last.text:
                yield from _operand(tokens, _start(tokens, place - 1), place, depth + 1)


def _start(tokens: Sequence[Token], last: int) -> int:
    """Where the operand that ends at `last` begins."""
    first = last
    while first > 0:
        if tokens[first].text in (")", "]"):
            first = _partner(tokens, first)
            # What stands before a bracket is a function, or what is indexed.
            if first > 0 and tokens[first - 1].name and (tokens[first].text == "[" or _named_call(tokens, first)):
                first -= 1
        if first > 1 and tokens[first - 1].text == ".":
            first -= 2
        elif tokens[first - 1].text == "$":
            return first - 1
        else:
            return first
    return first


def _end(tokens: Sequence[Token], first: int) -> int:
    """Where the operand that begins at `first` has ended."""
    end = first + 1 + (tokens[first].text == "$")
    if tokens[first].text in _OPEN:
        end = _closing(tokens, first) + 1
    while end < len(tokens):
        if tokens[end].text == ".":
            end += 2
        elif tokens[end].text in ("(", "[") and tokens[end - 1].name:
            end = _closing(tokens, end) + 1
        else:
            break
    return min(end, len(tokens))


def _partner(tokens: Sequence[Token], close: int) -> int:
    depth = 0
    for index in range(close, -1, -1):
        depth += (tokens[index].text in _CLOSE) - (tokens[index].text in _OPEN)
        if depth == 0:
            return index
    return 0


def _closing(tokens: Sequence[Token], start: int) -> int:
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index].text in _OPEN) - (tokens[index].text in _CLOSE)
        if depth == 0:
            return index
    return len(tokens) - 1


def _named_call(tokens: Sequence[Token], at: int) -> bool:
    """Whether the bracket there is that of a function."""
    keywords = ("WHERE", "AND", "OR", "XOR", "NOT", "IN", "RETURN", "WITH", "WHEN", "THEN", "ELSE", "BY", "UNWIND")
    return _text(tokens, at) == "(" and at > 0 and bool(tokens[at - 1].name) and tokens[at - 1].word not in keywords


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text if 0 <= index < len(tokens) else ""


def _word(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].word if 0 <= index < len(tokens) else ""


def _name(token: Token) -> str:
    return token.text[1:-1].replace("``", "`") if token.kind == "quoted" else token.text
