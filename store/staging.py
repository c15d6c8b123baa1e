"""Where a movie store is while it is written, and how it gets to its place: whole, or not at all.

In a folder it is built beside its place and renamed. On object storage there is no rename: it is built in a temporary
folder of this machine, its files are sent while the next are written, and `zarr.json`, which has the digests of all
others, is put last. Nobody looks at a store that the graph does not name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from calcigraph.errors import WorkspaceError
from calcigraph.store.files import draft_folder, flush, make_folder, remove_leftovers
from calcigraph.store.location import Location, remove_below
from calcigraph.store.objects import ObjectPath

ROOT = "zarr.json"
"""The file of a store that has the digests of all others."""


class Staging(Protocol):
    """The folder in which a store is written; made by `staging_for`. Every method raises OSError or StorageError."""

    path: Path

    def settle(self, file: Path) -> None:
        """Have a written file, or a folder, where it outlives this machine's memory. Threads may do that at once."""

    def share(self, source: Location, file: Path) -> None:
        """Take a file of another store, which nobody writes to again, for `file`."""

    def put_in_place(self) -> None:
        """Make the store visible, when all of it is settled."""

    def close(self) -> None:
        """Remove what is left; a store that is not in its place is removed too."""


def staging_for(target: Location) -> Staging:
    """The staging of a store that shall be at `target`. Raises OSError."""
    return _Bucket(target) if isinstance(target, ObjectPath) else _Folder(target)


class _Folder:
    """A folder beside the target. Those left by writers that were killed are removed first."""

    def __init__(self, target: Path) -> None:
        self._target, self._finished = target, False
        make_folder(target.parent)
        remove_leftovers(target)
        self.path = target.with_name(f".{target.name}.partial-{os.getpid()}")
        self.path.mkdir()
        # The kernel drops this lock when the process dies; until then no other writer removes the folder.
        self._lock = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def settle(self, file: Path) -> None:
        flush(file)

    def share(self, source: Location, file: Path) -> None:
        try:
            os.link(str(source), file)
        except OSError:  # a file system without second names
            shutil.copyfile(str(source), file)

    def put_in_place(self) -> None:
        old = self._target.with_name(f"{self.path.name}.old")
        if self._target.exists():
            # Renaming over a folder that is not empty fails, so the old one steps aside first.
            self._target.rename(old)
        self.path.rename(self._target)
        flush(self._target.parent)
        self._finished = True
        if old.exists():
            shutil.rmtree(old)
            flush(self._target.parent)

    def close(self) -> None:
        os.close(self._lock)
        if not self._finished:
            shutil.rmtree(self.path, ignore_errors=True)


class _Bucket:
    """A temporary folder, and objects below the target's key, which is new: no other writer has it."""

    def __init__(self, target: ObjectPath) -> None:
        self._target, self._finished = target, False
        self._stack = ExitStack()
        # One name for all, so that whoever comes next removes what killed writers left; live ones hold theirs.
        drafts = Path(tempfile.gettempdir()) / f"calcigraph-{os.getuid()}"
        self.path = self._stack.enter_context(draft_folder(drafts)) / "store"
        self.path.mkdir()

    def settle(self, file: Path) -> None:
        if file.is_file() and file != self.path / ROOT:
            self._at(file).put(file)

    def share(self, source: Location, file: Path) -> None:
        assert isinstance(source, ObjectPath)
        self._at(file).copy_from(source)

    def put_in_place(self) -> None:
        try:
            self._at(self.path / ROOT).put((self.path / ROOT).read_bytes(), "create")
        except FileExistsError:
            raise WorkspaceError(f"{self._target} is there already: repeat the command") from None
        self._finished = True

    def _at(self, file: Path) -> ObjectPath:
        return self._target / file.relative_to(self.path).as_posix()

    def close(self) -> None:
        self._stack.close()
        if not self._finished:
            with contextlib.suppress(LookupError):  # the storage is gone: the next writer of this culture removes it
                remove_below(self._target)
