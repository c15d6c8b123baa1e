"""How time and memory grow with frames, pixels, cells and cultures, four sizes each; and a movie of 20 GB.

    python benchmarks/growth.py                 docs/speed/growth.csv; benchmarks/speed_page.py draws it
    python benchmarks/growth.py --large 20      ingest a movie of 20 GB instead (BigTIFF whose pages share their pixels)

Each size runs in a process of its own. Seconds are those of the processor, the engine included; memory is the largest
of the process that works, not of the engine, whose heap is bounded by CALCIGRAPH_HEAP_MB.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from cultures import grid
from numpy.typing import NDArray
from timing import spent

from calcigraph.ingest import IngestOptions, ingest_movie
from calcigraph.models.synthetic.camera import movie_frames
from calcigraph.models.synthetic.make import make_culture
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store import Graph

OUT = Path(__file__).resolve().parents[1] / "docs" / "speed" / "growth.csv"
SIZES = {
    "frames": (64, 192, 576, 1728),
    "pixels": (256, 512, 1024, 2048),
    "cells": (500, 1500, 4500, 13_500),
    "cultures": (4, 12, 36, 108),
}
TILE = 256
SHARED_FRAMES, BLOCK = 8, 8
"""Different frames of the large movie, and px that are alike."""


def ingested(folder: Path) -> None:
    with Graph.open(folder / "workspace") as graph:
        options = IngestOptions(frame_interval_s=10.0, masks=str(folder / "masks.tif"))
        store = folder / "movie.ome.zarr"
        data = ingest_movie(str(folder / "movie.tif"), culture="a", options=options, store_path=store, version="0")
        graph.write_culture(data)


def loaded(folder: Path, cultures: int, cells: int, frames: int) -> None:
    data = grid(cells, frames)
    with Graph.open(folder / "workspace") as graph:
        for number in range(cultures):
            about = replace(data.culture, uid=f"culture {number}", input_digest=str(number))
            graph.write_culture(replace(data, culture=about))


def tiles(frames: int, px: int) -> tuple[NDArray[np.int32], Iterator[NDArray[np.uint16]]]:
    """Labels and frames of px x px, a culture of 256 px repeated side by side: making a larger one takes minutes."""
    times = px // TILE
    culture = make_culture(SyntheticOptions(cells=27, frames=frames, size_px=TILE))
    labels, most = culture.labels, int(culture.labels.max())
    rows = [
        np.hstack([np.where(labels, labels + most * (times * y + x), 0) for x in range(times)]) for y in range(times)
    ]
    return np.vstack(rows).astype(np.int32), (np.tile(frame, (times, times)) for frame in movie_frames(culture))


def write_tiles(folder: Path, frames: int, px: int) -> None:
    labels, made = tiles(frames, px)
    tifffile.imwrite(folder / "masks.tif", labels)
    movie = tifffile.memmap(folder / "movie.tif", shape=(frames, px, px), dtype=np.uint16, metadata={"axes": "TYX"})
    for index, frame in enumerate(made):
        movie[index] = frame
    movie.flush()


def prepared(axis: str, size: int, folder: Path) -> tuple[float, Callable[[], None]]:
    """MB of input, and the work."""
    if axis in ("frames", "pixels"):
        frames, px = (size, 256) if axis == "frames" else (32, size)
        run = [sys.executable, __file__, "--tiles", str(folder), str(frames), str(px)]
        subprocess.run(run, check=True)  # apart, so that its memory does not count
        return frames * px * px * 2 / 1e6, lambda: ingested(folder)
    cultures, cells, frames = (1, size, 100) if axis == "cells" else (size, 50, 100)
    return cultures * cells * frames * 8 / 1e6, lambda: loaded(folder, cultures, cells, frames)


def measured(axis: str, size: int, folder: Path) -> dict[str, str]:
    """One size; in a process of its own."""
    mb, work = prepared(axis, size, folder)
    took = spent(work)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "axis": axis,
        "size": str(size),
        "input_mb": f"{mb:.3g}",
        "cpu_s": f"{took.cpu_s:.3g}",
        "memory_mb": f"{memory:.0f}",
    }


def make_large(path: Path, gigabytes: float, px: int = 2048) -> int:
    """A BigTIFF of so many GB whose pages share the pixels of a few: it takes 70 MB of the disk. Returns the frames.

    Every page has a directory of its own, as a camera's film has, and points at one of SHARED_FRAMES strips. Pixels are
    alike in blocks, so that the store is small too.
    """
    frames = round(gigabytes * 1e9 / (2 * px * px))
    labels, made = tiles(SHARED_FRAMES, px)
    tifffile.imwrite(path.with_name("masks.tif"), labels)
    strip, entries = 2 * px * px, 9
    with path.open("wb") as file:
        start = 16 + SHARED_FRAMES * strip
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, start))
        for frame in made:
            coarse = frame[::BLOCK, ::BLOCK].repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
            file.write(coarse.astype("<u2").tobytes())
        length = 8 + 20 * entries + 8
        for number in range(frames):
            tags = (
                (256, 4, px), (257, 4, px), (258, 3, 16), (259, 3, 1), (262, 3, 1),
                (273, 16, 16 + number % SHARED_FRAMES * strip), (277, 3, 1), (278, 4, px), (279, 16, strip),
            )  # fmt: skip
            body = b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in tags)
            after = start + (number + 1) * length if number + 1 < frames else 0
            file.write(struct.pack("<Q", entries) + body + struct.pack("<Q", after))
    return frames


def large(gigabytes: float) -> None:
    """Print what an ingest of a large movie takes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        frames = make_large(folder / "movie.tif", gigabytes)
        command = [sys.executable, __file__, "--ingest", str(folder)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{gigabytes:g} GB, {frames} frames of 2048 x 2048 px")
    print(f"  {found['cpu_s']:.0f} s of processor, {found['wall_s']:.0f} s passed, memory {found['memory_mb']:.0f} MB")


def ingest_alone(folder: Path) -> None:
    took = spent(lambda: ingested(folder))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_s": took.cpu_s, "wall_s": took.wall_s, "memory_mb": memory}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=float, metavar="GB")
    parser.add_argument("--one", nargs=2, metavar=("AXIS", "SIZE"), help=argparse.SUPPRESS)
    parser.add_argument("--tiles", nargs=3, metavar=("FOLDER", "FRAMES", "PX"), help=argparse.SUPPRESS)
    parser.add_argument("--ingest", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.tiles:
        return write_tiles(Path(asked.tiles[0]), int(asked.tiles[1]), int(asked.tiles[2]))
    if asked.ingest:
        return ingest_alone(asked.ingest)
    if asked.large:
        return large(asked.large)
    if asked.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measured(asked.one[0], int(asked.one[1]), Path(folder))))
        return None
    rows = []
    for axis, sizes in SIZES.items():
        for size in sizes:
            command = [sys.executable, __file__, "--one", axis, str(size)]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(", ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with OUT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return None


if __name__ == "__main__":
    main()
