"""What a user's Cypher may say: reading clauses, and functions and procedures on an allow-list.

The text is cut into tokens as the engines cut it. Some texts could be cut in another way by an engine: those with a
lone carriage return, with unicode escapes outside strings, or with escapes that Cypher does not know. They are refused.
Otherwise a writing word could stand in what is a string here, and a clause there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from calcigraph.errors import InputError, ReadOnlyError
from calcigraph.queries.sized import check_length, check_size
from calcigraph.store.cypher import RIGHTS, UPDATING


def words_of(text: str) -> frozenset[str]:
    """The words of a text.

    >>> sorted(words_of("NOT IN"))
    ['IN', 'NOT']
    """
    return frozenset(text.split())


STARTS = frozenset({"MATCH", "OPTIONAL", "UNWIND", "WITH", "RETURN", "CALL"})
"""Words that a query may begin with."""
WRITES = UPDATING | words_of("DETACH NODETACH TRUNCATE LOAD USE TRANSACTIONS")
"""Words that a query may have nowhere: they write, read files or reach other databases."""
OTHER_STARTS = RIGHTS | words_of(
    "EXPLAIN PROFILE CYPHER SHOW TERMINATE START STOP RENAME ENABLE DISABLE DEALLOCATE REALLOCATE BACKUP RESTORE "
    "IMPORT EXPORT SELECT UPDATE BEGIN COMMIT ROLLBACK TRAVERSE LET IF SLEEP LOCK ALIGN CHECK REBUILD USING DUMP"
)
"""Words that begin other commands of the two engines; further on in a query they can only be names."""
PROCEDURES = frozenset({"db.labels", "db.relationshiptypes", "db.propertykeys"})
"""Procedures that may be called: they only list names."""
FUNCTIONS = words_of(
    # predicates, scalars, aggregates
    "all any exists isempty none single shortestpath allshortestpaths char_length character_length coalesce elementid "
    "endnode head id last length nullif properties randomuuid size startnode timestamp toboolean tobooleanornull "
    "tofloat tofloatornull tointeger tointegerornull type valuetype avg collect count max min percentilecont "
    "percentiledisc stdev stdevp sum "
    # lists
    "keys labels nodes range reduce relationships reverse tail tobooleanlist tofloatlist tointegerlist tostringlist "
    # numbers
    "abs ceil floor isnan rand round sign e exp log log10 sqrt acos asin atan atan2 cos cosh cot coth degrees haversin "
    "pi radians sin sinh tan tanh "
    # text
    "btrim left lower ltrim normalize replace right rtrim split substring tolower tostring tostringornull toupper trim "
    "upper "
    # time and place
    "date date.truncate datetime datetime.truncate datetime.fromepoch datetime.fromepochmillis datetime.realtime "
    "datetime.statement datetime.transaction duration duration.between duration.indays duration.inmonths "
    "duration.inseconds localdatetime localdatetime.truncate localtime localtime.truncate time time.truncate "
    "point point.distance point.withinbbox"
)
"""Functions that may be called: others of an engine, or of its plugins, could do anything."""
BEFORE_PARENTHESIS = words_of(
    "MATCH OPTIONAL WHERE AND OR XOR NOT IN RETURN WITH UNWIND BY ON AS WHEN THEN ELSE CASE DISTINCT CALL CONTAINS "
    "SKIP OFFSET LIMIT UNION YIELD ASC ASCENDING DESC DESCENDING IS ANY ALL SHORTEST GROUP GROUPS PATH PATHS "
    "REPEATABLE ELEMENT ELEMENTS DIFFERENT RELATIONSHIP RELATIONSHIPS EXISTS COUNT COLLECT WALK TRAIL ACYCLIC"
)
"""Keywords that may stand before a parenthesis without being the name of a function."""

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<quoted>`(?:[^`]|``)*`)
    |(?P<number>0[xX][0-9a-fA-F]+|0[oO][0-7]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>[][(){}.,:;|&!%^*/+\-<>=~$?])""",
    re.VERBOSE | re.DOTALL,
)
# Control characters, blanks without width and marks of writing direction: an engine may take them for a blank, or a
# reader may not see them.
_STRANGE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_ESCAPES = re.compile(r"\\(?:[\\'\"`bfnrtBFNRT]|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
# The engines may translate these before they look for the end of the string.
_ESCAPED_UNICODE = re.compile(r"\\u+([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class Token:
    """A piece of Cypher that is neither blank nor comment."""

    kind: str
    """string, quoted (a name in backticks), number, word or sign."""
    text: str
    place: int
    """Where it begins in the text."""

    @property
    def word(self) -> str:
        """The keyword that this could be, in capitals as an engine folds it; empty for what cannot be one."""
        return unicodedata.normalize("NFKC", self.text).upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The name that this could be, folded, without backticks; empty for what cannot be one."""
        if self.kind == "quoted":
            return unicodedata.normalize("NFKC", self.text[1:-1].replace("``", "`")).lower()
        return self.word.lower()


def check(text: str) -> str:
    """The text as it may be sent: comments blanked, and without a last semicolon.

    Raises
    ------
    ReadOnlyError
        It could write or reach outside the graph, or it calls what is not on the allow-lists.
    InputError
        It is no Cypher query.

    Examples
    --------
    >>> check("MATCH (c:Cell) RETURN count(c);")
    'MATCH (c:Cell) RETURN count(c)'
    >>> check("MATCH (c:Cell) DELETE c")
    Traceback (most recent call last):
    calcigraph.errors.ReadOnlyError: DELETE is not allowed: queries only read (for a name, write `DELETE` in backticks)
    """
    check_length(text)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    strange = _STRANGE.search(text) or re.search("\r", text)
    if strange:
        raise InputError(f"the query contains the character U+{ord(strange[0]):04X}; write it without")
    text, tokens = _tokenise(text)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
        text = text.rstrip().removesuffix(";")
    if not tokens:
        raise InputError("the query is empty; expected MATCH ... RETURN ...")
    _check_start(tokens[0])
    check_size(tokens)
    for index in range(len(tokens)):
        _check_clause(tokens, index)
        _check_call(tokens, index)
    return text


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, comments left out. Raises InputError for what cannot be cut into tokens."""
    return _tokenise(text)[1]


def parameters_of(text: str) -> set[str]:
    """The names of the $parameters that a text uses.

    >>> parameters_of("MATCH (c:Cell {label: $label}) RETURN '$text'")
    {'label'}
    """
    _, tokens = _tokenise(text)
    return {b.text.strip("`") for a, b in pairwise(tokens) if a.text == "$" and b.kind in ("word", "quoted", "number")}


def columns_of(text: str) -> list[str]:
    """The names that the last RETURN gives its columns; empty where only the engine can tell (RETURN *).

    >>> columns_of("MATCH (c:Cell) RETURN c.label AS label, count(*) LIMIT 3")
    ['label', 'count(*)']
    """
    _, tokens = _tokenise(text)
    depths = depths_of(tokens)
    # A RETURN inside brackets belongs to a subquery.
    returns = [index for index, token in enumerate(tokens) if token.word == "RETURN" and depths[index] == 0]
    if not returns:
        return []
    first = returns[-1] + 1
    first += first < len(tokens) and tokens[first].word == "DISTINCT"
    tails = ("ORDER", "SKIP", "OFFSET", "LIMIT")
    last = next((i for i in range(first, len(tokens)) if tokens[i].word in tails and not depths[i]), len(tokens))
    commas = [i for i in range(first, last) if tokens[i].text == "," and not depths[i]]
    parts = [tokens[a + 1 : b] for a, b in pairwise([first - 1, *commas, last])]
    return [] if any(not part or part[0].text == "*" for part in parts) else [_column(text, part) for part in parts]


def _column(text: str, tokens: Sequence[Token]) -> str:
    """The column's name: what follows AS, else the expression as it was written."""
    if len(tokens) > 2 and tokens[-2].word == "AS":
        tokens = tokens[-1:]
    if len(tokens) == 1 and tokens[0].kind == "quoted":
        return tokens[0].text[1:-1].replace("``", "`")
    return text[tokens[0].place : tokens[-1].place + len(tokens[-1].text)]


def depths_of(tokens: Sequence[Token]) -> list[int]:
    """How many brackets are open around each token.

    >>> depths_of(tokens_of("f(x)"))
    [0, 0, 1, 0]
    """
    depths, depth = [], 0
    for token in tokens:
        depth -= token.text in (")", "]", "}")
        depths.append(depth)
        depth += token.text in ("(", "[", "{")
    return depths


def _tokenise(text: str) -> tuple[str, list[Token]]:
    """The text with comments made blank, so that an engine's error still names the right place, and its tokens."""
    tokens, clean, place = [], [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            line = text.count("\n", 0, place) + 1
            what = "an unfinished quotation" if text[place] in "'\"`" else f"the unexpected character {text[place]!r}"
            raise InputError(f"the query has {what} in line {line}")
        kind, piece = str(match.lastgroup), match[0]
        if kind == "blank":
            clean.append("".join("\n" if letter == "\n" else " " for letter in piece))
        else:
            _check_escapes(kind, piece)
            tokens.append(Token(kind, piece, place))
            clean.append(piece)
        place = match.end()
    return "".join(clean), tokens


def _check_escapes(kind: str, piece: str) -> None:
    """Refuse what one engine could take for the end of a string or a name, and the other not."""
    if kind == "quoted" and "\\" in piece:
        raise InputError(f"the name {piece} contains a backslash; write it without")
    if kind != "string" or "\\" not in piece:
        return
    for match in _ESCAPED_UNICODE.finditer(piece):
        letter = chr(int(match[1], 16))
        if not letter.isprintable() or letter in "'\"`\\/*;":
            raise InputError(f"the unicode escape {match[0]} is not allowed; write the character itself")
    if "\\" in _ESCAPES.sub("", piece):
        raise InputError(
            f"the query has an escape that Cypher does not know in {piece[:40]}; write \\\\ for a backslash"
        )


def _check_start(first: Token) -> None:
    """Refuse a text that does not begin as a reading query does; a bracket opens a subquery or a pattern."""
    if first.word in STARTS or first.text in "({":
        return
    if first.word in OTHER_STARTS | WRITES:
        raise ReadOnlyError(f"{first.word} is not allowed: a query begins with MATCH, UNWIND, WITH, RETURN or CALL {{")
    raise InputError(
        f"the query begins with {first.text!r}; expected MATCH, OPTIONAL MATCH, UNWIND, WITH, RETURN or CALL"
    )


def _check_clause(tokens: Sequence[Token], index: int) -> None:
    """Refuse a second statement, and a word of WRITES anywhere but in a name's place."""
    token = tokens[index]
    if token.text == ";":
        raise ReadOnlyError("only one statement is allowed in a query; remove what follows the semicolon")
    if token.word not in WRITES or _is_name(tokens, index):
        return
    what = {"LOAD": "LOAD CSV", "TRANSACTIONS": "CALL ... IN TRANSACTIONS"}.get(token.word, token.word)
    raise ReadOnlyError(f"{what} is not allowed: queries only read (for a name, write `{token.text}` in backticks)")


def _is_name(tokens: Sequence[Token], index: int) -> bool:
    """Whether a keyword stands where only a property, a label or a parameter can stand."""
    if index == 0:
        return False
    before = tokens[index - 1].text
    if before == ".":
        # After 1. or .. a word begins something new.
        return index > 1 and tokens[index - 2].kind != "number" and tokens[index - 2].text != "."
    return before in (":", "$")


def _check_call(tokens: Sequence[Token], index: int) -> None:
    """Refuse the procedure or the function that is called here, if it is not on its list."""
    token = tokens[index]
    if token.word == "CALL" and not _is_name(tokens, index):
        name = _dotted_name(tokens, index + 1)
        if name and name not in PROCEDURES:
            raise ReadOnlyError(f"the procedure {name} is not allowed; allowed are {', '.join(sorted(PROCEDURES))}")
    if token.text == "(" and index:
        _check_function(tokens, index - 1)


def _check_function(tokens: Sequence[Token], last: int) -> None:
    """Refuse the function whose name ends at `last`, unless what stands there is no function's name."""
    if not tokens[last].name:
        return
    # The name may be dotted: go back to its first part.
    first = last
    while first >= 2 and tokens[first - 1].text == "." and tokens[first - 2].name:
        first -= 2
    # A name after a dot without a name before it, such as (n).f(1), is no function of the list.
    rooted = first == 0 or tokens[first - 1].text != "."
    name = ".".join(token.name for token in tokens[first : last + 1 : 2])
    if rooted and first == last and tokens[last].word in BEFORE_PARENTHESIS:
        return
    if rooted and first and tokens[first - 1].word == "CALL" and name in PROCEDURES:
        return
    if not rooted or name not in FUNCTIONS:
        raise ReadOnlyError(f"the function {name} is not on the list of functions that queries may call")


def _dotted_name(tokens: Sequence[Token], index: int) -> str:
    """The dotted name that begins at `index`; "" for none."""
    parts = []
    while index < len(tokens) and tokens[index].name:
        parts.append(tokens[index].name)
        index += 1
        if index >= len(tokens) or tokens[index].text != ".":
            break
        index += 1
    return ".".join(parts)
