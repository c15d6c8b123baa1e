"""What the contact graph gives to a model: a weight for every contact, and which cells follow the data.

The weights are those of arXiv:2505.20327, eq. 4, made dimensionless. The three setups are the paper's.
"""

from __future__ import annotations

import numpy as np

from calcigraph.errors import FitError
from calcigraph.store.types import BoolArray, FloatArray, Subgraph

WEIGHTS = ("distance*border", "border/distance", "border", "uniform")
"""The weightings of contacts there are; `distance*border` is the paper's (eq. 4)."""
SETUPS = (1, 2, 3)
"""How many rings of cells follow the data: border cells only, and one or two rings more."""


def default_weights(subgraph: Subgraph) -> str:
    """The paper's `distance*border` where shared borders are known, else `uniform`."""
    return "distance*border" if subgraph.has_borders else "uniform"


def contact_weights(subgraph: Subgraph, weights: str) -> tuple[FloatArray, float]:
    """Dimensionless weights w_ij of all contacts (eq. 4).

    Raw weights are divided by their mean over all kept contacts of the culture, so that k is a rate in 1/s. Each pair
    counts once in that mean, and contacts between two border cells count too. `distance*border` is the paper's
    u_ij l_ij.

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
        An unknown weighting, a culture without contacts, borders that are needed and unknown, or weights whose mean
        is not a positive number.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=40, frames=12, size_px=256)).subgraph()
    >>> values, scale = contact_weights(culture, "border")
    >>> bool(abs(values.mean() - 1) < 1e-12), bool(abs(scale - culture.shared_border_px.mean()) < 1e-12)
    (True, True)
    """
    _check(subgraph, weights)
    raw = _raw_weights(subgraph, weights)
    scale = float(np.mean(raw))
    if not (np.isfinite(scale) and scale > 0 and raw.min() >= 0):
        raise FitError(
            f"the {weights!r} weights of culture {subgraph.culture} have mean {scale:g}; contacts need positive "
            "borders and distances, ingest it again or use weights 'uniform'"
        )
    return raw / scale, scale


def _check(subgraph: Subgraph, weights: str) -> None:
    if weights not in WEIGHTS:
        raise FitError(f"unknown weights {weights!r}; there are {', '.join(WEIGHTS)}")
    if len(subgraph.pairs) == 0:
        raise FitError(
            f"culture {subgraph.culture} has no contacts, so no coupling can be fitted; "
            "ingest it with a larger max-gap or max-distance"
        )
    if weights != "uniform" and not subgraph.has_borders:
        raise FitError(
            f"weights {weights!r} need shared borders, which culture {subgraph.culture} (traces only) does not have; "
            "use weights 'uniform'"
        )


def _raw_weights(subgraph: Subgraph, weights: str) -> FloatArray:
    """Weights in the unit of their lengths, (m,)."""
    border, distance = subgraph.shared_border_px, subgraph.centroid_distance_px
    # A distance of 0 gives an infinite weight; the caller's check of the mean refuses it.
    with np.errstate(divide="ignore", invalid="ignore"):
        raw: dict[str, FloatArray] = {
            "distance*border": distance * border,
            "border/distance": border / distance,
            "border": border,
            "uniform": np.ones(len(subgraph.pairs)),
        }
    return raw[weights]


def driven_cells(subgraph: Subgraph, setup: int) -> BoolArray:
    """The cells that follow the data, (n,): the border cells (setup 1), and one or two more rings (setups 2, 3).

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
    return driven


def _with_next_ring(subgraph: Subgraph, driven: BoolArray) -> BoolArray:
    """The driven cells and all cells in contact with one of them, (n,)."""
    a, b = subgraph.pairs[:, 0], subgraph.pairs[:, 1]
    wider = driven.copy()
    wider[a[driven[b]]] = True
    wider[b[driven[a]]] = True
    return wider
