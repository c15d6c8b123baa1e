"""Pixel outlines of cells as WKT: valid, with holes, their area the number of pixels.

An outline consists of the sides of pixels where their cell ends. It is walked with the cell on the right: rightwards
along the upper side of a pixel, downwards along its right side, leftwards, upwards (ways 0 to 3). Sides in one line
make a run. A run starts at a corner of the outline, and exactly one run follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.store.types import BoolArray, IntArray, LabelImage

Ring = list[int]
"""Runs in order; their starts are the ring's vertices."""


@dataclass(frozen=True)
class _Runs:
    """All runs of an image; each array is (r,)."""

    x: IntArray
    """Column of the vertex from which the run starts."""
    y: IntArray
    """Row of that vertex."""
    cell: IntArray
    """1..count."""
    pixel_y: IntArray
    """Row of the run's first pixel."""
    pixel_x: IntArray
    """Column of the run's first pixel."""
    following: IntArray
    """The next run."""
    shared: BoolArray
    """Whether another run of the same cell starts from that vertex too."""


def outlines(cells: LabelImage, count: int) -> tuple[str, ...]:
    """The outlines of cells as WKT, valid in the sense of simple features.

    Pixels that meet at a corner only belong to different pieces of a cell. A ring that returns to a vertex is split
    there.

    Parameters
    ----------
    cells
        (Y, X), 0 for background, cells 1..count. Pixel (row, column) covers the square from (column, row) to
        (column + 1, row + 1); y points down.
    count
        The number of cells.

    Returns
    -------
    (count,), a POLYGON each, or a MULTIPOLYGON for a cell in several pieces.

    Examples
    --------
    >>> outlines(np.int32([[1, 1], [1, 0]]), 1)
    ('POLYGON ((0 0, 2 0, 2 1, 1 1, 1 2, 0 2, 0 0))',)
    """
    runs = _find_runs(cells)
    points = [f"{x} {y}" for x, y in zip(runs.x.tolist(), runs.y.tolist(), strict=True)]
    cell_of = runs.cell.tolist()
    rings: list[list[Ring]] = [[] for _ in range(count)]
    for ring in _walk(runs):
        rings[cell_of[ring[0]] - 1].append(ring)
    return tuple(_wkt(of_cell, points, runs) for of_cell in rings)


def _find_runs(cells: LabelImage) -> _Runs:
    """The runs of all cells. Pixels are places in the flat image with a rim of background around it."""
    padded = np.pad(cells, 1)
    flat, width = padded.ravel(), padded.shape[1]
    # By way: the step to the next pixel, and the step to the pixel beyond the side.
    ahead, outside = (1, width, -1, -width), (-width, 1, width, -1)
    starts, ends, ways = [], [], []  # a run's first pixel, the next run's first pixel with its way, its own way
    for way in range(4):
        sides = _sides_in_order(padded, way, outside[way])
        before = sides - ahead[way]
        # A side continues the run of the pixel before it if that one belongs to the cell and has an outline there too.
        goes_on = (flat[before] == flat[sides]) & (flat[before + outside[way]] != flat[sides])
        at = np.flatnonzero(~goes_on)
        last_at = np.append(at[1:], len(sides))[: len(at)] - 1
        last = sides[last_at]
        # At its end the outline turns left, onto a pixel further out, where the cell goes on ahead; else right.
        left = flat[last + ahead[way]] == flat[last]
        turned = np.where(left, last + ahead[way] + outside[way], last)
        next_way = np.where(left, (way + 3) % 4, (way + 1) % 4)
        starts.append(sides[at])
        ends.append(turned + next_way * flat.size)
        ways.append(np.full(len(at), way))
    # A run is known by its first pixel and its way; one number for both lets a sorted search find the next run.
    start, way_of = np.concatenate(starts), np.concatenate(ways)
    keys = start + way_of * flat.size
    order = np.argsort(keys)
    following = order[np.searchsorted(keys[order], np.concatenate(ends))]
    pixel_y, pixel_x = start // width - 1, start % width - 1  # without the rim
    # The vertex is the pixel's corner behind the walker: upper left for way 0, upper right for 1, and so on.
    x, y = pixel_x + np.isin(way_of, (1, 2)), pixel_y + np.isin(way_of, (2, 3))
    cell = flat[start].astype(np.int64)
    vertex_of_cell = (y * width + x) * (cell.max(initial=0) + 1) + cell
    return _Runs(
        x=x,
        y=y,
        cell=cell,
        pixel_y=pixel_y,
        pixel_x=pixel_x,
        following=following,
        shared=_repeated(vertex_of_cell),
    )


