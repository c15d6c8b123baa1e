"""One row of the table of speed, and how rows are compared with those of an earlier run: benchmarks/baseline.json.

What is kept are ratios against a baseline that ran beside it, never seconds: those depend on the machine and its load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STORED = Path(__file__).resolve().with_suffix(".json")
LOSS = 0.2
"""Share of a ratio whose loss is told."""


@dataclass(frozen=True)
class Row:
    """One piece of work."""

    work: str
    measured: float
    asked: float
    unit: str
    """Of both: "times" for a ratio, "s" for seconds, "s of processor"."""
    ratio: float
    """How many times as fast as the baseline, in the same run: larger is better."""
    baseline: str
    """What that is."""
    at_most: bool = True
    """Whether `asked` is the largest value allowed, or the smallest."""
    clock: float | None = None
    """As `measured`, by the clock instead of the processor; None where only the processor was looked at."""

    @property
    def met(self) -> bool:
        return self.measured <= self.asked if self.at_most else self.measured >= self.asked


def losses(rows: Sequence[Row], stored: Mapping[str, float]) -> list[str]:
    """A line for each row whose ratio is a fifth or more below the stored one, and for rows that only one side has.

    >>> row = Row("load", 2.0, 2.0, "times", 2.0, "plain UNWIND", at_most=False)
    >>> losses([row], {"load": 2.4}), losses([row], {"load": 3.0})
    ([], ['load: 2 times plain UNWIND, and was 3: 33 % slower'])
    """
    found = []
    for row in rows:
        before = stored.get(row.work)
        if before is None:
            found.append(f"{row.work}: not in the stored baseline; --keep stores it")
        elif row.ratio <= (1 - LOSS) * before:
            lost = 100 * (1 - row.ratio / before)
            found.append(f"{row.work}: {row.ratio:.3g} times {row.baseline}, and was {before:.3g}: {lost:.0f} % slower")
    return found


def read(path: Path = STORED) -> dict[str, float]:
    """The stored ratios by work; none where there is no such file."""
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def keep(rows: Sequence[Row], path: Path = STORED) -> None:
    """Store the ratios of these rows, three digits each; those of others stay."""
    ratios = read(path) | {row.work: float(f"{row.ratio:.3g}") for row in rows}
    path.write_text(json.dumps(ratios, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def table(rows: Sequence[Row]) -> str:
    """As Markdown: what is missed first."""
    lines = [
        "| work | measured | by the clock | asked | | how many times as fast as |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(rows, key=lambda row: row.met):
        word = "met" if row.met else "**missed**"
        clock = "" if row.clock is None else f"{row.clock:.3g} {row.unit}"
        asked = f"{'at most' if row.at_most else 'at least'} {row.asked:g} {row.unit}"
        lines.append(
            f"| {row.work} | {row.measured:.3g} {row.unit} | {clock} | {asked} | {word} "
            f"| {row.ratio:.3g}: {row.baseline} |"
        )
    return "\n".join(lines)
