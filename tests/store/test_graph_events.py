"""Events and waves in the graph, on both engines: replaced whole, deleted whole, and nothing left of a broken run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcigraph.errors import ConflictError, InputError, NotFoundError
from calcigraph.store import events
from calcigraph.store.event_properties import relative_light
from calcigraph.store.event_types import EventRun, Events
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Subgraph

Make = Callable[..., CultureData]
MakeRun = Callable[..., EventRun]
CREATED = "2026-01-02T03:04:05+00:00"


def write(graph: Graph, run: EventRun, dff: Any = None) -> bool:
    return graph.write_events(run, run.baseline if dff is None else dff, CREATED, "0.1.0")


def count(graph: Graph) -> dict[str, int]:
    """Nodes and relationships of events and waves, of any run."""
    found = {}
    for label in ("Event", "Wave", "EventRun"):
        found[label] = graph.read(f"MATCH (n:{label}) RETURN count(n) AS n")[0]["n"]
    for kind in ("HAS_EVENT", "PRECEDES", "COINCIDES", "PART_OF", "STARTED_AT", "MEASURED"):
        found[kind] = graph.read(f"MATCH ()-[x:{kind}]->() RETURN count(x) AS n")[0]["n"]
    return found


NOTHING = dict.fromkeys(
    ("Event", "Wave", "EventRun", "HAS_EVENT", "PRECEDES", "COINCIDES", "PART_OF", "STARTED_AT", "MEASURED"), 0
)
ONE_RUN = {
    "Event": 11, "Wave": 3, "EventRun": 1, "HAS_EVENT": 11, "PRECEDES": 4, "COINCIDES": 1, "PART_OF": 10,
    "STARTED_AT": 3, "MEASURED": 30,
}  # fmt: skip


def test_a_run_is_stored_as_events_links_and_waves(graph: Graph, make_culture: Make, make_run: MakeRun) -> None:
    data = make_culture(pixel_size_um=0.5)
    graph.write_culture(data)
    run = make_run(data)
    dff = run.baseline.copy()
    dff[0] = np.nan
    assert write(graph, run, dff)
    assert count(graph) == ONE_RUN
    stored = graph.read("MATCH (r:EventRun)-[:OF]->(k:Culture) RETURN properties(r) AS run, k.uid AS culture")
    assert stored[0]["culture"] == "A"
    values = stored[0]["run"]
    assert (values["uid"], values["complete"], values["settings_hash"]) == ("A:events", True, run.settings_hash)
    assert (values["settings"], values["facts"]) == ('{"baseline_s": null, "min_snr": 4.0}', '{"max_lag_s": 30.0}')
    counts = ("cells", "active_cells", "events", "links", "ties", "waves", "flashes")
    assert {name: values[name] for name in counts} == {
        "cells": 30, "active_cells": 8, "events": 11, "links": 4, "ties": 1, "waves": 2, "flashes": 1,
    }  # fmt: skip
    assert (values["version"], values["advice"], values["duration_s"]) == ("0.1.0", ["film faster"], 120.0)

    rows = graph.read("MATCH (c:Cell)-[:HAS_EVENT]->(e:Event) RETURN c.label AS cell, properties(e) AS e")
    rows.sort(key=lambda row: row["e"]["label"] * 100 + row["e"]["number"])
    assert [row["e"]["uid"] for row in rows[:3]] == ["A:3:1", "A:3:2", "A:6:1"]
    assert all(row["cell"] == row["e"]["label"] for row in rows)
    first, second = rows[0]["e"], rows[1]["e"]
    for item in fields(Events):
        value = getattr(run.events, item.name)[1]
        assert second.get(item.name) == (None if value != value else value), item.name
    assert "interval_s" not in first
    assert second["interval_s"] == 50.0
    assert "decay_s" not in second, "what is not known is absent"

    links = graph.read(
        "MATCH (a:Event)-[x:PRECEDES]->(b:Event) RETURN a.uid AS a, b.uid AS b, x.lag_s AS lag, x.p AS p"
    )
    assert sorted((row["a"], row["b"], row["lag"], row["p"]) for row in links) == [
        ("A:3:1", "A:6:1", 10.0, 0.01), ("A:3:2", "A:21:1", 6.0, 0.5), ("A:3:2", "A:6:2", 10.0, 0.01),
        ("A:6:1", "A:9:1", 10.0, 0.2),
    ]  # fmt: skip
    ties = graph.read("MATCH (a:Event)-[x:COINCIDES]->(b:Event) RETURN a.uid AS a, b.uid AS b, x.p AS p")
    assert ties == [{"a": "A:9:1", "b": "A:12:1", "p": 0.9}]

    waves = graph.read("MATCH (w:Wave)-[:OF]->(:EventRun) RETURN properties(w) AS w ORDER BY w.number")
    assert [row["w"]["uid"] for row in waves] == ["A:wave:1", "A:wave:2", "A:wave:3"]
    wave, flash = waves[0]["w"], waves[2]["w"]
    assert (wave["kind"], wave["cells"], wave["events"], wave["onset_s"], wave["duration_s"]) == (
        "wave",
        4,
        4,
        10.0,
        20.0,
    )
    assert (wave["speed_px_s"], wave["speed_um_s"], wave["speed_low_um_s"]) == (3.0, 1.5, 1.25)
    assert "speed_high_um_s" not in wave
    assert flash["kind"] == "flash"
    assert "speed_px_s" not in flash
    starts = graph.read("MATCH (w:Wave)-[:STARTED_AT]->(c:Cell) RETURN w.number AS wave, c.label AS cell")
    assert sorted((row["wave"], row["cell"]) for row in starts) == [(1, 3), (2, 3), (2, 21)]

    cells = graph.read(
        "MATCH (c:Cell)-[m:MEASURED]->(:EventRun) RETURN c.label AS label, properties(m) AS m ORDER BY label"
    )
    assert cells[0]["m"] == {"events": 2, "event_rate_per_h": 60.0, "noise": 0.01, "waves": [1, 2]}
    assert cells[1]["m"]["dff"] == dff[1].tolist()
    assert (cells[20]["m"]["events"], cells[20]["m"]["waves"]) == (0, [])


def test_the_same_run_again_changes_nothing(graph: Graph, make_culture: Make, make_run: MakeRun) -> None:
    data = make_culture()
    graph.write_culture(data)
    assert write(graph, make_run(data))
    before = graph.read("MATCH (e:Event) RETURN e.run AS run LIMIT 1")
    assert not write(graph, make_run(data))
    assert graph.read("MATCH (e:Event) RETURN e.run AS run LIMIT 1") == before
    assert count(graph) == ONE_RUN


def test_a_new_run_replaces_the_old_one(graph: Graph, make_culture: Make, make_run: MakeRun) -> None:
    for name in ("A", "B"):
        graph.write_culture(make_culture(name))
        write(graph, make_run(make_culture(name)))
    data = make_culture()
    run = make_run(data)
    fewer = replace(run, settings={"min_snr": 9.0}, waves=run.waves[:1])
    assert write(graph, fewer)
    assert count(graph) == {name: 2 * number for name, number in ONE_RUN.items()} | {
        "Wave": 4, "PART_OF": 14, "STARTED_AT": 4,
    }  # fmt: skip
    of_a = graph.read("MATCH (r:EventRun)-[:OF]->(:Culture {uid: 'A'}) RETURN r.settings AS settings, r.waves AS waves")
    assert of_a == [{"settings": '{"min_snr": 9.0}', "waves": 1}]
    assert graph.incomplete_events() == []


def test_deleted_and_replaced_cultures_take_their_events_along(
    graph: Graph, make_culture: Make, make_run: MakeRun
) -> None:
    for name in ("A", "B"):
        graph.write_culture(make_culture(name))
        write(graph, make_run(make_culture(name)))
    graph.write_culture(make_culture("A", digest="second"), replace=True)
    assert count(graph) == ONE_RUN
    assert graph.read("MATCH (r:EventRun) RETURN r.uid AS uid") == [{"uid": "B:events"}]
    write(graph, make_run(make_culture("A")))
    graph.delete_culture("B")
    assert count(graph) == ONE_RUN
    graph.delete_culture("A")
    assert count(graph) == NOTHING


def test_a_run_that_is_refused_because_cells_are_gone_leaves_nothing(
    embedded_graph: Graph, make_culture: Make, make_run: MakeRun
) -> None:
    graph, data = embedded_graph, make_culture()
    graph.write_culture(data)
    run = make_run(data)
    graph.write("MATCH (c:Cell {uid: $uid}) DETACH DELETE c", uid=f"{run.culture}:{run.labels[-1]}")
    with pytest.raises(InputError, match="it was replaced meanwhile; find the events again"):
        write(graph, run)
    assert count(graph) == NOTHING
    assert graph.incomplete_events() == []


@pytest.mark.parametrize("stop", ["_MEASURED", "_EVENTS", "_PRECEDES", "_PARTS", "_SHOW", "_DELETE_SOME_CELLS"])
def test_a_run_that_is_broken_off_leaves_the_old_one_whole(
    embedded_graph: Graph, make_culture: Make, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    graph, data = embedded_graph, make_culture()
    graph.write_culture(data)
    write(graph, make_run(data))
    other = replace(make_run(data), settings={"min_snr": 9.0})
    with monkeypatch.context() as patch:
        patch.setattr(events, stop, "THIS BREAKS")
        patch.setattr(events._Writer, "undo", lambda _: None)  # as where the process ends
        with pytest.raises(InputError):
            write(graph, other)
    whole = "MATCH (:Culture)<-[:OF]-(r:EventRun {complete: true}) RETURN r.settings AS settings, r.run AS run"
    shown = graph.read(whole)
    replaced = stop == "_DELETE_SOME_CELLS"
    assert [row["settings"] for row in shown] == [
        '{"min_snr": 9.0}' if replaced else '{"baseline_s": null, "min_snr": 4.0}'
    ]
    of_run = "MATCH (c:Cell)-[:HAS_EVENT]->(e:Event {run: $run}) RETURN count(e) AS n"
    assert graph.read(of_run, run=shown[0]["run"]) == [{"n": 11}]
    assert graph.incomplete_events() == ["A"]
    assert write(graph, other) is not replaced
    assert count(graph) == ONE_RUN
    assert graph.incomplete_events() == []


def test_a_writer_finds_out_that_another_began(embedded_graph: Graph, make_culture: Make, make_run: MakeRun) -> None:
    data = make_culture()
    embedded_graph.write_culture(data)
    run = make_run(data)
    done = []

    def progress(stage: str, at: int, total: int) -> None:
        if not done:
            done.append(stage)
            write(embedded_graph, replace(run, settings={"min_snr": 9.0}))

    with pytest.raises(ConflictError, match="another process began to write the events of culture A"):
        embedded_graph.write_events(run, run.baseline, CREATED, "0.1.0", progress)
    assert count(embedded_graph) == ONE_RUN


def test_a_culture_replaced_meanwhile_is_no_half_run(
    embedded_graph: Graph, make_culture: Make, make_run: MakeRun
) -> None:
    data = make_culture()
    embedded_graph.write_culture(data)
    run = make_run(data)
    done = []

    def progress(stage: str, at: int, total: int) -> None:
        if stage == "storing events" and not done:
            done.append(stage)
            embedded_graph.write_culture(make_culture(digest="second"), replace=True)

    with pytest.raises(ConflictError, match="another process began"):
        embedded_graph.write_events(run, run.baseline, CREATED, "0.1.0", progress)
    assert count(embedded_graph) == NOTHING


def test_only_complete_cultures_get_events(embedded_graph: Graph, make_culture: Make, make_run: MakeRun) -> None:
    data = make_culture()
    with pytest.raises(NotFoundError, match="no complete culture A"):
        write(embedded_graph, make_run(data))
    embedded_graph.write_culture(data)
    embedded_graph.write("MATCH (k:Culture) SET k.complete = false")
    with pytest.raises(NotFoundError, match="no complete culture A"):
        write(embedded_graph, make_run(data))
    assert count(embedded_graph) == NOTHING


def test_parts_that_do_not_fit(embedded_graph: Graph, make_culture: Make, make_run: MakeRun) -> None:
    data = make_culture()
    embedded_graph.write_culture(data)
    run = make_run(data)
    elsewhere = replace(run.waves[0], events=np.array([0, 11]))
    for wrong, message in (
        ({"labels": run.labels[1:]}, "names a cell that was not looked at"),
        ({"labels": np.repeat(run.labels[:15], 2)}, "a cell is named twice"),
        ({"events": run.events.chosen(np.arange(11)[::-1])}, "not sorted by cell"),
        ({"waves": (elsewhere,)}, "names an event that is not there"),
        ({"noise": run.noise[1:]}, "one row for each cell"),
    ):
        with pytest.raises(InputError, match=message):
            write(embedded_graph, replace(run, **wrong))
    more = np.append(run.labels, 999)
    many = replace(run, labels=more, noise=np.ones(31), baseline=np.ones((31, 12)))
    with pytest.raises(InputError, match="lacks cells that the events name"):
        write(embedded_graph, many)
    write(embedded_graph, run)
    assert count(embedded_graph) == ONE_RUN


def test_no_events_at_all(embedded_graph: Graph, make_culture: Make, make_run: MakeRun) -> None:
    data = make_culture()
    embedded_graph.write_culture(data)
    run = make_run(data)
    none = np.zeros(0, dtype=int)
    links = type(run.links)(**{item.name: getattr(run.links, item.name)[none] for item in fields(run.links)})
    write(embedded_graph, replace(run, events=run.events.chosen(none), links=links, waves=()))
    assert count(embedded_graph) == NOTHING | {"EventRun": 1, "MEASURED": 30}


def test_relative_light() -> None:
    """(F - F0) / F0 of light that follows eq. 23: F = exp(value / gain + offset) - 1."""
    light = np.array([[100.0, 150.0, 50.0], [10.0, 10.0, 10.0]])
    graph = Subgraph(
        culture="A", frame_interval_s=1.0, labels=np.array([3, 7]), x_px=np.zeros(2), y_px=np.zeros(2),
        border=np.zeros(2, dtype=bool), intensity=0.5 * (np.log1p(light) - 2.0), pairs=np.zeros((0, 2), dtype=int),
        shared_border_px=np.zeros(0), centroid_distance_px=np.zeros(0), intensity_gain=0.5, intensity_offset=2.0,
    )  # fmt: skip
    rest = np.array([[100.0, 100.0, 100.0], [10.0, 5.0, 10.0]])
    run = EventRun("A", {}, None, None, (), np.array([3, 7]), 0.5 * (np.log1p(rest) - 2.0), np.ones(2))  # type: ignore[arg-type]
    np.testing.assert_allclose(relative_light(graph, run), [[0.0, 0.5, -0.5], [0.0, 1.0, 0.0]], atol=1e-12)
    # Traces as given are the light itself; where it is not positive at rest there is no dF/F.
    given = replace(graph, intensity=light, intensity_offset=None, intensity_gain=1.0)
    run = replace(run, baseline=np.array([[50.0, 50.0, 50.0], [0.0, 5.0, 5.0]]))
    np.testing.assert_allclose(relative_light(given, run), [[1.0, 2.0, 0.0], [np.nan] * 3])


@pytest.mark.slow
def test_kill_9_leaves_the_old_run(tmp_path: Path, make_culture: Make, make_run: MakeRun) -> None:
    """A process of its own writes another run and is killed after its 1st, 3rd, 5th ... report of progress."""
    import pickle

    data = make_culture()
    run = make_run(data)
    other = replace(run, settings={"min_snr": 9.0})
    (tmp_path / "run.pickle").write_bytes(pickle.dumps(other))
    with Graph.open(tmp_path / "workspace") as graph:
        graph.write_culture(data)
        write(graph, run)
    script = (
        "import os, pickle, signal, sys\n"
        "from pathlib import Path\n"
        "from calcigraph.store.graph import Graph\n"
        "run = pickle.loads((Path(sys.argv[1]) / 'run.pickle').read_bytes())\n"
        "left = [int(sys.argv[2])]\n"
        "def progress(stage, done, total):\n"
        "    left[0] -= 1\n"
        "    left[0] or os.kill(os.getpid(), signal.SIGKILL)\n"
        "with Graph.open(Path(sys.argv[1]) / 'workspace') as graph:\n"
        f"    graph.write_events(run, run.baseline, {CREATED!r}, '0.1.0', progress)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    for steps in (1, 3, 5, 7):
        killed = subprocess.run([sys.executable, "-c", script, str(tmp_path), str(steps)], check=False, env=environment)
        assert killed.returncode == -signal.SIGKILL
        with Graph.open(tmp_path / "workspace") as graph:
            shown = graph.read(
                "MATCH (r:EventRun {complete: true})<-[:MEASURED]-(:Cell)-[:HAS_EVENT]->(e:Event) "
                "WHERE e.run = r.run RETURN r.settings AS settings, count(e) AS n"
            )
            assert shown == [{"settings": '{"baseline_s": null, "min_snr": 4.0}', "n": 11}]
            assert graph.incomplete_events() == ["A"]
    with Graph.open(tmp_path / "workspace") as graph:
        assert write(graph, other)
        assert count(graph) == ONE_RUN
        assert graph.incomplete_events() == []
