"""How near a model comes to known couplings and feeds, and whether its intervals hold: a table of settings.

    python benchmarks/accuracy.py [--setting NAME ...] [--seeds 20] [--model robust] [--format table]

One line a setting, over cultures of 108 cells and 361 frames, one per 10 s unless said; each culture's k is drawn from
the setting's range, evenly in its logarithm. Without --seeds every setting has a few cultures only. Columns, all over
cultures:

    error, worst   median and largest |k_hat / k - 1|
    covered        share whose 95 % interval of k holds the true k; +- is the median half-width over k
    sampled        the same of the interval of chance alone (`k_statistical`), without the error of the unit and without
                   what k would be under other assumptions
    called         share of cultures called `identified`; inside: those of them whose interval holds the true k
    honest         share of cultures whose interval holds the true k or that are not called `identified`
    cells          share of the inner cells called `identified`
    feed r         median correlation over cells of the fitted and the true feed (from movies: the effective feed)
    feed covered   share of all cells whose interval holds it; +- is the median half-width over the feeds' deviation;
                   from movies it is the effective feed with the cells' brightness as it was filmed
    own k          median |k_cell / k - 1| over cells, its median; covered: share of cells whose interval holds it
    s              median seconds of a fit

and for planted cells, how many of 10 `query anomalies` finds and how many others it names, medians and worst.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_settings import SETTINGS, culture_of

from calcigraph import Workspace
from calcigraph.ingest import IngestOptions
from calcigraph.models import MODELS, SyntheticCulture, SyntheticOptions, effective_feed, fit, make_culture
from calcigraph.store.types import Cells, Culture, CultureData, Fit, FloatArray, Subgraph

NAME = "accuracy"
IDENTIFIED = "identified"
CREATED = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Outcome:
    """One fitted culture; NaN for what the model or the setting does not give. Errors are relative to the truth."""

    setting: str
    model: str
    seed: int
    k: float
    ratio: float
    k_covered: float
    """1 if the interval holds k, 0 if not; half-widths are relative to k."""
    k_half: float
    sampled_covered: float
    """The same of `k_statistical`, the interval without the error of the unit and without other assumptions."""
    sampled_half: float
    called: float
    """1 if the culture is called `identified`, 0 if not."""
    cells: float
    feed_r: float
    feed_covered: float
    feed_half: float
    own_error: float
    own_covered: float
    found: float
    false: float
    seconds: float


def outcomes(name: str, seed: int, models: Sequence[str]) -> list[Outcome]:
    """Simulate one culture, fit each model to it and compare."""
    setting = SETTINGS[name]
    culture = culture_of(setting, seed)
    if setting.source == "traces" and not culture.planted:
        subgraph = culture.subgraph()
        return [compared(name, culture, subgraph, *timed_fit(subgraph, model)) for model in models]
    with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / "workspace") as workspace:
        bring_in(workspace, culture, setting.source, Path(folder))
        subgraph, result = workspace.subgraph(NAME), []
        for model in models:
            found, seconds = timed_fit(subgraph, model)
            one = compared(name, culture, subgraph, found, seconds)
            if culture.planted:
                workspace.graph.write_fit(found, created=CREATED, version="0")
                one = replace(one, **anomalies_told(workspace, culture, model))
            result.append(one)
        return result


def compared(name: str, culture: SyntheticCulture, subgraph: Subgraph, found: Fit, seconds: float) -> Outcome:
    source = SETTINGS[name].source
    feed = culture.feed if source == "traces" else effective_feed(culture)
    relabelled = source == "cellpose" or culture.options.mask_merges > 0
    as_filmed = feed if source != "movie" else feed_as_filmed(culture, subgraph)
    gain = subgraph.intensity_gain
    cells = cells_told(found, culture, feed * gain, as_filmed * gain, not relabelled)
    coupling, planted = coupling_told(found, culture.options.k), dict.fromkeys(("found", "false"), float("nan"))
    seed, k = culture.options.seed, culture.options.k
    return Outcome(name, found.model, seed, k, seconds=seconds, **coupling, **cells, **planted)


def feed_as_filmed(culture: SyntheticCulture, subgraph: Subgraph) -> FloatArray:
    """The effective feed, (n,), from static offsets measured against the known intensity: texture within a cell and
    the logarithm of noise shift them by more than a feed's interval."""
    offset = np.median(subgraph.intensity / subgraph.intensity_gain - culture.intensity, axis=1)
    op, feed = culture.operator(), culture.feed.copy()
    feed[op.inner] -= culture.k[op.inner] * op.apply(np.repeat(offset[:, None], 2, axis=1))[:, 0]
    return feed


