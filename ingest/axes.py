"""Files with more than time, height and width: which scene, channel and z-plane of them is the movie."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.ingest.movie import Movie

MAX = "max"
"""What `--z` is given for the brightest of all z-planes."""
Recorded = tuple[tuple[str, int | str], ...]
"""What was picked, as `MovieInfo.picked` has it."""
COLOURS = ("red", "green", "blue")
"""What the channels of a colour image are called."""
_SHOWN = 12
"""Names that a message lists."""


@dataclass(frozen=True)
class Choice:
    """What the user picks from a file that has several; None where nothing was said."""

    channel: str | None = None
    scene: str | None = None
    z: str | None = None
    axes: str | None = None
    """What the axes of a TIFF are, one letter each, where the file says nothing or something else."""
    flag: str = "--channel"
    """The option that `channel` was given with, for messages."""


EVERYTHING = Choice()
"""Nothing is picked: right for files that have one of everything."""


@dataclass(frozen=True)
class Axes:
    """What a file has beside time, height and width; names are "" where there are none."""

    channels: Sequence[str] = ("",)
    planes: int = 1
    """Along z."""
    scenes: Sequence[str] = ("",)
    """Scenes, positions or images, where all of them have these channels and planes."""


@dataclass(frozen=True)
class Picked:
    """The planes that a movie is made of; by `pick`."""

    channel: int = 0
    planes: range = range(1)
    """z-planes, of which the brightest value counts; usually one."""
    scene: int = 0
    recorded: Recorded = ()
    """`MovieInfo.picked`: what was picked where there were several."""


class StackMovie(Movie):
    """A movie made of the planes of a larger file: one channel, and one z-plane or the brightest of all."""

    picked: Picked

    @abstractmethod
    def _plane(self, index: int, channel: int, plane: int) -> NDArray[Any]:
        """(Y, X) as the file has it, at time point `index`. Called from several threads."""

    def _read(self, index: int) -> NDArray[Any]:
        first, *others = self.picked.planes
        frame = self._plane(index, self.picked.channel, first)
        for plane in others:
            frame = np.maximum(frame, self._plane(index, self.picked.channel, plane))
        return frame


def pick(axes: Axes, choice: Choice, source: str) -> Picked:
    """The scene, the channel and the z-planes that the user wants.

    Raises
    ------
    InputError
        There are several and no option says which, or it names one that is not there. The message lists them.

    Examples
    --------
    >>> pick(Axes(("GCaMP6s", "DAPI"), 3), Choice(channel="gcamp6s", z="max"), "a.czi").planes
    range(0, 3)
    >>> pick(Axes(("GCaMP6s", "DAPI"), 3), Choice(), "a.czi")
    Traceback (most recent call last):
    ...
    calcigraph.errors.InputError: a.czi: has 2 channels: 0 GCaMP6s, 1 DAPI, and 3 z-planes: 0 to 2; \
add --channel NUMBER or NAME and --z NUMBER or max
    """
    several, options = [], []
    if len(axes.scenes) > 1 and choice.scene is None:
        several.append(f"{len(axes.scenes)} scenes: {_listed(axes.scenes)}")
        options.append(f"--scene {_ways(axes.scenes)}")
    if len(axes.channels) > 1 and choice.channel is None:
        several.append(f"{len(axes.channels)} channels: {_listed(axes.channels)}")
        options.append(f"--channel {_ways(axes.channels)}")
    if axes.planes > 1 and choice.z is None:
        several.append(f"{axes.planes} z-planes: 0 to {axes.planes - 1}")
        options.append("--z NUMBER or max")
    if several:
        raise InputError(f"{source}: has {', and '.join(several)}; add {' and '.join(options)}")
    scene, recorded = pick_scene(axes.scenes, choice, source)
    channel = 0 if choice.channel is None else one_of(axes.channels, choice.channel, choice.flag, "channel", source)
    planes = _planes(axes.planes, choice.z, source)
    if len(axes.channels) > 1:
        recorded += _recorded("channel", channel, axes.channels)
    if axes.planes > 1:
        recorded += (("z", MAX if len(planes) > 1 else planes[0]),)
    return Picked(channel, planes, scene, recorded)


def pick_scene(scenes: Sequence[str], choice: Choice, source: str) -> tuple[int, Recorded]:
    """The number of the scene that the user wants, and what is recorded of it; `scenes` are names, "" for none.

    Raises InputError as `pick`.

    Examples
    --------
    >>> pick_scene(("dish 1", "dish 2"), Choice(scene="dish 2"), "a.lif")
    (1, (('scene', 1), ('scene_name', 'dish 2')))
    """
    if len(scenes) > 1 and choice.scene is None:
        raise InputError(f"{source}: has {len(scenes)} scenes: {_listed(scenes)}; add --scene {_ways(scenes)}")
    scene = 0 if choice.scene is None else one_of(scenes, choice.scene, "--scene", "scene", source)
    return scene, _recorded("scene", scene, scenes) if len(scenes) > 1 else ()


def one_of(names: Sequence[str], wanted: str, flag: str, what: str, source: str) -> int:
    """The place of a name, or of a number from 0. Raises InputError if it is neither, or two different ones."""
    word = wanted.strip().lower()
    named = [place for place, name in enumerate(names) if name and name.strip().lower() == word]
    number = int(word) if word.isdecimal() and int(word) < len(names) else None
    places = set(named) | ({number} if number is not None else set())
    if len(places) == 1:
        return places.pop()
    has = f"{source} has {_count(len(names), what)}: {_listed(names)}"
    if named:
        raise InputError(f"{flag} {wanted}: stands for {what}s {', '.join(map(str, sorted(places)))}; {has}")
    raise InputError(f"{flag} {wanted}: no such {what}; {has}")


def _planes(count: int, wanted: str | None, source: str) -> range:
    if wanted is None:
        return range(1)
    if wanted == MAX:
        return range(count)
    number = int(wanted) if wanted.isdecimal() else count
    if number >= count:
        has = f"z-planes 0 to {count - 1}" if count > 1 else "one z-plane, 0"
        raise InputError(f"--z {wanted}: {source} has {has}; expected one of them, or max for the brightest of all")
    return range(number, number + 1)


def _recorded(what: str, place: int, names: Sequence[str]) -> Recorded:
    return ((what, place), *([(f"{what}_name", names[place])] if names[place] else []))


def _listed(names: Sequence[str]) -> str:
    """Numbers, and names where there are any.

    >>> _listed(("", "")), _listed(("GCaMP", ""))
    ('0, 1', '0 GCaMP, 1')
    """
    if not any(names) and len(names) > 2:
        return f"0 to {len(names) - 1}"
    shown = [f"{place} {name}".strip() for place, name in enumerate(names[:_SHOWN])]
    return ", ".join(shown) + (f", ... {len(names) - 1} {names[-1]}".rstrip() if len(names) > _SHOWN else "")


def _ways(names: Sequence[str]) -> str:
    return "NUMBER or NAME" if any(names) else "NUMBER"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
