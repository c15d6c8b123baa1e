"""Seals: how many rows of each kind the graph has of a culture, and their SHA-256, kept with the culture and its runs.

They are made of the rows as they are written, and checked with the rows that store/dump.py reads. They do not depend on
the engine: the order of rows does not count, and numbers, times and texts are spelt the same everywhere.

Culture.seals    culture, cells, intensities, contacts, annotations; fits: which there are; events: the key of the run
FitRun.seals     run, fitted; ForecastRun.seals likewise, and with the fits in Culture.seals
EventRun.seals   run, measured, events, links, waves
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.store.bolt import Row, rows_of
from calcigraph.store.dump import LINKS, NODES, Dump, Links, Moment, Nodes, Place, Reader, plain
from calcigraph.store.rows import OF_CELLS, OF_CONTACTS, cell_rows, contact_rows
from calcigraph.store.types import CultureData, FloatArray

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

SEALS = "seals"
"""The property."""
_OF_CELLS = ("uid", "name", "label", *(name for name in OF_CELLS if name != "intensity"))
_NOT_SEALED = (SEALS, "complete", "state", "replaces", "token", "batch", "movie_uri")
"""Properties of cultures and runs that change while they are written, or with the folder of the workspace."""
_PARTS = {
    "PRECEDES": "links",
    "COINCIDES": "links",
    "HAS_EVENT": "events",
    "PART_OF": "waves",
    "STARTED_AT": "waves",
    "MEASURED": "measured",
}
"""What a relationship of a run of events is counted with."""

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)

# To write first takes the lock, so that two writers of one culture seal one after the other.
_CULTURE = f"""
MATCH (k:Culture {{uid: $uid}})
SET k.{SEALS} = coalesce(k.{SEALS}, '{{}}')
WITH k
OPTIONAL MATCH (k)<-[:INCLUDES]-(e:Experiment)
RETURN properties(k) AS node, e.name AS experiment
"""
_SET = f"MATCH (k:Culture {{uid: $uid}}) SET k.{SEALS} = $seals"
_FITS = "MATCH (r)-[:OF]->(:Culture {uid: $uid}) WHERE r:FitRun OR r:ForecastRun RETURN r.uid AS uid"
_EVENTS = "MATCH (r:EventRun {complete: true})-[:OF]->(:Culture {uid: $uid}) RETURN r.run AS run"
_ANNOTATED = """
MATCH (:Culture {uid: $uid})-[:HAS_CELL]->(c:Cell)
WHERE c[$name] IS NOT NULL
RETURN c.uid AS uid, c[$name] AS value
"""
_RUN = "MATCH (r:{label} {{uid: $uid}}) RETURN properties(r) AS node"
_SET_RUN = "MATCH (r:{label} {{uid: $uid}}) SET r.seals = $seals"


class Seal:
    """Rows of one kind, as they come.

    Examples
    --------
    >>> one, two = Seal(), Seal()
    >>> one.add("A:1", {"area_px": 900.0, "flags": None})
    >>> two.add("A:1", {"area_px": 900})
    >>> one.text == two.text, one.text.split()[0]
    (True, '1')
    """

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def add(self, *parts: Any) -> None:
        """A row: its keys and values."""
        text = _ENCODER.encode([spelt(part) for part in parts])
        self._rows.append(hashlib.sha256(text.encode()).digest())

    @property
    def text(self) -> str:
        """The number of rows, and their digest."""
        return f"{len(self._rows)} {hashlib.sha256(b''.join(sorted(self._rows))).hexdigest()}"


def spelt(value: Any) -> Any:
    """A value as every engine gives it: numbers as floats, times in UTC to the millisecond, absent values left out."""
    kind = type(value)
    if kind is float:
        return value if abs(value) < 2**53 else str(int(value)) if math.isfinite(value) else repr(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return float(value) if abs(value) < 2**53 else str(value)
    if isinstance(value, dict):
        found = {}
        for name, item in value.items():
            each = item if type(item) is float and -(2**53) < item < 2**53 else spelt(item)
            if each is not None:
                found[name] = each
        return found
    if isinstance(value, Moment):
        return datetime.fromisoformat(value.text).astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, Place):
        return [value.x, value.y]
    if not value:  # an engine may drop an empty list
        return None
    if all(type(each) in (int, float) for each in value):
        return trace_seal(np.array(value, dtype="<f8"))
    return [spelt(each) for each in value]


def trace_seal(values: FloatArray) -> str:
    """Of numbers, (T,)."""
    return f"{len(values)} {hashlib.sha256(np.ascontiguousarray(values, '<f8').tobytes()).hexdigest()}"


def of_culture(data: CultureData, weights: Mapping[str, FloatArray]) -> dict[str, str]:
    """The seals of cells, intensities and contacts that are to be written."""
    cells, intensities, contacts = Seal(), Seal(), Seal()
    uid = data.culture.uid
    for row, trace in zip(cell_rows(data.cells, uid, uid, traces=False), data.cells.intensity, strict=True):
        cells.add({name: row[name] for name in _OF_CELLS})
        intensities.add(row["uid"], trace_seal(trace))
    for a, b, *values in contact_rows(data.contacts, weights, uid):
        contacts.add(a, b, dict(zip(OF_CONTACTS, values, strict=True)))
    return {"cells": cells.text, "intensities": intensities.text, "contacts": contacts.text}


class Contents:
    """What the graph has of one culture, row by row as store/dump.py gives it, and the seals that go with it."""

    def __init__(self) -> None:
        self._seals: dict[tuple[str, str], Seal] = {}
        self._rows: dict[str, Row] = {}
        self.culture: Row = {}
        self.runs: dict[str, Row] = {}
        """The nodes of fits and of the forecast, by uid."""
        self.labels: dict[str, str] = {}
        """Their labels."""
        self.events: Row | None = None
        """The node of the run of events."""
        self.experiment: str | None = None
        self.traces: dict[str, Any] = {}
        """The seal of each cell's trace, by uid."""
        self.misplaced: list[int] = []
        """Labels of cells whose point is not where x_px and y_px say."""
        self._rest: dict[str, Row] = {}
        """Other properties of cells, by uid: parameters of fits."""
        self._fitted: dict[str, dict[str, Row]] = {}
        """By run, what a fit gave for each cell, by uid."""

    def node(self, kind: Nodes, row: Row) -> None:
        """Take a node."""
        if kind.label == "Culture":
            self.culture = row
            for part in ("cells", "intensities", "contacts", "annotations"):
                self._of("", part)
        elif kind.label == "Cell":
            self._of("", "cells").add({name: row.get(name) for name in _OF_CELLS})
            self.traces[row["uid"]] = spelt(row.get("intensity"))
            self._of("", "intensities").add(row["uid"], self.traces[row["uid"]])
            self._rest[row["uid"]] = {name: value for name, value in row.items() if name not in _OF_CELLS}
            annotated = _annotations(row, self.culture.get("cell_annotations") or ())
            if annotated:
                self._of("", "annotations").add(row["uid"], annotated)
        elif kind.label in ("FitRun", "ForecastRun"):
            self.runs[row["uid"]] = row
            self.labels[row["uid"]] = kind.label
            self._of(row["uid"], "fitted")
        elif kind.label == "EventRun":
            self.events = row
            for part in ("measured", "events", "links", "waves"):
                self._of("events", part)
        elif kind.label in ("Event", "Wave"):
            self._of("events", f"{kind.label.lower()}s").add(row)

    def link(self, kind: Links, a: str, b: str, row: Row) -> None:
        """Take a relationship."""
        if kind.type == "INCLUDES":
            self.experiment = a
        elif kind.type == "ADJACENT":
            self._of("", "contacts").add(a, b, row)
        elif kind.type in ("FITTED", "FORECAST"):
            self._of(b, "fitted").add(a, row)
            if b in self._latest().values():
                self._fitted.setdefault(b, {})[a] = row
        elif kind.type in _PARTS:
            self._of("events", _PARTS[kind.type]).add(kind.type, a, "" if kind.type == "MEASURED" else b, row)

    def _of(self, run: str, part: str) -> Seal:
        return self._seals.setdefault((run, part), Seal())

    def _latest(self) -> dict[str, str]:
        """By model, the fit that was written last; none of a model with fits of an older calcigraph only."""
        runs = sorted((row["number"], row["model"], uid) for uid, row in self.runs.items() if row.get("number"))
        return {model: uid for _, model, uid in runs}

    def unlike_their_fit(self) -> list[int]:
        """Labels of cells whose parameters are not those that the latest fit of a model gave them."""
        return sorted(int(cell.rpartition(":")[2]) for cell in self.parameters())

    def parameters(self) -> dict[str, Row]:
        """Of cells whose parameters are not those of the latest fit of a model: those of it; None takes one away."""
        found: dict[str, Row] = {}
        for model, run in self._latest().items():
            fitted = self._fitted.get(run, {})
            for cell, row in self._rest.items():
                there = {name: value for name, value in row.items() if name.startswith(f"{model}_")}
                wanted = {f"{model}_{name}": value for name, value in fitted.get(cell, {}).items()}
                if spelt(there) != spelt(wanted):
                    found[cell] = found.get(cell, {}) | dict.fromkeys(there) | wanted
        return found

    def found(self) -> dict[str, dict[str, Any]]:
        """The seals of what came, by run: "" for the culture, "events", and the uids of fits."""
        found: dict[str, dict[str, Any]] = {"": {"culture": _culture_seal(self.culture, self.experiment)}}
        found[""] |= {"fits": sorted(self.runs), "events": self.events and self.events["run"]}
        found |= {uid: {"run": run_seal(row)} for uid, row in self.runs.items()}
        if self.events is not None:
            found["events"] = {"run": run_seal(self.events)}
        for (run, part), seal in self._seals.items():
            found.setdefault(run, {})[part] = seal.text
        return found

    def said(self) -> dict[str, dict[str, Any] | None]:
        """The seals that the graph has of it; None where it has none, or they cannot be read."""
        nodes = {"": self.culture, **self.runs, **({} if self.events is None else {"events": self.events})}
        return {run: seals_of(node) for run, node in nodes.items()}


