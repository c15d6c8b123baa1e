"""Synthetic tissue: label images of confluent cells, and their static brightness under a microscope.

`confluent_labels` and `render` serve both the simulated movies and the training of the segmentation model, so that a
simulated movie can be segmented. The state of the random generator decides everything: the same state gives the same
image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.models.synthetic.options import STYLES
from calcigraph.store.types import FloatArray, IntArray, LabelImage

Image = NDArray[np.float32]

MIN_PX_PER_CELL = 36
"""Least area of a frame for each cell, in px."""
LLOYD_STEPS = 6
"""Steps of the relaxation, at least."""
GRID_POINTS = 120
"""Points of the relaxation's grid for each cell."""
SMALLEST_CELL = 0.3
"""Least area of a cell, as a share of the mean area."""
OUTLINE_WAVES = ((0.09, 0.5), (0.02, 0.15))
"""Amplitudes and wavelengths, in cell diameters: long waves shear whole cells, short ones crinkle their outlines."""


def confluent_labels(
    shape: tuple[int, int],
    cells: int,
    rng: np.random.Generator,
    gap_px: int = 0,
    irregularity: float = 1.0,
) -> LabelImage:
    """Fill a frame with cells: a Lloyd-relaxed Voronoi tessellation whose outlines are curved and uneven.

    The relaxation happens inside the frame, so cells at the edge are whole cells, not slivers: every cell has at least
    0.3 times the mean area before gaps are cut. Each cell is one 4-connected piece.

    Parameters
    ----------
    shape
        (Y, X), in px.
    cells
        Number of cells, at most one per 36 px.
    rng
        Decides places and outlines.
    gap_px
        Width of the unlabelled gap between cells, in px; 0 lets them touch.
    irregularity
        0 for straight outlines, 1 for those of a culture, 2 at most.

    Returns
    -------
    array
        (Y, X) int32, labels 1..cells, 0 in the gaps.

    Raises
    ------
    InputError
        Too many cells for the frame, a negative gap, or a gap that swallows a cell.

    Examples
    --------
    >>> labels = confluent_labels((128, 128), 9, np.random.default_rng(1))
    >>> np.unique(labels).tolist()
    [1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    height, width = shape
    if cells < 1 or cells * MIN_PX_PER_CELL > height * width:
        raise InputError(
            f"{cells} cells do not fit into {height} x {width} px: give 1 to {height * width // MIN_PX_PER_CELL} cells"
        )
    if gap_px < 0 or irregularity < 0:
        raise InputError(f"gap ({gap_px} px) and irregularity ({irregularity}) must not be negative")
    sites = _relaxed_sites(shape, cells, rng)
    warp = _outline_warp(shape, cells, rng)
    amount = min(irregularity, 2.0)
    # Strong waves can leave a cell too small. Without any these are the relaxed Voronoi cells, which are never small.
    for calmer in (1.0, 0.5, 0.25, 0.0):
        labels = _tessellate(shape, sites, calmer * amount * warp)
        smallest = np.bincount(labels.ravel(), minlength=cells + 1)[1:].min()
        if smallest >= SMALLEST_CELL * labels.size / cells:
            break
    return labels if gap_px == 0 else _cut_gaps(labels, gap_px)


def render(labels: LabelImage, rng: np.random.Generator, style: str = "cytoplasm-bright") -> Image:
    """Draw tissue as a microscope shows it: per-cell brightness, nuclei, outlines, texture, uneven light and blur.

    Parameters
    ----------
    labels
        (Y, X), 0 for background, other integers for cells.
    rng
        Decides everything that is drawn.
    style
        One of `STYLES`.

    Returns
    -------
    array
        (Y, X) float32 in about 0 to 1, positive everywhere: to be multiplied with a cell's time course.

    Raises
    ------
    InputError
        Unknown style.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> image = render(confluent_labels((128, 128), 9, rng), rng, "membrane-dark")
    >>> image.shape, bool(image.min() > 0)
    ((128, 128), True)
    """
    if style not in STYLES:
        raise InputError(f"unknown tissue style {style!r}: expected one of {', '.join(STYLES)}")
    geometry = _Geometry.of(np.asarray(labels))
    look = _draw_cells(geometry, rng, style)
    # Granules, then patches within cells.
    look *= 1 + _field(rng, look.shape, 1.5) * rng.uniform(0.0, 0.08)
    look *= 1 + _field(rng, look.shape, geometry.diameter_px / 5) * rng.uniform(0.02, 0.12)
    light = 1 + rng.uniform(0.0, 0.25) * _field(rng, look.shape, 0.35 * max(look.shape))
    look = cv2.GaussianBlur(look * np.clip(light, 0.4, 1.6), (0, 0), rng.uniform(0.6, 1.3))
    # All but the brightest pixels lie below 1, and none at 0, because movies are seen in logarithms.
    top = float(np.percentile(look, 99.5))
    return np.asarray(np.maximum(look / max(top, 1e-6), 0.01), np.float32)


def _relaxed_sites(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> FloatArray:
    """The cells' centres, (cells, 2), in px along y and x: Lloyd's algorithm on a coarse grid of the frame."""
    from scipy.spatial import cKDTree

    frame = np.array(shape, float)
    sites = rng.uniform(0, 1, (cells, 2)) * frame
    grid = _grid(frame, max(1.0, np.sqrt(frame.prod() / cells / GRID_POINTS)))
    for step in range(LLOYD_STEPS * 5):
        owner = cKDTree(sites).query(grid)[1]
        count = np.bincount(owner, minlength=cells)
        mean = [np.bincount(owner, grid[:, axis], cells) / np.maximum(count, 1) for axis in (0, 1)]
        # Twice the limit, because the outlines will be bent and the grid is coarse.
        even = count.min() >= 2 * SMALLEST_CELL * len(grid) / cells
        # Each site moves to the centre of its points; one without points starts again elsewhere.
        sites = np.where(count[:, None] > 0, np.stack(mean, -1), rng.uniform(0, 1, (cells, 2)) * frame)
        if even and step >= LLOYD_STEPS:
            break
    return np.asarray(sites, np.float64)


def _grid(frame: FloatArray, step: float) -> FloatArray:
    """Points about `step` px apart that fill a frame of size (Y, X) px evenly, (points, 2)."""
    rows, columns = ((np.arange(int(np.ceil(side / step))) + 0.5) * side / np.ceil(side / step) for side in frame)
    return np.asarray(np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2))


def _outline_warp(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> FloatArray:
    """Displacements that bend the outlines, (2, Y, X), in px along y and x."""
    diameter = np.sqrt(shape[0] * shape[1] / cells)
    waves = [
        [amount * diameter * _field(rng, shape, length * diameter) for amount, length in OUTLINE_WAVES]
        for _ in range(2)
    ]
    return np.asarray([sum(pair) for pair in waves], np.float64)


def _tessellate(shape: tuple[int, int], sites: FloatArray, warp: FloatArray) -> LabelImage:
    """Every pixel, displaced by the warp, belongs to the nearest site: labels 1..cells, each in one piece, no gaps."""
    from scipy.spatial import cKDTree

    pixels = np.moveaxis(np.indices(shape) + 0.5 + warp, 0, -1).reshape(-1, 2)
    owner = cKDTree(sites).query(pixels)[1].reshape(shape).astype(np.int32) + 1
    return _refill(_largest_pieces(owner))


def _largest_pieces(labels: LabelImage) -> LabelImage:
    """Each label's largest 4-connected piece; every other piece becomes 0."""
    pieces = _pieces(labels)
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(len(sizes), np.int64)
    owner[pieces.ravel()] = labels.ravel()
    # Sorted by owner and size, the last piece of each owner is its largest.
    order = np.lexsort((sizes, owner))
    is_last = np.append(owner[order][1:] != owner[order][:-1], True)
    keep = np.zeros(len(sizes), bool)
    keep[order[is_last]] = True
    keep[0] = False
    return np.where(keep[pieces], labels, 0).astype(np.int32)


