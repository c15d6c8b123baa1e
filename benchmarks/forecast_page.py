"""Tables of docs/forecast.md, from what benchmarks/forecast.py keeps in docs/forecast: part of `make forecast`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas
from events_page import COUNT, PERCENT, TWO, Write, listed, number
from scipy.stats import kstest
from tissue_page import markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "forecast.md"
FOLDER = PAGE.with_suffix("")
AHEAD = (1, 3, 5, 10)
SHRUNK = "hinge, shrunk to the recording"
OURS = (SHRUNK, "hinge, from other recordings", "hinge, from the recording alone")
MODELS = (
    "autoregression, each cell", "vector autoregression over contacts", "dynamic mode decomposition",
    "dynamic mode decomposition with control", "SINDy, discrete", "consensus run, robust",
    "consensus run, crlsm",
)  # fmt: skip
NETWORK_AHEAD = (1, 2, 5, 10)
ASKED = (0.25, 0.14, 0.06, 0.03)
"""Skill that is aimed at."""
LEAST_NATS, LEAST_LOW, LEAST_AREA, FARTHEST = 0.07, 0.03, 0.68, 0.02
"""What is aimed at for events: nats an event, the lower end of its interval, area under the curve; the worst tenth."""
AIMS = (
    ("gain", 0.015, "take less than 1.5 % from the error"),
    ("nats", 0.1, "add less than 0.1 nats an event"),
)
"""What contacts are to add in every culture with waves, and what is said where they do not."""
HOWS = {"": "", "_trained": ", taught by others of its kind too"}
NULLS = {"": "itself", "_trained": "7 cultures with 12 waves, too"}


def table(name: str) -> pandas.DataFrame:
    return pandas.read_csv(FOLDER / f"{name}.csv")


def errors() -> str:
    """Mean error of every method over the recordings, and how much ours gains over the best that needs no model."""
    mean = table("tissue").groupby("method", sort=False)[[f"error_{ahead}" for ahead in AHEAD]].mean()
    rows = [
        [f"**{name}**" if name == SHRUNK else str(name), *map(TWO, row)]
        for name, row in zip(mean.index, mean.values, strict=True)
    ]
    return markdown(["method", *(f"{ahead} ahead" for ahead in AHEAD)], [*rows, ["*gain*", *map(PERCENT, gains(mean))]])


def gains(mean: pandas.DataFrame) -> list[float]:
    plain = mean.drop(index=[*OURS, *MODELS])
    return [float(1 - mean.loc[SHRUNK, name] / plain[name].min()) for name in mean.columns]


def recordings() -> str:
    data = table("tissue")
    data = data[data["method"] == SHRUNK].assign(recording=lambda rows: rows["recording"].str.replace("_", " "))
    return listed(
        data,
        {
            "recording": ("recording", None),
            "cells": ("cells", COUNT),
            "events": ("events judged", COUNT),
            "nats": ("nats an event", TWO),
            "nats_low": ("from", TWO),
            "nats_high": ("to", TWO),
            "auroc": ("AUROC", TWO),
            "calibration": ("worst tenth, told against came", number(3)),
            "held": ("values in 95 % intervals", PERCENT),
            "contact_gain": ("contacts take from the error", number(2, " %", 100)),
            "contact_p": ("p", number(3)),
        },
    )


def speed() -> str:
    data = table("tissue").dropna(subset=["seconds"])
    return (
        f"All {len(data)} recordings, each forecast by what the others teach, take {data['seconds'].sum():.0f} s of "
        "one core with 200 exchanges each."
    )


def events() -> str:
    return listed(
        table("events"),
        {
            "method": ("nine recordings together", None),
            "events": ("events", COUNT),
            "nats": ("nats an event", TWO),
            "nats_low": ("from", TWO),
            "nats_high": ("to", TWO),
            "auroc": ("AUROC, all frames", TWO),
            "auroc_mean": ("mean of the recordings", TWO),
            "calibration": ("worst tenth, told against came", number(3)),
        },
    )


def tenths() -> str:
    data = table("tenths")
    head = ["frames, from the least likely", *(f"{at}." for at in data["tenth"])]
    return markdown(head, [[name, *map(number(3), data[name])] for name in ("told", "came")])


def network() -> str:
    """Mean over the judged cultures of all seeds, and the spread of the seeds' means."""
    rows = []
    for name, part in table("network").groupby("cultures", sort=False):
        for ahead in NETWORK_AHEAD:
            gain = network_gain(part, ahead)
            means = [number(3)(part[f"{method}_{ahead}"].mean()) for method in ("hinge", "graph")]
            spread = f"{number(1, '', 100)(gain.mean())} ± {number(1, ' %', 100)(gain.std())}"
            rows.append([str(name), str(ahead), *means, spread, f"{(gain > 0).sum()} of {len(gain)}"])
    head = ["cultures", "frames ahead", "hinge", "graph", "graph takes from the error", "seeds with less error"]
    return markdown(head, rows)


def network_gain(part: pandas.DataFrame, ahead: int) -> pandas.Series:
    """Share of the error that the network takes away, for each seed."""
    means = part.groupby("seed")[[f"hinge_{ahead}", f"graph_{ahead}"]].mean()
    return 1 - means[f"graph_{ahead}"] / means[f"hinge_{ahead}"]


def medium() -> str:
    """What contacts add, as the culture itself teaches."""
    law = ("gain_of_law", "nats_of_law", "with the law known")
    return added("", (law,))


