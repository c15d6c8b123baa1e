"""Comparing cultures: the unit is the culture, never the cell, so that 80 cells of one dish are one observation.

A culture's value is the median over its inner cells. k is compared only in one unit, and tested only where it is
identified (queries/comparable.py). Intervals and tests are those of queries/effects.py, and the tests
of all rows are corrected together by Holm's method.

`synchrony` is one value per culture, from its null (models/null.py): the mean correlation of intensity changes between
contacts, without what a smooth drive gives, minus its mean by chance. It is never the test's z, which grows with the
number of cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import ConflictError, InputError, NotFoundError, spelt
from calcigraph.queries import comparable
from calcigraph.queries.effects import RATES, SYNCHRONY, effect_of, holm
from calcigraph.queries.fitted import PARAMETERS, Fitted, latest_fits
from calcigraph.queries.library import Reader, fetch, load, require_culture
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    import pandas

UNLIKE = {
    "frames": "the recordings differ in their number of frames, which biases estimates unlike",
    "frame_interval_s": "the recordings differ in their frame interval, which biases estimates unlike",
}
"""Facts that are noted where they differ."""
COLUMNS = (
    "parameter", "group_a", "group_b", "n_a", "n_b", "median_a", "median_b", "mean_a", "mean_b", "sd_a", "sd_b",
    "cell_spread_a", "cell_spread_b", "difference", "difference_low", "difference_high", "ratio", "ratio_low",
    "ratio_high", "test", "p", "p_holm", "weight_scale_a", "weight_scale_b", "intensity_gain_a", "intensity_gain_b",
    "cells_a", "cells_b", "cultures_a", "cultures_b", "note",
)  # fmt: skip
LISTS = ("weight_scale", "intensity_gain", "cells", "cultures")
"""Columns that hold one value per culture of the group."""


def compare_cultures(
    graph: Reader,
    cultures: Sequence[str] | None = None,
    experiment: str | None = None,
    by: str = "condition",
    model: str = "robust",
    allow_different_options: bool = False,
) -> pandas.DataFrame:
    """Compare the latest fits of cultures, by name or of a whole experiment.

    A group is a condition, or a culture. A culture without condition is a group of its own, and named cultures that all
    share one condition are compared by name. Feeds are divided by the culture's intensity gain (eq. 23), because the
    gain differs between movies. k is in units of the contacts' mean weight, so it is compared only where this mean is
    over the same kind of contacts (store/units.py); the rows give the means (`weight_scale`). There is no test of k
    where k is not identified in a culture.

    Parameters
    ----------
    graph
        Where the fits are.
    cultures
        Two or more names; None or empty with `experiment`.
    experiment
        All its cultures; None with `cultures`.
    by
        "condition" or "culture".
    model
        Whose fits.
    allow_different_options
        Whether fits that were made with different options are compared; the rows then say so.

    Returns
    -------
    A row per parameter and pair of groups a and b, with COLUMNS: `difference` is mean_b - mean_a, `ratio` is b / a of
    geometric means, `_low` and `_high` are the ends of 95 % intervals, `p_holm` is `p` after Holm's correction.

    Raises
    ------
    InputError
        There is nothing to compare.
    NotFoundError
        There is no such culture or experiment, or `model` was not fitted to it.
    ConflictError
        The fits were made with different options.
    """
    if by not in ("condition", "culture"):
        raise InputError(f"cultures are compared by condition or by culture, not by {by!r}")
    names = _chosen(graph, cultures, experiment)
    fits = latest_fits(graph, names, model)
    differing = _differing(fits)
    if differing and not allow_different_options:
        raise ConflictError(
            f"the fits were made with different options: {_spelt(fits, differing)}; "
            "fit the cultures again alike, or say --allow-different-options"
        )
    groups = _groups(fits, by, named=experiment is None)
    if len(groups) < 2:
        raise InputError(
            f"all cultures of experiment {spelt(experiment or '')} have the condition {spelt(next(iter(groups)))}; "
            "name two or more cultures to compare them with one another"
        )
    notes = [f"options differ: {', '.join(differing)}"] if differing else []
    notes += [text for fact, text in UNLIKE.items() if len({fit.facts.get(fact) for fit in fits}) > 1]
    return _table(groups, "; ".join(notes))


def medians(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """A smaller table of a comparison: a row per parameter, and a column of medians per group.

    Below synchrony, which changes with the number of cells, stands that number.

    Parameters
    ----------
    rows
        Records of `compare_cultures`.

    Returns
    -------
    The columns, and the records. A group's column is named with its number of cultures, such as "wild type (4)".

    Examples
    --------
    >>> sides = {"group_a": "control", "cultures_a": ["A", "B"], "group_b": "blocked", "cultures_b": ["C"]}
    >>> medians([{"parameter": "k", "median_a": 0.02, "median_b": 0.005} | sides])
    (['median', 'control (2)', 'blocked (1)'], [{'median': 'k', 'control (2)': 0.02, 'blocked (1)': 0.005}])
    """
    columns, found = ["median"], dict[str, dict[str, Any]]()
    for row in rows:
        record = found.setdefault(row["parameter"], {"median": row["parameter"]})
        for side in ("a", "b"):
            name = f"{row[f'group_{side}']} ({len(row[f'cultures_{side}'])})"
            record[name] = row[f"median_{side}"]
            if row["parameter"] == SYNCHRONY:
                found.setdefault("cells", {"median": "cells"})[name] = float(np.median(row[f"cells_{side}"]))
            if name not in columns:
                columns.append(name)
    return columns, list(found.values())


def _chosen(graph: Reader, cultures: Sequence[str] | None, experiment: str | None) -> list[str]:
    """The names of the cultures to compare."""
    if bool(cultures) == (experiment is not None):
        raise InputError("name either two or more cultures or an experiment to compare")
    if cultures:
        names = [cultures] if isinstance(cultures, str) else list(cultures)
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"expected two or more different cultures to compare, not {spelt(*names) or 'none'}")
        for name in names:
            require_culture(graph, name)
        return names
    there = fetch(graph, load("cultures"), {})
    names = [row["culture"] for row in there if row["experiment"] == experiment]
    if not names:
        known = sorted({row["experiment"] for row in there} - {None})
        raise NotFoundError(
            f"there is no experiment {spelt(experiment or '')} with complete cultures; "
            f"{'there is ' + spelt(*known) if known else 'none is named: ingest with --experiment'}"
        )
    if len(names) < 2:
        raise InputError(
            f"experiment {spelt(experiment or '')} has only the culture {spelt(names[0])}; a comparison needs two"
        )
    return names


def _differing(fits: Sequence[Fitted]) -> list[str]:
    """The settings in which the fits differ."""
    keys = sorted({key for fit in fits for key in fit.settings})
    return [key for key in keys if len({json.dumps(fit.settings.get(key)) for fit in fits}) > 1]


def _spelt(fits: Sequence[Fitted], keys: Iterable[str]) -> str:
    """Such as "ridge (0.001: a, b; 0.1: c)"."""
    parts = []
    for key in keys:
        having: dict[str, list[str]] = {}
        for fit in fits:
            having.setdefault(json.dumps(fit.settings.get(key)), []).append(fit.culture)
        values = (f"{value}: {spelt(*names)}" for value, names in having.items())
        parts.append(f"{key} ({'; '.join(values)})")
    return ", ".join(parts)


def _groups(fits: Sequence[Fitted], by: str, named: bool) -> dict[str, list[Fitted]]:
    """The fits by group, in the order in which the groups first appear."""
    groups: dict[str, list[Fitted]] = {}
    for fit in fits:
        groups.setdefault(fit.condition if by == "condition" and fit.condition else fit.culture, []).append(fit)
    # Whoever names cultures of one condition wants to see how they differ.
    if len(groups) == 1 and named:
        return {fit.culture: [fit] for fit in fits}
    return groups


def _table(groups: Mapping[str, Sequence[Fitted]], note: str) -> pandas.DataFrame:
    import pandas

    rows = [
        _row(parameter, a, b, groups[a], groups[b], note)
        for parameter in PARAMETERS
        for a, b in combinations(groups, 2)
        if any(parameter in fit.medians for fit in (*groups[a], *groups[b]))
    ]
    # Every row that was tested is one of the tests that are corrected for, whatever its parameter.
    tested = [row for row in rows if row["p"] is not None]
    for row, corrected in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = corrected
    frame = pandas.DataFrame(rows, columns=list(COLUMNS))
    texts = ("parameter", "group_a", "group_b", "test", "note")
    lists = [name for name in COLUMNS if name.rpartition("_")[0] in LISTS]
    counts = ("n_a", "n_b")
    kinds = dict.fromkeys((*texts, *lists), "object") | dict.fromkeys(counts, "int64")  # and all others are numbers
    return frame.astype({name: kinds.get(name, "float64") for name in COLUMNS})


def _row(
    parameter: str, a: str, b: str, fits_a: Sequence[Fitted], fits_b: Sequence[Fitted], note: str
) -> dict[str, Any]:
    """The table's row of one parameter and two groups."""
    values_a, values_b = _values(fits_a, parameter), _values(fits_b, parameter)
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"parameter": "feed / gain" if parameter == "feed" else parameter, "group_a": a, "group_b": b}
    row |= _side("a", fits_a, parameter, values_a) | _side("b", fits_b, parameter, values_b)
    allowed = _allowed(parameter, fits_a, fits_b)
    notes = list(allowed.notes)
    if len(values_a) and len(values_b) and allowed.compared:
        effect = effect_of(parameter, values_a, values_b)
        row |= (effect if allowed.tested else effect.untested()).columns()
        notes += [effect.note] if effect.note else []
    if parameter == SYNCHRONY:
        notes += _without_null((*fits_a, *fits_b))
    elif not (len(values_a) and len(values_b)):
        notes.append("not fitted on one side")
    return row | {"note": "; ".join(part for part in (*notes, note) if part)}