def _pieces(labels: LabelImage) -> NDArray[np.int32]:
    """Number the 4-connected pieces of equal label from 1, background 0.

    On a doubled grid the pixels between two unlike ones are empty, so one call of `connectedComponents` does it.
    """
    height, width = labels.shape
    fine = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    fine[::2, ::2] = labels > 0
    fine[1::2, ::2] = (labels[1:] == labels[:-1]) & (labels[1:] > 0)
    fine[::2, 1::2] = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] > 0)
    return np.asarray(cv2.connectedComponents(fine, connectivity=4)[1][::2, ::2], np.int32)


def _refill(labels: LabelImage) -> LabelImage:
    """Grow the cells into empty pixels, one 4-neighbour ring at a time, so that they stay connected."""
    labels = labels.copy()
    while (empty := labels == 0).any():
        for shifted, target in (
            (labels[:-1], np.s_[1:, :]),
            (labels[1:], np.s_[:-1, :]),
            (labels[:, :-1], np.s_[:, 1:]),
            (labels[:, 1:], np.s_[:, :-1]),
        ):
            # Where two cells reach a pixel in the same ring, the first direction wins.
            grow = empty[target] & (labels[target] == 0) & (shifted > 0)
            labels[target][grow] = shifted[grow]
    return labels


def _cut_gaps(labels: LabelImage, gap_px: int) -> LabelImage:
    """The cells without a strip of `gap_px` between them. Raises InputError if none is left of a cell."""
    line = np.zeros(labels.shape, np.uint8)
    line[:-1] |= labels[1:] != labels[:-1]
    line[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (gap_px, gap_px))
    without = np.where(cv2.dilate(line, brush) > 0, 0, labels).astype(np.int32)
    # A cut can split a cell in two.
    cut = _largest_pieces(without)
    if len(np.unique(cut[cut > 0])) < labels.max():
        raise InputError(f"a gap of {gap_px} px swallows whole cells: make it narrower or the cells fewer")
    return cut


