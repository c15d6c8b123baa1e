"""The tables of docs/identification.md, as Markdown, from the results that benchmarks/page_runs.py keeps.

Each function of `BLOCKS` makes one block of the page; `claims` holds what was asked beside what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import accuracy
import accuracy_settings
import numpy as np
import pandas
from page_runs import ANOMALIES, COVERAGE, RECOVERY, SPIKES

NOT_YET = "*Not measured yet: `make identification`.*"
CHANCE = 0.05
METHODS = {
    "crlsm": "crlsm, the paper's least squares",
    "robust": "**robust**",
    "pinn": "**pinn**",
    "pinn-paper": "pinn, preset paper",
    "pysindy-finite": "PySINDy, finite differences, each cell",
    "pysindy-finite-group": "PySINDy, finite differences, group",
    "pysindy-smoothed": "PySINDy, smoothed, each cell",
    "pysindy-smoothed-group": "PySINDy, smoothed, group",
    "pysindy-weak": "PySINDy, weak form, each cell",
    "pysindy-weak-group": "PySINDy, weak form, group",
    "deepxde": "DeepXDE, features of time, one cell",
    "deepxde-plain": "DeepXDE, as in its examples, one cell",
}


class Data:
    """The kept results; a file that is not there is an empty table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def table(self, name: str) -> pandas.DataFrame:
        path = self.folder / name
        return pandas.read_csv(path, keep_default_na=False, na_values=[""]) if path.is_file() else pandas.DataFrame()

    def outcomes(self) -> pandas.DataFrame:
        """One row a culture and model, of every setting that was measured."""
        names = ("recovery.csv", "spikes.csv", "coverage.csv", "anomalies.csv")
        tables = [table for table in map(self.table, names) if len(table)]
        return pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame()

    def summary(self, setting: str, model: str = "robust") -> dict[str, Any] | None:
        table = self.outcomes()
        if not len(table):
            return None
        chosen = table[(table["setting"] == setting) & (table["model"] == model)]
        columns = [column.name for column in fields(accuracy.Outcome)]
        outcomes = [accuracy.Outcome(**row) for row in chosen.reindex(columns=columns).to_dict("records")]
        return accuracy.summary(setting, outcomes) if outcomes else None


@dataclass(frozen=True)
class Claim:
    """One thing that was asked for; `measured` is None until it is."""

    what: str
    asked: str
    measured: str | None
    holds: bool | None


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(value: float | None, digits: int | None = None) -> str:
    """With its sign kept on the same line; two digits after the point below 10 %, else one, unless said."""
    if value is None or not np.isfinite(value):
        return "-"
    places = digits if digits is not None else 2 if abs(value) < 0.0995 else 1
    return f"{100 * value:.{places}f}\u00a0%"


def between(low: float, high: float, form: str = ".3f") -> str:
    return f"{low:{form}}\u00a0to\u00a0{high:{form}}"


