"""Writing forecasts: one ForecastRun a culture, and one FORECAST relationship a cell, in one transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.errors import InputError, NotFoundError, spelt
from calcigraph.store.bolt import Bolt, Row, rows_of
from calcigraph.store.fits import finite
from calcigraph.store.forecast_types import ForecastRun
from calcigraph.store.rows import flat, moment
from calcigraph.store.seals import Seal, seal_culture, seal_run
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

BATCH_CELLS = 1000

_OF_RUN = (
    "nats", "nats_low", "nats_high", "auroc", "contact_gain", "contact_gain_by_chance", "contact_p", "contact_nats",
    "within_s",
)  # fmt: skip
"""Numbers of the run that its node has under the same name."""
_OF_CELL = ("skill", "expected", "expected_low", "expected_high")
"""Lists of a cell, one number a horizon."""

_RUN = """
MATCH (k:Culture {uid: $culture})
WHERE k.complete = true
MERGE (r:ForecastRun {uid: $uid})
SET r = $properties, r.created = datetime($created)
MERGE (r)-[:OF]->(k)
RETURN k.frames AS frames
"""
_FORGET_CELLS = "MATCH (:Cell)-[f:FORECAST]->(:ForecastRun {uid: $uid}) DELETE f"
_FORGET_TRAINING = "MATCH (:ForecastRun {uid: $uid})-[t:TRAINED_ON]->(:Culture) DELETE t"
_TRAINING = """
MATCH (r:ForecastRun {uid: $uid})
UNWIND $cultures AS name
MATCH (k:Culture {uid: name})
CREATE (r)-[:TRAINED_ON]->(k)
"""
_CELLS = """
UNWIND $rows AS row
MATCH (c:Cell {uid: row.cell})
MATCH (r:ForecastRun {uid: $uid})
CREATE (c)-[f:FORECAST]->(r)
SET f = row.values
RETURN count(f) AS written
"""


def uid_of(culture: str) -> str:
    """The uid of a culture's forecast: it has one at most.

    >>> uid_of("control")
    'control:forecast'
    """
    return f"{culture}:forecast"


def write_forecast(bolt: Bolt, run: ForecastRun, created: str, version: str) -> None:
    """See Graph.write_forecast."""
    _check(run)
    bolt.require_room()
    properties, rows, when = _properties(run) | {"version": version}, _cell_rows(run), moment(created)
    bolt.run(lambda tx: _write(tx, run, properties, rows, when), write=True)


def _write(tx: ManagedTransaction, run: ForecastRun, properties: Row, rows: list[Row], created: str | None) -> None:
    culture, uid = run.culture, uid_of(run.culture)
    if not rows_of(tx, _RUN, culture=culture, uid=uid, properties=properties, created=created):
        raise NotFoundError(
            f"there is no complete culture {spelt(culture)} to store a forecast of; `calcigraph status` tells what is "
            "incomplete"
        )
    rows_of(tx, _FORGET_CELLS, uid=uid)
    rows_of(tx, _FORGET_TRAINING, uid=uid)
    if run.trained_on:
        rows_of(tx, _TRAINING, uid=uid, cultures=list(run.trained_on))
    written = 0
    for start in range(0, len(rows), BATCH_CELLS):
        written += rows_of(tx, _CELLS, rows=rows[start : start + BATCH_CELLS], uid=uid)[0]["written"]
    if written != len(rows):
        raise InputError(
            f"the forecast names {len(rows)} cells, but culture {spelt(culture)} has only {written} of them; "
            "forecast it again"
        )
    seal = Seal()
    for row in rows:
        seal.add(row["cell"], row["values"])
    seal_run(tx, "ForecastRun", uid, {"fitted": seal.text})
    seal_culture(tx, culture)


def _check(run: ForecastRun) -> None:
    count = len(run.labels)
    of_cells = (run.skills, run.expected, run.expected_low, run.expected_high, run.noise_ratio, run.probability)
    if any(len(values) != count for values in of_cells) or len(set(run.labels.tolist())) != count:
        raise InputError(f"the forecast of {spelt(run.culture)} must have one value for each of {count} unlike cells")


def _properties(run: ForecastRun) -> Row:
    """Of the ForecastRun."""
    return {
        "uid": uid_of(run.culture),
        "name": f"forecast of {run.culture}",
        "culture": run.culture,
        "cells": len(run.labels),
        "ahead": len(run.skill),
        "trained_on": list(run.trained_on),
        "skill": _numbers(run.skill),
        "rival": list(run.rival),
        "held": _numbers(run.held),
        "told": _numbers(run.told),
        "came": _numbers(run.came),
        "contact_word": run.contact_word,
        "settings": json.dumps(dict(run.settings), sort_keys=True),
        "settings_hash": run.settings_hash,
        "facts": json.dumps(dict(run.facts), sort_keys=True),
        "advice": list(run.advice),
        **{name: finite(getattr(run, name)) for name in _OF_RUN},
        **flat("setting", run.settings),
        **flat("fact", run.facts),
    }


def _numbers(values: FloatArray) -> list[float] | None:
    """A list as a property; None where a number is missing, which no list of the graph can hold."""
    return [float(value) for value in values] if np.isfinite(values).all() else None


def _cell_rows(run: ForecastRun) -> list[Row]:
    lists = dict(zip(_OF_CELL, (run.skills, run.expected, run.expected_low, run.expected_high), strict=True))
    rows = []
    for place, label in enumerate(run.labels.tolist()):
        values: Row = {name: _numbers(each[place]) for name, each in lists.items()}
        values["noise_ratio"] = finite(run.noise_ratio[place])
        values["probability"] = finite(run.probability[place])
        values["nats"] = finite(run.nats_of_cells[place])
        known = {name: value for name, value in values.items() if value is not None}
        rows.append({"cell": f"{run.culture}:{label}", "values": known})
    return rows
