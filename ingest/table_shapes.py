"""Tables of traces in any shape, brought into one: a row a frame, with a column of values for each cell.

Shapes are ImageJ's (Mean1, XM1, YM1, ...), wide (a column a cell), a row a cell, and long (a row a cell and frame).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise

from calcigraph.errors import InputError
from calcigraph.ingest.long_table import of_long_table
from calcigraph.ingest.row_times import time_column
from calcigraph.ingest.shaped_table import Place, Shaped, is_number, ragged, time_name, whole
from calcigraph.ingest.table import MISSING, Row, Table
from calcigraph.ingest.table_columns import column_at, labels_of, listed, number_in

_IMAGEJ = re.compile(r"(Mean|XM|YM)_?(\d+)")
"""Of ImageJ's table of measurements: mean intensity, and column and row of the centre of mass, of a numbered cell."""
_KINDS = ("Mean", "XM", "YM")
ENOUGH_ROWS = 5
"""Rows from which a column that rises evenly is taken for a time."""
EVEN = 1.1
"""The largest step of such a column over its smallest."""


def shaped(table: Table, named: Mapping[str, str], elsewhere: Sequence[str] = ()) -> Shaped:
    """Find out the shape of a table, and bring it into that of a row a frame.

    Parameters
    ----------
    table
        The table as it stands in the file.
    named
        The columns that the user named, by what they are.
    elsewhere
        The columns of the table of positions, in which named ones may be too.

    Raises
    ------
    InputError
        A column is not understood, or one that is needed is missing; the message lists those there are.
    """
    _check_named(table, named, elsewhere)
    here = {role for role, name in named.items() if name in table.header or "*" in name}
    if here <= {"time", "frame"} and any(_IMAGEJ.fullmatch(name) for name in table.header):
        return _of_imagej(_with_time(table, named) if here else table)
    cell, value = (column_at(table.header, role, named) for role in ("cell", "value"))
    if cell is None and _is_index_of_words(table):
        cell = 0
    time = _time_place(table.header, named)
    if cell is not None and value is not None and ("*" not in named.get("value", "")):
        return of_long_table(table, named, cell, value, time)
    if cell is not None and time is None and "value" not in named:
        return _of_cell_rows(table, named, cell)
    return _of_wide(table, named, time)


def _check_named(table: Table, named: Mapping[str, str], elsewhere: Sequence[str]) -> None:
    for role, name in named.items():
        pattern = role == "value" and "*" in name
        there = any(fnmatchcase(each, name) for each in table.header) if pattern else name in table.header
        if not there and not (role in ("cell", "x", "y") and name in elsewhere):
            positions = f"; those of --positions are {listed(elsewhere)}" if elsewhere else ""
            raise InputError(
                f"--columns {role}={name}: {table.path} has no such column; its columns are {listed(table.header)}"
                f"{positions}"
            )


def _time_place(header: Sequence[str], named: Mapping[str, str]) -> int | None:
    """The column of times or frame numbers that the table goes by."""
    for role in ("time", "frame"):
        if role in named:
            return header.index(named[role])
    columns = [time_column(place, name) for place, name in enumerate(header)]
    found = sorted((each for each in columns if each is not None), key=lambda each: each.counts)
    return found[0].place if found else None


def _cell_name(name: str) -> str:
    """A name that is not taken for that of a column of times."""
    return name if time_column(0, name) is None else f"cell {name}"


def _with_time(table: Table, named: Mapping[str, str]) -> Table:
    """The table with a column of times by the name that `row_times` understands."""
    place = _time_place(table.header, named)
    assert place is not None
    header = [
        time_name(table.header, named, at) if at == place else _cell_name(name) for at, name in enumerate(table.header)
    ]
    return replace(table, header=tuple(header))


# ImageJ's.


