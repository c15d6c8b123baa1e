"""What a TIFF says of its frames: how far apart, when each was taken, how large a pixel is, and how many there are."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import read_ndtiff_index

from calcigraph.ingest.units import micrometres, seconds
from calcigraph.store.types import FloatArray, FrameTimes

_CENTIMETRE = 3
"""TIFF's ResolutionUnit for pixels per cm; inches are a printer's default and say nothing of the sample."""
_PRINTERS = ("in", "inch", "inches")
_MICROMANAGER = 51123
"""The tag in which Micro-Manager keeps what it knows of each page, as JSON."""
_DATE_TIME = 306


@dataclass(frozen=True)
class TiffMetadata:
    """What a TIFF says; None where it says nothing."""

    times: FrameTimes = field(default_factory=FrameTimes)
    pixel_size_um: float | None = None
    promised: int | None = None
    """Frames that its description names, which may not be the pages that are there."""
    promised_by: str = ""
    channels: tuple[str, ...] = ()
    """Their names."""
    planned: int | None = None
    """Time points that were to be filmed; a burst may have more."""


@dataclass(frozen=True)
class Wanted:
    """The planes of which times are wanted, in a file that has several channels, z-planes or images."""

    scene: int = 0
    time: str = ""
    """The letter of the axis of time; "" for the longest one."""
    channel: int = 0
    z: int = 0
    pages: tuple[Any, ...] = ()
    """Of the frames, in order; () for all pages of the file."""


EVERY_PLANE = Wanted()


def read_metadata(tiff: Any, wanted: Wanted = EVERY_PLANE) -> TiffMetadata:
    """What an open tifffile.TiffFile says of itself as a movie."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome(str(tiff.ome_metadata), tiff, wanted)
    if tiff.is_imagej and tiff.imagej_metadata is not None:
        words = tiff.imagej_metadata
        times = FrameTimes(
            interval_s=seconds(words.get("finterval"), words.get("tunit", "sec")), interval_from="finterval"
        )
        count = words.get("images")
        if isinstance(count, int):  # a colour image is one, of as many planes as it has colours
            count *= tiff.pages[0].samplesperpixel
        return TiffMetadata(
            times=times,
            pixel_size_um=_imagej_pixel(tiff, str(words.get("unit", ""))),
            promised=int(count) if isinstance(count, int) and count > 1 else None,
            promised_by="its ImageJ description",
        )
    micromanager = _micromanager(tiff, wanted)
    if micromanager is not None:
        return micromanager
    return TiffMetadata(times=_date_times(tiff, wanted), pixel_size_um=_plain_pixel(tiff))


def _imagej_pixel(tiff: Any, unit: str) -> float | None:
    """None for inches: that is 72 dots an inch, a screen's, whatever the unit's name."""
    return None if unit.strip().lower() in _PRINTERS else _resolution(tiff, unit)


def _plain_pixel(tiff: Any) -> float | None:
    """Pixels per cm, but not exactly 1: that is what a program writes that knows of none."""
    unit, tag = (tiff.pages[0].tags.get(name) for name in ("ResolutionUnit", "XResolution"))
    if unit is None or unit.value != _CENTIMETRE or tag is None:
        return None
    count, per = tag.value
    return None if count == per else _resolution(tiff, "cm")


def _resolution(tiff: Any, unit: str) -> float | None:
    tag = tiff.pages[0].tags.get("XResolution")
    if tag is None or not all(tag.value):
        return None
    count, per = tag.value
    return micrometres(per / count, unit)


# OME-XML


