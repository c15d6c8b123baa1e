"""Small cultures on a grid, where every neighbour is known by arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calcigraph.models import operator
from calcigraph.store.types import Subgraph

MakeGrid = Callable[..., Subgraph]


def grid_culture(rows: int = 5, columns: int = 6, frames: int = 30, seed: int = 0, dt: float = 10.0) -> Subgraph:
    """A grid of cells, 4-neighbours in contact, the rim as border cells, random borders and traces."""
    rng = np.random.default_rng(seed)
    index = np.arange(rows * columns).reshape(rows, columns)
    pairs = np.concatenate(
        [
            np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], axis=1),
            np.stack([index[:-1].ravel(), index[1:].ravel()], axis=1),
        ]
    )
    border = np.ones((rows, columns), dtype=bool)
    border[1:-1, 1:-1] = False
    y, x = np.indices((rows, columns)).reshape(2, -1) * 40.0
    return Subgraph(
        culture="grid",
        frame_interval_s=dt,
        labels=3 * np.arange(rows * columns) + 2,
        x_px=x,
        y_px=y,
        border=border.ravel(),
        intensity=0.5 + 0.05 * rng.standard_normal((rows * columns, frames)).cumsum(axis=1),
        pairs=pairs,
        shared_border_px=rng.uniform(5, 60, len(pairs)),
        centroid_distance_px=rng.uniform(30, 60, len(pairs)),
    )


def euler_culture(k: float, feed: np.ndarray, culture: Subgraph, weights: str) -> Subgraph:
    """The culture with inner traces replaced by forward Euler steps (eqs. 5-6) of the model, border as it is."""
    from dataclasses import replace

    op = operator(culture, weights)
    traces = culture.intensity.copy()
    for frame in range(1, traces.shape[1]):
        slope = k * op.apply(traces[:, frame - 1 : frame])[:, 0] + feed
        traces[op.inner, frame] = traces[op.inner, frame - 1] + culture.frame_interval_s * slope
    return replace(culture, intensity=traces)


@pytest.fixture(scope="session")
def grid() -> MakeGrid:
    return grid_culture


@pytest.fixture(scope="session")
def euler() -> Callable[..., Subgraph]:
    return euler_culture
