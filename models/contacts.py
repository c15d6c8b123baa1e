"""What the contact graph gives to a model: a weight for every contact, and which cells follow the data.

The weights are those of arXiv:2505.20327, eq. 4, made dimensionless. The three setups are the paper's.
"""

from __future__ import annotations

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.laws import SETUPS, WEIGHTS
from calcigraph.store.doubtful import beside_missing
from calcigraph.store.types import BoolArray, FloatArray, Subgraph
from calcigraph.store.units import ALL_CONTACTS, EQUAL_CONTACTS, INNER_CONTACTS
from calcigraph.store.weights import raw_weights, unit_contacts, weights_and_scale

MOST_BESIDE = 0.5
"""Share of the inner cells beside places without a mask, up to which these are driven. More are no few missed cells."""
ENOUGH_CELLS = 10
"""Inner cells that must be left then."""


def default_weights(subgraph: Subgraph) -> str:
    """The paper's `distance*border` where shared borders are known, else `uniform`."""
    return "distance*border" if subgraph.has_borders else "uniform"


def contact_weights(subgraph: Subgraph, weights: str) -> tuple[FloatArray, float]:
    """Dimensionless weights w_ij of all contacts (eq. 4).

    Raw weights are divided by their mean over the contacts between inner cells (see `unit_contacts`), so that k is a
    rate in 1/s. Each pair counts once in that mean. `distance*border` is the paper's u_ij l_ij.

    Parameters
    ----------
    subgraph
        The culture, with m contacts.
    weights
        One of `WEIGHTS`.

    Returns
    -------
    tuple
        The weights, (m,), and the mean that they were divided by, in px^2, 1, px or 1 in the order of `WEIGHTS`.

    Raises
    ------
    FitError
        An unknown weighting, a culture without contacts, borders that are needed and unknown, weights that are not
        finite or are negative, or weights whose mean is 0.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=12, size_px=256)).subgraph()
    >>> values, scale = contact_weights(culture, "border")
    >>> inner = ~culture.border[culture.pairs].any(axis=1)
    >>> bool(abs(values[inner].mean() - 1) < 1e-12), bool(abs(scale - culture.shared_border_px[inner].mean()) < 1e-12)
    (True, True)
    """
    _check(subgraph, weights)
    found = weights_and_scale(subgraph, weights)
    if found is None:
        mean = float(np.mean(raw_weights(subgraph, weights)))
        raise FitError(
            f"the {weights!r} weights of culture {subgraph.culture} have mean {mean:g}; contacts need "
            "positive borders and distances, ingest it again or use weights 'uniform'"
        )
    return found


def weight_unit(subgraph: Subgraph, weights: str) -> str:
    """The name of the unit of k, one of those in store/units.py.

    Parameters
    ----------
    subgraph
        The culture.
    weights
        One of `WEIGHTS`.
    """
    if weights == "uniform":
        return EQUAL_CONTACTS
    # Where all contacts lie between inner cells, both names are true.
    fallback = bool(subgraph.border[subgraph.pairs[unit_contacts(subgraph)]].any())
    return ALL_CONTACTS if fallback else INNER_CONTACTS


def _check(subgraph: Subgraph, weights: str) -> None:
    if weights not in WEIGHTS:
        raise FitError(f"unknown weights {weights!r}; there are {', '.join(WEIGHTS)}")
    if len(subgraph.pairs) == 0:
        raise FitError(
            f"culture {subgraph.culture} has no contacts, so no coupling can be fitted; "
            "ingest it with masks or positions of its cells, or with a larger max-gap or max-distance"
        )
    if weights != "uniform" and not subgraph.has_borders:
        raise FitError(
            f"weights {weights!r} need shared borders, which culture {subgraph.culture} (traces only) does not have; "
            "use weights 'uniform'"
        )


def driven_cells(subgraph: Subgraph, setup: int) -> BoolArray:
    """The cells that follow the data, (n,): the border cells (setup 1), and one or two more rings (setups 2, 3).

    An inner cell beside a place where a cell may have been missed follows the data too: a neighbour of it is not seen,
    so its equation would be wrong. Not so where that would take more than half of the inner cells, or leave fewer than
    10 of them: then a fit is made with all of them, as if nothing were missing.

    Raises
    ------
    FitError
        An unknown setup, or no inner cell is left.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=12, size_px=256)).subgraph()
    >>> bool((driven_cells(culture, 1) == culture.border).all())
    True
    """
    if setup not in SETUPS:
        raise FitError(f"unknown setup {setup!r}; there are 1 (border cells driven), 2 and 3 (one and two more rings)")
    driven = subgraph.border.astype(np.bool_)
    if driven.all():
        raise FitError(
            f"culture {subgraph.culture} has no inner cells: all {len(driven)} are border cells, "
            "which follow the data, so nothing is left to fit"
        )
    for _ in range(setup - 1):
        driven = _with_next_ring(subgraph, driven)
    if driven.all():
        raise FitError(
            f"setup {setup} peels every one of the {len(driven)} cells of culture {subgraph.culture}; use a lower setup"
        )
    beside = beside_missing(subgraph) & ~driven
    inner = int((~driven).sum())
    few = beside.sum() <= min(MOST_BESIDE * inner, inner - ENOUGH_CELLS)
    return driven | beside if few else driven


def _with_next_ring(subgraph: Subgraph, driven: BoolArray) -> BoolArray:
    """The driven cells and all cells in contact with one of them, (n,)."""
    a, b = subgraph.pairs[:, 0], subgraph.pairs[:, 1]
    wider = driven.copy()
    wider[a[driven[b]]] = True
    wider[b[driven[a]]] = True
    return wider
