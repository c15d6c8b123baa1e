"""Comparisons of the skill of forecasts and of what contacts add: hand-made forecasts on each engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from forecast_runs import build_forecast

from calcigraph import queries
from calcigraph.errors import NotFoundError
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData

CREATED = "2026-01-01T00:00:00+00:00"
ONE, FIVE, CONTACTS = "skill, 1 frame ahead", "skill, 5 frames ahead", "contact gain"
Store = Callable[..., str]


@pytest.fixture
def store(empty: Graph, make_culture: Callable[..., CultureData]) -> Iterator[Store]:
    """store(name, condition, skill at 1 to 5 frames, forecast=) writes a culture and its forecast; gives its name."""
    written: list[str] = []

    def stored(name: str, condition: str, first: float, *, forecast: bool = True, **changed: Any) -> str:
        data = make_culture(name, condition=condition)
        empty.write_culture(data)
        written.append(name)
        run = replace(build_forecast(name, data.cells.labels), skill=first - np.arange(5) / 100)
        if forecast:
            empty.write_forecast(replace(run, **changed), CREATED, "0.1.0")
        return name

    yield stored
    for name in written:
        empty.delete_culture(name)


def by_parameter(graph: Graph, *names: str) -> dict[str, dict[str, Any]]:
    return {row["parameter"]: row for row in queries.records(queries.compare_cultures(graph, names))}


def test_skill_and_contact_gain_are_compared_without_fit_and_events(empty: Graph, store: Store) -> None:
    a = [store(f"a{n}", "x", 0.1 * n, contact_gain=0.01 * n, contact_gain_by_chance=-0.002) for n in (1, 2, 3, 4)]
    b = [store(f"b{n}", "y", 0.5 + 0.1 * n, contact_gain=0.03 * n) for n in (1, 2, 3, 4)]
    rows = by_parameter(empty, *a, *b)
    assert list(rows) == [ONE, FIVE, CONTACTS]
    assert rows[ONE]["values_a"] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert rows[FIVE]["values_a"] == pytest.approx([0.06, 0.16, 0.26, 0.36])
    assert rows[ONE]["difference"] == pytest.approx(0.5)
    assert rows[ONE]["ratio"] is None
    assert rows[ONE]["test"] == "Welch t"
    assert rows[CONTACTS]["values_a"] == pytest.approx([0.012, 0.022, 0.032, 0.042])  # less what chance gives
    assert rows[CONTACTS]["values_b"] == pytest.approx([0.029, 0.059, 0.089, 0.119])


def test_few_cultures_have_no_test(empty: Graph, store: Store) -> None:
    """Three and three can be dealt in 20 ways: an exact p is 0.1 or more."""
    names = [store(f"{condition}{n}", condition, 0.1 * n) for condition in "xy" for n in (1, 2, 3)]
    row = by_parameter(empty, *names)[ONE]
    assert row["p"] is None
    assert "dealt in 20 ways" in row["note"]


def test_forecasts_that_others_taught_are_not_tested_against_those_alone(empty: Graph, store: Store) -> None:
    a = [store(f"a{n}", "x", 0.1 * n) for n in (1, 2, 3, 4)]
    b = [store(f"b{n}", "y", 0.1 * n, trained_on=("a1",)) for n in (1, 2, 3, 5)]
    rows = by_parameter(empty, *a, *b)
    assert rows[ONE]["p"] is None
    assert "no test of skill: other cultures taught the forecasts of b1, b2, b3, b5 only" in rows[ONE]["note"]
    assert "taught" not in rows[CONTACTS]["note"]


def test_what_is_missing_is_named(empty: Graph, store: Store) -> None:
    store("a", "x", 0.1, skill=np.array([0.1, 0.05]), contact_gain=None, contact_gain_by_chance=None, contact_p=None)
    store("b", "y", 0.2)
    store("c", "z", 0.3, forecast=False)
    rows = by_parameter(empty, "a", "b")
    assert "the forecast does not go so far in a" in rows[FIVE]["note"]
    assert "it cannot be told in a" in rows[CONTACTS]["note"]
    with pytest.raises(NotFoundError) as refused:
        by_parameter(empty, "b", "c")
    assert str(refused.value) == (
        "no fit of robust is stored for b, c: run `calcigraph fit b c --model robust`, "
        "or `calcigraph forecast c` to compare forecasts alone"
    )
    empty.write("MATCH (r:ForecastRun {culture: 'b'}) SET r.stale = 'mended'")
    with pytest.raises(NotFoundError, match="b before the masks were mended is stale"):
        by_parameter(empty, "a", "b")
    assert ONE in {row["parameter"] for row in queries.records(queries.compare_cultures(empty, ["a", "b"], stale=True))}
