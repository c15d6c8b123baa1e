"""Writing files so that a killed process leaves the old one or the new one, never half of either."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4


def write_atomically(path: Path, write: Callable[[Path], object], mode: int | None = None) -> None:
    """Call write(draft), a path beside `path` with the same suffix; flush it to the disk and rename it to `path`.

    Parameters
    ----------
    write
        Makes the draft, which does not exist yet unless `mode` is given: then it is there, empty, with that mode.
    mode
        Permissions of the file; None for those of new files.

    Raises
    ------
    OSError
        Nothing is left behind, and an older file of that name is as it was.
    """
    draft = path.with_name(f".{path.stem}.{uuid4().hex[:8]}{path.suffix}")
    try:
        if mode is not None:
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        write(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
