"""The graph of cultures, cells, contacts and fits: one Bolt store on Neo4j or on the embedded engine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from calcigraph.store import annotated, cultures, curated, events, fits, forecasts, meta, migration
from calcigraph.store.bolt import Bolt, Row
from calcigraph.store.cypher import RIGHTS, UPDATING
from calcigraph.store.endpoint import HEAP_MB
from calcigraph.store.event_types import EventRun
from calcigraph.store.forecast_types import ForecastRun
from calcigraph.store.location import Location
from calcigraph.store.types import Culture, CultureData, Fit, FloatArray, Progress, silent
from calcigraph.store.upkeep import Upkeep

_QUOTED = re.compile(r"//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`(?:``|[^`])*`", re.DOTALL)
"""Comments, strings and quoted names, in which a word means nothing."""
_UPDATES = re.compile(rf"(?<![\w.:$])(?:{'|'.join(sorted(UPDATING | RIGHTS))})\b", re.IGNORECASE)
"""A writing word, but not after . : $, where it is the name of a property, a label or a parameter."""


class Graph(Upkeep):
    """A workspace's graph. Use as a context manager, or call `close`. Thread-safe; never pass it to another process.

    Examples
    --------
    >>> with Graph.open(Path("my-workspace")) as graph:  # doctest: +SKIP
    ...     [culture.uid for culture in graph.cultures()]
    ['control', 'blocked']
    """

    def __init__(self, bolt: Bolt) -> None:
        self._bolt = bolt

    @classmethod
    def open(
        cls, workspace: Location, heap_mb: int = HEAP_MB, *, migrating: bool = False, progress: Progress = silent
    ) -> Graph:
        """Open the graph: Neo4j where NEO4J_URI is set, else the embedded engine in the workspace.

        Parameters
        ----------
        workspace
            The workspace's place; in a folder the embedded graph, `<workspace>/graph`, is made on first use.
        heap_mb
            Heap of the embedded engine in MB; for `calcigraph` the variable CALCIGRAPH_HEAP_MB.
        migrating
            Whether the graph of an older version may be changed on a server; in a workspace it always is.
        progress
            Called while it is.

        Raises
        ------
        GraphError
            No server, the login was refused, no such database, or no engine is installed; or a newer version of
            calcigraph made the graph, or an older one did on a server.
        WorkspaceError
            The folder cannot be written or is damaged, or the disk is full.
        """
        bolt = Bolt(workspace, heap_mb)
        try:
            meta.prepare(bolt, migrating=migrating, progress=progress)
            bolt.frozen = bolt.endpoint.read_only
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
    def schema_version(self) -> int:
        """Of the schema that docs/graph.md describes."""
        return meta.SCHEMA_VERSION

    def outdated(self) -> list[str]:
        """The cultures that a version of calcigraph with an older schema wrote, or fitted, into this graph."""
        return migration.outdated(self._bolt)

    @property
    def where(self) -> str:
        """The embedded graph's folder, or the server's address without credentials."""
        return self._bolt.endpoint.where

    def read(self, text: str, **parameters: Any) -> list[Row]:
        """Rows of one reading statement, as dicts in the engine's own values.

        Parameters
        ----------
        text
            Cypher; values go in as $parameters.
        parameters
            Their values.

        Raises
        ------
        GraphError
            The engine did not answer, a server for `bolt.RESTART_S` seconds.
        InputError
            It is not valid Cypher.
        """
        return self._bolt.rows(text, parameters, write=False)

    def write(self, text: str, **parameters: Any) -> list[Row]:
        """Rows of one writing statement in one transaction. It may be repeated, so it must be idempotent.

        Parameters as for `read`. Raises as `read`, and WorkspaceError when the embedded engine's disk is full.
        """
        return self._bolt.rows(text, parameters, write=True)

    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        """Run a user's query in a READ transaction that is always rolled back.

        The caller checks beforehand what the text may do (queries/policy.py).

        Parameters
        ----------
        text, parameters
            Cypher, and the values of its $parameters.
        timeout_s
            Longest time, s.
        row_limit
            Most rows.

        Returns
        -------
        The columns' names, and the rows in that order.

        Raises
        ------
        LimitError
            It ran longer, or has more rows.
        ReadOnlyError
            The engine refused a write.
        InputError
            It is not valid Cypher, or it failed.
        GraphError
            The connection was lost.
        """
        return self._bolt.read_only(text, parameters, timeout_s, row_limit)

    def query_type(self, text: str, parameters: Mapping[str, Any]) -> str:
        """What a query does, as EXPLAIN tells it: "r" reads, "w" and "rw" write, "s" changes the schema.

        Nothing is executed. Raises InputError for what is not Cypher.
        """
        if self._bolt.endpoint.kind == "embedded":
            # This engine calls every EXPLAIN "w", and executes schema commands under it. So the words decide.
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
        """What is half-written: rows of `culture`, `state` ("ingest", "replace" or "delete") and `cells` so far."""
        return cultures.incomplete(self._bolt)

    def write_culture(self, data: CultureData, replace: bool = False, progress: Progress = silent) -> None:
        """Store a culture. Nobody sees it before its last transaction; the next write finishes a killed one.

        The same name with the same input digest changes nothing. A replacement is built beside the old culture and
        takes its place in one transaction; the fits of the old one go with it.

        Parameters
        ----------
        data
            The culture with its cells and contacts.
        replace
            Whether a complete culture of that name, from another input, may be replaced.
        progress
            Called with the stages "storing cells" and "storing contacts".

        Raises
        ------
        ConflictError
            The name is taken by another input and `replace` is False, or another process writes the culture.
        InputError
            Cells, contacts and culture do not fit together.
        WorkspaceError
            The disk is full.
        GraphError
            The engine cannot be reached, or ran out of memory.
        """
        cultures.write_culture(self._bolt, data, replace, progress)

    def remove_leftovers(self, name: str) -> None:
        """Delete what a killed replacement of this culture left: the half-built new one, or the replaced old one."""
        cultures.remove_leftovers(self._bolt, name)

    def delete_culture(self, name: str) -> None:
        """Delete a culture, its cells, contacts and fits; the next delete finishes a killed one.

        Raises NotFoundError when there is none of that name.
        """
        cultures.delete_culture(self._bolt, name)

    def annotate(
        self, culture: str, values: Mapping[str, annotated.Value], labels: Sequence[int] | None = None
    ) -> None:
        """Set properties of a culture, or of some of its cells, in one transaction; None takes one away.

        Parameters
        ----------
        culture
            Its name.
        values
            By name: letters, digits and _. `condition` and `experiment` of a culture are those of its ingest.
        labels
            Of the cells that are meant; None for the culture itself.

        Raises
        ------
        NotFoundError
            There is no such culture, complete, or it has no such cell.
        InputError
            A name or a value cannot be stored, or calcigraph has a property of this name itself.
        """
        annotated.annotate(self._bolt, culture, values, labels)

    def curate(self, data: CultureData, before: str, when: str) -> curated.Changes:
        """Write what mended masks changed of a culture, in one transaction; its fits and events become stale.

        Parameters
        ----------
        data
            The culture as it is now to be.
        before
            The input digest of the culture that it was made from.
        when
            UTC, ISO 8601.

        Raises
        ------
        ConflictError
            Another process wrote the culture meanwhile.
        InputError, WorkspaceError, GraphError
            As `write_culture`.
        """
        return curated.curate(self._bolt, data, before, when)

    def history(self, culture: str) -> list[curated.Changes]:
        """What was mended of a culture's masks, oldest first."""
        return curated.history(self._bolt, culture)

    def stale(self) -> list[Row]:
        """Fits and events of masks that were mended since: rows of culture, model (None for events), why and run."""
        return curated.stale(self._bolt)

    def stale_told(self) -> dict[str, str]:
        """By culture, what is stale, why, and the commands that make it anew."""
        return curated.stale_told(self._bolt)

    def finish_plan(self, culture: str, setting: str) -> None:
        """Keep with a culture what a plan said of it (JSON), after all of it was done."""
        annotated.finish_plan(self._bolt, culture, setting)

    def write_fit(self, fit: Fit, created: str, version: str) -> None:
        """Store a fit in one transaction; NaN and infinite values are stored as absent.

        The same culture, model and options overwrite their earlier run; other runs stay as FitRun nodes. The cells'
        `<model>_<parameter>` properties are always those of the latest fit.

        Parameters
        ----------
        fit
            What a model found.
        created
            When, UTC, ISO 8601.
        version
            Of calcigraph.

        Raises
        ------
        NotFoundError
            The culture is absent or incomplete.
        InputError
            The fit's values are not one per cell, or it names cells that the culture lacks.
        """
        fits.write_fit(self._bolt, fit, created, version)

    def write_events(
        self, run: EventRun, dff: FloatArray, created: str, version: str, progress: Progress = silent
    ) -> bool:
        """Store the events and waves of a culture in place of those it has; NaN is stored as absent.

        Nobody sees the new run before its last transaction. The next write removes what a killed one left.

        Parameters
        ----------
        run
            What was found.
        dff
            (n, T), dF/F in the order of `run.labels`; a row that is not finite throughout is stored as absent.
        created
            When, UTC, ISO 8601.
        version
            Of calcigraph.
        progress
            Called with the stages "storing dF/F", "storing events", "storing links" and "storing waves".

        Returns
        -------
        Whether anything was written: not if the very same run is there already.

        Raises
        ------
        NotFoundError
            The culture is absent or incomplete.
        InputError
            The run's values do not fit together, or it names cells that the culture lacks.
        ConflictError
            Another process began to write the culture's events.
        GraphError, WorkspaceError
            As `write_culture`.
        """
        return events.write_events(self._bolt, run, dff, created, version, progress)

    def write_forecast(self, run: ForecastRun, created: str, version: str) -> None:
        """Store the forecast of a culture in place of the one it has, in one transaction; NaN is stored as absent.

        Parameters
        ----------
        run
            What was found.
        created
            When, UTC, ISO 8601.
        version
            Of calcigraph.

        Raises
        ------
        NotFoundError
            The culture is absent or incomplete.
        InputError
            The forecast's values are not one per cell, or it names cells that the culture lacks.
        """
        forecasts.write_forecast(self._bolt, run, created, version)

    def incomplete_events(self) -> list[str]:
        """The cultures with a run of events that was broken off, or that is not deleted to its end."""
        return events.incomplete(self._bolt)
