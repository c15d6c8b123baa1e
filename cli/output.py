"""How commands speak: tables, JSON and CSV on stdout; progress and notes on stderr."""

from __future__ import annotations

import csv
import difflib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from types import FrameType
from typing import Annotated, Any

import typer

from calcigraph.errors import CalcigraphError, GraphError, InputError, spelt
from calcigraph.store.progress import Progress
from calcigraph.workspace import Workspace

Record = Mapping[str, Any]

ABSENT = "-"
GAP = 2
"""Blanks between columns."""
FEW_ROWS = 6
"""A table of so few rows that is too wide for the screen is turned: its columns become rows."""
LONGEST = 60
"""Longer texts are cut."""
ALIKE = 0.75
"""Likeness of two names (difflib) from which one may be the other, mistyped."""
PROSE = 30
"""A last column with blanks in longer texts holds sentences: they are not cut, and may wrap."""


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    csv = "csv"


ExperimentOption = Annotated[
    list[str] | None,
    typer.Option("--experiment", help="All cultures of this experiment; may be repeated.", metavar="NAME"),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print: an aligned table, JSON or CSV.")]
DpiOption = Annotated[int, typer.Option(help="Pixels per inch, 50 to 1200.")]
WidthOption = Annotated[
    str | None,
    typer.Option(help="Of the page: single (89 mm), double (183 mm) or 80 to 400 mm.", metavar="WIDTH"),
]
WideOption = Annotated[bool, typer.Option("--wide", help="A table with all columns; JSON and CSV have them always.")]


def show(columns: Sequence[str], records: Sequence[Record], form: Format, shown: Sequence[str] = ()) -> None:
    """Print a table on stdout.

    Parameters
    ----------
    columns
        The columns, in order.
    records
        One mapping per row, of plain Python values by column; None for absent.
    form
        How.
    shown
        The columns of a table that fits the screen, in order; none for all. Those that are absent from every row are
        left out of it, and a note says how to see the others. JSON and CSV have all columns.

    Examples
    --------
    >>> show(["cell", "k"], [{"cell": 3, "k": 0.0123456}, {"cell": 7, "k": None}], Format.table)
    cell         k
       3  0.012346
       7         -
    """
    if form is Format.json:
        print(json.dumps([{name: record.get(name) for name in columns} for record in records], allow_nan=False))
    elif form is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_field(record.get(name)) for name in columns] for record in records)
    else:
        few = [name for name in shown if any(record.get(name) is not None for record in records)]
        _show_table(few or columns, records)
        if few:
            note(f"{len(few)} of {len(columns)} columns; --wide shows all")


def _field(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) else value


def _show_table(columns: Sequence[str], records: Sequence[Record]) -> None:
    """Aligned columns, in as many blocks as the screen's width needs; a few wide rows are turned into columns."""
    if not records:
        note("no rows")
    rows = [list(columns), *([_cell(record.get(name)) for name in columns] for record in records)]
    numeric = [all(isinstance(record.get(name), int | float | None) for record in records) for name in columns]
    prose = _ends_in_prose(rows)
    if _width(rows) > _room() and 0 < len(records) <= FEW_ROWS < len(columns) and not prose:
        # Turned: one line per column, without those that are absent everywhere.
        prose = len(records) == 1
        rows = [list(line) for line in zip(*rows, strict=True) if set(line[1:]) != {ABSENT}]
        numeric = [False] * len(rows[0])
    for number, block in enumerate(_blocks(rows, prose)):
        if number:
            print()
        whole = prose and block[-1] == len(rows[0]) - 1
        _print([[row[index] for index in block] for row in rows], [numeric[index] for index in block], whole)


def _print(rows: Sequence[Sequence[str]], numeric: Sequence[bool], whole: bool) -> None:
    """Print one block; long texts are cut, but not those of the last column if `whole`."""
    widths = _widths(rows)
    for row in rows:
        texts = [*(_cut(text) for text in row[:-1]), row[-1] if whole else _cut(row[-1])]
        fields = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(texts, widths, numeric, strict=True)
        )
        print((" " * GAP).join(fields).rstrip())


