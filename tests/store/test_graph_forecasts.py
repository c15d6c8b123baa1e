"""Forecasts in the graph, on both engines: replaced whole, gone with the culture, stale after mended masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from forecast_runs import build_forecast

from calcigraph.errors import InputError, NotFoundError
from calcigraph.queries import rows
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData

Make = Callable[..., CultureData]
CREATED = "2026-01-02T03:04:05+00:00"


def count(graph: Graph) -> list[int]:
    """ForecastRun, FORECAST, TRAINED_ON."""
    texts = (
        "MATCH (n:ForecastRun) RETURN count(n) AS n",
        "MATCH ()-[n:FORECAST]->() RETURN count(n) AS n",
        "MATCH ()-[n:TRAINED_ON]->() RETURN count(n) AS n",
    )
    return [graph.read(text)[0]["n"] for text in texts]


def test_a_forecast_is_stored_and_replaced(graph: Graph, make_culture: Make) -> None:
    data, other = make_culture(), make_culture(name="other")
    for each in (data, other):
        graph.write_culture(each)
    cells = len(data.cells.labels)
    graph.write_forecast(build_forecast(data.culture.uid, data.cells.labels, trained_on=("other",)), CREATED, "0.1.0")
    assert count(graph) == [1, cells, 1]
    found = rows(graph, "forecast", culture=data.culture.uid)[1]
    first, second = found[:2]
    label = int(data.cells.labels[1])
    assert first["skill"] is None
    assert first["skill_1"] is None
    assert first["probability"] is None
    assert second["skill_3"] == pytest.approx(label / 1000 + 0.2)
    assert second["skill_10"] is None
    assert second["expected_high"][0] == pytest.approx(label / 1000 + 2)
    assert (second["nats"], second["noise_ratio"]) == pytest.approx((label / 50, label / 100))
    run = rows(graph, "forecast_run", culture=data.culture.uid)[1][0]
    assert run["trained_on"] == ["other"]
    assert run["created"] == "2026-01-02T03:04:05+00:00"
    assert run["found"] == (
        "0 %, 20 %, 40 % better than without a model, 1, 3, 5 frames ahead; events are foreseen (0.20 nats an event, "
        "0.10 to 0.30); contacts help (2.0 % of the error, p 0.005)"
    )
    likely = rows(graph, "likely_next", culture=data.culture.uid, cells=3)[1]
    assert [row["label"] for row in likely] == data.cells.labels[::-1][:3].tolist()
    assert likely[0]["at_s"] == (data.culture.frames - 1) * data.culture.frame_interval_s
    graph.write_forecast(build_forecast(data.culture.uid, data.cells.labels, ahead=2), CREATED, "0.1.0")
    assert count(graph) == [1, cells, 0]
    assert len(rows(graph, "forecast", culture=data.culture.uid)[1][1]["skill"]) == 2


def test_a_forecast_goes_with_its_culture(graph: Graph, make_culture: Make) -> None:
    data, other = make_culture(), make_culture(name="other")
    for each in (data, other):
        graph.write_culture(each)
        graph.write_forecast(
            build_forecast(each.culture.uid, each.cells.labels, trained_on=(data.culture.uid,)), CREATED, "0.1.0"
        )
    graph.delete_culture(data.culture.uid)
    assert count(graph) == [1, len(other.cells.labels), 0]
    graph.write_culture(data)
    with pytest.raises(NotFoundError, match="has not been forecast yet: run `calcigraph forecast"):
        rows(graph, "forecast", culture=data.culture.uid)


def test_what_does_not_fit_is_refused(graph: Graph, make_culture: Make) -> None:
    data = make_culture()
    run = build_forecast(data.culture.uid, data.cells.labels)
    with pytest.raises(NotFoundError, match="no complete culture"):
        graph.write_forecast(run, CREATED, "0.1.0")
    graph.write_culture(data)
    with pytest.raises(InputError, match="one value for each"):
        graph.write_forecast(replace(run, probability=run.probability[:-1]), CREATED, "0.1.0")
    strange = run.labels.copy()
    strange[-1] = 99_999
    with pytest.raises(InputError, match="has only"):
        graph.write_forecast(replace(run, labels=strange), CREATED, "0.1.0")
    assert count(graph) == [0, 0, 0]
    graph.write_forecast(run, CREATED, "0.1.0")
    with pytest.raises(InputError, match="cells is 0; give 1 or more"):
        rows(graph, "likely_next", culture=data.culture.uid, cells=0)
