"""What `calcigraph status` tells: rows of item, culture and value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calcigraph.errors import command
from calcigraph.store.graph import Graph
from calcigraph.store.light import light_line
from calcigraph.store.location import Location
from calcigraph.store.movies import Movies
from calcigraph.store.registered import registration_line
from calcigraph.store.sentence import latest_said
from calcigraph.store.tissue import tissue_line
from calcigraph.version import __version__

Row = dict[str, Any]
COUNTED = ("cells", "contacts", "fits")


def status_rows(
    graph: Graph,
    folder: Location,
    movies: Movies,
    totals: Sequence[Mapping[str, Any]],
    fits: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[Row]:
    """Engine, versions, workspace, counts, what the latest fits found, warnings and what is incomplete.

    Parameters
    ----------
    graph, folder, movies
        Of the workspace.
    totals
        The rows of `query cultures`.
    fits
        By culture, the rows of `query fits`.
    """
    stored = graph.cultures()
    cultures = [culture for culture in stored if culture.complete]
    rows: list[tuple[str, str | None, Any]] = [
        ("calcigraph", None, __version__),
        ("engine", None, f"{graph.engine} {graph.version}"),
        ("graph", None, graph.where),
        ("schema", None, graph.schema_version),
        ("workspace", None, str(folder.resolve())),
        ("cultures", None, len(cultures)),
        *((name, None, sum(row[name] for row in totals)) for name in COUNTED),
    ]
    there = {movies.relative(path) for path in movies.whole()}
    for culture in cultures:
        rows += [("masks", culture.uid, tissue_line(culture.tissue))] if culture.tissue else []
        moved = culture.registration
        rows += [("registration", culture.uid, registration_line(moved))] if moved else []
        rows += [("light", culture.uid, light_line(culture.light))] if culture.light else []
        rows += [("fit", culture.uid, text) for text in latest_said(fits.get(culture.uid, ()))]
        rows += [("warning", culture.uid, warning) for warning in culture.warnings]
        if culture.movie is not None and culture.movie not in there:
            rows.append(("warning", culture.uid, movies.whereabouts(culture)))
    rows += [("warning", *what) for what in graph.stale_told().items()]
    rows += [("warning", uid, "an older calcigraph wrote this: run `calcigraph migrate`") for uid in graph.outdated()]
    rows += [("incomplete", row["culture"], _unfinished(row)) for row in graph.incomplete()]
    rows += [("incomplete", name, _unfinished_events(name)) for name in graph.incomplete_events()]
    rows += [("incomplete", *what) for what in movies.unreferenced([each.movie for each in stored])]
    return [{"item": item, "culture": culture, "value": value} for item, culture, value in rows]


def _unfinished(row: Mapping[str, Any]) -> str:
    remedy = "run the delete again" if row["state"] == "delete" else "run the same ingest again, or delete it"
    return f"{row['state']} was broken off after {row['cells']} cells: {remedy}"


def _unfinished_events(culture: str) -> str:
    return (
        f"a run of events was broken off, or its old events are not all deleted: run `{command('events', [culture])}`"
    )
