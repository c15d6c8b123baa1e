"""What two groups of fits allow to be compared: k only in one unit, and a test of k only where the data tell k.

Synchrony is always compared, but it changes with the number of cells, so a difference in that is told beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcigraph.errors import command, spelt
from calcigraph.queries.fitted import Fitted
from calcigraph.store.units import ALL_CONTACTS

UNLIKE_CELLS = 1.2
"""Ratio of median cell numbers from which two groups are called unlike in size."""


@dataclass(frozen=True)
class Allowed:
    """What may be said of a parameter in two groups."""

    compared: bool = True
    """Whether there is a difference and a ratio."""
    tested: bool = True
    """Whether there is a test, with its intervals, where there are enough cultures."""
    notes: tuple[str, ...] = ()
    """Sentences beside it, without a full stop."""


def of_k(a: Sequence[Fitted], b: Sequence[Fitted]) -> Allowed:
    """What may be said of k, and of the cells' own k.

    Parameters
    ----------
    a, b
        The fits of the two groups.
    """
    fits = (*a, *b)
    if len({fit.k_unit for fit in fits}) > 1:
        return Allowed(compared=False, tested=False, notes=(_units_of(fits),))
    notes = [_of_all_contacts(fits)] if fits[0].k_unit == ALL_CONTACTS else []
    unknown = _called("not identified", fits)
    if unknown:
        notes.append(f"there is no test of k, because k is not identified in {spelt(*unknown)}")
    weak = _called("weak", fits)
    if weak:
        notes.append(f"k is weak in {spelt(*weak)} (`calcigraph query fits` says why)")
    return Allowed(tested=not unknown, notes=tuple(notes))


def of_synchrony(a: Sequence[Fitted], b: Sequence[Fitted]) -> Allowed:
    """What is said beside synchrony: whether the groups differ in their number of cells.

    Parameters
    ----------
    a, b
        The fits of the two groups.
    """
    sizes = [float(np.median([fit.cells for fit in group])) for group in (a, b)]
    if max(sizes) < UNLIKE_CELLS * min(sizes):
        return Allowed()
    return Allowed(
        notes=(
            f"the groups differ in their number of cells (median {sizes[0]:g} and {sizes[1]:g}), and synchrony changes "
            "with that number, so a difference in synchrony need not come from the condition",
        )
    )


def _called(word: str, fits: Sequence[Fitted]) -> list[str]:
    return [fit.culture for fit in fits if fit.word == word]


def _units_of(fits: Sequence[Fitted]) -> str:
    """That the fits have k in different units, and how to fit those again that an older version stored."""
    by_unit: dict[str, list[str]] = {}
    for fit in fits:
        by_unit.setdefault(fit.k_unit, []).append(fit.culture)
    parts = " and ".join(f"the {unit} in {spelt(*names)}" for unit, names in by_unit.items())
    return f"k is not compared, because its unit differs: it is {parts}{_again(fits)}"


def _of_all_contacts(fits: Sequence[Fitted]) -> str:
    """That k is in the unit that depends on the field of view."""
    names = spelt(*[fit.culture for fit in fits])
    return f"the unit of k is the {ALL_CONTACTS} in {names}, which depends on the field of view{_again(fits)}"


def _again(fits: Sequence[Fitted]) -> str:
    """How to fit those again that have no unit recorded; "" if there are none."""
    old = [fit.culture for fit in fits if fit.k_unit == ALL_CONTACTS and "weight_unit" not in fit.facts]
    if not old:
        return ""
    fitting = command("fit", old, "--model", fits[0].model)
    return f" (stored by version 0.2 or before: fit again with `{fitting}`)"