def _allowed(parameter: str, a: Sequence[Fitted], b: Sequence[Fitted]) -> comparable.Allowed:
    """What the fits of two groups allow to be said of a parameter."""
    if parameter in RATES:
        return comparable.of_k(a, b)
    return comparable.of_synchrony(a, b) if parameter == SYNCHRONY else comparable.Allowed()


def _side(side: str, fits: Sequence[Fitted], parameter: str, values: FloatArray) -> dict[str, Any]:
    """The columns of one group, "a" or "b"; `values` are those of its cultures that have the parameter."""
    spreads = [fit.spreads[parameter] for fit in fits if parameter in fit.spreads]
    columns: dict[str, Any] = {
        "n": len(values),
        "cultures": [fit.culture for fit in fits],
        "weight_scale": [fit.weight_scale for fit in fits],
        "intensity_gain": [fit.gain for fit in fits],
        "cells": [fit.cells for fit in fits],
        "median": float(np.median(values)) if len(values) else None,
        "mean": float(np.mean(values)) if len(values) else None,
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "cell_spread": float(np.median(spreads)) if spreads else None,
    }
    return {f"{name}_{side}": value for name, value in columns.items()}


def _without_null(fits: Sequence[Fitted]) -> list[str]:
    """The note that names cultures without a null."""
    names = [fit.culture for fit in fits if SYNCHRONY not in fit.medians]
    return [f"fitted without null, so without synchrony: {spelt(*names)}"] if names else []


def _values(fits: Sequence[Fitted], parameter: str) -> FloatArray:
    """One value per culture that has the parameter."""
    return np.array([fit.medians[parameter] for fit in fits if parameter in fit.medians], dtype=np.float64)
