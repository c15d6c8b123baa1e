"""What a report shows of one culture, pulled from the graph. Nothing is drawn or written here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import NotFoundError
from calcigraph.models.table import DEFAULT_MODEL, MODELS
from calcigraph.pictures.pull import picture_data, with_fit
from calcigraph.queries import rows
from calcigraph.queries.event_tables import require_events
from calcigraph.queries.forecast_tables import require_forecast

if TYPE_CHECKING:
    from calcigraph.pictures.data import PictureData
    from calcigraph.store import Graph
    from calcigraph.store.types import Culture, FloatArray

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ModelFit:
    """The latest fit of one model."""

    row: Row
    """Its row of `query fits`."""
    data: PictureData
    """The culture with this fit: its values in each cell, its runs, and a network's traces."""

    @property
    def model(self) -> str:
        return self.data.model

    @property
    def settings(self) -> dict[str, Any]:
        """What the user decided."""
        return dict(json.loads(self.row["settings"]))


@dataclass(frozen=True)
class ReportCulture:
    """One culture with all that is known of it. `n` cells in the order of `data.subgraph.labels`."""

    about: Culture
    data: PictureData
    """Cells, contacts, traces and outlines; events and waves where they were looked for; no fit."""
    fits: tuple[ModelFit, ...]
    """One for each model that was fitted, the default model first."""
    found: Row | None
    """The row of `query event_run`; None where events were not looked for."""
    rates: Mapping[str, FloatArray]
    """(n,) each: what `query rates` says of the cells, NaN where it says nothing. Empty without events."""
    started: Mapping[int, int]
    """How many waves each cell may have begun, by label."""
    anomalies: tuple[Row, ...]
    """Of the first fit, and of events."""
    doubtful: tuple[Row, ...]
    forecast: Row | None = None
    """The row of `query forecast_run`; None where there is no forecast."""
    coming: tuple[Row, ...] = ()
    """The rows of `query forecast`."""
    stale: str = ""
    """What of it is of masks that were mended since, and the commands that make it anew."""

    @property
    def name(self) -> str:
        return self.about.uid

    @property
    def best(self) -> ModelFit | None:
        """The fit that is spoken of first."""
        return self.fits[0] if self.fits else None


def report_culture(graph: Graph, about: Culture) -> ReportCulture:
    """Pull one culture.

    Parameters
    ----------
    graph
        Where it is.
    about
        The culture as stored, complete.

    Raises
    ------
    NotFoundError
        It has no cells.
    """
    looked_for, forecast = (_there(require, graph, about.uid) for require in (require_events, require_forecast))
    # This kind draws a culture without fit and movie; events come with it where they are known.
    data = picture_data(graph, about, None, kind="events" if looked_for else "cells", model=DEFAULT_MODEL, frame=0)
    fits = _fits(graph, data)
    rates = rows(graph, "rates", culture=about.uid)[1] if looked_for else []
    waves = () if data.firing is None else data.firing.waves
    started: dict[int, int] = {}
    for label in (label for wave in waves for label in wave.starts.tolist()):
        started[label] = started.get(label, 0) + 1
    return ReportCulture(
        about=about,
        data=data,
        fits=fits,
        found=rows(graph, "event_run", culture=about.uid)[1][0] if looked_for else None,
        rates=_columns(rates, data),
        started=started,
        anomalies=_anomalies(graph, about.uid, fits, looked_for),
        doubtful=tuple(rows(graph, "doubtful", culture=about.uid)[1]),
        forecast=rows(graph, "forecast_run", culture=about.uid)[1][0] if forecast else None,
        coming=tuple(rows(graph, "forecast", culture=about.uid)[1]) if forecast else (),
        stale=graph.stale_told().get(about.uid, ""),
    )


def _there(require: Callable[[Graph, str], None], graph: Graph, culture: str) -> bool:
    """Whether the culture has what `require` asks for."""
    try:
        require(graph, culture)
    except NotFoundError:
        return False
    return True


def _fits(graph: Graph, data: PictureData) -> tuple[ModelFit, ...]:
    """The latest fit of each model, in the order of models/table.py."""
    latest = {row["model"]: row for row in rows(graph, "fits", culture=data.culture)[1]}
    return tuple(
        ModelFit(row=latest[model], data=with_fit(graph, data, model, "traces")) for model in MODELS if model in latest
    )


def _columns(found: list[dict[str, Any]], data: PictureData) -> dict[str, FloatArray]:
    """Rows of cells as columns over all cells of the culture."""
    if not found:
        return {}
    places = np.searchsorted(data.subgraph.labels, [row["label"] for row in found])
    columns = {}
    for name in ("events", "event_rate_per_h", "amplitude", "dff", "interval_s", "own_share", "noise"):
        column = np.full(len(data.subgraph.labels), np.nan)
        column[places] = np.array([row[name] for row in found], dtype=np.float64)
        columns[name] = column
    return columns


def _anomalies(graph: Graph, culture: str, fits: tuple[ModelFit, ...], looked_for: bool) -> tuple[Row, ...]:
    if not fits and not looked_for:
        return ()
    model = fits[0].model if fits else DEFAULT_MODEL
    try:
        return tuple(rows(graph, "anomalies", culture=culture, model=model)[1])
    except NotFoundError:  # a fit without any value of its own
        return ()
