"""Which cultures belong to experiments."""

from __future__ import annotations

from collections.abc import Sequence

from calcigraph.errors import NotFoundError, spelt
from calcigraph.queries.library import Reader, fetch, load


def cultures_of(graph: Reader, experiments: Sequence[str] = ()) -> list[str]:
    """The complete cultures of some experiments, or of all if none is named, by name.

    Parameters
    ----------
    graph
        The graph.
    experiments
        Their names.

    Raises
    ------
    NotFoundError
        There is no such experiment, or none at all.
    """
    there = fetch(graph, load("cultures"), {})
    known = sorted({row["experiment"] for row in there} - {None})
    unknown = [name for name in experiments if name not in known]
    if unknown or not known:
        called = f"no experiment {spelt(*unknown[:1])}" if unknown else "no experiment"
        advice = f"there is {spelt(*known)}" if known else "none is named: ingest with --experiment"
        raise NotFoundError(f"there is {called} with complete cultures; {advice}")
    wanted = set(experiments or known)
    return [row["culture"] for row in there if row["experiment"] in wanted]
