"""Tables of an export as NWB's own: columns that say their unit, and intervals of time for events and waves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from calcigraph.export.collected import Collected
from calcigraph.export.columns import Column, Table

EVENTS = "calcium_events"
WAVES = "calcium_waves"


def frame_columns(table: Table, kind: Any, without: tuple[str, ...] = ()) -> list[Any]:
    """The columns of a table as hdmf.VectorData; those that are absent everywhere are left out.

    Parameters
    ----------
    table
        The table.
    kind
        The class of the NWB table: a column may not be called like something that the class has.
    without
        Columns that are left out.
    """
    from hdmf.common import VectorData

    return [
        VectorData(
            name=f"{column.name}_" if hasattr(kind, column.name) else column.name,
            description=f"{column.meaning or column.name} ({column.unit or 'as the model gives it'})",
            data=_values(table, column),
        )
        for column in table.columns
        if column.name not in without and (not len(table.frame) or table.frame[column.name].notna().any())
    ]


def _values(table: Table, column: Column) -> Any:
    """Plain values of one type: NaN for numbers that are not known, "" for texts."""
    series = table.frame[column.name]
    if column.type == "list":
        return [", ".join(map(str, value)) if isinstance(value, list) else "" for value in series]
    if column.type == "int" and not series.isna().any():
        return series.to_numpy(np.int64)
    if column.type in ("int", "float"):
        return series.to_numpy(np.float64, na_value=np.nan)
    if column.type == "bool" and not series.isna().any():
        return series.to_numpy(np.bool_)
    return ["" if missing else str(value) for value, missing in zip(series, series.isna(), strict=True)]


def dynamic_table(table: Table) -> Any:
    """The table as hdmf.DynamicTable."""
    from hdmf.common import DynamicTable

    return DynamicTable(name=table.name, description=table.meaning, columns=frame_columns(table, DynamicTable))


def intervals(found: Collected) -> Iterator[Any]:
    """Events and waves as tables of intervals, in order of their beginning."""
    for name, as_name, ends in (("events", EVENTS, "end_s"), ("waves", WAVES, "duration_s")):
        if name in found.tables and len(found.tables[name].frame):
            yield _intervals(found.tables[name], as_name, ends)


def _intervals(table: Table, name: str, end: str) -> Any:
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    frame = table.frame.sort_values("onset_s", kind="stable").reset_index(drop=True)
    start = frame["onset_s"].to_numpy(np.float64)
    stop = frame[end].to_numpy(np.float64) + (start if end == "duration_s" else 0.0)
    times = [
        VectorData(name="start_time", description="when it begins (s)", data=start),
        VectorData(name="stop_time", description="when it ends (s)", data=stop),
    ]
    columns = frame_columns(Table(table.name, table.meaning, table.columns, frame), TimeIntervals)
    return TimeIntervals(name=name, description=table.meaning, columns=[*times, *columns])
