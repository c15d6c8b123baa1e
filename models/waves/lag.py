"""The longest time from one cell's event to its neighbour's, from the data: up to where neighbours go together."""

from __future__ import annotations

import numpy as np

from calcigraph.models.waves.contacts import Net
from calcigraph.models.waves.pairs import Train, nearest_pairs
from calcigraph.models.waves.shifts import shifted
from calcigraph.store.types import FloatArray

SHARE = 0.98
"""Share of the pairs beyond chance that the lag covers."""
MARGIN = 1.3
"""The lag is so much longer than that: contacts are of unlike length."""
SHIFTS = 10
ENOUGH = 5.0
"""Pairs beyond chance, in deviations of their number by chance, from which there is something to cover."""
FRAMES = 3.0
"""The lag where neighbours do not go together, in frames."""
CHANCE = 0.2
"""Most events of a cell by chance within the lag: beyond, neighbours' events meet whatever they do."""
BINS = 400


def lag_of(net: Net, train: Train, seconds: float, step: float, rng: np.random.Generator) -> tuple[float, bool]:
    """The lag in seconds, and whether the data told it.

    Of every pair of events of cells in contact that are each other's nearest, the time between is compared with that of
    shifted trains. There are more short times than by chance where neighbours go together; the lag covers 95 % of them.
    """
    rate = len(train.time) / max(net.cells, 1) / seconds
    most = max(min(seconds / 8, CHANCE / max(rate, 1e-12)), FRAMES * step)
    edges = np.linspace(0, max(seconds / 8, 2 * FRAMES * step), BINS + 1)
    seen = _counts(net, train, edges)
    by_chance = np.mean([_counts(net, shifted(net, train, seconds, rng), edges) for _ in range(SHIFTS)], axis=0)
    beyond = np.cumsum(seen - by_chance)
    deviation = np.sqrt(np.cumsum(by_chance) * (1 + 1 / SHIFTS) + 1)
    if len(beyond) == 0 or (beyond / deviation).max() < ENOUGH:
        return FRAMES * step, False
    # Where the surplus is clearest, what comes later is a loss.
    top = int((beyond - deviation).argmax())
    place = int(np.argmax(beyond[: top + 1] >= SHARE * beyond[top]))
    return min(max(MARGIN * float(edges[place + 1]), FRAMES * step / 2), most), True


def _counts(net: Net, train: Train, edges: FloatArray) -> FloatArray:
    pairs = nearest_pairs(net, train, float(edges[-1]))
    lag = np.abs(train.time[pairs.one] - train.time[pairs.two])[pairs.agreed]
    return np.histogram(lag, edges)[0].astype(np.float64)
