"""The forecast of a culture, pulled from the graph for the picture of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.pictures.data import Forecasted
from calcigraph.queries import rows
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from calcigraph.store import Graph


def forecast_of(graph: Graph, culture: str) -> Forecasted:
    """The forecast of a culture.

    Parameters
    ----------
    graph
        Where the culture is, complete.
    culture
        Its name.

    Raises
    ------
    NotFoundError
        It has not been forecast yet.
    """
    run = rows(graph, "forecast_run", culture=culture)[1][0]
    cells = rows(graph, "forecast", culture=culture)[1]
    return Forecasted(
        labels=np.array([row["label"] for row in cells], dtype=np.int64),
        expected=_numbers([row["expected"] for row in cells]),
        expected_low=_numbers([row["expected_low"] for row in cells]),
        expected_high=_numbers([row["expected_high"] for row in cells]),
        probability=_numbers([row["probability"] for row in cells]),
        within_s=run["within_s"],
        skill=_numbers(run["skill"]),
        told=_numbers(run["told"] or []),
        came=_numbers(run["came"] or []),
        contact_word=run["contact_word"],
    )


def _numbers(values: Any) -> FloatArray:
    return np.array(values, dtype=np.float64)
