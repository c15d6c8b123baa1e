"""Median, logarithm and eq. 23 of a movie: our pass against the paper's stack, and against copying and writing alone.

    python benchmarks/denoise.py [--size 512] [--frames 361] [--repeats 3]

Ours is the pass of an ingest: it reads the TIFF, hashes and filters every frame, counts the quartiles, takes the
logarithm and sums the traces of all cells, and writes the compressed store, flushed to the disk. The paper's stack does
the filter, the logarithm and the scaling on whole arrays in memory, and writes nothing. The last baseline is a copy of
the movie in memory, and the same compressed write of frames that are filtered already, in as many threads.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import scipy.ndimage
import tifffile
from movies import FRAMES, QUICK_FRAMES, make_movie
from timing import Spent, in_turns

from calcigraph.ingest import IngestOptions
from calcigraph.ingest.denoise import Pass
from calcigraph.ingest.found_cells import find_in
from calcigraph.ingest.prepare import prepared
from calcigraph.ingest.settings import settings_of
from calcigraph.ingest.workers import WORKERS
from calcigraph.store.chunks import FrameArray
from calcigraph.store.files import flush
from calcigraph.store.movie import MovieWriter, normalise
from calcigraph.store.types import silent


def ours(folder: Path) -> None:
    options = IngestOptions(frame_interval_s=10.0, masks=str(folder / "masks.tif"))
    with prepared(str(folder / "movie.tif"), options, silent) as ready:
        given = settings_of(ready, options).given
        assert given is not None
        pixels = find_in(given, options).pixels
        with MovieWriter(folder / "ours.ome.zarr", ready.movie.info.shape, np.dtype(np.uint16)) as writer:
            found = Pass(ready.movie, writer, pixels=pixels).run()
            assert found.sums is not None
            normalise(found.sums.logs / pixels.counts[:, None], found.normalisation)
            for waiting in writer._settling:
                waiting.result()


def plainly(folder: Path, frames: int) -> None:
    """The paper's steps on whole arrays."""
    movie = tifffile.imread(folder / "movie.tif")[:frames]
    denoised = np.stack([scipy.ndimage.median_filter(frame, 3, mode="nearest") for frame in movie])
    logs = np.log(denoised.astype(np.float64) + 1)
    q1, q3 = np.percentile(logs, [25, 75])
    low, high = q1 - 2 * (q3 - q1), q3 + 2 * (q3 - q1)
    _ = (logs - low) / (high - low)


class Least:
    """What cannot be spared: one copy of the movie, and its compressed write."""

    def __init__(self, folder: Path) -> None:
        self._movie = tifffile.imread(folder / "movie.tif")
        self._denoised = np.stack([cv2.medianBlur(frame, 3) for frame in self._movie])
        self._copy, self._path = np.zeros_like(self._movie), folder / "least"

    def __call__(self) -> None:
        np.copyto(self._copy, self._movie)
        shutil.rmtree(self._path, ignore_errors=True)
        array = FrameArray.create(self._path, self._denoised.shape, self._denoised.dtype)

        def write(block: range) -> None:
            with array.shard(block) as put:
                for index in block:
                    put(self._denoised[index])
            flush(array.file(block))

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(write, array.blocks()))


def measured(folder: Path, frames: int, repeats: int, quick: bool = True) -> dict[str, Spent]:
    """`ours`, `plain` (scaled to all frames where `quick`) and `least`; the movie is in `folder`."""
    count = min(frames, QUICK_FRAMES) if quick else frames
    least = Least(folder)
    ours(folder)
    found = in_turns(repeats, ours=lambda: ours(folder), least=least, plain=lambda: plainly(folder, count))
    plain = found["plain"]
    return found | {"plain": plain.scaled(frames / count)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("size", 512), ("frames", FRAMES), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--whole", action="store_true", help=f"the paper's stack on all frames, not on {QUICK_FRAMES}")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_movie(Path(folder), asked.size, asked.frames)
        found = measured(Path(folder), asked.frames, asked.repeats, not asked.whole)
    print(f"{asked.frames} x {asked.size} x {asked.size} uint16: seconds, and seconds of processor; ours to each")
    mine = found["ours"]
    for name, took in found.items():
        wall, cpu = took.wall_s / mine.wall_s, took.cpu_s / mine.cpu_s
        print(f"  {name:8}{took.wall_s:8.2f}{took.cpu_s:8.2f}{wall:10.2f}{cpu:8.2f}")


if __name__ == "__main__":
    main()
