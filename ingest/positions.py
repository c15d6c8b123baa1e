"""Where cells are, from a table of its own (`--positions`): columns cell, x and y, in px."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.options import TraceOptions
from calcigraph.ingest.others.results import Results
from calcigraph.ingest.table import Table, parse_table, table_bytes
from calcigraph.ingest.table_columns import column_at, listed, number_in, parse_columns

ADVICE = (
    "where the cells are is not known, and contacts follow from that; give --positions with a table of cell, x and y "
    "(px), or columns x and y by --columns; or --unconnected, if events alone are wanted"
)
NAMED = 8


def positions_table(path: str | None) -> tuple[Table | None, bytes | None]:
    """The table of positions, and its bytes for a digest. Raises NotFoundError, InputError."""
    if path is None:
        return None, None
    content = table_bytes(path, "a table of cell, x and y")
    return parse_table(path, content), content


def with_positions(results: Results, options: TraceOptions, source: str) -> Results:
    """Another program's results, with the positions that the user gave.

    Raises InputError where they have masks, where there are no positions at all, or for what `positions_of` refuses.
    """
    if options.columns is not None and options.positions is None:
        raise InputError(f"--columns goes with tables, and {source} is none; leave it out")
    if options.positions is None:
        if results.regions is None and results.x_px is None and not options.unconnected:
            raise InputError(f"{source}: {ADVICE.replace(', or columns x and y by --columns', '')}")
        return results
    if results.regions is not None:
        raise InputError(f"--positions: {source} has masks, which say where the cells are; leave it out")
    table, _ = positions_table(options.positions)
    assert table is not None
    labels = results.labels.tolist()
    names = dict(zip(labels, results.names or [str(label) for label in labels], strict=True))
    found = positions_of(table, parse_columns(options.columns), names)
    x, y = np.array([found.get(label, (np.nan, np.nan)) for label in labels]).T
    return replace(results, x_px=x, y_px=y)


def positions_of(table: Table, named: Mapping[str, str], cells: Mapping[int, str]) -> dict[int, tuple[float, float]]:
    """The position of each cell that the table names: the median, where it names one more than once.

    Cells are known by their names, or, where not all names are there, by the numbers in them.

    Parameters
    ----------
    table
        The table of positions.
    named
        The columns that the user named, by what they are.
    cells
        The name of each cell in the traces, by label.

    Raises
    ------
    InputError
        A column is missing, or the table names none of the cells.
    """
    at = {}
    for role in ("cell", "x", "y"):
        mapped = {other: name for other, name in named.items() if name in table.header}
        place = column_at(table.header, role, mapped)
        if place is None:
            raise InputError(
                f"{table.path}: no column tells {role}; name it by --columns {role}=NAME; its columns are "
                f"{listed(table.header)}"
            )
        at[role] = place
    found: dict[str, list[tuple[float, float]]] = {}
    for row in table.rows:
        if row.empty:
            continue
        if len(row.fields) != len(table.header):
            raise InputError(
                f"{table.path}: line {row.line} has {len(row.fields)} fields, the header {len(table.header)}; repair it"
            )
        place_px = table.number(row, at["x"]), table.number(row, at["y"])
        found.setdefault(row.fields[at["cell"]], []).append(place_px)
    return _matched(table, found, cells)


def _matched(
    table: Table, found: Mapping[str, list[tuple[float, float]]], cells: Mapping[int, str]
) -> dict[int, tuple[float, float]]:
    wanted = {name: label for label, name in cells.items()}
    known = {wanted[name]: places for name, places in found.items() if name in wanted}
    if len(known) < len(wanted):
        numbers = {number_in(name): label for name, label in wanted.items()}
        by_number = {
            numbers[number]: places
            for name, places in found.items()
            if (number := number_in(name)) is not None and number in numbers
        }
        known = by_number if len(by_number) > len(known) and None not in numbers else known
    if not known:
        raise InputError(
            f"{table.path}: names none of the cells; it has {_some(found)}, and the traces {_some(wanted)}"
        )
    return {
        label: (_median([x for x, _ in places]), _median([y for _, y in places])) for label, places in known.items()
    }


def _median(values: list[float]) -> float:
    """Of those that are known; NaN where none is."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else np.nan


def _some(names: Mapping[str, object]) -> str:
    return ", ".join(list(names)[:NAMED]) + (", ..." if len(names) > NAMED else "")
