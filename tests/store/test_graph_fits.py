"""Fits in the graph, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from calcigraph.errors import InputError, NotFoundError
from calcigraph.store import cultures
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

Make = Callable[..., CultureData]
CREATED = "2026-01-02T03:04:05+00:00"
MakeFit = Callable[..., Fit]


def properties(graph: Graph) -> dict[int, dict[str, Any]]:
    rows = graph.read("MATCH (c:Cell) RETURN c.label AS label, properties(c) AS p")
    return {row["label"]: {name: v for name, v in row["p"].items() if name.startswith("crlsm")} for row in rows}


def test_a_fit_is_stored_as_run_relationships_and_properties(
    graph: Graph, make_culture: Make, make_fit: MakeFit
) -> None:
    data = make_culture()
    graph.write_culture(data)
    fit = make_fit(data, ("k", "feed", "mse_test"))
    gap = fit.cells["feed"].copy()
    gap[0] = np.nan
    fit = replace(fit, cells={**fit.cells, "feed": gap})
    graph.write_fit(fit, "2025-01-01", "0.1.0")
    run = graph.read("MATCH (r:FitRun)-[:OF]->(k:Culture) RETURN properties(r) AS run, k.uid AS culture")
    assert len(run) == 1
    stored = run[0]["run"]
    assert run[0]["culture"] == "A"
    assert stored["uid"] == fit.run
    assert stored["settings_hash"] == fit.settings_hash
    assert stored["settings"] == '{"ridge": 0.001}'
    assert (stored["k"], stored["created"].to_native(), stored["version"]) == (
        0.01,
        datetime(2025, 1, 1, tzinfo=UTC),
        "0.1.0",
    )
    assert stored["advice"] == ["k is at its bound"]
    assert "feed" not in stored
    rows = graph.read("MATCH (c:Cell)-[f:FITTED]->(:FitRun) RETURN c.label AS label, properties(f) AS f ORDER BY label")
    assert [row["label"] for row in rows] == data.cells.labels.tolist()
    assert rows[0]["f"] == {"k": 3.0, "mse_test": 9.0, "group": "good"}
    assert rows[1]["f"] == {"k": 6.0, "feed": 12.0, "mse_test": 18.0, "group": "good"}
    assert properties(graph)[6] == {f"crlsm_{name}": value for name, value in rows[1]["f"].items()}


def test_the_same_fit_again_overwrites_its_run(graph: Graph, make_culture: Make, make_fit: MakeFit) -> None:
    data = make_culture()
    graph.write_culture(data)
    graph.write_fit(make_fit(data), CREATED, "0.1.0")
    graph.write_fit(make_fit(data, labels=[3, 6]), "2027-01-02T03:04:05", "0.1.0")
    assert graph.read("MATCH (r:FitRun) RETURN r.created.year AS year") == [{"year": 2027}]
    assert graph.read("MATCH (c:Cell)-[f:FITTED]->(:FitRun) RETURN count(f) AS n") == [{"n": 2}]


def test_a_later_fit_removes_what_the_earlier_one_left(graph: Graph, make_culture: Make, make_fit: MakeFit) -> None:
    data = make_culture()
    graph.write_culture(data)
    graph.write_fit(make_fit(data, ("k", "feed", "k_cell")), CREATED, "0.1.0")
    graph.write_fit(replace(make_fit(data, ("k",)), model="crlsm_x"), CREATED, "0.1.0")
    graph.write_fit(make_fit(data, ("k",), labels=[9, 12], ridge=1.0), "2027-01-02T03:04:05", "0.1.0")
    stored = properties(graph)
    other = {"crlsm_x_k", "crlsm_x_group"}
    assert set(stored[9]) == {"crlsm_k", "crlsm_group"} | other
    assert set(stored[3]) == other
    assert graph.read("MATCH (r:FitRun) RETURN count(r) AS n") == [{"n": 3}]


def test_only_complete_cultures_are_fitted(
    graph: Graph, make_culture: Make, make_fit: MakeFit, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_culture()
    with pytest.raises(NotFoundError, match="no complete culture A"):
        graph.write_fit(make_fit(data), CREATED, "0.1.0")
    monkeypatch.setattr(cultures, "_finish", lambda *arguments: None)
    graph.write_culture(data)
    with pytest.raises(NotFoundError, match="no complete culture A"):
        graph.write_fit(make_fit(data), CREATED, "0.1.0")
    assert graph.read("MATCH (r:FitRun) RETURN count(r) AS n") == [{"n": 0}]


def test_a_fit_of_cells_that_are_not_there_leaves_nothing(graph: Graph, make_culture: Make, make_fit: MakeFit) -> None:
    data = make_culture()
    graph.write_culture(data)
    with pytest.raises(InputError, match="has only 1 of them"):
        graph.write_fit(make_fit(data, labels=[3, 4]), CREATED, "0.1.0")
    assert graph.read("MATCH (r:FitRun) RETURN count(r) AS n") == [{"n": 0}]
    assert properties(graph)[3] == {}


def test_values_must_match_the_cells(embedded_graph: Graph, make_culture: Make, make_fit: MakeFit) -> None:
    fit = make_fit(make_culture())
    with pytest.raises(InputError, match="one value for each"):
        embedded_graph.write_fit(replace(fit, cells={"k": np.ones(2)}), CREATED, "0.1.0")
    with pytest.raises(InputError, match="twice"):
        embedded_graph.write_fit(replace(fit, labels=np.full(30, 3)), CREATED, "0.1.0")
