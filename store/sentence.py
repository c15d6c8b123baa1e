"""A fit in one sentence, and numbers as sentences have them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Protocol

CHANCE = 0.05
"""p-value of the null above which neighbours may share no more than a smooth drive gives them."""


class Told(Protocol):
    """What a sentence says of a fit."""

    @property
    def labels(self) -> Sized: ...
    @property
    def k(self) -> float | None: ...
    @property
    def k_low(self) -> float | None: ...
    @property
    def k_high(self) -> float | None: ...
    @property
    def identified(self) -> str | None: ...
    @property
    def null_k_p(self) -> float | None: ...


def fit_said(fit: Told) -> str:
    """What a fit found, in one sentence; its `why` and `advice` say the rest.

    Examples
    --------
    >>> import numpy as np
    >>> from calcigraph.store.types import Fit
    >>> fit_said(Fit(
    ...     culture="A", model="robust", case="per-cell", settings={}, labels=np.arange(74), cells={}, k=0.011,
    ...     feed=0.0, k_low=0.0109, k_high=0.01112, identified="identified", null_k_p=0.005,
    ... ))
    'coupling 0.0110 /s (95 % 0.0109 to 0.0111), identified, 74 cells; contacts show, p 0.005'
    """
    cells = f"{len(fit.labels)} cell{'' if len(fit.labels) == 1 else 's'}"
    parts = ["coupling cannot be told" if fit.k is None else f"coupling {three(fit.k)} /s{_interval(fit)}"]
    parts += [fit.identified] if fit.identified else []
    return f"{', '.join([*parts, cells])}{_contacts(fit)}"


def latest_said(fits: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the latest fit of each model found and what speaks against it, in one line each; stale fits say nothing.

    Parameters
    ----------
    fits
        Rows of `query fits` of one culture, oldest first.

    Examples
    --------
    >>> latest_said([{
    ...     "model": "robust", "k": 0.011, "k_low": 0.006, "k_high": 0.016, "identified": "weak",
    ...     "why": "k is known to within 45 % only",
    ... }])
    ['robust: coupling 0.0110 /s (95 % 0.00600 to 0.0160), weak: k is known to within 45 % only']
    """
    return [_row_said(row) for row in {row["model"]: row for row in fits if not row.get("stale")}.values()]


def _row_said(row: Mapping[str, Any]) -> str:
    low, high = row["k_low"], row["k_high"]
    interval = "" if low is None or high is None else f" (95 % {three(low)} to {three(high)})"
    found = "coupling cannot be told" if row["k"] is None else f"coupling {three(row['k'])} /s{interval}"
    word = f", {row['identified']}" if row["identified"] else ""
    return f"{row['model']}: {found}{word}{': ' if row['why'] else ''}{row['why'] or ''}"


def _interval(fit: Told) -> str:
    if fit.k_low is None or fit.k_high is None:
        return ""
    return f" (95 % {three(fit.k_low)} to {three(fit.k_high)})"


def _contacts(fit: Told) -> str:
    """Whether neighbours share more than a smooth drive gives them."""
    if fit.null_k_p is None:
        return ""
    return f"; contacts {'show' if fit.null_k_p <= CHANCE else 'do not show'}, p {fit.null_k_p:.2g}"


def three(value: float) -> str:
    """A number with three digits, zeros included.

    >>> three(0.011), three(123.4), three(0.0), three(-8.612e-05)
    ('0.0110', '123', '0', '-8.61e-05')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1e-4 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:.{max(2 - math.floor(math.log10(abs(value))), 0)}f}"
