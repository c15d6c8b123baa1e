"""A movie of nine square cells, and its ingest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage as ndi
import tifffile

from calcigraph.ingest import IngestOptions, ingest_movie
from calcigraph.ingest.prepare import prepared
from calcigraph.store.types import CultureData, silent

FRAMES, SIZE = 40, 96
CELLS = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((32, 32), int)).astype(np.uint16)


def _tissue_movie(frames: int = FRAMES, seed: int = 0, light: Any = None, shift: int = 0) -> np.ndarray:
    """A movie of CELLS with texture and noise, float64; light: brightness per frame; shift: px of drift by the end."""
    rng = np.random.default_rng(seed)
    texture = 1000 + 400 * ndi.gaussian_filter(rng.standard_normal((SIZE + 8, SIZE + 8)), 1.5) * 4
    level = 1 + 0.2 * rng.random((10, 1)) + 0.1 * np.sin(np.arange(frames) / 5 + rng.random((10, 1)) * 6)
    movie = np.empty((frames, SIZE, SIZE))
    for t in range(frames):
        move = round(shift * t / (frames - 1))
        movie[t] = texture[move : move + SIZE, :SIZE] * level[CELLS, t] + rng.normal(0, 20, (SIZE, SIZE))
    return np.abs(movie) * (np.ones(frames) if light is None else np.asarray(light))[:, None, None]


def _run(folder: Path, movie: np.ndarray, labels: np.ndarray = CELLS, **options: Any) -> CultureData:
    tifffile.imwrite(folder / "movie.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "masks.tif", labels)
    chosen = IngestOptions(**{"frame_interval_s": 10.0, "masks": str(folder / "masks.tif")} | options)
    return _again(folder, chosen)


def _again(folder: Path, options: IngestOptions, source: str = "movie.tif", **more: Any) -> CultureData:
    return ingest_movie(
        str(folder / source), culture="a", options=options, store_path=folder / "a.ome.zarr", version="0", **more
    )


def _plainly(
    movie: np.ndarray, labels: np.ndarray = CELLS, inset: int = 1, median: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Denoised frames, eq. 23, and traces, as one would write them down."""
    denoised = np.stack([ndi.median_filter(frame, 3, mode="nearest") for frame in movie]) if median else movie
    d = np.log(denoised.astype(np.float64) + 1)
    q1, q3 = np.percentile(d, [25, 75])
    low, high = q1 - 2 * (q3 - q1), q3 + 2 * (q3 - q1)
    normalised = (d - low) / (high - low)
    square = np.ones((2 * inset + 1, 2 * inset + 1))
    same = ndi.minimum_filter(labels, footprint=square, mode="nearest") == ndi.maximum_filter(
        labels, footprint=square, mode="nearest"
    )
    traces = np.stack([normalised[:, (labels == i) & same].mean(axis=1) for i in np.unique(labels[labels > 0])])
    return denoised, normalised, traces


def _ready(path: Path, **options: Any) -> tuple[np.ndarray, Any, Any]:
    with prepared(str(path), IngestOptions(**options), silent) as found:
        return np.stack(list(found.movie.frames())), found.timing, found.notes


@pytest.fixture(scope="session")
def movie() -> np.ndarray:
    """Frames without any pattern, (24, 24, 32) uint16."""
    return np.random.default_rng(1).integers(100, 4000, (24, 24, 32)).astype(np.uint16)


@pytest.fixture(scope="session")
def ready() -> Callable[..., tuple[np.ndarray, Any, Any]]:
    """The frames, the timing and the notes with which a movie would be ingested: ready(path, **options)."""
    return _ready


@pytest.fixture(scope="session")
def cells() -> np.ndarray:
    """The label image, (96, 96) uint16: squares of 32 px, 1 to 9."""
    return CELLS


@pytest.fixture(scope="session")
def tissue_movie() -> Callable[..., np.ndarray]:
    """Make a movie: tissue_movie(frames, seed, light, shift)."""
    return _tissue_movie


@pytest.fixture(scope="session")
def run() -> Callable[..., CultureData]:
    """Write a movie and masks into a folder and ingest them: run(folder, movie, labels, **options)."""
    return _run


@pytest.fixture(scope="session")
def again() -> Callable[..., CultureData]:
    """Ingest what `run` has written: again(folder, options, source, **more)."""
    return _again


@pytest.fixture(scope="session")
def plainly() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The paper's formulas: plainly(movie, labels, inset, median) gives denoised frames, eq. 23 of them, and traces."""
    return _plainly
