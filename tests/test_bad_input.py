"""Bad input, each as a user would meet it: one clear line, an exit code that is not 0, no traceback, nothing lost."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from calcigraph import Workspace
from calcigraph.cli.app import run
from calcigraph.queries import records

SHAPE = (12, 60, 60)
QUICK = ("--min-area", "20", "--frame-interval", "2")
Complain = Callable[..., str]


def grid(rows: int = 4, size: int = 60) -> np.ndarray:
    """A (size, size) label image of rows x rows square cells that fill it."""
    index = np.minimum(np.arange(size) * rows // size, rows - 1)
    return (index[:, None] * rows + index[None, :] + 1).astype(np.uint16)


def frames(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.normal(0, 0.05, (SHAPE[0], 17)), axis=0)
    return rng.poisson(500 * np.exp(slow[:, grid().astype(int)])).astype(np.uint16)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with movie.tif and labels.tif, and a workspace in which culture `kept` is ingested and fitted."""
    folder = tmp_path_factory.mktemp("prepared")
    tifffile.imwrite(folder / "movie.tif", frames(), photometric="minisblack")
    tifffile.imwrite(folder / "labels.tif", grid())
    start = ["--workspace", str(folder / "workspace")]
    movie, masks = str(folder / "movie.tif"), str(folder / "labels.tif")
    assert run([*start, "ingest", movie, "--culture", "kept", "--masks", masks, *QUICK]) == 0
    assert run([*start, "fit", "kept"]) == 0
    return folder


@pytest.fixture
def here(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `prepared`, the current folder."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CALCIGRAPH_WORKSPACE", str(folder / "workspace"))
    return folder


@pytest.fixture
def complain(here: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Complain]:
    """Run a command that must fail with one line; in the end, what was stored must still be there."""

    def stored() -> list[Any]:
        with Workspace(here / "workspace") as workspace:
            queries = [workspace.query("cultures"), workspace.query("cells", culture="kept")]
            return [*map(records, queries), workspace.status()]

    def complain(*words: str) -> str:
        capsys.readouterr()
        assert run(list(words)) != 0
        out, err = capsys.readouterr()
        assert out == ""
        lines = err.strip().splitlines()
        assert len(lines) == 1, err
        assert lines[0].startswith("calcigraph: ")
        assert "Traceback" not in err
        return lines[0]

    before = stored()
    yield complain
    assert stored() == before
    assert not list((here / "workspace").glob("movies/.*partial*"))


def ingest(movie: str, *more: str, masks: str = "labels.tif") -> list[str]:
    return ["ingest", movie, "--culture", "new", "--masks", masks, *QUICK, *more]


def test_missing_file(complain: Complain) -> None:
    assert "nowhere.tif" in complain(*ingest("nowhere.tif"))
    assert "nowhere.tif" in complain(*ingest("movie.tif", masks="nowhere.tif"))
    assert "nowhere.csv" in complain("ingest-traces", "nowhere.csv", "--culture", "new", "--frame-interval", "2")
    assert "nowhere.cypher" in complain("query", "nowhere.cypher")


def test_truncated_tiff(complain: Complain, here: Path) -> None:
    whole = (here / "movie.tif").read_bytes()
    for share in (0.01, 0.5, 0.99):
        (here / "cut.tif").write_bytes(whole[: int(len(whole) * share)])
        assert "cut.tif" in complain(*ingest("cut.tif"))
    (here / "empty.tif").write_bytes(b"")
    assert "empty.tif" in complain(*ingest("empty.tif"))


@pytest.mark.parametrize(
    ("name", "pixels", "word"),
    [
        ("rgb", np.zeros((*SHAPE, 3), np.uint8), "RGB|colour|channel"),
        ("single", frames()[0], "single|one frame|1 frame"),
        ("nan", np.where(np.arange(60) == 3, np.nan, frames()).astype(np.float32), "NaN"),
        ("inf", np.where(np.arange(60) == 3, np.inf, frames()).astype(np.float32), "[Ii]nf"),
        ("constant", np.full(SHAPE, 7, np.uint16), "constant|same value|contrast"),
    ],
)
def test_movies_that_cannot_be_used(complain: Complain, here: Path, name: str, pixels: np.ndarray, word: str) -> None:
    photometric = "rgb" if name == "rgb" else "minisblack"
    tifffile.imwrite(here / f"{name}.tif", pixels, photometric=photometric)
    line = complain(*ingest(f"{name}.tif"))
    assert f"{name}.tif" in line
    assert re.search(word, line), line


