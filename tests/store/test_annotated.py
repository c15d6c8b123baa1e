"""What users say of cultures and cells, on both engines: set, changed, taken away, kept by a replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from calcigraph.errors import InputError, NotFoundError
from calcigraph.store.annotated import parsed
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData

Make = Callable[..., CultureData]


def experiments(graph: Graph) -> dict[str, list[str]]:
    rows = graph.read(
        "MATCH (e:Experiment) OPTIONAL MATCH (e)-[:INCLUDES]->(k:Culture) RETURN e.name AS name, collect(k.uid) AS of"
    )
    return {row["name"]: row["of"] for row in rows}


def test_annotations_are_properties_that_cypher_finds(graph: Graph, make_culture: Make) -> None:
    graph.write_culture(make_culture())
    graph.annotate("A", {"dish": 3, "dose": 2.5, "fixed": True, "operator": "Ann B"})
    found = graph.culture("A")
    assert found is not None
    assert found.annotations == {"dish": 3, "dose": 2.5, "fixed": True, "operator": "Ann B"}
    row = graph.read("MATCH (k:Culture {dish: 3, fixed: true}) WHERE k.dose > 2 RETURN k.operator AS who")[0]
    assert row["who"] == "Ann B"
    graph.annotate("A", {"dish": 4, "operator": None, "never": None})
    found = graph.culture("A")
    assert found is not None
    assert found.annotations == {"dish": 4, "dose": 2.5, "fixed": True}
    assert found == replace(make_culture().culture, complete=True, annotations=found.annotations)


def test_a_culture_moves_to_another_experiment_and_condition(graph: Graph, make_culture: Make) -> None:
    graph.write_culture(make_culture())
    graph.write_culture(make_culture("B", experiment="plate"))
    graph.annotate("A", {"experiment": "day 2", "condition": "blocked"})
    assert experiments(graph) == {"plate": ["B"], "day 2": ["A"]}
    found = graph.culture("A")
    assert found is not None
    assert (found.experiment, found.condition, found.annotations) == ("day 2", "blocked", {})
    graph.annotate("A", {"experiment": None, "condition": None})
    graph.annotate("B", {"experiment": "plate"})
    assert experiments(graph) == {"plate": ["B"]}


def test_cells_are_annotated_by_label(graph: Graph, make_culture: Make) -> None:
    graph.write_culture(make_culture())
    graph.annotate("A", {"type": "astrocyte", "round": 2}, [3, 9])
    rows = graph.read("MATCH (c:Cell {type: 'astrocyte'}) RETURN c.label AS label, c.round AS round ORDER BY label")
    assert rows == [{"label": 3, "round": 2}, {"label": 9, "round": 2}]
    names = "MATCH (k:Culture) RETURN k.cell_annotations AS names"
    assert graph.read(names)[0]["names"] == ["round", "type"]
    graph.annotate("A", {"round": None}, [3])
    assert graph.read(names)[0]["names"] == ["round", "type"]
    graph.annotate("A", {"round": None}, [9])
    assert graph.read(names)[0]["names"] == ["type"]
    with pytest.raises(NotFoundError, match=r"has no cell 4, 5: .* nothing was changed"):
        graph.annotate("A", {"type": "neuron"}, [3, 4, 5])
    assert graph.read("MATCH (c:Cell {type: 'neuron'}) RETURN count(c) AS n")[0]["n"] == 0


def test_a_replacement_keeps_what_was_said_and_not_said_anew(graph: Graph, make_culture: Make) -> None:
    graph.write_culture(make_culture(condition="control"))
    graph.annotate("A", {"dish": 3})
    graph.write_culture(make_culture(digest="second", condition=None, experiment=None), replace=True)
    found = graph.culture("A")
    assert found is not None
    assert (found.input_digest, found.annotations, found.condition, found.experiment) == (
        "second", {"dish": 3}, "control", "plate",
    )  # fmt: skip
    graph.write_culture(make_culture(digest="third", condition="blocked", experiment="day 2"), replace=True)
    found = graph.culture("A")
    assert found is not None
    assert (found.annotations, found.condition) == ({"dish": 3}, "blocked")
    assert experiments(graph) == {"day 2": ["A"]}


@pytest.mark.parametrize(
    ("name", "value", "labels", "message"),
    [
        ("frames", 3, None, "frames is calcigraph's own property of a Culture: choose another name, such as my_frames"),
        ("option_min_area", 3, None, "own property of a Culture"),
        ("uid", "x", [3], "uid is calcigraph's own property of a Cell"),
        ("condition", "x" * 1001, None, "up to 1000 printable characters"),
        ("my dish", 3, None, "expected a letter, then letters, digits and _ only"),
        ("Spülung", 3, None, "expected a letter"),
        ("note", "two\nlines", None, "printable"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    graph: Graph, make_culture: Make, name: str, value: object, labels: list[int] | None, message: str
) -> None:
    graph.write_culture(make_culture())
    before = graph.culture("A")
    with pytest.raises(InputError, match=message):
        graph.annotate("A", {name: value}, labels)  # type: ignore[dict-item]
    assert graph.culture("A") == before


def test_an_unknown_culture_is_refused(graph: Graph) -> None:
    with pytest.raises(NotFoundError, match="no complete culture nowhere"):
        graph.annotate("nowhere", {"dish": 3})


def test_written_annotations_have_types() -> None:
    written = ("n=3", "x=2.5", "s=3 mg", "t=true", "gone=", "e=1e3", "big=123456789012345678901", "q=a=b", "i=NaN")
    assert dict(parsed(text) for text in written) == {
        "n": 3, "x": 2.5, "s": "3 mg", "t": True, "gone": None, "e": 1000.0, "big": "123456789012345678901",
        "q": "a=b", "i": "NaN",
    }  # fmt: skip
    assert parsed("condition=5") == ("condition", "5")
    for wrong in ("dish", "=3"):
        with pytest.raises(InputError, match="expected key=value"):
            parsed(wrong)
