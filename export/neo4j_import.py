"""A folder of CSV files for `neo4j-admin database import`: one for each kind of nodes and relationships."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.export.place import MARK
from calcigraph.export.provenance import about
from calcigraph.store.dump import LINKS, NODES, Dump, Links, Moment, Nodes, Place
from calcigraph.store.meta import schema
from calcigraph.store.types import Culture

if TYPE_CHECKING:
    from calcigraph.store.graph import Graph

BETWEEN, BETWEEN_NAME = "\x1f", "U+001F"
"""Between the values of a list: a letter that no text has, and what neo4j-admin calls it."""
POINT = "point{crs:cartesian}"
TYPES = {bool: "boolean", int: "long", float: "double", str: "string", Moment: "datetime", Place: POINT}
README = "import.txt"
AFTER = "after.cypher"


def write_neo4j_csv(graph: Graph, culture: Culture, folder: Path) -> None:
    """Fill the folder; the graph is read twice, some cells at a time: for the types of all properties, and for all."""
    dump = Dump(graph, culture.uid)
    arguments, after = [], schema()
    for nodes in NODES:
        columns, empty = types(dump.nodes(nodes))
        if columns:
            name = f"{nodes.label}.csv"
            _write(folder / name, _node_header(nodes, columns), _node_rows(dump, nodes, columns))
            arguments.append(f"--nodes={nodes.label}={name}")
            after += [f"MATCH (n:{nodes.label}) WHERE n.{each} IS NULL SET n.{each} = []" for each in empty]
    for links in LINKS:
        if next(dump.links(links), None) is not None:
            columns, empty = types(properties for _, _, properties in dump.links(links))
            name = f"{links.start.label}_{links.type}_{links.end.label}.csv"
            _write(folder / name, _link_header(links, columns), _link_rows(dump, links, columns))
            arguments.append(f"--relationships={links.type}={name}")
            after += [f"MATCH ()-[n:{links.type}]->() WHERE n.{each} IS NULL SET n.{each} = []" for each in empty]
    (folder / AFTER).write_text("".join(f"{each};\n" for each in after), encoding="utf-8")
    (folder / README).write_text(_readme(arguments), encoding="utf-8")
    (folder / MARK).write_text(json.dumps(about(culture), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _readme(arguments: Iterable[str]) -> str:
    """How to load it."""
    options = (f"--array-delimiter={BETWEEN_NAME}", "--multiline-fields=true")
    command = " \\\n    ".join(["neo4j-admin database import full neo4j", *options, *arguments])
    return (
        f"With the server stopped and its database empty, in this folder:\n\n{command}\n\n"
        f"Then start the server, and make constraints and empty lists: cypher-shell -f {AFTER}\n"
    )


def types(rows: Iterable[dict[str, Any]]) -> tuple[dict[str, str], list[str]]:
    """The type of every property that any of the rows has, as neo4j-admin calls it, and lists that may be empty.

    Numbers of two types are doubles; all else that is mixed is text, as no column has two types. neo4j-admin leaves out
    a list that is empty, so it has to be made afterwards where the rows always have it.

    >>> types([{"k": 1, "kind": "round", "waves": [2]}, {"k": 0.5, "kind": True, "waves": []}])
    ({'k': 'double', 'kind': 'string', 'waves': 'long[]'}, ['waves'])
    """
    found: dict[str, set[str]] = {}
    empty: set[str] = set()
    for row in rows:
        for name, value in row.items():
            known = found.setdefault(name, set())
            if isinstance(value, list | tuple):
                known.add("[]")
                known.update(f"{TYPES[type(each)]}[]" for each in value)
                empty |= set() if value else {name}
            else:
                known.add(TYPES[type(value)])
    return {name: _one(known) for name, known in sorted(found.items())}, sorted(empty)


def _one(known: set[str]) -> str:
    end = "[]" if "[]" in known else ""
    kinds = {each.removesuffix("[]") for each in known} - {""}
    if not kinds:
        return "long[]"
    if kinds == {"long", "double"}:
        return f"double{end}"
    return f"{kinds.pop() if len(kinds) == 1 else 'string'}{end}"


def _node_header(kind: Nodes, columns: dict[str, str]) -> Iterator[str]:
    for name, of in columns.items():
        yield f"{name}:ID({kind.label})" if name == kind.key else f"{name}:{of}"


def _node_rows(dump: Dump, kind: Nodes, columns: dict[str, str]) -> Iterator[Iterator[str]]:
    for row in dump.nodes(kind):
        yield (field(row.get(name), of) for name, of in columns.items())


def _link_header(kind: Links, columns: dict[str, str]) -> Iterator[str]:
    yield from (f":START_ID({kind.start.label})", f":END_ID({kind.end.label})")
    yield from (f"{name}:{of}" for name, of in columns.items())


def _link_rows(dump: Dump, kind: Links, columns: dict[str, str]) -> Iterator[Iterator[str]]:
    for a, b, row in dump.links(kind):
        yield iter([_quoted(a), _quoted(b), *(field(row.get(name), of) for name, of in columns.items())])


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(map(_quoted, header)) + "\n")
        for row in rows:
            file.write(",".join(row) + "\n")


def field(value: Any, of: str) -> str:
    """A value as a field: nothing for absent, texts in quotation marks.

    >>> field(None, "long"), field("two words", "string"), field(0.5, "double"), field(["a", "b"], "string[]")
    ('', '"two words"', '0.5', '"a\\x1fb"')
    """
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        one = of.removesuffix("[]")
        joined = BETWEEN.join(_plain(each) for each in value)
        return _quoted(joined) if one == "string" and value else joined
    text = _plain(value)
    return text if of in ("long", "double", "boolean") else _quoted(text)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Place):
        return f"{{x: {value.x!r}, y: {value.y!r}}}"
    if isinstance(value, Moment):
        return value.text
    return value if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
