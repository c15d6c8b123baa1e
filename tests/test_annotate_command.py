"""`calcigraph annotate`, and what it is good for: a culture moves without a new ingest, compare groups by any key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calcigraph.cli.app import run
from calcigraph.workspace import Workspace

SIZE = ("--cells", "30", "--frames", "60", "--size", "256")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four fitted cultures, two of each condition."""
    folder = tmp_path_factory.mktemp("lab")
    workspace = ["--workspace", str(folder / "ws")]
    for seed, (name, condition) in enumerate({"a": "control", "b": "control", "c": "drug", "d": "drug"}.items()):
        movie = str(folder / f"{name}.tif")
        assert run(["simulate", movie, *SIZE, "--seed", str(seed), "--k", "0.02"]) == 0
        words = ["--culture", name, "--condition", condition, "--masks", str(folder / f"{name}_labels.tif")]
        assert run([*workspace, "ingest", movie, *words]) == 0
    assert run([*workspace, "fit", "a", "b", "c", "d", "--null", "0"]) == 0
    return folder


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run([*words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_the_same_movie_in_another_condition_moves_the_culture_and_keeps_its_fits(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = ["--workspace", str(lab / "ws")]
    words = [*workspace, "ingest", str(lab / "a.tif"), "--culture", "a", "--masks", str(lab / "a_labels.tif")]
    assert run([*words, "--condition", "vehicle", "--experiment", "day 1"]) == 0
    assert "the same input is already there" in capsys.readouterr().err
    row = next(row for row in rows(capsys, *workspace, "query", "cultures") if row["culture"] == "a")
    assert (row["condition"], row["experiment"], row["fits"]) == ("vehicle", "day 1", 1)
    assert run(words) == 0  # nothing said: nothing is changed
    row = next(row for row in rows(capsys, *workspace, "query", "cultures") if row["culture"] == "a")
    assert (row["condition"], row["experiment"], row["fits"]) == ("vehicle", "day 1", 1)
    assert run([*workspace, "annotate", "a", "condition=control", "experiment="]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == ("culture a: condition is control, experiment is taken away")


def test_a_culture_that_an_older_version_hashed_with_its_condition_is_known_again(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from calcigraph.ingest import IngestOptions, input_digest

    options = IngestOptions(masks=str(lab / "b_labels.tif"))
    old = input_digest(str(lab / "b.tif"), options, said=(None, "control"))
    with Workspace(lab / "ws") as workspace:
        new = input_digest(str(lab / "b.tif"), options)
        assert workspace.culture("b").input_digest == new != old
        workspace.graph.write("MATCH (k:Culture {uid: 'b'}) SET k.input_digest = $old", old=old)
    words = ["--workspace", str(lab / "ws"), "ingest", str(lab / "b.tif"), "--culture", "b"]
    assert run([*words, "--masks", str(lab / "b_labels.tif")]) == 0
    assert "nothing changed" in capsys.readouterr().err


def test_compare_takes_any_key_and_a_reference(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = ["--workspace", str(lab / "ws")]
    for name, dose in {"a": "0", "b": "5", "c": "5", "d": "10"}.items():
        assert run([*workspace, "annotate", name, f"dose={dose}"]) == 0
    words = [*workspace, "compare", "a", "b", "c", "d", "--by", "dose"]
    groups = {(row["group_a"], row["group_b"]) for row in rows(capsys, *words)}
    assert groups == {("dose 0", "dose 5"), ("dose 0", "dose 10"), ("dose 5", "dose 10")}
    found = rows(capsys, *words, "--reference", "5")
    assert {(row["group_a"], row["group_b"]) for row in found} == {("dose 5", "dose 0"), ("dose 5", "dose 10")}
    assert run([*words, "--reference", "7"]) == 1
    assert "none of the groups: there is " in capsys.readouterr().err
    assert run([*workspace, "compare", "a", "b", "--by", "dish"]) == 1
    assert "an annotation dish; they have dose" in capsys.readouterr().err


def test_the_result_comes_first_and_wide_shows_all(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--workspace", str(lab / "ws"), "compare", "a", "b", "c", "d", "--reference", "control"]
    assert run(words) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("coupling: drug is ")
    assert lines[0].endswith(" times control, not tested")
    assert "error without own activity: drug differs from control by " in out
    assert "median" in out
    assert max(map(len, lines)) <= 80
    assert "2 and 2 cultures, 3 a side are needed" in err
    assert run([*words, "--wide"]) == 0
    assert "cell_spread_a" in capsys.readouterr().out


def test_cells_have_annotations_beside_their_fits(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = ["--workspace", str(lab / "ws")]
    assert run([*workspace, "annotate", "a", "kind=round", "--cells", "1,3-4"]) == 0
    assert "3 cells of a: kind is round" in capsys.readouterr().err
    found = rows(capsys, *workspace, "query", "cells", "-p", "culture=a")
    assert [row["label"] for row in found if row["kind"] == "round"] == [1, 3, 4]
    assert run([*workspace, "annotate", "a", "robust_k=3", "--cells", "1"]) == 1
    assert "where a fit writes its parameters" in capsys.readouterr().err
    for wrong in ("4-1", "a", "1-99999999999", ""):
        assert run([*workspace, "annotate", "a", "kind=x", "--cells", wrong]) == 1
        assert "expected labels and ranges of labels" in capsys.readouterr().err


def test_a_name_that_may_be_mistyped_is_told(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = ["--workspace", str(lab / "ws")]
    assert run([*workspace, "annotate", "c", "condition=drgu"]) == 0
    assert "condition drgu is new; there is drug" in capsys.readouterr().err
    words = ["--culture", "c", "--masks", str(lab / "c_labels.tif"), "--condition", "drug"]
    assert run([*workspace, "ingest", str(lab / "c.tif"), *words]) == 0
    err = capsys.readouterr().err
    assert "the same input is already there, condition is now drug (was drgu)" in err
    assert "is new" not in err
    assert run([*workspace, "annotate", "d", "operator=Ann"]) == 0
    assert run([*workspace, "annotate", "c", "operater=Ann"]) == 0
    assert "annotation operater is new; there is operator" in capsys.readouterr().err


def test_a_culture_may_follow_the_name_of_a_query(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = ["--workspace", str(lab / "ws")]
    assert rows(capsys, *workspace, "query", "fits", "a") == rows(
        capsys, *workspace, "query", "fits", "-p", "culture=a"
    )
    assert run([*workspace, "query", "fits"]) == 1
    assert "query fits needs the parameter culture (string): calcigraph query fits CULTURE" in capsys.readouterr().err


def test_a_file_beside_is_named(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(lab / "ws"), "ingest", str(lab / "aa.tif"), "--culture", "new"]) == 1
    assert f"did you mean {lab / 'a.tif'}?" in capsys.readouterr().err
    assert run(["--culture", "new", "ingest", str(lab / "a.tif")]) == 2
    assert "options of a command go after it" in capsys.readouterr().err
