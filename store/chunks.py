"""Zarr v3 arrays and groups as files: the few shapes that a movie store needs, and nothing else.

The zarr package reads and writes all of it, but importing it costs half a second, which is a quarter of an ingest.
Written: blosc (lz4, shuffle) chunks; movies in shards of whole frames, one frame a chunk, index at the end.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs.blosc import Blosc  # type: ignore[import-untyped]
from numpy.typing import NDArray

SHARD_FRAMES = 16
_ROWS_BYTES = 2**26


def _codec() -> Any:
    return Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON file."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False), encoding="utf-8")


def write_group(path: Path, attributes: Mapping[str, Any]) -> None:
    """Make a Zarr v3 group."""
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)})


def write_array(path: Path, array: NDArray[Any], names: tuple[str, ...]) -> None:
    """Write a small array whole, in chunks of full rows; `names` are its dimension names."""
    array = np.ascontiguousarray(array)
    rows = max(1, min(len(array), _ROWS_BYTES // max(1, array[:1].nbytes)))
    path.mkdir(parents=True)
    codecs = _inner_codecs(array.dtype)
    write_json(path / "zarr.json", _metadata(array.shape, array.dtype, (rows, *array.shape[1:]), codecs, names))
    for number, start in enumerate(range(0, len(array), rows)):
        chunk = np.zeros((rows, *array.shape[1:]), array.dtype)
        part = array[start : start + rows]
        chunk[: len(part)] = part
        file = path.joinpath("c", str(number), *("0" for _ in array.shape[1:]))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_codec().encode(chunk))


def read_array(path: Path) -> NDArray[Any]:
    """Read an array that `write_array` wrote."""
    about = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    shape, dtype = tuple(about["shape"]), np.dtype(about["data_type"])
    rows = about["chunk_grid"]["configuration"]["chunk_shape"][0]
    array = np.empty(shape, dtype)
    for number, start in enumerate(range(0, shape[0], rows)):
        data = path.joinpath("c", str(number), *("0" for _ in shape[1:])).read_bytes()
        chunk = np.frombuffer(_codec().decode(data), dtype).reshape(rows, *shape[1:])
        array[start : start + rows] = chunk[: shape[0] - start]
    return array


class FrameArray:
    """A (T, Y, X) array in shards of SHARD_FRAMES frames, on disk at `path`; frames are written and read one by one."""

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self._indexes: dict[int, NDArray[np.uint64]] = {}

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
        write_json(path / "zarr.json", _metadata(shape, dtype, (SHARD_FRAMES, *shape[1:]), codecs, ("t", "y", "x")))
        return cls(path, shape, dtype)

    @classmethod
    def open(cls, path: Path) -> FrameArray:
        """Open what `create` made. Raises OSError, ValueError or KeyError if it is something else."""
        about = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        if about["codecs"][0]["name"] != "sharding_indexed" or len(about["shape"]) != 3:
            raise ValueError("not an array in shards of frames")
        return cls(path, tuple(about["shape"]), np.dtype(about["data_type"]))

    def blocks(self) -> list[range]:
        """The frames of each shard."""
        frames = self.shape[0]
        return [range(start, min(start + SHARD_FRAMES, frames)) for start in range(0, frames, SHARD_FRAMES)]

    @contextmanager
    def shard(self, block: range) -> Iterator[Callable[[NDArray[Any]], None]]:
        """Write one shard: call the value once per frame of `block`, in order."""
        codec = _codec()
        index = np.full((SHARD_FRAMES, 2), 2**64 - 1, np.uint64)
        file = self.file(block)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb", buffering=0) as handle:
            written = [0, 0]

            def write(frame: NDArray[Any]) -> None:
                data = codec.encode(np.ascontiguousarray(frame, self.dtype))
                index[written[0]] = written[1], len(data)
                _write_all(handle.fileno(), data)
                written[0] += 1
                written[1] += len(data)

            yield write
            body = index.astype("<u8").tobytes()
            _write_all(handle.fileno(), body + struct.pack("<I", google_crc32c.value(body)))

    def file(self, block: range) -> Path:
        """Where the shard of these frames is."""
        return self._file(block.start // SHARD_FRAMES)

    def frame(self, number: int) -> NDArray[Any]:
        """Frame `number`, (Y, X). Raises OSError or RuntimeError if the file is missing or damaged."""
        shard, place = divmod(number, SHARD_FRAMES)
        with self._file(shard).open("rb", buffering=0) as handle:
            if shard not in self._indexes:
                self._indexes[shard] = self._index(handle.fileno())
            offset, length = (int(value) for value in self._indexes[shard][place])
            data = os.pread(handle.fileno(), length, offset)
        return np.frombuffer(_codec().decode(data), self.dtype).reshape(self.shape[1:])

    def _index(self, descriptor: int) -> NDArray[np.uint64]:
        size = 16 * SHARD_FRAMES + 4
        data = os.pread(descriptor, size, os.fstat(descriptor).st_size - size)
        if struct.unpack("<I", data[-4:])[0] != google_crc32c.value(data[:-4]):
            raise OSError(f"{self.path}: a shard's index is damaged")
        return np.frombuffer(data[:-4], "<u8").reshape(SHARD_FRAMES, 2)

    def _file(self, shard: int) -> Path:
        return self.path / "c" / str(shard) / "0" / "0"


_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


def _inner_codecs(dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    blosc = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": dtype.itemsize, "blocksize": 0}
    return [_BYTES, {"name": "blosc", "configuration": blosc}]


def _metadata(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunk: tuple[int, ...],
    codecs: list[dict[str, Any]],
    names: tuple[str, ...],
) -> dict[str, Any]:
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
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(descriptor, view) :]
