"""What decides a fit, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import inf, isfinite

from calcigraph.errors import FitError
from calcigraph.models.consensus import SETUPS, WEIGHTS

Bounds = tuple[float, float]

MODELS = ("robust", "crlsm", "pinn")
CASES = ("cell", "shared", "per-cell", "per-cell-k")
PERMUTATIONS = 200

K_BOUNDS = {"robust": (0.0, inf), "crlsm": (1e-3, 0.1), "pinn": (0.0, inf)}
"""1/s; those of crlsm are the paper's."""
FEED_BOUNDS = {"robust": (-inf, inf), "crlsm": (-3e-5, 0.1), "pinn": (-inf, inf)}
"""Normalised intensity per second."""
RIDGE = 1e-3
_OF_ONE_MODEL = {
    "ridge": ("crlsm",),
    "interpolate": ("crlsm",),
    "k_bounds": ("robust", "crlsm"),
    "feed_bounds": ("robust", "crlsm"),
    "half_width": ("robust",),
    "correct": ("robust",),
    "leak": ("robust",),
    "preset": ("pinn",),
    "epochs": ("pinn",),
    "ensemble": ("pinn",),
    "k_start": ("pinn",),
    "device": ("pinn",),
}


@dataclass(frozen=True)
class FitOptions:
    """What decides a fit; None stands for the model's own default.

    Raises FitError when made from values that make no sense.
    """

    case: str = "per-cell"
    """`cell`: each inner cell alone, its own k and feed; `shared`: one k, one feed; `per-cell`: one k, a feed each;
    `per-cell-k`: k and feed each, in the group."""
    no_feed: bool = False
    """Leave the feed out (eq. 7)."""
    setup: int = 1
    """1: border cells follow the data; 2, 3: one and two more rings."""
    weights: str | None = None
    """One of `WEIGHTS`; None for `distance*border` where borders are known and `uniform` where not."""
    train_fraction: float = 1.0
    """The share of points, from the start, that is fitted; the rest is tested."""
    null: int = PERMUTATIONS
    """Permutations of cells on the contact graph; 0 for no null."""
    seed: int = 0
    """Of everything random: permutations, simulated copies, networks."""
    ridge: float | None = None
    """crlsm: lambda of eq. 19, added unscaled; 0.001."""
    k_bounds: Bounds | None = None
    """1/s; (0.001, 0.1) for crlsm, at least 0 for robust."""
    feed_bounds: Bounds | None = None
    """Normalised intensity per second, (-3e-5, 0.1) for crlsm, none for robust; infinite values leave a side open."""
    interpolate: int | None = None
    """crlsm: points a frame, the data are linearly interpolated; 1."""
    half_width: float | None = None
    """robust: half-width of the test functions in frames; from the data."""
    correct: bool | None = None
    """robust: model tails and take noise out of the regressors; True. False leaves the plain weak form."""
    leak: bool | None = None
    """robust: one more rate r for the group, y' = ... - r y; False."""
    preset: str | None = None
    """pinn: `default` or `paper`."""
    epochs: int | None = None
    """pinn."""
    ensemble: int | None = None
    """pinn: networks trained side by side."""
    k_start: float | None = None
    """pinn: k the training starts from, 1/s."""
    device: str | None = None
    """pinn: auto, cpu or cuda."""

    def __post_init__(self) -> None:
        one_of("case", self.case, CASES)
        one_of("setup", self.setup, SETUPS)
        if self.weights is not None:
            one_of("weights", self.weights, WEIGHTS)
        for name, bounds in (("k bounds", self.k_bounds), ("feed bounds", self.feed_bounds)):
            if bounds is not None:
                _ordered(name, bounds)
        if self.k_bounds is not None and not self.k_bounds[0] >= 0:
            raise FitError(f"k bounds are {self.k_bounds}; they must not be negative (1/s)")
        if self.ridge is not None and not (isfinite(self.ridge) and self.ridge >= 0):
            raise FitError(f"ridge is {self.ridge}; it must be a number of at least 0")
        if not 0 < self.train_fraction <= 1:
            raise FitError(f"train fraction is {self.train_fraction}; it must lie above 0 and not above 1")
        if self.half_width is not None and not 0.3 <= self.half_width <= 1000:
            raise FitError(f"half-width is {self.half_width}; it must be 0.3 to 1000 frames")
        _whole("interpolate", self.interpolate, 1, 1000, "points a frame")
        _whole("null", self.null, 0, 1_000_000, "permutations")
        _whole("seed", self.seed, 0, 2**31, "")

    def check_model(self, model: str) -> None:
        """Raise FitError for an unknown model, and for an option that it does not have."""
        one_of("model", model, MODELS)
        for field in fields(self):
            models = _OF_ONE_MODEL.get(field.name, MODELS)
            if model not in models and getattr(self, field.name) is not None:
                name = "--" + field.name.replace("_", "-")
                raise FitError(f"{name} belongs to {' and '.join(models)}, not to {model}; leave it out")
        if model == "crlsm" and not isfinite(self.k_box(model)[1]):
            raise FitError(f"k bounds are {self.k_bounds}; those of crlsm must be finite (1/s)")

    def k_box(self, model: str) -> Bounds:
        """The bounds of k in force, 1/s."""
        return self.k_bounds or K_BOUNDS[model]

    def feed_box(self, model: str) -> Bounds:
        """The feed bounds in force: (0, 0) without feed."""
        return (0.0, 0.0) if self.no_feed else self.feed_bounds or FEED_BOUNDS[model]

    @property
    def points_a_frame(self) -> int:
        return self.interpolate or 1


def one_of(name: str, value: object, known: Sequence[object]) -> None:
    """Raise FitError, listing what exists, unless the value is known."""
    if value not in known:
        raise FitError(f"unknown {name} {value!r}; there are {', '.join(map(str, known))}")


def _ordered(name: str, bounds: Bounds) -> None:
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise FitError(f"{name} are {tuple(bounds)}; give the lower and then the upper one")


def _whole(name: str, value: int | None, low: int, high: int, what: str) -> None:
    if value is not None and not (isinstance(value, int) and low <= value <= high):
        raise FitError(f"{name} is {value}; it must be a whole number{' of ' * bool(what)}{what}, {low} to {high}")
