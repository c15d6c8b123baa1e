"""Own Zarr code (store/chunks.py) against tensorstore, zarrs and zarr: the same frames, shards, chunks and codec.

    PYTHON benchmarks/stores.py [--frames 361] [--size 512]

PYTHON is one of an environment of its own, for which there are `pip install tensorstore zarrs zarr numcodecs
google-crc32c`: calcigraph does not depend on the first two. Every library runs in a process of its own, with two
threads; seconds are those of the processor. The result goes to docs/speed/stores.csv; benchmarks/speed_page.py puts it
on the page.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "speed" / "stores.csv"
SHARD = 16
BLOSC = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle"}
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
TURNS = 3


def own(movie: Any, path: Path) -> tuple[Callable[[], None], Callable[[int], Any]]:
    """Writing the movie, and reading a frame."""
    sys.path.insert(0, str(ROOT / "store"))
    from chunks import FrameArray

    def write() -> None:
        array = FrameArray.create(path, movie.shape, movie.dtype)

        def shard(block: range) -> None:
            with array.shard(block) as put:
                for index in block:
                    put(movie[index])

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(shard, array.blocks()))

    opened: list[Any] = []

    def read(index: int) -> Any:
        opened.extend([] if opened else [FrameArray.open(path)])
        return opened[0].frame(index)

    return write, read


def tensorstore(movie: Any, path: Path) -> tuple[Callable[[], None], Callable[[int], Any]]:
    import tensorstore as ts

    frames, height, width = movie.shape
    inner = {
        "chunk_shape": [1, height, width],
        "codecs": [BYTES, {"name": "blosc", "configuration": BLOSC | {"typesize": 2, "blocksize": 0}}],
        "index_codecs": [BYTES, {"name": "crc32c"}],
    }
    metadata = {
        "shape": [frames, height, width],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [SHARD, height, width]}},
        "codecs": [{"name": "sharding_indexed", "configuration": inner}],
    }
    where = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    threads = {"data_copy_concurrency": {"limit": 2}, "file_io_concurrency": {"limit": 2}}

    def write() -> None:
        array = ts.open(where | {"metadata": metadata, "context": threads}, create=True).result()
        for start in range(0, frames, SHARD):
            stop = min(start + SHARD, frames)
            array[start:stop].write(movie[start:stop]).result()

    opened: list[Any] = []

    def read(index: int) -> Any:
        opened.extend([] if opened else [ts.open(where).result()])
        return opened[0][index].read().result()

    return write, read


def zarr(movie: Any, path: Path, fast: bool = False) -> tuple[Callable[[], None], Callable[[int], Any]]:
    import zarr as library
    from zarr.codecs import BloscCodec

    if fast:
        import zarrs  # noqa: F401

        library.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    frames, height, width = movie.shape

    def write() -> None:
        chunks = {"chunks": (1, height, width), "shards": (SHARD, height, width)}
        array = library.create_array(
            str(path), shape=movie.shape, dtype="uint16", compressors=BloscCodec(**BLOSC), **chunks
        )
        for start in range(0, frames, SHARD):
            array[start : start + SHARD] = movie[start : start + SHARD]

    opened: list[Any] = []

    def read(index: int) -> Any:
        opened.extend([] if opened else [library.open_array(str(path), mode="r")])
        return opened[0][index]

    return write, read


LIBRARIES = {
    "own": own,
    "tensorstore": tensorstore,
    "zarrs": lambda movie, path: zarr(movie, path, fast=True),
    "zarr": zarr,
}


def processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def one(name: str, movie: Path, path: Path) -> None:
    """Print what one library takes, as JSON."""
    frames = np.load(movie)
    begun = processor_s()
    write, read = LIBRARIES[name](frames, path)
    loaded = processor_s()
    write()
    written = processor_s()
    for index in range(len(frames)):
        assert (read(index)[0] == frames[index][0]).all()
    done = processor_s()
    print(json.dumps({"import": loaded - begun, "write": written - loaded, "read": done - written}))


def smooth(frames: int, size: int) -> Any:
    """A movie that compresses about as denoised ones do: smooth structure, and noise of a few counts."""
    rng = np.random.default_rng(0)
    y, x = np.indices((size, size))
    base = 400 + 150 * np.sin(x / 17) * np.cos(y / 23)
    return np.stack([(base + rng.normal(0, 6, base.shape)).astype(np.uint16) for _ in range(frames)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("frames", 361), ("size", 512)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        return one(asked.one[0], Path(asked.one[1]), Path(asked.one[2]))
    least: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        movie = Path(folder) / "movie.npy"
        np.save(movie, smooth(asked.frames, asked.size))
        for turn in range(TURNS):
            for name in LIBRARIES:
                command = [sys.executable, __file__, "--one", name, str(movie), f"{folder}/{name}-{turn}"]
                took = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                before = least.get(name, took)
                least[name] = {what: min(seconds, before[what]) for what, seconds in took.items()}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with OUT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("library", "import_s", "write_s", "read_s"))
        for name, took in least.items():
            values = [f"{took[what]:.2f}" for what in ("import", "write", "read")]
            writer.writerow((name, *values))
            print(f"{name:12}", *values)
    return None


if __name__ == "__main__":
    main()
