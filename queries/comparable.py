"""What two groups of cultures allow to be compared.

k is compared only in one unit, and tested only where the data tell it. Synchrony is always compared, but it changes
with the number of cells, so a difference in that is told beside it. Events are tested only where they were looked for
alike, and speeds are compared only in one unit. Skill is tested only where other cultures taught all forecasts or none.
Where noise is larger, small events are missed, so a difference in noise is told beside rates and amplitudes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcigraph.errors import command, spelt
from calcigraph.queries.fired import Fired
from calcigraph.queries.fitted import Fitted
from calcigraph.queries.observed import Observed
from calcigraph.queries.quantities import FIRED, K_CELL, SKILLS, SPEEDS, SYNCHRONY, K
from calcigraph.store.units import ALL_CONTACTS

UNLIKE_CELLS = 1.2
"""Ratio of median cell numbers from which two groups are called unlike in size."""
UNLIKE_NOISE = 1.2
"""Ratio of median noise from which two groups are called unlike in it."""


@dataclass(frozen=True)
class Options:
    """How events were looked for in all cultures that are compared."""

    differing: str = ""
    """The settings that differ, and where they are what; "" where all agree."""
    accepted: bool = False
    """Whether events are tested all the same."""


@dataclass(frozen=True)
class Allowed:
    """What may be said of a parameter in two groups."""

    compared: bool = True
    """Whether there is a difference and a ratio."""
    tested: bool = True
    """Whether there is a test, with its intervals, where there are enough cultures."""
    notes: tuple[str, ...] = ()
    """Sentences beside it, without a full stop."""


def allowed(quantity: str, a: Sequence[Observed], b: Sequence[Observed], options: Options) -> Allowed:
    """What the cultures of two groups allow to be said of a quantity.

    Parameters
    ----------
    quantity
        One of queries/quantities.py.
    a, b
        The cultures of the two groups.
    options
        How events were looked for.
    """
    if quantity in FIRED:
        events = tuple([each.fired for each in group if each.fired is not None] for group in (a, b))
        return of_events(quantity, events[0], events[1], options)
    if quantity in SKILLS.values():
        return of_skill([each for each in (*a, *b) if each.foreseen is not None and each.foreseen.taught], (*a, *b))
    fits = tuple([each.fitted for each in group if each.fitted is not None] for group in (a, b))
    if quantity in (K, K_CELL):
        return of_k(fits[0], fits[1])
    return of_synchrony(fits[0], fits[1]) if quantity == SYNCHRONY else Allowed()


def of_events(quantity: str, a: Sequence[Fired], b: Sequence[Fired], options: Options) -> Allowed:
    """What may be said of events and waves.

    Parameters
    ----------
    quantity
        One of quantities.FIRED.
    a, b
        The events of the two groups.
    options
        How they were looked for.
    """
    if quantity in SPEEDS.values():
        units = {unit for unit, name in SPEEDS.items() for each in (*a, *b) if name in each.values}
        if len(units) > 1:
            note = "wave speed is not compared, because the pixel size is known of some cultures only"
            return Allowed(compared=False, tested=False, notes=(note,))
    notes = []
    tested = not options.differing or options.accepted
    if options.differing:
        said = "" if tested else "no test of events: "
        notes.append(f"{said}they were looked for with different options: {options.differing}")
    noise = [float(np.median([each.noise for each in group])) for group in (a, b)]
    if quantity not in SPEEDS.values() and max(noise) >= UNLIKE_NOISE * min(noise):
        notes.append(
            f"the groups differ in the noise of their traces (median {noise[0]:.2g} and {noise[1]:.2g}), "
            "and small events are missed where it is larger, so a difference need not come from the condition"
        )
    return Allowed(tested=tested, notes=tuple(notes))


def of_skill(taught: Sequence[Observed], everything: Sequence[Observed]) -> Allowed:
    """What may be said of the skill of forecasts.

    Parameters
    ----------
    taught
        The cultures whose forecast other cultures taught.
    everything
        All cultures of the two groups.
    """
    if len(taught) in (0, len(everything)):
        return Allowed()
    names = spelt(*[each.culture for each in taught])
    return Allowed(tested=False, notes=(f"no test of skill: other cultures taught the forecasts of {names} only",))


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
        notes.append(f"k is weak in {spelt(*weak)} (`{command('query fits', weak[:1])}` says why)")
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
