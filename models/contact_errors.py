"""How well the unit of k is known, which widens its interval.

k is that of a contact of mean weight in the tissue. The mean is over the contacts in the field that are seen, which are
a sample of them, and some masks may be wrong. This moves k by per cents, however exactly the traces tell it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot, sqrt

import numpy as np

from calcigraph.models.estimate import Estimate, Value
from calcigraph.models.options import Bounds
from calcigraph.models.scale import NORMAL
from calcigraph.models.task import Solved, Task
from calcigraph.store.doubtful import beside_missing, beside_place, merged_cells
from calcigraph.store.types import Subgraph
from calcigraph.store.weights import between_inner, raw_weights, unit_contacts

ALIKE = 1.7
"""Standard deviation of the mean weight of a field's contacts, over that if they were independent: measured on 90
fields of 50 to 210 contacts of synthetic tissues (1.6 to 1.8)."""


@dataclass(frozen=True)
class UnitError:
    """How well the mean weight of a culture's contacts is known."""

    unseen: float
    """Contacts between inner cells that are not seen, or belong to a mask that may hold two cells."""
    deviation: float
    """Standard error of the mean weight, as a share of it, as that of a sample of the tissue's contacts."""
    shift: float
    """By which share the mean would differ if the masks that may hold two cells did not."""

    @property
    def half(self) -> float:
        """Half of the 95 % interval of the mean weight, as a share of it."""
        return hypot(NORMAL * self.deviation, self.shift)


def unit_error(subgraph: Subgraph, weights: str) -> UnitError:
    """The error of the mean weight, from the m contacts that it is the mean of.

    The field is a sample of the tissue: with another one, the mean differs by 1.7 c / sqrt(m), where c is the standard
    deviation of the weights over their mean. Contacts near each other are alike, because large cells lie together by
    chance; so the mean scatters 1.7 times as much as that of m unlike contacts. `uniform` weights do not differ.
    Contacts that are not seen are told:

    * the outline of inner cells beside places without a mask, over the mean shared border;
    * the contacts of inner cells with border cells beside such a place, which may be border cells for no other reason;
    * the contacts of masks that may hold two cells, and the contact inside each of them.

    Parameters
    ----------
    subgraph
        The culture.
    weights
        One of `WEIGHTS`.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> options = SyntheticOptions(cells=60, frames=12, size_px=384)
    >>> clean = unit_error(make_culture(options).subgraph(), "border")
    >>> spoilt = unit_error(make_culture(replace(options, missing=0.05)).subgraph(), "border")
    >>> clean.unseen, bool(spoilt.unseen > 3), bool(0 < clean.half < spoilt.half < 0.2)
    (0.0, True, True)
    >>> unit_error(make_culture(options).subgraph(), "uniform").half
    0.0
    """
    used = unit_contacts(subgraph)
    beside, merged = beside_place(subgraph), merged_cells(subgraph)
    raw, inner = raw_weights(subgraph, weights), ~subgraph.border.astype(np.bool_)
    unseen = float(merged.sum() + (between_inner(subgraph) & ~used).sum())
    if subgraph.open_px is not None and beside.any():
        unseen += float(subgraph.open_px[inner].sum() / np.mean(subgraph.shared_border_px[used]))
        a, b = subgraph.pairs.T
        unseen += float(((inner[a] & beside[b] & ~inner[b]) | (inner[b] & beside[a] & ~inner[a])).sum())
    mean = float(np.mean(raw[used]))
    with_all = float(np.mean(raw[between_inner(subgraph) | used]))
    return UnitError(
        unseen=unseen,
        deviation=ALIKE * float(np.std(raw[used])) / mean / sqrt(int(used.sum())),
        shift=abs(with_all / mean - 1),
    )


def with_unit_error(task: Task, solved: Solved) -> Solved:
    """The parameters with intervals of k that hold the error of its unit too, and facts that tell it."""
    error = unit_error(task.subgraph, str(task.options.weights))
    known = dict(solved.facts) | {"unit_error": error.half}
    if not (error.half or error.unseen):
        return replace(solved, facts=known)
    driven = np.ones(len(task.subgraph.labels), np.bool_)
    driven[task.op.inner] = False
    facts = {
        "beside_missing": int(beside_missing(task.subgraph).sum()),
        "beside_missing_driven": int((beside_missing(task.subgraph) & driven).sum()),
        "merged": int(merged_cells(task.subgraph).sum()),
        "unseen_contacts": round(error.unseen, 1),
    }
    return replace(
        solved,
        k=_wider(solved.k, error.half, task.k_box),
        k_cell=_wider(solved.k_cell, error.half, task.k_box),
        culture_k=_wider(solved.culture_k, error.half, task.k_box),
        facts=known | (facts if error.unseen else {}),
    )


def _wider(k: Estimate[Value], share: float, box: Bounds) -> Estimate[Value]:
    """The interval of k with a relative error more, 1/s, inside the bounds of k."""
    more = share * np.abs(k.value)
    return k.with_error(more, more, box)
