"""Pictures of real epithelia with labels, that lie in a folder of the user's; and how well they are segmented.

    python benchmarks/segmentation.py --real FOLDER [--model PATH]

FOLDER holds a folder for each set. In it, NAME_labels.tif (or .png) belongs to the picture NAME.tif (.png, .jpg, .bmp).
Labels are numbers of cells, 0 elsewhere. A label file with two values is taken for outlines, the rarer value: the
pieces that they enclose are the cells.

Most sets have a part of the picture labelled only. So cells are judged where labels are: a found cell counts as false
if more than half of it lies among labelled cells and it matches none. Labels first grow over lines that part them.

Beside the model stands a watershed: Gaussian blur, then flooding from minima deeper than h. Of a grid of blurs, depths
and dark or bright outlines, the one setting is shown that is best for the set, though nobody would know it before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcigraph.store.types import LabelImage

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
LINE_PX = 4.5
"""Half the width of a line between labels, at most: they grow by this."""
BLURS_PX = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
DEPTHS = (0.01, 0.03, 0.08)
"""Of minima, over the range of the picture."""
EXTREME = (0.15, 8.0)
"""Times the median area: enclosed pieces beyond are no cells but specks, or what lies around the cells."""

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """One picture of real tissue."""

    name: str
    image: Image
    labels: LabelImage
    judged: NDArray[np.bool_]
    """Where cells are judged, (Y, X)."""


def examples(folder: Path, most: int | None = None) -> Iterator[Example]:
    """The pictures of one set, by name, or `most` of them that are spread evenly.

    Raises ValueError if a label file has no picture of its size.
    """
    files = sorted(file for file in folder.iterdir() if file.stem.endswith("_labels") and file.suffix in SUFFIXES)
    if most and len(files) > most:
        files = [files[index] for index in np.linspace(0, len(files) - 1, most).round().astype(int)]
    for file in files:
        name = file.stem.removesuffix("_labels")
        pictures = [each for suffix in SUFFIXES if (each := folder / f"{name}{suffix}").is_file()]
        if not pictures:
            raise ValueError(f"{file} has no picture {name} beside it")
        labels, image = labels_of(_read(file)), _read(pictures[0]).astype(float)
        if labels.shape != image.shape:
            raise ValueError(f"{file} and {pictures[0]} have unlike sizes: {labels.shape}, {image.shape}")
        judged = judged_region(labels)
        yield Example(name=name, image=image, labels=_over_lines(labels, judged), judged=judged)


def _read(file: Path) -> NDArray[Any]:
    """One channel of a picture; colours are averaged."""
    import tifffile

    image = tifffile.imread(file) if file.suffix.startswith(".tif") else cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"{file} is no picture")
    return np.asarray(image if image.ndim == 2 else image[..., :3].mean(axis=-1))


def labels_of(image: NDArray[Any]) -> LabelImage:
    """Numbers of cells, from those in the picture or from outlines.

    Examples
    --------
    >>> labels_of(np.kron([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.ones((4, 4), int))).max()  # no line encloses a cell
    np.int32(0)
    """
    values, counts = np.unique(image, return_counts=True)
    if len(values) != 2:
        return np.asarray(image, np.int32)
    pieces = np.asarray(ndimage.label(image != values[counts.argmin()])[0], np.int32)
    edge = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    area = np.bincount(pieces.ravel()).astype(float)
    area[0] = area[edge] = 0
    median = float(np.median(area[area > 0])) if area.any() else 0.0
    kept = (area > EXTREME[0] * median) & (area < EXTREME[1] * median)
    return np.asarray(np.where(kept, np.cumsum(kept), 0)[pieces], np.int32)


def judged_region(labels: LabelImage) -> NDArray[np.bool_]:
    """Labelled cells and the lines between them, (Y, X)."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    return np.asarray(cv2.morphologyEx((labels > 0).astype(np.uint8), cv2.MORPH_CLOSE, disc) > 0)


def _over_lines(labels: LabelImage, judged: NDArray[np.bool_]) -> LabelImage:
    """Labels that meet in the middle of the lines between them."""
    far, (y, x) = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    return np.asarray(np.where((labels == 0) & judged & (far <= LINE_PX), labels[y, x], labels), np.int32)


def judged_precision(example: Example, found: LabelImage, matches: Callable[..., dict[int, int]]) -> float:
    """TP / (TP + FP + FN) where cells are judged."""
    pairs = matches(example.labels, found)
    area = np.bincount(found.ravel())
    among = np.bincount(found[example.judged], minlength=len(area)) > 0.5 * area
    among[0] = False
    false = int(among.sum()) - sum(bool(among[label]) for label in pairs.values())
    return len(pairs) / max(len(np.unique(example.labels[example.labels > 0])) + false, 1)


def best_watershed(some: list[Example], matches: Callable[..., dict[int, int]]) -> tuple[list[float], str]:
    """AP@0.5 of each picture with the setting whose mean is the best, and that setting in words."""
    tried = {}
    for dark, blur, depth in product((False, True), BLURS_PX, DEPTHS):
        words = f"{'dark' if dark else 'bright'} outlines, blur {blur:g} px, depth {depth:g}"
        tried[words] = [judged_precision(each, flooded(each.image, blur, depth, dark), matches) for each in some]
    best = max(tried, key=lambda words: float(np.mean(tried[words])))
    return tried[best], best


def flooded(image: Image, blur: float, depth: float, dark: bool) -> LabelImage:
    """The watershed of a picture; needs scikit-image."""
    from skimage.morphology import h_minima
    from skimage.segmentation import watershed

    low, high = np.percentile(image, (1, 99))
    relief = np.clip((image - low) / max(high - low, 1e-9), 0, 1)
    relief = ndimage.gaussian_filter(1 - relief if dark else relief, blur)
    return np.asarray(watershed(relief, ndimage.label(h_minima(relief, depth))[0]), np.int32)
