"""Questions to events and waves: rows computed by hand from the waves of tests/conftest.py, on both engines."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calcigraph import queries
from calcigraph.errors import InputError, NotFoundError
from calcigraph.queries.event_tables import OF_EVENTS, at_least, false_discovery
from calcigraph.store.event_types import EventRun
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData

NAME = "dish 2"


@pytest.fixture(scope="module")
def fired(stored: Graph, make_culture: Callable[..., CultureData], make_run: Callable[..., EventRun]) -> Graph:
    """`stored`, with a culture that has events, and another run of them that was broken off."""
    data = make_culture(NAME, experiment="E", pixel_size_um=0.5)
    stored.write_culture(data)
    run = make_run(data)
    dff = run.baseline + np.arange(len(run.labels))[:, None]
    dff[3] = np.nan
    stored.write_events(run, dff, "2026-01-02T03:04:05+00:00", "0.1.0")
    write_half(stored, make_run(data, settings={"min_snr": 9.0}))
    return stored


def write_half(graph: Graph, run: EventRun) -> None:
    """A writer that ends before its last transaction, so that the events of two runs lie side by side."""

    class Ended(Exception):
        pass

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "storing waves":
            raise Ended

    with pytest.raises(Ended):
        graph.write_events(run, run.baseline, "2026-01-02T03:04:05+00:00", "0.1.0", progress)


def ask(graph: Graph, name: str, *columns: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Some columns of a query's rows; they are the same with and without pandas."""
    names, rows = queries.rows(graph, name, culture=NAME, **parameters)
    assert rows == queries.records(queries.run(graph, name, culture=NAME, **parameters))
    assert set(columns) <= set(names)
    return [tuple(row[column] for column in columns) for row in rows]


def test_every_query_has_its_declared_columns(fired: Graph) -> None:
    for name in sorted(OF_EVENTS - {"dff"}):
        given = {"wave": 1} if name == "wave" else {"level": 1} if name in ("pacemakers", "leaders") else {}
        rows = queries.run(fired, name, culture=NAME, **given)
        assert list(rows.columns) == [column.name for column in queries.load(name).columns]
        assert len(rows), name
        known = rows.columns[rows.notna().any()]
        unknown = {"stale", "decay_s", "direction_deg", "speed_high_um_s", "speed_high_px_s", "interval_sd_s"}
        assert set(rows.columns) - set(known) <= unknown, name


def test_event_run(fired: Graph) -> None:
    columns = ("culture", "events", "active_cells", "cells", "event_rate_per_h", "waves", "flashes", "links", "ties")
    assert ask(fired, "event_run", *columns) == [(NAME, 11, 8, 30, 11.0, 2, 1, 4, 1)]
    sentence = "11 events in 8 of 30 cells, 11 per cell and hour; 2 waves, 1 flash"
    assert ask(fired, "event_run", "found", "duration_s", "version") == [(sentence, 120.0, "0.1.0")]
    assert str(ask(fired, "event_run", "created")[0][0]).startswith("2026-01-02T03:04:05")


def test_events(fired: Graph) -> None:
    rows = ask(fired, "events", "label", "number", "uid", "wave", "half_s", "interval_s", "decay_s", "cut_end")
    assert len(rows) == 11
    assert rows[:3] == [
        (7, 1, f"{NAME}:7:1", 1, 10.0, None, None, False),
        (7, 2, f"{NAME}:7:2", 2, 60.0, 50.0, None, False),
        (10, 1, f"{NAME}:10:1", 1, 20.0, None, None, False),
    ]
    assert [row[3] for row in rows] == [1, 2, 1, 2, 1, 1, None, 2, 3, 3, 3]
    assert [row[6:] for row in rows[:2]] == [(None, False)] * 2


def test_waves(fired: Graph) -> None:
    columns = ("wave", "kind", "onset_s", "duration_s", "cells", "events", "starts", "speed_um_s", "speed_high_px_s")
    assert ask(fired, "waves", *columns) == [
        (1, "wave", 10.0, 20.0, 4, 4, [7], 1.5, None),
        (2, "wave", 60.0, 10.0, 3, 3, [7, 25], 1.5, None),
        (3, "flash", 100.0, 0.0, 3, 3, [], None, None),
    ]


def test_the_path_of_a_wave(fired: Graph) -> None:
    columns = ("step", "label", "half_s", "after_s", "from", "ties")
    assert ask(fired, "wave", *columns, wave=1) == [
        (1, 7, 10.0, 0.0, [], []),
        (2, 10, 20.0, 10.0, [7], []),
        (3, 13, 30.0, 20.0, [10], [16]),
        (4, 16, 30.0, 20.0, [], [13]),
    ]
    assert ask(fired, "wave", "label", "from", "x_px", "y_px", wave=2) == [
        (7, [], 15.0, 15.0), (25, [7], 15.0, 45.0), (10, [7], 45.0, 15.0),
    ]  # fmt: skip
    for number in (0, 4, -1):
        with pytest.raises(NotFoundError, match=f'^culture "dish 2" has no wave {number}; .* lists them$'):
            queries.run(fired, "wave", culture=NAME, wave=number)