@dataclass(frozen=True)
class _Geometry:
    """What drawing needs to know of every pixel, (Y, X), and of every cell, (n + 1,) with the background as 0."""

    index: IntArray
    """(Y, X), 0 for background, 1..n for the cells."""
    depth_px: Image
    """(Y, X), distance to the cell's outline."""
    dy: Image
    """(Y, X), offset from the cell's centroid along y, in px."""
    dx: Image
    """(Y, X), the same along x."""
    radius_px: FloatArray
    """(n + 1,), of the circle with the cell's area."""

    @property
    def cells(self) -> int:
        """n"""
        return len(self.radius_px) - 1

    @property
    def diameter_px(self) -> float:
        """The median cell's; 30 if there is none."""
        return float(2 * np.median(self.radius_px[1:])) if self.cells else 30.0

    @classmethod
    def of(cls, labels: LabelImage) -> _Geometry:
        """Measure a label image."""
        present = np.unique(labels[labels > 0])
        lookup = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
        lookup[present] = np.arange(1, len(present) + 1)
        index = lookup[labels]
        area = np.maximum(np.bincount(index.ravel(), minlength=len(present) + 1), 1)
        y, x = np.indices(labels.shape, np.float32)
        centre_y, centre_x = (np.bincount(index.ravel(), axis.ravel(), len(area)) / area for axis in (y, x))
        return cls(
            index=index,
            depth_px=_depth(labels).astype(np.float32),
            dy=(y - centre_y[index]).astype(np.float32),
            dx=(x - centre_x[index]).astype(np.float32),
            radius_px=np.sqrt(area / np.pi),
        )


def _depth(labels: LabelImage) -> NDArray[np.floating[Any]]:
    """Distance of every pixel to the nearest outline, (Y, X), in px; large where there is none."""
    inside = np.ones(labels.shape, np.uint8)
    inside[1:] &= labels[1:] == labels[:-1]
    inside[:-1] &= labels[1:] == labels[:-1]
    inside[:, 1:] &= labels[:, 1:] == labels[:, :-1]
    inside[:, :-1] &= labels[:, 1:] == labels[:, :-1]
    if inside.all():
        return np.full(labels.shape, 1e3)
    return np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5))


