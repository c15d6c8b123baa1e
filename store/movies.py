"""The movie stores of a workspace: their names, one writer per culture, and removing what is left over."""

from __future__ import annotations

import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from calcigraph.errors import ConflictError, WorkspaceError
from calcigraph.store.files import flush
from calcigraph.store.location import Location, names_in, relative, remove_below

if TYPE_CHECKING:
    from calcigraph.store.types import Culture


class Movies(ABC):
    """`<workspace>/movies`: one OME-Zarr store per culture, `<culture>.<8 hex digits>.ome.zarr`.

    The graph names the store of each culture; nobody looks at another. Made by `movies_of` (store/movie_places.py).
    """

    def __init__(self, workspace: Location) -> None:
        self.workspace = workspace
        self.folder = workspace / "movies"

    @abstractmethod
    def require_writable(self) -> None:
        """Raise WorkspaceError, or StorageError, where nothing could be stored here; makes no folder."""

    @abstractmethod
    def has(self, name: str | None) -> bool:
        """Whether this store (relative to the workspace) is there; True for a culture that needs none."""

    @abstractmethod
    def uri(self, name: str) -> str:
        """Where a store (relative to the workspace) is, for whoever shares the graph."""

    @abstractmethod
    def locked(self, culture: str) -> AbstractContextManager[None]:
        """Hold a culture for one writer, until the process leaves this context or dies.

        Raises
        ------
        ConflictError
            Another process holds the culture.
        WorkspaceError, StorageError
            The workspace cannot be written.
        """

    @abstractmethod
    def require_held(self, culture: str) -> None:
        """Raise ConflictError where a culture that was `locked` is held by another writer now."""

    @abstractmethod
    def _busy(self, culture: str) -> bool:
        """Whether a process holds the culture for writing."""

    def new(self, culture: str) -> Location:
        """A new name for a store of the culture, so that it is built beside the old one."""
        return self.folder / f"{culture}.{secrets.token_hex(4)}.ome.zarr"

    def whereabouts(self, culture: Culture) -> str:
        """What to do about a store that is not in this workspace: the one who ingested it, with a shared graph, has it.

        Parameters
        ----------
        culture
            Whose store `has` does not find.
        """
        if culture.movie is None or culture.movie_uri in (None, self.uri(culture.movie)):
            return f"movie store {culture.movie} is missing: run its ingest again"
        return (
            f"its movie is in another workspace ({culture.movie_uri}); only pictures of the movie need it, "
            "fits, events and queries do not"
        )

    def relative(self, path: Location) -> str:
        """The form kept in the graph: relative to the workspace, forward slashes."""
        return relative(path, self.workspace)

    def unreferenced(self, named: Collection[str | None]) -> list[tuple[str, str]]:
        """Stores that no culture of the graph refers to.

        Parameters
        ----------
        named
            The stores that the cultures refer to, relative to the workspace.

        Returns
        -------
        Pairs: the culture, and what there is and what to do.
        """
        found = []
        for path in self._all():
            culture = self.culture_of(path)
            if self.relative(path) in named:
                continue
            if self._busy(culture):
                found.append((culture, "an ingest is writing it at this moment"))
            else:
                remedy = "run the same command again, or delete the culture"
                found.append(
                    (culture, f"an ingest or a curate was broken off and left {self.relative(path)}: {remedy}")
                )
        return found

    def of(self, culture: str) -> list[Location]:
        """Every store of a culture, unfinished ones included."""
        return self.of_culture(culture, self._all())

    @staticmethod
    def of_culture(culture: str, stores: Sequence[Location]) -> list[Location]:
        """Those of some stores that are of a culture."""
        pattern = re.compile(rf"\.?{re.escape(culture)}\.[0-9a-f]{{8}}\.ome\.zarr.*", re.DOTALL)
        return [path for path in stores if pattern.fullmatch(path.name)]

    def whole(self) -> list[Location]:
        """Every finished store."""
        return [path for path in self._all() if path.name.endswith(".ome.zarr") and path.name[0] != "."]

    @staticmethod
    def culture_of(store: Location) -> str:
        """The culture of a store, by the store's name."""
        return store.name.lstrip(".").rsplit(".ome.zarr")[0].rpartition(".")[0]

    def strangers(self) -> list[str]:
        """What lies among the stores and is neither a store nor a lock, relative to the workspace."""
        others = [name for name in names_in(self.folder) if ".ome.zarr" not in name]
        return [self.relative(self.folder / name) for name in others if not (name[0] == "." and name.endswith(".lock"))]

    def _all(self) -> list[Location]:
        return [self.folder / name for name in names_in(self.folder) if ".ome.zarr" in name]

    def remove(self, culture: str, keep: Collection[str | None] = ()) -> None:
        """Remove a culture's stores but those in `keep` (relative to the workspace).

        Raises WorkspaceError, StorageError.
        """
        gone = [path for path in self.of(culture) if self.relative(path) not in keep]
        try:
            for path in gone:
                remove_below(path)
            if gone and isinstance(self.folder, Path):
                flush(self.folder)  # else the names may be back after a power cut, when the graph knows of none
        except OSError as error:
            raise WorkspaceError(f"{self.folder} cannot be cleared: {error.strerror}") from error

    def held_by_another(self, culture: str) -> ConflictError:
        """What to raise where another process holds a culture."""
        return ConflictError(f"culture {culture!r} is being written by another process: wait for it to end")
