"""Zarr v3 arrays and groups as files: the few shapes that a movie store needs, and nothing else.

The zarr package reads and writes all of it, but importing it costs half a second, which is a quarter of an ingest.
Chunks are compressed with blosc (lz4, bits shuffled). A movie's chunk is one frame; SHARD_FRAMES frames share a file,
a shard, whose index stands at its end.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from calcigraph.store.location import Location, span

SHARD_FRAMES = 16
"""Frames in one file: few files for a long movie, and still many that threads can write side by side."""
_ROWS_BYTES = 2**26
"""Largest chunk of `write_array`, 64 MiB."""
_ABSENT = 2**64 - 1
"""Offset and length that Zarr gives a chunk that is not in the shard."""
_CHECKSUM_BYTES = 4
Digests = dict[Path, str]
"""The SHA-256 of files, in hex digits, taken of what was written and not of what a disk gives back."""
_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


def _codec() -> Any:
    return blosc.Blosc(cname="lz4", clevel=5, shuffle=blosc.BITSHUFFLE)


def _compressed(chunk: NDArray[Any]) -> bytes:
    """A chunk, compressed by one thread: several put its blocks in any order, so that equal arrays differ as files."""
    threads = blosc.set_nthreads(1)
    try:
        return bytes(_codec().encode(chunk))
    finally:
        blosc.set_nthreads(threads)


def decoded(data: bytes) -> Any:
    """What a chunk of blosc holds. Raises RuntimeError if it is damaged, OSError if it is cut short.

    The library does not look how long it is, and would read on in memory beyond its end.
    """
    if len(data) != blosc_bytes(data):
        raise OSError(f"a chunk is cut short: {len(data)} bytes of {blosc_bytes(data)} are there")
    return _codec().decode(data)


def blosc_bytes(head: bytes) -> int:
    """How many bytes a chunk of blosc has, from its first 16; -1 for fewer than these."""
    return int.from_bytes(head[12:16], "little") if len(head) >= 16 else -1


def write_json(path: Path, value: Mapping[str, Any], digests: Digests | None = None) -> None:
    """Write one JSON file.

    Written in place: the folder of a store is renamed only when all of it is on the disk (store/movie.py).
    """
    _write_bytes(path, json.dumps(value, indent=2, allow_nan=False).encode(), digests)


def _write_bytes(path: Path, data: bytes, digests: Digests | None) -> None:
    path.write_bytes(data)
    if digests is not None:
        digests[path] = hashlib.sha256(data).hexdigest()


def read_json(path: Location) -> Any:
    """Read one JSON file. Raises OSError if it is missing, ValueError if it is no JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_group(path: Path, attributes: Mapping[str, Any], digests: Digests | None = None) -> None:
    """Make the folder of a Zarr v3 group, with its attributes (JSON-able)."""
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}, digests)


