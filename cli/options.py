"""The command line of a class of options: one typer option for every field that declares one (calcigraph/option.py)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from calcigraph.option import REQUIRED, Declared, declared

PLACE = "options"
"""The parameter of a command whose place the fields take."""


def takes(options: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options; it gets the instance made from them as `options`.

    A field whose name is also a parameter of the command goes to that parameter as it was given, not into `options`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters
        hints = get_type_hints(command, include_extras=True)
        made = {each.name: each for each in declared(options) if each.option.command_line}

        @wraps(command)
        def wrapped(**given: Any) -> None:
            values = {name: _value(each, given.pop(name)) for name, each in made.items()}
            apart = {name: values.pop(name) for name in made if name in own}
            command(**given, **apart, **{PLACE: options(**values)})

        parameters: list[inspect.Parameter] = []
        for parameter in own.values():
            if parameter.name == PLACE:
                parameters += [_parameter(each) for each in made.values()]
            elif parameter.name not in made:
                parameters.append(parameter.replace(annotation=hints[parameter.name]))
        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        wrapped.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in keyword}
        return wrapped

    return decorate


def _parameter(each: Declared) -> inspect.Parameter:
    option, kind, default = each.option, each.kind, each.default
    required = default is REQUIRED
    if _is_switch(each):
        kind, default = bool, False
    elif {str, int} <= set(get_args(kind)):
        kind = str  # the class itself tells a number from a word
    said = typer.Option(
        each.flag,
        help=_help(each),
        metavar=option.metavar,
        rich_help_panel=option.panel,
        show_default=not required,
    )
    return inspect.Parameter(
        each.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else default,
        annotation=Annotated[kind, said],
    )


def _help(each: Declared) -> str:
    """The option's own words, and the number that it stands for where it is not given."""
    number = each.option.stands_for
    if isinstance(number, bool) or not isinstance(number, int | float):
        return each.option.help
    return f"{each.option.help.removesuffix('.')}; default: {number:g}."


def _is_switch(each: Declared) -> bool:
    """Whether the flag stands alone: a bool, or one that may be left to the model (None)."""
    return set(get_args(each.kind) or (each.kind,)) <= {bool, NoneType}


def _value(each: Declared, given: Any) -> Any:
    """The field's value: a switch that is not given leaves the default."""
    if not _is_switch(each):
        return given
    return each.option.when_given if given else each.default
