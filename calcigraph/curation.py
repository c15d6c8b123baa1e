"""Mended masks for a culture: its movie store and its graph follow, and a killed run leaves the culture as it was.

The new store is built beside the old one. One transaction of the graph changes cells and contacts and names the new
store; only then the old store is removed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from calcigraph.errors import ConflictError, InputError, NotFoundError
from calcigraph.store.types import Culture, Progress
from calcigraph.version import __version__

if TYPE_CHECKING:
    from calcigraph.store import Graph
    from calcigraph.store.curated import Changes
    from calcigraph.store.movies import Movies


def curate(graph: Graph, movies: Movies, culture: Culture, masks: str, progress: Progress) -> Changes | None:
    """Put mended masks in the place of a culture's. See `Workspace.curate`.

    Parameters
    ----------
    graph, movies
        Of the workspace; the culture is held for writing.
    culture
        As it is stored.
    masks
        The file.
    progress
        As for `remeasure`.
    """
    from calcigraph.ingest.curating import read_mended, remeasure
    from calcigraph.store.movie import open_store

    if culture.movie is None:
        raise InputError(f"culture {culture.uid} came as traces, without a movie: there is nothing to measure masks in")
    if not movies.has(culture.movie):
        raise NotFoundError(f"culture {culture.uid}: {movies.whereabouts(culture)}")
    # What a killed run left: a store that no culture refers to.
    movies.remove(culture.uid, keep=[culture.movie])
    stored = open_store(movies.workspace / culture.movie)
    mended = read_mended(masks, culture, stored)
    if mended.digest == culture.input_digest:
        return None
    store = movies.new(culture.uid)
    name = movies.relative(store)
    data = remeasure(mended, culture, stored, store_path=store, movie_name=name, version=__version__, progress=progress)
    data = replace(data, culture=replace(data.culture, movie_uri=movies.uri(name)))
    movies.require_held(culture.uid)
    try:
        changes = graph.curate(data, culture.input_digest, datetime.now(UTC).isoformat(timespec="seconds"))
    except (InputError, ConflictError):  # it was refused, so that the graph does not name the new store
        movies.remove(culture.uid, keep=[culture.movie])
        raise
    movies.remove(culture.uid, keep=[name])
    return changes
