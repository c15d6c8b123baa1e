"""The movie stores of a workspace, in its folder or on object storage."""

from __future__ import annotations

from pathlib import Path

from calcigraph.store.folder import MovieFolder
from calcigraph.store.location import Location
from calcigraph.store.movie_bucket import MovieBucket
from calcigraph.store.movies import Movies


def movies_of(workspace: Location) -> Movies:
    """Those of a workspace."""
    return MovieFolder(workspace) if isinstance(workspace, Path) else MovieBucket(workspace)