def _of_imagej(table: Table) -> Shaped:
    """Where in a row the Mean, XM and YM of each cell are."""
    found: dict[int, Place] = {}
    for place, name in enumerate(table.header):
        match = _IMAGEJ.fullmatch(name)
        if match:
            kinds = found.setdefault(int(match[2]), {})
            if match[1] in kinds:
                raise InputError(f"{table.path}: two columns {match[1]} for cell {match[2]}; expected one")
            kinds[match[1]] = place
    if any("XM" in kinds or "YM" in kinds for kinds in found.values()):
        for label, kinds in found.items():
            for kind in _KINDS:
                if kind not in kinds:
                    raise InputError(
                        f"{table.path}: cell {label} has no column {kind}_{label}; expected Mean, XM and YM for each"
                    )
    return Shaped(table, dict(sorted(found.items())), {label: str(label) for label in found})


# Wide.


def _of_wide(table: Table, named: Mapping[str, str], time: int | None) -> Shaped:
    """A column a cell."""
    pattern = named.get("value")
    taken = [place for place, name in enumerate(table.header) if pattern is None or fnmatchcase(name, pattern)]
    said = [] if time is None else [time]
    times = {place for place, name in enumerate(table.header) if time_column(place, name) is not None} | {*said}
    kept_times = said if {"time", "frame"} & set(named) else sorted(times)
    cells = [place for place in taken if place not in times and not _counts_rows(table, place)]
    if not cells:
        raise InputError(
            f"{table.path}: no columns of traces; expected Mean_1 (or Mean1), XM_1, YM_1, Mean_2, ..., a column for "
            f"each cell, or columns cell, time and value; its columns are {listed(table.header)}"
        )
    names = [table.header[place] for place in cells]
    _check_header(table, names)
    for place, name in zip(cells, names, strict=True):
        _check_numbers(table, place, name)
        if pattern is None and number_in(name) is None:
            _check_no_clock(table, place, name)
    labels, notes = labels_of(names)
    kept = sorted({*cells, *kept_times})
    heads = [time_name(table.header, named, at) if at in kept_times else _cell_name(table.header[at]) for at in kept]
    rows = tuple(
        Row(row.line, tuple(row.fields[at] for at in kept) if whole(table, row) else row.fields) for row in table.rows
    )
    where = {at: place for place, at in enumerate(kept)}
    columns = {label: {"Mean": where[at]} for label, at in sorted(zip(labels, cells, strict=True))}
    return Shaped(
        Table(table.path, tuple(heads), tuple(_same_width(rows, table, kept))),
        columns,
        dict(zip(labels, names, strict=True)),
        notes=notes,
    )


def _is_index_of_words(table: Table) -> bool:
    """Whether the first column has no name and words in it: the cells of a data frame with a row a cell."""
    texts = [row.fields[0] for row in table.rows if whole(table, row)]
    return bool(table.header) and table.header[0] == "" and len(texts) > 0 and not any(is_number(t) for t in texts)


def _same_width(rows: Sequence[Row], table: Table, kept: Sequence[int]) -> list[Row]:
    """Rows that are too short or too long are refused here, where the table's own width is known."""
    for before in table.rows:
        if not before.empty and not whole(table, before):
            raise ragged(table, before)
    return [row if len(row.fields) == len(kept) else Row(row.line, ()) for row in rows]


def _counts_rows(table: Table, place: int) -> bool:
    """Whether a column without a name, or such as a data frame's index, numbers the rows."""
    if table.header[place] not in ("", "#", "index", "Unnamed: 0", "row"):
        return False
    texts = [row.fields[place] for row in table.rows if whole(table, row)]
    numbers = [number_in(text) for text in texts]
    return numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))


def _check_header(table: Table, names: Sequence[str]) -> None:
    """The first line must be names."""
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InputError(f"{table.path}: two columns have the name {twice or '(no name)'}; expected one a cell")
    if any(re.fullmatch(r"[+-]?\d*[.,]\d+(e[+-]?\d+)?", name, re.IGNORECASE) for name in names):
        raise InputError(
            f"{table.path}: its first line has numbers ({listed(names)}) where names of columns were expected; add a "
            "line of names above"
        )


