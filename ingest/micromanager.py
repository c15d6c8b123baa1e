"""Folders of Micro-Manager: an image a file, and `metadata.txt`, which tells the frame, channel and z-plane of each."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.axes import Axes, Choice, StackMovie, pick, pick_scene
from calcigraph.ingest.photometric import INVERTED
from calcigraph.ingest.sequence import read_grey
from calcigraph.ingest.units import micrometres
from calcigraph.store.types import FrameTimes, MovieInfo

METADATA = "metadata.txt"
_AXES = (("FrameIndex", "time"), ("ChannelIndex", "channel"), ("SliceIndex", "z"))
"""What versions call time, channel and z; the last is also what stands before the number in a file's name."""
Place = tuple[int, int, int]
"""Time point, channel and z-plane of an image."""


@dataclass(frozen=True)
class _Image:
    """What the metadata say of one image."""

    file: Path
    elapsed_s: float
    """Since the start; NaN where it is not said."""
    pixel_size_um: float | None


def positions(folder: Path) -> list[Path]:
    """The folders with images of one position each: this one, or those inside it; none if it is no such folder."""
    if (folder / METADATA).is_file():
        return [folder] if _read(folder / METADATA) is not None else []
    inside = [child for child in folder.iterdir() if (child / METADATA).is_file()]
    return sorted(child for child in inside if _read(child / METADATA) is not None)


def stack_in(folder: Path) -> Path | None:
    """The first file of an OME-TIFF set of Micro-Manager; tifffile finds the others."""
    return min(folder.glob("*_MMStack*.tif"), default=None, key=lambda file: (len(file.name), file.name))


class MicroManagerMovie(StackMovie):
    """One position and channel of a folder of images.

    An acquisition that was stopped has `broken_off`. Raises InputError if it is no movie, or has several positions,
    channels or z-planes and none was picked.
    """

    def __init__(self, folders: Sequence[Path], source: str, choice: Choice) -> None:
        scene, of_scene = pick_scene([folder.name for folder in folders], choice, source)
        folder = folders[scene]
        told = _read(folder / METADATA) or {}
        summary = told.get("Summary", {})
        self._images = _images(folder, told, source)
        if not self._images:
            raise InputError(f"{source}: {METADATA} names no image that is in {folder}; copy the folder again")
        frames, channels, planes = (max(place[axis] for place in self._images) + 1 for axis in range(3))
        names = summary.get("ChNames")
        listed = (
            [str(name) for name in names] if isinstance(names, list) and len(names) == channels else [""] * channels
        )
        self.picked = pick(Axes(listed, planes), replace(choice, scene=None), source)
        there = next((time for time in range(frames) if not self._whole(time)), frames)
        promised = summary.get("Frames")
        if isinstance(promised, int) and promised > there:
            self.broken_off = f"{METADATA} names {promised} frames, {there} are there (0 to {there - 1})"
        elif there < frames:
            self.broken_off = f"frame {there} lacks images, and {frames} frames are named (0 to {there - 1} are whole)"
        if there < 2:
            raise InputError(f"{source}: {there} frame(s); expected a movie of at least 2 frames")
        first = self._images[0, self.picked.channel, self.picked.planes[0]]
        image, self._inverted = read_grey(first.file)
        self._dtype = image.dtype.newbyteorder("=")
        self.info = MovieInfo(
            shape=(there, image.shape[0], image.shape[1]),
            dtype=self._dtype.name,
            pixel_size_um=first.pixel_size_um,
            source=source,
            times=self._times(there, summary),
            notes=(INVERTED,) if self._inverted else (),
            picked=of_scene + self.picked.recorded,
        )

    def _whole(self, time: int) -> bool:
        return all((time, self.picked.channel, plane) in self._images for plane in self.picked.planes)

    def _plane(self, index: int, channel: int, plane: int) -> NDArray[Any]:
        file = self._images[index, channel, plane].file
        image, inverted = read_grey(file)
        if inverted != self._inverted or image.dtype.newbyteorder("=") != self._dtype:
            raise InputError(f"{file}: its pixels are of another kind than in the first frame; expected them alike")
        return image

    def _times(self, frames: int, summary: dict[str, Any]) -> FrameTimes:
        channel, plane = self.picked.channel, self.picked.planes[0]
        stamps = np.array([self._images[time, channel, plane].elapsed_s for time in range(frames)])
        interval = summary.get("Interval_ms")
        planned = interval / 1e3 if isinstance(interval, int | float) and interval > 0 else None
        told = bool(np.isfinite(stamps).any())
        return FrameTimes(
            # Planned times are met only where the camera is quick enough, so measured ones come first.
            interval_s=None if told else planned,
            interval_from="Interval_ms",
            times_s=stamps if told else None,
            times_from="Micro-Manager's ElapsedTime-ms",
        )


def _read(path: Path) -> dict[str, Any] | None:
    """The metadata; None if the file is something else. A run that was killed leaves the last bracket out."""
    text = path.read_text(encoding="utf-8-sig", errors="replace").strip()
    for ending in ("", "}", "}}"):
        try:
            told = json.loads((text.rstrip(",") if ending else text) + ending)
        except ValueError:
            continue
        return told if isinstance(told, dict) and isinstance(told.get("Summary"), dict) else None
    return None


def _images(folder: Path, told: dict[str, Any], source: str) -> dict[Place, _Image]:
    """The images that are there, by their places. Version 1.4 has one entry an image, version 2 has two."""
    found: dict[Place, _Image] = {}
    for key, entry in told.items():
        if not isinstance(entry, dict):
            continue
        if key.startswith("FrameKey-"):
            name, said = str(entry.get("FileName")), entry
        elif key.startswith("Coords-"):
            name, said = key.removeprefix("Coords-"), told.get(key.replace("Coords-", "Metadata-", 1), {})
        else:
            continue
        file = folder / Path(name).name
        place = _place_of(entry, file.stem)
        if not file.is_file():
            continue
        if place in found:
            raise InputError(
                f"{source}: {METADATA} gives {found[place].file.name} and {file.name} one place; expected a frame, "
                "channel and z-plane of its own for each image"
            )
        found[place] = _Image(
            file, _number(said.get("ElapsedTime-ms")) / 1e3, micrometres(said.get("PixelSizeUm"), "um")
        )
    return found


def _place_of(entry: dict[str, Any], stem: str) -> Place:
    """Versions name the axes in several ways; an axis that neither the entry nor the name tells has one place."""
    time, channel, plane = (_index(entry, stem, *names) for names in _AXES)
    return time, channel, plane


def _index(entry: dict[str, Any], stem: str, *names: str) -> int:
    for name in names:
        value = entry.get(name)
        if isinstance(value, int) and value >= 0:
            return value
    named = re.search(rf"(?:^|_){names[-1]}(\d+)", stem)
    return int(named.group(1)) if named else 0


def _number(value: Any) -> float:
    """NaN for what is none; version 2 may write {"scalar": 5} for 5."""
    value = value.get("scalar") if isinstance(value, dict) else value
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
