"""Putting right what `verify` finds: from the source movie, the movie store, or the graph; nothing right is touched.

Each step leaves a whole workspace, so that a repair which was killed is simply run again. A damaged graph of the
embedded engine is not overwritten: it is kept beside the new one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.errors import CalcigraphError, ConflictError, DamagedError, GraphError, VersionError, command
from calcigraph.store.embedded import finish_mending, mended
from calcigraph.store.files import flush
from calcigraph.store.graph_files import copied, held
from calcigraph.store.kept import read_rows, sources
from calcigraph.store.location import Location, digest_of, remove_below, replace_file
from calcigraph.store.manifest import flaws_of, listed
from calcigraph.store.mended import fits_its_seals, with_movie_uri
from calcigraph.store.movie import open_store
from calcigraph.store.refill import lines_of
from calcigraph.store.rowwise import differences
from calcigraph.store.seals import Contents
from calcigraph.store.staging import ROOT
from calcigraph.store.types import Culture, CultureData, Progress
from calcigraph.verifying import Finding, verify

if TYPE_CHECKING:
    from calcigraph.store import Graph
    from calcigraph.store.movies import Movies

MENDED = "mended"
_OF_STORE = ("culture", "cells", "intensities", "contacts", "places")
"""Kinds of rows that a movie store keeps."""


def repair(
    folder: Location, movies: Movies, opened: Callable[[], Graph], names: Sequence[str], progress: Progress
) -> list[Finding]:
    """See `Workspace.verify`: what was mended, and then what there is.

    Parameters
    ----------
    folder, movies
        Of the workspace.
    opened
        Opens its graph; called when its files are right.
    names
        Of cultures; none for all.
    progress
        As for `verify`.
    """
    if isinstance(folder, Path):
        finish_mending(folder / "graph")
    found = verify(folder, movies, None, names, progress)
    if all(each.state in ("right", "elsewhere", "in use") for each in found):
        return found
    done: list[Finding] = []
    damaged = any(each.wrong and each.culture is None and each.part.startswith("graph") for each in found)
    if damaged and isinstance(folder, Path):
        done += _new_graph(folder, progress)
    graph = opened()
    done += _brought_back(graph, movies, names, progress)
    for name in names or sorted({each.culture for each in found if each.culture is not None}):
        try:
            with movies.locked(name):
                done += _culture(graph, movies, name, progress)
        except ConflictError as error:
            done.append(Finding(name, "culture", "in use", str(error)))
    return done


def _new_graph(folder: Path, progress: Progress) -> Iterator[Finding]:
    """Build the embedded graph anew from what can be read of it; the damaged one is kept."""
    from calcigraph.store import Graph, chosen_heap_mb

    home, heap = folder / "graph", chosen_heap_mb()
    draft = folder / f".graph.mending-{os.getpid()}"
    lost: list[str] = []
    with held(home) as free:
        if not free:
            yield Finding(None, "graph", "in use", "another command uses it: end that, and repeat this")
            return
        for left in folder.glob(".graph.mending-*"):
            shutil.rmtree(left)
        shutil.rmtree(mended(home), ignore_errors=True)
        with Graph.open(draft, heap_mb=heap) as new:
            try:
                with copied(home) as copy, Graph.open(copy, heap_mb=heap) as old:
                    lost = _moved(old, new, progress)
            except VersionError:
                raise
            except (DamagedError, GraphError) as error:
                lost = [f"nothing of it can be read ({error})"]
        (draft / "graph").rename(mended(home))
        draft.rmdir()
        kept = folder / f"graph.damaged-{secrets.token_hex(4)}"
        home.rename(kept)
        mended(home).rename(home)
        flush(folder)
    yield Finding(None, "graph", MENDED, f"it was built anew; the damaged one is kept as {kept.name}")
    yield from (Finding(None, "graph", "missing", what) for what in lost)


def _moved(old: Graph, new: Graph, progress: Progress) -> list[str]:
    """Write all complete cultures of one graph into another; return what cannot be read."""
    lost = []
    for culture in old.cultures():
        if not culture.complete:
            lost.append(f"culture {culture.uid} was not complete: run its ingest again")
            continue
        try:
            new.refill(lines_of(old, culture.uid, Contents()), {}, progress)
        except (CalcigraphError, KeyError, TypeError, ValueError) as error:
            new.sweep(culture.uid)
            lost.append(f"culture {culture.uid} cannot be read ({error})")
    return lost


def _brought_back(graph: Graph, movies: Movies, names: Sequence[str], progress: Progress) -> Iterator[Finding]:
    """Cultures of which there is a whole movie store and nothing in the graph."""
    there = {culture.uid for culture in graph.cultures()} | {row["culture"] for row in graph.incomplete()}
    for store in movies.whole():
        name = movies.culture_of(store)
        if name in there or (names and name not in names) or any(True for _ in flaws_of(store, None, progress)):
            continue
        try:
            with movies.locked(name):
                data = _kept(movies, store, digest_of(store / ROOT), datetime.now(UTC).isoformat(timespec="seconds"))
                if data is not None:
                    graph.write_culture(with_movie_uri(data, movies.uri(movies.relative(store))), progress=progress)
                    said = f"from its movie store; fits and events are to be made again: `{command('fit', [name])}`"
                    yield Finding(name, "culture", MENDED, said)
        except CalcigraphError as error:
            yield Finding(name, "culture", "missing", f"it cannot be brought back: {error}")


def _kept(movies: Movies, store: Location, digest: str, created: str) -> CultureData | None:
    """What a store keeps of its culture; None where it keeps nothing that can be read."""
    with contextlib.suppress(CalcigraphError, OSError, RuntimeError, ValueError, KeyError, TypeError):
        return read_rows(
            store, open_store(store).traces, movie=movies.relative(store), movie_digest=digest, created=created
        )
    return None


def _culture(graph: Graph, movies: Movies, name: str, progress: Progress) -> Iterator[Finding]:
    """Mend one culture, which is held for writing."""
    broken = {row["culture"] for row in graph.incomplete()} | set(graph.incomplete_events())
    if name in broken:
        graph.sweep(name)
        yield Finding(name, "culture", MENDED, "what was broken off of it is removed")
    culture = graph.culture(name)
    left = [path for path in movies.of(name) if culture is None or movies.relative(path) != culture.movie]
    if left and (culture is not None or name in broken):
        movies.remove(name, keep=[culture.movie if culture is not None else None])
        yield Finding(name, "movies", MENDED, f"{len(left)} left over of an ingest that was broken off, removed")
    if culture is None or not culture.complete:
        return
    if culture.movie is not None and movies.has(culture.movie):
        yield from _store(movies, culture, progress)
    yield from _rows(graph, movies, culture)


def _store(movies: Movies, culture: Culture, progress: Progress) -> Iterator[Finding]:
    """Make damaged and missing files of a movie store again from the source movie."""
    name, store = str(culture.movie), movies.workspace / str(culture.movie)
    if culture.movie_digest is None or not _lost_files(store, culture, progress):
        return
    made = movies.new(culture.uid)
    try:
        problem = _made_again(store, made, culture, progress)
        if problem:
            yield Finding(culture.uid, name, "damaged", problem)
            return
        if digest_of(made / ROOT) == culture.movie_digest and _digest(store / ROOT) != culture.movie_digest:
            replace_file(made / ROOT, store / ROOT)
            yield Finding(culture.uid, f"{name}/{ROOT}", MENDED, "from the source movie")
        wanted = (listed(store) or {}) if _digest(store / ROOT) == culture.movie_digest else {}
        for lost in _lost_files(store, culture, progress):
            if _digest(made / lost) == wanted.get(lost, "-"):
                replace_file(made / lost, store / lost)
                yield Finding(culture.uid, f"{name}/{lost}", MENDED, "from the source movie")
            else:
                again = command("ingest", ["MOVIE"], "--culture", culture.uid, "--replace")
                said = f"its movie read again gives another file, as another version or library may: `{again}`"
                yield Finding(culture.uid, f"{name}/{lost}", "damaged", said)
    finally:
        with contextlib.suppress(OSError):
            remove_below(made)


def _lost_files(store: Location, culture: Culture, progress: Progress) -> list[str]:
    flaws = flaws_of(store, culture.movie_digest, progress)
    return [flaw.name for flaw in flaws if flaw.state in ("damaged", "missing")]


def _digest(path: Location) -> str:
    """SHA-256 of a file; "" for one that is missing or cannot be read."""
    with contextlib.suppress(OSError):
        return digest_of(path)
    return ""


def _made_again(store: Location, made: Location, culture: Culture, progress: Progress) -> str:
    """Ingest the source of a store into the folder `made`; return why that cannot be done, or ""."""
    from calcigraph.ingest import IngestOptions, ingest_movie, input_digest

    problem = "it does not say what it was made of"
    for source in sources(store):
        try:
            movie = str(source["movie"])
            given: dict[str, Any] = {
                name: tuple(v) if isinstance(v, list) else v for name, v in source["options"].items()
            }
            options = IngestOptions(**given)
            if input_digest(movie, options, progress) == culture.input_digest:
                ingest_movie(
                    movie,
                    culture=culture.uid,
                    options=options,
                    store_path=made,
                    version=culture.version,
                    progress=progress,
                )
                return ""
            problem = f"{movie} or its masks are not what they were"
        except CalcigraphError as error:
            problem = f"its source cannot be read ({error})"
        except (KeyError, TypeError, ValueError):  # damaged here; the other place may be right
            continue
    return f"{problem}: `{command('ingest', ['MOVIE'], '--culture', culture.uid, '--replace')}`"


def _rows(graph: Graph, movies: Movies, culture: Culture) -> Iterator[Finding]:
    contents = graph.contents(culture.uid)
    found = list(differences(contents))
    if any(state == "unrecorded" for _, state, _ in found):
        graph.reseal(culture.uid)
        yield Finding(culture.uid, "rows", MENDED, "what they are is recorded now")
        return
    wrong = [part for part, _, _ in found if part in _OF_STORE]
    if wrong and culture.movie is not None and movies.has(culture.movie):
        store = movies.workspace / culture.movie
        flawed = list(flaws_of(store, digest_of(store / ROOT)))
        data = None if flawed else _kept(movies, store, digest_of(store / ROOT), culture.created)
        if data is not None and fits_its_seals(data, contents):
            graph.mend_rows(data)
            contents = graph.contents(culture.uid)
            still = {part for part, _, _ in differences(contents)}
            yield from (
                Finding(culture.uid, part, MENDED, "from its movie store") for part in wrong if part not in still
            )
    if contents.events is not None and any(part.startswith("events: ") for part, _, _ in differences(contents)):
        graph.distrust_events(contents.events["uid"])
    fitted = any(part.endswith(": fitted") for part, _, _ in differences(contents))
    if contents.unlike_their_fit() and not fitted:
        graph.mend_parameters(contents)
        yield Finding(culture.uid, "parameters on cells", MENDED, "from the latest fits")
