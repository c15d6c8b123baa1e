"""Pixel outlines of cells as WKT: valid, with holes, their area the number of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcigraph.ingest import kernels
from calcigraph.store.types import LabelImage

Loop = tuple[NDArray[np.int32], NDArray[np.int32]]
"""Vertices (v, 2) as (x, y), and the (y, x) of a pixel of the cell at the loop."""


def outlines(cells: LabelImage, count: int) -> tuple[str, ...]:
    """WKT of each cell 1..count of `cells`, (Y, X): POLYGON, or MULTIPOLYGON for a cell in pieces (4-connected).

    Pixel (row, column) covers the square from (column, row) to (column + 1, row + 1), y down. Pixels that meet at a
    corner only belong to different pieces, so every polygon is valid in the sense of simple features.
    """
    vertices, ends, owners = kernels.trace_outlines(cells, _sides(cells))
    starts = np.concatenate([np.zeros(1, np.int64), ends])[:-1]
    loops: list[list[Loop]] = [[] for _ in range(count)]
    for start, end, (cell, y, x) in zip(starts.tolist(), ends.tolist(), owners.tolist(), strict=True):
        loops[cell - 1].append((vertices[start:end], np.array((y, x), np.int32)))
    return tuple(map(_wkt, loops))


def _sides(cells: LabelImage) -> int:
    """Pixel sides between unlike pixels, each counted from both, and all sides at the image edge."""
    inner = np.count_nonzero(cells[:, 1:] != cells[:, :-1]) + np.count_nonzero(cells[1:] != cells[:-1])
    return 2 * int(inner) + 2 * sum(cells.shape) + 4


def _wkt(loops: list[Loop]) -> str:
    if len(loops) == 1:
        return f"POLYGON ({_ring(loops[0][0])})"
    areas = [_signed_area(vertices) for vertices, _ in loops]
    pieces = {index: [vertices] for index, (vertices, _) in enumerate(loops) if areas[index] > 0}
    for index, (vertices, pixel) in enumerate(loops):
        if areas[index] < 0:
            around = [piece for piece in pieces if len(pieces) == 1 or _contains(loops[piece][0], pixel)]
            pieces[min(around, key=lambda piece: areas[piece])].append(vertices)
    polygons = [f"({', '.join(map(_ring, rings))})" for rings in pieces.values()]
    return f"POLYGON {polygons[0]}" if len(polygons) == 1 else f"MULTIPOLYGON ({', '.join(polygons)})"


def _ring(vertices: NDArray[np.int32]) -> str:
    points = [f"{x} {y}" for x, y in vertices.tolist()]
    return f"({', '.join(points)}, {points[0]})"


def _signed_area(vertices: NDArray[np.int32]) -> float:
    """Positive for exteriors, which run clockwise on the screen."""
    x, y = vertices.astype(np.int64).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def _contains(ring: NDArray[np.int32], pixel: NDArray[np.int32]) -> bool:
    """Whether the pixel's centre is inside: an odd number of the ring's vertical sides lies to its right."""
    y, x = pixel + 0.5
    after = np.roll(ring, -1, axis=0)
    crosses = (np.minimum(ring[:, 1], after[:, 1]) < y) & (np.maximum(ring[:, 1], after[:, 1]) > y)
    return bool(np.count_nonzero(crosses & (ring[:, 0] > x)) % 2)
