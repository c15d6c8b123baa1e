"""Forecasting cultures of a workspace: which ones are learnt from, and each read once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from calcigraph.errors import CalcigraphError, GraphError, NotFoundError
from calcigraph.models.forecast_options import ForecastOptions
from calcigraph.store.forecast_types import ForecastRun
from calcigraph.store.types import Progress, silent

if TYPE_CHECKING:
    from calcigraph.models.forecast.lighting import Rises

Workspace = Any
"""calcigraph.Workspace, which imports this module."""

MOST_ROWS = 600_000
"""Frames of resting cells, of all cultures together, that are kept to learn events from."""


def training(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """The cultures that names of cultures and experiments stand for, each once; several may stand in one, with commas.

    Raises NotFoundError for a name that is neither.
    """
    known = {culture.uid for culture in workspace.graph.cultures() if culture.complete}
    return list(dict.fromkeys(culture for name in names for culture in _stands_for(workspace, name, known)))


def _stands_for(workspace: Workspace, name: str, known: Collection[str]) -> list[str]:
    from calcigraph.queries import cultures_of

    if name in known:
        return [name]
    try:
        return cultures_of(workspace.graph, [name])
    except NotFoundError as error:
        several = [part.strip() for part in name.split(",") if part.strip()]
        if len(several) > 1:  # else a name with a comma in it, which comes first
            return [culture for part in several for culture in _stands_for(workspace, part, known)]
        raise NotFoundError(f"--train {name} is neither a culture nor an experiment: {error}") from None


def forecasts(
    workspace: Workspace,
    cultures: Sequence[str],
    train: Sequence[str],
    options: ForecastOptions,
    progress: Progress = silent,
) -> Iterator[tuple[str, ForecastRun | CalcigraphError]]:
    """The forecast of each culture, or why there is none.

    Parameters
    ----------
    workspace
        Where they are.
    cultures
        What is forecast.
    train
        Cultures that are learnt from; one that is forecast is left out of its own training, which has its first three
        quarters.
    options
        Horizons and seed.
    progress
        Called as progress(stage, done, total).

    Raises
    ------
    CalcigraphError
        A culture of the training cannot be learnt from.
    """
    from calcigraph.models.forecast_run import Lesson, lesson, make_forecast

    everything = list(dict.fromkeys([*train, *cultures]))
    rows = MOST_ROWS // len(everything)
    learnt: dict[str, Lesson] = {}

    def read(name: str) -> Lesson:
        if name not in learnt:
            learnt[name] = lesson(workspace.subgraph(name), options, _stored_events(workspace, name), rows)
        return learnt[name]

    for done, name in enumerate(train):
        progress("learning from cultures", done, len(train))
        read(name)
    for name in cultures:
        try:
            others = [learnt[each] for each in train if each != name]
            yield name, make_forecast(read(name), others, options, progress)
        except GraphError:
            raise  # without the graph nothing can be done
        except CalcigraphError as error:
            yield name, error
        if name not in train:
            learnt.pop(name, None)


def _stored_events(workspace: Workspace, name: str) -> Rises | None:
    """The stored events of a culture; None where none were looked for, or they are of older masks."""
    import numpy as np

    from calcigraph.models.forecast.lighting import Rises

    try:
        stale = workspace.rows("event_run", culture=name)[1][0]["stale"]
    except NotFoundError:
        return None
    if stale:
        return None
    found = workspace.rows("events", culture=name)[1]
    label, half_s, end_s = (np.array([row[each] for row in found]) for each in ("label", "half_s", "end_s"))
    return Rises(label.astype(np.int64), half_s.astype(np.float64), end_s.astype(np.float64))
