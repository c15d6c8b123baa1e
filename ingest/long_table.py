"""Long tables of traces: a row a cell and frame, as trackers and data frames write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from calcigraph.errors import InputError
from calcigraph.ingest.shaped_table import Place, Shaped, is_number, ragged, time_name, whole
from calcigraph.ingest.table import MISSING, Row, Table
from calcigraph.ingest.table_columns import column_at, labels_of, listed

MOST_UNITS = 3
"""Rows below the header that may hold names and units, as TrackMate writes them."""


def of_long_table(table: Table, named: Mapping[str, str], cell: int, value: int, time: int | None) -> Shaped:
    """Bring a long table into the shape of a row a frame.

    Rows without a cell, such as spots that belong to no track, are left out and told, and so are up to MOST_UNITS rows
    of names and units below the header.

    Parameters
    ----------
    table
        The table as it stands in the file.
    named
        The columns that the user named, by what they are.
    cell, value, time
        The places of its columns; None for no column of times or frame numbers.

    Raises
    ------
    InputError
        There is no time, a row has none, or two rows of one cell and time differ.
    """
    if time is None:
        raise InputError(
            f"{table.path}: no column tells time or frame; name it by --columns time=NAME or frame=NAME; its columns "
            f"are {listed(table.header)}"
        )
    x, y = (column_at(table.header, role, named) for role in ("x", "y"))
    at = {"Mean": value} | ({} if x is None or y is None else {"XM": x, "YM": y})
    rows, notes = _rows(table, cell, value, time)
    found = _by_time(table, rows, cell, time, at)
    names = list(dict.fromkeys(_same_number(row.fields[cell]) for row in rows))
    labels, more = labels_of(names)
    head = [time_name(table.header, named, time)]
    columns: dict[int, Place] = {}
    for who, label in zip(names, labels, strict=True):
        columns[label] = {kind: len(head) + step for step, kind in enumerate(at)}
        head += [f"{table.header[place]} of cell {who}" for place in at.values()]
    return Shaped(
        Table(table.path, tuple(head), tuple(each.row(names, list(at.values())) for each in found.values())),
        dict(sorted(columns.items())),
        dict(zip(labels, names, strict=True)),
        notes=(*notes, *more),
    )


@dataclass
class _Moment:
    """The rows of one time, by cell."""

    when: str
    cells: dict[str, Row] = field(default_factory=dict)

    def row(self, names: list[str], places: list[int]) -> Row:
        """The values of all cells side by side, empty where there is none."""
        line = next(iter(self.cells.values())).line
        values = (self.cells[who].fields[at] if who in self.cells else "" for who in names for at in places)
        return Row(line, (self.when, *values))


def _rows(table: Table, cell: int, value: int, time: int) -> tuple[list[Row], tuple[str, ...]]:
    """The rows with a value of a cell, and what was left out."""
    rows = [row for row in table.rows if not row.empty]
    for row in rows:
        if not whole(table, row):
            raise ragged(table, row)
    units = 0
    while units < min(MOST_UNITS, len(rows)) and not any(_known(rows[units].fields[at]) for at in (value, time)):
        units += 1
    notes: tuple[str, ...] = ()
    if units:
        notes = (f"rows: {units} below the header have names or units and were left out",)
    rows = rows[units:]
    owned = [row for row in rows if row.fields[cell].lower() not in MISSING]
    if len(owned) < len(rows):
        left = f"{len(rows) - len(owned)} of {len(rows)} have no {table.header[cell]} and were left out"
        notes = (*notes, f"rows: {left}")
    lacking = next((row for row in owned if row.fields[time].lower() in MISSING), None)
    if lacking is not None:
        raise InputError(f"{table.path}: line {lacking.line}: column {table.header[time]} is empty; fill it in")
    return owned, notes


def _known(text: str) -> bool:
    """Whether it is a number, a time of a clock or a date, or says that there is none: all but words."""
    return is_number(text) or ":" in text or text.lower() in MISSING - {""}


def _by_time(table: Table, rows: list[Row], cell: int, time: int, at: Mapping[str, int]) -> dict[str, _Moment]:
    found: dict[str, _Moment] = {}
    for row in rows:
        who, when = _same_number(row.fields[cell]), _same_number(row.fields[time])
        before = found.setdefault(when, _Moment(when)).cells.setdefault(who, row)
        if before is not row and any(before.fields[place] != row.fields[place] for place in at.values()):
            raise InputError(
                f"{table.path}: lines {before.line} and {row.line} are both of cell {who} at {table.header[time]} "
                f"{when}, but differ; expected one value"
            )
    return found


def _same_number(text: str) -> str:
    """A whole number in one spelling: a data frame writes 7.0 for 7."""
    return re.sub(r"^(\d+)\.0+$", r"\1", text)
