"""The models there are, one row each, and the options of them all.

To add one: a folder models/NAME with its options and its fit, a row in TABLE, and its options among the bases of
`FitOptions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from types import MappingProxyType
from typing import Annotated, Any

from calcigraph.errors import FitError
from calcigraph.models.crlsm import options as paper
from calcigraph.models.crlsm.options import CrlsmOptions
from calcigraph.models.options import Bounds, CommonOptions, Options, one_of, ordered
from calcigraph.models.pinn.options import PinnOptions
from calcigraph.models.robust.options import RobustOptions
from calcigraph.option import Option, declared, value_of

BOUNDED = "Models robust and crlsm"


@dataclass(frozen=True)
class BoundOptions(Options):
    """Bounds of the parameters, of the models that can keep to them."""

    k_bounds: Annotated[
        Bounds | None,
        Option(
            f"Bounds of k, 1/s; default: at least 0 (robust), {paper.K_BOUNDS[0]:g} {paper.K_BOUNDS[1]:g} (crlsm).",
            panel=BOUNDED,
            metavar="LO HI",
        ),
    ] = None
    feed_bounds: Annotated[
        Bounds | None,
        Option(
            "Bounds of the feed, normalised intensity per second; default: none (robust), "
            f"{paper.FEED_BOUNDS[0]:.0e} {paper.FEED_BOUNDS[1]:g} (crlsm).".replace("e-0", "e-"),
            panel=BOUNDED,
            metavar="LO HI",
        ),
    ] = None
    """Infinite values leave a side open."""

    def check(self) -> None:
        super().check()
        for name, bounds in (("k bounds", self.k_bounds), ("feed bounds", self.feed_bounds)):
            if bounds is not None:
                ordered(name, bounds)
        if self.k_bounds is not None and not self.k_bounds[0] >= 0:
            raise FitError(f"k bounds are {self.k_bounds}; they must not be negative (1/s)")


@dataclass(frozen=True)
class FitOptions(PinnOptions, CrlsmOptions, BoundOptions, RobustOptions, CommonOptions):
    """What decides a fit; None stands for the model's own default. Raises FitError for values that make no sense.

    Every option is declared once, in the class of the model that has it or in `CommonOptions`.

    Examples
    --------
    >>> FitOptions(case="shared").common_k
    True
    >>> FitOptions(case="both")
    Traceback (most recent call last):
    ...
    calcigraph.errors.FitError: unknown case 'both'; there are cell, shared, per-cell, per-cell-k
    """

    def check_model(self, name: str) -> None:
        """Raise FitError for an unknown model, and for an option that it does not have."""
        model = model_named(name)
        common, allowed = _names(CommonOptions), _names(*model.options)
        for each in declared(type(self)):
            if each.name in common | allowed or getattr(self, each.name) is None:
                continue
            having = [one.name for one in TABLE if each.name in _names(*one.options)]
            flag = "--" + each.name.replace("_", "-")
            raise FitError(f"{flag} belongs to {' and '.join(having)}, not to {name}; leave it out")
        if model.finite_k and not isfinite(model.k_box(self)[1]):
            raise FitError(f"k bounds are {self.k_bounds}; those of {name} must be finite (1/s)")


@dataclass(frozen=True)
class Model:
    """One model: what it is called, what decides it, and what solves it."""

    name: str
    help: str
    """A few words for the command line."""
    solve: str
    """module:function that takes a Task and returns a Solved; imported when it is first used."""
    options: tuple[type[Options], ...]
    """The classes of the options that it has beside the common ones."""
    k_bounds: Bounds = (0.0, inf)
    """1/s, unless the user gives others."""
    feed_bounds: Bounds = (-inf, inf)
    """Normalised intensity per second."""
    finite_k: bool = False
    """Whether k must have an upper bound. A k of its solution at a bound is then worth a word to the user."""
    trains: bool = False
    """Whether it leaves curves of a training that can be drawn."""
    recorded: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What else is recorded among its settings: choices that are not the user's."""

    def k_box(self, options: FitOptions) -> Bounds:
        """The bounds of k in force, 1/s."""
        return options.k_bounds or self.k_bounds

    def feed_box(self, options: FitOptions) -> Bounds:
        """The bounds of the feed in force: (0, 0) without feed."""
        return (0.0, 0.0) if options.no_feed else options.feed_bounds or self.feed_bounds

    def settings(self, options: FitOptions) -> dict[str, Any]:
        """Everything that the user decides about a fit, by name, JSON-able; a bound that is open is None."""
        own = _names(*self.options) - _names(CommonOptions, BoundOptions)
        record = {each.name: getattr(options, each.name) for each in declared(CommonOptions)}
        if BoundOptions in self.options:
            record["k_bounds"] = [_or_none(bound) for bound in self.k_box(options)]
            feed = [_or_none(bound) for bound in self.feed_box(options)]
            record["feed_bounds"] = None if options.no_feed else feed
        record |= {each.name: value_of(options, each.name) for each in declared(FitOptions) if each.name in own}
        return record | dict(self.recorded)


TABLE = (
    Model(
        "robust",
        "weak form and robust regression",
        "calcigraph.models.robust.fit:fit_robust",
        options=(RobustOptions, BoundOptions),
    ),
    Model(
        "crlsm",
        "the paper's constrained regularised least squares",
        "calcigraph.models.crlsm.fit:fit_crlsm",
        options=(CrlsmOptions, BoundOptions),
        k_bounds=paper.K_BOUNDS,
        feed_bounds=paper.FEED_BOUNDS,
        finite_k=True,
        recorded={"ridge_scaling": "unscaled"},
    ),
    Model(
        "pinn",
        "a physics-informed network (extra pinn)",
        "calcigraph.models.pinn.fit:fit_pinn",
        options=(PinnOptions,),
        trains=True,
    ),
)

MODELS = tuple(model.name for model in TABLE)
DEFAULT_MODEL = MODELS[0]
MODEL_HELP = "; ".join(f"{model.name}: {model.help}" for model in TABLE) + "."
"""What the command line says of them."""


def model_named(name: str) -> Model:
    """The row of this name. Raises FitError, listing what there is."""
    one_of("model", name, MODELS)
    return TABLE[MODELS.index(name)]


def _names(*options: type[Options]) -> frozenset[str]:
    return frozenset(each.name for part in options for each in declared(part))


def _or_none(bound: float) -> float | None:
    return bound if isfinite(bound) else None
