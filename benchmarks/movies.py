"""A synthetic movie with its masks, as files, for benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from calcigraph.models.synthetic.camera import movie_frames
from calcigraph.models.synthetic.make import make_culture
from calcigraph.models.synthetic.options import SyntheticOptions

FRAMES, QUICK_FRAMES = 361, 40
"""Of the paper's recordings; of those that slow baselines are timed on."""


def make_movie(folder: Path, size: int, frames: int) -> None:
    culture = make_culture(SyntheticOptions(cells=round(108 * (size / 512) ** 2), frames=frames, size_px=size))
    tifffile.imwrite(folder / "masks.tif", culture.labels.astype(np.uint16))
    path = folder / "movie.tif"
    movie = tifffile.memmap(path, shape=(frames, size, size), dtype=np.uint16, metadata={"axes": "TYX"})
    for index, frame in enumerate(movie_frames(culture)):
        movie[index] = frame
    movie.flush()