def _sides_in_order(padded: LabelImage, way: int, outside: int) -> IntArray:
    """The pixels with an outline on the side that is walked that way, in the order of walking."""
    flat = padded.ravel()
    here = np.flatnonzero(flat)
    sides = here[flat[here] != flat[here + outside]]
    if way in (1, 3):
        # Down and up run along columns, but the flat image is in the order of rows.
        width = padded.shape[1]
        sides = sides[np.argsort(sides % width, kind="stable")]
    return np.asarray(sides if way in (0, 1) else sides[::-1])


def _repeated(keys: IntArray) -> BoolArray:
    """Which keys occur more than once."""
    order = np.argsort(keys)
    same = keys[order][1:] == keys[order][:-1]
    repeated = np.zeros(len(keys), bool)
    repeated[order[1:][same]] = True
    repeated[order[:-1][same]] = True
    return repeated


def _walk(runs: _Runs) -> list[Ring]:
    """Follow the runs until each ring is closed; split a ring that returns to a vertex."""
    # Lists, because reading one element of an array costs several times as much.
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
    """Cut out a loop wherever the ring returns to a vertex, so that each part visits a vertex once."""
    parts: list[Ring] = []
    rest: Ring = []
    place: dict[tuple[int, int], int] = {}
    for run in ring:
        vertex = int(runs.x[run]), int(runs.y[run])
        if vertex in place:
            loop = rest[place[vertex] :]
            del rest[place[vertex] :]
            # The loop's vertices may come again in the rest of the ring, in another loop.
            for gone in loop:
                del place[int(runs.x[gone]), int(runs.y[gone])]
            parts.append(loop)
        place[vertex] = len(rest)
        rest.append(run)
    return [*parts, rest]


def _wkt(rings: list[Ring], points: list[str], runs: _Runs) -> str:
    """One cell's outline; `points` are the coordinates of each run's start as text."""

    def text(ring: Ring) -> str:
        return f"({', '.join([points[run] for run in ring])}, {points[ring[0]]})"

    if len(rings) == 1:
        return f"POLYGON ({text(rings[0])})"
    # Exteriors have a positive area, holes a negative one.
    areas = [_signed_area(ring, runs) for ring in rings]
    pieces = {index: [ring] for index, ring in enumerate(rings) if areas[index] > 0}
    for index, ring in enumerate(rings):
        if areas[index] < 0:
            # A hole belongs to the smallest piece around it: an island in a hole of another piece may have one too.
            around = [piece for piece in pieces if len(pieces) == 1 or _contains(rings[piece], ring[0], runs)]
            pieces[min(around, key=lambda piece: areas[piece])].append(ring)
    polygons = [f"({', '.join(map(text, piece))})" for piece in pieces.values()]
    return f"POLYGON {polygons[0]}" if len(polygons) == 1 else f"MULTIPOLYGON ({', '.join(polygons)})"


def _signed_area(ring: Ring, runs: _Runs) -> float:
    """By the shoelace formula, in px; positive for exteriors, which run clockwise on the screen."""
    x, y = runs.x[ring], runs.y[ring]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def _contains(ring: Ring, run: int, runs: _Runs) -> bool:
    """Whether the centre of the run's first pixel is inside: an odd number of vertical sides lies to its right."""
    y, x = runs.pixel_y[run] + 0.5, runs.pixel_x[run] + 0.5
    before: Any = runs.y[ring]
    after = np.roll(before, -1)
    # Horizontal sides start and end at one y, so they cross no line between pixels' corners.
    crosses = (np.minimum(before, after) < y) & (np.maximum(before, after) > y)
    return bool(np.count_nonzero(crosses & (runs.x[ring] > x)) % 2)
