"""Whether the disk of a graph takes what a commit needs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from calcigraph.errors import WorkspaceError

ROOM_BYTES = 60 * 2**20
"""Free disk space that a commit may need for its write-ahead log."""
PROBE_BYTES = 2**20
"""Written to see whether a disk takes anything."""


def free_bytes(folder: Path) -> int:
    """Free space of the disk that holds `folder`, in bytes."""
    return shutil.disk_usage(folder).free


def require_room(folder: Path) -> None:
    """Raise WorkspaceError unless the disk has room for a commit."""
    if free_bytes(folder) < ROOM_BYTES:
        raise WorkspaceError(
            f"the disk of {folder} is full: {free_bytes(folder) // 2**20} MB are free and the graph needs "
            f"{ROOM_BYTES // 2**20} MB to write safely; nothing is half-written: free some space and repeat the command"
        )


def require_writable(folder: Path) -> None:
    """Raise WorkspaceError unless a file can be written there: a quota, or a disk that became read-only, forbids it."""
    require_room(folder)
    probe = folder / f".probe.{os.getpid()}.tmp"
    try:
        try:
            with probe.open("wb") as file:
                file.write(bytes(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"the disk of {folder} takes no more ({error.strerror}); nothing is half-written: make room, or have the "
            "quota raised, and repeat the command"
        ) from error
