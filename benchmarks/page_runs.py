"""What docs/identification.md rests on: every section's raw results, measured here and kept as files.

Each function of `SECTIONS` measures one section and gives {file name: records}, one record a culture, so that tables
and pictures can be drawn again without it. Seeds are fixed. Used by benchmarks/page.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import accuracy
import accuracy_settings
import axes
import identification
import null
import numpy as np
from axes_lines import LINES

from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture

HERE = Path(__file__).resolve().parent
Records = list[dict[str, Any]]
Results = dict[str, Records]
BOTH, ROBUST = ("robust", "crlsm"), ("robust",)
RECOVERY = {"movie": 20, "movie-fast": 20, "cellpose": 20, "traces": 100, "missing": 20, "merged": 20}
SPIKES = {"spiky-slow": 20, "spiky-fast": 20, "tail-30": 20, "tail-80": 20, "extrusion": 20, "noisy": 20, "waves": 20}
COVERAGE = {"gaussian": 40, "many-tails": 40, "quiet": 40, "fine": 20, "coarse": 40, "fast": 40}
ANOMALIES = {"anomalies": 20, "anomalies-movie": 20}
NULL = ({"k": 0.0}, {"k": 0.01})
NULL_CULTURES, NULL_PERMUTATIONS = 200, 200
STARTS = (1 / 3, 3.0)
PINN_CULTURES, PAPER_CULTURES, PATHS, PATH_POINTS = 20, 3, 3, 80
COMPARED_K = (0.005, 0.02)
COMPARED, COMPARED_SLOW = 20, 3
SLOW = ("pinn", "pinn-paper", "deepxde", "deepxde-plain")


@dataclass(frozen=True)
class Plan:
    """How much is measured, and with how many processes."""

    quick: bool
    processes: int
    most: int | None = None
    """Cultures of each line of section axes, if not as many as usual."""

    def cultures(self, full: int) -> int:
        return min(full, 2) if self.quick else full


def measure_settings(counts: Mapping[str, int], models: Sequence[str], plan: Plan) -> Records:
    wanted = {name: plan.cultures(count) for name, count in counts.items()}
    results = accuracy.run(wanted, 0, models, plan.processes)
    return [asdict(one) for _, outcomes in results for one in outcomes]


def recovery(plan: Plan) -> Results:
    return {"recovery.csv": measure_settings(RECOVERY, BOTH, plan)}


def spikes(plan: Plan) -> Results:
    return {"spikes.csv": measure_settings(SPIKES, BOTH, plan)}


def coverage(plan: Plan) -> Results:
    return {"coverage.csv": measure_settings(COVERAGE, ROBUST, plan)}


def axis_lines(plan: Plan) -> Results:
    """Tissue as no model assumes it; goes on where an earlier run of the same code was ended."""
    cultures = plan.most or plan.cultures(axes.CULTURES)
    return {"axes.csv": axes.measured(list(LINES), cultures, plan.processes).to_dict("records")}


def anomalies(plan: Plan) -> Results:
    return {"anomalies.csv": measure_settings(ANOMALIES, ROBUST, plan)}


def pinn(plan: Plan) -> Results:
    """The default from a third and three times the truth; the paper's preset beside it, on fewer cultures."""
    default = range(plan.cultures(PINN_CULTURES))
    calls = [("default", seed, start) for seed in default for start in STARTS]
    paper = range(1 if plan.quick else PAPER_CULTURES)
    calls += [("paper", seed, start) for seed in paper for start in STARTS]
    with pool(plan, warm_pinn) as workers:
        told = list(workers.map(trained, calls))
    return {"pinn.csv": [row for row, _ in told], "pinn_paths.csv": [step for _, path in told for step in path]}


def warm_pinn() -> None:
    graph = make_culture(SyntheticOptions(cells=30, frames=60, size_px=256)).subgraph()
    fit(graph, "pinn", FitOptions(null=0, epochs=2))


