"""Parameters of users' texts that no graph can hold, or that a name must not become a number of."""

from __future__ import annotations

from typing import Any

import pytest

from calcigraph.errors import InputError
from calcigraph.queries import parse_parameters, records, run_user, written_parameters
from calcigraph.queries.usage import uses_of
from calcigraph.store.graph import Graph


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, [1, [2**70]], {"a": {"b": 2**64}}])
def test_integers_beyond_64_bits_are_refused(embedded_graph: Graph, value: Any) -> None:
    with pytest.raises(InputError, match="64 bits"):
        run_user(embedded_graph, "RETURN $a AS a", {"a": value})


def test_a_culture_called_101_is_a_string() -> None:
    assert parse_parameters(["culture=101", "n=101"]) == {"culture": "101", "n": 101}


NAMES = ["20240315", "12.5", "1e3", "true", "null", "O'Brien 1", "[1, 2]", "-1", "0012", "1_000", "NaN", "dish & co; x"]


class Nothing:
    """A graph that must not be asked."""

    def read_only(self, *_: Any) -> Any:
        raise AssertionError


def written(text: str, *items: str) -> dict[str, Any]:
    return written_parameters(Nothing(), text, items)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text",
    [
        "MATCH (k:Culture {uid: $p}) RETURN k",
        "MATCH (k:Culture {complete: true, uid: $p})-[:HAS_CELL]->(c {label: 3}) RETURN k",
        "MATCH (k:Culture) WHERE k.uid = $p RETURN k",
        "MATCH (k:Culture) WHERE $p = k.uid RETURN k",
        "MATCH (k:Culture) WHERE k.uid=($p) AND 1 = 1 RETURN k",
        "MATCH (k:Culture) WHERE k.`condition` <> $p RETURN k",
        "MATCH (k:Culture) WHERE k['condition'] = $p RETURN k",
        "MATCH (k:Culture) WHERE k.uid STARTS WITH $p RETURN k",
        "MATCH (k:Culture) WHERE k.uid ENDS WITH $p RETURN k",
        "MATCH (k:Culture) WHERE k.uid CONTAINS $p RETURN k",
        "MATCH (k:Culture) WHERE k.uid =~ $p RETURN k",
        "MATCH (k:Culture) WHERE toLower(k.uid) = toLower($p) RETURN k",
        "MATCH (k:Culture) WHERE coalesce(k.condition, '') = $p RETURN k",
        "MATCH (k:Culture) WHERE k.uid = 'wt-' + $p RETURN k",
        "MATCH (c:Cell) WHERE c.uid = $p + ':7' RETURN c",
        "MATCH (c:Cell) WHERE toString(c.label) = $p RETURN c",
        "MATCH (k:Culture) WITH k.uid AS name WHERE name = $p RETURN name",
        "WITH $p AS name MATCH (k:Culture {uid: name}) RETURN k",
        "MATCH (k:Culture) WHERE $p IN k.warnings RETURN k",
        "MATCH (c:Cell) WHERE c.robust_identified = $p RETURN c",
        "MATCH (e:Experiment {name: $p}) RETURN e",
        "MATCH (k:Culture) RETURN CASE k.uid WHEN 'x' THEN 1 ELSE 2 END AS n, k.uid = $p AS same",
        "MATCH (k:Culture)<-[:OF]-(r) WHERE k.uid <= $p AND r.k > 0 RETURN k",
    ],
)
def test_text_stays_text_where_texts_are_compared(text: str, name: str) -> None:
    assert written(text, f"p={name}") == {"p": name}


@pytest.mark.parametrize(
    ("text", "raw", "value"),
    [
        ("MATCH (c:Cell {label: $p}) RETURN c", "7", 7),
        ("MATCH (c:Cell) WHERE c.robust_k > $p RETURN c", "1e-3", 1e-3),
        ("MATCH (c:Cell) WHERE c.x_px + 3 < $p RETURN c", "12.5", 12.5),
        ("MATCH (c:Cell) WHERE c.border = $p RETURN c", "true", True),
        ("MATCH (c:Cell) WHERE c.border = $p RETURN c", "False", False),
        ("MATCH (c:Cell) RETURN c LIMIT $p", "3", 3),
        ("UNWIND range(1, $p) AS x RETURN x", "3", 3),
        ("MATCH (k:Culture) RETURN substring(k.uid, $p) AS x", "3", 3),
        ("MATCH (c:Cell) WHERE c.label IN $p RETURN c", "[1, 2]", [1, 2]),
        ("RETURN $p AS x", "12.5", 12.5),
        ("RETURN $p AS x", "abc", "abc"),
        ("UNWIND $p AS row RETURN row.a AS a", '[{"a": 1}]', [{"a": 1}]),
        ("MATCH (c:Cell) WHERE size(c.intensity) = $p RETURN c", "361", 361),
    ],
)
def test_numbers_are_numbers_where_numbers_are_compared(text: str, raw: str, value: Any) -> None:
    class Empty:
        def read_only(self, *_: Any) -> Any:
            return ["v"], []

    found = written_parameters(Empty(), text, [f"p={raw}"])["p"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "MATCH (k:Culture) WHERE k.uid IN $p RETURN k",
        "MATCH (k:Culture) WHERE NOT (k.uid IN $p) RETURN k",
        "UNWIND $p AS name MATCH (k:Culture {uid: name}) RETURN k",
        "MATCH (k:Culture) WHERE any(n IN $p WHERE k.uid STARTS WITH n) RETURN k",
        "WITH $p AS names MATCH (k:Culture) WHERE k.uid IN names RETURN k",
        "WITH $p AS names UNWIND names AS name MATCH (k:Culture {uid: name}) RETURN k",
    ],
)
def test_the_elements_of_a_list_are_like_what_they_are_compared_with(text: str) -> None:
    for raw in ('["20240315", "12.5"]', "[20240315, 12.5]", '[20240315, "12.5"]'):
        assert written(text, f"p={raw}") == {"p": ["20240315", "12.5"]}
    assert written(text, "p=[1e3, true, null, NaN]") == {"p": ["1e3", "true", "null", "NaN"]}
    assert written(text, "p=[wt-1, 0012]") == {"p": ["wt-1", "0012"]}
    if "STARTS" not in text and "AS names" not in text:
        with pytest.raises(InputError, match=r"p is used as a list: give one, such as p=\["):
            written(text, "p=20240315")


