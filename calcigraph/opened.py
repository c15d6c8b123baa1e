"""A workspace's movies with its graph, opened when something first needs it."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from calcigraph.errors import CalcigraphError, NotFoundError, WorkspaceError
from calcigraph.naming import default_folder, workspace_at
from calcigraph.store.files import make_folder
from calcigraph.store.location import Location
from calcigraph.store.movie_places import movies_of
from calcigraph.store.objects import ObjectPath
from calcigraph.store.progress import Progress, silent

if TYPE_CHECKING:
    from calcigraph.store import Graph
    from calcigraph.store.types import Culture, Subgraph


LISTED = ("culture", "condition", "cells", "fits", "waves")
"""What a notebook shows of every culture."""


class Opened:
    """What every part of `Workspace` needs: the folder, the graph, a culture by its name. Parameters as for it."""

    def __init__(self, folder: str | Path | ObjectPath | None = None) -> None:
        self.folder = workspace_at(folder if folder is not None else default_folder())
        self._graph: Graph | None = None
        self._movies = movies_of(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the graph; the embedded engine stops if this process started it."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def __repr__(self) -> str:
        return f"<Workspace {self.folder}>"

    def _repr_html_(self) -> str:
        """The cultures as a table in Jupyter. Never makes a folder; a graph that cannot be read is told."""
        from calcigraph.queries import rows
        from calcigraph.store.shown import rows_html

        title = f"workspace {self.folder}"
        try:
            self._require_folder()
            found = rows(self.graph, "cultures")[1]
        except CalcigraphError as error:
            return rows_html(f"{title}: {error}", [], [])
        return rows_html(f"{title}: {len(found)} culture{'' if len(found) == 1 else 's'}", LISTED, found)

    @property
    def graph(self) -> Graph:
        """The graph, opened on first use. Raises GraphError, WorkspaceError, NotFoundError for no such folder."""
        if self._graph is None:
            from calcigraph.store import Graph, chosen_heap_mb

            self._require_folder()
            self._graph = Graph.open(self.folder, heap_mb=chosen_heap_mb())
        return self._graph

    def migrate(self, progress: Progress = silent) -> int:
        """Bring an older graph to this version, on a server too. Returns the schema's version; raises as `graph`."""
        from calcigraph.store import Graph, chosen_heap_mb

        self.close()
        self._require_folder()
        self._graph = Graph.open(self.folder, heap_mb=chosen_heap_mb(), migrating=True, progress=progress)
        self._graph.require_writable()  # else what was brought to this version is a copy of it
        return self._graph.schema_version

    def _require_folder(self) -> None:
        """Raise NotFoundError for a mistyped folder: only what brings something in makes one."""
        if not os.environ.get("NEO4J_URI") and not self.folder.is_dir():
            raise NotFoundError(
                f"there is no workspace {self.folder}: name the right folder (--workspace DIR before the command, or "
                "CALCIGRAPH_WORKSPACE), or make it with a first `calcigraph ingest MOVIE --culture NAME`"
            )

    def make_folder(self, name: str = "") -> Location:
        """Make the workspace, or a folder inside it; object storage has none. Raises WorkspaceError."""
        folder = self.folder / name
        if not isinstance(folder, Path):
            return folder
        try:
            make_folder(folder)
        except OSError as error:
            raise WorkspaceError(
                f"workspace folder {folder} cannot be made ({error.strerror}): name another folder with --workspace"
            ) from error
        return folder

    def known(self, name: str) -> Culture | None:
        """The culture of this name, complete or not; None where there is none, or no workspace yet."""
        if not os.environ.get("NEO4J_URI") and not self.folder.is_dir():
            return None
        return self.graph.culture(name)

    def culture(self, name: str) -> Culture:
        """The complete culture of this name. Raises NotFoundError."""
        from calcigraph.queries import require_culture, unknown_culture

        require_culture(self.graph, name)
        found = self.graph.culture(name)
        if found is None:  # deleted this very moment
            raise unknown_culture(self.graph, name)
        return found

    def subgraph(self, culture: str) -> Subgraph:
        """The models' input, pulled by queries/subgraph.cypher. Raises NotFoundError."""
        from calcigraph.queries import subgraph

        return subgraph(self.graph, culture)
