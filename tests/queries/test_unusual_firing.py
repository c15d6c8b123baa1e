"""Cells that stand out by their events: silent, hyperactive and always leading ones, against chance written plainly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calcigraph import queries
from calcigraph.queries.anomalies import find_anomalies
from calcigraph.queries.unusual_rates import judge_counts
from calcigraph.store.event_types import EventRun, Wave
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit


def cells(counts: Sequence[int | None], **of_last: Any) -> list[dict[str, Any]]:
    """A row a cell with so many events; `of_last` changes the last one."""
    facts = {"duration_s": 1800.0, "started": [], "links": [], "neighbours": []}
    rows = [{"label": i, "uid": f"c:{i}", "events": count, **facts} for i, count in enumerate(counts)]
    rows[-1] |= of_last
    return rows


def found(rows: list[dict[str, Any]], threshold: float = 3.5) -> list[dict[str, Any]]:
    return queries.records(find_anomalies(rows, "c", "robust", threshold))


def test_silent_and_hyperactive_cells_are_named_without_any_fit() -> None:
    counts = [10, 11, 9, 12, 8, 10, 9, 11, 10, 12, 8, 10, 0, 60]
    hyperactive, silent = found(cells(counts))
    assert (hyperactive["label"], hyperactive["quantity"], hyperactive["value"]) == (13, "events", 60)
    assert (silent["label"], silent["quantity"], silent["value"], silent["z_neighbours"]) == (12, "events", 0, None)
    # The usual twelve have 10 events each in the mean, and scatter less than Poisson counts do.
    assert silent["z_culture"] == pytest.approx(stats.norm.ppf(np.exp(-10)))
    assert hyperactive["z_culture"] == pytest.approx(stats.norm.isf(stats.poisson.sf(59, 10)))
    assert silent["reason"] == "silent: no event in 0.5 h, where a usual cell of the culture has 10 (p = 5e-05)"
    assert hyperactive["reason"].startswith(
        "hyperactive: 60 events in 0.5 h, where a usual cell of the culture has 10 (p"
    )


def test_where_few_cells_fire_silence_is_usual() -> None:
    assert found(cells([0] * 20 + [1] * 6 + [2])) == []
    (row,) = found(cells([0] * 20 + [1] * 6 + [9]))
    assert row["label"] == 26
    assert found(cells([None] * 5)) == []


def test_tails_are_those_of_the_negative_binomial() -> None:
    counts = np.array([0, 1, 2, 2, 3, 4, 5, 6, 8, 9, 11, 14, 20.0])
    judged = judge_counts(counts, 3.5)
    assert judged.mean == pytest.approx(counts.mean())
    assert judged.dispersion > 0.2
    model = stats.nbinom(1 / judged.dispersion, 1 / (1 + judged.dispersion * judged.mean))
    assert model.var() == pytest.approx(judged.mean + judged.dispersion * judged.mean**2)
    assert judged.p == pytest.approx(np.clip(np.minimum(model.cdf(counts), model.sf(counts - 1)), 0, 0.5))
    assert (judged.deviate[[0, -1]] * [-1, 1] > 0).all()


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("rate", [0.2, 1.0, 10.0])
def test_cells_of_usual_cultures_are_seldom_named(rate: float, spread: float) -> None:
    """Beyond 3.5 deviations lies 1 cell of 2,000; of 100 x 50 cells at most 10 are named."""
    rng = np.random.default_rng(5)
    own = rng.gamma(1 / spread, spread, (50, 100)) if spread else np.ones((50, 100))
    named = sum((np.abs(judge_counts(rng.poisson(rate * each) * 1.0, 3.5).deviate) > 3.5).sum() for each in own)
    assert named <= 10


def test_a_cell_that_begins_the_waves_leads() -> None:
    """Of 4 waves of 20 active cells it began three, one of them perhaps with another cell: by hand 0.0008375."""
    rows = cells([5] * 20 + [0], started=[])
    rows[3]["started"], rows[4]["started"], rows[5]["started"] = [1, 2, 4], [2], [3]
    (row,) = found(rows, threshold=3.0)
    chances = [0.05, 0.1, 0.05, 0.05]
    p = sum(np.prod([c if one else 1 - c for c, one in zip(chances, led, strict=True)])
            for led in product((0, 1), repeat=4) if sum(led) >= 3)  # fmt: skip
    assert p == pytest.approx(0.0008375)
    assert (row["label"], row["quantity"], row["value"]) == (3, "wave starts", 3)
    assert row["z_culture"] == pytest.approx(stats.norm.isf(p))
    assert row["reason"] == (
        "leads: may have begun 3 of the culture's 4 waves, where chance lets 0.25 be expected (p = 0.0008)"
    )


def test_a_cell_that_is_always_first_leads() -> None:
    links = [[3, 0]] * 8 + [[0, 0], [0, 3]]
    (row,) = found(cells([7] * 12, links=links), threshold=3.0)
    assert (row["quantity"], row["value"]) == ("leads", 8)
    assert row["z_culture"] == pytest.approx(stats.norm.isf(stats.binom.sf(7, 9, 0.25)), rel=1e-9)
    assert "8 of its 9 events with links came before those of all linked neighbours" in row["reason"]
    assert found(cells([7] * 12, links=[[3, 1]] * 9)) == []


def test_each_cell_has_one_row_with_all_reasons() -> None:
    rows = cells([10] * 12 + [60], started=[0, 1, 2, 3])
    for row, k in zip(rows, [1.0, 1.1, 0.9] * 4 + [5.0], strict=True):
        row["k_cell"] = k
    (row,) = found(rows)
    reasons = row["reason"].split("; ")
    assert [reason.split(" ")[0] for reason in reasons] == ["coupling", "hyperactive:", "leads:"]
    assert row["quantity"] == "robust_k_cell"


def test_the_graph_knows_who_is_silent_and_who_leads(
    empty: Graph,
    make_culture: Callable[..., CultureData],
    make_event_run: Callable[..., EventRun],
    make_wave: Callable[..., Wave],
    make_fit: Callable[..., Fit],
) -> None:
    """30 cells with 12 events each, but 7 with none, 10 with 60, and 13, which begins the waves and is always first."""
    data = make_culture("acting", frames=360)
    times = {label: 20.0 + 290 * np.arange(12) for label in data.cells.labels.tolist()[3:]}
    times |= {10: 20.0 + 59 * np.arange(60), 13: 15.0 + 290 * np.arange(12)}
    # Places: those of cell 10 are 0 to 59, of 13 60 to 71, of 16 72 to 83, of 19 84 to 95 ...
    waves = [make_wave([60 + 12 * cell + n for cell in range(20)], starts=[13]) for n in range(6)]
    flash = make_wave([60 + 12 * cell + 7 for cell in range(20)], kind="flash", speed=None)
    precedes = [(60 + n, place + n) for n in range(12) for place in (72, 84)]
    run = make_event_run(data, times, waves=[*waves, flash], links=precedes)
    empty.write_culture(data)
    empty.write_events(run, np.zeros((30, 360)), "2026-01-01T00:00:00+00:00", "0.1.0")
    rows = queries.records(queries.run(empty, "anomalies", culture="acting"))
    assert {row["label"]: (row["quantity"], row["value"]) for row in rows} == {
        7: ("events", 0),
        10: ("events", 60),
        13: ("wave starts", 6),
    }
    leads = next(row for row in rows if row["label"] == 13)
    assert leads["z_culture"] == pytest.approx(stats.norm.isf((1 / 29) ** 6))
    assert "; leads: 12 of its 12 events with links came before" in leads["reason"]
    # A fit stands beside the events, and no event is a matter of the model.
    empty.write_fit(make_fit(data), "2026-01-01T00:00:00+00:00", "0.1.0")
    fitted = queries.run(empty, "anomalies", culture="acting")
    assert {7, 10, 13} <= set(fitted["label"])
    assert set(queries.run(empty, "anomalies", culture="acting", model="crlsm")["label"]) == {7, 10, 13}
