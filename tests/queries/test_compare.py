"""Comparisons: the culture is the unit, tests only from three a side, and nothing unlike is compared by accident."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calcigraph import queries
from calcigraph.errors import ConflictError, InputError, NotFoundError
from calcigraph.queries.compare import medians
from calcigraph.queries.effects import holm, welch
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit
from calcigraph.store.units import ALL_CONTACTS

ALL = {"weight_scale": 1500.0, "weight_unit": ALL_CONTACTS}
WILD = {"w1": 0.010, "w2": 0.011, "w3": 0.009}
KNOCKED = {"z1": 0.004, "z2": 0.005, "z3": 0.0045}
CREATED = "2026-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def cultures(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> tuple[Graph, dict[str, Fit]]:
    """Three wild-type and three knock-down cultures, one without condition, one not fitted."""
    fits = {}
    for seed, (name, k) in enumerate((WILD | KNOCKED | {"odd": 0.02}).items()):
        condition = {"w": "wild type", "z": "zpg RNAi"}.get(name[0])
        facts = {"experiment": "gap" if condition else None, "condition": condition, "intensity_gain": 0.5 + seed / 10}
        data = make_culture(name, **facts)
        empty.write_culture(data)
        fits[name] = make_fit(data, k=k, seed=seed)
        empty.write_fit(fits[name], CREATED, "0.1.0")
    empty.write_culture(make_culture("unfitted", experiment="gap 2", condition="x"))
    return empty, fits


def test_by_condition_from_three_a_side(cultures: tuple[Graph, dict[str, Fit]]) -> None:
    graph, _ = cultures
    rows = queries.records(queries.compare_cultures(graph, [], experiment="gap"))
    assert [row["parameter"] for row in rows] == ["k", "k_cell", "feed / gain", "mse_train"]
    assert {(row["group_a"], row["group_b"], row["n_a"], row["n_b"]) for row in rows} == {
        ("wild type", "zpg RNAi", 3, 3)
    }
    k = rows[0]
    a, b = np.array(list(WILD.values())), np.array(list(KNOCKED.values()))
    assert (k["median_a"], k["median_b"]) == (0.010, 0.0045)
    assert k["sd_a"] == pytest.approx(a.std(ddof=1))
    assert k["difference"] == pytest.approx(b.mean() - a.mean())
    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
    assert (k["difference_low"], k["difference_high"]) == pytest.approx(tuple(interval), rel=1e-9)
    logs = stats.ttest_ind(np.log(b), np.log(a), equal_var=False)
    assert k["p"] == pytest.approx(logs.pvalue, rel=1e-9)
    assert k["ratio"] == pytest.approx(stats.gmean(b) / stats.gmean(a))
    assert (k["ratio_low"], k["ratio_high"]) == pytest.approx(tuple(np.exp(logs.confidence_interval())), rel=1e-9)
    assert k["p_holm"] == pytest.approx(min(1.0, k["p"] * 4)) or k["p_holm"] > k["p"]
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p"] for row in rows]))
    assert {row["note"] for row in rows} == {""}


def test_the_unit_is_the_culture_and_feed_is_over_gain(cultures: tuple[Graph, dict[str, Fit]]) -> None:
    graph, fits = cultures
    rows = {row["parameter"]: row for row in queries.records(queries.compare_cultures(graph, experiment="gap"))}
    feeds = [float(np.median(fits[name].cells["feed"])) / (0.5 + seed / 10) for seed, name in enumerate(WILD)]
    assert rows["feed / gain"]["mean_a"] == pytest.approx(np.mean(feeds))
    assert rows["feed / gain"]["ratio"] is None
    assert rows["feed / gain"]["test"] == "Welch t"
    cells = [float(np.median(fits[name].cells["k_cell"])) for name in KNOCKED]
    assert rows["k_cell"]["median_b"] == pytest.approx(np.median(cells))
    assert rows["k"]["weight_scale_a"] == [1500.0, 1501.0, 1502.0]
    assert rows["k"]["intensity_gain_b"] == pytest.approx([0.8, 0.9, 1.0])
    assert rows["k"]["cultures_b"] == ["z1", "z2", "z3"]


def test_below_three_a_side_there_is_no_test_and_it_says_so(cultures: tuple[Graph, dict[str, Fit]]) -> None:
    graph, _ = cultures
    for row in queries.records(queries.compare_cultures(graph, ["w1", "w2", "z1", "z2"])):
        assert (row["n_a"], row["n_b"]) == (2, 2)
        assert row["difference"] is not None
        for name in ("difference_low", "ratio_low", "p", "p_holm", "test"):
            assert row[name] is None
        assert row["note"] == "no interval and no test: 2 and 2 cultures, 3 a side are needed"


def test_one_condition_is_compared_by_name(cultures: tuple[Graph, dict[str, Fit]]) -> None:
    graph, _ = cultures
    row = queries.records(queries.compare_cultures(graph, ["w2", "w1"]))[0]
    assert (row["group_a"], row["group_b"]) == ("w2", "w1")
    assert row["difference"] == pytest.approx(-0.001)
    assert row["ratio"] == pytest.approx(10 / 11)
    assert row["sd_a"] is None
    assert row["cell_spread_a"] == 0
    three = queries.compare_cultures(graph, ["w1", "odd", "z1"])
    pairs = three[["group_a", "group_b"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["wild type", "odd"], ["wild type", "zpg RNAi"], ["odd", "zpg RNAi"]]
    by_name = queries.compare_cultures(graph, ["w1", "w2", "z1"], by="culture")
    assert set(by_name["group_a"]) == {"w1", "w2"}


def test_other_options_are_refused_unless_told(
    cultures: tuple[Graph, dict[str, Fit]], make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> None:
    graph, _ = cultures
    data = make_culture("other")
    graph.write_culture(data)
    graph.write_fit(make_fit(data, settings={"ridge": 0.1, "weights": "border"}), CREATED, "0.1.0")
    with pytest.raises(
        ConflictError, match=r"ridge \(0.1: other; 0.001: w1\), weights \(\"border\": other; \"dist"
    ) as caught:
        queries.compare_cultures(graph, ["other", "w1"])
    assert "weight_scale" not in str(caught.value)
    table = queries.compare_cultures(graph, ["other", "w1"], allow_different_options=True)
    assert table["note"].str.contains("options differ: ridge, weights").all()
    graph.delete_culture("other")


def test_fits_that_an_older_version_stored_are_read(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> None:
    """Version 0.1 stored settings and facts of the culture in one property, `options`."""
    for name, scale, ridge in (("o1", 1500.0, 0.001), ("o2", 1600.0, 0.001), ("o3", 1500.0, 0.1)):
        data = make_culture(name)
        empty.write_culture(data)
        fit = make_fit(data, settings={"ridge": ridge}, facts={"trace_noise": scale})
        empty.write_fit(fit, CREATED, "0.1.0")
        options = json.dumps({**fit.settings, "weight_scale": scale, "frames": 12, "dt_s": 10.0})
        empty.write(
            "MATCH (r:FitRun {uid: $run}) SET r.options = $options REMOVE r.settings", run=fit.run, options=options
        )
    rows = {row["parameter"]: row for row in queries.records(queries.compare_cultures(empty, ["o1", "o2"]))}
    assert (rows["k"]["weight_scale_a"], rows["k"]["weight_scale_b"]) == ([1500.0], [1600.0])
    assert rows["k"]["ratio"] is not None
    assert rows["k"]["note"].startswith(
        "the unit of k is the mean weight of all contacts in o1, o2, which depends on the field of view (stored by "
        "version 0.2 or before: fit again with `calcigraph fit o1 o2 --model robust`)"
    )
    assert "unit" not in rows["feed / gain"]["note"]
    with pytest.raises(ConflictError, match=r"different options: ridge \(0.001: o1; 0.1: o3\)"):
        queries.compare_cultures(empty, ["o1", "o3"])
    row = queries.records(queries.run(empty, "fits", culture="o2"))[0]
    assert json.loads(row["settings"])["ridge"] == 0.001
    assert json.loads(row["facts"]) == {"dt_s": 10.0, "frames": 12, "trace_noise": 1600.0, "weight_scale": 1600.0}
    for name in ("o1", "o2", "o3"):
        empty.delete_culture(name)


def test_what_cannot_be_compared(cultures: tuple[Graph, dict[str, Fit]]) -> None:
    graph, _ = cultures
    with pytest.raises(
        NotFoundError, match=r"no fit of robust .* unfitted: run `calcigraph fit unfitted --model robust`"
    ):
        queries.compare_cultures(graph, ["w1", "unfitted"])
    with pytest.raises(NotFoundError, match="run `calcigraph fit w1 w2 --model crlsm`"):
        queries.compare_cultures(graph, ["w1", "w2"], model="crlsm")
    with pytest.raises(NotFoundError, match="there is no culture nowhere"):
        queries.compare_cultures(graph, ["w1", "nowhere"])
    with pytest.raises(NotFoundError, match=r'there is no experiment gaps .*there is gap, "gap 2"'):
        queries.compare_cultures(graph, experiment="gaps")
    with pytest.raises(InputError, match='experiment "gap 2" has only the culture unfitted'):
        queries.compare_cultures(graph, experiment="gap 2")
    for wrong in (["w1"], ["w1", "w1"]):
        with pytest.raises(InputError, match="two or more different cultures"):
            queries.compare_cultures(graph, wrong)
    for both in ({}, {"cultures": []}, {"cultures": ["w1", "w2"], "experiment": "gap"}):
        with pytest.raises(InputError, match="either two or more cultures or an experiment"):
            queries.compare_cultures(graph, **both)
    with pytest.raises(NotFoundError, match=r"by condition, culture, experiment or an annotation.* an annotation day;"):
        queries.compare_cultures(graph, ["w1", "w2"], by="day")


def test_welch_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.normal(0, 1, rng.integers(3, 9)), rng.normal(1, 3, rng.integers(3, 9))
        result = stats.ttest_ind(b, a, equal_var=False)
        low, high = result.confidence_interval()
        assert welch(a, b) == pytest.approx((low, high, result.pvalue), rel=1e-9)
    assert welch(np.ones(3), np.ones(3)) is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


SYNC = {"w1": 0.05, "w2": 0.06, "w3": 0.04, "w4": 0.07, "z1": 0.02, "z2": 0.03, "z3": 0.01, "z4": 0.02, "b1": 0.002}


@pytest.fixture(scope="module")
def permuted(
    cultures: tuple[Graph, dict[str, Fit]], make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> Graph:
    """Cultures with a null: synchrony beyond its permutation mean as in SYNC, z the other way round."""
    graph, _ = cultures
    for name, value in SYNC.items():
        condition = {"w": "wild type", "z": "zpg RNAi", "b": "blocker"}[name[0]]
        data = make_culture(f"n{name}", experiment="null" if name not in ("w4", "z4") else None, condition=condition)
        graph.write_culture(data)
        values = {"null_sync": value + 0.3, "null_sync_mean": 0.3, "null_sync_z": 1 / value, "null_sync_p": 0.01}
        graph.write_fit(make_fit(data, **values), CREATED, "0.1.0")
    return graph


def test_synchrony_beyond_its_permutation_mean_per_group(permuted: Graph) -> None:
    rows = queries.records(queries.compare_cultures(permuted, experiment="null"))
    found = {(row["group_a"], row["group_b"]): row for row in rows if row["parameter"] == "synchrony"}
    row = found["wild type", "zpg RNAi"]
    assert (row["n_a"], row["n_b"]) == (3, 3)
    assert (row["median_a"], row["median_b"]) == pytest.approx((0.05, 0.02))
    assert row["difference"] == pytest.approx(-0.03)
    assert row["sd_a"] == pytest.approx(0.01)
    assert row["cell_spread_a"] is None
    columns, side_by_side = medians(rows)
    assert columns == ["median", "blocker (1)", "wild type (3)", "zpg RNAi (3)"]
    line = next(line for line in side_by_side if line["median"] == "synchrony")
    assert line["wild type (3)"] > line["zpg RNAi (3)"] > line["blocker (1)"] == pytest.approx(0.002)


def test_no_test_of_synchrony_that_so_few_cultures_could_not_pass(permuted: Graph) -> None:
    rows = queries.records(queries.compare_cultures(permuted, experiment="null"))
    for row in (row for row in rows if row["parameter"] == "synchrony"):
        assert [row[name] for name in ("p", "p_holm", "test", "difference_low")] == [None] * 4
        assert "no interval and no test" in row["note"]
    names = [f"n{name}" for name in SYNC if name[0] in "wz"]
    four = {row["parameter"]: row for row in queries.records(queries.compare_cultures(permuted, names))}["synchrony"]
    a, b = ([SYNC[name[1:]] for name in names if name[1] == letter] for letter in "wz")
    assert four["p"] == pytest.approx(stats.ttest_ind(b, a, equal_var=False).pvalue)
    assert (four["n_a"], four["n_b"], four["test"]) == (4, 4, "Welch t")
    three = {row["parameter"]: row for row in queries.records(queries.compare_cultures(permuted, names[:-1]))}[
        "synchrony"
    ]
    assert three["p"] is None
    assert "4 and 3 cultures can be dealt in 35 ways" in three["note"]
    assert "0.057" in three["note"]


def test_a_fit_without_null_has_no_synchrony(permuted: Graph) -> None:
    one_side = queries.records(queries.compare_cultures(permuted, ["nw1", "nw2", "z1"]))
    row = next(row for row in one_side if row["parameter"] == "synchrony")
    assert (row["n_a"], row["n_b"], row["median_b"]) == (2, 0, None)
    assert row["note"] == "fitted without null, so without synchrony: z1"
    mixed = queries.records(queries.compare_cultures(permuted, ["nw1", "w2", "nz1"]))
    row = next(row for row in mixed if row["parameter"] == "synchrony")
    assert (row["n_a"], row["median_a"]) == (1, pytest.approx(0.05))
    assert row["note"].endswith("fitted without null, so without synchrony: w2")
    assert "synchrony" not in set(queries.compare_cultures(permuted, ["w1", "z1"])["parameter"])


def test_facts_and_reasons_are_no_options(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> None:
    """What the data decided differs between any two cultures and must not keep them from being compared."""
    for name, noise in (("f1", 0.1), ("f2", 0.2)):
        data = make_culture(name, condition=name)
        empty.write_culture(data)
        fit = make_fit(data, facts={"trace_noise": noise}, identified="weak", why=(f"noise {noise}",))
        empty.write_fit(fit, CREATED, "0.1.0")
    assert queries.compare_cultures(empty, ["f1", "f2"])["parameter"].tolist()[0] == "k"
    for name in ("f1", "f2"):
        empty.delete_culture(name)


Store = Callable[..., list[str]]


@pytest.fixture
def store(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> Iterator[Callable[..., list[str]]]:
    """store(name, k, ..., condition=, size=) writes cultures name1, name2, ... with these k, and gives their names."""
    written: list[str] = []

    def stored(name: str, *couplings: float, size: dict[str, int] | None = None, **values: Any) -> list[str]:
        names = [f"{name}{number}" for number in range(1, len(couplings) + 1)]
        for seed, (culture, k) in enumerate(zip(names, couplings, strict=True)):
            data = make_culture(culture, condition=name, **(size or {}))
            empty.write_culture(data)
            empty.write_fit(make_fit(data, k=k, seed=seed, **values), CREATED, "0.1.0")
        written.extend(names)
        return names

    yield stored
    for culture in written:
        empty.delete_culture(culture)


def by_parameter(graph: Graph, names: list[str]) -> dict[str, dict[str, Any]]:
    return {row["parameter"]: row for row in queries.records(queries.compare_cultures(graph, names))}


def test_k_of_two_units_is_not_compared(empty: Graph, store: Store) -> None:
    """Old fits are told apart from those of cultures that are too small for today's unit, which no refit changes."""
    today = store("today", 0.01, 0.011, 0.009)
    old = store("old", 0.012, 0.013, 0.011, facts={"weight_scale": 1500.0})
    rows = by_parameter(empty, today + old)
    for name in ("k", "k_cell"):
        assert (rows[name]["n_a"], rows[name]["n_b"]) == (3, 3)
        assert [rows[name][value] for value in ("difference", "ratio", "p", "ratio_low", "test")] == [None] * 5
        assert rows[name]["note"] == (
            "k is not compared, because its unit differs: it is the mean weight of the contacts between inner cells in "
            "today1, today2, today3 and the mean weight of all contacts in old1, old2, old3 (stored by version 0.2 or "
            "before: fit again with `calcigraph fit old1 old2 old3 --model robust`)"
        )
    assert rows["feed / gain"]["p"] is not None
    small = store("small", 0.01, facts=ALL)
    note = by_parameter(empty, today + small)["k"]["note"]
    assert note.endswith("and the mean weight of all contacts in small1")
    both = by_parameter(empty, old + small)["k"]
    assert both["ratio"] is not None
    assert "`calcigraph fit old1 old2 old3 --model robust`" in both["note"]


