"""What benchmarks/axes.py says of each line: a summary, what is wrong with it in words, and the tables of the page.

A line fails if a culture without coupling is called `identified`; if fewer than 90 % of its intervals hold k; if k is
off by more than is asked, in the median of the cultures called `identified`; or if the null's p is not uniform although
neighbours have nothing in common. With continuous activity k is asked to be right in the median whatever the word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas
from axes import DEFAULT_MODEL, FAILED, MODELS
from axes_lines import ERROR, LINES, Line
from page_tables import NOT_YET, Data, between, markdown, number, percent

from calcigraph.store.types import FloatArray

FILE = "axes.csv"
HELD = 0.9
"""Least share of intervals that hold k."""
KS = 0.01
"""Least p of the Kolmogorov-Smirnov test of the null's p against uniform."""
WORDS = ("identified", "weak", "not identified")


@dataclass(frozen=True)
class Told:
    """One line as one model sees it, over its cultures."""

    line: Line
    model: str
    cultures: int
    middle: float
    """Median of k_hat / k, NaN without coupling; `low` and `high` are its quartiles."""
    low: float
    high: float
    k_hat: float
    """Median, 1/s."""
    half: float
    """Median half-width of the interval, 1/s without coupling, else as a share of k."""
    words: tuple[int, int, int]
    """Cultures of each of WORDS."""
    refused: int
    """Cultures that the model does not fit."""
    held: int
    intervals: int
    """How many intervals hold k, of how many."""
    astray: int
    """Cultures called `identified` whose interval does not hold k."""
    error: float
    """Median error of k where it is called `identified`, as a share of k; NaN where it never is."""
    handed_over: float | None
    """Share of the fits in which another estimator answered; None where fits do not record it."""
    ks: tuple[float, float]
    """KS p of the null's p of k, and of synchrony."""
    small: tuple[float, float]
    """Shares of those p at most 0.05."""

    def faults(self) -> Iterator[str]:
        """What is wrong, in words, the worst first."""
        if not self.line.coupled and self.words[0]:
            yield f"k is called `identified` in {self.words[0]} of {self.cultures} cultures, and there is no coupling"
        if self.intervals and self.held < HELD * self.intervals:
            called = f" ({self.astray} of the others called `identified`)" if self.astray else ""
            yield f"the interval holds k in {self.held} of {self.intervals} cultures{called}"
        most = self.line.most if self.model == DEFAULT_MODEL else ERROR
        if self.error > most:
            called = f"{self.words[0]} of {self.cultures}"
            asked = f"{100 * most:g}\u00a0%"
            yield f"where `identified` ({called}), k is off by {percent(self.error)} in the median (asked: {asked})"
        if self.line.whatever_word and abs(self.middle - 1) > ERROR:
            yield f"k̂ / k is {self.middle:.2f} in the median (asked: 0.95 to 1.05)"
        if self.line.coupled or self.line.shares:
            return
        for name, p in zip(("k", "synchrony"), self.ks, strict=True):
            if p <= KS:
                yield f"the null's p of {name} is not uniform (KS p {p:.2g}), although neighbours share nothing"

    @property
    def estimator(self) -> str:
        return "-" if self.handed_over is None else percent(self.handed_over, 0)


def summaries(table: pandas.DataFrame, model: str) -> list[Told]:
    """What the model tells. Lines that fail come first, those before others that are wrong and called `identified`."""
    parts = dict(iter(table[table["model"] == model].groupby("line"))) if len(table) else {}
    found = [summary(line, model, parts[name]) for name, line in LINES.items() if name in parts]
    return sorted(found, key=lambda one: (not any(one.faults()), -one.astray / one.cultures))


def summary(line: Line, model: str, part: pandas.DataFrame) -> Told:
    unit = part["k"].to_numpy() if line.coupled else np.ones(len(part))
    k, k_hat, low, high = (part[name].to_numpy(dtype=float) for name in ("k", "k_hat", "low", "high"))
    called = (part["word"] == WORDS[0]).to_numpy()
    ratio = k_hat / unit if line.coupled else np.full(len(part), np.nan)
    known = np.isfinite(low) & np.isfinite(high)
    held = known & (low <= k) & (k <= high)
    answered = part["estimator"].dropna()
    p = [part[name].dropna().to_numpy(dtype=float) for name in ("k_p", "sync_p")]
    return Told(
        line=line,
        model=model,
        cultures=len(part),
        middle=quantile(ratio, 0.5),
        low=quantile(ratio, 0.25),
        high=quantile(ratio, 0.75),
        k_hat=quantile(k_hat, 0.5),
        half=quantile((high - low) / 2 / unit, 0.5),
        words=tuple(int((part["word"] == word).sum()) for word in WORDS),
        refused=int((part["word"] == FAILED).sum()),
        held=int(held.sum()),
        intervals=int(known.sum()),
        astray=int((called & known & ~held).sum()),
        error=quantile(np.abs(ratio[called] - 1), 0.5),
        handed_over=float((answered != model).mean()) if len(answered) else None,
        ks=(uniform(p[0]), uniform(p[1])),
        small=(share(p[0]), share(p[1])),
    )


