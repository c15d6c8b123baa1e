"""The pictures of docs/identification.md, from the results that benchmarks/page_runs.py keeps.

Each function of `PICTURES` draws one, or gives None where its section was not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from page_runs import COVERAGE, RECOVERY, SPIKES
from page_tables import Data

from calcigraph.pictures.style import (
    DOUBLE,
    FAINT,
    INK,
    PALE,
    SMALL,
    journal_style,
    letters,
    log_ticks,
    new_figure,
    place,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"robust": "#0072b2", "crlsm": "#d55e00", "pinn": "#009e73", "paper": "#cc79a7"}
MARKS = {"robust": "o", "crlsm": "^", "pinn": "s", "paper": "D"}
TITLES = {"robust": "robust", "crlsm": "crlsm, the paper's", "pinn": "pinn", "paper": "pinn, preset paper"}
COVERED = {"k_covered": ("k", "robust"), "feed_covered": ("feed", "pinn"), "own_covered": ("own k", "paper")}
DPI = 200
CLOSE = 8.0
"""Per cent: how far the near view reaches."""


def strip(axes: Axes, at: float, values: Any, kind: str, rng: np.random.Generator, wide: float = 0.22) -> None:
    """One mark a value, spread a little across."""
    across = at + rng.uniform(-wide, wide, len(values))
    axes.plot(
        values, across, MARKS[kind], color=COLOURS[kind], ms=2.6, mew=0.0, alpha=0.65, label=TITLES[kind], clip_on=False
    )


def legend(axes: Axes, **place: Any) -> None:
    handles, names = axes.get_legend_handles_labels()
    chosen = dict(zip(names, handles, strict=True))
    axes.legend(chosen.values(), chosen.keys(), markerscale=1.6, handletextpad=0.3, **place)


def ratio(data: Data) -> Figure | None:
    """k_hat / k of every culture by setting and method; at the right the robust one's error by itself."""
    table, trained = data.outcomes(), data.table("pinn.csv")
    names = [name for name in (*RECOVERY, *SPIKES) if len(table) and (table["setting"] == name).any()]
    if not names:
        return None
    height = 0.21 * len(names)
    figure, rng = new_figure(DOUBLE, height + 0.85), np.random.default_rng(0)
    far, near = place(figure, 2.05, 0.45, 2.55, height), place(figure, 4.85, 0.45, 2.25, height)
    for row, name in enumerate(names):
        for model in ("crlsm", "robust"):
            values = table[(table["setting"] == name) & (table["model"] == model)]["ratio"].to_numpy()
            strip(far, row, values, model, rng)
            if model == "robust":
                beyond = 100 * (values - 1)
                strip(near, row, np.clip(beyond, -CLOSE, CLOSE), model, rng)
        if name == "traces" and len(trained):
            for preset, kind in (("default", "pinn"), ("paper", "paper")):
                strip(far, row, trained[trained["preset"] == preset]["ratio"].to_numpy(), kind, rng)
    low = min(0.05, float(table["ratio"].min()))
    far.set_xscale("log")
    far.set_xlim(low / 1.2, 4)
    far.set_xticks(ticks := log_ticks(low, 4), [plain(tick) for tick in ticks])
    far.minorticks_off()
    far.set_xlabel("fitted $k$ / true $k$")
    near.set_xlim(-CLOSE * 1.05, CLOSE * 1.05)
    near.set_xlabel("error of robust (%)")
    for axes, truth in ((far, 1.0), (near, 0.0)):
        axes.axvline(truth, color=FAINT, lw=0.8, zorder=0)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), [])
        axes.tick_params(axis="y", length=0)
        axes.hlines(np.arange(len(names) - 1) + 0.5, 0, 1, color=PALE, lw=0.5, transform=axes.get_yaxis_transform())
    import accuracy_settings

    far.set_yticklabels([accuracy_settings.SETTINGS[name].what for name in names])
    legend(far, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncol=4)
    return figure


def coverage(data: Data) -> Figure | None:
    """Intervals of k of the calibrated setting, and how often intervals hold, by setting, with 95 % Wilson limits."""
    import accuracy_settings

    table = data.outcomes()
    if not len(table):
        return None
    table = table[table["model"] == "robust"]
    traces = table[table["setting"] == "traces"].sort_values("k")
    names = [name for name in ("movie", "movie-fast", "traces", *SPIKES, *COVERAGE, "missing", "merged")
             if (table["setting"] == name).any()]  # fmt: skip
    height = max(0.2 * len(names), 2.0)
    figure = new_figure(DOUBLE, height + 0.85)
    left, right = place(figure, 0.5, 0.45, 2.0, height), place(figure, 5.35, 0.45, 1.7, height)
    if len(traces):
        middle, half = 100 * (traces["ratio"].to_numpy() - 1), 100 * traces["k_half"].to_numpy()
        missed = traces["k_covered"].to_numpy() == 0
        for hit, colour in ((~missed, COLOURS["robust"]), (missed, COLOURS["crlsm"])):
            left.errorbar(
                np.flatnonzero(hit), middle[hit], half[hit], fmt="none", ecolor=colour, elinewidth=0.9,
                label=f"{'miss' if colour == COLOURS['crlsm'] else 'hold'} k: {hit.sum()}",
            )  # fmt: skip
        left.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncol=2)
        left.set_xlabel("cultures from traces, by their k")
        left.set_xticks([])
        left.set_xlim(-1, len(traces))
    left.axhline(0, color=FAINT, lw=0.8, zorder=0)
    left.set_ylabel("95 % interval of $k$ (% of $k$)")
    for row, name in enumerate(names):
        part = table[table["setting"] == name]
        for shift, (column, (title, kind)) in zip((-0.2, 0.0, 0.2), COVERED.items(), strict=True):
            known = part[column].dropna()
            if len(known):
                colour = COLOURS[kind]
                right.plot(
                    100 * known.mean(),
                    row + shift,
                    MARKS[kind],
                    color=colour,
                    ms=3.2,
                    mew=0,
                    clip_on=False,
                    label=title,
                )
            if len(known) and column == "k_covered":
                low, high = wilson(known.sum(), len(known))
                right.hlines(row + shift, 100 * low, 100 * high, color=COLOURS[kind], lw=0.8)
        text = f"{accuracy_settings.SETTINGS[name].what} ({100 * (part['called'] == 1).mean():.0f} % called)"
        right.text(-0.03, row, text, transform=right.get_yaxis_transform(), ha="right", va="center", size=SMALL)
    right.axvline(95, color=FAINT, lw=0.8, zorder=0)
    right.set_xlim(0, 102)
    right.set_ylim(len(names) - 0.4, -0.6)
    right.set_yticks([])
    right.set_xlabel("intervals that hold the truth (%)")
    legend(right, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncol=3)
    letters([left])
    return figure