def test_uniform_weights_have_one_unit_always(empty: Graph, store: Store) -> None:
    uniform = {"weights": "uniform"}
    names = store("now", 0.01, settings=uniform) + store("then", 0.02, settings=uniform, facts={"weight_scale": 1.0})
    row = by_parameter(empty, names)["k"]
    assert row["ratio"] == pytest.approx(2)
    assert "unit" not in row["note"]


def test_there_is_no_p_of_a_k_that_is_not_identified(empty: Graph, store: Store) -> None:
    known = store("known", 0.01, 0.011, 0.009, identified="identified")
    unknown = store("unknown", 0.002, 0.003, 0.004, identified="not identified")
    rows = by_parameter(empty, known + unknown)
    for name in ("k", "k_cell"):
        for value in ("p", "p_holm", "test", "difference_low", "ratio_low"):
            assert rows[name][value] is None
        assert rows[name]["difference"] == pytest.approx(rows[name]["mean_b"] - rows[name]["mean_a"])
        assert rows[name]["note"] == (
            "there is no test of k, because k is not identified in unknown1, unknown2, unknown3"
        )
    # The tests that are left are corrected for one another only.
    tested = [row["p"] for row in rows.values() if row["p"] is not None]
    assert [row["p_holm"] for row in rows.values() if row["p"] is not None] == pytest.approx(holm(tested))
    weak = store("weak", 0.004, 0.005, 0.0045, identified="weak")
    row = by_parameter(empty, known + weak)["k"]
    assert row["p"] is not None
    assert row["note"] == "k is weak in weak1, weak2, weak3 (`calcigraph query fits weak1` says why)"


