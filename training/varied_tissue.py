"""Tissue that is less regular than that of models/synthetic: shapes and looks of stained epithelia, for training only.

`varied_labels` draws cells of very unlike sizes, stretched cells and ruffled outlines. `varied_look` draws them as

* junctions: bright outlines over dim, unlike cells, as after staining ZO-1 or cadherin. Outlines are even, beaded or
  broken; there are specks, haze, and cells that glow as a whole;
* specular: dark outlines between bright cells under uneven light, as in a specular microscope;
* soft: cells that differ in brightness only, out of focus.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.models.synthetic import tissue

LOOKS = ("junctions", "junctions", "specular", "soft")
"""Junctions twice: they are what epithelia are stained for most."""
SMALLEST_PX, LARGEST_PX = 11.0, 95.0
"""Root of the mean area of the cells."""
SLIVER = 0.12
"""What is smaller than this share of the median cell becomes part of its neighbours."""

Array = NDArray[np.float32]
Labels = NDArray[np.int32]


def varied_labels(rng: np.random.Generator, side: int) -> Labels:
    """Cells of one picture, (side, side), 0 where there is none. The order of the draws decides them."""
    across = math.exp(rng.uniform(math.log(SMALLEST_PX), math.log(LARGEST_PX)))
    stretch = rng.uniform(1, 2.4) if rng.uniform() < 0.5 else 1.0
    # A margin is cut off afterwards, so that the cells at the edge are cut ones.
    margin = int(across / 2)
    long = side + 2 * margin
    shape = (long, max(16, int(long / stretch)))
    cells = max(2, round(shape[0] * shape[1] / across**2 * stretch))
    labels = tissue._tessellate(shape, _sites(shape, cells, rng), _waves(shape, across / math.sqrt(stretch), rng))
    labels = cv2.resize(_without_slivers(labels), (long, long), interpolation=cv2.INTER_NEAREST)
    labels = labels[margin : margin + side, margin : margin + side]
    if rng.uniform() < 0.3:
        labels = _with_holes(labels, rng)
    if rng.uniform() < 0.5:
        labels = labels.T
    return np.ascontiguousarray(labels, np.int32)


def _sites(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Centres, (cells, 2): random ones, moved to the middle of their cells never or some times; denser on one side."""
    from scipy.spatial import cKDTree

    frame = np.array(shape, float)
    grid = tissue._grid(frame, max(1.0, np.sqrt(frame.prod() / cells / 60)))
    sites = rng.uniform(0, 1, (cells, 2))
    if rng.uniform() < 0.25:
        sites[:, 0] = sites[:, 0] ** rng.uniform(1, 1.7)
    sites *= frame
    for _ in range(int(rng.choice([1, 2, 4, 8], p=[0.2, 0.3, 0.3, 0.2]))):
        owner = cKDTree(sites).query(grid)[1]
        count = np.bincount(owner, minlength=cells)
        mean = np.stack([np.bincount(owner, grid[:, axis], cells) / np.maximum(count, 1) for axis in (0, 1)], -1)
        sites = np.where(count[:, None] > 0, mean, sites)
    return np.asarray(sites)


