"""CZI films of Zeiss microscopes, a plane at a time, read with pylibCZIrw."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.axes import Axes, Choice, pick
from calcigraph.ingest.library_movie import AGAIN, LibraryMovie
from calcigraph.ingest.units import micrometres, seconds
from calcigraph.store.types import FloatArray, FrameTimes, MovieInfo

_PIXELS = {"Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32"}
"""Grey pixel types, by CZI's names."""
_OTHER_AXES = {"R": "rotations", "I": "illuminations", "H": "phases", "V": "views", "B": "blocks"}
_MOST_PIXELS = 2**28
"""Of a plane; a damaged directory can name any size, and libCZI would make room for it."""
_HEADER = 32
"""Bytes before the data of each segment: name, room and length."""
_ENTRY = struct.Struct("<2s10xqi16x8s80s")
"""An attachment in the directory: schema, position, part, type and name."""
_BLOCK = struct.Struct("<2s4xqi10xi")
"""A block of pixels in the directory: schema, position, part and number of dimensions."""
_DIMENSION_BYTES = 20


class CziMovie(LibraryMovie):
    """One scene and channel of a CZI. Tiles of a scene are put together."""

    kind, module = "CZI", "pylibCZIrw.czi"

    def _opened(self, module: Any, path: Path) -> Any:
        _require_blocks(path)
        return module.CziReader(str(path))

    def _take(self, path: Path, source: str, choice: Choice) -> None:
        box = self._file.total_bounding_box_no_pyramid
        other = [f"{box[axis][1]} {name}" for axis, name in _OTHER_AXES.items() if box.get(axis, (0, 1))[1] > 1]
        if other:
            raise InputError(f"{source}: has {', '.join(other)}; expected time, channels and z-planes: export one")
        image = _image(self._file.metadata)
        rectangles = self._file.scenes_bounding_rectangle_no_pyramid
        places = sorted(rectangles)
        names = _scene_names(image)
        scenes = [names.get(place, "") for place in places] or [""]
        axes = Axes(_channel_names(image, box["C"][1]), box["Z"][1], scenes)
        self.picked, frames = pick(axes, choice, source), box["T"][1]
        self._scene = places[self.picked.scene] if len(places) > 1 else None
        self._rectangle = (
            rectangles[places[self.picked.scene]] if places else self._file.total_bounding_rectangle_no_pyramid
        )
        if self._rectangle.w * self._rectangle.h > _MOST_PIXELS:
            raise InputError(
                f"{source}: planes of {self._rectangle.w} x {self._rectangle.h} px; the file is damaged, or no movie"
            )
        kind = self._file.pixel_types[self.picked.channel]
        if kind not in _PIXELS:
            raise InputError(f"{source}: pixels of type {kind}; expected one grey channel (Gray8 or Gray16)")
        if frames < 2:
            raise InputError(f"{source}: a single frame; expected a movie of at least 2 frames")
        there = self._there(frames)
        if there < frames:
            self.broken_off = f"its directory names {frames} frames, {there} are there (0 to {there - 1})"
        if there < 2:
            raise InputError(f"{source}: {self.broken_off}; expected a movie of at least 2 frames")
        self.info = MovieInfo(
            shape=(there, self._rectangle.h, self._rectangle.w),
            dtype=_PIXELS[kind],
            pixel_size_um=_pixel_size(self._file.metadata),
            source=source,
            times=_times(path, image, frames, there),
            picked=self.picked.recorded,
        )

    def _there(self, frames: int) -> int:
        """How many frames have their planes, from the first on: planes that are missing would be read as 0."""
        found: set[tuple[int, int]] = set()

        def see(_: int, block: Any) -> bool:
            at = block.coordinate.to_dict()
            place = {letter: at.get(letter, 0) for letter in "TZCS"}
            if place["C"] == self.picked.channel and (self._scene is None or place["S"] == self._scene):
                found.add((place["T"], place["Z"]))
            return True

        self._file.enumerate_subblocks_subset(see, only_layer0=True)
        return next(
            (time for time in range(frames) if any((time, plane) not in found for plane in self.picked.planes)), frames
        )

    def _plane(self, index: int, channel: int, plane: int) -> NDArray[Any]:
        with self._lock:
            pixels = self._file.read(
                roi=self._rectangle, plane={"T": index, "C": channel, "Z": plane}, scene=self._scene
            )
            return np.array(pixels[:, :, 0])


def _image(metadata: Any) -> dict[str, Any]:
    """What the file's XML says of the image; empty where it says nothing."""
    return _at(metadata, "ImageDocument", "Metadata", "Information", "Image")


def _at(tree: Any, *names: str) -> dict[str, Any]:
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _all(node: Any) -> list[dict[str, Any]]:
    """XML as a dictionary has a list only where there are several."""
    found = node if isinstance(node, list) else [node]
    return [each for each in found if isinstance(each, dict)]


def _scene_names(image: dict[str, Any]) -> dict[int, str]:
    scenes = _all(_at(image, "Dimensions", "S", "Scenes").get("Scene"))
    return {
        int(scene["@Index"]): str(scene.get("@Name") or "")
        for scene in scenes
        if str(scene.get("@Index", "")).isdecimal()
    }


