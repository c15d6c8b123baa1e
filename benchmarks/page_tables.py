"""The tables of docs/identification.md, as Markdown, from the results that benchmarks/page_runs.py keeps.

Each function of `BLOCKS` makes one block of the page; `claims` holds what was asked beside what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import accuracy
import numpy as np
import pandas
from page_runs import ANOMALIES, COVERAGE, RECOVERY, SPIKES, VARIANTS

NOT_YET = "*Not measured yet: `make identification`.*"
NO_RECORDINGS = "*Not measured: no recordings; set `CALCIGRAPH_TEST_DATA` to the folder that holds `lymph_gland`.*"
CONDITIONS = {
    "mid_third_wild_type": "wild type",
    "mid_third_zpg_RNAi": "zpg RNAi",
    "cbx_inhibitor_12.5": "blocker",
    "cbx_inhibitor_washout": "washout",
}
CHANCE = 0.05
ORDER = ("mid_third_wild_type", "mid_third_zpg_RNAi", "cbx_inhibitor_12.5")
"""From most to least coupled by gap junctions."""
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
        outcomes = [accuracy.Outcome(**row) for row in chosen[columns].to_dict("records")]
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
    ("cellpose", "error", "median error of k", "<=", 0.03),
    ("traces", "error", "median error of k", "<=", 0.002),
    ("spiky-slow", "error", "median error of k", "<=", 0.01),
    ("spiky-fast", "error", "median error of k", "<=", 0.04),
    *((name, "error", "median error of k", "<=", 0.02) for name in TAILS),
    *((name, "inside", "intervals that hold k, of those called", ">=", 0.9) for name in TAILS),
    *((name, "called", "cultures called `identified`", ">=", 0.5) for name in TAILS),
    ("traces", "covered", "intervals that hold k", ">=", 0.9),
    ("traces", "half_width", "half-width of the interval over k", "<=", 0.01),
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
        what = f"{accuracy.SETTINGS[setting].what}: {what}"
        result.append(Claim(what, asked, None if value is None else form(value), holds))
    return [*result, *_pinn_claims(data), *_null_claims(data), *_gland_claims(data), *_solver_claims(data)]


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


def _gland_claims(data: Data) -> list[Claim]:
    medians = _gland_medians(data, "as recorded")
    if not medians:
        return []
    values = [medians[name] for name in ORDER if name in medians]
    holds = len(values) == len(ORDER) and bool(np.all(np.diff(values) < 0))
    told = " > ".join(f"{value:.4f}" for value in values)
    return [Claim("lymph gland: synchrony, wild type > zpg RNAi > blocker", "this order", told, holds)]


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
        shares = [percent(line[key], 0) for key in ("covered", "called", "inside", "honest")]
        width, feed_width = percent(line["half_width"]), number(line["feed_half_width"])
        cells = [percent(line["feed_covered"], 0), feed_width, percent(line["own_covered"], 0)]
        rows.append([line["what"], str(line["cultures"]), shares[0], width, *shares[1:], *cells])
    header = ["cultures of", "n", "k held", "±, of k", "called", "held, of called", "held or not called", "feed held",
              "±, of spread", "own k held"]  # fmt: skip
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


# PINN, null, gland, solver, comparators


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


def condition(name: str) -> str:
    return CONDITIONS.get(name, name.replace("_", " "))


def _gland_medians(data: Data, variant: str) -> dict[str, float]:
    table = data.table("gland_variants.csv")
    if not len(table):
        return {}
    chosen = table[table["variant"] == variant]
    return {str(name): float(part["synchrony"].median()) for name, part in chosen.groupby("condition")}


def gland(data: Data) -> str:
    table = data.table("gland.csv")
    if not len(table):
        return NO_RECORDINGS
    rows = []
    for name in conditions(table):
        for row in table[table["condition"] == name].to_dict("records"):
            synchrony = row["null_sync"] - row["null_sync_mean"]
            interval = between(1e3 * row["k_low"], 1e3 * row["k_high"], ".2f")
            rows.append(
                [row["recording"].replace("_", " "), condition(name), f"{row['inner_cells']}",
                 f"{row['frame_interval_s']:.2f}", f"{synchrony:.4f}", f"{row['null_sync_p']:.2g}",
                 f"{1e3 * row['k']:.2f}", interval, f"{row['null_k_p']:.2g}", row["called"],
                 f"{row['crlsm_k'] * row['frame_interval_s']:.2f}"]
            )  # fmt: skip
    header = ["recording", "condition", "inner cells", "s a frame", "synchrony", "its p", "k (1/1000 s)", "interval",
              "null p of k", "k is", "crlsm, k × interval"]  # fmt: skip
    told = int((table["null_k_p"] <= CHANCE).sum())
    return (
        f"{markdown(header, rows)}\n\nNeighbours share more than a smooth drive gives (p at most {CHANCE:g}) by k in "
        f"{told} of {len(table)} recordings, by synchrony in {int((table['null_sync_p'] <= CHANCE).sum())}."
    )


def conditions(table: pandas.DataFrame) -> list[str]:
    """Those of a table: the known ones in their order, then others."""
    there = set(table["condition"])
    return [name for name in CONDITIONS if name in there] + sorted(there - set(CONDITIONS))


def gland_variants(data: Data) -> str:
    table = data.table("gland_variants.csv")
    if not len(table):
        return ""
    names, rows = conditions(table), []
    for variant in VARIANTS:
        medians = _gland_medians(data, variant)
        values = [medians[name] for name in ORDER if name in medians]
        kept = "yes" if len(values) == len(ORDER) and np.all(np.diff(values) < 0) else "no"
        rows.append([variant, *(number(medians.get(name), ".4f") for name in names), kept])
    return markdown(["median synchrony", *map(condition, names), "wild type > RNAi > blocker"], rows)


def gland_comparison(data: Data) -> str:
    """What `compare` says of synchrony; notes that stand in every row once, below."""
    table = data.table("gland_comparison.csv")
    if not len(table):
        return ""
    notes = [str(note).split("; ") for note in table["note"]]
    common = [part for part in notes[0] if all(part in others for others in notes)]
    rows = []
    for row, parts in zip(table.to_dict("records"), notes, strict=True):
        p = "-" if np.isnan(row["p"]) else f"{row['p']:.2g}"
        medians = f"{row['median_a']:.4f}, {row['median_b']:.4f}"
        said = "; ".join(part for part in parts if part not in common)
        a, b = condition(row["group_a"]), condition(row["group_b"])
        rows.append([f"{a}, {b}", f"{row['n_a']}, {row['n_b']}", medians, p, said])
    below = f"\n\nOf all: {'; '.join(common)}." if common else ""
    return markdown(["groups", "recordings", "medians", "p", "note"], rows) + below


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
    "gland": gland,
    "gland_variants": gland_variants,
    "gland_comparison": gland_comparison,
    "solver": solver,
    "comparators": comparators,
    "seconds": seconds,
}
