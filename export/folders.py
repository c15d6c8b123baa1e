"""A folder of tables, as CSV or as Parquet, with a dictionary of every column and what is known of the culture."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.export.collected import Collected
from calcigraph.export.columns import Column, Table
from calcigraph.export.extra import exchange
from calcigraph.export.place import MARK
from calcigraph.export.provenance import about
from calcigraph.queries import records
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    import pandas

DICTIONARY = "dictionary.csv"
OF_FRAMES = (
    Column("frame", "int", "integer", "number of the frame, from 0"),
    Column("time_s", "float", "s", "when it was taken, from 0"),
)
SERIES = {
    "traces": ("1", "the trace, normalised (eq. 23): one column per cell, named by its label"),
    "dff": ("1", "dF/F: one column per cell, named by its label; empty where F0 is not known"),
}
"""Unit and meaning of the tables with one row per frame."""


def write_csv(found: Collected, folder: Path) -> None:
    """Fill a folder with CSV files: UTF-8, comma, decimal point, empty for absent, lists as JSON."""
    for table in found.tables.values():
        _write_rows(folder / f"{table.name}.csv", table)
    for name, values in series(found).items():
        frames(found, values).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    _describe(found, folder)


def write_parquet(found: Collected, folder: Path) -> None:
    """Fill a folder with Parquet files, which know unit and meaning of their columns. Raises MissingExtraError."""
    for table in found.tables.values():
        _write_table(folder / f"{table.name}.parquet", table.frame, table.columns)
    for name, values in series(found).items():
        frame = frames(found, values)
        of_cells = (Column(str(label), "float", *SERIES[name]) for label in frame.columns[len(OF_FRAMES) :])
        _write_table(folder / f"{name}.parquet", frame, (*OF_FRAMES, *of_cells))
    _describe(found, folder)


def _write_table(path: Path, frame: pandas.DataFrame, columns: Sequence[Column]) -> None:
    arrow = exchange("pyarrow", "the format parquet")
    parquet = exchange("pyarrow.parquet", "the format parquet")
    types = {"int": arrow.int64(), "float": arrow.float64(), "bool": arrow.bool_(), "string": arrow.string()}
    fields = [
        arrow.field(
            column.name,
            types.get(column.type, arrow.list_(arrow.int64())),  # lists are labels or numbers of waves
            metadata={"unit": column.unit, "meaning": column.meaning},
        )
        for column in columns
    ]
    table = arrow.Table.from_pandas(frame, schema=arrow.schema(fields), preserve_index=False)
    parquet.write_table(table, path, compression="zstd")


def series(found: Collected) -> dict[str, FloatArray]:
    """The tables with one row per frame, as (n, T)."""
    return {"traces": found.subgraph.intensity} | ({} if found.dff is None else {"dff": found.dff})


def frames(found: Collected, values: FloatArray) -> pandas.DataFrame:
    """One row per frame: its number, its time, and a column for each cell."""
    import pandas

    names = [str(label) for label in found.subgraph.labels.tolist()]
    times = found.subgraph.frame_times
    known = pandas.DataFrame({"frame": np.arange(len(times)), "time_s": times})
    return pandas.concat([known, pandas.DataFrame(np.ascontiguousarray(values.T), columns=names)], axis=1)


def _write_rows(path: Path, table: Table) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in table.columns])
        writer.writerows([_field(value) for value in row.values()] for row in records(table.frame))


def _field(value: Any) -> Any:
    """As `--format csv` prints it."""
    return json.dumps(value) if isinstance(value, list | dict | bool) else value


def _describe(found: Collected, folder: Path) -> None:
    """Write the dictionary and what is known of the culture."""
    with (folder / DICTIONARY).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "column", "type", "unit", "meaning"])
        writer.writerows(dictionary(found))
    values = about(found.culture) | {
        "tables": {table.name: table.meaning for table in found.tables.values()}
        | {name: f"one row per frame; {SERIES[name][1]}" for name in series(found)},
        "left_out": list(found.left_out),
    }
    (folder / MARK).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def dictionary(found: Collected) -> Iterator[tuple[str, str, str, str, str]]:
    """Table, column, type, unit and meaning of every column; `<label>` stands for the columns of the cells."""
    for table in found.tables.values():
        for column in table.columns:
            yield table.name, column.name, column.type, column.unit, column.meaning
    for name in series(found):
        for column in (*OF_FRAMES, Column("<label>", "float", *SERIES[name])):
            yield name, column.name, column.type, column.unit, column.meaning
