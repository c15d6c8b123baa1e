"""The cultures of a report set side by side: sentences, a table, and the values that strip plots show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calcigraph.errors import ConflictError, InputError, NotFoundError, command
from calcigraph.models.table import DEFAULT_MODEL, MODELS
from calcigraph.queries import compare_cultures, records
from calcigraph.queries.compare import CONDITION, CULTURE, EXPERIMENT, group_of, pairs_of, require_annotation
from calcigraph.queries.observed import observe
from calcigraph.queries.quantities import FEED, K_CELL, MSE_TEST, MSE_TRAIN, K
from calcigraph.queries.side_by_side import SHOWN
from calcigraph.report.culture import ReportCulture
from calcigraph.report.sentences import raised
from calcigraph.said import comparison_said

if TYPE_CHECKING:
    from calcigraph.store import Graph

TITLES = {
    K: "coupling k (1/s)",
    K_CELL: "coupling of cells (1/s)",
    SHOWN[FEED]: "feed / gain (1/s)",
    MSE_TRAIN: "error without own activity (squared intensity)",
    MSE_TEST: "the same error, after the fitted frames (squared intensity)",
}
"""Names with units, where the table of `compare` has none."""
MOST_PAIRS = 6
"""Pairs of groups up to which all are listed; of more groups, each is set against the first."""


@dataclass(frozen=True)
class Strip:
    """One quantity: a value for each culture that has it, by group."""

    title: str
    groups: tuple[str, ...]
    """Of each culture."""
    cultures: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """What `calcigraph compare` says of the cultures of a report."""

    first: str = ""
    """The result in one sentence; "" where there is none."""
    sentences: tuple[str, ...] = ()
    """One for each row that has values on both sides."""
    rows: tuple[Mapping[str, Any], ...] = ()
    """With parameter, group_a, group_b, mean_a, mean_b, n_a, n_b, ratio, ratio_low, ratio_high, p_holm; plain."""
    notes: tuple[str, ...] = ()
    strips: tuple[Strip, ...] = ()
    why_not: str = ""
    """Why the cultures cannot be compared."""
    full: str = ""
    """The command that shows the comparison in all its columns."""


def compared(
    graph: Graph, cultures: Sequence[ReportCulture], by: str = CONDITION, reference: str | None = None
) -> Comparison | None:
    """The comparison of the cultures of a report; None of one culture alone.

    Parameters
    ----------
    graph
        Where they are.
    cultures
        In the order of the report.
    by, reference
        What makes the groups, and the group that others are compared with, as for `queries.compare_cultures`.

    Raises
    ------
    InputError, NotFoundError
        There is no annotation `by`, no group `reference`, or only one culture to compare by them. Other reasons why
        there is no comparison are said in the result.
    """
    if len(cultures) < 2:
        if by != CONDITION or reference is not None:
            raise InputError("a report of one culture compares nothing: leave out --by and --reference")
        return None
    names = [each.name for each in cultures]
    _check_groups(cultures, by, reference)
    model = _common_model(cultures)
    options = {"--by": by if by != CONDITION else None, "--reference": reference}
    options["--model"] = None if model == DEFAULT_MODEL else model
    given = [part for flag, value in options.items() if value is not None for part in (flag, value)]
    full = command("compare", names, *given)
    try:
        found = records(compare_cultures(graph, names, by=by, model=model, reference=reference))
    except (InputError, NotFoundError, ConflictError) as error:
        return Comparison(why_not=str(error), full=full)
    groups = list(dict.fromkeys(name for row in found for name in (row["group_a"], row["group_b"])))
    kept = [row for row in found if _is_kept(row, groups)]
    rows = tuple(row | {"title": TITLES.get(row["parameter"], row["parameter"])} for row in kept)
    return Comparison(
        first=_first(kept),
        sentences=tuple(raised(text) for text in comparison_said(kept)),
        rows=rows,
        notes=tuple(dict.fromkeys(row["note"] for row in rows if row["note"])),
        strips=_strips(graph, names, model, _group_of(found)),
        full=full,
    )


def _check_groups(cultures: Sequence[ReportCulture], by: str, reference: str | None) -> None:
    """Raise for groups that there are not, as `compare` does."""
    about = [each.about for each in cultures]
    if by not in (CONDITION, CULTURE, EXPERIMENT):
        require_annotation(about, by)
    groups = list(dict.fromkeys(group_of(each, by) or each.uid for each in about))
    pairs_of(groups if len(groups) > 1 else [each.uid for each in about], by, reference)


def _common_model(cultures: Sequence[ReportCulture]) -> str:
    """The first model that was fitted to all cultures; else the default one."""
    fitted = [{fit.model for fit in each.fits} for each in cultures]
    return next((model for model in MODELS if all(model in those for those in fitted)), DEFAULT_MODEL)


def _is_kept(row: Mapping[str, Any], groups: Sequence[str]) -> bool:
    return len(groups) * (len(groups) - 1) // 2 <= MOST_PAIRS or row["group_a"] == groups[0]


def _first(rows: Sequence[Mapping[str, Any]]) -> str:
    """The first sentence, and why it was not tested."""
    said = comparison_said(rows[:1])
    if not said:
        return ""
    reason = "" if rows[0]["p"] is not None else _why_untested(str(rows[0]["note"] or "").split("; "))
    for told in ("no interval and no test: ", "no test: "):  # the sentence says already that it is not tested
        reason = reason.removeprefix(told)
    return raised(f"{said[0][:1].upper()}{said[0][1:]}{': ' if reason else ''}{reason}")


def _why_untested(notes: Sequence[str]) -> str:
    """The note that speaks of the test, before those on the values."""
    return next((note for note in notes if "no test" in note), notes[0])


def _group_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The group of each culture."""
    return {name: row[f"group_{side}"] for row in rows for side in ("a", "b") for name in row[f"cultures_{side}"]}


def _strips(graph: Graph, names: Sequence[str], model: str, group_of: Mapping[str, str]) -> tuple[Strip, ...]:
    observed = observe(graph, names, model)[0]
    strips = []
    for quantity in dict.fromkeys(name for each in observed for name in each.values):
        having = [each for each in observed if quantity in each.values]
        shown = SHOWN.get(quantity, quantity)
        strips.append(
            Strip(
                title=TITLES.get(shown, shown),
                groups=tuple(group_of[each.culture] for each in having),
                cultures=tuple(each.culture for each in having),
                values=tuple(each.values[quantity] for each in having),
            )
        )
    return tuple(strips)
