"""A run of events as it may come out of a detection, for benchmarks that need one and no truth."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from calcigraph.store.event_types import EventRun, Events, Links, Wave
from calcigraph.store.types import CultureData, FloatArray, IntArray

SIZE = 60
"""Cells of a wave."""
OWN = 4
"""Events of a cell beside those in waves."""
SPEED = 3.0
"""px/s."""
JITTER_S = 0.5
TIE_S = 1.0
"""Events of neighbours that are closer in time are a tie."""


def planted_run(data: CultureData, seed: int = 0, own: int = OWN, per_wave: int = 10) -> EventRun:
    """About ten events a cell: one wave of 60 cells for every ten cells, and four events of each cell's own.

    `own` and `per_wave` (cells for each of which there is a wave) make more or fewer.
    """
    rng = np.random.default_rng(seed)
    labels, interval, frames = data.cells.labels, data.culture.frame_interval_s, data.culture.frames
    place = np.stack([data.cells.x_px, data.cells.y_px], axis=1)
    rows = [np.repeat(np.arange(len(labels)), own)]
    half = [rng.random(own * len(labels)) * frames * interval]
    waves = np.full(len(rows[0]), -1)
    for wave in range(len(labels) // per_wave):
        distance = np.hypot(*(place - place[rng.integers(len(labels))]).T)
        reached = np.argsort(distance, kind="stable")[:SIZE]
        start = rng.random() * (frames - 40) * interval
        rows.append(reached)
        half.append(start + distance[reached] / SPEED + rng.normal(0, JITTER_S, len(reached)))
        waves = np.append(waves, np.full(len(reached), wave))
    row, time = np.concatenate(rows), np.concatenate(half)
    order = np.lexsort((time, row))
    row, time, waves = row[order], time[order], waves[order]
    return EventRun(
        culture=data.culture.uid, settings={"seed": seed}, events=_events(labels[row], time, interval, rng),
        links=_links(data, row, time, waves, rng), waves=_waves(labels, row, time, waves), labels=labels,
        baseline=np.full((len(labels), frames), 0.4), noise=np.full(len(labels), 0.01),
    )  # fmt: skip


def _events(label: IntArray, half: FloatArray, interval: float, rng: np.random.Generator) -> Events:
    count = len(label)
    columns = {item.name: rng.random(count) for item in fields(Events)}
    columns |= {"label": label, "half_s": half, "onset_s": half - interval / 3, "peak_s": half + interval}
    columns |= {"end_s": half + 5 * interval, "cut_start": np.zeros(count, bool), "cut_end": np.zeros(count, bool)}
    return Events(**columns)


def _links(data: CultureData, row: IntArray, time: FloatArray, waves: IntArray, rng: np.random.Generator) -> Links:
    """Events of one wave in cells in contact."""
    ends = np.searchsorted(data.cells.labels, np.stack([data.contacts.label_a, data.contacts.label_b], axis=1))
    found = []
    for wave in range(waves.max() + 1):
        at = np.full(len(data.cells), -1)
        members = np.flatnonzero(waves == wave)
        at[row[members]] = members
        found.append(at[ends[(at[ends] >= 0).all(axis=1)]])
    pairs = np.concatenate(found)
    lag = time[pairs[:, 1]] - time[pairs[:, 0]]
    tie = np.abs(lag) < TIE_S
    swapped = (lag < 0) & ~tie
    pairs[swapped] = pairs[swapped][:, ::-1]
    return Links(pairs[:, 0], pairs[:, 1], np.where(tie, 0.0, np.abs(lag)), tie, rng.random(len(pairs)))


def _waves(labels: IntArray, row: IntArray, time: FloatArray, waves: IntArray) -> tuple[Wave, ...]:
    made = []
    for wave in range(waves.max() + 1):
        members = np.flatnonzero(waves == wave)
        members = members[np.argsort(time[members], kind="stable")]
        made.append(
            Wave(
                kind="wave", events=members, starts=labels[row[members[:1]]], onset_s=float(time[members[0]]),
                duration_s=float(np.ptp(time[members])), speed_px_s=SPEED, speed_low_px_s=2.9, speed_high_px_s=3.1,
                direction_deg=None, radial=True, origin_x_px=0.0, origin_y_px=0.0, p=0.005, q=0.01,
            )
        )  # fmt: skip
    return tuple(sorted(made, key=lambda wave: wave.onset_s))
