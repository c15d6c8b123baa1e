"""Seconds and memory of model `robust` beside the paper's least squares on the same cultures, and how both grow.

    python benchmarks/robust.py [--cells 84 1000 10000] [--frames 361] [--seed 0]

Cultures are lattices of cells with six neighbours, traces with spikes and noise, made by the model itself (k = 0.01).
`crlsm` is its solver alone (consensus, sums, group and cells); `robust` is the whole of `fit` without the null:
estimates, simulated copies for the intervals, words, free run. Each runs in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

K, DT, NOISE, SPIKES, SPIKE_FRAMES = 0.01, 10.0, 0.002, 3, 3
SLOW_S = 300.0
"""Time constant of the border cells."""


def lattice(cells: int, frames: int, seed: int):
    """A square of at least so many inner cells, each in contact with six, with traces, as a Subgraph."""
    from dataclasses import replace

    from calcigraph.models import operator, simulate
    from calcigraph.store.types import Subgraph

    rng = np.random.default_rng(seed)
    side = int(np.ceil(cells**0.5)) + 2
    index = np.arange(side**2).reshape(side, side)
    steps = ((index[:, :-1], index[:, 1:]), (index[:-1], index[1:]), (index[:-1, :-1], index[1:, 1:]))
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in steps])
    border = np.ones((side, side), dtype=bool)
    border[1:-1, 1:-1] = False
    y, x = np.indices((side, side)).reshape(2, -1) * 40.0
    traces = slow(rng, side**2, frames)
    borders, distances = rng.uniform(5, 60, len(pairs)), rng.uniform(30, 60, len(pairs))
    culture = Subgraph("lattice", DT, index.ravel() + 1, x, y, border.ravel(), traces, pairs, borders, distances)
    op = operator(culture, "distance*border")
    feed, source = rng.normal(2e-5, 2e-5, len(op.inner)), np.zeros((len(op.inner), frames - 1))
    for start in rng.integers(0, frames - SPIKE_FRAMES, (SPIKES, len(op.inner))):
        for frame in range(SPIKE_FRAMES):
            source[np.arange(len(op.inner)), start + frame] += 0.15 / (SPIKE_FRAMES * DT)
    traces[op.inner] = simulate(op, K, feed, traces, DT, source=source)
    return replace(culture, intensity=traces + NOISE * rng.standard_normal(traces.shape))


def slow(rng: np.random.Generator, cells: int, frames: int) -> np.ndarray:
    """Slow random processes about 0.5, (cells, frames)."""
    keep = float(np.exp(-DT / SLOW_S))
    state, result = 0.1 * rng.standard_normal(cells), np.empty((cells, frames))
    for frame in range(frames):
        state = keep * state + 0.1 * (1 - keep**2) ** 0.5 * rng.standard_normal(cells)
        result[:, frame] = 0.5 + state
    return result


def crlsm(culture) -> float:
    """The paper's k, from the same traces."""
    from calcigraph.models import operator, solve_cells, solve_group, sums

    op = operator(culture, "distance*border")
    data = sums(culture.intensity[op.inner], op.apply(culture.intensity), DT)
    solve_cells(data, 1e-3, (1e-3, 0.1), (-3e-5, 0.1))
    return solve_group(data, 1e-3, (1e-3, 0.1), (-3e-5, 0.1))[0]


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def robust(culture):
    """The whole fit."""
    from calcigraph.models import FitOptions, fit

    return fit(culture, options=FitOptions(null=0))


MODELS = {"crlsm": crlsm, "robust": robust}


def measured(name: str, culture):
    """What a model finds, the seconds and processor seconds it takes, and the memory beyond the culture, MB."""
    MODELS[name](lattice(9, 30, 0))  # imports and thread pools
    before, start, start_cpu = peak_mb(), time.perf_counter(), time.process_time()
    found = MODELS[name](culture)
    return found, time.perf_counter() - start, time.process_time() - start_cpu, peak_mb() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[84, 1000, 10000])
    for name, value in (("frames", 361), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    print(f"{arguments.frames} frames; k is {K}; `cpu s` are seconds of all cores together; MB beyond the culture")
    print(
        "  cells  crlsm s   cpu s  robust s    cpu s  ratio of cpu  traces MB  crlsm MB  robust MB  crlsm k"
        "  robust k (95 %)"
    )
    costs = []
    for cells in arguments.cells:
        culture = lattice(cells, arguments.frames, arguments.seed)
        with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as pool:
            k, paper_s, paper_cpu, paper_mb = pool.submit(measured, "crlsm", culture).result()
            found, robust_s, robust_cpu, robust_mb = pool.submit(measured, "robust", culture).result()
        costs.append((len(found.labels), paper_cpu, robust_cpu))
        print(
            f"{len(found.labels):7d}{paper_s:9.3f}{paper_cpu:8.3f}{robust_s:10.2f}{robust_cpu:9.2f}"
            f"{robust_cpu / paper_cpu:14.0f}{culture.intensity.nbytes / 2**20:11.1f}{paper_mb:10.0f}{robust_mb:11.0f}"
            f"{k:9.5f}  {found.k:.5f} ({found.k_low:.5f} to {found.k_high:.5f})",
            flush=True,
        )
    cells, paper, robustly = (last / first for first, last in zip(costs[0], costs[-1], strict=True))
    print(f"{cells:.0f} times the cells take crlsm {paper:.0f} and robust {robustly:.0f} times the processor seconds")


if __name__ == "__main__":
    main()
