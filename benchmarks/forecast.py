"""Forecasts of recordings that nothing was learnt from, what contacts add where they matter, and where they do not.

    python benchmarks/forecast.py [--tissue FOLDER] [--cultures 16] [--null 100] [--single 6] [--csv FOLDER]

Tissue: each recording of FOLDER (by default $CALCIGRAPH_TEST_DATA/lymph_gland) is forecast by what the others and its
own first three quarters teach, and by the others alone; the last quarter is judged. Beside it: forecasts that need no
model, and the methods of benchmarks/forecast_rivals.py. All errors are in units of each cell's variance.

Excitable medium: cultures whose waves run over contacts, cultures whose cells fire by themselves, and cultures in which
some contacts carry waves and others do not.
"""

# ruff: noqa: E402  (threads are set before NumPy loads)
from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
from forecast_events import of_events
from forecast_oracle import of_law
from forecast_rivals import AHEAD, rivals
from forecast_single import of_single

from calcigraph.models.forecast.contacts import contact_gain, contact_nats
from calcigraph.models.forecast.past import past_of
from calcigraph.models.forecast.ridge import Weights, fitted, solved
from calcigraph.models.forecast.skill import RIVALS, Skill, skill_of
from calcigraph.models.forecast_options import ForecastOptions
from calcigraph.models.forecast_run import Lesson, lesson, make_forecast
from calcigraph.models.synthetic.excitable import make_waves
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.store.types import FloatArray

OPTIONS = ForecastOptions()
Row = dict[str, object]

MEDIUM = WaveOptions(waves=12, own_rate=1)
COUPLED = {
    "12 waves": MEDIUM,
    "12 waves, 3 own events a cell an hour": replace(MEDIUM, own_rate=3),
    "12 waves, SNR 5": replace(MEDIUM, snr=5),
    "4 waves": replace(MEDIUM, waves=4, own_rate=3),
}
UNCOUPLED = {
    "own events, 3 a cell an hour": WaveOptions(cells=60, waves=0, own_rate=3),
}


def lessons_of(folder: Path) -> Iterator[tuple[Lesson, float]]:
    """Each recording, and the seconds of one core that it took to read."""
    from tissue import recordings

    for each in recordings(folder):
        began = time.process_time()
        yield lesson(each.graph, OPTIONS), time.process_time() - began


def of_tissue(read: list[tuple[Lesson, float]]) -> Iterator[Row]:
    """One row a recording and method."""
    for place, (own, seconds) in enumerate(read):
        others = [each for at, (each, _) in enumerate(read) if at != place]
        began = time.process_time()
        run = make_forecast(own, others, OPTIONS)
        about = {"recording": own.graph.culture, "cells": len(own.graph.labels), "events": int(own.where.events.sum())}
        of_run = {
            "nats": run.nats,
            "nats_low": run.nats_low,
            "nats_high": run.nats_high,
            "auroc": run.auroc,
            "contact_gain": run.contact_gain,
            "contact_p": run.contact_p,
            "held": float(run.held.mean()),
            "calibration": float(np.abs(run.told - run.came).max()) if len(run.told) else None,
            "seconds": seconds + time.process_time() - began,
        }
        for name, errors in errors_of(own, others).items():
            row = about | {"method": name} | dict(zip([f"error_{ahead}" for ahead in AHEAD], errors, strict=True))
            yield row | (of_run if name == "hinge, shrunk to the recording" else {})


def errors_of(own: Lesson, others: list[Lesson]) -> dict[str, FloatArray]:
    """Mean squared error of each method at AHEAD."""
    horizons, at = OPTIONS.horizons, np.array(AHEAD) - 1
    moments = [each.moments for each in others]
    shrunk = skill_of(own.past, fitted(own.moments, moments), horizons)
    pooled = skill_of(own.past, pooled_alone(moments), horizons)
    alone = skill_of(own.past, fitted(own.moments, []), horizons)
    found = {
        "hinge, shrunk to the recording": mean(shrunk)[at],
        "hinge, from other recordings": mean(pooled)[at],
        "hinge, from the recording alone": mean(alone)[at],
    }
    found |= {name: np.nanmean(shrunk.rivals[place], axis=0)[at] for place, name in enumerate(RIVALS)}
    return found | rivals(own)


def mean(skill: Skill) -> FloatArray:
    return np.asarray(np.nanmean(skill.error, axis=0))


def pooled_alone(moments: list[object]) -> Weights:
    gram, products = (sum(each) for each in zip(*(one.total for one in moments), strict=True))  # type: ignore[attr-defined]
    return Weights(solved(gram, products), None)


def of_medium(cultures: int, seed: int) -> Iterator[Row]:
    """What contacts add where waves run over them."""
    for name, options in COUPLED.items():
        for at in range(cultures):
            culture = make_waves(replace(options, seed=seed + at))
            own = lesson(culture.graph, OPTIONS)
            gained = contact_gain(own.past, culture.graph.pairs, 99, np.random.default_rng(at))
            assert gained is not None
            nats = contact_nats(own.past, own.where, culture.graph.pairs)
            law = dict(zip(("gain_of_law", "nats_of_law"), of_law(culture, own), strict=True))
            yield {"cultures": name, "gain": gained.gain, "p": gained.p, "word": gained.word, "nats": nats} | law


def of_null(cultures: int, seed: int) -> Iterator[Row]:
    """What contacts seem to add where cells fire by themselves."""
    for name, options in UNCOUPLED.items():
        for at in range(cultures):
            culture = make_waves(replace(options, seed=seed + 1000 + at))
            gained = contact_gain(past_of(culture.graph), culture.graph.pairs, 99, np.random.default_rng(at))
            assert gained is not None
            yield {"cultures": name, "gain": gained.gain, "p": gained.p, "word": gained.word}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("CALCIGRAPH_TEST_DATA")
    parser.add_argument("--tissue", type=Path, default=Path(data) / "lymph_gland" if data else None)
    parser.add_argument("--cultures", type=int, default=16)
    parser.add_argument("--null", type=int, default=100)
    parser.add_argument("--single", type=int, default=6)
    parser.add_argument("--seed", type=int, default=8000)
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    parts: dict[str, Iterable[Row]] = {}
    if asked.tissue is not None:
        read = list(lessons_of(asked.tissue))
        methods, tenths = of_events([own for own, _ in read])
        parts = {"events": methods, "tenths": tenths, "tissue": of_tissue(read)}
    if asked.cultures:
        parts |= {"medium": of_medium(asked.cultures, asked.seed), "null": of_null(asked.null, asked.seed)}
        parts["single"] = of_single(asked.single, asked.seed)
    for name, rows in parts.items():
        found = []
        for row in rows:
            found.append(row)
            print(name, *(f"{value:.4g}" if isinstance(value, float) else value for value in row.values()), sep="  ")
        if asked.csv is not None:
            asked.csv.mkdir(parents=True, exist_ok=True)
            with (asked.csv / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                names = list(dict.fromkeys(key for row in found for key in row))
                writer = csv.DictWriter(file, names, lineterminator="\n")
                writer.writeheader()
                writer.writerows(found)


if __name__ == "__main__":
    main()
