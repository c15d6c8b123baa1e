"""What decides a fit, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from calcigraph.errors import FitError
from calcigraph.models.consensus import SETUPS, WEIGHTS
from calcigraph.models.crlsm import Bounds

CASES = ("cell", "shared", "per-cell")


@dataclass(frozen=True)
class FitOptions:
    """What decides a fit; the defaults are the paper's (arXiv:2505.20327, eqs. 18-20).

    Raises FitError when made from values that make no sense.
    """

    case: str = "per-cell"
    """`cell`: each inner cell alone, its own k and feed; `shared`: one k, one feed; `per-cell`: one k, a feed each."""
    no_feed: bool = False
    """Leave the feed out (eq. 7)."""
    setup: int = 1
    """1: border cells follow the data; 2, 3: one and two more rings."""
    weights: str | None = None
    """One of `WEIGHTS`; None for `distance*border` where borders are known and `uniform` where not."""
    ridge: float = 1e-3
    """lambda of eq. 19, added unscaled."""
    k_bounds: Bounds = (1e-3, 0.1)
    """1/s."""
    feed_bounds: Bounds = (-3e-5, 0.1)
    """Normalised intensity per second; infinite values leave a side open."""
    train_fraction: float = 1.0
    """The share of points, from the start, that is fitted; the rest is tested."""
    interpolate: int = 1
    """Points a frame: the data are linearly interpolated."""

    def __post_init__(self) -> None:
        one_of("case", self.case, CASES)
        one_of("setup", self.setup, SETUPS)
        if self.weights is not None:
            one_of("weights", self.weights, WEIGHTS)
        _ordered("k bounds", self.k_bounds)
        _ordered("feed bounds", self.feed_bounds)
        if not (isfinite(self.k_bounds[1]) and self.k_bounds[0] >= 0):
            raise FitError(f"k bounds are {self.k_bounds}; they must be finite and not negative (1/s)")
        if not (isfinite(self.ridge) and self.ridge >= 0):
            raise FitError(f"ridge is {self.ridge}; it must be a number of at least 0")
        if not 0 < self.train_fraction <= 1:
            raise FitError(f"train fraction is {self.train_fraction}; it must lie above 0 and not above 1")
        if not (isinstance(self.interpolate, int) and 1 <= self.interpolate <= 1000):
            raise FitError(f"interpolate is {self.interpolate}; it must be a whole number of points a frame, 1 to 1000")

    def box(self) -> Bounds:
        """The feed bounds in force: (0, 0) without feed."""
        return (0.0, 0.0) if self.no_feed else self.feed_bounds


def one_of(name: str, value: object, known: Sequence[object]) -> None:
    """Raise FitError, listing what exists, unless the value is known."""
    if value not in known:
        raise FitError(f"unknown {name} {value!r}; there are {', '.join(map(str, known))}")


def _ordered(name: str, bounds: Bounds) -> None:
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise FitError(f"{name} are {tuple(bounds)}; give the lower and then the upper one")
