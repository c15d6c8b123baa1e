"""What the neighbours' light in the traces does to k, which widens its interval.

Light of a neighbour is in a cell's trace at once, and coupling makes a cell follow its neighbour: so the light makes k
too large. How much light there is, ingest has measured where a movie tells it (`Subgraph.neighbours_light`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.models.estimate import Estimate, Value
from calcigraph.models.task import Solved, Task

TIMES = 4.0
"""Share by which k may be too large, over the share of the neighbours' light: measured on blurred movies, 0.8 to 1.3
where cells have brief events (`robust`), up to 4 where `decorrelation` answers."""


def with_light_error(task: Task, solved: Solved) -> Solved:
    """The parameters with intervals of k that reach down to what k is without the neighbours' light.

    Parameters
    ----------
    task
        A culture.
    solved
        Its parameters.
    """
    light = task.subgraph.neighbours_light
    if light <= 0:
        return solved
    share, least = TIMES * light, task.k_box[0]
    return replace(
        solved,
        k=lower(solved.k, share, least),
        k_cell=lower(solved.k_cell, share, least),
        culture_k=lower(solved.culture_k, share, least),
        facts=dict(solved.facts) | {"neighbours_light": light},
    )


def lower(k: Estimate[Value], share: float, least: float) -> Estimate[Value]:
    """The interval of k with its lower end moved for a k that may be too large by a share of itself, 1/s.

    Examples
    --------
    >>> lower(Estimate(value=0.010, low=0.007, high=0.013), 0.4, 0.0)
    Estimate(value=0.01, low=0.005, high=0.013)
    """
    return k.with_error(share * np.abs(k.value), 0.0, (least, np.inf))
