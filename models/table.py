"""The models there are, one row each, and the options of all of them.

To add a model, make a folder models/NAME with its options and its fit, add a row to TABLE, and add the class of its
options to the bases of `FitOptions`.
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
from calcigraph.models.decorrelation.options import DecorrelationOptions
from calcigraph.models.options import Bounds, CommonOptions, Options, one_of, ordered
from calcigraph.models.pinn.options import PinnOptions
from calcigraph.models.robust.options import RobustOptions
from calcigraph.option import Option, declared, value_of

BOUNDED = "Models robust and crlsm"


@dataclass(frozen=True)
class BoundOptions(Options):
    """Bounds of the parameters, for the models that can keep to them."""

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
class FitOptions(PinnOptions, CrlsmOptions, DecorrelationOptions, BoundOptions, RobustOptions, CommonOptions):
    """What decides a fit. None stands for the default of the model.

    Every option is declared once: in `CommonOptions`, or in the class of the model that has it.

    Raises
    ------
    FitError
        A value that makes no sense. Whether a model has the option is checked by `check_model` when it is fitted.

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
        """Check the options against a model.

        Raises
        ------
        FitError
            An unknown model, an option that it does not have, or no upper bound of k where it needs one.
        """
        model = model_named(name)
        common, allowed = _names(CommonOptions), _names(*model.options)
        for each in declared(type(self)):
            if each.name in common | allowed or getattr(self, each.name) is None:
                continue
            owners = [one.name for one in TABLE if each.name in _names(*one.options)]
            flag = "--" + each.name.replace("_", "-")
            raise FitError(f"{flag} belongs to {' and '.join(owners)}, not to {name}; leave it out")
        if model.finite_k and not isfinite(model.k_box(self)[1]):
            raise FitError(f"k bounds are {self.k_bounds}; those of {name} must be finite (1/s)")


@dataclass(frozen=True)
class Model:
    """One model: its name, its options, and the function that solves it."""

    name: str
    """What users call it."""
    help: str
    """A few words for the command line."""
    solve: str
    """module:function that takes a Task and returns a Solved; `Task.solve` imports it when it is first used, so that
    a model whose libraries are not installed does no harm."""
    options: tuple[type[Options], ...]
    """The classes of its options, without the common ones."""
    k_bounds: Bounds = (0.0, inf)
    """1/s, unless the user gives others."""
    feed_bounds: Bounds = (-inf, inf)
    """Normalised intensity per second, unless the user gives others."""
    finite_k: bool = False
    """Whether k must have an upper bound. The user is then told of every k that lies at a bound."""
    fewest_frames: int = 2
    """The shortest recording that it can be fitted to."""
    trains: bool = False
    """Whether its fit keeps curves of its training that can be drawn."""
    finds_sources: bool = False
    """Whether what cells release by themselves is part of what it finds, and not only its constant mean."""
    recorded: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Settings that are recorded with a fit and that the user cannot change."""

    def k_box(self, options: FitOptions) -> Bounds:
        """The bounds of k in force, 1/s."""
        return options.k_bounds or self.k_bounds

    def feed_box(self, options: FitOptions) -> Bounds:
        """The bounds of the feed in force: (0, 0) without feed."""
        return (0.0, 0.0) if options.no_feed else options.feed_bounds or self.feed_bounds

    def settings(self, options: FitOptions) -> dict[str, Any]:
        """Everything that the user decides about a fit, by name, JSON-able; an open bound is None.

        Options that were not given are recorded with the value that they stand for. So two fits whose options mean
        the same have the same settings.
        """
        from calcigraph.models.indicator import Indicator

        only_this_model = _names(*self.options) - _names(CommonOptions, BoundOptions)
        record = {each.name: getattr(options, each.name) for each in declared(CommonOptions)}
        record["indicator"] = str(Indicator.of(options.indicator))  # one spelling of each
        if BoundOptions in self.options:
            record["k_bounds"] = [_or_none(bound) for bound in self.k_box(options)]
            feed = [_or_none(bound) for bound in self.feed_box(options)]
            record["feed_bounds"] = None if options.no_feed else feed
        for each in declared(FitOptions):
            if each.name in only_this_model:
                record[each.name] = value_of(options, each.name)
        return record | dict(self.recorded)


TABLE = (
    Model(
        name="robust",
        help="for brief events; where cells are active all the time it takes what decorrelation finds",
        solve="calcigraph.models.robust.fit:fit_robust",
        options=(RobustOptions, BoundOptions),
        fewest_frames=12,
        finds_sources=True,
    ),
    Model(
        name="decorrelation",
        help="for activity that lasts: the coupling at which neighbours' own activity is uncorrelated",
        solve="calcigraph.models.decorrelation.fit:fit_decorrelation",
        options=(DecorrelationOptions,),
        fewest_frames=40,
        finds_sources=True,
    ),
    Model(
        name="crlsm",
        help="the paper's constrained regularised least squares",
        solve="calcigraph.models.crlsm.fit:fit_crlsm",
        options=(CrlsmOptions, BoundOptions),
        k_bounds=paper.K_BOUNDS,
        feed_bounds=paper.FEED_BOUNDS,
        finite_k=True,
        recorded={"ridge_scaling": "unscaled"},
    ),
    Model(
        name="pinn",
        help="a physics-informed network (extra pinn)",
        solve="calcigraph.models.pinn.fit:fit_pinn",
        options=(PinnOptions,),
        fewest_frames=12,
        trains=True,
    ),
)

MODELS = tuple(model.name for model in TABLE)
"""The names of the models there are."""
DEFAULT_MODEL = MODELS[0]
MODEL_HELP = "; ".join(f"{model.name}: {model.help}" for model in TABLE) + "."
"""The help of the command line's option --model."""


def model_named(name: str) -> Model:
    """The row of this name.

    Raises
    ------
    FitError
        An unknown name; the message gives the known ones.
    """
    one_of("model", name, MODELS)
    return TABLE[MODELS.index(name)]


def _names(*options: type[Options]) -> frozenset[str]:
    """The fields that these classes declare as options."""
    return frozenset(each.name for part in options for each in declared(part))


def _or_none(bound: float) -> float | None:
    return bound if isfinite(bound) else None
