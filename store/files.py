"""Writing files so that a killed process leaves the old file or the new one, never half of either."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from calcigraph.errors import InputError


def require_place(path: Path) -> None:
    """Raise InputError, before the work for a file or a folder begins, where it could not be put in its place."""
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"cannot write {str(path)!r}: there is no folder {str(folder)!r}; make it first")
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"cannot write {str(path)!r}: its folder may only be read, for its file system is read-only, or it is "
            "somebody else's; name a place that you may write to"
        )


def write_atomically(path: Path, write: Callable[[Path], object], mode: int | None = None) -> None:
    """Write a draft beside `path`, flush it to the disk and rename it to `path`.

    Parameters
    ----------
    path
        The file to write; its folder exists.
    write
        Called once with the draft's path, which has the name of `path`. The draft does not exist yet, unless `mode`
        is given: then it is there, empty, with that mode.
    mode
        Permissions of the file; None for those of new files.

    Raises
    ------
    OSError
        Nothing is left behind, and an older file of that name is as it was.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "k.txt"
    ...     write_atomically(path, lambda draft: draft.write_text("0.012"))
    ...     [file.name for file in Path(folder).iterdir()], path.read_text()
    (['k.txt'], '0.012')
    """
    with draft_folder(path) as folder:
        draft = folder / path.name
        if mode is not None:
            # The mode is set before the first byte is there, so that nobody can read a secret in between.
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        write(draft)
        # Without the flush a crash of the machine could keep the new name and lose the content.
        flush(draft)
        draft.replace(path)
    flush(path.parent)  # else the new name may be lost with the power, after it was reported


@contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target` for drafts of it, removed at the end; first those that killed writers left.

    A live writer's is locked, so that it stays. Raises OSError.
    """
    remove_leftovers(target)
    folder, lock = _locked_folder(target)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(target: Path) -> tuple[Path, int]:
    """Make a folder for drafts; the kernel drops its lock when the process dies, and no one removes it before."""
    while True:
        folder = target.with_name(f".{target.name}.partial-{os.getpid()}-{uuid4().hex[:8]}")
        folder.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)  # another writer took it for a leftover before it was locked


def flush(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk (fsync). Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder, and those above it that are not there, and have their names on the disk. Raises OSError."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for each in new:
        flush(each.parent)


def remove_leftovers(target: Path) -> None:
    """Remove the folders that killed writers of `target` left beside it; those that a live writer has locked stay."""
    for folder in sorted(target.parent.glob(f".{glob_safe(target.name)}.partial-*")):
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another process has just removed it, or finished it
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)


def glob_safe(name: str) -> str:
    """The name with glob's own characters quoted."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex digits, read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