def test_zero_frames(complain: Complain, here: Path) -> None:
    (here / "frames").mkdir()
    assert "frames" in complain(*ingest("frames"))
    assert "none*.tif" in complain(*ingest("none*.tif"))


def test_masks_that_cannot_be_used(complain: Complain, here: Path) -> None:
    tifffile.imwrite(here / "other.tif", grid(size=64))
    assert "64" in complain(*ingest("movie.tif", masks="other.tif"))
    tifffile.imwrite(here / "none.tif", np.zeros((60, 60), np.uint16))
    assert "none.tif" in complain(*ingest("movie.tif", masks="none.tif"))
    assert "min-area" in complain(*ingest("movie.tif", "--min-area", "9999"))


def test_one_cell_and_no_contacts_are_stored_but_not_fitted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, apart = np.zeros((60, 60), np.uint16), np.zeros((60, 60), np.uint16)
    one[20:40, 20:40] = 5
    apart[10:25, 10:25], apart[35:50, 35:50] = 1, 2
    for name, labels in (("one", one), ("apart", apart)):
        tifffile.imwrite(here / f"{name}.tif", labels)
        assert run(["ingest", "movie.tif", "--culture", name, "--masks", f"{name}.tif", *QUICK]) == 0
        capsys.readouterr()
        assert run(["fit", name]) != 0
        err = capsys.readouterr().err.strip()
        assert len(err.splitlines()) == 1
        assert name in err
        assert re.search("no inner cell|contact", err), err


def test_duplicate_name(complain: Complain, here: Path) -> None:
    tifffile.imwrite(here / "second.tif", frames(1), photometric="minisblack")
    line = complain("ingest", "second.tif", "--culture", "kept", "--masks", "labels.tif", *QUICK)
    assert "--replace" in line


def test_missing_frame_interval_names_the_option(complain: Complain) -> None:
    line = complain("ingest", "movie.tif", "--culture", "new", "--masks", "labels.tif", "--min-area", "20")
    assert "--frame-interval" in line


def test_unknown_names(complain: Complain) -> None:
    assert "nope" in complain("fit", "nope")
    assert "nope" in complain("delete", "nope")
    assert "nope" in complain("picture", "nope", "graph", "-o", "x.png")
    assert "nope" in complain("query", "cells", "-p", "culture=nope")
    assert "nope" in complain("query", "nope")
    assert "nope" in complain("compare", "kept", "nope")
    assert "nope" in complain("compare", "--experiment", "nope")
    assert "nope" in complain("picture", "kept", "nope", "-o", "x.png")


