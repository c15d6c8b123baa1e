"""Forecasts of recordings that nothing was learnt from, what contacts add where they matter, and where they do not.

    python benchmarks/forecast.py [--tissue FOLDER] [--cultures 16] [--null 100] [--single 6] [--only PART]
        [--csv FOLDER]

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

from calcigraph.models.forecast.contact_events import contact_nats
from calcigraph.models.forecast.contacts import contact_gain
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
TAUGHT = 7
"""Other cultures that are learnt from."""
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


def lessons(options: WaveOptions, seed: int) -> list[Lesson]:
    """Cultures that others learn from, none of which is judged."""
    return [lesson(make_waves(replace(options, seed=seed + at)).graph, OPTIONS) for at in range(TAUGHT)]


def of_medium(cultures: int, seed: int) -> Iterator[Row]:
    """What contacts add where waves run over them, as the culture teaches, others of its kind, others unlike it."""
    unlike = lessons(replace(MEDIUM, waves=0, own_rate=3), seed + 3000)
    for name, options in COUPLED.items():
        alike = lessons(options, seed + 2000)
        for at in range(cultures):
            culture = make_waves(replace(options, seed=seed + at))
            own = lesson(culture.graph, OPTIONS)
            found = {"": added(own, [], at), "_trained": added(own, alike, at), "_unlike": added(own, unlike, at, 1)}
            law = dict(zip(("gain_of_law", "nats_of_law"), of_law(culture, own), strict=True))
            yield (
                {"cultures": name}
                | {f"{key}{how}": one for how, row in found.items() for key, one in row.items()}
                | law
            )


def of_null(cultures: int, seed: int) -> Iterator[Row]:
    """What contacts seem to add where cells fire by themselves, with what coupled cultures teach, too."""
    coupled = lessons(MEDIUM, seed + 2000)
    for name, options in UNCOUPLED.items():
        for at in range(cultures):
            own = lesson(make_waves(replace(options, seed=seed + 1000 + at)).graph, OPTIONS)
            found = {"": added(own, [], at), "_trained": added(own, coupled, at)}
            yield {"cultures": name} | {f"{key}{how}": one for how, row in found.items() for key, one in row.items()}


def added(own: Lesson, others: list[Lesson], seed: int, exchanges: int = 99) -> Row:
    """What contacts add to the forecast of a culture, as others and itself teach."""
    traces = [each.contacts for each in others if each.contacts is not None]
    events = [each.contact_events for each in others if each.contact_events is not None]
    found = contact_gain(own.past, own.graph.pairs, exchanges, np.random.default_rng(seed), taught=traces)
    assert found is not None
    nats = contact_nats(own.past, own.where, own.graph.pairs, events)
    return {"gain": found.gain, "p": found.p, "word": found.word, "nats": nats}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("CALCIGRAPH_TEST_DATA")
    parser.add_argument("--tissue", type=Path, default=Path(data) / "lymph_gland" if data else None)
    parser.add_argument("--cultures", type=int, default=16)
    parser.add_argument("--null", type=int, default=100)
    parser.add_argument("--single", type=int, default=6)
    parser.add_argument("--seed", type=int, default=8000)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--only", choices=("tissue", "medium", "null", "single"))
    asked = parser.parse_args()
    parts: dict[str, Iterable[Row]] = {}
    if asked.tissue is not None and asked.only in (None, "tissue"):
        read = list(lessons_of(asked.tissue))
        methods, tenths = of_events([own for own, _ in read])
        parts = {"events": methods, "tenths": tenths, "tissue": of_tissue(read)}
    simulated = {
        "medium": of_medium(asked.cultures, asked.seed),
        "null": of_null(asked.null, asked.seed),
        "single": of_single(asked.single, asked.seed),
    }
    parts |= {name: rows for name, rows in simulated.items() if asked.only in (None, name)}
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
