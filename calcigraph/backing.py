"""Backups: all complete cultures of a workspace in one folder, and a workspace or a server filled from it.

backup.json              what was saved, by which calcigraph, and the SHA-256 of every other file
cultures/CULTURE.jsonl   the graph's nodes and relationships of a culture (store/refill.py)
movies/                  movie stores, as in a workspace
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.errors import CalcigraphError, ConflictError, InputError, NotFoundError, WorkspaceError, command
from calcigraph.export.place import write_in_place
from calcigraph.naming import checked_name
from calcigraph.store.files import file_digest, remove_leftovers, require_place
from calcigraph.store.location import Location, files_below, pieces, remove_below
from calcigraph.store.manifest import Flaw, listed
from calcigraph.store.meta import SCHEMA_VERSION
from calcigraph.store.movie_places import movies_of
from calcigraph.store.movies import Movies
from calcigraph.store.objects import ObjectPath
from calcigraph.store.refill import contents_of_lines, lines_of
from calcigraph.store.rowwise import differences
from calcigraph.store.seals import Contents
from calcigraph.store.staging import ROOT
from calcigraph.store.types import Culture, Progress
from calcigraph.version import __version__

if TYPE_CHECKING:
    from calcigraph.store import Graph

FORMAT = 1
"""Of a backup."""
NOTE = "backup.json"
TRIES = 6
"""Attempts at a culture that others write meanwhile."""
SAVING, READING, COPYING = "saving", "checking the backup", "copying movies"


@dataclass
class Saved:
    """What a backup holds; made by `save`."""

    cultures: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Cultures, or movies of cultures, that it lacks, and why."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path."""


def check_out(out: Path) -> None:
    """Raise InputError where no backup can be written. What a killed one left there is removed."""
    if re.match(r"[A-Za-z][\w+.-]+:/", str(out)):  # Path has made one slash of two
        raise InputError(f"cannot write {str(out)!r}: a backup is written to a folder; copy that to where you like")
    remove_leftovers(out)
    if out.exists() or out.is_symlink():
        raise InputError(f"{str(out)!r} exists already: a backup is written to a new folder")
    require_place(out)


def save(graph: Graph, movies: Movies, out: Path, progress: Progress) -> Saved:
    """See `Workspace.backup`; `check_out` allows `out`."""
    out, saved = out.resolve(), Saved()
    write_in_place(out, True, lambda draft: _fill(graph, movies, draft, saved, progress))
    return saved


def _fill(graph: Graph, movies: Movies, draft: Path, saved: Saved, progress: Progress) -> None:
    (draft / "cultures").mkdir()
    names = [culture.uid for culture in graph.cultures()]
    for done, name in enumerate(names):
        progress(SAVING, done, len(names))
        _culture(graph, movies, draft, name, saved)
    progress(SAVING, len(names), len(names))
    note = {
        "format": FORMAT,
        "calcigraph": __version__,
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "cultures": saved.cultures,
        "files": saved.files,
    }
    (draft / NOTE).write_text(json.dumps(note | {"digest": _digest_of(note)}, indent=1), encoding="utf-8")


def _culture(graph: Graph, movies: Movies, draft: Path, name: str, saved: Saved) -> None:
    """Save a culture as it is at one moment: what others write meanwhile is noticed, and read again."""
    flaws: list[str] = []
    for attempt in range(TRIES):
        time.sleep(min(2.0, 0.1 * 2**attempt) if attempt else 0.0)
        culture, before = graph.culture(name), flaws
        if culture is None:
            return
        if not culture.complete:
            saved.left_out[name] = "it is being written or deleted"
            return
        files, flaws = _copied(graph, movies, draft, culture)
        if not flaws:
            saved.files |= files
            saved.cultures.append(name)
            if culture.movie is not None and not movies.has(culture.movie):
                saved.left_out[name] = movies.whereabouts(culture)
            return
        shutil.rmtree(draft / str(culture.movie), ignore_errors=True)
        if flaws == before:
            break
    if flaws == before:
        again = command("verify", [name])
        raise WorkspaceError(
            f"culture {name} is not as it was written ({flaws[0]}): `{again}` tells all; nothing was saved"
        )
    raise ConflictError(f"culture {name} is being written all the time: repeat the backup when that has ended")