def _channel_names(image: dict[str, Any], count: int) -> Sequence[str]:
    found = [
        str(channel.get("@Name") or channel.get("Fluor") or "")
        for channel in _all(_at(image, "Dimensions", "Channels").get("Channel"))
    ]
    return found if len(found) == count else [""] * count


def _pixel_size(metadata: Any) -> float | None:
    for distance in _all(_at(metadata, "ImageDocument", "Metadata", "Scaling", "Items").get("Distance")):
        if distance.get("@Id") == "X":
            return micrometres(distance.get("Value"), "m")  # whatever unit it is shown in
    return None


def _times(path: Path, image: dict[str, Any], frames: int, there: int) -> FrameTimes:
    """Measured times before planned ones."""
    stamps = _time_stamps(path)
    if stamps is not None and len(stamps) >= there and np.ptp(stamps[:there]) > 0:
        return FrameTimes(times_s=stamps[:there], times_from="the file's TimeStamps")
    positions = _at(image, "Dimensions", "T", "Positions")
    listed = str(_at(positions, "List").get("Offsets") or "").split()
    if len(listed) == frames:
        return FrameTimes(times_s=np.array(listed, dtype=float)[:there], times_from="the file's list of times")
    increment = seconds(_at(positions, "Interval").get("Increment"), "s")
    return FrameTimes(interval_s=increment, interval_from="the file's Increment")


def _require_blocks(path: Path) -> None:
    """Raise InputError for a block of pixels that says it is larger than its file, or has dimensions that none has.

    libCZI would make room for it, and write beyond that or end the process. The layout is as in `_time_stamps`.
    """
    with path.open("rb") as file:
        whole = file.seek(0, 2)
        for position, dimensions in _blocks(file):
            file.seek(position)
            head = file.read(_HEADER + 16 + _BLOCK.size)
            if len(head) < _HEADER + 16 + _BLOCK.size or not head.startswith(b"ZISRAWSUBBLOCK"):
                continue  # libCZI refuses it
            sizes = struct.unpack_from("<iiq", head, _HEADER)
            schema, _, _, repeated = _BLOCK.unpack_from(head, _HEADER + 16)
            if min(sizes) < 0 or sum(sizes) > whole - position or (schema == b"DV" and repeated != dimensions):
                raise InputError(f"{path}: a block of pixels is damaged, or cut short; {AGAIN}")


def _blocks(file: Any) -> Iterator[tuple[int, int]]:
    """Where the blocks of pixels of this file begin, and how many dimensions they have."""
    file.seek(0)
    start = file.read(_HEADER + 60)
    if len(start) < _HEADER + 60 or not start.startswith(b"ZISRAWFILE"):
        return
    file.seek(max(0, struct.unpack_from("<q", start, _HEADER + 52)[0]))
    head = file.read(_HEADER + 128)
    if len(head) < _HEADER + 128 or not head.startswith(b"ZISRAWDIRECTORY"):
        return
    (count,) = struct.unpack_from("<i", head, _HEADER)
    place = file.tell()
    for _ in range(count):
        file.seek(place)
        entry = file.read(_BLOCK.size)
        if len(entry) < _BLOCK.size:
            return
        schema, position, part, dimensions = _BLOCK.unpack(entry)
        place += _BLOCK.size + _DIMENSION_BYTES * max(0, dimensions)
        if schema == b"DV" and part == 0 and position >= 0:
            yield position, dimensions


def _time_stamps(path: Path) -> FloatArray | None:
    """(T,), s: the attachment TimeStamps, which pylibCZIrw does not read; None where there is none.

    The layout is that of Zeiss's description of the format (ZISRAW): a segment has a header of 32 bytes; that of the
    file says where the directory of attachments is; an attachment has 256 bytes before its data.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER + 80)
        if not start.startswith(b"ZISRAWFILE"):
            return None
        (directory,) = struct.unpack_from("<q", start, _HEADER + 72)
        for position in _attachments(file, directory):
            file.seek(position + _HEADER + 256)
            head = file.read(8)
            count = struct.unpack("<ii", head)[1] if len(head) == 8 else 0
            data = file.read(8 * count) if 0 < count < 2**24 else b""
            if data and len(data) == 8 * count:
                return np.frombuffer(data, "<f8").astype(np.float64)
    return None


def _attachments(file: Any, directory: int) -> list[int]:
    """Where the segments of time stamps begin; there is one, or none."""
    if directory <= 0:
        return []
    file.seek(directory)
    head = file.read(_HEADER + 256)
    if len(head) < _HEADER + 256 or not head.startswith(b"ZISRAWATTDIR"):
        return []
    (count,) = struct.unpack_from("<i", head, _HEADER)
    entries = file.read(128 * count) if 0 < count < 2**16 else b""
    found = [_ENTRY.unpack_from(entries, at) for at in range(0, len(entries) - 127, 128)]
    return [position for schema, position, _, kind, _ in found if schema == b"A1" and kind.startswith(b"CZTIMS")]
