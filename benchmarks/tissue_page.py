"""Tables and picture of docs/tissue.md, from the fits that benchmarks/tissue.py keeps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas
from tissue import AS_RECORDED, EXCHANGED, LOGARITHM, RELATIVE, WAYS

from calcigraph.pictures.style import DOUBLE, FAINT, INK, SMALL, journal_style, letters, new_figure, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tissue.md"
FOLDER = PAGE.with_suffix("")
CONDITIONS = {
    "mid_third_wild_type": "wild type",
    "mid_third_zpg_RNAi": "zpg RNAi",
    "cbx_inhibitor_12.5": "blocker",
    "cbx_inhibitor_washout": "washout",
}
ORDER = ("mid_third_wild_type", "mid_third_zpg_RNAi", "cbx_inhibitor_12.5")
"""From most to least coupled by gap junctions."""
CHANCE = 0.05
AT_LIMIT = 0.99
"""Times 1 / frame interval: a leak from here on is as large as a fit allows."""
NARROW = 0.02
"""Half-width over k below which an interval is too good to be true for so few noisy cells."""
WORDS = ("identified", "weak", "not identified", "no fit")
COLOURS = {"identified": "#d55e00", "weak": "#e69f00", "not identified": "#0072b2"}
LEAST_ADDED = 0.01
"""1/s: from here on added coupling is found in every recording."""
FARTHEST = 80.0
"""1/1000 s: marks beyond stand at the rim."""
DPI = 200


def condition(name: str) -> str:
    return CONDITIONS.get(name, name.replace("_", " "))


def conditions(table: pandas.DataFrame) -> list[str]:
    """Those of a table: the known ones in their order, then others."""
    there = set(table["condition"])
    return [name for name in CONDITIONS if name in there] + sorted(there - set(CONDITIONS))


def markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def of(table: pandas.DataFrame, way: str) -> pandas.DataFrame:
    """The fits of one way, by condition."""
    part = table[(table["way"] == way) & table["word"].notna()]
    order = {name: at for at, name in enumerate(conditions(table))}
    return part.sort_values("condition", key=lambda names: names.map(order), kind="stable")


def thousandth(value: float) -> str:
    """A rate in 1/1000 s."""
    return "-" if np.isnan(value) else f"{1e3 * value:.2f}" if value < 0.1 else f"{1e3 * value:.0f}"


def probability(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def each(way: str) -> Callable[[pandas.DataFrame], str]:
    """One row a recording, by condition."""

    def block(table: pandas.DataFrame) -> str:
        header = ["recording", "condition", "cells, inner", "frames", "s a frame", "k", "95 % interval", "word",
                  "answered by", "leak", "p of k", "synchrony", "p of synchrony"]  # fmt: skip
        rows = [
            [row["recording"].replace("_", " "), condition(row["condition"]),
             f"{row['cells']:.0f}, {row['inner_cells']:.0f}", f"{row['frames']:.0f}", f"{row['frame_interval_s']:.2f}",
             thousandth(row["k"]), f"{thousandth(row['k_low'])} to {thousandth(row['k_high'])}", row["word"],
             str(row["estimator"]), thousandth(row["leak"]) if row["leak"] else "-", probability(row["k_p"]),
             f"{row['synchrony']:.4f}", probability(row["sync_p"])]
            for row in of(table, way).to_dict("records")
        ]  # fmt: skip
        return markdown(header, rows) + "\n\nk and leak in 1/1000 per second."

    return block


def ways(table: pandas.DataFrame) -> str:
    """One row a way to look at the recordings."""
    rows = []
    for way in WAYS:
        part = of(table, way.name)
        if way.planted or not len(part):
            continue
        words = "/".join(str(int((part["word"] == word).sum())) for word in WORDS)
        k = part["k"].dropna()
        medians = [part[part["condition"] == name]["synchrony"].median() for name in conditions(table)]
        rows.append(
            [way.name, words, f"{thousandth(k.median())} ({thousandth(k.min())} to {thousandth(k.max())})",
             f"{int(limited(part).sum())}", f"{int((part['k_p'] <= CHANCE).sum())}",
             f"{int((part['sync_p'] <= CHANCE).sum())}", *(f"{value:.4f}" for value in medians), ordered(part)]
        )  # fmt: skip
    names = [f"synchrony, {condition(name)}" for name in conditions(table)]
    header = ["looked at", "identified/weak/not/no fit", "k, median (range)", "leak at its limit", "p of k ≤ 0.05",
              "p of synchrony ≤ 0.05", *names, "wild type > RNAi > blocker"]  # fmt: skip
    return markdown(header, rows) + "\n\nk in 1/1000 per second; synchrony is the median over recordings."


def ordered(part: pandas.DataFrame) -> str:
    values = [part[part["condition"] == name]["synchrony"].median() for name in ORDER]
    if np.isnan(values).any():
        return "-"
    return "yes" if np.all(np.diff(values) < 0) else "no"


def limited(part: pandas.DataFrame) -> pandas.Series:
    """Whether the leak is as large as a fit allows, what is gone within a frame."""
    return part["leak"] * part["frame_interval_s"] >= AT_LIMIT


def planted(table: pandas.DataFrame) -> str:
    """What fits say where coupling is added."""
    rows = []
    for way in WAYS:
        part = of(table, way.name)
        if not len(part) or not (way.planted or way.name in (AS_RECORDED, EXCHANGED)):
            continue
        holds = ((part["k_low"] <= way.planted) & (part["k_high"] >= way.planted)).sum() if way.planted else None
        words = "/".join(str(int((part["word"] == word).sum())) for word in WORDS)
        rows.append(
            [way.name, f"{thousandth(part['k'].median())}", words, "-" if holds is None else f"{holds} of {len(part)}",
             f"{int(limited(part).sum())}", f"{int((part['k_p'] <= CHANCE).sum())} of {len(part)}",
             f"{int((part['sync_p'] <= CHANCE).sum())} of {len(part)}", f"{part['synchrony'].median():.4f}"]
        )  # fmt: skip
    header = ["recordings", "k, median", "identified/weak/not/no fit", "interval holds what was added",
              "leak at its limit", "p of k ≤ 0.05", "p of synchrony ≤ 0.05", "synchrony, median"]  # fmt: skip
    return markdown(header, rows) + "\n\nk in 1/1000 per second."


def excess(table: pandas.DataFrame) -> str:
    """What fits find beyond the coupling that was added, a column for each strength."""
    added = [way for way in WAYS if way.planted and way.planted >= LEAST_ADDED]
    parts = {way.name: of(table, way.name).set_index("recording") for way in added}
    rows = []
    for name, first in parts[added[0].name].iterrows():
        row = [str(name).replace("_", " "), condition(first["condition"])]
        for way in added:
            part = parts[way.name].loc[name]
            k, low, high = (1e3 * (part[column] - way.planted) for column in ("k", "k_low", "k_high"))
            row += [f"{k:+.2f} ({low:+.2f} to {high:+.2f})", str(part["estimator"])]
        rows.append(row)
    header = ["recording", "condition"]
    for way in added:
        header += [way.name.removeprefix("coupling of "), "answered by"]
    return markdown(header, rows) + "\n\nk less what was added, with its interval, in 1/1000 per second."


def surrogates(table: pandas.DataFrame) -> str:
    """How often the null is small where there is no coupling."""
    from scipy.stats import kstest

    nulls = pandas.read_csv(FOLDER / "nulls.csv")
    rows = []
    for (kind, scale), part in nulls.groupby(["surrogate", "scale"], sort=False):
        row = [kind, scale, f"{len(part)}"]
        for column in ("k_p", "sync_p"):
            p = part[column]
            row += [f"{100 * (p <= CHANCE).mean():.1f} %", f"{kstest(p, 'uniform').pvalue:.2g}"]
        rows.append(row)
    header = ["surrogates", "traces", "n", "p of k ≤ 0.05", "KS p", "p of synchrony ≤ 0.05", "KS p"]
    return markdown(header, rows)


def failures(table: pandas.DataFrame) -> str:
    """What cannot be right, of the fits without added coupling."""
    own = table[(table["planted"] == 0) & table["k"].notna()]
    half = np.maximum(own["k_high"] - own["k"], own["k"] - own["k_low"])
    narrow = own[(own["k"] > 0) & (half < NARROW * own["k"])]
    at_limit = own[limited(own)]
    claimed = own[own["word"] == "identified"]
    apart = of(own, EXCHANGED)
    called = apart[apart["word"] != "not identified"]
    added = table[(table["planted"] > 0) & table["k"].notna()]
    below = added[added["k_high"] < added["planted"]]
    lines = [
        f"* In {len(at_limit)} of {len(own)} fits the leak is as large as a fit allows: calcium is said to be gone "
        "within a frame. No pump is so fast. It is what noise of the camera looks like.",
        f"* In {len(narrow)} fits the interval of k is narrower than 2 % of k on either side"
        + (f", for example {example(narrow)}" if len(narrow) else "")
        + (f". In {int(limited(narrow).sum())} of them the leak is at its limit." if len(narrow) else "."),
        f"* {len(claimed) or 'No'} fits call k `identified`"
        + (f", for example {example(claimed)}." if len(claimed) else "."),
        f"* With cells exchanged, k is called `identified` or `weak` in {len(called)} of {len(apart)} recordings.",
        f"* Where coupling was added ([below](#could-the-fits-have-seen-coupling)), the interval lies below it in "
        f"{len(below)} of {len(added)} fits, which cannot be right.",
    ]
    return "\n".join(lines)


def example(part: pandas.DataFrame) -> str:
    row = part.iloc[0]
    name = f"{row['recording'].replace('_', ' ')}, {row['way']}"
    return f"{thousandth(row['k_low'])} to {thousandth(row['k_high'])} ({name})"


def picture(table: pandas.DataFrame) -> Figure:
    """k with intervals by condition beside synchrony, from brightness as recorded and from its logarithm."""
    figure = new_figure(DOUBLE, 5.3)
    panels = []
    for row, way in enumerate((AS_RECORDED, LOGARITHM)):
        bottom = 3.15 - 2.6 * row
        part = of(table, way)
        for column, draw in enumerate((draw_k, draw_synchrony)):
            axes = place(figure, 0.75 + 3.6 * column, bottom, 2.7, 1.75)
            draw(axes, part, conditions(table))
            if column == 0:
                axes.set_title(way, loc="left", size=SMALL + 1)
            panels.append(axes)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncol=3, handletextpad=0.1, columnspacing=0.8)
    panels[1].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncol=2, handletextpad=0.1, columnspacing=0.8)
    letters(panels)
    return figure


def across(part: pandas.DataFrame, names: list[str]) -> np.ndarray:
    """Where each recording stands: beside others of its condition."""
    at = np.zeros(len(part))
    for number, name in enumerate(names):
        rows = np.flatnonzero((part["condition"] == name).to_numpy())
        at[rows] = number + np.linspace(-0.27, 0.27, len(rows)) * (len(rows) > 1)
    return at


def draw_k(axes: Axes, part: pandas.DataFrame, names: list[str]) -> None:
    at = across(part, names)
    k, low, high = (1e3 * part[name].to_numpy(dtype=float) for name in ("k", "k_low", "k_high"))
    noise = limited(part).to_numpy()
    for word, colour in COLOURS.items():
        rows = (part["word"] == word).to_numpy()
        axes.vlines(at[rows], np.clip(low[rows], 0, FARTHEST), np.clip(high[rows], 0, FARTHEST), color=colour, lw=1.0)
        for chosen, fill in ((rows & ~noise, colour), (rows & noise, "white")):
            axes.plot(at[chosen], np.clip(k[chosen], 0, FARTHEST), "o", color=colour, mfc=fill, ms=3.8, clip_on=False)
        beyond = rows & (high > FARTHEST)
        axes.plot(at[beyond], np.full(beyond.sum(), FARTHEST), "^", color=colour, ms=4.2, mew=0, clip_on=False)
        if rows.any():
            axes.plot([], [], "o", color=colour, ms=3.8, label=word)
    axes.plot([], [], "o", color=INK, mfc="white", ms=3.8, label="leak at its limit")
    axes.set_yscale("symlog", linthresh=1.0, linscale=0.8)
    axes.set_ylim(-0.08, FARTHEST)
    axes.set_yticks([0, 0.5, 1, 10, FARTHEST], ["0", "0.5", "1", "10", f"{FARTHEST:g}"])
    axes.minorticks_off()
    axes.set_ylabel("$k$ (1/1000 s)")
    label_conditions(axes, names)


def draw_synchrony(axes: Axes, part: pandas.DataFrame, names: list[str]) -> None:
    at, values = across(part, names), part["synchrony"].to_numpy(dtype=float)
    told = (part["sync_p"] <= CHANCE).to_numpy()
    for chosen, fill, name in ((told, INK, "p ≤ 0.05"), (~told, "white", "p > 0.05")):
        axes.plot(at[chosen], values[chosen], "o", color=INK, mfc=fill, ms=3.8, label=name)
    for number, name in enumerate(names):
        own = values[(part["condition"] == name).to_numpy()]
        if len(own) > 1:
            axes.hlines(np.median(own), number - 0.36, number + 0.36, color="#0072b2", lw=1.0, zorder=0)
    axes.axhline(0, color=FAINT, lw=0.8, zorder=-1)
    axes.set_ylim(min(0.0, values.min()) - 0.003, 0.034)
    axes.set_ylabel("synchrony without\na smooth drive")
    label_conditions(axes, names)


def label_conditions(axes: Axes, names: list[str]) -> None:
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(range(len(names)), [condition(name) for name in names])


BLOCKS: dict[str, Callable[[pandas.DataFrame], str]] = {
    "failures": failures,
    "recorded": each(AS_RECORDED),
    "logarithm": each(LOGARITHM),
    "relative": each(RELATIVE),
    "ways": ways,
    "planted": planted,
    "excess": excess,
    "surrogates": surrogates,
}


def write() -> None:
    """The page's blocks and its picture, made anew."""
    table = pandas.read_csv(FOLDER / "fits.csv", keep_default_na=False, na_values=[""])
    with journal_style():
        picture(table).savefig(FOLDER / "tissue.png", dpi=DPI, metadata={"Software": None})
    text = PAGE.read_text(encoding="utf-8")
    for name, block in BLOCKS.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            sys.exit(f"{PAGE.name} has no place, or several, for the block {name}: write its two markers once")
        made = block(table)
        text = pattern.sub(lambda found, made=made: f"{found[1]}{made}\n{found[2]}", text)
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE.name}")
