"""Forecasts of recordings that nothing was learnt from, what contacts add where they matter, and where they do not.

    python benchmarks/forecast.py [--tissue FOLDER] [--cultures 20] [--null 100] [--csv FOLDER] [--seed 8000]

Tissue: each recording of FOLDER (by default $CALCIGRAPH_TEST_DATA/lymph_gland) is forecast by what the others and its
own first three quarters teach, and by the others alone; the last quarter is judged. Beside it: forecasts that need no
model, an autoregression of each cell's own, vector autoregression over contacts, and dynamic mode decomposition with
as many modes as the learnt part supports. All errors are in units of each cell's variance.

Excitable medium: cultures whose waves run over contacts, and cultures whose cells fire by themselves.
"""

# ruff: noqa: E402  (threads are set before NumPy loads)
from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

from calcigraph.models.forecast.contacts import averaging, contact_gain, contact_nats
from calcigraph.models.forecast.past import Past
from calcigraph.models.forecast.ridge import Weights, fitted, solved
from calcigraph.models.forecast.skill import RIVALS, Skill, skill_of
from calcigraph.models.forecast_options import ForecastOptions
from calcigraph.models.forecast_run import Lesson, lesson, make_forecast
from calcigraph.models.synthetic.excitable import make_waves
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.store.types import FloatArray

AHEAD = (1, 3, 5, 10)
OPTIONS = ForecastOptions()
LAGS = 8
"""Of the rivals that regress."""
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
    "own events, 10 a cell an hour": WaveOptions(cells=60, waves=0, own_rate=10),
}


def of_tissue(folder: Path) -> Iterator[Row]:
    """One row a recording and method."""
    from tissue import recordings

    began = time.perf_counter()
    lessons = [lesson(each.graph, OPTIONS) for each in recordings(folder)]
    for place, own in enumerate(lessons):
        others = [each for at, each in enumerate(lessons) if at != place]
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
            "seconds": time.perf_counter() - began,
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
    return found | {
        "autoregression, each cell": np.array([autoregression(own.past, ahead) for ahead in AHEAD]),
        "vector autoregression over contacts": np.array([over_contacts(own, ahead) for ahead in AHEAD]),
        "dynamic mode decomposition": modes(own.past),
    }


def mean(skill: Skill) -> FloatArray:
    return np.asarray(np.nanmean(skill.error, axis=0))


def pooled_alone(moments: list[object]) -> Weights:
    gram, products = (sum(each) for each in zip(*(one.total for one in moments), strict=True))  # type: ignore[attr-defined]
    return Weights(solved(gram, products), None)


def lagged(values: FloatArray) -> FloatArray:
    """(n, T - LAGS + 1, LAGS + 1), a constant and the last values."""
    rows = np.lib.stride_tricks.sliding_window_view(values, LAGS, axis=1)
    return np.concatenate([np.ones((*rows.shape[:2], 1)), rows], axis=2)


def judged(past: Past, missed: FloatArray, ahead: int) -> float:
    """Mean over cells of the error of the held-out values; `missed` ends with the last frame."""
    last = missed[:, -(past.values.shape[1] - past.split) :]
    return float(np.mean((last**2).mean(axis=1) / past.values.var(axis=1)))


def autoregression(past: Past, ahead: int) -> float:
    """A regression of each cell on its own last values."""
    rows, values = lagged(past.values)[:, :-ahead], past.values[:, LAGS - 1 + ahead :]
    learnt = past.split - LAGS + 1 - ahead
    missed = np.empty_like(values)
    for cell, (row, value) in enumerate(zip(rows, values, strict=True)):
        weights = solved(row[:learnt].T @ row[:learnt], row[:learnt].T @ value[:learnt])
        missed[cell] = value - row @ weights
    return judged(past, missed, ahead)


def over_contacts(own: Lesson, ahead: int) -> float:
    """One regression for all cells on their own last values and those of their neighbours, each cell standardised."""
    past = own.past
    middle = past.values[:, : past.split].mean(axis=1, keepdims=True)
    values = (past.values - middle) / past.scale
    beside = averaging(own.graph.pairs, len(values)) @ values
    rows = np.concatenate([lagged(values), lagged(beside)[..., 1:]], axis=2)[:, :-ahead]
    came = values[:, LAGS - 1 + ahead :]
    learnt = past.split - LAGS + 1 - ahead
    flat, target = rows[:, :learnt].reshape(-1, rows.shape[2]), came[:, :learnt].ravel()
    weights = solved(flat.T @ flat, flat.T @ target)
    return judged(past, (came - rows @ weights) * past.scale, ahead)


def modes(past: Past) -> FloatArray:
    """Dynamic mode decomposition of all cells together (Schmid 2010), its rank from the learnt part's last fifth."""
    middle = past.values[:, : past.split].mean(axis=1, keepdims=True)
    values = (past.values - middle) / past.scale
    inner = int(past.split * 0.8)

    def step(rank: int, last: int) -> FloatArray:
        left, size, right = np.linalg.svd(values[:, : last - 1], full_matrices=False)
        left, size, right = left[:, :rank], size[:rank], right[:rank]
        return np.asarray(values[:, 1:last] @ right.T @ np.diag(1 / size) @ left.T)

    def errors(matrix: FloatArray, first: int, last: int) -> list[float]:
        found = []
        for ahead in AHEAD:
            guess = np.linalg.matrix_power(matrix, ahead) @ values[:, first - ahead : last - ahead]
            missed = (values[:, first:last] - guess) * past.scale
            found.append(float(np.mean((missed**2).mean(axis=1) / past.values.var(axis=1))))
        return found

    ranks = sorted({rank for rank in (1, 2, 4, 8, 16, 32) if rank < min(len(values), inner)})
    best = min(ranks, key=lambda rank: sum(errors(step(rank, inner), inner, past.split)))
    return np.array(errors(step(best, past.split), past.split, values.shape[1]))


def of_medium(cultures: int, seed: int) -> Iterator[Row]:
    """What contacts add where waves run over them."""
    for name, options in COUPLED.items():
        for at in range(cultures):
            culture = make_waves(replace(options, seed=seed + at))
            own = lesson(culture.graph, OPTIONS)
            gained = contact_gain(own.past, culture.graph.pairs, 199, np.random.default_rng(at))
            assert gained is not None
            nats = contact_nats(own.past, own.where, culture.graph.pairs)
            yield {"cultures": name, "gain": gained.gain, "p": gained.p, "word": gained.word, "nats": nats}


def of_null(cultures: int, seed: int) -> Iterator[Row]:
    """What contacts seem to add where cells fire by themselves."""
    for name, options in UNCOUPLED.items():
        for at in range(cultures):
            culture = make_waves(replace(options, seed=seed + 1000 + at))
            own = lesson(culture.graph, OPTIONS)
            gained = contact_gain(own.past, culture.graph.pairs, 99, np.random.default_rng(at))
            assert gained is not None
            yield {"cultures": name, "gain": gained.gain, "p": gained.p, "word": gained.word}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("CALCIGRAPH_TEST_DATA")
    parser.add_argument("--tissue", type=Path, default=Path(data) / "lymph_gland" if data else None)
    parser.add_argument("--cultures", type=int, default=20)
    parser.add_argument("--null", type=int, default=100)
    parser.add_argument("--seed", type=int, default=8000)
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    parts = {"medium": of_medium(asked.cultures, asked.seed), "null": of_null(asked.null, asked.seed)}
    if asked.tissue is not None:
        parts = {"tissue": of_tissue(asked.tissue)} | parts
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
