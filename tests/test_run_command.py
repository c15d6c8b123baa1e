"""`calcigraph run`: a plan of many recordings, resumed, with bad rows, spread over workers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from calcigraph.cli.app import run
from calcigraph.errors import CalcigraphError, InputError, NotFoundError
from calcigraph.plan import plan_of_table, read_plan
from calcigraph.workspace import Workspace

SIZE = ("--cells", "20", "--frames", "60", "--size", "200")
PLAN = """
[ingest]
experiment = "blocker"
min-area = 100
[fit]
null = 0
[events]
[report]
out = "lab.html"
reference = "control"
[[cultures]]
files = "control/c?.tif"
masks = "{folder}/{stem}_labels.tif"
condition = "control"
annotate = { dish = 3 }
[[cultures]]
table = "others.csv"
"""
TABLE = """file;name;masks;condition;dose
other.tif;B 1;other_labels.tif;blocked;2,5
gone.tif;B 2;other_labels.tif;blocked;5
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    (folder / "control").mkdir()
    for seed, name in enumerate(("control/c1.tif", "control/c2.tif", "other.tif")):
        assert run(["simulate", str(folder / name), *SIZE, "--seed", str(seed), "--k", "0.02"]) == 0
    return folder


@pytest.fixture
def lab(tmp_path: Path, simulated: Path) -> Path:
    shutil.copytree(simulated, tmp_path, dirs_exist_ok=True)
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "others.csv").write_text(TABLE)
    return tmp_path


def asked(lab: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["--workspace", str(lab / "ws"), *words, "--format", "json"]) == code
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_a_plan_is_done_and_carried_on(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = str(lab / "plan.toml")
    shown = asked(lab, capsys, "run", plan, "--dry-run")
    assert [(row["culture"], row["state"]) for row in shown] == [
        ("c1", "new"), ("c2", "new"), ("B 1", "new"), ("B 2", "no such file"),
    ]  # fmt: skip
    assert not (lab / "ws").exists()
    rows = asked(lab, capsys, "run", plan, code=1)
    assert [row["outcome"] for row in rows] == ["done", "done", "done", "failed"]
    assert rows[0]["found"].startswith("coupling 0.0")
    page = (lab / "lab.html").read_text()
    assert all(name in page for name in ("c1", "c2", "B 1"))
    assert "B 2" not in page
    assert "no such file" in rows[3]["found"]
    cultures = {row["culture"]: row for row in asked(lab, capsys, "query", "cultures")}
    assert cultures["c1"]["annotations"] == {"dish": 3}
    assert cultures["B 1"]["annotations"] == {"dose": 2.5}
    assert (cultures["B 1"]["experiment"], cultures["B 1"]["condition"], cultures["B 1"]["fits"]) == (
        "blocker", "blocked", 1,
    )  # fmt: skip
    created = [row["created"] for row in asked(lab, capsys, "query", "fits", "-p", "culture=c1")]
    (lab / "other.tif").rename(lab / "gone.tif")
    rows = asked(lab, capsys, "run", plan, code=1)
    assert [row["outcome"] for row in rows] == ["there already", "there already", "failed", "done"]
    assert [row["created"] for row in asked(lab, capsys, "query", "fits", "-p", "culture=c1")] == created
    # With other options of the fit, it alone is done anew.
    (lab / "plan.toml").write_text(PLAN.replace("null = 0", 'null = 0\ncase = "shared"'))
    (lab / "others.csv").write_text(TABLE.replace("other.tif;B 1", "gone.tif;B 1"))
    assert [row["outcome"] for row in asked(lab, capsys, "run", plan)] == ["done"] * 4
    assert [row["case"] for row in asked(lab, capsys, "query", "fits", "-p", "culture=c1")] == ["per-cell", "shared"]
    stored = Workspace(lab / "ws")
    with stored:
        assert json.loads(stored.culture("c1").plan or "")["fit"] == {"null": 0, "case": "shared"}


def test_mended_masks_stay_and_what_rests_on_them_is_done_anew(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = PLAN[PLAN.index("[[cultures]]") :].rpartition("[[")[0].replace("c?.tif", "c1.tif")
    (lab / "plan.toml").write_text(PLAN.partition("[report]")[0] + only)
    plan, table = str(lab / "plan.toml"), lab / "control" / "c1_labels.tif"
    asked(lab, capsys, "run", plan)
    labels = tifffile.imread(table)
    row, column = np.nonzero(labels == np.unique(labels)[6])
    labels[row[:40], column[:40]] = 0
    tifffile.imwrite(lab / "mended.tif", labels)
    assert run(["--workspace", str(lab / "ws"), "curate", "c1", "--masks", str(lab / "mended.tif")]) == 0
    shown = asked(lab, capsys, "run", plan, "--dry-run")
    assert [row["state"] for row in shown] == ["done already; masks mended, which stay; to do: fit, events"]
    rows = asked(lab, capsys, "run", plan)
    assert [row["outcome"] for row in rows] == ["done"]
    assert " (curate) and are kept; coupling " in rows[0]["found"]
    with Workspace(lab / "ws") as stored:
        assert stored.graph.stale() == []
        assert stored.culture("c1").masks == "file:mended.tif"
    # The masks of the plan do not come back: not with --replace, nor with another condition, which fits nothing anew.
    created = [row["created"] for row in asked(lab, capsys, "query", "fits", "-p", "culture=c1")]
    (lab / "plan.toml").write_text((lab / "plan.toml").read_text().replace('"control"', '"blocked"'))
    rows = asked(lab, capsys, "run", plan, "--replace")
    assert [row["outcome"] for row in rows] == ["done"]
    with Workspace(lab / "ws") as stored:
        assert (stored.culture("c1").masks, stored.culture("c1").condition) == ("file:mended.tif", "blocked")
    assert [row["created"] for row in asked(lab, capsys, "query", "fits", "-p", "culture=c1")] == created
    assert asked(lab, capsys, "run", plan)[0]["outcome"] == "there already"
    # Another file is another matter: the row is refused.
    (lab / "control" / "c2.tif").replace(lab / "control" / "c1.tif")
    rows = asked(lab, capsys, "run", plan, code=1)
    assert [row["outcome"] for row in rows] == ["failed"]
    assert "the masks of culture 'c1' were mended" in rows[0]["found"]


def test_workers_do_whole_cultures(lab: Path) -> None:
    from distributed import LocalCluster

    (lab / "others.csv").write_text(TABLE.rpartition("gone")[0])
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Workspace(lab / "ws") as workspace,
    ):
        outcomes = workspace.run(workspace.plan(lab / "plan.toml"), scheduler=cluster.scheduler_address)
        assert [(each.culture, each.outcome) for each in outcomes] == [("c1", "done"), ("c2", "done"), ("B 1", "done")]
        assert {row["culture"] for row in workspace.rows("cultures")[1]} == {"c1", "c2", "B 1"}


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("[[cultures]", "cannot be read"),
        ("", "names no cultures"),
        ("[fitt]\n[[cultures]]\nfiles='*.tif'", "has 'fitt'"),
        ("[[cultures]]\nfiles='x*.tif'", "no file fits 'x[*].tif'"),
        ("[[cultures]]\nname='a'", "give files .* or table"),
        ("[[cultures]]\ntable='no.csv'", "table .*no.csv does not exist"),
        ("[[cultures]]\nfiles='*.tif'\nmin_aera=3", "ingest has no option 'min_aera'; it has experiment"),
        ("[ingest]\nmin-area='big'\n[[cultures]]\nfiles='*.tif'", "--min-area is 'big'; expected a number"),
        ("[ingest]\nmin-area=0\n[[cultures]]\nfiles='*.tif'", "--min-area 0: expected"),
        ("[ingest]\ncondition=5\n[[cultures]]\nfiles='*.tif'", "expected text in quotation marks"),
        ("[fit]\nmodel='none'\n[[cultures]]\nfiles='*.tif'", "unknown model 'none'"),
        ("[fit]\nnul=0\n[[cultures]]\nfiles='*.tif'", "fit has no option 'nul'"),
        ("[events]\nmin-snr=0.1\n[[cultures]]\nfiles='*.tif'", "--min-snr is 0.1"),
        ("[[cultures]]\nfiles='*.tif'\nname='x{stam}'", "may have {stem} and {folder} only"),
        ("[[cultures]]\nfiles='*.tif'\nname='a/b'", "culture name 'a/b' cannot be used"),
        ("[[cultures]]\nfiles=['m.tif','m.tif']", "gives the name m to"),
        ("[report]\nfile='a.html'\n[[cultures]]\nfiles='*.tif'", "in \\[report\\] the HTML file to write"),
        ("[ingest]\ncrosstalk='perhaps'\n[[cultures]]\nfiles='*.tif'", "expected true or false"),
    ],
)
def test_what_is_wrong_with_a_plan_is_told_before_anything_is_done(tmp_path: Path, plan: str, message: str) -> None:
    (tmp_path / "m.tif").write_bytes(b"")
    (tmp_path / "plan.toml").write_text(plan)
    with pytest.raises((InputError, NotFoundError, CalcigraphError), match=message):
        read_plan(tmp_path / "plan.toml")


