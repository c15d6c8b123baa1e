"""A file of Cypher statements that builds a culture again, with its fits and events, in an empty Neo4j.

Every statement stands on lines of its own and ends with a semicolon at the end of a line; no text in it has a line
break. The culture is marked as complete by the last statement, so that a load that was broken off is seen as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.store.dump import CULTURE, LINKS, NODES, Dump, Links, Moment, Nodes, Place
from calcigraph.store.meta import schema
from calcigraph.store.types import Culture
from calcigraph.version import __version__

if TYPE_CHECKING:
    from calcigraph.store.graph import Graph

STATEMENT_BYTES = 200_000
"""About so long is a statement: a server takes longer for longer ones."""
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def write_cypher(graph: Graph, culture: Culture, path: Path) -> None:
    """Write the file, some cells at a time."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f"// Culture {' '.join(culture.uid.split())}, exported by calcigraph {__version__}.\n")
        file.write("// Load it into an empty Neo4j 5 or later: cypher-shell -f FILE\n")
        for statement in statements(Dump(graph, culture.uid), culture.uid):
            file.write(f"{statement};\n")


def statements(dump: Dump, culture: str) -> Iterator[str]:
    """Every statement, without its semicolon."""
    yield from schema()
    for nodes in NODES:
        rows = dump.nodes(nodes)
        if nodes is CULTURE:
            rows = ({**row, "complete": False, "state": "ingest"} for row in rows)
        yield from (_nodes_made(nodes, batch) for batch in _batches(literal(row) for row in rows))
    for links in LINKS:
        texts = (literal([a, b, properties]) for a, b, properties in dump.links(links))
        yield from (_links_made(links, batch) for batch in _batches(texts))
    yield f"MATCH (k:Culture {{uid: {literal(culture)}}}) SET k.complete = true REMOVE k.state"


def _nodes_made(kind: Nodes, batch: str) -> str:
    if kind.shared:
        return f"UNWIND {batch} AS row MERGE (n:{kind.label} {{{kind.key}: row.{kind.key}}}) ON CREATE SET n = row"
    return f"UNWIND {batch} AS row CREATE (n:{kind.label}) SET n = row"


def _links_made(kind: Links, batch: str) -> str:
    return (
        f"UNWIND {batch} AS row MATCH (a:{kind.start.label} {{{kind.start.key}: row[0]}}) "
        f"MATCH (b:{kind.end.label} {{{kind.end.key}: row[1]}}) CREATE (a)-[x:{kind.type}]->(b) SET x = row[2]"
    )


def _batches(texts: Iterable[str]) -> Iterator[str]:
    """Literals as lists of about STATEMENT_BYTES."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size > STATEMENT_BYTES:
            yield f"[{', '.join(batch)}]"
            batch, size = [], 0
    if batch:
        yield f"[{', '.join(batch)}]"


def literal(value: Any) -> str:
    """A value as Cypher writes it.

    >>> literal({"name": "it's", "k": 1e-05, "waves": [1, 2], "fixed": True})
    "{`name`: 'it\\\\'s', `k`: 1e-05, `waves`: [1, 2], `fixed`: true}"
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Moment):
        return f"datetime({_text(value.text)})"
    if isinstance(value, Place):
        return f"point({{x: {literal(value.x)}, y: {literal(value.y)}}})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_name(key)}: {literal(each)}" for key, each in value.items()) + "}"
    return "[" + ", ".join(map(literal, value)) + "]"


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(text: str) -> str:
    parts = [_escaped(letter) for letter in text]
    # Some parsers turn \\uXXXX into a letter before they read strings, also after an escaped backslash.
    for place, (letter, after) in enumerate(pairwise([*text, ""])):
        if letter == "\\" and _escaped(after).lower().startswith(("u", "\\u")):
            parts[place] += "' + '"
    return "'" + "".join(parts) + "'"


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return letter if letter.isprintable() or ord(letter) > 0xFFFF else f"\\u{ord(letter):04x}"
