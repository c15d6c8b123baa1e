"""What a detection of events and waves becomes in the graph: rows of properties for store/events.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from calcigraph.store.bolt import Row
from calcigraph.store.event_types import FLASH, WAVE, EventRun, Events, Wave
from calcigraph.store.fits import finite
from calcigraph.store.rows import flat
from calcigraph.store.summary import of_events
from calcigraph.store.types import FloatArray, Subgraph

HOUR_S = 3600.0


def relative_light(graph: Subgraph, run: EventRun) -> FloatArray:
    """dF/F of the cells that were looked at: (F - F0) / F0, with F their light and F0 the light at their baseline.

    Parameters
    ----------
    graph
        The culture that the run was made from.
    run
        Its baseline is in the normalised units of the traces.

    Returns
    -------
    (n, T), in the order of `run.labels`; NaN throughout for a cell whose F0 is not positive in every frame.
    """
    rows = np.searchsorted(graph.labels, run.labels)
    light, rest = graph.brightness(graph.intensity[rows]), graph.brightness(run.baseline)
    positive = np.isfinite(rest).all(axis=1) & (rest > 0).all(axis=1)
    found = np.full(light.shape, np.nan)
    found[positive] = light[positive] / rest[positive] - 1
    return found


def run_digest(run: EventRun) -> str:
    """Hash of all that a run holds: the same digest means that nothing has to be written.

    >>> from calcigraph.store.event_types import Links, no_events
    >>> nothing = np.zeros(0)
    >>> none = Links(nothing, nothing, nothing, nothing, nothing)
    >>> run = EventRun("A", {}, no_events(), none, (), nothing, np.zeros((0, 5)), nothing)
    >>> len(run_digest(run))
    32
    """
    found = hashlib.sha256()
    arrays: list[Any] = [run.labels, run.baseline, run.noise]
    arrays += [getattr(part, item.name) for part in (run.events, run.links) for item in fields(part)]
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    words = [dict(run.settings), dict(run.facts), run.advice, [_wave_values(wave) for wave in run.waves]]
    words.append([[wave.events.tolist(), wave.starts.tolist()] for wave in run.waves])
    found.update(json.dumps(words, sort_keys=True, default=_plain).encode())
    return found.hexdigest()[:32]


def duration(culture: Row) -> float:
    """Seconds that a recording lasts, from the values of its node.

    >>> duration({"frames": 360, "frame_interval_s": 10.0, "time_s": None})
    3600.0
    """
    interval = float(culture["frame_interval_s"])
    times = culture["time_s"]
    return float(times[-1]) - float(times[0]) + interval if times else int(culture["frames"]) * interval


def run_properties(run: EventRun, duration_s: float) -> Row:
    """Of the EventRun."""
    kinds = [wave.kind for wave in run.waves]
    ties = int(np.sum(run.links.tie))
    return (
        flat("setting", run.settings)
        | flat("fact", run.facts)
        | of_events(run)
        | {
            "culture": run.culture,
            "name": f"events of {run.culture}",
            "settings": json.dumps(dict(run.settings), sort_keys=True, default=_plain),
            "settings_hash": run.settings_hash,
            "facts": json.dumps(dict(run.facts), sort_keys=True, default=_plain),
            "advice": list(run.advice),
            "cells": len(run.labels),
            "active_cells": len(np.unique(run.events.label)),
            "events": len(run.events),
            "links": len(run.links) - ties,
            "ties": ties,
            "waves": kinds.count(WAVE),
            "flashes": kinds.count(FLASH),
            "duration_s": duration_s,
        }
    )


def measured_rows(run: EventRun, dff: FloatArray, duration_s: float, size: int) -> Iterator[list[Row]]:
    """What was measured of each cell, `size` cells at a time: events, their rate, its waves, noise and dF/F."""
    took_part = _waves_of_cells(run)
    labels, counts = np.unique(run.events.label, return_counts=True)
    count = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    for start in range(0, len(run.labels), size):
        rows = []
        for place, label in enumerate(run.labels[start : start + size].tolist(), start=start):
            events = count.get(label, 0)
            values: Row = {"events": events, "event_rate_per_h": events / duration_s * HOUR_S}
            values["waves"] = took_part.get(label, [])
            values["noise"] = finite(run.noise[place])
            values["dff"] = dff[place].tolist() if np.isfinite(dff[place]).all() else None
            rows.append({"cell": f"{run.culture}:{label}", "values": _known(values)})
        yield rows


def _waves_of_cells(run: EventRun) -> dict[int, list[int]]:
    """The numbers of the waves that a cell took part in, by its label; flashes are none."""
    found: dict[int, list[int]] = {}
    for number, wave in enumerate(run.waves, start=1):
        for label in np.unique(run.events.label[wave.events]).tolist() if wave.kind == WAVE else ():
            found.setdefault(label, []).append(number)
    return found


def event_rows(run: EventRun, uids: Sequence[str], key: str, size: int) -> Iterator[list[Row]]:
    """The events, `size` at a time: rows of `cell` and `values`."""
    columns = [(item.name, getattr(run.events, item.name)) for item in fields(Events)]
    columns += [("number", run.events.number()), ("interval_s", intervals(run.events))]
    names, fixed = [name for name, _ in columns], {"culture": run.culture, "run": key}
    for start in range(0, len(run.events), size):
        part = slice(start, start + size)
        values = zip(*(column[part].tolist() for _, column in columns), strict=True)
        yield [
            {"cell": uid.rpartition(":")[0], "values": fixed | {"uid": uid, "name": _name(uid)} | _known(dict(each))}
            for uid, each in zip(uids[part], (zip(names, row, strict=True) for row in values), strict=True)
        ]


def _name(uid: str) -> str:
    """What a graph browser writes on an event: its cell and its number, such as "17 #3"."""
    _, label, number = uid.rsplit(":", 2)
    return f"{label} #{number}"


def intervals(events: Events) -> FloatArray:
    """(e,), from the onset of the cell's event before; NaN for its first."""
    first = np.diff(events.label, prepend=-1) != 0
    return np.asarray(np.where(first, np.nan, np.diff(events.onset_s, prepend=np.nan)))


