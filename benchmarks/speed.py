"""The table of speed: what each piece of work takes, what is asked of it, and whether it has become slower.

    python benchmarks/speed.py                     all rows, then the table and the comparison with the stored baseline
    python benchmarks/speed.py --only pass fit     some rows
    python benchmarks/speed.py --page --minutes 8  what can be begun within 8 minutes; the other rows stay as they are
    python benchmarks/speed.py --keep              store the ratios: benchmarks/baseline.json
    python benchmarks/speed.py --page              write the rows to docs/speed/ and the tables of docs/speed.md

Every row is measured in turns with its baseline, in seconds of the processor, of all threads and engines together.
Where two threads share the work on two free cores, what passes is up to half of that: "by the clock" says so, where
nothing else runs on the machine. Warns of a ratio that is a fifth below the stored one; ends with 1 then only with
--strict.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import baseline
import denoise
import fit_time
import graph
import many
import startup
import whole_ingest
from baseline import Row
from movies import FRAMES, make_movie

from calcigraph.store import Graph

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE, FOLDER = REPOSITORY / "docs" / "speed.md", REPOSITORY / "docs" / "speed"
CELLS = 10_000
LARGE_FRAMES = 120
"""Of the larger movie that is ingested: all of them would take minutes, and the ratio does not depend on them."""
STACK, LEAST, NUMPY = "the paper's stack", "a copy and the compressed write", "a Python that imports NumPy"


def pass_rows() -> Iterator[Row]:
    """Median, logarithm, eq. 23 and the compressed write."""
    with tempfile.TemporaryDirectory() as folder:
        make_movie(Path(folder), 512, FRAMES)
        found = denoise.measured(Path(folder), FRAMES, 3)
    mine, plain, least = (found[name].cpu_s for name in ("ours", "plain", "least"))
    clock = found["plain"].wall_s / found["ours"].wall_s
    work = "median, log, eq. 23, store: 361 x 512 x 512"
    yield Row(work, plain / mine, 40, "times", plain / mine, STACK, at_most=False, clock=clock)
    yield Row(f"{work}, against what cannot be spared", mine / least, 4, "times", least / mine, LEAST)


def ingest_rows() -> Iterator[Row]:
    """Whole ingest, the graph included."""
    for size, asked in whole_ingest.GOALS.items():
        frames = FRAMES if size == min(whole_ingest.GOALS) else LARGE_FRAMES
        with tempfile.TemporaryDirectory() as folder:
            found = whole_ingest.measured(Path(folder), size, frames, 2)
        plain, mine = found["plain"], found["ours"]
        ratio, clock = plain.cpu_s / mine.cpu_s, plain.wall_s / mine.wall_s
        work = f"whole ingest to the graph: {frames} x {size} x {size}"
        yield Row(work, ratio, asked, "times", ratio, STACK, at_most=False, clock=clock)


def graph_rows() -> Iterator[Row]:
    """Load and pull of a large culture on each engine."""
    for name in many.ENGINES:
        with (
            tempfile.TemporaryDirectory() as temporary,
            many.engine(name, Path(temporary) / "server"),
            Graph.open(Path(temporary) / "workspace") as opened,
        ):
            cells = CELLS if name == "embedded" else 4000
            # A Neo4j's Java translates what runs often: its first loads take twice as long as later ones.
            found = graph.measured(opened, cells, FRAMES, 2 if name == "embedded" else 6)
        sides = {"load": ("plain load", "load"), "pull": ("row per contact", "pull")}
        load, pull = (found[plain].cpu_s / found[mine].cpu_s for plain, mine in sides.values())
        load_clock, pull_clock = (found[plain].wall_s / found[mine].wall_s for plain, mine in sides.values())
        work = f"load of {cells:,} cells x 361: {name}"
        yield Row(work, load, 2, "times", load, "plain UNWIND of 1,000 rows", False, load_clock)
        work = f"subgraph to arrays: {name}"
        yield Row(work, pull, 2, "times", pull, "the plain query, a row per contact", False, pull_clock)


def many_rows() -> Iterator[Row]:
    """Questions in a graph of many cultures on each engine."""
    for name in many.ENGINES:
        # A Neo4j of Maven's jars has another password at each start, so that its graph is built anew.
        place = many.KEPT if name == "embedded" else Path(tempfile.mkdtemp())
        with many.engine(name, place / "server"):
            for what, (ours, plain) in many.report(place, 100, 1000, FRAMES).items():
                ratio = plain.cpu_s / max(ours.cpu_s, 1e-3)
                work = f"{what}, 100 cultures x 1,000 cells: {name}"
                yield Row(work, ours.cpu_s, 1, "s", ratio, "pulling the cells of one of its cultures")
        if name != "embedded":
            shutil.rmtree(place, ignore_errors=True)


def fit_rows() -> Iterator[Row]:
    """A fit with intervals."""
    found = fit_time.measured(CELLS, FRAMES, 1)
    mine, plain = found["without null"], found["crlsm"].cpu_s
    work = f"fit with intervals, {CELLS:,} cells x {FRAMES}"
    yield Row(work, mine.cpu_s, 5, "s", plain / mine.cpu_s, "the paper's least squares alone", clock=mine.wall_s)


def start_rows() -> Iterator[Row]:
    """Commands that only say something."""
    found = startup.measured(5)
    for name, asked in (("help", 0.4), ("status", 1.5)):
        words = "--help" if name == "help" else name
        yield Row(f"calcigraph {words}", found[name], asked, "s", found["plain"] / found[name], NUMPY)


PARTS: dict[str, Callable[[], Iterable[Row]]] = {
    "start": start_rows,
    "fit": fit_rows,
    "pass": pass_rows,
    "ingest": ingest_rows,
    "graph": graph_rows,
    "many": many_rows,
}


def write_rows(rows: Sequence[Row], folder: Path = FOLDER) -> list[Row]:
    """Keep the rows as a CSV beside those of other parts; return all of them, in the order of PARTS."""
    path = folder / "table.csv"
    folder.mkdir(parents=True, exist_ok=True)
    known = {row.work: row for row in read_rows(path)} | {row.work: row for row in rows}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in known.values():
            values = asdict(row)
            given = (name for name in ("measured", "asked", "ratio", "clock") if values[name] is not None)
            writer.writerow(values | {name: f"{values[name]:.3g}" for name in given})
    return list(known.values())


def read_rows(path: Path = FOLDER / "table.csv") -> list[Row]:
    """The rows that were kept."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                work=row["work"],
                measured=float(row["measured"]),
                asked=float(row["asked"]),
                unit=row["unit"],
                ratio=float(row["ratio"]),
                baseline=row["baseline"],
                at_most=row["at_most"] == "True",
                clock=float(row["clock"]) if row.get("clock") else None,
            )
            for row in csv.DictReader(file)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--keep", action="store_true", help="store the ratios as the baseline of later runs")
    parser.add_argument("--page", action="store_true", help="write the rows to docs/speed/ and the page's table")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no part after so many minutes")
    parser.add_argument("--strict", action="store_true", help="end with 1 where something has become slower")
    asked = parser.parse_args()
    rows: list[Row] = []
    begun = time.monotonic()
    for part in asked.only or PARTS:
        if time.monotonic() - begun > 60 * asked.minutes:
            print(f"{part}: left out, as {asked.minutes:g} minutes have passed", flush=True)
            continue
        for row in PARTS[part]():
            rows.append(row)
            clock = "" if row.clock is None else f", {row.clock:.3g} {row.unit} by the clock"
            print(f"{row.work}: {row.measured:.3g} {row.unit}{clock}", flush=True)
            if asked.page:  # at once: a long run may be broken off
                write_rows([row])
    slower = baseline.losses(rows, baseline.read())
    print(f"\n{baseline.table(rows)}\n")
    for line in slower:
        print(f"slower than stored: {line}")
    if asked.keep:
        baseline.keep(rows)
    if asked.page:
        import speed_page

        speed_page.fill(read_rows())
    sys.exit(1 if slower and asked.strict else 0)


if __name__ == "__main__":
    main()