def test_the_number_of_cells_stands_beside_synchrony(empty: Graph, store: Store) -> None:
    sync = {"null_sync": 0.35, "null_sync_mean": 0.3}
    names = store("large", 0.01, 0.01, size={"rows": 8, "columns": 8}, **sync) + store("small", 0.01, **sync)
    row = by_parameter(empty, names)["synchrony"]
    assert (row["cells_a"], row["cells_b"]) == ([64, 64], [30])
    assert "the groups differ in their number of cells (median 64 and 30)" in row["note"]
    columns, lines = medians([row])
    assert columns == ["median", "large (2)", "small (1)"]
    assert lines[-1] == {"median": "cells", "large (2)": 64, "small (1)": 30}
    alike = by_parameter(empty, store("a", 0.01, **sync) + store("b", 0.01, **sync))["synchrony"]
    assert "number of cells" not in alike["note"]


def test_names_are_quoted_where_they_could_be_read_wrongly(
    empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]
) -> None:
    names = ["O'Brien 1", "[1, 2]", "-1", "wt-9"]
    for name in names:
        empty.write_culture(make_culture(name))
    with pytest.raises(NotFoundError) as caught:
        queries.compare_cultures(empty, names)
    assert str(caught.value) == (
        'no fit of robust is stored for "O\'Brien 1", "[1, 2]", "-1", wt-9: '
        'run `calcigraph fit --model robust -- "O\'Brien 1" "[1, 2]" -1 wt-9`'
    )
    for name in names:
        empty.delete_culture(name)
