"""Thousands of damaged files and command lines: `make fuzz`.

Every mutant must be taken, or refused by an error of calcigraph's own, in less than 20 s and 1 GB. What its format lets
one tell is damaged must not pass for whole: a file cut short, or one of several files lost. Mutants run one after the
other in a process of their own; a watchdog ends one that hangs, and the run goes on. Mutant N of a seed is always the
same, so that a finding can be had again: `python -m breaking.fuzz --seed S --only N`.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from breaking import mutants
from breaking.seeds import Seed, make_seeds

LONGEST_S = 20.0
MOST_MB = 1024
GUARD_MB = 6 * 1024
"""Address space that a mutant may take beyond what the process has: so that the machine lives."""
REFUSED = "refused"
WORDS_SHARE = 0.2
"""Of the mutants that are command lines."""
LINES = (
    ["ingest", "movie.tif", "--culture", "new", "--masks", "labels.tif", "--min-area", "20", "--frame-interval", "2"],
    ["ingest-traces", "wide.csv", "--culture", "new", "--positions", "places.csv", "--frame-interval", "2"],
    ["fit", "kept", "--null", "0", "--model", "crlsm"],
    ["events", "kept", "--min-snr", "5"],
    ["annotate", "kept", "dose=2.5", "--cells", "1-3"],
    ["curate", "kept", "--masks", "labels.tif"],
    ["query", "cells", "-p", "culture=kept", "--format", "json"],
    ["query", "--cypher", "MATCH (c:Cell) WHERE c.label > 1 RETURN count(c) AS n"],
    ["compare", "kept", "kept2", "--by", "condition"],
    ["compare", "--experiment", "E", "--model", "crlsm"],
    ["picture", "kept", "graph", "-o", "out.png"],
    ["export", "kept", "-o", "out.geojson"],
    ["status"],
    ["run", "plan.toml", "--dry-run"],
    ["simulate", "new.tif", "--cells", "9", "--frames", "5", "--size", "40", "--seed", "1"],
    ["delete", "nobody"],
    ["forecast", "kept", "--train", "kept2", "--ahead", "5", "--within", "60"],
    ["verify", "kept", "--repair", "--format", "json"],
    ["backup", "out"],
    ["restore", "out"],
    ["migrate"],
    ["report", "kept", "-o", "out.html"],
)


@dataclass(frozen=True)
class Finding:
    """What became of a mutant."""

    number: int
    kind: str
    way: str
    what: str
    """What it did that none may; empty where it did well."""
    refused: bool = False


class Tried:
    """Seeds, what they give whole, and the trying of one mutant; in the process that tries."""

    def __init__(self, folder: Path, seed: int, seeds: list[Seed]) -> None:
        self.folder, self.seed, self.seeds = folder, seed, seeds
        self.here = folder / f"here-{os.getpid()}"
        self._whole: dict[str, Any] = {}

    def prepare(self) -> None:
        """A workspace for command lines, whose engine stays."""
        from calcigraph.cli.app import run
        from calcigraph.store.graph import Graph

        self.workspace = self.folder / f"workspace-{os.getpid()}"
        os.chdir(self.folder / "seeds")
        start = ["--workspace", str(self.workspace)]
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            for name in ("kept", "kept2"):
                line = [*LINES[0]]
                line[3] = name
                assert run([*start, *line, "--experiment", "E", "--condition", name]) == 0
        self.graph = Graph.open(self.workspace)

    def close(self) -> None:
        """End what `prepare` began."""
        self.graph.close()

    def one(self, number: int) -> Finding:
        """Try one mutant."""
        rng = random.Random(f"{self.seed}:{number}")
        if rng.random() < WORDS_SHARE:
            line = mutants.words(list(rng.choice(LINES)), rng)
            return self._judged(number, "words", " ".join(map(repr, line)), lambda: self._command(line))
        seed = rng.choice(self.seeds)
        shutil.rmtree(self.here, ignore_errors=True)
        shutil.copytree(self.folder / "seeds", self.here)
        os.chdir(self.here)
        path = self.here / seed.path.name
        way = mutants.damage(path, rng)
        if path.is_file() and path.read_bytes() == seed.path.read_bytes():
            return Finding(number, seed.kind, "no change", "")
        return self._judged(number, seed.kind, way, lambda: self._file(seed, path, way))

    def _judged(self, number: int, kind: str, way: str, work: Callable[[], str]) -> Finding:
        from calcigraph.errors import CalcigraphError

        before = peak_mb(reset=True)
        begun, refused = time.monotonic(), False
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                wrong = work()
        except CalcigraphError as error:
            line, refused = str(error), True
            wrong = "" if line.strip() and "\n" not in line and len(line) < 2000 else f"not one line: {line[:300]!r}"
        except BaseException:
            wrong = traceback.format_exc(limit=-3).strip()
        taken = peak_mb() - before
        if wrong == REFUSED:
            wrong, refused = "", True
        if not wrong and taken > MOST_MB:
            wrong = f"took {taken:.0f} MB"
        if not wrong and time.monotonic() - begun > LONGEST_S:
            wrong = f"took {time.monotonic() - begun:.0f} s"
        return Finding(number, kind, way, wrong, refused)

    def _command(self, line: list[str]) -> str:
        from calcigraph.cli.app import run

        os.chdir(self.folder / "seeds")
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            code = run(["--workspace", str(self.workspace), *line])
        if code not in (0, 1, 2):
            return f"code {code}"
        lines = [text for text in err.getvalue().splitlines() if text.startswith("calcigraph: ")]
        return "" if code == 0 else REFUSED if lines else f"code {code} without a line: {err.getvalue()[-200:]}"

    def _file(self, seed: Seed, path: Path, way: str) -> str:
        found = self._taken(seed, path)
        if way not in seed.telling:
            return ""
        if seed.kind not in self._whole:
            self._whole[seed.kind] = self._taken(seed, seed.path)
        whole = self._whole[seed.kind]
        return (
            "" if found["pixels"] == whole["pixels"] or found["warnings"] != whole["warnings"] else "passed for whole"
        )

    def _taken(self, seed: Seed, path: Path) -> dict[str, Any]:
        """What is made of a file: pixels or traces, and the warnings."""
        from calcigraph.ingest import IngestOptions, ingest_movie, ingest_traces
        from calcigraph.ingest.options import TraceOptions
        from calcigraph.plan import read_plan

        if seed.role == "plan":
            read_plan(path)
            return {}
        if seed.role == "traces":
            places = None if "long" in path.name else "places.csv"
            data = ingest_traces(str(path), culture="a", options=TraceOptions(frame_interval_s=2.0, positions=places))
            return {"pixels": data.cells.intensity.tobytes(), "warnings": data.culture.warnings}
        movie, masks = (path, "labels.tif") if seed.role == "movie" else (self.here / "movie.tif", str(path))
        options = IngestOptions(frame_interval_s=2.0, masks=masks, min_area=20)
        store = self.here / "store.ome.zarr"
        shutil.rmtree(store, ignore_errors=True)
        data = ingest_movie(str(movie), culture="a", options=options, store_path=store, version="0")
        return {"pixels": data.cells.intensity.tobytes(), "warnings": data.culture.warnings}


def peak_mb(reset: bool = False) -> float:
    """Most memory of this process since the last reset."""
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def timed(work: Callable[[], str]) -> tuple[float, str]:
    """How many seconds it takes, and what it says."""
    begun = time.monotonic()
    said = work()
    return time.monotonic() - begun, said


def hunt(folder: Path, seed: int, numbers: Sequence[int]) -> Iterator[Finding]:
    """Try mutants, in processes of their own; each number with what it did."""
    left, seeds = list(numbers), make_seeds(folder / "seeds")
    while left:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            code = 1
            faulthandler.enable(open(folder / "crash.txt", "w"))  # noqa: SIM115
            try:
                _try_all(folder, seed, seeds, left, writing)
                code = 0
            except BaseException:
                (folder / "crash.txt").write_text(traceback.format_exc())
            os._exit(code)
        os.close(writing)
        last = None
        try:
            for kind, number, finding in _heard(reading):
                last = number
                if kind == "done":
                    left.remove(number)
                    yield Finding(**finding)
                elif kind == "hung":
                    break
        finally:
            os.close(reading)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        if last is None:
            raise RuntimeError("the process that tries mutants ended before it began")
        if last in left:  # it was being tried when the process ended
            left.remove(last)
            yield Finding(
                last,
                "?",
                "?",
                f"hung for {LONGEST_S + 10:.0f} s, or ended its process: {os.waitstatus_to_exitcode(status)} "
                + (folder / "crash.txt").read_text()[-1500:],
            )


def _heard(pipe: int) -> Iterator[tuple[str, int, Any]]:
    number, text = -1, b""
    while True:
        ready, _, _ = select.select([pipe], [], [], 120 if number < 0 else LONGEST_S + 10)
        if not ready:
            yield "hung", number, None
            return
        more = os.read(pipe, 2**16)
        if not more:
            return
        *lines, text = (text + more).split(b"\n")
        for line in lines:
            kind, number, finding = json.loads(line)
            yield kind, number, finding


def _try_all(folder: Path, seed: int, seeds: list[Seed], numbers: Sequence[int], writing: int) -> None:
    os.setsid()
    with os.fdopen(writing, "w", buffering=1) as pipe:
        tried = Tried(folder, seed, seeds)
        tried.prepare()
        pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (pages + GUARD_MB * 2**20,) * 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what decoders in C print
        for number in numbers:
            pipe.write(json.dumps(["begun", number, None]) + "\n")
            finding = tried.one(number)
            pipe.write(json.dumps(["done", number, finding.__dict__]) + "\n")
        tried.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print findings and a summary; 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument(
        "--seed", type=int, help="only this one; else half of the mutants with seed 0, half with a new one"
    )
    parser.add_argument("--only", type=int, nargs="+", help="numbers of mutants")
    given = parser.parse_args(arguments)
    fresh = int(np.random.SeedSequence().generate_state(1)[0])
    seeds = [0, fresh] if given.seed is None else [given.seed]
    tried: list[Finding] = []
    begun = time.monotonic()
    for seed in seeds:
        print(f"fuzz: seed {seed}", flush=True)
        numbers = given.only or range(given.mutants // len(seeds))
        with tempfile.TemporaryDirectory(prefix="calcigraph-fuzz-") as folder:
            for each in hunt(Path(folder), seed, numbers):
                tried.append(each)
                if each.what:
                    print(f"FOUND seed {seed} mutant {each.number} ({each.kind}, {each.way[:300]}):", flush=True)
                    print(f"    {each.what}", flush=True)
    print(f"{'kind':12} mutants refused taken wrong")
    for kind in sorted({each.kind for each in tried}):
        these = [each for each in tried if each.kind == kind]
        refused, wrong = sum(each.refused for each in these), sum(bool(each.what) for each in these)
        print(f"{kind:12} {len(these):7} {refused:7} {len(these) - refused - wrong:5} {wrong:5}")
    wrong = sum(bool(each.what) for each in tried)
    print(f"{len(tried)} mutants in {time.monotonic() - begun:.0f} s, {wrong} findings")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
