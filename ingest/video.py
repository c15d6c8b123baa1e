"""Videos (AVI, MP4, MOV, MKV), a frame at a time, read with PyAV.

What becomes of their pixels: grey ones are taken as they are. In colour ones, red, green and blue are three channels;
where they agree in every pixel, the film is grey. Brightness and colour differences (YUV, as most codecs have them) are
grey where no pixel has a colour; then the brightness counts, from black at 0.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.axes import COLOURS, Axes, Choice, StackMovie, pick
from calcigraph.ingest.extra import library
from calcigraph.ingest.movie import first_line
from calcigraph.ingest.times import TOLERANCE
from calcigraph.store.types import FloatArray, FrameTimes, MovieInfo

_NEUTRAL = 3
"""Of 256: colour differences up to this are the rounding of a codec."""
_FULL_RANGE = 2
"""FFmpeg's AVCOL_RANGE_JPEG: black is 0."""


class VideoMovie(StackMovie):
    """The frames of a video's first stream.

    Raises InputError if there are none, the file is damaged, or it is in colour and no channel was picked.
    """

    def __init__(self, path: Path, source: str, timed: bool, choice: Choice) -> None:
        self._av = library("av", "videos", source)
        self._path, self._source = path, source
        self._idle: list[_Decoder] = []
        self._lock = threading.Lock()
        try:
            self._index = self._indexed()
            frames = len(self._index.stamps)
            first, *others = (self._decoded(place) for place in sorted({0, frames // 2, frames - 1}))
            self._colour = any(_in_colour(each) for each in (first, *others))
            self.picked = pick(Axes(COLOURS if self._colour else ("",)), choice, source)
            pixels = self._pixels(first, 0)
        except Exception as error:
            self.close()
            if isinstance(error, InputError):
                raise
            raise self._unreadable(error) from error
        if self._index.promised > frames:
            self.broken_off = f"its header names {self._index.promised} frames, {frames} are there (0 to {frames - 1})"
        times = self._times(timed)
        self.info = MovieInfo(
            shape=(frames, pixels.shape[0], pixels.shape[1]),
            dtype=pixels.dtype.name,
            pixel_size_um=None,
            source=source,
            times=times,
            notes=self._notes(first, times),
            picked=self.picked.recorded,
        )

    def _indexed(self) -> _Index:
        """When each frame is shown, from the packets of the file, which need no decoding."""
        packets: list[tuple[int | None, bool]] = []  # only what is said of each: together they are the whole film
        dropped = 0
        with self._container() as container:
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise InputError(f"{self._source}: FFmpeg has no decoder for this video; export it as TIFF")
            for packet in container.demux(stream):
                if packet.size and not packet.is_corrupt:
                    packets.append((packet.pts, packet.is_keyframe))
                elif packet.dts is not None and not packet.size:
                    dropped += 1  # an empty place: its time is not another frame's
            facts = (float(stream.time_base), int(stream.frames) - dropped, stream.codec_context.codec)
        if any(stamp is None for stamp, _ in packets):  # some AVI have none: what the decoder makes of them counts
            with self._container() as container:
                packets = [(frame.pts, frame.key_frame) for frame in container.decode(video=0)]
        if len(packets) < 2 or any(stamp is None for stamp, _ in packets):
            raise InputError(f"{self._source}: {len(packets)} frame(s); expected a movie of at least 2 frames")
        unit, promised, codec = facts
        return _Index(
            stamps=sorted({stamp for stamp, _ in packets if stamp is not None}),
            keys=sorted(stamp for stamp, key in packets if key and stamp is not None),
            unit_s=unit,
            promised=promised,
            codec=codec.name,
            lossy=bool(codec.lossy) or not codec.lossless,
        )

    def _container(self) -> Any:
        try:
            container = self._av.open(str(self._path))
        except Exception as error:  # FFmpeg's own errors
            raise self._unreadable(error) from error
        if not container.streams.video:
            container.close()
            raise InputError(f"{self._source}: no video in this file; expected a movie")
        return container

    def _unreadable(self, error: Exception) -> InputError:
        why = getattr(error, "strerror", None) or first_line(error)
        return InputError(f"{self._source}: not a readable video ({why}); copy it again, or export it as TIFF")

    def _decoded(self, index: int) -> Any:
        """The frame as FFmpeg gives it. Decoders wait at the frames they came to, so that reading in order is quick."""
        with self._lock:
            before = [each for each in self._idle if each.ahead <= index]
            decoder = max(before or self._idle, key=lambda each: each.ahead, default=None)
            if decoder is not None:
                self._idle.remove(decoder)
        decoder = decoder or _Decoder(self._container(), self._index)
        try:
            return decoder.frame(index)
        finally:
            with self._lock:
                self._idle.append(decoder)

    def _plane(self, index: int, channel: int, plane: int) -> NDArray[Any]:
        return self._pixels(self._decoded(index), index)

    def _pixels(self, frame: Any, index: int) -> NDArray[Any]:
        if self._colour:
            return np.ascontiguousarray(_rgb(frame)[:, :, self.picked.channel])
        if _in_colour(frame):
            raise InputError(f"{self._source}: frame {index} is in colour, others are grey; export it as grey frames")
        return _grey(frame)

    def _times(self, timed: bool) -> FrameTimes:
        """The user's interval stands against a video's even one, which is only how fast it is shown."""
        stamps: FloatArray = np.array(self._index.stamps, dtype=float) * self._index.unit_s
        steps = np.diff(stamps)
        usual, unit = float(np.median(steps)), self._index.unit_s
        rounded = unit if unit < usual / 4 else 0.0  # where the unit is a frame, stamps are exact
        if timed and (np.abs(steps - usual) <= max(TOLERANCE * usual, 1.01 * rounded)).all():
            return FrameTimes()
        return FrameTimes(times_s=stamps, times_from="the video's time stamps", resolution_s=rounded)

    def _notes(self, first: Any, times: FrameTimes) -> tuple[str, ...]:
        notes = []
        if self._index.lossy:
            notes.append(
                f"video: {self._index.codec} is made for the eye: it drops small changes, and its numbers are not "
                "linear in light; use the camera's own file where there is one"
            )
        if times.times_s is not None:
            shown = float(np.median(np.diff(times.times_s)))
            notes.append(
                f"time: the video is shown at {shown:.4g} s a frame, taken for the time between frames; if it was "
                "filmed at another, give --frame-interval"
            )
        return tuple(notes)

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().close()


@dataclass(frozen=True)
class _Index:
    """What the packets of a video say."""

    stamps: list[int]
    """When each frame is shown, in units of `unit_s`, ascending."""
    keys: list[int]
    """Those of the frames that can be decoded without others, ascending."""
    unit_s: float
    promised: int
    """Frames that the header names; 0 where it names none."""
    codec: str
    lossy: bool


class _Decoder:
    """One reader of the file, which knows where it is."""

    def __init__(self, container: Any, index: _Index) -> None:
        self._container, self._index = container, index
        self._stream = container.streams.video[0]
        self._frames: Iterator[Any] = container.decode(self._stream)
        self.ahead = 0
        """The frame that comes next."""

    def frame(self, index: int) -> Any:
        wanted = self._index.stamps[index]
        key = bisect_right(self._index.keys, wanted) - 1
        nearest = self._index.keys[key] if key >= 0 else self._index.stamps[0]
        if index < self.ahead or nearest > self._index.stamps[min(self.ahead, index)]:
            self._container.seek(wanted, stream=self._stream, backward=True)
            self._frames = self._container.decode(self._stream)
        self.ahead = len(self._index.stamps)  # unknown while it is sought, and at the end if it is not found
        for frame in self._frames:
            if frame.pts == wanted:
                self.ahead = index + 1
                return frame
            if frame.pts is not None and frame.pts > wanted:
                break
        raise EOFError("it is not there")

    def close(self) -> None:
        self._container.close()


def _is_grey_format(frame: Any) -> bool:
    return str(frame.format.name).startswith("gray")


def _is_rgb_format(frame: Any) -> bool:
    return bool(frame.format.is_rgb or frame.format.has_palette)


def _in_colour(frame: Any) -> bool:
    """Whether any pixel has a colour."""
    if _is_grey_format(frame):
        return False
    if _is_rgb_format(frame):
        rgb = _rgb(frame)
        return bool((rgb[:, :, :1] != rgb[:, :, 1:]).any())
    frame = _planar(frame)
    bits = frame.format.components[0].bits
    for plane in range(1, min(3, len(frame.planes))):
        chroma = _plane_of(frame, plane, bits).astype(np.int64)
        if (np.abs(chroma - (128 << (bits - 8))) > _NEUTRAL << (bits - 8)).any():
            return True
    return False


def _rgb(frame: Any) -> NDArray[Any]:
    """(Y, X, 3), uint8, or uint16 where there are more bits."""
    components = frame.format.components
    deep = not frame.format.has_palette and bool(components) and components[0].bits > 8
    return np.asarray(frame.to_ndarray(format="rgb48le" if deep else "rgb24"))


def _grey(frame: Any) -> NDArray[Any]:
    if _is_grey_format(frame):
        return np.asarray(frame.to_ndarray())
    if _is_rgb_format(frame):
        return np.ascontiguousarray(_rgb(frame)[:, :, 0])
    frame = _planar(frame)
    bits = frame.format.components[0].bits
    luma = _plane_of(frame, 0, bits)
    if int(frame.color_range) == _FULL_RANGE or str(frame.format.name).startswith("yuvj"):
        return luma.copy()
    black = luma.dtype.type(16 << (bits - 8))  # television's range
    return np.where(luma > black, luma - black, 0).astype(luma.dtype)


def _planar(frame: Any) -> Any:
    """The same frame with brightness and the two colour differences apart."""
    if len(frame.planes) > 2:
        return frame
    return frame.reformat(format="yuv444p" if frame.format.components[0].bits <= 8 else "yuv444p16le")


def _plane_of(frame: Any, number: int, bits: int) -> NDArray[Any]:
    """(Y, X) of one plane, without the padding of its rows."""
    plane = frame.planes[number]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height]
    across = plane.width * (1 if bits <= 8 else 2)
    return rows[:, :across] if bits <= 8 else np.ascontiguousarray(rows[:, :across]).view("<u2")
