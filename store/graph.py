"""The graph of cultures, cells, contacts and fits: one Bolt store on Neo4j or on the embedded engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any

from calcigraph.store import cultures, fits
from calcigraph.store.bolt import Bolt, Row
from calcigraph.store.types import Culture, CultureData, Fit, Progress, silent

_QUOTED = re.compile(r"//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`(?:``|[^`])*`", re.DOTALL)
_UPDATES = re.compile(
    r"(?<![\w.:$])(?:CREATE|MERGE|SET|DELETE|REMOVE|FOREACH|INSERT|DROP|ALTER|GRANT|DENY|REVOKE)\b", re.I
)


class Graph:
    """A workspace's graph. Use as a context manager, or call `close`. Thread-safe; never pass it to another process.

    >>> with Graph.open(Path("my-workspace")) as graph:  # doctest: +SKIP
    ...     [culture.uid for culture in graph.cultures()]
    """

    def __init__(self, bolt: Bolt) -> None:
        self._bolt = bolt

    @classmethod
    def open(cls, workspace: Path, heap_mb: int = 256) -> Graph:
        """Open Neo4j (NEO4J_URI set) or the embedded graph in `workspace`, made on first use.

        Raises GraphError (no server, login refused, no such database) or WorkspaceError (not writable, disk full,
        damaged).
        """
        bolt = Bolt(Path(workspace), heap_mb)
        try:
            for text in schema():
                bolt.rows(text, {}, write=True)
        except BaseException:
            bolt.close()
            raise
        return cls(bolt)

    def close(self) -> None:
        """Close the connection and, if this process runs the embedded engine and nobody else uses it, stop it."""
        self._bolt.close()

    def __enter__(self) -> Graph:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def engine(self) -> str:
        """ "arcadedb" or "neo4j"."""
        return self._bolt.endpoint.name

    @property
    def version(self) -> str:
        """The engine's version."""
        return self._bolt.endpoint.version

    @property
    def where(self) -> str:
        """The embedded graph's folder, or the server's address without credentials."""
        return self._bolt.endpoint.where

    def read(self, text: str, **parameters: Any) -> list[Row]:
        """Rows of one reading statement, as dicts; retried until the engine answers."""
        return self._bolt.rows(text, parameters, write=False)

    def write(self, text: str, **parameters: Any) -> list[Row]:
        """Rows of one writing statement in one transaction. It may be repeated, so it must be idempotent."""
        return self._bolt.rows(text, parameters, write=True)

    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        """Columns and rows of a user's query, in a READ transaction that is always rolled back.

        Raises LimitError (more than `timeout_s` seconds or `row_limit` rows), ReadOnlyError (the engine refused a
        write) or InputError (not valid Cypher, or it failed). The caller checks beforehand what the text may do.
        """
        return self._bolt.read_only(text, parameters, timeout_s, row_limit)

    def query_type(self, text: str, parameters: Mapping[str, Any]) -> str:
        """What a query does, as EXPLAIN tells it: "r", "w", "rw" or "s" (schema); nothing is executed.

        The embedded engine calls every EXPLAIN "w" and executes schema commands under it, so there the clauses decide:
        Cypher cannot write without one of its updating words. Raises InputError for what is not Cypher.
        """
        if self._bolt.endpoint.kind == "embedded":
            if _UPDATES.search(_QUOTED.sub(" ", text)):
                return "w"
            self._bolt.explain_type(text, parameters)  # for its syntax errors
            return "r"
        return self._bolt.explain_type(text, parameters)

    def culture(self, name: str) -> Culture | None:
        """The culture of that name, complete or not; None when there is none."""
        return cultures.find_culture(self._bolt, name)

    def cultures(self) -> list[Culture]:
        """All cultures by name, incomplete ones too."""
        return cultures.list_cultures(self._bolt)

    def incomplete(self) -> list[Row]:
        """What is half-written: rows of culture, state ("ingest", "replace" or "delete") and cells stored so far."""
        return cultures.incomplete(self._bolt)

    def write_culture(self, data: CultureData, replace: bool = False, progress: Progress = silent) -> None:
        """Store a culture: nothing sees it before its last transaction, and a killed write is finished by the next.

        The same name with the same input digest changes nothing. With another digest it raises ConflictError, unless
        `replace`: then it is built beside the old one and takes its place, fits included, in one transaction. Raises
        InputError when cells, contacts and culture do not fit together, WorkspaceError when the disk is full.
        """
        cultures.write_culture(self._bolt, data, replace, progress)

    def remove_leftovers(self, name: str) -> None:
        """Delete what a killed replacement of this culture left: the half-built new one, or the retired old one."""
        cultures.remove_leftovers(self._bolt, name)

    def delete_culture(self, name: str) -> None:
        """Delete a culture, its cells, contacts and fits; a killed delete is finished by the next.

        Raises NotFoundError when there is none of that name.
        """
        cultures.delete_culture(self._bolt, name)

    def write_fit(self, fit: Fit, created: str, version: str) -> None:
        """Store a fit in one transaction; NaN and infinite values are stored as absent.

        The same culture, model and options overwrite their earlier run; other runs stay as FitRun nodes, while the
        cells' `<model>_<parameter>` properties are always those of the latest fit. `created` is UTC, ISO 8601;
        `version` is calcigraph's. Raises NotFoundError when the culture is absent or incomplete.
        """
        fits.write_fit(self._bolt, fit, created, version)


def schema() -> list[str]:
    """The statements of schema.cypher."""
    text = files("calcigraph.store").joinpath("schema.cypher").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("//")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]
