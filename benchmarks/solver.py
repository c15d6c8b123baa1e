"""The exact CRLSM group solver against scipy's sparse trust region reflective least squares, on the same rows.

    python benchmarks/solver.py [--cells 84] [--frames 361] [--seed 0]

Both minimise eqs. 18-20 of arXiv:2505.20327 (one k, a feed per cell) from the same traces; times are the best of
several runs in one process, from traces to parameters, the forming of scipy's matrix apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import lsq_linear
from scipy.sparse import block_diag, csr_array, eye_array, hstack, vstack

from calcigraph.models import SyntheticOptions, make_culture, solve_group, sums

RIDGE, K_BOUNDS, FEED_BOUNDS = 1e-3, (1e-3, 0.1), (-3e-5, 0.1)
DT = 10.0
STATIC_BRIGHTNESS = 0.05
"""Spread of the cells' static differences in a movie, normalised: they push part of the feeds to their bound."""


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("cells", 84), ("frames", 361), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    traces, consensus = rows(arguments.cells, arguments.frames, arguments.seed)
    matrix, right = stacked(traces, consensus)
    cells = len(traces)
    box = (
        np.array([K_BOUNDS[0], *[FEED_BOUNDS[0]] * cells]),
        np.array([K_BOUNDS[1], *[FEED_BOUNDS[1]] * cells]),
    )

    def exact() -> np.ndarray:
        k, feed = solve_group(sums(traces, consensus, DT), RIDGE, K_BOUNDS, FEED_BOUNDS)
        return np.array([k, *feed])

    def trf() -> np.ndarray:
        return np.asarray(lsq_linear(matrix, right, box, method="trf", tol=1e-12, lsmr_tol="auto").x)

    ours, theirs = exact(), trf()
    cost = [0.5 * float(((matrix @ x - right) ** 2).sum()) for x in (ours, theirs)]
    exact_s, trf_s = best(exact, 50), best(trf, 3)
    bound = int((ours == box[0]).sum())
    print(f"{cells} cells x {arguments.frames} frames, one k and a feed each, {bound} parameters at a bound")
    print(f"scipy lsq_linear TRF (sparse)  {1e3 * trf_s:10.2f} ms   objective {cost[1]:.15g}")
    print(f"exact solver                   {1e3 * exact_s:10.2f} ms   objective {cost[0]:.15g}")
    print(f"ratio {trf_s / exact_s:.0f} times; largest difference of a parameter {np.abs(ours - theirs).max():.2g}")


if __name__ == "__main__":
    main()