def _waves(shape: tuple[int, int], across: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Displacements that bend outlines, (2, Y, X), in px; in two of five pictures they are ruffled too."""
    kinds = [(rng.uniform(0.03, 0.13), rng.uniform(0.4, 0.8))]
    if rng.uniform() < 0.4:
        kinds.append((rng.uniform(0.015, 0.05), rng.uniform(0.1, 0.25)))
    waves = [[size * across * tissue._field(rng, shape, long * across) for size, long in kinds] for _ in range(2)]
    return np.asarray([sum(pair) for pair in waves], np.float64)


def _without_slivers(labels: Labels) -> Labels:
    """Cells that are much smaller than the others become part of those around them."""
    areas = np.bincount(labels.ravel())
    gone = areas < SLIVER * np.median(areas[1:][areas[1:] > 0])
    gone[0] = True
    return labels if gone[1:].all() else tissue._refill(np.where(gone[labels], 0, labels).astype(np.int32))


def _with_holes(labels: Labels, rng: np.random.Generator) -> Labels:
    """Without the cells under a few round blots, or on one side of the picture."""
    y, x = np.indices(labels.shape) / max(labels.shape)
    hole = np.zeros(labels.shape, bool)
    for _ in range(int(rng.integers(1, 6))):
        hole |= np.hypot(y - rng.uniform(), x - rng.uniform()) < rng.uniform(0.03, 0.2)
    if rng.uniform() < 0.3:
        hole |= (y - 0.5) * math.cos(angle := rng.uniform(0, 7)) + (x - 0.5) * math.sin(angle) > rng.uniform(0, 0.4)
    covered = np.bincount(labels.ravel(), hole.ravel(), labels.max() + 1) / np.maximum(np.bincount(labels.ravel()), 1)
    kept = np.where((covered > 0.3)[labels], 0, labels)
    return np.asarray(kept if kept.any() else labels, np.int32)


def varied_look(labels: Labels, rng: np.random.Generator) -> Array:
    """The cells under a microscope, (Y, X), about 0 to 1, before noise."""
    look = str(rng.choice(LOOKS))
    geometry = tissue._Geometry.of(labels)
    draw = {"junctions": _junctions, "specular": _specular, "soft": _soft}[look]
    image = draw(geometry, rng)
    if rng.uniform() < 0.6:
        image = image * _light(labels.shape, rng, 0.8 if look == "specular" else 0.35)
    blur = geometry.diameter_px * rng.uniform(0, 0.1 if look == "specular" else 0.04)
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.5 + blur)
    return np.asarray(np.maximum(image / max(float(np.percentile(image, 99.5)), 1e-6), 0.003), np.float32)


def _junctions(geometry: tissue._Geometry, rng: np.random.Generator) -> Array:
    """Bright outlines over dim cells."""
    across, shape = geometry.diameter_px, geometry.depth_px.shape
    width = max(0.6, across * rng.uniform(0.008, 0.07))
    line = np.exp(-0.5 * (geometry.depth_px / width) ** 2)
    far = (geometry.index == 0) & (geometry.depth_px > 2 * width)
    line = line * _uneven(shape, across, rng)
    if rng.uniform() < 0.4:
        # Where outlines meet there is more of the stain.
        meeting = cv2.GaussianBlur(line.astype(np.float32), (0, 0), 2 * width + 1)
        line = line * (0.5 + rng.uniform(0.2, 1) * meeting / max(float(np.percentile(meeting, 95)), 1e-6))
    unlike = np.exp(rng.normal(0, rng.uniform(0.1, 0.9), geometry.cells + 1))
    body = rng.uniform(0.01, 0.35) * np.minimum(unlike, 4)[geometry.index]
    if rng.uniform() < 0.5:
        body = body * (1 + tissue._nuclei(geometry, rng) * rng.uniform(0.5, 2))
    body = body * (1 + rng.uniform(0, 0.5) * tissue._field(rng, shape, across / rng.uniform(2, 6)))
    image = np.clip(body, 0, None) + line + _specks(geometry, rng) * rng.uniform(0, 0.7)
    haze = cv2.GaussianBlur(image.astype(np.float32), (0, 0), across * rng.uniform(0.1, 0.4))
    image = image + rng.uniform(0, 0.8) * haze
    glow = np.clip(tissue._field(rng, shape, across * rng.uniform(1, 3)), 0, None)
    image = image + (rng.uniform() < 0.4) * rng.uniform(0, 0.4) * glow
    return np.where(far, rng.uniform(0.0, 0.3) * float(np.median(body)) + 0.3 * haze, image).astype(np.float32)


def _uneven(shape: tuple[int, ...], across: float, rng: np.random.Generator) -> Array:
    """A factor on outlines, (Y, X): brighter and dimmer stretches, beads, and breaks."""
    factor = np.exp(rng.uniform(0.05, 0.6) * tissue._field(rng, shape, across * rng.uniform(0.2, 0.8)))
    if rng.uniform() < 0.4:
        factor = factor * np.clip(1 + rng.uniform(0.2, 0.9) * tissue._field(rng, shape, rng.uniform(1.5, 6)), 0.1, 3)
    if rng.uniform() < 0.4:
        breaks = tissue._field(rng, shape, max(2.0, across * rng.uniform(0.1, 0.4)))
        factor = np.where(breaks > np.quantile(breaks, rng.uniform(0.85, 1)), rng.uniform(0, 0.4), 1) * factor
    return np.asarray(factor, np.float32)


def _specks(geometry: tissue._Geometry, rng: np.random.Generator) -> Array:
    """Small bright spots, (Y, X): up to 30 a cell, of unlike brightness."""
    shape = geometry.depth_px.shape
    spots = np.zeros(shape, np.float32)
    number = int(min(geometry.cells * rng.uniform(0, 30), spots.size / 40)) if rng.uniform() < 0.6 else 0
    at = tuple(rng.integers(0, side, number) for side in shape)
    np.maximum.at(spots, at, rng.uniform(0, 1, number).astype(np.float32) ** 2)
    size = rng.uniform(0.6, 1.6)
    return np.asarray(cv2.GaussianBlur(spots, (0, 0), size) * 2 * np.pi * size**2, np.float32)


def _specular(geometry: tissue._Geometry, rng: np.random.Generator) -> Array:
    """Dark outlines between cells that are alike, some of them brighter in the middle."""
    across, shape = geometry.diameter_px, geometry.depth_px.shape
    body = np.exp(rng.normal(0, rng.uniform(0.02, 0.25), geometry.cells + 1))[geometry.index]
    rim = rng.uniform(0.3, 0.9) * geometry.radius_px[geometry.index]
    dome = (1 - np.clip(geometry.depth_px / np.maximum(rim, 0.5), 0, 1)) ** 2
    width = max(0.6, across * rng.uniform(0.02, 0.11))
    line = np.exp(-0.5 * (geometry.depth_px / width) ** 2) * np.clip(_uneven(shape, across, rng), 0, 1.2)
    body = body * (1 - rng.uniform(0, 0.5) * dome) * (1 - rng.uniform(0.1, 0.8) * np.minimum(line, 1))
    body = body * (1 + rng.uniform(0, 0.2) * tissue._field(rng, shape, max(1.5, across / rng.uniform(2, 10))))
    body = body + _specks(geometry, rng) * rng.uniform(0, 0.5)
    empty = rng.choice([rng.uniform(0.02, 0.4), rng.uniform(0.4, 1.1)])
    empty = empty * (1 + 0.2 * tissue._field(rng, shape, across * rng.uniform(0.3, 2)))
    return np.asarray(np.clip(np.where(geometry.index == 0, empty, body), 0, None), np.float32)


def _soft(geometry: tissue._Geometry, rng: np.random.Generator) -> Array:
    """Cells without outlines: they differ in brightness, and are a little darker where they are thin."""
    across, shape = geometry.diameter_px, geometry.depth_px.shape
    body = np.exp(rng.normal(0, rng.uniform(0.15, 0.5), geometry.cells + 1))[geometry.index]
    rim = rng.uniform(0.4, 1.0) * geometry.radius_px[geometry.index]
    body = body * (1 - rng.uniform(0.05, 0.5) * (1 - np.clip(geometry.depth_px / np.maximum(rim, 0.5), 0, 1)) ** 2)
    if rng.uniform() < 0.5:
        body = body * (1 + tissue._nuclei(geometry, rng))
    body = body * (1 + rng.uniform(0, 0.1) * tissue._field(rng, shape, across / 4))
    image = np.where(geometry.index == 0, rng.uniform(0.05, 0.4) * float(np.median(body)), np.clip(body, 0.02, None))
    return np.asarray(cv2.GaussianBlur(image.astype(np.float32), (0, 0), across * rng.uniform(0.0, 0.08) + 0.3))


def _light(shape: tuple[int, ...], rng: np.random.Generator, depth: float) -> Array:
    """Light that falls off to both sides of a stripe, or unevenly: (Y, X), at most 1, `depth` less where it is dark."""
    y, x = np.indices(shape) / max(shape) - 0.5
    angle, middle = rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5)
    stripe = np.exp(-0.5 * ((y * np.cos(angle) + x * np.sin(angle) - middle) / rng.uniform(0.2, 1.0)) ** 2)
    rough = 0.5 + 0.2 * tissue._field(rng, shape, 0.4 * max(shape))
    even = stripe if rng.uniform() < 0.6 else np.clip(rough, 0, 1)
    return np.asarray(1 - depth * rng.uniform(0.3, 1.1) * (1 - even) * 0.95, np.float32)
