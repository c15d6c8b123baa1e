"""The workspace's folder of movie stores: their names, one writer per culture, and removing what is left over."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from calcigraph.errors import ConflictError, WorkspaceError
from calcigraph.store.files import flush, make_folder

if TYPE_CHECKING:
    from calcigraph.store.types import Culture


class MovieFolder:
    """`<workspace>/movies`: one OME-Zarr store per culture, `<culture>.<8 hex digits>.ome.zarr`.

    Parameters
    ----------
    workspace
        The workspace's folder; `movies` inside it is made by the first `locked`.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.folder = workspace / "movies"

    def require_writable(self) -> None:
        """Raise WorkspaceError where nothing could be stored here; makes no folder."""
        nearest = next(each for each in (self.folder, *self.folder.absolute().parents) if each.exists())
        if not os.access(nearest, os.W_OK):
            raise self._unwritable("it may only be read")

    def _unwritable(self, why: str | None) -> WorkspaceError:
        return WorkspaceError(
            f"workspace {self.workspace} cannot be written ({why}): "
            "choose one that you may write to, with --workspace or CALCIGRAPH_WORKSPACE"
        )

    def new(self, culture: str) -> Path:
        """A new name for a store of the culture, so that it is built beside the old one."""
        return self.folder / f"{culture}.{secrets.token_hex(4)}.ome.zarr"

    def has(self, name: str | None) -> bool:
        """Whether this store (relative to the workspace) is there; True for a culture that needs none."""
        return name is None or (self.workspace / name).is_dir()

    def uri(self, name: str) -> str:
        """Where a store (relative to the workspace) is, with the name of this machine."""
        return (self.workspace / name).resolve().as_uri().replace("file://", f"file://{socket.gethostname()}", 1)

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

    def relative(self, path: Path) -> str:
        """The form kept in the graph: relative to the workspace, forward slashes."""
        return path.relative_to(self.workspace).as_posix()

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
        for path in sorted(self._all()):
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

    def _busy(self, culture: str) -> bool:
        """Whether a process holds the culture for writing."""
        # A shared lock is enough to see that, and two processes that only look do not disturb one another.
        try:
            with (self.folder / f".{culture}.lock").open("r+") as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def of(self, culture: str) -> list[Path]:
        """Every store of a culture, unfinished ones included."""
        pattern = re.compile(rf"\.?{re.escape(culture)}\.[0-9a-f]{{8}}\.ome\.zarr.*", re.DOTALL)
        return [path for path in self._all() if pattern.fullmatch(path.name)]

    def whole(self) -> list[Path]:
        """Every finished store."""
        return sorted(path for path in self._all() if path.name.endswith(".ome.zarr") and path.name[0] != ".")

    @staticmethod
    def culture_of(store: Path) -> str:
        """The culture of a store, by the store's name."""
        return store.name.lstrip(".").rsplit(".ome.zarr")[0].rpartition(".")[0]

    def strangers(self) -> list[str]:
        """What lies among the stores and is neither a store nor a lock, relative to the workspace."""
        there = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        ours = [path for path in there if path in self._all() or (path.name[0] == "." and path.name.endswith(".lock"))]
        return [self.relative(path) for path in there if path not in ours]

    def _all(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if ".ome.zarr" in path.name]

    def remove(self, culture: str, keep: Collection[str | None] = ()) -> None:
        """Remove a culture's stores but those in `keep` (relative to the workspace). Raises WorkspaceError."""
        kept = {self.workspace / name for name in keep if name}
        gone = [path for path in self.of(culture) if path not in kept]
        try:
            for path in gone:
                shutil.rmtree(path)
            if gone:
                flush(self.folder)  # else the names may be back after a power cut, when the graph knows of none
        except OSError as error:
            raise WorkspaceError(f"{self.folder} cannot be cleared: {error.strerror}") from error

    @contextmanager
    def locked(self, culture: str) -> Iterator[None]:
        """Hold a culture for one writer, until the process leaves this context or dies.

        Raises
        ------
        ConflictError
            Another process holds the culture; nothing waits for it.
        WorkspaceError
            The workspace cannot be written.
        """
        lock = self.folder / f".{culture}.lock"
        try:
            make_folder(self.folder)
            handle = lock.open("w")
        except OSError as error:
            raise self._unwritable(error.strerror) from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConflictError(
                    f"culture {culture!r} is being written by another process: wait for it to end"
                ) from error
            yield
