"""Comparing cultures: the unit is the culture, never the cell, so that 80 cells of one dish are one observation.

A culture's value is the median over its inner cells. From 3 cultures a side: Welch's t interval (95 %) of the
difference of means, its two-sided test, and Holm's correction over all rows. The coupling is a positive rate and is
compared by its ratio, so that interval and the test are Welch's on logarithms where all values are positive.

`synchrony` is one value a culture, from its permutation test (models/permutation.py): the mean correlation of intensity
changes between contacts minus its mean over shuffled positions. Never its z, which grows with the number of cells.
Nothing says that it is normally distributed, so a test is given only where exchanging the cultures between the groups
could reach 5 %.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import ConflictError, InputError, NotFoundError
from calcigraph.queries.library import Reader, fetch, load, require_culture
from calcigraph.queries.recorded import Recorded
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    import pandas

ENOUGH = 3
"""Cultures a side from which an interval and a test are given."""
LEVEL = 0.05
SYNCHRONY = "synchrony"
PARAMETERS = ("k", "k_cell", "feed", SYNCHRONY, "mse_train", "mse_test")
RATES = ("k", "k_cell")
UNLIKE = {
    "frames": "the recordings differ in their number of frames, which biases estimates unlike",
    "frame_interval_s": "the recordings differ in their frame interval, which biases estimates unlike",
}
"""Facts that are noted where they differ."""
COLUMNS = (
    "parameter", "group_a", "group_b", "n_a", "n_b", "median_a", "median_b", "mean_a", "mean_b", "sd_a", "sd_b",
    "cell_spread_a", "cell_spread_b", "difference", "difference_low", "difference_high", "ratio", "ratio_low",
    "ratio_high", "test", "p", "p_holm", "weight_scale_a", "weight_scale_b", "intensity_gain_a", "intensity_gain_b",
    "cultures_a", "cultures_b", "note",
)  # fmt: skip


@dataclass(frozen=True)
class _Fitted:
    """One culture's latest fit."""

    culture: str
    condition: str | None
    gain: float
    """Normalised intensity per unit of log(raw + 1)."""
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    """What followed from the culture and its data."""
    weight_scale: float | None
    medians: Mapping[str, float]
    """Over the inner cells, by parameter; feed is divided by the gain, synchrony is the culture's own."""
    spreads: Mapping[str, float]
    """1.4826 median absolute deviations over the inner cells."""


def compare_cultures(
    graph: Reader,
    cultures: Sequence[str] | None = None,
    experiment: str | None = None,
    by: str = "condition",
    model: str = "robust",
    allow_different_options: bool = False,
) -> pandas.DataFrame:
    """Compare the latest fits of cultures, by name or of a whole experiment: a row per parameter and pair of groups.

    Groups are the conditions (`by="condition"`) or each culture (`by="culture"`); a culture without condition is a
    group of its own, and named cultures that all share one condition are compared by name. `difference` is mean_b -
    mean_a, `ratio` b / a of geometric means. Feeds are divided by the culture's intensity gain (eq. 23), because the
    gain differs between movies; k can be compared only beside the weight scales, which the rows give.

    Raises InputError (nothing to compare), NotFoundError (no such culture or experiment, or not fitted by `model`) or
    ConflictError (fits made with different options, unless `allow_different_options`).
    """
    if by not in ("condition", "culture"):
        raise InputError(f"cultures are compared by condition or by culture, not by {by!r}")
    names = _chosen(graph, cultures, experiment)
    fits = _fits(graph, names, model)
    differing = _differing(fits)
    if differing and not allow_different_options:
        raise ConflictError(
            f"the fits were made with different options: {_spelt(fits, differing)}; "
            "fit the cultures again alike, or say --allow-different-options"
        )
    groups = _groups(fits, by, named=experiment is None)
    if len(groups) < 2:
        raise InputError(
            f"all cultures of experiment {experiment} have the condition {next(iter(groups))}; "
            "name two or more cultures to compare them with one another"
        )
    notes = [f"options differ: {', '.join(differing)}"] if differing else []
    notes += [text for fact, text in UNLIKE.items() if len({fit.facts.get(fact) for fit in fits}) > 1]
    return _table(groups, "; ".join(notes))


