"""Where an export goes: whole or not at all, and never over anything that is not an export."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from calcigraph.errors import GraphError, InputError
from calcigraph.export.formats import FORMATS, named
from calcigraph.export.place import MARK, check_place, write_in_place


def filled(folder: Path) -> None:
    (folder / MARK).write_text("{}")
    (folder / "cells.csv").write_text("label\n")


def test_a_folder_appears_whole_and_is_replaced_only_when_told(tmp_path: Path) -> None:
    target = tmp_path / "out"
    check_place(target, True, False)
    write_in_place(target, True, filled)
    assert sorted(path.name for path in target.iterdir()) == ["cells.csv", MARK]
    with pytest.raises(InputError, match="--replace"):
        check_place(target, True, False)
    check_place(target, True, True)
    write_in_place(target, True, lambda folder: (folder / MARK).write_text("{}"))
    assert [path.name for path in target.iterdir()] == [MARK]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("folder", [True, False])
def test_what_fails_leaves_what_was_there(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "out"
    write_in_place(target, folder, filled if folder else lambda path: path.write_text("old"))
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}

    def failing(draft: Path) -> None:
        (draft / "half" if folder else draft).write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left on device"):
        write_in_place(target, folder, failing)
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_lost_graph_is_not_called_a_full_disk(tmp_path: Path) -> None:
    def lost(draft: Path) -> None:
        raise GraphError("the connection was lost")

    with pytest.raises(GraphError, match="the connection was lost"):
        write_in_place(tmp_path / "out", True, lost)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_export_leaves_nothing_that_looks_whole_and_the_next_tidies(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from calcigraph.export.place import write_in_place;"
        "write_in_place(Path(sys.argv[1]), True, lambda draft: ((draft / 'cells.csv').write_text('x'),"
        "os.kill(os.getpid(), signal.SIGKILL)))"
    )
    target = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", script, str(target)], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    write_in_place(target, True, filled)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_things_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.h5ad").write_text("x")
    for name, folder, says in (
        ("mine", True, "other files"), ("file.h5ad", True, "it is a file"), ("mine", False, "it is a folder"),
        ("nowhere/a.h5ad", False, "there is no folder"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says):
            check_place(tmp_path / name, folder, True)
    check_place(tmp_path / "empty", True, False)
    check_place(tmp_path / "file.h5ad", False, False)
    write_in_place(tmp_path / "empty", True, filled)
    assert (tmp_path / "empty" / MARK).is_file()


def test_the_ending_says_the_format() -> None:
    for form in FORMATS.values():
        assert named(form.name, Path(f"a{form.suffix}")) is form
        if form.suffix:
            assert named(None, Path(f"a{form.suffix.upper()}")) is form
            with pytest.raises(InputError, match=f"name it {form.suffix}"):
                named(form.name, Path("a.txt"))
    for name, path in ((None, "folder"), (None, "a.xlsx"), ("excel", "a.xlsx")):
        with pytest.raises(InputError, match="csv"):
            named(name, Path(path))