def number(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None or not np.isfinite(value) else format(value, form)


# Known couplings


TAILS = ("tail-30", "tail-80", "extrusion")
LIMITS: tuple[tuple[str, str, str, str, float], ...] = (
    ("movie", "error", "median error of k", "<=", 0.005),
    ("movie", "worst", "largest error of k", "<=", 0.02),
    ("movie", "feed_r", "correlation of fitted and effective feed", ">=", 0.95),
    ("movie", "own_error", "median error of a cell's own k", "<=", 0.04),
    ("movie", "cells", "cells called `identified`", ">=", 0.95),
    ("movie-fast", "worst", "largest error of k", "<=", 0.06),
    ("cellpose", "error", "median error of k", "<=", 0.02),
    ("cellpose", "covered", "intervals that hold k", ">=", 1.0),
    ("traces", "error", "median error of k", "<=", 0.002),
    ("spiky-slow", "error", "median error of k", "<=", 0.01),
    ("spiky-fast", "error", "median error of k", "<=", 0.04),
    *((name, "error", "median error of k", "<=", 0.02) for name in TAILS),
    *((name, "inside", "intervals that hold k, of those called", ">=", 0.9) for name in TAILS),
    *((name, "called", "cultures called `identified`", ">=", 0.5) for name in TAILS),
    ("traces", "covered", "intervals that hold k", ">=", 0.9),
    ("traces", "sampled", "intervals of chance alone that hold k", ">=", 0.9),
    ("traces", "sampled_half_width", "half-width of those over k", "<=", 0.01),
    ("traces", "feed_covered", "intervals that hold the feed", ">=", 0.9),
    ("traces", "feed_half_width", "half-width over the feeds' spread", "<=", 0.5),
    *((name, "covered", "intervals that hold k", ">=", 0.85) for name in ("gaussian", "many-tails", "quiet")),
    *((name, "honest", "intervals that hold k, or not called", ">=", 0.9) for name in ("coarse", "fast")),
    *((name, "found", "planted cells found of 10, median", ">=", 9) for name in ANOMALIES),
    *((name, "false", "other cells named, median", "<=", 1) for name in ANOMALIES),
)  # fmt: skip


def claims(data: Data) -> list[Claim]:
    """What was asked and what was measured, in the page's order."""
    result = []
    for setting, key, what, side, limit in LIMITS:
        plain = key in ("feed_r", "found", "false", "feed_half_width")
        form: Callable[[float], str] = (
            (lambda value: f"{value:.3g}") if plain else (lambda value: f"{100 * value:.3g}\u00a0%")
        )
        summary = data.summary(setting)
        asked = f"{'at most' if side == '<=' else 'at least'} {form(limit)}"
        value = None if summary is None else summary[key]
        holds = None if value is None else bool(value <= limit if side == "<=" else value >= limit)
        what = f"{accuracy_settings.SETTINGS[setting].what}: {what}"
        result.append(Claim(what, asked, None if value is None else form(value), holds))
    return [*result, *_pinn_claims(data), *_null_claims(data), *_solver_claims(data)]


def _pinn_claims(data: Data) -> list[Claim]:
    table = data.table("pinn.csv")
    if not len(table):
        return []
    result, chosen = [], table[table["preset"] == "default"]
    for start, part in chosen.groupby("start"):
        error = float(np.median(np.abs(part["ratio"] - 1)))
        what = f"pinn from {_start(start)}: median error of k"
        result.append(Claim(what, "at most 5 %", percent(error), error <= 0.05))
    seconds = float(chosen["seconds"].median())
    return [*result, Claim("pinn: seconds for a culture, one core", "at most 30", f"{seconds:.1f}", seconds <= 30)]


def _null_claims(data: Data) -> list[Claim]:
    result = []
    for name, column in (("coupling", "k_p"), ("synchrony", "sync_p")):
        for k, p in _null_p(data, column):
            if k == 0:
                ks = _uniform(p)
                result.append(Claim(f"null of {name}, k = 0: KS p", "above 0.01", f"{ks:.2g}", ks > 0.01))
            else:
                share = float(np.mean(p < 0.01))
                what = f"null of {name}, k = {k:g}: p < 0.01"
                result.append(Claim(what, "at least 95 %", percent(share, 1), share >= 0.95))
    return result


def _solver_claims(data: Data) -> list[Claim]:
    table = data.table("solver.csv")
    if not len(table):
        return []
    ratio = int(table["ratio"].iloc[0])
    return [Claim("exact solver against sparse TRF, times faster", "at least 500", str(ratio), ratio >= 500)]


def summary(data: Data) -> str:
    found = [claim for claim in claims(data) if claim.measured is not None]
    if not found:
        return NOT_YET
    rows = [[one.what, one.asked, one.measured or "", "yes" if one.holds else "**no**"] for one in found]
    return markdown(["what", "asked", "measured", "holds"], rows)


def _recovered(data: Data, names: Sequence[str]) -> str:
    rows = []
    for name in names:
        for model in ("robust", "crlsm"):
            line = data.summary(name, model)
            if line is None:
                continue
            table = data.outcomes()
            ratio = table[(table["setting"] == name) & (table["model"] == model)]["ratio"]
            rows.append(
                [line["what"] if model == "robust" else "", model, str(line["cultures"]), f"{ratio.median():.4f}",
                 between(ratio.min(), ratio.max()), percent(line["error"]), percent(line["worst"]),
                 number(line["feed_r"]), percent(line["own_error"], 1), percent(line["cells"], 0)]
            )  # fmt: skip
    header = ["cultures of", "model", "n", "k̂ / k, median", "range", "error, median", "worst", "feed r", "own k, error",
              "cells identified"]  # fmt: skip
    return markdown(header, rows) if rows else NOT_YET


def recovery(data: Data) -> str:
    return _recovered(data, [name for name in RECOVERY if name not in ("missing", "merged")])


def masks(data: Data) -> str:
    return _recovered(data, ["missing", "merged"])


def spikes(data: Data) -> str:
    return _recovered(data, list(SPIKES))


def coverage(data: Data) -> str:
    rows = []
    for name in ("movie", "movie-fast", "traces", *SPIKES, *COVERAGE, "missing", "merged"):
        line = data.summary(name)
        if line is None:
            continue
        shares = [percent(line[key], 0) for key in ("covered", "sampled", "called", "inside", "honest")]
        width, sampled_width = percent(line["half_width"]), percent(line["sampled_half_width"])
        feed_width = number(line["feed_half_width"])
        cells = [percent(line["feed_covered"], 0), feed_width, percent(line["own_covered"], 0)]
        rows.append(
            [line["what"], str(line["cultures"]), shares[0], width, shares[1], sampled_width, *shares[2:], *cells]
        )
    header = ["cultures of", "n", "k held", "±, of k", "held by chance's", "±, of k", "called", "held, of called",
              "held or not called", "feed held", "±, of spread", "own k held"]  # fmt: skip
    return markdown(header, rows) if rows else NOT_YET


def anomalies(data: Data) -> str:
    rows = []
    for name in ANOMALIES:
        line = data.summary(name)
        if line is not None:
            counts = (line["found"], line["found_worst"], line["false"], line["false_worst"])
            rows.append([line["what"], str(line["cultures"]), *(f"{count:g}" for count in counts)])
    header = ["cultures of", "n", "found of 10, median", "worst", "others named, median", "worst"]
    return markdown(header, rows) if rows else NOT_YET


# PINN, null, solver, comparators


def _start(share: float) -> str:
    return "a third of k" if share < 1 else f"{share:g} times k"


def pinn(data: Data) -> str:
    table, rows = data.table("pinn.csv"), []
    if not len(table):
        return NOT_YET
    for (preset, start), part in table.groupby(["preset", "start"]):
        error, known = np.abs(part["ratio"] - 1), part["low"].notna()
        held = float(((part["low"] <= 1) & (part["high"] >= 1))[known].mean()) if known.any() else None
        rows.append(
            [preset, _start(start), str(len(part)), f"{part['ratio'].median():.3f}",
             between(part["ratio"].min(), part["ratio"].max()), percent(float(error.median())),
             percent(float(error.max())), percent(held, 0), f"{part['seconds'].median():.1f}"]
        )  # fmt: skip
    header = ["preset", "starts from", "n", "k̂ / k, median", "range", "error, median", "worst", "k held", "seconds"]
    return markdown(header, rows)


def _null_p(data: Data, column: str) -> list[tuple[float, Any]]:
    table = data.table("null.csv")
    return [] if not len(table) else [(float(k), part[column].to_numpy()) for k, part in table.groupby("k")]


def _uniform(p: Any) -> float:
    """Kolmogorov-Smirnov p of p-values against the uniform distribution."""
    from scipy.stats import kstest

    return float(kstest(p, "uniform").pvalue)


def null_model(data: Data) -> str:
    rows = []
    for name, column in (("coupling", "k_p"), ("synchrony", "sync_p")):
        for k, p in _null_p(data, column):
            ks = f"{_uniform(p):.2g}" if k == 0 else "-"
            rows.append([name, f"{k:g}", str(len(p)), ks, percent(float(np.mean(p < 0.01)), 1)])
    header = ["statistic", "true k (1/s)", "cultures", "KS p", "p < 0.01"]
    return markdown(header, rows) if rows else NOT_YET


def solver(data: Data) -> str:
    table = data.table("solver.csv")
    return "```text\n" + "\n".join(table["line"]) + "\n```" if len(table) else NOT_YET


def comparators(data: Data) -> str:
    table, parts = data.table("comparators.csv"), []
    if not len(table):
        return NOT_YET
    for k, group in table.groupby("k"):
        rows = []
        for method, title in METHODS.items():
            for row in group[group["method"] == method].to_dict("records"):
                quartiles = (
                    between(row["cells_low"], row["cells_high"], ".2f") if row["cells_low"] == row["cells_low"] else "-"
                )
                rows.append(
                    [title, str(row["cultures"]), f"{row['ratio_median']:.3f}",
                     between(row["ratio_low"], row["ratio_high"]), percent(row["error_median"]), quartiles,
                     f"{row['seconds']:.3g}"]
                )  # fmt: skip
        header = [
            f"k = {k:g} per second",
            "n",
            "k̂ / k, median",
            "range",
            "error, median",
            "own k / k, quartiles",
            "seconds",
        ]
        parts.append(markdown(header, rows))
    return "\n\n".join(parts)


def seconds(data: Data) -> str:
    table = data.table("seconds.csv")
    if not len(table):
        return NOT_YET
    rows = [[row["section"], f"{row['seconds'] / 60:.1f}"] for row in table.to_dict("records")]
    return markdown(["section (`--only`)", "minutes"], [*rows, ["all", f"{table['seconds'].sum() / 60:.1f}"]])


BLOCKS: dict[str, Callable[[Data], str]] = {
    "summary": summary,
    "recovery": recovery,
    "masks": masks,
    "spikes": spikes,
    "coverage": coverage,
    "pinn": pinn,
    "anomalies": anomalies,
    "null": null_model,
    "solver": solver,
    "comparators": comparators,
    "seconds": seconds,
}