def timed_fit(subgraph: Subgraph, model: str) -> tuple[Fit, float]:
    start = time.perf_counter()
    return fit(subgraph, model), time.perf_counter() - start


def bring_in(workspace: Workspace, culture: SyntheticCulture, source: str, folder: Path) -> None:
    """Into the graph: as a movie that is written, segmented or masked, and traced; or the traces as they are."""
    if source == "traces":
        workspace.graph.write_culture(graph_data(culture))
        return
    movie = folder / "movie.tif"
    workspace.simulate(str(movie), culture.options)
    masks = str(folder / "movie_labels.tif") if source == "movie" else None
    workspace.ingest(str(movie), NAME, IngestOptions(masks=masks))


def graph_data(culture: SyntheticCulture) -> CultureData:
    options, count = culture.options, len(culture.cells)
    about = Culture(
        NAME, None, None, options.frames, options.frame_interval_s, None, None, None, None, "simulated", "0", {}, 0.0,
        1.0, None, None, None, (), CREATED, "0",
    )  # fmt: skip
    columns = (culture.cells, culture.area_px, culture.x_px, culture.y_px, culture.border)
    return CultureData(about, Cells(*columns, (None,) * count, culture.traces, ("",) * count), culture.contacts)


def anomalies_told(workspace: Workspace, culture: SyntheticCulture, model: str) -> dict[str, float]:
    """How many planted cells the query finds, and how many others."""
    planted = {label for label, _ in culture.planted}
    named = set(workspace.query("anomalies", culture=NAME, model=model)["label"].tolist())
    return {"found": float(len(named & planted)), "false": float(len(named - planted))}


def coupling_told(found: Fit, k: float) -> dict[str, float]:
    low, high, fitted = (np.nan if value is None else value for value in (found.k_low, found.k_high, found.k))
    least, most = found.facts.get("k_statistical", (np.nan, np.nan))
    return {
        "ratio": fitted / k,
        "k_covered": held(k, low, high),
        "k_half": float(high - low) / 2 / k,
        "sampled_covered": held(k, least, most),
        "sampled_half": float(most - least) / 2 / k,
        "called": float("nan") if found.identified is None else float(found.identified == IDENTIFIED),
    }


def cells_told(
    found: Fit, culture: SyntheticCulture, feed: FloatArray, as_filmed: FloatArray, same_labels: bool
) -> dict[str, float]:
    """Of feeds and the cells' own k. Cells that segmentation numbered anew have no truth to compare with."""
    words = found.words.get(IDENTIFIED)
    result = dict.fromkeys(("feed_r", "feed_covered", "feed_half", "own_error", "own_covered"), float("nan"))
    result["cells"] = float("nan") if words is None else float(np.mean([word == IDENTIFIED for word in words]))
    if not same_labels:
        return result
    row = np.searchsorted(culture.cells, found.labels)
    true_feed, true_k = feed[row], culture.k[row]
    feed_low, feed_high, k_low, k_high = (
        column(found, name) for name in ("feed_low", "feed_high", "k_cell_low", "k_cell_high")
    )
    fitted, own = column(found, "feed"), column(found, "k_cell")
    return result | {
        "feed_r": correlation(fitted, true_feed),
        "feed_covered": held(as_filmed[row], feed_low, feed_high),
        "feed_half": middle(feed_high - feed_low) / 2 / float(true_feed.std()),
        "own_error": middle(np.abs(own / true_k - 1)),
        "own_covered": held(true_k, k_low, k_high),
    }


def column(found: Fit, name: str) -> FloatArray:
    return found.cells.get(name, np.full(len(found.labels), np.nan))


def held(truth: FloatArray | float, low: FloatArray | float, high: FloatArray | float) -> float:
    """The share of known intervals that hold the truth; NaN if there is none."""
    inside, known = (np.asarray(low) <= truth) & (truth <= np.asarray(high)), np.isfinite(low) & np.isfinite(high)
    return float(np.mean(inside[known])) if np.any(known) else float("nan")


def correlation(fitted: FloatArray, truth: FloatArray) -> float:
    known = np.isfinite(fitted)
    return float(np.corrcoef(fitted[known], truth[known])[0, 1]) if known.sum() > 1 else float("nan")


