"""The tables of docs/speed.md, and its picture of growth, from what benchmarks/speed.py and growth.py have kept.

python benchmarks/speed_page.py        make them anew without measuring
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from baseline import Row, table

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE, FOLDER = REPOSITORY / "docs" / "speed.md", REPOSITORY / "docs" / "speed"
GROWTH = {
    "frames": ("ingest against frames (256 x 256 px)", "frames"),
    "pixels": ("ingest against pixels (32 frames)", "side, px"),
    "cells": ("cells into the graph (100 frames)", "cells"),
    "cultures": ("cultures into one graph (50 cells each)", "cultures"),
}
"""What grows: the title of its panel, and its axis."""


def kept(name: str) -> list[dict[str, str]]:
    """The rows of a file that was measured; none where it was not."""
    path = FOLDER / name
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of log y against log x, by least squares: 1 is linear.

    >>> round(slope([1, 2, 4], [3, 6, 12]), 3)
    1.0
    """
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def added(mb: Sequence[float], cpu: Sequence[float]) -> float:
    """The exponent of what each size takes more than the smallest: what it takes to start is in all of them.

    >>> round(added([1, 2, 4, 8], [1.1, 1.2, 1.4, 1.8]), 3)
    1.0
    """
    return slope([each - mb[0] for each in mb[1:]], [each - cpu[0] for each in cpu[1:]])


def growth_table(rows: Sequence[dict[str, str]]) -> str:
    """One line a size."""
    lines = ["| grows | size | input, MB | seconds of processor | memory, MB |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        values = (row["axis"], row["size"], row["input_mb"], row["cpu_s"], row["memory_mb"])
        lines.append(f"| {' | '.join(values)} |")
    for axis in GROWTH:
        part = [row for row in rows if row["axis"] == axis]
        if part:
            mb, cpu = ([float(row[name]) for row in part] for name in ("input_mb", "cpu_s"))
            lines.append(f"| {axis} | exponent of what is added | | {added(mb, cpu):.2f} | |")
    return "\n".join(lines)


def stores_table(rows: Sequence[dict[str, str]]) -> str:
    """Seconds of processor of each library, and how much more than own code."""
    lines = [
        "| library | import | write | read every frame | all, against own code |",
        "| --- | --- | --- | --- | --- |",
    ]
    totals = [sum(float(row[name]) for name in ("import_s", "write_s", "read_s")) for row in rows]
    for row, total in zip(rows, totals, strict=True):
        cells = (row["library"], row["import_s"], row["write_s"], row["read_s"], f"{total - totals[0]:+.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(rows: Sequence[dict[str, str]]) -> None:
    """docs/speed/growth.png: four panels, logarithmic, seconds of the processor and memory against the input."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, panels = pyplot.subplots(1, 4, figsize=(12, 3.2), constrained_layout=True)
    for panel, (axis, (title, unit)) in zip(panels, GROWTH.items(), strict=True):
        part = [row for row in rows if row["axis"] == axis]
        sizes, mb, cpu, memory = (
            [float(row[name]) for row in part] for name in ("size", "input_mb", "cpu_s", "memory_mb")
        )
        panel.loglog(mb, cpu, "o-", color="#0072B2", label="seconds of processor")
        panel.loglog(mb, memory, "s--", color="#D55E00", label="memory, MB")
        line = np.geomspace(mb[0], mb[-1])
        straight = cpu[0] + (cpu[-1] - cpu[0]) * (line - mb[0]) / (mb[-1] - mb[0])
        panel.loglog(line, straight, ":", color="0.5", label="the start, and linear")
        for x, y, size in zip(mb, cpu, sizes, strict=True):
            panel.annotate(f"{size:g}", (x, y), textcoords="offset points", xytext=(0, 7), ha="center", fontsize=7)
        panel.set(
            title=f"{title}\nexponent of what is added {added(mb, cpu):.2f}", xlabel=f"input, MB (labels: {unit})"
        )
        panel.title.set_fontsize(8)
        panel.xaxis.label.set_fontsize(8)
        panel.tick_params(labelsize=7)
        panel.xaxis.set_minor_formatter(ticker.NullFormatter())
        panel.set_ylim(0.5, 2000)
        panel.margins(x=0.12)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=7)
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / "growth.png", dpi=130, metadata={"Software": None})
    pyplot.close(figure)


def fill(rows: Sequence[Row]) -> None:
    """Put the tables between their marks in the page, and draw the picture."""
    grown, stores = kept("growth.csv"), kept("stores.csv")
    blocks = {"speed": table(rows), "growth": growth_table(grown), "stores": stores_table(stores)}
    if grown:
        draw(grown)
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            sys.exit(f"{PAGE.name} has no place, or several, for the block {name}: write its two marks once")
        text = pattern.sub(lambda found, block=block: f"{found[1]}\n{block}\n\n{found[2]}", text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    from speed import read_rows

    fill(read_rows())