def write_array(path: Path, array: NDArray[Any], names: tuple[str, ...], digests: Digests | None = None) -> None:
    """Write an array that fits memory.

    Parameters
    ----------
    path
        The array's folder, which is made.
    array
        Any shape but (); it is cut into chunks of whole rows (its first axis) of at most 64 MiB.
    names
        One name per dimension, such as ("cell", "t").
    digests
        Takes the digest of each file that is written.
    """
    array = np.ascontiguousarray(array)
    row_bytes = max(1, array[:1].nbytes)  # an array may be empty
    rows = max(1, min(len(array), _ROWS_BYTES // row_bytes))
    chunk_shape = (rows, *array.shape[1:])
    path.mkdir(parents=True)
    codecs = _inner_codecs(array.dtype)
    write_json(path / "zarr.json", _metadata(array.shape, array.dtype, chunk_shape, codecs, names), digests)
    for number, start in enumerate(range(0, len(array), rows)):
        # Zarr wants every chunk whole: the last one is filled up with zeros.
        chunk = np.zeros(chunk_shape, array.dtype)
        part = array[start : start + rows]
        chunk[: len(part)] = part
        file = path.joinpath(*_chunk(number, array.ndim))
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_bytes(file, _compressed(chunk), digests)


def read_array(path: Location) -> NDArray[Any]:
    """Read an array that `write_array` wrote.

    Raises OSError, RuntimeError, ValueError or KeyError if it is missing, damaged or something else.
    """
    about = read_json(path / "zarr.json")
    shape, dtype = tuple(about["shape"]), np.dtype(about["data_type"])
    rows = about["chunk_grid"]["configuration"]["chunk_shape"][0]
    array = np.empty(shape, dtype)
    for number, start in enumerate(range(0, shape[0], rows)):
        data = decoded(path.joinpath(*_chunk(number, len(shape))).read_bytes())
        chunk = np.frombuffer(data, dtype).reshape(rows, *shape[1:])
        array[start : start + rows] = chunk[: shape[0] - start]  # without what fills up the last chunk
    return array


def _chunk(number: int, dimensions: int) -> list[str]:
    """Where the chunk is that begins at row `number` x rows: it spans the other dimensions, so it is their chunk 0."""
    return ["c", str(number), *["0"] * (dimensions - 1)]


class FrameArray:
    """A (T, Y, X) array in shards of SHARD_FRAMES frames, at `path`; frames are written and read one by one.

    It is written in a folder, and read wherever it is.
    """

    def __init__(self, path: Location, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self._indexes: dict[int, NDArray[np.uint64]] = {}
        self.digests: Digests = {}
        """Of the files that were written."""

    @classmethod
    def create(cls, path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> FrameArray:
        """Make the folder and the metadata."""
        path.mkdir(parents=True)
        inner = {
            "chunk_shape": [1, *shape[1:]],
            "codecs": _inner_codecs(dtype),
            "index_codecs": [_BYTES, {"name": "crc32c"}],
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": inner}]
        made = cls(path, shape, dtype)
        metadata = _metadata(shape, dtype, (SHARD_FRAMES, *shape[1:]), codecs, ("t", "y", "x"))
        write_json(path / "zarr.json", metadata, made.digests)
        return made

    @classmethod
    def open(cls, path: Location) -> FrameArray:
        """Open what `create` made. Raises OSError, ValueError or KeyError if it is something else."""
        about = read_json(path / "zarr.json")
        if about["codecs"][0]["name"] != "sharding_indexed" or len(about["shape"]) != 3:
            raise ValueError("not an array in shards of frames")
        return cls(path, tuple(about["shape"]), np.dtype(about["data_type"]))

    def blocks(self) -> list[range]:
        """The frames of each shard."""
        frames = self.shape[0]
        return [range(start, min(start + SHARD_FRAMES, frames)) for start in range(0, frames, SHARD_FRAMES)]

    @contextmanager
    def shard(self, block: range) -> Iterator[Callable[[NDArray[Any]], None]]:
        """Write one shard: call the value once per frame of `block`, in order. Raises OSError."""
        codec, digest = _codec(), hashlib.sha256()
        # One row per frame: where its bytes begin, and how many they are. Frames beyond the movie's end stay absent.
        index = np.full((SHARD_FRAMES, 2), _ABSENT, np.uint64)
        file = self.file(block)
        assert isinstance(file, Path)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered, because the frames go to the descriptor itself.
        with file.open("wb", buffering=0) as handle:
            frames, size = 0, 0

            def write(frame: NDArray[Any]) -> None:
                nonlocal frames, size
                data = codec.encode(np.ascontiguousarray(frame, self.dtype))
                index[frames] = size, len(data)
                _write_all(handle.fileno(), data)
                digest.update(data)
                frames += 1
                size += len(data)

            yield write
            # The index comes last, because the frames' sizes are known only now.
            body = index.astype("<u8").tobytes()
            end = body + struct.pack("<I", google_crc32c.value(body))
            _write_all(handle.fileno(), end)
            digest.update(end)
        self.digests[file] = digest.hexdigest()

    def file(self, block: range) -> Location:
        """Where the shard of these frames is."""
        return self._file(block.start // SHARD_FRAMES)

    def frame(self, number: int) -> NDArray[Any]:
        """Frame `number`, (Y, X). Raises OSError or RuntimeError if the file is missing or damaged."""
        shard, place = divmod(number, SHARD_FRAMES)
        # Opened for each frame: threads read at once, and a movie may have more shards than a process can hold open.
        file = self._file(shard)
        # Two threads may both read an index; they find the same.
        if shard not in self._indexes:
            self._indexes[shard] = self._index(file)
        offset, length = (int(value) for value in self._indexes[shard][place])
        return np.frombuffer(decoded(span(file, offset, length)), self.dtype).reshape(self.shape[1:])

    def _index(self, file: Location) -> NDArray[np.uint64]:
        """Offset and length of each frame's bytes, (SHARD_FRAMES, 2), from the end of the shard."""
        size = 16 * SHARD_FRAMES + _CHECKSUM_BYTES
        data = span(file, -size, size)
        body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if struct.unpack("<I", checksum)[0] != google_crc32c.value(body):
            raise OSError(f"{self.path}: a shard's index is damaged")
        return np.frombuffer(body, "<u8").reshape(SHARD_FRAMES, 2)

    def _file(self, shard: int) -> Location:
        return self.path.joinpath(*_chunk(shard, len(self.shape)))


def _inner_codecs(dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    settings = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": dtype.itemsize, "blocksize": 0}
    return [_BYTES, {"name": "blosc", "configuration": settings}]


def _metadata(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunk: tuple[int, ...],
    codecs: list[dict[str, Any]],
    names: tuple[str, ...],
) -> dict[str, Any]:
    """zarr.json of an array."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": list(names),
        "storage_transformers": [],
    }


def _write_all(descriptor: int, data: Any) -> None:
    """Write every byte: one call of the system may take only a part, as it does beyond 2 GB or on a full disk."""
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(descriptor, view) :]
