"""What the columns of a table of traces are: by their names, or as the user says (`--columns`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from calcigraph.errors import InputError

ROLES = ("cell", "time", "frame", "value", "x", "y")
"""What a column may be said to be."""
MOST_NAMED = 12
"""Columns that a message lists."""

_KNOWN = {
    "cell": "cell cells cellid cellname cellnumber label roi roiid roiname neuron neuronid track trackid objectnumber "
    "trackobjectslabel region regionid",
    "value": "value values intensity fluorescence f df dff deltaf deltaff dfoverf signal mean meanintensity "
    "intensitymean meangray meangrayvalue intensitymeanintensity",
    "x": "x xpx xpos xposition posx positionx locationcenterx centerx centrex centroidx cx xm xcoord xcoordinate "
    "centroid1",
    "y": "y ypx ypos yposition posy positiony locationcentery centery centrey centroidy cy ym ycoord ycoordinate "
    "centroid0",
}
"""Names of columns, small letters and digits only, as ImageJ, CellProfiler, TrackMate, scikit-image and people write
them."""
_ROLE = {name: role for role, names in _KNOWN.items() for name in names.split()}


def parse_columns(text: str | None) -> dict[str, str]:
    """The columns that the user names, by what they are.

    Raises InputError for what is not such a list.

    Examples
    --------
    >>> parse_columns("cell=ROI,time=t_s,value=dF")
    {'cell': 'ROI', 'time': 't_s', 'value': 'dF'}
    """
    found: dict[str, str] = {}
    if text is None:
        return found
    # A column's own name may have commas in it.
    for part in re.split(rf",(?=\s*(?:{'|'.join(ROLES)})\s*=)", text):
        role, equals, name = (each.strip() for each in part.partition("="))
        if not equals or not name or role not in ROLES:
            raise InputError(
                f"--columns {text}: {part.strip()!r} is not understood; expected a list such as cell=ROI,time=t_s,"
                f"value=dF,x=cx,y=cy, with {', '.join(ROLES)} before the equals signs"
            )
        if role in found:
            raise InputError(f"--columns {text}: {role} is given twice; expected one column")
        found[role] = name
    if "time" in found and "frame" in found:
        raise InputError(
            f"--columns {text}: time and frame exclude each other; give the one that is in seconds, if any"
        )
    return found


def known_role(name: str) -> str | None:
    """What a name says that its column is: "cell", "value", "x" or "y".

    >>> known_role("ROI"), known_role("Centroid_X"), known_role("dF/F"), known_role("Neuron 7")
    ('cell', 'x', 'value', None)
    """
    return _ROLE.get(re.sub(r"[^a-z0-9]", "", re.sub(r"\[.*\]|\(.*\)", "", name.lower())))


def column_at(header: Sequence[str], role: str, named: Mapping[str, str]) -> int | None:
    """The place of the column of that role, as the user named it or by its name; None where there is none."""
    if role in named:
        return header.index(named[role]) if named[role] in header else None
    places = [place for place, name in enumerate(header) if known_role(name) == role and name not in named.values()]
    return places[0] if len(places) == 1 else None


def listed(header: Sequence[str]) -> str:
    """The names of columns, for a sentence."""
    if not header:
        return "none"
    names = [name or "(no name)" for name in header]
    more = f", ... ({len(names)} in all)" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def number_in(name: str) -> int | None:
    """The whole number at the end of a cell's name; None where there is none.

    >>> number_in("ROI_07"), number_in("Mean(12)"), number_in("7.0"), number_in("soma")
    (7, 12, 7, None)
    """
    found = re.search(r"(\d{1,9})(?:\.0+)?\W*$", name)
    return int(found[1]) if found and not re.search(r"\d\.\d*[1-9]\d*\W*$", name) else None


def labels_of(names: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """A label for each cell, and what to tell: the numbers in their names where these tell them apart.

    >>> labels_of(["ROI_3", "ROI_12"])
    ([3, 12], ())
    >>> labels_of(["soma", "axon"])[0]
    [1, 2]
    """
    numbers = [number_in(name) for name in names]
    known = [number for number in numbers if number is not None]
    if len(known) == len(names) == len(set(known)):
        if 0 not in known:
            return known, ()
        return [number + 1 for number in known], ("cells: labels are the numbers in their names plus 1, from 0 on",)
    order = ", ".join(f"{place} is {name}" for place, name in list(enumerate(names, start=1))[:3])
    more = f", ... {len(names)} is {names[-1]}" if len(names) > 3 else ""
    return list(range(1, len(names) + 1)), (f"cells: numbered from 1 in the order of the table: {order}{more}",)
