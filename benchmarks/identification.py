"""How near each method comes to a known coupling, and how long it takes: ours beside other people's libraries.

    python benchmarks/identification.py [--k 0.005 0.02] [--seeds 2] [--methods crlsm robust ...] [--format table]

All see the same synthetic cultures: the traces of 108 cells, 361 frames, one per 10 s, 3 spikes a cell that no model
knows of, noise 0.002, weights distance*border. `error` is |k_hat / k - 1|. `own k, quartiles` are the quartiles over
cells and cultures of k_hat / k where cells are fitted with a k of their own. Seconds go from traces to parameters,
imports apart; they are compared with crlsm's in the same run. `crlsm` here is the estimate alone; `robust` and
`pinn` include their intervals.

PySINDy and DeepXDE are given the model's own terms and nothing else, the consensus term and a constant, so that it is
the estimators that differ; PySINDy's threshold and ridge are off, since both terms are known to act. DeepXDE is slow
and sees one cell alone: `deepxde-plain` is its network as in its own examples, which cannot follow these traces, and
`deepxde` has features of time (benchmarks/comparators.py). All networks start from a third of the true k. With
--spikes 0 --noise 0 PySINDy and `deepxde` do find k: what is compared is what methods make of spikes and noise.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial

import numpy as np
from comparators import SINDY, Estimate, inverse_ode, load_deepxde, sindy_cells, sindy_group

from calcigraph.models import (
    FitOptions,
    SyntheticCulture,
    SyntheticOptions,
    fit,
    make_culture,
    solve_cells,
    solve_group,
    sums,
)
from calcigraph.models.crlsm.options import FEED_BOUNDS, K_BOUNDS
from calcigraph.models.pinn.blocks import fit_group
from calcigraph.models.pinn.options import PinnOptions
from calcigraph.option import value_of

BASELINE = "crlsm"
START = 1 / 3
"""Where trained networks start, as a share of the true k."""
Run = Callable[[SyntheticCulture], Estimate]


@dataclass(frozen=True)
class Row:
    """One method at one k, over all seeds; ratios are k_hat / k."""

    k: float
    method: str
    cultures: int
    ratio_median: float
    ratio_low: float
    ratio_high: float
    error_median: float
    error_worst: float
    cells_low: float | None
    """Quartiles over all cells with a k of their own."""
    cells_high: float | None
    seconds: float
    seconds_by_crlsm: float


def least_squares(culture: SyntheticCulture) -> Estimate:
    """The paper's estimate by itself; `fit` would add the interval, which costs more than it."""
    op, options = culture.operator(), culture.options
    data = sums(culture.traces[op.inner], op.apply(culture.traces), options.frame_interval_s)
    problem = value_of(FitOptions(), "ridge"), K_BOUNDS, FEED_BOUNDS
    return Estimate(solve_group(data, *problem)[0], solve_cells(data, *problem)[0])


def robust(culture: SyntheticCulture) -> Estimate:
    """With its intervals, without the null."""
    found = fit(culture.subgraph(), "robust", FitOptions(null=0))
    own = found.cells["k_cell"]
    return Estimate(float("nan") if found.k is None else found.k, own[np.isfinite(own)])


def pinn(preset: str, culture: SyntheticCulture) -> Estimate:
    options, op = culture.options, culture.operator()
    training = PinnOptions(preset=preset, k_start=START * options.k, seed=options.seed)
    found = fit_group(culture.traces, op, options.frame_interval_s, training)
    return Estimate(float(np.nanmedian(found.k)), found.k_cell[np.isfinite(found.k_cell)])


def deepxde(cells: int, iterations: int, features: bool, culture: SyntheticCulture) -> Estimate:
    options = culture.options
    start = START * options.k
    return inverse_ode(culture.subgraph(), cells, iterations, start, features=features, seed=options.seed)


def methods(deepxde_cells: int, deepxde_iterations: int) -> dict[str, Run]:
    table: dict[str, Run] = {
        "crlsm": least_squares,
        "robust": robust,
        "pinn": partial(pinn, "default"),
        "pinn-paper": partial(pinn, "paper"),
    }
    for derivative in SINDY:
        table[f"pysindy-{derivative}"] = lambda culture, how=derivative: sindy_cells(culture.subgraph(), how)
        table[f"pysindy-{derivative}-group"] = lambda culture, how=derivative: sindy_group(culture.subgraph(), how)
    for name, features in (("deepxde", True), ("deepxde-plain", False)):
        table[name] = partial(deepxde, deepxde_cells, deepxde_iterations, features)
    return table


