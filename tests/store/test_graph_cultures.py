"""Cultures in the graph, on both engines: stored whole, once, replaced and deleted in one visible step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcigraph.errors import ConflictError, InputError, NotFoundError
from calcigraph.store import cultures
from calcigraph.store.bolt import Bolt
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

Make = Callable[..., CultureData]
CREATED = "2026-01-02T03:04:05+00:00"


class Killed(Exception):
    """Stands for the end of the process in the middle of a write."""


def kill_after(steps: int) -> Callable[[str, int, int], None]:
    def progress(stage: str, done: int, total: int) -> None:
        nonlocal steps
        steps -= 1
        if steps < 0:
            raise Killed

    return progress


def counts(graph: Graph) -> tuple[int, int, int, int]:
    """Cells, contacts, experiments, cultures."""
    texts = ("(x:Cell)", "()-[x:ADJACENT]->()", "(x:Experiment)", "(x:Culture)")
    a, b, c, d = (graph.read(f"MATCH {text} RETURN count(x) AS n")[0]["n"] for text in texts)
    return a, b, c, d


def test_a_culture_comes_back_as_it_was_written(graph: Graph, make_culture: Make) -> None:
    data = make_culture(pixel_size_um=0.65, shift_px=0.5)
    graph.write_culture(data)
    assert graph.culture("A") == replace(data.culture, complete=True)
    assert graph.cultures() == [graph.culture("A")]
    rows = graph.read(
        "MATCH (k:Culture {uid: 'A'})-[:HAS_CELL]->(c:Cell) RETURN properties(c) AS cell ORDER BY c.label"
    )
    stored = [row["cell"] for row in rows]
    assert [cell["uid"] for cell in stored] == [f"A:{label}" for label in data.cells.labels]
    np.testing.assert_array_equal([cell["intensity"] for cell in stored], data.cells.intensity)
    for name in ("area_px", "x_px", "y_px", "border"):
        np.testing.assert_array_equal([cell[name] for cell in stored], getattr(data.cells, name))
    assert [cell.get("polygon") for cell in stored] == list(data.cells.polygons)
    assert [cell.get("flags") for cell in stored] == ["no inset", *[None] * 29]


def test_each_contact_is_stored_once_with_an_unknown_border_as_null(graph: Graph, make_culture: Make) -> None:
    data = make_culture()
    graph.write_culture(data)
    rows = graph.read(
        "MATCH (a:Cell)-[r:ADJACENT]->(b:Cell) RETURN a.label AS a, b.label AS b, r.shared_border_px AS border, "
        "r.centroid_distance_px AS distance ORDER BY a, b"
    )
    assert [row["a"] for row in rows] == data.contacts.label_a.tolist()
    assert [row["b"] for row in rows] == data.contacts.label_b.tolist()
    assert [row["border"] for row in rows] == [None, *[7.0] * (len(rows) - 1)]
    assert [row["distance"] for row in rows] == data.contacts.centroid_distance_px.tolist()


def test_the_same_input_changes_nothing(graph: Graph, make_culture: Make, make_fit: Callable[..., Fit]) -> None:
    data = make_culture()
    graph.write_culture(data)
    graph.write_fit(make_fit(data), CREATED, "0.1.0")
    graph.write_culture(replace(data, culture=replace(data.culture, created="2026-02-02T00:00:00+00:00")), replace=True)
    culture = graph.culture("A")
    assert culture is not None
    assert culture.created == data.culture.created
    assert graph.read("MATCH (:Cell)-[f:FITTED]->() RETURN count(f) AS n") == [{"n": 30}]


def test_another_input_is_refused_unless_it_replaces(graph: Graph, make_culture: Make, make_fit: Any) -> None:
    old, new = make_culture(), make_culture(cells=20, digest="second", seed=1, experiment="other plate")
    graph.write_culture(old)
    graph.write_fit(make_fit(old), CREATED, "0.1.0")
    with pytest.raises(ConflictError, match="--replace"):
        graph.write_culture(new)
    assert counts(graph) == (30, len(old.contacts), 1, 1)
    graph.write_culture(new, replace=True)
    assert counts(graph) == (20, len(new.contacts), 1, 1)
    assert graph.culture("A") == replace(new.culture, complete=True)
    assert graph.read("MATCH (r:FitRun) RETURN count(r) AS n") == [{"n": 0}]
    uids = [row["uid"] for row in graph.read("MATCH (c:Cell) RETURN c.uid AS uid ORDER BY c.label")]
    assert uids == [f"A:{label}" for label in new.cells.labels]
    assert graph.incomplete() == []


def test_readers_see_the_old_or_the_new_culture_and_nothing_else(graph: Graph, make_culture: Make) -> None:
    graph.write_culture(make_culture(cells=40))
    seen: set[tuple[str, int]] = set()
    done = threading.Event()

    def read() -> None:
        text = (
            "MATCH (k:Culture {uid: 'A'})-[:HAS_CELL]->(c:Cell) WHERE k.complete = true "
            "RETURN k.input_digest AS digest, count(c) AS cells"
        )
        while not done.is_set():
            seen.update((row["digest"], row["cells"]) for row in graph.read(text))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(4):
        graph.write_culture(make_culture(cells=30 + turn, digest=f"turn {turn}"), replace=True)
    done.set()
    reader.join()
    assert seen <= {("first", 40), *((f"turn {turn}", 30 + turn) for turn in range(4))}
    assert len(seen) > 1


@pytest.mark.parametrize("digest", ["first", "second"])
def test_a_killed_ingest_is_named_and_finished_by_the_next(
    graph: Graph, make_culture: Make, monkeypatch: pytest.MonkeyPatch, digest: str
) -> None:
    monkeypatch.setattr(cultures, "BATCH_CELLS", 10)
    with pytest.raises(Killed):
        graph.write_culture(make_culture(), progress=kill_after(1))
    assert graph.incomplete() == [{"culture": "A", "state": "ingest", "cells": 20}]
    culture = graph.culture("A")
    assert culture is not None
    assert not culture.complete
    data = make_culture(cells=25, digest=digest)
    graph.write_culture(data)
    assert graph.incomplete() == []
    assert counts(graph) == (25, len(data.contacts), 1, 1)


def test_a_killed_replacement_leaves_the_old_culture_and_is_named(
    graph: Graph, make_culture: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cultures, "BATCH_CELLS", 10)
    old, new = make_culture(), make_culture(digest="second")
    graph.write_culture(old)
    with pytest.raises(Killed):
        graph.write_culture(new, replace=True, progress=kill_after(1))
    assert graph.incomplete() == [{"culture": "A", "state": "replace", "cells": 20}]
    assert graph.cultures() == [replace(old.culture, complete=True)]
    graph.write_culture(new, replace=True)
    assert graph.cultures() == [replace(new.culture, complete=True)]
    assert counts(graph) == (30, len(new.contacts), 1, 1)


def test_a_replacement_killed_after_the_swap_is_cleaned_up_by_the_next(
    graph: Graph, make_culture: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_culture(), make_culture(digest="second")
    graph.write_culture(old)
    clean = cultures.remove_leftovers
    calls = []

    def killed(bolt: Bolt, uid: str) -> None:
        calls.append(uid)
        if len(calls) == 2:
            raise Killed
        clean(bolt, uid)

    monkeypatch.setattr(cultures, "remove_leftovers", killed)
    with pytest.raises(Killed):
        graph.write_culture(new, replace=True)
    assert graph.cultures() == [replace(new.culture, complete=True)]
    assert graph.incomplete() == [{"culture": "A", "state": "replace", "cells": 30}]
    graph.write_culture(new)
    assert graph.incomplete() == []
    assert counts(graph) == (30, len(new.contacts), 1, 1)


def test_a_killed_delete_is_named_and_finished_by_the_next(
    graph: Graph, make_culture: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cultures, "BATCH_CELLS", 10)
    graph.write_culture(make_culture())
    graph.write_culture(make_culture("B", cells=8))
    rows = Bolt.rows

    def killed(bolt: Bolt, text: str, parameters: dict[str, Any], *, write: bool) -> Any:
        result = rows(bolt, text, parameters, write=write)
        if text == cultures._DELETE_SOME_CELLS:
            raise Killed
        return result

    monkeypatch.setattr(Bolt, "rows", killed)
    with pytest.raises(Killed):
        graph.delete_culture("A")
    monkeypatch.setattr(Bolt, "rows", rows)
    assert graph.incomplete() == [{"culture": "A", "state": "delete", "cells": 20}]
    graph.delete_culture("A")
    assert graph.incomplete() == []
    assert [culture.uid for culture in graph.cultures()] == ["B"]
    assert counts(graph) == (8, 18, 1, 1)


def test_deleting_takes_fits_and_empty_experiments_along(graph: Graph, make_culture: Make, make_fit: Any) -> None:
    data = make_culture()
    graph.write_culture(data)
    graph.write_fit(make_fit(data), CREATED, "0.1.0")
    graph.delete_culture("A")
    assert graph.read("MATCH (n) WHERE NOT n:Meta RETURN count(n) AS n") == [{"n": 0}]
    with pytest.raises(NotFoundError, match="no culture A"):
        graph.delete_culture("A")


def test_a_batch_whose_acknowledgement_was_lost_is_not_written_twice(
    graph: Graph, make_culture: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Bolt.run

    def twice(bolt: Bolt, work: Any, *, write: bool) -> Any:
        result = run(bolt, work, write=write)
        return run(bolt, work, write=write) if write else result

    monkeypatch.setattr(cultures, "BATCH_CELLS", 10)
    monkeypatch.setattr(cultures, "BATCH_CONTACTS", 10)
    monkeypatch.setattr(Bolt, "run", twice)
    data = make_culture()
    graph.write_culture(data)
    graph.write_culture(make_culture(digest="second"), replace=True)
    assert counts(graph) == (30, len(data.contacts), 1, 1)
    assert graph.incomplete() == []


def test_a_superseded_writer_finds_out(graph: Graph, make_culture: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cultures, "BATCH_CELLS", 10)
    other = make_culture(digest="second")

    def overtake(stage: str, done: int, total: int) -> None:
        if done == 10:
            graph.write_culture(other)

    with pytest.raises(ConflictError, match="another process"):
        graph.write_culture(make_culture(), progress=overtake)
    assert graph.cultures() == [replace(other.culture, complete=True)]
    assert counts(graph) == (30, len(other.contacts), 1, 1)


def test_long_traces_are_split_by_message_size(make_culture: Make) -> None:
    data = make_culture(cells=6, frames=400_000)
    sizes = [len(rows) for rows in cultures.cell_batches(data.cells, "A", "A")]
    assert sizes == [2, 2, 2]


def test_a_culture_beyond_one_message_is_stored(graph: Graph, make_culture: Make) -> None:
    data = make_culture(cells=300, frames=8000)  # 22 MB of Bolt, in a cap of 16 MiB a message
    graph.write_culture(data)
    total = graph.read("MATCH (c:Cell) RETURN sum(size(c.intensity)) AS n, count(c) AS cells")
    assert total == [{"n": 300 * 8000, "cells": 300}]


def test_progress_counts_cells_then_contacts(embedded_graph: Graph, make_culture: Make) -> None:
    data, calls = make_culture(), []
    embedded_graph.write_culture(data, progress=lambda *call: calls.append(call))
    assert calls == [("storing cells", 30, 30), ("storing contacts", 84, 84)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": " A"}, "cannot name a culture"),
        ({"name": ""}, "cannot name a culture"),
        ({"name": "a\nb"}, "cannot name a culture"),
    ],
)
def test_bad_names_are_refused(make_culture: Make, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cultures.check(make_culture(**change))


def test_parts_that_do_not_fit_together_are_refused(make_culture: Make) -> None:
    data = make_culture()
    short = replace(data, cells=replace(data.cells, intensity=data.cells.intensity[:, 1:]))
    holes = data.cells.intensity.copy()
    holes[0, 0] = np.nan
    doubled = data.cells.labels.copy()
    doubled[1] = doubled[0]
    for wrong, message in (
        (short, "expected"),
        (replace(data, cells=replace(data.cells, intensity=holes)), "finite"),
        (replace(data, cells=replace(data.cells, labels=doubled)), "same label"),
        (replace(data, contacts=replace(data.contacts, label_a=data.contacts.label_b)), "each pair once"),
    ):
        with pytest.raises(InputError, match=message):
            cultures.check(wrong)


def test_names_may_hold_anything_printable(graph: Graph, make_culture: Make) -> None:
    for name in ("101", "a:b", "Wing disc 3' ü\\", 'q"uote', "$x`y"):
        graph.write_culture(make_culture(name, cells=6))
        assert graph.culture(name) is not None
    assert len(graph.cultures()) == 5
    graph.delete_culture("a:b")
    assert counts(graph)[0] == 24


def test_two_writers_race_for_one_experiment(workspace: Path, make_culture: Make) -> None:
    with Graph.open(workspace) as graph:
        threads = [
            threading.Thread(target=graph.write_culture, args=(make_culture(f"c{turn}", cells=6),)) for turn in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts(graph) == (36, 72, 1, 6)
        assert graph.incomplete() == []
