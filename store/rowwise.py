"""What is wrong with the rows of a culture: what the graph has of it against its seals (store/seals.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from calcigraph.errors import CalcigraphError, command
from calcigraph.store.curated import FORECAST
from calcigraph.store.movie import open_store
from calcigraph.store.seals import Contents, trace_seal

if TYPE_CHECKING:
    from calcigraph.store.movies import Movies
    from calcigraph.store.types import Culture

MOST_NAMED = 5
"""Cells that a line names."""
Difference = tuple[str, str, str]
"""The kind of rows; "damaged", "missing", "extra" or "unrecorded"; what to know of it."""


def differences(contents: Contents) -> Iterator[Difference]:
    """Every kind of rows that is not what was written."""
    found, said = contents.found(), contents.said()
    own = said[""]
    if own is None or "cells" not in own:
        yield "rows", "unrecorded", "an older calcigraph wrote them: `calcigraph verify --repair` records what they are"
        return
    for part, seal in found[""].items():
        if part not in ("fits", "events"):
            yield from _compared(part, seal, own.get(part))
    if contents.misplaced:
        yield "places", "damaged", f"they are not x_px and y_px: {named(contents.misplaced)}"
    yield from _runs(contents, own)
    for run in contents.runs:
        yield from _of_run(_called(run), found[run], said[run], contents)
    if contents.events is not None:
        yield from _of_run("events", found["events"], said["events"], contents)
    wrong = contents.unlike_their_fit()
    if wrong:
        yield "parameters on cells", "damaged", f"they are not those of the latest fits: {named(wrong)}"


def _compared(part: str, found: str, said: Any) -> Iterator[Difference]:
    if found == said:
        return
    if not isinstance(said, str) or " " not in said:
        yield part, "damaged", "what was recorded of them cannot be read"
        return
    there, written = found.partition(" ")[0], said.partition(" ")[0]
    if there == written:
        yield part, "damaged", f"one of its {there} rows, or more, is not what was written" if part != "culture" else ""
    else:
        state = "missing" if int(there) < int(written or 0) else "extra"
        yield part, state, f"{there} rows, {written} were written"


def _called(run: str) -> str:
    """A run, from its uid: of a fit it ends in a hash."""
    return FORECAST if run.endswith(f":{FORECAST}") else f"fit {run}"


def _runs(contents: Contents, own: dict[str, Any]) -> Iterator[Difference]:
    """Fits, forecast and events that the culture should have, and does not."""
    for run in sorted(set(own.get("fits") or ()) - set(contents.runs)):
        yield _called(run), "missing", _again(contents, _called(run))
    for run in sorted(set(contents.runs) - set(own.get("fits") or ())):
        if contents.runs[run].get("seals"):
            yield _called(run), "extra", "nothing says that it was written"
    there = contents.events["run"] if contents.events is not None else None
    if own.get("events") != there:
        state = "missing" if there is None else "damaged"
        yield "events", state, _again(contents, "events")


def _again(contents: Contents, name: str) -> str:
    """What to do about a fit, the forecast or the events."""
    culture = str(contents.culture.get("uid"))
    if name == "events":
        return f"search again: `{command('events', [culture])}`"
    if name == FORECAST:
        return f"forecast again: `{command('forecast', [culture])}`"
    return f"fit again: `{command('fit', [culture], '--model', name.rsplit(':', 2)[-2])}`"


def _of_run(name: str, found: dict[str, Any], said: dict[str, Any] | None, contents: Contents) -> Iterator[Difference]:
    if said is None:
        yield name, "unrecorded", "an older calcigraph wrote it: `calcigraph verify --repair` records what it is"
        return
    for part, seal in found.items():
        for _, state, what in _compared(part, seal, said.get(part)):
            yield f"{name}: {part}", state, f"{what}; {_again(contents, name)}"


def named(labels: list[int]) -> str:
    """Cells for a sentence.

    >>> named([3, 7]), named(list(range(9)))
    ('cells 3, 7', 'cells 0, 1, 2, 3, 4, ... (9)')
    """
    more = f", ... ({len(labels)})" if len(labels) > MOST_NAMED else ""
    return f"cells {', '.join(map(str, labels[:MOST_NAMED]))}{more}"


def cells_that_differ(contents: Contents, movies: Movies, culture: Culture) -> str:
    """Which cells have other traces than the movie store, for a message; "" where that cannot be told."""
    if culture.movie is None or not movies.has(culture.movie):
        return ""
    try:
        stored = open_store(movies.workspace / culture.movie)
        labels, traces = stored.cells.tolist(), stored.traces
    except CalcigraphError:
        return ""
    wanted = {f"{culture.uid}:{label}": trace_seal(trace) for label, trace in zip(labels, traces, strict=True)}
    wrong = [
        label for label in labels if contents.traces.get(f"{culture.uid}:{label}") != wanted[f"{culture.uid}:{label}"]
    ]
    return f"; {named(wrong)}" if wrong else ""
