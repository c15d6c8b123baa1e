"""ND2 films of Nikon microscopes, a frame at a time, read with nd2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.axes import Axes, Choice, pick
from calcigraph.ingest.library_movie import LibraryMovie
from calcigraph.ingest.movie import first_line
from calcigraph.store.types import FloatArray, FrameTimes, MovieInfo


class Nd2Movie(LibraryMovie):
    """One position and channel of an ND2.

    A file that holds fewer frames than its experiment names, as a stopped acquisition leaves it, has `broken_off`.
    """

    kind, module = "ND2", "nd2"

    def _opened(self, module: Any, path: Path) -> Any:
        handle = _Unmapped(path)
        try:
            return module.ND2File(handle)
        except Exception:
            handle.close()
            raise

    def _take(self, path: Path, source: str, choice: Choice) -> None:
        sizes = dict(self._file.sizes)
        if sizes.pop("S", 1) > 1:
            raise InputError(
                f"{source}: a colour (RGB) film; expected one grey channel: split it and save that channel"
            )
        height, width, channels = sizes.pop("Y"), sizes.pop("X", 1), sizes.pop("C", 1)
        other = [f"{size} of {axis}" for axis, size in sizes.items() if axis not in ("T", "P", "Z")]
        if other:
            raise InputError(f"{source}: has {', '.join(other)} beside time; expected time, positions and z-planes")
        self._loops, self._channels = sizes, channels
        self._told, notes = self._metadata()
        frames = sizes.get("T", 1)
        if frames < 2:
            raise InputError(f"{source}: a single frame; expected a movie of at least 2 frames")
        axes = Axes(self._channel_names(), sizes.get("Z", 1), self._position_names())
        self.picked = pick(axes, choice, source)
        there = self._there(frames)
        if there < frames:
            self.broken_off = f"its experiment names {frames} frames, {there} are there (0 to {there - 1})"
        if there < 2:
            raise InputError(f"{source}: {self.broken_off}; expected a movie of at least 2 frames")
        self.info = MovieInfo(
            shape=(there, height, width),
            dtype=np.dtype(self._file.dtype).name,
            pixel_size_um=self._pixel_size(),
            source=source,
            times=self._times(there),
            notes=notes,
            picked=self.picked.recorded,
        )

    def _number(self, index: int, plane: int) -> int:
        """Of a frame in the order of the file, where the loops of the experiment are nested."""
        places = {"T": index, "P": self.picked.scene, "Z": plane}
        number = 0
        for axis, size in self._loops.items():
            number = number * size + places[axis]
        return number

    def _there(self, frames: int) -> int:
        """How many frames there are from the first on: nd2 would give those that are missing as 0."""
        count = self._file.attributes.sequenceCount
        stored = getattr(getattr(self._file, "_rdr", None), "_frame_offsets", None)
        has = (lambda number: number in stored) if stored else (lambda number: number < count)
        return next(
            (time for time in range(frames) if not all(has(self._number(time, z)) for z in self.picked.planes)), frames
        )

    def _plane(self, index: int, channel: int, plane: int) -> NDArray[Any]:
        frame = self._file.read_frame(self._number(index, plane))
        return np.array(frame[channel] if self._channels > 1 else frame)

    def _metadata(self) -> tuple[Any, tuple[str, ...]]:
        """What the file says of its channels, and a note where nd2 cannot read that (0.12: no probe, no filter)."""
        try:
            return self._file.metadata, ()
        except Exception as error:
            return None, (f"metadata: names of channels and pixel size cannot be read by nd2 ({first_line(error)})",)

    def _channel_names(self) -> list[str]:
        names = [each.channel.name or "" for each in getattr(self._told, "channels", None) or ()]
        return names if len(names) == self._channels else [""] * self._channels

    def _position_names(self) -> list[str]:
        count = self._loops.get("P", 1)
        points: list[Any] = next(
            (loop.parameters.points for loop in self._file.experiment if loop.type == "XYPosLoop"), []
        )
        return [point.name or "" for point in points] if len(points) == count else [""] * count

    def _pixel_size(self) -> float | None:
        """Micrometres, where the microscope was calibrated."""
        channels = getattr(self._told, "channels", None)
        volume = channels[0].volume if channels else None
        if volume is None or not volume.axesCalibrated[0]:
            return None
        return float(volume.axesCalibration[0]) or None

    def _times(self, frames: int) -> FrameTimes:
        """Measured times before the planned period, which a camera may not reach."""
        stamps = self._stamps(frames)
        if stamps is not None:
            return FrameTimes(times_s=stamps, times_from="the file's time stamps")
        period = next((loop.parameters.periodMs for loop in self._file.experiment if loop.type == "TimeLoop"), 0.0)
        return FrameTimes(interval_s=period / 1e3 if period > 0 else None, interval_from="the period of its time loop")

    def _stamps(self, frames: int) -> FloatArray | None:
        """(T,), s; None where the file has none."""
        try:
            rows = self._file.events(orient="records")
        except Exception:  # nd2 raises what comes where no times were kept
            return None
        # Rows without an index are events, such as a stimulus.
        told = {row["Index"]: row["Time [s]"] for row in rows if "Index" in row and "Time [s]" in row}
        first = self.picked.planes[0]
        stamps = np.array([told.get(self._number(time, first), np.nan) for time in range(frames)], dtype=float)
        return stamps if np.isfinite(stamps).any() and np.nanmax(stamps) > np.nanmin(stamps) else None


class _Unmapped:
    """A file that nd2 reads frame by frame: it would map a plain one, and the whole film would count as memory."""

    mode = "rb"

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._file = path.open("rb")

    @property
    def closed(self) -> bool:
        return self._file.closed

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
