"""The compiled inner loops of ingest, cached on disk; all release the GIL."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def count_values(pixels: Array, counts: Array) -> None:
    """Add the histogram of uint16 `pixels` to `counts`, (65536,) uint64 (uint32 would overflow on long movies)."""
    half = len(pixels) // 2
    other = np.zeros(65536, np.uint32)  # two tables: equal neighbours would wait for each other's store
    for i in range(half):
        counts[pixels[2 * i]] += 1
        other[pixels[2 * i + 1]] += 1
    if len(pixels) % 2:
        counts[pixels[-1]] += 1
    for value in range(65536):
        counts[value] += other[value]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def count_keys(bits: Array, prefix: int, counts: Array) -> None:
    """Histogram of float32 pixels, given as their uint32 `bits`, by keys that sort as the floats do.

    With prefix < 0 by the upper 16 bits of the key, else by the lower 16 bits of the keys with that upper half.
    """
    for i in range(len(bits)):
        key = np.uint32(bits[i])
        key = ~key if key >> np.uint32(31) else key | np.uint32(0x80000000)
        upper = np.int64(key >> np.uint32(16))
        if prefix < 0:
            counts[upper] += 1
        elif upper == prefix:
            counts[np.int64(key & np.uint32(0xFFFF))] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sum_values(pixels: Array, table: Array, runs: Array, logs: Array, raw: Array) -> None:
    """Sum table[pixel] and pixel over each cell's runs (start, stop, cell), (r, 3); uint16 pixels."""
    for i in range(len(runs)):
        log_sum, raw_sum = 0.0, np.int64(0)
        for p in range(runs[i, 0], runs[i, 1]):
            value = pixels[p]
            log_sum += table[value]
            raw_sum += np.int64(value)
        logs[runs[i, 2]] += log_sum
        raw[runs[i, 2]] += raw_sum


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sum_floats(pixels: Array, runs: Array, logs: Array, raw: Array) -> None:
    """Sum log(pixel + 1) and pixel over each cell's runs (start, stop, cell), (r, 3); float32 pixels."""
    for i in range(len(runs)):
        log_sum, raw_sum = 0.0, 0.0
        for p in range(runs[i, 0], runs[i, 1]):
            log_sum += math.log1p(pixels[p])
            raw_sum += float(pixels[p])
        logs[runs[i, 2]] += log_sum
        raw[runs[i, 2]] += raw_sum


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def trace_outlines(cells: Array, edges: int) -> tuple[Array, Array, Array]:
    """Outlines of equal-valued regions of `cells`, (Y, X) int32, 0 for background, as closed simple loops.

    A step keeps to its own pixel where two pixels of a cell meet at a corner only, and a loop that returns to a
    vertex is split there, so each loop visits a vertex once. Exteriors run clockwise on the screen (y down), holes
    the other way. Returns vertices (v, 2) as (x, y), where each loop ends in them (l,), and (l, 3): cell and a
    pixel (y, x) of the cell at the loop. `edges`: how many pixel sides separate unlike pixels, each side twice.
    """
    height, width = cells.shape
    ahead_y, ahead_x = np.array([0, 1, 0, -1]), np.array([1, 0, -1, 0])  # right, down, left, up
    corner_y, corner_x = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0])  # where the side walked that way begins
    seen = np.zeros((height, width), np.uint8)
    position = np.full((height + 1, width + 1), -1, np.int32)
    stack = np.empty((edges + 1, 2), np.int32)
    vertices = np.empty((edges, 2), np.int32)
    ends, owners = np.empty(edges, np.int64), np.empty((edges, 3), np.int32)
    count, loops = 0, 0
    for row in range(height):
        for column in range(width):
            cell = cells[row, column]
            # every outline has an upper side (walked right), so starting from those finds all
            if cell == 0 or seen[row, column] & 1 or (row > 0 and cells[row - 1, column] == cell):
                continue
            y, x, way, before, depth = row, column, 0, -1, 0
            while True:
                if seen[y, x] & (1 << way):
                    break
                seen[y, x] |= 1 << way
                vy, vx = y + corner_y[way], x + corner_x[way]
                if way != before:
                    first = position[vy, vx]
                    if first >= 0:  # a vertex met before: what lies between is a loop of its own
                        for i in range(first, depth):
                            vertices[count, 0], vertices[count, 1] = stack[i, 0], stack[i, 1]
                            count += 1
                            if i > first:
                                position[stack[i, 1], stack[i, 0]] = -1
                        ends[loops] = count
                        owners[loops, 0], owners[loops, 1], owners[loops, 2] = cell, y, x
                        loops += 1
                        depth = first + 1
                    else:
                        position[vy, vx] = depth
                        stack[depth, 0], stack[depth, 1] = vx, vy
                        depth += 1
                before = way
                ny, nx = y + ahead_y[way], x + ahead_x[way]
                left = (way + 3) % 4
                ly, lx = ny + ahead_y[left], nx + ahead_x[left]
                if ny < 0 or ny >= height or nx < 0 or nx >= width or cells[ny, nx] != cell:
                    way = (way + 1) % 4
                elif ly < 0 or ly >= height or lx < 0 or lx >= width or cells[ly, lx] != cell:
                    y, x = ny, nx
                else:
                    y, x, way = ly, lx, left
            for i in range(depth):
                vertices[count, 0], vertices[count, 1] = stack[i, 0], stack[i, 1]
                count += 1
                position[stack[i, 1], stack[i, 0]] = -1
            ends[loops] = count
            owners[loops, 0], owners[loops, 1], owners[loops, 2] = cell, row, column
            loops += 1
    return vertices[:count].copy(), ends[:loops].copy(), owners[:loops].copy()