def warm_up(names: Sequence[str], runs: dict[str, Run]) -> None:
    """Import what the methods need, which is no part of their time. Ends the run where a library is missing."""
    try:
        if any(name.startswith("pysindy") for name in names):
            import pysindy  # noqa: F401
        if any(name.startswith("pinn") for name in names):
            import torch  # noqa: F401
        if any(name.startswith("deepxde") for name in names):
            load_deepxde()
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed; the dependency group `bench` of pyproject.toml has it")
    runs[BASELINE](make_culture(SyntheticOptions(cells=30, frames=60, size_px=256)))


def measured(names: Sequence[str], runs: dict[str, Run], cultures: Sequence[SyntheticCulture]) -> Iterator[Row]:
    """One row a method, the baseline's first, from cultures of the same k."""
    k, seeds = cultures[0].options.k, len(cultures)
    baseline = 0.0
    for name in names:
        results, seconds = [], []
        for culture in cultures:
            tell(f"k = {k:g}: {name}, culture {len(results) + 1} of {seeds}")
            start = time.perf_counter()
            results.append(runs[name](culture))
            seconds.append(time.perf_counter() - start)
        middle = float(np.median(seconds))
        baseline = middle if name == BASELINE else baseline
        yield row(k, name, results, middle, middle / baseline)
    tell("")


def cultures(asked: argparse.Namespace, k: float) -> list[SyntheticCulture]:
    options = SyntheticOptions(k=k, spikes=asked.spikes, trace_noise=asked.noise)
    return [make_culture(replace(options, seed=seed)) for seed in range(asked.seeds)]


def row(k: float, name: str, results: Sequence[Estimate], seconds: float, by_crlsm: float) -> Row:
    ratios = np.array([result.k for result in results]) / k
    errors, cells = np.abs(ratios - 1), np.concatenate([result.k_cell for result in results]) / k
    low, high = (float(value) for value in np.quantile(cells, [0.25, 0.75])) if len(cells) else (None, None)
    spread = (float(np.median(ratios)), float(ratios.min()), float(ratios.max()))
    wrong = (float(np.median(errors)), float(errors.max()))
    return Row(k, name, len(results), *spread, *wrong, low, high, seconds, by_crlsm)


def tell(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:70}", end="\r" if not text else "", file=sys.stderr, flush=True)


def print_table(rows: Iterator[Row]) -> None:
    last = None
    for found in rows:
        if found.k != last:
            print(f"\nk = {found.k:g} 1/s, {found.cultures} cultures")
            print(f"{'':22}{'k_hat / k':>10}{'lowest, highest':>20}{'error':>9}{'worst':>9}", end="")
            print(f"{'own k, quartiles':>20}{'seconds':>10}{'x crlsm':>9}")
        last = found.k
        cells = "" if found.cells_low is None else f"{found.cells_low:.3f} to {found.cells_high:.3f}"
        print(f"{found.method:22}{found.ratio_median:10.3f}{found.ratio_low:12.3f}{found.ratio_high:8.3f}", end="")
        print(f"{found.error_median:9.2%}{found.error_worst:9.2%}{cells:>20}", end="")
        print(f"{found.seconds:10.3f}{found.seconds_by_crlsm:9.1f}", flush=True)


def print_csv(rows: Iterator[Row]) -> None:
    writer = csv.DictWriter(sys.stdout, [column.name for column in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(found) for found in rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=float, nargs="+", default=[0.005, 0.02], help="1/s, above 0")
    parser.add_argument("--seeds", type=int, default=2, help="cultures for each k")
    parser.add_argument("--spikes", type=int, default=3, help="a cell")
    parser.add_argument("--noise", type=float, default=0.002, help="standard deviation added to the traces")
    parser.add_argument(
        "--methods", nargs="+", choices=list(methods(0, 0)), default=list(methods(0, 0)), metavar="NAME"
    )
    parser.add_argument("--deepxde-cells", type=int, default=1)
    parser.add_argument("--deepxde-iterations", type=int, default=2000)
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    found = parser.parse_args()
    counts = (found.seeds, found.deepxde_cells, found.deepxde_iterations)
    if min(found.k) <= 0 or min(counts) < 1:
        parser.error("k must be above 0, and seeds, cells and iterations at least 1")
    return found


def main() -> None:
    asked = arguments()
    runs = methods(asked.deepxde_cells, asked.deepxde_iterations)
    names = [name for name in runs if name == BASELINE or name in asked.methods]
    warm_up(names, runs)
    rows = (found for k in asked.k for found in measured(names, runs, cultures(asked, k)))
    if asked.format == "json":
        print(json.dumps([asdict(found) for found in rows], indent=2))
    else:
        {"table": print_table, "csv": print_csv}[asked.format](rows)


if __name__ == "__main__":
    main()
