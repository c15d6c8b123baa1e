"""Whether a workspace is what was written to it: movie stores, rows of the graph, files of the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.backing import NOTE
from calcigraph.errors import CalcigraphError, DamagedError, GraphError, InputError, VersionError, command
from calcigraph.store.embedded import mended
from calcigraph.store.graph_files import copied, held, problems_of
from calcigraph.store.location import Location
from calcigraph.store.manifest import Flaw, flaws_of
from calcigraph.store.rowwise import cells_that_differ, differences
from calcigraph.store.types import Culture, Progress

if TYPE_CHECKING:
    from calcigraph.store import Graph
    from calcigraph.store.movies import Movies

RIGHT = "right"
TOLD = ("right", "mended", "unrecorded", "elsewhere", "in use")
"""States that are not wrong."""
STAGE = "checking the graph"


@dataclass(frozen=True)
class Finding:
    """One line of what `verify` found."""

    culture: str | None
    part: str
    """A file, or a kind of rows of the graph."""
    state: str
    """"right", "damaged", "missing", "extra" or "incomplete"; "unrecorded", "elsewhere" or "in use" if not checked."""
    what: str = ""

    @property
    def wrong(self) -> bool:
        """Whether something is."""
        return self.state not in TOLD

    def row(self) -> dict[str, Any]:
        """For a table."""
        return {"culture": self.culture, "part": self.part, "state": self.state, "what": self.what or None}


@contextmanager
def looked_into(folder: Location, opened: Graph | None, progress: Progress) -> Iterator[tuple[Graph, list[Finding]]]:
    """The graph to read, which reading does not change, and what is wrong with its files.

    Where no engine runs, it is a copy of the embedded graph; else the graph itself, and its files are in use.

    Raises
    ------
    WorkspaceError
        The graph cannot be opened at all.
    """
    import os

    from calcigraph.store import Graph as Opened
    from calcigraph.store import chosen_heap_mb

    if os.environ.get("NEO4J_URI") or not isinstance(folder, Path):
        with _opened(folder, opened) as graph:
            yield graph, []
        return
    home = _home(folder)
    with held(home) as free:
        found = [_of_file(*each) for each in problems_of(home, progress)] if free else []
        copy = copied(home) if free else None
        place = copy.__enter__() if copy is not None else None
    try:
        if place is None:
            with _opened(folder, opened) as graph:
                yield graph, [Finding(None, "graph", "in use", "another command uses it: its files were not checked")]
        else:
            with Opened.open(place, heap_mb=chosen_heap_mb()) as graph:
                yield graph, found or [Finding(None, "graph", RIGHT, "its files")]
    finally:
        if copy is not None:
            copy.__exit__(None, None, None)


def _home(folder: Path) -> Path:
    """Where the embedded graph is: a repair that was killed may have left the new one beside its place."""
    home = folder / "graph"
    return mended(home) if mended(home).is_dir() and not home.exists() else home


@contextmanager
def _opened(folder: Location, graph: Graph | None) -> Iterator[Graph]:
    from calcigraph.store import Graph as Opened
    from calcigraph.store import chosen_heap_mb

    if graph is not None:
        yield graph
    else:
        with Opened.open(folder, heap_mb=chosen_heap_mb()) as mine:
            yield mine


def _of_file(name: str, state: str, what: str) -> Finding:
    return Finding(None, f"graph/{name}", state, what)


def verify(
    folder: Location, movies: Movies, opened: Graph | None, names: Sequence[str], progress: Progress
) -> list[Finding]:
    """See `Workspace.verify`."""
    try:
        with looked_into(folder, opened, progress) as (graph, files):
            found = files + _all(graph, movies, names, progress)
    except VersionError:
        raise
    except (DamagedError, GraphError) as error:
        if not isinstance(folder, Path):
            raise
        home = _home(folder)
        with held(home) as free:
            files = [_of_file(*each) for each in problems_of(home, progress)] if free else []
        if not isinstance(error, DamagedError) and not any(each.wrong for each in files):
            raise
        unread = Finding(None, "graph", "damaged", str(error))
        found = [*files, unread, *_stores_alone(movies, progress)]
    return found


def verify_backup(backup: Path, progress: Progress) -> list[Finding]:
    """What is wrong with a backup. Raises as `backing.read_note`."""
    from calcigraph.backing import flaws_of_backup, read_note

    flaws = list(flaws_of_backup(backup, read_note(backup), progress))
    whole = [Finding(None, str(backup), RIGHT, "its files")]
    return [Finding(None, flaw.name, flaw.state, flaw.what) for flaw in flaws] or whole


def _all(graph: Graph, movies: Movies, names: Sequence[str], progress: Progress) -> list[Finding]:
    from calcigraph.queries import unknown_culture

    cultures = graph.cultures()
    for name in names:
        if name not in {culture.uid for culture in cultures}:
            if (Path(name) / NOTE).is_file():
                raise InputError(f"{name} is a backup: check it with `{command('verify', [], '--backup', name)}`")
            raise unknown_culture(graph, name)
    chosen = [culture for culture in cultures if culture.complete and (not names or culture.uid in names)]
    found: list[Finding] = []
    for done, culture in enumerate(chosen):
        progress(STAGE, done, len(chosen))
        found += [*_of_store(movies, culture, progress), *_of_rows(graph, movies, culture)]
    progress(STAGE, len(chosen), len(chosen))
    return found if names else found + _of_workspace(graph, movies, cultures)


def _of_store(movies: Movies, culture: Culture, progress: Progress) -> Iterator[Finding]:
    if culture.movie is None:
        return
    if not movies.has(culture.movie):
        here = culture.movie_uri in (None, movies.uri(culture.movie))
        yield Finding(culture.uid, culture.movie, "missing" if here else "elsewhere", movies.whereabouts(culture))
        return
    flaws = list(flaws_of(movies.workspace / culture.movie, culture.movie_digest, progress))
    if not flaws:
        yield Finding(culture.uid, culture.movie, RIGHT, "its files")
    yield from (_of_flaw(culture.uid, culture.movie, flaw) for flaw in flaws)


def _of_flaw(culture: str, movie: str, flaw: Flaw) -> Finding:
    return Finding(culture, f"{movie}/{flaw.name}", flaw.state, flaw.what)


def _of_rows(graph: Graph, movies: Movies, culture: Culture) -> Iterator[Finding]:
    try:
        contents = graph.contents(culture.uid)
    except (CalcigraphError, KeyError, TypeError, ValueError, AttributeError) as error:  # rows of a damaged file
        yield Finding(culture.uid, "rows", "damaged", f"they cannot be read ({error})")
        return
    found = list(differences(contents))
    if not found:
        yield Finding(culture.uid, "rows", RIGHT, "in the graph")
    for part, state, what in found:
        more = cells_that_differ(contents, movies, culture) if part == "intensities" else ""
        yield Finding(culture.uid, part, state, what + more)


def _of_workspace(graph: Graph, movies: Movies, cultures: Sequence[Culture]) -> list[Finding]:
    """What belongs to no culture, or to one that is half-written."""
    found = [Finding(row["culture"], "culture", "incomplete", _unfinished(row)) for row in graph.incomplete()]
    found += [
        Finding(name, "events", "incomplete", f"their run was broken off: run `{command('events', [name])}`")
        for name in graph.incomplete_events()
    ]
    named = [culture.movie for culture in cultures]
    found += [Finding(culture, "movies", "extra", what) for culture, what in movies.unreferenced(named)]
    found += [Finding(None, name, "extra", "calcigraph did not write it") for name in movies.strangers()]
    return found + [Finding(None, what, "extra", "they belong to no culture") for what in graph.orphans()]


def _unfinished(row: Mapping[str, Any]) -> str:
    return f"its {row['state']} was broken off, or is under way: `calcigraph status` tells what to do"


def _stores_alone(movies: Movies, progress: Progress) -> Iterator[Finding]:
    """The stores of a workspace whose graph cannot be read."""
    for path in movies.whole():
        name = movies.relative(path)
        flaws = list(flaws_of(path, None, progress))
        yield from (_of_flaw(movies.culture_of(path), name, flaw) for flaw in flaws)
        if not flaws:
            yield Finding(movies.culture_of(path), name, RIGHT, "its files, by what its zarr.json says")