def link_rows(run: EventRun, uids: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """Rows of PRECEDES, and of COINCIDES."""
    links = run.links
    columns = (links.before, links.after, links.lag_s, links.tie, links.p)
    precedes: list[Row] = []
    coincides: list[Row] = []
    for before, after, lag, tie, p in zip(*(column.tolist() for column in columns), strict=True):
        row: Row = {"a": uids[before], "b": uids[after], "lag_s": lag, "p": finite(p)}
        (coincides if tie else precedes).append(row)
    return precedes, coincides


def wave_rows(
    run: EventRun, uids: Sequence[str], key: str, pixel_size_um: float | None
) -> tuple[list[Row], list[Row], list[Row]]:
    """Rows of waves, of the cells they started at, and of the events that are part of them."""
    waves: list[Row] = []
    starts: list[Row] = []
    parts: list[Row] = []
    for number, wave in enumerate(run.waves, start=1):
        uid = f"{run.culture}:wave:{number}"
        cells = len(np.unique(run.events.label[wave.events]))
        fixed = {"uid": uid, "culture": run.culture, "run": key, "number": number, "cells": cells}
        fixed["name"] = f"{wave.kind} {number}"
        values = _wave_values(wave)
        if pixel_size_um is not None:
            for side in ("", "_low", "_high"):
                speed = values.get(f"speed{side}_px_s")
                values[f"speed{side}_um_s"] = None if speed is None else speed * pixel_size_um
        waves.append({"values": fixed | {"events": len(wave.events)} | _known(values)})
        starts += [{"wave": uid, "cell": f"{run.culture}:{label}"} for label in wave.starts.tolist()]
        parts += [{"wave": uid, "event": uids[place]} for place in wave.events.tolist()]
    return waves, starts, parts


def _wave_values(wave: Wave) -> Row:
    """The numbers and words of a wave."""
    return {item.name: getattr(wave, item.name) for item in fields(Wave) if item.name not in ("events", "starts")}


def _plain(value: Any) -> Any:
    """A number of NumPy as Python's own, for JSON."""
    return value.item()


def _known(values: Row) -> Row:
    """Without what is absent or no finite number: the graph leaves it out."""
    kept = {name: finite(value) if isinstance(value, float) else value for name, value in values.items()}
    return {name: value for name, value in kept.items() if value is not None}
