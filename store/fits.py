"""Writing fits: one FitRun, one FITTED relationship and the `<model>_<parameter>` properties per cell, in one step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calcigraph.errors import InputError, NotFoundError
from calcigraph.store import summary
from calcigraph.store.bolt import Bolt, Row, rows_of
from calcigraph.store.rows import flat, moment
from calcigraph.store.seals import Seal, seal_culture, seal_run
from calcigraph.store.types import Fit
from calcigraph.store.weights import PROPERTY

if TYPE_CHECKING:
    from neo4j import ManagedTransaction

BATCH_FITS = 1000

_CULTURE_VALUES = (
    "k", "k_low", "k_high", "feed", "feed_low", "feed_high", "mse_train", "mse_test",
    "null_k", "null_k_mean", "null_k_z", "null_k_p", "null_sync", "null_sync_mean", "null_sync_z", "null_sync_p",
)  # fmt: skip

_LOCK = """
MATCH (k:Culture {uid: $culture})
WHERE k.complete = true
SET k.last_fit = $run, k.fits_written = coalesce(k.fits_written, 0) + 1
RETURN properties(k) AS culture
"""
_FORMER = """
MATCH (r:FitRun)-[:OF]->(:Culture {uid: $culture})
WHERE r.model = $model
OPTIONAL MATCH (c:Cell)-[:FITTED]->(r)
RETURN r.uid AS run, r.parameters AS parameters, collect(c.label) AS labels
"""
_FORGET = """
UNWIND $uids AS uid
MATCH (:Cell {uid: uid})-[f:FITTED]->(:FitRun {uid: $run})
DELETE f
"""
_RUN = """
MERGE (r:FitRun {uid: $run})
SET r = $properties, r.created = datetime($created)
WITH r
MATCH (k:Culture {uid: $culture})
MERGE (r)-[:OF]->(k)
"""
_CLEAR = """
UNWIND $uids AS uid
MATCH (c:Cell {uid: uid})
SET c += $nothing
"""
_FITTED = """
UNWIND $rows AS row
MATCH (c:Cell {uid: row.uid})
SET c += row.node
WITH c, row
MATCH (r:FitRun {uid: $run})
MERGE (c)-[f:FITTED]->(r)
SET f = row.values
RETURN count(f) AS fitted
"""


def write_fit(bolt: Bolt, fit: Fit, created: str, version: str) -> None:
    """See Graph.write_fit."""
    _check(fit)
    bolt.require_room()
    properties = _run_properties(fit) | summary.of_fit(fit) | {"version": version}
    rows, when = _cell_rows(fit), moment(created)
    bolt.run(lambda tx: _write(tx, fit, properties, rows, when), write=True)


def _write(tx: ManagedTransaction, fit: Fit, properties: Row, rows: list[Row], created: str | None) -> None:
    culture, run = fit.culture, fit.run
    locked = rows_of(tx, _LOCK, culture=culture, run=run)
    if not locked:
        raise NotFoundError(
            f"there is no complete culture {culture} to store a fit of; `calcigraph status` tells what is incomplete"
        )
    former = rows_of(tx, _FORMER, culture=culture, model=fit.model)
    properties = properties | {"weight": weight_property(fit.settings, fit.facts, locked[0]["culture"])}
    properties["number"] = locked[0]["culture"]["fits_written"]
    rows_of(tx, _RUN, run=run, properties=properties, created=created, culture=culture)
    _clear_stale(tx, fit, properties["parameters"], former)
    fitted = 0
    for start in range(0, len(rows), BATCH_FITS):
        fitted += rows_of(tx, _FITTED, rows=rows[start : start + BATCH_FITS], run=run)[0]["fitted"]
    if fitted != len(rows):
        raise InputError(
            f"the fit names {len(rows)} cells, but culture {culture} has only {fitted} of them; fit it again"
        )
    seal = Seal()
    for row in rows:
        seal.add(row["uid"], row["values"])
    seal_run(tx, "FitRun", run, {"fitted": seal.text})
    seal_culture(tx, culture)


def _clear_stale(tx: ManagedTransaction, fit: Fit, parameters: list[str], former: list[Row]) -> None:
    """Remove what earlier fits of the model left on cells that this one does not fit, and parameters it lacks."""
    names = {name for row in former for name in row["parameters"] or ()}
    fitted = set(fit.labels.tolist())
    left = {label for row in former for label in row["labels"]} - fitted
    again = {label for row in former for label in row["labels"] if row["run"] == fit.run} - fitted
    if again:
        rows_of(tx, _FORGET, uids=[f"{fit.culture}:{label}" for label in sorted(again)], run=fit.run)
    for labels, gone in ((left, names), (fitted, names - set(parameters))):
        nothing = {f"{fit.model}_{name}": None for name in gone}
        if labels and nothing:
            rows_of(tx, _CLEAR, uids=[f"{fit.culture}:{label}" for label in sorted(labels)], nothing=nothing)


def _check(fit: Fit) -> None:
    count = len(fit.labels)
    counts = {name: len(values) for name, values in fit.cells.items()}
    counts |= {name: len(words) for name, words in fit.words.items()}
    wrong = [name for name, length in counts.items() if length != count]
    if wrong:
        raise InputError(f"fit {fit.run}: {', '.join(wrong)} must have one value for each of the {count} fitted cells")
    if len(set(fit.labels.tolist())) != count:
        raise InputError(f"fit {fit.run} names a cell twice")


def _run_properties(fit: Fit) -> Row:
    values: Row = {name: finite(getattr(fit, name)) for name in _CULTURE_VALUES}
    values |= run_facts(fit.culture, fit.model, fit.settings, fit.facts)
    return values | {
        "uid": fit.run,
        "model": fit.model,
        "case": fit.case,
        "settings": json.dumps(dict(fit.settings), sort_keys=True),
        "settings_hash": fit.settings_hash,
        "advice": list(fit.advice),
        "identified": fit.identified,
        "why": "; ".join(fit.why) or None,
        "facts": json.dumps(dict(fit.facts), sort_keys=True),
        "curves": json.dumps(dict(fit.curves), separators=(",", ":")) if fit.curves else None,
        "parameters": sorted({*fit.cells, *fit.words}),
    }


def run_facts(culture: str, model: str, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> Row:
    """What a FitRun has beside its settings and facts as JSON, so that Cypher can ask for them."""
    return {"name": f"{model} of {culture}"} | flat("setting", settings) | flat("fact", facts)


def weight_property(settings: Mapping[str, Any], facts: Mapping[str, Any], culture: Mapping[str, Any]) -> str | None:
    """The property of ADJACENT with the weights that a fit's k goes with; None where the graph has another unit."""
    name, scale = PROPERTY.get(settings.get("weights", "")), facts.get("weight_scale")
    stored = None if name is None else culture.get(f"{name}_scale")
    return name if scale is not None and stored is not None and math.isclose(scale, stored, rel_tol=1e-9) else None


def _cell_rows(fit: Fit) -> list[Row]:
    """Per cell: its uid, the node's properties (null removes an old one) and the relationship's."""
    columns: dict[str, list[Any]] = {name: [finite(v) for v in values.tolist()] for name, values in fit.cells.items()}
    columns |= {name: [word or None for word in words] for name, words in fit.words.items()}
    names = list(columns)
    node_names = [f"{fit.model}_{name}" for name in names]
    rows = []
    for label, *values in zip(fit.labels.tolist(), *columns.values(), strict=True):
        node = dict(zip(node_names, values, strict=True))
        relationship = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        rows.append({"uid": f"{fit.culture}:{label}", "node": node, "values": relationship})
    return rows


def finite(value: float | None) -> float | None:
    """The value as a plain float; None for what is not a finite number, which the graph leaves out."""
    return None if value is None or not math.isfinite(value) else float(value)