def _blocks(rows: Sequence[Sequence[str]], prose: bool) -> list[list[int]]:
    """The columns of each block that fit side by side; every block begins with the first column."""
    widths = _widths(rows)
    if prose:
        widths[-1] = min(widths[-1], PROSE)  # a sentence may wrap, so it needs no more room than this
    blocks, room = [[0]], _room() - widths[0]
    for index, width in enumerate(widths[1:], start=1):
        if room < width + GAP and len(blocks[-1]) > 1:
            blocks.append([0])
            room = _room() - widths[0]
        blocks[-1].append(index)
        room -= width + GAP
    return blocks


def _ends_in_prose(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the last column holds sentences, which may run on beyond the screen."""
    return any(" " in row[-1] and len(row[-1]) > PROSE for row in rows[1:])


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Of the whole table in one block."""
    return sum(width + GAP for width in _widths(rows)) - GAP


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(_cut(text)) for text in column) for column in zip(*rows, strict=True)]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _room() -> int:
    """Characters in a line of the terminal; in a pipe there is no limit unless COLUMNS names one."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else 1_000_000


def _cell(value: Any) -> str:
    """A value as it is shown in a table."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list):
        head = ", ".join(spelt(item) if isinstance(item, str) else _cell(item) for item in value[:4])
        return f"[{head}, ... {len(value)}]" if len(value) > 4 else f"[{head}]"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_cell(each)}" for name, each in value.items())
    if isinstance(value, str) and value.startswith('{"'):
        return _cut(value)  # JSON is for programs, which get all of it with --format json
    return str(value)


def note(text: str) -> None:
    """One line for the user on stderr."""
    print(text, file=sys.stderr)


def note_unlike(what: str, given: str | None, known: Collection[str]) -> None:
    """Warn of a name that is new and nearly one that is known: it may be a typing error, and would make a group."""
    if given is None or given in known:
        return
    near = difflib.get_close_matches(given, known, n=1, cutoff=ALIKE)
    if near:
        note(f"warning: {what} {spelt(given)} is new; there is {spelt(*near)}: mend it with `calcigraph annotate`")


class Interrupt:
    """Ctrl-C that cannot get lost.

    The exception of a signal that arrives inside a library's callback may be swallowed there. So the signal is also
    remembered, and raised at the next report of progress.
    """

    pressed = False

    @classmethod
    def watch(cls) -> None:
        """From now on, Ctrl-C is remembered as well as raised."""

        def press(number: int, frame: FrameType | None) -> None:
            cls.pressed = True
            raise KeyboardInterrupt

        cls.pressed = False
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, press)

    @classmethod
    def check(cls) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if cls.pressed:
            raise KeyboardInterrupt


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Give a `Progress` that draws bars on stderr, and nothing where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda stage, done, total: Interrupt.check()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    look = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*look, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            Interrupt.check()
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=max(total, 1))
            bars.update(tasks[stage], completed=done, total=max(total, 1))

        yield report


def chosen(workspace: Workspace, cultures: list[str] | None, experiments: list[str] | None) -> list[str]:
    """The names of the cultures to work on, each once: those given, or all of the experiments.

    Raises InputError for both or neither, NotFoundError for an unknown experiment.
    """
    from calcigraph.queries import cultures_of

    if bool(cultures) == bool(experiments):
        raise InputError("give one or more CULTUREs, or --experiment NAME for all cultures of an experiment")
    return list(dict.fromkeys(cultures or cultures_of(workspace.graph, experiments or [])))


@contextmanager
def failing_last(cultures: list[str], one: Callable[[str, Progress], None]) -> Iterator[None]:
    """Do `one` for every culture, then the body; report at the end what went wrong with single cultures."""
    failures: list[CalcigraphError] = []
    with progress_bar() as progress:
        for culture in cultures:
            try:
                one(culture, progress)
            except GraphError:
                raise  # without the graph nothing can be done
            except CalcigraphError as error:
                failures.append(error)
    yield
    raise_last(failures)


def raise_last(failures: Sequence[CalcigraphError]) -> None:
    """Tell of all failures but the last, which is raised; nothing without any."""
    for failure in failures[:-1]:
        if str(failure) != str(failures[-1]):  # what is wrong with all of them is told once
            note(f"calcigraph: {failure}")
    if failures:
        raise failures[-1]
