"""Hints for misspelt names in users' Cypher, and none where all is well."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from calcigraph import queries
from calcigraph.queries.misspelt import hints
from calcigraph.store.graph import Graph

CELL = "MATCH (c:Cell) RETURN"
MISSPELT = {
    "MATCH (c:Cel) RETURN c": ["no node has the label Cel; did you mean Cell?"],
    "MATCH (c) WHERE c:cell RETURN c": ["no node has the label cell; did you mean Cell?"],
    "MATCH (c:Spaceship) RETURN c": ["no node has the label Spaceship"],
    "MATCH (:Cell)-[:ADJACENTS]-(n) RETURN n": ["no relationship has the type ADJACENTS; did you mean ADJACENT?"],
    "MATCH (:Cell)-[x:FITTED|FITED]-(n) RETURN n": ["no relationship has the type FITED; did you mean FITTED?"],
    f"{CELL} c.lable AS x": ["no Cell has the property lable; did you mean label?"],
    f"{CELL} c.robust_k_cel AS x": ["no Cell has the property robust_k_cel; did you mean robust_k_cell?"],
    f"{CELL} c.robust_feeed AS x": ["no Cell has the property robust_feeed; did you mean robust_feed?"],
    f"{CELL} c.frames AS x": ["no Cell has the property frames; Culture has"],
    f"{CELL} c.`Label` AS x": ["no Cell has the property Label; did you mean label?"],
    "MATCH (c:Cell {lable: 3}) RETURN c.label AS x": ["no Cell has the property lable; did you mean label?"],
    "MATCH (:Cell)-[x:ADJACENT]-() RETURN x.shared_border AS x2": [
        "no ADJACENT has the property shared_border; did you mean shared_border_px?"
    ],
    "MATCH (r:FitRun) RETURN r.setting_weigths AS x": ["no FitRun has the property setting_weigths"],
    "MATCH (n)--(c:Cell) WHERE n.shared_bordr > 3 RETURN c": ["no node has the property shared_bordr"],
}
FINE = (
    f"{CELL} c.label AS x, c.robust_k_cell AS y, c.flags AS z LIMIT 1",
    "MATCH (n) RETURN n.uid AS uid, n.own AS own LIMIT 1",
    "MATCH (n:Note) RETURN n.text AS text",
    "MATCH (c:Cell)-[x:ADJACENT]-(n:Cell) RETURN x.weight_border AS w, n.place.x AS place_x LIMIT 1",
    "MATCH (c:Cell) WITH c {.label, twice: 2 * c.label} AS c RETURN c.twice AS x LIMIT 1",
    "UNWIND [{a: 1}] AS row RETURN row.a AS x, {b: 2}.b AS y, date('2026-01-01').year AS year",
    "MATCH (r:FitRun)-[:OF]->(k:Culture) RETURN r.fact_dt_s AS dt, r.setting_ridge AS ridge, k.doubts AS doubts",
    "MATCH p = (a:Cell)-[:ADJACENT*1..2]-(b) RETURN [c IN nodes(p) | c.anything] AS x LIMIT 1",
    "MATCH (e:Event)-[:PART_OF]->(w:Wave) RETURN e.onset_s AS onset, w.kind AS kind",
    "RETURN [x IN range(1, 3) WHERE x > 1 | {value: x}] AS list, 'a:Cel' AS text // (c:Cel)",
    "MATCH (k:Culture)-[:HAS_CELL]->(c) WHERE c:Cell AND c.border RETURN CASE WHEN c.label > 3 THEN 1 ELSE 2 END AS x",
)


@pytest.fixture(scope="module")
def asked(stored: Graph) -> Graph:
    stored.write("CREATE (:Note {text: 'mine', own: 1})")
    return stored


@pytest.mark.parametrize("text", MISSPELT)
def test_a_misspelt_name_is_told_once(asked: Graph, text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        queries.run_user(asked, text)
    assert [record.message for record in caplog.records] == MISSPELT[text]


@pytest.mark.parametrize("text", FINE)
def test_nothing_is_said_where_all_is_well(asked: Graph, text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        queries.run_user(asked, text)
    assert caplog.records == []


class Untouched:
    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        raise AssertionError(f"the graph was asked {text}")


@pytest.mark.parametrize("name", queries.names())
def test_what_is_described_costs_no_look_into_the_graph(name: str) -> None:
    text = queries.load(name).text.replace("r.options", "r.settings")  # as version 0.1 called them
    assert hints(Untouched(), text) == []


def test_the_command_line_says_it_on_stderr(capfd: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    from calcigraph.cli.app import Told

    handler = Told(logging.WARNING)
    logging.getLogger("calcigraph").addHandler(handler)
    try:
        with Graph.open(tmp_path) as graph:
            queries.run_user(graph, "MATCH (c:Cel) RETURN c")
    finally:
        logging.getLogger("calcigraph").removeHandler(handler)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "calcigraph: no node has the label Cel; did you mean Cell?\n")