def wilson(held: float, count: int) -> tuple[float, float]:
    """95 % limits of a share."""
    z, share = 1.96, held / count
    middle, half = share + z**2 / (2 * count), z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return float((middle - half) / (1 + z**2 / count)), float((middle + half) / (1 + z**2 / count))


def pinn(data: Data) -> Figure | None:
    """The path of k while the network trains, from a third and from three times the truth."""
    paths = data.table("pinn_paths.csv")
    if not len(paths):
        return None
    figure = new_figure(DOUBLE, 2.5)
    panels = [place(figure, left, 0.45, 2.95, 1.75) for left in (0.6, 4.1)]
    for axes, (preset, kind) in zip(panels, (("default", "pinn"), ("paper", "paper")), strict=True):
        for (_, start), path in paths[paths["preset"] == preset].groupby(["seed", "start"]):
            axes.plot(path["epoch"], path["ratio"], color=COLOURS[kind], lw=1.0, ls="-" if start < 1 else "--")
        axes.axhline(1, color=FAINT, lw=0.8, zorder=0)
        axes.set_yscale("log")
        axes.set_ylim(0.05, 6)
        axes.set_yticks(ticks := [0.1, 1 / 3, 1, 3], [f"{tick:.2g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("epoch")
        axes.set_title("default" if preset == "default" else "preset paper", loc="left")
    panels[0].set_ylabel("$k$ in training / true $k$")
    for ls, name in (("-", "starts from a third"), ("--", "from three times the truth")):
        panels[0].plot([], [], color=INK, lw=1.0, ls=ls, label=name)
    panels[0].legend(loc="upper right")
    letters(panels)
    return figure


def null_model(data: Data) -> Figure | None:
    """Histograms of the null's p-values without coupling, and their distribution functions with and without."""
    table = data.table("null.csv")
    if not len(table):
        return None
    figure = new_figure(DOUBLE, 2.4)
    panels = [place(figure, 0.5 + 2.35 * number, 0.45, 1.85, 1.45) for number in range(3)]
    without = table[table["k"] == 0]
    for axes, (name, column) in zip(panels, (("coupling", "k_p"), ("synchrony", "sync_p")), strict=False):
        axes.hist(without[column], np.linspace(0, 1, 11), color=COLOURS["robust"], ec="white", lw=0.5)
        axes.axhline(len(without) / 10, color=INK, lw=0.8, ls="--")
        axes.set_xlabel(f"null p of {name}, true $k$ = 0")
        axes.set_ylabel("cultures")
        axes.set_xlim(0, 1)
    for k, part in table.groupby("k"):
        for column, ls in (("k_p", "-"), ("sync_p", "--")):
            p, colour = np.sort(part[column]), COLOURS["robust" if k == 0 else "crlsm"]
            share = np.arange(1, len(p) + 1) / len(p)
            panels[2].step([0, *p, 1], [0, *share, 1], where="post", color=colour, ls=ls, lw=1.0)
        panels[2].plot([], [], color=COLOURS["robust" if k == 0 else "crlsm"], label=f"true $k$ = {k:g}")
    for ls, name in (("-", "coupling"), ("--", "synchrony")):
        panels[2].plot([], [], color=INK, lw=1.0, ls=ls, label=name)
    panels[2].plot([0, 1], [0, 1], color=FAINT, lw=0.8, zorder=0)
    panels[2].set_xlim(0, 1)
    panels[2].set_ylim(0, 1.02)
    panels[2].set_xlabel("null p")
    panels[2].set_ylabel("share of cultures below")
    panels[2].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncol=2)
    letters(panels)
    return figure


PICTURES: dict[str, Callable[[Data], Any]] = {
    "ratio": ratio,
    "coverage": coverage,
    "pinn": pinn,
    "null": null_model,
}


def draw(data: Data, folder: Path, pictures: Mapping[str, Callable[[Data], Any]]) -> None:
    """Every picture that there are results for, as PNG."""
    for name, picture in pictures.items():
        with journal_style():
            figure = picture(data)
            if figure is not None:
                figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
