"""docs/graph.md against real graphs: every name that it describes is there, and its questions have answers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from forecast_runs import build_forecast

from calcigraph import FitOptions, SyntheticOptions, Workspace
from calcigraph.ingest import IngestOptions
from calcigraph.models import operator
from calcigraph.queries import records
from calcigraph.store import described
from calcigraph.store.event_types import EventRun
from calcigraph.store.types import CultureData, Fit
from calcigraph.store.weights import PROPERTY

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "graph.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^```cypher\n(.*?)^```", PAGE.partition("## Twelve questions")[2], re.MULTILINE | re.DOTALL)
OF_A_WRITER = {("Culture", name) for name in ("state", "replaces", "token", "batch")} | {("EventRun", "batch")}
"""Properties that are there only while something is written."""
FRAME = 30


@pytest.fixture(scope="module", params=["embedded", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A simulated movie, brought in, fitted, and searched for events, on each engine."""
    folder = tmp_path_factory.mktemp("asked")
    movie = str(folder / "movie.tif")
    with pytest.MonkeyPatch.context() as patch, Workspace(folder / "workspace") as workspace:
        if request.param == "neo4j":
            server = request.getfixturevalue("neo4j_server")
            server.execute("MATCH (n) DETACH DELETE n")
            for name, value in server.environment().items():
                patch.setenv(name, value)
        workspace.simulate(movie, SyntheticOptions(cells=40, frames=120, size_px=256))
        masks = str(folder / "movie_labels.tif")
        workspace.ingest(movie, "control", IngestOptions(masks=masks, experiment="E", condition="wild type"))
        workspace.fit("control", options=FitOptions(null=0))
        workspace.events("control")
        yield workspace


@pytest.fixture
def fired(asked: Workspace, make_run: Callable[..., EventRun]) -> Workspace:
    """The same with planted events in place of those that were found."""
    cells = SimpleNamespace(labels=asked.subgraph("control").labels)
    run = make_run(SimpleNamespace(cells=cells, culture=SimpleNamespace(uid="control", frames=120)))
    asked.graph.write_events(run, run.baseline, "2026-01-02T03:04:05+00:00", "0")
    return asked


def keys(workspace: Workspace) -> set[tuple[str, str]]:
    """Every label or type with every property that a node or relationship of it has."""
    texts = (
        "MATCH (n) UNWIND labels(n) AS of UNWIND keys(n) AS key RETURN DISTINCT of, key",
        "MATCH ()-[x]->() UNWIND keys(x) AS key RETURN DISTINCT type(x) AS of, key",
    )
    return {(row["of"], row["key"]) for text in texts for row in workspace.graph.read(text)}


def test_the_tables_are_on_the_page() -> None:
    assert described.page() in PAGE, "run `python -m calcigraph.store.described` and put what it prints on the page"
    assert all(f"`{name}`" in PAGE for name in described.BARE)


def test_all_that_a_real_graph_has_is_described(asked: Workspace) -> None:
    tables = {table.name: table for table in described.tables()}
    assert {(of, key) for of, key in keys(asked) if of not in tables or not tables[of].has(key)} == set()
    found = asked.graph.read("MATCH ()-[x]->() RETURN DISTINCT type(x) AS type")
    assert {row["type"] for row in found} <= described.types()


def test_all_that_is_described_is_in_some_graph(
    asked: Workspace,
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    make_run: Callable[..., EventRun],
) -> None:
    """What the simulated movie does not have is added by hand: uneven frames, a network's training, waves."""
    data = make_culture(
        "rich", pixel_size_um=0.5, time_s=tuple(10.0 * t for t in range(12)), doubts=("few",), condition="other",
        movie="m.zarr", movie_uri="file://a/m.zarr",
        bleaching=0.1, shift_px=0.1, saturated=0.0, tissue={"coverage": 1.0}, light={"flicker": 0.0},
        registration={"x_px": [0.0, 1.0], "y_px": [0.0, 1.0], "degrees": [0.0, 0.1], "largest_px": 1.4},
        options={"max_gap": 0},
    )  # fmt: skip
    asked.graph.write_culture(replace(data, cells=replace(data.cells, flags=("no inset",) * len(data.cells))))
    asked.graph.annotate("rich", {"dish": 3})
    asked.graph.finish_plan("rich", "{}")
    asked.graph.annotate("rich", {"kind": "round"}, data.cells.labels[:1].tolist())
    null = {f"null_{of}{end}": 1.0 for of in ("k", "sync") for end in ("", "_mean", "_z", "_p")}
    bounds = {f"{of}_{end}": 1.0 for of in ("k", "feed") for end in ("low", "high")}
    count = int((~data.cells.border).sum())
    cells = {f"{of}{end}": np.ones(count) for of in ("feed", "k", "k_cell") for end in ("", "_low", "_high")}
    fit = make_fit(
        data, model="pinn", cells=cells | {"mse_test": np.ones(count)}, mse_test=1.0, identified="weak", why=("few",),
        curves={"loss": [1.0]}, **null, **bounds,
    )  # fmt: skip
    asked.graph.write_fit(fit, data.culture.created, "0")
    run = make_run(data)
    plane = replace(run.waves[0], speed_high_px_s=3.5, direction_deg=10.0)
    run = replace(run, waves=(plane, *run.waves[1:]))
    asked.graph.write_events(run, run.baseline, data.culture.created, "0")
    forecast = build_forecast("rich", data.cells.labels, trained_on=("rich",))
    asked.graph.write_forecast(forecast, data.culture.created, "0")
    mended = replace(data.culture, input_digest="mended")
    moved = replace(data.cells, flags=("no inset",) * len(data.cells), x_px=data.cells.x_px + 1)
    asked.graph.curate(replace(data, culture=mended, cells=moved), data.culture.input_digest, data.culture.created)
    there = keys(asked)
    missing = [
        (table.name, name)
        for table in described.tables()
        for line in table.lines
        for name in line.names
        if not name.endswith(">") and (table.name, name) not in there | OF_A_WRITER
    ]
    patterns = [(table.name, each) for table in described.tables() for line in table.lines for each in line.names]
    lost = [
        (of, name)
        for of, name in patterns
        if name.endswith("_<name>") and not any(o == of and k.startswith(name.partition("<")[0]) for o, k in there)
    ]
    asked.graph.delete_culture("rich")
    assert missing == []
    assert lost == []


