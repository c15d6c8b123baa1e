"""Does message passing over contacts forecast better than the ridge regression on hinges: part of `make forecast`.

    python benchmarks/forecast_network.py [--tissue FOLDER] [--seeds 5] [--csv FOLDER]

What adds to the regression is the network of calcigraph.models.forecast.network. Each seed deals the cultures anew into
those that are learnt from, one whose error says when to stop, and three that are judged; the regression learns from all
but those three. Trained over many cultures, both are used in others as they are.
"""

# ruff: noqa: E402  (threads are set before NumPy loads)
from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import torch

from calcigraph.models.forecast.network import Known, known, train
from calcigraph.models.forecast.past import past_of
from calcigraph.models.forecast.ridge import moments_of
from calcigraph.models.synthetic.excitable import make_waves
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.store.types import Subgraph

HORIZONS = (1, 2, 5, 10)
JUDGED = 3
MEDIUM = WaveOptions(cells=64, size_px=400, waves=12, own_rate=1)
MEDIA = 8


def read(graph: Subgraph) -> Known:
    past = past_of(graph)
    return known(past, graph.pairs, HORIZONS, moments_of(past, HORIZONS))


def judged(name: str, cultures: Sequence[Known], seeds: int) -> Iterator[dict[str, object]]:
    """One row a seed and culture that was judged."""
    for seed in range(seeds):
        began = time.perf_counter()
        order = np.random.default_rng(seed).permutation(len(cultures)).tolist()
        test, watched, learnt = order[:JUDGED], order[JUDGED], order[JUDGED + 1 :]
        found, epochs = train([*(cultures[at] for at in learnt), cultures[watched]], seed)
        for at in test:
            row: dict[str, object] = {"cultures": name, "seed": seed, "culture": at, "epochs": epochs}
            row["parameters"] = sum(each.numel() for each in found.layers.parameters())
            for method, alone in (("hinge", True), ("graph", False)):
                errors = found.errors(cultures[at], alone)
                row |= {f"{method}_{ahead}": float(error) for ahead, error in zip(HORIZONS, errors, strict=True)}
            yield row | {"seconds": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("CALCIGRAPH_TEST_DATA")
    parser.add_argument("--tissue", type=Path, default=Path(data) / "lymph_gland" if data else None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    kinds = {"excitable medium": [make_waves(replace(MEDIUM, seed=9000 + at)).graph for at in range(MEDIA)]}
    if asked.tissue is not None:
        from tissue import recordings

        kinds["lymph gland"] = [each.graph for each in recordings(asked.tissue)]
    found = []
    for name, graphs in kinds.items():
        for row in judged(name, [read(graph) for graph in graphs], asked.seeds):
            found.append(row)
            print(*(f"{value:.4g}" if isinstance(value, float) else value for value in row.values()), sep="  ")
    if asked.csv is not None:
        asked.csv.mkdir(parents=True, exist_ok=True)
        with (asked.csv / "network.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)


if __name__ == "__main__":
    main()
