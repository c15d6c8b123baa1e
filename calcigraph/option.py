"""An option, written once: the field that holds it says what it is, and the command line is made from that.

    @dataclass(frozen=True)
    class Look:
        width: Annotated[float, Option("Width of the picture.", unit="inches", low=1, high=20)] = 3.5

`FitOptions`, `IngestOptions` and `SyntheticOptions` are such classes; `cli/options.py` makes the command line of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from math import isfinite
from numbers import Integral, Real
from typing import Any, cast, get_args, get_type_hints


@dataclass(frozen=True)
class Option:
    """What an option's field says of it, beside its type and its default."""

    help: str
    """One line for the command line and the documentation; it names the unit."""
    panel: str | None = None
    """The group under which help lists it; None for the general one."""
    flag: str | None = None
    """Its name on the command line where that is not the field's, such as --size for size_px."""
    metavar: str | None = None
    """What help shows for its value, such as N."""
    unit: str = ""
    """What it counts or is measured in, for messages."""
    low: float | None = None
    high: float | None = None
    """Limits, both allowed values."""
    choices: Sequence[Any] = ()
    """The values there are; empty where any will do."""
    stands_for: Any = None
    """The value that None, not given, stands for; None where that follows from the data."""
    when_given: bool = True
    """For a switch: the value that its flag sets."""
    command_line: bool = True
    """Whether the command line offers it."""


REQUIRED = object()
"""The default of an option that must be given."""


@dataclass(frozen=True)
class Declared:
    """A field of a class of options, and what it says of itself."""

    name: str
    kind: Any
    """Its type, without the annotation."""
    default: Any
    """REQUIRED if it must be given."""
    option: Option

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return self.option.flag or "--" + self.name.replace("_", "-")


def declared(options: type) -> tuple[Declared, ...]:
    """The options that a dataclass declares, in the order of its fields; fields without `Option` are left out.

    Examples
    --------
    >>> from calcigraph import FitOptions
    >>> each = {one.name: one for one in declared(FitOptions)}
    >>> each["half_width"].flag, each["half_width"].option.unit
    ('--half-width', 'frames')
    """
    return _declared(cast(Hashable, options))


@cache
def _declared(options: Any) -> tuple[Declared, ...]:
    hints, found = get_type_hints(options, include_extras=True), []
    for field in fields(options):
        kind, *extras = get_args(hints[field.name]) or (hints[field.name],)
        said = [extra for extra in extras if isinstance(extra, Option)]
        if said:
            found.append(Declared(field.name, kind, REQUIRED if field.default is MISSING else field.default, said[0]))
    return tuple(found)


def value_of(options: Any, name: str) -> Any:
    """The value of an option, or what it stands for where it is not given."""
    value = getattr(options, name)
    if value is not None:
        return value
    return next(each.option.stands_for for each in declared(type(options)) if each.name == name)


def check_limits(options: Any, complaint: Callable[[Declared, Any], Exception]) -> None:
    """Raise the complaint about the first value outside its limits; None, not given, is always inside."""
    for each in declared(type(options)):
        value, option = getattr(options, each.name), each.option
        if value is None or (option.low is None and option.high is None):
            continue
        number = isinstance(value, Real) and isfinite(value) and not isinstance(value, bool)
        whole = int not in (each.kind, *get_args(each.kind)) or isinstance(value, Integral)
        if not (number and whole and (option.low is None or value >= option.low)):
            raise complaint(each, value)
        if option.high is not None and value > option.high:
            raise complaint(each, value)
