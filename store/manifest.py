"""A movie store against what it says of itself: the SHA-256 of every file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from calcigraph.store.chunks import read_json
from calcigraph.store.location import Location, digest_of, files_below
from calcigraph.store.staging import ROOT
from calcigraph.store.types import Progress, silent

STAGE = "checking movies"


@dataclass(frozen=True)
class Flaw:
    """One file that is not what it was."""

    name: str
    """Its path inside the store."""
    state: str
    """"damaged", "missing", "extra" or "unrecorded"."""
    what: str = ""


def flaws_of(store: Location, digest: str | None, progress: Progress = silent) -> Iterator[Flaw]:
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
    there = set(files_below(store))
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


def listed(store: Location) -> dict[str, str] | None:
    """The digests that a store has of its files; None for none, and where they cannot be read."""
    try:
        files = read_json(store / ROOT)["attributes"]["calcigraph"]["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else None


def _digest(path: Location) -> str:
    """Of a file; "" for one that cannot be read, as on a disk that fails."""
    try:
        return digest_of(path)
    except OSError:
        return ""
