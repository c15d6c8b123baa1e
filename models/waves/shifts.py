"""Random cultures: the cells' trains shifted in time."""

from __future__ import annotations

import numpy as np

from calcigraph.models.waves.contacts import Net
from calcigraph.models.waves.pairs import Train


def shifted(net: Net, train: Train, seconds: float, rng: np.random.Generator) -> Train:
    """Each cell's train shifted circularly by a random time: it keeps its own rhythm."""
    moved = (train.time + rng.uniform(0, seconds, net.cells)[train.row]) % seconds
    order = np.lexsort((moved, train.row))
    return Train(row=train.row[order], time=moved[order])
