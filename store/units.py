"""The units in which the k of a fit can be: which contacts have a mean weight of 1.

A contact's raw weight (arXiv:2505.20327, eq. 4) has the unit of its lengths. It is divided by the mean over some of
the culture's contacts, so that k is a rate in 1/s. k is that of a contact whose weight is this mean. So two values of
k can be compared only where the mean is over the same kind of contacts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INNER_CONTACTS = "mean weight of the contacts between inner cells"
"""The unit of k: the edge of the image cuts none of these contacts."""
ALL_CONTACTS = "mean weight of all contacts"
"""The unit where hardly any contact lies between inner cells, and in every fit of version 0.2 and before."""
EQUAL_CONTACTS = "every contact has weight 1"
"""Of the weights `uniform`, which need no mean."""


def unit_of_k(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """In which of these units the k of a stored fit is.

    Parameters
    ----------
    settings, facts
        Of the fit, as the graph has them.

    Examples
    --------
    >>> unit_of_k({"weights": "border"}, {"weight_unit": INNER_CONTACTS})
    'mean weight of the contacts between inner cells'

    Version 0.2 did not record a unit:

    >>> unit_of_k({"weights": "border"}, {}), unit_of_k({"weights": "uniform"}, {})
    ('mean weight of all contacts', 'every contact has weight 1')
    """
    if settings.get("weights") == "uniform":
        return EQUAL_CONTACTS
    return str(facts.get("weight_unit", ALL_CONTACTS))
