"""What the names of files say: which frame each one is, and whether the folder holds one movie at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_AXIS = re.compile(
    r"(?<![a-z])(c|ch|chan|channel|w|wave|z|slice|plane|p|pos|position|xy|site|scene|series|tile)[-_ ]?$", re.I
)
"""What programs write before the number of a channel, plane or position."""


@dataclass(frozen=True)
class Numbering:
    """Files in the order of their numbers."""

    files: tuple[Path, ...]
    steps: tuple[int, ...] | None
    """The number of each file as whole steps from the first, where the names count; None where they do not."""
    axes: tuple[str, ...] = ()
    """More than one where the names tell of several: what varies, such as "channel (2 values)"."""
    double: tuple[str, str] | None = None
    """Two names with the same number, if there are any."""

    @property
    def missing(self) -> int:
        """How many numbers are not there between the first and the last."""
        return 0 if self.steps is None else self.steps[-1] - self.steps[0] + 1 - len(self.steps)


def number(files: Sequence[Path]) -> Numbering:
    """Read the numbers in the names of files that are meant to be the frames of one movie.

    Names are alike but for their numbers. One number may vary, or several that vary together; if they vary
    independently, as in a folder with two channels, `axes` names them.

    Examples
    --------
    >>> found = number([Path(f"f{t}.tif") for t in (10, 2, 1)])
    >>> [file.name for file in found.files], found.steps
    (['f1.tif', 'f2.tif', 'f10.tif'], (0, 1, 9))
    >>> number([Path(f"t{t}_c{c}.tif") for t in range(3) for c in range(2)]).axes
    ('t (3 values)', 'c (2 values)')
    """
    rows = [_parts(file.stem) for file in files]
    kinds = _kinds([row[0] for row in rows])
    if len(kinds) > 1:
        axes = () if len(kinds) == len(files) else (f"name ({len(kinds)} values: {_some(kinds)})",)
        return Numbering(tuple(sorted(files, key=_natural)), None, axes)
    values = _signed([row[0] for row in rows], [row[1] for row in rows])
    varying = [place for place in range(len(values[0])) if len({row[place] for row in values}) > 1]
    if not varying:
        return Numbering(tuple(files), None)
    independent = _beside_a_counter(_independent(values, varying), values, varying, rows[0][0])
    if len(independent) > 1:
        return Numbering(tuple(sorted(files, key=_natural)), None, tuple(_named(rows[0][0], values, independent)))
    place = independent[0]
    order = sorted(range(len(files)), key=lambda index: values[index][place])
    numbers = [values[index][place] for index in order]
    ordered = tuple(files[index] for index in order)
    for (one, other), (first, second) in zip(pairwise(numbers), pairwise(ordered), strict=True):
        if one == other:
            return Numbering(ordered, None, double=(first.name, second.name))
    return Numbering(ordered, _steps(numbers))


def _parts(stem: str) -> tuple[list[str], list[Fraction]]:
    """The words between the numbers of a name, and the numbers."""
    return _NUMBER.split(stem), [Fraction(text) for text in _NUMBER.findall(stem)]


def _kinds(words: Sequence[Sequence[str]]) -> list[str]:
    """The different names there are, numbers written as #, the most frequent first; a sign is part of its number."""
    count = Counter("#".join(word.rstrip("+-") for word in row).lower() for row in words)
    return [name for name, _ in count.most_common()]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _signed(words: list[list[str]], values: list[list[Fraction]]) -> list[list[Fraction]]:
    """The numbers with their signs, where files have both + and - at the same place: else a - is a dash."""
    result = [list(row) for row in values]
    for place in range(len(result[0])):
        before = {row[place][-1:] for row in words}
        if {"+", "-"} <= before:
            for row, word in zip(result, words, strict=True):
                row[place] *= -1 if word[place].endswith("-") else 1
    return result


def _independent(values: list[list[Fraction]], varying: list[int]) -> list[int]:
    """The places that vary on their own: a number that follows from another one adds nothing."""
    kept: list[int] = []
    for place in sorted(varying, key=lambda at: (-len({row[at] for row in values}), at)):
        known = {tuple(row[at] for at in kept) for row in values}
        if len(known) < len({tuple(row[at] for at in (*kept, place)) for row in values}):
            kept.append(place)
    return sorted(kept)


def _beside_a_counter(
    independent: list[int], values: list[list[Fraction]], varying: list[int], words: list[str]
) -> list[int]:
    """Where all files are counted through, what varies beside that number if it tells of channels, planes or places.

    A counter explains every other number, so that `00007_t0003_c01.tif` would pass for frame 7 of one movie.
    """
    if len(independent) != 1:
        return independent
    others = [place for place in varying if place != independent[0]]
    places = [place for place in others if _AXIS.search(words[place])]
    repeated = [place for place in places if len({row[place] for row in values}) * 2 <= len(values)]
    found = _independent(values, others) if repeated else independent
    return found if set(found) & set(repeated) and len(found) > 1 else independent


def _named(words: list[str], values: list[list[Fraction]], places: list[int]) -> list[str]:
    """What stands before a number, and how many values it has."""
    named = []
    for place in places:
        count = len({row[place] for row in values})
        letters = re.findall(r"[A-Za-z]+", words[place])
        named.append(f"{letters[-1] if letters else f'number {place + 1}'} ({count} values)")
    return named


def _steps(numbers: list[Fraction]) -> tuple[int, ...]:
    """Numbers as multiples of the smallest step that they all share."""
    gaps = [after - before for before, after in pairwise(numbers)]
    unit = gaps[0]
    for gap in gaps[1:]:
        unit = _common(unit, gap)
    return tuple(int((value - numbers[0]) / unit) for value in numbers)


def _common(one: Fraction, other: Fraction) -> Fraction:
    while other:
        one, other = other, one % other
    return one


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts t2 before t10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts]