def quantile(values: FloatArray, at: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, at)) if len(known) else float("nan")


def uniform(p: FloatArray) -> float:
    """KS p of these p against the uniform distribution; NaN without any."""
    from scipy.stats import kstest

    return float(kstest(p, "uniform").pvalue) if len(p) else float("nan")


def share(p: FloatArray) -> float:
    return float((p <= 0.05).mean()) if len(p) else float("nan")


# The page


def failures(data: Data) -> str:
    """Every line that fails, in words, and how many do not."""
    table = data.table(FILE)
    if not len(table):
        return NOT_YET
    parts = []
    for model in MODELS:
        found = summaries(table, model)
        rows = [[one.line.what, "; ".join(faults)] for one in found if (faults := list(one.faults()))]
        most = int(table.groupby("line")["culture"].nunique().min())
        head = f"**{title(model)}** fails in {len(rows)} of {len(found)} lines of {most} cultures each"
        parts.append(f"{head}.\n\n{markdown(['cultures', 'what is wrong'], rows)}" if rows else f"{head}.")
    few = "" if most >= 20 else f"\n\n*Only {most} cultures a line were measured, so shares are rough.*"
    return "\n\n".join(parts) + few


def title(model: str) -> str:
    return f"The default model (`{model}`)" if model == DEFAULT_MODEL else f"`{model}` by itself"


def coupled(model: str) -> Callable[[Data], str]:
    """The table of the lines with coupling."""
    return lambda data: of_model(data, model, True)


def without(model: str) -> Callable[[Data], str]:
    """The table of the lines without coupling."""
    return lambda data: of_model(data, model, False)


def of_model(data: Data, model: str, coupling: bool) -> str:
    found = [one for one in summaries(data.table(FILE), model) if one.line.coupled == coupling]
    if not found:
        return NOT_YET
    header, row = (COUPLED, coupled_row) if coupling else (WITHOUT, without_row)
    shown = [at for at, name in enumerate(header) if name != HANDED or model == DEFAULT_MODEL]
    rows = [[cells[at] for at in shown] for cells in map(row, found)]
    return markdown([header[at] for at in shown], rows)


HANDED = "handed over"
COUPLED = ("cultures", "n", "k̂ / k, median", "quartiles", "half-width / k", "identified / weak / not", "holds k",
           "identified, and k outside", HANDED, "in order")  # fmt: skip
WITHOUT = ("cultures", "n", "k̂ (1/1000 s)", "half-width", "identified / weak / not", "holds 0", HANDED,
           "KS p of k, synchrony", "p ≤ 0.05", "in order")  # fmt: skip


def coupled_row(one: Told) -> list[str]:
    spread = between(one.low, one.high, ".2f") if np.isfinite(one.low) else "-"
    return [one.line.what, f"{one.cultures}", number(one.middle, ".3f"), spread, percent(one.half), words(one),
            holds(one), f"{one.astray}", one.estimator, verdict(one)]  # fmt: skip


def without_row(one: Told) -> list[str]:
    told = one.line.what.removeprefix("k = 0, ") + (" (neighbours share)" if one.line.shares else "")
    both = ", ".join(number(p, ".2g") for p in one.ks)
    small = ", ".join(percent(value, 0) for value in one.small)
    return [told, f"{one.cultures}", number(1e3 * one.k_hat), number(1e3 * one.half), words(one), holds(one),
            one.estimator, both, small, verdict(one)]  # fmt: skip


def words(one: Told) -> str:
    refused = f" ({one.refused} refused)" if one.refused else ""
    return "/".join(str(count) for count in one.words) + refused


def holds(one: Told) -> str:
    return percent(one.held / one.intervals, 0) if one.intervals else "-"


def verdict(one: Told) -> str:
    return "**no**" if any(one.faults()) else "yes"


BLOCKS: dict[str, Callable[[Data], str]] = {
    "axes_failures": failures,
    "axes": coupled(DEFAULT_MODEL),
    "axes_without": without(DEFAULT_MODEL),
    "axes_decorrelation": coupled("decorrelation"),
    "axes_decorrelation_without": without("decorrelation"),
}


def told(table: pandas.DataFrame) -> str:
    """The summaries as text, for a terminal."""
    lines = []
    for model in MODELS:
        lines.append(
            f"\n{model}\n{'':58}{'n':>3}{'k^/k':>8}{'half':>9}{'id/weak/not':>13}{'holds':>7}{'other':>7}{'s':>6}"
        )
        for one in summaries(table, model):
            part = table[(table["line"] == one.line.name) & (table["model"] == model)]
            value = f"{one.middle:8.3f}" if one.line.coupled else f"{1e3 * one.k_hat:7.2f}m"
            half = f"{one.half:9.2%}" if one.line.coupled else f"{1e3 * one.half:8.2f}m"
            lines.append(
                f"{one.line.what[:57]:58}{one.cultures:3d}{value}{half}{words(one):>13}{holds(one):>7}"
                f"{one.estimator:>7}{part['seconds'].mean():6.1f}  {'; '.join(one.faults()) or 'in order'}"
            )
    return "\n".join(lines)