def test_every_node_has_a_name(fired: Workspace) -> None:
    asked = fired
    assert asked.graph.read("MATCH (n) WHERE n.name IS NULL RETURN labels(n) AS labels") == []
    names = {row["name"] for row in asked.graph.read("MATCH (n) RETURN n.name AS name")}
    assert {"control", "control 17", "E", "robust of control", "events of control", "1 #2", "wave 1"} <= names


def test_times_are_times_and_places_are_points(asked: Workspace) -> None:
    row = asked.cypher(
        "MATCH (k:Culture)<-[:OF]-(r:FitRun) WHERE r.created >= k.created AND r.created > datetime('2026-01-01') "
        "RETURN r.created AS created, r.created.year AS year, r.created.timezone AS zone"
    )
    assert len(row) == 1
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?\+00:00", row["created"][0])
    assert row["created"][0] == records(asked.query("fits", culture="control"))[0]["created"]
    far = asked.graph.read(
        "MATCH (c:Cell) WHERE c.place.x <> c.x_px OR c.place.y <> c.y_px OR "
        "abs(point.distance(c.place, point({x: 0, y: 0})) - sqrt(c.x_px ^ 2 + c.y_px ^ 2)) > 1e-9 RETURN c.uid AS uid"
    )
    assert far == []


def answers(workspace: Workspace, text: str, **parameters: Any) -> list[dict[str, Any]]:
    values = {"culture": "control"} if "$culture" in text else {}
    return records(workspace.cypher(text, values | parameters))


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_every_question_has_an_answer(fired: Workspace, number: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        one = {"cell": 1} if "$cell" in QUESTIONS[number] else {}
        rows = answers(fired, QUESTIONS[number], **one)
    assert caplog.records == [], "a hint for a misspelt name"
    assert rows
    assert all(value is not None for row in rows for value in row.values())


def test_there_are_twelve_questions() -> None:
    assert len(QUESTIONS) == 12


def test_flow_over_contacts_is_that_of_the_models(asked: Workspace) -> None:
    graph = asked.subgraph("control")
    op = operator(graph, "distance*border")
    k = asked.rows("fits", culture="control")[1][0]["k"]
    expected = k * op.apply(graph.intensity)[:, FRAME]
    rows = answers(asked, QUESTIONS[1], frame=FRAME)
    assert [row["cell"] for row in rows] == graph.labels[op.inner].tolist()
    np.testing.assert_allclose([row["from_neighbours_per_s"] for row in rows], expected, rtol=1e-9, atol=1e-12)
    assert sum(row["flow_per_s"] for row in answers(asked, QUESTIONS[0], frame=FRAME)) == pytest.approx(
        float(expected @ op.degree), abs=1e-9
    )


@pytest.mark.parametrize("law", PROPERTY)
def test_stored_weights_are_those_of_the_models(asked: Workspace, law: str) -> None:
    op = operator(asked.subgraph("control"), law)
    name = PROPERTY[law]
    rows = asked.graph.read(
        "MATCH (k:Culture {uid: 'control'})-[:HAS_CELL]->(a:Cell {border: false}) MATCH (a)-[x:ADJACENT]-(b:Cell) "
        f"RETURN a.label AS a, b.label AS b, x.{name} AS w, k.{name}_scale AS scale ORDER BY a, b"
    )
    assert [row["scale"] for row in rows] == [pytest.approx(op.scale, rel=1e-12)] * len(rows)
    degree = np.repeat(op.degree, np.diff(op.start))
    np.testing.assert_allclose([row["w"] for row in rows], op.weight * degree, rtol=1e-9)


def test_settings_and_facts_can_be_asked_for(asked: Workspace) -> None:
    row = asked.graph.read("MATCH (r:FitRun) RETURN properties(r) AS p")[0]["p"]
    for whole, prefix in (("settings", "setting"), ("facts", "fact")):
        for name, value in json.loads(row[whole]).items():
            if isinstance(value, str | bool | int | float):
                assert row[f"{prefix}_{name}"] == value
    assert row["weight"] == "weight_distance_times_border"
    found = asked.graph.read("MATCH (k:Culture) WHERE k.option_trace_inset = 1 RETURN k.tissue_coverage AS share")
    assert 0.9 < found[0]["share"] <= 1
