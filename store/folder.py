"""Movie stores in a folder, where the kernel's locks hold a culture for one writer."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calcigraph.errors import WorkspaceError
from calcigraph.store.files import make_folder
from calcigraph.store.movies import Movies


class MovieFolder(Movies):
    """See `Movies`.

    Parameters
    ----------
    workspace
        The workspace's folder; `movies` inside it is made by the first `locked`.
    """

    folder: Path

    def __init__(self, workspace: Path) -> None:
        super().__init__(workspace)

    def require_writable(self) -> None:
        nearest = next(each for each in (self.folder, *self.folder.absolute().parents) if each.exists())
        if not os.access(nearest, os.W_OK):
            raise self._unwritable("it may only be read")

    def _unwritable(self, why: str | None) -> WorkspaceError:
        return WorkspaceError(
            f"workspace {self.workspace} cannot be written ({why}): "
            "choose one that you may write to, with --workspace or CALCIGRAPH_WORKSPACE"
        )

    def has(self, name: str | None) -> bool:
        return name is None or (self.workspace / name).is_dir()

    def uri(self, name: str) -> str:
        """With the name of this machine."""
        place = (self.folder.parent / name).resolve().as_uri()
        return place.replace("file://", f"file://{socket.gethostname()}", 1)

    def _busy(self, culture: str) -> bool:
        # A shared lock is enough to see that, and two processes that only look do not disturb one another.
        try:
            with (self.folder / f".{culture}.lock").open("r+") as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @contextmanager
    def locked(self, culture: str) -> Iterator[None]:
        """Nothing waits for another process."""
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
                raise self.held_by_another(culture) from error
            yield

    def require_held(self, culture: str) -> None:
        """The kernel's lock cannot be lost."""