def _copied(graph: Graph, movies: Movies, draft: Path, culture: Culture) -> tuple[dict[str, str], list[str]]:
    """The digests of a culture's files, and what is wrong with it, or has been written meanwhile."""
    files: dict[str, str] = {}
    flaws: list[str] = []
    if culture.movie is not None and movies.has(culture.movie):
        store = movies.workspace / culture.movie
        files, flaws = _copied_store(store, draft / culture.movie, culture.movie_digest)
        files = {f"{culture.movie}/{name}": digest for name, digest in files.items()}
    contents, name = Contents(), f"cultures/{culture.uid}.jsonl"
    with (draft / name).open("w", encoding="utf-8", newline="\n") as file:
        digest = hashlib.sha256()
        for line in lines_of(graph, culture.uid, contents):
            file.write(line + "\n")
            digest.update(line.encode() + b"\n")
    files[name] = digest.hexdigest()
    flaws += [f"{part}: {state}" for part, state, _ in differences(contents) if state != "unrecorded"]
    if contents.culture.get("movie") != culture.movie or contents.culture.get("movie_digest") != culture.movie_digest:
        flaws.append("its movie was replaced")
    if (
        any(seals is None for seals in contents.said().values())
        and graph.contents(culture.uid).found() != contents.found()
    ):
        flaws.append("its rows changed")
    return files, flaws


def _copied_store(store: Location, target: Path, digest: str | None) -> tuple[dict[str, str], list[str]]:
    """Copy a store, reading each file once."""
    known = listed(store)
    files: dict[str, str] = {}
    try:
        for name in files_below(store):
            files[name] = _copy(store / name, target / name)
    except FileNotFoundError:
        return files, ["a file of its movie is gone"]
    if known is None:
        return files, [] if digest is None else [f"{ROOT}: damaged"]
    wanted = known | ({} if digest is None else {ROOT: digest})
    return files, [
        name for name in sorted({*files, *wanted}) if name != ROOT and files.get(name) != wanted.get(name)
    ] + ([f"{ROOT}: damaged"] if digest is not None and files.get(ROOT) != digest else [])