def medians(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns and records of a table with a row per parameter and a column per group, from records of `compare`.

    A group's column is named with its number of cultures: "wild type (4)".
    """
    columns, found = ["median"], dict[str, dict[str, Any]]()
    for row in rows:
        record = found.setdefault(row["parameter"], {"median": row["parameter"]})
        for side in ("a", "b"):
            name = f"{row[f'group_{side}']} ({len(row[f'cultures_{side}'])})"
            record[name] = row[f"median_{side}"]
            if name not in columns:
                columns.append(name)
    return columns, list(found.values())


def _chosen(graph: Reader, cultures: Sequence[str] | None, experiment: str | None) -> list[str]:
    if bool(cultures) == (experiment is not None):
        raise InputError("name either two or more cultures or an experiment to compare")
    if cultures:
        names = [cultures] if isinstance(cultures, str) else list(cultures)
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"expected two or more different cultures to compare, not {', '.join(names) or 'none'}")
        for name in names:
            require_culture(graph, name)
        return names
    there = fetch(graph, load("cultures"), {})
    names = [row["culture"] for row in there if row["experiment"] == experiment]
    if not names:
        known = sorted({row["experiment"] for row in there} - {None})
        raise NotFoundError(
            f"there is no experiment {experiment} with complete cultures; "
            f"{'there is ' + ', '.join(known) if known else 'none is named: ingest with --experiment'}"
        )
    if len(names) < 2:
        raise InputError(f"experiment {experiment} has only the culture {names[0]}; a comparison needs two")
    return names


def _fits(graph: Reader, names: Sequence[str], model: str) -> list[_Fitted]:
    query = load("comparison")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for row in fetch(graph, query, query.bind({"cultures": list(names), "model": model})):
        rows[row["culture"]].append(row)
    without = [name for name in names if not rows[name]]
    if without:
        raise NotFoundError(
            f"no fit of {model} is stored for {', '.join(without)}: run `calcigraph fit {' '.join(without)} "
            f"--model {model}`"
        )
    return [_fitted(rows[name]) for name in names]


def _fitted(rows: Sequence[Mapping[str, Any]]) -> _Fitted:
    first = rows[0]
    recorded = Recorded.of(first)
    gain = float("nan") if first["intensity_gain"] is None else float(first["intensity_gain"])
    medians, spreads = {}, {}
    for name in PARAMETERS:
        values = np.array([row["fitted"].get(name) for row in rows], dtype=np.float64)
        values = values[np.isfinite(values)] / (gain if name == "feed" else 1.0)
        if len(values):
            medians[name] = float(np.median(values))
            spreads[name] = 1.4826 * float(np.median(np.abs(values - medians[name])))
    if None not in (first["null_sync"], first["null_sync_mean"]):
        medians[SYNCHRONY] = float(first["null_sync"]) - float(first["null_sync_mean"])
    return _Fitted(
        culture=first["culture"],
        condition=first["condition"],
        gain=gain,
        settings={"case": first["case"], **recorded.settings},
        facts=recorded.facts,
        weight_scale=recorded.facts.get("weight_scale"),
        medians=medians,
        spreads=spreads,
    )


def _differing(fits: Sequence[_Fitted]) -> list[str]:
    """The settings in which the fits differ."""
    keys = sorted({key for fit in fits for key in fit.settings})
    return [key for key in keys if len({json.dumps(fit.settings.get(key)) for fit in fits}) > 1]


def _spelt(fits: Sequence[_Fitted], keys: Iterable[str]) -> str:
    """Such as "ridge (0.001: a, b; 0.1: c)"."""
    parts = []
    for key in keys:
        having: dict[str, list[str]] = {}
        for fit in fits:
            having.setdefault(json.dumps(fit.settings.get(key)), []).append(fit.culture)
        values = (f"{value}: {', '.join(names)}" for value, names in having.items())
        parts.append(f"{key} ({'; '.join(values)})")
    return ", ".join(parts)


def _groups(fits: Sequence[_Fitted], by: str, named: bool) -> dict[str, list[_Fitted]]:
    groups: dict[str, list[_Fitted]] = {}
    for fit in fits:
        groups.setdefault(fit.condition if by == "condition" and fit.condition else fit.culture, []).append(fit)
    if len(groups) == 1 and named:
        return {fit.culture: [fit] for fit in fits}
    return groups


def _table(groups: Mapping[str, Sequence[_Fitted]], note: str) -> pandas.DataFrame:
    import pandas

    rows = [
        _row(parameter, a, b, groups[a], groups[b], note)
        for parameter in PARAMETERS
        for a, b in combinations(groups, 2)
        if any(parameter in fit.medians for fit in (*groups[a], *groups[b]))
    ]
    tested = [row for row in rows if row["p"] is not None]
    for row, corrected in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = corrected
    frame = pandas.DataFrame(rows, columns=list(COLUMNS))
    texts = ("parameter", "group_a", "group_b", "test", "note")
    lists = [name for name in COLUMNS if name.rpartition("_")[0] in ("weight_scale", "intensity_gain", "cultures")]
    counts = ("n_a", "n_b")
    kinds = dict.fromkeys((*texts, *lists), "object") | dict.fromkeys(counts, "int64")
    return frame.astype({name: kinds.get(name, "float64") for name in COLUMNS})


def _row(
    parameter: str, a: str, b: str, fits_a: Sequence[_Fitted], fits_b: Sequence[_Fitted], note: str
) -> dict[str, Any]:
    sides = [_values(fits, parameter) for fits in (fits_a, fits_b)]
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"parameter": "feed / gain" if parameter == "feed" else parameter, "group_a": a, "group_b": b}
    for side, values, fits in (("a", sides[0], fits_a), ("b", sides[1], fits_b)):
        spreads = [fit.spreads[parameter] for fit in fits if parameter in fit.spreads]
        row |= {f"n_{side}": len(values), f"cultures_{side}": [fit.culture for fit in fits]}
        row[f"weight_scale_{side}"] = [fit.weight_scale for fit in fits]
        row[f"intensity_gain_{side}"] = [fit.gain for fit in fits]
        if len(values):
            row |= {f"median_{side}": float(np.median(values)), f"mean_{side}": float(np.mean(values))}
        if spreads:
            row[f"cell_spread_{side}"] = float(np.median(spreads))
        if len(values) > 1:
            row[f"sd_{side}"] = float(np.std(values, ddof=1))
    notes = _effect(row, parameter, *sides) if all(len(values) for values in sides) else []
    if parameter == SYNCHRONY:
        notes += _without_null((*fits_a, *fits_b))
    elif not all(len(values) for values in sides):
        notes = ["not fitted on one side"]
    return row | {"note": "; ".join(part for part in (*notes, note) if part)}


def _without_null(fits: Sequence[_Fitted]) -> list[str]:
    names = [fit.culture for fit in fits if SYNCHRONY not in fit.medians]
    return [f"fitted without null, so without synchrony: {', '.join(names)}"] if names else []


def _values(fits: Sequence[_Fitted], parameter: str) -> FloatArray:
    return np.array([fit.medians[parameter] for fit in fits if parameter in fit.medians], dtype=np.float64)


def _effect(row: dict[str, Any], parameter: str, a: FloatArray, b: FloatArray) -> list[str]:
    """Fill in difference and ratio, and from ENOUGH cultures a side interval and test; return what is to be noted."""
    row["difference"] = float(b.mean() - a.mean())
    rate = parameter in RATES and bool((a > 0).all() and (b > 0).all())
    if rate:
        row["ratio"] = math.exp(float(np.log(b).mean() - np.log(a).mean()))
    if min(len(a), len(b)) < ENOUGH:
        return [f"no interval and no test: {len(a)} and {len(b)} cultures, {ENOUGH} a side are needed"]
    ways = math.comb(len(a) + len(b), len(a))
    if parameter == SYNCHRONY and 2 / ways > LEVEL:
        return [
            f"no interval and no test of synchrony: {len(a)} and {len(b)} cultures can be dealt in {ways} ways, "
            f"so that no exact two-sided p is below {2 / ways:.2g}"
        ]
    plain = welch(a, b)
    if plain is None:
        return ["no interval and no test: the cultures of each side do not differ from one another"]
    row["difference_low"], row["difference_high"], row["p"] = plain
    row["test"] = "Welch t"
    if rate:
        logs = welch(np.log(a), np.log(b))
        if logs is not None:
            row["ratio_low"], row["ratio_high"] = math.exp(logs[0]), math.exp(logs[1])
            row["p"], row["test"] = logs[2], "Welch t of logarithms"
    return []


def welch(a: FloatArray, b: FloatArray, level: float = 0.95) -> tuple[float, float, float] | None:
    """Welch's interval of mean(b) - mean(a) and two-sided p, variances not assumed equal; None without any spread.

    Degrees of freedom by Welch and Satterthwaite: (va + vb)^2 / (va^2 / (na - 1) + vb^2 / (nb - 1)), va = var(a) / na.
    """
    from scipy.special import stdtr, stdtrit

    va, vb = float(np.var(a, ddof=1)) / len(a), float(np.var(b, ddof=1)) / len(b)
    difference, error = float(np.mean(b) - np.mean(a)), math.sqrt(va + vb)
    if error <= 1e-12 * max(abs(float(np.mean(a))), abs(float(np.mean(b)))):
        return None
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = float(stdtrit(freedom, (1 + level) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(difference) / error))
    return difference - half, difference + half, p


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p-values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        corrected[index] = largest
    return corrected
