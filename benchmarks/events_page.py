"""Tables of docs/events.md, from what the benchmarks of events and waves keep in docs/events: part of `make events`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas
from tissue_page import condition, conditions, markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "events.md"
FOLDER = PAGE.with_suffix("")
Write = Callable[[float], str]


def number(digits: int, unit: str = "", factor: float = 1.0) -> Write:
    """Writes a number with so many digits after the point, and a unit; "-" for none."""

    def write(value: float) -> str:
        return "-" if pandas.isna(value) else f"{factor * value:.{digits}f}{unit}"

    return write


PERCENT, COUNT, TWO, THREE = number(0, " %", 100), number(0), number(2), number(3)


def table(name: str) -> pandas.DataFrame:
    return pandas.read_csv(FOLDER / f"{name}.csv")


def listed(data: pandas.DataFrame, columns: dict[str, tuple[str, Write | None]]) -> str:
    """A row of text for each row of a table; `columns` have their headers, and how numbers are written."""
    rows = [
        [str(row[name]) if write is None else write(row[name]) for name, (_, write) in columns.items()]
        for _, row in data.iterrows()
    ]
    return markdown([header for header, _ in columns.values()], rows)


def tissue() -> str:
    data = table("tissue")
    order = {name: at for at, name in enumerate(conditions(data))}
    data = data.sort_values("condition", key=lambda names: names.map(order), kind="stable")
    data = data.assign(condition=data["condition"].map(condition), recording=data["recording"].map(short))
    return listed(
        data,
        {
            "recording": ("recording", None),
            "condition": ("condition", None),
            "cells": ("cells", COUNT),
            "frame_interval_s": ("s a frame", number(1)),
            "events": ("events", COUNT),
            "rate_per_h": ("events an hour, median cell", number(1)),
            "dff": ("dF/F0", number(1)),
            "decay_s": ("decay, s", number(1)),
            "lag_s": ("lag, s", COUNT),
            "waves": ("waves", COUNT),
            "wave_cells": ("cells of a wave", COUNT),
            "flashes": ("flashes", COUNT),
        },
    )


def short(name: str) -> str:
    return name.rpartition("-")[2].replace("_", " ")


def chance() -> str:
    data = table("tissue_chance")
    rows = []
    for kind, part in data.groupby("surrogate", sort=False):
        flashes = (part["flashes"] > 0).mean()
        rows.append([str(kind), str(len(part)), PERCENT((part["waves"] > 0).mean()), PERCENT(flashes)])
    return markdown(["surrogate", "searches", "with a wave", "with a flash"], rows)


def arcos() -> str:
    data = table("tissue_arcos")
    names = ["collective", "collective_exchanged", "waves", "events_in_waves", "of_these_in_collective"]
    names += ["events", "events_in_collective"]
    rows = [
        [how, *(str(int(part[name].sum())) for name in names)] for how, part in data.groupby("binarisation", sort=False)
    ]
    header = ["active frames", "collective events", "with cells exchanged", "our waves and flashes", "their events",
              "of these in collective events", "all events", "of these in collective events"]  # fmt: skip
    return markdown(header, rows)


def own() -> str:
    return listed(
        table("own_share"),
        {
            "line": ("cultures", None),
            "cultures": ("number", COUNT),
            "identified": ("k identified", COUNT),
            "events": ("events", COUNT),
            "told": ("with a share", COUNT),
            "passed_on": ("passed on", PERCENT),
            "called_right": ("called right", PERCENT),
            "error_of_mixed": ("error where some flowed in", TWO),
            "width_of_mixed": ("width of their intervals", TWO),
            "coverage": ("intervals that hold", PERCENT),
            "coverage_of_mixed": ("of those", PERCENT),
        },
    )


OTHERS = ("find_peaks", "OASIS", "arcos")
LEAST_F1 = {3.0: 0.80, 5.0: 0.95, 10.0: 0.985, 20.0: 0.985}
"""Asked of events of every shape, by SNR."""
MOST_FALSE = 0.1
"""False events a cell and hour on noise."""
FOUND, FOUND_DIM, ORIGIN, FLASHES = 0.90, 0.80, 0.95, 0.95
SPEED_ERROR, COVERED = 0.05, (0.90, 0.99)
MOST_WITHOUT = 0.05
"""Share of cultures without waves in which one may be reported."""


def accuracy() -> str:
    columns = {
        "shape": ("shape", None),
        "snr": ("SNR", COUNT),
        "planted": ("planted", COUNT),
        "calcigraph": ("calcigraph", THREE),
        "precision": ("precision", THREE),
        "recall": ("recall", THREE),
        "find_peaks": ("find_peaks", THREE),
        "OASIS": ("OASIS", THREE),
        "arcos": ("arcos", THREE),
    }
    harder = {"shape": columns["shape"], "case": ("cultures, SNR 10", None)}
    harder |= {name: column for name, column in columns.items() if name not in ("shape", "snr")}
    between = "\n\nThe same where something is unlike what a method may take for granted:\n\n"
    return listed(table("accuracy"), columns) + between + listed(table("harder"), harder)


def times() -> str:
    columns: dict[str, tuple[str, Write | None]] = {"shape": ("shape", None), "snr": ("SNR", COUNT)}
    for name, what in (("onset", "onset"), ("half", "half rise")):
        columns |= {
            f"{name}_median_error_frames": (f"{what}: median error, frames", TWO),
            f"{name}_bias_frames": ("bias", TWO),
            f"{name}_sd_of_z": ("deviation of error / standard error", TWO),
            f"{name}_coverage": ("95 % intervals that hold", PERCENT),
        }
    return listed(table("times"), columns)


def false() -> str:
    columns: dict[str, tuple[str, Write | None]] = {
        "autocorrelation": ("autocorrelation from frame to frame", number(1)),
        "false_per_cell_hour": ("false events a cell and hour", THREE),
        "false_per_hour_of_single_cells": ("the same, cells searched one by one", THREE),
    }
    return listed(table("noise"), columns)


def waves() -> str:
    columns: dict[str, tuple[str, Write | None]] = {
        "cultures": ("cultures with waves", None),
        "number": ("number", COUNT),
        "waves": ("waves of 6 cells or more", COUNT),
        "found": ("found", PERCENT),
        "origin": ("origin right or a neighbour", PERCENT),
        "speed error": ("median error of the speed", number(1, " %", 100)),
        "interval holds": ("95 % intervals that hold it", PERCENT),
        "direction error": ("median error of the direction, degrees", number(1)),
        "flashes": ("flashes", COUNT),
        "called flash": ("called flash", PERCENT),
        "more than planted": ("waves more than planted", COUNT),
        "lag s": ("lag, s", COUNT),
    }
    none: dict[str, tuple[str, Write | None]] = {
        "cultures": ("cultures without waves", None),
        "number": ("number", COUNT),
        "with a wave": ("of which a wave was reported", COUNT),
        "flashes a culture": ("flashes a culture", number(1)),
    }
    sources = listed(table("waves_sources"), {name: none[name] for name in ("cultures", "number", "with a wave")})
    return "\n\n".join([listed(table("waves_accuracy"), columns), listed(table("waves_without"), none), sources])


def waves_chance() -> str:
    return listed(
        table("waves_chance"),
        {
            "cultures": ("nothing propagates", None),
            "number": ("cultures", COUNT),
            "with a wave": ("with a wave", COUNT),
            "smallest q 0.05 or less": ("smallest q 0.05 or less", PERCENT),
            "above uniform": ("most above a uniform p", TWO),
            "p of that": ("p of that", TWO),
            "links": ("links", COUNT),
            "links 0.05 or less": ("links' p 0.05 or less", number(1, " %", 100)),
        },
    )


def waves_media() -> str:
    return listed(
        table("waves_media"),
        {
            "medium": ("medium", None),
            "cultures": ("cultures", COUNT),
            "waves": ("waves", COUNT),
            "found": ("found", PERCENT),
            "origin": ("origin right or a neighbour", PERCENT),
            "speed error": ("median error of the speed", number(1, " %", 100)),
            "interval holds": ("95 % intervals that hold it", PERCENT),
            "more than planted": ("waves more than planted", COUNT),
        },
    )


def speed() -> str:
    detection, linking = table("speed").iloc[-1], table("waves_speed")
    rows = [
        ["events in traces", f"{detection['cells']:.0f} cells, {detection['frames']:.0f} frames",
         f"{detection['events']:.0f}", f"{detection['processor_seconds']:.1f}",
         f"{detection['ratio']:.0f} times a Gaussian filter and find_peaks"],
        *(["links and waves, p-values included", str(row["culture"]), f"{row['events']:.0f}",
           f"{row['seconds']:.1f}", "-"] for _, row in linking.iterrows()),
    ]  # fmt: skip
    return markdown(["work", "culture", "events", "processor seconds", "beside"], rows)


def failures() -> str:
    told = [*_failed_events(), *_failed_waves()]
    return "\n".join(f"* {line}" for line in told) if told else "* Nothing of what was asked."


def _failed_events() -> list[str]:
    told = []
    for _, row in table("accuracy").iterrows():
        best = max(OTHERS, key=lambda name: row[name])
        what = f"{row['shape']} events at SNR {row['snr']:.0f}"
        if row["calcigraph"] < LEAST_F1[row["snr"]]:
            told.append(f"{what}: F1 is {row['calcigraph']:.3f}, and {LEAST_F1[row['snr']]:g} was the goal.")
        if row["calcigraph"] < row[best] - 0.0005:
            told.append(f"{what}: {best}, tuned on these cultures, has {row[best]:.4f}, ours {row['calcigraph']:.4f}.")
    for _, row in table("harder").iterrows():
        best = max(OTHERS, key=lambda name: row[name])
        if row["calcigraph"] < row[best] - 0.03:
            told.append(
                f"{row['shape']} events, {row['case']}: {best} has {row[best]:.3f}, ours {row['calcigraph']:.3f}."
            )
    told += [
        f"Noise of autocorrelation {row['autocorrelation']:g}: {row[name]:.2f} false events a cell and hour{where}."
        for _, row in table("noise").iterrows()
        for name, where in (
            ("false_per_cell_hour", ""),
            ("false_per_hour_of_single_cells", ", cells searched one by one"),
        )
        if row[name] > MOST_FALSE
    ]
    return told


def _failed_waves() -> list[str]:
    told = []
    for _, row in table("waves_accuracy").iterrows():
        what, dim = row["cultures"], "SNR 5" in str(row["cultures"])
        if row["found"] < (FOUND_DIM if dim else FOUND):
            told.append(f"{what}: {row['found']:.0%} of the waves are found.")
        if row["origin"] < ORIGIN:
            told.append(f"{what}: the origin is right, or a neighbour, in {row['origin']:.0%} of the waves found.")
        if row["speed error"] > SPEED_ERROR:
            told.append(f"{what}: the speed is off by {row['speed error']:.1%} in the median.")
        if not COVERED[0] <= row["interval holds"] <= COVERED[1]:
            told.append(f"{what}: {row['interval holds']:.0%} of the intervals hold the speed.")
        if row["called flash"] < FLASHES:
            told.append(f"{what}: {row['called flash']:.0%} of the flashes are called so.")
    told += [
        f"{row['cultures']}, no wave: one is reported in {row['with a wave']:.0f} of {row['number']:.0f} cultures."
        for name in ("waves_without", "waves_sources")
        for _, row in table(name).iterrows()
        if row["with a wave"] > MOST_WITHOUT * row["number"]
    ]
    return told


BLOCKS: dict[str, Callable[[], str]] = {
    "failures": failures, "accuracy": accuracy, "times": times, "false": false, "own": own, "waves": waves,
    "waves_chance": waves_chance, "waves_media": waves_media,
    "tissue": tissue, "chance": chance, "arcos": arcos, "speed": speed,
}  # fmt: skip


def filled(text: str) -> str:
    """The page's text with every block made anew. Ends the run where the page lacks a block's markers."""
    for name, block in BLOCKS.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            sys.exit(f"{PAGE.name} has no place, or several, for the block {name}: write its two markers once")
        made = block()
        text = pattern.sub(lambda match, made=made: f"{match[1]}{made}\n{match[2]}", text)
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
