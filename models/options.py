"""Options that all models share. Those of one model are in its own folder, and all of them in models/table.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from calcigraph.errors import FitError
from calcigraph.models.laws import SETUPS, WEIGHTS
from calcigraph.option import Declared, Option, check_limits, declared

Bounds = tuple[float, float]
"""Lower and upper bound of a parameter; infinite where that side is open."""

CASES = ("cell", "shared", "per-cell", "per-cell-k")
"""`cell`: every cell alone, its neighbours from the data; `shared`: one k and one feed; `per-cell`: one k, a feed per
cell; `per-cell-k`: a k and a feed per cell."""
SHARED_K = ("shared", "per-cell")
"""Cases that have one k for all cells."""
UNCERTAINTY = "Uncertainty"
Seed = Annotated[int, Option("Seed of the null, bootstrap and networks.", UNCERTAINTY, low=0, high=2**31)]


@dataclass(frozen=True)
class Options:
    """A part of what decides a fit. Raises FitError when made from values that make no sense."""

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise FitError for a value outside its limits or choices; subclasses add the checks that only they know."""
        for each in declared(type(self)):
            value = getattr(self, each.name)
            if each.option.choices and value is not None:
                one_of(each.name, value, each.option.choices)
        check_limits(self, _outside)


@dataclass(frozen=True)
class CommonOptions(Options):
    """What decides a fit whatever the model."""

    case: Annotated[
        str,
        Option(
            "cell: each inner cell alone; shared: one k, one feed; per-cell: one k, a feed per cell; per-cell-k: "
            "a k and a feed per cell.",
            choices=CASES,
        ),
    ] = "per-cell"
    no_feed: Annotated[bool, Option("Fit k only (eq. 7).")] = False
    setup: Annotated[int, Option("1: border cells driven by data; 2, 3: one and two more rings.", choices=SETUPS)] = 1
    weights: Annotated[
        str | None,
        Option(
            "How contacts count: distance*border (default), border/distance, border or uniform (default for traces); "
            "all: fit every one and test which of them the contacts follow.",
            choices=WEIGHTS,
        ),
    ] = None
    indicator: Annotated[
        str,
        Option(
            "How brightness tells calcium: log (the paper's), linear (F/F0), or hill:KD or hill:KD,N (saturating; KD "
            "in units of the calcium at F0). With ,shared or ,own at the end all cells have one F0, or each its own.",
            metavar="SCALE",
        ),
    ] = "log"
    train_fraction: Annotated[float, Option("Fit this first part, test on the rest.")] = 1.0
    null: Annotated[
        int,
        Option(
            "Random cultures for the test whether neighbours share more than a smooth drive gives them; 0: no test.",
            panel=UNCERTAINTY,
            metavar="N",
            unit="cultures",
            low=0,
            high=1_000_000,
        ),
    ] = 200
    """In each, cells drawn at random are turned upside down (models/null.py)."""
    seed: Seed = 0

    def check(self) -> None:
        from calcigraph.models.indicator import Indicator

        super().check()
        if not 0 < self.train_fraction <= 1:
            raise FitError(f"train fraction is {self.train_fraction}; it must lie above 0 and not above 1")
        Indicator.of(self.indicator)

    @property
    def common_k(self) -> bool:
        """Whether the case has one k for all cells."""
        return self.case in SHARED_K


def one_of(name: str, value: object, known: Sequence[object]) -> None:
    """Raise FitError, with the known values in its message, unless the value is one of them."""
    if value not in known:
        raise FitError(f"unknown {name} {value!r}; there are {', '.join(map(str, known))}")


def ordered(name: str, bounds: Bounds) -> None:
    """Raise FitError unless the first bound lies below the second."""
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise FitError(f"{name} are {tuple(bounds)}; give the lower and then the upper one")


def _outside(each: Declared, value: Any) -> FitError:
    """The error about a value outside its limits."""
    option = each.option
    kind = "a whole number" if int in (each.kind, *get_args(each.kind)) else "a number"
    counted = f" of {option.unit}" if option.unit else ""
    limits = f"at least {option.low}" if option.high is None else f"from {option.low} to {option.high}"
    return FitError(f"{each.flag.removeprefix('--')} is {value}; it must be {kind}{counted}, {limits}")
