"""The commands that write, each with what it starts from, on small recordings."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from breaking.whole import Kept, Whole, keep, put_back, seen

from calcigraph.cli.app import run

SIZE = ("--cells", "24", "--frames", "60", "--size", "96", "--k", "0.02", "--leak", "0.01", "--contact-waves", "1")
QUICK = ("--min-area", "20")
PLAN = """
[ingest]
min-area = 20
experiment = "planned"
[fit]
null = 0
[events]
[[cultures]]
files = "movie.tif"
name = "planned"
masks = "movie_labels.tif"
annotate = { dish = 3 }
"""


def commands(inputs: Path) -> dict[str, list[str]]:
    """The words of each command after --workspace; `kept` is a culture with fit, events and annotations."""
    movie, masks = str(inputs / "movie.tif"), str(inputs / "movie_labels.tif")
    of_new = ["--culture", "new", "--masks", masks, *QUICK, "--experiment", "E"]
    return {
        "ingest": ["ingest", movie, *of_new],
        "first ingest": ["ingest", movie, *of_new],
        "ingest --replace": ["ingest", movie, "--culture", "kept", "--masks", masks, *QUICK, "--trace-inset", "0",
                             "--replace"],
        "ingest-traces": ["ingest-traces", str(inputs / "traces.csv"), "--culture", "new", "--frame-interval", "10",
                          "--positions", str(inputs / "places.csv")],
        "fit": ["fit", "kept", "--model", "crlsm"],
        "events": ["events", "kept", "--min-snr", "8"],
        "annotate": ["annotate", "kept", "dose=2.5", "--cells", "1-12"],
        "curate": ["curate", "kept", "--masks", str(inputs / "mended.tif")],
        "delete": ["delete", "kept"],
        "export": ["export", "kept", "-o", "out", "--format", "csv", "--replace"],
        "export of a file": ["export", "kept", "-o", "out.geojson"],
        "run": ["run", str(inputs / "plan.toml")],
    }  # fmt: skip


def make_inputs(folder: Path) -> Path:
    """Write a movie with labels, mended labels, a table of traces and a plan."""
    folder.mkdir(parents=True)
    with redirect_stderr(io.StringIO()):
        assert run(["simulate", str(folder / "movie.tif"), *SIZE, "--seed", "4"]) == 0
    labels = tifffile.imread(folder / "movie_labels.tif")
    mended = labels.copy()
    mended[mended == 5] = 0
    row, column = np.nonzero(mended == 9)
    mended[row[:30], column[:30]] = 0
    tifffile.imwrite(folder / "mended.tif", mended)
    rng = np.random.default_rng(0)
    table = 100 + np.cumsum(rng.normal(0, 1, (60, 6)), axis=0)
    np.savetxt(folder / "traces.csv", table, delimiter=",", header="1,2,3,4,5,6", comments="", fmt="%.4f")
    places = "".join(f"{cell},{10 * (cell % 3)},{10 * (cell // 3)}\n" for cell in range(1, 7))
    (folder / "places.csv").write_text("cell,x,y\n" + places)
    (folder / "plan.toml").write_text(PLAN)
    return folder


@dataclass
class Stage:
    """A workspace in which `kept` is, on one engine, that can be had again and again."""

    folder: Path
    """Holds `inputs`, `base` (the workspace and outputs to begin from) and `now`, a copy in which a command runs."""
    server: Any = None
    """Of Neo4j; None for the embedded engine."""
    disk: Path | None = None
    """Where `now` is instead."""
    graph: Kept | None = None

    @property
    def engine(self) -> str:
        """Its name in a table."""
        return "embedded" if self.server is None else "neo4j"

    @property
    def environment(self) -> dict[str, str]:
        """Of the commands."""
        return {} if self.server is None else dict(self.server.environment())

    @property
    def now(self) -> Path:
        """The copy in which commands work."""
        return (self.disk or self.folder) / "now"

    @property
    def workspace(self) -> Path:
        """Where commands work."""
        return self.now / "workspace"

    @property
    def outputs(self) -> Path:
        """The current folder of commands."""
        return self.now / "outputs"

    @property
    def words(self) -> dict[str, list[str]]:
        """Every command, whole."""
        found = commands(self.folder / "inputs")
        return {name: ["--workspace", str(self.workspace), *words] for name, words in found.items()}

    def fresh(self, name: str) -> None:
        """Begin anew for the command of this name, from the base or from nothing."""
        shutil.rmtree(self.now, ignore_errors=True)
        shutil.copytree(self.folder / "base", self.now)
        first = name.startswith("first")
        if first:
            shutil.rmtree(self.workspace)
        if self.server is not None and self.graph is not None:
            put_back(self.server, Kept([], []) if first else self.graph)

    def run(self, words: list[str]) -> int:
        """Run a command here, undisturbed."""
        with _at(self.outputs, self.environment):
            return run(words)

    def seen(self) -> Whole:
        """What there is."""
        with _at(self.outputs, self.environment):
            return seen(self.workspace, self.outputs)


def make_stage(folder: Path, server: Any = None) -> Stage:
    """A stage with the culture `kept`."""
    if not (folder / "inputs").exists():
        make_inputs(folder / "inputs")
    stage = Stage(folder, server)
    stage.outputs.mkdir(parents=True)
    if server is not None:
        server.execute("MATCH (n) DETACH DELETE n")
    inputs = folder / "inputs"
    start = ["--workspace", str(stage.workspace)]
    given = ["--masks", str(inputs / "movie_labels.tif"), *QUICK, "--experiment", "E", "--condition", "control"]
    for words in (
        ["ingest", str(inputs / "movie.tif"), "--culture", "kept", *given],
        ["annotate", "kept", "dish=1"],
        ["annotate", "kept", "dose=1", "--cells", "1-20"],
        ["fit", "kept", "--null", "0"],
        ["events", "kept"],
        ["export", "kept", "-o", "out", "--format", "csv"],
    ):
        said = io.StringIO()
        with redirect_stderr(said), redirect_stdout(said):
            assert stage.run([*start, *words]) == 0, said.getvalue()
    (folder / "now").rename(folder / "base")
    if server is not None:
        stage.graph = keep(server)
    return stage


@contextmanager
def _at(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    before, values = Path.cwd(), {name: os.environ.get(name) for name in environment}
    os.chdir(folder)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.chdir(before)
        for name, value in values.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
