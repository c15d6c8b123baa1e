"""Measure everything that docs/identification.md says, and write its tables and pictures: `make identification`.

    python benchmarks/page.py [--only SECTION ...] [--quick] [--redraw] [--cultures 20] [--processes 2]

Raw results are kept beside the pictures in docs/identification/, one CSV a section, so that --redraw makes the page
again without measuring, and --only measures some sections and leaves the others as they are. Prose is the page's own:
only what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` is replaced.

--quick measures a few cultures a section, to try it; its page goes to .cache/identification and no claim rests on it.
Of the libraries compared the dependency group `bench` has PySINDy and DeepXDE.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

import axes
import axes_table
from axes_picture import axes_picture
from page_pictures import PICTURES, draw
from page_runs import SECTIONS, Plan, keep
from page_tables import BLOCKS, Data

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "identification.md"
QUICK = REPOSITORY / ".cache" / "identification"


def measure(names: list[str], plan: Plan, folder: Path) -> None:
    """Run the sections and keep their results and how long they took."""
    for name in names:
        began = time.perf_counter()
        results = SECTIONS[name](plan)
        if not results:
            continue
        keep(results, folder)
        took = max(time.perf_counter() - began, axes.spent(results.get("axes.csv", []), plan.processes))
        note_seconds(name, took, folder)
        print(f"{name:12} {took / 60:6.1f} minutes", flush=True)


def note_seconds(name: str, took: float, folder: Path) -> None:
    table = Data(folder).table("seconds.csv")
    known = {} if not len(table) else dict(zip(table["section"], table["seconds"], strict=True))
    known[name] = took
    rows = [{"section": section, "seconds": known[section]} for section in SECTIONS if section in known]
    keep({"seconds.csv": rows}, folder)


def filled(text: str, data: Data) -> str:
    """The page's text with every block made anew. Ends the run where the page lacks a block's markers."""
    for name, block in (BLOCKS | axes_table.BLOCKS).items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            sys.exit(f"{PAGE.name} has no place, or several, for the block {name}: write its two markers once")
        made = block(data)
        text = pattern.sub(lambda found, made=made: f"{found[1]}{made}\n{found[2]}", text)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="a few cultures each, into .cache/identification")
    parser.add_argument("--redraw", action="store_true", help="make the page from the results that are there")
    parser.add_argument("--cultures", type=int, help="of each line of section axes")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    page = QUICK / PAGE.name if asked.quick else PAGE
    folder = page.parent / "identification"
    folder.mkdir(parents=True, exist_ok=True)
    if not asked.redraw:
        measure(asked.only or list(SECTIONS), Plan(asked.quick, asked.processes, asked.cultures), folder)
    data = Data(folder)
    draw(data, folder, PICTURES | {"axes": axes_picture})
    page.write_text(filled(PAGE.read_text(encoding="utf-8"), data), encoding="utf-8")
    print(f"wrote {page.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