def _draw_cells(geometry: _Geometry, rng: np.random.Generator, style: str) -> Image:
    """Cytoplasm, nuclei and outlines on a dim background."""
    # Log-normal over cells. Where outlines are faint, cells differ more.
    deviation = rng.uniform(0.18, 0.4) if style == "cytoplasm-bright" else rng.uniform(0.05, 0.25)
    brightness = np.exp(rng.normal(0, deviation, geometry.cells + 1))
    body = brightness[geometry.index] * (1 + _nuclei(geometry, rng))
    width_px = rng.uniform(0.8, 1.5) * (geometry.diameter_px / 40) ** 0.5
    outline = np.exp(-0.5 * (geometry.depth_px / width_px) ** 2)
    body = _with_outlines(body, outline, geometry, rng, style)
    background = rng.uniform(0.05, 0.3) * float(np.median(body[geometry.index > 0])) if geometry.cells else 0.1
    # A bright outline shines over the background beside it.
    empty = (geometry.index == 0) & ((style != "membrane-bright") | (geometry.depth_px > 3 * width_px))
    return np.where(empty, background, body).astype(np.float32)


def _with_outlines(
    body: FloatArray, outline: NDArray[np.floating[Any]], geometry: _Geometry, rng: np.random.Generator, style: str
) -> FloatArray:
    """Cells (Y, X) with the outlines of a style; `outline`, (Y, X), is 1 on an outline and falls to 0 beside it."""
    if style == "membrane-bright":
        uneven = 1 + 0.3 * _field(rng, outline.shape, geometry.diameter_px / 3)
        return np.asarray(0.35 * body + rng.uniform(0.5, 1.0) * outline * np.clip(uneven, 0.3, 2))
    if style == "membrane-dark":
        return np.asarray(body * (1 - rng.uniform(0.3, 0.7) * outline))
    # Cells are domes: thick in the middle, thin where they meet.
    rim_px = rng.uniform(0.25, 0.6) * geometry.radius_px[geometry.index]
    slope = np.clip(geometry.depth_px / rim_px, 0, 1)
    thin = rng.uniform(0.25, 0.5)
    return np.asarray(body * (1 - thin * (1 - slope) ** 2) * (1 - rng.uniform(0.1, 0.3) * outline))


def _nuclei(geometry: _Geometry, rng: np.random.Generator) -> FloatArray:
    """One soft, off-centre ellipse per cell, darker or brighter than its cytoplasm: (Y, X), relative to it."""
    n, index, radius = geometry.cells + 1, geometry.index, geometry.radius_px
    angle = rng.uniform(0, np.pi, n)[index]
    place_y, place_x = (rng.normal(0, 0.12, n) * radius for _ in range(2))
    dy, dx = geometry.dy - place_y[index], geometry.dx - place_x[index]
    long = rng.uniform(0.4, 0.55, n) * radius
    short = long * rng.uniform(0.65, 1.0, n)
    # Coordinates along the ellipse's axes: u^2 + v^2 is 1 on its outline.
    u = (np.cos(angle) * dx + np.sin(angle) * dy) / long[index]
    v = (np.cos(angle) * dy - np.sin(angle) * dx) / short[index]
    # One sign for all cells of an image, as a stain has.
    shade = rng.uniform(-0.35, 0.3) * rng.uniform(0.5, 1.0, n)
    inside = np.clip((1.15 - np.sqrt(u * u + v * v)) / 0.3, 0, 1)
    return np.asarray(shade[index] * inside * (index > 0))


def _field(rng: np.random.Generator, shape: tuple[int, ...], length_px: float) -> Image:
    """A smooth random field, (Y, X), mean 0 and standard deviation 1, that varies over about length_px."""
    # White noise on a coarse grid, stretched to the image with cubic interpolation.
    coarse = [max(4, int(np.ceil(side / max(length_px, 1.0))) + 3) for side in shape]
    noise = rng.standard_normal(coarse).astype(np.float32)
    step = 1.0 / max(length_px, 1.0)
    # A random offset, so that the grid's points do not always lie at the same pixels.
    matrix = np.array([[step, 0, rng.uniform(1, 1.5)], [0, step, rng.uniform(1, 1.5)]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    field = cv2.warpAffine(noise, matrix, (shape[1], shape[0]), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)
