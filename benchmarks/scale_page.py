"""Write the tables of docs/scale.md from what benchmarks/scale.py measured: `python benchmarks/scale_page.py`."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
CULTURES = 10_000
"""Of a core facility."""
DAY_S = 86_400
MACHINES = {"laptop": (4, 1, 500), "workstation": (32, 20, 500), "cluster": (128, 100, 1250)}
"""Cores, TB of disk, and MB/s of it; the cluster's are 10 Gbit/s."""
GIGABIT_MB = 125
"""MB/s of a line of 1 Gbit/s."""


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """A table of Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read(name: str) -> list[dict[str, str]]:
    """A table that scale.py wrote."""
    with (DOCS / "scale" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def arithmetic() -> list[dict[str, str]]:
    """What follows for each size of film."""
    sizes = read("sizes")
    columns = {row["film"]: _of(row) for row in sizes}
    names = next(iter(columns.values()))
    return [{"what follows": name, **{film: values[name] for film, values in columns.items()}} for name in names]


def _of(row: Mapping[str, str]) -> dict[str, str]:
    work = sum(float(row[step]) for step in ("ingest_s", "fit_s", "events_s"))
    moved = float(row["film_MB"]) + float(row["store_MB"])
    kept = float(row["store_MB"]) + float(row["graph_MB"])
    found = {
        "cultures a day and core": f"{round(DAY_S / work, -2):,.0f}",
        f"{CULTURES:,} cultures: core hours": f"{CULTURES * work / 3600:.0f}",
        f"{CULTURES:,} cultures: films, TB": f"{CULTURES * float(row['film_MB']) / 1e6:.1f}",
        f"{CULTURES:,} cultures: stores, TB": f"{CULTURES * float(row['store_MB']) / 1e6:.1f}",
        f"{CULTURES:,} cultures: graph, GB": f"{CULTURES * float(row['graph_MB']) / 1e3:.0f}",
        "cores that one core of the graph's engine keeps busy": f"{work / float(row['engine_s']):.0f}",
        "cores that 1 Gbit/s for films and stores keeps busy": f"{work * GIGABIT_MB / moved:.1f}",
        "cores that one `fit` command keeps busy": f"{float(row['fit_s']) / float(row['pull_s']):.0f}",
    }
    for name, (cores, disk, speed) in MACHINES.items():
        hours = max(CULTURES * work / cores, CULTURES * moved / speed) / 3600
        found[f"{name}: hours for {CULTURES:,}"] = f"{hours:.1f}"
        found[f"{name}: cultures on its disk"] = f"{round(disk * 1e6 / kept, -2):,.0f}"
    return found


def filled(page: str) -> str:
    """The page with all its tables; each stands below a mark of its name."""
    tables = {name: table(read(name)) for name in ("sizes", "many", "workers")} | {"arithmetic": table(arithmetic())}
    for name, text in tables.items():
        page = re.sub(rf"(<!-- {name} -->\n)\n*(\|.*\n)*", rf"\1\n{text}\n", page)
    return page


if __name__ == "__main__":
    path = DOCS / "scale.md"
    path.write_text(filled(path.read_text()))
