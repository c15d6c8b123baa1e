"""A movie store against what it says of itself: the SHA-256 of every file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calcigraph.store.chunks import read_json
from calcigraph.store.files import file_digest
from calcigraph.store.types import Progress, silent

STAGE = "checking movies"
ROOT = "zarr.json"
"""The file that has the digests of all others."""


@dataclass(frozen=True)
class Flaw:
    """One file that is not what it was."""

    name: str
    """Its path inside the store."""
    state: str
    """"damaged", "missing", "extra" or "unrecorded"."""
    what: str = ""


def flaws_of(store: Path, digest: str | None, progress: Progress = silent) -> Iterator[Flaw]:
    """Read every file of a store once.

    Parameters
    ----------
    store
        Its folder.
    digest
        `Culture.movie_digest`; None for a culture of version 0.2 or before.
    progress
        Called with the stage "checking movies" and the number of files.
    """
    there = {path.relative_to(store).as_posix() for path in store.rglob("*") if not path.is_dir() or path.is_symlink()}
    if ROOT not in there:
        yield Flaw(ROOT, "missing", "it tells of all the others, which cannot be checked")
        return
    if digest is not None and _digest(store / ROOT) != digest:
        yield Flaw(ROOT, "damaged", "the others are checked by what it says now")
    files = listed(store)
    if files is None:
        state = "unrecorded" if digest is None else "damaged"
        yield Flaw(ROOT, state, "it has no digests of the others, which cannot be checked")
        return
    names = sorted({*files, *there} - {ROOT})
    for done, name in enumerate(names, start=1):
        if name not in there:
            yield Flaw(name, "missing")
        elif name not in files:
            yield Flaw(name, "extra")
        elif _digest(store / name) != files[name]:
            yield Flaw(name, "damaged")
        progress(STAGE, done, len(names))


def listed(store: Path) -> dict[str, str] | None:
    """The digests that a store has of its files; None for none, and where they cannot be read."""
    try:
        files = read_json(store / ROOT)["attributes"]["calcigraph"]["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else None


def _digest(path: Path) -> str:
    """Of a file; "" for one that cannot be read, as on a disk that fails."""
    try:
        return file_digest(path)
    except OSError:
        return ""
