"""What the axes of a TIFF mean: which page is which frame of the movie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from calcigraph.errors import InputError
from calcigraph.ingest.axes import COLOURS, Axes, Choice, Picked, Recorded, pick, pick_scene

_TIME = "TIQR"
"""Letters that a lone axis of frames has; many programs write I or Q where they mean time."""


@dataclass(frozen=True)
class Axis:
    """An axis longer than 1, beside Y and X."""

    letter: str
    size: int
    step: int
    """Planes from one of its places to the next, in the order of the file."""


@dataclass(frozen=True)
class Layout:
    """Where the planes of a movie lie; made by `lay_out`."""

    shape: tuple[int, int, int]
    """(T, Y, X)."""
    picked: Picked
    planes: int
    """Of the whole series."""
    time: Axis
    channel: Axis | None
    z: Axis | None
    scene: Axis | None
    samples: int = 1
    """Values that lie beside each other for every pixel, each of another plane, as red, green and blue often do."""

    def plane(self, index: int, channel: int, z: int) -> int:
        """The number of a plane in the order of the file."""
        places = ((self.time, index), (self.channel, channel), (self.z, z), (self.scene, self.picked.scene))
        return sum(axis.step * place for axis, place in places if axis is not None)

    def planes_of(self, index: int) -> list[int]:
        """The numbers of all planes that a frame is made of."""
        return [self.plane(index, self.picked.channel, z) for z in self.picked.planes]


def pick_series(tiff: Any, choice: Choice, source: str) -> tuple[Any, int, Recorded]:
    """The image series that the user wants, its number, and what is recorded of it.

    Raises InputError if there are several and nothing says which, or they are no scenes.
    """
    found = tiff.series
    if len(found) == 1 or (found and all(series.kind == "ome" for series in found)):
        if len(found) == 1 and choice.scene is not None:
            return found[0], 0, ()  # a stack of several positions has them as an axis: see lay_out
        number, recorded = pick_scene([str(series.name or "") for series in found], choice, source)
        return found[number], number, recorded
    shapes = {tuple(series.shape) for series in found}
    if len(shapes) > 1:
        raise InputError(f"{source}: holds images of differing shape {sorted(shapes)}; expected frames of one size")
    raise InputError(f"{source}: holds {len(found)} image series; expected one: export it alone")


def lay_out(
    series: Any, choice: Choice, source: str, *, timed: bool, channels: Sequence[str] = (), alone: bool = True
) -> Layout:
    """Tell the axes of a series by their letters and places: a program may give several of them one letter.

    Parameters
    ----------
    series
        Of tifffile.
    choice
        What the user picks.
    source
        The file's name, for messages.
    timed
        Whether the frame interval is known: then a lone axis is time, whatever its letter.
    channels
        Their names.
    alone
        Whether the file has no other series; else `choice.scene` has been used for picking this one.

    Raises
    ------
    InputError
        It is no grey movie, or several channels, z-planes or positions are there and none was picked.
    """
    axes, shape = str(series.axes), tuple(int(size) for size in series.shape)
    what = f"{source}: axes {axes} of size {shape}"
    if choice.axes is not None:
        axes = _given(choice.axes, what, axes)
    samples = 1
    if axes[-3:-1] == "YX":  # each pixel with all its channels: taken as if every channel were a plane
        samples = shape[-1]
        axes, shape = axes[:-3] + axes[-1] + "YX", (*shape[:-3], shape[-1], *shape[-3:-1])
    if axes[-2:] != "YX":
        raise InputError(f"{what}; expected time, Y and X in that order: save it so")
    sized = list(enumerate(zip(axes[:-2], shape[:-2], strict=True)))
    long = [Axis(letter, size, prod(shape[place + 1 : -2])) for place, (letter, size) in sized if size > 1]
    colour = next((axis for axis in long if axis.letter == "S"), None)
    long = [axis for axis in long if axis is not colour]
    if colour and not long:
        raise InputError(f"{source}: a single frame in colour (RGB); expected a movie of at least 2 frames")
    time, others = _roles(long, what, source, choice, timed, series.kind)
    if colour and "C" in others:
        raise InputError(f"{what}: in colour (RGB), of several channels; expected one of both: save one channel")
    if colour:
        others["C"], channels = colour, COLOURS
    wanted = choice if alone else replace(choice, scene=None)
    picked = pick(
        Axes(_names(others.get("C"), channels), _size(others.get("Z")), [""] * _size(others.get("R"))), wanted, source
    )
    return Layout(
        shape=(time.size, shape[-2], shape[-1]),
        picked=picked,
        planes=prod(shape[:-2]),
        time=time,
        channel=others.get("C"),
        z=others.get("Z"),
        scene=others.get("R"),
        samples=samples,
    )


def _given(given: str, what: str, axes: str) -> str:
    """The axes as the user names them. Raises InputError if they are not as many as the file has, or Y and X others."""
    if len(given) != len(axes):
        raise InputError(f"{what}; --axes {given} names {len(given)}: expected one letter for each of its {len(axes)}")
    if given.index("YX") != axes.find("YX"):
        raise InputError(f"{what}; --axes {given}: expected Y and X where the file has them")
    return given


def _say_axes(long: Sequence[Axis]) -> str:
    """How the user can say what the axes are; "" where there are more than there are letters for."""
    example = {1: "TYX", 2: "TCYX", 3: "TZCYX"}.get(len(long))
    return f"; or say what its axes are, such as --axes {example}" if example else ""


def _roles(
    long: Sequence[Axis], what: str, source: str, choice: Choice, timed: bool, kind: str
) -> tuple[Axis, dict[str, Axis]]:
    """The axis of time, and the others by their letters."""
    if not long:
        raise InputError(f"{source}: a single frame; expected a movie of at least 2 frames")
    letters = "".join(axis.letter for axis in long)
    if len(long) == 1:
        # many programs write time as Z or C; a frame interval, the file's or the user's, says that it is time
        if letters not in _TIME and not timed:
            raise InputError(
                f"{what}; expected time, Y and X: if {letters} is time, give --frame-interval in seconds, "
                "else save the frames of one channel and one z-plane"
            )
        return long[0], {}
    by_letter = {axis.letter: axis for axis in long}
    time = _time_among(letters, choice, timed, kind)
    if len(by_letter) < len(long) or time is None or not set(letters) - {time} <= set("CZR"):
        raise InputError(
            f"{what}; expected only time, Y and X, or channels and z-planes named as such: save one channel and one "
            "z-plane (in ImageJ, Image > Properties turns slices into frames)"
            f"{_no_time(letters, time)}{_say_axes(long)}"
        )
    return by_letter.pop(time), by_letter


def _time_among(letters: str, choice: Choice, timed: bool, kind: str) -> str | None:
    """T, or an axis without a meaning; with a frame interval, the one of C and Z that nothing was picked from."""
    if "T" in letters:
        return "T"
    unnamed = [letter for letter in letters if letter in ("IQ" if kind == "mmstack" else "IQR")]
    if len(unnamed) == 1:
        return unnamed[0]
    free = [letter for letter, picked in (("C", choice.channel), ("Z", choice.z)) if letter in letters and not picked]
    return free[0] if timed and not unnamed and len(free) == 1 else None


def _no_time(letters: str, time: str | None) -> str:
    if time is not None or set(letters) != {"C", "Z"}:
        return ""
    return "; if Z is time, add --frame-interval and --channel"


def _names(axis: Axis | None, channels: Sequence[str]) -> Sequence[str]:
    size = _size(axis)
    return channels if len(channels) == size else [""] * size


def _size(axis: Axis | None) -> int:
    return 1 if axis is None else axis.size
