"""The paper's experiments on a synthetic culture of its size, beside the paper's own figures (arXiv:2505.20327).

    python benchmarks/paper.py [--k 0.01] [--seed 0]

108 cells, 361 frames, one per 10 s. Least squares has the paper's defaults: lambda 0.001, k in [0.001, 0.1], feed in
[-3e-5, 0.1], data interpolated to 10 points a frame, 2110 of 3610 points for training. The forward model runs a stated
k and no feed. The paper's cells 68, 73 and 43 are stood for by the cells of that label, or the next inner one. The
figures need not agree: the cultures differ. What must agree is that all of it can be done.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass

import numpy as np

from calcigraph.models import FitOptions, SyntheticOptions, fit, fitted_cells, make_culture, predict, squared_error
from calcigraph.store.types import Fit, Subgraph

TRAIN = 2110 / 3610
POINTS_A_FRAME = 10


@dataclass(frozen=True)
class Row:
    """One experiment: mean squared errors of ours (forward model; training and test part) and the paper's."""

    name: str
    forward: float
    train: float
    test: float
    k: float
    paper: tuple[str, str, str]
    """Forward model, CRLSM, PINN."""


def options(case: str, setup: int) -> FitOptions:
    return FitOptions(case=case, setup=setup, train_fraction=TRAIN, interpolate=POINTS_A_FRAME)


def stand_in(culture: Subgraph, label: int, setup: int) -> int:
    """The label itself if it is an inner cell, else the next one that is."""
    inner = culture.labels[fitted_cells(culture, {"setup": setup})]
    return int(inner[np.searchsorted(inner, label) % len(inner)])


def experiment(
    culture: Subgraph, name: str, case: str, setup: int, label: int, k: float, paper: tuple[str, str, str]
) -> Row:
    result = fit(culture, options=options(case, setup))
    at = int(np.flatnonzero(result.labels == label)[0])
    data = culture.intensity[fitted_cells(culture, result.settings)]
    forward = squared_error(data, predict(culture, result.settings, k, 0.0))[at]
    train, test, fitted = (float(result.cells[column][at]) for column in ("mse_train", "mse_test", "k"))
    return Row(name.format(label), float(forward), train, test, fitted, paper)


def experiments(culture: Subgraph, k: float) -> list[Row]:
    alone = [(68, ("0.0012", "0.0075", "0.0067")), (73, ("0.0029", "0.0029", "-"))]
    rows = [
        experiment(culture, "cell {} alone", "cell", 1, stand_in(culture, label, 1), k, paper) for label, paper in alone
    ]
    label = stand_in(culture, 43, 3)
    grouped = [("0.0014", "0.0023", "-"), ("0.0010", "0.0011", "-"), ("0.0012", "0.0013", "-")]
    for setup, paper in enumerate(grouped, start=1):
        name = f"cell {{}} in the group, setup {'I' * setup}"
        rows.append(experiment(culture, name, "per-cell", setup, label, k, paper))
    return rows


def group_figures(culture: Subgraph) -> list[tuple[str, Fit]]:
    cases = [("one k, one feed", "shared"), ("one k, a feed per cell", "per-cell")]
    return [
        (f"{name}, setup {'I' * setup}", fit(culture, options=options(case, setup)))
        for name, case in cases
        for setup in (1, 2, 3)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=float, default=0.01, help="the culture's and the forward model's coupling, 1/s")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    made = make_culture(SyntheticOptions(k=arguments.k, seed=arguments.seed))
    culture = made.subgraph()
    inner = int((~culture.border).sum())
    print(f"synthetic culture: {len(culture.labels)} cells, {inner} inner, k = {arguments.k:g} 1/s (paper: 108, 84)\n")

    print(f"{'mean squared error':34}{'forward':>9}{'train':>9}{'test':>9}{'k':>8} | paper: forward  CRLSM   PINN")
    for row in experiments(culture, arguments.k):
        paper = f"{row.paper[0]:>14}{row.paper[1]:>8}{row.paper[2]:>8}"
        print(f"{row.name:34}{row.forward:9.4f}{row.train:9.4f}{row.test:9.4f}{row.k:8.4f} | {paper}")

    print(f"\n{'whole group':34}{'':9}{'train':>9}{'test':>9}{'k':>8}")
    for name, result in group_figures(culture):
        print(f"{name:34}{'':9}{result.mse_train:9.4f}{result.mse_test:9.4f}{result.k:8.4f}")

    print("\nfit groups, setup I                    here   paper")
    count = Counter(fit(culture, options=options("per-cell", 1)).words["group"])
    for group, paper_count in (("good", 58), ("misses peaks", 15), ("wrong magnitude", 10)):
        print(f"{group:34}{count[group]:9}{paper_count:8}")


if __name__ == "__main__":
    main()
