"""Is the p of the null uniform, and does it find coupled cells? Synthetic cultures, k = 0 and k > 0.

    python benchmarks/null.py [--cultures 200] [--times 200] [--seed 0] [--all]

One line a setting: 108 cells, 361 frames, traces with noise. `KS p` compares the null's p-values with the uniform
distribution (small means it is not); `p < 0.01` is the share of cultures so called: about 0.01 is right for k = 0, and
at least 0.95 for the coupling where there is one (half as many cultures). `--all` adds frame intervals, noise, spikes.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # the processes share the cores already

Settings = dict[str, float | str]

FIRST: tuple[Settings, ...] = ({"k": 0.0}, {"k": 0.01})
OTHERS: tuple[Settings, ...] = (
    {"k": 0.0, "trace_noise": 0.01, "spikes": 8},
    {"k": 0.0, "frame_interval_s": 2.0},
    {"k": 0.0, "spike_shape": "decay", "spike_decay_s": 80.0},
    {"k": 0.003},
    {"k": 0.01, "trace_noise": 0.01, "spikes": 8},
    {"k": 0.01, "frame_interval_s": 1.0},
    {"k": 0.01, "frame_interval_s": 20.0},
    {"k": 0.01, "spike_shape": "decay", "spike_decay_s": 30.0},
    {"k": 0.01, "spike_shape": "decay", "spike_decay_s": 80.0},
    {"k": 0.01, "spike_shape": "extrusion"},
    {"k": 0.1},
)


def one(setting: Settings, times: int, seed: int) -> tuple[float, float, float, float, float]:
    """k, its mean by chance, its p and synchrony's p, and the seconds that the null took."""
    from calcigraph.models import SyntheticOptions, make_culture
    from calcigraph.models.null import null_test

    culture = make_culture(SyntheticOptions(size_px=256, seed=seed, **setting))
    graph = culture.subgraph()
    start = time.perf_counter()
    places = np.stack([graph.x_px, graph.y_px], axis=1)
    found = null_test(graph.intensity, culture.operator(), graph.pairs, places, graph.frame_interval_s, times, seed)
    return found.k, found.k_mean, found.k_p, found.sync_p, time.perf_counter() - start


def measured(
    pool: ProcessPoolExecutor, number: int, setting: Settings, cultures: int, times: int, first: int
) -> np.ndarray:
    """What `one` gives of so many cultures. Seeds of two settings never meet, so no two share a culture."""
    start = first + 1_000_000 * number
    call = partial(one, setting, times)
    return np.array(list(pool.map(call, range(start, start + max(1, cultures)), chunksize=4)))


def line(setting: Settings, found: np.ndarray) -> str:
    from scipy.stats import kstest

    k, k_mean, k_p, sync_p, seconds = found.T
    name = ", ".join(f"{key} {value}" for key, value in setting.items())
    parts = [f"{name:46s}{len(k):9d}{np.median(k):10.5f}{np.median(k_mean):10.5f}"]
    parts += [f"{kstest(p, 'uniform').pvalue:11.2g}{np.mean(p < 0.01):10.3f}" for p in (k_p, sync_p)]
    return "".join(parts) + f"{1e3 * np.median(seconds):8.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("cultures", 200), ("times", 200), ("seed", 0), ("jobs", os.cpu_count() or 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    print(f"{'':75s}{'coupling':>21s}{'synchrony':>21s}")
    print(
        f"{'setting':46s}{'cultures':>9s}{'k':>10s}{'by chance':>10s}"
        + f"{'KS p':>11s}{'p < 0.01':>10s}" * 2
        + "      ms"
    )
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for number, setting in enumerate(FIRST + (OTHERS if arguments.all else ())):
            cultures = arguments.cultures // (2 if setting["k"] else 1)
            found = measured(pool, number, setting, cultures, arguments.times, arguments.seed)
            print(line(setting, found), flush=True)


if __name__ == "__main__":
    main()