def _check_numbers(table: Table, place: int, name: str) -> None:
    """A column of words is no trace."""
    texts = [row.fields[place] for row in table.rows if whole(table, row) and row.fields[place].lower() not in MISSING]
    if texts and not any(is_number(text) for text in texts):
        raise InputError(
            f"{table.path}: column {name or '(no name)'} was not understood: it has words such as {texts[0]!r}; take "
            f"it out, or say by --columns what is what; its columns are {listed(table.header)}"
        )


def _check_no_clock(table: Table, place: int, name: str) -> None:
    """A column that rises by even steps is a time whose name is not known."""
    texts = [row.fields[place] for row in table.rows if whole(table, row)]
    if len(texts) < ENOUGH_ROWS or not all(is_number(text) for text in texts):
        return
    steps = [float(b) - float(a) for a, b in pairwise(texts)]
    if min(steps) > 0 and max(steps) < EVEN * min(steps):
        raise InputError(
            f"{table.path}: column {name or '(no name)'} was not understood: it rises evenly, as a time does; say by "
            f"--columns time={name} or frame={name} what it is, or by value=... which columns are cells; its columns "
            f"are {listed(table.header)}"
        )


# A row a cell.


def _of_cell_rows(table: Table, named: Mapping[str, str], cell: int) -> Shaped:
    """A column a frame: turned."""
    at = {role: column_at(table.header, role, named) for role in ("x", "y")}
    frames = [place for place in range(len(table.header)) if place not in (cell, at["x"], at["y"])]
    rows = [row for row in table.rows if not row.empty]
    for row in rows:
        if not whole(table, row):
            raise ragged(table, row)
    names = [row.fields[cell] for row in rows]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None or len(frames) < 2:
        why = f"cell {twice} comes twice" if twice is not None else "there are no columns of frames"
        raise InputError(
            f"{table.path}: a column {table.header[cell]} and no time was read as one row a cell, but {why}; name the "
            f"columns by --columns cell=...,time=...,value=...; its columns are {listed(table.header)}"
        )
    head, times = _frame_times(table, frames)
    for place in frames:
        _check_numbers(table, place, table.header[place])
    labels, notes = labels_of(names)
    turned = [Row(1, (time, *(row.fields[place] for row in rows))) for time, place in zip(times, frames, strict=True)]
    result = Shaped(
        Table(table.path, (head, *(_cell_name(name) for name in names)), tuple(turned)),
        {label: {"Mean": place} for label, place in sorted(zip(labels, range(1, len(names) + 1), strict=True))},
        dict(zip(labels, names, strict=True)),
        notes=notes,
    )
    if at["x"] is None or at["y"] is None:
        return result
    x, y = at["x"], at["y"]
    places = {label: (table.number(row, x), table.number(row, y)) for label, row in zip(labels, rows, strict=True)}
    return replace(result, positions=places)


def _frame_times(table: Table, frames: Sequence[int]) -> tuple[str, list[str]]:
    """The name of a column of times, and its entries, from the names of the columns of frames."""
    names = [table.header[place].replace(",", ".") for place in frames]
    if all(is_number(name) for name in names):
        steps = [float(b) - float(a) for a, b in pairwise(names)]
        return ("Frame" if all(step == 1 for step in steps) else "Time"), names
    numbers = [number_in(name) for name in names]
    if None in numbers or len(set(numbers)) < len(numbers):
        odd = next((name for name, number in zip(names, numbers, strict=True) if number is None), names[0])
        raise InputError(
            f"{table.path}: column {odd} was not understood: with one row a cell, expected a number of a frame or a "
            f"time in the name of each column; its columns are {listed(table.header)}"
        )
    return "Frame", [str(number) for number in numbers]
