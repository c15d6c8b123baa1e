"""OME-Zarr 0.4 and 0.5 movies, a frame at a time."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.axes import EVERYTHING, Axes, Choice, Recorded, pick, pick_scene
from calcigraph.ingest.movie import Movie, first_line
from calcigraph.ingest.units import micrometres, seconds
from calcigraph.store.chunks import blosc_bytes
from calcigraph.store.types import FrameTimes, MovieInfo

_MOST_CHUNKS = 2_000_000
"""Each is looked for; no movie that can be used has so many."""
_BLOCK_BYTES = 2**26
"""Most that is decoded at once, 64 MiB."""


class ZarrMovie(Movie):
    """The full-resolution level of an OME-Zarr image with t, y and x, of which one channel and z-plane is read.

    A folder of several images, as bioformats2raw writes it, has them as scenes.
    Raises InputError if it is something else, or has several and none was picked.
    """

    def __init__(self, path: Path, source: str, choice: Choice = EVERYTHING) -> None:
        path, scene = _image_in(path, source, choice)
        level = _open_level(path, source)
        self._array, names = level.array, level.axes
        sizes = dict(zip(names, self._array.shape, strict=True))
        long = {name for name, size in sizes.items() if size > 1} - set("tczyx")
        if long or not {"t", "y", "x"} <= set(names):
            raise InputError(
                f"{source}: axes {''.join(names)} of size {self._array.shape}; expected t, y and x, and c and z if "
                "there are several: save one channel and one z-plane"
            )
        channels = level.channels if len(level.channels) == sizes.get("c", 1) else [""] * sizes.get("c", 1)
        self._picked = pick(Axes(channels, sizes.get("z", 1)), replace(choice, scene=None), source)
        self._axes = names
        frames, height, width = (self._array.shape[names.index(name)] for name in "tyx")
        if frames < 2:
            raise InputError(f"{source}: {frames} frame(s); expected a movie of at least 2 frames")
        t, x = names.index("t"), names.index("x")
        dtype = np.dtype(self._array.dtype).newbyteorder("=")
        self.info = MovieInfo(
            shape=(frames, height, width),
            dtype=dtype.name,
            pixel_size_um=None if level.scales is None else micrometres(level.scales[x], level.units[x]),
            source=source,
            times=FrameTimes(
                interval_s=None if level.scales is None else seconds(level.scales[t], level.units[t]),
                interval_from="the scale of its time axis",
            ),
            picked=scene + self._picked.recorded,
        )
        self._see_what_is_there(path / level.path)
        self._lock = threading.Lock()
        self._start, self._block = 0, np.empty((0, height, width), dtype)

    def _see_what_is_there(self, folder: Path) -> None:
        """A chunk without a file would be read as 0: a copy that broke off has none from some frame on."""
        size = self._array.shards or self._array.chunks
        grid = [-(-length // side) for length, side in zip(self._array.shape, size, strict=True)]
        if math.prod(grid) > _MOST_CHUNKS:
            raise InputError(
                f"{self.info.source}: the metadata of array {folder.name} names {math.prod(grid)} chunks of {size}, "
                f"for a shape of {self._array.shape}; it is damaged: copy it again"
            )
        keys = {place: self._array.metadata.encode_chunk_key(place) for place in np.ndindex(*grid)}
        missing = [place for place, key in keys.items() if not (folder / key).is_file()]
        short = next((key for key in keys.values() if self._is_short(folder / key)), None)
        if short is not None:
            raise InputError(f"{self.info.source}: chunk {short} of array {folder.name} is cut short; copy it again")
        if not missing:
            return
        t, frames = self._axes.index("t"), self.info.shape[0]
        first = min(place[t] for place in missing) * size[t]
        whole = sum(1 for place in keys if place[t] * size[t] >= first)
        some = ", ".join(keys[place] for place in missing[:3]) + (", ..." if len(missing) > 3 else "")
        are = "is" if len(missing) == 1 else "are"
        says = f"{len(missing)} of the {len(keys)} chunks of array {folder.name} {are} not there ({some})"
        if len(missing) < whole or first < 2:
            raise InputError(f"{self.info.source}: {says} and would be read as 0; copy it again")
        self.broken_off = f"its metadata names {frames} frames, {first} are there (0 to {first - 1}): {says}"
        self.info = replace(self.info, shape=(first, *self.info.shape[1:]))

    def _is_short(self, chunk: Path) -> bool:
        """Whether a file lacks some of its chunk; of blosc, for that library would read on beyond its end."""
        packed = [type(codec).__name__ for codec in self._array.compressors]
        if packed[-1:] not in (["Blosc"], ["BloscCodec"]) or self._array.shards is not None or not chunk.is_file():
            return False
        with chunk.open("rb") as file:
            return blosc_bytes(file.read(16)) != chunk.stat().st_size

    def _read(self, index: int) -> NDArray[Any]:
        with self._lock:
            if not 0 <= index - self._start < len(self._block):
                self._fill(index)
            return np.array(self._block[index - self._start])

    def _fill(self, index: int) -> None:
        """Read the frames that share a chunk with this one, so that each chunk is decoded once."""
        depth = self._array.chunks[self._axes.index("t")]
        frame_bytes = max(1, int(np.prod(self.info.shape[1:])) * self._array.dtype.itemsize)
        depth = max(1, min(depth, _BLOCK_BYTES // frame_bytes))
        start = index - index % depth
        times = slice(start, min(start + depth, self.info.shape[0]))
        first, *others = self._picked.planes
        block = self._planes(times, first)
        for plane in others:
            block = np.maximum(block, self._planes(times, plane))
        self._start, self._block = start, block

    def _planes(self, times: slice, plane: int) -> NDArray[Any]:
        """(t, y, x) of the channel that was picked, at one place along z."""
        everything: dict[str, int | slice] = {"t": times, "y": slice(None), "x": slice(None)}
        picks = {**everything, "c": self._picked.channel, "z": plane}
        block = np.asarray(self._array[tuple(picks.get(name, 0) for name in self._axes)])
        order = [name for name in self._axes if name in everything]
        return block.transpose([order.index(name) for name in "tyx"])


@dataclass(frozen=True)
class _Level:
    """One resolution of an OME-Zarr image; lists have one entry per axis."""

    array: Any
    axes: list[str]
    """Names."""
    units: list[str]
    scales: list[float] | None
    """Units per element; None where nobody set them: not given, or 0 and 1 as a writer's placeholders."""
    path: str
    """Of the array inside the image's folder."""
    channels: list[str]
    """Names; as many as there are channels, or none."""


