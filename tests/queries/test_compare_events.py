"""Comparisons of events and waves, with and without fits: hand-made events of hand-made cultures on each engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from calcigraph import queries
from calcigraph.errors import InputError, NotFoundError
from calcigraph.queries.effects import welch
from calcigraph.store.event_types import EventRun, Wave
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

CREATED = "2026-01-01T00:00:00+00:00"
HOURS = 360 * 10 / 3600
Store = Callable[..., str]


@pytest.fixture
def store(
    empty: Graph,
    make_culture: Callable[..., CultureData],
    make_event_run: Callable[..., EventRun],
    make_fit: Callable[..., Fit],
    make_wave: Callable[..., Wave],
) -> Iterator[Store]:
    """store(name, events of each cell, waves=, fitted=, **facts) writes a culture with 30 cells; gives its name.

    The cells 7, 10, 13, ... have as many events as listed, those beyond the list none; waves have these speeds in px/s.
    """
    written: list[str] = []

    def stored(
        name: str,
        counts: list[int] | None = None,
        *,
        waves: tuple[float | None, ...] = (),
        fitted: bool = False,
        run: dict[str, Any] | None = None,
        **facts: Any,
    ) -> str:
        data = make_culture(name, frames=360, intensity_gain=0.5, **facts)
        empty.write_culture(data)
        written.append(name)
        if fitted:
            empty.write_fit(make_fit(data), CREATED, "0.1.0")
        if counts is not None:
            times = {label: 100.0 + 50 * np.arange(n) for label, n in zip(data.cells.labels.tolist(), counts)}  # noqa: B905
            flash = make_wave([0], kind="flash", speed=None)
            made = [*(make_wave([0], starts=[7], speed=speed) for speed in waves), flash]
            found = make_event_run(data, times, waves=made, **(run or {}))
            empty.write_events(found, np.zeros((30, 360)), CREATED, "0.1.0")
        return name

    yield stored
    for name in written:
        empty.delete_culture(name)


def by_parameter(graph: Graph, *names: str, **options: Any) -> dict[str, dict[str, Any]]:
    return {row["parameter"]: row for row in queries.records(queries.compare_cultures(graph, names, **options))}


def test_events_are_compared_without_any_fit(empty: Graph, store: Store) -> None:
    """30 cells in 1 hour: a has 3 + 6 events, b twice as many."""
    store("a", [3, 6], waves=(2.0, 4.0, None), condition="x", pixel_size_um=0.5)
    store("b", [6, 12], waves=(), condition="y", pixel_size_um=0.5, run={"amplitude": 0.6})
    rows = by_parameter(empty, "a", "b")
    assert list(rows) == ["event rate (1/h)", "amplitude / gain", "dF/F0", "wave rate (1/h)", "wave speed (µm/s)"]
    rate = rows["event rate (1/h)"]
    assert (rate["median_a"], rate["median_b"]) == pytest.approx((9 / 30 / HOURS, 18 / 30 / HOURS))
    assert rate["ratio"] == pytest.approx(2)
    assert rate["cells_a"] == [30]
    assert rate["weight_scale_a"] is None
    assert rate["intensity_gain_b"] == [0.5]
    assert rate["note"] == "no interval and no test: 1 and 1 cultures, 3 a side are needed"
    assert rows["amplitude / gain"]["ratio"] == pytest.approx(2)
    assert rows["amplitude / gain"]["mean_b"] == pytest.approx(1.2)
    assert rows["dF/F0"]["mean_a"] == pytest.approx(0.4)
    assert (rows["wave rate (1/h)"]["mean_a"], rows["wave rate (1/h)"]["mean_b"]) == (3 / HOURS, 0)
    speed = rows["wave speed (µm/s)"]
    assert (speed["mean_a"], speed["n_a"], speed["n_b"], speed["difference"]) == (1.5, 1, 0, None)
    assert speed["note"] == "no wave has a speed in b"


def test_the_culture_is_the_unit_and_silent_cells_count(empty: Graph, store: Store) -> None:
    a = [store(f"a{n}", [3 * n], condition="x") for n in (1, 2, 3)]
    b = [store(f"b{n}", [1, 1, 1, 9 * n], condition="y") for n in (1, 2, 3)]
    rate = by_parameter(empty, *a, *b)["event rate (1/h)"]
    means = np.array([3, 6, 9]) / 30 / HOURS, np.array([12, 21, 30]) / 30 / HOURS
    found = welch(*(np.log(each) for each in means))
    assert found is not None
    assert (rate["n_a"], rate["n_b"], rate["test"]) == (3, 3, "Welch t of logarithms")
    assert rate["p"] == pytest.approx(found[2])
    assert rate["median_b"] == pytest.approx(21 / 30 / HOURS)


def test_one_half_that_is_missing_is_left_out_and_named(empty: Graph, store: Store) -> None:
    store("a", [3], fitted=True)
    store("b", [5])
    store("c", fitted=True)
    rows = by_parameter(empty, "a", "b")
    assert "k" not in rows
    assert rows["dF/F0"]["note"].endswith(
        "what robust fits is left out, because it was not fitted to b: run `calcigraph fit b --model robust`"
    )
    rows = by_parameter(empty, "a", "c")
    assert "dF/F0" not in rows
    assert rows["k"]["note"].endswith(
        "events are left out, because none were looked for in c: run `calcigraph events c`"
    )
    with pytest.raises(NotFoundError) as refused:
        by_parameter(empty, "b", "c")
    assert str(refused.value) == (
        "no fit of robust is stored for b: run `calcigraph fit b --model robust`, "
        "or `calcigraph events c` to compare events alone"
    )


def test_fits_and_events_stand_in_one_table(empty: Graph, store: Store) -> None:
    names = [store(name, [3], fitted=True, condition=name) for name in "ab"]
    rows = by_parameter(empty, *names)
    assert list(rows)[:4] == ["k", "k_cell", "feed / gain", "mse_train"]
    assert list(rows)[4:] == ["event rate (1/h)", "amplitude / gain", "dF/F0", "wave rate (1/h)"]
    assert rows["dF/F0"]["weight_scale_a"] == [1500.0]


def test_events_of_different_options_have_no_test(empty: Graph, store: Store) -> None:
    a = [store(f"a{n}", [n], condition="x") for n in (1, 2, 3)]
    b = [store(f"b{n}", [n], condition="y", run={"settings": {"min_snr": 5.0}}) for n in (2, 4, 6)]
    row = by_parameter(empty, *a, *b)["event rate (1/h)"]
    assert row["ratio"] == pytest.approx(2)
    assert row["p"] is None
    told = "they were looked for with different options: min_snr (4.0: a1, a2, a3; 5.0: b2, b4, b6)"
    assert row["note"] == f"no test of events: {told}"
    row = by_parameter(empty, *a, *b, allow_different_options=True)["event rate (1/h)"]
    assert row["p"] is not None
    assert row["note"] == told


def test_conditions_within_experiments(empty: Graph, store: Store) -> None:
    for day, (vehicle, drug) in {"mon": (1, 2), "tue": (2, 6), "wed": (4, 6)}.items():
        store(f"{day} v", [vehicle], experiment=day, condition="vehicle")
        store(f"{day} d", [drug], experiment=day, condition="drug")
    store("lone", [1], experiment="thu", condition="drug")
    table = queries.compare_cultures(empty, within="experiment")
    row = next(row for row in queries.records(table) if row["parameter"] == "event rate (1/h)")
    assert (row["group_a"], row["group_b"], row["n"]) == ("drug", "vehicle", 3)
    assert row["experiments"] == ["mon", "tue", "wed"]
    assert row["ratios"] == pytest.approx([1 / 2, 1 / 3, 2 / 3])
    assert row["ratio"] == pytest.approx((1 / 9) ** (1 / 3))
    assert row["p"] == pytest.approx(0.0678, abs=1e-4)
    assert row["note"] == "left out, because they have one condition only: thu"
    two = queries.compare_cultures(empty, experiment=["mon", "tue"], within="experiment")
    assert set(two["n"]) == {2}
    assert "3 are needed" in two["note"][0]
    days = queries.compare_cultures(empty, by="experiment")
    assert (set(days["group_a"]), set(days["group_b"])) == ({"thu", "mon", "tue"}, {"mon", "tue", "wed"})
    assert days["n_b"][0] == 2


def test_groupings_that_make_no_sense(empty: Graph, store: Store) -> None:
    names = [store(name, [1], experiment="mon", condition="drug") for name in "ab"]
    for options, says in (
        ({"within": "day"}, "within experiment, not within 'day'"),
        ({"within": "experiment", "by": "culture"}, "within experiment, conditions are compared"),
        ({"within": "experiment"}, "no experiment has cultures of two conditions"),
        ({"experiment": "mon", "by": "experiment"}, "belong to the experiment mon"),
    ):
        cultures = [] if "experiment" in options else names
        with pytest.raises(InputError, match=says):
            queries.compare_cultures(empty, cultures, **options)
