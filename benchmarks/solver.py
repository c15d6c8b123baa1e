"""The exact CRLSM group solver against scipy's sparse trust region reflective least squares, on the same rows.

    python benchmarks/solver.py [--cells 84] [--frames 361] [--cultures 5] [--seed 0]

Both minimise eqs. 18-20 of arXiv:2505.20327 (one k, a feed per cell) from the same traces; times are the best of
several runs in one process with one thread, from traces to parameters, the forming of scipy's matrix apart (it is
printed beside). The ratio at the end is that of the seconds of all cultures together.

`paper` is the paper's box, which holds some feeds down as it does in movies. `wide` is a box that holds nothing: there
lsq_linear returns after one unbounded least-squares solve and never starts its trust region iterations, so that it says
nothing of TRF.
"""

# ruff: noqa: E402  (threads are set before NumPy loads)
from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # on matrices this small threads only slow TRF down

import numpy as np
from scipy.optimize import lsq_linear
from scipy.sparse import block_diag, csr_array, eye_array, hstack, vstack

from calcigraph.models import SyntheticOptions, make_culture, solve_group, sums

RIDGE, K_BOUNDS = 1e-3, (1e-3, 0.1)
FEED_BOUNDS = {"paper": (-3e-5, 0.1), "wide": (-1.0, 1.0)}
DT = 10.0
STATIC_BRIGHTNESS = 0.05
"""Spread of the cells' static differences in a movie, normalised: they push part of the feeds to their bound."""
AGREE = 1e-8
"""Largest difference of a parameter up to which the two count as one optimum."""


def rows(cells: int, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """y and M y of the first `cells` inner cells of a synthetic culture large enough to have them, (cells, frames)."""
    size = int(cells * 1.4) + 40
    options = SyntheticOptions(cells=size, frames=frames, size_px=int((size * 2000) ** 0.5), seed=seed)
    culture = make_culture(options)
    op = culture.operator()
    brightness = np.random.default_rng(seed).normal(0, STATIC_BRIGHTNESS, (len(culture.cells), 1))
    traces = culture.traces + brightness
    return traces[op.inner][:cells], op.apply(traces)[:cells]


def stacked(traces: np.ndarray, consensus: np.ndarray) -> tuple[csr_array, np.ndarray]:
    """The sparse matrix and right-hand side of eq. 18, ridge rows included."""
    cells, frames = traces.shape
    coupling = csr_array((DT * consensus[:, :-1]).reshape(-1, 1))
    feeds = block_diag([np.full((frames - 1, 1), DT)] * cells)
    ridge = RIDGE**0.5 * eye_array(cells + 1)
    matrix = csr_array(vstack([hstack([coupling, feeds]), ridge]))
    return matrix, np.concatenate([np.diff(traces, axis=1).ravel(), np.zeros(cells + 1)])


def best(run: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return min(took)


def compared(traces: np.ndarray, consensus: np.ndarray, bounds: tuple[float, float]) -> dict[str, float]:
    """Seconds of both on one problem, and what they found."""
    matrix, right = stacked(traces, consensus)
    cells = len(traces)
    box = np.array([K_BOUNDS[0], *[bounds[0]] * cells]), np.array([K_BOUNDS[1], *[bounds[1]] * cells])

    def exact() -> np.ndarray:
        k, feed = solve_group(sums(traces, consensus, DT), RIDGE, K_BOUNDS, bounds)
        return np.array([k, *feed])

    def trf() -> object:
        return lsq_linear(matrix, right, box, method="trf", tol=1e-12, lsmr_tol="auto")

    ours, theirs = exact(), trf()
    return {
        "bound": int(((ours == box[0]) | (ours == box[1])).sum()),
        "iterations": theirs.nit,
        "exact_s": best(exact, 50),
        "trf_s": best(trf, 3),
        "forming_s": best(lambda: stacked(traces, consensus), 1),
        "difference": float(np.abs(ours - theirs.x).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("cells", 84), ("frames", 361), ("cultures", 5), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    cultures = [
        rows(arguments.cells, arguments.frames, arguments.seed + number) for number in range(arguments.cultures)
    ]
    print(f"{arguments.cells} cells x {arguments.frames} frames, one k and a feed each")
    print("box      at bound  TRF iterations      TRF ms  (its matrix ms)   exact ms     ratio   largest difference")
    total = {}
    for name, bounds in FEED_BOUNDS.items():
        found = [compared(*culture, bounds) for culture in cultures]
        for one in found:
            print(
                f"{name:8s}{one['bound']:9d}{one['iterations']:16d}{1e3 * one['trf_s']:12.1f}"
                f"{1e3 * one['forming_s']:17.1f}{1e3 * one['exact_s']:11.3f}{one['trf_s'] / one['exact_s']:10.0f}"
                f"{one['difference']:21.1e}"
            )
        total[name] = sum(one["trf_s"] for one in found) / sum(one["exact_s"] for one in found)
        if max(one["difference"] for one in found) > AGREE:
            print(f"the two did not find the same optimum in the {name} box")
    print(f"ratio {total['paper']:.0f} times with the paper's box; {total['wide']:.1f} where no bound holds anything")


if __name__ == "__main__":
    main()