def _ome(text: str, tiff: Any, wanted: Wanted) -> TiffMetadata:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return TiffMetadata()
    images = [node for node in root.iter() if _name(node) == "Pixels"]
    if wanted.scene >= len(images):
        return TiffMetadata()
    pixels = images[wanted.scene]
    stamps = _delta_times(pixels, wanted)
    times = FrameTimes(
        interval_s=seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")),
        interval_from="TimeIncrement",
        times_s=stamps,
        times_from="DeltaT of its planes",
    )
    if stamps is None:
        micromanager = _micromanager(tiff, wanted)
        if micromanager is not None and micromanager.times.times_s is not None:
            times = FrameTimes(
                interval_s=times.interval_s,
                interval_from=times.interval_from,
                times_s=micromanager.times.times_s,
                times_from=micromanager.times.times_from,
            )
    size = micrometres(pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit", "um"))
    counts = [int(pixels.get(f"Size{axis}", "1")) for axis in "TCZ" if pixels.get(f"Size{axis}", "1").isdigit()]
    names = tuple(node.get("Name", "") for node in pixels if _name(node) == "Channel")
    return TiffMetadata(times, size, int(np.prod(counts)), "its OME description", names)


def _delta_times(pixels: ElementTree.Element, wanted: Wanted) -> FloatArray | None:
    """(T,), DeltaT of the planes of one channel and z, by time point; None where no plane has one.

    Writers that let the frames run along Z or C give each plane another TheZ or TheC: then those count.
    """
    planes = [plane for plane in pixels if _name(plane) == "Plane" and plane.get("DeltaT") is not None]
    if not planes:
        return None
    longest = max("TZC", key=lambda letter: len({plane.get(f"The{letter}", "0") for plane in planes}))
    axis = wanted.time if wanted.time in tuple("TZC") else longest
    rest = {letter: str({"C": wanted.channel, "Z": wanted.z}.get(letter, 0)) for letter in "TZC" if letter != axis}
    found: dict[int, float] = {}
    for plane in planes:
        if all(plane.get(f"The{letter}", "0") == place for letter, place in rest.items()):
            found[int(plane.get(f"The{axis}", "0"))] = _time(plane)
    if not found:
        return None
    sizes = pixels.get(f"Size{axis}", "0")
    count = max(int(sizes) if sizes.isdigit() else 0, max(found) + 1)
    return np.array([found.get(index, np.nan) for index in range(count)])


def _time(plane: ElementTree.Element) -> float:
    """s; 0 is a time too, though `seconds` takes it for no number."""
    text = plane.get("DeltaT", "")
    value = seconds(text, plane.get("DeltaTUnit", "s"))
    if value is not None:
        return value
    try:
        return 0.0 if float(text) == 0 else float("nan")
    except ValueError:
        return float("nan")


def _name(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


# Tags of every page


def _micromanager(tiff: Any, wanted: Wanted) -> TiffMetadata | None:
    if _MICROMANAGER not in tiff.pages[0].tags:
        return None
    pages = [_json(page.tags.get(_MICROMANAGER)) for page in _pages(tiff, wanted)]
    stamps = np.array([_number(page.get("ElapsedTime-ms")) / 1e3 for page in pages])
    times = FrameTimes(
        times_s=stamps if np.isfinite(stamps).any() else None, times_from="Micro-Manager's ElapsedTime-ms"
    )
    summary = _summary(tiff)
    names, planned = summary.get("ChNames"), summary.get("Frames")
    return TiffMetadata(
        times,
        micrometres(_json(tiff.pages[0].tags.get(_MICROMANAGER)).get("PixelSizeUm"), "um"),
        channels=tuple(map(str, names)) if isinstance(names, list) else _index_channels(tiff),
        planned=planned if isinstance(planned, int) else None,
    )


def _index_channels(tiff: Any) -> tuple[str, ...]:
    """Names of channels in the index of NDTiff, numbered as tifffile does; () where they have none."""
    if not tiff.is_ndtiff:
        return ()
    axes = (entry[0] for entry in read_ndtiff_index(Path(tiff.filehandle.dirname) / "NDTiff.index"))
    names = dict.fromkeys(each["channel"] for each in axes if isinstance(each.get("channel"), str))
    return tuple(map(str, names))


def _summary(tiff: Any) -> dict[str, Any]:
    """What Micro-Manager says of the whole acquisition."""
    known = tiff.micromanager_metadata if tiff.is_micromanager else None
    summary = known.get("Summary") if isinstance(known, dict) else None
    return summary if isinstance(summary, dict) else {}


def _json(tag: Any) -> dict[str, Any]:
    value = None if tag is None else tag.value
    if isinstance(value, bytes | str):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        try:
            value = json.loads(text.strip("\0"))
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _date_times(tiff: Any, wanted: Wanted) -> FrameTimes:
    """Of pages that each carry the time at which they were taken."""
    if len(tiff.pages) < 2 or _DATE_TIME not in tiff.pages[0].tags:
        return FrameTimes()
    pages = [page.datetime for page in _pages(tiff, wanted)]
    if len(pages) < 2 or any(when is None for when in pages):
        return FrameTimes()
    stamps = np.array([(when - pages[0]).total_seconds() for when in pages])
    if np.ptp(stamps) == 0:
        return FrameTimes()  # the time at which the file was written
    whole = all(when.microsecond == 0 for when in pages)
    return FrameTimes(times_s=stamps, times_from="DateTime of its pages", resolution_s=1.0 if whole else 0.0)


def _pages(tiff: Any, wanted: Wanted) -> list[Any]:
    """The pages of the frames with their own tags; pages of a series otherwise share those of the first."""
    every = [tiff.pages.get(index, aspage=True, cache=False) for index in range(len(tiff.pages))]
    if not wanted.pages:
        return every
    # A page of a series may count by its place there: where it, or what it shows, lies in the file tells which it is.
    by_offset = {page.dataoffsets: page for page in every} | {page.offset: page for page in every}
    here = [page for page in wanted.pages if page is not None and page.parent is tiff]
    places = [page.offset or page.dataoffsets for page in here]
    return [by_offset[place] for place in places if place in by_offset]
