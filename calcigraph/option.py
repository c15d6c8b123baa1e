"""An option of a fit, an ingest or a synthetic culture, declared once: in the field that holds it.

The field's annotation says what the option is. The command line is made from it.

    @dataclass(frozen=True)
    class Look:
        width: Annotated[float, Option("Width of the picture.", unit="inches", low=1, high=20)] = 3.5

`FitOptions`, `IngestOptions` and `SyntheticOptions` are such classes; cli/options.py makes the command line from them.
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
    """What a field says of its option, beside its type and its default."""

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
    """The lowest allowed value."""
    high: float | None = None
    """The highest allowed value."""
    choices: Sequence[Any] = ()
    """The allowed values; empty where any value is allowed."""
    stands_for: Any = None
    """The value that is used where the field is None (not given); None where that follows from the data."""
    when_given: bool = True
    """For a switch: the value that its flag sets."""
    command_line: bool = True
    """Whether the command line offers it."""


REQUIRED = object()
"""The default of an option that must be given."""


@dataclass(frozen=True)
class Declared:
    """A field of a class of options, with the `Option` of its annotation."""

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
        annotated = [extra for extra in extras if isinstance(extra, Option)]
        if annotated:
            default = REQUIRED if field.default is MISSING else field.default
            found.append(Declared(name=field.name, kind=kind, default=default, option=annotated[0]))
    return tuple(found)


def value_of(options: Any, name: str) -> Any:
    """The value of an option, or the value that it stands for if it is None.

    Examples
    --------
    >>> from calcigraph import FitOptions
    >>> value_of(FitOptions(), "ridge"), value_of(FitOptions(ridge=0.5), "ridge")
    (0.001, 0.5)
    """
    value = getattr(options, name)
    if value is not None:
        return value
    return next(each.option.stands_for for each in declared(type(options)) if each.name == name)


def check_limits(options: Any, complaint: Callable[[Declared, Any], Exception]) -> None:
    """Check all values of a class of options against their limits. None (not given) is always inside.

    Parameters
    ----------
    options
        An instance of a class whose fields declare options.
    complaint
        Makes the exception that is raised for the first value outside its limits.
    """
    for each in declared(type(options)):
        value = getattr(options, each.name)
        if value is not None and not _inside(each, value):
            raise complaint(each, value)


def _inside(each: Declared, value: Any) -> bool:
    option = each.option
    if option.low is None and option.high is None:
        return True
    number = isinstance(value, Real) and isfinite(value) and not isinstance(value, bool)
    whole = int not in (each.kind, *get_args(each.kind)) or isinstance(value, Integral)
    if not (number and whole):
        return False
    return (option.low is None or value >= option.low) and (option.high is None or value <= option.high)
