"""Options of a detection of events and waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from calcigraph.errors import InputError
from calcigraph.option import Declared, Option, check_limits

OWN, THRESHOLD = "own", "threshold"
METHODS = (OWN, THRESHOLD)


@dataclass(frozen=True)
class EventOptions:
    """What the user may choose for `calcigraph events`. Raises InputError if a value is out of range.

    Examples
    --------
    >>> EventOptions(min_snr=5).min_snr
    5
    """

    min_snr: Annotated[
        float,
        Option(
            "Smallest height of an event, in standard errors of that height; with threshold, in deviations of a "
            "frame's noise.",
            low=1,
        ),
    ] = 3.3
    """A long event stands out of the noise although no frame of it does: the standard error counts all its frames.
    Above this, events are accepted while at most half of those with the same score are chance."""
    method: Annotated[
        str, Option("own (shapes fitted to the trace) or threshold (frames above --min-snr).", choices=METHODS)
    ] = OWN
    baseline_s: Annotated[
        float | None, Option("Window of the running baseline, s; default: from the data.", flag="--baseline", low=0)
    ] = None
    max_lag_s: Annotated[
        float | None,
        Option(
            "Longest time from one cell's event to its neighbour's, s; default: from the data.", flag="--max-lag", low=0
        ),
    ] = None
    min_cells: Annotated[int, Option("Fewest cells of a wave.", low=3)] = 4
    exchanges: Annotated[int, Option("Random rearrangements of events and contacts, which p-values need.", low=19)] = (
        199
    )
    seed: Annotated[int, Option("Seed of those.", low=0)] = 0

    def __post_init__(self) -> None:
        check_limits(self, _outside)
        if self.method not in METHODS:
            raise InputError(f"method is {self.method!r}; give {' or '.join(METHODS)}")


def _outside(each: Declared, value: Any) -> InputError:
    return InputError(f"{each.flag} is {value}; give {each.option.low:g} or more")