def trained(call: tuple[str, int, float]) -> tuple[dict[str, Any], Records]:
    """One PINN's k, and its path while it trained."""
    preset, seed, start = call
    culture = accuracy_settings.culture_of(accuracy_settings.SETTINGS["traces"], seed)
    k = culture.options.k
    began = time.perf_counter()
    found = fit(culture.subgraph(), "pinn", FitOptions(null=0, preset=preset, k_start=start * k, seed=seed))
    seconds = time.perf_counter() - began
    about = {"preset": preset, "seed": seed, "k": k, "start": start}
    interval = {
        name: np.nan if value is None else value / k for name, value in (("low", found.k_low), ("high", found.k_high))
    }
    row = about | {"ratio": found.k / k, **interval, "called": found.identified, "seconds": seconds}
    if seed >= PATHS:
        return row, []
    block = found.curves["blocks"][0]
    kept = np.unique(np.linspace(0, len(block["epoch"]) - 1, PATH_POINTS).round().astype(int))
    path = [about | {"epoch": block["epoch"][at] + 1, "ratio": block["k"][0][at] / k} for at in kept]
    return row, [about | {"epoch": 0, "ratio": start}, *path]


def pool(plan: Plan, start: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """Workers that share the cores, one thread each."""
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[threads] = "1"
    return ProcessPoolExecutor(plan.processes, get_context("spawn"), start)


def null_model(plan: Plan) -> Results:
    cultures, times = (10, 100) if plan.quick else (NULL_CULTURES, NULL_PERMUTATIONS)
    names = ("found", "permuted", "k_p", "sync_p", "seconds")
    records: Records = []
    with pool(plan) as workers:
        for number, setting in enumerate(NULL):
            found = null.measured(workers, number, setting, cultures, times, 0)
            records += [setting | dict(zip(names, row, strict=True)) for row in found.tolist()]
    return {"null.csv": records}


def solver(plan: Plan) -> Results:
    """benchmarks/solver.py as it prints, alone on the machine."""
    text = subprocess.run([sys.executable, str(HERE / "solver.py")], check=True, capture_output=True, text=True).stdout
    ratio = re.search(r"ratio (\d+)", text)
    assert ratio is not None, text
    return {"solver.csv": [{"ratio": int(ratio[1]), "line": line} for line in text.strip().splitlines()]}


def comparators(plan: Plan) -> Results:
    """Other libraries beside ours; the slow ones on fewer cultures."""
    calls = [(k, slow, plan.quick) for k in COMPARED_K for slow in (False, True)]
    with pool(plan) as workers:
        rows = [row for part in workers.map(side_by_side, calls) for row in part]
    return {"comparators.csv": rows}


def side_by_side(call: tuple[float, bool, bool]) -> Records:
    k, slow, quick = call
    runs = identification.methods(1, 50 if quick else 2000)
    chosen = [name for name in runs if (name in SLOW) == slow and not (quick and name == "pinn-paper")]
    names = [name for name in runs if name in chosen or name == identification.BASELINE]
    count = 1 if quick else COMPARED_SLOW if slow else COMPARED
    cultures = [make_culture(SyntheticOptions(k=k, seed=seed)) for seed in range(count)]
    identification.warm_up(names, runs)
    return [asdict(row) for row in identification.measured(names, runs, cultures) if row.method in chosen]


SECTIONS: dict[str, Callable[[Plan], Results]] = {
    "solver": solver,
    "recovery": recovery,
    "spikes": spikes,
    "coverage": coverage,
    "axes": axis_lines,
    "pinn": pinn,
    "anomalies": anomalies,
    "null": null_model,
    "comparators": comparators,
}
"""The solver first: its times want a quiet machine."""


def keep(results: Mapping[str, Records], folder: Path) -> None:
    """Write the records, six digits a number."""
    import pandas

    folder.mkdir(parents=True, exist_ok=True)
    for name, records in results.items():
        pandas.DataFrame(records).to_csv(folder / name, index=False, float_format="%.6g", lineterminator="\n")
