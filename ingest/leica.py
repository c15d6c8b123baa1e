"""LIF films of Leica microscopes, a plane at a time, read with liffile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.axes import Axes, Choice, pick, pick_scene
from calcigraph.ingest.library_movie import LibraryMovie
from calcigraph.ingest.units import micrometres
from calcigraph.store.types import FloatArray, FrameTimes, MovieInfo

_STAMPED_TO = 1e-3
"""s; what liffile rounds time stamps to."""


class LifMovie(LibraryMovie):
    """One image and channel of a LIF."""

    kind, module = "LIF", "liffile"

    def _opened(self, module: Any, path: Path) -> Any:
        return module.LifFile(path, squeeze=False)

    def _take(self, path: Path, source: str, choice: Choice) -> None:
        images = list(self._file.images)
        if not images:
            raise InputError(f"{source}: no image in this LIF; expected a movie")
        tiles = [(image, tile) for image in images for tile in range(image.sizes.get("M", 1))]
        scene, of_scene = pick_scene(_tile_names(images), choice, source)
        image, self._tile = tiles[scene]
        self._image = image
        sizes = {axis: size for axis, size in image.sizes.items() if size > 1 and axis != "M"}
        if "S" in sizes:
            raise InputError(
                f"{source}: {image.path}: a colour (RGB) film; expected one grey channel: save that channel"
            )
        if not {"Y", "X"} <= set(sizes) or set(sizes) - set("TCZYX"):
            raise InputError(
                f"{source}: {image.path}: axes {_sizes(sizes)}; expected time, Y and X, channels and z-planes"
            )
        if sizes.get("T", 1) < 2:
            raise InputError(f"{source}: {image.path}: a single frame; expected a movie of at least 2 frames")
        _check_whole(path, image, source)
        count = sizes.get("C", 1)
        self.picked = pick(Axes(_channel_names(image, count), sizes.get("Z", 1)), _without_scene(choice), source)
        self._axes = set(image.sizes)
        self.info = MovieInfo(
            shape=(sizes["T"], sizes["Y"], sizes["X"]),
            dtype=np.dtype(image.dtype).name,
            pixel_size_um=_pixel_size(image),
            source=source,
            times=_times(image, {"C": self.picked.channel, "Z": self.picked.planes[0], "M": self._tile}),
            picked=of_scene + self.picked.recorded,
        )

    def _plane(self, index: int, channel: int, plane: int) -> NDArray[Any]:
        places = {"T": index, "C": channel, "Z": plane, "M": self._tile}
        place = {axis: at for axis, at in places.items() if axis in self._axes}
        with self._lock:  # one handle is sought and read
            return np.asarray(self._image.frame(**place)).squeeze()


def _without_scene(choice: Choice) -> Choice:
    return replace(choice, scene=None)


def _image_names(images: Sequence[Any]) -> list[str]:
    """As LAS X shows them; with their folders where two have one name."""
    names = [str(image.name) for image in images]
    return names if len(set(names)) == len(names) else [str(image.path) for image in images]


def _tile_names(images: Sequence[Any]) -> list[str]:
    """Names of images; each tile of a scan is one, with its number."""
    found = []
    for name, image in zip(_image_names(images), images, strict=True):
        tiles = image.sizes.get("M", 1)
        found += [name] if tiles == 1 else [f"{name} tile {tile}" for tile in range(tiles)]
    return found


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{axis} {size}" for axis, size in sizes.items())


def _check_whole(path: Path, image: Any, source: str) -> None:
    """liffile tells that pixels are missing only when they are read."""
    block = image.memory_block
    needed = int(np.prod(list(image.sizes.values()), dtype=np.int64)) * np.dtype(image.dtype).itemsize
    end, size = block.offset + max(needed, block.size), path.stat().st_size
    if block.offset < 0 or needed > block.size or end > size:
        raise InputError(
            f"{source}: {image.path}: the LIF is cut short ({size} bytes, its pixels need {end}); copy it again"
        )


def _channel_names(image: Any, count: int) -> list[str]:
    """The colours in which LAS X shows the channels: other names are not kept with the image."""
    channels = image.xml_element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription")
    channels = sorted(channels, key=lambda channel: int(channel.get("BytesInc", "0")))
    names = [channel.get("NameOfMeasuredQuantity") or channel.get("LUTName") or "" for channel in channels]
    return names if len(names) == count else [""] * count


def _pixel_size(image: Any) -> float | None:
    """Length is from the middle of the first pixel to that of the last."""
    across = image.coords.get("X")
    unit = next(
        (
            dimension.get("Unit")
            for dimension in image.xml_element.iter("DimensionDescription")
            if dimension.get("DimID") == "1"
        ),
        None,
    )
    return None if across is None or len(across) < 2 else micrometres(abs(across[1] - across[0]), unit)


def _times(image: Any, picked: Mapping[str, int]) -> FrameTimes:
    """Of the planes at these places along the axes beside time."""
    stamps = _stamps(image, picked)
    if stamps is not None:
        return FrameTimes(times_s=stamps, times_from="the image's time stamps", resolution_s=_STAMPED_TO)
    along = image.coords.get("T")
    step = float(along[1] - along[0]) if along is not None and len(along) > 1 else 0.0
    return FrameTimes(interval_s=step if step > 0 else None, interval_from="the length of its time axis")


def _stamps(image: Any, picked: Mapping[str, int]) -> FloatArray | None:
    """(T,), s; the list has one for every plane, in the order of the file, or one for each frame."""
    stamps = image.timestamps
    if stamps is None:
        return None
    axes = {axis: size for axis, size in image.sizes.items() if axis not in ("Y", "X")}
    times = (stamps - stamps[0]).astype("timedelta64[ms]").astype(np.float64) / 1e3
    for kept in (axes, {axis: size for axis, size in axes.items() if axis != "C"}, {"T": axes["T"]}):
        if len(times) == np.prod(list(kept.values())):
            place = tuple(slice(None) if axis == "T" else picked.get(axis, 0) for axis in kept)
            found: FloatArray = times.reshape(list(kept.values()))[place]
            return found if np.ptp(found) > 0 else None
    return None