def test_files_are_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab" / "films").mkdir(parents=True)
    for name in ("m.tif", "m_labels.tif"):
        (tmp_path / "lab" / "films" / name).write_bytes(b"")
    given = "[[cultures]]\nfiles = 'films/m.tif'\nmasks = '{folder}/{stem}_labels.tif'\n"
    (tmp_path / "lab" / "plan.toml").write_text(given)
    monkeypatch.chdir(tmp_path)
    planned = read_plan("lab/plan.toml").cultures[0]
    assert planned.source == tmp_path / "lab" / "films" / "m.tif"
    assert planned.ingest["masks"] == str(tmp_path / "lab" / "films" / "m_labels.tif")
    # Of a table too; files that the command line names are those of the working folder.
    (tmp_path / "lab" / "table.csv").write_text("file,dose\nfilms/m.tif,5\n")
    (tmp_path / "cells.tif").write_bytes(b"")
    for masks, found in (("cells.tif", "cells.tif"), ("{folder}/{stem}_labels.tif", "lab/films/m_labels.tif")):
        listed = plan_of_table("lab/table.csv", {"masks": masks, "frame_interval_s": 5.0}).cultures[0]
        assert listed.ingest == {"masks": str(tmp_path / found), "frame_interval_s": 5.0}
        assert (listed.culture, listed.annotate) == ("m", {"dose": 5})


def test_no_plan(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        read_plan(tmp_path / "plan.toml")


@pytest.mark.parametrize(
    ("said", "found"), [("'5%'", "5%"), ("100", 100.0), ("'auto'", "auto"), ("'{stem}_empty.tif'", "m_empty.tif")]
)
def test_a_mask_of_the_background_is_relative_to_the_plan(tmp_path: Path, said: str, found: str | float) -> None:
    (tmp_path / "m.tif").write_bytes(b"")
    (tmp_path / "plan.toml").write_text(f"[ingest]\nbackground = {said}\n[[cultures]]\nfiles = '*.tif'\n")
    given = read_plan(tmp_path / "plan.toml").cultures[0].ingest["background"]
    assert given == (str(tmp_path / str(found)) if str(found).endswith(".tif") else found)
