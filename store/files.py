"""Writing files so that a killed process leaves the old file or the new one, never half of either."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4


def write_atomically(path: Path, write: Callable[[Path], object], mode: int | None = None) -> None:
    """Write a draft beside `path`, flush it to the disk and rename it to `path`.

    Parameters
    ----------
    path
        The file to write; its folder exists.
    write
        Called once with the draft's path, which has the suffix of `path`. The draft does not exist yet, unless `mode`
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
    draft = path.with_name(f".{path.stem}.{uuid4().hex[:8]}{path.suffix}")
    try:
        if mode is not None:
            # The mode is set before the first byte is there, so that nobody can read a secret in between.
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        write(draft)
        # Without the flush a crash of the machine could keep the new name and lose the content.
        flush(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk (fsync). Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
