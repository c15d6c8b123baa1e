"""What notebooks show: small tables for workspaces, cultures and fits, figures without files; and completion."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from calcigraph import Workspace
from calcigraph.store.shown import rows_html
from tests.conftest import MakeCulture, MakeFit

ROOT = Path(__file__).resolve().parents[1]


def test_a_workspace_that_does_not_exist_is_shown_and_not_made(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "none & such")
    assert repr(workspace) == f"<Workspace {tmp_path / 'none & such'}>"
    assert "there is no workspace" in workspace._repr_html_()
    assert "none &amp; such" in workspace._repr_html_()
    assert list(tmp_path.iterdir()) == []


def test_a_repr_opens_no_graph(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert str(tmp_path) in repr(workspace)
    assert workspace._graph is None


def test_a_workspace_lists_its_cultures(tmp_path: Path, make_culture: MakeCulture, make_fit: MakeFit) -> None:
    with Workspace(tmp_path) as workspace:
        data = make_culture("wt-1", condition="<wild>")
        workspace.graph.write_culture(data)
        workspace.graph.write_fit(make_fit(data), "2026-01-01T00:00:00.000+00:00", "0.1.0")
        table = workspace._repr_html_()
        cells = len(data.cells)
    left = ' style="text-align: left"'
    assert (
        f"<td{left}>wt-1</td><td{left}>&lt;wild&gt;</td><td{left}>{cells}</td><td{left}>1</td><td{left}>0</td>" in table
    )
    assert "1 culture<" in table


def test_a_culture_tells_its_facts(make_culture: MakeCulture) -> None:
    culture = replace(
        make_culture("A", condition="12.5 <uM>").culture,
        annotations={"dish": 3},
        warnings=("shift: much",),
        complete=True,
    )
    table = culture._repr_html_()
    assert repr(culture) == f"<Culture A: 12.5 <uM>, {culture.frames} frames>"
    for said in ("12.5 &lt;uM&gt;", ">dish<", ">3<", "shift: much", f"{culture.frames}, one every "):
        assert said in table
    assert "<uM>" not in table


def test_a_fit_tells_its_sentence_and_units(make_culture: MakeCulture, make_fit: MakeFit) -> None:
    fit = replace(make_fit(make_culture("A")), k=0.011, k_low=0.0109, k_high=0.0111, identified="identified")
    table = fit._repr_html_()
    assert "A: coupling 0.0110 /s (95 % 0.0109 to 0.0111), identified" in table
    assert ">0.0110 /s (95 % 0.0109 to 0.0111)<" in table
    assert len(repr(fit)) < 200


def test_rows_without_a_value_are_empty() -> None:
    assert rows_html("x", ["a", "b"], [{"a": 0}]).count("></td>") == 1


def test_a_picture_without_a_file_is_a_figure(tmp_path: Path, make_culture: MakeCulture) -> None:
    with Workspace(tmp_path) as workspace:
        workspace.graph.write_culture(make_culture("A", movie=None))
        figure = workspace.picture("A", "graph")
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.glob("*.p*")] == []


@pytest.mark.parametrize(("words", "said"), [("pic", {"picture"}), ("ingest-", {"ingest-traces"})])
def test_completion(words: str, said: set[str]) -> None:
    told = {"COMP_WORDS": f"calcigraph {words}", "COMP_CWORD": "1", "_CALCIGRAPH_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [str(Path(sys.executable).parent / "calcigraph")],
        env=os.environ | told | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(done.stdout.split()) == said


def test_completion_can_be_shown() -> None:
    command = [str(Path(sys.executable).parent / "calcigraph"), "--show-completion", "bash"]
    done = subprocess.run(
        command,
        env=os.environ | {"SHELL": "/bin/bash", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "complete -o default -F _calcigraph_completion calcigraph" in done.stdout
