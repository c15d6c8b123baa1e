"""What one training is given beside the traces and the contacts."""

from __future__ import annotations

from dataclasses import dataclass

from calcigraph.models.options import CASES, one_of
from calcigraph.models.pinn.options import PinnOptions


@dataclass(frozen=True)
class Setting:
    """What is fitted and how: the same for all blocks of a culture.

    Raises FitError when made with an unknown case.

    Examples
    --------
    >>> setting = Setting(dt=10.0, options=PinnOptions(), case="per-cell")
    >>> setting.k_per_cell, setting.one_feed
    (False, False)
    """

    dt: float
    """Seconds between frames."""
    options: PinnOptions
    case: str
    """One of `CASES`; `CommonOptions.case` in models/options.py explains them."""
    no_feed: bool = False
    """Hold every feed at 0 (eq. 7)."""

    def __post_init__(self) -> None:
        one_of("case", self.case, CASES)

    @property
    def k_per_cell(self) -> bool:
        """Whether every inner cell has its own k; otherwise all cells share one."""
        return self.case in ("cell", "per-cell-k")

    @property
    def one_feed(self) -> bool:
        """Whether all inner cells share one feed; otherwise each has its own."""
        return self.case == "shared"

    @property
    def alone(self) -> bool:
        """Whether every inner cell is fitted alone (eq. 1): its neighbours follow the data."""
        return self.case == "cell"
