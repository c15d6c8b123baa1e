"""Seconds of processor of `calcigraph --help` and `calcigraph status`, beside a Python that imports NumPy.

    python benchmarks/startup.py [--repeats 5] [--workspace FOLDER]

`status` is asked of a workspace with one culture, or of FOLDER; the engine that it starts is counted too.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from many import build

from calcigraph.store import Graph

PLAIN = [sys.executable, "-c", "import numpy"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "calcigraph", *words]


def processor_s(words: Sequence[str]) -> float:
    """Of a command with all that it starts and waits for."""

    def children() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = children()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEO4J_")}
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)
    return children() - before


def least(repeats: int, **commands: Sequence[str]) -> dict[str, float]:
    """The least of several runs of each, in turns."""
    turns = [{name: processor_s(words) for name, words in commands.items()} for _ in range(repeats)]
    return {name: min(turn[name] for turn in turns) for name in commands}


def measured(repeats: int, workspace: Path | None = None) -> dict[str, float]:
    """`help`, `status` and `plain`."""
    with tempfile.TemporaryDirectory() as folder:
        place = workspace or Path(folder) / "workspace"
        if workspace is None:
            with Graph.open(place) as graph:
                build(graph, 1, 100, 100)
        status = command("--workspace", str(place), "status")
        return least(repeats, help=command("--help"), status=status, plain=PLAIN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workspace", type=Path)
    asked = parser.parse_args()
    found: Callable[[str], float] = measured(asked.repeats, asked.workspace).__getitem__
    for name in ("help", "status", "plain"):
        print(f"{name:8}{found(name):8.2f} s of processor{found(name) / found('plain'):8.2f} times importing NumPy")


if __name__ == "__main__":
    main()
