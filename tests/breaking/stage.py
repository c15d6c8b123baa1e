"""A workspace in which `kept` is, on one engine, that commands begin from again and again: whole, older, or damaged."""

from __future__ import annotations

import io
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from breaking.commands import QUICK, commands, make_inputs
from breaking.whole import Kept, Whole, keep, put_back, seen
from older_graph import as_version_1
from s3_server import S3Server

from calcigraph.cli.app import run
from calcigraph.store.graph import Graph

NOTHING, WHOLE = "nothing", "whole"
OLDER, DAMAGED, FLIPPED = "older", "damaged", "flipped"
BASES = {
    "first ingest": NOTHING,
    "restore": NOTHING,
    "migrate": OLDER,
    "verify --repair": DAMAGED,
    "repair of a graph": FLIPPED,
}
"""What a command begins from, where that is not a whole workspace."""
TAMPERED = (
    "MATCH (c:Cell {uid: 'kept:4'}) SET c.intensity = [x IN c.intensity | 0.0]",
    "MATCH (:Cell {uid: 'kept:5'})-[x:ADJACENT]-() DELETE x",
    "MATCH (k:Culture {uid: 'kept'}) SET k.frame_interval_s = 11.0",
    "MATCH (c:Cell {uid: 'kept:3'}) SET c.robust_k_cell = 7.0",
    "CREATE (:Culture {uid: ' replacement of kept', complete: false, replaces: 'kept'})",
)


@dataclass
class Stage:
    """What the commands of one engine begin from, and where they work."""

    folder: Path
    """Holds `inputs`, the bases (workspace and outputs to begin from) and `now`, a copy in which a command runs."""
    server: Any = None
    """Of Neo4j; None for the embedded engine."""
    disk: Path | None = None
    """Where `now` is instead."""
    storage: S3Server | None = None
    """Whose buckets are the folders of `now`: the workspace is one of them."""
    graphs: dict[str, Kept] = field(default_factory=dict)
    """Of a server, by base."""

    @property
    def engine(self) -> str:
        """Its name in a table."""
        if self.storage is not None:
            return "s3"
        return "embedded" if self.server is None else "neo4j"

    @property
    def environment(self) -> dict[str, str]:
        """Of the commands."""
        found = {} if self.server is None else dict(self.server.environment())
        if self.storage is not None:
            found |= self.storage.environment() | {"TMPDIR": str(self.now / "temporary")}
        return found

    @property
    def now(self) -> Path:
        """The copy in which commands work."""
        return self.storage.buckets if self.storage is not None else (self.disk or self.folder) / "now"

    @property
    def workspace(self) -> Path:
        """Where commands work, as a folder."""
        return self.now / "workspace"

    @property
    def place(self) -> str:
        """What they call it."""
        return str(self.workspace) if self.storage is None else "s3://workspace"

    @property
    def outputs(self) -> Path:
        """The current folder of commands."""
        return self.now / "outputs"

    @property
    def words(self) -> dict[str, list[str]]:
        """Every command, whole."""
        found = commands(self.folder / "inputs")
        if self.server is not None:
            del found["repair of a graph"]  # there are no files of one
        return {name: ["--workspace", self.place, *words] for name, words in found.items()}

    def fresh(self, name: str) -> None:
        """Begin anew for the command of this name."""
        self.begin(BASES.get(name, WHOLE))

    def begin(self, base: str) -> None:
        """Begin anew from one of the bases."""
        shutil.rmtree(self.now, ignore_errors=True)
        shutil.copytree(self.folder / (WHOLE if base == NOTHING else base), self.now)
        if base == NOTHING:
            shutil.rmtree(self.workspace)
            if self.storage is not None:
                self.workspace.mkdir()
        if self.server is not None:
            put_back(self.server, Kept([], []) if base == NOTHING else self.graphs[base])

    def keep(self, base: str) -> None:
        """Take what there is now for a base."""
        self.now.rename(self.folder / base)
        if self.server is not None:
            self.graphs[base] = keep(self.server)

    def run(self, words: list[str]) -> int:
        """Run a command here, undisturbed."""
        with self.here():
            return run(words)

    def seen(self) -> Whole:
        """What there is."""
        if self.storage is not None:
            self.storage.forget_broken_puts()
        with self.here():
            return seen(self.now, folders=self.storage is None)

    @contextmanager
    def here(self) -> Iterator[None]:
        """The folder and the environment of commands."""
        before, values = Path.cwd(), {name: os.environ.get(name) for name in self.environment}
        os.chdir(self.outputs)
        os.environ.update(self.environment)
        tempfile.tempdir = None
        try:
            yield
        finally:
            os.chdir(before)
            for name, value in values.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            tempfile.tempdir = None


def make_stage(folder: Path, server: Any = None, storage: S3Server | None = None) -> Stage:
    """A stage with the culture `kept`, and with all bases."""
    if not (folder / "inputs").exists():
        make_inputs(folder / "inputs")
    stage = Stage(folder, server, storage=storage)
    stage.outputs.mkdir(parents=True)
    if storage is not None:
        stage.workspace.mkdir()
        (stage.now / "temporary").mkdir()
    if server is not None:
        server.execute("MATCH (n) DETACH DELETE n")
    _fill(stage)
    stage.keep(WHOLE)
    for base, spoil in ((OLDER, _make_older), (DAMAGED, _damage), (FLIPPED, _flip)):
        if base != FLIPPED or server is None:
            stage.begin(WHOLE)
            with stage.here():
                spoil(stage.workspace)
            stage.keep(base)
    return stage


def _fill(stage: Stage) -> None:
    inputs = stage.folder / "inputs"
    given = ["--masks", str(inputs / "movie_labels.tif"), *QUICK, "--experiment", "E", "--condition", "control"]
    for words in (
        ["ingest", str(inputs / "movie.tif"), "--culture", "kept", *given],
        ["annotate", "kept", "dish=1"],
        ["annotate", "kept", "dose=1", "--cells", "1-20"],
        ["fit", "kept", "--null", "0"],
        ["events", "kept"],
        ["export", "kept", "-o", "out", "--format", "csv"],
        ["backup", str(inputs / "backup")],
    ):
        said = io.StringIO()
        with redirect_stderr(said), redirect_stdout(said):
            assert stage.run(["--workspace", stage.place, *words]) == 0, said.getvalue()


def _make_older(workspace: Path) -> None:
    with Graph.open(workspace) as graph:
        as_version_1(graph)


def _damage(workspace: Path) -> None:
    """What a repair makes again: rows, files of a movie, and what was broken off."""
    store = next((workspace / "movies").glob("kept.*.ome.zarr"))
    shutil.copytree(store, store.with_name("kept.00000000.ome.zarr"))
    flip(store / "0" / "c" / "0" / "0" / "0")
    (store / "rows" / "cells" / "c" / "0").unlink()
    with Graph.open(workspace) as graph:
        for text in TAMPERED:
            graph.write(text)


def _flip(workspace: Path) -> None:
    """Files of the embedded graph that are not what was written, but can be read."""
    flip(next((workspace / "graph" / "databases" / "calcigraph").glob("Cell_0.*.bucket")), at=60000)
    flip(workspace / "graph" / "credentials.json")


def flip(path: Path, at: int | None = None) -> None:
    """Change one bit of a file, at a place that its name chooses where none is given."""
    data = bytearray(path.read_bytes())
    data[random.Random(path.name).randrange(len(data)) if at is None else at] ^= 1
    path.write_bytes(bytes(data))