@pytest.mark.parametrize(
    "words",
    [
        ["fit", "kept", "--case", "nope"],
        ["fit", "kept", "--model", "nope"],
        ["fit", "kept", "--setup", "4"],
        ["fit", "kept", "--weights", "nope"],
        ["fit", "kept", "--model", "crlsm", "--ridge", "-1"],
        ["fit", "kept", "--ridge", "x"],
        ["fit", "kept", "--ridge", "0.1"],
        ["fit", "kept", "--model", "crlsm", "--leak"],
        ["fit", "kept", "--model", "crlsm", "--k-bounds", "0", "inf"],
        ["fit", "kept", "--model", "pinn", "--no-correct"],
        ["fit", "kept", "--half-width", "0"],
        ["fit", "kept", "--null", "-1"],
        ["fit", "kept", "--seed", "-1"],
        ["fit", "kept", "--weights", "all"],
        ["fit", "kept", "--k-bounds", "0.1", "0.001"],
        ["fit", "kept", "--train-fraction", "0"],
        ["fit", "kept", "--model", "crlsm", "--interpolate", "0"],
        ["fit"],
        ["nope"],
        ["ingest", "movie.tif"],
        [*ingest("movie.tif"), "--segment-on", "nope"],
        [*ingest("movie.tif"), "--trace-inset", "-1"],
        [*ingest("movie.tif"), "--detrend", "nope"],
        [*ingest("movie.tif"), "--frame-interval", "0"],
        [*ingest("movie.tif"), "--frame-interval", "nan"],
        [*ingest("movie.tif"), "--cellpose-model", "cyto3"],
        ["ingest", "movie.tif", "--culture", "a:b", "--masks", "labels.tif", *QUICK],
        ["ingest", "movie.tif", "--culture", "../a", "--masks", "labels.tif", *QUICK],
        ["ingest", "movie.tif", "--culture", "", "--masks", "labels.tif", *QUICK],
        ["query"],
        ["query", "cells"],
        ["query", "cells", "-p", "culture"],
        ["query", "cells", "-p", "culture=kept", "-p", "more=1"],
        ["query", "cells", "-p", "culture=kept", "--format", "nope"],
        ["query", "--cypher", "MATCH (n RETURN n"],
        ["query", "--cypher", "MATCH (n) DETACH DELETE n"],
        ["compare", "kept"],
        ["simulate", "out.png"],
        ["simulate", "nowhere/out.tif"],
        ["simulate", "out.tif", "--cells", "0"],
        ["simulate", "out.tif", "--frames", "0"],
        ["picture", "kept", "frame", "-o", "x.png", "--frame", "99"],
        ["picture", "kept", "traces", "-o", "x.png", "--cell", "99"],
        ["picture", "kept", "frame", "-o", "x.doc"],
        ["picture", "kept", "frame", "-o", "nowhere/x.png"],
    ],
    ids=" ".join,
)
def test_bad_option_values(complain: Complain, words: list[str], here: Path) -> None:
    complain(*words)
    assert not list(here.glob("out*"))
    assert not (here / "x.png").exists()


def test_unreadable_zarr(complain: Complain, here: Path) -> None:
    (here / "broken.zarr").mkdir()
    (here / "broken.zarr" / "zarr.json").write_text("{not json")
    assert "broken.zarr" in complain(*ingest("broken.zarr"))
    (here / "hollow.zarr").mkdir()
    assert "hollow.zarr" in complain(*ingest("hollow.zarr"))


def test_workspace_that_cannot_be_written(complain: Complain, here: Path) -> None:
    (here / "file").write_text("not a folder")
    line = complain("--workspace", str(here / "file"), *ingest("movie.tif"))
    assert "file" in line


@pytest.fixture
def mount() -> Iterator[Callable[[Path, str], None]]:
    """Mount a small tmpfs with these options; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> None:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("may not mount a tmpfs here")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_read_only_workspace(complain: Complain, here: Path, mount: Callable[[Path, str], None]) -> None:
    mount(here / "frozen", "ro")
    for workspace in (here / "frozen", here / "frozen" / "deeper"):
        assert "frozen" in complain("--workspace", str(workspace), *ingest("movie.tif"))
        assert "frozen" in complain("--workspace", str(workspace), "status")


def test_full_disk(complain: Complain, here: Path, mount: Callable[[Path, str], None]) -> None:
    mount(here / "small", "size=200k")
    assert "disk" in complain("--workspace", str(here / "small"), *ingest("movie.tif"))


def test_file_that_cannot_grow(here: Path) -> None:
    """A file-size limit stands in for a full disk: the store cannot be written, and nothing is left of it."""
    script = (
        "import resource, signal, sys; from calcigraph.cli.app import run;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *ingest("movie.tif")], capture_output=True, text=True, check=False, cwd=here
    )
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not list((here / "workspace" / "movies").glob("*new*zarr*"))
    assert run(["query", "cells", "-p", "culture=kept"]) == 0


def test_server_down_and_wrong_scheme(complain: Complain, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    for uri in ("bolt://127.0.0.1:9", "http://127.0.0.1:9", "nonsense"):
        with monkeypatch.context() as patch:
            patch.setenv("NEO4J_URI", uri)
            patch.setenv("NEO4J_PASSWORD", "secret-word")
            done = subprocess.run(
                [sys.executable, "-m", "calcigraph", "query", "cultures"], capture_output=True, text=True, check=False
            )
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "secret-word" not in done.stderr


@pytest.mark.neo4j
def test_wrong_password(here: Path, neo4j_environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_PASSWORD", "not-the-password")
    done = subprocess.run(
        [sys.executable, "-m", "calcigraph", "status"], capture_output=True, text=True, check=False, cwd=here
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "NEO4J_PASSWORD" in done.stderr
    assert "not-the-password" not in done.stderr