def seals_of(node: Mapping[str, Any]) -> dict[str, Any] | None:
    """The seals of a node; None where it has none, or they cannot be read."""
    try:
        found = json.loads(node.get(SEALS) or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) and found else None


def _annotations(cell: Mapping[str, Any], names: Sequence[str]) -> Row:
    return {name: cell[name] for name in names if cell.get(name) is not None}


def _culture_seal(node: Mapping[str, Any], experiment: str | None) -> str:
    seal = Seal()
    seal.add({name: value for name, value in node.items() if name not in _NOT_SEALED}, experiment)
    return seal.text


def run_seal(node: Mapping[str, Any]) -> str:
    """Of the node of a fit, or of a run of events."""
    seal = Seal()
    seal.add({name: value for name, value in node.items() if name not in _NOT_SEALED})
    return seal.text


def seal_culture(tx: ManagedTransaction, uid: str, parts: Mapping[str, str] | None = None) -> None:
    """Seal a culture's node anew, as the last step of a transaction that changes it.

    Parameters
    ----------
    tx
        The transaction.
    uid
        Of the culture.
    parts
        The seals of what else was changed; the others stay as they are.
    """
    rows = rows_of(tx, _CULTURE, uid=uid)
    if not rows:
        return
    node = plain(rows[0]["node"])
    seals = seals_of(node) or {}
    if not parts and "cells" not in seals:
        return  # of an older calcigraph: what its rows were is not known
    seals |= parts or {}
    seals.setdefault("annotations", Seal().text)
    seals["culture"] = _culture_seal(node, rows[0]["experiment"])
    seals["fits"] = sorted(row["uid"] for row in rows_of(tx, _FITS, uid=uid))
    seals["events"] = next((row["run"] for row in rows_of(tx, _EVENTS, uid=uid)), None)
    rows_of(tx, _SET, uid=uid, seals=json.dumps(seals, sort_keys=True))


