"""Picture forecast: fans of the likeliest cells or of those chosen, skill, and whether events came as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from forecast_runs import build_forecast
from matplotlib.figure import Figure

from calcigraph.errors import NotFoundError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.forecast import likely
from calcigraph.pictures.pull_forecast import forecast_of
from calcigraph.pictures.render import draw
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData


def test_the_likeliest_cells_or_the_chosen_ones_are_shown(
    culture: PictureData, figure_of: Callable[..., Figure], texts: Callable[[Figure], set[str]]
) -> None:
    found = culture.forecast
    assert found is not None
    labels = found.labels[::-1][:3].tolist()
    assert likely(found) == tuple(labels)
    said = texts(figure_of("forecast", culture))
    assert f"cell {labels[0]}, lights up within 50 s: 60%" in said
    assert {"dish, contacts help", "better than without a model", "events within 50 s"} <= said
    first = int(found.labels[0])
    lit = replace(culture, forecast=replace(found, probability=np.full(len(found.labels), np.nan)))
    alone = texts(figure_of("forecast", lit, cell=first))
    assert f"cell {first}, lit" in alone
    assert not any(text.startswith(f"cell {labels[0]},") for text in alone)
    few = replace(culture, forecast=replace(found, told=np.zeros(0), came=np.zeros(0)))
    assert "too few events" in texts(figure_of("forecast", few))


def test_without_a_forecast_the_command_is_named(tmp_path: Path, culture: PictureData) -> None:
    with pytest.raises(NotFoundError) as refused:
        draw("forecast", replace(culture, forecast=None), tmp_path / "a.png")
    assert str(refused.value) == "culture 'dish' has no forecast, which forecast draws; run: calcigraph forecast dish"


def test_it_is_pulled_from_the_graph(graph: Graph, make_culture: Callable[..., CultureData]) -> None:
    data = make_culture("A")
    graph.write_culture(data)
    run = build_forecast(data.culture.uid, data.cells.labels)
    run = replace(run, expected=np.nan_to_num(run.expected), expected_low=np.nan_to_num(run.expected_low))
    run = replace(run, expected_high=np.nan_to_num(run.expected_high))
    graph.write_forecast(run, data.culture.created, "0")
    found = forecast_of(graph, data.culture.uid)
    assert np.array_equal(found.expected, run.expected)
    assert np.array_equal(found.probability, run.probability, equal_nan=True)
    assert (found.within_s, found.contact_word) == (50.0, "contacts help")
