"""What the stored fits of a culture say of its coupling, for the own shares of its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calcigraph.models.identify import IDENTIFIED, NOT
from calcigraph.models.own_share import Coupling
from calcigraph.models.table import DEFAULT_MODEL
from calcigraph.queries.recorded import Recorded


def coupling_of(fits: Sequence[Mapping[str, Any]]) -> tuple[Coupling | None, str]:
    """The coupling of the latest fit of the default model, and why there is none, if there is none.

    Parameters
    ----------
    fits
        Rows of queries/fits.cypher, oldest first; stale ones, of older masks, do not count.

    Examples
    --------
    >>> coupling_of([])
    (None, 'own shares are not told, as no fit of robust is stored: run fit, and then events again')
    """
    fitted = [row for row in fits if row["model"] == DEFAULT_MODEL and not row.get("stale")]
    if not fitted:
        return None, f"own shares are not told, as no fit of {DEFAULT_MODEL} is stored: run fit, and then events again"
    row = fitted[-1]
    if row["identified"] != IDENTIFIED or row["k_low"] is None or row["k_high"] is None:
        word = row["identified"] or NOT
        return None, f"own shares are not told, as k is {word} in {row['run']} (`calcigraph query fits` says why)"
    recorded = Recorded.of(row)
    found = Coupling(
        run=row["run"],
        settings=recorded.settings,
        k=row["k"],
        k_low=row["k_low"],
        k_high=row["k_high"],
        leak=float(recorded.facts.get("leak") or 0.0),
        leak_error=float(recorded.facts.get("leak_error") or 0.0),
    )
    return found, ""
