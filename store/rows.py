"""What cultures and cells are as rows of the graph: their nodes' properties, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.store.bolt import Row
from calcigraph.store.types import Cells, Contacts, Culture, FloatArray
from calcigraph.store.weights import PROPERTY

OF_CELLS = ("area_px", "x_px", "y_px", "border", "polygon", "flags", "open_px", "intensity")
"""Properties of a cell that its masks and movie decide."""
OF_CONTACTS = ("shared_border_px", "centroid_distance_px", *PROPERTY.values())
"""Properties of a contact."""
FLAT = {"options": "option", "tissue": "tissue", "light": "light", "registration": "registration"}
"""Mappings of a culture that stand on its node twice: as JSON, which is exact, and as properties of these prefixes."""


def flat(prefix: str, values: Mapping[str, Any]) -> Row:
    """A mapping as properties that Cypher can ask for; what no property can hold stands in the JSON only.

    Examples
    --------
    >>> flat("fact", {"frames": 361, "tails": False, "seed": None, "k_if": {"hill:1 scale": 0.01}, "range": [1, 2.5]})
    {'fact_frames': 361, 'fact_tails': False, 'fact_k_if_hill_1_scale': 0.01, 'fact_range': [1.0, 2.5]}
    """
    found: Row = {}
    for key, each in values.items():
        value = each.item() if isinstance(each, np.generic) else each
        word = re.sub(r"\W+", "_", key)
        name = f"{prefix}_{word}"
        if isinstance(value, Mapping):
            found |= flat(name, value)
        elif isinstance(value, bool | int | float | str):
            found[name] = value
        elif isinstance(value, list | tuple) and value and all(type(each) in (int, float) for each in value):
            found[name] = [float(each) for each in value]
        elif isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
            found[name] = list(value)
    return {name: value for name, value in found.items() if not isinstance(value, float) or np.isfinite(value)}


def moment(text: str) -> str | None:
    """An ISO 8601 time as Cypher's `datetime` reads it; without an offset it is UTC; None for an empty text.

    Raises InputError for what is no time.

    >>> moment("2026-01-02T03:04:05"), moment("")
    ('2026-01-02T03:04:05+00:00', None)
    """
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no time; expected ISO 8601, such as 2026-01-02T03:04:05+00:00") from error
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()


def iso(value: Any) -> str:
    """A stored time as ISO 8601 text; graphs of schema version 1 hold it as text. "" for none.

    >>> iso(datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)), iso("2026-01-02T03:04:05+00:00")
    ('2026-01-02T03:04:05.678+00:00', '2026-01-02T03:04:05+00:00')
    """
    if value is None or isinstance(value, str):
        return value or ""
    time: datetime = value.to_native() if hasattr(value, "to_native") else value
    return time.isoformat(timespec="milliseconds" if time.microsecond else "seconds")


def culture_properties(culture: Culture) -> Row:
    """A Culture as node properties, without the experiment, which is a node, `created` and what `annotate` sets."""
    left_out = ("experiment", "created", "annotations")
    values = {item.name: getattr(culture, item.name) for item in fields(culture) if item.name not in left_out}
    values["name"] = culture.uid
    for name, prefix in FLAT.items():
        values |= flat(prefix, values[name])
        values[name] = json.dumps(dict(values[name]), sort_keys=True) if values[name] or name == "options" else None
    values["warnings"] = list(culture.warnings)
    values["doubts"] = list(culture.doubts) or None
    values["time_s"] = None if culture.time_s is None else list(culture.time_s)
    return values


def culture_of(row: Row) -> Culture:
    """The Culture of a row with its node's properties as `culture`, and its `experiment`."""
    stored = row["culture"]
    values = {item.name: stored.get(item.name) for item in fields(Culture)}
    values["experiment"] = row["experiment"]
    values |= {name: json.loads(stored.get(name) or "{}") for name in FLAT}
    values["warnings"] = tuple(stored.get("warnings") or ())
    values["doubts"] = tuple(stored.get("doubts") or ())
    values["time_s"] = tuple(stored["time_s"]) if stored.get("time_s") else None
    values["annotations"] = {name: stored.get(name) for name in stored.get("annotations") or ()}
    values["complete"] = bool(stored.get("complete"))
    values["created"] = iso(values["created"])
    # calcigraph writes these with the node's first transaction; they are absent only where another program made it.
    for name in ("masks", "input_digest", "version"):
        values[name] = values[name] or ""
    return Culture(**values)


def cell_rows(cells: Cells, uid: str, culture: str, *, traces: bool = True) -> Iterator[Row]:
    """One cell's node properties at a time: all traces as Python numbers would take several times their memory.

    Parameters
    ----------
    cells
        Of the culture.
    uid
        Of the culture's node while it is written.
    culture
        Its name.
    traces
        Whether the traces go along.
    """
    from neo4j.spatial import CartesianPoint

    columns = zip(
        cells.labels.tolist(),
        cells.area_px.tolist(),
        cells.x_px.tolist(),
        cells.y_px.tolist(),
        cells.border.tolist(),
        cells.polygons,
        cells.flags,
        [None] * len(cells) if cells.open_px is None else cells.open_px.tolist(),
        strict=True,
    )
    for index, (label, area, x, y, border, polygon, flags, open_px) in enumerate(columns):
        yield {
            "uid": f"{uid}:{label}",
            "name": f"{culture} {label}",
            "label": label,
            "area_px": area if np.isfinite(area) else None,
            "x_px": x,
            "y_px": y,
            "place": CartesianPoint((x, y)),
            "border": border,
            "polygon": polygon,
            "flags": flags or None,
            "open_px": open_px,
            "intensity": cells.intensity[index].tolist() if traces else None,
        }


def contact_rows(contacts: Contacts, weights: Mapping[str, FloatArray], uid: str) -> list[list[Any]]:
    """The contacts of the culture's node `uid`: both ends, then OF_CONTACTS, null for what is not known."""
    unknown = [None] * len(contacts)
    columns = [
        [None if np.isnan(border) else border for border in contacts.shared_border_px.tolist()],
        contacts.centroid_distance_px.tolist(),
        *(weights[name].tolist() if name in weights else unknown for name in PROPERTY.values()),
    ]
    ends = zip(contacts.label_a.tolist(), contacts.label_b.tolist(), strict=True)
    return [[f"{uid}:{a}", f"{uid}:{b}", *each] for (a, b), each in zip(ends, zip(*columns, strict=True), strict=True)]
