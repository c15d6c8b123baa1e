"""Comparing cultures: the unit is the culture, never the cell, so that 80 cells of one dish are one observation.

A culture's value is the median over its inner cells for what was fitted; for events and waves it is that of
queries/fired.py, for forecasts that of queries/foreseen.py. k is compared only in one unit, and tested only where it is
identified; events are tested only where they were looked for alike (queries/comparable.py). Intervals and tests are
those of queries/effects.py, and within experiments those of queries/paired.py. The tests of all rows are corrected
together by Holm's method.

`synchrony` is one value per culture, from its null (models/null.py): the mean correlation of intensity changes between
contacts, without what a smooth drive gives, minus its mean by chance. It is never the test's z, which grows with the
number of cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from calcigraph.errors import ConflictError, InputError, NotFoundError, spelt
from calcigraph.queries import paired, side_by_side
from calcigraph.queries.comparable import Options
from calcigraph.queries.experiments import cultures_of
from calcigraph.queries.fired import Fired
from calcigraph.queries.fitted import Fitted
from calcigraph.queries.library import Reader, require_culture
from calcigraph.queries.observed import Observed, observe
from calcigraph.queries.quantities import SYNCHRONY

if TYPE_CHECKING:
    import pandas

UNLIKE = {
    "frames": "the recordings differ in their number of frames, which biases estimates unlike",
    "frame_interval_s": "the recordings differ in their frame interval, which biases estimates unlike",
}
"""Facts that are noted where they differ."""
CONDITION, CULTURE, EXPERIMENT = "condition", "culture", "experiment"


class Grouped(Protocol):
    """What makes the groups: an `Observed`, or a `Culture` of the graph."""

    @property
    def experiment(self) -> str | None: ...
    @property
    def condition(self) -> str | None: ...
    @property
    def annotations(self) -> Mapping[str, Any]: ...


def compare_cultures(
    graph: Reader,
    cultures: Sequence[str] | None = None,
    experiment: str | Sequence[str] | None = None,
    by: str = CONDITION,
    model: str = "robust",
    allow_different_options: bool = False,
    within: str | None = None,
    reference: str | None = None,
    stale: bool = False,
) -> pandas.DataFrame:
    """Compare the latest fits, events, waves and forecasts of cultures, by name or of whole experiments.

    A group is a condition, a culture, an experiment, or the cultures with one value of an annotation. A culture without
    condition (or experiment, or annotation) is a group of its own, and named cultures that all share one are compared
    by name. Feeds and amplitudes are divided by the culture's intensity gain (eq. 23), because the gain differs between
    movies. k is in units of the contacts' mean weight, so it is compared only where this mean is over the same kind of
    contacts (store/units.py); the rows give the means (`weight_scale`). There is no test of k where k is not identified
    in a culture.

    What was fitted is compared where all cultures have a fit, events where they were looked for in all cultures, and
    the skill of forecasts where all were forecast.

    Parameters
    ----------
    graph
        Where fits, events and forecasts are.
    cultures
        Two or more names; None or empty with `experiment`.
    experiment
        All cultures of one or several experiments; None with `cultures`. With neither, `within` and `by` "experiment"
        take all cultures that belong to an experiment.
    by
        "condition", "culture", "experiment", or the name of an annotation of cultures (Workspace.annotate).
    model
        Whose fits.
    allow_different_options
        Whether fits and events that were made with different options are compared and tested; the rows then say so.
    within
        "experiment": conditions are compared inside each experiment, and the experiments are the replicates
        (queries/paired.py).
    reference
        The group that the others are compared with: it is a in every row, and others are not compared with one another.
        By default all pairs are.
    stale
        Whether fits, events and forecasts count that are of older masks than the culture has now (Workspace.curate).

    Returns
    -------
    A row per parameter and pair of groups a and b, with side_by_side.COLUMNS: `difference` is mean_b - mean_a, `ratio`
    is b / a of geometric means, `_low` and `_high` are the ends of 95 % intervals, `p_holm` is `p` after Holm's
    correction. With `within`, paired.COLUMNS.

    Raises
    ------
    InputError
        There is nothing to compare.
    NotFoundError
        There is no such culture or experiment, or neither a fit of `model`, nor events, nor a
        forecast is known for all cultures.
    ConflictError
        The fits were made with different options.
    """
    if within not in (None, EXPERIMENT):
        raise InputError(f"conditions are compared within experiment, not within {within!r}")
    if within and by != CONDITION:
        raise InputError("within experiment, conditions are compared: leave out what else makes the groups")
    experiments = [experiment] if isinstance(experiment, str) else list(experiment or [])
    names = _chosen(graph, cultures, experiments, everything=EXPERIMENT in (by, within))
    observed, notes = observe(graph, names, model, stale)
    options = _options(observed, allow_different_options)
    notes += _notes(observed, allow_different_options)
    if within:
        blocks, left_out = paired.blocks_of(observed)
        conditions = list(dict.fromkeys(name for block in blocks.values() for name in block))
        pairs = pairs_of(conditions, by, reference)
        found = paired.rows_of(blocks, pairs, options, "; ".join(notes + left_out))
        return _frame(found, paired.COLUMNS, paired.LISTS)
    if by not in (CONDITION, CULTURE, EXPERIMENT):
        require_annotation(observed, by)
    groups = _groups(observed, by, named=bool(cultures))
    if len(groups) < 2:
        kind = "belong to the experiment" if by == EXPERIMENT else f"have the {by}"
        of = f" of experiment {spelt(*experiments)}" if experiments else ""
        raise InputError(
            f"all cultures{of} {kind} {spelt(next(iter(groups)))}; "
            "name two or more cultures to compare them with one another"
        )
    lists = [name for name in side_by_side.COLUMNS if name.rpartition("_")[0] in side_by_side.LISTS]
    found = side_by_side.rows_of(groups, pairs_of(list(groups), by, reference), options, "; ".join(notes))
    return _frame(found, side_by_side.COLUMNS, lists)


def pairs_of(groups: Sequence[str], by: str, reference: str | None) -> list[tuple[str, str]]:
    """The groups to compare: all pairs, or all others with the reference. Raises InputError for no such group."""
    if reference is None:
        return list(combinations(groups, 2))
    meant = next((name for name in (reference, f"{by} {reference}") if name in groups), None)
    if meant is None:
        raise InputError(f"the reference {spelt(reference)} is none of the groups: there is {spelt(*groups)}")
    return [(meant, other) for other in groups if other != meant]


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


def _chosen(graph: Reader, cultures: Sequence[str] | None, experiments: Sequence[str], everything: bool) -> list[str]:
    """The names of the cultures to compare; `everything`: where none is named, all that belong to an experiment."""
    if (cultures and experiments) or not (cultures or experiments or everything):
        raise InputError("name either two or more cultures or an experiment to compare")
    if cultures:
        names = [cultures] if isinstance(cultures, str) else list(cultures)
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"expected two or more different cultures to compare, not {spelt(*names) or 'none'}")
        for name in names:
            require_culture(graph, name)
        return names
    names = cultures_of(graph, experiments)
    if len(names) < 2:
        of = f"experiment {spelt(*sorted(experiments))} has" if experiments else "the experiments have"
        raise InputError(f"{of} only the culture {spelt(names[0])}; a comparison needs two")
    return names


def _options(observed: Sequence[Observed], accepted: bool) -> Options:
    """How events were looked for."""
    events = [each.fired for each in observed if each.fired is not None]
    return Options(differing=_spelt(events, _differing(events)), accepted=accepted)


def _notes(observed: Sequence[Observed], allow_different_options: bool) -> list[str]:
    """What stands in every row. Raises ConflictError for fits with different options that are not allowed."""
    fits = [each.fitted for each in observed if each.fitted is not None]
    differing = _differing(fits)
    if differing and not allow_different_options:
        raise ConflictError(
            f"the fits were made with different options: {_spelt(fits, differing)}; "
            "fit the cultures again alike, or say --allow-different-options"
        )
    notes = [f"options differ: {', '.join(differing)}"] if differing else []
    return notes + [text for fact, text in UNLIKE.items() if len({each.recording.get(fact) for each in observed}) > 1]


def _differing(made: Sequence[Fitted] | Sequence[Fired]) -> list[str]:
    """The settings in which fits, or detections of events, differ."""
    keys = sorted({key for each in made for key in each.settings})
    return [key for key in keys if len({json.dumps(each.settings.get(key)) for each in made}) > 1]


def _spelt(made: Sequence[Fitted] | Sequence[Fired], keys: Iterable[str]) -> str:
    """Such as "ridge (0.001: a, b; 0.1: c)"."""
    parts = []
    for key in keys:
        having: dict[str, list[str]] = {}
        for each in made:
            having.setdefault(json.dumps(each.settings.get(key)), []).append(each.culture)
        values = (f"{value}: {spelt(*names)}" for value, names in having.items())
        parts.append(f"{key} ({'; '.join(values)})")
    return ", ".join(parts)


def _groups(observed: Sequence[Observed], by: str, named: bool) -> dict[str, list[Observed]]:
    """The cultures by group, in the order in which the groups first appear."""
    groups: dict[str, list[Observed]] = {}
    for each in observed:
        group = group_of(each, by)
        groups.setdefault(each.culture if group in (None, "") else group, []).append(each)
    # Whoever names cultures of one condition wants to see how they differ.
    if len(groups) == 1 and named:
        return {each.culture: [each] for each in observed}
    return groups


def group_of(observed: Grouped, by: str) -> str | None:
    """What group a culture belongs to; None for one of its own."""
    own = {CONDITION: observed.condition, EXPERIMENT: observed.experiment, CULTURE: None}
    if by in own:
        return own[by]
    value = observed.annotations.get(by)
    if value is None:
        return None
    return f"{by} {str(value).lower() if isinstance(value, bool) else value}"


def require_annotation(observed: Sequence[Grouped], by: str) -> None:
    """Raise NotFoundError if no culture has an annotation of this name."""
    known = sorted({name for each in observed for name in each.annotations})
    if by not in known:
        there = f"they have {spelt(*known)}" if known else "they have none: see `calcigraph annotate`"
        raise NotFoundError(
            f"cultures are compared by condition, culture, experiment or an annotation, and none of them has an "
            f"annotation {spelt(by)}; {there}"
        )


def _frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], lists: Sequence[str]) -> pandas.DataFrame:
    """The rows as a table; columns that are neither texts, lists nor counts are numbers."""
    import pandas

    texts = ("parameter", "group_a", "group_b", "test", "note")
    kinds = dict.fromkeys((*texts, *lists), "object") | dict.fromkeys(("n", "n_a", "n_b"), "int64")
    frame = pandas.DataFrame(list(rows), columns=list(columns))
    return frame.astype({name: kinds.get(name, "float64") for name in columns})
