"""How commands speak: tables, JSON and CSV on stdout; progress and notes on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer

from calcigraph.store.types import Progress, silent

Record = Mapping[str, Any]


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
    """Aligned columns; a terminal gets as many as fit, a pipe all of them."""
    rows = [[_cell(record.get(name)) for name in columns] for record in records]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    shown = _columns_that_fit(widths)
    numeric = [all(isinstance(record.get(name), int | float | None) for record in records) for name in columns]
    for row in [list(columns), *rows]:
        fields = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row[:shown], widths, numeric, strict=False)
        )
        print("  ".join(fields).rstrip())
    if not records:
        note("no rows")
    if shown < len(columns):
        note(f"{len(columns) - shown} more columns do not fit here; --format csv has them all")


def _columns_that_fit(widths: Sequence[int]) -> int:
    if not sys.stdout.isatty():
        return len(widths)
    import shutil

    room, shown = shutil.get_terminal_size().columns, 0
    for width in widths:
        room -= width + 2
        if room < -2 and shown:
            break
        shown += 1
    return shown


def _cell(value: Any) -> str:
    if value is None:
        return "-"
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