def taught() -> str:
    """The same, as others of its kind teach too, and beside it as others without waves teach."""
    return added("_trained", (("gain_unlike", "nats_unlike", "taught by cultures without waves"),))


def added(how: str, beside: tuple[tuple[str, str, str], ...]) -> str:
    share, rows = number(1, " %", 100), []
    for name, part in table("medium").groupby("cultures", sort=False):
        helped = PERCENT((part[f"word{how}"] == "contacts help").mean())
        gains, nats = (
            [_span(part[column], write) for column in columns]
            for columns, write in (
                ([f"gain{how}", *(gain for gain, _, _ in beside)], share),
                ([f"nats{how}", *(nats for _, nats, _ in beside)], TWO),
            )
        )
        rows.append([str(name), str(len(part)), helped, *gains, *nats])
    more = [title for _, _, title in beside]
    gain, nat = "they take from the error, median (least)", "nats an event, median (least)"
    return markdown(["cultures of a kind", "number", "contacts help", gain, *more, nat, *more], rows)


def _span(values: pandas.Series, write: Write) -> str:
    return f"{write(values.median())} ({write(values.min())})"


def null() -> str:
    rows = []
    for name, part in table("null").groupby("cultures", sort=False):
        for how, by in NULLS.items():
            p, word = part[f"p{how}"], part[f"word{how}"]
            words = [PERCENT((word == each).mean()) for each in ("contacts help", "contacts hardly help")]
            uniform = TWO(float(kstest(p, "uniform").pvalue))
            rows.append([str(name), by, str(len(part)), PERCENT((p <= 0.05).mean()), uniform, *words])
    head = [
        "cultures without waves",
        "taught by",
        "number",
        "p up to 0.05",
        "p of uniform p (Kolmogorov, Smirnov)",
        "contacts help",
        "hardly help",
    ]
    return markdown(head, rows)


def single() -> str:
    rows = []
    for name, part in table("single").groupby("cultures", sort=False):
        shares = [PERCENT(part[column].mean()) for column in ("recovered", "not_carrying_beyond_p_01")]
        rows.append([str(name), str(len(part)), TWO(part["auroc"].mean()), *shares])
    head = [
        "cultures of a kind",
        "number",
        "AUROC of contacts that carry",
        "found, where 1 % of the others are taken for one",
        "of the others, p below 0.01",
    ]
    return markdown(head, rows)


def failures() -> str:
    """What misses its aim."""
    mean = table("tissue").groupby("method", sort=False)[[f"error_{ahead}" for ahead in AHEAD]].mean()
    lines = [
        f"traces {ahead} frame{'s' if ahead > 1 else ''} ahead: {gain:.1%} better than the best that needs no model; "
        f"{asked:.0%} was aimed at."
        for ahead, gain, asked in zip(AHEAD, gains(mean), ASKED, strict=True)
        if gain < asked
    ]
    lines += _events_that_fail()
    lines += _contacts_that_fail()
    return "\n".join(f"* {line}" for line in lines)


def _contacts_that_fail() -> list[str]:
    lines = []
    for name, part in table("medium").groupby("cultures", sort=False):
        for how, by in HOWS.items():
            missed = (part[f"word{how}"] != "contacts help").mean()
            lines += [f"{name}{by}: that contacts help is missed in {missed:.0%} of the cultures."] if missed else []
            for column, least, told in AIMS:
                few, known = (part[f"{column}{how}"] < least).mean(), (part[f"{column}_of_law"] < least).mean()
                line = f"{name}{by}: contacts {told} in {few:.0%} of the cultures; with the law known they would in"
                lines += [f"{line} {known:.0%}."] if few else []
    for name, part in table("null").groupby("cultures", sort=False):
        for how, by in NULLS.items():
            wrong = (part[f"word{how}"] == "contacts help").mean()
            line = f"{name}, taught by {by}: contacts are wrongly said to help in {wrong:.0%} of the cultures."
            lines += [line] if wrong else []
    return lines


def _events_that_fail() -> list[str]:
    data = table("tissue").dropna(subset=["nats"])
    poor = data[data["nats_low"] <= 0]
    lines = [f"events are not foreseen for certain in {len(poor)} of {len(data)} recordings: the interval reaches 0."]
    pooled = table("events").iloc[0]
    if pooled["nats"] < LEAST_NATS or pooled["nats_low"] < LEAST_LOW:
        lines.append(f"events: {pooled['nats']:.2f} nats, from {pooled['nats_low']:.2f}; {LEAST_NATS} was aimed at.")
    if pooled["auroc_mean"] < LEAST_AREA:
        lines.append(
            f"AUROC is {pooled['auroc']:.2f} over the frames of all recordings, and {pooled['auroc_mean']:.2f} in the "
            f"mean of the recordings, each judged by itself; {LEAST_AREA} was aimed at."
        )
    if pooled["calibration"] > FARTHEST:
        lines.append(f"a tenth of the frames is {pooled['calibration']:.3f} from what it was told.")
    return lines


BLOCKS: dict[str, Callable[[], str]] = {
    "failures": failures, "errors": errors, "recordings": recordings, "events": events, "tenths": tenths,
    "network": network, "medium": medium, "taught": taught, "null": null, "single": single,
    "speed": speed,
}  # fmt: skip


def write() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, block in BLOCKS.items():
        marks = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        text = re.sub(f"{marks[0]}.*?{marks[1]}", lambda _: f"{marks[0]}\n{block()}\n{marks[1]}", text, flags=re.S)  # noqa: B023
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
