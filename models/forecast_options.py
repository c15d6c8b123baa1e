"""Options of a forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from calcigraph.errors import InputError
from calcigraph.option import Declared, Option, check_limits

MODELS = ("hinge", "graph")


@dataclass(frozen=True)
class ForecastOptions:
    """What the user may choose for `calcigraph forecast`. Raises InputError if a value is out of range.

    Examples
    --------
    >>> ForecastOptions(ahead=5).horizons
    (1, 2, 3, 4, 5)
    """

    model: Annotated[
        str,
        Option("Whether what neighbours do is used: hinge (no), graph (a network over contacts).", choices=MODELS),
    ] = MODELS[0]
    ahead: Annotated[int, Option("How many frames ahead traces are forecast.", low=1, high=30)] = 10
    within_s: Annotated[
        float | None,
        Option("Seconds within which cells may light up; default: 5 frames.", flag="--within", low=0.0),
    ] = None
    exchanges: Annotated[int, Option("Exchanges of cells for what the contacts add.", low=19)] = 200
    seed: Annotated[int, Option("Seed of those, and of the network.", low=0)] = 0

    def __post_init__(self) -> None:
        check_limits(self, _outside)
        if self.model not in MODELS:
            raise InputError(f"--model is {self.model}; there are {', '.join(MODELS)}")

    @property
    def horizons(self) -> tuple[int, ...]:
        """1 to `ahead`, frames."""
        return tuple(range(1, self.ahead + 1))


def _outside(each: Declared, value: Any) -> InputError:
    upper = "" if each.option.high is None else f" to {each.option.high:g}"
    return InputError(f"{each.flag} is {value}; give {each.option.low:g}{upper or ' or more'}")
