"""Named queries: columns to the letter, integers that stay integers, nulls, complete cultures only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas
import pytest

from calcigraph import queries
from calcigraph.errors import InputError, NotFoundError
from calcigraph.queries import library
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

CELLS = ["uid", "culture", "label", "area_px", "x_px", "y_px", "border", "neighbours"]
FITS = (
    "run culture model case k k_low k_high identified why feed feed_low feed_high mse_train mse_test null_k "
    "null_k_mean null_k_z null_k_p null_sync null_sync_mean null_sync_z null_sync_p settings facts stale "
    "created version"
)
PARAMETERS = "k k_low k_high feed feed_low feed_high k_cell k_cell_low k_cell_high identified mse_train group leak why"
NAMES = ["anomalies", "cells", "contacts", "cultures", "fits", "parameters", "subgraph", "traces"]


def test_the_named_queries_are_there_and_each_says_what_it_is() -> None:
    assert set(NAMES) <= set(queries.names())
    assert "comparison" not in queries.names()
    for name in queries.names():
        query = queries.load(name)
        assert query.description.endswith(".")
        assert query.columns
        assert [p.name for p in query.parameters][:1] == ([] if name == "cultures" else ["culture"])


def test_cultures(stored: Graph) -> None:
    table = queries.run(stored, "cultures")
    assert table["culture"].tolist() == ["101", "wt-1"]
    row = queries.records(table)[1]
    assert row["experiment"] == "E"
    assert row["condition"] == "wild type"
    assert (row["cells"], row["inner_cells"], row["contacts"], row["fits"], row["warnings"]) == (30, 12, 49, 1, 1)
    assert (row["frames"], row["frame_interval_s"], row["pixel_size_um"]) == (12, 10.0, 0.5)
    assert queries.records(table)[0]["pixel_size_um"] is None


def test_cells(stored: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]) -> None:
    table = queries.run(stored, "cells", culture="wt-1")
    fitted = ["robust_k", "robust_feed", "robust_k_cell", "robust_mse_train", "robust_group"]
    assert list(table.columns) == CELLS + fitted
    data = make_culture("wt-1")
    assert table["label"].dtype == "int64"
    assert table["label"].tolist() == data.cells.labels.tolist()
    assert table["uid"].tolist() == [f"wt-1:{label}" for label in data.cells.labels.tolist()]
    assert table["border"].dtype == bool
    np.testing.assert_array_equal(table["border"], data.cells.border)
    ends = np.concatenate([data.contacts.label_a, data.contacts.label_b]).tolist()
    assert table["neighbours"].tolist() == [ends.count(label) for label in data.cells.labels.tolist()]
    inner = table[~table["border"]]
    np.testing.assert_array_equal(inner["robust_k_cell"], make_fit(data).cells["k_cell"])
    assert table[table["border"]]["robust_k_cell"].isna().all()


def test_cells_without_a_fit_have_the_fixed_columns_only(stored: Graph) -> None:
    assert list(queries.run(stored, "cells", culture="101").columns) == CELLS


def test_contacts(stored: Graph, make_culture: Callable[..., CultureData]) -> None:
    table = queries.run(stored, "contacts", culture="wt-1")
    contacts = make_culture("wt-1").contacts
    names = ["culture", "label_a", "label_b", "shared_border_px", "centroid_distance_px"]
    assert list(table.columns) == names
    for name in names[1:]:
        np.testing.assert_array_equal(table[name], getattr(contacts, name))
    without = queries.records(queries.run(stored, "contacts", culture="101"))
    assert [row["shared_border_px"] for row in without] == [None] * 49


def test_traces_are_wide_and_exact(stored: Graph, make_culture: Callable[..., CultureData]) -> None:
    table = queries.run(stored, "traces", culture="wt-1")
    cells = make_culture("wt-1").cells
    assert list(table.columns) == ["frame", "time_s", *map(str, cells.labels.tolist())]
    assert table["frame"].dtype == "int64"
    assert table["frame"].tolist() == list(range(12))
    assert table["time_s"].tolist() == [10.0 * frame for frame in range(12)]
    np.testing.assert_array_equal(table.iloc[:, 2:].to_numpy().T, cells.intensity)


@pytest.mark.parametrize("name", ["wt-1", "101"])
def test_subgraph_is_what_was_stored(stored: Graph, make_culture: Callable[..., CultureData], name: str) -> None:
    data, graph = make_culture(name, borders=name == "wt-1"), queries.subgraph(stored, name)
    assert graph.culture == name
    assert graph.frame_interval_s == 10.0
    assert graph.intensity_gain == 0.5
    for field in ("labels", "x_px", "y_px", "border", "intensity", "area_px"):
        np.testing.assert_array_equal(getattr(graph, field), getattr(data.cells, field))
    assert (graph.pairs[:, 0] < graph.pairs[:, 1]).all()
    np.testing.assert_array_equal(graph.labels[graph.pairs[:, 0]], data.contacts.label_a)
    np.testing.assert_array_equal(graph.labels[graph.pairs[:, 1]], data.contacts.label_b)
    np.testing.assert_array_equal(graph.shared_border_px, data.contacts.shared_border_px)
    np.testing.assert_array_equal(graph.centroid_distance_px, data.contacts.centroid_distance_px)
    assert graph.has_borders is (name == "wt-1")


def test_subgraph_of_cells_without_contacts(empty: Graph, make_culture: Callable[..., CultureData]) -> None:
    empty.write_culture(make_culture("alone", rows=1, columns=1))
    graph = queries.subgraph(empty, "alone")
    assert graph.pairs.shape == (0, 2)
    assert len(graph.labels) == 1
    assert len(queries.run(empty, "contacts", culture="alone")) == 0
    empty.delete_culture("alone")


def test_fits(stored: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]) -> None:
    table = queries.run(stored, "fits", culture="wt-1")
    assert list(table.columns) == FITS.split()
    row, fit = queries.records(table)[0], make_fit(make_culture("wt-1"))
    assert row["run"] == fit.run
    assert (row["model"], row["case"], row["k"], row["feed"]) == ("robust", "per-cell", fit.k, fit.feed)
    assert json.loads(row["settings"]) == fit.settings
    assert row["null_sync_p"] is None
    assert row["mse_test"] is None
    assert len(queries.run(stored, "fits", culture="101")) == 0


def test_a_fit_says_whether_and_why_not(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> None:
    data = make_culture("told")
    empty.write_culture(data)
    known = {"identified": "weak", "why": ("k is known to within 30 % only", "film faster"), "facts": {"tails": True}}
    fit = make_fit(data, **known, curves={"blocks": []}, k_low=0.008, k_high=0.012)
    count = len(fit.labels)
    words = {"identified": ("weak",) * count, "why": ("it has no contacts",) * count} | dict(fit.words)
    cells = {f"{name}{side}": fit.cells[name] for name in ("k", "feed", "k_cell") for side in ("", "_low", "_high")}
    fit = replace(fit, words=words, cells={**cells, "mse_train": fit.cells["mse_train"], "leak": fit.cells["k"]})
    empty.write_fit(fit, "2026-01-01T00:00:00+00:00", "0.1.0")
    row = queries.records(queries.run(empty, "fits", culture="told"))[0]
    assert (row["identified"], row["why"]) == ("weak", "k is known to within 30 % only; film faster")
    assert (row["k_low"], row["k_high"], row["facts"]) == (0.008, 0.012, '{"tails": true}')
    order = [
        "k",
        "k_low",
        "k_high",
        "feed",
        "feed_low",
        "feed_high",
        "k_cell",
        "k_cell_low",
        "k_cell_high",
        "identified",
        "mse_train",
        "group",
        "leak",
        "why",
    ]
    assert list(queries.run(empty, "parameters", culture="told").columns)[5:] == order
    cells_table = queries.run(empty, "cells", culture="told")
    assert list(cells_table.columns)[len(CELLS) :] == [f"robust_{name}" for name in order]
    assert set(cells_table["robust_why"].dropna()) == {"it has no contacts"}
    empty.delete_culture("told")


def test_parameters_are_those_of_the_latest_run(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> None:
    data = make_culture("refitted")
    empty.write_culture(data)
    for year, k in ((2026, 0.01), (2028, 0.02), (2027, 0.03)):  # the clock jumps back before the last
        fit = make_fit(data, k=k, settings={"ridge": k})
        empty.write_fit(fit, f"{year}-01-01T00:00:00+00:00", "0.1.0")
    empty.write_fit(make_fit(data, model="other", k=0.5), "2020-01-01T00:00:00+00:00", "0.1.0")
    table = queries.run(empty, "parameters", culture="refitted")
    fitted = ["k", "feed", "k_cell", "mse_train", "group"]
    assert list(table.columns) == ["culture", "label", "uid", "model", "run", *fitted]
    inner = data.cells.labels[~data.cells.border].tolist()
    assert table["label"].tolist() == inner + inner
    assert set(table[table["model"] == "robust"]["k"]) == {0.03}
    assert set(table[table["model"] == "other"]["k"]) == {0.5}
    empty.delete_culture("refitted")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cultures"])
def test_only_complete_cultures_are_seen(stored: Graph, name: str) -> None:
    with pytest.raises(NotFoundError, match=r"^culture half is not complete; .*ingest"):
        queries.run(stored, name, culture="half")
    with pytest.raises(NotFoundError, match=r"^there is no culture wt-2; there is 101, wt-1$"):
        queries.run(stored, name, culture="wt-2")


def test_subgraph_of_an_incomplete_or_unknown_culture(stored: Graph) -> None:
    for name in ("half", "nowhere"):
        with pytest.raises(NotFoundError, match=name):
            queries.subgraph(stored, name)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("cells", {}, r"^query cells needs the parameter culture \(string\)$"),
        ("cells", {"culture": 101}, "^parameter culture must be of type string, not 101$"),
        ("cells", {"culture": "101", "label": 3}, "^query cells has no parameter label; it takes culture$"),
        ("cultures", {"culture": "101"}, "^query cultures has no parameter culture; it takes no parameters$"),
        ("anomalies", {"culture": "wt-1", "threshold": "high"}, "^parameter threshold must be of type float"),
        ("anomalies", {"culture": "wt-1", "threshold": True}, "^parameter threshold must be of type float"),
    ],
)
def test_parameters_that_do_not_fit(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        queries.run(_Nothing(), name, **given)


class _Nothing:
    def read(self, text: str, **parameters: Any) -> list[dict[str, Any]]:
        raise AssertionError("the graph was asked")


def test_an_unknown_query() -> None:
    with pytest.raises(NotFoundError, match=r"^there is no query cell; expected one of anomalies, cells, .*traces"):
        queries.load("cell")


def test_header() -> None:
    declared = '// parameter a: int = 3   note\n// parameter b: list = ["x", 1]\n// column c: float\n'
    text = f"// Ask.\n{declared}RETURN $a AS c\n// no"
    query = library.parse("mine", text)
    assert query.description == "Ask."
    assert query.bind({}) == {"a": 3, "b": ["x", 1]}
    assert query.parameters[0].note == "note"
    assert [column.type for column in query.columns] == ["float"]
    with pytest.raises(InputError, match="type text; expected one of"):
        library.parse("mine", "// parameter a: text\nRETURN 1")


def test_records_hold_plain_values_and_no_nan() -> None:
    frame = pandas.DataFrame(
        {
            "i": pandas.Series([1, None], dtype="Int64"),
            "f": [1.5, float("nan")],
            "b": [np.True_, None],
            "l": [[1.0, float("nan")], np.array([1, 2])],
        }
    )
    rows = queries.records(frame)
    assert rows == [{"i": 1, "f": 1.5, "b": True, "l": [1.0, None]}, {"i": None, "f": None, "b": None, "l": [1, 2]}]
    assert "NaN" not in json.dumps(rows, allow_nan=False)
    assert queries.records(frame.iloc[:0]) == []
