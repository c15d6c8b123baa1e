"""Pixel outlines of cells as WKT: valid, with holes, their area the number of pixels.

Every side of a pixel where its cell ends is walked with the cell on the right: right along its upper side, down,
left, up (ways 0 to 3). Sides in line make a run; a run starts at a corner of the outline and has one next run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.store.types import IntArray, LabelImage

Ring = list[int]
"""Runs in order; their starts are the ring's vertices."""


@dataclass(frozen=True)
class _Runs:
    """Each (r,): the vertex a run starts from, its cell, the pixel (y, x) there, the next run, and whether another run
    of the cell starts from that vertex too."""

    x: IntArray
    y: IntArray
    cell: IntArray
    pixel_y: IntArray
    pixel_x: IntArray
    following: IntArray
    shared: NDArray[np.bool_]


def outlines(cells: LabelImage, count: int) -> tuple[str, ...]:
    """WKT of each cell 1..count of `cells`, (Y, X): POLYGON, or MULTIPOLYGON for a cell in pieces (4-connected).

    Pixel (row, column) covers the square from (column, row) to (column + 1, row + 1), y down. Pixels that meet at a
    corner only belong to different pieces, and rings that return to a vertex are split there, so every polygon is
    valid in the sense of simple features.
    """
    runs = _find_runs(cells)
    points = [f"{x} {y}" for x, y in zip(runs.x.tolist(), runs.y.tolist(), strict=True)]
    cell_of = runs.cell.tolist()
    rings: list[list[Ring]] = [[] for _ in range(count)]
    for ring in _walk(runs):
        rings[cell_of[ring[0]] - 1].append(ring)
    return tuple(_wkt(own, points, runs) for own in rings)


def _find_runs(cells: LabelImage) -> _Runs:
    padded = np.pad(cells, 1)
    flat, width = padded.ravel(), padded.shape[1]
    ahead, outside = (1, width, -1, -width), (-width, 1, width, -1)
    starts, ends, ways = [], [], []
    for way in range(4):
        sides = _sides_in_order(padded, way, outside[way])
        before = sides - ahead[way]
        goes_on = (flat[before] == flat[sides]) & (flat[before + outside[way]] != flat[sides])
        at = np.flatnonzero(~goes_on)
        last = sides[np.append(at[1:], len(sides))[: len(at)] - 1]
        left = flat[last + ahead[way]] == flat[last]
        turned = np.where(left, last + ahead[way] + outside[way], last)
        starts.append(sides[at])
        ends.append(turned + np.where(left, (way + 3) % 4, (way + 1) % 4) * flat.size)
        ways.append(np.full(len(at), way))
    start, way_of = np.concatenate(starts), np.concatenate(ways)
    keys = start + way_of * flat.size
    order = np.argsort(keys)
    following = order[np.searchsorted(keys[order], np.concatenate(ends))]
    pixel_y, pixel_x = start // width - 1, start % width - 1
    x, y = pixel_x + np.isin(way_of, (1, 2)), pixel_y + np.isin(way_of, (2, 3))
    cell = flat[start].astype(np.int64)
    return _Runs(x, y, cell, pixel_y, pixel_x, following, _repeated((y * width + x) * (cell.max(initial=0) + 1) + cell))


def _sides_in_order(padded: LabelImage, way: int, outside: int) -> IntArray:
    """Places in the flat padded image of the pixels with an outline on the side walked that way, in walking order."""
    flat = padded.ravel()
    here = np.flatnonzero(flat)
    sides = here[flat[here] != flat[here + outside]]
    if way in (1, 3):
        width = padded.shape[1]
        sides = sides[np.argsort(sides % width, kind="stable")]
    return np.asarray(sides if way in (0, 1) else sides[::-1])


def _repeated(keys: IntArray) -> NDArray[np.bool_]:
    order = np.argsort(keys)
    same = keys[order][1:] == keys[order][:-1]
    repeated = np.zeros(len(keys), bool)
    repeated[order[1:][same]] = True
    repeated[order[:-1][same]] = True
    return repeated


def _walk(runs: _Runs) -> list[Ring]:
    """Follow the runs round; split a ring where it returns to a vertex, so that each visits a vertex once."""
    following, shared = runs.following.tolist(), runs.shared.tolist()
    seen = bytearray(len(following))
    rings: list[Ring] = []
    for start in range(len(following)):
        if seen[start]:
            continue
        ring, run, touching = [], start, False
        while not seen[run]:
            seen[run] = 1
            ring.append(run)
            touching = touching or shared[run]
            run = following[run]
        rings += _split(ring, runs) if touching else [ring]
    return rings


def _split(ring: Ring, runs: _Runs) -> list[Ring]:
    parts: list[Ring] = []
    rest: Ring = []
    place: dict[tuple[int, int], int] = {}
    for run in ring:
        vertex = int(runs.x[run]), int(runs.y[run])
        if vertex in place:
            loop = rest[place[vertex] :]
            del rest[place[vertex] :]
            for gone in loop:
                del place[int(runs.x[gone]), int(runs.y[gone])]
            parts.append(loop)
        place[vertex] = len(rest)
        rest.append(run)
    return [*parts, rest]


def _wkt(rings: list[Ring], points: list[str], runs: _Runs) -> str:
    def text(ring: Ring) -> str:
        return f"({', '.join([points[run] for run in ring])}, {points[ring[0]]})"

    if len(rings) == 1:
        return f"POLYGON ({text(rings[0])})"
    areas = [_signed_area(ring, runs) for ring in rings]
    pieces = {index: [ring] for index, ring in enumerate(rings) if areas[index] > 0}
    for index, ring in enumerate(rings):
        if areas[index] < 0:
            around = [piece for piece in pieces if len(pieces) == 1 or _contains(rings[piece], ring[0], runs)]
            pieces[min(around, key=lambda piece: areas[piece])].append(ring)
    polygons = [f"({', '.join(map(text, piece))})" for piece in pieces.values()]
    return f"POLYGON {polygons[0]}" if len(polygons) == 1 else f"MULTIPOLYGON ({', '.join(polygons)})"


def _signed_area(ring: Ring, runs: _Runs) -> float:
    """Positive for exteriors, which run clockwise on the screen."""
    x, y = runs.x[ring], runs.y[ring]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def _contains(ring: Ring, run: int, runs: _Runs) -> bool:
    """Whether the centre of the run's first pixel is inside: an odd number of vertical sides lies to its right."""
    y, x = runs.pixel_y[run] + 0.5, runs.pixel_x[run] + 0.5
    low: Any = runs.y[ring]
    after = np.roll(low, -1)
    crosses = (np.minimum(low, after) < y) & (np.maximum(low, after) > y)
    return bool(np.count_nonzero(crosses & (runs.x[ring] > x)) % 2)
