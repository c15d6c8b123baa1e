"""Is the interval of k right where tissue departs from what a model assumes? One line for each way to depart.

    python benchmarks/axes.py [--cultures 20] [--line NAME ...] [--processes 2]

Every culture is fitted by the default model of `fit`, which may hand over to another estimator and records it, and by
`decorrelation`. benchmarks/axes_lines.py has the cultures, benchmarks/axes_table.py what is asked of them. All are
traces: what only a movie shows, such as `ingest --detrend`, is not measured here.

Fits are kept in .cache/axes as they come, in a file for this state of models/ and of the lines. A run that was ended,
or asks for more cultures, goes on where the last one stopped; after a change of the code all is measured anew.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas
from axes_lines import LINES

from calcigraph.errors import FitError
from calcigraph.models import fit
from calcigraph.models.table import DEFAULT_MODEL
from calcigraph.store.types import Subgraph

REPOSITORY = Path(__file__).resolve().parents[1]
KEPT = REPOSITORY / ".cache" / "axes"
CULTURES = 20
MODELS = (DEFAULT_MODEL, "decorrelation")
FAILED = "no fit"
"""The word where a model refuses the culture."""
Task = tuple[str, int]
"""The name of a line and the number of a culture."""


@dataclass(frozen=True)
class Row:
    """One fit of one culture; what a fit does not give is None."""

    line: str
    culture: int
    model: str
    cells: int
    """Cells that the picture shows."""
    k: float
    """The true one, 1/s."""
    noise: float
    k_hat: float | None = None
    low: float | None = None
    high: float | None = None
    word: str = FAILED
    estimator: str | None = None
    """That which answered, if the fit records it."""
    k_p: float | None = None
    """p of the null of k."""
    sync_p: float | None = None
    seconds: float = 0.0


def fits(task: Task) -> list[Row]:
    """Simulate one culture, and fit it by every model."""
    name, number = task
    culture = LINES[name].culture(number)
    graph, options = culture.subgraph(), culture.options
    return [
        fitted(graph, Row(name, number, model, cells=len(graph.labels), k=options.k, noise=options.trace_noise))
        for model in MODELS
    ]


def fitted(graph: Subgraph, about: Row) -> Row:
    began = time.perf_counter()
    known = asdict(about)
    try:
        found = fit(graph, about.model, LINES[about.line].fit_options(about.culture))
    except FitError as error:
        print(f"{about.line}, culture {about.culture}, {about.model}: {error}", file=sys.stderr)
        return Row(**known)
    known |= {"k_hat": found.k, "low": found.k_low, "high": found.k_high, "word": found.identified}
    known |= {"estimator": found.facts.get("estimator"), "k_p": found.null_k_p, "sync_p": found.null_sync_p}
    return Row(**known | {"seconds": round(time.perf_counter() - began, 3)})


def measured(names: Sequence[str], cultures: int, processes: int) -> pandas.DataFrame:
    """All fits of these lines, one row a fit, in their order; those that are kept already are not made again."""
    KEPT.mkdir(parents=True, exist_ok=True)
    place = KEPT / f"{state()}.csv"
    if not place.is_file():
        append(place, [], head=True)
    known = kept(place)
    there = set(zip(known["line"], known["culture"], strict=True))
    count = {name: cultures * LINES[name].times for name in names}
    wanted = [(name, number) for name in names for number in range(count[name])]
    # Whatever is there when it is stopped covers all lines alike.
    wanted.sort(key=lambda task: task[1] / LINES[task[0]].times)
    missing = [task for task in wanted if task not in there]
    for done, rows in enumerate(computed(missing, processes), start=1):
        append(place, map(asdict, rows))
        if sys.stderr.isatty():
            print(f"\r{done} of {len(missing)} cultures, {rows[0].line:20}", end="", file=sys.stderr, flush=True)
    found = kept(place)
    order = {name: at for at, name in enumerate(names)}
    chosen = found[found["line"].isin(order) & (found["culture"] < found["line"].map(count))]
    by = chosen.assign(at=chosen["line"].map(order), second=chosen["model"] != DEFAULT_MODEL)
    return by.sort_values(["at", "culture", "second"]).drop(columns=["at", "second"]).reset_index(drop=True)


def spent(rows: Iterable[Mapping[str, Any]], processes: int) -> float:
    """About how many seconds the fits took, also those that an earlier run has made."""
    return sum(row["seconds"] for row in rows) / processes


def computed(tasks: Sequence[Task], processes: int) -> Iterable[list[Row]]:
    """What `fits` gives of the tasks, as it comes; one thread a process."""
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[threads] = "1"
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for future in as_completed([pool.submit(fits, task) for task in tasks]):
            yield future.result()


def state() -> str:
    """What the code that makes the numbers is, in 12 hex digits."""
    files = [*sorted((REPOSITORY / "models").rglob("*.py")), Path(__file__).with_name("axes_lines.py")]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]


def append(place: Path, rows: Iterable[dict[str, Any]], head: bool = False) -> None:
    """Write the rows at the end of the file, `head` before them the names of the columns."""
    with place.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [column.name for column in fields(Row)], lineterminator="\n")
        if head:
            writer.writeheader()
        writer.writerows(rows)


def kept(place: Path) -> pandas.DataFrame:
    return pandas.read_csv(place, keep_default_na=False, na_values=[""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=CULTURES, help="of every line")
    parser.add_argument("--line", nargs="+", choices=list(LINES), default=list(LINES), metavar="NAME")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    from axes_table import told

    began = time.perf_counter()
    print(told(measured(asked.line, max(1, asked.cultures), asked.processes)))
    print(f"\n{(time.perf_counter() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
