"""Where and when waves over contacts and flashes begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.synthetic.label_geometry import LabelGeometry
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.store.event_types import FLASH, WAVE
from calcigraph.store.types import BoolArray, FloatArray, IntArray

MARGIN = 0.05
"""Waves and flashes start in this share of the recording's length from both of its ends at the soonest."""


@dataclass(frozen=True)
class Plan:
    """What sets off a wave or a flash: rows of cells and when each of them is set off."""

    kind: str
    starts: IntArray
    times: FloatArray
    speed: float
    start_s: float
    direction_deg: float | None
    reached: IntArray
    """(n,), 1 for the cells that the wave may excite."""


def planned(options: WaveOptions, geometry: LabelGeometry, rng: np.random.Generator) -> list[Plan]:
    """Where and when waves and flashes begin."""
    recording = (options.frames - 1) * options.frame_interval_s
    kinds = ["wave"] * options.waves + ["plane"] * options.planes
    kinds += ["collision"] * options.collisions + ["flash"] * options.flashes
    plans: list[Plan] = []
    for kind in kinds:
        start = float(rng.uniform(MARGIN, 1 - 2 * MARGIN) * recording)
        low, high = np.log(options.speed_low_px_s), np.log(options.speed_high_px_s)
        speed = float(np.clip(np.exp(rng.uniform(low, high)), options.speed_low_px_s, options.speed_high_px_s))
        if kind == "wave":
            row = int(rng.integers(len(geometry.cells)))
            plans.append(
                _from_cell(geometry, row, start, speed, rng.uniform(options.reach_low_px, options.reach_high_px))
            )
        elif kind == "plane":
            plans.append(_plane(geometry, rng.uniform(0, 2 * np.pi), start, speed))
        elif kind == "collision":
            plans += _collision(geometry, start, speed, rng)
        else:
            plans.append(_flash(options, geometry, start, rng))
    return plans


def _from_cell(geometry: LabelGeometry, row: int, start: float, speed: float, reach: float) -> Plan:
    distance = np.hypot(geometry.x_px - geometry.x_px[row], geometry.y_px - geometry.y_px[row])
    return Plan(
        kind=WAVE,
        starts=np.array([row]),
        times=np.array([start]),
        speed=speed,
        start_s=start,
        direction_deg=None,
        reached=(distance <= reach).astype(np.int64),
    )


def _plane(geometry: LabelGeometry, angle: float, start: float, speed: float) -> Plan:
    """A front that enters from one side: the cells within a cell's width of that side are set off as it passes."""
    along = np.cos(angle) * geometry.x_px + np.sin(angle) * geometry.y_px
    along = along - along.min()
    # Of all cells at the side, those that no other cell lies before.
    width = float(np.sqrt(np.mean(geometry.area_px)))
    first = np.flatnonzero(geometry.border & (along < along.max() / 2) & _outermost(geometry, angle, width))
    return Plan(
        kind=WAVE,
        starts=first,
        times=start + along[first] / speed,
        speed=speed,
        start_s=start,
        direction_deg=float(np.degrees(angle) % 360),
        reached=np.ones(len(along), np.int64),
    )


def _outermost(geometry: LabelGeometry, angle: float, width: float) -> BoolArray:
    """(n,), cells that have no other cell within a lane of `width` px before them."""
    along = np.cos(angle) * geometry.x_px + np.sin(angle) * geometry.y_px
    across = -np.sin(angle) * geometry.x_px + np.cos(angle) * geometry.y_px
    before = (np.abs(across[:, None] - across) < width / 2) & (along < along[:, None] - width / 2)
    return np.asarray(~before.any(axis=1))


def _collision(geometry: LabelGeometry, start: float, speed: float, rng: np.random.Generator) -> list[Plan]:
    """Two waves from cells a third to two thirds of the culture apart, the second up to a quarter of the way later."""
    size = max(float(np.ptp(geometry.x_px)), float(np.ptp(geometry.y_px)))
    for _ in range(1000):
        a, b = rng.choice(len(geometry.cells), 2, replace=False).tolist()
        apart = float(np.hypot(geometry.x_px[a] - geometry.x_px[b], geometry.y_px[a] - geometry.y_px[b]))
        if size / 3 <= apart <= size * 2 / 3:
            break
    later = start + rng.uniform(0, apart / speed / 4)
    return [_from_cell(geometry, a, start, speed, np.inf), _from_cell(geometry, b, float(later), speed, np.inf)]


def _flash(options: WaveOptions, geometry: LabelGeometry, start: float, rng: np.random.Generator) -> Plan:
    middle = int(rng.integers(len(geometry.cells)))
    distance = np.hypot(geometry.x_px - geometry.x_px[middle], geometry.y_px - geometry.y_px[middle])
    inside = np.flatnonzero((distance <= options.flash_reach_px) & (rng.random(len(distance)) < options.flash_share))
    return Plan(
        kind=FLASH,
        starts=inside,
        times=start + options.flash_spread_s * rng.standard_normal(len(inside)),
        speed=np.inf,
        start_s=start,
        direction_deg=None,
        reached=np.zeros(len(distance), np.int64),
    )