def _image_in(path: Path, source: str, choice: Choice) -> tuple[Path, Recorded]:
    """The folder of one image, and what is recorded of the choice; the folder itself unless it holds several."""
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
        attributes = dict(group.attrs)
    except Exception:  # the message is that of `_open_level`
        return path, ()
    said = attributes.get("ome", attributes)
    folders = sorted((child for child in path.iterdir() if child.name.isdecimal()), key=lambda child: int(child.name))
    if not isinstance(said, Mapping) or "multiscales" in said or "bioformats2raw.layout" not in said or not folders:
        _, recorded = pick_scene([""], choice, source)
        return path, recorded
    number, recorded = pick_scene([""] * len(folders), choice, source)
    return folders[number], recorded


def _open_level(path: Path, source: str) -> _Level:
    """The first level, which has the full resolution."""
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
        attributes = dict(group.attrs)
        said = _mapping(attributes.get("ome", attributes))
        if "multiscales" not in said:
            kind = next((kind for kind in ("plate", "well") if kind in said), None)
            raise ValueError(f"it is a {kind}: give one field of it, such as A/1/0" if kind else "no multiscales")
        image = said["multiscales"][0]
        axes = [_mapping(axis) for axis in image["axes"]]
        level = image["datasets"][0]
        array = group[level["path"]]
        if not isinstance(array, zarr.Array):
            raise ValueError(f"{level['path']} is not an array")
        transformations = [*level.get("coordinateTransformations", []), *image.get("coordinateTransformations", [])]
        scales = _scale(transformations, len(axes))
    except Exception as error:  # every store and codec has its own errors
        raise InputError(
            f"{source}: not a readable OME-Zarr 0.4 or 0.5 image ({_why(path, error)}); "
            "pass the folder that holds its multiscales metadata"
        ) from error
    names = [str(axis.get("name")) for axis in axes]
    if len(names) != array.ndim:
        raise InputError(f"{source}: {len(names)} axes named for {array.ndim} dimensions; repair its metadata")
    units = [str(axis.get("unit")) for axis in axes]
    return _Level(
        array=array,
        axes=names,
        units=units,
        scales=scales,
        path=str(level["path"]),
        channels=_channels(said.get("omero")),
    )


def _why(path: Path, error: Exception) -> str:
    """What is wrong; zarr's own words for a plain array are of no help."""
    if (path / ".zarray").is_file() or '"node_type": "array"' in _text(path / "zarr.json"):
        return "a Zarr array without the metadata of an image"
    return first_line(error)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _channels(omero: object) -> list[str]:
    found = omero.get("channels") if isinstance(omero, Mapping) else None
    each = found if isinstance(found, list) else []
    return [str(channel.get("label") or "") if isinstance(channel, Mapping) else "" for channel in each]


def _scale(transformations: list[Any], count: int) -> list[float] | None:
    """Product of the scale transformations, one number an axis; None if there is none, or nothing but 0 and 1."""
    product = np.ones(count)
    for transformation in transformations:
        values = _mapping(transformation).get("scale")
        if values is not None and len(values) == count:
            product = product * np.asarray(values, dtype=float)
    return None if np.isin(product, (0, 1)).all() else [float(value) for value in product]


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected an object in the metadata, found {type(value).__name__}")
    return value
