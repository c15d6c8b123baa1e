"""Where the parts of a workspace are: in a folder, or on object storage; and what is read of both in the same way."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from calcigraph.store.files import flush
from calcigraph.store.objects import ObjectPath, delete

Location = Path | ObjectPath
"""A folder or a file, or what stands for them on object storage."""
PIECE = 2**20


def span(place: Location, start: int, length: int) -> bytes:
    """`length` bytes from `start` on, which counts from the end if it is negative: then they are the last ones.

    Raises OSError for a file that is missing or shorter, StorageError.
    """
    if isinstance(place, ObjectPath):
        return place.span(start, length)
    with place.open("rb", buffering=0) as handle:
        first = start if start >= 0 else os.fstat(handle.fileno()).st_size + start
        return os.pread(handle.fileno(), length, first)


def pieces(place: Location) -> Iterator[bytes]:
    """The whole file, piece by piece. Raises OSError, StorageError."""
    if isinstance(place, ObjectPath):
        yield from place.pieces()
        return
    with place.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def digest_of(place: Location) -> str:
    """SHA-256 of a file, in hex digits, read in pieces. Raises OSError, StorageError."""
    digest = hashlib.sha256()
    for piece in pieces(place):
        digest.update(piece)
    return digest.hexdigest()


def files_below(place: Location) -> list[str]:
    """Every file of a folder and of those in it, relative to it; links too."""
    if isinstance(place, ObjectPath):
        return [each.below(place) for each in place.files()]
    there = (each for each in place.rglob("*") if not each.is_dir() or each.is_symlink())
    return sorted(each.relative_to(place).as_posix() for each in there)


def names_in(place: Location) -> list[str]:
    """What lies in a folder; nothing where there is none."""
    if isinstance(place, ObjectPath):
        return place.names()
    return sorted(each.name for each in place.iterdir()) if place.is_dir() else []


def relative(place: Location, root: Location) -> str:
    """A place below another, with forward slashes."""
    if isinstance(place, ObjectPath):
        assert isinstance(root, ObjectPath)
        return place.below(root)
    return place.relative_to(str(root)).as_posix()


def remove_below(place: Location) -> None:
    """Remove a folder with all that is in it. Raises OSError, StorageError."""
    if isinstance(place, ObjectPath):
        delete(place.files())
    else:
        shutil.rmtree(place)


def replace_file(source: Location, target: Location) -> None:
    """Put a file in the place of another, whole or not at all. Raises OSError, StorageError."""
    if isinstance(target, ObjectPath):
        target.write_bytes(source.read_bytes())
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.mending")
    draft.write_bytes(source.read_bytes())
    flush(draft)
    draft.replace(target)
    flush(target.parent)
