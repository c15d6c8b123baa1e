"""What the queries of forecasts need beside Cypher: the skill at some horizons, and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from calcigraph.errors import InputError, NotFoundError, command, spelt
from calcigraph.queries.library import Reader

Row = dict[str, Any]

OF_FORECASTS = frozenset({"forecast", "forecast_run", "likely_next"})
"""The named queries that need a forecast."""
HORIZONS = (1, 3, 5, 10)
"""Frames ahead of the columns skill_1, skill_3, ..."""

_RUN = "MATCH (:Culture {uid: $culture})<-[:OF]-(r:ForecastRun) RETURN r.uid AS uid"


def require_forecast(graph: Reader, culture: str) -> None:
    """Raise NotFoundError, with the command to run, unless the culture has a forecast."""
    if not graph.read(_RUN, culture=culture):
        raise NotFoundError(
            f"culture {spelt(culture)} has not been forecast yet: run `{command('forecast', [culture])}`"
        )


def of_forecasts(name: str, rows: list[Row], values: Row) -> list[Row]:
    """The rows of a query of forecasts, with what Python adds to them.

    Parameters
    ----------
    name
        The query's.
    rows
        As the graph gives them.
    values
        Of the query's parameters.

    Raises
    ------
    InputError
        No cells are asked for.
    """
    return _SHAPES[name](rows, values) if name in _SHAPES else rows


def at_horizons(skill: list[float] | None) -> Row:
    """The skill so many frames ahead, None beyond the furthest.

    >>> at_horizons([0.3, 0.2, 0.1])
    {'skill_1': 0.3, 'skill_3': 0.1, 'skill_5': None, 'skill_10': None}
    """
    known = skill or []
    return {f"skill_{ahead}": known[ahead - 1] if ahead <= len(known) else None for ahead in HORIZONS}


def said(row: Row) -> str:
    """What a forecast is worth, as a sentence.

    >>> said({"skill_1": 0.25, "skill_3": 0.1, "skill_5": -0.01, "skill_10": None, "nats": 0.2, "nats_low": 0.1,
    ...     "nats_high": 0.3, "contact_word": "contacts do not help", "contact_p": 0.4, "contact_gain": 0.0})
    '25 %, 10 %, -1 % better than without a model, 1, 3, 5 frames ahead; events are foreseen (0.20 nats an event, 0.10 \
to 0.30); contacts do not help (0.0 % of the error, p 0.4)'
    """
    known = [(ahead, row[f"skill_{ahead}"]) for ahead in HORIZONS if row[f"skill_{ahead}"] is not None]
    parts = []
    if known:
        percents = ", ".join(f"{100 * skill:.0f} %" for _, skill in known)
        frames = ", ".join(str(ahead) for ahead, _ in known)
        parts.append(f"{percents} better than without a model, {frames} frames ahead")
    if row["nats"] is not None:
        word = "events are foreseen" if row["nats_low"] > 0 else "events are not foreseen"
        parts.append(f"{word} ({row['nats']:.2f} nats an event, {row['nats_low']:.2f} to {row['nats_high']:.2f})")
    contacts = str(row["contact_word"])
    if row["contact_p"] is not None:
        contacts += f" ({100 * row['contact_gain']:.1f} % of the error, p {row['contact_p']:.2g})"
    return "; ".join([*parts, contacts if row["contact_p"] is not None else f"what contacts add {contacts}"])


def _forecast(rows: list[Row], values: Row) -> list[Row]:
    return [row | at_horizons(row["skill"]) for row in rows]


def _forecast_run(rows: list[Row], values: Row) -> list[Row]:
    found = _forecast(rows, values)
    return [row | {"found": said(row)} for row in found]


def _likely_next(rows: list[Row], values: Row) -> list[Row]:
    if values["cells"] < 1:
        raise InputError(f"cells is {values['cells']}; give 1 or more")
    return rows


_SHAPES: dict[str, Callable[[list[Row], Row], list[Row]]] = {
    "forecast": _forecast,
    "forecast_run": _forecast_run,
    "likely_next": _likely_next,
}
