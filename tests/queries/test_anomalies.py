"""Anomalies: checked against medians written plainly, equal on both engines by the same expected table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calcigraph import queries
from calcigraph.errors import InputError, NotFoundError
from calcigraph.queries.anomalies import find_anomalies
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit, FloatArray

COLUMNS = ["culture", "label", "uid", "quantity", "value", "z_culture", "z_neighbours", "reason"]
QUANTITIES = ("k_cell", "feed", "mse_train")


def plainly(data: CultureData, fit: Fit, threshold: float) -> dict[int, tuple[str, float, float, float | None]]:
    """label -> (worst quantity, value, z against the culture, z against the neighbours), by definition."""
    labels = fit.labels.tolist()
    around: dict[int, list[int]] = {label: [] for label in data.cells.labels.tolist()}
    for a, b in zip(data.contacts.label_a.tolist(), data.contacts.label_b.tolist(), strict=True):
        around[a].append(b)
        around[b].append(a)
    found: dict[int, tuple[str, float, float, float | None]] = {}
    scores: dict[int, float] = {}
    for quantity in QUANTITIES:
        values: FloatArray = fit.cells[quantity]
        by_label = dict(zip(labels, values.tolist(), strict=True))
        median = np.median(values)
        spread = 1.4826 * np.median(np.abs(values - median))
        if spread == 0:
            continue
        for label in labels:
            near = [by_label[other] for other in around[label] if other in by_label]
            z = float((by_label[label] - median) / spread)
            z_near = float((by_label[label] - np.median(near)) / spread) if near else None
            score = max(abs(z), abs(z_near or 0.0))
            if score > threshold and score > scores.get(label, 0.0):
                scores[label] = score
                found[label] = (quantity, by_label[label], z, z_near)
    return dict(sorted(found.items(), key=lambda item: -scores[item[0]]))


@pytest.fixture(scope="module")
def planted(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> tuple[Graph, CultureData, Fit]:
    """A culture of 10 x 10 cells in which one inner cell has a coupling, one a feed, one both far off."""
    data = make_culture("planted", rows=10, columns=10)
    fit = make_fit(data, seed=3)
    fit.cells["k_cell"][[5, 40]] = 0.002, 0.05
    fit.cells["feed"][[20, 40]] = -3e-3, 4e-4
    empty.write_culture(data)
    empty.write_fit(fit, "2026-01-01T00:00:00+00:00", "0.1.0")
    return empty, data, fit


@pytest.mark.parametrize("threshold", [1.0, 2.5, 3.5, 8.0])
def test_rows_are_those_of_the_definition(planted: tuple[Graph, CultureData, Fit], threshold: float) -> None:
    graph, data, fit = planted
    table = queries.run(graph, "anomalies", culture="planted", threshold=threshold)
    expected = plainly(data, fit, threshold)
    assert list(table.columns) == COLUMNS
    assert table["label"].dtype == "int64"
    assert table["label"].tolist() == list(expected)
    for row in queries.records(table):
        quantity, value, z, z_near = expected[row["label"]]
        assert (row["culture"], row["uid"]) == ("planted", f"planted:{row['label']}")
        assert (row["quantity"], row["value"]) == (f"robust_{quantity}", value)
        assert row["z_culture"] == pytest.approx(z, rel=1e-12)
        assert row["z_neighbours"] == pytest.approx(z_near, rel=1e-12)


def test_the_planted_come_first_with_a_reason(planted: tuple[Graph, CultureData, Fit]) -> None:
    graph, _, fit = planted
    rows = queries.records(queries.run(graph, "anomalies", culture="planted"))
    assert {row["label"] for row in rows[:3]} == set(fit.labels[[5, 20, 40]].tolist())
    reasons = {row["label"]: row["reason"] for row in rows}
    assert reasons[int(fit.labels[5])].startswith("coupling 0.002 is ")
    assert "below the culture's median of" in reasons[int(fit.labels[5])]
    assert reasons[int(fit.labels[20])].startswith("feed -0.003 is ")


def test_a_mad_of_zero_gives_no_row(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> None:
    data = make_culture("even", rows=6, columns=6)
    fit = make_fit(data)
    for name in QUANTITIES:
        fit.cells[name][:] = 1.0
        fit.cells[name][3] = 1e6
    empty.write_culture(data)
    empty.write_fit(fit, "2026-01-01T00:00:00+00:00", "0.1.0")
    table = queries.run(empty, "anomalies", culture="even")
    assert (len(table), list(table.columns)) == (0, COLUMNS)
    with pytest.raises(NotFoundError, match=r"no fit of crlsm: run `calcigraph fit even --model crlsm`"):
        queries.run(empty, "anomalies", culture="even", model="crlsm")
    with pytest.raises(InputError, match="threshold must be a positive number"):
        queries.run(empty, "anomalies", culture="even", threshold=0)


def test_cells_without_fitted_neighbours_or_values() -> None:
    values = [1.0, 1.1, 0.9, 1.05, 50.0]
    rows = [
        {"label": i, "uid": f"c:{i}", "k_cell": v, "feed": None, "mse_train": None, "neighbours": [99]}
        for i, v in enumerate(values)
    ]
    rows.append(rows[0] | {"label": 7, "uid": "c:7", "k_cell": None})
    found = queries.records(find_anomalies(rows, "c", "m", 3.5))
    assert [(row["label"], row["quantity"], row["z_neighbours"]) for row in found] == [(4, "m_k_cell", None)]
    assert "neighbours" not in found[0]["reason"]


def with_intervals(
    values: list[float], half: list[float], neighbours: list[list[int]] | None = None
) -> list[dict[str, Any]]:
    return [
        {
            "label": i,
            "uid": f"c:{i}",
            "feed": None,
            "mse_train": None,
            "neighbours": neighbours[i] if neighbours else [],
        }
        | {"k_cell": v, "k_cell_low": max(v - h, 0.0), "k_cell_high": v + h}
        for i, (v, h) in enumerate(zip(values, half, strict=True))
    ]


USUAL = [1.0, 1.02, 0.98, 1.01, 0.99, 1.03, 0.97]


def named(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(find_anomalies(rows, "c", "m", 3.5)["label"].tolist())


def test_an_imprecise_value_is_no_anomaly() -> None:
    """Thirty deviations off, but known to within as much."""
    assert named(with_intervals([*USUAL, 2.0, 2.0], [0.04] * 7 + [0.04, 0.9])) == [7]


def test_an_interval_cut_at_zero_is_as_wide_as_its_other_side() -> None:
    assert named(with_intervals([*USUAL, 0.05, 0.05], [0.04] * 7 + [0.04, 0.9])) == [7]


def test_a_coupling_is_off_by_a_quarter_at_least() -> None:
    """Both lie beyond 3.5 deviations of 0.03 and of their own 0.01."""
    assert named(with_intervals([*USUAL, 1.2, 0.7], [0.02] * 9)) == [8]


def test_a_cell_beside_abnormal_ones_is_not_abnormal_for_that() -> None:
    around = [[1, 2]] * 7 + [[8, 9, 10], [7], [7], [7]]
    values = [*USUAL, 1.0, 3.0, 3.1, 2.9]
    assert named(with_intervals(values, [0.04] * 11, around)) == [8, 9, 10]
    without = [
        {name: v for name, v in row.items() if name[-4:] not in ("_low", "high")}
        for row in with_intervals(values, [0.04] * 11, around)
    ]
    assert named(without) == [7, 8, 9, 10], "by the plain definition it is"


def test_a_cell_unlike_its_usual_neighbours_is_named() -> None:
    """Within the culture's range but not within its neighbourhood's."""
    spread = np.linspace(0.5, 2.0, 40).tolist()
    near = [[38, 39]] + [[max(i - 1, 1), min(i + 1, 39)] for i in range(1, 40)]
    rows = with_intervals(spread, [0.01] * 40, near)
    assert named(rows) == []
    tight = [1.0 + 0.01 * np.sin(i) for i in range(40)]
    assert named(with_intervals([1.5, *tight[1:]], [0.01] * 40, near)) == [0]


def test_both_engines_give_the_intervals(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> None:
    """An imprecise cell is left out of the query, too."""
    data = make_culture("known", rows=8, columns=8)
    fit = make_fit(data)
    fit.cells["k_cell"][[3, 9]] = 0.05
    half = np.full(len(fit.labels), 0.001)
    half[9] = 0.05
    sides = {"k_cell_low": fit.cells["k_cell"] - half, "k_cell_high": fit.cells["k_cell"] + half}
    empty.write_culture(data)
    empty.write_fit(replace(fit, cells={**fit.cells, **sides}), "2026-01-01T00:00:00+00:00", "0.1.0")
    found = queries.run(empty, "anomalies", culture="known")
    found = found[found["quantity"] == "robust_k_cell"]["label"].tolist()
    assert found == [int(fit.labels[3])]
