"""What is imported when it is first asked for, so that a command starts without it: names of a package, extras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from calcigraph.errors import MissingExtraError


def late_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562).

    Parameters
    ----------
    package
        Its full name.
    modules
        The names that each of its modules has, with spaces between them.

    Examples
    --------
    >>> late_names("calcigraph.models", {"consensus": "operator simulate"})("simulate").__module__
    'calcigraph.models.consensus'
    """
    where = {name: module for module, names in modules.items() for name in names.split()}

    def attribute(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{where[name]}"), name)

    return attribute


def extra_module(name: str, what: str, extra: str) -> Any:
    """A module of a library that an extra installs.

    Parameters
    ----------
    name
        As `import` takes it.
    what
        What is done with the library, for the message, such as "a film is written".
    extra
        The extra.

    Raises
    ------
    MissingExtraError
        It is not installed; the message has the install command.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise missing_extra(error, name.partition(".")[0], what, extra) from error


def missing_extra(error: ImportError, package: str, what: str, extra: str) -> MissingExtraError:
    """What to raise where a package of an extra could not be imported. Parameters as for `extra_module`."""
    why = "which is not installed" if error.name == package else f"which cannot be loaded ({error})"
    return MissingExtraError(f"{what} with {package}, {why}: pip install 'calcigraph[{extra}]'")