def _copy(source: Location, target: Path) -> str:
    """Copy a file; return its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("wb") as copy:
        for piece in pieces(source):
            copy.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def _digest_of(note: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()


def read_note(backup: Path) -> dict[str, Any]:
    """What a backup says of itself. Raises NotFoundError, InputError if it is newer, WorkspaceError if damaged."""
    if not (backup / NOTE).is_file():
        raise NotFoundError(
            f"{str(backup)!r} is no backup: expected a folder with {NOTE}, as `calcigraph backup` writes"
        )
    try:
        note: dict[str, Any] = json.loads((backup / NOTE).read_text(encoding="utf-8"))
        digest = note.pop("digest")
        newer = note["format"] > FORMAT or note["schema_version"] > SCHEMA_VERSION
        whole = digest == _digest_of(note)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkspaceError(f"{backup / NOTE} is damaged: it cannot be read") from error
    if not whole:
        raise WorkspaceError(f"{backup / NOTE} is damaged: it is not what was written")
    if newer:
        raise InputError(
            f"the backup {str(backup)!r} was written by calcigraph {note['calcigraph']}, and this one ({__version__}) "
            "cannot read it: install a newer calcigraph"
        )
    return note


def flaws_of_backup(backup: Path, note: Mapping[str, Any], progress: Progress) -> Iterator[Flaw]:
    """Files of a backup that are not what was written, each read once."""
    there = {
        path.relative_to(backup).as_posix() for path in backup.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    names = sorted({*note["files"], *there} - {NOTE})
    for done, name in enumerate(names, start=1):
        if name not in there:
            yield Flaw(name, "missing")
        elif name not in note["files"]:
            yield Flaw(name, "extra")
        elif file_digest(backup / name) != note["files"][name]:
            yield Flaw(name, "damaged")
        progress(READING, done, len(names))


def restore(backup: Path, workspace: Location, progress: Progress) -> list[str]:
    """See `Workspace.restore`."""
    note = read_note(backup)
    flaw = next(flaws_of_backup(backup, note, progress), None)
    if flaw is not None:
        raise WorkspaceError(
            f"{backup / flaw.name} is {flaw.state}: nothing was restored; "
            f"`{command('verify', [], '--backup', str(backup))}` tells all that is wrong with this backup"
        )
    if isinstance(workspace, Path) and not os.environ.get("NEO4J_URI"):
        _restore_here(backup, note, workspace, progress)
    else:
        _restore_to_server(backup, note, workspace, progress)
    return list(note["cultures"])


def _restore_here(backup: Path, note: Mapping[str, Any], workspace: Path, progress: Progress) -> None:
    """Build a workspace beside the one that is wanted, and rename it: it is there whole, or not at all."""
    remove_leftovers(workspace)
    if workspace.exists() and (not workspace.is_dir() or any(workspace.iterdir())):
        raise InputError(
            f"workspace {workspace} is there already: restore into a new one, with --workspace DIR before the command"
        )

    def build(draft: Path) -> None:
        _put(backup, note, draft, workspace, progress)

    workspace = workspace.resolve()
    workspace.parent.mkdir(parents=True, exist_ok=True)
    write_in_place(workspace, True, build)


def _restore_to_server(backup: Path, note: Mapping[str, Any], workspace: Location, progress: Progress) -> None:
    try:
        if isinstance(workspace, Path):
            workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"workspace {workspace} cannot be made ({error.strerror})") from error
    _put(backup, note, workspace, workspace, progress)


def _put(backup: Path, note: Mapping[str, Any], folder: Location, final: Location, progress: Progress) -> None:
    """Fill a workspace that is at `folder` and will be at `final`; undo what was done if it cannot be finished."""
    from calcigraph.store import Graph, chosen_heap_mb

    movies, later = movies_of(folder), movies_of(final)
    with ExitStack() as stack:
        graph = stack.enter_context(Graph.open(folder, heap_mb=chosen_heap_mb()))
        wanted = {name: _lines(backup, name) for name in note["cultures"]}
        missing = [name for name, contents in wanted.items() if not _there(graph, name, contents)]
        # A lease has to be renewed, so there each culture is held only while it is written.
        at_once = isinstance(folder, Path)
        for name in missing if at_once else ():
            stack.enter_context(movies.locked(checked_name(name)))
        done: list[str] = []
        try:
            for name in missing:
                done.append(name)
                with contextlib.nullcontext() if at_once else movies.locked(checked_name(name)):
                    _put_culture(graph, backup, name, movies, later, wanted[name], progress)
        except BaseException:
            for name in done:
                _undo(graph, movies, name)
            raise


def _put_culture(
    graph: Graph, backup: Path, name: str, movies: Movies, later: Movies, wanted: Contents, progress: Progress
) -> None:
    movie, changes = wanted.culture.get("movie"), {}
    if movie is not None and (backup / movie).is_dir():
        _put_store(backup / movie, movies.workspace / movie, progress)
        changes = {"movie_uri": later.uri(movie)}
    graph.forget(wanted)
    graph.refill(_read_lines(backup, name), changes, progress)
    if graph.contents(name).found() != wanted.found():
        raise WorkspaceError(f"culture {name} is not in the graph as it is in the backup")


def _undo(graph: Graph, movies: Movies, name: str) -> None:
    with contextlib.suppress(CalcigraphError):  # it was not begun, or the server is gone: then `status` names it
        graph.delete_culture(name)
    movies.remove(name)


def _there(graph: Graph, name: str, contents: Contents) -> bool:
    """Whether the graph has this very culture. Raises ConflictError where it has another one of this name."""
    stored = graph.culture(name)
    if stored is None or not stored.complete:
        return False
    if graph.contents(name).found() == contents.found():
        return True
    raise ConflictError(
        f"the graph has another culture {name} already: nothing was restored; delete it, or restore into another graph"
    )


def _put_store(source: Path, target: Location, progress: Progress) -> None:
    """Copy a store into its place, whole or not at all."""
    if target.is_dir():
        remove_below(target)
    files = files_below(source)
    if isinstance(target, ObjectPath):
        for done, name in enumerate(sorted(files, key=lambda name: name == ROOT), start=1):  # by which it is whole
            (target / name).put(source / name)
            progress(COPYING, done, len(files))
        return
    target.parent.mkdir(parents=True, exist_ok=True)

    def build(draft: Path) -> None:
        for done, name in enumerate(files, start=1):
            _copy(source / name, draft / name)
            progress(COPYING, done, len(files))

    write_in_place(target, True, build)


def _read_lines(backup: Path, name: str) -> Iterator[str]:
    with (backup / "cultures" / f"{checked_name(name)}.jsonl").open(encoding="utf-8", newline="\n") as file:
        yield from file


def _lines(backup: Path, name: str) -> Contents:
    try:
        return contents_of_lines(_read_lines(backup, name))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise WorkspaceError(
            f"the rows of culture {name} in the backup cannot be read: nothing was restored"
        ) from error
