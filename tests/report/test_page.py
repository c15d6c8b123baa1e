"""A report in a real browser: what it draws is what the graph has, and everything can be reached."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcigraph import queries
from calcigraph.store.graph import Graph

Open = Callable[..., Any]
Write = Callable[..., Path]


@pytest.fixture
def opened(report_of: Write, open_report: Open) -> Any:
    return open_report(report_of("a"))


def choose(opened: Any, label: int) -> None:
    opened.page.fill("#cell", str(label))
    opened.page.dispatch_event("#cell", "change")


def rows_of_table(opened: Any) -> list[list[str]]:
    found: list[list[str]] = opened.page.evaluate(
        "[...document.querySelectorAll('#rows tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return found


def test_opens_silently_and_asks_for_nothing(opened: Any) -> None:
    page = opened.page
    page.wait_for_timeout(200)
    assert (opened.errors, opened.requests) == ([], [])
    result = page.inner_text("#result")
    assert result == "Coupling 0.0110 /s (95 % 0.00990 to 0.0121), identified, 12 cells; 2 waves, 60 an hour."
    assert page.title() == "a: calcigraph report"


def test_names_are_shown_and_do_not_run(opened: Any, report_of: Write, open_report: Open) -> None:
    assert "<script>window.ran" in opened.page.inner_text("#culture-name")
    together = open_report(report_of("a", "b", "bare", "dots"))
    assert "<script>window.ran" in together.page.inner_text(".index")
    together.page.click("button[data-culture='2']")
    assert "unsteady <script>" in together.page.inner_text("#warnings")
    for each in (opened, together):
        assert each.page.evaluate("window.ran === undefined")
        assert each.errors == []


def test_slider_and_play_change_the_colours(opened: Any) -> None:
    before = opened.pixels()
    assert len(before) > 10
    opened.page.evaluate("const s = document.getElementById('frame'); s.value = 7; s.dispatchEvent(new Event('input'))")
    after = opened.pixels()
    assert set(before) != set(after)
    assert opened.page.inner_text("#when") == "70.0 s, frame 7"
    opened.page.click("#play")
    opened.page.wait_for_function("document.getElementById('when').textContent.endsWith('frame 10')")
    opened.page.click("#play")
    assert opened.page.get_attribute("#play", "aria-pressed") == "false"


def test_a_click_shows_the_trace_of_that_cell(opened: Any, reported: Graph) -> None:
    graph = queries.subgraph(reported, "a")
    for label in (28, 7):
        row = int(np.flatnonzero(graph.labels == label)[0])
        opened.click_on_map((graph.x_px[row] + 0.5) * 0.5, (graph.y_px[row] + 0.5) * 0.5)
        opened.page.wait_for_function(f"document.getElementById('cell').value === '{label}'")
        line = opened.source("line-observed")
        np.testing.assert_allclose(line["y"], graph.intensity[row], atol=1e-5)
        np.testing.assert_allclose(line["x"], np.arange(12) * 10.0)
        near = np.r_[graph.pairs[graph.pairs[:, 0] == row, 1], graph.pairs[graph.pairs[:, 1] == row, 0]]
        assert len(opened.source("near")["xs"]) == len(near)
        chips = opened.page.eval_on_selector_all(
            "#facts .chips button", "(all) => all.map((each) => Number(each.textContent))"
        )
        assert sorted(chips) == sorted(graph.labels[near].tolist())


def test_model_traces_are_those_of_the_picture(opened: Any, reported: Graph) -> None:
    from calcigraph.pictures import picture_data

    about = reported.culture("a")
    assert about is not None
    choose(opened, 28)
    for model, line, run in (("robust", "run", "sourced"), ("robust", "free", "traces"), ("crlsm", "run", "traces")):
        data = picture_data(reported, about, None, "traces", model, 0)
        expected = data.sourced[28].run if run == "sourced" else data.traces[28]
        coarse = np.ptp(expected) / 500 if line == "free" else 1e-5
        np.testing.assert_allclose(opened.source(f"line-{model}:{line}")["y"], expected, rtol=1e-3, atol=coarse)
    found = opened.page.eval_on_selector_all(
        "#legend label", "(all) => all.map((each) => [each.textContent, each.querySelector('input').checked])"
    )
    assert found[:4] == [
        ["observed", True],
        ["robust: with the cell's own activity", True],
        ["robust: coupling and feed alone", True],
        ["crlsm: coupling and feed alone", False],  # a second model does not compete with the first for attention
    ]
    choose(opened, 7)  # a border cell: it drives the model and is not modelled
    assert opened.source("line-robust:run")["y"] == []
    assert opened.page.inner_text("#word") == "border cell: neighbours may be missing, so it has no coupling"


def test_a_network_has_a_trace_of_its_own(report_of: Write, open_report: Open) -> None:
    opened = open_report(report_of("b"))
    choose(opened, 31)  # the second of the inner cells
    trace = opened.source("line-pinn:network")["y"]
    assert trace[:8] == pytest.approx([0.1] * 8)
    assert np.isnan(trace[8:]).all()  # the network does not know these frames
    assert "pinn: its network" in opened.page.inner_text("#legend")
    assert opened.errors == []


def test_parameters_stand_beside_the_cell_with_intervals_and_word(opened: Any, reported: Graph) -> None:
    choose(opened, 28)
    found = {row["label"]: row for row in queries.rows(reported, "cells", culture="a")[1]}[28]
    texts = opened.page.eval_on_selector(
        "#facts tr[data-key=robust_k_cell]", "(row) => [...row.cells].map((cell) => cell.textContent)"
    )
    assert texts[0] == "coupling k, robust (1/s)"
    assert float(texts[1]) == pytest.approx(found["robust_k_cell"], rel=0.005)
    low, high = map(float, texts[2].split(" to "))
    assert (low, high) == pytest.approx((found["robust_k_cell_low"], found["robust_k_cell_high"]), rel=0.005)
    assert opened.page.inner_text("#word") == "its coupling: identified"


def test_events_are_marked_at_their_peaks(opened: Any, reported: Graph) -> None:
    events = [row for row in queries.rows(reported, "events", culture="a")[1] if row["label"] == 7]
    choose(opened, 7)
    marks = opened.source("line-events")
    assert marks["x"] == pytest.approx([row["peak_s"] for row in events])
    assert marks["colour"] == ["#d55e00", "#d55e00"]  # both are part of waves
    assert opened.page.inner_text("summary") == "2 events"


def test_silent_cells_are_listed_and_can_be_chosen(opened: Any, reported: Graph) -> None:
    silent = [str(row["label"]) for row in queries.rows(reported, "silent", culture="a")[1]]
    assert silent
    found = opened.page.eval_on_selector_all(
        "#silent-cells button", "(all) => all.map((each) => each.textContent.replace(' ~', ''))"
    )
    assert found == silent
    assert opened.page.inner_text("#silent-said").startswith(f"No event was found in {len(silent)} of 30 cells.")
    opened.page.click("#silent-cells button")
    assert opened.page.input_value("#cell") == silent[0]


def test_the_words_are_explained(opened: Any) -> None:
    opened.page.click("#run-hint a")
    words = opened.page.inner_text("#words")
    for term in ("coupling k", "feed", "not identified", "coupling and feed alone", "free run", "own share"):
        assert term in words


def test_waves_are_arrows(opened: Any) -> None:
    opened.page.select_option("#wave", "1")
    arrows = opened.source("arrows")
    # Two of the wave's links, from cell 0 to cell 1 and on to cell 2; a third event of the wave is linked to none.
    assert len(arrows["x0"]) == 2
    assert arrows["x1"][0] > arrows["x0"][0]
    assert len(opened.source("starts")["x"]) == 1
    assert opened.page.input_value("#colour") == "wave"
    assert opened.page.evaluate("window.calcigraphReport.coloured().values.filter(Number.isFinite).length") == 4
    opened.page.select_option("#wave", "3")  # a flash, which runs nowhere
    assert opened.source("arrows")["x0"] == []
    opened.page.select_option("#wave", "0")
    assert opened.page.input_value("#colour") == "intensity"


def test_every_quantity_colours_the_map(opened: Any) -> None:
    keys = opened.page.eval_on_selector_all("#colour option", "(all) => all.map((each) => each.value)")
    assert {"intensity", "robust_k_cell", "robust_feed", "crlsm_k_cell", "event_rate_per_h", "area"} <= set(keys)
    assert {"forecast_probability", "forecast_skill_1"} <= set(keys)
    seen = []
    for key in keys[:-1]:  # the last is the wave's
        opened.page.select_option("#colour", key)
        seen.append(opened.page.evaluate("window.calcigraphReport.coloured().title"))
        assert opened.errors == []
    assert "coupling k, robust (1/s)" in seen
    assert len(set(seen)) == len(seen)


def test_the_forecast_is_told_with_its_cells_and_where_it_comes_from(opened: Any, reported: Graph) -> None:
    found = queries.rows(reported, "forecast_run", culture="a")[1][0]["found"]
    assert f"Forecast: {found}." in opened.page.inner_text("body")
    assert "learnt from" in opened.page.inner_text("#provenance")
    opened.page.select_option("#colour", "forecast_probability")
    coloured = opened.page.evaluate("window.calcigraphReport.coloured().values")
    expected = [row["probability"] for row in queries.rows(reported, "forecast", culture="a")[1]]
    np.testing.assert_allclose(
        [np.nan if value is None else value for value in coloured],
        [np.nan if value is None else value for value in expected],
        rtol=1e-5,
    )


def test_contacts_are_an_overlay(opened: Any, reported: Graph) -> None:
    opened.page.check("#contacts")
    assert len(opened.source("contacts")["x0"]) == len(queries.subgraph(reported, "a").pairs)
    opened.page.uncheck("#contacts")
    assert opened.source("contacts")["x0"] == []


def test_the_table_sorts_and_searches_and_is_linked_to_the_map(opened: Any, reported: Graph) -> None:
    page = opened.page
    known = [row for row in queries.rows(reported, "cells", culture="a")[1] if row["robust_k_cell"] is not None]
    expected = [str(row["label"]) for row in sorted(known, key=lambda row: -row["robust_k_cell"])]
    page.click("#rows thead button:has-text('coupling k')")
    assert [row[0] for row in rows_of_table(opened)][: len(expected)] == expected
    page.click("#rows thead button:has-text('coupling k')")
    assert [row[0] for row in rows_of_table(opened)][: len(expected)] == expected[::-1]
    assert page.get_attribute("#rows thead th:nth-child(2)", "aria-sort") == "ascending"
    page.fill("#search", "border")
    assert page.inner_text("#count") == "18 of 30 cells"
    page.fill("#search", "28")
    assert [row[0] for row in rows_of_table(opened)] == ["28"]
    page.click("#rows tbody tr")
    assert page.input_value("#cell") == "28"
    page.fill("#search", "")
    choose(opened, 94)
    assert page.inner_text("#rows tbody tr[aria-selected=true] th") == "94"


def test_the_keyboard_reaches_everything(opened: Any, reported: Graph) -> None:
    graph, page = queries.subgraph(reported, "a"), opened.page
    choose(opened, 28)
    page.focus("#map-box")
    page.keyboard.press("ArrowRight")
    row = int(np.flatnonzero(graph.labels == 28)[0])
    assert page.input_value("#cell") == str(graph.labels[row + 1])
    assert re.match(r"cell 31; normalised intensity [\d.]+; coupling", page.text_content("#said"))
    for wanted in ("theme", "colour", "contacts", "map-box", "frame", "play", "cell", "search"):
        assert page.evaluate(f"document.getElementById('{wanted}').tabIndex") == 0
    page.click("summary:has-text('fit of crlsm')")
    page.focus("#facts .chips button")
    before = page.input_value("#cell")
    page.keyboard.press("Enter")  # to a neighbour, and on among its neighbours
    assert page.input_value("#cell") != before
    assert page.evaluate("document.activeElement.closest('.chips') !== null")
    choose(opened, 31)
    assert page.is_visible("#facts tr[data-key=crlsm_k_cell]")
    page.focus("#search")  # leaving the number of the cell is a change too
    page.focus("#rows tbody button")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "map-box"
    page.focus("#frame")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#when").endswith("frame 1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes(report_of: Write, open_report: Open, scheme: str) -> None:
    opened = open_report(report_of("a"), scheme=scheme)
    page = opened.page

    def brightness() -> tuple[int, str]:
        told = page.evaluate("getComputedStyle(document.body).backgroundColor")
        script = "Bokeh.documents.flatMap((each) => each.get_model_by_name('trace') || [])[0].background_fill_color"
        return int(re.findall(r"\d+", told)[0]), page.evaluate(script)

    seen = [brightness()]
    page.click("#theme")
    seen.append(brightness())
    light, dark = seen if scheme == "light" else seen[::-1]
    assert light[0] > 200 > 60 > dark[0]
    assert (light[1], dark[1]) == ("#ffffff", "#182129")
    assert opened.errors == []


def test_a_phone_need_not_scroll_sideways(report_of: Write, open_report: Open) -> None:
    opened = open_report(report_of("a", "b"), width=390)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    for wanted in ("map-box", "trace", "colour", "wave", "facts", "rows"):
        box = opened.page.locator(f"#{wanted}").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert wanted == "rows" or box["x"] + box["width"] <= 390


def test_several_cultures_share_a_page(report_of: Write, open_report: Open, reported: Graph) -> None:
    opened = open_report(report_of("a", "b", "dots"))
    page = opened.page
    assert page.locator(".index tbody tr").count() == 3
    page.click("button[data-culture='1']")
    assert page.inner_text("#culture-name") == "b (control)"
    choose(opened, 28)
    graph = queries.subgraph(reported, "b")
    row = int(np.flatnonzero(graph.labels == 28)[0])
    np.testing.assert_allclose(opened.source("line-observed")["y"], graph.intensity[row], atol=1e-5)
    page.click("button[data-culture='2']")
    assert "calcigraph fit dots" in page.inner_text("#cells")
    assert "discs at their positions" in page.inner_text("#cells")
    assert len(opened.pixels()) > 5
    assert opened.errors == []


def test_conditions_are_compared(report_of: Write, open_report: Open) -> None:
    opened = open_report(report_of("a", "b"))
    page = opened.page
    assert page.inner_text("#result").startswith("Coupling: control is 2.00 times ")
    assert "3 a side are needed" in page.inner_text("#result")
    assert "coupling k (1/s)" in page.inner_text("#comparison")
    assert page.locator("#strip-grid > div").count() >= 5
    assert opened.errors == []
