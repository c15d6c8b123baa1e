"""A table of traces with a row a frame, which all shapes of tables are brought into."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from calcigraph.errors import InputError
from calcigraph.ingest.row_times import time_column
from calcigraph.ingest.table import Row, Table
from calcigraph.ingest.units import seconds

Place = dict[str, int]
"""The columns of a cell: "Mean", and "XM" and "YM" where it has a position in every frame."""


@dataclass(frozen=True)
class Shaped:
    """A table with a row a frame."""

    table: Table
    columns: Mapping[int, Place]
    """By label."""
    names: Mapping[int, str]
    """What the table calls each cell."""
    positions: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    """x, y of cells that have one for all frames."""
    notes: tuple[str, ...] = ()

    @property
    def moving(self) -> bool:
        """Whether cells have a position in every frame."""
        return all("XM" in kinds for kinds in self.columns.values())


def time_name(header: Sequence[str], named: Mapping[str, str], place: int) -> str:
    """A name that `row_times` understands."""
    name = header[place]
    column = time_column(place, name)
    if "frame" in named:
        return name if column is not None and column.counts else "Frame"
    if column is not None:
        return name
    words = re.findall(r"[^\W\d_]+", name)
    return f"Time [{words[-1]}]" if len(words) > 1 and seconds(1, words[-1]) is not None else "Time"


def whole(table: Table, row: Row) -> bool:
    """Whether a row has as many fields as the header."""
    return len(row.fields) == len(table.header)


def ragged(table: Table, row: Row) -> InputError:
    """What to say of one that has not."""
    return InputError(
        f"{table.path}: line {row.line} has {len(row.fields)} fields, the header {len(table.header)}; repair it"
    )


def is_number(text: str) -> bool:
    """Whether Python reads a text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