def mean(values: FloatArray) -> float:
    """Of what is known, and so is the median; NaN if nothing is."""
    return float(np.mean(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")


def middle(values: FloatArray) -> float:
    return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else float("nan")


def run(
    counts: Mapping[str, int], first: int, models: Sequence[str], processes: int
) -> Iterator[tuple[str, list[Outcome]]]:
    """Every setting's outcomes, by seed; so many cultures each."""
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[threads] = "1"  # the processes share the cores
    with ProcessPoolExecutor(processes, get_context("spawn"), warm_up, (models,)) as pool:
        for name, count in counts.items():
            jobs = [pool.submit(outcomes, name, seed, models) for seed in range(first, first + count)]
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                tell(f"{name}: {done} of {count} cultures")
            tell("")
            yield name, [one for job in jobs for one in job.result()]


def warm_up(models: Sequence[str]) -> None:
    """Import what a fit needs, which is no part of its time."""
    for model in models:
        fit(make_culture(SyntheticOptions(cells=30, frames=60, size_px=256)).subgraph(), model)


def tell(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="\r" if not text else "", file=sys.stderr, flush=True)


def summary(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One line of the table; None for what was not to be had."""

    def of(column: str) -> FloatArray:
        return np.array([getattr(one, column) for one in outcomes])

    error, called, covered = np.abs(of("ratio") - 1), of("called") == 1, of("k_covered") == 1
    values = {
        "error": np.median(error),
        "worst": error.max(),
        "bias": np.mean(of("ratio") - 1),
        "covered": mean(of("k_covered")),
        "half_width": middle(of("k_half")),
        "sampled": mean(of("sampled_covered")),
        "sampled_half_width": middle(of("sampled_half")),
        "called": mean(of("called")),
        "inside": mean(of("k_covered")[called]),
        "honest": np.mean(covered | ~called),
        "cells": mean(of("cells")),
        "feed_r": middle(of("feed_r")),
        "feed_covered": mean(of("feed_covered")),
        "feed_half_width": middle(of("feed_half")),
        "own_error": middle(of("own_error")),
        "own_covered": mean(of("own_covered")),
        "found": middle(of("found")),
        "found_worst": of("found").min(),
        "false": middle(of("false")),
        "false_worst": of("false").max(),
        "seconds": middle(of("seconds")),
    }
    known = {key: float(value) if np.isfinite(value) else None for key, value in values.items()}
    return {
        "setting": name,
        "what": SETTINGS[name].what,
        "claim": SETTINGS[name].claim,
        "cultures": len(outcomes),
        **known,
    }


HEADER = (
    ("error", "error", ".2%"),
    ("worst", "worst", ".2%"),
    ("covered", "covered", ".0%"),
    ("half_width", "+-", ".2%"),
    ("sampled", "sampled", ".0%"),
    ("sampled_half_width", "+-", ".2%"),
    ("called", "called", ".0%"),
    ("inside", "inside", ".0%"),
    ("honest", "honest", ".0%"),
    ("cells", "cells", ".0%"),
    ("feed_r", "feed r", ".3f"),
    ("feed_covered", "covered", ".0%"),
    ("feed_half_width", "+-", ".2f"),
    ("own_error", "own k", ".1%"),
    ("own_covered", "covered", ".0%"),
    ("seconds", "s", ".2f"),
)


def print_table(results: Iterator[tuple[str, list[Outcome]]], model: str) -> None:
    print(f"model {model}\n{'':16}{'cultures':>8}" + "".join(f"{title:>9}" for _, title, _ in HEADER))
    for name, outcomes in results:
        line = summary(name, outcomes)
        cells = ("-" if line[key] is None else format(line[key], form) for key, _, form in HEADER)
        print(f"{name:16}{line['cultures']:8}" + "".join(f"{cell:>9}" for cell in cells))
        print(f"{'':18}{line['what']}; wanted: {line['claim']}")
        if line["found"] is not None:
            print(f"{'':18}of 10 planted cells {line['found']:g} found (worst {line['found_worst']:g}), ", end="")
            print(f"{line['false']:g} others named (worst {line['false_worst']:g})")
        sys.stdout.flush()


def print_csv(results: Iterator[tuple[str, list[Outcome]]]) -> None:
    """One line a culture."""
    writer = csv.DictWriter(sys.stdout, [column.name for column in fields(Outcome)], lineterminator="\n")
    writer.writeheader()
    for _, outcomes in results:
        writer.writerows(asdict(one) for one in outcomes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), metavar="NAME")
    parser.add_argument("--seeds", type=int, help="cultures for each setting (default: a few)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--model", choices=MODELS, default="robust")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table", help="csv: a line a culture")
    asked = parser.parse_args()
    counts = {name: asked.seeds or SETTINGS[name].cultures for name in asked.setting}
    results = run(counts, asked.first_seed, [asked.model], asked.processes)
    if asked.format == "table":
        print_table(results, asked.model)
    elif asked.format == "csv":
        print_csv(results)
    else:
        print(json.dumps([summary(name, outcomes) for name, outcomes in results], indent=2))


if __name__ == "__main__":
    main()
