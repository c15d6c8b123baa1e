"""What every column of an export is: its unit and meaning, taken from the named queries and from store/described.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from calcigraph.queries import Declared, load
from calcigraph.store import described

if TYPE_CHECKING:
    import pandas

DESCRIBED = {
    "cells": ("Cell",),
    "contacts": ("ADJACENT",),
    "outlines": ("Cell",),
    "events": ("Event",),
    "waves": ("Wave",),
    "fits": ("FitRun",),
    "parameters": ("FITTED", "Cell"),
    "rates": ("Cell", "Event", "MEASURED"),
}
"""The labels and relationships whose properties are the columns of a named query."""
UNITS = (
    ("_px_s", "px/s"), ("_um_s", "um/s"), ("_per_h", "1/h"), ("_px", "px"), ("_um", "um"), ("_deg", "degrees"),
    ("_s", "s"),
)  # fmt: skip
"""Ends of names that say the unit."""
KINDS = {"string": "text", "int": "integer", "float": "1", "bool": "true or false", "list": "list", "map": "JSON"}
"""What a column without another unit is called, by its type."""


@dataclass(frozen=True)
class Column:
    """A column of an exported table."""

    name: str
    type: str
    """One of queries.library.TYPES."""
    unit: str
    """A unit, or what kind of value it is; "1" for a number without dimension, "" for what only its model knows."""
    meaning: str


@dataclass(frozen=True)
class Table:
    """An exported table: its rows, and what its columns are; made by `collect`."""

    name: str
    meaning: str
    """In one sentence."""
    columns: tuple[Column, ...]
    frame: pandas.DataFrame
    """Its columns are in the order of `columns`."""


def column(query: str, declared: Declared) -> Column:
    """A declared column of a named query, with the unit and meaning of the property that it shows.

    >>> column("cells", Declared("area_px", "float"))
    Column(name='area_px', type='float', unit='px^2', meaning='pixels of the mask; absent for traces')
    """
    line = next((line for label in DESCRIBED[query] if (line := _lines(label).get(declared.name))), None)
    unit = line.kind if line is not None else ""
    if not unit:
        unit = next((unit for end, unit in UNITS if declared.name.endswith(end)), KINDS.get(declared.type, ""))
    told, note = line.meaning if line is not None else "", declared.note
    # A note that the description has already, or the other way round, says nothing more.
    parts = [told] if note in told.replace("`", "") else [note] if told in note else [told, note]
    return Column(declared.name, declared.type, unit, "; ".join(parts))


def declared_columns(query: str) -> tuple[Column, ...]:
    """The columns that the head of a named query declares, without the map that becomes columns of its own."""
    return tuple(column(query, each) for each in load(query).columns if each.type != "map")


def property_column(label: str, name: str, kind: str) -> Column:
    """A property of the graph that no named query shows."""
    line = _lines(label)[name]
    return Column(name, kind, line.kind, line.meaning)


def annotation(name: str, kind: str) -> Column:
    """A column that a user made."""
    return Column(name, kind, KINDS.get(kind, ""), "set with `calcigraph annotate`")


def fitted_column(name: str, kind: str, model: str = "") -> Column:
    """What a fit gives for a cell: `<parameter>` in the table of parameters, `<model>_<parameter>` in that of cells.

    >>> fitted_column("robust_k_cell_low", "float", "robust").meaning
    "robust: the cell's own coupling and its interval"
    """
    line = _lines("FITTED").get(name.removeprefix(f"{model}_")) or described.Line((), "", "what else the model gives")
    return Column(name, kind, line.kind, f"{model}: {line.meaning}" if model else line.meaning)


@cache
def _lines(label: str) -> dict[str, described.Line]:
    """What is said of each property of a label or relationship, by its name."""
    found: dict[str, described.Line] = {}
    before = ""
    for line in (line for table in described.tables() if table.name == label for line in table.lines):
        told = line.meaning.replace("the same, where", f"{before}, where") if before else line.meaning
        found |= {
            name: described.Line((name,), line.kind, meaning)
            for name, meaning in zip(line.names, _of_each(told, len(line.names)), strict=True)
        }
        before = told
    return found


def _of_each(told: str, names: int) -> list[str]:
    """What a sentence on several properties says of each, where it has as many parts as they are.

    >>> _of_each("its peak; when it has fallen to a tenth", 2), _of_each("its place", 2)
    (['its peak', 'when it has fallen to a tenth'], ['its place', 'its place'])
    """
    for between in ("; ", ", and "):
        parts = told.split(between)
        if len(parts) == names:
            return parts
    return [told] * names