def test_pacemakers(fired: Graph) -> None:
    """Wave 1 began at 1 of 8 cells, wave 2 at 2 of 8: a cell starts both with 1/8 x 2/8, none with 7/8 x 6/8."""
    columns = ("label", "waves", "alone", "expected", "p", "q", "starts")
    both, one = 2 / 64, 1 - 42 / 64
    assert ask(fired, "pacemakers", *columns, level=1) == [
        (7, 2, 1, 3 / 8, pytest.approx(both), pytest.approx(8 * both), [1, 2]),
        (25, 1, 0, 3 / 8, pytest.approx(one), pytest.approx(min(1, 4 * one)), [2]),
    ]
    assert ask(fired, "pacemakers", "label") == []
    assert ask(fired, "pacemakers", "label", level=0.25) == [(7,)]


def test_hubs(fired: Graph) -> None:
    columns = ("label", "events", "followed", "followed_per_event", "followers")
    assert ask(fired, "hubs", *columns) == [(7, 2, 3, 1.5, 2), (10, 2, 1, 0.5, 1)]


def test_leaders(fired: Graph) -> None:
    """Six contacts between cells that fire are twelve ordered pairs, of which three have links."""
    columns = ("leader", "follower", "times", "lag_s", "back", "p", "q", "pairs")
    assert ask(fired, "leaders", *columns, level=1) == [
        (7, 10, 2, 10.0, 0, 0.01, pytest.approx(0.12), 12),
        (7, 25, 1, 6.0, 0, 0.5, 1.0, 12),
        (10, 13, 1, 10.0, 0, 0.2, 1.0, 12),
    ]
    assert ask(fired, "leaders", "leader", "follower") == []
    assert ask(fired, "leaders", "leader", "follower", level=0.13) == [(7, 10)]


@pytest.mark.parametrize("name", ["leaders", "pacemakers"])
@pytest.mark.parametrize("level", [0, -0.1, 1.5])
def test_a_level_is_a_probability(fired: Graph, name: str, level: float) -> None:
    with pytest.raises(InputError, match=r"^level must be above 0 and up to 1, not "):
        queries.run(fired, name, culture=NAME, level=level)


def test_silent(fired: Graph) -> None:
    rows = ask(fired, "silent", "label", "noise", "culture_noise", "border")
    active = {7, 10, 13, 16, 25, 40, 43, 46}
    labels = [7 + 3 * index for index in range(30)]
    assert [row[0] for row in rows] == [label for label in labels if label not in active]
    assert rows[-1] == (94, pytest.approx(0.02), pytest.approx(0.015), True)


def test_synchrony(fired: Graph) -> None:
    columns = ("label_a", "label_b", "events_a", "events_b", "together", "a_first", "b_first", "at_once", "share")
    assert ask(fired, "synchrony", *columns) == [
        (7, 10, 2, 2, 2, 2, 0, 0, 1.0),
        (7, 25, 2, 1, 1, 1, 0, 0, 0.5),
        (10, 13, 2, 1, 1, 1, 0, 0, 0.5),
        (13, 16, 1, 2, 1, 0, 0, 1, 0.5),
        (25, 43, 1, 1, 0, 0, 0, 0, 0.0),
        (43, 46, 1, 1, 0, 0, 0, 0, 0.0),
    ]


def test_crossings(fired: Graph, make_culture: Callable[..., CultureData]) -> None:
    columns = ("label_a", "label_b", "a_to_b", "b_to_a", "at_once", "stopped", "share")
    rows = ask(fired, "crossings", *columns)
    assert len(rows) == 49, "every contact"
    assert rows[0] == (10, 28, 0, 0, 0, 2, 0.0), "both waves reached 10, neither went on to 28"
    found = {row[:2]: row[2:] for row in rows}
    assert found[7, 10] == (2, 0, 0, 0, 1.0)
    assert found[7, 25] == (1, 0, 0, 1, 0.5)
    assert found[10, 13] == (1, 0, 0, 1, 0.5)
    assert found[13, 16] == (0, 0, 1, 0, 1.0)
    assert found[16, 19] == (0, 0, 0, 1, 0.0)
    assert found[25, 43] == (0, 0, 0, 1, 0.0), "a flash is no wave"
    assert found[88, 91] == (0, 0, 0, 0, None)
    assert [row[-1] for row in rows] == sorted((row[-1] for row in rows), key=lambda share: (share is None, share))
    borders = make_culture(NAME).contacts
    expected = dict(zip(zip(borders.label_a, borders.label_b, strict=True), borders.shared_border_px, strict=True))
    for a, b, border in ask(fired, "crossings", "label_a", "label_b", "shared_border_px"):
        assert border == expected[a, b]


