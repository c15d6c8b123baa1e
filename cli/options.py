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
"""The parameter of a command that is replaced by one option per field."""


def takes(options: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options; the instance made from them arrives as `options`.

    A field whose name is also a parameter of the command goes to that parameter as it was given, not into `options`.

    Parameters
    ----------
    options
        A dataclass whose fields declare options.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        of_command = inspect.signature(command).parameters
        fields = {each.name: each for each in declared(options) if each.option.command_line}

        @wraps(command)
        def wrapped(**given: Any) -> None:
            values = {name: _value(each, given.pop(name)) for name, each in fields.items()}
            apart = {name: values.pop(name) for name in fields if name in of_command}
            command(**given, **apart, **{PLACE: options(**values)})

        signature = _signature(command, fields)
        # Typer reads both.
        wrapped.__signature__ = signature  # type: ignore[attr-defined]
        wrapped.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
        return wrapped

    return decorate


def _signature(command: Callable[..., None], fields: dict[str, Declared]) -> inspect.Signature:
    """The command's parameters, with the fields at the place of `options`."""
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name == PLACE:
            parameters += [_parameter(each) for each in fields.values()]
        elif parameter.name not in fields:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
    # By keyword only, because a parameter without a default may then follow one that has it.
    return inspect.Signature([each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters])


def _parameter(each: Declared) -> inspect.Parameter:
    option, kind, default = each.option, each.kind, each.default
    required = default is REQUIRED
    if _is_switch(each):
        kind, default = bool, False
    elif str in get_args(kind) and {int, float} & set(get_args(kind)):
        kind = str  # the class of options itself tells a number from a word
    typer_option = typer.Option(
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
        annotation=Annotated[kind, typer_option],
    )


def _help(each: Declared) -> str:
    """The option's help, and the number that it stands for where it is not given."""
    number = each.option.stands_for
    if isinstance(number, bool) or not isinstance(number, int | float):
        return each.option.help
    return f"{each.option.help.removesuffix('.')}; default: {number:g}."


def _is_switch(each: Declared) -> bool:
    """Whether the flag takes no value: a bool, or a bool that may be left to the model (None)."""
    return set(get_args(each.kind) or (each.kind,)) <= {bool, NoneType}


def _value(each: Declared, given: Any) -> Any:
    """The field's value: a switch that is not given leaves the default."""
    if not _is_switch(each):
        return given
    return each.option.when_given if given else each.default
