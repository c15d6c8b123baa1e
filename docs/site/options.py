"""Show what an option's field declares (calcigraph/option.py) as the documentation of that field."""

from __future__ import annotations

from dataclasses import is_dataclass
from importlib import import_module
from typing import Any

from griffe import Class, Docstring, Extension

from calcigraph.option import Declared, declared


class DeclaredOptions(Extension):
    """Puts the words of `Option(...)`, the flag and the limits before the field's own docstring."""

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """Called by griffe for every class, once the package is read."""
        made = getattr(import_module(cls.module.path), cls.name, None) if "Option" in cls.module.members else None
        for each in declared(made) if is_dataclass(made) and isinstance(made, type) else ():
            field = cls.members.get(each.name)
            if field is not None:
                own = field.docstring.value if field.docstring else ""
                field.docstring = Docstring(f"{_words(each)} {own}".strip(), parent=field, parser="numpy")


def _words(each: Declared) -> str:
    option = each.option
    low, high = option.low, option.high
    limits = "" if low is None else f" At least {low:g}." if high is None else f" From {low:g} to {high:g}."
    flag = f"`{each.flag}` " if option.command_line else ""
    return f"{flag}{option.help}{limits}"
