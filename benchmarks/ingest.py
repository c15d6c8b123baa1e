"""Ingest against the paper's stack written plainly: the same movie and masks, warm, in one run.

    python benchmarks/ingest.py                 361 x 512 x 512 and 361 x 1024 x 1024, all of it (minutes, 10 GB)
    python benchmarks/ingest.py --quick         the plain stack on 40 frames, its time scaled to all
    python benchmarks/ingest.py --size 512      one size

Both sides read the TIFF, denoise, normalise, make polygons and contacts and take traces; ours also hashes the movie,
looks for shift, bleaching and saturation, writes the OME-Zarr store and the graph, durably.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from calcigraph.ingest import IngestOptions, ingest_movie
from calcigraph.models.synthetic.camera import movie_frames
from calcigraph.models.synthetic.make import make_culture
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store import Graph
from calcigraph.store.types import CultureData

FRAMES = 361
QUICK_FRAMES = 40
GOALS = {512: 12.0, 1024: 25.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, action="append", help="px, again for more; default 512 and 1024")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--quick", action="store_true", help=f"plain stack on {QUICK_FRAMES} frames only, scaled")
    options = parser.parse_args()
    for size in options.size or list(GOALS):
        with tempfile.TemporaryDirectory() as folder:
            compare(Path(folder), size, options.frames, options.quick)


def compare(folder: Path, size: int, frames: int, quick: bool) -> None:
    """Time both on one synthetic movie and print the ratio."""
    make_movie(folder, size, frames)
    with Graph.open(folder / "workspace") as graph:
        ours(folder, graph, "warm-up")
        seconds, data = min((timed(lambda run=run: ours(folder, graph, f"run-{run}")) for run in range(3)), key=first)
    count = QUICK_FRAMES if quick else frames
    plain_seconds, (labels, pairs, traces) = timed(lambda: plainly(folder, count))
    assert data.cells.labels.tolist() == labels
    assert len(data.contacts) == pairs
    assert quick or np.abs(data.cells.intensity - traces).max() < 1e-6
    scaled = plain_seconds * frames / count
    ratio = scaled / seconds
    note = f" ({count} frames took {plain_seconds:.1f} s, scaled)" if quick else ""
    goal = f", goal {GOALS[size]:.0f}" if size in GOALS and frames == FRAMES else ""
    print(f"{frames} x {size} x {size} uint16, {len(labels)} cells, {pairs} contacts")
    print(f"  calcigraph, graph included  {seconds:8.2f} s (best of 3)")
    print(f"  the paper's stack, plainly  {scaled:8.2f} s{note}")
    print(f"  ratio                       {ratio:8.1f}{goal}", flush=True)


def make_movie(folder: Path, size: int, frames: int) -> None:
    culture = make_culture(SyntheticOptions(cells=round(108 * (size / 512) ** 2), frames=frames, size_px=size))
    tifffile.imwrite(folder / "masks.tif", culture.labels.astype(np.uint16))
    path = folder / "movie.tif"
    movie = tifffile.memmap(path, shape=(frames, size, size), dtype=np.uint16, metadata={"axes": "TYX"})
    for index, frame in enumerate(movie_frames(culture)):
        movie[index] = frame
    movie.flush()


def ours(folder: Path, graph: Graph, name: str) -> CultureData:
    data = ingest_movie(
        str(folder / "movie.tif"),
        culture=name,
        options=IngestOptions(frame_interval_s=10.0, masks=str(folder / "masks.tif"), trace_inset=0),
        store_path=folder / f"{name}.ome.zarr",
        version="benchmark",
    )
    graph.write_culture(data)
    return data


def plainly(folder: Path, frames: int) -> tuple[list[int], int, NDArray[np.float64]]:
    """The paper's steps as one would write them: whole arrays, a mask a cell, polygons and pairs in GeoPandas."""
    import geopandas
    import scipy.ndimage
    import shapely

    movie = tifffile.imread(folder / "movie.tif")[:frames]
    labels = tifffile.imread(folder / "masks.tif")
    denoised = np.stack([scipy.ndimage.median_filter(frame, 3, mode="nearest") for frame in movie])
    logs = np.log(denoised.astype(np.float64) + 1)
    q1, q3 = np.percentile(logs, [25, 75])
    low, high = q1 - 2 * (q3 - q1), q3 + 2 * (q3 - q1)
    normalised = (logs - low) / (high - low)
    del logs, denoised
    found, polygons, traces = [], [], []
    for label in np.unique(labels[labels > 0]).tolist():
        mask = labels == label
        y, x = np.nonzero(mask)
        polygon = shapely.coverage_union_all(shapely.box(x, y, x + 1, y + 1))
        if polygon.area >= 500:
            found.append(label)
            polygons.append(polygon)
            traces.append(normalised[:, mask].mean(axis=1))
    frame = geopandas.GeoDataFrame({"label": found}, geometry=polygons)
    pairs = frame.sjoin(frame, predicate="intersects")
    pairs = pairs[pairs["label_left"] < pairs["label_right"]]
    shared = pairs.geometry.intersection(frame.geometry[pairs["index_right"]], align=False).length
    return found, int((shared >= 5).sum()), np.array(traces)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def first(pair: tuple[float, Any]) -> float:
    return pair[0]


if __name__ == "__main__":
    main()