def test_quotation_marks_of_json_make_text_and_are_no_part_of_it() -> None:
    assert written("MATCH (k {uid: $p}) RETURN k", 'p="20240315"') == {"p": "20240315"}
    assert written("RETURN $p AS x", 'p="20240315"') == {"p": "20240315"}


def test_a_declaration_decides() -> None:
    header = "// parameter p: int\n"
    assert written(header + "MATCH (k {uid: $p}) RETURN k", "p=3") == {"p": 3}
    header = "// parameter p: string\n"
    assert written(header + "MATCH (c:Cell) WHERE c.label = $p OR c.uid = $p RETURN c", "p=3") == {"p": "3"}


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(InputError, match=r"p is compared with text and with numbers.*// parameter p: string"):
        written("MATCH (c:Cell) WHERE c.label = $p OR c.uid = $p RETURN c", "p=3")
    with pytest.raises(InputError, match="p is compared with label, which is no text, but 'seven' is text"):
        written("MATCH (c:Cell {label: $p}) RETURN c", "p=seven")


def test_words_in_strings_and_comments_are_no_uses() -> None:
    assert uses_of("RETURN '{uid: $p}' AS x // k.uid = $p", "p") == set()


def test_properties_of_others_are_looked_up(stored: Graph) -> None:
    stored.write("MATCH (k:Culture {uid: '101'}) SET k.donor = '0815', k.age = 7, k.tags = ['2024', 'b']")
    for text, raw, count in (
        ("MATCH (k:Culture {donor: $p}) RETURN count(k) AS n", "0815", 1),
        ("MATCH (k:Culture {age: $p}) RETURN count(k) AS n", "7", 1),
        ("MATCH (k:Culture) WHERE $p IN k.tags RETURN count(k) AS n", "2024", 1),
        ("MATCH (k:Culture {nothing: $p}) RETURN count(k) AS n", "7", 0),
    ):
        assert records(run_user(stored, text, written_parameters(stored, text, [f"p={raw}"]))) == [{"n": count}]
    text = "MATCH (k:Culture) WHERE k.donor = $p RETURN count(k) AS n"
    stored.write("MATCH (k:Culture {uid: '101'}) SET k.donor = '815'")
    assert records(run_user(stored, text, written_parameters(stored, text, ["p=815"]))) == [{"n": 1}]
    stored.write("MATCH (k:Culture) REMOVE k.donor, k.age, k.tags")


def test_cultures_with_names_that_look_like_numbers_are_found(stored: Graph) -> None:
    one = "MATCH (k:Culture {uid: $name})-[:HAS_CELL]->(c:Cell) RETURN k.uid AS uid, count(c) > 0 AS n"
    many = "MATCH (k:Culture) WHERE k.uid IN $names RETURN count(k) AS n"
    assert records(run_user(stored, one, written_parameters(stored, one, ["name=101"]))) == [{"uid": "101", "n": True}]
    assert records(run_user(stored, many, written_parameters(stored, many, ["names=[101]"]))) == [{"n": 1}]


def test_settings_and_times_are_compared_as_what_they_are(stored: Graph) -> None:
    asked = "MATCH (r:FitRun) WHERE r.setting_setup = $setup AND r.setting_weights = $law RETURN count(r) AS n"
    values = written_parameters(stored, asked, ["setup=1", "law=distance*border"])
    assert records(run_user(stored, asked, values)) == [{"n": 1}]
    since = "MATCH (r:FitRun) WHERE r.created > datetime($since) RETURN count(r) AS n"
    for text, count in (("2026-01-01", 1), ("2027", 0)):
        values = written_parameters(stored, since, [f"since={text}"])
        assert records(run_user(stored, since, values)) == [{"n": count}]
    with pytest.raises(InputError, match=r"created, which is a time \(write datetime\(\$since\)\)"):
        written_parameters(stored, "MATCH (r:FitRun) WHERE r.created > $since RETURN r", ["since=2026-01-01"])


def test_every_text_of_the_graph_is_known_as_one(stored: Graph) -> None:
    from calcigraph.queries.written import ENDINGS, NUMBERS, PREFIXES, TEXTS, TIMES

    for label in ("Culture", "Experiment", "FitRun", "Cell"):
        found = run_user(stored, f"MATCH (n:{label}) RETURN properties(n) AS p")["p"].tolist()
        for name, value in ((name, value) for row in found for name, value in row.items()):
            first = value[0] if isinstance(value, list) and value else value
            if name.startswith(tuple(PREFIXES)):
                continue  # these are looked up
            is_text = name in TEXTS or name.endswith(ENDINGS)
            assert (name in TIMES) == (name == "created")
            if name in TIMES | {"place"}:
                continue
            assert isinstance(first, str) == is_text or first == [], name
            assert not (is_text and name in NUMBERS)
