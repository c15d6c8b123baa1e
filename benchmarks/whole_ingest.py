"""Ingest against the paper's stack written plainly: the same movie and masks, warm, in one run.

    python benchmarks/whole_ingest.py               361 x 512 x 512 and 361 x 1024 x 1024, plain stack on 40 frames
    python benchmarks/whole_ingest.py --whole       the plain stack on all frames (minutes, 10 GB)
    python benchmarks/whole_ingest.py --size 512    one size

Both sides read the TIFF, denoise, normalise, make polygons and contacts and take traces; ours also hashes the movie,
looks for shift, bleaching and saturation, writes the OME-Zarr store and the graph, durably.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from movies import FRAMES, QUICK_FRAMES, make_movie
from numpy.typing import NDArray
from timing import Spent, in_turns

from calcigraph.ingest import IngestOptions, ingest_movie
from calcigraph.store import Graph
from calcigraph.store.types import CultureData

GOALS = {512: 25.0, 1024: 40.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, action="append", help="px, again for more; default 512 and 1024")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument(
        "--whole", action="store_true", help=f"plain stack on all frames, not on {QUICK_FRAMES}, scaled"
    )
    options = parser.parse_args()
    for size in options.size or list(GOALS):
        with tempfile.TemporaryDirectory() as folder:
            found = measured(Path(folder), size, options.frames, 3, not options.whole)
        mine, theirs = found["ours"], found["plain"]
        print(f"{options.frames} x {size} x {size} uint16; seconds, and seconds of processor")
        for name, took in found.items():
            print(f"  {name:12}{took.wall_s:8.2f}{took.cpu_s:8.2f}")
        print(f"  ratio       {theirs.wall_s / mine.wall_s:8.1f}{theirs.cpu_s / mine.cpu_s:8.1f}", flush=True)


def measured(folder: Path, size: int, frames: int, repeats: int, quick: bool = True) -> dict[str, Spent]:
    """`ours` and `plain`, scaled to all frames where `quick`, in turns."""
    make_movie(folder, size, frames)
    count = min(frames, QUICK_FRAMES) if quick else frames
    found: list[Any] = []
    with Graph.open(folder / "workspace") as graph:
        data = ours(folder, graph, "warm-up")
        numbers = iter(range(repeats))
        both = in_turns(
            repeats,
            ours=lambda: ours(folder, graph, f"run-{next(numbers)}"),
            plain=lambda: found.append(plainly(folder, count)),
        )
    labels, pairs, traces = found[0]
    assert data.cells.labels.tolist() == labels
    assert len(data.contacts) == pairs
    assert quick or np.abs(data.cells.intensity - traces).max() < 1e-6
    return both | {"plain": both["plain"].scaled(frames / count)}


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


if __name__ == "__main__":
    main()
