"""How commands speak: tables, JSON and CSV on stdout; progress and notes on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import accumulate
from typing import Annotated, Any

import typer

from calcigraph.store.types import Progress, silent

Record = Mapping[str, Any]

ABSENT = "-"
GAP = 2
FEW_ROWS = 6
LONGEST = 60
PIPE_COLUMNS = 200
"""A table into a pipe or file is cut here too: --format csv is for programs."""


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    csv = "csv"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print: an aligned table, JSON or CSV.")]


def show(columns: Sequence[str], records: Sequence[Record], form: Format) -> None:
    """Print records (plain Python values, None for absent) on stdout, columns in the order given."""
    if form is Format.json:
        print(json.dumps([{name: record.get(name) for name in columns} for record in records], allow_nan=False))
    elif form is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_field(record.get(name)) for name in columns] for record in records)
    else:
        _show_table(columns, records)


def _field(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) else value


def _show_table(columns: Sequence[str], records: Sequence[Record]) -> None:
    """Aligned columns; few rows that are wider than the screen are turned on their side, a row a column."""
    if not records:
        note("no rows")
    rows = [list(columns), *([_cell(record.get(name)) for name in columns] for record in records)]
    if _reach(_widths(rows))[-1] > _room() and 0 < len(records) <= FEW_ROWS < len(columns):
        given = [line for line in zip(*rows, strict=True) if set(line[1:]) != {ABSENT}]
        _print(given, numeric=[False] * len(rows), run_on=len(records) == 1)
    else:
        numeric = [all(isinstance(record.get(name), int | float | None) for record in records) for name in columns]
        _print(rows, numeric, run_on=True)


def _print(rows: Sequence[Sequence[str]], numeric: Sequence[bool], run_on: bool) -> None:
    """Rows with what fits of their columns; run_on: the last of these is not cut."""
    widths = _widths(rows)
    shown = sum(1 for reach in _reach(widths) if reach <= _room()) or 1
    for row in rows:
        texts = [_cut(text) for text in row[:shown]]
        if run_on:
            texts[-1] = row[shown - 1]
        fields = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(texts, widths, numeric, strict=False)
        )
        print((" " * GAP).join(fields).rstrip())
    if shown < len(widths):
        note(f"{len(widths) - shown} more columns do not fit here; --format csv has them all")


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(_cut(text)) for text in column) for column in zip(*rows, strict=True)]


def _reach(widths: Sequence[int]) -> list[int]:
    """Where each column ends on the line."""
    return [end - GAP for end in accumulate(width + GAP for width in widths)]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _room() -> int:
    """Columns of the terminal; of a pipe, which wraps nothing, as many as a reader can follow."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_COLUMNS


def _cell(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list):
        head = ", ".join(_cell(item) for item in value[:4])
        return f"[{head}, ... {len(value)}]" if len(value) > 4 else f"[{head}]"
    return str(value)


def note(text: str) -> None:
    """One line for the user on stderr."""
    print(text, file=sys.stderr)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `Progress` that draws bars on stderr, and says nothing where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    look = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*look, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=max(total, 1) if done < total else max(done, 1))

        yield report