def test_rates(fired: Graph) -> None:
    columns = ("label", "events", "event_rate_per_h", "amplitude", "dff", "interval_s", "interval_sd_s", "own_share")
    rows = ask(fired, "rates", *columns)
    assert len(rows) == 30
    assert rows[0] == (7, 2, 60.0, 1.5, 0.25, 50.0, None, 0.75)
    assert rows[3] == (16, 2, 60.0, 6.5, 0.25, 60.0, None, None)
    assert rows[4] == (19, 0, 0.0, None, None, None, None, None)


def test_intervals_of_three_events_and_more(
    empty: Graph, make_culture: Callable[..., CultureData], make_run: Callable[..., EventRun]
) -> None:
    data = make_culture("regular")
    empty.write_culture(data)
    run = make_run(data)
    one = run.events.chosen(np.zeros(4, dtype=int))
    onsets = np.array([0.0, 10.0, 30.0, 60.0])
    none = np.zeros(0, dtype=int)
    links = type(run.links)(none, none, none.astype(float), none.astype(bool), none.astype(float))
    events = type(one)(**{**vars(one), "onset_s": onsets, "half_s": onsets + 1})
    empty.write_events(make_run(data, events=events, links=links, waves=()), run.baseline, "2026-01-01", "0")
    row = queries.rows(empty, "rates", culture="regular")[1][0]
    assert (row["interval_s"], row["interval_sd_s"]) == (20.0, pytest.approx(10.0))
    for name in ("waves", "pacemakers", "leaders", "hubs", "synchrony"):
        assert queries.rows(empty, name, culture="regular")[1] == []
    empty.delete_culture("regular")


def test_dff(fired: Graph, make_culture: Callable[..., CultureData]) -> None:
    table = queries.run(fired, "dff", culture=NAME)
    labels = make_culture(NAME).cells.labels.tolist()
    assert list(table.columns) == ["frame", "time_s", *map(str, labels)]
    assert table["time_s"].tolist() == [10.0 * frame for frame in range(12)]
    assert table["10"].tolist() == pytest.approx([1.4] * 12)
    assert table["16"].isna().all()


@pytest.mark.parametrize("name", sorted(OF_EVENTS))
def test_a_culture_without_events_says_what_to_run(fired: Graph, name: str) -> None:
    given = {"wave": 1} if name == "wave" else {}
    with pytest.raises(NotFoundError, match=r"^events of culture wt-1 .*: run `calcigraph events wt-1`$"):
        queries.run(fired, name, culture="wt-1", **given)
    with pytest.raises(NotFoundError, match=r"^culture half is not complete"):
        queries.run(fired, name, culture="half", **given)


def test_the_texts_in_the_documentation_answer(
    empty: Graph, make_culture: Callable[..., CultureData], make_run: Callable[..., EventRun]
) -> None:
    """On a culture of these tests in place of the page's, and its cell 7 in place of cell 17."""
    data = make_culture("asked")
    empty.write_culture(data)
    run = make_run(data)
    empty.write_events(run, run.baseline, "2026-01-01", "0")
    page = (Path(__file__).resolve().parents[2] / "docs" / "graph.md").read_text(encoding="utf-8")
    section = page.split("## Events and waves")[1].split("## Forecasts")[0]
    blocks = re.findall(r"(?:^ {4}.*\n)+", section, re.MULTILINE)
    texts = [block.replace("control:17", "asked:7") for block in blocks if block.strip().startswith("MATCH")]
    after, own, passed_on = (queries.records(queries.run_user(empty, text)) for text in texts)
    assert [(row["cell"], row["times"]) for row in after] == [(10, 2), (13, 1), (16, 1), (25, 1)]
    assert [(row["number"], row["onset_s"], row["own_share"]) for row in own] == [(1, 6.0, 0.75), (2, 56.0, 0.75)]
    assert [(row["cell"], row["steps"]) for row in passed_on] == [(10, 1), (13, 2)]
    empty.delete_culture("asked")


def test_false_discovery_control_by_hand() -> None:
    np.testing.assert_allclose(false_discovery(np.array([0.04, 0.01, 0.03, 0.9])), [0.16 / 3, 0.04, 0.16 / 3, 0.9])
    np.testing.assert_allclose(false_discovery(np.array([0.04, 0.01]), tests=10), [0.2, 0.1])
    assert false_discovery(np.zeros(0)).shape == (0,)


def test_sums_of_unlike_chances() -> None:
    np.testing.assert_allclose(at_least([0.25, 0.5]), [1.0, 0.625, 0.125])
    assert at_least([]).tolist() == [1.0]
    np.testing.assert_allclose(at_least([0.1] * 300), stats.binom.sf(np.arange(301) - 1, 300, 0.1), atol=1e-12)