def seal_run(tx: ManagedTransaction, label: str, uid: str, parts: Mapping[str, str] | None = None) -> None:
    """Seal the node of a run anew. Parameters as for `seal_culture`; `label` is FitRun, ForecastRun or EventRun."""
    rows = rows_of(tx, _RUN.format(label=label), uid=uid)
    if not rows:
        return
    node = plain(rows[0]["node"])
    seals = {**(seals_of(node) or {}), **(parts or {})}
    if seals:
        text = json.dumps({**seals, "run": run_seal(node)}, sort_keys=True)
        rows_of(tx, _SET_RUN.format(label=label), uid=uid, seals=text)


def annotations_seal(tx: ManagedTransaction, uid: str, names: Sequence[str]) -> dict[str, str]:
    """The seal of what `annotate` has set on the culture's cells."""
    found: dict[str, Row] = {}
    for name in names:
        for row in rows_of(tx, _ANNOTATED, uid=uid, name=name):
            found.setdefault(row["uid"], {})[name] = row["value"]
    seal = Seal()
    for cell, values in found.items():
        seal.add(cell, values)
    return {"annotations": seal.text}


def contents_of(graph: Reader, culture: str) -> Contents:
    """All that the graph has of a complete culture, read once."""
    dump, contents = Dump(graph, culture), Contents()
    for nodes in NODES:
        for row in dump.nodes(nodes):
            contents.node(nodes, row)
    for links in LINKS:
        for a, b, row in dump.links(links):
            contents.link(links, a, b, row)
    return contents


@dataclass(frozen=True)
class _Inside:
    """What a transaction sees."""

    tx: ManagedTransaction

    def read(self, text: str, **parameters: Any) -> list[Row]:
        return rows_of(self.tx, text, **parameters)


def reseal(tx: ManagedTransaction, uid: str) -> None:
    """Seal all that there is of a complete culture, as it is."""
    contents = contents_of(_Inside(tx), uid)
    found = contents.found()
    for run in contents.runs:
        seal_run(tx, contents.labels[run], run, found[run])
    if contents.events is not None:
        seal_run(tx, "EventRun", contents.events["uid"], found["events"])
    seal_culture(tx, uid, found[""])
